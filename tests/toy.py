"""A data set of a few tiny videos, whose pose and colour both tell the class: enough to run every stage."""

from pathlib import Path

import numpy as np

from integralaction.clip import Poses
from integralaction.config import ModelConfig, Recipe, Stage
from integralaction.data.index import Index, Video, write_index
from integralaction.data.poses import write_pose_store
from integralaction.data.video import write_video

CLASSES = ("down", "right", "still")
SIZE, FRAMES = 32, 12


def toy_recipe() -> Recipe:
    """All three stages in seconds."""
    return Recipe(
        name="toy",
        model=ModelConfig(width=0.125, channels=8, frames=2, stride=2, size=32),
        methods=("integral", "gate-free"),
        appearance=Stage(epochs=2, lr=0.05),
        pose=Stage(epochs=2, lr=0.05),
        integration=Stage(epochs=2, lr=0.05),
        batch_size=4,
        start="random",
        workers=0,
    )


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
