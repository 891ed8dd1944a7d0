"""What other tools mean by their numbers: lost joints, scores, sizes, first frames, whose frames."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from integralaction.assembly.pose_files import add_poses
from integralaction.clip import Poses
from integralaction.data.index import Index, Video, read_index, write_index
from integralaction.data.pose_files import read_poses, tails
from integralaction.data.poses import PoseStore, write_pose_store
from integralaction.data.video import write_video

FRAMES, HEIGHT, WIDTH = 6, 48, 64


def write_clip(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, np.zeros((FRAMES, HEIGHT, WIDTH, 3), np.uint8), 10)
    return path


def person(x: float = 20.0, score: float = 0.5, joints: int = 17) -> list[float]:
    return [value for joint in range(joints) for value in (x + joint, 12.0 + 2 * joint, score)]


def row(image: Any, keypoints: list[float], **more: Any) -> dict[str, Any]:
    return {"image_id": image, "keypoints": keypoints, **more}


def write_json(path: Path, content: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write_openpose(folder: Path, people: list[list[float]], name: str = "clip") -> Path:
    for frame in range(FRAMES):
        content = {"people": [{"pose_keypoints_2d": keypoints} for keypoints in people]}
        write_json(folder / f"{name}_{frame:012d}_keypoints.json", content)
    return folder


def both_formats(folder: Path, keypoints: list[float]) -> list[Poses]:
    """The same person from COCO results and from OpenPose's files."""
    clip = write_clip(folder / "clip.mp4")
    results = write_json(folder / "clip.json", [row(t, keypoints) for t in range(FRAMES)])
    more = keypoints + keypoints[-3:]  # 18 joints
    return [read_poses(results, clip), read_poses(write_openpose(folder / "openpose", [more]), clip)]


@pytest.mark.parametrize("score", [0.37, 1.0, 2.0])
def test_a_joint_in_the_corner_was_not_found(tmp_path: Path, score: float) -> None:
    keypoints = person()
    keypoints[:3] = [0, 0, score]
    for poses in both_formats(tmp_path, keypoints):
        assert (poses.joints[:, 0] == 0).all() and (poses.joints[:, 1:, 2] > 0.3).all()


@pytest.mark.parametrize(("written", "expected"), [(0.5, 0.5), (1.04, 1.0), (6.2, 1.0), (88.0, 0.88), (-0.1, 0.0)])
def test_scores_are_at_most_one(tmp_path: Path, written: float, expected: float) -> None:
    keypoints = person(score=written)
    keypoints[2] = 0.5  # so that there is a person
    for poses in both_formats(tmp_path, keypoints):
        np.testing.assert_allclose(poses.joints[:, 1:, 2], expected, atol=1e-6)


def test_scores_of_no_known_unit_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"Expected scores .* found 255"):
        both_formats(tmp_path, person(score=255))


def test_who_has_no_joint_is_nobody(tmp_path: Path) -> None:
    for poses in both_formats(tmp_path, [0.0] * 51):
        assert len(poses.frame_index) == FRAMES and not len(poses.joints)
    assert not len(read_poses(write_openpose(tmp_path / "faces", [[]]), tmp_path / "clip.mp4").joints)


def test_poses_of_larger_pictures_are_refused_until_their_size_is_told(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    scale = np.array([30, 20, 1.0])
    large = (np.array(person()).reshape(17, 3) * scale).ravel().tolist()
    path = write_json(tmp_path / "clip.json", [row(t, large) for t in range(FRAMES)])
    with pytest.raises(ValueError, match=r"only 0 % of the joints .* 64 x 48 pixels.* --pose-units WIDTHxHEIGHT"):
        read_poses(path, clip)
    joints = read_poses(path, clip, f"{30 * WIDTH}x{20 * HEIGHT}").joints
    np.testing.assert_allclose(joints[0].ravel(), person(), atol=1e-4)
    with pytest.raises(ValueError, match="Expected units pixels, unit"):
        read_poses(path, clip, "1920")


def test_what_may_be_of_another_size_is_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    for x, message in ((54.0, "joints outside the picture"), (1.0, "upper left quarter"), (20.0, "")):
        keypoints = person(x)
        if x == 1.0:
            keypoints[1::3] = [5.0] * 17
        read_poses(write_json(tmp_path / "clip.json", [row(t, keypoints) for t in range(FRAMES)]), clip)
        said = capsys.readouterr().err
        assert message in said and bool(said) == bool(message)


@pytest.mark.parametrize("name", ["{}", "{}.jpg", "clip_{:06d}.png", "clip/{:04d}.jpg"])
def test_numbers_from_one(tmp_path: Path, name: str, capsys: pytest.CaptureFixture) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    for first, last in ((1, FRAMES), (3, FRAMES), (0, FRAMES - 1), (2, FRAMES - 1)):
        images = [name.format(number) if "." in name else number for number in range(first, last + 1)]
        path = write_json(tmp_path / "clip.json", [row(image, person()) for image in images])
        from_one = last == FRAMES
        assert read_poses(path, clip).frame_index.tolist() == list(range(first - from_one, last - from_one + 1))
        assert ("numbered from 1" in capsys.readouterr().err) == from_one


def test_a_first_frame_that_may_be_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    path = write_json(tmp_path / "clip.json", [row(number, person()) for number in (1, 2)])
    assert read_poses(path, clip).frame_index.tolist() == [1, 2]
    assert "poses without frame 0" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("clipA_{:06d}.jpg", "clipB_{:06d}.jpg"),
        ("clipA.mp4_{:06d}.jpg", "clipB.mp4_{:06d}.jpg"),
        ("clipA/{}.jpg", "clipB/{}.jpg"),
        ("x/clipA/f{}.png", "x/clipAB/f{}.png"),
    ],
)
def test_one_file_of_many_videos(tmp_path: Path, first: str, second: str) -> None:
    rows = [row(name.format(t), person(x)) for name, x in ((second, 40), (first, 20)) for t in range(FRAMES)]
    path = write_json(tmp_path / "all.json", rows)
    joints = read_poses(path, write_clip(tmp_path / "clipA.mp4")).joints
    assert joints.shape == (FRAMES, 17, 3) and (joints[:, 0, 0] == 20).all()
    with pytest.raises(ValueError, match=r"Expected images named after other in .*all.json"):
        read_poses(path, write_clip(tmp_path / "other.mp4"))


def test_one_file_of_many_folders_of_images(tmp_path: Path) -> None:
    for clip in "AB":
        (tmp_path / f"clip{clip}").mkdir()
        for t in range(1, 4):
            Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / f"clip{clip}" / f"{t:03d}.png")
    rows = [row(f"clip{clip}/{t:03d}.png", person(x)) for clip, x in (("A", 20), ("B", 40)) for t in range(1, 4)]
    poses = read_poses(write_json(tmp_path / "all.json", rows), tmp_path / "clipB")
    assert poses.frame_index.tolist() == [0, 1, 2] and (poses.joints[:, 0, 0] == 40).all()


def test_other_categories_are_left_out_or_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    clip = write_clip(tmp_path / "clip.mp4")

    def read(*categories: int) -> Poses:
        rows = [row(t, person(20 + n), category_id=c) for n, c in enumerate(categories) for t in range(FRAMES)]
        return read_poses(write_json(tmp_path / "clip.json", rows), clip)

    poses = read(18, 1)
    assert np.diff(poses.frame_offsets).tolist() == [1] * FRAMES and (poses.joints[:, 0, 0] == 21).all()
    assert "6 in" in capsys.readouterr().err
    assert len(read(0).joints) == FRAMES
    for categories in ((18,), (0, 1), (2, 3)):
        with pytest.raises(ValueError, match="Expected annotations of persons"):
            read(*categories)


def test_coco_annotations(tmp_path: Path) -> None:
    """Images of twice the size, numbered from 100, one of them without anybody, and a dog."""
    clip = write_clip(tmp_path / "clip.mp4")
    double = (np.array(person(score=2)).reshape(17, 3) * [2, 2, 1]).ravel().tolist()
    about = {"width": 2 * WIDTH, "height": 2 * HEIGHT}
    content = {
        "images": [{"id": 100 + t, "file_name": f"clip_{t}.jpg", **about} for t in range(FRAMES)],
        "annotations": [row(100 + t, double, category_id=7) for t in range(FRAMES - 1)]
        + [row(100, double, category_id=9), {"image_id": 101, "category_id": 9, "bbox": [1, 2, 3, 4]}],
        "categories": [{"id": 7, "name": "Person"}, {"id": 9, "name": "dog"}],
    }
    poses = read_poses(write_json(tmp_path / "clip.json", content), clip)
    assert np.diff(poses.frame_offsets).tolist() == [1] * (FRAMES - 1) + [0]
    np.testing.assert_allclose(poses.joints[0].ravel(), person(score=1), atol=1e-4)


def test_images_of_another_name_are_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    clip = write_clip(tmp_path / "clip.mp4")
    for name, is_said in (
        ("frame_{}.jpg", False),
        ("{}.jpg", False),
        ("my clip {}.jpg", False),
        ("other_{}.jpg", True),
    ):
        read_poses(write_json(tmp_path / "clip.json", [row(name.format(t), person()) for t in range(FRAMES)]), clip)
        assert ("images of another name than the video's: other_#" in capsys.readouterr().err) == is_said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([row(0, [1e39, *person()[1:]])], "Expected finite joints"),
        ([row(0, [None, *person()[1:]])], "Expected finite joints"),
        ([[1]], "Expected a list of persons"),
        ({"images": [1], "annotations": []}, "Expected a list of persons"),
        ({"images": [{"id": 1, "width": "wide", "height": 3}], "annotations": []}, "Expected a list of persons"),
        ({"images": [{"id": 1}], "annotations": [row(2, person())]}, "Expected a list of persons"),
    ],
)
def test_odd_files_are_named(tmp_path: Path, content: Any, message: str) -> None:
    with pytest.raises(ValueError, match=rf"^{message}.*clip\.json"):
        read_poses(write_json(tmp_path / "clip.json", content), write_clip(tmp_path / "clip.mp4"))


# --- a data set's


def write_dataset(root: Path, *names: str) -> Index:
    rows = []
    for name in names:
        write_clip(root / "videos" / name)
        rows.append(Video(name, Path(name).parent.name, "train", FRAMES, 10.0, HEIGHT, WIDTH))
    classes = tuple(sorted({video.label for video in rows}))
    index = Index(root / "data", "toy", "openpose18", classes, tuple(rows), "../videos", "by hand")
    index.root.mkdir(parents=True)
    write_index(index)
    return read_index(index.root)


def places_of(index: Index) -> dict[str, float]:
    store = PoseStore.of(index.root)
    return {name: float(store[name].joints[0, 0, 0]) for name in store}


def test_files_lie_as_the_videos_do(tmp_path: Path) -> None:
    """Names that repeat or not, with the folder of the split or without, one JSON a video or OpenPose's."""
    names = ("train/run/1.mp4", "train/jump/3.mp4", "train/sit/1.mp4", "test/lie/4.mp4", "test/fly/5.mp4")
    index = write_dataset(tmp_path, *names)
    poses = tmp_path / "poses"
    for place, x in (("run/1", 20), ("train/jump/3", 21), ("sit/1", 22)):
        write_json(poses / f"{place}.json", [row(t, person(x)) for t in range(FRAMES)])
    write_openpose(poses / "lie" / "4", [person(23, joints=18)], "4")
    write_openpose(poses / "fly", [person(24, joints=18)], "5")
    assert not add_poses(index, poses, None).issues
    assert places_of(index) == dict(zip(names, (20, 21, 22, 23, 24), strict=True))


def test_poses_are_looked_for_below_their_folder_alone() -> None:
    for name in ("/a/clip.mp4", "../a/clip.mp4", "a/clip.mp4"):
        assert tails(Path(name)) == [Path("a"), Path()]


def test_a_file_of_one_video_is_not_everybodys(tmp_path: Path) -> None:
    index = write_dataset(tmp_path, "run/a.mp4", "run/b.mp4")
    path = write_json(tmp_path / "all.json", [row(t, person()) for t in range(FRAMES)])
    with pytest.raises(ValueError, match="Expected images named after a in"):
        add_poses(index, path, None)
    write_json(path, [row(f"{n}_{t}.jpg", person(x)) for n, x in (("a", 20), ("b", 30)) for t in range(FRAMES)])
    add_poses(index, path, None)
    assert places_of(index) == {"run/a.mp4": 20, "run/b.mp4": 30}


def test_doubts_are_issues(tmp_path: Path) -> None:
    index = write_dataset(tmp_path, "run/a.mp4")
    write_json(tmp_path / "poses/a.json", [row(t + 1, person()) for t in range(FRAMES)])
    (issue,) = add_poses(index, tmp_path / "poses", None).issues
    assert issue.is_imported and issue.reason == "poses of frames numbered from 1"


def test_poses_of_a_data_set_of_larger_videos_are_scaled(tmp_path: Path) -> None:
    index = write_dataset(tmp_path / "small", "run/a.mp4", "run/b.mp4")
    large = write_dataset(tmp_path / "large", "run/a.mp4", "run/b.mp4")
    write_index(replace(large, videos=(replace(large.videos[0], width=3 * WIDTH, height=2 * HEIGHT), large.videos[1])))
    scaled = np.array(person()).reshape(1, 17, 3) * [3, 2, 1]
    write_pose_store(
        large.root,
        [
            ("run/a.mp4", Poses.from_frames("coco17", {0: scaled})),
            ("run/b.mp4", Poses.from_frames("coco17", {0: np.array(person()).reshape(1, 17, 3)})),
        ],
    )
    add_poses(index, large.root, None)
    store = PoseStore.of(index.root)
    expected = np.array(person()).reshape(1, 17, 3)
    for name in store:
        assert store.skeleton == "coco17"
        np.testing.assert_allclose(store[name].joints, expected, atol=1e-4)
    given = read_poses(large.root, tmp_path / "small/videos/run/a.mp4", f"{3 * WIDTH}x{2 * HEIGHT}")
    np.testing.assert_allclose(given.joints, expected, atol=1e-4)


def test_the_users_own_columns_and_keys_are_kept(tmp_path: Path) -> None:
    index = write_dataset(tmp_path, "run/a.mp4")
    table, about = index.root / "videos.csv", index.root / "dataset.yaml"
    head, line = table.read_text().splitlines()
    table.write_text(f"{head},camera\n{line},left\n")
    about.write_text(about.read_text() + "licence: mine\n")
    write_json(tmp_path / "poses/a.json", [row(t, [20.0, 12.0, 0.5] * 133) for t in range(FRAMES)])
    add_poses(read_index(index.root), tmp_path / "poses", None)
    assert read_index(index.root).skeleton == "coco-wholebody133"
    assert table.read_text().splitlines()[1].endswith(",left") and "camera" in table.read_text()
    assert "licence: mine" in about.read_text()
