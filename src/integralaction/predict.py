"""Any video -> `Prediction`: what the model says, how much appearance it let in, what each stream alone says."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from integralaction.clip import Poses, Prediction
from integralaction.data.dataset import ClipReader, TestClips
from integralaction.data.index import Index, Video
from integralaction.data.video import VideoInfo, probe, read_in_parts
from integralaction.draw import draw_frame
from integralaction.files import write_whole
from integralaction.model.network import IntegralAction
from integralaction.model.pose_maps import MIN_SCORE
from integralaction.pose_estimation import PoseEstimator, estimate_poses
from integralaction.skeleton import skeleton_named

USABLE_JOINTS = 0.5  # a person with this share of joints above MIN_SCORE is a usable pose


@torch.no_grad()
def predict_video(model: IntegralAction, video: Path | str, poses: Poses | PoseEstimator | None = None) -> Prediction:
    """Classify one video from its ten test clips.

    Args:
        model: in eval mode; the video's clips go to its device.
        video: any file that FFmpeg reads, or a folder of images.
        poses: of the video, x and y in its pixels, or an estimator, which then looks at the clips' frames; None:
            nobody was found.

    Raises:
        FileNotFoundError: there is no such video.
        ValueError: it cannot be read, the poses are of more frames than it has, or their skeleton does not convert
            to the model's.
    """
    video, config = Path(video), model.config
    info = probe(video)
    looks_at_poses = config.method != "appearance-only"
    if poses is None or not looks_at_poses:
        poses = Poses.nobody(config.skeleton)
    if not isinstance(poses, Poses):
        reader = _reader(model, video, info, Poses.nobody(poses.skeleton))
        wanted = np.concatenate([reader.wanted_poses(0, start) for start in reader.starts(0)])
        poses = estimate_poses(poses, video, wanted.tolist())
    elif len(poses.frame_index) and poses.frame_index[-1] >= info.frames:
        raise ValueError(
            f"Expected poses of the {info.frames} frames of {video}, counted from 0; found poses of frame "
            f"{poses.frame_index[-1]}. Give the poses of this video."
        )
    reader = _reader(model, video, info, poses)
    batch = TestClips(reader)[0]
    device = next(model.parameters()).device
    frames = None if batch.frames is None else batch.frames.to(device)
    output = model(frames, batch.joints.to(device) if looks_at_poses else None)
    return Prediction(
        video=str(video),
        classes=config.classes,
        clip_probabilities=output.probabilities.cpu().numpy(),
        frames=np.stack([reader.wanted(0, start) for start in reader.starts(0)]),
        gates=None if output.gate is None else output.gate.mean(dim=2).cpu().numpy(),
        appearance=None if output.appearance_probabilities is None else _mean(output.appearance_probabilities),
        pose=None if output.pose_probabilities is None else _mean(output.pose_probabilities),
        pose_share=_pose_share(batch.joints) if looks_at_poses else None,
        poses=poses,
    )


def _reader(model: IntegralAction, video: Path, info: VideoInfo, poses: Poses) -> ClipReader:
    row = Video(video.name, "", "", info.frames, info.fps, info.height, info.width)
    index = Index(video.parent, "", poses.skeleton, model.config.classes, (row,))
    return ClipReader(index, {video.name: poses}, model.config)


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
    clips = f"{len(prediction.frames)} clip{'s' if len(prediction.frames) > 1 else ''}"
    if prediction.pose_share is None:
        lines.append(f"  {clips}")
    else:
        share = round(100 * prediction.pose_share)
        lines.append(f"  usable pose in {share} % of the frames, none in {100 - share} %; {clips}")
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
        "clips": len(prediction.frames),
    }


def save_frames(prediction: Prediction, folder: Path) -> int:
    """Write every frame of every clip with its poses, the clip's answer and the gate, as FOLDER/clip0-frame000016.jpg.

    Pictures of that form which an earlier call left in the folder are removed.

    Returns:
        How many pictures were written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("clip*-frame*.jpg"):
        old.unlink()
    skeleton = skeleton_named(prediction.poses.skeleton)
    written = 0
    for clip, wanted in enumerate(prediction.frames):
        best = int(prediction.clip_probabilities[clip].argmax())
        answer = f"{prediction.classes[best]} {100 * prediction.clip_probabilities[clip, best]:.0f} %"
        place = {int(number): t for t, number in reversed(list(enumerate(wanted)))}  # the last frame may be repeated
        for numbers, frames in read_in_parts(prediction.video, wanted):
            for number, frame in zip(numbers, frames, strict=True):
                gate = None if prediction.gates is None else float(prediction.gates[clip, place[number]])
                title = f"clip {clip}, frame {number}: {answer}"
                persons = prediction.poses.at(np.array([number]))[0]
                picture = draw_frame(frame, persons, skeleton, MIN_SCORE, title, gate)
                path = folder / f"clip{clip}-frame{number:06d}.jpg"
                with write_whole(path) as aside:
                    picture.save(aside, "JPEG", quality=90)
                written += 1
    return written
