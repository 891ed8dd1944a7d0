"""Poses of one video from files: a data set folder's pose store or one of its shards, OpenPose's JSON files (one a
frame), COCO keypoint results, COCO annotations or AlphaPose's results (one JSON file a video, or one of many).

OpenPose names its files after the video, `NAME_000000000012_keypoints.json` for frame 12 of NAME.mp4, or after the
image, `IMAGE_keypoints.json`. Files lie in one folder, or in folders as the videos do (CLASS/NAME.json for
CLASS/NAME.mp4). Places are in pixels of the video or in -1..1 of it, which their values tell, or in 0..1 or in pixels
of pictures of another size, which must be told (OpenPose's `--keypoint_scale` 0, 4 and 3).
"""

import re
from functools import lru_cache
from pathlib import Path

import numpy as np

from integralaction.clip import Poses
from integralaction.console import say
from integralaction.data.poses import PoseStore
from integralaction.data.video import probe
from integralaction.errors import MissingFile, Refused
from integralaction.pose_formats.places import (
    ODD,
    PoseRequest,
    ReadPoses,
    Units,
    check_units,
    fit,
    read_json,
    understand,
)
from integralaction.pose_formats.results import read_results
from integralaction.skeleton import skeleton_named
from integralaction.video.images import image_paths

__all__ = ["PoseRequest", "Units", "check_units", "find_pose_files", "read_pose_files", "read_poses", "tails"]

_OPENPOSE = {18: "openpose18", 25: "body25"}


def read_poses(path: Path, video: Path, units: Units | None = None) -> Poses:
    """The poses of a video; what may be wrong with them is said on standard error.

    Args:
        path: a data set folder, a pose store shard, a folder of OpenPose's JSON files, a JSON file of COCO results or
            annotations or of AlphaPose, or a folder with such a file named after each video (NAME.json for NAME.mp4).
        video: the video file, or a folder of images; a pose store knows its videos by name.
        units: of the places in JSON files: `pixels`, `unit` (0..1), `centred` (-1..1), or the size of the pictures that
            they were found in, as `1920x1080`; None: as their values tell.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: it holds no poses of that video, is of another format, or its values do not tell its units.
    """
    check_units(units)
    if not path.exists():
        raise MissingFile(f"Expected a file or folder of poses; {path} is not there.")
    if path.is_file() and path.suffix not in (".json", ".safetensors"):
        raise Refused(
            "Expected poses as a data set folder, a pose store shard (.safetensors), a folder of OpenPose JSON files, "
            f"or a JSON file of COCO results or AlphaPose; found {path}."
        )
    if path.suffix != ".json" or path.is_dir():
        store = PoseStore([path]) if path.is_file() else PoseStore.of(path)
        if len(store):
            poses = _from_store(store, path, video)
            return poses if units is None else fit(poses, PoseRequest(path, video, units, probe(video))).poses
    nearest = Path(*video.absolute().parts[-4:])
    place = path if path.is_file() else find_pose_files(path, nearest)[1]
    read = read_pose_files(PoseRequest(place, video, units, probe(video) if video.exists() else None))
    for what, detail in read.doubts:
        say(f"{video}: {what}: {detail}")
    return read.poses


def read_pose_files(request: PoseRequest) -> ReadPoses:
    """The poses of a video from a JSON file of many frames, or from a folder of OpenPose's files.

    Raises:
        ValueError: as for `read_poses`.
    """
    return read_results(request) if request.path.is_file() else _read_openpose(request)


def tails(video: Path) -> list[Path]:
    """The folders, relative to that of all poses, in which a video's may lie: from all its own down to none."""
    parents = [part for part in video.parent.parts if part not in (video.anchor, "..")]
    return [Path(*parents[first:]) for first in range(len(parents) + 1)]


def find_pose_files(source: Path, video: Path) -> tuple[Path, Path]:
    """Where a video's poses lie below a folder: NAME.json, a folder NAME, or OpenPose's files of many videos.

    Args:
        video: with as many of its folders as the poses may lie in.

    Returns:
        Which of `tails` it is, and the file or folder; the folder itself where none is named after the video.
    """
    for tail in tails(video):
        folder = source / tail
        for name in dict.fromkeys((video.stem, video.name)):  # a folder of images keeps its whole name
            if (folder / f"{name}.json").is_file():
                return tail, folder / f"{name}.json"
            # OpenPose's files of one video in a folder of their own
            if (folder / name).is_dir() and any((folder / name).glob("*.json")):
                return tail, folder / name
            if folder.is_dir() and name in _list_files(folder, folder.stat().st_mtime_ns):
                return tail, folder
    return Path(), source


def _from_store(store: PoseStore, path: Path, video: Path) -> Poses:
    whole = video.resolve().as_posix()
    names = [name for name in store if whole.endswith("/" + name)]
    if len(names) != 1:
        raise Refused(f"Expected poses of {video} in {path}; of its {len(store)} videos {len(names)} have that name.")
    return store[names[0]]


def _read_openpose(request: PoseRequest) -> ReadPoses:
    """The files of one video, which are named after it; of a folder of images after each image."""
    folder, video = request.path, request.video
    images = {image.stem: place for place, image in enumerate(image_paths(video))} if video.is_dir() else {}
    frames: dict[int, np.ndarray] = {}
    by_image: dict[int, np.ndarray] = {}
    count = 0
    listing = _list_files(folder, folder.stat().st_mtime_ns)
    of_video = listing.get(request.name, [])
    if not of_video and folder.name == request.name and len(listing) == 1:  # in a folder of the video's name
        (of_video,) = listing.values()
    files = [(int(number), path) for number, path in of_video if number is not None]
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
                raise Refused(f"Expected {count} joints a person, as in earlier files; {path} has {persons.shape[1]}.")
            count = persons.shape[1]
        if image is not None:
            by_image[image] = persons
            continue
        if number in frames:
            raise Refused(f"Expected one file a frame in {folder}; found frame {number} again in {path.name}.")
        frames[number] = persons
    frames = by_image or frames
    if not frames:
        content = f"files of {', '.join(sorted(listing)[:3])}" if listing else "no JSON files"
        raise Refused(
            f"Expected OpenPose files named {request.name}_000000000012_keypoints.json, or {request.name}.json with "
            f"COCO results or AlphaPose's, in {folder}; found {content}. Name them after the video."
        )
    skeleton = _OPENPOSE[count or 18]
    joints = len(skeleton_named(skeleton).joints)
    nobody = np.zeros((0, joints, 3), np.float32)
    frames = {number: persons if len(persons) else nobody for number, persons in frames.items()}
    return understand(skeleton, frames, request, numbered=not by_image)


@lru_cache(maxsize=4)
def _list_files(folder: Path, modified: int) -> dict[str, list[tuple[str | None, Path]]]:
    """The files of a folder by the video that they are named after, with the number of the frame; listed once."""
    listing: dict[str, list[tuple[str | None, Path]]] = {}
    for path in sorted(folder.glob("*.json")):
        name = re.fullmatch(r"(.*?)(?:_(\d+))?_keypoints", path.stem)
        listing.setdefault(path.name if name is None else name[1], []).append((name and name[2], path))
    return listing


def _read_people(path: Path) -> np.ndarray:
    """(P, K, 3) x, y, score of one frame."""
    try:
        people = read_json(path)["people"]
        with np.errstate(over="ignore"):  # what becomes infinite is refused below
            rows = [np.array(person["pose_keypoints_2d"], np.float32) for person in people]
        rows = [row for row in rows if row.size]  # of a face or hand alone
    except ODD as error:
        raise Refused(
            f"Expected an OpenPose JSON file with people and pose_keypoints_2d in {path}; found {error!r}."
        ) from error
    if not rows:
        return np.zeros((0, 18, 3), np.float32)
    if {row.shape for row in rows} not in [{(3 * joints,)} for joints in _OPENPOSE]:
        counts = " and ".join(sorted({str(row.size) for row in rows}))
        raise Refused(f"Expected 18 or 25 joints of 3 numbers a person in {path}; found {counts} numbers.")
    joints = np.stack(rows).reshape(len(rows), -1, 3)
    if not np.isfinite(joints).all():
        raise Refused(f"Expected finite joints in {path}; found NaN or infinity. Write 0, 0, 0 for a lost joint.")
    return joints
