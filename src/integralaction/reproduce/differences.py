"""Differences that the paper's claims are about, with their 95 % intervals.

A difference is measured in each seed on the same videos for both sides. Its 95 % interval is that of Student's t over
the seeds; where all seeds were tested on the same videos, the videos' own chance is added, and with one seed there is
nothing else.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from integralaction.intervals import difference_interval, share_interval
from integralaction.mime.acts import ACTS
from integralaction.reproduce.measure import MissingData, SeedResults
from integralaction.reproduce.published import average_ranks, read_published
from integralaction.testing.predictions import Predictions
from integralaction.testing.scores import RATIOS, average_scores, is_correct, is_oracle_correct

TRIO = ("appearance-only", "pose-only", "integral")
IN, OUT = "in-context", "out-of-context"

# 97.5 % quantiles of Student's t with 1, 2, ... degrees of freedom; beyond, the normal distribution's
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120)
_T += (2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042)
_NORMAL = 1.960


@dataclass(frozen=True)
class Difference:
    """The difference in one seed: the mean of `plus` less the mean of `minus`.

    Attributes:
        plus: (V,) of each video; paired differences where both sides have the same videos, or one number.
        minus: (W,) of other videos; empty where `plus` is all.
        videos: which videos they are, to tell whether seeds share them.
    """

    plus: np.ndarray
    minus: np.ndarray
    videos: tuple[str, ...]

    @property
    def mean(self) -> float:
        return float(self.plus.mean()) - (float(self.minus.mean()) if len(self.minus) else 0.0)


# ---- the interval


def half_interval(differences: Sequence[Difference]) -> float:
    """Half of the 95 % interval of the mean difference over seeds; infinite where nothing tells."""
    count = len(differences)
    seed_half = video_half = 0.0
    if count > 1:
        error = statistics.stdev(d.mean for d in differences) / math.sqrt(count)
        seed_half = _t(count - 1) * error
    sides: list[np.ndarray] = []
    if count == 1 or len({d.videos for d in differences}) == 1:
        sides = [np.mean([getattr(d, side) for d in differences], axis=0) for side in ("plus", "minus")]
    elif seed_half == 0:  # seeds of other videos that all say the same: as of all their videos
        sides = [np.concatenate([getattr(d, side) for d in differences]) for side in ("plus", "minus")]
    if sides:
        if len(sides[0]) < 2 and count == 1:
            return math.inf
        video_half = math.hypot(*(_half_of_videos(side, len(sides[1]) == 0) for side in sides if len(side) > 1))
    return math.hypot(seed_half, video_half)


def _t(degrees: int) -> float:
    """The 97.5 % quantile of Student's t."""
    return _T[degrees - 1] if degrees <= len(_T) else _NORMAL


def _half_of_videos(values: np.ndarray, are_paired: bool) -> float:
    """Half of the 95 % interval of the mean of values of videos."""
    if np.isin(values, (-1, 0, 1)).all():  # right and wrong answers, which may all be alike
        low, high = difference_interval(values) if are_paired else share_interval(values > 0)
        return max(float(values.mean()) - low, high - float(values.mean()))
    return _t(len(values) - 1) * math.sqrt(values.var(ddof=1) / len(values))


# ---- of top-1


def _names(predictions: Predictions) -> tuple[str, ...]:
    return tuple(video.video for video in predictions.videos)


def _pair(plus: np.ndarray, minus: np.ndarray, predictions: Predictions) -> Difference:
    """Differences on the same videos, those of the predictions."""
    return Difference(plus.astype(np.float64) - minus, np.zeros(0), _names(predictions))


def top1_difference(ours: str, theirs: str, role: str) -> Callable[[SeedResults], Difference]:
    """Top-1 of one less that of another on the same videos."""

    def measure(seed: SeedResults) -> Difference:
        a, b = seed.of_role(ours, role), seed.of_role(theirs, role)
        return _pair(is_correct(a), is_correct(b), a)

    return measure


def context_drop(name: str) -> Callable[[SeedResults], Difference]:
    """Top-1 in context less that out of context."""

    def measure(seed: SeedResults) -> Difference:
        a, b = (seed.of_role(name, role) for role in (IN, OUT))
        return Difference(is_correct(a).astype(np.float64), is_correct(b).astype(np.float64), (*_names(a), *_names(b)))

    return measure


def oracle_gain(role: str) -> Callable[[SeedResults], Difference]:
    """Top-1 of the oracle, which takes the better stream of each video, less integral's."""

    def measure(seed: SeedResults) -> Difference:
        a, p, ours = (seed.of_role(name, role) for name in TRIO)
        return _pair(is_oracle_correct(a, p), is_correct(ours), ours)

    return measure


def share_beyond_streams(seed: SeedResults) -> Difference:
    """The share of videos on which integral is right and both streams are wrong, over all test sets."""
    shares, names = [], []
    for test in seed.tests:
        if not test.is_released:
            a, p, ours = (seed.predictions[name][test.name] for name in TRIO)
            shares.append(is_correct(ours) & ~is_oracle_correct(a, p))
            names += _names(ours)
    return Difference(np.concatenate(shares).astype(np.float64), np.zeros(0), tuple(names))


def gain_over_best_average(seed: SeedResults) -> Difference:
    """Integral less the average of the streams' scores at the ratio that is best in context, out of context."""
    inside, outside = ([seed.of_role(name, role) for name in TRIO] for role in (IN, OUT))
    best = max(RATIOS, key=lambda share: is_correct(average_scores(inside[0], inside[1], share)).mean())
    return _pair(is_correct(outside[2]), is_correct(average_scores(outside[0], outside[1], best)), outside[2])


def rank_gain(seed: SeedResults) -> Difference:
    """The best average rank of the two streams less integral's, over top-1 and top-5 of all test sets."""
    rows = {}
    for name in TRIO:
        predictions = [seed.predictions[name][test.name] for test in seed.tests if not test.is_released]
        rows[name] = [float((p.rank() < k).mean()) for p in predictions for k in (1, 5)]
    ranks = average_ranks(rows)
    ours = ranks.pop("integral")
    return Difference(np.array([min(ranks.values()) - ours]), np.zeros(0), ())


# ---- of gates


def gate_of_context_classes(seed: SeedResults) -> Difference:
    """Mean gate of classes told by things or places less that of classes told by motion."""
    p = seed.of_role("integral", IN)
    paper = list(read_published(5))
    context = {*(act.name for act in ACTS if not act.is_told_by_motion), *paper[: len(paper) // 2]}
    motion = {*(act.name for act in ACTS if act.is_told_by_motion), *paper[len(paper) // 2 :]}
    labels = np.array([video.label for video in p.videos])
    masks = [np.isin(labels, sorted(group)) for group in (context, motion)]
    if not all(mask.any() for mask in masks):
        raise MissingData("none of its classes is known to be told by context, or none by motion")
    return Difference(p.gate[masks[0]], p.gate[masks[1]], _names(p))


def gate_without_loss(role: str) -> Callable[[SeedResults], Difference]:
    """Mean gate without L_gate less that with it."""

    def measure(seed: SeedResults) -> Difference:
        without, ours = seed.of_role("lambda-0", role), seed.of_role("integral", role)
        return _pair(without.gate, ours.gate, ours)

    return measure


def gate_spread(seed: SeedResults) -> Difference:
    """Deviation of the videos' mean gates in context less that out of context."""
    inside, outside = (seed.of_role("integral", role) for role in (IN, OUT))
    return Difference(np.array([float(inside.gate.std() - outside.gate.std())]), np.zeros(0), ())
