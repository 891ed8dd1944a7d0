"""What is in a data set: counts, lengths, persons, frames without a pose; a contact sheet with the poses drawn."""

from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from rich.console import Console
from rich.text import Text

from integralaction.console import one_line, printable, say
from integralaction.data.index import Index, Video
from integralaction.data.poses import PoseStore
from integralaction.data.video import VideoError, read_frames
from integralaction.draw import draw_poses
from integralaction.files import write_whole
from integralaction.fonts import fit_line
from integralaction.model.pose_maps import MIN_SCORE
from integralaction.skeleton import skeleton_named
from integralaction.tables import Cell, Row, Table, plain_columns
from integralaction.terminal import print_table

CELL, COLUMNS, ROWS = 192, 6, 6  # of the contact sheet: pixels of a frame, frames a row, rows
_HEAD, _GAP = 34, 6


def print_overview(index: Index, console: Console) -> None:
    """Counts by split and class, lengths in frames, and what the pose store holds, split by split."""
    store = PoseStore.of(index.root)
    head = f"{index.name}: {len(index.videos)} videos, {len(index.classes)} classes, {store.skeleton or index.skeleton}"
    lines = [head, *([f"made by: {index.made_by}"] if index.made_by else [])]
    console.print(Text(printable("\n".join(lines))), soft_wrap=True)
    for table in (_videos_table(index), *([_poses_table(index, store)] if len(store) else []), _classes_table(index)):
        console.print()
        print_table(table, console)
    if not len(store):
        console.print(Text("\nposes: none. Estimate them with `integralaction pose`."))


def _row(label: str, *texts: str) -> Row:
    return Row(label, tuple(Cell(text=text) for text in texts))


def _videos_table(index: Index) -> Table:
    rows = []
    for split in index.splits:
        videos = index.split(split).videos
        frames = np.array([video.frames for video in videos])
        rates = np.array([video.fps for video in videos])
        sizes = Counter(f"{video.width}x{video.height}" for video in videos).most_common()
        texts = (
            str(len(videos)),
            str(len({video.label for video in videos} - {""})),
            str(len({video.group for video in videos} - {""}) or "-"),
            f"{frames.min()}/{np.median(frames):g}/{frames.max()}",
            f"{rates.min():g}" if rates.min() == rates.max() else f"{rates.min():.3g}-{rates.max():.3g}",
            sizes[0][0] + (f" +{len(sizes) - 1}" if len(sizes) > 1 else ""),
        )
        rows.append(_row(split, *texts))
    columns = plain_columns(("videos", "classes", "groups", "frames min/median/max", "fps", "sizes"))
    return Table("videos", "", "split", columns, tuple(rows))


def _poses_table(index: Index, store: PoseStore) -> Table:
    rows = []
    for split in index.splits:
        videos = {video.video: video.frames for video in index.split(split).videos}
        there = [name for name in videos if name in store]
        frames = persons = empty = 0
        scores: list[float] = []
        for name in there:
            counts = np.diff(store[name].frame_offsets)
            frames, persons, empty = frames + len(counts), persons + int(counts.sum()), empty + int((counts == 0).sum())
            if len(joints := store[name].joints):
                scores.append(float(joints[..., 2].mean()))
        total = sum(videos[name] for name in there)
        texts = (
            f"{len(there)} of {len(videos)}",
            f"{100 * frames / total:.0f} %" if total else "-",
            f"{persons / frames:.2f}" if frames else "-",
            f"{100 * empty / frames:.1f} %" if frames else "-",
            f"{np.mean(scores):.2f}" if scores else "-",
        )
        rows.append(_row(split, *texts))
    names = ("videos with poses", "frames looked at", "persons a frame", "frames with no pose", "mean score")
    return Table("poses", "poses", "split", plain_columns(names), tuple(rows))


def _classes_table(index: Index) -> Table:
    counts = Counter((video.label, video.split) for video in index.videos)
    names = (*index.classes, *([""] if any(not video.label for video in index.videos) else []))
    rows = tuple(
        Row(name or "(none)", tuple(Cell(float(counts[name, split])) for split in index.splits)) for name in names
    )
    return Table("classes", "videos by class", "class", plain_columns(index.splits, digits=0), rows)


def contact_sheet(index: Index, path: Path, seed: int = 0) -> int:
    """Write a PNG of frames from the middle of videos chosen at random, their poses drawn, as many classes as fit.

    Returns:
        How many videos are on it; one that cannot be read is left out.
    """
    store = PoseStore.of(index.root)
    videos = _choose_videos(index, seed)
    rows = -(-len(videos) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (CELL + _GAP) + _GAP, rows * (CELL + _HEAD + _GAP) + _GAP), (250, 250, 250))
    brush = ImageDraw.Draw(sheet)
    count = 0
    for video in videos:
        cell = _draw_cell(index, store, video)
        if cell is None:
            continue
        x = _GAP + count % COLUMNS * (CELL + _GAP)
        y = _GAP + count // COLUMNS * (CELL + _HEAD + _GAP)
        fit_line(video.label or "(no label)", 14, CELL, in_the_middle=True).draw(brush, (x, y), (25, 25, 30))
        about = fit_line(f"{video.split}  {video.video}", 11, CELL, in_the_middle=True)
        about.draw(brush, (x, y + 17), (110, 110, 120))
        sheet.paste(cell, (x + (CELL - cell.width) // 2, y + _HEAD + (CELL - cell.height) // 2))
        count += 1
    with write_whole(path) as aside:
        sheet.save(aside, "PNG")
    return count


def _choose_videos(index: Index, seed: int) -> list[Video]:
    """Videos at random, of each class one before any second."""
    order = np.random.default_rng(seed).permutation(len(index.videos))
    counts: Counter[str] = Counter()
    entries = []
    for number in order:
        video = index.videos[number]
        entries.append((counts[video.label], len(entries), video))
        counts[video.label] += 1
    first = sorted(entries, key=lambda entry: entry[:2])[: COLUMNS * ROWS]
    return sorted((video for *_, video in first), key=lambda video: (video.label, video.video))


def _draw_cell(index: Index, store: PoseStore, video: Video) -> Image.Image | None:
    moment = video.frames // 2
    try:
        frame = read_frames(index.path(video), [moment])[0]
    except (VideoError, FileNotFoundError, ValueError) as error:
        has_poses = video.video in store
        if not (has_poses and isinstance(error, FileNotFoundError)):  # poses may be all that a data set has
            say(one_line(error))
        if not has_poses:
            return None
        frame = np.full((video.height, video.width, 3), 40, np.uint8)  # poses without a picture
    picture = Image.fromarray(frame)
    picture.thumbnail((CELL, CELL), Image.Resampling.LANCZOS)
    if video.video in store:
        joints = store[video.video].at(np.array([moment]))[0].copy()
        joints[..., :2] *= (picture.width / frame.shape[1], picture.height / frame.shape[0])
        draw_poses(picture, joints, skeleton_named(store.skeleton), least_score=MIN_SCORE)
    return picture
