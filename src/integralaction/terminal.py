"""A table in a terminal of any width: numbers stay whole, labels and words are wrapped.

A table that is still too wide stands in parts below one another, each with the labels again.
"""

# ruff: noqa: RUF001 (the marks that papers use)

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import zip_longest

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from integralaction.console import printable
from integralaction.escapes import is_numbers
from integralaction.tables import GAP, Cell, Column, Table, column_widths, group_spans, split_columns

WORDS = 16  # characters of words in a line at least, where they have as many
_ASCII = {"±": "+-", "×": "x", "−": "-", "–": "-", "─": "-", "λ": "lambda", "²": "^2", "\u00a0": " "}


def print_table(table: Table, console: Console) -> None:
    """Print a table, no line longer than the terminal is wide unless a single number is."""
    table = _in_known_letters(table, console.encoding)
    if table.title:
        _print_lines(Text(table.title, style="italic").wrap(console, console.width), console)
    for number, part in enumerate(split_columns(table, lambda part: _line_width(_least_widths(part)) <= console.width)):
        if number:
            console.print()
        _print_lines(_lines(part, console), console)
    for note in table.notes:
        _print_lines(Text(note).wrap(console, console.width), console)


def _print_lines(lines: Iterable[Text], console: Console) -> None:
    for line in lines:
        line.rstrip()
        console.print(line, soft_wrap=True)


def _in_known_letters(table: Table, encoding: str) -> Table:
    """The table without what a terminal would act on, in letters that it has."""

    def in_letters(text: str) -> str:
        text = printable(text)
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            text = "".join(_ASCII.get(mark, mark) for mark in text).encode(encoding, "replace").decode(encoding)
        return text

    columns = tuple(Column(in_letters(c.group), in_letters(c.name), c.digits) for c in table.columns)
    rows = []
    for row in table.rows:
        label, *texts = map(in_letters, table.texts(row))
        rows.append(replace(row, label=label, cells=tuple(Cell(text=text) for text in texts)))
    title, first, *notes = map(in_letters, (table.title, table.first, *table.notes))
    return Table(table.name, title, first, columns, tuple(rows), tuple(notes))


def _line_width(widths: list[int]) -> int:
    """Characters of a line."""
    return sum(widths) + GAP * (len(widths) - 1)


def _columns(table: Table) -> list[tuple[str, list[str]]]:
    """The heading and the texts of each column, the labels first."""
    labels = [row.label for row in table.rows]
    return [(table.first, labels), *((column.name, table.column_texts(n)) for n, column in enumerate(table.columns))]


def _least_widths(table: Table) -> list[int]:
    """The widths below which a number would be broken, or words become hard to read."""
    widths = []
    for heading, texts in _columns(table):
        lines = [line for text in texts for line in text.split("\n")]
        numbers = [cell_len(line) for line in lines if is_numbers(line)]
        words = [cell_len(line) for line in lines if not is_numbers(line)] + [_longest_word([heading])]
        widths.append(max(1, *numbers, min(WORDS, max(words))))
    return widths


def _longest_word(texts: list[str]) -> int:
    return max((cell_len(word) for text in texts for word in text.split()), default=0)


def _widths(table: Table, width: int) -> list[int]:
    """The widths of the columns in a terminal: what room there is goes to long words first, then to long lines."""
    widths = _least_widths(table)
    words = [_longest_word([heading, *texts]) for heading, texts in _columns(table)]
    for wishes in (words, column_widths(table)):
        lacking = [wish - least for wish, least in zip(wishes, widths, strict=True)]
        while max(lacking) > 0 and _line_width(widths) < width:
            place = lacking.index(max(lacking))
            widths[place], lacking[place] = widths[place] + 1, lacking[place] - 1
    return widths


def _lines(table: Table, console: Console) -> Iterator[Text]:
    """Group headings, headings, rows."""
    widths = _widths(table, console.width)
    dash = "-" if console.options.ascii_only else "─"
    rule = Text(dash * _line_width(widths))
    if any(column.group for column in table.columns):
        spans = group_spans(table.columns)
        groups = ["", *(table.columns[span[0]].group for span in spans)]
        group_widths = [widths[0], *(_line_width([widths[1 + number] for number in span]) for span in spans)]
        yield from _row_lines(groups, group_widths, ["left", *("center" for _ in spans)], "bold", console)
        rules = (dash * width if group else "" for group, width in zip(groups, group_widths, strict=True))
        yield _join_cells(rules, group_widths, ["left" for _ in groups], "")
    sides = ["left", *("left" if table.is_words(n) else "right" for n in range(len(table.columns)))]
    yield from _row_lines([table.first, *(column.name for column in table.columns)], widths, sides, "bold", console)
    yield rule
    for i, row in enumerate(table.rows):
        if row.section and i:
            yield rule
        yield from _row_lines(table.texts(row), widths, sides, "bold" if row.strong else "", console)


def _row_lines(texts: list[str], widths: list[int], sides: list[str], style: str, console: Console) -> Iterator[Text]:
    """The lines of one row, each cell wrapped at its width."""
    cells = []
    for text, width in zip(texts, widths, strict=True):
        lines = text.split("\n")
        wrapped = (
            [line] if is_numbers(line) else [part.plain for part in Text(line).wrap(console, width, overflow="fold")]
            for line in lines
        )
        cells.append([part.rstrip() for parts in wrapped for part in parts or [""]])
    for line in zip_longest(*cells, fillvalue=""):
        yield _join_cells(line, widths, sides, style)


def _join_cells(texts: Iterable[str], widths: list[int], sides: list[str], style: str) -> Text:
    aligned = [_align(text, width, side) for text, width, side in zip(texts, widths, sides, strict=True)]
    return Text((" " * GAP).join(aligned), style=style)


def _align(text: str, width: int, side: str) -> str:
    spare = max(0, width - cell_len(text))
    before = {"left": 0, "right": spare, "center": spare // 2}[side]
    return " " * before + text + " " * (spare - before)
