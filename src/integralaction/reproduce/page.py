"""What `integralaction reproduce` left in a folder, as one self-contained HTML page: claims, tables, figures."""

import re
from pathlib import Path

from markupsafe import Markup

from integralaction.figures.table import MORE_DIGITS, Cell, Column, Row, Table
from integralaction.page import Fold, Page, Picture, Section, data_uri, read_rows, table_markup, write_page
from integralaction.reproduce.claims import VERDICTS
from integralaction.reproduce.figures import FIGURES
from integralaction.reproduce.items import REPRODUCTION
from integralaction.reproduce.tables import TABLES


def write_reproduction_page(folder: Path, out: Path) -> Path:
    """Write the page of what `integralaction reproduce` left in a folder, and of what it skipped.

    Args:
        folder: has tables/*.csv, figures/*.png, claims.csv, skipped.csv and reproduction.yaml, or some of them.
        out: the file, written aside and then renamed.

    Returns:
        The file.

    Raises:
        ValueError: there is nothing of that in the folder.
    """
    names = {path.stem for part in ("tables/*.csv", "figures/*.png") for path in folder.glob(part)}
    if not names:
        raise ValueError(
            f"Expected tables, figures or claims in {folder}; found none. Make them with `integralaction reproduce`."
        )
    answer = []
    if claims := read_rows(folder / "claims.csv"):
        verdicts = [row[-1] for row in claims[1:]]
        counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in VERDICTS)
        answer = [f"Of {len(verdicts)} claims of the paper: {counts}."]
    sections = []
    if "claims" in names:
        sections.append(Section("claims", "Claims", tables=(_table(folder / "tables" / "claims.csv"),)))
    for name, table in TABLES.items():
        if name in names:
            sections.append(
                Section(name, _title(name, table.title), tables=(_table(folder / "tables" / f"{name}.csv"),))
            )
    for name, figure in FIGURES.items():
        if name in names:
            told = _title(name, figure.title)
            source = data_uri("image/png", (folder / "figures" / f"{name}.png").read_bytes())
            sections.append(Section(name, told, pictures=(Picture(source, told, ""),)))
    settings = folder / REPRODUCTION
    if settings.is_file():
        sections.append(
            Section("settings", "Settings", folds=(Fold("Settings", settings.read_text(encoding="utf-8")),))
        )
    skipped = tuple(": ".join(row) for row in read_rows(folder / "skipped.csv")[1:])
    sections.append(Section("skipped", "What was skipped", lines=skipped or ("Nothing.",)))
    return write_page(Page(f"{folder.resolve().name}: the paper, measured", (), tuple(answer), tuple(sections)), out)


def _table(path: Path) -> Markup:
    """A table that was written with more digits than are shown."""
    heading, *rows = read_rows(path)
    made = tuple(Row(row[0], tuple(Cell(text=_rounded(text)) for text in row[1:])) for row in rows)
    columns = tuple(Column("", name) for name in heading[1:])
    return table_markup(Table(path.stem, "", heading[0], columns, made))


def _rounded(text: str) -> str:
    """A number with the digits that its table shows; other text, printed numbers too, as it is."""
    number = re.fullmatch(rf"-?\d+\.(\d{{{MORE_DIGITS},}})", text)
    return f"{float(text):.{len(number[1]) - MORE_DIGITS}f}" if number else text


def _title(name: str, title: str) -> str:
    """`table4` as Table 4, with what it is."""
    return re.sub(r"(?<=[a-z])(?=\d)", " ", name).replace("-", " ").capitalize() + f": {title}"
