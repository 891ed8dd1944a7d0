"""The poses in frames of a video: in some of them, or in all, of a long video part by part."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from integralaction.clip import Poses
from integralaction.data.poses import PoseStore, write_shard
from integralaction.data.video import probe, read_in_parts
from integralaction.errors import Refused
from integralaction.estimators.estimator import PoseEstimator, first_line
from integralaction.estimators.prefetch import prefetch

STEP = 8  # frames between two steps of progress
PART = 2_000  # frames of a long video after which a killed worker's work is kept
PART_BYTES = 2**26  # of frames decoded together; up to three such parts are in memory


def estimate_poses(
    estimator: PoseEstimator,
    video: Path,
    frame_numbers: Sequence[int],
    advance: Callable[[int], object] = lambda count: None,
) -> Poses:
    """The poses in these frames of a video; the others count as not looked at.

    Args:
        advance: called with how many frames more have been looked at.

    Raises:
        ValueError: a frame cannot be read, or the estimator fails on it.
    """
    persons_of_frames: dict[int, np.ndarray] = {}
    for numbers, frames in read_in_parts(video, frame_numbers):
        for first in range(0, len(numbers), STEP):
            part = numbers[first : first + STEP]
            try:
                persons = list(estimator(frames[first : first + STEP]))
                if len(persons) != len(part):
                    raise Refused(f"of {len(part)} frames it gave the persons of {len(persons)}")
                persons_of_frames.update(zip(part, persons, strict=True))
            except Exception as error:  # whatever comes out of a foreign network and its library
                raise Refused(
                    f"Expected poses from {type(estimator).__name__} in frames {part[0]} to {part[-1]} of {video}; "
                    f"it failed ({first_line(error)}). Try another estimator, or --poses none."
                ) from error
            advance(len(part))
    return Poses.from_frames(estimator.skeleton, persons_of_frames)


def estimate_all_poses(estimator: PoseEstimator, video: Path, frames: int, parts: Path | None = None) -> Poses:
    """The poses in every frame of a video; the next frames are decoded while these are looked at.

    Args:
        frames: how many the index says.
        parts: how the files begin that keep the poses of a long video, every `PART` frames; None: nothing is kept.

    Raises:
        ValueError: the video has fewer, or cannot be read.
    """
    if probe(video).frames < frames:
        raise Refused(f"Expected {frames} frames in {video}, as the index has it; it has {probe(video).frames}.")
    persons = {} if parts is None else _read_parts(parts)
    first = len(persons)  # of the frames that no part has
    for numbers, pictures in prefetch(read_in_parts(video, range(first, frames), PART_BYTES)):
        persons.update(zip(numbers, estimator(pictures), strict=True))
        if parts is not None and len(persons) - first >= PART and len(persons) < frames:
            poses = Poses.from_frames(estimator.skeleton, {t: persons[t] for t in range(first, len(persons))})
            write_shard(parts.with_name(f"{parts.name}-{first:09d}.safetensors"), [("", poses)])
            first = len(persons)
    return Poses.from_frames(estimator.skeleton, persons)


def _read_parts(parts: Path) -> dict[int, np.ndarray]:
    """The persons in the first frames of a long video, as far as an earlier call came."""
    persons: dict[int, np.ndarray] = {}
    for path in sorted(parts.parent.glob(f"{parts.name}-*.safetensors")):
        try:
            poses = PoseStore([path])[""]
        except ValueError:  # empty, or cut off
            break
        if poses.frame_index.tolist() != list(range(len(persons), len(persons) + len(poses.frame_index))):
            break
        by_frame = np.split(poses.joints, poses.frame_offsets[1:-1])
        persons.update(zip(poses.frame_index.tolist(), by_frame, strict=True))
    return persons
