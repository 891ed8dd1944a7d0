"""Poses of a data set's videos from files: OpenPose, COCO results, AlphaPose, another data set folder."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.progress import track

from integralaction.clip import Poses
from integralaction.data.index import Index, write_index
from integralaction.data.pose_files import Units, read_poses
from integralaction.data.poses import SHARD, PoseStore, write_shard
from integralaction.importers.building import ODD, Imported, Remark, first_frames, write_remarks
from integralaction.skeleton import convert_joints, skeleton_named


def add_poses(index: Index, source: Path, units: Units | None) -> Imported:
    """Give the videos of a data set that have no poses those of a folder or file, each by the video's name.

    Args:
        source: what `read_poses` reads.
        units: of the places; None: as their values tell.

    Returns:
        The data set, with the skeleton of its first poses where it had none, and a remark for each video without.

    Raises:
        FileNotFoundError: there is no such file or folder.
        ValueError: no video's poses can be read.
    """
    if not source.exists():
        raise FileNotFoundError(f"Expected a file or folder of poses; {source} is not there.")
    store = PoseStore.of(index.root)
    todo = [video for video in index.videos if video.video not in store]
    todo = list({video.video: video for video in todo}.values())  # a video may have several rows
    if not todo:
        raise ValueError(f"Expected videos without poses in {index.root}; all {len(store)} have theirs.")
    skeleton = store.skeleton or None
    remarks: list[Remark] = []

    def read() -> Iterator[tuple[str, Poses]]:
        nonlocal skeleton
        console = Console(stderr=True)
        for video in track(todo, "poses", console=console, transient=True, disable=not console.is_terminal):
            try:
                poses = read_poses(source, index.path(video), units)
                skeleton = skeleton or poses.skeleton
                poses = as_skeleton(poses, skeleton)
            except ODD as error:
                remarks.append(Remark(video.video, "no poses", " ".join(str(error).split()), kept=True))
                continue
            if len(poses.frame_index) and int(poses.frame_index[-1]) >= video.frames:
                detail = f"up to frame {poses.frame_index[-1]} of {video.frames}; the rest is cut off"
                remarks.append(Remark(video.video, "poses past the video's end", detail, kept=True))
                poses = first_frames(poses, video.frames)
            yield video.video, poses

    added = append(index.root, read())
    if not added:
        raise ValueError(
            f"Expected poses of the videos of {index.root} in {source}; of {len(todo)} none can be read "
            f"({remarks[0].item}: {remarks[0].detail})"
        )
    index = replace(index, skeleton=skeleton or index.skeleton)
    write_index(index)
    write_remarks(index.root, remarks)
    return Imported(index, tuple(remarks))


def as_skeleton(poses: Poses, name: str) -> Poses:
    """The same poses on another skeleton.

    Raises:
        ValueError: they do not convert.
    """
    if poses.skeleton == name:
        return poses
    joints = convert_joints(poses.joints, skeleton_named(poses.skeleton), skeleton_named(name))
    return Poses(name, joints, poses.frame_index, poses.frame_offsets)


def append(root: Path, videos: Iterable[tuple[str, Poses]]) -> int:
    """Write poses into new shards after those that are there; how many videos."""
    number, count, shard = next_shard(root), 0, []
    for video in videos:
        shard.append(video)
        count += 1
        if len(shard) == SHARD:
            write_shard(root / f"poses-{number:05d}.safetensors", shard)
            number, shard = number + 1, []
    if shard:
        write_shard(root / f"poses-{number:05d}.safetensors", shard)
    return count


def next_shard(root: Path) -> int:
    """The number after the last shard's."""
    numbers = [int(path.stem.partition("-")[2]) for path in root.glob("poses-*.safetensors")]
    return max(numbers, default=-1) + 1
