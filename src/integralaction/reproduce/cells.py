"""Cells and notes that the paper's tables have in common.

With one seed a number's ± reaches to the farther end of its 95 % interval over the videos; with several it is the
standard deviation over the seeds. Accuracies are in per cent.
"""

import statistics
from collections.abc import Sequence

import numpy as np

from integralaction.intervals import few_videos, share_interval
from integralaction.reproduce.measure import SeedResults
from integralaction.tables import Cell
from integralaction.testing.predictions import Predictions


def share_cell(values: Sequence[np.ndarray]) -> Cell:
    """Shares of right videos as a cell in per cent.

    Args:
        values: a seed each, (V,) bool.
    """
    means = [100 * float(np.mean(v)) for v in values]
    if len(values) > 1:
        return Cell(statistics.mean(means), statistics.stdev(means))
    low, high = (100 * end for end in share_interval(values[0]))
    return Cell(means[0], max(means[0] - low, high - means[0]))


def number_cell(values: Sequence[float]) -> Cell:
    """Numbers of the seeds as a cell: their mean and, of several, their deviation."""
    return Cell(statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None)


def predictions_of(seeds: Sequence[SeedResults], name: str, test: str) -> list[Predictions]:
    return [seed.predictions[name][test] for seed in seeds]


def names_of_test_sets(seeds: Sequence[SeedResults]) -> list[str]:
    return [test.name for test in seeds[0].tests]


def spread_note(seeds: Sequence[SeedResults]) -> str:
    """What ± means."""
    if len(seeds) == 1:
        return f"Seed {seeds[0].seed}; ± reaches to the farther end of the 95 % interval over the videos."
    return f"Mean ± standard deviation over {len(seeds)} seeds."


def few_videos_note(seeds: Sequence[SeedResults]) -> tuple[str, ...]:
    """A note that names the test sets of too few videos, where there are such."""
    first = next(iter(seeds[0].predictions.values()))
    line = few_videos({test: len(first[test].videos) for test in names_of_test_sets(seeds)})
    return (line,) if line else ()


def counts_note(seeds: Sequence[SeedResults]) -> str:
    """The recipe, the data set, and how many videos each test set has."""
    first = next(iter(seeds[0].predictions.values()))
    counts = ", ".join(f"{len(first[test].videos)} {test}" for test in names_of_test_sets(seeds))
    recipe = next(iter(seeds[0].runs.values())).recipe.name.partition("/")[0]
    return (
        f"{recipe} on {seeds[0].data.name}: {counts} videos{' a seed' if len(seeds) > 1 else ''}; top-1 and top-5 in %."
    )
