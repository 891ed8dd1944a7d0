"""The contact sheet: a picture that shows the benchmark, one row a class."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from integralaction.data.index import Index, Video
from integralaction.data.poses import PoseStore
from integralaction.data.video import read_frames
from integralaction.draw import draw_poses
from integralaction.files import write_whole
from integralaction.mime.acts import ACT
from integralaction.skeleton import skeleton_named

CELL = 128  # pixels of a frame on the sheet
_LABEL, _HEAD, _GAP, _TIMES = 190, 28, 4, 6
_INK, _DIM = (25, 25, 30), (110, 110, 120)


def contact_sheet(index: Index, path: Path) -> None:
    """Write a PNG: of each class six frames of a video in context (every other one with its pose estimates), then
    a frame out of context and one without usable pose.

    Args:
        index: a data set made by `generate`; what it lacks stays empty.
        path: the picture.
    """
    store = PoseStore.of(index.root)
    columns = _TIMES + 2
    size = (_LABEL + columns * (CELL + _GAP), _HEAD + len(index.classes) * (CELL + _GAP))
    sheet = Image.new("RGB", size, (250, 250, 250))
    brush, font, small = ImageDraw.Draw(sheet), ImageFont.load_default(15), ImageFont.load_default(12)
    for column, text in ((0, "in context"), (_TIMES, "out of context"), (_TIMES + 1, "no pose")):
        brush.text((_LABEL + column * (CELL + _GAP), 6), text, _INK, font)
    for row, name in enumerate(index.classes):
        top = _HEAD + row * (CELL + _GAP)
        brush.text((8, top + 40), name, _INK, font)
        twin = ACT[name].twin
        brush.text((8, top + 62), f"twin: {twin}" if twin else "told by motion", _DIM, small)
        for column, cell in enumerate(_draw_row(index, store, name)):
            if cell is not None:
                sheet.paste(cell, (_LABEL + column * (CELL + _GAP), top))
    path.parent.mkdir(parents=True, exist_ok=True)
    with write_whole(path) as aside:
        sheet.save(aside, "PNG")


def _draw_row(index: Index, store: PoseStore, name: str) -> list[Image.Image | None]:
    """The pictures of one row; None where the data set has no such video."""
    cells: list[Image.Image | None] = [None] * (_TIMES + 2)
    first = _find_video(index, name, "in-context", "ambiguous")
    if first is not None:
        # spread over two seconds, so that neighbours show the movement
        last = min(first.frames - 1, round(2 * first.fps))
        moments = np.linspace(0, last, _TIMES).round().astype(int)
        for column, moment in enumerate(moments):
            cells[column] = _draw_cell(index, store, first, int(moment), poses=column % 2 == 1)
    for column, kind in ((_TIMES, "out-of-context"), (_TIMES + 1, "no-pose")):
        video = _find_video(index, name, kind)
        if video is not None:
            cells[column] = _draw_cell(index, store, video, video.frames // 2, poses=False)
    return cells


def _find_video(index: Index, name: str, *kinds: str) -> Video | None:
    """A video of that class and kind; in its own scene where the kind allows it."""
    videos = [video for video in index.videos if video.label == name and video.note in kinds]
    in_own_scene = [video for video in videos if video.group == ACT[name].scene]
    return (in_own_scene or videos or [None])[0]


def _draw_cell(index: Index, store: PoseStore, video: Video, moment: int, poses: bool) -> Image.Image:
    frame = read_frames(index.path(video), [moment])[0]
    cell = Image.fromarray(frame).resize((CELL, CELL), Image.Resampling.LANCZOS)
    if poses and video.video in store:
        joints = store[video.video].at(np.array([moment]))[0]
        scale = np.array([CELL / frame.shape[1], CELL / frame.shape[0], 1.0], np.float32)
        draw_poses(cell, joints * scale, skeleton_named(store.skeleton), least_score=0)
    return cell
