"""How figures look: readable in grey and by the colour-blind, text as text, the same bytes each time."""

import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from integralaction.files import write_whole

# Okabe and Ito's colours, dark to light in grey; the same method has the same colour, mark and line in every figure
COLOURS = {
    "appearance-only": "#D55E00",
    "pose-only": "#0072B2",
    "score-average": "#999999",
    "integral": "#000000",
    "gate-free": "#009E73",
    "feature-fuse": "#CC79A7",
    "appearance-gate": "#E69F00",
    "both-gate": "#56B4E9",
}
MARKS = {
    "appearance-only": "s",
    "pose-only": "o",
    "score-average": "x",
    "integral": "D",
    "gate-free": "^",
    "feature-fuse": "v",
    "appearance-gate": "<",
    "both-gate": ">",
}
SERIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
LINES = ("-", "--", "-.", ":")

_SETTINGS: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9,
    "axes.labelsize": 9,
    "legend.fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 200,
    "pdf.fonttype": 42,  # text stays text
    "text.parse_math": False,  # a name may hold dollar signs; what is mathematics says so
    "svg.fonttype": "none",
    "svg.hashsalt": "integralaction",
    "figure.constrained_layout.use": True,
}


@contextmanager
def styled() -> Generator[None]:
    """The project's look for what is drawn inside, and nothing for the rest of the program."""
    with mpl.rc_context(_SETTINGS):
        yield


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that no window knows of, sizes in inches."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: Figure, path: Path) -> list[Path]:
    """Write PATH.pdf and PATH.png, each aside and then renamed; the same figure gives the same bytes.

    Returns:
        The two paths.
    """
    written = []
    for ending, metadata in (("pdf", {"CreationDate": None}), ("png", {"Software": None})):
        file = path.with_name(f"{path.name}.{ending}")
        # the library that embeds fonts wonders at a file without a date
        logging.getLogger("fontTools").setLevel(logging.ERROR)
        with styled(), warnings.catch_warnings(), write_whole(file) as aside:
            # a layout that does not fit is drawn as it is
            warnings.filterwarnings("ignore", message="constrained_layout not applied")
            figure.savefig(aside, format=ending, metadata=metadata)
        written.append(file)
    return written
