"""Each ordering that the paper states, tested on the data at hand: holds, does not hold, or undecided.

A claim is a difference that must exceed a bound, mostly 0. It holds where the whole 95 % interval of the difference
(see `differences`) is above the bound, does not hold where it is all below, and is undecided between. The intervals are
of single claims: of many true ones, one in forty would be called false.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from integralaction.intervals import FEW
from integralaction.reproduce.differences import (
    IN,
    OUT,
    TRIO,
    Difference,
    context_drop,
    gain_over_best_average,
    gate_of_context_classes,
    gate_spread,
    gate_without_loss,
    half_interval,
    oracle_gain,
    rank_gain,
    share_beyond_streams,
    top1_difference,
)
from integralaction.reproduce.measure import MissingData, SeedResults
from integralaction.tables import Cell, Row, Table, plain_columns

Verdict = Literal["holds", "does not hold", "undecided"]
VERDICTS: tuple[Verdict, ...] = ("holds", "does not hold", "undecided")
SEEDS = 5  # that a verdict should rest on
COMPARABLE = 0.03  # "comparable", "marginally lower": the paper's relative differences in context are up to 3 %


@dataclass(frozen=True)
class Claim:
    """An ordering.

    Attributes:
        text: it, in words.
        source: the table or figure of the paper that states it.
        needs: methods and variants.
        measure: the difference in one seed; raises `MissingData`.
        bound: what the difference must exceed.
        scale: 100 for shares, written in points; 1 for gates.
    """

    text: str
    source: str
    needs: tuple[str, ...]
    measure: Callable[[SeedResults], Difference]
    bound: float = 0.0
    scale: float = 100.0


@dataclass(frozen=True)
class ClaimResult:
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


def judge_claim(claim: Claim, seeds: Sequence[SeedResults]) -> ClaimResult:
    """Test a claim on the results of the seeds.

    Raises:
        MissingData: the data at hand cannot show it.
    """
    differences = [claim.measure(seed) for seed in seeds]
    mean = statistics.mean(d.mean for d in differences)
    half = half_interval(differences)
    low, high = mean - half, mean + half
    if claim.scale == 100:  # shares
        low, high = max(-1.0, low), min(1.0, high)
    verdict: Verdict = "undecided"
    if low > claim.bound:
        verdict = "holds"
    elif high < claim.bound:
        verdict = "does not hold"
    videos = min((len(side) for d in differences for side in (d.plus, d.minus) if len(side) and d.videos), default=0)
    return ClaimResult(claim, mean, low, high, len(seeds), verdict, videos)


def judge_claims(seeds: Sequence[SeedResults]) -> tuple[list[ClaimResult], dict[str, str]]:
    """All claims, and by claim why some could not be tested."""
    results, reasons = [], {}
    for claim in CLAIMS:
        try:
            results.append(judge_claim(claim, seeds))
        except MissingData as error:
            reasons[claim.text] = str(error)
    return results, reasons


def tally(verdicts: Sequence[str]) -> str:
    """How many claims hold, do not hold and are undecided, in words."""
    holds, fails, open_ = (verdicts.count(verdict) for verdict in VERDICTS)
    return (
        f"{holds} hold{'s' * (holds == 1)}, {fails} do{'es' * (fails == 1)} not hold, "
        f"{open_} {'is' if open_ == 1 else 'are'} undecided"
    )


def claims_table(results: Sequence[ClaimResult], seeds: int) -> Table:
    """The claims and their verdicts, in the paper's order."""
    rows = []
    for result in results:
        scale, digits = result.claim.scale, 1 if result.claim.scale == 100 else 3
        numbers = (result.difference, result.low, result.high)
        texts = ["..." if math.isinf(x) else f"{scale * x:+.{digits}f}" for x in numbers]
        cells = (Cell(text="{} [{}, {}]".format(*texts)), Cell(text=result.verdict))
        rows.append(Row(f"{result.claim.source}: {result.claim.text}", cells))
    counts = tally([result.verdict for result in results])
    few = f"; fewer than {SEEDS} seeds say little of the training's chance" if seeds < SEEDS else ""
    notes = (
        f"{len(results)} claims over {seeds} seed{'s' if seeds > 1 else ''}: {counts}{few}.",
        "Differences are in points of top-1, those of gates and ranks in their own units, with paired 95 % intervals.",
    )
    if few_claims := sum(0 < result.videos < FEW for result in results):
        notes = (
            *notes,
            f"Too few videos to rely on: {few_claims} of the claims rest on fewer than {FEW} videos a seed.",
        )
    columns = plain_columns(("difference", "verdict"))
    return Table("claims", "What the paper states, on these data", "claim", columns, tuple(rows), notes)


# ---- the list


def _top1_claim(ours: str, theirs: str, role: str, source: str, text: str = "", bound: float = 0.0) -> Claim:
    """One method's top-1 exceeds another's."""
    text = text or f"{ours} is better than {theirs} {role.replace('-', ' ')}"
    return Claim(text, source, (ours, theirs), top1_difference(ours, theirs, role), bound)


CLAIMS: tuple[Claim, ...] = (
    _top1_claim("appearance-only", "pose-only", IN, "Table 1"),
    _top1_claim("pose-only", "appearance-only", OUT, "Table 1"),
    Claim("appearance-only falls out of context", "Table 1", ("appearance-only",), context_drop("appearance-only")),
    _top1_claim("integral", "appearance-only", OUT, "Table 1"),
    _top1_claim("integral", "pose-only", IN, "Table 1"),
    _top1_claim(
        "integral",
        "appearance-only",
        IN,
        "Table 1",
        "integral is comparable to appearance-only in context (at most 3 points worse)",
        -COMPARABLE,
    ),
    Claim("integral has a better average rank than both streams", "Table 1", TRIO, rank_gain, scale=1.0),
    _top1_claim("lambda-5", "integral", OUT, "Tables 1, 7", "λ = 5 is better than λ = 1.5 out of context"),
    _top1_claim("integral", "lambda-5", IN, "Tables 1, 7", "λ = 1.5 is better than λ = 5 in context"),
    _top1_claim("integral", "feature-fuse", OUT, "Table 4"),
    _top1_claim("integral", "score-average", OUT, "Table 4"),
    _top1_claim("integral", "gate-free", OUT, "Table 4"),
    _top1_claim("integral", "lambda-0", OUT, "Tables 4, 7", "integral is better than without L_gate out of context"),
    *(
        _top1_claim(
            "integral",
            other,
            IN,
            "Table 4",
            f"integral is only marginally worse than {other} in context (at most 3 points)",
            -COMPARABLE,
        )
        for other in ("feature-fuse", "score-average", "gate-free")
    ),
    Claim(
        "the gate is more open for classes told by context",
        "Table 5",
        ("integral",),
        gate_of_context_classes,
        scale=1.0,
    ),
    _top1_claim("integral", "appearance-gate", OUT, "Table 6"),
    _top1_claim("integral", "both-gate", OUT, "Table 6"),
    *(
        _top1_claim(
            "integral",
            other,
            IN,
            "Table 6",
            f"integral is only marginally worse than {other} in context (at most 3 points)",
            -COMPARABLE,
        )
        for other in ("appearance-gate", "both-gate")
    ),
    _top1_claim("lambda-1", "lambda-0", OUT, "Table 7", "λ = 1 is better than λ = 0 out of context"),
    _top1_claim("integral", "lambda-1", OUT, "Table 7", "λ = 1.5 is better than λ = 1 out of context"),
    _top1_claim("lambda-0", "lambda-5", IN, "Table 7", "λ = 0 is better than λ = 5 in context"),
    _top1_claim(
        "fine-tuned", "joint", OUT, "Table 8", "pre-trained streams are better than joint training out of context"
    ),
    _top1_claim(
        "integral", "fine-tuned", OUT, "Table 8", "fixed streams are better than fine-tuned ones out of context"
    ),
    *(
        _top1_claim("pose-only", other, role, "Table 9", f"heatmaps with PAFs are better than {label} {place}")
        for other, label in (("heatmaps", "heatmaps alone"), ("pafs", "PAFs alone"))
        for role, place in ((IN, "in context"), (OUT, "out of context"))
    ),
    Claim("the oracle of both streams is better than integral in context", "Table 10", TRIO, oracle_gain(IN)),
    Claim("the oracle of both streams is better than integral out of context", "Table 11", TRIO, oracle_gain(OUT)),
    _top1_claim("integral", "pose-only", OUT, "Table 11"),
    Claim("L_gate closes the gate in context", "Figure 4", ("integral", "lambda-0"), gate_without_loss(IN), scale=1.0),
    Claim(
        "L_gate closes the gate out of context", "Figure 4", ("integral", "lambda-0"), gate_without_loss(OUT), scale=1.0
    ),
    Claim("the gate varies more in context than out of context", "Figure 4", ("integral",), gate_spread, scale=1.0),
    Claim(
        "integral is better out of context than averaging at the ratio that is best in context",
        "Figure 5",
        TRIO,
        gain_over_best_average,
    ),
    Claim("integral is right on some videos where both streams are wrong", "Figure 11", TRIO, share_beyond_streams),
)
