"""Which frames: one random clip to train, ten evenly spaced clips to test; and which videos make a mini-batch."""

from collections.abc import Iterator

import numpy as np
from torch.utils.data import Sampler

from integralaction.errors import Refused

TEST_CLIPS = 10  # of a video in testing (paper, section 3.5)


def random_start(frames: int, span: int, random: np.random.Generator) -> int:
    """First frame of a training clip: anywhere from which the clip fits; 0 where the video is shorter.

    Args:
        frames: of the video; span: of the clip, from its first to its last frame.
    """
    return int(random.integers(0, max(frames - span, 0) + 1))


def test_starts(frames: int, span: int) -> np.ndarray:
    """First frames of the test clips: floor((n - span) t / 9), t = 0..9; one clip where the video is shorter."""
    if frames < span:
        return np.zeros(1, np.int64)
    return (frames - span) * np.arange(TEST_CLIPS) // (TEST_CLIPS - 1)


def clip_frames(start: int, count: int, stride: int, frames: int) -> np.ndarray:
    """`count` frame numbers from `start` at that stride; past the end the last frame repeats."""
    return np.minimum(start + stride * np.arange(count), frames - 1)


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
                chosen = order[first + start : first + start + self._slice]
                yield [(self._epoch, int(video)) for video in chosen]
