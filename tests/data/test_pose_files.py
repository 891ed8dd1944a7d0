"""Poses from the files of others: what is written is read, what cannot be told is refused by name."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from integralaction.clip import Poses
from integralaction.data.pose_files import Units, read_poses
from integralaction.data.poses import write_pose_store
from integralaction.data.video import write_video


def random_poses(seed: int, frames: int = 6) -> Poses:
    random = np.random.default_rng(seed)
    return Poses.from_frames("openpose18", {t: random.random((1, 18, 3)) for t in range(frames)})


def test_openpose_folder(tmp_path: Path) -> None:
    person = [value for joint in range(25) for value in (10.0 + joint, 20.0, 0.5)]
    for frame, people in ((0, 1), (2, 0), (5, 2)):
        text = '{"people": [' + ", ".join(f'{{"pose_keypoints_2d": {person}}}' for _ in range(people)) + "]}"
        (tmp_path / f"clip_{frame:012d}_keypoints.json").write_text(text)
    poses = read_poses(tmp_path, Path("clip.mp4"))
    assert poses.skeleton == "body25"
    assert poses.frame_index.tolist() == [0, 2, 5] and np.diff(poses.frame_offsets).tolist() == [1, 0, 2]
    assert poses.at(np.array([0]))[0, 0, 3].tolist() == [13.0, 20.0, 0.5]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expected an OpenPose JSON file"),
        ('{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', "Expected 18 or 25 joints"),
        ('{"people": [{"pose_keypoints_2d": null}]}', "Expected 18 or 25 joints"),
        (json.dumps({"people": [{"pose_keypoints_2d": [9] * 3 * n} for n in (18, 25)]}), "found 54 and 75 numbers"),
        ('{"people": [{"pose_keypoints_2d": [' + ", ".join(["NaN"] * 54) + "]}]}", "Expected finite joints"),
        (
            '{"people": [{"pose_keypoints_2d": [' + ", ".join(["0.5"] * 54) + "]}]}",
            "Give --pose-units unit or --pose-units centred",
        ),
    ],
)
def test_wrong_openpose_files_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "clip_000000000000_keypoints.json").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_poses(tmp_path, Path("clip.mp4"))


def test_openpose_files_of_a_folder_of_images_go_by_image(tmp_path: Path) -> None:
    """OpenPose names them after the images, whose numbers need not begin at 0, nor stand behind the folder's name."""
    person = json.dumps({"people": [{"pose_keypoints_2d": [9.0] * 54}]})
    for name in ("clip_{:04d}", "{:06d}"):
        video, poses = tmp_path / name[:4] / "clip.v2", tmp_path / name[:4] / "poses"
        video.mkdir(parents=True)
        poses.mkdir()
        for number in (1, 2, 3):
            Image.new("RGB", (64, 64)).save(video / f"{name.format(number)}.png")
        for number in (1, 3):
            (poses / f"{name.format(number)}_keypoints.json").write_text(person)
        assert read_poses(poses, video).frame_index.tolist() == [0, 2]


def test_poses_of_a_video_by_its_name_in_the_store(tmp_path: Path) -> None:
    write_pose_store(tmp_path, [("a/1.mp4", random_poses(1)), ("b/1.mp4", random_poses(2))])
    wanted = random_poses(2)
    for path in (tmp_path, tmp_path / "poses-00000.safetensors"):
        np.testing.assert_array_equal(read_poses(path, tmp_path / "b/1.mp4").joints, wanted.joints)
    with pytest.raises(ValueError, match="of its 2 videos 0 have that name"):
        read_poses(tmp_path, tmp_path / "1.mp4")
    with pytest.raises(FileNotFoundError, match="Expected a file or folder of poses"):
        read_poses(tmp_path / "nothing", tmp_path / "b/1.mp4")


def results(*persons: tuple[object, int], joints: int = 17, score: float = 0.5) -> str:
    """COCO results: (image_id, x of the first joint) a person."""
    rows = [
        {
            "image_id": image,
            "category_id": 1,
            "score": 2.5,
            "keypoints": [[x + j, 30 + j, score] for j in range(joints)],
        }
        for image, x in persons
    ]
    for row in rows:
        row["keypoints"] = [float(n) for joint in row["keypoints"] for n in joint]
    return json.dumps(rows)


@pytest.mark.parametrize(
    "ids", [(0, 7), ("0.jpg", "7.jpg"), ("clip_000000.png", "sub/clip_000007.png")], ids=["coco", "alphapose", "names"]
)
@pytest.mark.parametrize("joints", [17, 26, 33, 133, 136])
def test_results_of_coco_and_alphapose(tmp_path: Path, ids: tuple, joints: int) -> None:
    first, last = ids
    (tmp_path / "clip.json").write_text(results((last, 100), (first, 10), (last, 200), joints=joints, score=3.0))
    for path in (tmp_path / "clip.json", tmp_path):  # the file, or the folder with a file a video
        poses = read_poses(path, Path("clip.mp4"))
        assert poses.skeleton == {33: "blazepose33", 133: "coco-wholebody133"}.get(joints, "coco17")
        assert poses.joints.shape[1] == {33: 33, 133: 133}.get(joints, 17)
        assert poses.frame_index.tolist() == [0, 7]
        assert np.diff(poses.frame_offsets).tolist() == [1, 2]
        assert poses.at(np.array([0]))[0, 0, 3].tolist() == [13.0, 33.0, 1.0]  # old scores go beyond 1
        assert sorted(poses.at(np.array([7]))[0, :, 0, 0].tolist()) == [100.0, 200.0]


def test_results_of_a_folder_of_images_go_by_name(tmp_path: Path) -> None:
    video = tmp_path / "clip"
    video.mkdir()
    for number in (10, 2, 33):
        Image.new("RGB", (64, 64)).save(video / f"img{number}.png")
    (tmp_path / "clip.json").write_text(results(("img33.png", 5), ("img2.png", 7)))
    assert read_poses(tmp_path / "clip.json", video).frame_index.tolist() == [0, 2]
    (tmp_path / "clip.json").write_text(results(("img4.png", 5)))
    with pytest.raises(ValueError, match=r"image_id in .*found 'img4.png'"):
        read_poses(tmp_path / "clip.json", video)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expected a list of persons with image_id and keypoints"),
        ('{"people": []}', "found TypeError.'dict instead of a list'"),
        ('[{"image_id": 3}]', "found KeyError.'keypoints'"),
        (results((0, 1), joints=18), "Expected 17, 26, 33, 133, 136 joints .* found 54 numbers"),
        (results((10**30, 1)), "Expected frame numbers from 0"),
        (results(("9" * 30 + ".jpg", 1)), "Expected frame numbers from 0"),
        (results((0, 1)).replace("0.5", str(10**400)), "OverflowError"),
        ("[" * 100_000, "RecursionError"),
        (results(("frame", 1)), "Expected frame numbers from 0.*found 'frame'"),
        (results((-1, 1)), "Expected frame numbers from 0.*found -1"),
        (results((0, 1), score=float("nan")), "Expected finite joints"),
    ],
)
def test_wrong_results_are_named(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "clip.json").write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_poses(tmp_path / "clip.json", Path("clip.mp4"))
    assert "clip.json" in str(caught.value)


def test_units_are_told_by_the_values(tmp_path: Path) -> None:
    """The same person in pixels, in 0..1 and in -1..1 of a video of 40 x 20 pixels."""
    video = tmp_path / "clip.mp4"
    write_video(video, np.zeros((3, 20, 40, 3), np.uint8), 10)
    places = np.random.default_rng(0).uniform((2, 1), (38, 19), (17, 2))
    unit = places / (40, 20)
    file = tmp_path / "clip.json"

    def joints(xy: np.ndarray, units: Units | None = None) -> np.ndarray:
        keypoints = np.column_stack([xy, np.r_[np.ones(16), 0]]).ravel().tolist()
        file.write_text(json.dumps([{"image_id": 1, "keypoints": keypoints}]))
        return read_poses(file, video, units).joints[0, :16, :2]

    wanted = places[:16]
    np.testing.assert_allclose(joints(places), wanted, atol=1e-5)
    np.testing.assert_allclose(joints(2 * unit - 1), wanted, atol=1e-4)
    np.testing.assert_allclose(joints(unit, "unit"), wanted, atol=1e-4)
    np.testing.assert_allclose(joints(2 * unit - 1, "centred"), wanted, atol=1e-4)
    with pytest.raises(ValueError, match=r"Give --pose-units unit or --pose-units centred"):
        joints(unit)


def test_no_results_are_nobody(tmp_path: Path) -> None:
    (tmp_path / "clip.json").write_text("[]")
    assert not len(read_poses(tmp_path / "clip.json", Path("clip.mp4")).frame_index)
