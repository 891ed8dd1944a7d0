"""What every importer does with what it found: look at each video, read its poses, write the data set folder, and
account for all of it. An import that was stopped goes on with the same command.
"""

import csv
import hashlib
import json
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from integralaction.clip import Poses
from integralaction.console import progress
from integralaction.data.dataset import Source
from integralaction.data.images import IMAGES
from integralaction.data.index import Index, Video, is_file_name, write_index
from integralaction.data.poses import SHARD, write_shard
from integralaction.data.video import VideoError, VideoInfo, probe
from integralaction.escapes import spreadsheet
from integralaction.files import write_rows, write_text

ENOUGH = 0.9  # share of a video's frames that its poses reach without a remark
LIST = "import.csv"  # what was left out, and what was kept with something missing

VIDEOS = (".mp4", ".avi", ".mkv", ".webm", ".mov", ".m4v", ".mpg", ".mpeg", ".flv", ".wmv", ".3gp", ".ts", ".gif")
VIDEOS += (".mts", ".m2ts", ".ogv", ".vob", ".asf", ".mxf", ".3g2", ".m2v", ".f4v", ".divx", ".dv", ".y4m")

# what reading a file of another make comes to
ODD = (ValueError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError, RecursionError, OSError, EOFError)
ODD += (csv.Error, zlib.error)


@dataclass(frozen=True)
class Entry:
    """A video that an annotation or a folder tells of.

    Attributes:
        video: path relative to the video root.
        label, split, group, note, start, end: as in the index.
        poses: reads its poses, given what is known of the video; None: there are none.
        info: frames, rate and size, where there is no file to ask.
    """

    video: str
    label: str
    split: str
    poses: Callable[[VideoInfo], Poses] | None = None
    group: str = ""
    note: str = ""
    start: float | None = None
    end: float | None = None
    info: VideoInfo | None = None


@dataclass(frozen=True)
class Remark:
    """Something of the source that is not in the data set, or not as it was.

    Attributes:
        item: the video, file or row.
        reason: in few words, the same for all alike.
        detail: the rest.
        kept: the video is in the data set all the same.
    """

    item: str
    reason: str
    detail: str = ""
    kept: bool = False


@dataclass(frozen=True)
class Found:
    """What an importer found in its source.

    Attributes:
        name: of the data set.
        skeleton: of its poses.
        classes: class names in order.
        video_root: where the videos lie.
        made_by: the importer and what it read, by which a later call knows its own work.
        entries: the videos.
        remarks: what was left out already.
    """

    name: str
    skeleton: str
    classes: tuple[str, ...]
    video_root: Path
    made_by: str
    entries: Sequence[Entry]
    remarks: tuple[Remark, ...] = ()


@dataclass(frozen=True)
class Imported:
    """A finished import: the data set, and every remark on what was left out or lacks something."""

    index: Index
    remarks: tuple[Remark, ...]
    list_name: str = LIST


# the note of a row, from the video, its poses, and whether there were poses to read
Note = Callable[[Video, Poses | None, bool], str]


def build(found: Found, out: Path, note: Note | None = None) -> Imported:
    """Write a data set folder; of an interrupted call the finished parts are kept.

    Args:
        found: what to import.
        out: the folder, new or of the same import.
        note: gives the note of a row; by default the entry's.

    Raises:
        ValueError: nothing can be imported, or the folder holds something else.
    """
    found = replace(found, name=re.sub(r"[^\w -]+", "-", found.name).strip("-. ") or "videos")
    if repeated := [name for name, count in Counter(found.classes).items() if count > 1]:
        raise ValueError(f"Expected class names without repeats; found {repeated[0]!r} twice. Rename one.")
    entries, remarks = _without_repeats(found)
    parts = _claim(out, found, entries)
    units = [entries[first : first + SHARD] for first in range(0, len(entries), SHARD)]
    rows: list[Video] = []
    with progress("importing", len(entries)) as advance, ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, unit in enumerate(units):
            path = parts / f"{number:05d}.json"
            if not path.exists():
                looked = pool.map(lambda entry: _look(entry, found), unit)
                _write_unit(path, out / f"poses-{number:05d}.safetensors", unit, list(looked), note)
            videos, told = _read_unit(path)
            rows += videos
            remarks += told
            advance(len(unit))
    if not rows:
        first = f" ({remarks[0].item}: {remarks[0].reason}. {remarks[0].detail})" if remarks else ""
        _unclaim(parts)
        raise ValueError(f"Expected videos to import into {out}; none of {len(remarks)} can be{first}.")
    root = os.path.relpath(found.video_root.resolve(), out.resolve())
    index = Index(out, found.name, found.skeleton, found.classes, tuple(rows), root, found.made_by)
    write_remarks(out, remarks)
    write_index(index)
    _unclaim(parts)
    return Imported(index, tuple(remarks))


def write_remarks(out: Path, remarks: Sequence[Remark], name: str = LIST) -> None:
    """The list of remarks as a csv for people; of names that are no UTF-8 the odd bytes are written out."""
    rows = [(r.item, "yes" if r.kept else "no", r.reason, r.detail) for r in remarks]
    shown = [tuple(map(spreadsheet, row)) for row in rows]
    write_rows(out / name, [("item", "kept", "reason", "detail"), *shown], errors="backslashreplace")


def summary(imported: Imported) -> str:
    """What was read and what was left out and why, with counts."""
    index, remarks = imported.index, imported.remarks
    splits = Counter(video.split for video in index.videos)
    counts = ", ".join(f"{count} {split}" for split, count in splits.items())
    lines = [f"{len(index.videos)} videos of {len(index.classes)} classes in {index.root}: {counts}"]
    for title, kept in (("left out", False), ("kept, but", True)):
        reasons = Counter(remark.reason for remark in remarks if remark.kept == kept)
        if reasons:
            told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
            lines.append(f"{title}: {told}")
    if remarks:
        lines.append(f"each by name: {index.root / imported.list_name}")
    return "\n".join(lines)


def _claim(out: Path, found: Found, entries: Sequence[Entry]) -> Path:
    """The folder of the parts, after it is sure that `out` is new or of the same import of the same videos."""
    parts = out / "import.parts"
    claim = parts / "made_by.txt"
    digest = hashlib.sha256(repr(found.classes).encode("utf-8", "surrogateescape"))
    for e in entries:
        what = (e.video, e.label, e.split, e.start, e.end, e.group)
        digest.update(repr(what).encode("utf-8", "surrogateescape"))
    wanted = f"{found.made_by}\n{len(entries)} videos {digest.hexdigest()}\n"
    if claim.is_file():
        if claim.read_text(encoding="utf-8") != wanted:
            raise ValueError(
                f"Expected {out} to be new or of the same import; it holds parts of another one, or its videos have "
                "changed since. Choose another folder or remove that one."
            )
        return parts
    if out.exists() and not out.is_dir():
        raise ValueError(f"Expected a folder for the data set; {out} is a file. Choose another name.")
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"Expected {out} to be new or empty; it holds other files. Choose another folder.")
    parts.mkdir(parents=True)
    write_text(claim, wanted, errors="backslashreplace")
    return parts


def _unclaim(parts: Path) -> None:
    for path in sorted(parts.glob("*")):
        path.unlink()
    parts.rmdir()


def _without_repeats(found: Found) -> tuple[list[Entry], list[Remark]]:
    """Each part of a video once, and with a class."""
    seen: set[tuple] = set()
    entries, remarks, classes = [], list(found.remarks), set(found.classes)
    for entry in found.entries:
        key = (entry.video, entry.start, entry.end)
        if key in seen:
            remarks.append(Remark(entry.video, "named twice", f"again as {entry.label!r} in {entry.split}"))
        elif not _is_text(entry.video):
            remarks.append(Remark(entry.video, "name is no UTF-8"))
        elif not is_file_name(entry.split):
            remarks.append(Remark(entry.video, "split that can name no folder", entry.split))
        elif entry.label not in classes:
            what = "no label" if not entry.label else "label of no known class"
            remarks.append(Remark(entry.video, what, entry.label))
        else:
            seen.add(key)
            entries.append(entry)
    return entries, remarks


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


_Looked = tuple[Video | None, Poses | None, list[Remark]]


def _look(entry: Entry, found: Found) -> _Looked:
    """The row of an entry and its poses, or why there are none."""
    try:
        info = entry.info or probe(found.video_root / entry.video)
    except FileNotFoundError as error:
        return None, None, [Remark(entry.video, "not there", _line(error))]
    except (VideoError, *ODD) as error:
        return None, None, [Remark(entry.video, "cannot be read as a video", _line(error))]
    if min(info.frames, info.fps, info.height, info.width) <= 0:
        return None, None, [Remark(entry.video, "without frames or size", str(info))]
    row = Video(
        video=entry.video,
        label=entry.label,
        split=entry.split,
        frames=info.frames,
        fps=info.fps,
        height=info.height,
        width=info.width,
        start=entry.start,
        end=entry.end,
        group=entry.group,
        note=entry.note,
    )
    try:
        Source.of(row)
    except ODD as error:
        return None, None, [Remark(entry.video, "no frames between start and end", _line(error))]
    if entry.poses is None:
        return row, None, []
    try:
        poses = entry.poses(info)
    except FileNotFoundError as error:
        return row, None, [Remark(entry.video, "no poses", _line(error), kept=True)]
    except ODD as error:
        return row, None, [Remark(entry.video, "poses cannot be read", _line(error), kept=True)]
    remarks = []
    if len(poses.frame_index) and int(poses.frame_index[-1]) >= info.frames:
        last = int(poses.frame_index[-1])
        detail = f"poses up to frame {last}, {info.frames} frames; the rest is cut off"
        remarks.append(Remark(entry.video, "poses past the video's end", detail, kept=True))
        poses = first_frames(poses, info.frames)
    elif len(poses.frame_index) and int(poses.frame_index[-1]) + 1 < ENOUGH * info.frames:
        detail = f"poses up to frame {poses.frame_index[-1]} of {info.frames}"
        remarks.append(Remark(entry.video, "poses that end before the video", detail, kept=True))
    return row, poses, remarks


def first_frames(poses: Poses, frames: int) -> Poses:
    """The poses of the first frames alone."""
    kept = int(np.searchsorted(poses.frame_index, frames))
    offsets = poses.frame_offsets[: kept + 1]
    return Poses(poses.skeleton, poses.joints[: int(offsets[-1])], poses.frame_index[:kept], offsets)


def _write_unit(path: Path, shard: Path, unit: Sequence[Entry], looked: Sequence[_Looked], note: Note | None) -> None:
    """The poses of a unit, then its rows, by which a later call knows that it is whole."""
    stored = {row.video: poses for row, poses, _ in looked if row is not None and poses is not None}
    if stored:
        write_shard(shard, list(stored.items()))
    rows = []
    for entry, (row, poses, _) in zip(unit, looked, strict=True):
        if row is not None:
            rows.append(row if note is None else replace(row, note=note(row, poses, entry.poses is not None)))
    about = {"rows": [asdict(row) for row in rows], "remarks": [asdict(r) for *_, told in looked for r in told]}
    write_text(path, json.dumps(about))


def _read_unit(path: Path) -> tuple[list[Video], list[Remark]]:
    about = json.loads(path.read_text(encoding="utf-8"))
    return [Video(**row) for row in about["rows"]], [Remark(**remark) for remark in about["remarks"]]


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise FileNotFoundError(f"Expected a JSON file; {path} is not there.") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"Expected JSON in {path}; it cannot be read ({error}).") from error


def read_lines(path: Path) -> tuple[str, ...]:
    """The lines of a text file that are not empty.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no text.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a text file with a name a line; {path} is not there.")
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"Expected a text file with a name a line in {path}; it is no text.") from error
    return tuple(line.strip() for line in lines if line.strip())


def video_files(root: Path) -> tuple[dict[str, list[str]], list[Remark]]:
    """Every file below a folder, and every folder that holds images and nothing else, by its name without the ending.

    Returns:
        Paths relative to `root`, sorted, by stem, those with the ending of a video first; hidden files are left out.
        And a remark for each image that lies beside other files.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"Expected a folder of videos; {root} is not there.")
    found: dict[str, list[str]] = {}
    remarks = []
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(os.path.relpath(folder, root))
        shown = sorted(name for name in names if not name.startswith("."))
        images = [name for name in shown if name.lower().endswith(IMAGES)]
        if images and len(images) == len(shown) and not folders and here != Path():
            found.setdefault(here.name, []).append(here.as_posix())
            continue
        remarks += [Remark((here / name).as_posix(), "an image beside other files") for name in images]
        for name in sorted(set(shown) - set(images)):
            found.setdefault(Path(name).stem, []).append((here / name).as_posix())
    for paths in found.values():
        paths.sort(key=lambda path: (not path.lower().endswith(VIDEOS), path))
    return found, remarks
