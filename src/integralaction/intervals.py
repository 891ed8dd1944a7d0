"""95 % intervals of shares of videos, and of differences of two methods on the same videos; those of few videos too.

Resampling the videos (the bootstrap) needs answers that differ: of six wrong answers every resample is six wrong
answers, and the interval would be [0, 0]. For few videos, or hardly any that differ, intervals come from formulas that
hold there: Wilson's for a share (1927), Bonett and Price's for a paired difference (2012).
"""

import math
from collections.abc import Mapping

import numpy as np

FEW = 30  # videos below which a share says little
RARE = 5  # videos that differ from the rest, below which resampling has too little to draw from
RESAMPLES = 10_000
Z = 1.959963984540054  # the normal distribution's 97.5 % quantile


def share_interval(is_right: np.ndarray) -> tuple[float, float]:
    """95 % interval of the share of right answers.

    Args:
        is_right: (V,) bool, a video each.

    Returns:
        Its ends, in 0..1; the same answers give the same.
    """
    count, hits = len(is_right), int(np.sum(is_right))
    if count >= FEW and min(hits, count - hits) >= RARE:
        return _resample(np.asarray(is_right, np.float64))
    return wilson_interval(hits, count)


def wilson_interval(hits: int, count: int) -> tuple[float, float]:
    """Wilson's interval of a share: those shares from which `hits` of `count` lie less than 1.96 deviations away."""
    if count == 0:
        return 0.0, 1.0
    share, weight = hits / count, Z**2 / count
    middle = (share + weight / 2) / (1 + weight)
    half = Z * math.sqrt(share * (1 - share) / count + weight / (4 * count)) / (1 + weight)
    # the ends of all and of none are exact
    return (0.0 if hits == 0 else middle - half), (1.0 if hits == count else middle + half)


def difference_interval(difference: np.ndarray) -> tuple[float, float]:
    """95 % interval of the difference of two shares on the same videos.

    Args:
        difference: (V,) a video each: 1 where the first alone is right, -1 where the second alone is, else 0.

    Returns:
        Its ends, in -1..1; the same answers give the same.
    """
    count, better, worse = len(difference), int(np.sum(difference > 0)), int(np.sum(difference < 0))
    if count >= FEW and better + worse >= RARE and max(better, worse) <= count - RARE:
        return _resample(np.asarray(difference, np.float64))
    # a video is added on which the first alone is right, and one on which the second alone is
    plus, minus = (better + 1) / (count + 2), (worse + 1) / (count + 2)
    half = Z * math.sqrt((plus + minus - (plus - minus) ** 2) / (count + 2))
    return max(-1.0, plus - minus - half), min(1.0, plus - minus + half)


def few_videos(counts: Mapping[str, int]) -> str:
    """A sentence that names the test sets of too few videos; '' where there is none.

    Args:
        counts: by name of the test set, its videos.
    """
    few = [f"{name} ({count})" for name, count in counts.items() if count < FEW]
    if not few:
        return ""
    chance = f"With fewer than {FEW}, chance alone can shift a share by almost 20 points."
    return f"Too few videos to rely on: {', '.join(few)}. {chance}"


def _resample(values: np.ndarray) -> tuple[float, float]:
    """The middle 95 % of the means of as many videos, drawn from these again and again; always the same draws."""
    random = np.random.default_rng(0)
    # the mean of a resample depends only on how often each distinct value is drawn
    distinct, counts = np.unique(values, return_counts=True)
    draws = random.multinomial(len(values), counts / len(values), size=RESAMPLES)
    low, high = np.quantile(draws @ distinct / len(values), [0.025, 0.975])
    return float(low), float(high)
