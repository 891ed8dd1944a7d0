"""Penn Action's labels (Zhang, Zhu, Derpanis, ICCV 2013): 13 joints, 15 actions, official split.

The labels are one .mat file a video. Without the images the poses are all there is, enough for a pose stream; each
video's frame can then be a square around the person, still for the whole video, so that a small map shows the person
large, and each video can have the same number of frames, so that a clip sees nearly the whole action.
"""

import lzma
import math
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from integralaction.assembly.plan import ODD, Entry, ImportIssue, ImportPlan
from integralaction.clip import Poses
from integralaction.data.video import VideoInfo
from integralaction.errors import MissingFile, Refused
from integralaction.importers.matlab import LARGEST, read_mat

FPS = 30.0  # the labels do not tell; nothing here depends on it
HIDDEN = 0.5  # score of a joint where it cannot be seen
MARGIN = 1.6  # side of the square over the person's extent: random crops cut off up to two fifths of it
LARGEST_SIDE = 100_000  # of a picture, in pixels
LARGEST_ARCHIVE = 2**30  # bytes of all label files
SPLITS = {1: "train", -1: "test"}
_VARIABLES = {"x", "y", "visibility", "dimensions", "train", "action"}


@dataclass(frozen=True)
class PennAction:
    """Import Penn Action's labels: 13 joints, 15 actions, official split.

    Parameters
    ----------
    labels
        The folder of .mat files, or a tar archive of it.
    frames
        The folder of Penn Action's images, a folder a video; without it the poses are all there is.
    square
        Make each video's frame a square around its person, still for the whole video; not with --frames.
    length
        Resample each video to so many frames, evenly taken; not with --frames.
    val
        Share of the training videos that becomes the split val, to choose settings by.
    """

    labels: Path
    _: KW_ONLY
    frames: Path | None = None
    square: bool = False
    length: int | None = None
    val: float = 0.0

    def find(self) -> ImportPlan:
        """The video of each label file.

        Raises:
            FileNotFoundError: there are no labels.
            ValueError: a label file is of another form, or the options do not fit.
        """
        if not 0 <= self.val < 1:
            raise Refused(f"Expected a share from 0 to below 1 in --val; found {self.val}.")
        if self.frames is not None and (self.square or self.length is not None):
            raise Refused("Expected no --square and no --length with --frames, which stay as they are. Leave them out.")
        if self.length is not None and self.length < 1:
            raise Refused(f"Expected a length of at least one frame; found {self.length}.")
        entries, issues = [], []
        random = np.random.default_rng(0)
        for name, read in label_files(self.labels):
            try:
                entry = self._entry(name, read())
            except ODD as error:
                detail = " ".join(str(error).split())
                issues.append(ImportIssue(f"{name}.mat", "cannot be read as labels", detail))
                continue
            if entry is None:
                issues.append(ImportIssue(name, "no joint is seen in any frame"))
            elif entry.split == "train" and random.random() < self.val:
                entries.append(replace(entry, split="val"))
            else:
                entries.append(entry)
        classes = tuple(sorted({entry.label for entry in entries}))
        root = self.frames or self.labels.parent
        return ImportPlan("penn-action", "penn13", classes, root, entries, tuple(issues))

    def _entry(self, name: str, variables: dict[str, Any]) -> Entry | None:
        """The video of one label file; None where no joint is ever seen."""
        if missing := sorted(_VARIABLES - variables.keys()):
            raise Refused(f"Expected Penn Action's labels in {name}.mat; {', '.join(missing)} is missing.")
        joints = joints_of(variables)
        if not np.any(joints[..., 2] > 0):
            return None
        if not np.isfinite(joints).all():
            raise Refused(f"Expected finite joints in {name}.mat; found NaN or infinity.")
        if np.abs(joints).max() > LARGEST_SIDE:
            raise Refused(f"Expected joints within {LARGEST_SIDE} pixels in {name}.mat; found larger places.")
        height, width = (int(n) for n in variables["dimensions"].ravel()[:2])
        if not 0 < min(height, width) <= max(height, width) <= LARGEST_SIDE:
            raise Refused(f"Expected height and width in {name}.mat; found {height} and {width}.")
        if self.length is not None:
            joints = joints[np.linspace(0, len(joints) - 1, self.length).round().astype(int)]
        if self.square:
            joints, height = square_around(joints)
            width = height
        part = int(variables["train"].item())
        if part not in SPLITS:
            raise Refused(f"Expected 1 (train) or -1 (test) as train in {name}.mat; found {part}.")
        info = VideoInfo(len(joints), FPS, height, width) if self.frames is None else None
        return Entry(name, str(variables["action"].item()), SPLITS[part], _reader(joints), info=info)


def _reader(joints: np.ndarray) -> Callable[[VideoInfo], Poses]:
    return lambda _: Poses.from_frames("penn13", {t: person[None] for t, person in enumerate(joints)})


def label_files(path: Path) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """Name of each .mat file of a folder or a tar archive, in order of their names, and what reads its variables.

    Raises:
        FileNotFoundError: there is nothing at `path`.
        ValueError: there are none.
    """
    if not path.exists():
        raise MissingFile(f"Expected a folder or a tar archive of .mat files; {path} is not there.")
    if path.is_dir():
        files = {file.stem: _first_bytes(file) for file in path.rglob("[!.]*.mat")}
    else:
        try:
            with tarfile.open(path) as archive:
                files = dict(_members(archive))
        except (tarfile.TarError, EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            raise Refused(f"Expected a folder or a tar archive of .mat files; {path} is neither ({error}).") from error
    if not files:
        raise Refused(f"Expected .mat files in {path}; found none.")
    for name in sorted(files):

        def read(name: str = name) -> dict[str, Any]:
            try:
                return read_mat(files[name], _VARIABLES)
            except ValueError as error:
                raise Refused(
                    f"Expected a Matlab file in {name}.mat of {path}; it cannot be read ({error})."
                ) from error

        yield name, read


def _first_bytes(file: Path) -> bytes:
    """What the file holds, as far as it is read: one byte more than it may have tells that it is too large."""
    with file.open("rb") as stream:
        return stream.read(LARGEST + 1)


def _members(archive: tarfile.TarFile) -> Iterator[tuple[str, bytes]]:
    """Name and content of each .mat file, one after another, as they lie in the archive."""
    total = 0
    for member in archive:
        if member.isfile() and re.search(r"(^|/)[^/.][^/]*\.mat$", member.name):
            file = archive.extractfile(member)
            content = b"" if file is None else file.read(LARGEST + 1)
            total += len(content)
            if total > LARGEST_ARCHIVE:
                raise Refused(f"Expected at most {LARGEST_ARCHIVE} bytes of labels; found more in {archive.name}.")
            yield Path(member.name).stem, content


def joints_of(labels: dict[str, Any]) -> np.ndarray:
    """(F, 13, 3) x, y, score: 1 where the joint is seen, `HIDDEN` where it is interpolated, 0 where it is never seen.

    Where the annotators placed a joint that they could not see is of little worth: it is taken from the frames before
    and after in which it is seen.
    """
    places = np.stack([labels["x"], labels["y"]], axis=-1).astype(np.float32) - 1  # Matlab counts pixels from 1
    visible = labels["visibility"] > 0
    joints = np.zeros((*visible.shape, 3), np.float32)
    frames = np.arange(len(visible))
    for joint in np.nonzero(np.any(visible, axis=0))[0]:
        at = visible[:, joint]
        for axis in range(2):
            joints[:, joint, axis] = np.interp(frames, frames[at], places[at, joint, axis])
        joints[:, joint, 2] = np.where(at, 1.0, HIDDEN)
    return joints


def square_around(joints: np.ndarray) -> tuple[np.ndarray, int]:
    """The same joints in pixels of a square around all of them, and its side."""
    places = joints[joints[..., 2] > 0][:, :2]
    low, high = places.min(axis=0), places.max(axis=0)
    side = max(16, math.ceil(MARGIN * float((high - low).max())))
    in_square = joints.copy()
    in_square[..., :2] += side / 2 - (low + high) / 2
    in_square[in_square[..., 2] == 0] = 0
    return in_square, side
