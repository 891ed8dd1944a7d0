"""Shared by all tests: shapes are checked at run time, and the folder of real data is found where it is there."""

from pathlib import Path

import pytest
from jaxtyping import install_import_hook

# every jaxtyping annotation of the package is checked while the tests run; in production they cost nothing
install_import_hook("integralaction", "beartype.beartype")

SHARED = Path(__file__).parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real videos and reference numbers beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"needs real data and reference numbers in {SHARED}, which is not there")
    return SHARED
