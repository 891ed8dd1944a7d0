"""The data set folder: what is written is what is read, slices touch only their rows, wrong files are named."""

import json
import os
import pickle
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integralaction.clip import Poses
from integralaction.data.index import (
    Additions,
    Index,
    Video,
    read_index,
    say_untrained_classes,
    untrained_classes,
    write_index,
)
from integralaction.data.poses import SHARD, PoseStore, write_pose_store
from integralaction.skeleton import convert_joints, skeleton_named


def random_poses(seed: int, frames: int = 6) -> Poses:
    random = np.random.default_rng(seed)
    joints = {int(f): random.random((random.integers(0, 8), 18, 3)) for f in random.permutation(frames)[: frames - 1]}
    return Poses.from_frames("openpose18", joints)


def test_index_round_trip_with_odd_names(tmp_path: Path) -> None:
    rows = (
        Video('train/it\'s (a) "clip", ü.mp4', "tying tie", "train", 10, 29.97, 256, 340, 1.5, 3.25, "group 1", "note"),
        Video("b c/d", "", "val", 3, 30.0, 64, 64),
    )
    index = Index(tmp_path, "odd", "coco17", ("tying tie", "writing"), rows, "videos", "by hand")
    write_index(index)
    assert read_index(tmp_path) == index
    assert index.path(rows[0]) == tmp_path / "videos" / rows[0].video
    assert [index.label(row) for row in rows] == [0, -1]
    assert not list(tmp_path.glob("*.part"))


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("videos.csv", "tying tie", "tying ties", r"videos\.csv, line 2; found label 'tying ties'"),
        ("videos.csv", ",10,", ",ten,", "Expected numbers for frames"),
        ("videos.csv", "fps", "rate", "Expected the columns fps"),
        ("dataset.yaml", "format: 1", "format: 9", "Expected data set format 1"),
        ("dataset.yaml", "coco17", "coco99", "Expected one of the skeletons"),
        ("dataset.yaml", "classes", "klasses", "Expected the keys"),
        ("dataset.yaml", "- writing", "- tying tie", "without repeats"),
    ],
)
def test_wrong_index_is_named(tmp_path: Path, file: str, old: str, new: str, message: str) -> None:
    rows = (Video("a.mp4", "tying tie", "train", 10, 30.0, 64, 64),)
    write_index(Index(tmp_path, "x", "coco17", ("tying tie", "writing"), rows))
    path = tmp_path / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ValueError, match=message):
        read_index(tmp_path)


def test_missing_data_set_and_split_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"Expected a data set folder with dataset\.yaml"):
        read_index(tmp_path)
    write_index(Index(tmp_path, "x", "coco17", ("a",), (Video("a.mp4", "a", "train", 10, 30.0, 64, 64),)))
    with pytest.raises(ValueError, match=r"Expected a split of .* \(train\); found 'test'"):
        read_index(tmp_path).split("test")


def test_pose_store_over_shards(tmp_path: Path) -> None:
    videos = [(f"v{i}.mp4", random_poses(i)) for i in range(SHARD + 3)]
    write_pose_store(tmp_path, videos)
    assert len(list(tmp_path.iterdir())) == 2
    store = pickle.loads(pickle.dumps(PoseStore.of(tmp_path)))  # as a loader worker gets it
    assert list(store) == [name for name, _ in videos]
    for name, poses in (videos[0], videos[7], videos[SHARD - 1], videos[SHARD], videos[-1]):
        poses_there = store[name]
        np.testing.assert_array_equal(poses_there.joints, poses.joints)
        np.testing.assert_array_equal(poses_there.frame_index, poses.frame_index)
        np.testing.assert_array_equal(poses_there.frame_offsets, poses.frame_offsets)
    with pytest.raises(KeyError, match=r"holds no poses of other\.mp4"):
        store["other.mp4"]


def test_not_a_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / "poses-00000.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="Expected a pose shard"):
        PoseStore.of(tmp_path)


@given(st.integers(0, 10_000), st.lists(st.integers(0, 9), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_poses_at_frames_against_a_loop(seed: int, frames: list[int]) -> None:
    poses = random_poses(seed)
    dense = poses.at(np.array(frames))
    looked_at = poses.frame_index.tolist()
    for t, frame in enumerate(frames):
        persons = np.zeros((0, 18, 3), np.float32)
        if frame in looked_at:
            i = looked_at.index(frame)
            persons = poses.joints[poses.frame_offsets[i] : poses.frame_offsets[i + 1]]
        best = sorted(persons, key=lambda person: -person[:, 2].mean())[:5]
        assert np.array_equal(dense[t, : len(best)], np.array(best).reshape(-1, 18, 3))
        assert not dense[t, len(best) :].any()
    assert 1 <= dense.shape[1] <= 5


def test_nobody_has_one_empty_slot() -> None:
    assert not Poses.nobody("openpose18").at(np.arange(3)).any()
    assert Poses.nobody("openpose18").at(np.arange(3)).shape == (3, 1, 18, 3)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_joints_that_are_not_numbers_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="Expected finite joints"):
        Poses.from_frames("openpose18", {0: np.full((1, 18, 3), bad)})


def test_conversion_goes_by_joint_name() -> None:
    coco, openpose = skeleton_named("coco17"), skeleton_named("openpose18")
    joints = np.arange(17 * 3, dtype=np.float32).reshape(17, 3)
    converted = convert_joints(joints, coco, openpose)
    for i, name in enumerate(openpose.joints):
        if name != "neck":
            np.testing.assert_array_equal(converted[i], joints[coco.joints.index(name)])
    left, right = joints[coco.joints.index("left_shoulder")], joints[coco.joints.index("right_shoulder")]
    np.testing.assert_array_equal(converted[1], [*((left + right)[:2] / 2), min(left[2], right[2])])
    with pytest.raises(ValueError, match="ntu25 has no joint 'nose'"):
        convert_joints(np.zeros((25, 3)), skeleton_named("ntu25"), openpose)


def test_persons_of_another_shape_are_refused() -> None:
    """26 joints of 17 persons have the numbers of 17 joints of 26."""
    with pytest.raises(ValueError, match=r"Expected coco17 of shape .persons, 17, 3.; found .17, 26, 3. in frame 4"):
        Poses.from_frames("coco17", {4: np.zeros((17, 26, 3))})


# ---- what is the user's own, what is damaged, what lies


def small_index(root: Path) -> Index:
    rows = (
        Video("a.mp4", "run", "train", 10, 30.0, 64, 64, note="first"),
        Video("b.mp4", "jump", "test", 10, 30.0, 64, 64, 0.1, 0.2, "", "second", 3, 5),
    )
    return Index(root, "x", "openpose18", ("jump", "run"), rows)


def test_the_users_columns_and_keys_stay(tmp_path: Path) -> None:
    """A table as a spreadsheet leaves it: a byte order mark, semicolons, columns of the user's own between ours."""
    write_index(small_index(tmp_path))
    names = "weather;video;label;split;frames;fps;height;width;start;end;rating of mine;first_frame;last_frame"
    rows = ['"wet, cold";a.mp4;run ; train;10;30;64;64;;;5;;', "dry;b.mp4;jump;test;10;30;64;64;0.1;0.2;;3;5", ""]
    (tmp_path / "videos.csv").write_text("\ufeff" + "\r\n".join([names, *rows, ";" * 12, ""]), encoding="utf-8")
    about = (tmp_path / "dataset.yaml").read_text()
    (tmp_path / "dataset.yaml").write_text(f"{about}licence: CC0\nauthors:\n- A\n- B\n")
    index = read_index(tmp_path)
    assert [(v.label, v.split, v.others) for v in index.videos] == [
        ("run", "train", ("wet, cold", "5")),
        ("jump", "test", ("dry", "")),
    ]
    write_index(replace(index, skeleton="coco17"))
    assert read_index(tmp_path) == replace(index, skeleton="coco17")
    assert index.additions == Additions(("weather", "rating of mine"), {"licence": "CC0", "authors": ["A", "B"]})
    first = (tmp_path / "videos.csv").read_text().splitlines()[1]
    assert first == 'a.mp4,run,train,10,30.0,64,64,,,,,,,"wet, cold",5'
    # what the user notes beside them makes no other data of it
    other_row = replace(index.videos[0], others=("dry", "1"))
    assert repr(other_row) == repr(index.videos[0]) and "first_frame" not in repr(other_row)


@pytest.mark.parametrize("name", ["videos.csv", "dataset.yaml"])
def test_a_file_that_was_cut_off_is_noticed(tmp_path: Path, name: str, capsys: pytest.CaptureFixture) -> None:
    write_index(small_index(tmp_path))
    whole = (tmp_path / name).read_bytes()
    for size in range(len(whole)):
        (tmp_path / name).write_bytes(whole[:size])
        try:
            index = read_index(tmp_path)
        except ValueError as error:
            assert name in str(error) or "videos.csv" in str(error), error
        else:
            # cut between two rows; or in the settings behind the classes, where nothing but the count is lost
            assert f"{tmp_path / name} has" in capsys.readouterr().err or (
                name == "dataset.yaml" and index == small_index(tmp_path)
            ), whole[:size]
    (tmp_path / name).write_bytes(bytes(len(whole)))
    with pytest.raises(ValueError, match=r"^Expected"):
        read_index(tmp_path)


def test_no_split_is_a_hidden_folder(tmp_path: Path) -> None:
    rows = (Video("a.mp4", "run", ".hidden", 10, 30.0, 64, 64),)
    write_index(replace(small_index(tmp_path), videos=rows))
    with pytest.raises(ValueError, match=r"Expected a split name that can name a folder .* found '\.hidden'"):
        read_index(tmp_path)


@pytest.mark.parametrize("name", ["videos.csv", "dataset.yaml"])
def test_an_index_is_never_half_written(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """When it is renamed the old one is as it was."""
    write_index(small_index(tmp_path))
    before = (tmp_path / name).read_bytes()
    rename, contents = Path.replace, []

    def look(path: Path, target: Path) -> Path:
        if target.name == name:
            contents.append((target.read_bytes(), path.read_bytes()))
        return rename(path, target)

    monkeypatch.setattr(Path, "replace", look)
    write_index(replace(small_index(tmp_path), name="y", videos=small_index(tmp_path).videos[:1]))
    assert contents == [(before, (tmp_path / name).read_bytes())] and contents[0][1] != before


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("a.mp4,run,train,10,nan,64,64,,", "and positive frames, fps"),
        ("a.mp4,run,train,10,inf,64,64,,", "and positive frames, fps"),
        ("a.mp4,run,train,1000000000000,30,64,64,,", "and positive frames, fps"),
        (",run,train,10,30,64,64,,", "Expected the name of a video"),
        ("a.mp4,run,train,10,30,64,64,5,", "Expected first_frame and last_frame from 0 to 9"),
        ("a.mp4,run,train,10,30,64,64,5,10", "Expected first_frame and last_frame from 0 to 9"),
        ("a.mp4,run,train,10,30,64,64,-1,3", "Expected first_frame and last_frame from 0 to 9"),
        ("a\0.mp4,run,train,10,30,64,64,,", "found zero bytes"),
        ('"' + "a" * 200_000 + '",run,train,10,30,64,64,,', "cannot be read"),
    ],
)
def test_rows_that_cannot_be_are_refused(tmp_path: Path, row: str, message: str) -> None:
    write_index(replace(small_index(tmp_path), videos=small_index(tmp_path).videos[:1]))
    names = "video,label,split,frames,fps,height,width,first_frame,last_frame"
    (tmp_path / "videos.csv").write_text(f"{names}\n{row}\n")
    with pytest.raises(ValueError, match=message):
        read_index(tmp_path)


def test_classes_that_cannot_be_learned_are_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    index = small_index(tmp_path)
    assert untrained_classes(index) == ("jump",)
    say_untrained_classes(index)
    assert "a class of" in (err := capsys.readouterr().err) and "'jump'" in err
    assert untrained_classes(index.split("test")) == ()  # a test set is for testing
    many = replace(index, classes=(*(f"c{i}\x1b[31m" for i in range(8)), "jump", "run"))
    say_untrained_classes(many)
    assert "9 classes" in (err := capsys.readouterr().err) and "and 4 more" in err and "\x1b" not in err


def test_one_video_under_two_labels_is_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    one = small_index(tmp_path).videos[0]
    write_index(replace(small_index(tmp_path), videos=(one, one, replace(one, video="./a.mp4", label="jump"))))
    read_index(tmp_path)
    assert "has ./a.mp4 under two labels, 'run' and 'jump'" in capsys.readouterr().err


def header_of(path: Path) -> tuple[dict, bytes]:
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def write_with_header(path: Path, header: object, data: bytes) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)


def lying_headers() -> dict[str, Callable[[dict, dict], None]]:
    """Ways to change a shard's header (its tensors, our part of its metadata) so that it lies."""
    big = 2**62

    def change(name: str, **values: Any) -> Callable[[dict, dict], None]:
        return lambda header, _: header[name].update(values)

    def tell(**values: Any) -> Callable[[dict, dict], None]:
        return lambda _, about: about.update(values)

    return {
        "offset past the end": change("joints", data_offsets=[0, big]),
        "offset before the start": change("joints", data_offsets=[-4, 0]),
        "offset no integer": change("joints", data_offsets=[0, 1.5]),
        "offsets no pair": change("joints", data_offsets=[0]),
        "offsets no list": change("joints", data_offsets="00"),
        "offsets turned": change("joints", data_offsets=[8, 0]),
        "shape too large": change("joints", shape=[big, 18, 3]),
        "shape of zero times much": change("joints", shape=[0, big, big]),
        "shape true": change("frame_index", shape=[True]),
        "shape none": change("frame_index", shape=None),
        "another dtype": change("frame_index", dtype="F64"),
        "no dtype": change("frame_index", dtype=None),
        "tensor missing": lambda header, _: header.pop("joints"),
        "tensor a number": lambda header, _: header.update(joints=3),
        "more videos": tell(videos=["a", "b", "c"]),
        "fewer videos": tell(videos=["a"]),
        "videos a number": tell(videos=5),
        "videos numbers": tell(videos=[1, 2]),
        "videos deep": tell(videos=[["a"], ["b"]]),
        "another skeleton": tell(skeleton="coco17"),
        "no skeleton": tell(skeleton=None),
        "another format": tell(format=2),
        "the same video twice": tell(videos=["a", "a"]),
    }


@pytest.mark.parametrize("lie", lying_headers())
def test_a_lying_shard_is_refused_before_it_is_read(tmp_path: Path, lie: str) -> None:
    path = tmp_path / "poses-00000.safetensors"
    write_pose_store(tmp_path, [("a", random_poses(1)), ("b", random_poses(2))])
    header, data = header_of(path)
    about = json.loads(header["__metadata__"]["integralaction.poses"])
    lying_headers()[lie](header, about)
    header["__metadata__"]["integralaction.poses"] = json.dumps(about)
    write_with_header(path, header, data)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"^Expected .*(poses-00000|skeleton)"):
            PoseStore.of(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 10**6
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "header", [[], 5, None, {"__metadata__": 3}, {"__metadata__": {"integralaction.poses": "["}}, "[" * 10000]
)
def test_a_header_of_another_form_is_refused(tmp_path: Path, header: object) -> None:
    path = tmp_path / "poses-00000.safetensors"
    write_with_header(path, header, b"")
    with pytest.raises(ValueError, match="Expected a pose shard"):
        PoseStore.of(tmp_path)
    path.write_bytes((2**63).to_bytes(8, "little") + b"{}")
    with pytest.raises(ValueError, match="Expected a pose shard"):
        PoseStore.of(tmp_path)


def test_a_shard_that_was_cut_off_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "poses-00000.safetensors"
    write_pose_store(tmp_path, [("a", random_poses(1)), ("b", random_poses(2))])
    whole = path.read_bytes()
    for size in [0, 1, 7, 8, 100, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=r"Expected a pose shard .*; found .* remove it"):
            PoseStore.of(tmp_path)
    length = 8 + int.from_bytes(whole[:8], "little")
    path.write_bytes(whole[:length] + bytes(len(whole) - length))  # the name and size reached the disk, the rest not
    with pytest.raises(ValueError, match="that do not reach"):
        PoseStore.of(tmp_path)["a"]


@pytest.mark.parametrize("values", [[0, 5, 2, 5], [0, -1, 3, 5], [0, 10**9, 3, 5]])
def test_persons_outside_the_joints_are_refused(tmp_path: Path, values: list[int]) -> None:
    path = tmp_path / "poses-00000.safetensors"
    one = Poses.from_frames("openpose18", {t: np.ones((n, 18, 3)) for t, n in enumerate((1, 2, 2))})
    write_pose_store(tmp_path, [("a", one), ("b", one)])
    header, data = header_of(path)
    first, _ = header["frame_offsets"]["data_offsets"]
    content = bytearray(data)
    content[first : first + 32] = np.array(values, np.int64).tobytes()
    write_with_header(path, header, bytes(content))
    store = PoseStore.of(tmp_path)
    with pytest.raises(ValueError, match="frames of a that are out of order"):
        store["a"]
    with pytest.raises(ValueError, match="frames of a that are out of order"):
        store.at("a", np.arange(2))
    assert len(store["b"].joints) == 5


def test_the_state_of_a_store_is_that_of_its_poses(tmp_path: Path) -> None:
    for name, seed in (("one", 1), ("two", 1), ("other", 2)):
        write_pose_store(tmp_path / name, [("a", random_poses(seed)), ("b", random_poses(3))])
    os.utime(tmp_path / "two/poses-00000.safetensors", (0, 0))
    states = [PoseStore.of(tmp_path / name).state for name in ("one", "two", "other")]
    assert states[0] == states[1] != states[2]
