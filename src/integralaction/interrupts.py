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

    def exit_at_once(number: int) -> None:
        cursor = "\033[?25h" if os.isatty(2) else ""  # a bar hides the cursor
        _write(f"{cursor}integralaction: {stop_message(arguments)}\n")
        os._exit(128 + number)

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != process:  # a copy of this process, which ends it
            if number == signal.SIGTERM:
                os._exit(128 + number)
            return
        if _state["signal"] or _is_importing(frame):
            exit_at_once(number)
        _state["signal"] = number
        raise KeyboardInterrupt

    def handle_unraisable(error: Any) -> None:
        if isinstance(error.exc_value, KeyboardInterrupt):  # raised in a callback or destructor, which drop exceptions
            exit_at_once(_state["signal"] or signal.SIGINT)
        sys.__unraisablehook__(error)

    def report_in_thread(error: Any) -> None:
        if not _state["signal"]:  # after a stop, errors of threads are expected
            threading.__excepthook__(error)

    for number in (signal.SIGINT, signal.SIGTERM):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)
    sys.unraisablehook = handle_unraisable
    threading.excepthook = report_in_thread


def finish() -> None:
    """For when only the interpreter has still to end: from here on Ctrl-C is ignored, and SIGTERM ends at once."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def stop_status() -> int:
    """The exit status of a call that was stopped; 0 where it was not."""
    return 128 + _state["signal"] if _state["signal"] else 0


def stop_message(arguments: Sequence[str]) -> str:
    """The message of a call that was stopped; it says so where the command can be continued."""
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    return "Stopped; the same command continues where it was." if command in CONTINUED else "Stopped."


@contextmanager
def hide_interrupts_from_children() -> Generator[None]:
    """Processes started within do not get Ctrl-C, which a terminal sends to all its processes: this one ends them."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def end_children_on_interrupt() -> Generator[None]:
    """End this process's children when the work within is stopped: a pool would wait until theirs is done."""
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
