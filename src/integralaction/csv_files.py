"""Tables in csv files, whoever wrote them: any usual separator, byte order mark, quotes and line ends."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path

from integralaction.errors import MissingFile, Refused

SEPARATORS = ",;\t|"
LARGEST = 2**30  # bytes: a row of each of five million videos


@dataclass(frozen=True)
class CsvTable:
    """A csv file, read.

    Attributes:
        names: of the columns, without spaces around them.
        rows: line number and fields of each row; lines without any text are left out.
        separator: the character between two fields.
        is_ended: the last line has its line end, as in every file that was written whole.
    """

    names: tuple[str, ...]
    rows: list[tuple[int, list[str]]] = field(repr=False)
    separator: str = ","
    is_ended: bool = True


def read_csv(path: Path) -> CsvTable:
    """Read a csv file whose first line names its columns.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no text, no csv, or two columns have one name.
    """
    text = _read_text(path)
    first = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=lambda mark: len(_split_line(first, mark)))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    try:
        rows = [(reader.line_num, row) for row in reader if any(value.strip() for value in row)]
    except csv.Error as error:
        raise Refused(
            f"Expected a csv file in {path}; line {reader.line_num} cannot be read ({error}). Look for a quote that "
            "is not closed."
        ) from error
    names = tuple(name.strip() for name in rows[0][1]) if rows else ()
    if repeat := next((name for name in names if name and names.count(name) > 1), None):
        raise Refused(f"Expected columns of different names in {path}; found {repeat!r} twice. Rename one.")
    return CsvTable(names, rows[1:], separator, text.endswith(("\n", "\r")))


def _read_text(path: Path) -> str:
    if not path.is_file():
        raise MissingFile(f"Expected a csv file; {path} is not there.")
    if path.stat().st_size > LARGEST:
        raise Refused(f"Expected a csv file of at most {LARGEST} bytes; {path} has {path.stat().st_size}.")
    content = path.read_bytes()
    encoding = "utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        raise Refused(f"Expected a csv file in UTF-8; {path} is none ({error}). Save it as UTF-8.") from error


def _split_line(line: str, separator: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=separator), [])
    except csv.Error:
        return []
