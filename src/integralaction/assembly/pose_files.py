"""Poses of a data set's videos from files: OpenPose, COCO results, AlphaPose, another data set folder."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from integralaction.assembly.inspection import first_frames
from integralaction.assembly.issues import ImportResult, write_issues
from integralaction.assembly.plan import ODD, ImportIssue
from integralaction.assembly.pose_shards import LIST, NewShards
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
from integralaction.data.poses import PoseStore
from integralaction.data.video import VideoInfo
from integralaction.errors import MissingFile, Refused
from integralaction.pose_formats.places import ReadPoses, fit
from integralaction.skeleton import convert_joints, skeleton_named


def add_poses(index: Index, source: Path, units: Units | None) -> ImportResult:
    """Give the videos of a data set that have no poses those of a folder or file, each by the video's name.

    Args:
        source: what `read_poses` reads.
        units: of the places, as `read_poses` takes them; None: as their values tell.

    Returns:
        The data set, with the skeleton of its first poses where it had none, and an issue for each video without.

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
    if result := new.go_on(index):
        return result
    store = PoseStore.of(index.root)
    todo = {video.video: video for video in index.videos if video.video not in store}  # one may have several rows
    if not todo and index.skeleton != store.skeleton:  # a call was stopped before the index named it
        return new.finish(index, store.skeleton, [])
    if not todo:
        raise Refused(f"Expected videos without poses in {index.root}; all {len(store)} have theirs.")
    poses = _PosesOfVideos(todo, _reader(index, list(todo.values()), source, units), store.skeleton)
    if not new.write(poses):
        write_issues(index.root, poses.issues, LIST)
        raise Refused(
            f"Expected poses of the videos of {index.root} in {source}; of {len(todo)} none can be read "
            f"({poses.issues[0].item}: {poses.issues[0].detail})"
        )
    return new.finish(index, poses.skeleton, poses.issues)


class _PosesOfVideos:
    """Name and poses of each video, all of one skeleton.

    Attributes:
        skeleton: the data set's; where it has none, that of the first poses with somebody in them.
        issues: grows while the poses are read.
    """

    def __init__(self, videos: dict[str, Video], read: Callable[[Video], ReadPoses], skeleton: str) -> None:
        self._videos, self._read = videos, read
        self.skeleton = skeleton
        self.issues: list[ImportIssue] = []

    def __iter__(self) -> Iterator[tuple[str, Poses]]:
        empty: list[str] = []  # videos in which nobody is, before the first that tells the skeleton
        for name, video in track(self._videos.items(), "reading poses", len(self._videos)):
            try:
                content = self._read(video)
                self.issues += [ImportIssue(name, what, detail, is_imported=True) for what, detail in content.doubts]
                if not len(content.poses.joints) and not self.skeleton:
                    empty.append(name)
                    continue
                poses = self._on_skeleton(content.poses)
            except ODD as error:
                self.issues.append(ImportIssue(name, "no poses", " ".join(str(error).split()), is_imported=True))
                continue
            if len(poses.frame_index) and int(poses.frame_index[-1]) >= video.frames:
                detail = f"up to frame {poses.frame_index[-1]} of {video.frames}; the rest is cut off"
                self.issues.append(ImportIssue(name, "poses past the video's end", detail, is_imported=True))
                poses = first_frames(poses, video.frames)
            yield name, poses
        for name in empty:
            poses = self._read(self._videos[name]).poses
            yield name, self._on_skeleton(first_frames(poses, self._videos[name].frames))

    def _on_skeleton(self, poses: Poses) -> Poses:
        self.skeleton = self.skeleton or poses.skeleton
        if len(poses.joints):
            return as_skeleton(poses, self.skeleton)
        nobody = np.zeros((0, len(skeleton_named(self.skeleton).joints), 3), np.float32)
        return Poses.from_frames(self.skeleton, {int(t): nobody for t in poses.frame_index})


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
        path, place, is_shared = Path(video.video), source, len(todo) > 1
        if source.is_dir():
            tail, place = find_pose_files(source, path)
            is_shared = False
            if claims[tail, path.stem] > 1:
                raise Refused(
                    f"Expected files that are one video's alone; {claims[tail, path.stem]} videos are named "
                    f"{path.stem}. Put theirs into folders as the videos are: {source / path.parent}."
                )
        info = VideoInfo(video.frames, video.fps, video.height, video.width)
        return read_pose_files(PoseRequest(place, index.path(video), units, info, is_shared))

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
