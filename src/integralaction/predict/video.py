"""Any video -> `Prediction`: what the model says, how much appearance it let in, what each stream alone says."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from integralaction.clip import Persons, Poses, Prediction, collate
from integralaction.config import Method, ModelConfig
from integralaction.console import one_line, progress, say
from integralaction.data.clips import Source, VideoReader
from integralaction.data.pose_files import Units, read_poses
from integralaction.data.sampling import ten_clips
from integralaction.data.video import VideoInfo, probe
from integralaction.errors import MissingFile, Refused
from integralaction.estimators.choice import NAMES, is_estimator_installed, load_estimator
from integralaction.estimators.estimator import PoseEstimator
from integralaction.estimators.video_poses import estimate_poses
from integralaction.model.network import IntegralAction
from integralaction.model.pose_maps import MIN_SCORE

USABLE_JOINTS = 0.5  # a person with this share of joints above MIN_SCORE is a usable pose


@dataclass(frozen=True)
class PoseSource:
    """Where the persons of videos are from.

    Attributes:
        name: as people and programs are told: `rtmo`, a path, `none`.
        poses: of one video, or an estimator, or a path that `read_poses` takes; None: nobody is looked for.
        units: of the places in JSON files; None: as their values tell.
    """

    name: str
    poses: Poses | PoseEstimator | Path | None
    units: Units | None = None


def predict_video(
    model: IntegralAction,
    video: Path | str,
    poses: PoseSource | Poses | PoseEstimator | Path | str | None = "auto",
) -> Prediction:
    """Classify one video from its ten test clips.

    The model answers in eval mode and has its own modes again afterwards.

    Args:
        model: the video's clips go to its device.
        video: any file that FFmpeg reads, or a folder of images.
        poses: where the persons are: `auto`, the default, is `rtmo` where the extra integralaction[pose] is installed
            and its network is there or can be downloaded, else nobody is looked for, which is said on standard error;
            the name of an estimator (rtmo, rtmpose, keypoint-rcnn); an estimator, which looks at the clips' frames; a
            path: a data set folder, one of its shards, pose files (`read_poses`); the poses of the video, x and y in
            its pixels; None, or `none`: nobody is looked for, and appearance alone tells the model anything.

    Raises:
        FileNotFoundError: there is no such video, or no such file of poses.
        ValueError: it cannot be read, the poses are of more frames than it has, their skeleton does not convert to the
            model's, or a model that looks at poses alone gets none.
        ModuleNotFoundError, ConnectionError: an estimator that was named is not installed, or cannot be downloaded.
    """
    if not isinstance(model, IntegralAction):
        raise Refused(f"Expected a model; found {model!r}. Give load_model({model!r}).")
    video, config = Path(video), model.config
    info = probe(video)  # what is wrong with the video is said before what its poses lack
    device = model.device
    source = poses if isinstance(poses, PoseSource) else pose_source(poses, config.method, device.type)
    whole = Source(video, info, 0, info.frames)
    video_poses = _find_poses(source, whole, config)
    reader = VideoReader.for_model(whole, video_poses, config)
    _say_remarks(video, info, config.clip.span)
    numbers = ten_clips(info.frames, config.clip)
    clips = reader.read_clips(numbers)
    batch = collate(clips, [-1] * len(clips), [0] * len(clips))
    frames = None if batch.frames is None else batch.frames.to(device)
    joints = batch.joints.to(device) if config.pose is not None else None
    with torch.no_grad(), _eval_mode(model):
        output = model(frames, joints)
    stream_probabilities = {"appearance": output.appearance_probabilities, "pose": output.pose_probabilities}
    return Prediction(
        video=str(video),
        model=model.source,
        classes=config.classes,
        clip_probabilities=output.probabilities.cpu().numpy(),
        frames=numbers.frames,
        gates=None if output.gate is None else output.gate.mean(dim=2).cpu().numpy(),
        streams={name: p.mean(dim=0).cpu().numpy() for name, p in stream_probabilities.items() if p is not None},
        persons=Persons(
            source.name, video_poses, None if joints is None else _pose_share(batch.joints, config.clip.size)
        ),
    )


def _say_remarks(video: Path, info: VideoInfo, span: int) -> None:
    """Say what makes an answer about a video less than it seems."""
    if not info.has_times and not video.is_dir():
        say(f"{video}: its times cannot be trusted; its frames are taken in the order of the decoder.")
    if not info.is_whole:
        say(f"{video} ends as a file does that lost its end: the answer is about the frames that are left.")
    if info.frames < span:
        say(f"{video} has {info.frames} frames, a clip spans {span}: the clip is filled with its last frame.")


def pose_source(poses: Poses | PoseEstimator | Path | str | None, method: Method, device: str = "cpu") -> PoseSource:
    """What `predict_video` is to take the persons from: see there.

    Args:
        method: of the model: one that looks at no poses needs none, one that looks at nothing else needs some.
        device: where an estimator runs.
    """
    if method == "appearance-only":
        return PoseSource("none", None)
    if poses is None or (isinstance(poses, str) and poses == "none"):  # arrays compare one by one
        if method == "pose-only":
            raise Refused(
                "Expected poses for a model that looks at nothing else; found none. Give --poses, or install an "
                "estimator: pip install 'integralaction[pose]'."
            )
        return PoseSource("none", None)
    if isinstance(poses, str) and poses == "auto":
        return _default_source(method, device)
    if isinstance(poses, Poses):
        return PoseSource("poses given", poses)
    if isinstance(poses, (str, Path)):
        if poses in NAMES:
            return PoseSource(str(poses), _estimator(str(poses), device))
        if not Path(poses).exists():
            raise MissingFile(f"Expected {', '.join(NAMES)}, none, or a file or folder of poses; {poses} is not there.")
        if Path(poses).suffix.lower() == ".onnx":
            raise Refused(
                f"Expected a data set folder or files of poses; {poses} is a network. Give an OpenPose network with "
                "--pose-model, RTMO's or RTMPose's with --weights; in Python, OpenPose(Path(...)) of "
                "integralaction.estimators.openpose."
            )
        return PoseSource(str(poses), Path(poses))
    if isinstance(poses, PoseEstimator):
        return PoseSource(type(poses).__name__, poses)
    raise Refused(
        "Expected poses as the name of an estimator, a path, Poses, an estimator or None; found "
        f"a {type(poses).__name__}."
    )


def _default_source(method: Method, device: str) -> PoseSource:
    """RTMO where it can be had; else, of a model that can do without, nobody."""
    reason = "no estimator is installed (pip install 'integralaction[pose]') and none were given (--poses)."
    if is_estimator_installed():
        try:
            return PoseSource("rtmo", _estimator("rtmo", device))
        except (ConnectionError, ModuleNotFoundError) as error:  # nobody asked for it by name
            if method == "pose-only":
                raise
            reason = one_line(error)
    nobody = pose_source(None, method, device)
    say(f"No poses: {reason} The model sees nobody: only the appearance tells it anything.")
    return nobody


@lru_cache(maxsize=1)
def _estimator(name: str, device: str) -> PoseEstimator:
    """An estimator, built once for all videos."""
    return load_estimator(name, (), device)


def _find_poses(source: PoseSource, whole: Source, model: ModelConfig) -> Poses:
    """The poses of a whole video, of those frames at least that the model's clips show."""
    poses, video, frames = source.poses, whole.path, whole.frames
    if poses is None:
        return Poses.nobody(model.skeleton or "openpose18")
    if isinstance(poses, Path):
        poses = read_poses(poses, video, source.units)
    if isinstance(poses, Poses):
        if len(poses.frame_index) and poses.frame_index[-1] >= frames:
            raise Refused(
                f"Expected poses of the {frames} frames of {video}, counted from 0; found poses of frame "
                f"{poses.frame_index[-1]}. Give the poses of this video."
            )
        return poses
    # a skeleton that does not convert is refused before minutes are spent on it
    VideoReader.for_model(whole, Poses.nobody(poses.skeleton), model)
    numbers = np.unique(ten_clips(frames, model.clip).poses).tolist()
    with progress(f"looking for persons in {video.name}", len(numbers)) as advance:
        return estimate_poses(poses, video, numbers, advance)


@contextmanager
def _eval_mode(model: torch.nn.Module) -> Generator[None]:
    """In train mode an answer would depend on the other clips, and the batch statistics would be moved by them."""
    modules = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in modules:
            module.training = True


def _pose_share(joints: torch.Tensor, size: int) -> float:
    """Share of the clips' frames, (N, T', P, K, 3), in which at least one person's pose is usable: enough joints, of
    which one at least is in the picture of `size` x `size` pixels that the model sees."""
    is_visible = joints[..., 2] > MIN_SCORE
    is_inside = is_visible & (joints[..., :2] >= 0).all(dim=4) & (joints[..., :2] <= size - 1).all(dim=4)
    is_usable = (is_visible.float().mean(dim=3) >= USABLE_JOINTS) & is_inside.any(dim=3)
    return float(is_usable.any(dim=2).float().mean())
