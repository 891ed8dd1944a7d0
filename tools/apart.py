"""Calls in processes of their own, forked from one that has imported everything: what they do ends with them."""

import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PATIENCE = 60.0  # seconds after which a call hangs
SPARE = 4 * 2**30  # bytes of addresses that a call may take beyond those that it starts with
CRASHED = 71  # exit status of a call that ended by an exception, which a command never does


@dataclass(frozen=True)
class Ending:
    """How a call ended.

    Attributes:
        status: the exit status; negative: the signal that killed it.
        output: what it printed, standard output and errors together.
        is_hung: it was killed because it took longer than it may.
    """

    status: int
    output: str
    is_hung: bool = False

    @property
    def last_line(self) -> str:
        lines = self.output.strip().splitlines()
        return lines[-1] if lines else ""


def run_apart(call: Callable[[], int | None], folder: Path, seconds: float = PATIENCE, spare: int = SPARE) -> Ending:
    """Run a call in a forked process, in a folder; what it returns is its exit status.

    Args:
        seconds: after which it is killed, with the processes that it started.
        spare: bytes that it may take.
    """
    log = folder.with_name(f"{folder.name}.log")
    process = os.fork()
    if process == 0:
        _be_apart(call, folder, log, spare)
    status = _wait(process, seconds)
    if is_hung := status is None:
        os.killpg(process, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    return Ending(status, log.read_text(encoding="utf-8", errors="replace"), is_hung)


def _be_apart(call: Callable[[], int | None], folder: Path, log: Path, spare: int) -> None:
    status = CRASHED
    try:
        os.setsid()
        log_handle = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        for stream in (1, 2):
            os.dup2(log_handle, stream)
        # what held the streams of the process before must not write into these
        sys.stdout = os.fdopen(1, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
        sys.stderr = os.fdopen(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)
        limit_memory(spare)
        os.chdir(folder)
        status = call() or 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def limit_memory(spare: int) -> None:
    """Let this process take no more than so many bytes of addresses beyond those that it has."""
    statm = Path("/proc/self/statm")
    addresses = int(statm.read_text().split()[0]) * resource.getpagesize() if statm.is_file() else 2**34
    resource.setrlimit(resource.RLIMIT_AS, (addresses + spare, addresses + spare))


def _wait(process: int, seconds: float) -> int | None:
    """The exit status of a process, None when it takes longer."""
    end, pause = time.monotonic() + seconds, 0.001
    while time.monotonic() < end:
        ended_process, status = os.waitpid(process, os.WNOHANG)
        if ended_process:
            return os.waitstatus_to_exitcode(status)
        time.sleep(pause)
        pause = min(2 * pause, 0.02)
    return None


def spread(work: Callable[[int, Any], Any], jobs: Sequence[Any], folder: Path, workers: int) -> list[Any]:
    """Do jobs in so many forked processes; their results, which JSON can hold, in the order of the jobs.

    Args:
        work: what to do, given the number of the process and a job.
        folder: for the results on their way.

    Raises:
        ChildProcessError: a process ended before its jobs were done.
    """
    paths = [folder / f"results-{number}.jsonl" for number in range(workers)]
    processes = []
    for number, path in enumerate(paths):
        process = os.fork()
        if process == 0:
            _be_worker(lambda job, number=number: work(number, job), jobs[number::workers], path)
        processes.append(process)
    statuses = [os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]) for process in processes]
    if any(statuses):
        raise ChildProcessError(f"Expected the processes of {folder} to end well; their statuses are {statuses}.")
    results = [[json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] for path in paths]
    return [results[place % workers][place // workers] for place in range(len(jobs))]


def _be_worker(work: Callable[[Any], Any], jobs: Iterable[Any], path: Path) -> None:
    status = 1
    try:
        with path.open("w", encoding="utf-8") as file:
            for job in jobs:
                file.write(json.dumps(work(job)) + "\n")
        status = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)
