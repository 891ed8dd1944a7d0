"""Kinetics: the official csv and folders of classes, or the released code's JSON and folders of frames."""

import re
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, replace
from functools import partial
from pathlib import Path

from integralaction.assembly.plan import Entry, ImportIssue, ImportPlan
from integralaction.clip import Poses
from integralaction.data.index import AS_RELEASED, Video
from integralaction.errors import Refused
from integralaction.importers.kinetics_skeleton import skeleton_reader
from integralaction.importers.released_lists import read_released
from integralaction.importers.sources import VIDEOS, video_files
from integralaction.importers.spelling import one_spelling
from integralaction.importers.video_table import table_rows

SHORTEST = 57  # frames of the released code's clip: it leaves shorter videos out
SPLITS = {"train": "train", "val": "in-context", "validate": "in-context", "validation": "in-context", "test": "test"}

# the classes of Kinetics50 and Mimetics, in the order of Kinetics400
KINETICS50 = (
    *("archery", "bowling", "brushing hair", "brushing teeth", "canoeing or kayaking"),
    *("catching or throwing baseball", "catching or throwing frisbee", "clean and jerk", "cleaning windows"),
    *("climbing a rope", "climbing ladder", "deadlifting", "dribbling basketball", "drinking", "driving car"),
    *("dunking basketball", "eating cake", "eating ice cream", "flying kite", "golf driving", "hitting baseball"),
    *("hurdling", "juggling balls", "juggling soccer ball", "opening bottle", "playing accordion"),
    *("playing basketball", "playing bass guitar", "playing guitar", "playing piano", "playing saxophone"),
    *("playing tennis", "playing trumpet", "playing violin", "playing volleyball", "punching person (boxing)"),
    *("reading book", "reading newspaper", "shooting basketball", "shooting goal (soccer)"),
    *("skiing (not slalom or crosscountry)", "skiing slalom", "skipping rope", "smoking", "surfing water"),
    *("sweeping floor", "sword fighting", "tying tie", "walking the dog", "writing"),
)


@dataclass(frozen=True)
class Kinetics:
    """Import Kinetics with kinetics-skeleton's poses; its test videos become the split in-context.

    Parameters
    ----------
    videos
        Folders of classes with videos YOUTUBEID_000001_000011.mp4; with --annotations the folder of frames
        (train_256/CLASS/NAME, val_256/CLASS/NAME).
    csv
        The official train.csv, validate.csv, ...
    annotations
        The released code's Kinetics50_train.json, Kinetics50_val.json, ... instead.
    skeletons
        Kinetics-skeleton: its folder of JSON files, or a processed *_data.npy with its *_label.pkl beside it.
    kinetics50
        Import the 50 classes of Mimetics alone.
    as_released
        Take poses by the number of their frame, as the released code does, instead of by time.
    """

    videos: Path
    _: KW_ONLY
    csv: tuple[Path, ...] | None = None
    annotations: tuple[Path, ...] | None = None
    skeletons: Path | None = None
    kinetics50: bool = False
    as_released: bool = False

    def find(self) -> ImportPlan:
        """The videos of the lists; the note of a row says whether the released protocol tests on it.

        Raises:
            FileNotFoundError: a list or the folder is not there.
            ValueError: a list is of another form, or the options do not fit.
        """
        check_one_list(self.csv, self.annotations)
        if self.as_released and self.skeletons is None:
            raise Refused("Expected --skeletons with --as-released, which is about their frames; found none.")
        read = None if self.skeletons is None else skeleton_reader(self.skeletons, self.as_released)
        if self.csv is not None:
            entries, issues = self._official_entries(self.csv)
            classes = None
        else:
            entries, issues, classes = self._released_entries(self.annotations or ())
        entries, spellings = one_spelling(entries)
        if read is not None:
            root = self.videos
            entries = [replace(e, poses=partial(read, Path(e.video).stem, root / e.video)) for e in entries]
        return ImportPlan(
            name="kinetics50" if self.csv and self.kinetics50 else "kinetics",
            skeleton="openpose18",
            classes=classes or tuple(sorted({entry.label for entry in entries} - {""})),
            video_root=self.videos,
            entries=entries,
            issues=(*issues, *spellings),
            by_time=read is not None,
            note=note_of_length if read is None else note_of_length_and_persons,
        )

    def _official_entries(self, tables: Sequence[Path]) -> tuple[list[Entry], list[ImportIssue]]:
        files, issues = video_files(self.videos)
        entries = []
        for table in tables:
            rows, row_issues = official_rows(table)
            issues += row_issues
            for row in rows:
                if self.kinetics50 and row["label"] not in KINETICS50:
                    issues.append(ImportIssue(str(row["youtube_id"]), "not of Kinetics50", row["label"]))
                    continue
                entry = _entry(row, table, files, issues)
                if entry is not None:
                    entries.append(entry)
        return entries, issues

    def _released_entries(self, files: Sequence[Path]) -> tuple[list[Entry], list[ImportIssue], tuple[str, ...]]:
        clips, classes, issues = read_released(files, KINETICS50 if self.kinetics50 else None)
        entries = [
            Entry(f"train_256/{clip.folder}", clip.label, "train", group=clip.name)
            if clip.is_training
            else Entry(f"val_256/{clip.folder}", clip.label, "in-context", group=clip.name)
            for clip in clips
        ]
        return entries, issues, classes


def check_one_list(csv: object, annotations: object) -> None:
    """
    Raises:
        ValueError: the options --csv and --annotations are both there, or neither.
    """
    if (csv is None) == (annotations is None):
        raise Refused("Expected --csv or --annotations, one of them; found " + ("both." if csv else "neither."))


def official_rows(table: Path) -> tuple[list[dict[str, str]], list[ImportIssue]]:
    """The rows of an official csv, by the names of its columns; older lists have other names. Issues as `table_rows`.

    Raises:
        FileNotFoundError, ValueError: it is not there, or is another file.
    """
    rows, issues = table_rows(table)
    names = {"label-name": "label", "video-id": "youtube_id", "start-time": "time_start", "end-time": "time_end"}
    rows = [{names.get(name, name): value for name, value in row.items()} for row in rows]
    columns = ("label", "youtube_id", "time_start", "time_end")
    if not rows or not set(columns) <= rows[0].keys():
        raise Refused(
            f"Expected the columns {', '.join(columns)} in {table}; found {', '.join(rows[0]) if rows else 'no rows'}."
        )
    return rows, issues


def _entry(row: dict[str, str], table: Path, files: dict[str, list[str]], issues: list[ImportIssue]) -> Entry | None:
    """A row with its file: in the folder of its class, or wherever the only file of its name is."""
    split = row.get("split") or table.stem
    try:
        name = clip_name(row["youtube_id"], row["time_start"], row["time_end"])
    except (TypeError, ValueError, OverflowError):
        times = f"{row['time_start']} to {row['time_end']}"
        issues.append(ImportIssue(str(row["youtube_id"]), "times are no numbers", times))
        return None
    our_split = next((value for key, value in SPLITS.items() if key in split.lower()), None)
    if our_split is None:
        issues.append(ImportIssue(name, "split of no known name", split))
        return None
    video = file_of(name, row["label"] or "", files)
    if video is None:
        issues.append(ImportIssue(name, "no such video", f"{row['label']}, {split}"))
        return None
    return Entry(video, row["label"] or "", our_split, group=row["youtube_id"])


def clip_name(youtube_id: str, start: str, end: str) -> str:
    """The usual name of a clip's file."""
    return f"{youtube_id}_{round(float(start)):06d}_{round(float(end)):06d}"


def file_of(name: str, label: str, files: dict[str, list[str]]) -> str | None:
    """The file of that name: the only one, or the one in the folder of its class."""
    paths = files.get(name, [])
    if len(paths) < 2 or paths[0].lower().endswith(VIDEOS) > paths[1].lower().endswith(VIDEOS):
        return paths[0] if paths else None
    folders = {label, label.replace(" ", "_"), folder_of(label)}
    of_class = [path for path in paths if folders & set(Path(path).parts[:-1])]
    return of_class[0] if of_class else None


def folder_of(label: str) -> str:
    """The released code's folder of a class: space, parentheses and quotes become underscores."""
    return re.sub(r"[ ()'\"]", "_", label)


def note_of_length(video: Video, poses: Poses | None) -> str:
    """Marks the videos that the released protocol tests on: those as long as its clip."""
    return AS_RELEASED if video.frames >= SHORTEST else ""


def note_of_length_and_persons(video: Video, poses: Poses | None) -> str:
    """The same where there are poses: somebody must be in the video, too."""
    return note_of_length(video, poses) if poses is not None and len(poses.joints) else ""
