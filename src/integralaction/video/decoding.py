"""Frames of video files.

A frame is found by its presentation timestamp, never by a counter that runs on after a seek. The timestamps
come from reading the packets without decoding them (the layout), so callers need not care about variable frame
rates, B-frames, open groups of pictures and edit lists. Files whose timestamps cannot be trusted (avi with B-frames,
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

from integralaction.video.containers import blame, decode_packet, identity, open_video, packets_of
from integralaction.video.info import VideoError, VideoInfo, refuse_index, scale_size
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
        open_ended = layout.clock.is_broadcast or layout.clock.is_without_times  # no header promises a length
        is_whole = layout.is_whole and not (open_ended and _ends_in_damage(path, layout, len(frames)))
        return VideoInfo(len(frames), frames.fps, *layout.size, has_times=frames.has_times, is_whole=is_whole)


def _ends_in_damage(path: Path, layout: Layout, count: int) -> bool:
    """Whether one of the last pictures, in decode order, is not whole."""
    last = {count - 1}
    if not layout.is_counted:
        last.update(np.flatnonzero(layout.order >= len(layout.pts) - 2).tolist())
    try:
        read_video(path, np.array(sorted(last)), None)
    except VideoError:
        return True
    return False


def read_video(path: Path, numbers: np.ndarray, short_side: int | None) -> np.ndarray:
    """Frames of a video file by number, ascending, each once: see `read_frames`."""
    file = identity(path)
    with blame(path):
        layout = layout_of(*file)
    picture = _Picture(layout, short_side)
    frames = np.empty((len(numbers), *picture.size, 3), np.uint8)
    with blame(path):
        if len(numbers) and numbers[0] < 0:
            refuse_index(path, int(numbers[0]), len(frames_of(*file)))
        if layout.is_counted:
            _decode_counting(str(path), numbers, frames, picture)
            return frames
        if len(numbers) and numbers[-1] >= len(layout.order):
            refuse_index(path, int(numbers[-1]), len(layout.order))
        if len(numbers) and not _decode(str(path), layout, numbers, frames, picture):
            _decode_carefully(str(path), layout, numbers, frames, picture)
        return frames


class _Picture:
    """From decoded frames to arrays as displayed; holds the scaler, which is slow to set up."""

    def __init__(self, layout: Layout, short_side: int | None):
        self.turn = layout.turn
        self.size = scale_size(*layout.size, short_side)
        self._scaler = VideoReformatter()

    def __call__(self, frame: av.VideoFrame) -> np.ndarray:
        transpose, rows, columns = self.turn
        height, width = self.size[::-1] if transpose else self.size
        rgb = self._scaler.reformat(frame, width, height, "rgb24", interpolation=Interpolation.BILINEAR, threads=1)
        array = rgb.to_ndarray()
        if transpose:
            array = array.transpose(1, 0, 2)
        return array[:: -1 if rows else 1, :: -1 if columns else 1]


def _decode(path: str, layout: Layout, numbers: np.ndarray, frames: np.ndarray, picture: _Picture) -> bool:
    """The quick way: one pass, with a seek where the next frame is far. False where anything was unusual."""
    times = layout.pts[layout.order[numbers]].tolist()
    with open_video(path, threads=True) as (container, stream):
        for key, rows in _split_at_seeks(layout, numbers):
            start = int(layout.pts[key]) if key else None
            try:
                if start is not None:
                    container.seek(start, stream=stream, backward=True)
            except av.FFmpegError:
                return False
            pictures = _decode_stretch(packets_of(container, stream), start, {times[row]: row for row in rows})
            for frame, row in pictures:
                if frame is None:
                    return False
                frames[row] = picture(frame)
    return True


def _split_at_seeks(layout: Layout, numbers: np.ndarray) -> list[tuple[int, list[int]]]:
    """Parts to decode without a seek: the position of the key frame where each begins (0: the start), its rows."""
    stretches: list[tuple[int, list[int]]] = [(0, [])]
    reached = 0
    for row, key in enumerate(layout.keys_before(numbers)):
        if key > reached + SEEK_GAP:
            stretches.append((int(key), []))
        stretches[-1][1].append(row)
        reached = max(reached, int(layout.order[numbers[row]]))
    return [stretch for stretch in stretches if stretch[1]]


def _decode_stretch(
    packets: Iterable[av.Packet], start: int | None, rows: dict[int, int]
) -> Iterator[tuple[av.VideoFrame | None, int]]:
    """The frames at these timestamps with their rows; None and an end where anything was unusual.

    `begin` is the timestamp of the key frame that was sought, None where decoding starts with the file.
    """
    landing: int | None = None
    is_sure = start is None
    for packet in packets:
        if start is not None and landing is None:
            # A seek may land earlier, and on no key frame at all: nothing before one is worth decoding.
            if packet.size and not packet.is_keyframe:
                continue
            if packet.pts is None or packet.pts > start:
                break
            landing = packet.pts
        context = cast(VideoStream, packet.stream).codec_context
        if context.name == "h264":  # no frame needs those that are neither wanted nor referred to
            context.skip_frame = "DEFAULT" if packet.pts in rows or packet.pts == landing else "NONREF"
        pictures = decode_packet(packet)
        if pictures is None:
            break
        for frame in pictures:
            if frame.pts is None or (frame.is_corrupt and (start is None or frame.pts >= start)):
                yield None, -1
                return
            # A refresh that goes over many frames calls itself a key frame, but is no I picture.
            is_sure |= frame.pts == landing and frame.pict_type == PictureType.I
            if frame.pts in rows:
                yield (frame if is_sure else None), rows.pop(frame.pts)
        if not rows:
            return
    yield None, -1


def _decode_carefully(path: str, layout: Layout, numbers: np.ndarray, frames: np.ndarray, picture: _Picture) -> None:
    """The sure way: everything from the start, in one thread, so that each error belongs to one packet."""
    rows = {int(time): row for row, time in enumerate(layout.pts[layout.order[numbers]])}
    bad = set(rows)
    doubtful: set[int] = set()
    with open_video(path) as (container, stream):
        for position, packet in enumerate(packets_of(container, stream)):
            pictures = decode_packet(packet)
            if pictures is None:
                doubtful.update(layout.times_after_damage(position).tolist())
            for frame in pictures or []:
                if frame.is_corrupt:
                    positions = np.flatnonzero(layout.pts == frame.pts)
                    doubtful.update(layout.times_after_damage(int(positions[0]) if len(positions) else 0).tolist())
                if frame.pts in rows:
                    frames[rows[frame.pts]] = picture(frame)
                    bad.discard(frame.pts)
    bad |= doubtful & rows.keys()
    if bad:
        _refuse_damaged(path, int(numbers[rows[min(bad)]]))


def _decode_counting(path: str, numbers: np.ndarray, frames: np.ndarray, picture: _Picture) -> None:
    """For files without timestamps to trust: after an error not even the number of a frame is certain."""
    row, index = 0, 0
    with open_video(path, threads=True) as (container, stream):
        for packet in packets_of(container, stream):
            if row == len(numbers):
                return
            pictures = decode_packet(packet)
            for frame in [None] if pictures is None else pictures:
                if row < len(numbers) and (frame is None or frame.is_corrupt):
                    _refuse_damaged(path, int(numbers[row]))
                if frame is not None and row < len(numbers) and numbers[row] == index:
                    frames[row] = picture(frame)
                    row += 1
                index += 1
    if row < len(numbers):
        refuse_index(Path(path), int(numbers[-1]), index)


def _refuse_damaged(path: str, index: int) -> None:
    raise VideoError(
        f"Expected frame {index} of {path}, found damaged data there; fetch the file again or leave it out."
    )
