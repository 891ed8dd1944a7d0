"""Text as each kind of file takes it: Markdown, LaTeX, HTML, csv that is opened as a spreadsheet.

Names of classes, splits and videos come from other people's files. What a reader of these formats would take for a
command of its own is written so that it is read as text; control characters are written out everywhere.
"""

# ruff: noqa: RUF001 (the marks that papers use)

import html
import re

from integralaction.console import printable

_NUMBERS = re.compile(r"[-+±×−–.,%()\[\]/\d\s]*")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")  # what begins one in the common spreadsheets

_LATEX = {
    "\\": r"\textbackslash{}",
    **{mark: "\\" + mark for mark in "{}$&%#_"},
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": "$<$",
    ">": "$>$",
    "|": "$|$",
    "[": "{[}",  # after \\ it would begin an option, and so would the star
    "]": "{]}",
    "*": "{*}",
    '"': "''",
    "–": "--",
    "—": "---",
    "…": r"\ldots{}",
    "‘": "`",
    "’": "'",
    "“": "``",
    "”": "''",
    "\u00a0": "~",
    **{
        mark: f"${command}$"
        for mark, command in {
            "±": r"\pm",
            "×": r"\times",
            "·": r"\cdot",
            "⊙": r"\odot",
            "−": "-",
            "²": "^2",
            "³": "^3",
            "≤": r"\leq",
            "≥": r"\geq",
            "≈": r"\approx",
            "≠": r"\neq",
            "∈": r"\in",
            "→": r"\to",
            "↑": r"\uparrow",
            "↓": r"\downarrow",
            "∞": r"\infty",
            "′": "'",
            "✓": r"\surd",
            "✗": r"\times",
            "α": r"\alpha",
            "β": r"\beta",
            "γ": r"\gamma",
            "δ": r"\delta",
            "ε": r"\epsilon",
            "θ": r"\theta",
            "λ": r"\lambda",
            "μ": r"\mu",
            "µ": r"\mu",
            "π": r"\pi",
            "ρ": r"\rho",
            "σ": r"\sigma",
            "τ": r"\tau",
            "φ": r"\phi",
            "Δ": r"\Delta",
            "Σ": r"\Sigma",
        }.items()
    },
}
# T', F_A, F'_P, TCB_A: the paper's letters
_SYMBOL = re.compile(r"\b([A-Z]+)('?)_([A-Z])\b|\b([A-Z])'(?!\w)")


def is_numbers(text: str) -> bool:
    """Whether a text is made of numbers and the marks between them: `1.5 ± 0.2`, `+2 [-1, 5]`, or empty."""
    return _NUMBERS.fullmatch(text) is not None


def escape_csv(value: object) -> object:
    """A cell of a csv file for people: text that a spreadsheet would calculate begins with an apostrophe.

    Numbers stay as they are. Not for files that are read again, which must keep names as they are.
    """
    if not isinstance(value, str):
        return value
    text = printable(value)
    return f"'{text}" if value.startswith(_FORMULA) and not is_numbers(value) else text


def escape_markdown(text: str) -> str:
    """Text in Markdown, also in a cell of a table; its lines are kept by breaks."""
    marks = r"([\\|*_<`\[\]~$]|&(?=#?\w+;))"
    return "<br>".join(re.sub(marks, r"\\\1", line.strip()) for line in printable(text).split("\n"))


def escape_html(text: str) -> str:
    """Text in HTML, also in an attribute; its lines are kept by breaks."""
    return html.escape(printable(text)).replace("\n", "<br>")


def escape_latex(text: str) -> str:
    """Text whose every mark plain pdflatex takes; the paper's letters become mathematics."""
    text = printable(text)
    escaped, end = "", 0
    for symbol in _SYMBOL.finditer(text):
        escaped += _escape_marks(text[end : symbol.start()])
        name, prime, of, letter = symbol.groups()
        escaped += f"${letter}'$" if letter else f"$\\mathrm{{{name}}}{prime}_{{\\mathrm{{{of}}}}}$"
        end = symbol.end()
    return escaped + _escape_marks(text[end:])


def _escape_marks(text: str) -> str:
    return "".join(_LATEX.get(mark, mark) for mark in text)
