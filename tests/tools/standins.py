"""Commands and readers with known faults, given to the tools in a process that can be forked; prints what they say."""

import ctypes
import json
import sys
import time
from pathlib import Path

from integralaction.files import write_text
from tools import fuzz, kills, tears, toys
from tools.apart import run_apart
from tools.targets import Target
from tools.toys import Command

WHOLE = "one\ntwo\n"


def in_place(_: list[str]) -> int:
    """Writes in two parts under the final name, and takes a file that is there for whole."""
    path = Path("out.txt")
    if not path.is_file():
        path.write_text("one\n")
        with path.open("a") as file:
            file.write("two\n")
    return 0


def aside(_: list[str]) -> int:
    """Writes whole or not at all, but does not look at what is there."""
    if not Path("out.txt").is_file():
        write_text(Path("out.txt"), WHOLE)
    return 0


def unflushed(_: list[str]) -> int:
    """Writes aside and renames, without a flush."""
    if not Path("out.txt").is_file():
        Path("out.part").write_text(WHOLE)
        Path("out.part").rename("out.txt")
    Path("done").mkdir(exist_ok=True)
    return 0


def checked(_: list[str]) -> int:
    """Looks at what is there, and makes it again."""
    if not Path("out.txt").is_file() or Path("out.txt").read_text() != WHOLE:
        write_text(Path("out.txt"), WHOLE)
    return 0


def refusing(_: list[str]) -> int:
    """Will not go on."""
    if Path("out.txt").exists():
        print("Expected a new folder; there is one.")
        return 2
    return in_place(_)


def kill_faults(yard: kills.Yard) -> dict[str, list[str]]:
    """The faults of each, as how it ended and the verdict."""
    commands = [Command(run.__name__, "nothing", "", run) for run in (in_place, aside, unflushed, checked, refusing)]
    return {
        command.name: [f"{kill.end}: {kill.verdict}" for kill in kills.kill_everywhere(command, yard).faults]
        for command in commands
    }


def tear_verdicts(yard: kills.Yard) -> dict[str, list[str]]:
    """The verdicts of each, of a file torn after it."""
    return {
        run.__name__: [
            tear.verdict
            for tear in tears.tear_everything(Command(run.__name__, "nothing", "", run), yard)
            if tear.when == "after"
        ]
        for run in (aside, checked, refusing)
    }


def sample(root: Path) -> list[Path]:
    root.mkdir(parents=True)
    (root / "x.txt").write_bytes(bytes(range(64)))
    return [root / "x.txt"]


def read(path: Path) -> str:
    """Every way to fail, by the first byte that is another."""
    content = path.read_bytes()
    changed = next((i for i, byte in enumerate(content) if byte != i), len(content))
    if changed < 5:
        raise ValueError("Expected another file.")
    if changed < 15:
        raise KeyError("key")
    if changed < 25:
        ctypes.string_at(0)
    if changed < 35:
        time.sleep(100)
    if changed < 45:
        bytearray(2**33)
    return "same" if changed == 64 else "other"


def mutant_verdicts(root: Path) -> list[str]:
    fuzz.PATIENCE = 0.3
    return sorted(set(fuzz.fuzz(Target("bytes", sample, read, 60), root, 2).verdicts))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    assert toys.STARTS["nothing"] is toys.nothing
    ending = run_apart(lambda: time.sleep(100), folder, seconds=0.2)
    results = {
        "killed": kill_faults(kills.Yard(folder)),
        "torn": tear_verdicts(kills.Yard(folder)),
        "mutated": mutant_verdicts(folder),
    }
    print(json.dumps(results | {"hung": ending.is_hung and ending.status}))
