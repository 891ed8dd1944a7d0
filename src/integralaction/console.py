"""What the commands print beside their results: names that cannot play tricks on a terminal, and progress."""

import sys
import threading
import time
import traceback
import unicodedata
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

EVERY = 30.0  # seconds between two lines of progress where nobody looks at a bar

T = TypeVar("T")

debug = ContextVar("debug", default=False)  # whether the command line has --debug


def printable(text: str) -> str:
    """The text with everything written out that a terminal would act on: escapes, control and direction marks."""
    return "".join(c if c.isprintable() or c == "\n" else _escape(c) for c in text)


def _escape(character: str) -> str:
    if unicodedata.category(character) == "Zs":  # wide and thin spaces do no harm
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def show_origin(error: BaseException) -> None:
    """Print the traceback of an error that does not end the work, if the command line has --debug."""
    if debug.get():
        traceback.print_exception(error)


def one_line(error: BaseException) -> str:
    """The message of an error on one line; its kind where it says nothing."""
    text = str(error)
    if "Original Traceback" in text:  # of a loader process: the error itself is the last line
        text = text.strip().splitlines()[-1].partition(": ")[2]
    return " ".join(printable(text).split()) or type(error).__name__


def say(line: str) -> None:
    """A remark on standard error."""
    print(printable(line), file=sys.stderr, flush=True)


def show(text: str) -> None:
    """A part of the answer, on standard output."""
    print(printable(text), flush=True)


class Tables(Console):
    """Standard output for tables and text whose words are names of others: none is taken for markup or an escape."""

    def render_str(self, text: str, **options: Any) -> Text:
        options |= {"markup": False, "emoji": False, "highlight": False}
        return super().render_str(printable(text), **options)


@contextmanager
def progress(what: str, total: int | None, before: int = 0) -> Generator[Callable[[int], None]]:
    """Show the progress of work: a bar on a terminal, elsewhere a line on standard error every half minute.

    Args:
        what: the work, as a word that ends in -ing.
        total: how much there is to do; None where that is unknown.
        before: how much of it earlier calls have done.

    Yields:
        A function to call with how much more is done.
    """
    console = Console(stderr=True)
    if console.is_terminal:
        columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
        with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as bar:
            task = bar.add_task(what, total=total, completed=before)
            yield lambda count: bar.advance(task, count)
        return
    lines = _Lines(what, total, before)
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(EVERY):
            say(lines.line())

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield lines.advance
    finally:
        ended.set()


def track(items: Iterable[T], what: str, total: int | None) -> Iterator[T]:
    """The items, with `progress` shown while they are taken one after another."""
    with progress(what, total) as advance:
        for item in items:
            yield item
            advance(1)


class _Lines:
    """The progress of work, in words."""

    def __init__(self, what: str, total: int | None, before: int) -> None:
        self._what, self._total, self._before, self._count = what, total, before, 0
        self._start = time.monotonic()

    def advance(self, count: int) -> None:
        self._count += count

    def line(self) -> str:
        seconds = time.monotonic() - self._start
        finished = self._before + self._count
        if not self._total:
            return f"{self._what}: {finished} done after {seconds:.0f} s"
        remainder = f", about {seconds / self._count * (self._total - finished):.0f} s left" if self._count else ""
        return f"{self._what}: {finished} of {self._total} after {seconds:.0f} s{remainder}"
