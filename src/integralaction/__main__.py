"""`python -m integralaction` and the command `integralaction`."""

import io
import os
import sys
import warnings

from integralaction.interrupts import finish, watch

# read when torch, ONNX Runtime and the processes of a command are loaded
ENVIRONMENT = {
    # Threads of the CPU's parallel runtime wait for each other in a loop. On a machine that does something else too
    # the default made training 34 times slower; a short loop costs a tenth on an idle one.
    "GOMP_SPINCOUNT": "1000",
    "ORT_DISABLE_TELEMETRY": "1",  # ONNX Runtime would report to its maker
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TORCH_CPP_LOG_LEVEL": "ERROR",  # hints for those who build PyTorch
}


def main() -> None:
    """Run the command line and exit: 0 done, 1 the work failed, 2 the call was wrong, 70 unforeseen, 130 or 143 it was
    stopped."""
    arguments = sys.argv[1:]
    watch(arguments)
    mend_streams()
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    if "--debug" not in arguments and not sys.warnoptions:  # libraries warn of what only their callers can change
        warnings.simplefilter("ignore")
        os.environ.setdefault("PYTHONWARNINGS", "ignore")
    from integralaction.cli.main import run

    status = run(arguments)
    finish()
    sys.exit(status)


def mend_streams() -> None:
    """Make the standard streams such that printing never fails: closed ones lead nowhere, and a sign that the terminal
    cannot show is written out."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            # the lowest number that is free: the stream's own, which no other file must get
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(number, "r" if name == "stdin" else "w", encoding="utf-8"))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


if __name__ == "__main__":
    main()
