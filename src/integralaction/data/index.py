"""The data set folder: `dataset.yaml` says what it is, `videos.csv` (the index) has a row for each video."""

import itertools
import math
import posixpath
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from integralaction.console import say
from integralaction.csv_files import CsvTable, read_csv
from integralaction.errors import MissingFile, Refused
from integralaction.files import write_rows
from integralaction.settings import read_yaml, write_yaml
from integralaction.skeleton import skeleton_named

FORMAT = 1
MOST_FRAMES, MOST_PIXELS = 10**8, 10**5  # of a row: a month of video; a side
AS_RELEASED = "as-released"  # the note of a video that the released code's protocol keeps, where it leaves others out


@dataclass(frozen=True, slots=True, repr=False)
class Video:
    """A row of the index.

    Attributes:
        video: path relative to the data set's video root, a file or a folder of frames.
        label: class name; empty where unknown.
        split: `train`, `val`, `in-context`, `out-of-context`, `no-pose`, `ambiguous`.
        frames: number of frames; fps: frames a second; height, width: of a frame as displayed, in pixels.
        start, end: seconds, where the row is a part of a longer video; None: the whole.
        group: subject, source or scene.
        note: free text.
        first_frame, last_frame: numbers of the first and the last frame that is shown from `start` to before `end`,
            by the frames' own times; None where the row is the whole, or nobody has looked.
        others: what the user's own columns say, in the order of `Index.columns`.
    """

    video: str
    label: str
    split: str
    frames: int
    fps: float
    height: int
    width: int
    start: float | None = None
    end: float | None = None
    group: str = ""
    note: str = ""
    first_frame: int | None = None
    last_frame: int | None = None
    others: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """All that the project reads; frame numbers where there are any, so that older digests of rows stay."""
        names = [name for name in _NAMES if name not in _FRAMES or getattr(self, name) is not None]
        return f"Video({', '.join(f'{name}={getattr(self, name)!r}' for name in names)})"


_NAMES = tuple(f.name for f in fields(Video) if f.name != "others")  # of the columns
_FRAMES = ("first_frame", "last_frame")
_NEEDED = ("video", "label", "split", "frames", "fps", "height", "width")


@dataclass(frozen=True)
class Index:
    """A data set folder, opened.

    Attributes:
        root: the folder.
        name: of the data set.
        skeleton: name of the joint set of its poses.
        classes: class names, in order.
        videos: the rows.
        video_root: where the videos lie, relative to `root` or absolute.
        made_by: which command or importer made it, from what.
        columns: names of the user's own columns of `videos.csv`, which are kept.
        keys: the user's own keys of `dataset.yaml`, which are kept.
    """

    root: Path
    name: str
    skeleton: str
    classes: tuple[str, ...]
    videos: tuple[Video, ...] = field(repr=False)
    video_root: str = "."
    made_by: str = ""
    columns: tuple[str, ...] = ()
    keys: dict[str, Any] = field(default_factory=dict, hash=False)

    def path(self, video: Video) -> Path:
        """Where that video lies."""
        return Path(self.root, self.video_root, video.video)

    def label(self, video: Video) -> int:
        """Its class as a number; -1 where unknown."""
        return self.classes.index(video.label) if video.label else -1

    def split(self, *names: str) -> "Index":
        """The same data set with the videos of these splits alone.

        Raises:
            ValueError: a split of that name has no videos.
        """
        for name in names:
            if not any(video.split == name for video in self.videos):
                raise Refused(
                    f"Expected a split of {self.root} ({', '.join(self.splits)}); found {name!r}, "
                    "which has no videos there."
                )
        kept = tuple(video for video in self.videos if video.split in names)
        return replace(self, videos=kept)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that it has, in the order of their first rows."""
        return tuple(dict.fromkeys(video.split for video in self.videos))


def untrained_classes(index: Index) -> tuple[str, ...]:
    """The classes of which no video is for training; none where the data set has no split `train` at all."""
    trained = {video.label for video in index.videos if video.split == "train"}
    return tuple(name for name in index.classes if name not in trained) if trained else ()


def say_untrained_classes(index: Index) -> None:
    """Name the classes that no model can learn from this data set; nothing is said where there are none."""
    if names := untrained_classes(index):
        shown = ", ".join(map(repr, names[:5])) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
        what = "a class" if len(names) == 1 else f"{len(names)} classes"
        say(f"{what} of {index.root} without videos in train, which cannot be learned: {shown}")


def write_index(index: Index) -> None:
    """Write `videos.csv` and `dataset.yaml` into the index's root, each aside and then renamed; the user's own columns
    and keys stay."""
    about = {
        "format": FORMAT,
        "name": index.name,
        "skeleton": index.skeleton,
        "video_root": index.video_root,
        "made_by": index.made_by,
        "classes": list(index.classes),
        "rows": len(index.videos),
    }
    # the frame numbers of segments only where there are segments
    names = [n for n in _NAMES if n not in _FRAMES or any(getattr(video, n) is not None for video in index.videos)]
    blank = ("",) * len(index.columns)
    rows = (
        ["" if (value := getattr(video, name)) is None else value for name in names] + [*(video.others or blank)]
        for video in index.videos
    )
    write_rows(index.root / "videos.csv", itertools.chain([[*names, *index.columns]], rows))
    write_yaml(index.root / "dataset.yaml", {**about, **index.keys})


def read_index(root: Path | str) -> Index:
    """Open a data set folder.

    Raises:
        FileNotFoundError: it is not a data set folder.
        ValueError: a field is missing or wrong, with the file and the line.
    """
    root = Path(root)
    about_path, rows_path = root / "dataset.yaml", root / "videos.csv"
    for path in (about_path, rows_path):
        if not path.is_file():
            raise MissingFile(
                f"Expected a data set folder with dataset.yaml and videos.csv; {path} is not there. "
                "Make one with `integralaction import folder VIDEOS --out FOLDER`, or `integralaction mime FOLDER`."
            )
    about = _read_about(about_path)
    classes = tuple(str(name) for name in about.pop("classes"))
    table = read_csv(rows_path)
    if missing := sorted(set(_NEEDED) - set(table.names)):
        raise Refused(
            f"Expected the columns {', '.join(missing)} in {rows_path}; they are missing. Where the file is "
            "empty or damaged, take it from a copy, or import the data set into a new folder."
        )
    columns = _Columns(table.names, classes, rows_path)
    videos = tuple(columns.video(row, line) for line, row in table.rows)
    _check_rows(table, about.pop("rows", None), rows_path)
    _say_two_labels(videos, rows_path)
    return Index(
        root=root,
        name=str(about.pop("name")),
        skeleton=str(about.pop("skeleton")),
        classes=classes,
        videos=videos,
        video_root=str(about.pop("video_root", ".")),
        made_by=str(about.pop("made_by", "")),
        columns=columns.others,
        keys={key: value for key, value in about.items() if key != "format"},
    )


def _read_about(path: Path) -> dict[str, Any]:
    """What `dataset.yaml` says, checked."""
    about = read_yaml(path)
    wanted = ("format", "name", "skeleton", "classes")
    if not isinstance(about, dict) or not all(key in about for key in wanted):
        found = f"{about!r}"
        raise Refused(
            f"Expected the keys {', '.join(wanted)} in {path}; found {found[:200]}. Where the file is empty or "
            "damaged, take it from a copy, or import the data set into a new folder."
        )
    if not isinstance(about["classes"], list):
        raise Refused(f"Expected a list of class names in {path}; found {about['classes']!r}.")
    _check_file_name(about["name"], "data set", path)
    if about["format"] != FORMAT:
        raise Refused(f"Expected data set format {FORMAT} in {path}; found {about['format']!r}.")
    classes = [str(name) for name in about["classes"]]
    if len(set(classes)) != len(classes):
        raise Refused(f"Expected class names without repeats in {path}; found {classes}.")
    skeleton_named(str(about["skeleton"]))
    return about


def _check_rows(table: CsvTable, written: object, path: Path) -> None:
    """Say that a table may be cut off between two rows, or in the last field of one; scripts leave such tables too."""
    count = len(table.rows)
    if not isinstance(written, int) or (count == written and table.is_ended):
        return
    end = "" if table.is_ended else ", the last without a line end"
    say(
        f"{path} has {count} rows{end}; {written} were written, as `rows` of dataset.yaml has it. If you did not "
        "change the table, it is damaged: take it from a copy. If you did, correct `rows`."
    )


def _say_two_labels(videos: tuple[Video, ...], path: Path) -> None:
    """Name a part of a video that two rows give different labels."""
    labels: dict[tuple[str, float | None, float | None], str] = {}
    for video in videos:
        part = (posixpath.normpath(video.video), video.start, video.end)
        if (label := labels.setdefault(part, video.label)) != video.label:
            say(f"{path} has {video.video} under two labels, {label!r} and {video.label!r}; one of them is wrong")
            return


def is_file_name(name: object) -> bool:
    """Whether a name can be that of a folder: names of data sets and splits become names of result folders."""
    return isinstance(name, str) and bool(name) and not name.startswith(".") and not set(name) & set("/\\\0")


def _check_file_name(name: object, what: str, path: Path) -> None:
    if not is_file_name(name):
        raise Refused(f"Expected a {what} name that can name a folder in {path}; found {name!r}.")


class _Columns:
    """Turns rows into videos: of each label, split, group and note one string is kept, however many rows have it."""

    def __init__(self, names: tuple[str, ...], classes: tuple[str, ...], path: Path) -> None:
        self._width, self._path = len(names), path
        self.others = tuple(name for name in names if name not in _NAMES)
        # a column that is not there is read from a field that is put behind each row, and empty
        self._places = tuple(names.index(name) if name in names else len(names) for name in _NAMES)
        self._other_places = tuple(i for i, name in enumerate(names) if name not in _NAMES)
        self._known = {name: name for name in (*classes, "")}
        self._splits: dict[str, str] = {}
        self._texts: dict[str, str] = {}

    def video(self, row: list[str], line: int) -> Video:
        """The video of a row.

        Raises:
            ValueError: a field is missing or wrong, with the line.
        """
        path = self._path
        if len(row) != self._width:
            raise Refused(
                f"Expected {self._width} fields in {path}, line {line}; found {len(row)}. Where the file was cut off, "
                "take it from a copy."
            )
        if "\0" in "".join(row):
            raise Refused(f"Expected text in {path}, line {line}; found zero bytes. It is damaged: take a copy.")
        row.append("")
        values = [row[i] for i in self._places]
        video, label, split, frames, fps, height, width, start, end, group, note, first, last = values
        label, split = label if label in self._known else label.strip(), split.strip()
        if label not in self._known:
            raise Refused(f"Expected a class of dataset.yaml in {path}, line {line}; found label {label!r}.")
        if split not in self._splits:
            _check_file_name(split, "split", path)
            self._splits[split] = split
        texts = self._texts
        try:
            made = Video(
                video,
                self._known[label],
                self._splits[split],
                int(frames),
                float(fps),
                int(height),
                int(width),
                float(start) if start else None,
                float(end) if end else None,
                texts.setdefault(group, group),
                texts.setdefault(note, note),
                int(first) if first else None,
                int(last) if last else None,
                tuple(row[i] for i in self._other_places),
            )
        except ValueError as error:
            raise Refused(f"Expected numbers for frames, fps and sizes in {path}, line {line}; {error}.") from error
        sizes = 0 < made.frames < MOST_FRAMES and 0 < made.height < MOST_PIXELS and 0 < made.width < MOST_PIXELS
        if not (video and sizes and 0 < made.fps < math.inf):
            raise Refused(
                f"Expected the name of a video and positive frames, fps, height and width as a video has them in "
                f"{path}, line {line}; found {made}."
            )
        if math.isnan(made.start or 0) or math.isnan(made.end or 0):
            raise Refused(f"Expected seconds as start and end in {path}, line {line}; found {start} and {end}.")
        if (made.first_frame is None) != (made.last_frame is None) or not (
            0 <= (made.first_frame or 0) <= (made.last_frame or 0) < made.frames
        ):
            raise Refused(
                f"Expected first_frame and last_frame from 0 to {made.frames - 1} in {path}, line {line}; found "
                f"{first or 'none'} and {last or 'none'}."
            )
        return made
