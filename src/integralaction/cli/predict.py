"""The command `integralaction predict`."""

import errno
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from glob import glob
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from integralaction.cli.models import Device
from integralaction.config import Method
from integralaction.console import one_line, say, show, show_origin, track
from integralaction.errors import Refused

if TYPE_CHECKING:
    from integralaction.model.network import IntegralAction
    from integralaction.predict.video import PoseSource


def predict(
    video: str,
    /,
    *videos: str,
    model: str | None = None,
    poses: str | None = None,
    weights: Annotated[list[Path] | None, Parameter(negative=(), consume_multiple=True)] = None,
    pose_model: Path | None = None,
    pose_units: str | None = None,
    save_frames: Path | None = None,
    json_: Annotated[bool, Parameter(name="--json", negative=())] = False,
    device: Device = "auto",
) -> int:
    """Say what action each video shows: the best five classes, the mean gate, and what each stream alone says.

    Parameters
    ----------
    video
        A file that FFmpeg reads, a folder of images (one video), a folder of videos (all that are in it), or a pattern
        such as 'clips/*.mp4'.
    videos
        More of them. One that cannot be read is named and the rest go on.
    model
        A run folder, a model folder or file, another project's checkpoint (see convert), the id of a model on the
        Hugging Face Hub, or mime, the embedded model, which answers where none is named.
    poses
        Where the persons are: rtmo or rtmpose (estimators, of the extra integralaction[pose]); a data set folder or one
        of its shards; a folder of OpenPose's JSON files; COCO results or AlphaPose's, a JSON file of one video or a
        folder with one named after each video; none. By default rtmo where the extra is installed, else none.
    weights
        Local ONNX files instead of a download: RTMO's one, or YOLOX's and RTMPose's.
    pose_model
        An OpenPose network of 18 joints as an ONNX file, instead of --poses.
    pose_units
        Units of poses in JSON files: pixels, unit (0..1 of the video), centred (-1..1), or the size of the pictures
        that the poses were found in, as 1920x1080; by default as their values tell.
    save_frames
        A folder for the clips' frames with poses and gate drawn on them, a folder a video. One that holds other
        pictures is refused.
    json_
        Print one JSON object a line instead.
    device
        Where the model runs.
    """
    paths, absent = video_paths((video, *videos))
    for name in absent:  # before anything is loaded or downloaded
        say(f"integralaction: Expected a video or a folder of images at {name}, found nothing; check the path.")
    if not paths:
        return 1
    from integralaction.models import choose_device, load_model
    from integralaction.pose_files.read import check_units

    check_units(pose_units)
    target = choose_device(device)
    network = load_model(model or "mime").to(target)
    if model is None:
        say("No --model given: the embedded model answers; its labels are the drawn actions of the benchmark mime.")
    source = _source(paths, poses, weights or [], pose_model, target.type, network.config.method)
    failures = _predict_each(paths, network, replace(source, units=pose_units), json_, save_frames)
    return 1 if absent or failures else 0


def _predict_each(
    paths: list[Path], network: "IntegralAction", source: "PoseSource", as_json: bool, save_frames: Path | None
) -> int:
    """Show what each video shows; how many could not be read."""
    from integralaction.estimators.estimator import PoseEstimator
    from integralaction.predict.exports import as_dict, as_text
    from integralaction.predict.overlay import save_frames as save
    from integralaction.predict.video import predict_video

    if save_frames is not None:
        save_frames.mkdir(parents=True, exist_ok=True)
    failures = 0
    folders: set[str] = set()
    # an estimator shows its own progress, on a terminal the answers do
    is_quiet = sys.stdout.isatty() or isinstance(source.poses, PoseEstimator)
    for path in paths if is_quiet else track(paths, "predicting", len(paths)):
        try:
            prediction = predict_video(network, path, source)
            show(json.dumps(as_dict(prediction)) if as_json else as_text(prediction))
            if save_frames is not None:
                name = path.resolve().name if path.is_dir() else path.stem
                folder = save_frames / _free_name(name, folders)
                say(f"{save(prediction, folder)} frames in {folder}")
        except MemoryError:
            raise
        except Exception as error:  # whatever one file comes to is that file's fault
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EPIPE):
                raise
            failures += 1
            show_origin(error)
            say(f"integralaction: {_of_file(path, error)}")
    return failures


def video_paths(names: Sequence[str]) -> tuple[list[Path], list[str]]:
    """The videos of these names, and the names at which there is nothing.

    Args:
        names: files, folders of images, folders of videos (whose videos are meant, those of the folders in it too), or
            patterns that the shell left alone; the files of one come in the order of the numbers in their names.
    """
    paths: list[Path] = []
    absent: list[str] = []
    for name in names:
        path = Path(name).expanduser()
        matches = [path] if path.exists() else sorted(map(Path, glob(str(path))), key=_natural)  # noqa: PTH207
        absent += [] if matches else [name]
        for match in matches:
            paths += _videos_in(match) if match.is_dir() else [match]
    return paths, absent


def _videos_in(folder: Path) -> list[Path]:
    """The videos of a folder; the folder itself where it holds images and no videos, or nothing that looks like one."""
    from integralaction.importers.sources import VIDEOS, video_files
    from integralaction.video.images import IMAGES

    names = [name for names in video_files(folder)[0].values() for name in names]
    videos = [folder / name for name in names if name.lower().endswith(VIDEOS)]
    beside = [folder / name for name in names if (folder / name).is_dir()]
    has_images = any(path.suffix.lower() in IMAGES for path in folder.iterdir())
    return sorted(videos + beside, key=_natural) if videos or (beside and not has_images) else [folder]


def _natural(path: Path) -> list[tuple[str, int, str]]:
    """What sorts names as people do: clip2 before clip10."""
    parts = re.findall(r"(\D*)(\d*)", str(path))
    return [(text.casefold(), int(digits or -1), digits) for text, digits in parts]


def _source(
    videos: list[Path], poses: str | None, weights: list[Path], pose_model: Path | None, device: str, method: Method
) -> "PoseSource":
    """Where the persons are from, as the options say."""
    from integralaction.estimators.choice import NAMES, load_estimator
    from integralaction.estimators.openpose import OpenPose
    from integralaction.predict.video import PoseSource, pose_source

    if method == "appearance-only":
        if weights or pose_model is not None or poses not in (None, "none"):
            say("The model looks at no poses: their source is not used.")
        return PoseSource("none", None)
    if pose_model is not None:
        if poses is not None or weights:
            raise Refused("Expected one source of poses; found --pose-model beside --poses or --weights. Give one.")
        return PoseSource(f"openpose ({pose_model})", OpenPose(pose_model, device))
    if weights:
        name = poses or ("rtmo" if len(weights) == 1 else "rtmpose")
        if name not in NAMES:
            raise Refused(f"Expected --poses {' or --poses '.join(NAMES)} with --weights; found --poses {poses}.")
        return PoseSource(f"{name} ({', '.join(map(str, weights))})", load_estimator(name, weights, device))
    source = pose_source("auto" if poses is None else poses, method, device)
    if isinstance(source.poses, Path) and source.poses.is_file() and source.poses.suffix == ".json" and len(videos) > 1:
        raise Refused(
            f"Expected one video for the poses of one, {source.poses}; found {len(videos)}. Give a folder with a file "
            "named after each video."
        )
    return source


def _of_file(path: Path, error: Exception) -> str:
    """What is wrong with a file, in a sentence that names it."""
    text = one_line(error)
    if not isinstance(error, (ValueError, OSError, ArithmeticError, LookupError)):
        text = f"{type(error).__name__}: {text}"
    return text if str(path) in str(error) else f"{path}: {text}"


def _free_name(name: str, names: set[str]) -> str:
    """The name, with a number where an earlier video has it; it joins the names."""
    candidates = (name, *(f"{name}-{i}" for i in range(2, len(names) + 3)))
    free = next(n for n in candidates if n.casefold() not in names)  # as some file systems compare names
    names.add(free.casefold())
    return free
