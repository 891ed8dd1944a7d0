"""The files of a reproduction's tables, and the tables that they are read back as.

TABLES/NAME.csv, .md, .tex     to use elsewhere
TABLES/NAME.json               everything that the table is
"""

import json
import re
from dataclasses import asdict
from itertools import pairwise
from pathlib import Path

from integralaction.errors import Refused
from integralaction.files import write_text
from integralaction.report.page import read_rows, to_html
from integralaction.tables import (
    MORE_DIGITS,
    Cell,
    Column,
    Row,
    Table,
    plain_columns,
    to_csv,
    to_latex,
    to_markdown,
)


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write FOLDER/NAME.csv, .md, .tex and .json.

    Returns:
        The four paths.
    """
    texts = {"csv": to_csv(table), "md": to_markdown(table), "tex": to_latex(table), "json": to_json(table)}
    paths = [folder / f"{table.name}.{ending}" for ending in texts]
    for path, text in zip(paths, texts.values(), strict=True):
        write_text(path, text, errors="backslashreplace")
    return paths


def read_table(folder: Path, name: str) -> Table:
    """The table that `write_table` wrote: from NAME.json or, where that is not there, from NAME.csv.

    Raises:
        ValueError: they are other files.
    """
    path = folder / f"{name}.json"
    return from_json(path.read_text(encoding="utf-8")) if path.is_file() else _from_csv(folder / f"{name}.csv")


def _from_csv(path: Path) -> Table:
    """A table of which the csv alone is there, with the digits that were shown; it has neither title nor notes.

    Raises:
        ValueError: it is no such csv.
    """
    heading, *rows = read_rows(path) or [[""]]
    if any(len(row) != len(heading) for row in rows):
        raise Refused(f"Expected {len(heading)} cells in each row of {path}; found another number.")
    spreads = {place + 1 for place, (name, other) in enumerate(pairwise(heading)) if other == f"{name} ±"}
    places = [place for place in range(1, len(heading)) if place not in spreads]
    table_rows = []
    for row in rows:
        cells = []
        for place in places:
            spread = _round(row[place + 1]) if place + 1 in spreads else ""
            cells.append(Cell(text=f"{_round(row[place])} ± {spread}" if spread else _round(row[place])))
        strong = row[0].startswith("integral (") or row[0] == "all videos"
        table_rows.append(Row(row[0], tuple(cells), strong))
    first = "claim" if path.stem == "claims" else "method"
    columns = plain_columns([heading[place] for place in places])
    return Table(path.stem, "", first if heading[0] == "label" else heading[0], columns, tuple(table_rows))


def _round(text: str) -> str:
    """A number with the digits that its table shows; other text, printed numbers too, as it is."""
    number = re.fullmatch(rf"-?\d+\.(\d{{{MORE_DIGITS},}})", text)
    return f"{float(text):.{len(number[1]) - MORE_DIGITS}f}" if number else text


def to_json(table: Table) -> str:
    """Everything that the table is, to be read back."""
    return json.dumps(asdict(table), ensure_ascii=False, indent=1) + "\n"


def from_json(text: str) -> Table:
    """The table that `to_json` wrote.

    Raises:
        ValueError: it did not.
    """
    try:
        values = json.loads(text)
        rows = tuple(
            Row(row["label"], tuple(Cell(**cell) for cell in row["cells"]), row["strong"], row["section"])
            for row in values["rows"]
        )
        columns = tuple(Column(**column) for column in values["columns"])
        table = Table(values["name"], values["title"], values["first"], columns, rows, tuple(values["notes"]))
        to_html(table)  # whose parts are texts and numbers
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(f"Expected a table as `integralaction reproduce` writes it; found another ({error}).") from error
    return table
