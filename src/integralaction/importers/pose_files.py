"""Poses of a data set's videos from files: OpenPose, COCO results, AlphaPose, another data set folder."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from integralaction.clip import Poses
from integralaction.console import track
from integralaction.data.index import Index, Video, read_index
from integralaction.data.pose_files import (
    PoseRequest,
    Units,
    check_units,
    find_pose_files,
    read_pose_files,
    read_poses,
    tails,
)
from integralaction.data.pose_places import ReadPoses, fit
from integralaction.data.poses import PoseStore
from integralaction.data.video import VideoInfo
from integralaction.errors import MissingFile, Refused
from integralaction.importers.building import ODD, Imported, Remark, first_frames, write_remarks
from integralaction.importers.new_shards import LIST, NewShards
from integralaction.skeleton import convert_joints, skeleton_named


def add_poses(index: Index, source: Path, units: Units | None) -> Imported:
    """Give the videos of a data set that have no poses those of a folder or file, each by the video's name.

    Args:
        source: what `read_poses` reads.
        units: of the places, as `read_poses` takes them; None: as their values tell.

    Returns:
        The data set, with the skeleton of its first poses where it had none, and a remark for each video without.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: no video's poses can be read.
    """
    check_units(units)
    if not source.exists():
        raise MissingFile(f"Expected a file or folder of poses; {source} is not there.")
    if (index.root / "pose.parts").exists():
        raise Refused(
            f"Expected no estimation under way in {index.root}; found one that was stopped. Let `integralaction pose` "
            f"finish it, or remove {index.root / 'pose.parts'}."
        )
    new = NewShards(index.root)
    if finished := new.go_on(index):
        return finished
    store = PoseStore.of(index.root)
    todo = {video.video: video for video in index.videos if video.video not in store}  # one may have several rows
    if not todo and index.skeleton != store.skeleton:  # a call was stopped before the index named it
        return new.finish(index, store.skeleton, [])
    if not todo:
        raise Refused(f"Expected videos without poses in {index.root}; all {len(store)} have theirs.")
    read = _reader(index, list(todo.values()), source, units)
    skeleton = store.skeleton
    nobody: list[str] = []  # videos in which nobody is, before the first in which somebody tells the skeleton
    remarks: list[Remark] = []

    def all_poses() -> Iterator[tuple[str, Poses]]:
        nonlocal skeleton
        for name, video in track(todo.items(), "reading poses", len(todo)):
            try:
                found = read(video)
                poses = found.poses
                remarks.extend(Remark(name, what, detail, kept=True) for what, detail in found.doubts)
                if not len(poses.joints) and not skeleton:
                    nobody.append(name)
                    continue
                skeleton = skeleton or poses.skeleton
                empty = Poses.from_frames(skeleton, {int(t): _no_persons(skeleton) for t in poses.frame_index})
                poses = as_skeleton(poses, skeleton) if len(poses.joints) else empty
            except ODD as error:
                remarks.append(Remark(name, "no poses", " ".join(str(error).split()), kept=True))
                continue
            if len(poses.frame_index) and int(poses.frame_index[-1]) >= video.frames:
                detail = f"up to frame {poses.frame_index[-1]} of {video.frames}; the rest is cut off"
                remarks.append(Remark(name, "poses past the video's end", detail, kept=True))
                poses = first_frames(poses, video.frames)
            yield name, poses
        skeleton = skeleton or (read(todo[nobody[0]]).poses.skeleton if nobody else "")
        for name in nobody:
            looked = first_frames(read(todo[name]).poses, todo[name].frames).frame_index.tolist()
            yield name, Poses.from_frames(skeleton, {t: _no_persons(skeleton) for t in looked})

    if not new.write(all_poses()):
        write_remarks(index.root, remarks, LIST)
        raise Refused(
            f"Expected poses of the videos of {index.root} in {source}; of {len(todo)} none can be read "
            f"({remarks[0].item}: {remarks[0].detail})"
        )
    return new.finish(index, skeleton, remarks)


def _no_persons(skeleton: str) -> np.ndarray:
    return np.zeros((0, len(skeleton_named(skeleton).joints), 3), np.float32)


def _reader(index: Index, todo: Sequence[Video], source: Path, units: Units | None) -> Callable[[Video], ReadPoses]:
    """Reads the poses of a video: of a data set folder by the whole name, of files by its own, which must be its
    alone."""
    if source.is_dir() and len(store := PoseStore.of(source)):
        return _store_reader(index, store, source, units)
    if source.is_file() and source.suffix != ".json":
        return lambda video: ReadPoses(read_poses(source, index.path(video)))
    paths = {Path(video.video) for video in index.videos}
    claims = Counter((tail, path.stem) for path in paths for tail in tails(path))

    def read(video: Video) -> ReadPoses:
        path, place, shared = Path(video.video), source, len(todo) > 1
        if source.is_dir():
            tail, place = find_pose_files(source, path)
            shared = False
            if claims[tail, path.stem] > 1:
                raise Refused(
                    f"Expected files that are one video's alone; {claims[tail, path.stem]} videos are named "
                    f"{path.stem}. Put theirs into folders as the videos are: {source / path.parent}."
                )
        info = VideoInfo(video.frames, video.fps, video.height, video.width)
        return read_pose_files(PoseRequest(place, index.path(video), units, info, shared))

    return read


def _store_reader(index: Index, store: PoseStore, source: Path, units: Units | None) -> Callable[[Video], ReadPoses]:
    """Reads the poses of another data set, whose videos may be larger or smaller ones of the same names."""
    others = read_index(source).videos if (source / "dataset.yaml").is_file() else ()
    sizes = {video.video: f"{video.width}x{video.height}" for video in others}

    def read(video: Video) -> ReadPoses:
        poses, size = store[video.video], units or sizes.get(video.video)
        if size in (None, f"{video.width}x{video.height}"):
            return ReadPoses(poses)
        info = VideoInfo(video.frames, video.fps, video.height, video.width)
        return fit(poses, PoseRequest(source, index.path(video), size, info))

    return read


def as_skeleton(poses: Poses, name: str) -> Poses:
    """The same poses on another skeleton.

    Raises:
        ValueError: they do not convert.
    """
    if poses.skeleton == name:
        return poses
    joints = convert_joints(poses.joints, skeleton_named(poses.skeleton), skeleton_named(name))
    return Poses(name, joints, poses.frame_index, poses.frame_offsets)
