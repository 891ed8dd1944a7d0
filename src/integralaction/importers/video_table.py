"""Videos named in a csv: a row each, with a label, and where they are given, a split, a group, a start and an end."""

import math
import os
from pathlib import Path

from integralaction.assembly.plan import Entry, ImportIssue
from integralaction.csv_files import read_csv
from integralaction.errors import Refused
from integralaction.importers.division import group_of
from integralaction.importers.spelling import doubtful_splits, split_of_word


def table_entries(path: Path, root: Path, group: str | None) -> tuple[list[Entry], list[ImportIssue]]:
    """The videos of a csv with the columns path (or video) and label, and optionally split, group, start and end.

    Args:
        root: the folder that paths are relative to.
        group: regular expression whose first parenthesis matches the group in a path, where no column has it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a column is missing, or some rows have a split and some have none.
    """
    rows, issues = table_rows(path)
    first = rows[0] if rows else {}
    column = next((name for name in ("path", "video", "file", "filename") if name in first), None)
    if column is None or "label" not in first:
        raise Refused(
            f"Expected the columns path and label in {path}; found {', '.join(first) or 'no rows'}. Name them so "
            "in the first line."
        )
    entries: list[Entry] = []
    names: dict[tuple[int, int], str] = {}
    for row in rows:
        video = _name_below(root, row[column], names)
        try:
            start, end = (_seconds(row.get(name, "")) for name in ("start", "end"))
        except ValueError:
            detail = f"{row.get('start')}, {row.get('end')}"
            issues.append(ImportIssue(video, "start or end is no number", detail))
            continue
        if not video:
            issues.append(ImportIssue(f"a row with the label {row['label']!r}", "no path"))
            continue
        split = split_of_word(row.get("split", ""))
        video_group = row.get("group") or group_of(video, group)
        entries.append(Entry(video, row["label"], split, group=video_group, start=start, end=end))
    with_split = sum(bool(entry.split) for entry in entries)
    if with_split not in (0, len(entries)):
        raise Refused(f"Expected a split in every row of {path}, or in none; found {with_split} of {len(entries)}.")
    return entries, issues + doubtful_splits(entries)


def table_rows(path: Path) -> tuple[list[dict[str, str]], list[ImportIssue]]:
    """The rows of a csv by the names of its columns in small letters, their values without spaces around them, and an
    issue for each row of more fields than there are names.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no csv.
    """
    table = read_csv(path)
    names = [name.lower() for name in table.names]
    if any(name and names.count(name) > 1 for name in names):
        raise Refused(f"Expected columns of different names in {path}; found {', '.join(names)}. Rename one.")
    rows, issues = [], []
    for line, row in table.rows:
        if len(row) > len(names) and any(value.strip() for value in row[len(names) :]):
            detail = f"{len(row)} fields instead of {len(names)}: {table.separator.join(row)}"
            issues.append(ImportIssue(f"line {line} of {path.name}", "a row of too many fields", detail))
            continue
        values = [*(value.strip() for value in row), *[""] * (len(names) - len(row))]
        rows.append(dict(zip(names, values, strict=False)))
    return rows, issues


def _seconds(text: str) -> float | None:
    """The number of a field, with a point or a comma before its decimals; None where it is empty."""
    if not text:
        return None
    value = float(text.replace(",", "."))
    if math.isnan(value):
        raise Refused(text)
    return value


def _name_below(root: Path, text: str, names: dict[tuple[int, int], str]) -> str:
    """The one name of a file of a table, however it is written there: ./a.mp4, run\\a.mp4, absolute, by a link.

    Args:
        names: the name that each file has already, by its device and number; it is added to.
    """
    if not text:
        return ""
    slashes = text.replace("\\", "/")
    video = text if os.path.lexists(root / text) else slashes
    if Path(video).is_absolute() and Path(video).resolve().is_relative_to(root.resolve()):
        video = str(Path(video).resolve().relative_to(root.resolve()))
    video = Path(os.path.normpath(video)).as_posix()
    try:
        status = (root / video).stat()
    except (OSError, ValueError):
        return video
    return names.setdefault((status.st_dev, status.st_ino), video) if status.st_ino else video
