"""A folder of videos, or a csv of paths and labels.

ROOT/SPLIT/CLASS/*.mp4, where the first folders have the names of splits, or ROOT/CLASS/*.mp4, which is divided by group
and seed. Folders of images are videos too.
"""

import csv
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from integralaction.importers.building import Entry, Found, Remark, video_files

SPLITS = ("train", "training", "val", "valid", "validation", "test", "testing", "in-context", "out-of-context")
SPLITS += ("no-pose", "ambiguous")
_SAME = {"training": "train", "valid": "val", "validation": "val", "testing": "test"}


def find_in_folder(root: Path, *, val: float, test: float, group: str | None, seed: int) -> Found:
    """The videos of a folder.

    Args:
        val, test: shares of the videos where the folders are not splits; each group is wholly in one.
        group: regular expression on a video's path; what its first parenthesis matches is its group. None: each video
            is one.
        seed: of the division.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: it has no classes, or shares and expression are not what they should be.
    """
    check_division(val, test, group)
    files, remarks = video_files(root)
    paths = sorted(path for paths in files.values() for path in paths)
    deep = {Path(path).parts[0] for path in paths if len(Path(path).parts) > 2}
    named = {name for name in deep if name.lower() in SPLITS}
    others = {Path(path).parts[0] for path in paths if len(Path(path).parts) > 1} - named
    if named and others:
        raise ValueError(
            f"Expected folders of splits ({', '.join(sorted(named))}) or of classes in {root}; found both "
            f"({', '.join(sorted(others)[:5])}). Move one kind away, or give --csv."
        )
    by_split = bool(named)
    depth = 3 if by_split else 2
    entries = []
    for path in paths:
        parts = Path(path).parts
        if len(parts) < depth:
            remarks.append(Remark(path, "not in a folder of a class"))
            continue
        split = parts[0].lower() if by_split else ""
        label = parts[depth - 2]
        entries.append(Entry(path, label, _SAME.get(split, split), group=group_of(path, group)))
    if not entries:
        raise ValueError(
            f"Expected {root}/CLASS/VIDEO or {root}/SPLIT/CLASS/VIDEO; found no videos "
            "in folders of classes. Put each into a folder of its class's name, or give --csv."
        )
    if not by_split:
        entries = divide(entries, val, test, seed)
    how = "by folders" if by_split else _told(val, test, group, seed)
    return Found(
        name=_name(root),
        skeleton="openpose18",
        classes=tuple(sorted({entry.label for entry in entries})),
        video_root=root,
        made_by=f"integralaction import folder {root.resolve()}: {how}",
        entries=entries,
        remarks=tuple(remarks),
    )


def find_in_csv(path: Path, root: Path, *, val: float, test: float, group: str | None, seed: int) -> Found:
    """The videos of a csv with the columns path (or video) and label, and optionally split, group, start and end.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a column is missing.
    """
    check_division(val, test, group)
    rows = read_table(path)
    first = rows[0] if rows else {}
    column = next((name for name in ("path", "video", "file", "filename") if name in first), None)
    if column is None or "label" not in first:
        raise ValueError(
            f"Expected the columns path and label in {path}; found {', '.join(first) or 'no rows'}. Name them so "
            "in the first line."
        )
    entries, remarks = [], []
    for row in rows:
        video = row[column] or ""
        try:
            start, end = (float(row[name]) if row.get(name) else None for name in ("start", "end"))
        except ValueError:
            remarks.append(Remark(video, "start or end is no number", f"{row.get('start')}, {row.get('end')}"))
            continue
        split = (row.get("split") or "").lower()
        named = row.get("group") or group_of(video, group)
        entries.append(Entry(video, row["label"] or "", _SAME.get(split, split), group=named, start=start, end=end))
    with_split = sum(bool(entry.split) for entry in entries)
    if with_split not in (0, len(entries)):
        raise ValueError(f"Expected a split in every row of {path}, or in none; found {with_split} of {len(entries)}.")
    if not with_split:
        labelled = [entry for entry in entries if entry.label]
        entries = divide(labelled, val, test, seed) + [entry for entry in entries if not entry.label]
    how = _told(val, test, group, seed)
    return Found(
        name=_name(path),
        skeleton="openpose18",
        classes=tuple(sorted({entry.label for entry in entries} - {""})),
        video_root=root,
        made_by=f"integralaction import folder {root.resolve()} --csv {path.resolve()}: {how}",
        entries=entries,
        remarks=tuple(remarks),
    )


def divide(entries: Sequence[Entry], val: float, test: float, seed: int) -> list[Entry]:
    """Entries with splits `train`, `val` and `test`: whole groups, each class by its shares as far as groups allow.

    Every class keeps a group for training.
    """
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.group or entry.video].append(entry)
    totals = Counter(entry.label for entry in entries)
    left = {label: sum(any(e.label == label for e in group) for group in groups.values()) for label in totals}
    order = np.random.default_rng(seed).permutation(len(groups))
    names = sorted(groups)
    split_of: dict[str, str] = {}
    for split, share in (("test", test), ("val", val)):
        wanted = {label: round(share * count) for label, count in totals.items()}
        for place in order:
            name = names[place]
            counts = Counter(entry.label for entry in groups[name])
            fits = all(wanted[label] >= count and left[label] > 1 for label, count in counts.items())
            if name not in split_of and fits:
                split_of[name] = split
                for label, count in counts.items():
                    wanted[label] -= count
                    left[label] -= 1
    return [replace(entry, split=split_of.get(entry.group or entry.video, "train")) for entry in entries]


def group_of(video: str, expression: str | None) -> str:
    """What the expression's first parenthesis matches in a video's path; empty where it does not match."""
    match = re.search(expression, video) if expression else None
    return "" if match is None else match[1]


def check_division(val: float, test: float, group: str | None) -> None:
    """
    Raises:
        ValueError: shares that leave nothing for training, or an expression without a parenthesis.
    """
    if not (val >= 0 and test >= 0 and val + test < 1):
        raise ValueError(f"Expected shares of at least 0 that sum to less than 1; found val {val} and test {test}.")
    if group is None:
        return
    try:
        expression = re.compile(group)
    except re.error as error:
        raise ValueError(f"Expected a regular expression for the group; {group!r} is none ({error}).") from error
    if not expression.groups:
        raise ValueError(f"Expected a parenthesis around the group in {group!r}, such as '_(g[0-9]+)_'; found none.")


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a csv with a first line of names.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no csv.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a csv file; {path} is not there.")
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            return list(csv.DictReader(file))
    except (UnicodeDecodeError, csv.Error) as error:
        raise ValueError(f"Expected a csv file in {path}; it cannot be read ({error}).") from error


def _told(val: float, test: float, group: str | None, seed: int) -> str:
    return f"val={val} test={test} group={group} seed={seed}"


def _name(path: Path) -> str:
    return path.resolve().stem or "videos"
