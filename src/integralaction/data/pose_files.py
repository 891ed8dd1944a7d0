"""Poses of one video: from a data set folder's pose store, one of its shards, or OpenPose's JSON files (one a frame).

OpenPose names its files after the video, `NAME_000000000012_keypoints.json` for frame 12 of NAME.mp4, and writes pixels
of the video (its default `--keypoint_scale 0`).
"""

import json
import re
from pathlib import Path

import numpy as np

from integralaction.clip import Poses
from integralaction.data.poses import PoseStore

_BY_JOINTS = {18: "openpose18", 25: "body25"}


def read_poses(path: Path, video: Path) -> Poses:
    """The poses of a video.

    Args:
        path: a data set folder, a pose store shard, or a folder of OpenPose JSON files.
        video: the video file; a pose store knows its videos by name.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: it holds no poses of that video, or is of another format.
    """
    if not path.exists():
        raise FileNotFoundError(f"Expected a file or folder of poses; {path} is not there.")
    if path.is_file() and path.suffix != ".safetensors":
        raise ValueError(
            "Expected poses as a data set folder, a pose store shard (.safetensors) or a folder of OpenPose JSON "
            f"files; found {path}."
        )
    store = PoseStore([path]) if path.is_file() else PoseStore.of(path)
    if not len(store):
        return _read_openpose(path, video.stem)
    whole = video.resolve().as_posix()
    named = [name for name in store if whole.endswith("/" + name)]
    if len(named) != 1:
        raise ValueError(
            f"Expected poses of {video} in {path}; of its {len(store)} videos {len(named)} have that name."
        )
    return store[named[0]]


def _read_openpose(folder: Path, video: str) -> Poses:
    """The files of one video, which are known by its name without its ending."""
    frames: dict[int, np.ndarray] = {}
    others, count = set(), 0
    for path in sorted(folder.glob("*.json")):
        name = re.fullmatch(r"(.*)_(\d+)_keypoints", path.stem)
        if name is None or name[1] != video:
            others.add(path.name if name is None else name[1])
            continue
        persons = _read_people(path)
        if len(persons):
            if count not in (0, persons.shape[1]):
                raise ValueError(
                    f"Expected {count} joints a person, as in earlier files; {path} has {persons.shape[1]}."
                )
            count = persons.shape[1]
        if int(name[2]) in frames:
            raise ValueError(f"Expected one file a frame in {folder}; found frame {int(name[2])} again in {path.name}.")
        frames[int(name[2])] = persons
    if not frames:
        found = f"files of {', '.join(sorted(others)[:3])}" if others else "no JSON files"
        raise ValueError(
            f"Expected OpenPose files named {video}_000000000012_keypoints.json in {folder}; found {found}. "
            "Name them after the video."
        )
    return Poses.from_frames(_BY_JOINTS[count or 18], frames)


def _read_people(path: Path) -> np.ndarray:
    """(P, K, 3) x, y, score of one frame."""
    try:
        people = json.loads(path.read_text(encoding="utf-8"))["people"]
        rows = [np.array(person["pose_keypoints_2d"], np.float32) for person in people]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"Expected an OpenPose JSON file with people and pose_keypoints_2d in {path}; found {error!r}."
        ) from error
    if not rows:
        return np.zeros((0, 18, 3), np.float32)
    if {len(row) for row in rows} not in [{3 * joints} for joints in _BY_JOINTS]:
        raise ValueError(f"Expected 18 or 25 joints of 3 numbers a person in {path}; found {len(rows[0])} numbers.")
    joints = np.stack(rows).reshape(len(rows), -1, 3)
    if not np.isfinite(joints).all():
        raise ValueError(f"Expected finite joints in {path}; found NaN or infinity. Write 0, 0, 0 for a lost joint.")
    present = joints[..., 2] > 0
    if present.any() and np.abs(joints[present][:, :2]).max() <= 1:
        raise ValueError(
            f"Expected joints in pixels in {path}; they all lie within -1..1. Run OpenPose with --keypoint_scale 0."
        )
    return joints
