"""Shared by all tests: shapes are checked at run time, and the folder of real data is found where it is there."""

from pathlib import Path

# before the hook below: what is imported first within a hooked module is compiled anew by every process, and pickles,
# which has no tensors, reads byte by byte, so that checked calls would be most of the time of its tests
import lightning.pytorch  # noqa: F401
import pytest
import torch
from jaxtyping import install_import_hook

import integralaction.pickles  # noqa: F401

# every jaxtyping annotation of the package is checked while the tests run; in production they cost nothing
install_import_hook("integralaction", "typechecker.check")

# the toys are too small for more threads, which on a busy machine wait for each other
torch.set_num_threads(1)

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real videos and reference numbers beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"needs real data and reference numbers in {SHARED}, which is not there")
    return SHARED
