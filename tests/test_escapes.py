"""Names from other people's files in tables: read back as they were, and nothing is done with them."""

# ruff: noqa: RUF001 (the marks that papers use)

import csv
import html
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from reproduce.fakes import CLASSES, predictions
from rich.console import Console

from integralaction.assembly.issues import write_issues
from integralaction.assembly.plan import ImportIssue
from integralaction.escapes import escape_csv, escape_html, escape_latex, escape_markdown
from integralaction.report.page import page_width
from integralaction.reproduce.table_files import from_json, to_json
from integralaction.tables import Cell, Column, Row, Table, split_columns, to_csv, to_markdown
from integralaction.terminal import print_table
from integralaction.testing.evaluate import print_results, results_table
from integralaction.testing.scores import score
from integralaction.training.log import check_unreadable

NAMES = (
    "[red]in[/red]",
    "=HYPERLINK(1)",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(A1)",
    "\tx",
    "a|b_c & <i>d</i> 5 % ~ $x$",
    "\x1b[31mred\x1b[0m",
    "&lt; \\frac{",
    "\u202eabc",
)


@pytest.mark.parametrize("name", NAMES)
def test_no_spreadsheet_calculates_a_name(name: str) -> None:
    cell = str(escape_csv(name))
    assert not cell.startswith(("=", "+", "-", "@", "\t")) and "\x1b" not in cell
    assert cell.removeprefix("'").startswith(name[0]) or not name[0].isprintable()


@pytest.mark.parametrize("value", ["-0.5", "+8.9 [+4.1, +13.8]", "", "boxing", "it's", -0.5, 3, None, "–"])
def test_numbers_and_plain_words_stay(value: object) -> None:
    assert escape_csv(value) == value


def test_lists_of_other_peoples_files_are_neutral(tmp_path: Path) -> None:
    """What was left out of an import, and what could not be read in training, by the names of the files."""
    name = "=cmd|' /C calc'!A0.mp4"
    write_issues(tmp_path, [ImportIssue(name, "a reason", "-1 frames of \x1b[31m")])
    check_unreadable({name: "@fault"}, 100, 0.5, tmp_path)
    for file in ("import.csv", "failed.csv"):
        cells = [cell for row in csv.reader((tmp_path / file).read_text().splitlines()) for cell in row]
        assert f"'{name}" in cells and not any(cell.startswith(("=", "@", "-", "+")) for cell in cells)
        assert "\x1b" not in "".join(cells)


def test_marks_in_markdown_html_and_latex() -> None:
    name = "a|b_c & <i>d</i> 5 % ~ $x$ `e` &amp; [f](g)"
    assert escape_markdown(name) == r"a\|b\_c & \<i>d\</i> 5 % \~ \$x\$ \`e\` \&amp; \[f\](g)"
    assert html.unescape(escape_html(name)) == name and "<" not in escape_html(name)
    assert escape_latex(name) == r"a$|$b\_c \& $<$i$>$d$<$/i$>$ 5 \% \textasciitilde{} \$x\$ `e` \&amp; {[}f{]}(g)"
    for format_ in (escape_markdown, escape_html, escape_latex):
        assert "\x1b" not in format_("\x1b[31m") and "\u202e" not in format_("\u202eabc")


def printed(table: Table) -> str:
    console = Console(width=200, file=io.StringIO(), color_system=None)
    print_table(table, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_table_of_such_names() -> None:
    columns = tuple(Column(name, name) for name in NAMES[:2])
    rows = tuple(Row(name, (Cell(text=name), Cell(1.0, 0.5))) for name in NAMES)
    table = Table("t", NAMES[0], NAMES[1], columns, rows, (NAMES[0],))
    text = printed(table)
    assert "\x1b" not in text and "\u202e" not in text and text.count("[red]in[/red]") >= 4
    for row in csv.reader(io.StringIO(to_csv(table))):
        assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in row)
    assert from_json(to_json(table)) == table
    for wrong in ("", "[]", "{}", to_json(table).replace('"strong"', '"weak"'), "[" * 5000):
        with pytest.raises(ValueError, match="Expected a table"):
            from_json(wrong)


def test_wide_tables_are_split_between_groups() -> None:
    columns = tuple(Column(group, f"top-{k}") for group in ("in-context", "out-of-context", "no-pose") for k in (1, 5))
    rows = (Row("integral", (Cell(10.5, 0.4),) * 6), Row("published", (*(Cell(text="70.1"),) * 4, Cell(), Cell())))
    table = Table("t", "title", "method", columns, rows, ("a note",))
    parts = split_columns(table, lambda part: page_width(part, 40) <= 60)
    assert [len(part.columns) for part in parts] == [4, 2] and tuple(c for p in parts for c in p.columns) == columns
    assert [part.title for part in parts] == ["title", ""] and [part.notes for part in parts] == [(), ("a note",)]
    assert [[row.label for row in part.rows] for part in parts] == [["integral", "published"], ["integral"]]
    assert split_columns(table, lambda part: page_width(part, 40) <= 1000) == [table]


def test_a_terminal_without_the_marks(tmp_path: Path) -> None:
    """Where the terminal's letters are ASCII alone, the table is printed with others."""
    columns = (Column("", "x"),)
    table = Table("t", "λ", "method", columns, (Row("integral (λ = 1.5)", (Cell(1.0, 0.5),)),), ("a – b",))
    with (tmp_path / "out").open("w", encoding="ascii") as file:
        print_table(table, Console(width=80, file=file))
    assert "1.0 +- 0.5" in (tmp_path / "out").read_text()


def test_results_of_a_split_with_such_a_name() -> None:
    name = "[red]in|\x1b[31m"
    one = predictions("integral", "in-context", np.array([0, 1, 0, 6, 0, 0]), 0.25)
    videos = tuple(replace(video, split=name) for video in one.videos)
    one = replace(one, videos=videos)
    assert len(CLASSES) == one.probabilities.shape[1]
    console = Console(width=120, file=io.StringIO(), color_system=None)
    print_results({"integral": one, "gate-free": replace(one, method="gate-free")}, console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert "[red]in|\\x1b[31m" in text and "\x1b" not in text
    assert "Too few videos to rely on: [red]in" in text
    assert r"\[red\]in\|\x1b\[31m (6)".replace(r"\x1b", r"\\x1b") in to_markdown(
        results_table([score(one, name)], [name])
    )
