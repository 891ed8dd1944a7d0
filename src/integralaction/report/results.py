"""What a tested run has to show on the splits of a page, and the sentences that answer which method is best."""

from dataclasses import dataclass

import numpy as np

from integralaction.config import Method
from integralaction.data.index import Index
from integralaction.errors import Refused
from integralaction.intervals import few_videos
from integralaction.testing.evaluate import NOT_TESTED
from integralaction.testing.predictions import Predictions, read_predictions
from integralaction.testing.scores import paired_difference, score
from integralaction.training.run import Run

DECISIVE = ("in-context", "out-of-context")


@dataclass(frozen=True)
class RunResults:
    """The predictions of a run on the splits of a page.

    Attributes:
        splits: those that were tested.
        predictions: by method, on all of these splits.
        main_method: the one that the page is about.
        omissions: a sentence for each split and method that is missing.
    """

    splits: tuple[str, ...]
    predictions: dict[Method, Predictions]
    main_method: Method
    omissions: tuple[str, ...]

    @property
    def main(self) -> Predictions:
        """The predictions of the main method."""
        return self.predictions[self.main_method]

    @property
    def gate_methods(self) -> tuple[Method, ...]:
        """The methods with a gate."""
        return tuple(method for method, p in self.predictions.items() if np.isfinite(p.gate).all())

    @property
    def decisive_splits(self) -> tuple[str, ...]:
        """In and out of context, those of the two that were tested; else all splits."""
        return tuple(split for split in DECISIVE if split in self.splits) or self.splits


def read_results(run: Run, index: Index, splits: tuple[str, ...]) -> RunResults:
    """Read the predictions that are there, and say of each that is not why.

    Args:
        splits: empty: all but `train` and `val`.

    Raises:
        ValueError: none is there, or the data set has no such split.
    """
    splits = tuple(dict.fromkeys(splits)) or tuple(name for name in index.splits if name not in NOT_TESTED)
    if not splits:
        raise Refused(f"Expected a split to report on in {index.root}; it has {', '.join(index.splits)}. Name one.")
    index.split(*splits)  # a split that is not there is refused at once
    reasons = {split: _untested_methods(run, index, split) for split in splits}
    omissions = [line for split in splits for line in _omissions(split, reasons[split], run)]
    tested_splits = tuple(split for split in splits if len(reasons[split]) < len(run.methods))
    methods = [
        method
        for method in run.methods
        if tested_splits and not any(method in reasons[split] for split in tested_splits)
    ]
    if not methods:
        run.check_trained()
        raise Refused(
            f"Expected predictions on {', '.join(splits)} of {index.name} in {run.root}; found none. Make them with "
            f"`integralaction evaluate {run.root}`. {omissions[0]}"
        )
    for method in run.methods:
        if method not in methods and any(method not in reasons[split] for split in tested_splits):
            omissions.append(
                f"Method {method}: left out of all tables, as it was not tested on each of {', '.join(tested_splits)}."
            )
    predictions = {method: read_predictions(run, index, method, tested_splits) for method in methods}
    main_method = next((m for m in ("integral", run.recipe.methods[0]) if m in predictions), methods[0])
    return RunResults(tested_splits, predictions, main_method, tuple(omissions))


def _untested_methods(run: Run, index: Index, split: str) -> dict[Method, str]:
    """By method whose predictions on a split are not there, why."""
    reasons: dict[Method, str] = {}
    for method in run.methods:
        try:
            read_predictions(run, index, method, (split,))
        except FileNotFoundError:
            reasons[method] = f"not tested; `integralaction evaluate {run.root} --split {split}` does it."
        except ValueError as error:
            reasons[method] = str(error)
    return reasons


def _omissions(split: str, reasons: dict[Method, str], run: Run) -> list[str]:
    """A sentence for each method that is missing, or one for all where they miss for one reason."""
    if len(reasons) == len(run.methods) and len(set(reasons.values())) == 1:
        return [f"Split {split}: {next(iter(reasons.values()))}"]
    return [f"Split {split}, {method}: {reason}" for method, reason in reasons.items()]


# ---- which method is best


def answer_sentences(results: RunResults) -> list[str]:
    """Which method is best on each split, in words and numbers, and how open the gate is."""
    sentences = [_best_method_sentence(results, split) for split in results.decisive_splits]
    if results.main_method in results.gate_methods:
        means = [f"{score(results.main, split).gate:.2f} ({split})" for split in results.splits]
        sentences.append(
            f"The mean gate of {results.main_method} is {', '.join(means)}: 0 keeps to the pose, 1 lets the "
            "appearance in."
        )
    sentences.append("Numbers in brackets are 95 % intervals: where the number may lie for other videos of this kind.")
    if few := few_videos({split: len(results.main.of_split(split).videos) for split in results.splits}):
        sentences.append(few)
    return [sentence.replace(" %", "\u00a0%") for sentence in sentences]


def _best_method_sentence(results: RunResults, split: str) -> str:
    """The best method of a split, beside the main one or, where that is the best, the second."""
    scores = sorted((score(p, split) for p in results.predictions.values()), key=lambda s: -s.top1)
    best, place = scores[0], split.replace("-", " ").capitalize()
    top1 = f"{100 * best.top1:.1f} % top-1 [{100 * best.low:.1f}, {100 * best.high:.1f}]"
    if len(scores) == 1:
        return f"{place}: {best.method} has {top1} on {best.videos} videos."
    equal = [s.method for s in scores if s.top1 == best.top1]
    if len(equal) > 1:
        names = f"{', '.join(equal[:-1])} and {equal[-1]} are best with"
        if len(equal) == len(scores) > 2:
            names = f"all {len(equal)} methods have"
        return f"{place}: {names} {top1} on {best.videos} videos."
    other = next((s for s in scores[1:] if s.method == results.main_method), scores[1])
    ours, theirs = (next(p for p in results.predictions.values() if p.method == s.method) for s in (best, other))
    gap, low, high = (100 * x for x in paired_difference(ours, theirs, split))
    chance = "" if low > 0 else ", which may be chance"
    return (
        f"{place}: {best.method} is best with {top1} on {best.videos} videos: {gap:.1f} points "
        f"[{low:+.1f}, {high:+.1f}] more than {other.method} with {100 * other.top1:.1f} %{chance}."
    )
