"""The files of a table, written and read back."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from integralaction.reproduce.table_files import read_table, write_table
from integralaction.tables import Cell, Column, Row, Table, to_csv

COLUMNS = (Column("in-context", "top-1"), Column("", "mean gate", 2), Column("paper", "top-1"))
ROWS = (
    Row("appearance-only", (Cell(72.84375), Cell(), Cell(text="72.8"))),
    Row("integral (ours)", (Cell(72.2, 0.4), Cell(0.4444), Cell(text="72.2")), strong=True, section=True),
)
TABLE = Table("table4", "Methods", "method", COLUMNS, ROWS, ("a note",))


def test_files(tmp_path: Path) -> None:
    paths = write_table(TABLE, tmp_path / "tables")
    assert [path.name for path in paths] == ["table4.csv", "table4.md", "table4.tex", "table4.json"]
    assert sorted((tmp_path / "tables").iterdir()) == sorted(paths)
    assert paths[0].read_text(encoding="utf-8") == to_csv(TABLE)
    assert read_table(tmp_path / "tables", "table4") == TABLE


def test_a_file_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    """Its columns know nothing of bars."""
    path = write_table(TABLE, tmp_path)[-1]
    values = json.loads(path.read_text(encoding="utf-8"))
    for column in values["columns"]:
        del column["bars"]
    path.write_text(json.dumps(values))
    assert read_table(tmp_path, "table4") == TABLE


def test_a_csv_alone_has_the_digits_that_were_shown(tmp_path: Path) -> None:
    write_table(TABLE, tmp_path)[-1].unlink()
    table = read_table(tmp_path, "table4")
    assert [column.name for column in table.columns] == ["in-context top-1", "mean gate", "paper top-1"]
    texts = [["appearance-only", "72.8", "", "72.8"], ["integral (ours)", "72.2 ± 0.4", "0.44", "72.2"]]
    assert [table.texts(row) for row in table.rows] == texts and table.rows[1].strong
    (tmp_path / "table4.csv").write_text("label,a\nx,1,2\n")
    with pytest.raises(ValueError, match=r"Expected 2 cells in each row of .*table4.csv"):
        read_table(tmp_path, "table4")


def test_other_peoples_json_is_refused(tmp_path: Path) -> None:
    write_table(replace(TABLE, notes=()), tmp_path)
    (tmp_path / "table4.json").write_text("[]")
    with pytest.raises(ValueError, match="Expected a table"):
        read_table(tmp_path, "table4")
