"""The data set folder: what is written is what is read, slices touch only their rows, wrong files are named."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from integralaction.clip import Poses
from integralaction.data.index import Index, Video, read_index, write_index
from integralaction.data.poses import SHARD, PoseStore, write_pose_store
from integralaction.skeleton import convert_joints, skeleton_named


def random_poses(seed: int, frames: int = 6) -> Poses:
    random = np.random.default_rng(seed)
    found = {int(f): random.random((random.integers(0, 8), 18, 3)) for f in random.permutation(frames)[: frames - 1]}
    return Poses.from_frames("openpose18", found)


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
        read = store[name]
        np.testing.assert_array_equal(read.joints, poses.joints)
        np.testing.assert_array_equal(read.frame_index, poses.frame_index)
        np.testing.assert_array_equal(read.frame_offsets, poses.frame_offsets)
    with pytest.raises(KeyError, match=r"holds no poses of other\.mp4"):
        store["other.mp4"]


def test_not_a_shard_is_named(tmp_path: Path) -> None:
    (tmp_path / "poses-00000.safetensors").write_bytes(b"nothing")
    with pytest.raises(ValueError, match="Expected a pose shard"):
        PoseStore.of(tmp_path)


@given(st.integers(0, 10_000), st.lists(st.integers(0, 9), min_size=1, max_size=5))
@settings(max_examples=50, deadline=None)
def test_poses_at_frames_against_a_loop(seed: int, wanted: list[int]) -> None:
    poses = random_poses(seed)
    dense = poses.at(np.array(wanted))
    looked_at = poses.frame_index.tolist()
    for t, frame in enumerate(wanted):
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
    made = convert_joints(joints, coco, openpose)
    for i, name in enumerate(openpose.joints):
        if name != "neck":
            np.testing.assert_array_equal(made[i], joints[coco.joints.index(name)])
    left, right = joints[coco.joints.index("left_shoulder")], joints[coco.joints.index("right_shoulder")]
    np.testing.assert_array_equal(made[1], [*((left + right)[:2] / 2), min(left[2], right[2])])
    with pytest.raises(ValueError, match="ntu25 has no joint 'nose'"):
        convert_joints(np.zeros((25, 3)), skeleton_named("ntu25"), openpose)


def test_persons_of_another_shape_are_refused() -> None:
    """26 joints of 17 persons have the numbers of 17 joints of 26."""
    with pytest.raises(ValueError, match=r"Expected coco17 of shape .persons, 17, 3.; found .17, 26, 3. in frame 4"):
        Poses.from_frames("coco17", {4: np.zeros((17, 26, 3))})
