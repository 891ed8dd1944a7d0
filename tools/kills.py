"""Kill a command at each of its file changes, give it again, and compare with an unbroken run."""

import os
import signal
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.apart import CRASHED, Ending, run_apart, spread
from tools.changes import Change, End, die_at, list_changes
from tools.toys import STARTS, Command, copy_start
from tools.trees import differences, digests


@dataclass(frozen=True)
class Kill:
    """A command that was killed and given again.

    Attributes:
        change: where it was killed; 0: it was not, but given again when it was done.
        end: how.
        verdict: whole; whole before (it was done when it was killed, and says so), or the fault.
    """

    change: int
    end: str
    path: str
    verdict: str

    @property
    def is_fault(self) -> bool:
        return not self.verdict.startswith("whole")


@dataclass(frozen=True)
class CommandKills:
    """A command, killed at many of its changes."""

    command: Command
    changes: int
    points: int
    kills: tuple[Kill, ...]

    @property
    def faults(self) -> tuple[Kill, ...]:
        return tuple(kill for kill in self.kills if kill.is_fault)

    def count(self, verdict: str) -> int:
        return Counter(kill.verdict for kill in self.kills)[verdict]


@dataclass(frozen=True)
class Yard:
    """Where commands run.

    Attributes:
        root: a folder for everything.
        workers: how many work at the same time.
        every: of the points to kill at, each so many-th is taken.
    """

    root: Path
    workers: int = 2
    every: int = 1

    def place(self, worker: int) -> Path:
        """The folder in which that worker's commands run; all have names of one length."""
        return self.root / f"work-{worker:02d}"

    def start(self, command: Command) -> Path:
        """The folder that a command starts from, made where it is not there."""
        path = self.root / "starts" / command.start.replace(" ", "-")
        if not path.is_dir():
            path.mkdir(parents=True)
            ending = run_apart(lambda: STARTS[command.start](path), path)
            if ending.status:
                raise ChildProcessError(f"Expected to make the start {command.start!r}; found: {ending.output}")
        return path


def run_unbroken(command: Command, yard: Yard, worker: int) -> tuple[dict[str, str], list[Change]]:
    """What a command leaves behind when nothing disturbs it, and the changes by which it comes there.

    Raises:
        ChildProcessError: it fails.
    """
    place, note = yard.place(worker), yard.root / f"changes-{worker}.txt"
    copy_start(yard.start(command), place)

    def run_listed() -> int:
        changes: list[Change] = []
        list_changes(place, changes)
        status = command()
        note.write_text("\n".join(f"{c.number}\t{c.what}\t{','.join(c.ends)}\t{c.path}" for c in changes))
        return status

    ending = run_apart(run_listed, place)
    if ending.status:
        raise ChildProcessError(f"Expected `{command.line}` to end well; found: {ending.output}")
    changes = []
    for line in note.read_text().splitlines():
        number, what, ends, path = line.split("\t", 3)
        changes.append(Change(int(number), what, path, tuple(ends.split(",")) if ends else ()))  # ty: ignore
    return digests(place), changes


def kill_everywhere(command: Command, yard: Yard) -> CommandKills:
    """Kill a command at its changes, give it again each time, and judge what is there then."""
    expected, changes = run_unbroken(command, yard, 0)
    points = [(change, end) for change in changes for end in change.ends]
    every = yard.every * command.every
    sample = points[every // 2 :: every] or points[:1]
    kills = [_repeat_when_done(command, yard, expected), *_compare_unbroken(command, yard, expected)]
    verdicts = spread(
        lambda worker, point: kill_once(command, yard, worker, expected, *point), sample, yard.root, yard.workers
    )
    for (change, end), verdict in zip(sample, verdicts, strict=True):
        kills.append(Kill(change.number, end, change.path, verdict))
    return CommandKills(command, len(changes), len(points), tuple(kills))


def kill_once(command: Command, yard: Yard, worker: int, expected: dict[str, str], change: Change, end: End) -> str:
    """Kill a command at one change and give it again; the verdict."""
    place = yard.place(worker)
    ending = leave_unfinished(command, yard, worker, change.number, end)
    if ending.status != -signal.SIGKILL:
        return f"it was not killed: exit {ending.status}, {ending.last_line}"
    return judge(run_apart(command, place), expected, digests(place))


def leave_unfinished(command: Command, yard: Yard, worker: int, number: int, end: End) -> Ending:
    """Kill a command at one change."""
    place = yard.place(worker)
    copy_start(yard.start(command), place)

    def run_and_die() -> int:
        die_at(place, number, end)
        return command()

    return run_apart(run_and_die, place)


def _repeat_when_done(command: Command, yard: Yard, expected: dict[str, str]) -> Kill:
    """A command that is given once more when it is done."""
    place = yard.place(0)
    return Kill(0, "given again when done", "", judge(run_apart(command, place), expected, digests(place)))


def _compare_unbroken(command: Command, yard: Yard, expected: dict[str, str]) -> Sequence[Kill]:
    """Whether two unbroken runs are the same at all, each in a folder of its own."""
    other = differences(expected, run_unbroken(command, yard, 1)[0])
    return [Kill(0, "never", "", f"two unbroken runs differ: {'; '.join(other)}")] if other else []


def judge(ending: Ending, expected: dict[str, str], actual: dict[str, str]) -> str:
    """What came of a command that was given again: a word, or the fault in words."""
    different = differences(expected, actual)
    if fault := unforeseen_fault(ending):
        return fault
    if ending.status == 0:
        return f"silent: {'; '.join(different)}" if different else "whole"
    return f"cannot go on: {ending.last_line}" if different else "whole before"


def unforeseen_fault(ending: Ending) -> str:
    """The fault of a command that ended in a way in which none may end; empty: it ended in a way that is foreseen."""
    if ending.is_hung:
        return "hangs"
    if ending.status < 0:
        return f"crash: {signal.Signals(-ending.status).name}"
    if ending.status == CRASHED or "Traceback (most recent call last)" in ending.output:
        return f"traceback: {ending.last_line}"
    if "not foreseen" in ending.output or ending.status not in (0, 1, 2):
        return f"unforeseen: {ending.last_line}"
    return ""


def count_processors() -> int:
    """As many as there are processors that this process may use."""
    return len(os.sched_getaffinity(0))
