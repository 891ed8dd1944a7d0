"""One video of an import, opened: its row of the index, its poses, and its issues."""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from integralaction.assembly.plan import Entry, ImportIssue, ImportPlan
from integralaction.clip import Poses
from integralaction.data.index import Video
from integralaction.data.sampling import frames_between
from integralaction.data.video import VideoError, VideoInfo, frame_times, probe

ENOUGH = 0.9  # share of a video's frames that its poses reach without an issue


@dataclass(frozen=True)
class Inspection:
    """What an entry's files hold.

    Attributes:
        row: of the index; None: the video cannot be imported, and an issue says why.
        poses: None: there are none, or they cannot be read.
    """

    row: Video | None
    poses: Poses | None = None
    issues: list[ImportIssue] = field(default_factory=list)


def inspect_entry(entry: Entry, plan: ImportPlan) -> Inspection:
    """Open the video and the poses of an entry. Whatever a file raises is that file's fault."""
    path = plan.video_root / entry.video
    try:
        info = entry.info or _probe(path)
    except FileNotFoundError as error:
        return _no_video(entry, "not there", _message(error))
    except Exception as error:  # of many libraries
        return _no_video(entry, "cannot be read as a video", _message(error))
    if min(info.frames, info.fps, info.height, info.width) <= 0 or not math.isfinite(info.fps):
        return _no_video(entry, "without frames or size", str(info))
    issues = []
    if not info.is_whole:
        issues.append(ImportIssue(entry.video, "may have lost its end", f"{info.frames} frames are there", True))
    row = Video(
        video=entry.video,
        label=entry.label,
        split=entry.split,
        frames=info.frames,
        fps=info.fps,
        height=info.height,
        width=info.width,
        group=entry.group,
    )
    is_part = entry.start is not None or entry.end is not None
    if is_part:
        try:
            times = np.arange(info.frames) / info.fps if entry.info else frame_times(path)
            row, time_issues = _cut_to_times(row, entry, times)
        except Exception as error:  # as above
            return _no_video(entry, "no frames between start and end", _message(error))
        issues += time_issues
    if not info.has_times and (is_part or (plan.by_time and entry.poses is not None)):
        detail = f"its frames are taken as {info.fps:g} a second"
        issues.append(ImportIssue(entry.video, "times cannot be trusted", detail, is_imported=True))
    if entry.poses is None:
        return Inspection(row, None, issues)
    poses, pose_issues = _read_poses(entry, info)
    return Inspection(row, poses, issues + pose_issues)


def _no_video(entry: Entry, reason: str, detail: str) -> Inspection:
    return Inspection(None, None, [ImportIssue(entry.video, reason, detail)])


def _probe(path: Path) -> VideoInfo:
    if path.exists() and not (path.is_file() or path.is_dir()):  # to open a pipe would wait for ever
        raise VideoError(f"Expected a file or a folder of images; {path} is neither.")
    return probe(path)


def _cut_to_times(row: Video, entry: Entry, times: np.ndarray) -> tuple[Video, list[ImportIssue]]:
    """The row of the part from start to end, which are brought into the video, and an issue where they were not.

    Args:
        times: (frames,) seconds at which each frame is shown.

    Raises:
        ValueError: there is no frame between start and end.
    """
    step = 1 / row.fps
    length = float(times[-1]) + step  # the last frame is shown for about as long as the others
    first, last = frames_between(times, entry.start, entry.end, entry.video)
    start, end, issues = entry.start, entry.end, []
    if start is not None and start < 0:
        start = 0.0
    if end is not None and end > length + step:
        end = round(length, 3)
    if (start, end) != (entry.start, entry.end):
        detail = f"{entry.start} to {entry.end} s of {length:.3f} s; {start} to {end} is taken"
        issues.append(ImportIssue(entry.video, "start or end outside the video", detail, is_imported=True))
    return replace(row, start=start, end=end, first_frame=first, last_frame=last), issues


def _read_poses(entry: Entry, info: VideoInfo) -> tuple[Poses | None, list[ImportIssue]]:
    assert entry.poses is not None
    try:
        poses = entry.poses(info)
    except FileNotFoundError as error:
        return None, [ImportIssue(entry.video, "no poses", _message(error), is_imported=True)]
    except Exception as error:  # of many kinds of file, read by many libraries
        return None, [ImportIssue(entry.video, "poses cannot be read", _message(error), is_imported=True)]
    frames = len(poses.frame_index)
    last = int(poses.frame_index[-1]) if frames else 0
    if frames and last >= info.frames:
        detail = f"poses up to frame {last}, {info.frames} frames; the rest is cut off"
        issue = ImportIssue(entry.video, "poses past the video's end", detail, is_imported=True)
        return first_frames(poses, info.frames), [issue]
    if frames and last + 1 < ENOUGH * info.frames:
        detail = f"poses up to frame {last} of {info.frames}"
        return poses, [ImportIssue(entry.video, "poses that end before the video", detail, is_imported=True)]
    return poses, []


def first_frames(poses: Poses, frames: int) -> Poses:
    """The poses of the first frames alone."""
    count = int(np.searchsorted(poses.frame_index, frames))
    offsets = poses.frame_offsets[: count + 1]
    return Poses(poses.skeleton, poses.joints[: int(offsets[-1])], poses.frame_index[:count], offsets)


def _message(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
