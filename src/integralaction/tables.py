"""A table of results, and its renderings as CSV, Markdown and LaTeX; `terminal` prints it, `page` shows it in HTML.

Cells hold the numbers themselves; how many digits are shown is the column's business, and the CSV has more of them.
"""

# ruff: noqa: RUF001 (the marks that papers use)

import csv
import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len

from integralaction.errors import Refused
from integralaction.escapes import escape_csv, escape_latex, escape_markdown, is_numbers

MORE_DIGITS = 4  # in the CSV, beyond those that are shown
GAP = 2  # characters between two columns of plain text


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

    def as_text(self, digits: int) -> str:
        """The cell as people read it."""
        if self.text or self.value is None:
            return self.text
        if math.isnan(self.value):
            return "–"
        number = f"{self.value:.{digits}f}"
        return number if self.spread is None else f"{number} ± {self.spread:.{digits}f}"


def percent_cell(share: float, low: float, high: float, digits: int = 1) -> Cell:
    """A share of 0..1 in per cent with its interval: `72.2 [68.1, 76.0]`.

    Args:
        digits: of the interval's ends.
    """
    return Cell(text=f"{100 * share:.1f} [{100 * low:.{digits}f}, {100 * high:.{digits}f}]")


@dataclass(frozen=True)
class Column:
    """A column's heading and how its numbers are shown.

    Attributes:
        group: heading above several columns that stand side by side; '' for none.
        name: of the column.
        digits: after the decimal point.
        bars: the numbers are shares of 0..1, before which HTML draws bars.
    """

    group: str
    name: str
    digits: int = 1
    bars: bool = False

    @property
    def heading(self) -> str:
        """Group and name, for formats that have one line of headings."""
        return f"{self.group} {self.name}".strip()


def plain_columns(names: Sequence[str], digits: int = 1) -> tuple[Column, ...]:
    """Columns of these names without groups."""
    return tuple(Column("", name, digits) for name in names)


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
        title: a line above it; '' for none.
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

    def texts(self, row: Row) -> list[str]:
        """The label and the cells of a row as people read them."""
        cells = (cell.as_text(column.digits) for cell, column in zip(row.cells, self.columns, strict=True))
        return [row.label, *cells]

    def column_texts(self, number: int) -> list[str]:
        """The cells of a column as people read them."""
        return [row.cells[number].as_text(self.columns[number].digits) for row in self.rows]

    def is_words(self, number: int) -> bool:
        """Whether a column is read as text, and stands at the left."""
        return not all(map(is_numbers, self.column_texts(number)))


def emphasize_row(table: Table, label: str) -> Table:
    """The table with the row of this label in bold."""
    return replace(table, rows=tuple(replace(row, strong=row.label == label) for row in table.rows))


# ---- columns side by side, and below one another


def group_spans(columns: Sequence[Column]) -> list[list[int]]:
    """Column numbers of each group; a column without a group stands alone."""
    spans: list[list[int]] = []
    for number, column in enumerate(columns):
        if spans and column.group and columns[number - 1].group == column.group:
            spans[-1].append(number)
        else:
            spans.append([number])
    return spans


def text_width(text: str) -> int:
    """Characters of its widest line; those of Chinese, Japanese and Korean count twice."""
    return max(map(cell_len, text.split("\n")))


def column_widths(table: Table) -> list[int]:
    """Characters of the label column and of the others; a group's columns share the width of a long heading."""
    widths = [max(map(text_width, [table.first, *(row.label for row in table.rows)]))]
    for span in group_spans(table.columns):
        of_span = [max(map(text_width, [table.columns[n].name, *table.column_texts(n)])) for n in span]
        lacking = cell_len(table.columns[span[0]].group) - sum(of_span) - GAP * (len(span) - 1)
        for i in range(max(lacking, 0)):
            of_span[i % len(of_span)] += 1
        widths += of_span
    return widths


def split_columns(table: Table, fits: Callable[[Table], bool]) -> list[Table]:
    """The table as tables that fit, whose groups of columns stay together where a group alone fits.

    The first has the title, the last the notes; a single column that does not fit stays as it is. Rows of which a part
    has nothing are left out of it.
    """
    if not table.columns or fits(table):
        return [table]
    parts: list[list[int]] = [[]]
    for span in group_spans(table.columns):
        for block in [span] if fits(_part(table, span)) else [[number] for number in span]:
            if parts[-1] and not fits(_part(table, parts[-1] + block)):
                parts.append([])
            parts[-1] += block
    first, *others = (_part(table, numbers) for numbers in parts)
    tables = [replace(first, title=table.title), *others]
    return [*tables[:-1], replace(tables[-1], notes=table.notes)]


def _part(table: Table, numbers: list[int]) -> Table:
    """Some of the columns, without title and notes."""
    rows = (replace(row, cells=tuple(row.cells[n] for n in numbers)) for row in table.rows)
    rows = tuple(row for row in rows if any(cell.as_text(0) for cell in row.cells))
    return Table(table.name, "", table.first, tuple(table.columns[n] for n in numbers), rows)


# ---- renderings


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
    writer.writerow(map(escape_csv, heading))
    for row in table.rows:
        values = [_one_line(row.label)]
        for cell, column, has_spread in zip(row.cells, table.columns, spreads, strict=True):
            values.append(_one_line(cell.text) if cell.text else _format_number(cell.value, column.digits))
            if has_spread:
                values.append(_format_number(cell.spread, column.digits))
        writer.writerow(map(escape_csv, values))
    return file.getvalue()


def _format_number(value: float | None, digits: int) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.{digits + MORE_DIGITS}f}"


def _one_line(text: str) -> str:
    return " ".join(text.split())


def to_markdown(table: Table) -> str:
    """A Markdown table: the title in bold, one line of headings, the notes below as lines of their own."""
    headings = [table.first, *(column.heading for column in table.columns)]
    sides = ["---", *("---" if table.is_words(n) else "---:" for n in range(len(table.columns)))]
    lines = [f"**{escape_markdown(table.title)}**", ""] if table.title else []
    lines.append("| " + " | ".join(map(escape_markdown, headings)) + " |")
    lines.append("| " + " | ".join(sides) + " |")
    for row in table.rows:
        texts = [text if is_numbers(text) and "\n" not in text else escape_markdown(text) for text in table.texts(row)]
        lines.append("| " + " | ".join(f"**{text}**" if row.strong and text else text for text in texts) + " |")
    for note in table.notes:
        lines += ["", escape_markdown(note)]
    return "\n".join(lines) + "\n"


def to_latex(table: Table) -> str:
    """A LaTeX table for plain pdflatex with the package booktabs; it can be put into a paper by \\input."""
    sides = "".join("l" if table.is_words(n) else "r" for n in range(len(table.columns)))
    lines = [
        "% needs \\usepackage{booktabs}; this file is UTF-8",
        "\\begin{table}",
        "\\centering",
        f"\\caption{{{escape_latex(table.title)}}}",
        f"\\label{{tab:{table.name}}}",
        f"\\begin{{tabular}}{{l{sides}}}",
        "\\toprule",
    ]
    spans = group_spans(table.columns)
    if any(column.group for column in table.columns):
        groups, rules, start = [""], "", 2
        for span in spans:
            group = table.columns[span[0]].group
            groups.append(f"\\multicolumn{{{len(span)}}}{{c}}{{{escape_latex(group)}}}" if group else "")
            rules += f"\\cmidrule(lr){{{start}-{start + len(span) - 1}}}" if group else ""
            start += len(span)
        lines += [" & ".join(groups) + " \\\\", rules]
    lines.append(" & ".join(_latex_lines(name) for name in (table.first, *(c.name for c in table.columns))) + " \\\\")
    lines.append("\\midrule")
    for i, row in enumerate(table.rows):
        if row.section and i:
            lines.append("\\midrule")
        texts = [_latex_lines(text, row.strong) for text in table.texts(row)]
        lines.append(" & ".join(texts) + " \\\\")
    lines += ["\\bottomrule", "\\end{tabular}"]
    for i, note in enumerate(table.notes):
        lines += ["", "\\medskip" if i == 0 else "", f"\\parbox{{\\linewidth}}{{\\footnotesize {escape_latex(note)}}}"]
    lines.append("\\end{table}")
    return "\n".join(line for i, line in enumerate(lines) if line or lines[i - 1]) + "\n"


def _latex_lines(text: str, strong: bool = False) -> str:
    """One cell; several lines are a small table of their own."""
    lines = [escape_latex(line.strip()) for line in text.split("\n")]
    if strong:
        lines = [f"\\textbf{{{line}}}" if line else "" for line in lines]
    if len(lines) == 1:
        return lines[0]
    return "\\begin{tabular}[t]{@{}l@{}}" + "\\\\".join(lines) + "\\end{tabular}"
