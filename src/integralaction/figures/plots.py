"""Figures 4, 5 and 6: how far the gate opens, score averaging at every ratio, what is taken for what."""

import math
import textwrap
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from integralaction.figures.style import COLOURS, LINES, SERIES, figure_style, new_figure

WIDTH = 7.0  # inches, of a page's text
MOST_NAMES = 54  # classes that are written out below the confusion matrices of a row, all of these together
LINE = 24  # characters of a legend's line
NEEDLE = 8  # a distribution so many times narrower than the common axis has one of its own
BARS = 40  # of a distribution at most
LEAST = 0.01  # width of the axis of a distribution, of gates 0..1
SQUARES = 24  # columns of a row of matrices up to which their cells are small squares with numbers
CELL = 0.42  # side of such a cell at most, inches


def gate_figure(gates: dict[str, dict[str, np.ndarray]]) -> Figure:
    """Figure 4: the distribution of the mean gate by test set, for models with and without L_gate.

    Bars are the videos, the line is the normal distribution of their mean and deviation, which the paper draws.

    Args:
        gates: by model and by name of the test set, (V,) mean gates, 0..1.
    """
    with figure_style():
        figure = new_figure(WIDTH, 0.9 + 1.6 * len(gates))
        spans = [_span(np.concatenate(list(tests.values()))) for tests in gates.values()]
        common = _span(np.array(spans))
        # models side by side on one axis, unless one of them would be a needle on it
        is_shared = all(common[1] - common[0] <= NEEDLE * (high - low) for low, high in spans)
        rows = figure.subplots(len(gates), 1, sharex=is_shared, squeeze=False)[:, 0]
        for axes, (model, tests), (low, high) in zip(rows, gates.items(), spans, strict=True):
            low, high = common if is_shared else (low, high)
            videos = max(len(values) for values in tests.values())
            bins = np.linspace(low, high, min(BARS, max(8, 2 * math.isqrt(videos))) + 1)  # of few videos broad ones
            fine = np.linspace(low, high, 400)
            tops: list[float] = []
            for number, (test, values) in enumerate(tests.items()):
                colour, line = SERIES[number % len(SERIES)], LINES[number % len(LINES)]
                mean, deviation = float(values.mean()), float(values.std())
                heights, _, _ = axes.hist(values, bins, density=True, color=colour, alpha=0.18)
                spread = max(deviation, 1e-4)
                peak = np.clip(mean + spread * np.linspace(-4, 4, 81), low, high)  # which may be narrower than a step
                places = np.union1d(fine, peak)
                density = np.exp(-(((places - mean) / spread) ** 2) / 2) / (spread * math.sqrt(2 * math.pi))
                tops.append(max(float(np.max(heights)), float(density.max())))
                label = textwrap.fill(f"{test}: {mean:.2f}\u00a0±\u00a0{deviation:.3f}", LINE, break_on_hyphens=False)
                axes.plot(places, density, color=colour, linestyle=line, lw=1.4, label=label)
            # a test set whose gates are all alike has a peak without end, which would hide the others
            highest = 3 * float(np.median(tops))
            axes.set_ylim(0, 1.05 * max(top for top in tops if top <= highest))
            axes.set_title(model, loc="left")
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
            axes.set_ylabel("density")
            axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
            axes.set_xlim(low, high)
            axes.xaxis.set_major_locator(MaxNLocator(5))
            axes.ticklabel_format(axis="x", useOffset=False)
        rows[-1].set_xlabel("mean gate of a video:\n0 keeps to the pose, 1 lets the appearance in")
    return figure


def _span(values: np.ndarray) -> tuple[float, float]:
    """The part of 0..1 that the values fill, with a margin."""
    low, high = float(values.min()), float(values.max())
    half = max(0.6 * (high - low), LEAST / 2)
    return max(0.0, (low + high) / 2 - half), min(1.0, (low + high) / 2 + half)


def sweep_figure(sweeps: dict[str, np.ndarray], integral: dict[str, float], ratios: Sequence[float]) -> Figure:
    """Figure 5: top-1 of score averaging at every ratio of the two streams, beside the paper's method.

    Args:
        sweeps: by name of the test set, top-1 at each ratio, 0..1.
        integral: by name of the test set, top-1 of integral.
        ratios: the appearance stream's shares, 0..1.
    """
    with figure_style():
        figure = new_figure(WIDTH, 2.6)
        axes = figure.subplots()
        labels = [f"{share:g}\n{1 - share:g}" for share in ratios]
        places = np.arange(len(ratios))
        for number, (test, values) in enumerate(sweeps.items()):
            colour, line = SERIES[number % len(SERIES)], LINES[number % len(LINES)]
            label = textwrap.fill(f"{test}: averaged", LINE, break_on_hyphens=False)
            axes.plot(places, 100 * values, color=colour, linestyle=line, marker="o", ms=3.5, label=label)
            top1 = 100 * integral[test]
            axes.plot(
                [len(ratios) + 0.3],
                [top1],
                color=colour,
                marker="D",
                ms=6,
                mec="black",
                linestyle="none",
                label=textwrap.fill(f"{test}: integral", LINE, break_on_hyphens=False),
            )
            axes.axhline(top1, color=colour, linestyle=line, lw=0.6, alpha=0.6)
        axes.axvline(len(ratios) - 0.35, color="#bbbbbb", lw=0.6)
        axes.set_xticks([*places, len(ratios) + 0.3], [*labels, "integral"])
        axes.set_xlim(-0.4, len(ratios) + 0.9)
        axes.set_ylim(0, 103)
        axes.yaxis.set_major_formatter(PercentFormatter(decimals=0))
        axes.set_xlabel("weight of the appearance score (above)\nand of the pose score (below)")
        axes.set_ylabel("top-1")
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    return figure


def confusion_figure(matrices: dict[tuple[str, str], np.ndarray], classes: Sequence[str]) -> Figure:
    """Figure 6: confusion matrices, rows the true class and columns the answer; dark is often.

    Of few classes the shares stand in the cells, in per cent.

    Args:
        matrices: by name of the test set and method, (classes, classes) shares 0..1; rows without videos are NaN. Of
            each test set only classes with videos have a row.
    """
    tests = list(dict.fromkeys(test for test, _ in matrices))
    methods = list(dict.fromkeys(method for _, method in matrices))
    names = {test: textwrap.wrap(test, 16, break_on_hyphens=False) for test in tests}
    has_names = len(classes) * len(methods) <= MOST_NAMES
    has_videos = {test: ~np.isnan(matrices[test, methods[0]]).any(axis=1) for test in tests}
    with figure_style():
        margin = 1.25 if has_names else 0.35
        side = (WIDTH - margin - 0.3) / len(methods)
        has_squares = len(classes) * len(methods) <= SQUARES
        cell = min(side / len(classes), CELL) if has_squares else 0.0
        if has_squares:
            side = cell * len(classes)
        # a row is at least as high as its name, at 9 points, is long
        heights = [max(0.09 * max(map(len, names[test])), has_videos[test].mean() * side) for test in tests]
        beside = 0.35 * len(tests) + (1.35 if has_names else 0.55)
        if has_squares:  # no more than the names below need, lest the matrices grow
            beside = 0.12 * len(tests) + 0.45 + 0.047 * max(map(len, classes))
        figure = new_figure(WIDTH, sum(heights) + beside)
        grid = figure.subplots(len(tests), len(methods), squeeze=False, gridspec_kw={"height_ratios": heights})
        for row, test in enumerate(tests):
            rows = np.flatnonzero(has_videos[test])
            for column, method in enumerate(methods):
                axes = grid[row, column]
                _draw_matrix(axes, matrices[test, method][rows], cell)
                if row == 0:
                    axes.set_title(method, color=COLOURS.get(method, "black"), fontweight="bold")
                if row == len(tests) - 1 and has_names:
                    axes.set_xticks(range(len(classes)), classes, rotation=90, fontsize=5.5)
                if column == 0:
                    axes.set_ylabel("\n".join(names[test]), fontweight="bold")
                    if has_names:
                        axes.set_yticks(range(len(rows)), [classes[i] for i in rows], fontsize=5.5)
        figure.supxlabel("answer" if has_names else "answer (classes in order)", fontsize=8)
    return figure


def _draw_matrix(axes: Axes, matrix: np.ndarray, cell: float) -> None:
    """A matrix of shares; where the side of a cell is given, in inches, as squares with numbers."""
    axes.imshow(matrix, cmap="Greys", vmin=0, vmax=1, aspect="equal" if cell else "auto", interpolation="nearest")
    for (row, column), share in np.ndenumerate(matrix) if cell else ():
        colour = "white" if share > 0.5 else "black"
        axes.text(column, row, f"{100 * share:.0f}", ha="center", va="center", size=24 * cell, color=colour)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(True)
        spine.set_linewidth(0.5)
