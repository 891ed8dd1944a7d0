"""NTU RGB+D 60 and 120: `.skeleton` text files, whose joints are placed in the colour video, and the videos.

Names tell everything: S001C002P003R002A013 is setup 1, camera 2, performer 3, replication 2, action 13.
"""

import re
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from integralaction.assembly.plan import Entry, ImportIssue, ImportPlan
from integralaction.clip import Poses
from integralaction.data.video import VideoInfo
from integralaction.errors import MissingFile, Refused
from integralaction.importers.sources import read_lines, video_files

Protocol = Literal["xsub", "xview", "xset"]

COLOUR = (1920, 1080)  # width and height of the video that the joints are placed in
_NAME = re.compile(r"S(\d{3})C(\d{3})P(\d{3})R(\d{3})A(\d{3})")
_COLOUR_VIDEO = re.compile(_NAME.pattern + "(?:_rgb)?")
_XSUB60 = {1, 2, 4, 5, 8, 9, 13, 14, 15, 16, 17, 18, 19, 25, 27, 28, 31, 34, 35, 38}
_XSUB120 = _XSUB60 | {45, 46, 47, 49, 50, *range(52, 60), 70, 74, 78, *range(80, 87), 89, *range(91, 96)}
_XSUB120 |= {97, 98, 100, 103}
JOINTS = 25


@dataclass(frozen=True)
class Ntu:
    """Import NTU RGB+D 60 or 120: colour videos with the joints of the .skeleton files.

    Parameters
    ----------
    videos
        The folder of S...C...P...R...A..._rgb.avi, or of folders of frames with such names.
    skeletons
        The folder of .skeleton files.
    actions
        60 or 120.
    protocol
        Cross-subject, cross-view (of 60) or cross-setup (of 120).
    missing
        The list of samples without a skeleton, which are left out.
    classes
        A text file with the actions' names in order, one a line; by default A001, A002, ...
    """

    videos: Path
    _: KW_ONLY
    skeletons: Path | None = None
    actions: Literal[60, 120] = 60
    protocol: Protocol = "xsub"
    missing: Path | None = None
    classes: Path | None = None

    def find(self) -> ImportPlan:
        """The colour videos whose names are those of samples.

        Raises:
            FileNotFoundError: a folder or list is not there.
            ValueError: protocol and actions do not fit, or the number of names does not.
        """
        actions, protocol = self.actions, self.protocol
        if (protocol == "xview" and actions != 60) or (protocol == "xset" and actions != 120):
            raise Refused(
                f"Expected xsub or xview for 60 actions, xsub or xset for 120; found {protocol} for {actions}."
            )
        names = self._class_names()
        if self.skeletons is not None and not self.skeletons.is_dir():
            raise MissingFile(f"Expected a folder of .skeleton files; {self.skeletons} is not there.")
        lines = () if self.missing is None else read_lines(self.missing)
        without_skeleton = {match[0] for line in lines if (match := _NAME.search(line))}
        files, issues = video_files(self.videos)
        entries = []
        for stem, paths in sorted(files.items()):
            match = _COLOUR_VIDEO.fullmatch(stem)
            if match is None:
                reason = "not the colour video of a sample" if _NAME.match(stem) else "no name of a sample"
                issues += [ImportIssue(path, reason) for path in paths]
                continue
            sample = stem.removesuffix("_rgb")
            setup, camera, performer, _, action = (int(number) for number in match.groups())
            if sample in without_skeleton:
                issues += [ImportIssue(path, "in the list of samples without a skeleton") for path in paths]
            elif action > actions:
                issues += [ImportIssue(path, f"not of the {actions} actions") for path in paths]
            else:
                split = "train" if in_training(protocol, actions, setup, camera, performer) else "test"
                read = None if self.skeletons is None else skeleton_reader(self.skeletons / f"{sample}.skeleton")
                entries += [Entry(path, names[action - 1], split, read, f"P{performer:03d}") for path in paths]
        return ImportPlan(f"ntu{actions}", "ntu25", names, self.videos, entries, tuple(issues))

    def _class_names(self) -> tuple[str, ...]:
        if self.classes is None:
            return tuple(f"A{number + 1:03d}" for number in range(self.actions))
        names = read_lines(self.classes)
        if len(names) != self.actions:
            raise Refused(f"Expected {self.actions} names of actions in {self.classes}; found {len(names)}.")
        return names


def in_training(protocol: Protocol, actions: int, setup: int, camera: int, performer: int) -> bool:
    """Whether a sample is for training: by its performer, its camera or its setup."""
    if protocol == "xsub":
        return performer in (_XSUB60 if actions == 60 else _XSUB120)
    return camera in (2, 3) if protocol == "xview" else setup % 2 == 0


def skeleton_reader(file: Path) -> Callable[[VideoInfo], Poses]:
    """Reads one `.skeleton` file, in pixels of the video."""

    def read(info: VideoInfo) -> Poses:
        scale = np.array([info.width / COLOUR[0], info.height / COLOUR[1]], np.float32)
        return poses_of_skeleton(file, scale)

    return read


def poses_of_skeleton(file: Path, scale: np.ndarray) -> Poses:
    """The bodies of each frame at colorX, colorY; every joint has score 1, as the released code takes them, but those
    that are not numbers, which have 0.

    Raises:
        FileNotFoundError: the file is not there.
        ValueError: it ends early, or is of another form.
    """
    if not file.is_file():
        raise MissingFile(f"Expected {file.name}; {file} is not there.")
    lines = iter(file.read_text(encoding="utf-8", errors="replace").split("\n"))
    frames: dict[int, np.ndarray] = {}
    try:
        for number in range(int(next(lines))):
            bodies = []
            for _ in range(int(next(lines))):
                next(lines)  # of the body: its number, hands, lean
                if (count := int(next(lines))) != JOINTS:
                    raise Refused(f"{count} joints instead of {JOINTS}")
                bodies.append([_place(next(lines)) for _ in range(JOINTS)])
            places = np.array(bodies, np.float32).reshape(-1, JOINTS, 2)
            is_number = np.all(np.isfinite(places), axis=2, keepdims=True)
            joints = np.concatenate([np.where(is_number, places * scale, 0), is_number], axis=2)
            frames[number] = joints.astype(np.float32)
    except (ValueError, StopIteration) as error:
        cause = str(error) or "its end too early"
        raise Refused(
            f"Expected the frames, bodies and joints of a .skeleton file in {file}; found {cause}."
        ) from error
    return Poses.from_frames("ntu25", frames)


def _place(line: str) -> tuple[float, float]:
    """colorX and colorY of a joint's line: x y z depthX depthY colorX colorY ..."""
    values = line.split()
    if len(values) < 7:
        raise Refused(f"{len(values)} values of a joint instead of 12")
    return float(values[5]), float(values[6])
