"""Any video -> `Prediction`: what the model says, how much appearance it let in, what each stream alone says."""

from pathlib import Path

import numpy as np
import torch

from integralaction.clip import Poses, Prediction
from integralaction.data.dataset import ClipReader, TestClips
from integralaction.data.index import Index, Video
from integralaction.data.video import probe
from integralaction.evaluate import CLIPS_AT_ONCE
from integralaction.model.network import IntegralAction
from integralaction.skeleton import skeleton_named

USABLE_JOINTS = 0.5  # a person with this share of joints above MIN_SCORE is a usable pose
MIN_SCORE = 0.1


@torch.no_grad()
def predict_video(model: IntegralAction, video: Path | str, poses: Poses | None = None) -> Prediction:
    """Classify one video from its ten test clips.

    Args:
        model: in eval mode; the video's clips go to its device.
        video: any file that FFmpeg reads, or a folder of images.
        poses: of the video, x and y in its pixels; None: nobody was found.

    Raises:
        FileNotFoundError: there is no such video.
        ValueError: it cannot be read, or the poses' skeleton does not convert to the model's.
    """
    video, config = Path(video), model.config
    info = probe(video)
    if poses is None:
        poses = Poses.nobody(config.skeleton, len(skeleton_named(config.skeleton).joints))
    row = Video(video.name, "", "", info.frames, info.fps, info.height, info.width)
    index = Index(video.parent, "", poses.skeleton, config.classes, (row,))
    batch = TestClips(ClipReader(index, {video.name: poses}, config))[0]
    device = next(model.parameters()).device
    outputs = []
    for first in range(0, len(batch.joints), CLIPS_AT_ONCE):
        part = slice(first, first + CLIPS_AT_ONCE)
        frames = None if batch.frames is None else batch.frames[part].to(device)
        joints = None if config.method == "appearance-only" else batch.joints[part].to(device)
        outputs.append(model(frames, joints))

    def mean(tensors: list[torch.Tensor | None]) -> np.ndarray | None:
        present = [tensor for tensor in tensors if tensor is not None]
        return torch.cat(present).mean(dim=0).cpu().numpy() if present else None

    gate = mean([output.gate for output in outputs])
    probabilities = mean([output.probabilities for output in outputs])
    assert probabilities is not None
    return Prediction(
        video=str(video),
        classes=config.classes,
        probabilities=probabilities,
        clips=len(batch.joints),
        gate=None if gate is None else float(gate.mean()),
        appearance=mean([output.appearance_probabilities for output in outputs]),
        pose=mean([output.pose_probabilities for output in outputs]),
        pose_share=_pose_share(batch.joints),
    )


def _pose_share(joints: torch.Tensor) -> float:
    """Share of the clips' frames, (N, T', P, K, 3), in which at least one person's pose is usable."""
    found = (joints[..., 2] > MIN_SCORE).float().mean(dim=3) >= USABLE_JOINTS
    return float(found.any(dim=2).float().mean())
