"""The data set folder: `dataset.yaml` says what it is, `videos.csv` (the index) has a row for each video."""

import csv
import itertools
from dataclasses import dataclass, field, fields
from pathlib import Path

from integralaction.files import write_rows
from integralaction.settings import read_yaml, write_yaml
from integralaction.skeleton import skeleton_named

FORMAT = 1
AS_RELEASED = "as-released"  # the note of a video that the released code's protocol keeps, where it leaves others out


@dataclass(frozen=True, slots=True)
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
    """

    root: Path
    name: str
    skeleton: str
    classes: tuple[str, ...]
    videos: tuple[Video, ...] = field(repr=False)
    video_root: str = "."
    made_by: str = ""

    def path(self, video: Video) -> Path:
        """Where that video lies."""
        return self.root / self.video_root / video.video

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
                raise ValueError(
                    f"Expected a split of {self.root} ({', '.join(self.splits)}); found {name!r}, "
                    "which has no videos there."
                )
        kept = tuple(video for video in self.videos if video.split in names)
        return Index(self.root, self.name, self.skeleton, self.classes, kept, self.video_root, self.made_by)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that it has, in the order of their first rows."""
        return tuple(dict.fromkeys(video.split for video in self.videos))


def write_index(index: Index) -> None:
    """Write `dataset.yaml` and `videos.csv` into the index's root, each aside and then renamed."""
    about = {
        "format": FORMAT,
        "name": index.name,
        "skeleton": index.skeleton,
        "video_root": index.video_root,
        "made_by": index.made_by,
        "classes": list(index.classes),
    }
    names = [f.name for f in fields(Video)]
    rows = (["" if (value := getattr(video, name)) is None else value for name in names] for video in index.videos)
    write_rows(index.root / "videos.csv", itertools.chain([names], rows))
    write_yaml(index.root / "dataset.yaml", about)


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
            raise FileNotFoundError(
                f"Expected a data set folder with dataset.yaml and videos.csv; {path} is not there. "
                "Make one with `integralaction import folder VIDEOS --out FOLDER`, or `integralaction mime FOLDER`."
            )
    about = read_yaml(about_path)
    wanted = ("format", "name", "skeleton", "classes")
    if not isinstance(about, dict) or not all(key in about for key in wanted):
        raise ValueError(f"Expected the keys {', '.join(wanted)} in {about_path}; found {about!r}.")
    if not isinstance(about["classes"], list):
        raise ValueError(f"Expected a list of class names in {about_path}; found {about['classes']!r}.")
    _check_file_name(about["name"], "data set", about_path)
    if about["format"] != FORMAT:
        raise ValueError(f"Expected data set format {FORMAT} in {about_path}; found {about['format']!r}.")
    classes = tuple(str(name) for name in about["classes"])
    if len(set(classes)) != len(classes):
        raise ValueError(f"Expected class names without repeats in {about_path}; found {list(classes)}.")
    skeleton_named(about["skeleton"])
    with rows_path.open(newline="", encoding="utf-8") as file:
        reader = csv.reader(file)
        names = next(reader, [])
        missing = {"video", "label", "split", "frames", "fps", "height", "width"} - set(names)
        if missing:
            raise ValueError(f"Expected the columns {', '.join(sorted(missing))} in {rows_path}; they are missing.")
        columns = _Columns(names, classes, rows_path)
        videos = tuple(columns.video(row, reader.line_num) for row in reader if row)
    return Index(
        root=root,
        name=str(about["name"]),
        skeleton=about["skeleton"],
        classes=classes,
        videos=videos,
        video_root=str(about.get("video_root", ".")),
        made_by=str(about.get("made_by", "")),
    )


def is_file_name(name: object) -> bool:
    """Whether a name can be that of a folder: names of data sets and splits become names of result folders."""
    return isinstance(name, str) and bool(name) and not name.startswith(".") and not set(name) & set("/\\\0")


def _check_file_name(name: object, what: str, path: Path) -> None:
    if not is_file_name(name):
        raise ValueError(f"Expected a {what} name that can name a folder in {path}; found {name!r}.")


class _Columns:
    """Turns rows into videos: of each label, split, group and note one string is kept, however many rows have it."""

    def __init__(self, names: list[str], classes: tuple[str, ...], path: Path) -> None:
        self._width, self._path = len(names), path
        # a column that is not there is read from a field that is put behind each row, and empty
        self._places = tuple(names.index(f.name) if f.name in names else len(names) for f in fields(Video))
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
            raise ValueError(f"Expected {self._width} fields in {path}, line {line}; found {len(row)}.")
        row.append("")
        video, label, split, frames, fps, height, width, start, end, group, note = [row[i] for i in self._places]
        if label not in self._known:
            raise ValueError(f"Expected a class of dataset.yaml in {path}, line {line}; found label {label!r}.")
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
            )
        except ValueError as error:
            raise ValueError(f"Expected numbers for frames, fps and sizes in {path}, line {line}; {error}.") from error
        if not (made.frames > 0 and made.fps > 0 and made.height > 0 and made.width > 0):
            raise ValueError(f"Expected positive frames, fps, height and width in {path}, line {line}; found {made}.")
        return made
