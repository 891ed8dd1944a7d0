"""A self-contained HTML page: what it consists of, and how it is written. It loads nothing: all is inside it."""

import base64
import csv
import io
import math
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import jinja2
from markupsafe import Markup
from matplotlib.figure import Figure

from integralaction.console import printable
from integralaction.errors import Refused
from integralaction.escapes import escape_html
from integralaction.figures.style import draw_figure
from integralaction.files import write_text
from integralaction.tables import GAP, Cell, Table, column_widths, group_spans, split_columns

WIDEST = 135  # characters of a table's line that the page has room for
TELEPHONE = 46  # and the screen of a telephone
BAR = 15  # characters that a bar takes
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
    is_right: bool


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
    """Videos of one pattern of right and wrong answers; the caption says how many there are."""

    title: str
    caption: str
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
    paragraphs: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()
    tables: tuple[Markup, ...] = ()
    pictures: tuple[Picture, ...] = ()
    groups: tuple[Group, ...] = ()
    folds: tuple[Fold, ...] = ()


@dataclass(frozen=True)
class Page:
    """All of it: name and value of each fact, the sentences above the sections, the sections."""

    title: str
    facts: tuple[tuple[str, str], ...]
    summary: tuple[str, ...]
    sections: tuple[Section, ...]


# ---- a table in it


def page_width(table: Table, label: int) -> int:
    """Characters of a line of a page; labels are wrapped where they are longer than `label`."""
    first, *others = column_widths(table)
    return min(first, label) + sum(others) + GAP * len(others) + BAR * sum(column.bars for column in table.columns)


def to_html(table: Table) -> str:
    """A bare <table> with its title as caption and its notes at the foot, everything escaped.

    Classes: `wide` of a table that does not fit a telephone, `number`, `words` and `bars` of cells, `strong` and
    `section` of rows, `note` of the notes. Each cell has its heading as `data-label`, so that rows can be shown as
    lists.
    """
    lines = ['<table class="wide">' if page_width(table, 16) > TELEPHONE else "<table>"]
    lines += [
        f"<caption>{escape_html(table.title)}</caption>",
        "<thead>",
        *_html_headings(table),
        "</thead>",
        "<tbody>",
    ]
    kinds = []
    for n, column in enumerate(table.columns):
        kind = "bars" if column.bars else "words" if table.is_words(n) else "number"
        kinds.append(f'class="{kind}" data-label="{escape_html(column.heading)}"')
    for i, row in enumerate(table.rows):
        classes = " ".join(["strong"] * row.strong + ["section"] * (row.section and i > 0))
        label, *texts = map(escape_html, table.texts(row))
        bars = [_html_bar(cell) if column.bars else "" for cell, column in zip(row.cells, table.columns, strict=True)]
        tags = [f"<td {kind}>{bar}{text}</td>" for kind, bar, text in zip(kinds, bars, texts, strict=True)]
        start = f'<tr class="{classes}">' if classes else "<tr>"
        lines.append(f'{start}<th scope="row">{label}</th>{"".join(tags)}</tr>')
    lines.append("</tbody>")
    if table.notes:
        lines.append("<tfoot>")
        width = len(table.columns) + 1
        lines += [f'<tr><td class="note" colspan="{width}">{escape_html(note)}</td></tr>' for note in table.notes]
        lines.append("</tfoot>")
    return "\n".join([*lines, "</table>"]) + "\n"


def _html_headings(table: Table) -> list[str]:
    """One row of headings, or two where there are groups."""
    has_groups = any(column.group for column in table.columns)
    rows = ' rowspan="2"' if has_groups else ""
    upper = [f'<th scope="col"{rows}>{escape_html(table.first)}</th>']
    for span in group_spans(table.columns):
        column = table.columns[span[0]]
        if column.group:
            upper.append(f'<th scope="colgroup" colspan="{len(span)}">{escape_html(column.group)}</th>')
        else:
            upper.append(f'<th scope="col"{rows}>{escape_html(column.name)}</th>')
    lower = [f'<th scope="col">{escape_html(column.name)}</th>' for column in table.columns if column.group]
    return [f"<tr>{''.join(row)}</tr>" for row in (upper, lower) if row]


def _html_bar(cell: Cell) -> str:
    if cell.value is None or math.isnan(cell.value):
        return ""
    return f'<span class="bar"><i style="width: {100 * cell.value:.1f}%"></i></span>'


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
        finalize=_printable_text,
    )
    template = environment.from_string(
        files("integralaction.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    )
    write_text(out, template.render(page=page), errors="backslashreplace")
    return out


def _printable_text(value: object) -> object:
    """Text with its control characters written out: HTML has no place for them."""
    is_text = isinstance(value, str) and not isinstance(value, Markup) and not value.startswith("data:")
    return printable(str(value)) if is_text else value
