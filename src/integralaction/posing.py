"""Poses of every video of a data set by an estimator: one process, many, or many machines; resumed after a kill.

    plan: videos without poses, in units of a few        -> pose.parts/plan.json
    a long video: every few thousand frames              -> pose.parts/NNNNNN-V-FIRST.safetensors
    a unit: decoding beside estimating, video by video   -> pose.parts/NNNNNN.safetensors, then NNNNNN.json
    all units done                                       -> poses-NNNNN.safetensors, as everywhere

A unit that is done is not done again; one that a killed worker had begun is begun anew, but for the finished parts of
its long videos. A video that fails is named and the rest go on. So is one at which the working process dies again and
again while the command lives to see it; when the whole command dies, that is no fault of the video.
"""

import itertools
import json
import multiprocessing
import os
import queue
import shutil
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from integralaction.assembly.issues import ImportResult, write_issues
from integralaction.assembly.plan import ImportIssue
from integralaction.assembly.pose_files import as_skeleton
from integralaction.assembly.pose_shards import next_shard
from integralaction.clip import Poses
from integralaction.console import one_line, progress, say
from integralaction.data.index import Index, write_index
from integralaction.data.poses import SHARD, PoseStore, write_shard
from integralaction.errors import MissingExtra, Refused
from integralaction.files import write_text
from integralaction.interrupts import children_end_too, unheard_by_children
from integralaction.openpose import OpenPose
from integralaction.pose_estimation import Named, PoseEstimator, estimator_named
from integralaction.video.frames import probe, read_in_parts

PLAN = "plan.json"
UNIT = 4  # videos after which a killed worker's work is kept
PART = 2_000  # frames of a long video after which a killed worker's work is kept
AT_ONCE = 2**26  # bytes of frames decoded together; up to three such parts are in memory
TRIES = 5  # times that a worker may die at a video before that video is given up
AT_RAY = 1000  # units that wait in Ray's queue
LIST = "poses.csv"  # the videos without poses, and why

T = TypeVar("T")


@dataclass(frozen=True)
class Estimator:
    """Which estimator, as plain values: each process builds its own.

    Attributes:
        name: rtmo, rtmpose, keypoint-rcnn, or openpose.
        files: its networks; empty: downloaded once.
        device: cpu or cuda.
    """

    name: str
    files: tuple[str, ...]
    device: str

    def build(self) -> PoseEstimator:
        """
        Raises:
            ModuleNotFoundError, ConnectionError, ValueError: see `estimator_named` and `OpenPose`.
        """
        if self.name == "openpose":
            return OpenPose(Path(self.files[0]), self.device)
        name: Named = self.name  # ty: ignore[invalid-assignment]
        return estimator_named(name, [Path(file) for file in self.files], self.device)


@dataclass(frozen=True)
class _Unit:
    """Work for one process: plain values, so that it travels.

    Attributes:
        part: where its poses go; the account lies beside it as .json.
        videos: (name in the index, path, frames) of each.
        watch: a name of the call that lives to see a process die at this unit alone; empty: nobody can tell.
    """

    part: str
    videos: tuple[tuple[str, str, int], ...]
    estimator: Estimator
    watch: str = ""


def estimate_data_set(
    index: Index, estimator: Estimator, processes: int = 1, ray_address: str | None = None
) -> ImportResult:
    """Give every video of a data set that has no poses those that an estimator finds in all its frames.

    Args:
        processes: how many work on this machine, each with an estimator of its own.
        ray_address: of a Ray cluster whose machines share the data set's folder, `local` for one on this machine; then
            as many work as it has processors, or GPUs.

    Returns:
        The data set, with the estimator's skeleton where it had no poses, and an issue for each video that failed.

    Raises:
        ValueError: the folder holds parts of another estimation, or all videos failed.
        ModuleNotFoundError, ConnectionError: the estimator, or Ray, cannot be had.
    """
    parts, finished = index.root / "pose.parts", index.root / "pose.finished"
    shutil.rmtree(finished, ignore_errors=True)  # of a call that was stopped while it cleaned up
    there = PoseStore.of(index.root)
    if not (parts / PLAN).is_file() and all(video.video in there for video in index.videos):
        say(f"All {len(there)} videos of {index.root} have their poses: nothing is left to do.")
        return ImportResult(index, (), LIST)
    held = there.skeleton  # what is wrong with the estimator is said at once
    as_skeleton(Poses.nobody(_built(estimator).skeleton), held or _built(estimator).skeleton)
    first, units = _plan(index, estimator, parts)
    todo = [unit for unit in units if not _is_done(unit)]
    total = sum(len(unit.videos) for unit in units)
    working = _by_ray(todo, ray_address) if ray_address is not None else _by_processes(todo, processes)
    _watch(working, total - sum(len(unit.videos) for unit in todo), total)
    issues = _merge(index.root, first, units, held)
    store = PoseStore.of(index.root)
    write_issues(index.root, issues, LIST)
    if len(store):
        index = replace(index, skeleton=store.skeleton)
        write_index(index)
    parts.rename(finished)  # at once: what is half removed is no plan
    shutil.rmtree(finished)
    if not len(store):
        raise Refused(
            f"Expected poses of {total} videos; none could be estimated ({issues[0].item}: {issues[0].detail})"
        )
    return ImportResult(index, tuple(issues), LIST)


def _plan(index: Index, estimator: Estimator, parts: Path) -> tuple[int, list[_Unit]]:
    """The number of the first shard and the units, from the plan of an interrupted call or new."""
    path = parts / PLAN
    plan: dict[str, Any]
    held = _read_json(path)
    if held is not None:
        plan = held
        if plan["estimator"] != json.loads(json.dumps(asdict(estimator))):
            raise Refused(
                f"Expected the estimation that was begun in {index.root} to go on ({_told(plan['estimator'])}); found "
                f"{_told(asdict(estimator))}. Give the same, or remove {parts}."
            )
    else:
        store = PoseStore.of(index.root)
        rows = {video.video: video for video in index.videos if video.video not in store}
        videos = [(name, str(index.path(row)), row.frames) for name, row in rows.items()]
        units = [videos[first : first + UNIT] for first in range(0, len(videos), UNIT)]
        plan = {"estimator": asdict(estimator), "first": next_shard(index.root), "units": units}
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir()
        write_text(path, json.dumps(plan))
    rows = [tuple((str(name), str(where), int(frames)) for name, where, frames in unit) for unit in plan["units"]]
    return int(plan["first"]), [
        _Unit(str(parts / f"{number:06d}.safetensors"), unit, estimator) for number, unit in enumerate(rows)
    ]


def _told(estimator: dict[str, Any]) -> str:
    return " ".join((estimator["name"], *estimator["files"]))


def _watch(working: Iterator[int], done: int, total: int) -> None:
    """Progress while the units come in."""
    with progress("estimating poses", total, done) as advance:
        for count in working:
            advance(count)


# ---- a unit


def do_unit(unit: _Unit) -> int:
    """Estimate the poses of a unit's videos and leave them in its part; how many videos it has."""
    estimator = _built(unit.estimator)
    found: list[tuple[str, Poses]] = []
    failed: list[tuple[str, str]] = []
    deaths = _deaths(unit)
    for number, (name, path, frames) in enumerate(unit.videos):
        if deaths[number] >= TRIES:
            failed.append((name, f"{TRIES} times the process that looked at it died"))
            continue
        _note(unit, number, "+")
        try:
            part = Path(unit.part)
            parts = part.with_name(f"{part.stem}-{number}")
            found.append((name, poses_of_video(estimator, Path(path), frames, parts)))
        except Exception as error:  # one bad video, or one that the estimator's library fails on, never stops the rest
            failed.append((name, one_line(error)))
        finally:
            _note(unit, number, "-")  # not so when the process is killed
    _leave(unit, found, failed)
    return len(unit.videos)


def _note(unit: _Unit, number: int, sign: str) -> None:
    """Note that a video is looked at (+), or that it was (-)."""
    with Path(unit.part).with_suffix(".begun").open("a", encoding="ascii") as file:
        file.write(f"{sign}{number}@{unit.watch}\n")


def _deaths(unit: _Unit) -> list[int]:
    """How often a process died while it looked at each video and this call lived: it was begun, and neither done nor
    stopped in order, before this call gave out the unit again."""
    path = Path(unit.part).with_suffix(".begun")
    notes = path.read_text(encoding="ascii", errors="replace").split() if unit.watch and path.is_file() else []
    return [
        notes.count(f"+{number}@{unit.watch}") - notes.count(f"-{number}@{unit.watch}")
        for number in range(len(unit.videos))
    ]


def _leave(unit: _Unit, found: list[tuple[str, Poses]], failed: list[tuple[str, str]]) -> None:
    part = Path(unit.part)
    if found:
        write_shard(part, found)
    write_text(part.with_suffix(".json"), json.dumps(failed))
    for path in part.parent.glob(f"{part.stem}-*.safetensors"):
        path.unlink()


def _is_done(unit: _Unit) -> bool:
    """Whether a unit's account is there, and poses of every video that did not fail."""
    failed = _read_json(Path(unit.part).with_suffix(".json"))
    if failed is None:
        return False
    names = {name for name, _, _ in unit.videos} - {name for name, _ in failed}
    try:
        return not names or set(PoseStore([Path(unit.part)])) == names
    except ValueError:  # empty, or cut off
        return False


def _read_json(path: Path) -> Any:
    """What a JSON file holds; None where it is not there, empty or cut off."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


@lru_cache(maxsize=1)
def _built(estimator: Estimator) -> PoseEstimator:
    return estimator.build()


def poses_of_video(estimator: PoseEstimator, path: Path, frames: int, parts: Path | None = None) -> Poses:
    """The poses in every frame of a video; the next frames are decoded while these are looked at.

    Args:
        frames: how many the index says.
        parts: how the files begin that keep the poses of a long video, every `PART` frames; None: nothing is kept.

    Raises:
        ValueError: the video has fewer, or cannot be read.
    """
    if probe(path).frames < frames:
        raise Refused(f"Expected {frames} frames in {path}, as the index has it; it has {probe(path).frames}.")
    found = {} if parts is None else _kept_frames(parts)
    first = len(found)
    for numbers, pictures in beside(read_in_parts(path, range(first, frames), AT_ONCE)):
        found.update(zip(numbers, estimator(pictures), strict=True))
        if parts is not None and len(found) - first >= PART and len(found) < frames:
            poses = Poses.from_frames(estimator.skeleton, {t: found[t] for t in range(first, len(found))})
            write_shard(parts.with_name(f"{parts.name}-{first:09d}.safetensors"), [("", poses)])
            first = len(found)
    return Poses.from_frames(estimator.skeleton, found)


def _kept_frames(parts: Path) -> dict[int, np.ndarray]:
    """The persons in the first frames of a long video, as far as an earlier call came."""
    found: dict[int, np.ndarray] = {}
    for path in sorted(parts.parent.glob(f"{parts.name}-*.safetensors")):
        try:
            poses = PoseStore([path])[""]
        except ValueError:  # empty, or cut off
            break
        if poses.frame_index.tolist() != list(range(len(found), len(found) + len(poses.frame_index))):
            break
        persons = np.split(poses.joints, poses.frame_offsets[1:-1])
        found.update(zip(poses.frame_index.tolist(), persons, strict=True))
    return found


def beside(items: Iterator[T], ahead: int = 1) -> Iterator[T]:
    """The items of an iterator that runs in a thread of its own, so many ahead."""
    waiting: queue.Queue[tuple[str, Any]] = queue.Queue(ahead)
    stopped = threading.Event()

    def put(item: tuple[str, Any]) -> bool:
        while not stopped.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def run() -> None:
        try:
            for item in items:
                if not put(("item", item)):
                    return
            put(("end", None))
        except BaseException as error:  # it is raised where the items are used
            put(("error", error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    try:
        while True:
            kind, value = waiting.get()
            if kind == "end":
                return
            if kind == "error":
                raise value
            yield value
    finally:
        stopped.set()
        thread.join()


# ---- who works


def _by_processes(todo: Sequence[_Unit], processes: int) -> Iterator[int]:
    """Each unit by one of several processes, or by this one alone. When one dies, all are ended. What had been begun is
    then done one unit at a time by a process of its own, whose death is seen from here: so no video is taken for the
    one that killed its process because it was beside it, or because the whole command was killed."""
    left, call = list(todo), uuid.uuid4().hex
    while left:
        suspects = [unit for unit in left if Path(unit.part).with_suffix(".begun").is_file()]
        if not suspects and processes == 1:
            for unit in left:
                yield do_unit(unit)
            return
        batch, workers = ([replace(suspects[0], watch=call)], 1) if suspects else (left, min(processes, len(left)))
        # spawn: forking a process that runs the threads of an estimator may hang
        context = multiprocessing.get_context("spawn")
        notes, seen = _notes(batch), set[str]()
        pool_of = ProcessPoolExecutor(workers, context, _begin_worker, (workers,))
        with pool_of as pool, suppress(BrokenProcessPool), children_end_too():
            with unheard_by_children():
                running = {pool.submit(do_unit, unit): unit for unit in batch}
            for future in as_completed(running):
                yield future.result()
                seen.add(running[future].part)
        for unit in batch:
            if unit.part not in seen and _is_done(unit):
                yield len(unit.videos)  # it was done when another one died
                seen.add(unit.part)
        if not seen and _notes(batch) == notes:  # it would go on for ever
            raise ChildProcessError(
                "Expected processes that estimate poses; found that they die before they look at a video. Give fewer "
                "--processes: each needs memory for a network of its own."
            )
        left = [unit for unit in left if unit.part not in seen]


def _notes(units: Sequence[_Unit]) -> int:
    """Bytes of the notes on videos that were looked at."""
    paths = (Path(unit.part).with_suffix(".begun") for unit in units)
    return sum(path.stat().st_size for path in paths if path.is_file())


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


def _by_ray(todo: Sequence[_Unit], address: str) -> Iterator[int]:
    """Each unit as a task of a Ray cluster, which begins anew those whose worker or machine died."""
    try:
        import ray
    except ImportError as error:
        raise MissingExtra(
            "Expected Ray for --ray; it is not installed. Run: pip install 'integralaction[ray]'."
        ) from error
    if not todo:
        return
    try:
        ray.init(address=None if address == "local" else address, log_to_driver=False, include_dashboard=False)
    except Exception as error:  # of many kinds
        raise ConnectionError(f"Expected a Ray cluster at {address}; it cannot be reached ({error}).") from error
    call = uuid.uuid4().hex  # Ray gives out again what died, and so this call sees it
    todo = [replace(unit, watch=call) for unit in todo]
    gpu = 1 if todo[0].estimator.device == "cuda" else 0
    task: Any = ray.remote(num_cpus=1, num_gpus=gpu, max_retries=-1)(do_unit)
    try:
        waiting = iter(todo)
        running = [task.remote(unit) for unit in itertools.islice(waiting, AT_RAY)]
        while running:
            ready, running = ray.wait(running, num_returns=1)
            running += [task.remote(unit) for unit in itertools.islice(waiting, len(ready))]
            yield from ray.get(ready)
    finally:
        ray.shutdown()


# ---- from parts to shards


def _merge(root: Path, first: int, units: Sequence[_Unit], skeleton: str) -> list[ImportIssue]:
    """The parts as shards, whose numbers the plan knows: a call that was stopped here writes the same ones again."""
    issues: list[ImportIssue] = []
    shard: list[tuple[str, Poses]] = []
    number = first
    for unit in units:
        part = Path(unit.part)
        failed = json.loads(part.with_suffix(".json").read_text(encoding="utf-8"))
        issues += [
            ImportIssue(name, "no poses: it cannot be looked at", told, is_imported=True) for name, told in failed
        ]
        store = PoseStore([part]) if part.is_file() else PoseStore([])
        shard += [(name, as_skeleton(store[name], skeleton or store.skeleton)) for name in store]
        while len(shard) >= SHARD:
            write_shard(root / f"poses-{number:05d}.safetensors", shard[:SHARD])
            number, shard = number + 1, shard[SHARD:]
    if shard:
        write_shard(root / f"poses-{number:05d}.safetensors", shard)
    return issues
