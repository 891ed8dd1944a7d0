"""`python -m integralaction` and the command `integralaction`."""

import os
import sys


def main() -> None:
    """Run the command line and exit: 0 done, 1 the work failed, 2 the call was wrong."""
    # Threads of the CPU's parallel runtime wait for each other in a loop. On a machine that does something else too
    # the default made training 34 times slower; a short loop costs a tenth on an idle one. Read when torch is loaded.
    os.environ.setdefault("GOMP_SPINCOUNT", "1000")
    from integralaction.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
