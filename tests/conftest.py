"""Shared by all tests: shapes are checked at run time, and the folder of real data is found where it is there."""

from pathlib import Path

import pytest
import torch
from jaxtyping import install_import_hook

# before the hook below: pickles has no tensors and reads byte by byte, so that checked calls would be most of the time
# of its tests; what is imported first within a hooked module is compiled anew by every process
import integralaction.pickles  # noqa: F401

# every jaxtyping annotation of the package is checked while the tests run; in production they cost nothing
install_import_hook("integralaction", "typechecker.check")

# the toys are too small for more threads, which on a busy machine wait for each other
torch.set_num_threads(1)

SHARED = Path(__file__).parents[2] / "shared"

# what `make quick` leaves out: tests of more than a second, or files most of whose time is in such. `make quick` prints
# its slowest tests: one that takes seconds is made smaller, or belongs here
SLOW = (
    *("checkpoints/", "examples/", "figures/", "mime/", "reproduce/test_items.py", "tools/test_hardening.py"),
    *("importers/test_odd_pickles.py", "importers/test_stopped.py"),
    *("testing/test_audit.py", "test_bad_data.py", "test_docs_run.py", "test_format1.py", "testing/test_evaluate.py"),
    *("test_package.py", "importers/test_pose.py", "report/test_run_page.py", "training/"),
    "cli/test_cli.py::test_a_real_network_sees_a_person_but_not_in_a_close_up",
    "test_pickles.py::test_hostile_pickles_are_read_or_refused_and_do_no_harm",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent
    if missing := [name for name in SLOW if not (tests / name.partition("::")[0]).exists()]:
        raise pytest.UsageError(
            f"Expected the files of SLOW in {tests}; {missing} are not there: mend SLOW in conftest.py."
        )
    for item in items:
        if item.nodeid.removeprefix("tests/").startswith(SLOW):
            item.add_marker("slow")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of real videos and reference numbers beside the checkout."""
    if not SHARED.is_dir():
        pytest.skip(f"needs real data and reference numbers in {SHARED}, which is not there")
    return SHARED
