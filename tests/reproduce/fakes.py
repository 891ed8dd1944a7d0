"""Predictions with known answers, as if seeds had been measured."""

from pathlib import Path

import numpy as np

from integralaction.data.index import Index, Video
from integralaction.reproduce.measure import SeedResults, TestSet
from integralaction.testing.predictions import Predictions

CLASSES = ("archery", "phoning", "boxing", "sweeping", "bowing", "mopping", "golf swing")


def predictions(
    method: str, split: str, rank: np.ndarray, gate: float | np.ndarray = np.nan, prefix: str = ""
) -> Predictions:
    """Predictions whose true class has these ranks, 0 being right."""
    count = len(rank)
    labels = np.arange(count) % len(CLASSES)
    probabilities = np.zeros((count, len(CLASSES)), np.float32)
    for i, (label, place) in enumerate(zip(labels, rank, strict=True)):
        others = [c for c in range(len(CLASSES)) if c != label]
        order = [*others[:place], label, *others[place:]]
        probabilities[i, order] = np.linspace(1, 0.1, len(CLASSES)) / 3.85
    videos = tuple(
        Video(f"{prefix}{split}/{i}.mp4", CLASSES[label], split, 60, 15.0, 64, 64) for i, label in enumerate(labels)
    )
    gates = np.broadcast_to(np.asarray(gate, np.float32), (count,)).copy()
    return Predictions(method, CLASSES, videos, labels, probabilities, gates)


def seed_results(
    seed: int, ranks: dict[str, dict[str, np.ndarray]], gates: dict[str, float], prefix: str = ""
) -> SeedResults:
    """A seed with these ranks by name and split.

    Args:
        gates: by name, the gate of all its videos.
        prefix: before the videos' names: seeds with the same have the same videos.
    """
    splits = list(next(iter(ranks.values())))
    by_name = {
        name: {
            split: predictions(name, split, rank, gates.get(name, np.nan), prefix) for split, rank in of_name.items()
        }
        for name, of_name in ranks.items()
    }
    rows = tuple(video for p in next(iter(by_name.values())).values() for video in p.videos)
    index = Index(Path("nowhere"), "fake", "openpose18", CLASSES, rows)
    tests = tuple(TestSet(split, split, False) for split in splits)
    return SeedResults(seed, index, tests, {split: Path("nowhere") for split in splits}, {}, by_name)
