"""Who does the units: this process, several of this machine, or a Ray cluster."""

import itertools
import multiprocessing
import os
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch

from integralaction.errors import MissingExtra
from integralaction.estimators.units import Unit, do_unit
from integralaction.interrupts import end_children_on_interrupt, hide_interrupts_from_children

RAY_QUEUE = 1000  # units that wait in Ray's queue


def work_in_processes(units: Sequence[Unit], processes: int) -> Iterator[int]:
    """Each unit by one of several processes, or by this one alone; how many videos each has, as they are done.

    When a process dies, all are ended. What had been begun is then done one unit at a time by a process of its own,
    whose death is seen from here: so no video is taken for the one that killed its process because it was beside it, or
    because the whole command was killed.

    Raises:
        ChildProcessError: the processes die before they look at a video.
    """
    todo, call = list(units), uuid.uuid4().hex
    while todo:
        suspects = [unit for unit in todo if unit.notes.is_file()]
        if not suspects and processes == 1:
            for unit in todo:
                yield do_unit(unit)
            return
        batch, workers = ([replace(suspects[0], watch=call)], 1) if suspects else (todo, min(processes, len(todo)))
        # spawn: forking a process that runs the threads of an estimator may hang
        context = multiprocessing.get_context("spawn")
        size_of_notes, done = _size_of_notes(batch), set[str]()
        executor = ProcessPoolExecutor(workers, context, _begin_worker, (workers,))
        with executor as pool, suppress(BrokenProcessPool), end_children_on_interrupt():
            with hide_interrupts_from_children():
                running = {pool.submit(do_unit, unit): unit for unit in batch}
            for future in as_completed(running):
                yield future.result()
                done.add(running[future].part)
        for unit in batch:
            if unit.part not in done and unit.is_done():
                yield len(unit.videos)  # it was done when another one died
                done.add(unit.part)
        if not done and _size_of_notes(batch) == size_of_notes:  # it would go on for ever
            raise ChildProcessError(
                "Expected processes that estimate poses; found that they die before they look at a video. Give fewer "
                "--processes: each needs memory for a network of its own."
            )
        todo = [unit for unit in todo if unit.part not in done]


def _size_of_notes(units: Sequence[Unit]) -> int:
    """Bytes of the notes on videos that were looked at."""
    return sum(unit.notes.stat().st_size for unit in units if unit.notes.is_file())


def _begin_worker(processes: int) -> None:
    """Give a worker its share of the processor, without which they wait for each other; it ends with its parent."""
    parent = os.getppid()
    if hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        number = (multiprocessing.current_process()._identity or (1,))[0] - 1
        share = max(1, len(cores) // processes)
        os.sched_setaffinity(0, [cores[(number * share + i) % len(cores)] for i in range(share)])
        torch.set_num_threads(share)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def work_on_ray(units: Sequence[Unit], address: str) -> Iterator[int]:
    """Each unit as a task of a Ray cluster, which begins anew those whose worker or machine died; how many videos each
    has, as they are done.

    Raises:
        ModuleNotFoundError, ConnectionError: Ray is not installed, or its cluster cannot be reached.
    """
    try:
        import ray
    except ImportError as error:
        raise MissingExtra(
            "Expected Ray for --ray; it is not installed. Run: pip install 'integralaction[ray]'."
        ) from error
    if not units:
        return
    try:
        ray.init(address=None if address == "local" else address, log_to_driver=False, include_dashboard=False)
    except Exception as error:  # of many kinds
        raise ConnectionError(f"Expected a Ray cluster at {address}; it cannot be reached ({error}).") from error
    call = uuid.uuid4().hex  # Ray gives out again what died, and so this call sees it
    gpu = 1 if units[0].estimator.device == "cuda" else 0
    task: Any = ray.remote(num_cpus=1, num_gpus=gpu, max_retries=-1)(do_unit)
    try:
        waiting = (replace(unit, watch=call) for unit in units)
        running = [task.remote(unit) for unit in itertools.islice(waiting, RAY_QUEUE)]
        while running:
            ready, running = ray.wait(running, num_returns=1)
            running += [task.remote(unit) for unit in itertools.islice(waiting, len(ready))]
            yield from ray.get(ready)
    finally:
        ray.shutdown()
