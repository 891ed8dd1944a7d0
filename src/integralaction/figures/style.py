"""How figures look: readable in grey and by the colour-blind, text as text, the same bytes each time."""

import logging
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.text import Text
from matplotlib.ticker import FixedFormatter, Formatter, FuncFormatter

from integralaction.files import write_whole
from integralaction.fonts import split_by_font

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


_FAMILIES = ["DejaVu Sans"]  # and those that letters have needed so far


@contextmanager
def figure_style() -> Generator[None]:
    """The project's look for what is drawn inside, and nothing for the rest of the program."""
    with mpl.rc_context({**_SETTINGS, "font.family": _FAMILIES}):
        yield


def with_letters(text: str) -> str:
    """The text as figures can draw it: their fonts get one that has its letters; what none has is written out."""
    if _is_plain(text):
        return text
    lines = [split_by_font(line) for line in text.split("\n")]
    for _, path in (part for line in lines for part in line):
        if path is not None and (family := _family(path)) not in _FAMILIES:
            _FAMILIES.append(family)
    return "\n".join("".join(part for part, _ in line) for line in lines)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.replace("\n", "").isprintable()


@lru_cache
def _family(path: Path) -> str:
    """The name of a font's family, by which figures know it from now on."""
    fontManager.addfont(path)
    return fontManager.ttflist[-1].name


def _drawable_names(names: Formatter) -> Formatter:
    """The names beside an axis as figures can draw them."""
    return FuncFormatter(lambda value, place: with_letters(names(value, place)))


def _set_fonts(figure: Figure) -> None:
    """See that every text of a figure has a font for its letters."""
    texts = [text for text in figure.findobj(Text) if not _is_plain(text.get_text())]
    for text in texts:
        text.set_text(with_letters(text.get_text()))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            names = axis.get_major_formatter()
            if isinstance(names, FixedFormatter | FuncFormatter):  # names of classes beside a matrix
                axis.set_major_formatter(_drawable_names(names))
    for text in texts:
        text.set_fontfamily(_FAMILIES)


def new_figure(width: float, height: float) -> Figure:
    """An empty figure that no window knows of, sizes in inches."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


def draw_figure(figure: Figure, file: Path | BytesIO, ending: Literal["pdf", "png"]) -> None:
    """Draw a figure into a file, all letters in it; the same figure gives the same bytes."""
    _set_fonts(figure)
    # the library that embeds fonts wonders at a file without a date
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    with figure_style(), warnings.catch_warnings():
        # a layout that does not fit is drawn as it is
        warnings.filterwarnings("ignore", message="constrained_layout not applied")
        figure.savefig(file, format=ending, metadata={"CreationDate": None} if ending == "pdf" else {"Software": None})


def save_figure(figure: Figure, path: Path) -> list[Path]:
    """Write PATH.pdf and PATH.png, each aside and then renamed.

    Returns:
        The two paths.
    """
    endings: tuple[Literal["pdf", "png"], ...] = ("pdf", "png")
    for ending in endings:
        with write_whole(path.with_name(f"{path.name}.{ending}")) as aside:
            draw_figure(figure, aside, ending)
    return [path.with_name(f"{path.name}.{ending}") for ending in endings]
