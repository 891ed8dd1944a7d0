"""A self-contained HTML page: what it consists of, and how it is written. It loads nothing: all is inside it."""

import base64
import csv
import io
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from integralaction.console import printable
from integralaction.errors import Refused
from integralaction.figures.style import draw_figure
from integralaction.files import write_text
from integralaction.tables import Table, page_width, split_columns, to_html

WIDEST = 135  # characters of a table's line that the page has room for
MARK = b"Made by integralaction, an implementation of"  # stands in every page; what lacks it is not ours to replace


@dataclass(frozen=True)
class Picture:
    """A figure: a data URI, what is to be seen on it in words, the line below it."""

    source: str
    alt: str
    caption: str


@dataclass(frozen=True)
class Answer:
    """What one method says of a video, and whether that is right."""

    method: str
    name: str
    right: bool


@dataclass(frozen=True)
class Card:
    """A video of the gallery.

    Attributes:
        title: its true class; split: where it is from.
        preview: a data URI; '' where none could be made.
        answers: of every method.
        gate: the mean gate; None for methods without.
    """

    title: str
    split: str
    preview: str
    answers: tuple[Answer, ...]
    gate: float | None


@dataclass(frozen=True)
class Group:
    """Videos of one pattern of right and wrong answers."""

    title: str
    found: str
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Fold:
    """Text that is folded away."""

    title: str
    text: str


@dataclass(frozen=True)
class Section:
    """A part of the page; what it has is shown in this order."""

    anchor: str
    title: str
    text: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    tables: tuple[Markup, ...] = ()
    pictures: tuple[Picture, ...] = ()
    groups: tuple[Group, ...] = ()
    folds: tuple[Fold, ...] = ()


@dataclass(frozen=True)
class Page:
    """All of it."""

    title: str
    facts: tuple[tuple[str, str], ...]
    answer: tuple[str, ...]
    sections: tuple[Section, ...]


# ---- its pieces


def table_markup(table: Table) -> Markup:
    """A table as HTML with its notes below it; their texts are escaped."""
    notes = (Markup('<p class="note">{}</p>\n').format(printable(note)) for note in table.notes)
    return Markup(to_html(replace(table, notes=()))) + Markup("").join(notes)


def table_markups(table: Table) -> tuple[Markup, ...]:
    """A table as HTML; one that is wider than the page as several below one another."""
    return tuple(map(table_markup, split_columns(table, lambda part: page_width(part, 40) <= WIDEST)))


def picture_of(figure: Figure, alt: str, caption: str) -> Picture:
    """A figure as PNG inside the page."""
    file = io.BytesIO()
    draw_figure(figure, file, "png")
    return Picture(data_uri("image/png", file.getvalue()), alt, caption)


def data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def read_rows(path: Path) -> list[list[str]]:
    """The rows of a file with its headings; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row for row in csv.reader(file) if row]


def check_page(out: Path) -> None:
    """Make sure that a page can be written there without replacing what is not ours.

    Raises:
        ValueError: a folder is in its place, or a file that is no page of ours.
    """
    if out.is_dir():
        raise Refused(f"Expected a file for the page; {out} is a folder. Name a file in it.")
    if out.exists() and MARK not in out.read_bytes():
        raise Refused(f"Expected no file at {out} but an earlier page; found another. Give another --out, or move it.")


def write_page(page: Page, out: Path) -> Path:
    """Render the page, write it aside and rename it.

    Raises:
        ValueError: as `check_page`.
    """
    check_page(out)
    environment = jinja2.Environment(
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_visible,
    )
    template = environment.from_string(files("integralaction").joinpath("page.html.j2").read_text(encoding="utf-8"))
    write_text(out, template.render(page=page), errors="backslashreplace")
    return out


def _visible(value: object) -> object:
    """Text with its control characters written out: HTML has no place for them."""
    is_text = isinstance(value, str) and not isinstance(value, Markup) and not value.startswith("data:")
    return printable(str(value)) if is_text else value
