"""Kinetics: the official csv and folders of classes, or the released code's JSON and folders of frames; poses of
kinetics-skeleton (ST-GCN), as one JSON file a video or in its processed form.

Kinetics-skeleton counts frames at 30 a second and places in 0..1. Its poses are taken by time; `as_released` takes
them by number instead, as the released code does, which lags where a video has another rate or the numbers begin at 1.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from integralaction.clip import Poses
from integralaction.data.index import AS_RELEASED, Video
from integralaction.data.video import VideoInfo, frame_times
from integralaction.errors import MissingFile, Refused
from integralaction.importers.building import Entry, Found, Remark
from integralaction.importers.folder import table_rows
from integralaction.importers.sources import VIDEOS, read_json, video_files
from integralaction.importers.spelling import one_spelling
from integralaction.pickles import read_pickle

SKELETON_FPS = 30.0
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

ReadPoses = Callable[[str, Path, VideoInfo], Poses]  # by the name of a video, and its file or folder


def find_by_csv(tables: Sequence[Path], videos: Path, *, fifty: bool, read: ReadPoses | None, made_by: str) -> Found:
    """The videos of official csv files (label, youtube_id, time_start, time_end, split), in folders of classes.

    Args:
        fifty: keep the classes of Kinetics50 alone.
        read: gives the poses of a video by its name.

    Raises:
        FileNotFoundError: a csv or the folder is not there.
        ValueError: a column is missing, or no class is left.
    """
    files, remarks = video_files(videos)
    entries = []
    for table in tables:
        rows, others = official_rows(table)
        remarks += others
        for row in rows:
            if fifty and row["label"] not in KINETICS50:
                remarks.append(Remark(str(row["youtube_id"]), "not of Kinetics50", row["label"]))
                continue
            entry = _entry(row, table, files, remarks)
            if entry is not None:
                entries.append(entry)
    return _found("kinetics50" if fifty else "kinetics", entries, remarks, videos, read, made_by)


def official_rows(table: Path) -> tuple[list[dict[str, str]], list[Remark]]:
    """The rows of an official csv, by the names of its columns; older lists have other names. Remarks as `table_rows`.

    Raises:
        FileNotFoundError, ValueError: it is not there, or is another file.
    """
    rows, remarks = table_rows(table)
    names = {"label-name": "label", "video-id": "youtube_id", "start-time": "time_start", "end-time": "time_end"}
    rows = [{names.get(name, name): value for name, value in row.items()} for row in rows]
    wanted = ("label", "youtube_id", "time_start", "time_end")
    if not rows or not set(wanted) <= rows[0].keys():
        found = ", ".join(rows[0]) if rows else "no rows"
        raise Refused(f"Expected the columns {', '.join(wanted)} in {table}; found {found}.")
    return rows, remarks


def _entry(row: dict[str, str], table: Path, files: dict[str, list[str]], remarks: list[Remark]) -> Entry | None:
    """A row with its file: in the folder of its class, or wherever the only file of its name is."""
    split = row.get("split") or table.stem
    try:
        name = clip_name(row["youtube_id"], row["time_start"], row["time_end"])
    except (TypeError, ValueError, OverflowError):
        times = f"{row['time_start']} to {row['time_end']}"
        remarks.append(Remark(str(row["youtube_id"]), "times are no numbers", times))
        return None
    known = next((value for key, value in SPLITS.items() if key in split.lower()), None)
    if known is None:
        remarks.append(Remark(name, "split of no known name", split))
        return None
    video = file_of(name, row["label"] or "", files)
    if video is None:
        remarks.append(Remark(name, "no such video", f"{row['label']}, {split}"))
        return None
    return Entry(video, row["label"] or "", known, group=row["youtube_id"])


def clip_name(youtube_id: str, start: str, end: str) -> str:
    """The usual name of a clip's file."""
    return f"{youtube_id}_{round(float(start)):06d}_{round(float(end)):06d}"


def file_of(name: str, label: str, files: dict[str, list[str]]) -> str | None:
    """The file of that name: the only one, or the one in the folder of its class."""
    paths = files.get(name, [])
    if len(paths) < 2 or paths[0].lower().endswith(VIDEOS) > paths[1].lower().endswith(VIDEOS):
        return paths[0] if paths else None
    folders = {label, label.replace(" ", "_"), folder_of(label)}
    own = [path for path in paths if folders & set(Path(path).parts[:-1])]
    return own[0] if own else None


def folder_of(label: str) -> str:
    """The released code's folder of a class: space, parentheses and quotes become underscores."""
    return re.sub(r"[ ()'\"]", "_", label)


def find_by_json(
    files: Sequence[Path],
    frames: Path,
    *,
    read: ReadPoses | None,
    made_by: str,
    fifty: bool = False,
    mimetics: bool = False,
) -> Found:
    """The videos of the released code's JSON files, as folders of frames.

    Args:
        files: Kinetics50_train.json, Kinetics400_val.json, Mimetics50.json, ...
        frames: the folder `frames`, with train_256/CLASS/NAME and val_256/CLASS/NAME; of Mimetics with CLASS/NAME.
        fifty: keep the classes of Kinetics50 alone.

    Raises:
        FileNotFoundError: a file is not there.
        ValueError: it is no such JSON.
    """
    entries, remarks = [], []
    names: dict[int, str] = {}
    for file in files:
        images, annotations = _images_and_annotations(file)
        part = "train" if "train" in file.stem.lower() else "val"
        split = "out-of-context" if mimetics else SPLITS[part]
        for annotation in annotations:
            image = images.get(annotation["image_id"])
            if image is None:
                remarks.append(Remark(str(annotation["image_id"]), "annotation without an image", str(file)))
                continue
            label, name, number = str(annotation["action_name"]), str(image["file_name"]), annotation["action_label"]
            if not isinstance(number, int):
                remarks.append(Remark(name, "label is no number", repr(number)))
                continue
            if fifty and label not in KINETICS50:
                remarks.append(Remark(name, "not of Kinetics50", label))
                continue
            if names.setdefault(number, label) != label:
                raise Refused(
                    f"Expected one name for action {number} in {file}; found {names[number]!r} and {label!r}."
                )
            folder = Path() if mimetics else Path(f"{part}_256")
            entries.append(Entry((folder / str(image["seq_name"]) / name).as_posix(), label, split, group=name))
    found = _found("mimetics" if mimetics else "kinetics", entries, remarks, frames, read, made_by)
    classes = tuple(names[number] for number in sorted(names))
    return replace(found, classes=classes)


def _images_and_annotations(file: Path) -> tuple[dict[Any, dict], list[dict]]:
    content = read_json(file)
    try:
        images = {image["id"]: image for image in content["images"]}
        annotations = list(content["annotations"])
        wanted = ({"seq_name", "file_name"}, {"image_id", "action_label", "action_name"})
        for name, rows, keys in zip(("images", "annotations"), (images.values(), annotations), wanted, strict=True):
            if lacking := next((keys - row.keys() for row in rows if not keys <= row.keys()), None):
                raise KeyError(f"{', '.join(sorted(lacking))} in {name}")
    except (KeyError, TypeError, AttributeError) as error:
        raise Refused(
            f"Expected images (seq_name, file_name) and annotations (image_id, action_label, action_name) in {file}; "
            f"found {error}."
        ) from error
    return images, annotations


def _found(
    name: str, entries: list[Entry], remarks: list[Remark], root: Path, read: ReadPoses | None, made_by: str
) -> Found:
    entries, others = one_spelling(entries)
    if read is not None:
        entries = [_with_poses(entry, root, read) for entry in entries]
    classes = tuple(sorted({entry.label for entry in entries} - {""}))
    return Found(name, "openpose18", classes, root, made_by, entries, (*remarks, *others), by_time=read is not None)


def _with_poses(entry: Entry, root: Path, read: ReadPoses) -> Entry:
    name = Path(entry.video)
    stem = name.stem if name.suffix.lower() not in ("", ".") and "." in name.name else name.name
    return replace(entry, poses=lambda info: read(stem, root / entry.video, info))


def note_of_protocol(video: Video, poses: Poses | None, with_poses: bool) -> str:
    """Marks what the released protocol keeps: videos as long as its clip, in which somebody was found."""
    somebody = poses is not None and len(poses.joints) > 0
    return AS_RELEASED if video.frames >= SHORTEST and (somebody or not with_poses) else ""


# ---- kinetics-skeleton


def skeleton_reader(path: Path, as_released: bool) -> ReadPoses:
    """Reads kinetics-skeleton: a folder of NAME.json, below it or in kinetics_train and kinetics_val; or a processed
    `*_data.npy` with `*_label.pkl` beside it.

    Raises:
        FileNotFoundError, ValueError: there is nothing of the kind.
    """
    if path.is_file():
        return _processed_reader(path, as_released)
    folders = [folder for folder in (path, path / "kinetics_train", path / "kinetics_val") if folder.is_dir()]
    if not folders:
        raise MissingFile(f"Expected a folder of kinetics-skeleton's JSON files; {path} is not there.")

    def read(name: str, video: Path, info: VideoInfo) -> Poses:
        # files of training videos are named without the seconds
        for stem in (name, re.sub(r"_\d{6}_\d{6}$", "", name)):
            for folder in folders:
                file = folder / f"{stem}.json"
                if file.is_file():
                    return poses_of_json(file, info, None if as_released else frame_times(video))
        raise MissingFile(f"Expected {name}.json in {path}; it is not there.")

    return read


def poses_of_json(file: Path, info: VideoInfo, times: np.ndarray | None) -> Poses:
    """The poses of one of its JSON files, in pixels of the video.

    Args:
        times: (frames,) seconds at which each frame is shown; None: poses are taken by the number of their frame.

    Raises:
        FileNotFoundError: the file is not there.
        ValueError: it is no such JSON.
    """
    content = read_json(file)
    frames: dict[int, np.ndarray] = {}
    try:
        for frame in content["data"]:
            persons = [
                np.column_stack([np.array(p["pose"], np.float32).reshape(18, 2), np.array(p["score"], np.float32)])
                for p in frame["skeleton"]
            ]
            frames[int(frame["frame_index"])] = np.array(persons, np.float32).reshape(-1, 18, 3)
    except (KeyError, TypeError, ValueError) as error:
        raise Refused(
            f"Expected kinetics-skeleton's data, frame_index and skeleton in {file}; found {error!r}."
        ) from error
    return _placed(frames, info, times, file)


def _placed(frames: dict[int, np.ndarray], info: VideoInfo, times: np.ndarray | None, file: Path) -> Poses:
    """From places in 0..1 and frames at 30 a second to pixels and frames of the video."""
    for persons in frames.values():
        if not np.isfinite(persons).all():
            raise Refused(f"Expected finite joints in {file}; found NaN or infinity.")
        persons[..., :2] *= (info.width, info.height)
    if not frames or times is None:
        kept = {number: persons for number, persons in frames.items() if number < info.frames}
        return Poses.from_frames("openpose18", kept)
    if min(frames) < 0:
        raise Refused(f"Expected frame numbers of at least 0 in {file}; found {min(frames)}.")
    first = 1 if min(frames) == 1 else 0  # numbers that begin at 1 are one ahead
    wanted = np.rint(times * SKELETON_FPS).astype(int) + first
    return Poses.from_frames(
        "openpose18", {t: frames[number] for t, number in enumerate(wanted.tolist()) if number in frames}
    )


def _processed_reader(path: Path, as_released: bool) -> ReadPoses:
    """ST-GCN's processed form: (N, 3, 300, 18, 2) float32 x, y from the middle, score; names in a pickle beside it."""
    label = path.with_name(path.name.replace("_data.npy", "_label.pkl"))
    if path.suffix != ".npy" or label == path:
        raise Refused(f"Expected kinetics-skeleton's folder of JSON files or its *_data.npy; found {path}.")
    try:
        data = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise MissingFile(f"Expected kinetics-skeleton's *_data.npy; {path} is not there.") from None
    except Exception as error:  # its head is read as Python writes values, which fails in whatever way it comes to
        raise Refused(f"Expected a NumPy array in {path}; it cannot be read ({error}).") from error
    names = _sample_names(label)
    if data.dtype.kind != "f" or data.ndim != 5 or data.shape[1] != 3 or data.shape[3] != 18 or len(data) != len(names):
        raise Refused(
            f"Expected {len(names)} x 3 x frames x 18 x persons in {path}; found {data.shape} of {data.dtype}."
        )
    row_of = {name: row for row, name in enumerate(names)}
    # of numbers that begin at 1 the first frame is empty in every video
    begins = 0 if np.any(data[:256, 2, 0]) else 1

    def read(name: str, video: Path, info: VideoInfo) -> Poses:
        row = next((row_of[n] for n in (name, re.sub(r"_\d{6}_\d{6}$", "", name)) if n in row_of), None)
        if row is None:
            raise MissingFile(f"Expected {name} among the names in {label}; it is not there.")
        values = np.array(data[row], np.float32).transpose(1, 3, 2, 0)  # frames, persons, joints, 3
        values[..., :2] = np.where(values[..., 2:] > 0, values[..., :2] + 0.5, 0)
        present = np.any(values[..., 2] > 0, axis=2)
        last = int(np.flatnonzero(np.any(present, axis=1)).max(initial=-1)) + 1
        frames = {t: values[t][present[t]] for t in range(begins, last)}
        return _placed(frames, info, None if as_released else frame_times(video), path)

    return read


def _sample_names(path: Path) -> list[str]:
    content = read_pickle(path)
    names = content[0] if isinstance(content, tuple | list) and len(content) == 2 else None
    if not isinstance(names, list | tuple | np.ndarray) or getattr(names, "ndim", 1) != 1:
        raise Refused(f"Expected the names and labels of kinetics-skeleton in {path}; found {type(content).__name__}.")
    return [str(name).removesuffix(".json") for name in names]
