"""Penn Action's labels (Zhang, Zhu, Derpanis, ICCV 2013) as a data set folder: 13 joints, 15 actions, official split.

    python examples/penn_action/import_labels.py labels.tar.xz penn

The labels are one .mat file a video. Without `--frames` the poses are all there is, enough for a pose stream. Each
video's frame is then a square around the person, still for the whole video, so that a small map shows the person
large; and each video has 72 frames, evenly taken, so that a clip sees nearly the whole action. With `--frames` (Penn
Action's own folder of images, frames/0001/000001.jpg) frames stay as they are and both streams can be trained.
"""

import io
import math
import re
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import cyclopts
import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from integralaction.clip import Poses
from integralaction.data.index import Index, Video, write_index
from integralaction.data.poses import write_pose_store

FPS = 30.0  # the labels do not tell; nothing here depends on it
HIDDEN = 0.5  # score of a joint where it cannot be seen
MARGIN = 1.6  # side of the square over the person's extent: random crops cut off up to two fifths of it
LENGTH = 72  # frames that each video is resampled to: videos of 18 to 663 frames hold one action each
SPLITS = {1: "train", -1: "test"}


def read_labels(path: Path) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Name and variables of each .mat file of a folder or a tar archive, in order of their names.

    Raises:
        ValueError: there are none, or one cannot be read.
    """
    if path.is_dir():
        files = {file.stem: file.read_bytes() for file in path.rglob("[!.]*.mat")}
    else:
        try:
            with tarfile.open(path) as archive:
                members = [m for m in archive if m.isfile() and re.search(r"(^|/)[^/.][^/]*\.mat$", m.name)]
                files = {Path(m.name).stem: archive.extractfile(m).read() for m in members}
        except tarfile.TarError as error:
            raise ValueError(
                f"Expected a folder or a tar archive of .mat files; {path} is neither ({error})."
            ) from None
    if not files:
        raise ValueError(f"Expected .mat files in {path}; found none.")
    for name in sorted(files):
        try:
            yield name, loadmat(io.BytesIO(files[name]))
        except (MatReadError, ValueError, TypeError, NotImplementedError) as error:
            raise ValueError(f"Expected a Matlab file in {name}.mat of {path}; it cannot be read ({error}).") from None


def joints_of(labels: dict[str, np.ndarray]) -> np.ndarray:
    """(F, 13, 3) x, y, score: 1 where the joint is seen, `HIDDEN` where it is interpolated, 0 where it is never seen.

    Where the annotators placed a joint that they could not see is of little worth: it is taken from the frames before
    and after in which it is seen.
    """
    places = np.stack([labels["x"], labels["y"]], axis=-1).astype(np.float32) - 1  # Matlab counts pixels from 1
    seen = labels["visibility"] > 0
    joints = np.zeros((*seen.shape, 3), np.float32)
    frames = np.arange(len(seen))
    for joint in np.nonzero(seen.any(axis=0))[0]:
        known = seen[:, joint]
        for axis in range(2):
            joints[:, joint, axis] = np.interp(frames, frames[known], places[known, joint, axis])
        joints[:, joint, 2] = np.where(known, 1.0, HIDDEN)
    return joints


def square_around(joints: np.ndarray) -> tuple[np.ndarray, int]:
    """The same joints in pixels of a square around all of them, and its side."""
    found = joints[joints[..., 2] > 0][:, :2]
    low, high = found.min(axis=0), found.max(axis=0)
    side = max(16, math.ceil(MARGIN * float((high - low).max())))
    moved = joints.copy()
    moved[..., :2] += side / 2 - (low + high) / 2
    moved[moved[..., 2] == 0] = 0
    return moved, side


def import_labels(labels: Path, out: Path, /, *, frames: Path | None = None, val: float = 0.0) -> None:
    """Make a data set folder of Penn Action's labels.

    Parameters
    ----------
    labels
        The folder of .mat files, or a tar archive of it.
    out
        The data set folder.
    frames
        The folder of Penn Action's images, a folder a video.
    val
        Share of the training videos that becomes the split `val`, to choose settings by.
    """
    if not 0 <= val < 1:
        raise ValueError(f"Expected a share from 0 to below 1 in --val; found {val}.")
    rows, poses, skipped = [], [], []
    random = np.random.default_rng(0)
    for name, variables in read_labels(labels):
        if missing := sorted({"x", "y", "visibility", "dimensions", "train", "action"} - variables.keys()):
            raise ValueError(f"Expected Penn Action's labels in {name}.mat; {', '.join(missing)} is missing.")
        joints = joints_of(variables)
        if not (joints[..., 2] > 0).any():
            skipped.append(name)
            continue
        height, width = (int(n) for n in variables["dimensions"].ravel()[:2])
        if frames is None:
            joints = joints[np.linspace(0, len(joints) - 1, LENGTH).round().astype(int)]
            joints, height = square_around(joints)
            width = height
        part = int(variables["train"].item())
        if part not in SPLITS:
            raise ValueError(f"Expected 1 (train) or -1 (test) as train in {name}.mat; found {part}.")
        split = SPLITS[part]
        if split == "train" and random.random() < val:
            split = "val"
        action = str(variables["action"].item())
        rows.append(Video(name, action, split, len(joints), FPS, height, width))
        poses.append((name, Poses.from_frames("penn13", {t: person[None] for t, person in enumerate(joints)})))
    classes = tuple(sorted({row.label for row in rows}))
    root = "." if frames is None else str(frames.resolve())
    out.mkdir(parents=True, exist_ok=True)
    write_pose_store(out, poses)
    write_index(
        Index(out, "penn-action", "penn13", classes, tuple(rows), root, "examples/penn_action/import_labels.py")
    )
    counts = {split: sum(row.split == split for row in rows) for split in dict.fromkeys(row.split for row in rows)}
    print(f"{len(rows)} videos of {len(classes)} actions in {out}: {counts}; skipped: {skipped or 'none'}")


if __name__ == "__main__":
    try:
        cyclopts.run(import_labels)
    except (ValueError, OSError) as error:
        sys.exit(f"import_labels: {error}")
