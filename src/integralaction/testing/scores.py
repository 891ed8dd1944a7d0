"""Statistics of predictions: top-1 and top-5, differences, gates by class, oracle selection, score averages, confusion.

Everything here is a pure function of `Predictions`, those of different methods on the same videos.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Shaped

from integralaction.errors import Refused
from integralaction.intervals import difference_interval, share_interval
from integralaction.testing.predictions import Predictions

RATIOS = tuple(round(0.1 * i, 1) for i in range(11))  # Figure 5's shares of the appearance stream


@dataclass(frozen=True)
class Score:
    """One cell of a results table; shares in 0..1, `low` and `high` the 95 % interval of top-1."""

    method: str
    split: str
    videos: int
    top1: float
    low: float
    high: float
    top5: float
    gate: float


def score(predictions: Predictions, split: str) -> Score:
    """Top-1 with its interval, top-5 and mean gate on one split."""
    part = predictions.of_split(split)
    rank = part.rank()
    low, high = share_interval(rank == 0)
    gate = float(np.nanmean(part.gate)) if np.isfinite(part.gate).any() else float("nan")
    return Score(
        predictions.method,
        split,
        len(rank),
        float((rank == 0).mean()),
        low,
        high,
        float((rank < 5).mean()),
        gate,
    )


def paired_difference(ours: Predictions, theirs: Predictions, split: str) -> tuple[float, float, float]:
    """Top-1 of ours minus theirs on the same videos, with its 95 % interval: (difference, low, high)."""
    a, b = ours.of_split(split), theirs.of_split(split)
    if [v.video for v in a.videos] != [v.video for v in b.videos]:
        raise Refused(f"Expected predictions on the same videos; {ours.method} and {theirs.method} differ.")
    difference = (a.rank() == 0).astype(np.float64) - (b.rank() == 0)
    return float(difference.mean()), *difference_interval(difference)


def check_same_videos(*predictions: Predictions) -> None:
    """Check that predictions are of the same videos.

    Raises:
        ValueError: they are not.
    """
    first = predictions[0]
    for other in predictions[1:]:
        if other.videos != first.videos or other.classes != first.classes:
            raise Refused(f"Expected predictions on the same videos; {first.method} and {other.method} differ.")


def is_correct(predictions: Predictions) -> Bool[np.ndarray, " videos"]:
    """Whether the most probable class is the true one."""
    return predictions.rank() == 0


def is_oracle_correct(appearance: Predictions, pose: Predictions) -> Bool[np.ndarray, " videos"]:
    """Whether the better of the two streams is right: the oracle selection of Tables 10 to 12."""
    check_same_videos(appearance, pose)
    return is_correct(appearance) | is_correct(pose)


def by_class(values: Shaped[np.ndarray, " videos"], predictions: Predictions) -> dict[str, float]:
    """The mean of a value over the videos of each class that has some, in the classes' order."""
    means = {}
    for number, name in enumerate(predictions.classes):
        of_class = values[predictions.labels == number]
        if len(of_class):
            means[name] = float(of_class.mean())
    return means


def gates_by_class(predictions: Predictions) -> dict[str, float]:
    """The mean gate of each class's videos, the highest first (Table 5).

    Raises:
        ValueError: the method has no gate.
    """
    if not np.isfinite(predictions.gate).all():
        raise Refused(f"Expected predictions of a method with a gate; {predictions.method} has none.")
    means = by_class(predictions.gate, predictions)
    return dict(sorted(means.items(), key=lambda item: -item[1]))


def average_scores(appearance: Predictions, pose: Predictions, share: float) -> Predictions:
    """What averaging the two streams' scores says, the appearance stream with that share (Figure 5)."""
    check_same_videos(appearance, pose)
    mixed = share * appearance.probabilities + (1 - share) * pose.probabilities
    return Predictions(
        "score-average", appearance.classes, appearance.videos, appearance.labels, mixed, np.full(len(mixed), np.nan)
    )


def score_sweep(
    appearance: Predictions, pose: Predictions, ratios: Sequence[float] = RATIOS
) -> Float[np.ndarray, " ratios"]:
    """Top-1 of score averaging at each share of the appearance stream (Figure 5)."""
    return np.array([is_correct(average_scores(appearance, pose, share)).mean() for share in ratios])


def confusion(predictions: Predictions) -> Float[np.ndarray, "classes classes"]:
    """How the videos of each true class (row) spread over the predicted ones; a row without videos is NaN."""
    counts = np.zeros((len(predictions.classes),) * 2)
    np.add.at(counts, (predictions.labels, predictions.probabilities.argmax(axis=1)), 1)
    videos = counts.sum(axis=1, keepdims=True)
    return np.divide(counts, videos, out=np.full_like(counts, np.nan), where=videos > 0)


def videos_where(predictions: dict[str, Predictions], wanted: dict[str, bool]) -> np.ndarray:
    """The numbers of the videos on which exactly these methods are right and those wrong (Figures 7 to 11).

    The surest come first: those of whose given answers the least probable is the most probable.

    Args:
        predictions: by method.
        wanted: by method, whether it is right.
    """
    chosen = [predictions[method] for method in wanted]
    check_same_videos(*chosen)
    fits = np.logical_and.reduce([is_correct(p) == truth for p, truth in zip(chosen, wanted.values(), strict=True)])
    least = np.min([p.probabilities.max(axis=1) for p in chosen], axis=0)
    numbers = np.flatnonzero(fits)
    return numbers[np.argsort(-least[numbers], kind="stable")]
