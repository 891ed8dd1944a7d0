"""The command line. Each command is a thin layer over one function; what it needs is imported when it is called."""

import errno
import os
import shlex
import sys

from cyclopts import App, CycloptsError, MissingArgumentError, Parameter, UnusedCliTokensError

from integralaction.cli.data import mime, pose, show_data
from integralaction.cli.models import audit, convert, evaluate, train
from integralaction.cli.paper import report, reproduce
from integralaction.cli.predict import predict
from integralaction.console import debug, one_line, say, show_origin
from integralaction.errors import Refused
from integralaction.interrupts import stop_message, stop_status

UNFORESEEN = 70  # exit status where the fault is the program's own

app = App(
    name="integralaction",
    help="Recognise human actions in video without being fooled by the scene.",
    help_epilogue="Add --debug to any command to see where an error comes from.",
    result_action="return_value",
    exit_on_error=False,
    print_error=False,
    default_parameter=Parameter(negative=()),
    suppress_keyboard_interrupt=False,
)
for command in (predict, mime, pose, train, evaluate, audit, reproduce, report, convert):
    app.command(command)
app.command(show_data, name="data")
app.command(
    "integralaction.cli.imports:imports",  # by its name, as it needs all importers: they are loaded when it is called
    name="import",
    help="Make a data set folder of a public data set, of a folder of videos, or of pose files.",
)


def run(arguments: list[str]) -> int:
    """Run a command line; the exit status: 0 done, 1 the work failed, 2 the call was wrong, 70 unforeseen, 130 or 143
    stopped."""
    debug.set("--debug" in arguments)
    try:
        status = _call([argument for argument in arguments if argument != "--debug"])
        sys.stdout.flush()
        return status
    except KeyboardInterrupt:
        return _stopped(arguments)
    except Exception as error:
        if stop_status():  # what libraries make of it
            return _stopped(arguments)
        if isinstance(error, BrokenPipeError):  # who read the output has seen enough
            _silence()
            return 1
        show_origin(error)
        return _failed(error)


def _call(arguments: list[str]) -> int:
    try:
        return app(arguments) or 0
    except MissingArgumentError:
        # an option of many values before them has taken those that stand for themselves: --split train RUN
        if (other := _own_first(arguments)) is None:
            raise
        return app(other) or 0


def _own_first(arguments: list[str]) -> list[str] | None:
    """The command line with the last value of the last option of many before all options; None: there is none."""
    first = 2 if arguments[:1] == ["import"] else 1
    for place in range(len(arguments) - 1, first, -1):
        is_last = place + 1 == len(arguments) or arguments[place + 1].startswith("-")
        before = arguments[place - 1]
        is_more = not before.startswith("-") or "=" in before
        if is_last and is_more and not arguments[place].startswith("-"):
            others = [*arguments[first:place], *arguments[place + 1 :]]
            return [*arguments[:first], arguments[place], *others]
    return None


def _stopped(arguments: list[str]) -> int:
    _tell(stop_message(arguments))
    return stop_status() or 130


def _failed(error: Exception) -> int:
    """Say in one sentence what went wrong; the exit status."""
    if isinstance(error, UnusedCliTokensError):
        _tell(f"Expected no more arguments; found {shlex.join(error.unused_tokens or ())}. See --help.")
        return 2
    if isinstance(error, CycloptsError):
        _tell(f"{one_line(error)} See --help.")
        return 2
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        _tell("The disk is full; free some space, then give the same command again.")
        return 1
    if isinstance(error, Refused):
        _tell(one_line(error))
        return error.exit_status
    if isinstance(error, OSError):  # the system's refusal: a closed folder, a connection that broke off
        _tell(one_line(error))
        return 1
    cause = f"{type(error).__name__}: {one_line(error)}"
    _tell(f"Something failed that was not foreseen ({cause}). Add --debug to see where.")
    return UNFORESEEN


def _tell(sentence: str) -> None:
    say(f"integralaction: {sentence}")


def _silence() -> None:
    """Let what is still to be written lead nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
