"""What this project refuses. Each message is one sentence: what was expected, what was found, what to do.

Every other exception is a fault of the program, but for the system's own (OSError: a full disk, a lost connection).
"""


class Refused(ValueError):
    """Input that is not what it should be, or a call that cannot be answered."""

    exit_status = 2  # the call was wrong


class MissingFile(Refused, FileNotFoundError):
    """A file or folder that was named and is not there."""


class MissingExtra(Refused, ModuleNotFoundError):
    """A library that only an extra of this package brings."""

    exit_status = 1  # the call was right; the work cannot be done here


class Diverged(Refused, ArithmeticError):
    """A training whose numbers are no longer finite."""

    exit_status = 1
