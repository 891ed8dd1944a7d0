"""A folder of videos, or a csv of paths and labels.

ROOT/SPLIT/CLASS/*.mp4, where the first folders have the names of splits, or ROOT/CLASS/*.mp4, which is divided by group
and seed. Folders of images are videos too.
"""

import math
import os
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from integralaction.data.csv_files import read_csv
from integralaction.errors import Refused
from integralaction.importers.building import Entry, Found, Remark
from integralaction.importers.sources import video_files
from integralaction.importers.spelling import doubtful_splits, one_spelling, split_named, split_of_folder


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
    layout = _layout_of(paths, root)
    entries = []
    for path in paths:
        parts = Path(path).parts
        if len(parts) < layout.depth:
            remarks.append(Remark(path, "not in a folder of a class"))
            continue
        split = "" if layout.split is None else split_of_folder(parts[layout.split])[0]
        entries.append(Entry(path, parts[layout.label], split, group=group_of(path, group)))
    if not entries:
        raise Refused(
            f"Expected {root}/CLASS/VIDEO or {root}/SPLIT/CLASS/VIDEO; found no videos "
            "in folders of classes. Put each into a folder of its class's name, or give --csv."
        )
    remarks += _empty_classes(root, layout, entries)
    entries, others = one_spelling(entries)
    inner = {Path(path).parts[1] for path in paths if len(Path(path).parts) > 2}
    if layout.split is None and len({entry.label for entry in entries}) == 1 and len(inner) > 1:
        told = f"{', '.join(sorted(inner)[:5])}: give {root / entries[0].label} where these are the classes"
        remarks.append(Remark(entries[0].label, "one class, of folders that may be the classes", told, kept=True))
    if layout.split is None:
        entries = divide(entries, val, test, seed)
    how = "by folders" if layout.split is not None else _told(val, test, group, seed)
    return Found(
        name=_name(root),
        skeleton="openpose18",
        classes=tuple(sorted({entry.label for entry in entries})),
        video_root=root,
        made_by=f"integralaction import folder {root.resolve()}: {how}",
        entries=entries,
        remarks=(*remarks, *others),
    )


@dataclass(frozen=True)
class _Layout:
    """Which folders of a path, counted from the root, tell what; None: no folder tells the split.

    Attributes:
        label, split: the folders of the class and the split.
        depth: how many names a path has at least.
    """

    label: int
    split: int | None
    depth: int


def _layout_of(paths: Sequence[str], root: Path) -> _Layout:
    """ROOT/CLASS/..., ROOT/SPLIT/CLASS/..., ROOT/CLASS/SPLIT/..., or one of the last two in a folder of their own.

    Raises:
        ValueError: some folders are splits and some are not, or two are one split of the same videos.
    """
    parts = [Path(path).parts for path in paths]
    in_folders = [path for path in parts if len(path) > 1]
    deep = [path for path in parts if len(path) > 2]
    if _are_splits({path[0] for path in deep}, {path[0] for path in in_folders}, root):
        _refuse_repeated_splits(in_folders, root)
        return _Layout(label=1, split=0, depth=3)
    second = {path[1] for path in deep}
    certain = {name for name in second if _is_split(name)}
    if certain and certain == second and len(deep) == len(in_folders):
        if len({path[0] for path in deep}) > 1 or not all(len(path) > 3 for path in deep):
            return _Layout(label=0, split=1, depth=3)
        _refuse_repeated_splits([path[1:] for path in deep], root)
        return _Layout(label=2, split=1, depth=4)
    if len({split_of_folder(name)[0] for name in certain}) > 1:
        _refuse_mixed(certain, {path[1] for path in in_folders} - certain, root)
    return _Layout(label=0, split=None, depth=2)


def _empty_classes(root: Path, layout: _Layout, entries: Sequence[Entry]) -> list[Remark]:
    """A remark for each folder that stands where classes do and holds no video."""
    depth = layout.label + 1
    with_videos = {Path(entry.video).parts[:depth] for entry in entries}
    folders = (path.relative_to(root).parts for path in sorted(root.glob("/".join("*" * depth))) if path.is_dir())
    shown = (parts for parts in folders if not any(name.startswith(".") for name in parts))
    return [Remark("/".join(parts), "folder of a class without videos") for parts in shown if parts not in with_videos]


def _is_split(name: str) -> bool:
    split, rest = split_of_folder(name)
    return bool(split) and not rest


def _are_splits(deep: set[str], folders: set[str], root: Path) -> bool:
    """Whether the first folders are splits; `deep` are those with folders in them."""
    told = {name: split_of_folder(name) for name in folders}
    named = {name for name in folders if _is_split(name)}
    if named & deep:
        if folders - named:
            _refuse_mixed(named, folders - named, root)
        return True
    if named == folders and len({told[name][0] for name in named}) > 1:
        raise Refused(
            f"Expected folders of classes in the folders of splits of {root} ({', '.join(sorted(named))}); found "
            "videos there. Put each into a folder of its class's name, or give --csv."
        )
    # all of one name but for the split, such as ucf_train and ucf_test
    alike = len({rest for _, rest in told.values()}) == 1 and len({split for split, _ in told.values()}) > 1
    return alike and folders == deep and all(split for split, _ in told.values())


def _refuse_mixed(splits: set[str], others: set[str], root: Path) -> NoReturn:
    raise Refused(
        f"Expected folders of splits ({', '.join(sorted(splits))}) or of classes in {root}; found both "
        f"({', '.join(sorted(others)[:5])}). Move one kind away, or give --csv."
    )


def _refuse_repeated_splits(paths: Sequence[tuple[str, ...]], root: Path) -> None:
    """
    Raises:
        ValueError: two folders of one split hold videos of the same names, such as train and train_256.
    """
    seen: dict[tuple[str, ...], str] = {}
    for first, *rest in paths:
        place = (split_of_folder(first)[0], *rest[:-1], Path(rest[-1]).stem)
        if seen.setdefault(place, first) != first:
            raise Refused(
                f"Expected each video of a split once in {root}; found {'/'.join(rest)} in {seen[place]} and in "
                f"{first}. Move one of the two folders away."
            )


def find_in_csv(path: Path, root: Path, *, val: float, test: float, group: str | None, seed: int) -> Found:
    """The videos of a csv with the columns path (or video) and label, and optionally split, group, start and end.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: a column is missing.
    """
    check_division(val, test, group)
    rows, remarks = table_rows(path)
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
            remarks.append(Remark(video, "start or end is no number", f"{row.get('start')}, {row.get('end')}"))
            continue
        if not video:
            remarks.append(Remark(f"a row with the label {row['label']!r}", "no path"))
            continue
        named = row.get("group") or group_of(video, group)
        split = split_named(row.get("split", ""))
        entries.append(Entry(video, row["label"], split, group=named, start=start, end=end))
    with_split = sum(bool(entry.split) for entry in entries)
    if with_split not in (0, len(entries)):
        raise Refused(f"Expected a split in every row of {path}, or in none; found {with_split} of {len(entries)}.")
    remarks += doubtful_splits(entries)
    entries, others = one_spelling(entries)
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
        remarks=(*remarks, *others),
    )


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
        raise Refused(f"Expected shares of at least 0 that sum to less than 1; found val {val} and test {test}.")
    if group is None:
        return
    try:
        expression = re.compile(group)
    except re.error as error:
        raise Refused(f"Expected a regular expression for the group; {group!r} is none ({error}).") from error
    if not expression.groups:
        raise Refused(f"Expected a parenthesis around the group in {group!r}, such as '_(g[0-9]+)_'; found none.")


def table_rows(path: Path) -> tuple[list[dict[str, str]], list[Remark]]:
    """The rows of a csv by the names of its columns in small letters, their values without spaces around them, and a
    remark for each row of more fields than there are names.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no csv.
    """
    table = read_csv(path)
    names = [name.lower() for name in table.names]
    if any(name and names.count(name) > 1 for name in names):
        raise Refused(f"Expected columns of different names in {path}; found {', '.join(names)}. Rename one.")
    rows, remarks = [], []
    for line, row in table.rows:
        if len(row) > len(names) and any(value.strip() for value in row[len(names) :]):
            detail = f"{len(row)} fields instead of {len(names)}: {table.separator.join(row)}"
            remarks.append(Remark(f"line {line} of {path.name}", "a row of too many fields", detail))
            continue
        values = [*(value.strip() for value in row), *[""] * (len(names) - len(row))]
        rows.append(dict(zip(names, values, strict=False)))
    return rows, remarks


def _told(val: float, test: float, group: str | None, seed: int) -> str:
    return f"val={val} test={test} group={group} seed={seed}"


def _name(path: Path) -> str:
    return path.resolve().stem or "videos"
