"""Joints as others write them -> as this project means them: which are missing, scores, places, frame numbers."""

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from integralaction.clip import Poses
from integralaction.errors import MissingFile, Refused
from integralaction.video.info import VideoInfo

# of a video's places: its pixels, 0..1 of it, -1..1 of it, or the pixels of pictures of another size, as 1920x1080
Units = str
Doubts = tuple[tuple[str, str], ...]  # in few words what may be wrong with poses, each with the detail
# the errors that reading JSON of another make comes to
ODD = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
_UNIT_NAMES = ("pixels", "unit", "centred")
PER_CENT = 10  # scores beyond this are of 100; old AlphaPose's go to about 6, heatmaps' a little beyond 1
_MIN_SCORE = 0.1  # a joint of a lower score tells nothing of the picture's size
_REFUSED_BELOW, _DOUBTED_BELOW = 0.5, 0.9  # share of joints in the picture below which poses are refused, or doubted
_EDGE = 0.05  # of the picture, by which a joint may lie beyond it


def read_json(path: Path) -> Any:
    """What a JSON file holds, which may begin with the mark that Windows puts before text."""
    return json.loads(path.read_text(encoding="utf-8-sig"))


@dataclass(frozen=True)
class PoseRequest:
    """Whose poses are to be read from which file or folder.

    Attributes:
        path: the file or folder.
        video: the video file or folder of images.
        units: of the places; None: as their values tell.
        info: frames, rate and size of the video; None: it is not there, and nothing can be compared with it.
        shared: other videos' poses are read from the same file, which must name the video, then.
    """

    path: Path
    video: Path
    units: Units | None = None
    info: VideoInfo | None = None
    shared: bool = False

    @property
    def name(self) -> str:
        """What files of its poses are called after: the video's name without the ending; a folder's whole name."""
        return self.video.name if self.video.is_dir() else self.video.stem


@dataclass(frozen=True)
class ReadPoses:
    """Poses, and what may be wrong with them."""

    poses: Poses
    doubts: Doubts = ()


def check_units(units: str | None) -> None:
    """
    Raises:
        ValueError: these are no units of places.
    """
    if units is not None and units not in _UNIT_NAMES and _parse_size(units) is None:
        raise Refused(
            f"Expected units pixels, unit (0..1), centred (-1..1), or the WIDTHxHEIGHT of the pictures that the poses "
            f"were found in, as 1920x1080; found {units!r}."
        )


def understand(
    skeleton: str, frames: dict[int, np.ndarray], request: PoseRequest, numbered: bool, doubts: Doubts = ()
) -> ReadPoses:
    """The poses of a video's frames, as others write them, in its pixels with scores of 0..1.

    A joint at exactly (0, 0) was not found, whatever its score. Scores beyond 10 are per cent; others beyond 1 are 1.
    A person without any joint is nobody.

    Args:
        frames: from a frame's number to its persons (P, K, 3).
        numbered: the numbers are the file's own; False: they are places of images, found by name.
        doubts: about these poses, from whoever read them.

    Raises:
        ValueError: scores beyond 100, places of no known units, or joints most of which are not in the picture.
    """
    if numbered and request.info is not None:
        frames, more = _count_from_zero(frames, request.info.frames)
        doubts += more
    poses = Poses.from_frames(skeleton, frames)
    joints = poses.joints.copy()
    joints[..., 2] = _scale_scores(joints[..., 2], request.path)
    joints[(joints[..., :2] == 0).all(axis=-1)] = 0
    units = request.units or _guess_units(joints, request.path)
    joints, more = _to_pixels(joints, units, request)
    somebody = (joints[..., 2] > 0).any(axis=-1)
    persons = np.concatenate([[0], np.cumsum(somebody)])[poses.frame_offsets]
    return ReadPoses(Poses(skeleton, joints[somebody], poses.frame_index, persons), doubts + more)


def fit(poses: Poses, request: PoseRequest) -> ReadPoses:
    """Poses of a pose store, which are in units of the request, in pixels of its video.

    Raises:
        ValueError: most of their joints are not in the picture.
    """
    joints, doubts = _to_pixels(poses.joints, request.units or "pixels", request)
    return ReadPoses(replace(poses, joints=joints), doubts)


def _count_from_zero(frames: dict[int, np.ndarray], count: int) -> tuple[dict[int, np.ndarray], Doubts]:
    """The frames counted from 0: files that count from 1 have no frame 0, and their last is the number of frames."""
    first, last = min(frames, default=0), max(frames, default=0)
    if 1 <= first < last == count:
        detail = f"{first} to {last} of {count} frames, taken as {first - 1} to {last - 1}"
        doubt = ("poses of frames numbered from 1", detail)
        return {number - 1: persons for number, persons in frames.items()}, (doubt,)
    if first == 1 and last < count:
        doubt = ("poses without frame 0", f"numbers {first} to {last} of {count} frames, taken as counted from 0")
        return frames, (doubt,)
    return frames, ()


def _scale_scores(scores: np.ndarray, path: Path) -> np.ndarray:
    top = float(scores.max(initial=0))
    if top > 100:
        raise Refused(f"Expected scores of joints in 0..1 or in per cent in {path}; found {top:g}. Divide them.")
    return np.clip(scores / 100 if top > PER_CENT else scores, 0, 1)


def _guess_units(joints: np.ndarray, path: Path) -> Units:
    """What the values of a whole video tell: no person keeps within two pixels, none is wholly right and below."""
    places = joints[joints[..., 2] > 0][:, :2]
    if not len(places) or np.abs(places).max() > 2:
        return "pixels"
    if places.min() < -0.2:  # a joint a little outside the picture is no sign
        return "centred"
    raise Refused(
        f"Expected places in pixels, or in -1..1 of the video, in {path}; all lie within {places.min():.2g} and "
        f"{places.max():.2g}, which is 0..1 of the video or the lower right quarter of -1..1. Give --pose-units "
        "unit or --pose-units centred."
    )


def _to_pixels(joints: np.ndarray, units: Units, request: PoseRequest) -> tuple[np.ndarray, Doubts]:
    info = request.info
    if info is None:
        if units == "pixels":
            return joints, ()
        raise MissingFile(f"Expected the video whose size poses in other units need; {request.video} is missing.")
    size, places = np.array([info.width, info.height]), joints[..., :2]
    if units == "unit":
        places = places * size
    elif units == "centred":
        places = (places + 1) / 2 * size
    elif units != "pixels":
        places = places * size / _parse_size(units)
    lost = joints[..., 2:] == 0
    if units == "pixels":
        lost = lost | (places == -1).all(axis=-1, keepdims=True)
    joints = np.where(lost, 0, np.concatenate([places, joints[..., 2:]], axis=-1)).astype(np.float32)
    return joints, _check_inside(joints, size, request)


def _check_inside(joints: np.ndarray, size: np.ndarray, request: PoseRequest) -> Doubts:
    """What is doubtful about where the joints lie.

    Raises:
        ValueError: most joints lie outside the picture.
    """
    places = joints[joints[..., 2] > _MIN_SCORE][:, :2]
    if not len(places):
        return ()
    inside = float(((places >= -_EDGE * size) & (places <= (1 + _EDGE) * size)).all(axis=1).mean())
    share = f"{100 * inside:.0f} % of the joints lie in the video's {size[0]} x {size[1]} pixels"
    reach = f"the farthest at {places[:, 0].max():.0f}, {places[:, 1].max():.0f}"
    remedy = "Give --pose-units WIDTHxHEIGHT, the size of the pictures that they were found in"
    if inside < _REFUSED_BELOW:
        raise Refused(
            f"Expected joints within the picture in {request.path}; only {share}, the others are outside, {reach}. "
            f"{remedy}, as 1920x1080."
        )
    if inside < _DOUBTED_BELOW:
        return (("joints outside the picture", f"{share}, {reach}. {remedy}."),)
    if (places < size / 2).all():
        return (("poses in the upper left quarter alone", f"{reach} of {size[0]}, {size[1]}. {remedy}, if smaller."),)
    return ()


def _parse_size(units: str) -> np.ndarray | None:
    """Width and height in units like 1920x1080."""
    size = re.fullmatch(r"([1-9]\d{0,5})[xX]([1-9]\d{0,5})", units)
    return None if size is None else np.array([int(size[1]), int(size[2])])
