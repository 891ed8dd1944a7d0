"""Commands survive kills, torn and mutated files; and the tools that try this notice those that do not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tools.mutants import mutant

ROOT = Path(__file__).parents[2]

# they fork, and learn of signals and open files as Linux tells
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the tools need Linux")


def python(*arguments: str) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), os.environ.get("PYTHONPATH", "")))}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> dict:
    process = python(str(Path(__file__).with_name("standins.py")), str(tmp_path_factory.mktemp("standins")))
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout)


def test_commands_that_do_not_survive_a_kill_are_noticed(verdicts: dict) -> None:
    kills = verdicts["killed"]
    assert kills["in_place"] and all("silent: out.txt is another" in fault for fault in kills["in_place"])
    assert {fault.partition(":")[0] for fault in kills["unflushed"]} == {"power cut", "half power cut"}
    assert any("cannot go on: Expected a new folder" in fault for fault in kills["refusing"])
    assert kills["aside"] == kills["checked"] == []
    assert verdicts["hung"] == -signal.SIGKILL


def test_commands_that_take_torn_files_for_whole_are_noticed(verdicts: dict) -> None:
    assert verdicts["torn"]["aside"] == ["silent: it stays torn"] * 2
    assert verdicts["torn"]["checked"] == ["made again"] * 2
    assert all(verdict.startswith("refused without its name") for verdict in verdicts["torn"]["refusing"])


def test_every_way_to_fail_on_a_mutated_file_is_told_apart(verdicts: dict) -> None:
    assert verdicts["mutated"] == [
        "crash: SIGSEGV",
        "hangs",
        "memory",
        "otherwise",
        "refused",
        "unforeseen: KeyError in no function of the package",
    ]


def test_a_seed_makes_one_mutant() -> None:
    content = b"name: toy\nclasses: [a, b]\nframes: 12\n" * 20
    mutants = [mutant(content, (number, 0), text=True) for number in range(200)]
    assert mutants == [mutant(content, (number, 0), text=True) for number in range(200)]
    assert len(set(mutants)) > 190 and content not in mutants[:5]


def test_commands_survive_every_tenth_kill() -> None:
    names = ("import folder", "import poses", "convert --out")
    process = python("-m", "tools.hardening", "--only", "kills", "--every", "10", *(f"--name={name}" for name in names))
    assert process.returncode == 0, process.stdout + process.stderr
    assert all(f"\n{name} " in process.stdout for name in names)
