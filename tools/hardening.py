"""Kill, tear, mutate: all of it by one command, and the page that tells.

    python -m tools.hardening [--write]              everything; --write writes docs/results/hardening.md and .csv
    python -m tools.hardening --every 10             each tenth kill, fewer torn and mutated files
    python -m tools.hardening kill train 85 kill     one kill again; so with tear and mutant

Exit status 0: no fault was found; 1: faults, each printed with the command that shows it again.
"""

import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal, TypeVar

from cyclopts import App

from tools import fuzz, kills, tears
from tools.apart import Ending, run_apart
from tools.changes import End
from tools.findings import Findings, print_findings, write_page
from tools.targets import TARGETS, Target
from tools.toys import COMMANDS, Command, load_everything

Part = Literal["kills", "tears", "mutants"]
PARTS: tuple[Part, ...] = ("kills", "tears", "mutants")

T = TypeVar("T", Command, Target)
R = TypeVar("R", kills.CommandKills, fuzz.FuzzResult)

app = App(name="hardening", help="Kill commands, tear and mutate their files.", result_action="return_value")


@app.default
def everything(
    *, only: list[Part] | None = None, name: list[str] | None = None, every: int = 1, write: bool = False
) -> int:
    """Look for faults.

    Parameters
    ----------
    only
        Parts to do; all by default.
    name
        Commands to kill and tear, and kinds of files to mutate; all by default.
    every
        Of the points to kill at each so many-th, and as much less of the rest.
    write
        Write docs/results/hardening.md and hardening.csv.
    """
    start, parts = time.monotonic(), only or PARTS
    commands = [command for command in COMMANDS if not name or command.name in name]
    targets = [target for target in TARGETS if not name or target.name in name]
    load_everything()
    with tempfile.TemporaryDirectory(prefix="hardening-") as folder:
        yard = kills.Yard(Path(folder), kills.count_processors(), every)
        kill_results = [_announce(kills.kill_everywhere(command, yard)) for command in commands if "kills" in parts]
        trials = [
            tear
            for command in commands
            if "tears" in parts
            for tear in _announce_tears(tears.tear_everything(command, yard))
        ]
        mutant_results = [
            _announce(fuzz.fuzz(target, yard.root, yard.workers, max(10, target.inputs // every)))
            for target in targets
            if "mutants" in parts
        ]
    findings = Findings(tuple(kill_results), tuple(trials), tuple(mutant_results))
    print_findings(findings)
    if write:
        print(f"page: {write_page(findings, _command(), time.monotonic() - start)}")
    return 1 if findings.faults else 0


def _command() -> str:
    return shlex.join(("python", "-m", "tools.hardening", *sys.argv[1:]))


def _announce(result: R) -> R:
    """Say how many faults there are, and give the result on."""
    is_kills = isinstance(result, kills.CommandKills)
    say(f"{result.command.name}, killed" if is_kills else f"{result.target.name}, mutated", len(result.faults))
    return result


def _announce_tears(trials: list[tears.Tear]) -> list[tears.Tear]:
    if trials:
        say(f"{trials[0].command}, torn", sum(trial.is_fault for trial in trials))
    return trials


def say(what: str, faults: int) -> None:
    """Progress on standard error."""
    print(f"{time.strftime('%H:%M:%S')}  {what}: {faults} faults", file=sys.stderr, flush=True)


@app.command
def kill(name: str, change: int, end: str, /) -> int:
    """Kill a command once, give it again, and show what it says.

    Parameters
    ----------
    name
        The command.
    change
        The number of the change at which it is killed; 0: none.
    end
        How: kill, kill-in-place, power-cut, half-power-cut.
    """
    command = _find_by_name(name, COMMANDS)
    load_everything()
    with tempfile.TemporaryDirectory(prefix="hardening-") as folder:
        yard = kills.Yard(Path(folder), 1)
        expected, _ = kills.run_unbroken(command, yard, 0)
        if change:
            kills.leave_unfinished(command, yard, 0, change, _end(end))
        return _show(command, yard, lambda ending, actual: kills.judge(ending, expected, actual))


@app.command
def tear(name: str, when: str, file: str, length: str, /) -> int:
    """Tear a file once and give a command.

    Parameters
    ----------
    name
        The command.
    when
        before, after, or middle.
    file
        The file's kind, as the page names it.
    length
        empty or half.
    """
    load_everything()
    with tempfile.TemporaryDirectory(prefix="hardening-") as folder:
        yard = kills.Yard(Path(folder), 1)
        trials = tears.tear_everything(_find_by_name(name, COMMANDS), yard, (when, file, length), show=True)
    for trial in trials:
        print(f"{trial.command}, {trial.file} {trial.length} {trial.when}: {trial.verdict}")
    return int(any(trial.is_fault for trial in trials))


@app.command
def mutant(name: str, number: int, /) -> int:
    """Read one mutated file and show the error.

    Parameters
    ----------
    name
        The kind of file.
    number
        The input.
    """
    load_everything()
    with tempfile.TemporaryDirectory(prefix="hardening-") as folder:
        return fuzz.show(_find_by_name(name, TARGETS), Path(folder), number)


def _show(command: Command, yard: kills.Yard, judge: Callable[[Ending, dict[str, str]], str]) -> int:
    ending = run_apart(command, yard.place(0))
    verdict = judge(ending, kills.digests(yard.place(0)))
    print(f"{ending.output}\n{command.name}: {verdict}")
    return int(not verdict.startswith("whole"))


def _end(word: str) -> End:
    ends: tuple[End, ...] = ("kill", "kill in place", "power cut", "half power cut")
    return next(end for end in ends if end == word.replace("-", " "))


def _find_by_name(name: str, among: Sequence[T]) -> T:
    for one in among:
        if one.name == name:
            return one
    raise ValueError(f"Expected one of {', '.join(one.name for one in among)}; found {name!r}.")


if __name__ == "__main__":
    sys.exit(app())
