"""What every importer does with what it found: look at each video, read its poses, write the data set folder, and
account for all of it. An import that was stopped goes on with the same command.
"""

import csv
import json
import math
import os
import re
import zlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from integralaction.clip import Poses
from integralaction.console import printable, progress, say
from integralaction.data.csv_files import read_csv
from integralaction.data.index import Index, Video, is_file_name, read_index, say_untrained_classes, write_index
from integralaction.data.poses import SHARD, PoseStore, write_shard
from integralaction.data.sampling import frames_between
from integralaction.data.video import VideoError, VideoInfo, frame_times, probe
from integralaction.errors import Refused
from integralaction.escapes import spreadsheet
from integralaction.files import write_rows, write_text
from integralaction.importers.parts import Parts

ENOUGH = 0.9  # share of a video's frames that its poses reach without a remark
LIST = "import.csv"  # what was left out, and what was kept with something missing
_COLUMNS = ("item", "kept", "reason", "detail")

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
        by_time: poses are joined to frames by the time at which these are shown.
    """

    name: str
    skeleton: str
    classes: tuple[str, ...]
    video_root: Path
    made_by: str
    entries: Sequence[Entry]
    remarks: tuple[Remark, ...] = ()
    by_time: bool = False


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
        raise Refused(f"Expected class names without repeats; found {repeated[0]!r} twice. Rename one.")
    entries, remarks = _without_repeats(found)
    parts = Parts(out, "import")
    parts.tidy()
    if finished := _finished(parts, found, entries):
        say(f"{out} holds this import already; nothing was done. To import anew, remove it or give another --out.")
        return finished
    parts.claim(_identity(found, entries))
    units = [entries[first : first + SHARD] for first in range(0, len(entries), SHARD)]
    rows: list[Video] = []
    with progress("importing", len(entries)) as advance, ThreadPoolExecutor(os.cpu_count()) as pool:
        for number, unit in enumerate(units):
            path, shard = parts.folder / f"{number:05d}.json", out / f"poses-{number:05d}.safetensors"
            part = _read_unit(path, shard)
            if part is None:
                looked = pool.map(lambda entry: _look(entry, found), unit)
                part = _write_unit(path, shard, unit, list(looked), note)
            rows += part[0]
            remarks += part[1]
            advance(len(unit))
    if not rows:
        first = f" ({remarks[0].item}: {remarks[0].reason}. {remarks[0].detail})" if remarks else ""
        parts.finish()
        raise Refused(f"Expected videos to import into {out}; none of {len(remarks)} can be{first}.")
    root = os.path.relpath(found.video_root.resolve(), out.resolve())
    index = Index(out, found.name, found.skeleton, found.classes, tuple(rows), root, found.made_by)
    write_remarks(out, remarks)
    write_index(index)
    parts.finish()
    say_untrained_classes(index)
    return Imported(index, tuple(remarks))


def _identity(found: Found, entries: Sequence[Entry]) -> list[str]:
    """What an import is of, by which a later call knows its own work."""
    return [
        found.made_by,
        repr(found.classes),
        *(repr((e.video, e.label, e.split, e.start, e.end, e.group)) for e in entries),
    ]


def _finished(parts: Parts, found: Found, entries: Sequence[Entry]) -> Imported | None:
    """The import that is there, where it is a whole one of the same videos."""
    if parts.folder.exists() or not (parts.out / LIST).is_file():
        return None
    try:
        index, remarks = read_index(parts.out), read_remarks(parts.out)
    except (FileNotFoundError, ValueError):
        return None
    there = {(v.video, v.label, v.split, v.group) for v in index.videos}
    asked = {(e.video, e.label, e.split, e.group) for e in entries}
    left_out = {remark.item for remark in remarks if not remark.kept}
    same = (index.made_by, index.classes) == (found.made_by, found.classes) and there <= asked
    return Imported(index, remarks) if same and {spreadsheet(e[0]) for e in asked - there} <= left_out else None


def write_remarks(out: Path, remarks: Sequence[Remark], name: str = LIST) -> None:
    """The list of remarks as a csv for people; of names that are no UTF-8 the odd bytes are written out."""
    rows = [(r.item, "yes" if r.kept else "no", r.reason, r.detail) for r in remarks]
    shown = [tuple(map(spreadsheet, row)) for row in rows]
    write_rows(out / name, [_COLUMNS, *shown], errors="backslashreplace")


def read_remarks(out: Path, name: str = LIST) -> tuple[Remark, ...]:
    """What `write_remarks` wrote, as it is shown to people.

    Raises:
        FileNotFoundError, ValueError: it is not there, or damaged.
    """
    table = read_csv(out / name)
    if table.names != _COLUMNS or not table.is_ended or any(len(row) != len(_COLUMNS) for _, row in table.rows):
        raise Refused(f"Expected the columns {', '.join(_COLUMNS)} in {out / name}; found another table.")
    return tuple(Remark(item, reason, detail, kept == "yes") for _, (item, kept, reason, detail) in table.rows)


def summary(imported: Imported) -> str:
    """What was read and what was left out and why, with counts; what a terminal would act on is written out."""
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
    return printable("\n".join(lines))


def _without_repeats(found: Found) -> tuple[list[Entry], list[Remark]]:
    """Each part of a video once, however its file is named, and with a class."""
    seen: dict[tuple, Entry] = {}
    entries, remarks, classes = [], list(found.remarks), set(found.classes)
    for entry in found.entries:
        key = (_file_number(found.video_root / entry.video) or entry.video, entry.start, entry.end)
        if first := seen.get(key):
            labels = "" if entry.label == first.label else ", under two labels"
            told = f"again as {entry.label!r} in {entry.split}; first {first.video} as {first.label!r} in {first.split}"
            remarks.append(Remark(entry.video, f"named twice{labels}", told))
        elif not _is_text(entry.video):
            remarks.append(Remark(entry.video, "name is no UTF-8"))
        elif entry.label not in classes:
            what = "no label" if not entry.label else "label of no known class"
            remarks.append(Remark(entry.video, what, entry.label))
        elif not is_file_name(entry.split):
            remarks.append(Remark(entry.video, "split that can name no folder", entry.split))
        else:
            seen[key] = entry
            entries.append(entry)
    return entries, remarks


def _file_number(path: Path) -> tuple[int, int] | None:
    """What all names of one file or folder have in common; None where there is none."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return (status.st_dev, status.st_ino) if status.st_ino else None


def _is_text(name: str) -> bool:
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


_Looked = tuple[Video | None, Poses | None, list[Remark]]


def _look(entry: Entry, found: Found) -> _Looked:
    """The row of an entry and its poses, or why there are none. Whatever a file raises is that file's fault."""
    path = found.video_root / entry.video
    try:
        info = entry.info or _probed(path)
    except FileNotFoundError as error:
        return None, None, [Remark(entry.video, "not there", _line(error))]
    except Exception as error:  # of many libraries
        return None, None, [Remark(entry.video, "cannot be read as a video", _line(error))]
    if min(info.frames, info.fps, info.height, info.width) <= 0 or not math.isfinite(info.fps):
        return None, None, [Remark(entry.video, "without frames or size", str(info))]
    remarks = []
    if not info.whole:
        remarks.append(Remark(entry.video, "may have lost its end", f"{info.frames} frames are there", kept=True))
    row = Video(
        video=entry.video,
        label=entry.label,
        split=entry.split,
        frames=info.frames,
        fps=info.fps,
        height=info.height,
        width=info.width,
        group=entry.group,
        note=entry.note,
    )
    is_part = entry.start is not None or entry.end is not None
    if is_part:
        try:
            row, told = _cut(row, entry, np.arange(info.frames) / info.fps if entry.info else frame_times(path))
        except Exception as error:  # as above
            return None, None, [Remark(entry.video, "no frames between start and end", _line(error))]
        remarks += told
    if not info.timed and (is_part or (found.by_time and entry.poses is not None)):
        detail = f"its frames are taken as {info.fps:g} a second"
        remarks.append(Remark(entry.video, "times cannot be trusted", detail, kept=True))
    if entry.poses is None:
        return row, None, remarks
    poses, told = _poses_of(entry, info)
    return row, poses, remarks + told


def _probed(path: Path) -> VideoInfo:
    if path.exists() and not (path.is_file() or path.is_dir()):  # to open a pipe would wait for ever
        raise VideoError(f"Expected a file or a folder of images; {path} is neither.")
    return probe(path)


def _cut(row: Video, entry: Entry, times: np.ndarray) -> tuple[Video, list[Remark]]:
    """The row of the part from start to end, which are brought into the video, and a remark where they were not.

    Args:
        times: (frames,) seconds at which each frame is shown.

    Raises:
        ValueError: there is no frame between start and end.
    """
    step = 1 / row.fps
    length = float(times[-1]) + step  # the last frame is shown for about as long as the others
    first, last = frames_between(times, entry.start, entry.end, entry.video)
    start, end, remarks = entry.start, entry.end, []
    if start is not None and start < 0:
        start = 0.0
    if end is not None and end > length + step:
        end = round(length, 3)
    if (start, end) != (entry.start, entry.end):
        detail = f"{entry.start} to {entry.end} s of {length:.3f} s; {start} to {end} is taken"
        remarks.append(Remark(entry.video, "start or end outside the video", detail, kept=True))
    return replace(row, start=start, end=end, first_frame=first, last_frame=last), remarks


def _poses_of(entry: Entry, info: VideoInfo) -> tuple[Poses | None, list[Remark]]:
    assert entry.poses is not None
    try:
        poses = entry.poses(info)
    except FileNotFoundError as error:
        return None, [Remark(entry.video, "no poses", _line(error), kept=True)]
    except Exception as error:  # of many kinds of file, read by many libraries
        return None, [Remark(entry.video, "poses cannot be read", _line(error), kept=True)]
    frames = len(poses.frame_index)
    last = int(poses.frame_index[-1]) if frames else 0
    if frames and last >= info.frames:
        detail = f"poses up to frame {last}, {info.frames} frames; the rest is cut off"
        told = Remark(entry.video, "poses past the video's end", detail, kept=True)
        return first_frames(poses, info.frames), [told]
    if frames and last + 1 < ENOUGH * info.frames:
        detail = f"poses up to frame {last} of {info.frames}"
        return poses, [Remark(entry.video, "poses that end before the video", detail, kept=True)]
    return poses, []


def first_frames(poses: Poses, frames: int) -> Poses:
    """The poses of the first frames alone."""
    kept = int(np.searchsorted(poses.frame_index, frames))
    offsets = poses.frame_offsets[: kept + 1]
    return Poses(poses.skeleton, poses.joints[: int(offsets[-1])], poses.frame_index[:kept], offsets)


_Unit = tuple[list[Video], list[Remark]]


def _write_unit(path: Path, shard: Path, unit: Sequence[Entry], looked: Sequence[_Looked], note: Note | None) -> _Unit:
    """The poses of a unit, then its rows, by which a later call knows that it is whole."""
    stored = {row.video: poses for row, poses, _ in looked if row is not None and poses is not None}
    if stored:
        write_shard(shard, list(stored.items()))
    rows = []
    for entry, (row, poses, _) in zip(unit, looked, strict=True):
        if row is not None:
            rows.append(row if note is None else replace(row, note=note(row, poses, entry.poses is not None)))
    remarks = [remark for *_, told in looked for remark in told]
    plain = [{name: value for name, value in asdict(row).items() if name != "others"} for row in rows]
    about = {"rows": plain, "remarks": [asdict(r) for r in remarks], "poses": list(stored)}
    write_text(path, json.dumps(about))
    return rows, remarks


def _read_unit(path: Path, shard: Path) -> _Unit | None:
    """The rows and remarks of a unit; None where it is not made yet, or its files are not whole."""
    if not path.exists():
        return None
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        if about["poses"] and list(PoseStore([shard])) != about["poses"]:
            return None
        rows = [Video(**row) for row in about["rows"]]
        return rows, [Remark(**remark) for remark in about["remarks"]]
    except (ValueError, KeyError, TypeError):
        return None


def _line(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
