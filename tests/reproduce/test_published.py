"""The published numbers against the text of the paper, read a second time by other means; ranks by hand."""

import math
import re
from pathlib import Path

import pytest

from integralaction.reproduce.published import TABLES, average_ranks, read_published

FOUR = [f"{data} {top}" for data in ("Kinetics50", "Mimetics") for top in ("top-1", "top-5")]
ROWS = {1: 4, 2: 13, 3: 13, 4: 7, 5: 8, 6: 3, 7: 4, 8: 3, 9: 3}
CLASSES = {10: 50, 11: 50, 12: 60}

# what the paper calls the rows that carry our own names
LAMBDAS = {"integral": "IntegralAction (ours, λ = 1.5)", "lambda-5": "IntegralAction (ours, λ = 5.0)"}
STREAMS = {"appearance-only": "appearance-only model", "pose-only": "pose-only model"}
FUSIONS = {
    "feature-fuse": "feature fuse",
    "score-average": "score average",
    "gate-free": "ours without gating",
    "lambda-0": "ours without Lgate",
    "integral": "IntegralAction (ours)",
}
IN_PAPER = {
    1: STREAMS | LAMBDAS,
    2: LAMBDAS,
    3: LAMBDAS,
    4: STREAMS | FUSIONS,
    5: {},
    6: {"appearance-gate": "appearance-driven", "integral": "pose-driven (ours)", "both-gate": "both-driven"},
    7: {"lambda-0": "0.0", "lambda-1": "1.0", "integral": "1.5 (ours)", "lambda-5": "5.0"},
    8: {"joint": "7 7", "fine-tuned": "3 7", "integral": "3 3"},  # 7 is the cross, 3 the check mark
    9: {"heatmaps": "heatmap-only", "pafs": "PAF-only", "pose-only": "heatmap + PAF (ours)"},
}
NO_NUMBERS = ("kind", "ImageNet")


def from_caption(paper: str, table: int) -> str:
    caption = re.search(rf"^ ?Table {table}: ", paper, re.MULTILINE)
    assert caption, table
    return paper[caption.end() :]


@pytest.fixture(scope="module")
def paper(shared: Path) -> str:
    return (shared / "paper.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize("table", IN_PAPER)
def test_rows_follow_the_text_of_the_paper(paper: str, table: int) -> None:
    text = from_caption(paper, table)
    place, rest = 0, ""
    for row, line in read_published(table).items():
        star = r"\*" if line.get("ImageNet") == "yes" else ""
        name = re.escape(IN_PAPER[table].get(row, row)) + star + r"(?: \[[\d, ]+\])?"
        numbers = [re.escape(number or "-") for column, number in line.items() if column not in NO_NUMBERS]
        between = r"\s+(?:\(. \d+%\)\s+)?"  # the relative differences of tables 4 and 6
        match = re.compile(rf"^{name}\s+{between.join(numbers)}(?!\S)", re.MULTILINE).search(text, place)
        assert match, f"table {table}: {row}"
        rest += text[place : match.start()]
        place = match.end()
    assert not re.findall(r"\d\.\d", rest), f"table {table}: a row was left out of {rest}"
    assert len(read_published(table)) == ROWS[table]


@pytest.mark.parametrize("table", CLASSES)
def test_classes_read_again(paper: str, table: int) -> None:
    text = from_caption(paper, table)
    lines = re.findall(r"^(\S.*?)" + r" (\d+\.\d)" * 4 + "$", text[: text.index("\naverage ") + 40], re.MULTILINE)
    read = [(row, *line.values()) for row, line in read_published(table).items()]
    assert read == lines
    assert len(read) == CLASSES[table] + 1 and read[-1][0] == "average"


def test_kinds_are_the_sections_of_table_2(paper: str) -> None:
    text = from_caption(paper, 2)
    appearance, pose = text.index("Appearance-based methods\n"), text.index("Pose-based methods\n")
    for row, line in read_published(2).items():
        place = text.index(f"\n{IN_PAPER[2].get(row, row)}")
        assert appearance < place
        kind = "IntegralAction" if row in LAMBDAS else "pose-based" if place > pose else "appearance-based"
        assert line["kind"] == kind, row


def test_every_table_is_whole() -> None:
    for table in TABLES:
        rows = read_published(table)
        (columns,) = {tuple(line) for line in rows.values()}
        for row, line in rows.items():
            assert row and row == row.strip()
            assert all(line[c] == "" or 0 <= float(line[c]) <= 100 for c in columns if c not in NO_NUMBERS), row
            assert table == 2 or "" not in line.values(), row
        if table in (4, 6, 7, 8, 9):
            assert list(columns) == FOUR


def test_tables_agree_with_each_other() -> None:
    """A variant that two tables print has the same numbers in both."""
    four = read_published(4)
    for table in (6, 7, 8, 9):
        shared_rows = read_published(table).keys() & four.keys()
        assert shared_rows
        assert all(read_published(table)[row] == four[row] for row in shared_rows), table
    for method in ("appearance-only", "pose-only", "integral"):
        assert read_published(10)["average"][method] == four[method]["Kinetics50 top-1"]
        assert read_published(11)["average"][method] == four[method]["Mimetics top-1"]
        assert read_published(12)["average"][method] == read_published(1)[method]["NTU-RGBD top-1"]
    assert list(read_published(10)) == list(read_published(11))


@pytest.mark.parametrize(("table", "most"), [(10, 0.06), (11, 0.8), (12, 0.06)])
def test_averages_of_the_classes(table: int, most: float) -> None:
    """Table 11's average is no mean over classes; the other two agree to the digit, with half a unit to round."""
    *classes, average = read_published(table).values()
    for column, printed in average.items():
        mean = sum(float(line[column]) for line in classes) / len(classes)
        assert abs(mean - float(printed)) < most, column


def test_an_unknown_table_is_refused() -> None:
    with pytest.raises(ValueError, match="1 to 12; found 13"):
        read_published(13)


def test_average_ranks_of_table_1() -> None:
    """The paper's 2.7, 3.2 and 2.2 come from all six columns; so does 2.0 for integral, where it prints 1.8."""
    rows = read_published(1)
    printed = {row: line.pop("average rank") for row, line in rows.items()}
    assert printed == {"appearance-only": "2.7", "pose-only": "3.2", "integral": "1.8", "lambda-5": "2.2"}
    six = average_ranks({row: [float(v) for v in line.values()] for row, line in rows.items()})
    assert {row: f"{rank:.1f}" for row, rank in six.items()} == printed | {"integral": "2.0"}
    top1 = average_ranks({r: [float(v) for c, v in line.items() if "top-1" in c] for r, line in rows.items()})
    assert top1 == pytest.approx({"appearance-only": 8 / 3, "pose-only": 10 / 3, "integral": 2, "lambda-5": 2})


def test_ties_share_the_mean_of_their_ranks() -> None:
    assert average_ranks({"a": [3.0], "b": [3.0], "c": [1.0]}) == {"a": 1.5, "b": 1.5, "c": 3.0}
    assert average_ranks({"a": [1.0, 5.0], "b": [1.0, 7.0], "c": [1.0, 9.0]}) == {"a": 2.5, "b": 2.0, "c": 1.5}


def test_missing_numbers_are_left_out_of_ranks() -> None:
    nan = math.nan
    ranks = average_ranks({"a": [nan, 2.0], "b": [4.0, 1.0], "c": [5.0, 3.0], "d": [nan, nan]})
    assert math.isnan(ranks.pop("d"))
    assert ranks == {"a": 2.0, "b": 2.5, "c": 1.0}
    assert average_ranks({}) == {}
    with pytest.raises(ValueError, match="found lengths 1, 2"):
        average_ranks({"a": [1.0], "b": [1.0, 2.0]})
