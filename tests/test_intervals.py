"""Intervals of shares and differences: against closed forms, scipy's, and their own promise, counted out exactly."""

import math
from itertools import product

import numpy as np
import pytest

from integralaction.intervals import FEW, Z, difference_interval, few_videos, share_interval, wilson_interval


def answers(hits: int, count: int) -> np.ndarray:
    return np.arange(count) < hits


@pytest.mark.parametrize("count", [1, 2, 6, 29, 30, 240])
def test_all_right_and_all_wrong_are_no_certainty(count: int) -> None:
    """Wilson's interval has a closed form there."""
    end = Z**2 / (count + Z**2)
    assert share_interval(answers(0, count)) == pytest.approx((0, end))
    assert share_interval(answers(count, count)) == pytest.approx((1 - end, 1))


@pytest.mark.parametrize(("hits", "count"), [(0, 6), (1, 6), (3, 6), (6, 6), (7, 29), (1, 40), (239, 240)])
def test_few_or_rare_answers_have_wilsons_interval(hits: int, count: int) -> None:
    stats = pytest.importorskip("scipy.stats")
    expected = stats.binomtest(hits, count).proportion_ci(0.95, method="wilson")
    assert share_interval(answers(hits, count)) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert wilson_interval(hits, count) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize(("hits", "count"), [(5, 30), (15, 30), (100, 400)])
def test_many_answers_are_resampled_and_nearly_wilsons(hits: int, count: int) -> None:
    values = answers(hits, count)
    assert share_interval(values) == pytest.approx(wilson_interval(hits, count), abs=0.6 / math.sqrt(count) ** 1.5)
    assert share_interval(values[::-1]) == share_interval(values)


def differences(better: int, worse: int, count: int) -> np.ndarray:
    return np.repeat([1.0, -1.0, 0.0], [better, worse, count - better - worse])


def test_differences_of_few_videos_are_no_certainty() -> None:
    """Bonett and Price's interval by hand: a video on each side is added, of those the normal interval is taken."""
    for better, worse, count in [(0, 0, 6), (6, 0, 6), (1, 2, 9), (2, 1, 200), (29, 0, 30), (200, 0, 200)]:
        more = np.append(differences(better, worse, count), [1, -1])
        half = Z * more.std() / math.sqrt(len(more))
        expected = (max(-1, more.mean() - half), min(1, more.mean() + half))
        interval = difference_interval(differences(better, worse, count))
        assert interval == pytest.approx(expected) and interval[1] - interval[0] > 0.01
        assert interval[0] <= (better - worse) / count <= interval[1]
        mirrored = difference_interval(-differences(better, worse, count))
        assert mirrored == pytest.approx((-interval[1], -interval[0]))


def test_of_twenty_intervals_nineteen_hold_the_truth() -> None:
    """Counted over all outcomes of few videos, each with its probability: about 95 %, never far below."""
    count, covered = 12, []
    for better, worse in [(0.02, 0.02), (0.1, 0.02), (0.3, 0.1), (0.5, 0.2)]:
        total = 0.0
        for b, w in product(range(count + 1), repeat=2):
            if b + w <= count:
                ways = math.factorial(count) / math.factorial(b) / math.factorial(w) / math.factorial(count - b - w)
                chance = ways * better**b * worse**w * (1 - better - worse) ** (count - b - w)
                low, high = difference_interval(differences(b, w, count))
                total += chance * (low <= better - worse <= high)
        covered.append(total)
    assert min(covered) > 0.92


def test_too_few_videos_are_said() -> None:
    line = few_videos({"in-context": 224, "out-of-context": 6, "no-pose": FEW, "ambiguous": FEW - 1})
    assert "out-of-context (6), ambiguous (29)" in line and "no-pose" not in line and "in-context (2" not in line
    assert few_videos({"in-context": FEW}) == ""
