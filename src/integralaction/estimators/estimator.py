"""What an estimator is: frames in, persons out."""

from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import UInt8


@runtime_checkable
class PoseEstimator(Protocol):
    """Finds the persons in frames.

    Attributes:
        skeleton: name of the joint set that it finds.
    """

    skeleton: str

    def __call__(self, frames: UInt8[np.ndarray, "t h w 3"]) -> list[np.ndarray]:
        """The persons of each frame, (P, K, 3): x, y in its pixels, score 0..1; nobody is (0, K, 3)."""
        ...


def first_line(error: Exception) -> str:
    """The first line of what a foreign library says; the error's kind where it says nothing."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
