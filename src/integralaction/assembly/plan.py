"""The plan of an import: which videos a data set gets, and what of the source it does not get."""

import csv
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from integralaction.clip import Poses
from integralaction.data.index import Video
from integralaction.data.video import VideoInfo

# what reading a file of another make comes to
ODD = (ValueError, KeyError, TypeError, IndexError, AttributeError, ArithmeticError, RecursionError, OSError, EOFError)
ODD += (csv.Error, zlib.error)


@dataclass(frozen=True)
class Entry:
    """A video that an annotation or a folder names.

    Attributes:
        video: path relative to the video root.
        label, split, group, start, end: as in the index.
        poses: reads its poses, given the video's frames, rate and size; None: there are none.
        info: frames, rate and size, where there is no file to read them from.
    """

    video: str
    label: str
    split: str
    poses: Callable[[VideoInfo], Poses] | None = None
    group: str = ""
    start: float | None = None
    end: float | None = None
    info: VideoInfo | None = None


@dataclass(frozen=True)
class ImportIssue:
    """Something of the source that is not in the data set, or not as it was.

    Attributes:
        item: the video, file or row.
        reason: in few words, the same for all alike.
        detail: the rest.
        is_imported: the video is in the data set all the same.
    """

    item: str
    reason: str
    detail: str = ""
    is_imported: bool = False


@dataclass(frozen=True)
class ImportPlan:
    """What an importer makes of its source.

    Attributes:
        name: of the data set.
        skeleton: of its poses.
        classes: class names in order.
        video_root: where the videos lie.
        entries: the videos.
        issues: what is left out already.
        by_time: poses are joined to frames by the time at which these are shown.
        note: gives the note of a row, from the video and its poses; None: rows have none.
    """

    name: str
    skeleton: str
    classes: tuple[str, ...]
    video_root: Path
    entries: Sequence[Entry]
    issues: tuple[ImportIssue, ...] = ()
    by_time: bool = False
    note: Callable[[Video, Poses | None], str] | None = None
