"""Frames of any video, or of a folder of images; writes videos. The one entry to what reads and writes them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from integralaction.errors import Refused
from integralaction.video.decoding import probe_video, read_video
from integralaction.video.encoding import write_video
from integralaction.video.images import probe_images, read_images
from integralaction.video.info import VideoError, VideoInfo, scale_size
from integralaction.video.layout import video_times

__all__ = ["VideoError", "VideoInfo", "frame_times", "probe", "read_frames", "read_in_parts"]
__all__ += ["scale_size", "write_video"]


def probe(path: Path | str) -> VideoInfo:
    """Frames, rate and size of a video file or of a folder of images.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        VideoError: it cannot be read as a video, or it promises more than it holds.
    """
    path = Path(path)
    return probe_images(path) if _is_folder(path) else probe_video(path)


def frame_times(path: Path | str) -> np.ndarray:
    """When each frame is shown.

    Returns:
        (frames,) float64, ascending: seconds since the first frame was shown, by the file's own presentation times;
        the frame's number over the rate where these cannot be trusted (`VideoInfo.has_times`), as in folders of images.

    Raises:
        FileNotFoundError, VideoError: as for `probe`.
    """
    path = Path(path)
    if _is_folder(path):
        info = probe_images(path)
        return np.arange(info.frames) / info.fps
    return video_times(path)


def read_frames(path: Path | str, indices: Sequence[int] | np.ndarray, short_side: int | None = None) -> np.ndarray:
    """Frames by number, as displayed.

    Args:
        path: a video file, or a folder of images (its frames in the order of the numbers in their names).
        indices: numbers of frames in presentation order, from 0; in any order, repeated or not.
        short_side: resize so that the shorter side has that many pixels (see `scale_size`); None: as they are.

    Returns:
        (len(indices), H, W, 3) uint8 RGB, in the order of `indices`.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        VideoError: it cannot be read as a video, promises more than it holds, or one of these frames is damaged.
        ValueError: an index is no frame of this video.
    """
    path = Path(path)
    numbers = np.asarray(indices)
    if numbers.ndim != 1 or (numbers.size and not np.issubdtype(numbers.dtype, np.integer)):
        raise Refused(
            f"Expected a list of frame numbers, found {numbers.dtype} of shape {numbers.shape}; give integers."
        )
    distinct, places = np.unique(numbers.astype(np.int64), return_inverse=True)
    read_numbers = read_images if _is_folder(path) else read_video
    frames = read_numbers(path, distinct, short_side)
    return frames if np.array_equal(distinct, numbers) else frames[places]


def read_in_parts(
    path: Path | str, indices: Sequence[int] | np.ndarray, at_once: int = 2**29
) -> Iterator[tuple[list[int], np.ndarray]]:
    """Frames by number as `read_frames` gives them, so many at a time that they take `at_once` bytes, or one frame.

    Yields:
        The numbers, ascending and each once over all parts, and their frames.
    """
    info = probe(path)
    numbers = sorted({int(index) for index in indices})
    together = max(1, at_once // (info.height * info.width * 3))
    for first in range(0, len(numbers), together):
        part = numbers[first : first + together]
        yield part, read_frames(path, part)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # a name that no file can have, or a way that is closed: told by who opens it
        return False
