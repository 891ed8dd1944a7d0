"""Each ordering that the paper states, tested on the data at hand: holds, does not hold, or undecided.

A claim is a difference that must exceed a bound, mostly 0. The difference is measured in each seed on the same videos
for both sides. Its 95 % interval is that of Student's t over the seeds; where all seeds were tested on the same videos,
the videos' own chance is added, and with one seed there is nothing else. A claim holds where the whole interval is
above the bound, does not hold where it is all below, and is undecided between. The intervals are of single claims: of
many true ones, one in forty would be called false.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from integralaction.intervals import FEW, difference_interval, share_interval
from integralaction.mime.acts import ACTS
from integralaction.reproduce.measure import Measured
from integralaction.reproduce.published import average_ranks, published
from integralaction.reproduce.tables import Skipped
from integralaction.tables import Cell, Row, Table, plain_columns
from integralaction.testing.predictions import Predictions
from integralaction.testing.scores import RATIOS, average_scores, is_correct, is_oracle_correct

Verdict = Literal["holds", "does not hold", "undecided"]
SEEDS = 5  # that a verdict should rest on
COMPARABLE = 0.03  # "comparable", "marginally lower": the paper's relative differences in context are up to 3 %

# 97.5 % quantiles of Student's t with 1, 2, ... degrees of freedom; beyond, the normal distribution's
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120)
_T += (2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042)
_NORMAL = 1.960


@dataclass(frozen=True)
class Contrast:
    """What one seed says: the difference is the mean of `plus` less the mean of `minus`.

    Attributes:
        plus: (V,) of each video; paired differences where both sides have the same videos, or one number.
        minus: (W,) of other videos; empty where `plus` is all.
        videos: which videos they are, to tell whether seeds share them.
    """

    plus: np.ndarray
    minus: np.ndarray
    videos: tuple[str, ...]

    @property
    def difference(self) -> float:
        return float(self.plus.mean()) - (float(self.minus.mean()) if len(self.minus) else 0.0)


@dataclass(frozen=True)
class Claim:
    """An ordering.

    Attributes:
        text: it, in words.
        where: in the paper.
        needs: methods and variants.
        contrast: what one seed says; raises `Skipped`.
        least: the bound that the difference must exceed.
        scale: 100 for shares, told in points; 1 for gates.
    """

    text: str
    where: str
    needs: tuple[str, ...]
    contrast: Callable[[Measured], Contrast]
    least: float = 0.0
    scale: float = 100.0


@dataclass(frozen=True)
class Tested:
    """A claim and what the data say of it; `low` and `high` are the 95 % interval of the difference.

    `videos` is how many a seed has of them, on the side that has fewer; 0 where numbers are not of single videos.
    """

    claim: Claim
    difference: float
    low: float
    high: float
    seeds: int
    verdict: Verdict
    videos: int = 0


def test_claim(claim: Claim, seeds: Sequence[Measured]) -> Tested:
    """Test a claim on what the seeds gave.

    Raises:
        Skipped: the data at hand cannot show it.
    """
    contrasts = [claim.contrast(seed) for seed in seeds]
    difference = statistics.mean(c.difference for c in contrasts)
    half = half_interval(contrasts)
    low, high = difference - half, difference + half
    if claim.scale == 100:  # shares
        low, high = max(-1.0, low), min(1.0, high)
    verdict: Verdict = "undecided"
    if low > claim.least:
        verdict = "holds"
    elif high < claim.least:
        verdict = "does not hold"
    videos = min((len(side) for c in contrasts for side in (c.plus, c.minus) if len(side) and c.videos), default=0)
    return Tested(claim, difference, low, high, len(seeds), verdict, videos)


test_claim.__test__ = False  # ty: ignore[missing-attribute] (pytest takes the name for a test)


def half_interval(contrasts: Sequence[Contrast]) -> float:
    """Half of the 95 % interval of the mean difference over seeds; infinite where nothing tells."""
    count = len(contrasts)
    of_seeds = of_videos = 0.0
    if count > 1:
        error = statistics.stdev(c.difference for c in contrasts) / math.sqrt(count)
        of_seeds = _t(count - 1) * error
    parts: list[np.ndarray] = []
    if count == 1 or len({c.videos for c in contrasts}) == 1:
        parts = [np.mean([getattr(c, side) for c in contrasts], axis=0) for side in ("plus", "minus")]
    elif of_seeds == 0:  # seeds of other videos that all say the same: as of all their videos
        parts = [np.concatenate([getattr(c, side) for c in contrasts]) for side in ("plus", "minus")]
    if parts:
        if len(parts[0]) < 2 and count == 1:
            return math.inf
        of_videos = math.hypot(*(_of_videos(part, len(parts[1]) == 0) for part in parts if len(part) > 1))
    return math.hypot(of_seeds, of_videos)


def _t(degrees: int) -> float:
    """The 97.5 % quantile of Student's t."""
    return _T[degrees - 1] if degrees <= len(_T) else _NORMAL


def _of_videos(values: np.ndarray, are_paired: bool) -> float:
    """Half of the 95 % interval of the mean of values of videos."""
    if np.isin(values, (-1, 0, 1)).all():  # right and wrong answers, which may all be alike
        low, high = difference_interval(values) if are_paired else share_interval(values > 0)
        return max(float(values.mean()) - low, high - float(values.mean()))
    return _t(len(values) - 1) * math.sqrt(values.var(ddof=1) / len(values))


# ---- differences


def _predictions(seed: Measured, name: str, role: str) -> Predictions:
    found = seed.of(name, role)
    if found is None:
        raise Skipped(f"there is no {role} test set")
    return found


def _names(predictions: Predictions) -> tuple[str, ...]:
    return tuple(video.video for video in predictions.videos)


def _paired(plus: np.ndarray, minus: np.ndarray, of: Predictions) -> Contrast:
    return Contrast(plus.astype(np.float64) - minus, np.zeros(0), _names(of))


def better(ours: str, theirs: str, role: str) -> Callable[[Measured], Contrast]:
    """Top-1 of one less that of another on the same videos."""

    def contrast(seed: Measured) -> Contrast:
        a, b = _predictions(seed, ours, role), _predictions(seed, theirs, role)
        return _paired(is_correct(a), is_correct(b), a)

    return contrast


def _falls(name: str) -> Callable[[Measured], Contrast]:
    """Top-1 in context less that out of context."""

    def contrast(seed: Measured) -> Contrast:
        a, b = (_predictions(seed, name, role) for role in ("in-context", "out-of-context"))
        return Contrast(is_correct(a).astype(np.float64), is_correct(b).astype(np.float64), (*_names(a), *_names(b)))

    return contrast


def _oracle(role: str) -> Callable[[Measured], Contrast]:
    def contrast(seed: Measured) -> Contrast:
        a, p, ours = (_predictions(seed, n, role) for n in ("appearance-only", "pose-only", "integral"))
        return _paired(is_oracle_correct(a, p), is_correct(ours), ours)

    return contrast


def _beyond_both(seed: Measured) -> Contrast:
    """The share of videos on which integral is right and both streams are wrong, over all test sets."""
    shares, names = [], []
    for test in seed.tests:
        if not test.released:
            a, p, ours = (seed.predictions[n][test.name] for n in ("appearance-only", "pose-only", "integral"))
            shares.append(is_correct(ours) & ~is_oracle_correct(a, p))
            names += _names(ours)
    return Contrast(np.concatenate(shares).astype(np.float64), np.zeros(0), tuple(names))


def _best_average(seed: Measured) -> Contrast:
    """Integral less the average of the streams' scores at the ratio that is best in context, out of context."""
    inside, outside = (
        [_predictions(seed, n, role) for n in ("appearance-only", "pose-only", "integral")]
        for role in ("in-context", "out-of-context")
    )
    best = max(RATIOS, key=lambda share: is_correct(average_scores(inside[0], inside[1], share)).mean())
    return _paired(is_correct(outside[2]), is_correct(average_scores(outside[0], outside[1], best)), outside[2])


def _rank(seed: Measured) -> Contrast:
    """The best average rank of the two streams less integral's, over top-1 and top-5 of all test sets."""
    rows = {}
    for name in ("appearance-only", "pose-only", "integral"):
        found = [seed.predictions[name][test.name] for test in seed.tests if not test.released]
        rows[name] = [float((p.rank() < k).mean()) for p in found for k in (1, 5)]
    ranks = average_ranks(rows)
    ours = ranks.pop("integral")
    return Contrast(np.array([min(ranks.values()) - ours]), np.zeros(0), ())


def _gate_by_group(seed: Measured) -> Contrast:
    """Mean gate of classes told by things or places less that of classes told by motion."""
    p = _predictions(seed, "integral", "in-context")
    paper = list(published(5))
    context = {*(act.name for act in ACTS if not act.is_told_by_motion), *paper[: len(paper) // 2]}
    motion = {*(act.name for act in ACTS if act.is_told_by_motion), *paper[len(paper) // 2 :]}
    labels = np.array([video.label for video in p.videos])
    sides = [np.isin(labels, sorted(group)) for group in (context, motion)]
    if not all(side.any() for side in sides):
        raise Skipped("none of its classes is known to be told by context, or none by motion")
    return Contrast(p.gate[sides[0]], p.gate[sides[1]], _names(p))


def _gate_lower(role: str) -> Callable[[Measured], Contrast]:
    def contrast(seed: Measured) -> Contrast:
        without, ours = _predictions(seed, "lambda-0", role), _predictions(seed, "integral", role)
        return _paired(without.gate, ours.gate, ours)

    return contrast


def _gate_spread(seed: Measured) -> Contrast:
    """Deviation of the videos' mean gates in context less that out of context."""
    inside, outside = (_predictions(seed, "integral", role) for role in ("in-context", "out-of-context"))
    return Contrast(np.array([float(inside.gate.std() - outside.gate.std())]), np.zeros(0), ())


# ---- the list

IN, OUT = "in-context", "out-of-context"


def _better(ours: str, theirs: str, role: str, where: str, text: str = "", least: float = 0.0) -> Claim:
    place = role.replace("-", " ")
    told = text or f"{ours} is better than {theirs} {place}"
    return Claim(told, where, (ours, theirs), better(ours, theirs, role), least)


_TRIO = ("appearance-only", "pose-only", "integral")

CLAIMS: tuple[Claim, ...] = (
    _better("appearance-only", "pose-only", IN, "Table 1"),
    _better("pose-only", "appearance-only", OUT, "Table 1"),
    Claim("appearance-only falls out of context", "Table 1", ("appearance-only",), _falls("appearance-only")),
    _better("integral", "appearance-only", OUT, "Table 1"),
    _better("integral", "pose-only", IN, "Table 1"),
    _better(
        "integral",
        "appearance-only",
        IN,
        "Table 1",
        "integral is comparable to appearance-only in context (at most 3 points worse)",
        -COMPARABLE,
    ),
    Claim("integral has a better average rank than both streams", "Table 1", _TRIO, _rank, scale=1.0),
    _better("lambda-5", "integral", OUT, "Tables 1, 7", "λ = 5 is better than λ = 1.5 out of context"),
    _better("integral", "lambda-5", IN, "Tables 1, 7", "λ = 1.5 is better than λ = 5 in context"),
    _better("integral", "feature-fuse", OUT, "Table 4"),
    _better("integral", "score-average", OUT, "Table 4"),
    _better("integral", "gate-free", OUT, "Table 4"),
    _better("integral", "lambda-0", OUT, "Tables 4, 7", "integral is better than without L_gate out of context"),
    *(
        _better(
            "integral",
            other,
            IN,
            "Table 4",
            f"integral is only marginally worse than {other} in context (at most 3 points)",
            -COMPARABLE,
        )
        for other in ("feature-fuse", "score-average", "gate-free")
    ),
    Claim("the gate is more open for classes told by context", "Table 5", ("integral",), _gate_by_group, scale=1.0),
    _better("integral", "appearance-gate", OUT, "Table 6"),
    _better("integral", "both-gate", OUT, "Table 6"),
    *(
        _better(
            "integral",
            other,
            IN,
            "Table 6",
            f"integral is only marginally worse than {other} in context (at most 3 points)",
            -COMPARABLE,
        )
        for other in ("appearance-gate", "both-gate")
    ),
    _better("lambda-1", "lambda-0", OUT, "Table 7", "λ = 1 is better than λ = 0 out of context"),
    _better("integral", "lambda-1", OUT, "Table 7", "λ = 1.5 is better than λ = 1 out of context"),
    _better("lambda-0", "lambda-5", IN, "Table 7", "λ = 0 is better than λ = 5 in context"),
    _better("fine-tuned", "joint", OUT, "Table 8", "pre-trained streams are better than joint training out of context"),
    _better("integral", "fine-tuned", OUT, "Table 8", "fixed streams are better than fine-tuned ones out of context"),
    *(
        _better("pose-only", other, role, "Table 9", f"heatmaps with PAFs are better than {told} {place}")
        for other, told in (("heatmaps", "heatmaps alone"), ("pafs", "PAFs alone"))
        for role, place in ((IN, "in context"), (OUT, "out of context"))
    ),
    Claim("the oracle of both streams is better than integral in context", "Table 10", _TRIO, _oracle(IN)),
    Claim("the oracle of both streams is better than integral out of context", "Table 11", _TRIO, _oracle(OUT)),
    _better("integral", "pose-only", OUT, "Table 11"),
    Claim("L_gate closes the gate in context", "Figure 4", ("integral", "lambda-0"), _gate_lower(IN), scale=1.0),
    Claim("L_gate closes the gate out of context", "Figure 4", ("integral", "lambda-0"), _gate_lower(OUT), scale=1.0),
    Claim("the gate varies more in context than out of context", "Figure 4", ("integral",), _gate_spread, scale=1.0),
    Claim(
        "integral is better out of context than averaging at the ratio that is best in context",
        "Figure 5",
        _TRIO,
        _best_average,
    ),
    Claim("integral is right on some videos where both streams are wrong", "Figure 11", _TRIO, _beyond_both),
)


def test_claims(seeds: Sequence[Measured]) -> tuple[list[Tested], dict[str, str]]:
    """All claims, and by claim why some could not be tested."""
    tested, skipped = [], {}
    for claim in CLAIMS:
        try:
            tested.append(test_claim(claim, seeds))
        except Skipped as reason:
            skipped[claim.text] = str(reason)
    return tested, skipped


test_claims.__test__ = False  # ty: ignore[missing-attribute]

VERDICTS: tuple[Verdict, ...] = ("holds", "does not hold", "undecided")


def tally(verdicts: Sequence[str]) -> str:
    """How many claims hold, do not hold and are undecided, in words."""
    holds, fails, open_ = (verdicts.count(verdict) for verdict in VERDICTS)
    return (
        f"{holds} hold{'s' * (holds == 1)}, {fails} do{'es' * (fails == 1)} not hold, "
        f"{open_} {'is' if open_ == 1 else 'are'} undecided"
    )


def claims_table(tested: Sequence[Tested], seeds: int) -> Table:
    """The claims and their verdicts, in the paper's order."""
    rows = []
    for one in tested:
        scale, digits = one.claim.scale, 1 if one.claim.scale == 100 else 3
        shown = ["..." if math.isinf(x) else f"{scale * x:+.{digits}f}" for x in (one.difference, one.low, one.high)]
        rows.append(
            Row(
                f"{one.claim.where}: {one.claim.text}",
                (Cell(text="{} [{}, {}]".format(*shown)), Cell(text=one.verdict)),
            )
        )
    told = tally([one.verdict for one in tested])
    few = f"; fewer than {SEEDS} seeds say little of the training's chance" if seeds < SEEDS else ""
    notes = (
        f"{len(tested)} claims over {seeds} seed{'s' if seeds > 1 else ''}: {told}{few}.",
        "Differences are in points of top-1, those of gates and ranks in their own units, with paired 95 % intervals.",
    )
    if of_few := sum(0 < one.videos < FEW for one in tested):
        notes = (*notes, f"Too few videos to rely on: {of_few} of the claims rest on fewer than {FEW} videos a seed.")
    columns = plain_columns(("difference", "verdict"))
    return Table("claims", "What the paper states, on these data", "claim", columns, tuple(rows), notes)
