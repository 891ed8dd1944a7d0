"""What harms the commands on purpose and looks at what they make of it: kills, torn files, mutated files.

`python -m tools.hardening --write` (or `make hardening`) does all of it and writes docs/results/hardening.md. No part
of the package.
"""

import os

for _library in ("OMP", "OPENBLAS", "MKL"):  # before they are loaded: a process of one thread alone can be forked
    os.environ.setdefault(f"{_library}_NUM_THREADS", "1")
