"""What `integralaction reproduce` left in a folder, as one self-contained HTML page: claims, tables, figures."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from integralaction.errors import Refused
from integralaction.report.page import Fold, Page, Picture, Section, data_uri, read_rows, table_markups, write_page
from integralaction.reproduce.claims import tally
from integralaction.reproduce.figures import FIGURES
from integralaction.reproduce.items import REPRODUCTION, item_title
from integralaction.reproduce.table_files import read_table
from integralaction.reproduce.tables import TABLES
from integralaction.settings import read_yaml

_FACTS = ("command", "processor", "gpu", "threads", "torch", "integralaction")  # of the machine, in this order


def write_reproduction_page(folder: Path, out: Path | None = None) -> Path:
    """Write the page of what `integralaction reproduce` left in a folder, and of what it skipped.

    Args:
        folder: has tables/*.json (or .csv), figures/*.png, claims.csv, skipped.csv and reproduction.yaml, or some.
        out: the file, written aside and then renamed; None: report.html in the folder.

    Returns:
        The file.

    Raises:
        ValueError: there is nothing of that in the folder, or `out` is a file that is no page of ours.
    """
    names = {path.stem for part in ("tables/*.json", "tables/*.csv", "figures/*.png") for path in folder.glob(part)}
    if not names & {"claims", *TABLES, *FIGURES}:
        raise Refused(
            f"Expected tables, figures or claims in {folder}; found none. Make them with `integralaction reproduce`."
        )
    summary = ()
    if claims := read_rows(folder / "claims.csv"):
        verdicts = [row[-1] for row in claims[1:]]
        summary = (f"Of {len(verdicts)} claims of the paper, {tally(verdicts)}.",)
    titles = {"claims": "Claims", **{name: f"{item_title(name)}: {recipe.title}" for name, recipe in TABLES.items()}}
    sections = [
        Section(name, title, tables=table_markups(replace(read_table(folder / "tables", name), title="")))
        for name, title in titles.items()
        if name in names
    ]
    for name, figure in FIGURES.items():
        if name in names:
            title = f"{item_title(name)}: {figure.title}"
            source = data_uri("image/png", (folder / "figures" / f"{name}.png").read_bytes())
            sections.append(Section(name, title, pictures=(Picture(source, title, ""),)))
    settings = folder / REPRODUCTION
    if settings.is_file():
        fold = Fold("Settings", settings.read_text(encoding="utf-8", errors="backslashreplace"))
        sections.append(Section("settings", "Settings", folds=(fold,)))
    omissions = tuple(": ".join(row) for row in read_rows(folder / "skipped.csv")[1:])
    sections.append(Section("skipped", "What was skipped", lines=omissions or ("Nothing.",)))
    title = f"{folder.resolve().name}: the paper, measured"
    return write_page(Page(title, _facts(settings), summary, tuple(sections)), out or folder / "report.html")


def _facts(settings: Path) -> tuple[tuple[str, str], ...]:
    """What was measured, by which command, when and where; nothing where the folder does not say."""
    values = read_yaml(settings) if settings.is_file() else {}
    if not isinstance(values, dict):
        return ()
    recipes, data, seeds = (values.get(key) for key in ("recipes", "data", "seeds"))
    environment = values.get("environment")
    machine: dict[str, Any] = environment if isinstance(environment, dict) else {}
    facts = {
        "command": machine.get("command"),
        "date": values.get("date"),
        "seeds": _join_list(seeds),
        "recipe": _join_list(
            [r.get("name") for r in recipes if isinstance(r, dict)] if isinstance(recipes, list) else None
        ),
        "data": _join_list(data),
        **{name: machine.get(name) for name in _FACTS[1:] if (name, machine.get(name)) != ("gpu", "none")},
    }
    return tuple((name, str(value)) for name, value in facts.items() if value not in (None, ""))


def _join_list(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else "" if value is None else str(value)
