"""Frames of video files.

A frame is found by its presentation timestamp, never by a counter that runs on after a seek. The timestamps
come from reading the packets without decoding them (the layout), so variable frame rates, B-frames, open groups
of pictures and edit lists need no care by who asks. Files whose timestamps cannot be trusted (avi with B-frames,
bare streams, interlaced video) are decoded from the start and counted. A frame that the decoder could not restore
is an error, never its neighbour.

Pixels are square here: a sample aspect ratio in the file is ignored, as OpenCV and decord do.
"""

import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import PictureType
from av.video.reformatter import Interpolation, VideoReformatter
from av.video.stream import VideoStream

from integralaction.data.video_info import UNKNOWN_FPS, VideoError, VideoInfo, refuse_index, resized

# A seek empties the decoder and reads the index: decoding this many frames for nothing costs about as much.
SEEK_GAP = 12
# Frame threads start and end with every read: below this many pixels they cost more than they give.
THREADED_PIXELS = 640 * 480
# Demuxers that would make a picture out of any text.
TEXT_FORMATS = {"tty", "bin", "xbin", "adf", "idf"}


def probe_video(path: Path) -> VideoInfo:
    """Frames, rate and size of a video file.

    Raises:
        FileNotFoundError, VideoError: as for `probe`.
    """
    layout = _layout(*_identity(path))
    frames = _count(*_identity(path)) if layout.counted else len(layout.shown)
    return VideoInfo(frames, layout.fps, *layout.size)


# --- video files: the layout ----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Layout:
    """What the packets of a file tell: all arrays are int64; positions are in decode order."""

    pts: np.ndarray  # presentation timestamp of each packet
    shown: np.ndarray  # position of the packet of frame i
    keys: np.ndarray  # positions of the key frames
    counted: bool  # timestamps cannot be trusted: frame i is the i-th that the decoder gives
    fps: float
    size: tuple[int, int]  # height and width as displayed
    turn: tuple[bool, bool, bool]  # from the decoded picture to the displayed: transpose, flip rows, flip columns

    def keys_before(self, wanted: np.ndarray) -> np.ndarray:
        """Positions of the key frames from which these frames (sorted) can be decoded."""
        times = self.pts[self.keys]
        if (np.diff(times) <= 0).any():  # edit lists may show a part twice: from the start, then
            return np.zeros(len(wanted), dtype=np.int64)
        found = np.searchsorted(times, self.pts[self.shown[wanted]], side="right") - 1
        return np.where(found < 0, 0, self.keys[np.maximum(found, 0)])

    def spoilt(self, position: int) -> np.ndarray:
        """Timestamps of the frames that may depend on the packet at a position: the rest of its group of
        pictures, and those that are decoded after the next key frame but shown before it."""
        later = self.keys[self.keys > position]
        if not len(later):
            return self.pts[position:]
        leading = self.pts[later[0] :]
        return np.concatenate([self.pts[position : later[0]], leading[leading < self.pts[later[0]]]])


def _identity(path: Path) -> tuple[str, int, int]:
    try:
        stat = path.stat()
    except FileNotFoundError:
        raise FileNotFoundError(
            f"Expected a video or a folder of images at {path}, found nothing; check the path."
        ) from None
    if stat.st_size == 0:
        raise VideoError(f"Expected a video, found an empty file at {path}; fetch it again or leave it out.")
    return str(path), stat.st_mtime_ns, stat.st_size


@contextmanager
def _opened(path: str, threads: bool = False) -> Generator[tuple[InputContainer, VideoStream]]:
    """A file and its video stream; with `threads` the decoder may use several, where the video is large."""
    # "file:", so that no name is taken for an address; the white list, so that no playlist reaches the network.
    try:
        container = av.open(f"file:{path}", mode="r", options={"protocol_whitelist": "file"})
    except (av.FFmpegError, UnicodeError) as error:
        raise VideoError(
            f"Expected a video, found data that cannot be read as one at {path} ({_reason(error)}); "
            "it may be incomplete or of another kind: fetch it again or leave it out."
        ) from None
    with container:
        cover = Disposition.attached_pic
        streams = [stream for stream in container.streams.video if not stream.disposition & cover]
        if not streams or container.format.name in TEXT_FORMATS:
            kinds = " and ".join(sorted({s.type for s in container.streams} - {"video"})) or "still pictures"
            found = "text" if streams else kinds
            raise VideoError(f"Expected a video, found {found} in {path}; leave it out.")
        best = container.streams.best("video")
        stream = next((stream for stream in streams if stream is best), streams[0])
        data = sys.modules.get("torch.utils.data")
        in_worker = data is not None and data.get_worker_info() is not None
        if threads and not in_worker and stream.width * stream.height >= THREADED_PIXELS:
            stream.thread_type = "AUTO"
        else:
            stream.thread_type = "NONE"
            stream.codec_context.thread_count = 1
        yield container, stream


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet]:
    """The packets of a stream in decode order, then the empty one on which the decoder gives its last frames."""
    for packet in container.demux(stream):
        if packet.size or packet.dts is None:
            yield packet


def _decoded(packet: av.Packet) -> list[av.VideoFrame] | None:
    """The frames that come out of the decoder when this packet goes in; None where the data are damaged."""
    try:
        return cast(list[av.VideoFrame], packet.decode())
    except av.FFmpegError:
        return None


@lru_cache(maxsize=64)
def _layout(path: str, modified: int, size: int) -> _Layout:
    """Reads every packet and decodes the first frame; the stamps are there for the cache."""
    with _opened(path) as (container, stream):
        pts: list[int | None] = []
        keys, hidden, first, doubtful = [], set(), None, False
        vp8 = stream.codec_context.name == "vp8"
        try:
            for position, packet in enumerate(_packets(container, stream)):
                if first is None:
                    first = next(iter(_decoded(packet) or []), None)
                if not packet.size:
                    break
                pts.append(packet.pts)
                doubtful |= packet.is_corrupt
                if packet.is_keyframe:
                    keys.append(position)
                if packet.is_discard or (vp8 and not bytes(packet)[0] & 0x10):
                    hidden.add(position)  # cut off by an edit list; an alternate reference frame
        except av.FFmpegError as error:
            raise VideoError(
                f"Expected a whole video, found damaged data in {path} ({_reason(error)}); "
                "fetch it again or leave it out."
            ) from None
        if doubtful or len(pts) < stream.frames:
            _check_whole(path, stream, size)
        if doubtful:  # what was lost cannot be counted, so no later frame has a certain number
            raise VideoError(
                f"Expected a whole video, found damaged packets in {path}; fetch it again or leave it out."
            )
        if first is None:
            raise VideoError(f"Expected a video, found no frame that can be decoded in {path}; leave it out.")
        turn = _turn(first)
        shape = (first.width, first.height) if turn[0] else (first.height, first.width)
        rate = stream.average_rate or stream.guessed_rate
        times, shown = _order(pts, keys, hidden)
        # Avi stores no presentation timestamps, and what is made up for B-frames is wrong. Of interlaced
        # video two packets may be one frame.
        reordered = stream.codec_context.has_b_frames or stream.codec_context.name in ("h264", "hevc")
        counted = shown is None or first.interlaced_frame or (container.format.name == "avi" and reordered)
        return _Layout(
            times,
            np.zeros(0, np.int64) if shown is None else shown,
            np.array(keys, np.int64),
            bool(counted),
            float(rate) if rate else UNKNOWN_FPS,
            shape,
            turn,
        )


def _order(pts: list[int | None], keys: list[int], hidden: set[int]) -> tuple[np.ndarray, np.ndarray | None]:
    """Timestamps, and positions of the shown packets in order of presentation; None where that is unknown."""
    if not keys or any(time is None for time in pts):
        return np.zeros(0, np.int64), None
    times = np.array(pts, np.int64)
    # What is decoded or shown before the first key frame refers to frames that the file does not hold.
    shown = np.array([p for p in range(keys[0], len(times)) if p not in hidden], np.int64)
    if keys[0] not in hidden:
        shown = shown[times[shown] >= times[keys[0]]]
    shown = shown[np.argsort(times[shown], kind="stable")]
    unique = len(shown) > 0 and bool((np.diff(times[shown]) > 0).all())
    return times, shown if unique else None


def _check_whole(path: str, stream: VideoStream, size: int) -> None:
    """Fewer packets than promised: harmless where an edit list cut them off, not where the file ends early."""
    end = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    if end > size:
        raise VideoError(
            f"Expected {stream.frames} frames in {end} bytes, found {size} bytes in {path}; "
            "the file is cut short: fetch it again or leave it out."
        )


def _turn(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """Transpose, flip rows, flip columns: the display matrix, to the nearest quarter turn."""
    data = frame.side_data.get("DISPLAYMATRIX")
    if data is None:
        return False, False, False
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), np.int32)[:5])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, d < 0, a < 0
    return True, b < 0, c < 0


# --- video files: the frames ----------------------------------------------------------------------


def read_video(path: Path, wanted: np.ndarray, short_side: int | None) -> np.ndarray:
    """Frames of a video file by number, ascending, each once: see `read_frames`."""
    identity = _identity(path)
    layout = _layout(*identity)
    picture = _Picture(layout, short_side)
    frames = np.empty((len(wanted), *picture.size, 3), np.uint8)
    if len(wanted) and wanted[0] < 0:
        refuse_index(path, int(wanted[0]), _count(*identity) if layout.counted else len(layout.shown))
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

    def __init__(self, layout: _Layout, short_side: int | None):
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


def _decode(path: str, layout: _Layout, wanted: np.ndarray, frames: np.ndarray, picture: _Picture) -> bool:
    """The quick way: one pass, with a seek where the next frame is far. False where anything was unusual."""
    times = layout.pts[layout.shown[wanted]].tolist()
    with _opened(path, threads=True) as (container, stream):
        for key, rows in _stretches(layout, wanted):
            begin = int(layout.pts[key]) if key else None
            try:
                if begin is not None:
                    container.seek(begin, stream=stream, backward=True)
            except av.FFmpegError:
                return False
            found = _stretch(_packets(container, stream), begin, {times[row]: row for row in rows})
            for frame, row in found:
                if frame is None:
                    return False
                frames[row] = picture(frame)
    return True


def _stretches(layout: _Layout, wanted: np.ndarray) -> list[tuple[int, list[int]]]:
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
        decoded = _decoded(packet)
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


def _decode_carefully(path: str, layout: _Layout, wanted: np.ndarray, frames: np.ndarray, picture: _Picture) -> None:
    """The sure way: everything from the start, in one thread, so that each error belongs to one packet."""
    rows = {int(time): row for row, time in enumerate(layout.pts[layout.shown[wanted]])}
    bad = set(rows)
    spoilt: set[int] = set()
    with _opened(path) as (container, stream):
        for position, packet in enumerate(_packets(container, stream)):
            decoded = _decoded(packet)
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
    with _opened(path, threads=True) as (container, stream):
        for packet in _packets(container, stream):
            if row == len(wanted):
                return
            decoded = _decoded(packet)
            for frame in [None] if decoded is None else decoded:
                if row < len(wanted) and (frame is None or frame.is_corrupt):
                    _refuse_damaged(path, int(wanted[row]))
                if frame is not None and row < len(wanted) and wanted[row] == index:
                    frames[row] = picture(frame)
                    row += 1
                index += 1
    if row < len(wanted):
        refuse_index(Path(path), int(wanted[-1]), index)


@lru_cache(maxsize=64)
def _count(path: str, modified: int, size: int) -> int:
    """How many frames the decoder gives."""
    with _opened(path, threads=True) as (container, stream):
        return sum(len(_decoded(packet) or []) for packet in _packets(container, stream))


def _refuse_damaged(path: str, index: int) -> None:
    raise VideoError(
        f"Expected frame {index} of {path}, found damaged data there; fetch the file again or leave it out."
    )
