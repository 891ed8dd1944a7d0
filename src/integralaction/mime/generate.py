"""Render the benchmark into a data set folder: what to make, in which order, by how many processes."""

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np

from integralaction.clip import Poses
from integralaction.console import progress
from integralaction.data.index import Index, Video, write_index
from integralaction.data.poses import SHARD, PoseStore, write_shard
from integralaction.data.video import probe, write_video
from integralaction.errors import Refused
from integralaction.interrupts import end_children_on_interrupt, hide_interrupts_from_children
from integralaction.mime.acts import ACTS, Act, is_told_by_place
from integralaction.mime.drawing.scenes import NO_SCENES, SCENES
from integralaction.mime.settings import COUNTS, SPLITS, MimeSettings
from integralaction.mime.shots import Format, Plan, compose
from integralaction.settings import read_yaml, write_yaml

VAL_SHARES = (0.4, 0.2)  # of a class's val videos: in context, no pose; the rest out of context or ambiguous


def plan_videos(settings: MimeSettings) -> list[Plan]:
    """Every video of the benchmark, in the order of the index."""
    plans = []
    for number, split in enumerate(SPLITS):
        count = getattr(settings, COUNTS[split])
        for place, act in enumerate(ACTS):
            if split == ("ambiguous" if act.is_told_by_motion else "out-of-context"):
                continue
            for i in range(count):
                kind = _choose_kind(split, act, i, count, settings)
                plans.append(_plan_video(split, act, i, kind, (settings.seed, number, place * count + i), settings))
    return plans


def _choose_kind(split: str, act: Act, i: int, count: int, settings: MimeSettings) -> str:
    if split == "train":
        share = settings.no_pose_share
        return "no-pose" if int((i + 1) * share + 1e-9) > int(i * share + 1e-9) else "in-context"
    if split == "val":
        in_context, no_pose = round(VAL_SHARES[0] * count), round(VAL_SHARES[1] * count)
        if i < in_context:
            return "in-context"
        if i < in_context + no_pose:
            return "no-pose"
        return "out-of-context" if act.is_told_by_motion else "ambiguous"
    return split


def _plan_video(split: str, act: Act, i: int, kind: str, seed: tuple[int, int, int], settings: MimeSettings) -> Plan:
    # a stream of its own, beside those that compose() spawns from the same seed
    rng = np.random.default_rng(seed)
    frames = round(float(rng.uniform(*settings.seconds)) * settings.fps)
    is_agreeing = rng.uniform() < settings.scene_agreement
    others = [name for name in SCENES if name != act.scene]
    other, no_scene = others[rng.integers(len(others))], list(NO_SCENES)[rng.integers(len(NO_SCENES))]
    scene = act.scene
    if kind == "out-of-context":
        scene = other if rng.uniform() < 0.8 else no_scene
    elif split in ("train", "in-context") or (split == "val" and kind == "in-context"):
        scene = act.scene if is_agreeing or is_told_by_place(act) else other
    name = f"{split}/{act.name.replace(' ', '_')}/{i:05d}.mp4"
    return Plan(name, act.name, split, kind, scene, Format(frames, settings.fps, settings.size), seed)


def make_video(root: Path, plan: Plan) -> Poses:
    """Render one video into the folder; its pose estimates."""
    shot = compose(plan)
    write_video(root / plan.video, shot.frames(), plan.format.fps)
    return shot.poses()


def generate(out: Path | str, settings: MimeSettings, processes: int | None = None) -> Index:
    """Render the benchmark; what an interrupted run has rendered stays.

    The result depends on the settings alone, not on the number of processes.

    Args:
        out: the data set folder, new or of an interrupted run.
        settings: what to render.
        processes: how many work at the same time; None: as many as there are processor cores.

    Raises:
        ValueError: the folder was made with other settings.
    """
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise Refused(f"Expected a folder for the data set; {out} is a file. Choose another name.")
    out.mkdir(parents=True, exist_ok=True)
    _claim_folder(out, settings)
    plans = plan_videos(settings)
    units = [plans[first : first + SHARD] for first in range(0, len(plans), SHARD)]
    shards = [out / f"poses-{number:05d}.safetensors" for number in range(len(units))]
    open_units = [(shard, unit) for shard, unit in zip(shards, units, strict=True) if not _is_whole(out, shard, unit)]
    with progress("rendering", len(plans), len(plans) - sum(len(unit) for _, unit in open_units)) as advance:
        _make_units(out, open_units, processes or os.cpu_count() or 1, lambda: advance(1))
    index = Index(
        root=out,
        name="mime",
        skeleton="openpose18",
        classes=tuple(act.name for act in ACTS),
        videos=tuple(_index_row(plan) for plan in plans),
        made_by="integralaction mime: " + ", ".join(f"{k}={v}" for k, v in _as_values(settings).items()),
    )
    write_index(index)
    return index


def _is_whole(out: Path, shard: Path, unit: list[Plan]) -> bool:
    """Whether a unit's poses and videos are there, and none of them is cut off."""
    if not shard.exists():
        return False
    try:
        return list(PoseStore([shard])) == [plan.video for plan in unit] and all(
            probe(out / plan.video).frames == plan.format.frames for plan in unit
        )
    except (FileNotFoundError, ValueError):
        return False


def _make_units(out: Path, units: list[tuple[Path, list[Plan]]], processes: int, advance: Callable[[], None]) -> None:
    """Make each unit's videos, then its pose shard, by which a later run knows that the unit is whole."""

    def write_unit(shard: Path, unit: list[Plan], poses: Iterable[Poses]) -> None:
        entries = []
        for plan, video_poses in zip(unit, poses, strict=True):
            entries.append((plan.video, video_poses))
            advance()
        write_shard(shard, entries)

    count = sum(len(unit) for _, unit in units)
    if processes == 1 or count < 2:
        for shard, unit in units:
            write_unit(shard, unit, (make_video(out, plan) for plan in unit))
        return
    # spawn: forking a process that already runs the threads of torch may hang
    context = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(
            min(processes, count), mp_context=context, initializer=_end_with_parent, initargs=(os.getpid(),)
        ) as pool,
        end_children_on_interrupt(),
    ):
        with hide_interrupts_from_children():
            results = [pool.map(make_video, [out] * len(unit), unit, chunksize=4) for _, unit in units]
        for (shard, unit), poses in zip(units, results, strict=True):
            write_unit(shard, unit, poses)


def _end_with_parent(parent: int) -> None:
    """A worker whose parent was killed would wait for work for ever; it may have been killed before this starts."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _index_row(plan: Plan) -> Video:
    return Video(
        video=plan.video,
        label=plan.act,
        split=plan.split,
        frames=plan.format.frames,
        fps=plan.format.fps,
        height=plan.format.pixels,
        width=plan.format.pixels,
        group=plan.scene,
        note=plan.kind,
    )


def _as_values(settings: MimeSettings) -> dict:
    return {**asdict(settings), "seconds": list(settings.seconds)}


def _claim_folder(out: Path, settings: MimeSettings) -> None:
    """Write `mime.yaml`, or check that the one that lies there has the same settings."""
    path = out / "mime.yaml"
    values = _as_values(settings)
    if path.exists():
        earlier = read_yaml(path)
        if not isinstance(earlier, dict) or not earlier.keys() >= values.keys():
            raise Refused(
                f"Expected the benchmark's settings in {path}; found a file that is empty or damaged. Delete {out} and "
                "render it again."
            )
        names = [f.name for f in fields(settings) if earlier[f.name] != values[f.name]]
        if names:
            raise Refused(
                f"Expected {out} to be new or made with the same settings; found {names[0]}={earlier[names[0]]} there, "
                f"{values[names[0]]} now. Choose another folder or delete that one."
            )
        return
    # a call that was stopped at once leaves the settings under the name that `write_whole` writes to
    if any(other.name != f"{path.name}.part" for other in out.iterdir()):
        raise Refused(f"Expected {out} to be new, empty or made by mime; found other files. Choose another folder.")
    write_yaml(path, values)
