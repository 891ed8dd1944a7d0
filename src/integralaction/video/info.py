"""What is known of a video without its pixels, and the error of one that cannot be read."""

from dataclasses import dataclass
from pathlib import Path

from integralaction.errors import Refused

UNKNOWN_FPS = 30.0  # of a folder of images, and of a file that does not tell


class VideoError(Refused):
    """A file cannot be read as a video; the message is one sentence that names it."""

    exit_status = 1


class FrameNumberError(Refused):
    """A frame was asked for that a video does not have: the caller's fault, not the file's."""


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video without its pixels.

    Attributes:
        frames: how many there are to see.
        fps: frames a second, from the first frame's time to the last one's; what the header says where the times
            cannot be trusted, `UNKNOWN_FPS` where it says nothing that can be.
        height, width: of a frame as displayed (rotation applied), in pixels.
        has_times: the file's own presentation times can be trusted. Where they are missing, repeated or out of order,
            and for a folder of images, frames come in the decoder's (or the names') order at a steady rate.
        is_whole: nothing speaks against the file being whole. False where it ends as one does that lost its end, but
            was written by a recorder that promised no length; a file that promised more than it holds is a
            `VideoError`.
    """

    frames: int
    fps: float
    height: int
    width: int
    has_times: bool = True
    is_whole: bool = True


def scale_size(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    """Height and width when the shorter side gets `short_side` pixels; the longer is rounded, half up."""
    if short_side is None:
        return height, width
    if short_side < 1:
        raise Refused(f"Expected a short side of at least one pixel, found {short_side}; give a positive number.")
    short, long = min(height, width), max(height, width)
    other = max(1, (2 * long * short_side + short) // (2 * short))
    return (short_side, other) if height <= width else (other, short_side)


def refuse_index(path: Path, index: int, count: int) -> None:
    """Say which frame numbers there are.

    Raises:
        FrameNumberError: always.
    """
    raise FrameNumberError(
        f"Expected frame numbers from 0 to {count - 1} in {path}, found {index}; ask for frames that it has."
    )
