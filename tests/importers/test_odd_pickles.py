"""Pickles that are plain data of another shape than they should be: a sentence for the file, or one for a video."""

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from integralaction.assembly.plan import ODD
from integralaction.data.video import VideoInfo
from integralaction.importers import pyskl
from integralaction.importers.kinetics_skeleton import skeleton_reader
from integralaction.importers.pyskl import Pyskl


def annotation(name: str) -> dict[str, Any]:
    random = np.random.default_rng(len(name))
    return {
        "frame_dir": name,
        "label": 1,
        "img_shape": (40, 80),
        "total_frames": 6,
        "keypoint": random.uniform(0, 40, (2, 6, 17, 2)).astype(np.float16),
        "keypoint_score": random.uniform(0.2, 1, (2, 6, 17)).astype(np.float16),
    }


def content() -> dict[str, Any]:
    lists = annotation("c")
    in_file = annotation("d")
    del in_file["keypoint"], in_file["keypoint_score"]
    in_file |= {"raw_file": "x/part.pkl", "frame_inds": np.array([0, 0, 4], np.int16)}
    lists["keypoint"], lists["keypoint_score"] = lists["keypoint"].tolist(), lists["keypoint_score"].tolist()
    annotations = [annotation("a"), annotation("b"), lists, in_file]
    return {"split": {"xsub_train": ["a", "c"], "xsub_val": ["b", "d"]}, "annotations": annotations}


ODD_VALUES = [
    *(None, True, -1, 0, 1, 2**40, 2**70, 3.5, float("nan"), float("inf"), -1e300, "", "12", "abc", b"ab", [], {}, ()),
    *([1], [[1], [1, 2]], ["a"], (0, 0), (2**40, 3), (-40, 80), (40, 80, 3), "4080", {"a": 1}, [None], set(), [[]]),
    *(
        np.zeros(0),
        np.zeros((2, 6, 17, 2)),
        np.zeros((2, 6, 17)),
        np.array("text"),
        np.array(["a", "b"]),
        np.float64(2),
    ),
    *(np.full((2, 6, 17, 2), 1e300), np.full((2, 6, 17), np.nan), np.int64(-(2**62)), np.array([0, 0, 9]), [0, 0, -1]),
]


def places(value: Any, where: tuple = ()) -> list[tuple]:
    """Where values lie in dicts and lists."""
    paths = [where] if where else []
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else {0, len(value) - 1}:
            paths += places(value[key], (*where, key)) if len(where) < 4 else []
    return paths


def content_with(where: tuple, value: Any) -> dict[str, Any]:
    """The content with one value replaced."""
    root = copy.deepcopy(content())
    part: Any = root
    for key in where[:-1]:
        part = part[key]
    part[where[-1]] = value
    return root


@pytest.mark.parametrize("place", places(content()), ids=str)
def test_any_value_in_any_place_is_read_or_a_sentence(tmp_path: Path, place: tuple) -> None:
    file = tmp_path / "p.pkl"
    (tmp_path / "part.pkl").write_bytes(pickle.dumps({"d": {"keypoint": np.ones((3, 17, 3), np.float16)}}))
    (tmp_path / "v").mkdir()
    for name in "abcd":
        (tmp_path / f"v/{name}.mp4").touch()
    for value in ODD_VALUES:
        file.write_bytes(pickle.dumps(content_with(place, value)))
        for videos in (None, tmp_path / "v"):
            try:
                plan = Pyskl(file, videos=videos, keypoints=tmp_path).find()
            except ValueError as error:
                assert str(error).startswith("Expected "), (value, error)
                assert len(str(error)) < 1000
                continue
            assert len(plan.classes) <= pyskl.MOST_CLASSES
            for entry in plan.entries:
                try:
                    poses = entry.poses(entry.info or VideoInfo(6, 30.0, 40, 80))
                except ODD:
                    continue
                assert np.isfinite(poses.joints).all() and len(poses.frame_index) == 6


def test_numbers_beyond_the_frames_are_not_left_out_in_silence(tmp_path: Path) -> None:
    """Rows of frames that do not exist would lose their persons."""
    (tmp_path / "part.pkl").write_bytes(pickle.dumps({"d": {"keypoint": np.ones((3, 17, 3), np.float16)}}))
    for numbers, right in (([0, 0, 5], True), ([1, 1, 6], False), ([-1, 0, 0], False)):
        one = {
            "frame_dir": "d",
            "img_shape": (40, 80),
            "total_frames": 6,
            "raw_file": "part.pkl",
            "frame_inds": numbers,
        }
        if right:
            poses = pyskl.poses_of(one, tmp_path, VideoInfo(6, 30.0, 40, 80))
            assert np.diff(poses.frame_offsets).tolist() == [2, 0, 0, 0, 0, 1]
        else:
            with pytest.raises(ValueError, match="Expected frame numbers from 0 to 5"):
                pyskl.poses_of(one, tmp_path, VideoInfo(6, 30.0, 40, 80))


@pytest.mark.parametrize("names", [*ODD_VALUES, (["a"], [0]), ("ab", [0, 1]), (np.zeros((1, 2)), 0), ([["a"]], [0])])
def test_names_beside_arrays(tmp_path: Path, names: Any) -> None:
    np.save(tmp_path / "val_data.npy", np.zeros((1, 3, 4, 18, 2), np.float32))
    (tmp_path / "val_label.pkl").write_bytes(pickle.dumps(names))
    try:
        skeleton_reader(tmp_path / "val_data.npy", False)
    except ValueError as error:
        assert str(error).startswith("Expected "), error


@pytest.mark.parametrize(
    "head",
    [
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776, 3, 4, 18, 2), }",
        b"{'descr': '|O', 'fortran_order': False, 'shape': (1, 3, 4, 18, 2), }",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3, 4, 18, 2), }",
        b"{'descr': '<U9', 'fortran_order': False, 'shape': (1, 3, 4, 18, 2), }",
        b"{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1, 3, 4, 18, 2), }",
        b"{'descr': '<f4', 'fortran_order': False, 'shape': (1, 3, 4, 18, 2)",
        b"(" * 9000,
        b"__import__('os')",
    ],
)
def test_arrays_whose_head_lies(tmp_path: Path, head: bytes) -> None:
    body = b"\x93NUMPY\x02\x00" + len(head).to_bytes(4, "little") + head + bytes(4 * 3 * 4 * 18 * 2)
    (tmp_path / "val_data.npy").write_bytes(body)
    (tmp_path / "val_label.pkl").write_bytes(pickle.dumps((["a"], [0])))
    with pytest.raises(ValueError, match="Expected "):
        skeleton_reader(tmp_path / "val_data.npy", False)
