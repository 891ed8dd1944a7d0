"""A table's renderings: read back by other readers, counted, measured; the commands' tables in narrow terminals."""

# ruff: noqa: RUF001 (the marks that papers use)

import csv
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from integralaction.clip import Poses
from integralaction.data.index import Index, Video
from integralaction.data.poses import write_pose_store
from integralaction.report.overview import print_overview
from integralaction.report.page import to_html
from integralaction.tables import Cell, Column, Row, Table, to_csv, to_latex, to_markdown
from integralaction.terminal import print_table
from integralaction.testing.audit import Audit, print_audit
from integralaction.testing.context_swaps import VERSIONS
from integralaction.testing.evaluate import print_results
from integralaction.testing.predictions import Predictions

COLUMNS = (
    Column("in-context", "top-1"),
    Column("in-context", "top-5"),
    Column("out-of-context", "top-1"),
    Column("", "mean gate", 2),
)
ROWS = (
    Row("appearance-only", (Cell(72.8), Cell(90.125), Cell(text="11.2"), Cell())),
    Row("integral | λ = 1.5", (Cell(72.2, 0.4), Cell(91), Cell(26.5, 1.25), Cell(0.4444)), strong=True, section=True),
    Row("100% of T' & F'_P", (Cell(float("nan")), Cell(), Cell(), Cell(0.1)), section=True),
)
TABLE = Table("table4", "Table 4: top-1 in %", "method", COLUMNS, ROWS, ("± of 3 runs", "a_b <c>"))


def printed(table: Table, width: int) -> list[str]:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    print_table(table, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_row_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected 4 cells in each row of table4.*found 1 in the row 'short'"):
        Table("table4", "", "method", COLUMNS, (Row("short", (Cell(1),)),))


def test_csv_reads_back() -> None:
    first, second, third = csv.DictReader(io.StringIO(to_csv(TABLE)))
    assert list(first) == [
        "label",
        *("in-context top-1", "in-context top-1 ±", "in-context top-5"),
        *("out-of-context top-1", "out-of-context top-1 ±", "mean gate"),
    ]
    assert first["in-context top-5"] == "90.12500" and first["out-of-context top-1"] == "11.2"
    assert first["in-context top-1 ±"] == "" and first["mean gate"] == ""
    assert second["label"] == "integral | λ = 1.5" and second["out-of-context top-1 ±"] == "1.25000"
    assert second["mean gate"] == "0.444400"
    assert third["in-context top-1"] == ""


def read_markdown(text: str) -> list[list[str]]:
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [re.split(r"(?<!\\)\|", line)[1:-1] for line in lines]
    return [[re.sub(r"\\(.)", r"\1", cell.strip().strip("*")) for cell in row] for row in rows]


def test_markdown_reads_back() -> None:
    headings, sides, first, second, third = read_markdown(to_markdown(TABLE))
    assert headings == ["method", "in-context top-1", "in-context top-5", "out-of-context top-1", "mean gate"]
    assert sides == ["---", *["---:"] * 4]
    assert first == ["appearance-only", "72.8", "90.1", "11.2", ""]
    assert second == ["integral | λ = 1.5", "72.2 ± 0.4", "91.0", "26.5 ± 1.2", "0.44"]
    assert third == ["100% of T' & F'_P", "–", "", "", "0.10"]
    assert "**72.2 ± 0.4**" in to_markdown(TABLE) and to_markdown(TABLE).endswith("± of 3 runs\n\na\\_b \\<c>\n")


def test_latex_has_the_same_number_of_cells_in_each_row() -> None:
    text = to_latex(TABLE)
    assert text.startswith("% needs \\usepackage{booktabs}")
    body = text.split("\\toprule")[1].split("\\bottomrule")[0]
    lines = [line for line in body.splitlines() if line.endswith("\\\\")]
    assert len(lines) == 5
    for line in lines:
        spanned = sum(int(count) - 1 for count in re.findall(r"\\multicolumn\{(\d)\}", line))
        assert len(re.findall(r"(?<!\\)&", line)) + spanned == 4, line
    assert "\\cmidrule(lr){2-3}\\cmidrule(lr){4-4}\n" in body
    assert body.count("\\midrule") == 3  # below the headings, above two sections
    assert "\\textbf{72.2 $\\pm$ 0.4}" in body
    assert "\\footnotesize a\\_b $<$c$>$" in text
    assert text.count("{") == text.count("}") and text.count("\\begin") == text.count("\\end")


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("50% of a_b & #1", r"50\% of a\_b \& \#1"),
        ("λ = 0, τ = 8, T' = 32", r"$\lambda$ = 0, $\tau$ = 8, $T'$ = 32"),
        ("F'_A and TCB_P", r"$\mathrm{F}'_{\mathrm{A}}$ and $\mathrm{TCB}_{\mathrm{P}}$"),
        ("1×7², 64", r"1$\times$7$^2$, 64"),
        ("5 ± 1", r"5 $\pm$ 1"),
        ("it's {~^$}\\", r"it's \{\textasciitilde{}\textasciicircum{}\$\}\textbackslash{}"),
        ("[a]* <b|c>", "{[}a{]}{*} $<$b$|$c$>$"),
        ("two\nlines", r"\begin{tabular}[t]{@{}l@{}}two\\lines\end{tabular}"),
    ],
)
def test_latex_escapes(text: str, escaped: str) -> None:
    table = Table("t", "t", "t", (Column("", "x"),), (Row("row", (Cell(text=text),)),))
    assert f"row & {escaped} \\\\\n" in to_latex(table)


def test_latex_of_the_projects_marks_is_plain() -> None:
    marks = "λτσμπ±×−–—…²³≤≥≈→∈⊙✓✗′·ΔΣ’“”"
    assert to_latex(Table("t", marks, "t", (), ())).isascii()


class Counter(HTMLParser):
    """Counts tags, refuses those that are not closed, and keeps the texts."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.started: list[str] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.started.append(tag)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def test_html() -> None:
    text = to_html(TABLE)
    reader = Counter()
    reader.feed(text)
    assert not reader.open and reader.started.count("table") == 1
    assert reader.started.count("td") == 3 * 4 + 2 and reader.started.count("tr") == 2 + 3 + 2
    assert "a_b <c>" in reader.texts and "100% of T' & F'_P" in reader.texts
    assert '<tr class="strong section">' in text and 'data-label="in-context top-1">72.2 ± 0.4</td>' in text
    assert '<th scope="colgroup" colspan="2">in-context</th>' in text


def test_columns_that_do_not_fit_stand_below_one_another() -> None:
    columns = tuple(Column(group, f"top-{k}") for group in ("in-context", "out-of-context", "no-pose") for k in (1, 5))
    cells = tuple(Cell(10.5 + i, 0.4) for i in range(6))
    table = Table("wide", "A wide table", "method", columns, (Row("appearance-only", cells), Row("integral", cells)))
    assert max(map(len, printed(table, 120))) > 80
    assert sum(line.startswith("integral") for line in printed(table, 120)) == 1
    lines = printed(table, 80)
    assert max(map(len, lines)) <= 80
    assert sum(line.startswith("integral") for line in lines) == 2  # the label is repeated
    # groups stay together, and nothing is lost
    assert [line.split() for line in lines if "-context" in line] == [["in-context", "out-of-context"]]
    assert sum(line.split() == ["no-pose"] for line in lines) == 1
    assert re.findall(r"\d+\.5 ± 0\.4", "\n".join(lines)) == [
        f"{10 + i}.5 ± 0.4" for i in (*range(4), *range(4), 4, 5, 4, 5)
    ]


def test_a_heading_wider_than_its_columns() -> None:
    columns = (Column("in-context (980 videos)", "a"), Column("in-context (980 videos)", "b"), Column("", "c"))
    lines = printed(Table("t", "title", "x", columns, (Row("y", (Cell(1), Cell(2), Cell(3))),)), 80)
    heading, rule, names, _, row = lines[1:]
    start = heading.index("in-context")
    assert rule[start : start + 23] == "─" * 23 and rule[start + 23 :] == ""
    assert names.index("b") == start + 22 == row.index("2.0") + 2
    assert len(names) == start + 23 + 2 + 3


def test_one_group_that_is_too_wide_is_divided() -> None:
    columns = tuple(Column("a group", f"column {i}") for i in range(12))
    lines = printed(Table("t", "title", "x", columns, (Row("y", tuple(Cell(100.5 + i) for i in range(12))),)), 80)
    assert max(map(len, lines)) <= 80 and [line.strip() for line in lines].count("a group") == 2
    assert re.findall(r"\d{3}\.5", "\n".join(lines)) == [f"{100 + i}.5" for i in range(12)]


def test_words_stand_at_the_left_and_may_have_lines() -> None:
    columns = (Column("", "words"), Column("", "n"))
    table = Table(
        "t", "title", "x", columns, (Row("y", (Cell(text="two\nlines"), Cell(1))), Row("z", (Cell(), Cell(2))))
    )
    assert [line.rstrip() for line in printed(table, 80)[3:]] == ["y  two    1.0", "   lines", "z         2.0"]
    assert "two<br>lines" in to_markdown(table) and "two<br>lines" in to_html(table)
    assert "y,two lines,1.00000" in to_csv(table)


WIDE = Table(
    "wide",
    "Everything at once, with a title that is longer than a narrow terminal is wide",
    "which method of them all",
    (
        *(Column(f"test set {n} of many videos", k) for n in range(3) for k in ("top-1 in %", "top-5 in %")),
        Column("", "published elsewhere"),
        Column("", "a heading of many words", 3),
    ),
    tuple(
        Row(
            label,
            (
                *(Cell(10 * i + n + 0.25, 1.5) for n in range(5)),
                Cell(text=f"{i}7.2 [-10.25, +123.5]"),
                Cell(text="by others, who print 88.125 and say no more of it than that"),
                Cell(None if i else float(i)),
            ),
            strong=i == 1,
            section=i == 2,
        )
        for i, label in enumerate(
            ("appearance-only", "integral (ours, λ = 1.5) with a long explanation", "动作识别" * 9)
        )
    ),
    ("A note that is longer than sixty characters, and even than eighty of them, so it must be wrapped.",),
)


def numbers(table: Table) -> list[str]:
    """Every number that a table shows, by way of its csv cells' own texts."""
    return [text for row in table.rows for text in table.texts(row)[1:] if re.fullmatch(r"[-+\d.,±\[\] ]+", text)]


@pytest.mark.parametrize("width", [40, 60, 80, 120, 400])
def test_no_number_is_broken_and_no_line_too_long(width: int) -> None:
    lines = printed(WIDE, width)
    assert max(cell_len(line) for line in lines) <= width
    text = "\n".join(lines)
    for number in numbers(WIDE):
        assert number in text, number
    assert text.count("88.125") == 3 and len(numbers(WIDE)) == 3 * 6 + 1
    parts = text.count("appearance-only")  # each has the labels again
    assert parts == 1 if width == 400 else parts > 1
    assert text.count("动") % 9 == 0


def test_piped_output_is_as_wide_as_columns_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for width in (60, 80):
        monkeypatch.setenv("COLUMNS", str(width))
        with (tmp_path / "piped").open("w", encoding="utf-8") as file:
            print_table(WIDE, Console(file=file))
        text = (tmp_path / "piped").read_text(encoding="utf-8")
        assert max(map(cell_len, text.splitlines())) <= width
        assert all(number in text for number in numbers(WIDE))


@pytest.mark.parametrize("width", [60, 80])
def test_tables_of_the_commands_have_whole_numbers(width: int, tmp_path: Path) -> None:
    splits = ("in-context", "out-of-context", "no-pose", "ambiguous", "val")
    videos = tuple(Video(f"{i}.mp4", "ab"[i % 2], splits[i % 5], 100 + i, 29.97, 1080, 1920) for i in range(400))
    labels = np.arange(400) % 2
    chosen = np.where(np.arange(400) % 7 > 0, labels, 1 - labels)
    probabilities = np.eye(2, dtype=np.float32)[chosen]
    gate = np.full(400, 0.25, np.float32)
    predictions = Predictions("integral", ("a", "b"), videos, labels, probabilities, gate)
    answers = {("appearance-only", version): chosen for version in VERSIONS}
    poses = Poses.from_frames("openpose18", {0: np.full((2, 18, 3), 0.5, np.float32)})
    write_pose_store(tmp_path, [(videos[0].video, poses)])
    console = Console(width=width, file=io.StringIO(), color_system=None)
    print_results({"integral": predictions}, console)
    print_audit(Audit(("a", "b"), tuple(v.video for v in videos), labels, 1 - labels, answers, {}), console)
    print_overview(Index(tmp_path, "toy", "openpose18", ("a", "b"), videos), console)
    assert isinstance(console.file, io.StringIO)
    text = console.file.getvalue()
    assert max(map(len, text.splitlines())) <= width
    right = [int((chosen == labels)[i::5].sum()) for i in range(5)]
    cells = [f"{100 * count / 80:.1f} [" for count in right]
    assert all(cell in text for cell in cells) and len(re.findall(r"\d\d\.\d \[\d\d, \d\d\]", text)) == 5
    assert len(re.findall(r"\d+\.\d ±\d+", text)) == 5 and text.count("0.25") == 5
    assert "100/297.5/495" in " ".join(text.split()) and text.count("1920x1080") == 5 and text.count("29.97") == 5
