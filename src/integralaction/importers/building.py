"""What every importer does with what it found: look at each video, read its poses, write the data set folder, and
account for all of it. An import that was stopped goes on with the same command.
"""

import csv
import json
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from integralaction.clip import Poses
from integralaction.data.index import Index, Video, write_index
from integralaction.data.poses import SHARD, write_shard
from integralaction.data.video import VideoError, VideoInfo, probe

LIST = "import.csv"  # what was left out, and what was kept with something missing

# what reading a file of another make comes to
ODD = (ValueError, KeyError, TypeError, IndexError, OverflowError, RecursionError, OSError, EOFError)


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


def build(found: Found, out: Path, note: Callable[[Video, Poses | None], str] | None = None) -> Imported:
    """Write a data set folder; of an interrupted call the finished parts are kept.

    Args:
        found: what to import.
        out: the folder, new or of the same import.
        note: the note of a row, from the video and its poses; by default the entry's.

    Raises:
        ValueError: nothing can be imported, or the folder holds something else.
    """
    parts = _claim(out, found)
    entries, remarks = _without_repeats(found)
    units = [entries[first : first + SHARD] for first in range(0, len(entries), SHARD)]
    rows: list[Video] = []
    columns = (TextColumn("importing"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("", total=len(entries))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            for number, unit in enumerate(units):
                path = parts / f"{number:05d}.json"
                if not path.exists():
                    looked = pool.map(lambda entry: _look(entry, found), unit)
                    _write_unit(path, out / f"poses-{number:05d}.safetensors", list(looked), note)
                videos, told = _read_unit(path)
                rows += videos
                remarks += told
                progress.advance(bar, len(unit))
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


def write_remarks(out: Path, remarks: Sequence[Remark]) -> None:
    """The list of remarks as import.csv."""
    aside = out / f"{LIST}.part"
    with aside.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("item", "kept", "reason", "detail"))
        writer.writerows((r.item, "yes" if r.kept else "no", r.reason, r.detail) for r in remarks)
    aside.replace(out / LIST)


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
        lines.append(f"each by name: {index.root / LIST}")
    return "\n".join(lines)


def _claim(out: Path, found: Found) -> Path:
    """The folder of the parts, after it is sure that `out` is new or of the same import."""
    parts = out / "import.parts"
    claim = parts / "made_by.txt"
    if claim.is_file():
        if claim.read_text(encoding="utf-8") != found.made_by:
            raise ValueError(
                f"Expected {out} to be new or of the same import; it holds parts of another one "
                f"({claim.read_text(encoding='utf-8')}). Choose another folder or remove that one."
            )
        return parts
    if out.exists() and not out.is_dir():
        raise ValueError(f"Expected a folder for the data set; {out} is a file. Choose another name.")
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"Expected {out} to be new or empty; it holds other files. Choose another folder.")
    parts.mkdir(parents=True)
    aside = claim.with_suffix(".part")
    aside.write_text(found.made_by, encoding="utf-8")
    aside.replace(claim)
    return parts


def _unclaim(parts: Path) -> None:
    for path in sorted(parts.glob("*")):
        path.unlink()
    parts.rmdir()


def _without_repeats(found: Found) -> tuple[list[Entry], list[Remark]]:
    """Each part of a video once, and with a class."""
    seen: set[tuple] = set()
    entries, remarks = [], list(found.remarks)
    for entry in found.entries:
        key = (entry.video, entry.start, entry.end)
        if key in seen:
            remarks.append(Remark(entry.video, "named twice", f"again as {entry.label!r} in {entry.split}"))
        elif entry.label not in found.classes:
            what = "no label" if not entry.label else "label of no known class"
            remarks.append(Remark(entry.video, what, entry.label))
        else:
            seen.add(key)
            entries.append(entry)
    return entries, remarks


_Looked = tuple[Video | None, Poses | None, list[Remark]]


def _look(entry: Entry, found: Found) -> _Looked:
    """The row of an entry and its poses, or why there are none."""
    try:
        info = entry.info or probe(found.video_root / entry.video)
    except FileNotFoundError as error:
        return None, None, [Remark(entry.video, "not there", _line(error))]
    except (VideoError, OSError) as error:
        return None, None, [Remark(entry.video, "cannot be read as a video", _line(error))]
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
    return row, poses, remarks


def first_frames(poses: Poses, frames: int) -> Poses:
    """The poses of the first frames alone."""
    kept = int(np.searchsorted(poses.frame_index, frames))
    offsets = poses.frame_offsets[: kept + 1]
    return Poses(poses.skeleton, poses.joints[: int(offsets[-1])], poses.frame_index[:kept], offsets)


def _write_unit(
    path: Path, shard: Path, looked: Sequence[_Looked], note: Callable[[Video, Poses | None], str] | None
) -> None:
    """The poses of a unit, then its rows, by which a later call knows that it is whole."""
    stored = {row.video: poses for row, poses, _ in looked if row is not None and poses is not None}
    if stored:
        write_shard(shard, list(stored.items()))
    rows = [
        (row if note is None else replace(row, note=note(row, poses))) for row, poses, _ in looked if row is not None
    ]
    about = {"rows": [asdict(row) for row in rows], "remarks": [asdict(r) for *_, told in looked for r in told]}
    aside = path.with_suffix(".part")
    aside.write_text(json.dumps(about), encoding="utf-8")
    aside.replace(path)


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


def video_files(root: Path) -> dict[str, list[str]]:
    """Every file below a folder, and every folder that holds images, by its name without the ending.

    Returns:
        Paths relative to `root`, sorted, by stem; hidden files are left out.

    Raises:
        FileNotFoundError: there is no such folder.
    """
    if not root.is_dir():
        raise FileNotFoundError(f"Expected a folder of videos; {root} is not there.")
    found: dict[str, list[str]] = {}
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = os.path.relpath(folder, root)
        if any(name.lower().endswith((".jpg", ".jpeg", ".png")) for name in names):
            if here != ".":
                found.setdefault(Path(here).name, []).append(Path(here).as_posix())
            folders.clear()
            continue
        for name in sorted(names):
            if not name.startswith("."):
                found.setdefault(Path(name).stem, []).append((Path(here) / name).as_posix())
    return found
