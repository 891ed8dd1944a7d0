"""`python -m integralaction` and the command `integralaction`."""

import sys

from integralaction.cli import run


def main() -> None:
    """Run the command line and exit: 0 done, 1 the work failed, 2 the call was wrong."""
    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
