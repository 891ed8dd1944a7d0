"""Poses of kinetics-skeleton (ST-GCN), as one JSON file a video or in its processed form.

It counts frames at 30 a second and places in 0..1. Its poses are taken by time; `as_released` takes them by number
instead, as the released code does, which lags where a video has another rate or the numbers begin at 1.
"""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from integralaction.clip import Poses
from integralaction.data.video import VideoInfo, frame_times
from integralaction.errors import MissingFile, Refused
from integralaction.importers.sources import read_json
from integralaction.pickles import read_pickle

FPS = 30.0

ReadPoses = Callable[[str, Path, VideoInfo], Poses]  # by the name of a video, and its file or folder


def skeleton_reader(path: Path, as_released: bool) -> ReadPoses:
    """Reads kinetics-skeleton: a folder of NAME.json, below it or in kinetics_train and kinetics_val; or a processed
    `*_data.npy` with `*_label.pkl` beside it.

    Raises:
        FileNotFoundError, ValueError: there is nothing of the kind.
    """
    if path.is_file():
        return _array_reader(path, as_released)
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
    return _to_video(frames, info, times, file)


def _to_video(frames: dict[int, np.ndarray], info: VideoInfo, times: np.ndarray | None, file: Path) -> Poses:
    """From places in 0..1 and frames at 30 a second to pixels and frames of the video."""
    for persons in frames.values():
        if not np.isfinite(persons).all():
            raise Refused(f"Expected finite joints in {file}; found NaN or infinity.")
        persons[..., :2] *= (info.width, info.height)
    if not frames or times is None:
        return Poses.from_frames("openpose18", {t: persons for t, persons in frames.items() if t < info.frames})
    if min(frames) < 0:
        raise Refused(f"Expected frame numbers of at least 0 in {file}; found {min(frames)}.")
    first = 1 if min(frames) == 1 else 0  # numbers that begin at 1 are one ahead
    numbers = np.rint(times * FPS).astype(int) + first
    return Poses.from_frames(
        "openpose18", {t: frames[number] for t, number in enumerate(numbers.tolist()) if number in frames}
    )


def _array_reader(path: Path, as_released: bool) -> ReadPoses:
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
    first = 0 if np.any(data[:256, 2, 0]) else 1

    def read(name: str, video: Path, info: VideoInfo) -> Poses:
        row = next((row_of[n] for n in (name, re.sub(r"_\d{6}_\d{6}$", "", name)) if n in row_of), None)
        if row is None:
            raise MissingFile(f"Expected {name} among the names in {label}; it is not there.")
        values = np.array(data[row], np.float32).transpose(1, 3, 2, 0)  # frames, persons, joints, 3
        values[..., :2] = np.where(values[..., 2:] > 0, values[..., :2] + 0.5, 0)
        present = np.any(values[..., 2] > 0, axis=2)
        end = int(np.flatnonzero(np.any(present, axis=1)).max(initial=-1)) + 1
        frames = {t: values[t][present[t]] for t in range(first, end)}
        return _to_video(frames, info, None if as_released else frame_times(video), path)

    return read


def _sample_names(path: Path) -> list[str]:
    content = read_pickle(path)
    names = content[0] if isinstance(content, tuple | list) and len(content) == 2 else None
    if not isinstance(names, list | tuple | np.ndarray) or getattr(names, "ndim", 1) != 1:
        raise Refused(f"Expected the names and labels of kinetics-skeleton in {path}; found {type(content).__name__}.")
    return [str(name).removesuffix(".json") for name in names]
