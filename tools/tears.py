"""Tear each kind of file that a command reads or leaves, give the command, and see whether it notices."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from tools.apart import Ending, run_apart, spread
from tools.changes import Change
from tools.kills import Yard, leave_unfinished, run_unbroken, unforeseen_fault
from tools.toys import Command, copy_start
from tools.trees import LEFT_OUT, differences, digests, kind_of

When = Literal["before", "after", "in the middle"]  # torn before the command, after it, or when half of it is done

# what stays torn when it was torn after its use, and why that is well
SPENT = {
    "last.ckpt": "a stage goes on from it, and this one is done",
    "log.csv": "the stage is done; the report, which draws it, is given torn ones too",
}
# what is not torn, and why
WHOLE = {"toy.yaml": "the user's own recipe: what its other half said nobody can know"}


@dataclass(frozen=True)
class Tear:
    """A file that was torn before a command was given.

    Attributes:
        command: its name.
        when: torn in what the command starts from; in what it left; in what it left when it was killed half-way.
        file: its kind.
        length: bytes that remained of it: none, or half.
        verdict: a word, or the fault.
    """

    command: str
    when: When
    file: str
    length: Literal["empty", "half"]
    verdict: str

    @property
    def is_fault(self) -> bool:
        return self.verdict not in VERDICTS


VERDICTS = {
    "made again": "the file was made again and all is as in an unbroken run",
    "not needed": "the results are those of an unbroken run: the file was not read, or only in part",
    "said": "the results are others, and the command names the file",
    "refused": "the command ends with a sentence that names the file",
}


def tear_everything(
    command: Command, yard: Yard, alone: tuple[str, str, str] | None = None, show: bool = False
) -> list[Tear]:
    """Tear one file of each kind in turn, and give the command.

    Args:
        alone: the last word of when, the kind of a file, and its length: tear that one.
        show: print what the command prints.
    """
    expected, changes = run_unbroken(command, yard, 0)
    start = yard.start(command)
    jobs = list(_tears(digests(start), expected, yard.every))
    if alone is not None:
        jobs = [job for job in jobs if (job[0].split()[-1], kind_of(job[1]), job[2]) == alone]
    middle = _middle(changes)

    def work(worker: int, job: tuple[When, str, str]) -> str:
        when, name, length = job
        place = yard.place(worker)
        if when == "before":
            copy_start(start, place)
        elif when == "after":
            copy_start(start, place)
            run_apart(command, place)
        else:
            leave_unfinished(command, yard, worker, middle.number, "kill")
        return _tear(command, place, name, length, expected, when, show)

    verdicts = spread(work, jobs, yard.root, yard.workers)
    tears = [
        Tear(command.name, job[0], kind_of(job[1]), job[2], verdict)
        for job, verdict in zip(jobs, verdicts, strict=True)
    ]
    return [tear for tear in tears if tear.verdict]


def _tears(start: dict[str, str], end: dict[str, str], every: int) -> Iterator[Any]:
    """When, which file, and how."""
    results = {name: digest for name, digest in end.items() if start.get(name) != digest}
    moments: tuple[tuple[When, dict[str, str]], ...] = (
        ("before", start),
        ("after", results),
        ("in the middle", results),
    )
    for when, files in moments:
        for name in _one_of_each_kind(files)[:: max(1, every // 3)]:
            yield when, name, "empty"
            yield when, name, "half"


def _one_of_each_kind(files: Sequence[str] | dict[str, str]) -> list[str]:
    kinds: dict[str, str] = {}
    for name in files:
        path = Path(name)
        if path.name not in WHOLE and not any(path.match(pattern) for pattern in LEFT_OUT):
            kinds.setdefault(kind_of(name), name)
    return list(kinds.values())


def _middle(changes: Sequence[Change]) -> Change:
    possible = [change for change in changes if "kill" in change.ends]
    return possible[len(possible) // 2]


def _tear(
    command: Command, place: Path, name: str, length: str, expected: dict[str, str], when: When, show: bool
) -> str:
    """The verdict; empty where there is no such file yet."""
    path = place / name
    if not path.is_file() or path.stat().st_size < 2:
        return ""
    with path.open("rb+") as file:
        file.truncate(0 if length == "empty" else path.stat().st_size // 2)
    ending = run_apart(command, place)
    if show:
        print(ending.output, flush=True)
    return judge(ending, _messages(ending, place), differences(expected, digests(place)), name, when)


def _messages(ending: Ending, place: Path) -> str:
    """What a command printed, and the lists and pages to which that points the reader."""
    files = (path for ending in ("csv", "html") for path in place.rglob(f"*.{ending}"))
    pages = [path for path in files if str(path.relative_to(place)) in ending.output]
    return ending.output + "".join(path.read_text(encoding="utf-8", errors="replace") for path in pages)


def judge(ending: Ending, messages: str, different: list[str], name: str, when: When) -> str:
    """What a command made of a torn file.

    Args:
        messages: what it said of it, there or in the lists that it wrote.
        different: what is not as after an unbroken run.
    """
    if fault := unforeseen_fault(ending):
        return fault
    path = Path(name)
    # a command that will not touch what is there names the folder
    words = (path.name, path.stem, *(str(folder) for folder in path.parents[:-1] if when != "before"))
    is_named = any(word in messages for word in words)
    if ending.status:
        return "refused" if is_named else f"refused without its name: {ending.last_line}"
    others = [word for word in different if not word.startswith(f"{name} is ")]
    if others:
        return "said" if is_named else f"silent: {'; '.join(others)}"
    if not different:
        return "made again"
    if when == "before" or path.name in SPENT:
        return "not needed"
    return "said" if is_named else "silent: it stays torn"
