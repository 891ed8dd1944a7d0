"""Claims: the interval against scipy and by simulation, verdicts on data that are known to hold or not."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from fakes import seed_results
from scipy import stats

from integralaction.recipes import VARIANTS
from integralaction.reproduce.claims import CLAIMS, claims_table, judge_claims
from integralaction.reproduce.differences import Difference, half_interval
from integralaction.reproduce.measure import BASELINES, MissingData

NONE = np.zeros(0)


def difference(values: list[float] | np.ndarray, minus: np.ndarray = NONE, videos: tuple[str, ...] = ()) -> Difference:
    return Difference(np.asarray(values, np.float64), minus, videos)


def test_interval_over_seeds_is_students() -> None:
    random = np.random.default_rng(0)
    for count in (2, 3, 5, 10, 31):
        differences = random.normal(0.1, 0.3, count)
        half = half_interval([difference([d], videos=(str(i),)) for i, d in enumerate(differences)])
        low, high = stats.t.interval(0.95, count - 1, differences.mean(), stats.sem(differences))
        assert half == pytest.approx((high - low) / 2, rel=1e-3)


def test_one_seed_has_the_videos_alone() -> None:
    values = np.random.default_rng(1).normal(0, 1, 400)
    assert half_interval([difference(values)]) == pytest.approx(1.96 * values.std(ddof=1) / 20, rel=1e-6)
    both = half_interval([difference(values, values[:100])])
    assert both == pytest.approx(1.96 * np.hypot(values.std(ddof=1) / 20, values[:100].std(ddof=1) / 10), rel=1e-6)
    assert np.isinf(half_interval([difference([0.5])]))


def test_seeds_on_the_same_videos_have_the_videos_chance_too() -> None:
    """With the same difference in every seed, only the videos' chance is left: it must not vanish."""
    values = np.random.default_rng(2).normal(0.1, 1, 100)
    same = half_interval([difference(values, videos=("a", "b"))] * 5)
    assert same == pytest.approx(1.96 * values.std(ddof=1) / 10, rel=1e-6)
    apart = half_interval([difference(values, videos=(str(seed),)) for seed in range(5)])
    assert apart == pytest.approx(1.96 * np.tile(values, 5).std(ddof=1) / np.sqrt(500), rel=1e-6)


@pytest.mark.parametrize("count", [1, 5])
def test_six_right_answers_prove_nothing(count: int) -> None:
    """Wherever one side is right and the other wrong, or both are equal, the interval has a width."""
    for gap in (0, 1, -1):
        half = half_interval(
            [difference(np.full(6, gap), videos=tuple(f"{i}{n}" for n in "abcdef")) for i in range(count)]
        )
        assert half > 0.3 / count
    few = make_seeds(1, {"integral": 0.9}, same_videos=True)[0]
    results, _ = judge_claims([few])
    assert not any("Too few" in note for note in claims_table(results, 1).notes)  # of 140 videos
    tiny = seed_results(
        0, {n: {t: np.zeros(7, np.int64) for t in few.predictions["integral"]} for n in few.predictions}, {}
    )
    results, _ = judge_claims([tiny])
    assert any("fewer than 30 videos" in note for note in claims_table(results, 1).notes)
    by_text = {one.claim.text: one.verdict for one in results}
    assert by_text["integral is only marginally worse than gate-free in context (at most 3 points)"] == "undecided"


def test_coverage() -> None:
    """Of many experiments with seeds and videos of their own, 95 % of the intervals hold the true difference."""
    random = np.random.default_rng(3)
    inside = 0
    for _ in range(2000):
        seeds = [
            difference(random.normal(0.2 + random.normal(0, 0.1), 1, 50), videos=(str(seed),)) for seed in range(5)
        ]
        centre = np.mean([seed.mean for seed in seeds])
        inside += abs(centre - 0.2) <= half_interval(seeds)
    assert 0.935 <= inside / 2000 <= 0.965


def make_seeds(count: int, out_of_context: dict[str, float], same_videos: bool = False) -> list:
    """Seeds in which each method is right on that share of the mimes, and on all videos in context."""
    seeds = []
    names = (*BASELINES, *VARIANTS)
    for seed in range(count):
        random = np.random.default_rng(seed)
        ranks = {}
        for name in names:
            share = out_of_context.get(name, 0.5)
            ranks[name] = {
                "in-context": np.zeros(140, np.int64),
                "out-of-context": (random.random(140) >= share).astype(np.int64) * 6,
            }
        seeds.append(seed_results(seed, ranks, {"integral": 0.3, "lambda-0": 0.5}, "" if same_videos else f"{seed}-"))
    return seeds


def verdicts(seeds: list) -> dict[str, str]:
    return {one.claim.text: one.verdict for one in judge_claims(seeds)[0]}


def test_verdicts() -> None:
    by_text = verdicts(make_seeds(5, {"integral": 0.8, "gate-free": 0.5, "pose-only": 0.95, "appearance-only": 0.01}))
    assert by_text["integral is better than gate-free out of context"] == "holds"
    assert by_text["integral is better than pose-only out of context"] == "does not hold"
    assert by_text["appearance-only falls out of context"] == "holds"
    assert by_text["λ = 1 is better than λ = 0 out of context"] == "undecided"
    assert by_text["integral is comparable to appearance-only in context (at most 3 points worse)"] == "holds"
    assert by_text["L_gate closes the gate out of context"] == "holds"


def test_the_order_of_the_seeds_does_not_matter() -> None:
    seeds = make_seeds(3, {"integral": 0.7})
    expected = [(one.difference, one.low) for one in judge_claims(seeds)[0]]
    for order in itertools.permutations(seeds):
        intervals = [(one.difference, one.low) for one in judge_claims(order)[0]]
        assert np.allclose(intervals, expected, equal_nan=True)


def test_oracle_and_beyond_both_by_hand() -> None:
    right, wrong = 0, 6
    ranks = {
        "appearance-only": [right, wrong, wrong, wrong],
        "pose-only": [wrong, right, wrong, wrong],
        "integral": [right, wrong, right, wrong],
    }
    one = seed_results(0, {name: {"out-of-context": np.array(rank)} for name, rank in ranks.items()}, {})
    by_text = {claim.text: claim.measure for claim in CLAIMS}
    oracle = by_text["the oracle of both streams is better than integral out of context"](one)
    assert oracle.plus.tolist() == [0, 1, -1, 0]
    beyond = by_text["integral is right on some videos where both streams are wrong"](one)
    assert beyond.plus.tolist() == [0, 0, 1, 0]
    with pytest.raises(MissingData, match="no in-context test set"):
        by_text["the oracle of both streams is better than integral in context"](one)


def test_gate_groups() -> None:
    """On mime, classes told by a thing or a place are those of `acts`; elsewhere those that the paper's table shows."""
    by_text = {claim.text: claim.measure for claim in CLAIMS}
    one = seed_results(0, {"integral": {"in-context": np.zeros(14, np.int64)}}, {"integral": 0.2})
    gates = by_text["the gate is more open for classes told by context"](one)
    assert len(gates.plus) == 6  # phoning, sweeping, mopping
    assert len(gates.minus) == 8
    unknown = one.predictions["integral"]["in-context"]
    videos = tuple(replace(video, label="knitting") for video in unknown.videos)
    one.predictions["integral"]["in-context"] = replace(unknown, videos=videos)
    with pytest.raises(MissingData, match="known to be told by context"):
        by_text["the gate is more open for classes told by context"](one)


def test_what_cannot_be_tested_is_named() -> None:
    seeds = [seed_results(0, {name: {"test": np.zeros(7, np.int64)} for name in (*BASELINES, *VARIANTS)}, {})]
    results, skipped = judge_claims(seeds)
    assert len(results) + len(skipped) == len(CLAIMS)
    assert skipped["integral is better than gate-free out of context"] == "there is no out-of-context test set"


def test_every_claim_names_what_it_needs() -> None:
    """A seed with nothing but what the claim says it needs is enough for it."""
    whole = make_seeds(1, {})[0]
    for claim in CLAIMS:
        part = replace(whole, predictions={name: whole.predictions[name] for name in claim.needs})
        claim.measure(part)
    assert len({claim.text for claim in CLAIMS}) == len(CLAIMS)


def test_table() -> None:
    seeds = make_seeds(2, {})
    results, _ = judge_claims(seeds)
    table = claims_table(results, 2)
    assert len(table.rows) == len(CLAIMS)
    assert "fewer than 5 seeds" in table.notes[0]
