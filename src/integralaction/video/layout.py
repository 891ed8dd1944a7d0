"""What the packets of a video file tell without decoding it: order, times, key frames, size.

Presentation times are trusted where nothing speaks against them: all are there, no two are equal, each key frame is
later than all before it, pictures that can only be shown before others are so, and the first frames come out of the
decoder in the order of their times. Where they are not, frames are those that the decoder gives, in its order, and are
counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.format import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from integralaction.video.clock import BROADCAST, Clock, Frames, frames_at_rate, frames_at_times
from integralaction.video.completeness import check_whole
from integralaction.video.containers import blame, collect_errors, decode_packet, identity, open_video, packets_of
from integralaction.video.info import VideoError
from integralaction.video.picture_kinds import earlier_pictures

# Frames at the start whose order is checked: decoders hold back 16 at most, and few files hold back more than 4.
CHECKED = 8
# Pictures in the right order for each in the wrong one: with fewer the timestamps are wrong, with more the whole file
# is decoded to be sure.
ODD = 20


@dataclass(frozen=True, eq=False)
class Layout:
    """What the packets of a file tell. Arrays are int64; positions are in decode order."""

    pts: np.ndarray  # presentation timestamp of each packet
    order: np.ndarray  # position of the packet of frame i
    keys: np.ndarray  # positions of the key frames
    is_counted: bool  # timestamps cannot be trusted: frame i is the i-th that the decoder gives
    clock: Clock
    size: tuple[int, int]  # height and width as displayed
    turn: tuple[bool, bool, bool]  # from the decoded picture to the displayed: transpose, flip rows, flip columns
    is_whole: bool  # see `VideoInfo`

    def keys_before(self, numbers: np.ndarray) -> np.ndarray:
        """Positions of the key frames from which these frames (sorted) can be decoded."""
        times = self.pts[self.keys]
        if (np.diff(times) <= 0).any():  # edit lists may show a part twice: from the start, then
            return np.zeros(len(numbers), dtype=np.int64)
        places = np.searchsorted(times, self.pts[self.order[numbers]], side="right") - 1
        return np.where(places < 0, 0, self.keys[np.maximum(places, 0)])

    def times_after_damage(self, position: int) -> np.ndarray:
        """Timestamps of the frames that may depend on the packet at a position: the rest of its group of
        pictures, and those that are decoded after the next key frame but shown before it."""
        later = self.keys[self.keys > position]
        if not len(later):
            return self.pts[position:]
        leading = self.pts[later[0] :]
        return np.concatenate([self.pts[position : later[0]], leading[leading < self.pts[later[0]]]])


@lru_cache(maxsize=64)
def layout_of(path: str, modified: int, size: int) -> Layout:
    """Reads every packet and decodes the first frames; the stamps are there for the cache."""
    # One thread while FFmpeg's log is collected: what another thread logs is lost, and it may wait for ever.
    with collect_errors() as errors, open_video(path) as (container, stream):
        packets = _read_packets(path, container, stream)
        # FFmpeg's reader skips data that make no sense, and the frames in them are lost. An end within an element is
        # checked below.
        is_garbled = any(
            name == container.format.name and "ended prematurely" not in message for _, name, message in errors
        )
        # mp4 begins with a key frame: where it does not, and the decoder finds fault, the first group is damaged.
        is_garbled |= (
            container.format.name.startswith("mov,") and packets.is_unsure and min(packets.keys, default=1) > 0
        )
        has_fewer = len(packets.pts) < stream.frames
        if packets.doubtful or is_garbled or has_fewer or not stream.frames:
            _check_index(path, stream, size)
        is_whole = check_whole(path, size, container.format.name, has_fewer)
        # What was lost cannot be counted, so no later frame has a certain number.
        is_joined = container.format.name == "mpegts" and packets.are_joined() and _has_whole_pictures(path)
        if is_garbled or (packets.doubtful and not is_joined):
            raise VideoError(
                f"Expected a whole video, found damaged packets in {path}; fetch it again or leave it out."
            )
        if not packets.frames:
            raise VideoError(f"Expected a video, found no frame that can be decoded in {path}; leave it out.")
        first = packets.frames[0]
        turn = _turn(first)
        shape = (first.width, first.height) if turn[0] else (first.height, first.width)
        times, order = _presentation_order(packets)
        # Avi stores no presentation timestamps, and what is made up for B-frames is wrong. Of interlaced
        # video two packets may be one frame.
        context = stream.codec_context
        are_invented = container.format.name == "avi" and (context.has_b_frames or context.name in ("h264", "hevc"))
        is_counted = (
            order is None
            or first.interlaced_frame
            or are_invented
            or not _is_orderly(path, packets, times, order, context)
        )
        return Layout(
            times,
            np.zeros(0, np.int64) if order is None else order,
            np.array(packets.keys, np.int64),
            bool(is_counted),
            _clock(container, stream, packets),
            shape,
            turn,
            is_whole,
        )


# --- the packets


@dataclass(eq=False)
class _Packets:
    """What is noted of the packets while they are read, by position."""

    pts: list[int | None]
    dts: list[int | None]
    keys: list[int]
    unshown: set[int]  # cut off by an edit list; an alternate reference frame
    are_earlier: list[bool | None]  # shown before a picture decoded before it; empty where that is not known
    frames: list[av.VideoFrame]  # the first that the decoder gives
    doubtful: set[int] = field(default_factory=set)  # came damaged
    is_unsure: bool = False  # the first frames did

    def note(self, position: int, packet: av.Packet) -> None:
        self.pts.append(packet.pts)
        self.dts.append(packet.dts)
        if packet.is_keyframe:
            self.keys.append(position)
        if packet.is_discard:
            self.unshown.add(position)
        if packet.is_corrupt:
            self.doubtful.add(position)

    def are_joined(self) -> bool:
        """Whether packets came damaged only where recordings can have been joined: there the counters of a transport
        stream jump as they do where something was lost, but a key frame follows, and no few frames are missing."""
        if None in self.pts:
            return False
        times = np.array(self.pts, np.int64)
        frame = np.median(np.diff(np.unique(times))) if len(times) > 1 else 0
        for position in self.doubtful:
            key = next((key for key in self.keys if position <= key <= position + 2), 0)
            if not key or 1.5 * frame < times[key] - times[max(0, key - 20) : key].max() < 25 * frame:
                return False
        return True

    def decode(self, packet: av.Packet) -> None:
        frames = decode_packet(packet)
        self.is_unsure |= frames is None or any(frame.is_corrupt for frame in frames)
        self.frames += frames or []


def _read_packets(path: str, container: InputContainer, stream: VideoStream) -> _Packets:
    context = stream.codec_context
    packets = _Packets([], [], [], set(), [], [])
    is_earlier = earlier_pictures(context.name, context.extradata)
    vp8 = context.name == "vp8"
    enough = CHECKED if _reorders(context) else 1
    try:
        for position, packet in enumerate(packets_of(container, stream)):
            if len(packets.frames) < enough:
                packets.decode(packet)
            if not packet.size:
                break
            packets.note(position, packet)
            if is_earlier is not None:
                packets.are_earlier.append(is_earlier(bytes(packet)))
            if vp8 and not bytes(packet)[0] & 0x10:
                packets.unshown.add(position)
    except av.FFmpegError as error:
        raise VideoError(
            f"Expected a whole video, found damaged data in {path} ({error.strerror}); fetch it again or leave it out."
        ) from None
    return packets


def _reorders(context: VideoCodecContext) -> bool:
    """Whether the coding can show pictures in another order than it decodes them."""
    return context.codec.reorder


def _check_index(path: str, stream: VideoStream, size: int) -> None:
    """Fewer packets than promised: harmless where an edit list cut them off, not where the file ends early."""
    end = max((entry.pos + entry.size for entry in stream.index_entries), default=0)
    if end > size:
        raise VideoError(
            f"Expected {stream.frames or 'all'} frames in {end} bytes, found {size} bytes in {path}; "
            "the file is cut short: fetch it again or leave it out."
        )


# --- their order


def _presentation_order(packets: _Packets) -> tuple[np.ndarray, np.ndarray | None]:
    """Timestamps, and positions of the shown packets in order of presentation; None where that is unknown."""
    pts, keys, unshown = packets.pts, packets.keys, packets.unshown
    if not keys or any(time is None for time in pts):
        return np.zeros(0, np.int64), None
    times = np.array(pts, np.int64)
    # What is decoded or shown before the first key frame refers to frames that the file does not hold.
    order = np.array([p for p in range(keys[0], len(times)) if p not in unshown], np.int64)
    if keys[0] not in unshown:
        group = keys[1] if len(keys) > 1 else len(times)
        order = order[(times[order] >= times[keys[0]]) | (order > group)]
    order = order[np.argsort(times[order], kind="stable")]
    unique = len(order) > 0 and bool((np.diff(times[order]) > 0).all())
    return times, order if unique else None


def _is_orderly(path: str, packets: _Packets, times: np.ndarray, order: np.ndarray, context: VideoCodecContext) -> bool:
    """Whether the presentation times (all there, no two equal) can be the order in which the decoder gives frames."""
    in_decode_order = np.sort(order)
    if not _reorders(context):
        return np.array_equal(order, in_decode_order)
    first = [frame.pts for frame in packets.frames]
    expected = times[order[: len(first)]].tolist()
    if not _is_ascending(first) or (not packets.is_unsure and first != expected):
        return False
    latest = np.maximum.accumulate(np.concatenate([[np.iinfo(np.int64).min], times[:-1]]))
    ascending = times > latest
    is_key = np.zeros(len(times), bool)
    is_key[packets.keys] = True
    if not ascending[in_decode_order][is_key[in_decode_order]].all():
        return False
    if context.name == "hevc" and not context.has_b_frames:  # its header has to tell
        return bool(ascending[in_decode_order].all())
    if not packets.are_earlier:
        return not context.has_b_frames and bool(ascending[in_decode_order].all())
    kinds = [packets.are_earlier[position] for position in in_decode_order]
    are_late = ascending[in_decode_order].tolist()
    agreeing = sum(kind is True and not is_late for kind, is_late in zip(kinds, are_late, strict=True))
    contradicting = sum(
        kind is not False if is_late else kind is None for kind, is_late in zip(kinds, are_late, strict=True)
    )
    if context.name != "hevc":  # whose earlier pictures are not all known by their kind
        contradicting += sum(kind is False and not is_late for kind, is_late in zip(kinds, are_late, strict=True))
    if contradicting * ODD > agreeing:
        return False
    # Among many that are right, a wrong one is a damaged packet or a step of the clock: the decoder tells.
    return not contradicting or _is_ascending(
        [time for time in _decoded_times(path, threads=False) if time is not None]
    )


def _is_ascending(times: Sequence[int | None]) -> bool:
    return all(time is not None and later is not None and time < later for time, later in pairwise(times))


def _turn(frame: av.VideoFrame) -> tuple[bool, bool, bool]:
    """Transpose, flip rows, flip columns: the display matrix, to the nearest quarter turn."""
    try:
        data = frame.side_data.get("DISPLAYMATRIX")
    except ValueError:  # PyAV cannot list what it does not know, as a photograph's EXIF
        quarter = round(frame.rotation / 90) % 4
        return quarter % 2 == 1, quarter in (1, 2), quarter in (2, 3)
    if data is None:
        return False, False, False
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(data), np.int32)[:5])
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return False, d < 0, a < 0
    return True, b < 0, c < 0


# --- times


def _clock(container: InputContainer, stream: VideoStream, packets: _Packets) -> Clock:
    return Clock(
        float(stream.time_base or 0) or 1.0,
        np.array([np.nan if time is None else time for time in packets.dts], np.float64),
        float(stream.average_rate or stream.guessed_rate or 0),
        container.format.name == "avi",
        bool(container.format.flags & Flags.no_timestamps.value),
        container.format.name in BROADCAST,
    )


@lru_cache(maxsize=64)
def frames_of(path: str, modified: int, size: int) -> Frames:
    """How many frames a file has, and when they are shown; decodes the whole of it where they must be counted."""
    layout = layout_of(path, modified, size)
    clock = layout.clock
    if not layout.is_counted:
        return frames_at_times(layout.pts[layout.order], clock, layout.pts)
    times = _decoded_times(path, threads=True)
    if clock.has_frame_numbers:
        has_all_times = len(clock.decoding) == len(times) and np.isfinite(clock.decoding).all()
        times = sorted(clock.decoding.astype(np.int64).tolist()) if has_all_times else list(range(len(times)))
    if not _is_ascending(times):
        return frames_at_rate(len(times), clock, layout.pts)
    return frames_at_times(np.array(times, np.int64), clock, layout.pts)


def _has_whole_pictures(path: str) -> bool:
    """Whether the decoder finds no fault in any picture."""
    with open_video(path) as (container, stream):
        pictures = [decode_packet(packet) for packet in packets_of(container, stream)]
        return not any(frames is None or any(frame.is_corrupt for frame in frames) for frames in pictures)


def _decoded_times(path: str, threads: bool) -> list[int | None]:
    """The timestamps of the frames as the decoder gives them."""
    with open_video(path, threads=threads) as (container, stream):
        packets = packets_of(container, stream)
        return [frame.pts for packet in packets for frame in decode_packet(packet) or []]


def video_times(path: Path) -> np.ndarray:
    """Seconds of each frame of a video file: see `frame_times`."""
    file = identity(path)
    with blame(path):
        return frames_of(*file).seconds.copy()
