"""Poses of every video of a data set by an estimator: one process, many, or many machines; resumed after a kill.

plan: videos without poses, in units of a few        -> pose.parts/plan.json
each unit, by whoever works                          -> pose.parts/NNNNNN.safetensors, NNNNNN.json
all units done                                       -> poses-NNNNN.safetensors, as everywhere
"""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from integralaction.assembly.issues import ImportResult, write_issues
from integralaction.assembly.plan import ImportIssue
from integralaction.assembly.pose_files import as_skeleton
from integralaction.assembly.pose_shards import LIST, next_shard
from integralaction.clip import Poses
from integralaction.console import progress, say
from integralaction.data.index import Index, write_index
from integralaction.data.poses import SHARD, PoseStore, write_shard
from integralaction.errors import Refused
from integralaction.estimators.choice import EstimatorChoice
from integralaction.estimators.units import UNIT_SIZE, Unit, load_once, read_json
from integralaction.estimators.workers import work_in_processes, work_on_ray
from integralaction.files import write_text

PLAN = "plan.json"


def estimate_data_set(
    index: Index, estimator: EstimatorChoice, processes: int = 1, ray_address: str | None = None
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
    store = PoseStore.of(index.root)
    if not (parts / PLAN).is_file() and all(video.video in store for video in index.videos):
        say(f"All {len(store)} videos of {index.root} have their poses: nothing is left to do.")
        return ImportResult(index, (), LIST)
    skeleton = store.skeleton
    own_skeleton = load_once(estimator).skeleton  # what is wrong with the estimator is said at once
    as_skeleton(Poses.nobody(own_skeleton), skeleton or own_skeleton)
    first, units = _plan(index, estimator, parts)
    todo = [unit for unit in units if not unit.is_done()]
    total = sum(len(unit.videos) for unit in units)
    counts = work_in_processes(todo, processes) if ray_address is None else work_on_ray(todo, ray_address)
    with progress("estimating poses", total, total - sum(len(unit.videos) for unit in todo)) as advance:
        for count in counts:
            advance(count)
    issues = _merge(index.root, first, units, skeleton)
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


def _plan(index: Index, estimator: EstimatorChoice, parts: Path) -> tuple[int, list[Unit]]:
    """The number of the first shard and the units, from the plan of an interrupted call or new."""
    path = parts / PLAN
    plan: dict[str, Any] | None = read_json(path)
    if plan is None:
        store = PoseStore.of(index.root)
        rows = {video.video: video for video in index.videos if video.video not in store}
        videos = [(name, str(index.path(row)), row.frames) for name, row in rows.items()]
        units = [videos[first : first + UNIT_SIZE] for first in range(0, len(videos), UNIT_SIZE)]
        plan = {"estimator": asdict(estimator), "first": next_shard(index.root), "units": units}
        shutil.rmtree(parts, ignore_errors=True)
        parts.mkdir()
        write_text(path, json.dumps(plan))
    elif plan["estimator"] != json.loads(json.dumps(asdict(estimator))):
        raise Refused(
            f"Expected the estimation that was begun in {index.root} to go on ({_describe(plan['estimator'])}); found "
            f"{_describe(asdict(estimator))}. Give the same, or remove {parts}."
        )
    rows = [tuple((str(name), str(where), int(frames)) for name, where, frames in unit) for unit in plan["units"]]
    return int(plan["first"]), [
        Unit(str(parts / f"{number:06d}.safetensors"), unit, estimator) for number, unit in enumerate(rows)
    ]


def _describe(estimator: dict[str, Any]) -> str:
    return " ".join((estimator["name"], *estimator["files"]))


def _merge(root: Path, first: int, units: Sequence[Unit], skeleton: str) -> list[ImportIssue]:
    """The parts as shards, whose numbers the plan knows: a call that was stopped here writes the same ones again."""
    issues: list[ImportIssue] = []
    shard: list[tuple[str, Poses]] = []
    number = first
    for unit in units:
        part = Path(unit.part)
        failures = json.loads(unit.account.read_text(encoding="utf-8"))
        issues += [
            ImportIssue(name, "no poses: it cannot be looked at", why, is_imported=True) for name, why in failures
        ]
        store = PoseStore([part]) if part.is_file() else PoseStore([])
        shard += [(name, as_skeleton(store[name], skeleton or store.skeleton)) for name in store]
        while len(shard) >= SHARD:
            write_shard(root / f"poses-{number:05d}.safetensors", shard[:SHARD])
            number, shard = number + 1, shard[SHARD:]
    if shard:
        write_shard(root / f"poses-{number:05d}.safetensors", shard)
    return issues
