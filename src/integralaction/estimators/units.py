"""A few videos as one piece of work, which survives that the process dies in it.

    a long video: every few thousand frames              -> NNNNNN-V-FIRST.safetensors
    a unit: decoding beside estimating, video by video   -> NNNNNN.safetensors, then NNNNNN.json

A unit that is done is not done again; one that a killed worker had begun is begun anew, but for the finished parts of
its long videos. A video that fails is named and the rest go on. So is one at which the working process dies again and
again while the command lives to see it; when the whole command dies, that is no fault of the video.
"""

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from integralaction.clip import Poses
from integralaction.console import one_line
from integralaction.data.poses import PoseStore, write_shard
from integralaction.estimators.choice import EstimatorChoice
from integralaction.estimators.estimator import PoseEstimator
from integralaction.estimators.video_poses import estimate_all_poses
from integralaction.files import write_text

UNIT_SIZE = 4  # videos after which a killed worker's work is kept
TRIES = 5  # times that a worker may die at a video before that video is given up


@dataclass(frozen=True)
class Unit:
    """Work for one process: plain values, so that it travels.

    Attributes:
        part: where its poses go; the account lies beside it as .json, the notes on its videos as .begun.
        videos: (name in the index, path, frames) of each.
        estimator: by which.
        watch: a name of the call that lives to see a process die at this unit alone; empty: nobody can tell.
    """

    part: str
    videos: tuple[tuple[str, str, int], ...]
    estimator: EstimatorChoice
    watch: str = ""

    @property
    def account(self) -> Path:
        """Which videos failed, and why."""
        return Path(self.part).with_suffix(".json")

    @property
    def notes(self) -> Path:
        """When a process began with a video and ended it."""
        return Path(self.part).with_suffix(".begun")

    def is_done(self) -> bool:
        """Whether its account is there, and poses of every video that did not fail."""
        failures = read_json(self.account)
        if failures is None:
            return False
        names = {name for name, _, _ in self.videos} - {name for name, _ in failures}
        try:
            return not names or set(PoseStore([Path(self.part)])) == names
        except ValueError:  # empty, or cut off
            return False


def do_unit(unit: Unit) -> int:
    """Estimate the poses of a unit's videos and write them into its part; how many videos it has."""
    estimator = load_once(unit.estimator)
    part = Path(unit.part)
    videos: list[tuple[str, Poses]] = []
    failures: list[tuple[str, str]] = []
    deaths = _count_deaths(unit)
    for number, (name, path, frames) in enumerate(unit.videos):
        if deaths[number] >= TRIES:
            failures.append((name, f"{TRIES} times the process that looked at it died"))
            continue
        _write_note(unit, number, "+")
        try:
            poses = estimate_all_poses(estimator, Path(path), frames, part.with_name(f"{part.stem}-{number}"))
            videos.append((name, poses))
        except Exception as error:  # one bad video, or one that the estimator's library fails on, never stops the rest
            failures.append((name, one_line(error)))
        finally:
            _write_note(unit, number, "-")  # not so when the process is killed
    if videos:
        write_shard(part, videos)
    write_text(unit.account, json.dumps(failures))
    for path in part.parent.glob(f"{part.stem}-*.safetensors"):
        path.unlink()
    return len(unit.videos)


@lru_cache(maxsize=1)
def load_once(estimator: EstimatorChoice) -> PoseEstimator:
    """The estimator of this process."""
    return estimator.load()


def read_json(path: Path) -> Any:
    """What a JSON file holds; None where it is not there, empty or cut off."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _write_note(unit: Unit, number: int, sign: str) -> None:
    """Note that a video is looked at (+), or that it was (-)."""
    with unit.notes.open("a", encoding="ascii") as file:
        file.write(f"{sign}{number}@{unit.watch}\n")


def _count_deaths(unit: Unit) -> list[int]:
    """How often a process died while it looked at each video and this call lived: it was begun, and neither done nor
    stopped in order, before this call gave out the unit again."""
    has_notes = unit.watch and unit.notes.is_file()
    notes = unit.notes.read_text(encoding="ascii", errors="replace").split() if has_notes else []
    return [
        notes.count(f"+{number}@{unit.watch}") - notes.count(f"-{number}@{unit.watch}")
        for number in range(len(unit.videos))
    ]
