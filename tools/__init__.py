"""What tests the project from outside: it harms the commands on purpose, and counts names and sizes in the code.

`python -m tools.hardening --write` (or `make hardening`) kills the commands, tears and mutates their files, and writes
docs/results/hardening.md. `python -m tools.names` and `python -m tools.sizes` count. No part of the package.
"""

import os

for _library in ("OMP", "OPENBLAS", "MKL"):  # before they are loaded: a process of one thread alone can be forked
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
