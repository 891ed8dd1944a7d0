"""Any video -> `Prediction`: what the model says, how much appearance it let in, what each stream alone says."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from integralaction.clip import Poses, Prediction
from integralaction.data.dataset import ClipReader, TestClips
from integralaction.data.index import Index, Video
from integralaction.data.video import probe
from integralaction.model.network import IntegralAction
from integralaction.model.pose_maps import MIN_SCORE

USABLE_JOINTS = 0.5  # a person with this share of joints above MIN_SCORE is a usable pose


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
        poses = Poses.nobody(config.skeleton)
    row = Video(video.name, "", "", info.frames, info.fps, info.height, info.width)
    index = Index(video.parent, "", poses.skeleton, config.classes, (row,))
    batch = TestClips(ClipReader(index, {video.name: poses}, config))[0]
    device = next(model.parameters()).device
    frames = None if batch.frames is None else batch.frames.to(device)
    output = model(frames, None if config.method == "appearance-only" else batch.joints.to(device))
    return Prediction(
        video=str(video),
        classes=config.classes,
        probabilities=_mean(output.probabilities),
        clips=len(batch.joints),
        gate=None if output.gate is None else float(output.gate.mean()),
        appearance=None if output.appearance_probabilities is None else _mean(output.appearance_probabilities),
        pose=None if output.pose_probabilities is None else _mean(output.pose_probabilities),
        pose_share=_pose_share(batch.joints),
    )


def _mean(probabilities: torch.Tensor) -> np.ndarray:
    """Probabilities (N, classes), averaged over the clips."""
    return probabilities.mean(dim=0).cpu().numpy()


def _pose_share(joints: torch.Tensor) -> float:
    """Share of the clips' frames, (N, T', P, K, 3), in which at least one person's pose is usable."""
    found = (joints[..., 2] > MIN_SCORE).float().mean(dim=3) >= USABLE_JOINTS
    return float(found.any(dim=2).float().mean())


def as_text(prediction: Prediction) -> str:
    """A prediction for people: the best five classes, the gate, a line for each stream."""
    lines = [prediction.video]
    lines += [f"  {100 * p:5.1f} %  {name}" for name, p in prediction.top()]
    if prediction.gate is not None:
        lines.append(f"  gate {prediction.gate:.2f}  (0 = pose alone, 1 = appearance alone)")
    for stream, (name, p) in prediction.top_of_streams().items():
        lines.append(f"  {stream} alone: {name} ({100 * p:.1f} %)")
    lines.append(f"  usable pose in {100 * prediction.pose_share:.0f} % of the frames, {prediction.clips} clips")
    return "\n".join(lines)


def as_dict(prediction: Prediction) -> dict[str, Any]:
    """A prediction for programs, as JSON holds it."""
    streams = prediction.top_of_streams().items()
    return {
        "video": prediction.video,
        "top": [{"class": name, "probability": p} for name, p in prediction.top()],
        "gate": prediction.gate,
        "streams": {stream: {"class": name, "probability": p} for stream, (name, p) in streams},
        "pose_share": prediction.pose_share,
        "clips": prediction.clips,
    }
