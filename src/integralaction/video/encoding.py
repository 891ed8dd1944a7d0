"""Writes videos."""

import math
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from integralaction.errors import Refused
from integralaction.files import write_whole


def write_video(path: Path | str, frames: Iterable[np.ndarray], fps: float) -> int:
    """Write frames as an H.264 mp4 (yuv420p, crf 18); the same frames give the same bytes.

    Written aside, as `<name>.part`, and renamed when whole; the folder is made where it is missing.

    Args:
        path: the file to write; what was there is replaced.
        frames: (H, W, 3) uint8 RGB, all of one size, H and W even.
        fps: frames a second.

    Returns:
        The number of frames written.

    Raises:
        ValueError: a frame of another shape, type or size than expected, no frame at all, a senseless fps.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise Refused(f"Expected a positive number of frames a second, found {fps}; give the video's rate.")
    path = Path(path)
    with write_whole(path) as aside:
        return _encode(aside, iter(frames), Fraction(fps).limit_denominator(1001))


def _encode(path: Path, frames: Iterable[np.ndarray], rate: Fraction) -> int:
    count, size = 0, None
    with av.open(str(path), "w", format="mp4") as container:
        # One thread: tiny videos start faster, and many processes may write at the same time. Without
        # "cpu-independent" x264 now and then gave other bytes for the same frames of 64 pixels.
        options = {"crf": "18", "preset": "veryfast", "threads": "1", "x264-params": "cpu-independent=1"}
        stream = container.add_stream("libx264", rate=rate, options=options)
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            frame = np.ascontiguousarray(frame)
            if size is None:
                _check_writable(frame)
                size = frame.shape
                stream.height, stream.width = size[:2]
            if frame.shape != size or frame.dtype != np.uint8:
                raise Refused(
                    f"Expected frame {count} to be uint8 of shape {size} like the first, found {frame.dtype} "
                    f"of shape {frame.shape}; give frames of one size."
                )
            picture = av.VideoFrame.from_ndarray(frame, format="rgb24")
            picture.pts = count
            picture.time_base = 1 / rate
            container.mux(stream.encode(picture))
            count += 1
        if size is None:
            raise Refused("Expected at least one frame to write, found none; give frames.")
        container.mux(stream.encode(None))
    return count


def _check_writable(frame: np.ndarray) -> None:
    if frame.ndim != 3 or frame.shape[2] != 3 or frame.dtype != np.uint8 or 0 in frame.shape:
        raise Refused(
            f"Expected frames of shape (H, W, 3) uint8 RGB, found {frame.dtype} of shape {frame.shape}; convert them."
        )
    if frame.shape[0] % 2 or frame.shape[1] % 2:
        raise Refused(
            f"Expected an even height and width for H.264, found {frame.shape[0]} x {frame.shape[1]}; "
            "crop or pad the frames by a pixel."
        )
