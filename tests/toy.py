"""A data set of a few tiny videos, whose pose and colour both tell the class: enough to run every stage."""

from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from integralaction.clip import Poses
from integralaction.config import ModelConfig
from integralaction.data.index import Index, Video, write_index
from integralaction.data.poses import write_pose_store
from integralaction.data.video import write_video
from integralaction.recipe import Loading, Optimizer, Recipe, Stage, Stages, Start

CLASSES = ("down", "right", "still")
SIZE, FRAMES = 32, 12

T = TypeVar("T")


def toy_recipe() -> Recipe:
    """All three stages in seconds."""
    stage = Stage(epochs=2, lr=0.05)
    return Recipe(
        name="toy",
        model=toy_model(channels=8, frames=2, stride=2),
        methods=("integral", "gate-free"),
        stages=Stages(stage, stage, stage),
        optimizer=Optimizer(batch_size=4),
        start=Start("random"),
        loading=Loading(workers=0),
    )


def toy_model(**values: Any) -> ModelConfig:
    """The narrowest model of the smallest frames: see `with_values`."""
    return with_values(ModelConfig(), **{"width": 0.125, "size": 32, **values})


def with_values(settings: T, **values: Any) -> T:
    """Settings in which each field of these names, in whatever part it is, has another value."""
    result, unknown = _with_values(settings, values)
    assert not unknown, f"no part of {type(settings).__name__} has the fields {unknown}"
    return result


def _with_values(settings: Any, values: dict[str, Any]) -> tuple[Any, set[str]]:
    own, unknown = {}, set(values)
    for field in fields(settings):
        present = getattr(settings, field.name)
        is_part = is_dataclass(present)
        value = values.get(field.name)
        if field.name in values and (type(value) is type(present) if is_part else not is_dataclass(value)):
            own[field.name] = value
            unknown -= {field.name}
        elif is_part:
            own[field.name], rest = _with_values(present, values)
            unknown &= rest
    return replace(settings, **own), unknown


def write_toy_dataset(root: Path, videos: int = 9) -> Index:
    """`videos` training videos and three of each test split."""
    random = np.random.default_rng(0)
    rows, poses = [], []
    for i in range(videos + 6):
        label = i % len(CLASSES)
        split = "train" if i < videos else "in-context" if i < videos + 3 else "out-of-context"
        video = f"{split}/{i:03d}.mp4"
        frames = random.integers(0, 60, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
        frames[..., label] += 120
        (root / video).parent.mkdir(parents=True, exist_ok=True)
        write_video(root / video, frames, 10)
        rows.append(Video(video, CLASSES[label], split, FRAMES, 10.0, SIZE, SIZE))
        body = random.uniform(4, 20, (1, 18, 2))
        move = np.array([[0, 0.8], [0.8, 0], [0, 0]])[label]
        found = {
            t: np.concatenate([body + move * t, np.full((1, 18, 1), 0.9)], axis=2) for t in range(FRAMES) if (i + t) % 5
        }
        poses.append((video, Poses.from_frames("openpose18", found)))
    index = Index(root, "toy", "openpose18", CLASSES, tuple(rows))
    write_pose_store(root, poses)
    write_index(index)
    return index
