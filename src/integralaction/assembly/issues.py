"""What an import leaves out, and what it imports with something missing: as a list for people, and in few lines."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from integralaction.assembly.plan import ImportIssue
from integralaction.console import printable
from integralaction.csv_files import read_csv
from integralaction.data.index import Index
from integralaction.errors import Refused
from integralaction.escapes import escape_csv
from integralaction.files import write_rows

LIST = "import.csv"
_COLUMNS = ("item", "kept", "reason", "detail")


@dataclass(frozen=True)
class ImportResult:
    """A finished import: the data set, every issue, and the name of the file that lists them."""

    index: Index
    issues: tuple[ImportIssue, ...]
    list_name: str = LIST


def write_issues(out: Path, issues: Sequence[ImportIssue], name: str = LIST) -> None:
    """The list of issues as a csv for people; of names that are no UTF-8 the odd bytes are written out."""
    rows = [(i.item, "yes" if i.is_imported else "no", i.reason, i.detail) for i in issues]
    write_rows(out / name, [_COLUMNS, *(tuple(map(escape_csv, row)) for row in rows)], errors="backslashreplace")


def read_issues(out: Path, name: str = LIST) -> tuple[ImportIssue, ...]:
    """What `write_issues` wrote, in the letters that people see.

    Raises:
        FileNotFoundError, ValueError: it is not there, or damaged.
    """
    table = read_csv(out / name)
    if table.names != _COLUMNS or not table.is_ended or any(len(row) != len(_COLUMNS) for _, row in table.rows):
        raise Refused(f"Expected the columns {', '.join(_COLUMNS)} in {out / name}; found another table.")
    return tuple(
        ImportIssue(item, reason, detail, is_imported == "yes") for _, (item, is_imported, reason, detail) in table.rows
    )


def summary(result: ImportResult) -> str:
    """What is in the data set, and what was left out and why, with counts; what a terminal would act on is written
    out."""
    index, issues = result.index, result.issues
    splits = Counter(video.split for video in index.videos)
    counts = ", ".join(f"{count} {split}" for split, count in splits.items())
    lines = [f"{len(index.videos)} videos of {len(index.classes)} classes in {index.root}: {counts}"]
    for title, is_imported in (("left out", False), ("kept, but", True)):
        reasons = Counter(issue.reason for issue in issues if issue.is_imported == is_imported)
        if reasons:
            lines.append(f"{title}: {', '.join(f'{count} {reason}' for reason, count in reasons.most_common())}")
    if issues:
        lines.append(f"each by name: {index.root / result.list_name}")
    return printable("\n".join(lines))
