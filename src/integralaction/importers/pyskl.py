"""PYSKL's and MMAction2's skeleton pickles, joined to videos by name.

Theirs are 2D poses of each frame (17 joints of COCO). The 3D pickles of NTU are refused: their makers left frames
without a body out, so they are not aligned with the frames of the video, and they have no places in it.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from integralaction.clip import Poses
from integralaction.data.video import VideoInfo
from integralaction.importers.building import ODD, Entry, Found, Remark
from integralaction.importers.sources import read_lines, video_files
from integralaction.pickles import read_pickle


def find(
    file: Path,
    videos: Path | None,
    *,
    splits: Sequence[str],
    classes: Path | None,
    keypoints: Path | None,
    made_by: str,
) -> Found:
    """The videos of a pickle.

    Args:
        file: dict of `split` and `annotations`, or a bare list of annotations.
        videos: their folder; None: the poses are all there is, which is enough for a pose stream.
        splits: THEIRS=OURS, as xsub_train=train xsub_val=test; empty: where the pickle has one train and one other.
        classes: a text file with class names in order; by default `class 0`, ...
        keypoints: the folder of the files that Kinetics-400's annotations name (`raw_file`).

    Raises:
        FileNotFoundError: a file or folder is not there.
        ValueError: the pickle is of another kind, is 3D, or its splits must be chosen.
    """
    content = read_pickle(file)
    annotations, split_of, remarks = _split(content, splits, file)
    _refuse_3d(annotations, file)
    names = _class_names(annotations, classes, file)
    files, strays = (None, []) if videos is None else video_files(videos)
    remarks += strays
    entries = []
    unheard = set(split_of)
    for annotation in annotations:
        name = str(annotation.get("frame_dir", annotation.get("filename", "")))
        stem = Path(name).name if files is None else Path(name).stem if Path(name).stem in files else Path(name).name
        unheard.discard(name)
        if split_of and name not in split_of:
            remarks.append(Remark(name, "in none of the chosen splits"))
            continue
        found = [stem] if files is None else files.get(stem, [])
        if len(found) != 1:
            remarks.append(
                Remark(name, "no such video" if not found else "several videos of that name", ", ".join(found))
            )
            continue
        number = annotation.get("label")
        label = names[number] if isinstance(number, int | np.integer) and 0 <= number < len(names) else ""
        try:
            info = _info(annotation) if files is None else None
        except ODD as error:
            remarks.append(Remark(name, "annotation without frames or size", repr(error)))
            continue
        reader = _reader(annotation, keypoints)
        entries.append(Entry(found[0], label, split_of.get(name, "train"), reader, info=info))
    remarks += [Remark(name, "no annotation of that name") for name in sorted(unheard)]
    root = Path() if videos is None else videos
    return Found(file.stem, "coco17", names, root, made_by, entries, tuple(remarks))


def _split(content: Any, splits: Sequence[str], file: Path) -> tuple[list[dict], dict[str, str], list[Remark]]:
    """The annotations, our split of each by name, and a remark for each name in two of the chosen splits."""
    if isinstance(content, list) and all(isinstance(one, dict) for one in content) and content:
        if splits:
            raise ValueError(
                f"Expected no --split for {file}, a bare list of annotations without splits. Leave it out."
            )
        return content, {}, []
    if not isinstance(content, Mapping) or not {"split", "annotations"} <= content.keys() or not content["annotations"]:
        raise ValueError(
            f"Expected split and annotations, or a list of annotations, in {file}; found {_kind(content)}."
        )
    there = {str(name): [str(one) for one in names] for name, names in content["split"].items()}
    chosen = dict(pair.partition("=")[::2] for pair in splits)
    if not chosen and len(there) == 2 and any("train" in name for name in there):
        chosen = {name: "train" if "train" in name else "test" for name in there}
    if not chosen or not chosen.keys() <= there.keys() or not all(chosen.values()):
        raise ValueError(
            f"Expected which splits of {file} to take, as --split THEIRS=OURS ({next(iter(there))}=train); it has "
            f"{', '.join(there)}; found {' '.join(splits) or 'none told'}."
        )
    split_of: dict[str, str] = {}
    remarks = []
    for theirs, ours in chosen.items():
        for name in there[theirs]:
            if split_of.setdefault(name, ours) != ours:
                remarks.append(Remark(name, "in two of the chosen splits", f"{split_of[name]} is taken", kept=True))
    return list(content["annotations"]), split_of, remarks


def _refuse_3d(annotations: list[dict], file: Path) -> None:
    first = annotations[0]
    if "keypoint" in first and ("keypoint_score" not in first or np.shape(first["keypoint"])[-1] != 2):
        raise ValueError(
            f"Expected 2D poses in {file} (keypoint of x and y, keypoint_score); found 3D ones. They are not "
            "aligned with "
            "the video: frames without a body were left out when they were made, and places are in metres. Use the 2D "
            "pickle, or the .skeleton files with `integralaction import ntu`."
        )


def _class_names(annotations: list[dict], classes: Path | None, file: Path) -> tuple[str, ...]:
    numbers = [int(one["label"]) for one in annotations if isinstance(one.get("label"), int | np.integer)]
    count = max(numbers, default=-1) + 1
    names = tuple(f"class {number}" for number in range(count)) if classes is None else read_lines(classes)
    if len(names) < count or not names:
        raise ValueError(f"Expected {count} class names for the labels of {file}; found {len(names)}.")
    return names


def _info(annotation: Mapping[str, Any]) -> VideoInfo:
    """What the annotation tells of a video that is not there."""
    height, width = (int(side) for side in annotation.get("img_shape", annotation.get("original_shape")))
    return VideoInfo(int(annotation["total_frames"]), 30.0, height, width)


def _reader(annotation: Mapping[str, Any], keypoints: Path | None):
    def read(info: VideoInfo) -> Poses:
        return poses_of(annotation, keypoints, info)

    return read


def poses_of(annotation: Mapping[str, Any], keypoints: Path | None, info: VideoInfo) -> Poses:
    """The poses of one annotation, in pixels of the video.

    Raises:
        ValueError: it is not of as many frames as the video, or lacks something.
    """
    total = int(annotation["total_frames"])
    if total != info.frames:
        raise ValueError(f"Expected poses of the {info.frames} frames of the video; found {total} frames.")
    height, width = annotation.get("img_shape") or annotation["original_shape"]
    scale = np.array([info.width / width, info.height / height], np.float32)
    if "keypoint" in annotation:
        places = np.asarray(annotation["keypoint"], np.float32)  # persons, frames, joints, 2
        scores = np.asarray(annotation["keypoint_score"], np.float32)
        if (
            places.ndim != 4
            or places.shape[1] != total
            or places.shape[2:] != (17, 2)
            or scores.shape != places.shape[:3]
        ):
            raise ValueError(
                f"Expected persons x {total} x 17 x 2 places; found {places.shape}, scores {scores.shape}."
            )
        joints = np.concatenate([places, scores[..., None]], axis=3)
        by_frame = {t: joints[:, t] for t in range(total)}
    else:
        by_frame = _listed(annotation, keypoints, total)
    frames = {}
    for t, persons in by_frame.items():
        there = np.where(np.isfinite(persons).all(axis=2, keepdims=True), persons, 0)
        there = there[(there[..., 2] > 0).any(axis=1)].astype(np.float32)
        there[..., :2] *= scale
        there[..., 2] = np.clip(there[..., 2], 0, 1)
        frames[t] = there
    return Poses.from_frames("coco17", frames)


def _listed(annotation: Mapping[str, Any], keypoints: Path | None, total: int) -> dict[int, np.ndarray]:
    """Kinetics-400's form: rows of persons in a file of their own, and the frame of each row."""
    if "raw_file" not in annotation or "frame_inds" not in annotation:
        raise ValueError("Expected keypoint, or raw_file and frame_inds; found neither.")
    if keypoints is None:
        raise ValueError(
            "Expected --keypoints FOLDER for annotations whose poses lie in files of their own; found none."
        )
    content = _kept_pickle(keypoints / Path(str(annotation["raw_file"])).name)
    rows = np.asarray(content[annotation["frame_dir"]]["keypoint"], np.float32)
    numbers = np.asarray(annotation["frame_inds"])
    if rows.ndim != 3 or rows.shape[1:] != (17, 3) or len(rows) != len(numbers):
        raise ValueError(f"Expected {len(numbers)} x 17 x 3 joints; found {rows.shape}.")
    return {t: rows[numbers == t] for t in range(total)}


@lru_cache(maxsize=4)
def _kept_pickle(path: Path) -> Any:
    """A file of many videos' keypoints, kept while its videos follow one another."""
    return read_pickle(path)


def _kind(content: Any) -> str:
    return (
        f"the keys {', '.join(map(str, list(content)[:5]))}" if isinstance(content, Mapping) else type(content).__name__
    )
