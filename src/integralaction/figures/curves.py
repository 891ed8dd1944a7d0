"""Training curves: loss, top-1 and mean gate by epoch, from the logs of a run's stages."""

import csv
from collections.abc import Callable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, PercentFormatter

from integralaction.errors import MissingFile, Refused
from integralaction.figures.style import COLOURS, LINES, MARKS, SERIES, figure_style, new_figure

WIDTH = 7.0  # inches
WIDE_RANGE = 10  # losses that span more are drawn on a logarithmic axis
MARKED_EPOCHS = 8  # about so many of a curve have a mark
LEGEND_NAMES = 4  # in a line of the legend


def read_log(path: Path) -> list[dict[str, float]]:
    """The rows of a stage's log.csv, an epoch each.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it has no epochs, or something that is no number.
    """
    if not path.is_file():
        raise MissingFile(f"Expected the log of a training in {path}, found nothing; train the stage.")
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    try:
        log = [{name: float(value) for name, value in row.items()} for row in rows]
    except (TypeError, ValueError) as error:
        raise Refused(f"Expected numbers in every row of {path}; {error}. Train the stage again.") from error
    if not log or not {"epoch", "classification", "top1"} <= log[0].keys():
        raise Refused(
            f"Expected rows with epoch, classification and top1 in {path}; found {list(log[0]) if log else 'no row'}. "
            "Train the stage again."
        )
    return log


def curves_figure(logs: dict[str, list[dict[str, float]]]) -> Figure:
    """Loss and top-1 on the training videos by epoch, and the mean gate where a method has one.

    Args:
        logs: by method, the rows of its log: epoch, classification, top1, perhaps gate.

    Raises:
        ValueError: no logs.
    """
    if not logs:
        raise Refused("Expected the log of at least one stage to draw; found none. Train a stage first.")
    has_gate = any("gate" in log[0] for log in logs.values())
    lines = -(-len(logs) // LEGEND_NAMES)
    with figure_style():
        figure = new_figure(WIDTH, 2.3 + 0.22 * lines)
        panels = figure.subplots(1, 3 if has_gate else 2, squeeze=False)[0]
        _draw(panels[0], logs, "classification", "classification loss")
        losses = [row["classification"] for log in logs.values() for row in log]
        if 0 < WIDE_RANGE * min(losses) < max(losses):
            panels[0].set_yscale("log")
            panels[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panels[0].yaxis.set_major_formatter(lambda loss, _: f"{loss:g}")
            panels[0].yaxis.set_minor_locator(NullLocator())
        _draw(panels[1], logs, "top1", "top-1 on training clips", lambda share: 100 * share)
        panels[1].set_ylim(0, 103)
        panels[1].yaxis.set_major_formatter(PercentFormatter(decimals=0))
        if has_gate:
            _draw(panels[2], logs, "gate", "mean gate")
            panels[2].set_ylim(0, 1.03)
        figure.legend(panels[0].get_lines(), list(logs), loc="outside lower center", ncols=min(LEGEND_NAMES, len(logs)))
    return figure


def _draw(
    axes: Axes,
    logs: dict[str, list[dict[str, float]]],
    column: str,
    title: str,
    scale: Callable[[float], float] = lambda value: value,
) -> None:
    """One panel: a column of each log that has it."""
    for number, (method, log) in enumerate(logs.items()):
        if column not in log[0]:
            continue
        place = list(COLOURS).index(method) + 1 if method in COLOURS else number  # integral's line is whole
        axes.plot(
            [row["epoch"] for row in log],
            [scale(row[column]) for row in log],
            color=COLOURS.get(method, SERIES[number % len(SERIES)]),
            linestyle=LINES[place % len(LINES)],
            marker=MARKS.get(method, "."),
            markevery=max(1, len(log) // MARKED_EPOCHS),
            ms=3.5,
            lw=1.3,
        )
    axes.set_title(title, loc="left")
    axes.set_xlabel("epoch")
    axes.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
