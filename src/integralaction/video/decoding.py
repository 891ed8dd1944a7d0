"""Frames of video files.

A frame is found by its presentation timestamp, never by a counter that runs on after a seek. The timestamps
come from reading the packets without decoding them (the layout), so variable frame rates, B-frames, open groups
of pictures and edit lists need no care by who asks. Files whose timestamps cannot be trusted (avi with B-frames,
bare streams, interlaced video, times out of order) are decoded from the start and counted. A frame that the decoder
could not restore is an error, never its neighbour.

Pixels are square here: a sample aspect ratio in the file is ignored, as OpenCV and decord do.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.video.frame import PictureType
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from integralaction.video.containers import blame, decode_packet, identity, opened, packets_of
from integralaction.video.info import VideoError, VideoInfo, refuse_index, resized
from integralaction.video.layout import Layout, frames_of, layout_of

# A seek empties the decoder and reads the index: decoding this many frames for nothing costs about as much.
SEEK_GAP = 12


def probe_video(path: Path) -> VideoInfo:
    """Frames, rate and size of a video file.

    Raises:
        FileNotFoundError, VideoError: as for `probe`.
    """
    file = identity(path)
    with blame(path):
        frames, layout = frames_of(*file), layout_of(*file)
        open_ended = layout.clock.broadcast or layout.clock.invented  # no header promises a length
        whole = layout.whole and not (open_ended and _ends_in_damage(path, layout, len(frames)))
        return VideoInfo(len(frames), frames.fps, *layout.size, timed=frames.timed, whole=whole)


def _ends_in_damage(path: Path, layout: Layout, count: int) -> bool:
    """Whether one of the last pictures, in decode order, is not whole."""
    last = {count - 1}
    if not layout.counted:
        last.update(np.flatnonzero(layout.shown >= len(layout.pts) - 2).tolist())
    try:
        read_video(path, np.array(sorted(last)), None)
    except VideoError:
        return True
    return False


def read_video(path: Path, wanted: np.ndarray, short_side: int | None) -> np.ndarray:
    """Frames of a video file by number, ascending, each once: see `read_frames`."""
    file = identity(path)
    with blame(path):
        layout = layout_of(*file)
    picture = _Picture(layout, short_side)
    frames = np.empty((len(wanted), *picture.size, 3), np.uint8)
    with blame(path):
        if len(wanted) and wanted[0] < 0:
            refuse_index(path, int(wanted[0]), len(frames_of(*file)))
        if layout.counted:
            _decode_counting(str(path), wanted, frames, picture)
            return frames
        if len(wanted) and wanted[-1] >= len(layout.shown):
            refuse_index(path, int(wanted[-1]), len(layout.shown))
        if len(wanted) and not _decode(str(path), layout, wanted, frames, picture):
            _decode_carefully(str(path), layout, wanted, frames, picture)
        return frames


class _Picture:
    """From decoded frames to arrays as displayed; holds the scaler, which is slow to set up."""

    def __init__(self, layout: Layout, short_side: int | None):
        self.turn = layout.turn
        self.size = resized(*layout.size, short_side)
        self._scaler = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        transpose, rows, columns = self.turn
        height, width = self.size[::-1] if transpose else self.size
        rgb = self._scaler.reformat(frame, width, height, "rgb24", interpolation=Interpolation.BILINEAR, threads=1)
        array = rgb.to_ndarray()
        if transpose:
            array = array.transpose(1, 0, 2)
        return array[:: -1 if rows else 1, :: -1 if columns else 1]


def _decode(path: str, layout: Layout, wanted: np.ndarray, frames: np.ndarray, picture: _Picture) -> bool:
    """The quick way: one pass, with a seek where the next frame is far. False where anything was unusual."""
    times = layout.pts[layout.shown[wanted]].tolist()
    with opened(path, threads=True) as (container, stream):
        for key, rows in _stretches(layout, wanted):
            begin = int(layout.pts[key]) if key else None
            try:
                if begin is not None:
                    container.seek(begin, stream=stream, backward=True)
            except av.FFmpegError:
                return False
            found = _stretch(packets_of(container, stream), begin, {times[row]: row for row in rows})
            for frame, row in found:
                if frame is None:
                    return False
                frames[row] = picture(frame)
    return True


def _stretches(layout: Layout, wanted: np.ndarray) -> list[tuple[int, list[int]]]:
    """Parts to decode without a seek: the position of the key frame where each begins (0: the start), its rows."""
    stretches: list[tuple[int, list[int]]] = [(0, [])]
    reached = 0
    for row, key in enumerate(layout.keys_before(wanted)):
        if key > reached + SEEK_GAP:
            stretches.append((int(key), []))
        stretches[-1][1].append(row)
        reached = max(reached, int(layout.shown[wanted[row]]))
    return [stretch for stretch in stretches if stretch[1]]


def _stretch(
    packets: Iterable[av.Packet], begin: int | None, rows: dict[int, int]
) -> Iterator[tuple[av.VideoFrame | None, int]]:
    """The frames at these timestamps with their rows; None and an end where anything was unusual.

    `begin` is the timestamp of the key frame that was sought, None where decoding starts with the file.
    """
    landed: int | None = None
    sure = begin is None
    for packet in packets:
        if begin is not None and landed is None:
            # A seek may land earlier, and on no key frame at all: nothing before one is worth decoding.
            if packet.size and not packet.is_keyframe:
                continue
            if packet.pts is None or packet.pts > begin:
                break
            landed = packet.pts
        context = cast(VideoStream, packet.stream).codec_context
        if context.name == "h264":  # no frame needs those that are neither wanted nor referred to
            context.skip_frame = "DEFAULT" if packet.pts in rows or packet.pts == landed else "NONREF"
        decoded = decode_packet(packet)
        if decoded is None:
            break
        for frame in decoded:
            if frame.pts is None or (frame.is_corrupt and (begin is None or frame.pts >= begin)):
                yield None, -1
                return
            # A refresh that goes over many frames calls itself a key frame, but is no I picture.
            sure |= frame.pts == landed and frame.pict_type == PictureType.I
            if frame.pts in rows:
                yield (frame if sure else None), rows.pop(frame.pts)
        if not rows:
            return
    yield None, -1


def _decode_carefully(path: str, layout: Layout, wanted: np.ndarray, frames: np.ndarray, picture: _Picture) -> None:
    """The sure way: everything from the start, in one thread, so that each error belongs to one packet."""
    rows = {int(time): row for row, time in enumerate(layout.pts[layout.shown[wanted]])}
    bad = set(rows)
    spoilt: set[int] = set()
    with opened(path) as (container, stream):
        for position, packet in enumerate(packets_of(container, stream)):
            decoded = decode_packet(packet)
            if decoded is None:
                spoilt.update(layout.spoilt(position).tolist())
            for frame in decoded or []:
                if frame.is_corrupt:
                    found = np.flatnonzero(layout.pts == frame.pts)
                    spoilt.update(layout.spoilt(int(found[0]) if len(found) else 0).tolist())
                if frame.pts in rows:
                    frames[rows[frame.pts]] = picture(frame)
                    bad.discard(frame.pts)
    bad |= spoilt & rows.keys()
    if bad:
        _refuse_damaged(path, int(wanted[rows[min(bad)]]))


def _decode_counting(path: str, wanted: np.ndarray, frames: np.ndarray, picture: _Picture) -> None:
    """For files without timestamps to trust: after an error not even the number of a frame is certain."""
    row, index = 0, 0
    with opened(path, threads=True) as (container, stream):
        for packet in packets_of(container, stream):
            if row == len(wanted):
                return
            decoded = decode_packet(packet)
            for frame in [None] if decoded is None else decoded:
                if row < len(wanted) and (frame is None or frame.is_corrupt):
                    _refuse_damaged(path, int(wanted[row]))
                if frame is not None and row < len(wanted) and wanted[row] == index:
                    frames[row] = picture(frame)
                    row += 1
                index += 1
    if row < len(wanted):
        refuse_index(Path(path), int(wanted[-1]), index)


def _refuse_damaged(path: str, index: int) -> None:
    raise VideoError(
        f"Expected frame {index} of {path}, found damaged data there; fetch the file again or leave it out."
    )
