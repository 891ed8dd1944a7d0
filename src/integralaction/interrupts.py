"""Ctrl-C and a request to end: no traceback, one line, and the status that a shell expects, from the first instant on.

Nothing large is imported here, so that it stands before the imports that take seconds.
"""

import os
import signal
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

# commands that go on where they were stopped
CONTINUED = ("mime", "import", "pose", "convert", "train", "evaluate", "audit", "reproduce")

_state: dict[str, int] = {"signal": 0}  # the signal that stopped this call; 0: none


def watch(arguments: Sequence[str]) -> None:
    """From here on Ctrl-C and SIGTERM end the process with 130 and 143; in the midst of work as a KeyboardInterrupt.

    While a module is imported the process ends at once: there is nothing to clean up, and an import that is broken off
    leaves halves. A second Ctrl-C ends at once as well. Signals that the caller ignores stay ignored.

    Args:
        arguments: the command line, of which the message says whether it can be continued.
    """
    process = os.getpid()

    def leave(number: int) -> None:
        shown = "\033[?25h" if os.isatty(2) else ""  # a bar hides the cursor
        _write(f"{shown}integralaction: {stop_message(arguments)}\n")
        os._exit(128 + number)

    def act(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a copy of this process, which ends it
            if number == signal.SIGTERM:
                os._exit(128 + number)
            return
        if _state["signal"] or _is_importing(frame):
            leave(number)
        _state["signal"] = number
        raise KeyboardInterrupt

    def unraisable(error: Any) -> None:
        if isinstance(error.exc_value, KeyboardInterrupt):  # it came where it could not be raised
            leave(_state["signal"] or signal.SIGINT)
        sys.__unraisablehook__(error)

    def in_thread(error: Any) -> None:
        if not _state["signal"]:  # once stopped, what threads miss is no news
            threading.__excepthook__(error)

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, act)
    sys.unraisablehook = unraisable
    threading.excepthook = in_thread


def finish() -> None:
    """The work is done, only the interpreter is still to end: Ctrl-C changes nothing any more, SIGTERM ends it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def stop_status() -> int:
    """The exit status of a call that was stopped; 0 where it was not."""
    return 128 + _state["signal"] if _state["signal"] else 0


def stop_message(arguments: Sequence[str]) -> str:
    """What is said of a call that was stopped: of those that can be continued that they can."""
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    return "Stopped; the same command continues where it was." if command in CONTINUED else "Stopped."


@contextmanager
def unheard_by_children() -> Generator[None]:
    """Processes that are started within do not hear Ctrl-C, which goes to all of a terminal: this process ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def children_end_too() -> Generator[None]:
    """Where what is within is stopped, the processes that work for it are ended: a pool would wait for all its work."""
    try:
        yield
    except KeyboardInterrupt:
        from multiprocessing import active_children

        for child in active_children():
            child.terminate()
        raise


def _is_importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


def _write(text: str) -> None:
    """To standard error by the system's call: Python's own may be in the midst of a line."""
    with suppress(OSError):
        os.write(2, text.encode("ascii", "backslashreplace"))
