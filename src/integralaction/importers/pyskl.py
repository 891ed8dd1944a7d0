"""PYSKL's and MMAction2's skeleton pickles, joined to videos by name.

Theirs are 2D poses of each frame (17 joints of COCO). The 3D pickles of NTU are refused: their makers left frames
without a body out, so they are not aligned with the frames of the video, and they have no places in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from integralaction.assembly.plan import ODD, Entry, ImportIssue, ImportPlan
from integralaction.clip import Poses
from integralaction.data.video import VideoInfo
from integralaction.errors import Refused
from integralaction.importers.sources import read_lines, video_files
from integralaction.pickles import read_pickle

MOST_FRAMES = 1_000_000  # of a video: nine hours
MOST_CLASSES = 100_000
LARGEST_SIDE = 100_000  # of a picture, in pixels


@dataclass(frozen=True)
class Pyskl:
    """Import a 2D skeleton pickle of PYSKL or MMAction2, joined to videos by name.

    Parameters
    ----------
    pickle
        The file, such as ntu60_2d.pkl; nothing in it but plain data and arrays is read.
    videos
        The folder of the videos; without it the poses are all there is, which is enough for the pose stream.
    split
        Which splits to take as which, as THEIRS=OURS: xsub_train=train xsub_val=test.
    classes
        A text file with class names in order, one a line.
    keypoints
        The folder of the files that Kinetics-400's annotations name.
    """

    pickle: Path
    _: KW_ONLY
    videos: Path | None = None
    split: tuple[str, ...] | None = None
    classes: Path | None = None
    keypoints: Path | None = None

    def find(self) -> ImportPlan:
        """The videos of the annotations, each by its name.

        Raises:
            FileNotFoundError: a file or folder is not there.
            ValueError: the pickle is of another kind, is 3D, or its splits must be chosen.
        """
        file = self.pickle
        annotations, split_of, issues = _annotations_and_splits(read_pickle(file), self.split or (), file)
        _refuse_3d(annotations, file)
        names = _class_names(annotations, self.classes, file)
        files, strays = (None, []) if self.videos is None else video_files(self.videos)
        issues += strays
        entries = []
        without_annotation = set(split_of)
        for annotation in annotations:
            name = str(annotation.get("frame_dir", annotation.get("filename", "")))
            without_annotation.discard(name)
            if split_of and name not in split_of:
                issues.append(ImportIssue(name, "in none of the chosen splits"))
                continue
            paths = _paths_of(name, files)
            if len(paths) != 1:
                reason = "several videos of that name" if paths else "no such video"
                issues.append(ImportIssue(name, reason, ", ".join(paths)))
                continue
            number = _label(annotation)
            label = names[number] if number is not None and number < len(names) else ""
            try:
                info = _info(annotation) if files is None else None
            except ODD as error:
                issues.append(ImportIssue(name, "annotation without frames or size", repr(error)))
                continue
            read = partial(poses_of, annotation, self.keypoints)
            entries.append(Entry(paths[0], label, split_of.get(name, "train"), read, info=info))
        issues += [ImportIssue(name, "no annotation of that name") for name in sorted(without_annotation)]
        return ImportPlan(file.stem, "coco17", names, self.videos or Path(), entries, tuple(issues))


def _paths_of(name: str, files: Mapping[str, list[str]] | None) -> list[str]:
    """The videos of an annotation's name, which may end as a file does; without files the name stands for itself."""
    path = Path(name)
    if files is None:
        return [path.name]
    return files.get(path.stem) or files.get(path.name, [])


def _annotations_and_splits(
    content: Any, splits: Sequence[str], file: Path
) -> tuple[list[dict], dict[str, str], list[ImportIssue]]:
    """The annotations, our split of each by name, and an issue for each name in two of the chosen splits."""
    if isinstance(content, list) and all(isinstance(one, Mapping) for one in content) and content:
        if splits:
            raise Refused(f"Expected no --split for {file}, a bare list of annotations without splits. Leave it out.")
        return content, {}, []
    if not isinstance(content, Mapping) or not {"split", "annotations"} <= content.keys():
        raise Refused(f"Expected split and annotations, or a list of annotations, in {file}; found {_kind(content)}.")
    annotations, theirs_by_name = content["annotations"], content["split"]
    are_dicts = isinstance(annotations, list | tuple) and all(isinstance(one, Mapping) for one in annotations)
    if not are_dicts or not annotations:
        raise Refused(f"Expected a list of dicts as annotations in {file}; found {_kind(annotations)}.")
    if not isinstance(theirs_by_name, Mapping) or not theirs_by_name:
        raise Refused(f"Expected names of videos by split in {file}; found {_kind(theirs_by_name)}.")
    for name, names in theirs_by_name.items():
        if not isinstance(names, list | tuple | set | frozenset | np.ndarray) or getattr(names, "ndim", 1) != 1:
            raise Refused(f"Expected a list of names as the split {name} of {file}; found {_kind(names)}.")
    names_of = {str(name): [str(one) for one in names] for name, names in theirs_by_name.items()}
    ours_of = _ours_by_theirs(names_of, splits, file)
    split_of: dict[str, str] = {}
    issues = []
    for theirs, ours in ours_of.items():
        for name in names_of[theirs]:
            if split_of.setdefault(name, ours) != ours:
                detail = f"{split_of[name]} is taken"
                issues.append(ImportIssue(name, "in two of the chosen splits", detail, is_imported=True))
    return list(annotations), split_of, issues


def _ours_by_theirs(names_of: Mapping[str, list[str]], splits: Sequence[str], file: Path) -> dict[str, str]:
    """Our split of each of theirs that is to be read; of a pickle of two splits one may be clear by its name."""
    ours_of = dict(pair.partition("=")[::2] for pair in splits)
    if not ours_of and len(names_of) == 2 and any("train" in name for name in names_of):
        ours_of = {name: "train" if "train" in name else "test" for name in names_of}
    if not ours_of or not ours_of.keys() <= names_of.keys() or not all(ours_of.values()):
        raise Refused(
            f"Expected which splits of {file} to take, as --split THEIRS=OURS ({next(iter(names_of))}=train); it has "
            f"{', '.join(names_of)}; found {' '.join(splits) or 'none'}."
        )
    return ours_of


def _refuse_3d(annotations: list[dict], file: Path) -> None:
    first = annotations[0]
    try:
        keypoint: Any = first.get("keypoint")
        shape = np.shape(keypoint)
    except ODD:  # lists of lists of several lengths, which are named for each video
        shape = ()
    if "keypoint" in first and ("keypoint_score" not in first or shape[-1:] == (3,)):
        raise Refused(
            f"Expected 2D poses in {file} (keypoint of x and y, keypoint_score); found 3D ones. They are not aligned "
            "with the video: frames without a body were left out when they were made, and places are in metres. Use "
            "the 2D pickle, or the .skeleton files with `integralaction import ntu`."
        )


def _class_names(annotations: list[dict], classes: Path | None, file: Path) -> tuple[str, ...]:
    count = max((number for one in annotations if (number := _label(one)) is not None), default=-1) + 1
    if count > MOST_CLASSES:
        raise Refused(f"Expected labels of at most {MOST_CLASSES} classes in {file}; found {count - 1} as a label.")
    names = tuple(f"class {number}" for number in range(count)) if classes is None else read_lines(classes)
    if len(names) < count or not names:
        raise Refused(f"Expected {count} class names for the labels of {file}; found {len(names)}.")
    return names


def _label(annotation: Mapping[str, Any]) -> int | None:
    """The number of its class; None where it has none."""
    number = annotation.get("label")
    is_number = isinstance(number, int | np.integer) and not isinstance(number, bool)
    return int(number) if is_number and number >= 0 else None


def _info(annotation: Mapping[str, Any]) -> VideoInfo:
    """What the annotation tells of a video that is not there."""
    height, width = _size(annotation)
    return VideoInfo(_count(annotation), 30.0, height, width)


def _count(annotation: Mapping[str, Any]) -> int:
    """Its number of frames."""
    count = annotation["total_frames"]
    if not isinstance(count, int | np.integer) or not 0 < count <= MOST_FRAMES:
        raise Refused(f"Expected total_frames from 1 to {MOST_FRAMES}; found {count!r:.100}.")
    return int(count)


def _size(annotation: Mapping[str, Any]) -> tuple[int, int]:
    """Height and width in pixels of the picture that its places lie in."""
    sides = annotation.get("img_shape")
    sides = annotation.get("original_shape") if sides is None else sides
    pair = list(sides) if isinstance(sides, list | tuple | np.ndarray) else []
    if len(pair) != 2 or not all(isinstance(n, int | np.integer) and 0 < n <= LARGEST_SIDE for n in pair):
        raise Refused(f"Expected height and width as img_shape; found {sides!r:.100}.")
    return int(pair[0]), int(pair[1])


def poses_of(annotation: Mapping[str, Any], keypoints: Path | None, info: VideoInfo) -> Poses:
    """The poses of one annotation, in pixels of the video.

    Raises:
        ValueError: it is not of as many frames as the video, or lacks something.
    """
    total = _count(annotation)
    if total != info.frames:
        raise Refused(f"Expected poses of the {info.frames} frames of the video; found {total} frames.")
    height, width = _size(annotation)
    scale = np.array([info.width / width, info.height / height], np.float32)
    if "keypoint" in annotation:
        places = _numbers(annotation["keypoint"])  # persons, frames, joints, 2
        scores = _numbers(annotation["keypoint_score"])
        if (
            places.ndim != 4
            or places.shape[1] != total
            or places.shape[2:] != (17, 2)
            or scores.shape != places.shape[:3]
        ):
            raise Refused(f"Expected persons x {total} x 17 x 2 places; found {places.shape}, scores {scores.shape}.")
        joints = np.concatenate([places, scores[..., None]], axis=3)
        by_frame = {t: joints[:, t] for t in range(total)}
    else:
        by_frame = _poses_in_file(annotation, keypoints, total)
    frames = {}
    for t, persons in by_frame.items():
        joints = np.where(np.isfinite(persons).all(axis=2, keepdims=True), persons, 0)
        joints = joints[(joints[..., 2] > 0).any(axis=1)].astype(np.float32)
        joints[..., :2] *= scale
        joints[..., 2] = np.clip(joints[..., 2], 0, 1)
        frames[t] = joints
    return Poses.from_frames("coco17", frames)


def _poses_in_file(annotation: Mapping[str, Any], keypoints: Path | None, total: int) -> dict[int, np.ndarray]:
    """Kinetics-400's form: rows of persons in a file of their own, and the frame of each row."""
    if "raw_file" not in annotation or "frame_inds" not in annotation:
        raise Refused("Expected keypoint, or raw_file and frame_inds; found neither.")
    if keypoints is None:
        raise Refused("Expected --keypoints FOLDER for annotations whose poses lie in files of their own; found none.")
    content = _read_pickle_once(keypoints / Path(str(annotation["raw_file"])).name)
    rows = _numbers(content[annotation["frame_dir"]]["keypoint"])
    numbers = np.asarray(annotation["frame_inds"])
    if numbers.ndim != 1 or rows.ndim != 3 or rows.shape[1:] != (17, 3) or len(rows) != len(numbers):
        raise Refused(f"Expected N x 17 x 3 joints and N frame numbers; found {rows.shape} and {numbers.shape}.")
    if len(numbers) and not (numbers.dtype.kind in "iu" and numbers.min() >= 0 and numbers.max() < total):
        raise Refused(
            f"Expected frame numbers from 0 to {total - 1} as frame_inds; found {numbers.min()} to {numbers.max()}."
        )
    order = np.argsort(numbers, kind="stable")
    first = np.searchsorted(numbers[order], np.arange(total + 1))
    return {t: rows[order[first[t] : first[t + 1]]] for t in range(total)}


def _numbers(values: Any) -> np.ndarray:
    """Numbers as float32; what is too large for it becomes infinite, and with it the joint a lost one."""
    if not isinstance(values, np.ndarray | list | tuple):
        raise TypeError(f"Expected an array of numbers; found {_kind(values)}.")
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32)


@lru_cache(maxsize=4)
def _read_pickle_once(path: Path) -> Any:
    """A file of many videos' keypoints, kept while its videos follow one another."""
    return read_pickle(path)


def _kind(content: Any) -> str:
    return (
        f"the keys {', '.join(f'{key!s:.100}' for key in list(content)[:5])}"
        if isinstance(content, Mapping)
        else type(content).__name__
    )
