"""What is known of a video without its pixels, and the error of one that cannot be read."""

from dataclasses import dataclass
from pathlib import Path

UNKNOWN_FPS = 30.0  # of a folder of images, and of a file that does not tell


class VideoError(ValueError):
    """A file cannot be read as a video; the message is one sentence that names it."""


@dataclass(frozen=True)
class VideoInfo:
    """What is known of a video without its pixels.

    Attributes:
        frames: how many there are to see.
        fps: mean frames a second; `UNKNOWN_FPS` where the file does not tell.
        height, width: of a frame as displayed (rotation applied), in pixels.
    """

    frames: int
    fps: float
    height: int
    width: int


def resized(height: int, width: int, short_side: int | None) -> tuple[int, int]:
    """Height and width when the shorter side gets `short_side` pixels; the longer is rounded, half up."""
    if short_side is None:
        return height, width
    if short_side < 1:
        raise ValueError(f"Expected a short side of at least one pixel, found {short_side}; give a positive number.")
    short, long = min(height, width), max(height, width)
    other = max(1, (2 * long * short_side + short) // (2 * short))
    return (short_side, other) if height <= width else (other, short_side)


def refuse_index(path: Path, index: int, count: int) -> None:
    """Say which frame numbers there are.

    Raises:
        ValueError: always.
    """
    raise ValueError(
        f"Expected frame numbers from 0 to {count - 1} in {path}, found {index}; ask for frames that it has."
    )
