"""Poses of one video from files: a data set folder's pose store or one of its shards, OpenPose's JSON files (one a
frame), COCO keypoint results or AlphaPose's results (one JSON file a video).

OpenPose names its files after the video, `NAME_000000000012_keypoints.json` for frame 12 of NAME.mp4, or after the
image, `IMAGE_keypoints.json`. COCO results and AlphaPose's are a list of persons whose `image_id` is a frame: its
number from 0, or a file name that ends in it (AlphaPose's 12.jpg); of a folder of images the image's name. Places are
in pixels of the video or in -1..1 of it, which their values tell, or in 0..1, which must be told (OpenPose's
`--keypoint_scale` 0, 4 and 3).
"""

import json
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from integralaction.clip import Poses
from integralaction.data.images import image_paths
from integralaction.data.poses import PoseStore
from integralaction.data.video import probe
from integralaction.skeleton import skeleton_named

_OPENPOSE = {18: "openpose18", 25: "body25"}
# Halpe's 26 and 136 joints and COCO-WholeBody's 133 begin with COCO's 17
# what reading JSON of another make comes to
_ODD = (ValueError, KeyError, TypeError, OverflowError, RecursionError)
_LAST_FRAME = 2**31
# by the number of joints, the skeleton and how many of them are its own
_RESULTS = {17: "coco17", 26: "coco17", 136: "coco17", 133: "coco-wholebody133", 33: "blazepose33"}

Units = Literal["pixels", "unit", "centred"]  # of the video: its pixels, 0..1, -1..1


def read_poses(path: Path, video: Path, units: Units | None = None) -> Poses:
    """The poses of a video.

    Args:
        path: a data set folder, a pose store shard, a folder of OpenPose's JSON files, a JSON file of COCO results or
            of AlphaPose, or a folder with such a file named after each video (NAME.json for NAME.mp4).
        video: the video file, or a folder of images; a pose store knows its videos by name.
        units: of the places in JSON files; None: as their values tell.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: it holds no poses of that video, is of another format, or its values do not tell its units.
    """
    if not path.exists():
        raise FileNotFoundError(f"Expected a file or folder of poses; {path} is not there.")
    if path.is_file() and path.suffix == ".json":
        return _read_results(path, video, units)
    if path.is_file() and path.suffix != ".safetensors":
        raise ValueError(
            "Expected poses as a data set folder, a pose store shard (.safetensors), a folder of OpenPose JSON files, "
            f"or a JSON file of COCO results or AlphaPose; found {path}."
        )
    store = PoseStore([path]) if path.is_file() else PoseStore.of(path)
    if not len(store):
        results = path / f"{_name(video)}.json"
        if results.is_file():
            return _read_results(results, video, units)
        own = path / _name(video)  # OpenPose's files of one video in a folder of their own
        return _read_openpose(own if own.is_dir() else path, video, units)
    whole = video.resolve().as_posix()
    named = [name for name in store if whole.endswith("/" + name)]
    if len(named) != 1:
        raise ValueError(
            f"Expected poses of {video} in {path}; of its {len(store)} videos {len(named)} have that name."
        )
    return store[named[0]]


def _name(video: Path) -> str:
    """What files of its poses are called after: its name without the ending; a folder's whole name."""
    return video.name if video.is_dir() else video.stem


def _read_openpose(folder: Path, video: Path, units: Units | None) -> Poses:
    """The files of one video, which are named after it; of a folder of images after each image."""
    images = {image.stem: place for place, image in enumerate(image_paths(video))} if video.is_dir() else {}
    frames: dict[int, np.ndarray] = {}
    by_image: dict[int, np.ndarray] = {}
    count = 0
    listed = _listing(folder, folder.stat().st_mtime_ns)
    files = [(int(number), path) for number, path in listed.get(_name(video), ()) if number is not None]
    of_images = [
        (images[stem], folder / f"{stem}_keypoints.json")
        for stem in images
        if (folder / f"{stem}_keypoints.json").is_file()
    ]
    for number, path in of_images or files:
        image = number if of_images else None
        persons = _read_people(path)
        if len(persons):
            if count not in (0, persons.shape[1]):
                raise ValueError(
                    f"Expected {count} joints a person, as in earlier files; {path} has {persons.shape[1]}."
                )
            count = persons.shape[1]
        if image is not None:
            by_image[image] = persons
            continue
        if number in frames:
            raise ValueError(f"Expected one file a frame in {folder}; found frame {number} again in {path.name}.")
        frames[number] = persons
    frames = by_image or frames
    if not frames:
        found = f"files of {', '.join(sorted(listed)[:3])}" if listed else "no JSON files"
        raise ValueError(
            f"Expected OpenPose files named {_name(video)}_000000000012_keypoints.json, or {_name(video)}.json with "
            f"COCO results or AlphaPose's, in {folder}; found {found}. Name them after the video."
        )
    skeleton = _OPENPOSE[count or 18]
    joints = len(skeleton_named(skeleton).joints)
    nobody = np.zeros((0, joints, 3), np.float32)
    return _in_pixels(skeleton, {n: p if len(p) else nobody for n, p in frames.items()}, units, folder, video)


@lru_cache(maxsize=4)
def _listing(folder: Path, modified: int) -> dict[str, list[tuple[str | None, Path]]]:
    """The files of a folder by the video that they are named after, with the number of the frame; listed once."""
    found: dict[str, list[tuple[str | None, Path]]] = {}
    for path in sorted(folder.glob("*.json")):
        name = re.fullmatch(r"(.*?)(?:_(\d+))?_keypoints", path.stem)
        found.setdefault(path.name if name is None else name[1], []).append((name and name[2], path))
    return found


def _read_people(path: Path) -> np.ndarray:
    """(P, K, 3) x, y, score of one frame."""
    try:
        people = _read_json(path)["people"]
        rows = [np.array(person["pose_keypoints_2d"], np.float32) for person in people]
    except _ODD as error:
        raise ValueError(
            f"Expected an OpenPose JSON file with people and pose_keypoints_2d in {path}; found {error!r}."
        ) from error
    if not rows:
        return np.zeros((0, 18, 3), np.float32)
    if {row.shape for row in rows} not in [{(3 * joints,)} for joints in _OPENPOSE]:
        found = " and ".join(sorted({str(row.size) for row in rows}))
        raise ValueError(f"Expected 18 or 25 joints of 3 numbers a person in {path}; found {found} numbers.")
    joints = np.stack(rows).reshape(len(rows), -1, 3)
    _check_finite(joints, path)
    return joints


def _read_results(path: Path, video: Path, units: Units | None) -> Poses:
    """A list of persons as COCO's evaluation and AlphaPose know it."""
    try:
        persons = _read_json(path)
        if not isinstance(persons, list):
            raise TypeError(f"{type(persons).__name__} instead of a list")
        rows = [np.array(person["keypoints"], np.float32) for person in persons]
        ids = [person["image_id"] for person in persons]
    except _ODD as error:
        raise ValueError(
            f"Expected a list of persons with image_id and keypoints, as in COCO results and AlphaPose's, in {path}; "
            f"found {error!r}."
        ) from error
    if not rows:
        return Poses.nobody("coco17")
    if {row.shape for row in rows} not in [{(3 * joints,)} for joints in _RESULTS]:
        raise ValueError(
            f"Expected {', '.join(map(str, sorted(_RESULTS)))} joints of 3 numbers a person in {path}; found "
            f"{' and '.join(sorted({str(row.size) for row in rows}))} numbers."
        )
    skeleton = _RESULTS[rows[0].size // 3]
    # Halpe's 26 and 136 joints begin with COCO's 17
    joints = np.stack(rows).reshape(len(rows), -1, 3)[:, : len(skeleton_named(skeleton).joints)]
    joints[..., 2] = np.where(np.isnan(joints[..., 2]), np.nan, np.clip(joints[..., 2], 0, 1))  # old AlphaPose: 0..6
    _check_finite(joints, path)
    frame_of = _numbering(video)
    frames: dict[int, list[np.ndarray]] = {}
    for name, person in zip(ids, joints, strict=True):
        number = frame_of(name)
        if number is None:
            raise ValueError(
                f"Expected frame numbers from 0, or names of images that end in them, as image_id in {path}; "
                f"found {name!r}."
            )
        frames.setdefault(number, []).append(person)
    return _in_pixels(skeleton, {number: np.stack(found) for number, found in frames.items()}, units, path, video)


def _numbering(video: Path) -> Callable[[Any], int | None]:
    """From an image_id to a frame of the video; None where it is none."""
    images = {image.name: place for place, image in enumerate(image_paths(video))} if video.is_dir() else None

    def number(name: Any) -> int | None:
        if isinstance(name, str) and images is not None:
            return images.get(Path(name).name)
        if isinstance(name, str):
            digits = re.search(r"(\d+)$", Path(name).stem)
            name = int(digits[1]) if digits and len(digits[1]) < 20 else None
        is_number = isinstance(name, int) and not isinstance(name, bool)
        return name if is_number and 0 <= name < _LAST_FRAME else None

    return number


def _read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def _check_finite(joints: np.ndarray, path: Path) -> None:
    if not np.isfinite(joints).all():
        raise ValueError(f"Expected finite joints in {path}; found NaN or infinity. Write 0, 0, 0 for a lost joint.")


def _in_pixels(skeleton: str, frames: dict[int, np.ndarray], units: Units | None, path: Path, video: Path) -> Poses:
    """The poses of all frames of a video, in its pixels."""
    poses = Poses.from_frames(skeleton, frames)
    units = units or _units(poses.joints, path)
    if units == "pixels":
        return poses
    info, joints = probe(video), poses.joints.copy()
    places = joints[..., :2] if units == "unit" else (joints[..., :2] + 1) / 2
    joints[..., :2] = np.where(joints[..., 2:] > 0, places * (info.width, info.height), 0)
    return Poses(skeleton, joints, poses.frame_index, poses.frame_offsets)


def _units(joints: np.ndarray, path: Path) -> Units:
    """What the values of a whole video tell: no person keeps within two pixels, none is wholly right and below."""
    places = joints[joints[..., 2] > 0][:, :2]
    if not len(places) or np.abs(places).max() > 2:
        return "pixels"
    if places.min() < -0.2:  # a joint a little outside the picture is no sign
        return "centred"
    raise ValueError(
        f"Expected places in pixels, or in -1..1 of the video, in {path}; all lie within {places.min():.2g} and "
        f"{places.max():.2g}, which is 0..1 of the video or the lower right quarter of -1..1. Give --pose-units "
        "unit or --pose-units centred."
    )
