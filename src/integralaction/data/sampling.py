"""Which frames: one random clip to train, ten evenly spaced clips to test; and which videos make a mini-batch."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int64
from torch.utils.data import Sampler

from integralaction.config import ClipConfig
from integralaction.errors import Refused

TEST_CLIPS = 10  # of a video in testing (paper, section 3.5)
_SAME = 1e-6  # seconds within which two times are one: those of files are fractions, those of tables decimals


@dataclass(frozen=True)
class ClipFrames:
    """The frame numbers of N clips of a video.

    Attributes:
        frames: (N, T), of the RGB frames.
        poses: (N, T'), of the poses.
    """

    frames: Int64[np.ndarray, "n t"]
    poses: Int64[np.ndarray, "n t2"]

    @property
    def distinct(self) -> np.ndarray:
        """(F,), ascending: the RGB frames of all clips, each once, since clips overlap."""
        return np.unique(self.frames)


def clips_at(starts: np.ndarray, frames: int, clip: ClipConfig) -> ClipFrames:
    """The clips that start at these frames; past the end the last frame repeats.

    Args:
        starts: (N,), in 0..frames-1.
        frames: of the video.
    """
    return ClipFrames(
        frames=np.minimum(starts[:, None] + clip.stride * np.arange(clip.frames), frames - 1),
        poses=np.minimum(starts[:, None] + clip.pose_stride * np.arange(clip.pose_frames), frames - 1),
    )


def random_clip(frames: int, clip: ClipConfig, random: np.random.Generator) -> ClipFrames:
    """A training clip: it starts anywhere from where it fits; at 0 where the video is shorter."""
    start = random.integers(0, max(frames - clip.span, 0) + 1)
    return clips_at(np.array([start]), frames, clip)


def ten_clips(frames: int, clip: ClipConfig) -> ClipFrames:
    """The test clips: they start at floor((n - span) t / 9), t = 0..9; one clip where the video is shorter."""
    return clips_at(_test_starts(frames, clip), frames, clip)


def middle_test_clip(frames: int, clip: ClipConfig) -> ClipFrames:
    """The middle one of the test clips."""
    starts = _test_starts(frames, clip)
    middle = len(starts) // 2
    return clips_at(starts[middle : middle + 1], frames, clip)


def _test_starts(frames: int, clip: ClipConfig) -> np.ndarray:
    if frames < clip.span:
        return np.zeros(1, np.int64)
    return (frames - clip.span) * np.arange(TEST_CLIPS) // (TEST_CLIPS - 1)


def frames_between(times: np.ndarray, start: float | None, end: float | None, name: str) -> tuple[int, int]:
    """Numbers of the first and the last frame with start <= time < end.

    Args:
        times: (frames,) seconds at which each frame is shown, ascending.
        start, end: seconds; None: from the first, to the last.
        name: of the video, for the error.

    Raises:
        ValueError: there is no such frame.
    """
    first = 0 if start is None else int(np.searchsorted(times, start - _SAME))
    last = (len(times) if end is None else int(np.searchsorted(times, end - _SAME))) - 1
    if last < first:
        raise Refused(
            f"Expected frames between start and end of {name}; found none from {start} to {end} s, of {len(times)} "
            f"frames up to {times[-1] if len(times) else 0:.3f} s."
        )
    return first, last


class MicroBatches(Sampler[list[tuple[int, int]]]):
    """The order of training: lists of (epoch, video), a function of the seed and the epoch alone.

    A mini-batch of `batch_size` videos is cut into `accumulate * processes` equal slices; process r takes slices
    r, r + processes, ... Two processes thus see the very slices that one process with two accumulation steps
    sees. The order is continued from its beginning until the last mini-batch is full, so no video is left out.
    """

    def __init__(self, videos: int, batch_size: int, accumulate: int, process: int, processes: int, seed: int) -> None:
        """
        Raises:
            ValueError: no videos, or a batch size that the slices do not divide.
        """
        if videos < 1:
            raise Refused("Expected at least one training video; found none.")
        slices = accumulate * processes
        if batch_size % slices:
            raise Refused(
                f"Expected a batch_size that accumulate x processes divides; found {batch_size}, "
                f"{accumulate} and {processes}."
            )
        self._videos, self._batch_size, self._seed = videos, batch_size, seed
        self._slice = batch_size // slices
        self._starts = [(process + processes * step) * self._slice for step in range(accumulate)]
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next; the trainer calls it."""
        self._epoch = epoch

    @property
    def mini_batches(self) -> int:
        """Optimiser steps in an epoch."""
        return -(-self._videos // self._batch_size)

    def __len__(self) -> int:
        return self.mini_batches * len(self._starts)

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._videos)
        order = np.resize(order, self.mini_batches * self._batch_size)
        for first in range(0, len(order), self._batch_size):
            for start in self._starts:
                videos = order[first + start : first + start + self._slice]
                yield [(self._epoch, int(video)) for video in videos]
