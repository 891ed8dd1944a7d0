"""A table and its renderings: the terminal, CSV, Markdown, LaTeX, HTML, and JSON, from which it is read back.

Cells hold the numbers themselves; how many digits are shown is the column's business, and the CSV has more of them.
"""

# ruff: noqa: RUF001 (the marks that papers use)

import csv
import io
import json
import math
from dataclasses import asdict, dataclass, replace
from itertools import groupby
from pathlib import Path

from rich.box import Box
from rich.cells import cell_len
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table as RichTable
from rich.text import Text

from integralaction.console import printable
from integralaction.errors import Refused
from integralaction.escapes import is_numbers, latex, markdown, markup, spreadsheet
from integralaction.files import write_text

MORE_DIGITS = 4  # in the CSV, beyond those that are shown
TELEPHONE = 46  # characters of a line that the screen of a telephone shows

# rich's SIMPLE_HEAD, with a rule above a section
_BOX = Box("    \n    \n ── \n    \n ── \n    \n    \n    \n")


_PLAIN = {"±": "+-", "×": "x", "−": "-", "–": "-", "λ": "lambda", "²": "^2", "\u00a0": " "}


@dataclass(frozen=True)
class Cell:
    """One value of a table, or a few words; empty where there is neither.

    Attributes:
        value: a number, shown with the digits of its column; NaN is shown as a dash.
        spread: ± of it, in the same unit.
        text: shown instead of a number: words, or published numbers as printed. It may have several lines.
    """

    value: float | None = None
    spread: float | None = None
    text: str = ""

    def shown(self, digits: int) -> str:
        """The cell as people read it."""
        if self.text or self.value is None:
            return self.text
        if math.isnan(self.value):
            return "–"
        number = f"{self.value:.{digits}f}"
        return number if self.spread is None else f"{number} ± {self.spread:.{digits}f}"


@dataclass(frozen=True)
class Column:
    """A column's heading and how its numbers are shown.

    Attributes:
        group: heading above several columns that stand side by side; '' for none.
        name: of the column.
        digits: after the decimal point.
    """

    group: str
    name: str
    digits: int = 1

    @property
    def heading(self) -> str:
        """Group and name, for formats that have one line of headings."""
        return f"{self.group} {self.name}".strip()


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        label: what stands in the first column; it may have several lines.
        cells: as many as the table has columns.
        strong: drawn in bold.
        section: a rule is drawn above it.
    """

    label: str
    cells: tuple[Cell, ...]
    strong: bool = False
    section: bool = False


@dataclass(frozen=True)
class Table:
    """What is rendered.

    Attributes:
        name: of its files, for example `table4`.
        title: a line above it.
        first: heading of the label column.
        columns, rows: what is in it.
        notes: lines below it.

    Raises:
        ValueError: a row with another number of cells than there are columns.
    """

    name: str
    title: str
    first: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row.cells) != len(self.columns):
                raise Refused(
                    f"Expected {len(self.columns)} cells in each row of {self.name}, one a column; found "
                    f"{len(row.cells)} in the row {row.label!r}: give empty cells for what is not there."
                )


def print_table(table: Table, console: Console) -> None:
    """The table for a terminal; where it is too wide, groups of columns stand below one another."""
    table = _for_terminal(table, console.encoding)
    console.print(Text(table.title, style="italic"))
    for number, part in enumerate(_parts(table, console)):
        if number:
            console.print()
        _print_part(table, part, console)
    for note in table.notes:
        console.print(Text(note, style="dim"))


def _for_terminal(table: Table, encoding: str) -> Table:
    """The table without what a terminal would act on, in letters that it has."""

    def shown(text: str) -> str:
        text = printable(text)
        try:
            text.encode(encoding)
        except UnicodeEncodeError:
            text = "".join(_PLAIN.get(mark, mark) for mark in text).encode(encoding, "replace").decode(encoding)
        return text

    columns = tuple(Column(shown(c.group), shown(c.name), c.digits) for c in table.columns)
    rows = []
    for row in table.rows:
        cells = (Cell(text=shown(cell.shown(c.digits))) for cell, c in zip(row.cells, table.columns, strict=True))
        rows.append(replace(row, label=shown(row.label), cells=tuple(cells)))
    return Table(
        table.name, shown(table.title), shown(table.first), columns, tuple(rows), tuple(map(shown, table.notes))
    )


def _parts(table: Table, console: Console) -> list[list[int]]:
    """Column numbers of the tables below one another: as many groups in each as fit."""
    parts: list[list[int]] = []
    for span in _spans(table.columns):
        together = [*parts[-1], *span] if parts else span
        if parts and _measured(table, together, console) <= console.width:
            parts[-1] = together
        else:
            parts.append(span)
    return parts


def _spans(columns: tuple[Column, ...]) -> list[list[int]]:
    """Column numbers of each group; a column without a group stands alone."""
    spans: list[list[int]] = []
    for number, column in enumerate(columns):
        if spans and column.group and columns[number - 1].group == column.group:
            spans[-1].append(number)
        else:
            spans.append([number])
    return spans


def _measured(table: Table, numbers: list[int], console: Console) -> int:
    """Width of the table of these columns, in characters, if nothing is wrapped."""
    options = console.options.update(max_width=10_000)
    return Measurement.get(console, options, _rich_table(table, numbers, fits=True)).maximum


def _print_part(table: Table, numbers: list[int], console: Console) -> None:
    fits = _measured(table, numbers, console) <= console.width
    if fits and any(table.columns[number].group for number in numbers):
        rule = "-" if console.options.ascii_only else "─"
        widths = _widths(table, numbers)
        groups, rules = " " * widths[0], " " * widths[0]
        for group, members in groupby(_within(table, numbers), key=lambda span: table.columns[span[0]].group):
            for span in members:
                # a space of padding before each column, and one between two columns
                width = sum(widths[1 + numbers.index(number)] + 2 for number in span) - 2
                groups += "  " + _centred(group, width)
                rules += "  " + (rule if group else " ") * width
        console.print(Text(groups.rstrip(), style="bold", no_wrap=True))
        console.print(Text(rules.rstrip(), no_wrap=True))
    console.print(_rich_table(table, numbers, fits))


def _within(table: Table, numbers: list[int]) -> list[list[int]]:
    """The groups of some of the columns."""
    return [span for span in _spans(table.columns) if span[0] in numbers]


def _centred(text: str, width: int) -> str:
    before = (width - cell_len(text)) // 2
    return " " * before + text + " " * (width - before - cell_len(text))


def _widths(table: Table, numbers: list[int]) -> list[int]:
    """Characters of the label column and of these ones; a group's columns share the width of a long heading."""
    labels = [table.first, *(row.label for row in table.rows)]
    widths = [max(_width(label) for label in labels)]
    for span in _within(table, numbers):
        own = [max(map(_width, [table.columns[n].name, *_column(table, n)])) for n in span]
        lacking = cell_len(table.columns[span[0]].group) - sum(own) - 2 * (len(span) - 1)
        for i in range(max(lacking, 0)):
            own[i % len(own)] += 1
        widths += own
    return widths


def _width(text: str) -> int:
    return max(map(cell_len, text.split("\n")))


def _column(table: Table, number: int) -> list[str]:
    return [row.cells[number].shown(table.columns[number].digits) for row in table.rows]


def _is_words(table: Table, number: int) -> bool:
    """Whether a column is read as text, and stands at the left."""
    return not all(map(is_numbers, _column(table, number)))


def _rich_table(table: Table, numbers: list[int], fits: bool) -> RichTable:
    """The terminal's table of these columns, without its group headings where it fits and with them where not."""
    drawn = RichTable(box=_BOX, padding=(0, 0, 0, 1), show_edge=False)
    widths = _widths(table, numbers)
    # the label column's padding lies at its left too, and would shift everything
    drawn.pad_edge = False
    drawn.add_column(Text(table.first), no_wrap=fits, overflow="fold", min_width=widths[0] if fits else None)
    for number, width in zip(numbers, widths[1:], strict=True):
        column = table.columns[number]
        heading = column.name if fits or not column.group else f"{column.group}\n{column.name}"
        side = "left" if _is_words(table, number) else "right"
        least = width if fits else None
        drawn.add_column(Text(heading), justify=side, no_wrap=fits, overflow="fold", min_width=least)
    for i, row in enumerate(table.rows):
        if row.section and i:
            drawn.add_section()
        cells = [Text(row.cells[n].shown(table.columns[n].digits)) for n in numbers]
        drawn.add_row(Text(row.label), *cells, style="bold" if row.strong else "")
    return drawn


def to_csv(table: Table) -> str:
    """Comma-separated values: `label`, then the columns; numbers with four more digits than are shown.

    A column in which any number has a spread is followed by one of the spreads, `NAME ±`. Lines of a text are put
    into one; what a spreadsheet would calculate begins with an apostrophe.
    """
    spreads = [any(row.cells[n].spread is not None for row in table.rows) for n in range(len(table.columns))]
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    heading = ["label"]
    for column, has_spread in zip(table.columns, spreads, strict=True):
        heading += [column.heading, *([f"{column.heading} ±"] if has_spread else [])]
    writer.writerow(map(spreadsheet, heading))
    for row in table.rows:
        values = [_one_line(row.label)]
        for cell, column, has_spread in zip(row.cells, table.columns, spreads, strict=True):
            values.append(_one_line(cell.text) if cell.text else _raw(cell.value, column.digits))
            if has_spread:
                values.append(_raw(cell.spread, column.digits))
        writer.writerow(map(spreadsheet, values))
    return file.getvalue()


def _raw(value: float | None, digits: int) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.{digits + MORE_DIGITS}f}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def to_markdown(table: Table) -> str:
    """A Markdown table: the title in bold, one line of headings, the notes below as lines of their own."""
    headings = [table.first, *(column.heading for column in table.columns)]
    sides = ["---", *("---" if _is_words(table, n) else "---:" for n in range(len(table.columns)))]
    lines = [f"**{markdown(table.title)}**", ""]
    lines.append("| " + " | ".join(map(markdown, headings)) + " |")
    lines.append("| " + " | ".join(sides) + " |")
    for row in table.rows:
        texts = [markdown(text) for text in _texts(table, row)]
        lines.append("| " + " | ".join(f"**{text}**" if row.strong and text else text for text in texts) + " |")
    for note in table.notes:
        lines += ["", markdown(note)]
    return "\n".join(lines) + "\n"


def _texts(table: Table, row: Row) -> list[str]:
    """The label and the cells of a row as people read them."""
    return [row.label, *(cell.shown(column.digits) for cell, column in zip(row.cells, table.columns, strict=True))]


def to_latex(table: Table) -> str:
    """A LaTeX table for plain pdflatex with the package booktabs; it can be put into a paper by \\input."""
    sides = "".join("l" if _is_words(table, n) else "r" for n in range(len(table.columns)))
    lines = [
        "% needs \\usepackage{booktabs}; this file is UTF-8",
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{latex(table.title)}}}",
        f"\\label{{tab:{table.name}}}",
        f"\\begin{{tabular}}{{l{sides}}}",
        "\\toprule",
    ]
    spans = _spans(table.columns)
    if any(column.group for column in table.columns):
        groups, rules, start = [""], "", 2
        for span in spans:
            group = table.columns[span[0]].group
            groups.append(f"\\multicolumn{{{len(span)}}}{{c}}{{{latex(group)}}}" if group else "")
            rules += f"\\cmidrule(lr){{{start}-{start + len(span) - 1}}}" if group else ""
            start += len(span)
        lines += [" & ".join(groups) + " \\\\", rules]
    lines.append(" & ".join(_latex_lines(name) for name in (table.first, *(c.name for c in table.columns))) + " \\\\")
    lines.append("\\midrule")
    for i, row in enumerate(table.rows):
        if row.section and i:
            lines.append("\\midrule")
        texts = [_latex_lines(text, row.strong) for text in _texts(table, row)]
        lines.append(" & ".join(texts) + " \\\\")
    lines += ["\\bottomrule", "\\end{tabular}"]
    for i, note in enumerate(table.notes):
        lines += ["", "\\medskip" if i == 0 else "", f"\\parbox{{\\linewidth}}{{\\footnotesize {latex(note)}}}"]
    lines.append("\\end{table}")
    return "\n".join(line for i, line in enumerate(lines) if line or lines[i - 1]) + "\n"


def _latex_lines(text: str, strong: bool = False) -> str:
    """One cell; several lines are a small table of their own."""
    lines = [latex(line.strip()) for line in text.split("\n")]
    if strong:
        lines = [f"\\textbf{{{line}}}" if line else "" for line in lines]
    if len(lines) == 1:
        return lines[0]
    return "\\begin{tabular}[t]{@{}l@{}}" + "\\\\".join(lines) + "\\end{tabular}"


def to_html(table: Table) -> str:
    """A bare <table> with its title as caption and its notes at the foot, everything escaped.

    Classes: `wide` of a table that does not fit a telephone, `number` and `words` of cells, `strong` and `section` of
    rows, `note` of the notes. Each cell has its heading as `data-label`, so that rows can be shown as lists.
    """
    grouped = any(column.group for column in table.columns)
    rows = ' rowspan="2"' if grouped else ""
    wide = _line(table, list(range(len(table.columns))), 16) > TELEPHONE
    lines = ['<table class="wide">' if wide else "<table>", f"<caption>{markup(table.title)}</caption>", "<thead>"]
    upper = [f'<th scope="col"{rows}>{markup(table.first)}</th>']
    for span in _spans(table.columns):
        column = table.columns[span[0]]
        if column.group:
            upper.append(f'<th scope="colgroup" colspan="{len(span)}">{markup(column.group)}</th>')
        else:
            upper.append(f'<th scope="col"{rows}>{markup(column.name)}</th>')
    lines.append("<tr>" + "".join(upper) + "</tr>")
    if grouped:
        lower = [f'<th scope="col">{markup(column.name)}</th>' for column in table.columns if column.group]
        lines.append("<tr>" + "".join(lower) + "</tr>")
    lines += ["</thead>", "<tbody>"]
    kinds = [
        f'class="{"words" if _is_words(table, n) else "number"}" data-label="{markup(column.heading)}"'
        for n, column in enumerate(table.columns)
    ]
    for i, row in enumerate(table.rows):
        classes = " ".join(["strong"] * row.strong + ["section"] * (row.section and i > 0))
        label, *cells = map(markup, _texts(table, row))
        tags = [f"<td {kind}>{cell}</td>" for kind, cell in zip(kinds, cells, strict=True)]
        start = f'<tr class="{classes}">' if classes else "<tr>"
        lines.append(f'{start}<th scope="row">{label}</th>{"".join(tags)}</tr>')
    lines.append("</tbody>")
    if table.notes:
        lines.append("<tfoot>")
        width = len(table.columns) + 1
        lines += [f'<tr><td class="note" colspan="{width}">{markup(note)}</td></tr>' for note in table.notes]
        lines.append("</tfoot>")
    return "\n".join([*lines, "</table>"]) + "\n"


def to_json(table: Table) -> str:
    """Everything that the table is, to be read back."""
    return json.dumps(asdict(table), ensure_ascii=False, indent=1) + "\n"


def from_json(text: str) -> Table:
    """The table that `to_json` wrote.

    Raises:
        ValueError: it did not.
    """
    try:
        values = json.loads(text)
        rows = tuple(
            Row(row["label"], tuple(Cell(**cell) for cell in row["cells"]), row["strong"], row["section"])
            for row in values["rows"]
        )
        columns = tuple(Column(**column) for column in values["columns"])
        table = Table(values["name"], values["title"], values["first"], columns, rows, tuple(values["notes"]))
        to_html(table)  # whose parts are texts and numbers
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Refused(f"Expected a table as `integralaction reproduce` writes it; found another ({error}).") from error
    return table


def split_columns(table: Table, most: int) -> list[Table]:
    """The table as tables of at most so many characters a line, whose groups of columns stay together.

    The first has the title, the last the notes; a single group that is wider stays as it is. Rows of which a part has
    nothing are left out of it.
    """
    parts: list[list[int]] = []
    for span in _spans(table.columns):
        together = [*parts[-1], *span] if parts else span
        if parts and _line(table, together, 40) <= most:
            parts[-1] = together
        else:
            parts.append(span)
    made = []
    for numbers in parts or [[]]:
        columns = tuple(table.columns[n] for n in numbers)
        every = (replace(row, cells=tuple(row.cells[n] for n in numbers)) for row in table.rows)
        rows = tuple(row for row in every if len(parts) < 2 or any(cell.shown(0) for cell in row.cells))
        made.append(Table(table.name, table.title if not made else "", table.first, columns, rows))
    return [*made[:-1], replace(made[-1], notes=table.notes)]


def _line(table: Table, numbers: list[int], label: int) -> int:
    """Characters of a line of these columns; labels are wrapped where they are longer than `label`."""
    first, *others = _widths(table, numbers)
    return min(first, label) + sum(others) + 2 * len(others)


def write_table(table: Table, folder: Path) -> list[Path]:
    """Write FOLDER/NAME.csv, .md, .tex and .json, each aside and then renamed.

    Returns:
        The four paths.
    """
    made = {"csv": to_csv(table), "md": to_markdown(table), "tex": to_latex(table), "json": to_json(table)}
    paths = [folder / f"{table.name}.{ending}" for ending in made]
    for path, text in zip(paths, made.values(), strict=True):
        write_text(path, text, errors="backslashreplace")
    return paths
