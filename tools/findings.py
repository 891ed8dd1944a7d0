"""What the kills, the torn and the mutated files showed: for the terminal, as a page, as a csv."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from rich.console import Console

from integralaction.files import write_rows, write_text
from integralaction.tables import Cell, Row, Table, plain_columns, to_markdown
from integralaction.terminal import print_table
from integralaction.training.run import environment
from tools import fuzz, tears
from tools.fuzz import FuzzResult
from tools.kills import CommandKills
from tools.tears import Tear
from tools.trees import IN_PART, LEFT_OUT

PAGE = Path(__file__).parents[1] / "docs" / "results" / "hardening.md"


@dataclass(frozen=True)
class Fault:
    """What is wrong, how often, and the command that shows it again."""

    where: str
    what: str
    count: int
    command: str


@dataclass(frozen=True)
class Findings:
    """What became of kills, torn files and mutants."""

    kills: tuple[CommandKills, ...]
    tears: tuple[Tear, ...]
    mutants: tuple[FuzzResult, ...]

    @property
    def faults(self) -> list[Fault]:
        """Each kind of fault once."""
        faults: list[Fault] = []
        for command_kills in self.kills:
            name = command_kills.command.name
            groups: dict[str, list] = {}
            for kill in command_kills.faults:
                groups.setdefault(kill.verdict, []).append(kill)
            for verdict, kills in groups.items():
                line = _command_line("kill", name, str(kills[0].change), kills[0].end.replace(" ", "-"))
                faults.append(Fault(name, verdict, len(kills), line))
        for tear in self.tears:
            if tear.is_fault:
                when = tear.when.split()[-1]
                line = _command_line("tear", tear.command, when, tear.file, tear.length)
                faults.append(Fault(f"{tear.command}, {tear.file} {tear.length}", tear.verdict, 1, line))
        for result in self.mutants:
            for verdict, numbers in result.faults.items():
                line = _command_line("mutant", result.target.name, str(numbers[0]))
                faults.append(Fault(result.target.name, verdict, len(numbers), line))
        return faults


def _command_line(*words: str) -> str:
    return " ".join(("python -m tools.hardening", *map(shlex.quote, words)))


def _counts_table(title: str, first: str, names: Sequence[str], counts: Mapping[str, Sequence[int]]) -> Table:
    """A row of counts for each of the keys."""
    rows = tuple(Row(label, tuple(Cell(float(count)) for count in of_label)) for label, of_label in counts.items())
    return Table("", title, first, plain_columns(names, digits=0), rows)


def kills_table(kills: Sequence[CommandKills]) -> Table:
    names = ("file changes", "states to end in", "ended in", "whole again", "whole before", "faults")
    counts = {
        one.command.name: (
            *(one.changes, one.points, len(one.kills)),
            *(one.count("whole"), one.count("whole before"), len(one.faults)),
        )
        for one in kills
    }
    return _counts_table("Killed at each file change", "command", names, counts)


def tears_table(trials: Sequence[Tear]) -> Table:
    counts = {}
    for name in dict.fromkeys(tear.command for tear in trials):
        of_command = [tear for tear in trials if tear.command == name]
        verdicts = Counter("faults" if tear.is_fault else tear.verdict for tear in of_command)
        counts[name] = (len(of_command), *(verdicts[word] for word in (*tears.VERDICTS, "faults")))
    return _counts_table("Torn files", "command", ("torn files", *tears.VERDICTS, "faults"), counts)


def mutants_table(mutants: Sequence[FuzzResult]) -> Table:
    kinds = ("unforeseen", "crash", "hangs", "memory")
    counts = {}
    for one in mutants:
        faults = Counter(verdict.partition(":")[0] for verdict in one.verdicts)
        verdicts = (*(one.count(word) for word in fuzz.FORESEEN), *(faults[kind] for kind in kinds))
        counts[one.target.name] = (len(one.verdicts), *verdicts)
    return _counts_table("Mutated files", "kind of file", ("inputs", *fuzz.FORESEEN, *kinds), counts)


def print_findings(findings: Findings) -> None:
    """Tables and faults, in plain text."""
    console = Console()
    for table in (kills_table(findings.kills), tears_table(findings.tears), mutants_table(findings.mutants)):
        if table.rows:
            print_table(table, console)
            console.print()
    for fault in findings.faults:
        print(f"{fault.where}: {fault.what} ({fault.count})\n    {fault.command}")


def write_page(findings: Findings, command: str, seconds: float) -> Path:
    """Write docs/results/hardening.md, and hardening.csv beside it with each fault."""
    machine = environment()
    faults = findings.faults
    parts = [
        "# Kills, torn files, mutated files",
        f"`{command}`, {date.today().isoformat()}, {machine['processor']}, "
        f"{machine['cores']} cores, Python {machine['python']}, torch {machine['torch']}, PyAV {machine['av']}: "
        f"{seconds / 60:.0f} minutes, {len(faults)} kinds of fault.",
        "## Killed at each file change",
        "Each command on toy data, in a process of its own that is ended by SIGKILL before one of its file changes, or "
        "as by a power cut, which takes from files what was not flushed: all of it, or the second half. Changes after "
        "which nothing differs from a state before are not tried again. Then the same command is given again: it must "
        "end well, and its folder must hold the bytes of an unbroken run (whole again); or say that all is done, where "
        "it is (whole before).",
        _markdown(kills_table(findings.kills)),
        _thinning(findings.kills),
        "## Torn files",
        "One file of each kind, emptied or cut to half before the command: of those that it starts from, of those that "
        "it left, and of those that it left when it was killed half-way.",
        "\n".join(f"- {word}: {meaning}" for word, meaning in tears.VERDICTS.items()),
        _markdown(tears_table(findings.tears)),
        "## Mutated files",
        "Sound files with one to four changes: bits, bytes, parts removed, repeated or moved, for texts words and "
        "lines too. Each input has a number and is the same each time; reading it may take "
        f"{fuzz.PATIENCE:.0f} seconds and {fuzz.SPARE // 2**20} MiB. It is read as before, read as something else (a "
        "changed colour or number is no error that a reader could see), or refused in a sentence; all else is a fault.",
        _markdown(mutants_table(findings.mutants)),
        "## Faults",
        _markdown(_fault_table(faults)) if faults else "None.",
        "## What is not compared",
        "\n".join(f"- `{name}`: {why}" for name, why in (LEFT_OUT | IN_PART).items()),
        "\n".join(f"- `{name}`, torn: {why}" for name, why in (tears.SPENT | tears.WHOLE).items()),
    ]
    write_text(PAGE, "\n\n".join(part for part in parts if part) + "\n")
    rows = [(fault.where, fault.what, fault.count, fault.command) for fault in faults]
    write_rows(PAGE.with_suffix(".csv"), [("where", "what", "count", "shown by"), *rows])
    return PAGE


def _thinning(kills: Sequence[CommandKills]) -> str:
    parts = [f"one in {one.command.every} of `{one.command.name}`" for one in kills if one.command.every > 1]
    return f"Of the states to end in, {' and '.join(parts)} is tried." if parts else ""


def _fault_table(faults: Sequence[Fault]) -> Table:
    rows = tuple(Row(f.where, (Cell(text=f.what[:200]), Cell(float(f.count)), Cell(text=f.command))) for f in faults)
    return Table("", "", "where", plain_columns(("what", "times", "shown again by"), digits=0), rows)


def _markdown(table: Table) -> str:
    """The table below a heading that says its title."""
    return to_markdown(replace(table, title="")).rstrip()
