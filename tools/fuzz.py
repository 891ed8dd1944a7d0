"""Give mutated files to what reads them: each is read as before, read as something else, or refused in a sentence."""

import json
import os
import select
import signal
import sys
import traceback
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.apart import limit_memory, run_apart, spread
from tools.mutants import mutant
from tools.targets import Target
from tools.toys import copy_start

PATIENCE = 10.0  # seconds after which reading a file of a few kB hangs
SPARE = 2**30  # bytes that reading it may take
FORESEEN = ("as before", "otherwise", "refused")


@dataclass(frozen=True)
class FuzzResult:
    """A target and what became of each of its inputs.

    Attributes:
        verdicts: of input 0, 1, ...: `as before`, `otherwise` (read as something else, without complaint), `refused`,
            or the fault.
    """

    target: Target
    verdicts: tuple[str, ...]

    def count(self, verdict: str) -> int:
        return Counter(self.verdicts)[verdict]

    @property
    def faults(self) -> dict[str, list[int]]:
        """The numbers of the inputs by their fault."""
        numbers: dict[str, list[int]] = {}
        for number, verdict in enumerate(self.verdicts):
            if verdict not in FORESEEN:
                numbers.setdefault(verdict, []).append(number)
        return numbers


def make_samples(target: Target, root: Path) -> Path:
    """A folder of sound files of a target and a list of them with what is read from each.

    Raises:
        ChildProcessError: they cannot be made or read.
    """
    folder = root / "samples" / target.name.replace(" ", "-")
    if not (folder / "list.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)

        def make() -> None:
            paths = target.samples(folder / "sound")
            sound = [(path.relative_to(folder / "sound").as_posix(), _read_sound(target, path)) for path in paths]
            (folder / "list.json").write_text(json.dumps(sound))

        ending = run_apart(make, folder)
        if ending.status:
            raise ChildProcessError(f"Expected sound files for {target.name}; found: {ending.output}")
    return folder


def _read_sound(target: Target, path: Path) -> str:
    """What is read from a sound file; one of a kind that is refused by name may stay so."""
    try:
        return target.read(path)
    except ValueError as error:
        if verdict_of(error) != "refused":
            raise
        return "refused"


def fuzz(target: Target, root: Path, workers: int, inputs: int | None = None) -> FuzzResult:
    """Read so many mutated files.

    Args:
        root: a folder for everything.
        workers: how many processes read.
    """
    folder = make_samples(target, root)
    count = target.inputs if inputs is None else inputs
    shares = [range(first, count, workers) for first in range(workers)]
    results = spread(lambda worker, share: _read_all(target, folder, worker, list(share)), shares, folder, workers)
    return FuzzResult(target, tuple(results[number % workers][number // workers] for number in range(count)))


def _read_all(target: Target, folder: Path, worker: int, numbers: list[int]) -> list[str]:
    """The verdicts of these inputs, by forked processes, each of which reads until something kills it."""
    verdicts: dict[int, str] = {}
    while rest := [number for number in numbers if number not in verdicts]:
        verdicts |= _read_until_death(target, folder, worker, rest)
    return [verdicts[number] for number in numbers]


def _read_until_death(target: Target, folder: Path, worker: int, numbers: list[int]) -> dict[int, str]:
    out, into = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(out)
        _be_reader(target, folder, worker, numbers, into)
    os.close(into)
    verdicts, lines, is_hung = {}, b"", False
    while True:
        ready, _, _ = select.select([out], [], [], PATIENCE)
        if not ready:
            is_hung = True
            os.killpg(process, signal.SIGKILL)
            break
        part = os.read(out, 65536)
        if not part:
            break
        *whole, lines = (lines + part).split(b"\n")
        verdicts |= {int(number): word for number, word in map(json.loads, whole)}
    os.close(out)
    _, status = os.waitpid(process, 0)
    code = os.waitstatus_to_exitcode(status)
    reached = next((number for number in numbers if number not in verdicts), None)
    if reached is not None:
        name = signal.Signals(-code).name if code < 0 else f"exit {code}"
        verdicts[reached] = "hangs" if is_hung else f"crash: {name}"
    return verdicts


def _be_reader(target: Target, folder: Path, worker: int, numbers: list[int], into: int) -> None:
    try:
        os.setsid()
        silent = os.open(os.devnull, os.O_WRONLY)
        for stream in (1, 2):
            os.dup2(silent, stream)
        limit_memory(SPARE)
        place = folder / f"work-{worker}"
        copy_start(folder / "sound", place)
        for number in numbers:
            os.write(into, (json.dumps([number, read_mutant(target, folder, place, number)]) + "\n").encode())
        os._exit(0)
    finally:
        os._exit(1)


def read_mutant(target: Target, folder: Path, place: Path, number: int, debug: bool = False) -> str:
    """Read an input, by its number; the verdict.

    Args:
        folder: from `make_samples`.
        place: a copy of the sound files, in which one is changed for the while.
        debug: print the error too.
    """
    samples = json.loads((folder / "list.json").read_text())
    name, sound = samples[number % len(samples)]
    path = place / name
    content = path.read_bytes()
    try:
        path.write_bytes(mutant(content, (number, len(content)), target.text))
        return "as before" if target.read(path) == sound else "otherwise"
    except BaseException as error:
        if debug:
            traceback.print_exc()
        return verdict_of(error, path.name)
    finally:
        path.write_bytes(content)


def verdict_of(error: BaseException, name: str = "") -> str:
    """`refused` where an error is one of our sentences, else its kind and where it was raised.

    Args:
        name: of the file, which a sentence names.
    """
    if isinstance(error, MemoryError):
        return "memory"
    text = str(error)
    if isinstance(error, ValueError | OSError | ArithmeticError) and text.startswith("Expected"):
        return "refused"
    of_library = isinstance(error, UnicodeError | json.JSONDecodeError)
    if isinstance(error, ValueError) and not of_library and name and f"{name}: " in text:
        return "refused"
    if not isinstance(error, Exception):
        return f"unforeseen: {type(error).__name__}"
    return f"unforeseen: {type(error).__name__} in {_own_function(error)}"


def _own_function(error: BaseException) -> str:
    """The innermost function of the package that an error passed."""
    frames: list[Any] = [f for f in traceback.extract_tb(error.__traceback__) if "/integralaction/" in f.filename]
    return f"{Path(frames[-1].filename).name} {frames[-1].name}" if frames else "no function of the package"


def show(target: Target, root: Path, number: int) -> int:
    """Read one input here and print its error; 1 where it is a fault."""
    folder = make_samples(target, root)
    place = folder / "work-shown"
    copy_start(folder / "sound", place)
    verdict = read_mutant(target, folder, place, number, debug=True)
    print(f"{target.name} {number}: {verdict}", file=sys.stderr)
    return int(verdict not in FORESEEN)
