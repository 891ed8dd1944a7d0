"""Pictures of a prediction: those of an earlier call are replaced, nothing of anybody else's is touched."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from integralaction.clip import Persons, Poses, Prediction
from integralaction.predict.overlay import save_frames
from integralaction.predict.video import _pose_share


def prediction(video: Path, *frames: int) -> Prediction:
    return Prediction(
        video=str(video),
        model="toy",
        classes=("run", "jump"),
        clip_probabilities=np.array([[0.9, 0.1]]),
        frames=np.array([frames]),
        gates=None,
        streams={},
        persons=Persons("none", Poses.nobody("coco17"), None),
    )


@pytest.fixture
def video(tmp_path: Path) -> Path:
    """A folder of frames that bear the names of ours."""
    folder = tmp_path / "frames" / "walk"
    folder.mkdir(parents=True)
    for number in range(4):
        Image.new("RGB", (32, 24), (number, 0, 0)).save(folder / f"clip1-frame{number:06d}.jpg")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_an_earlier_calls_pictures_are_replaced(video: Path, tmp_path: Path) -> None:
    out = tmp_path / "shown"
    assert save_frames(prediction(video, 0, 1, 2), out) == 3
    (out / "notes.txt").write_text("mine")
    assert save_frames(prediction(video, 3), out) == 1
    assert sorted(contents(out)) == ["clip0-frame000003.jpg", "notes.txt"]


@pytest.mark.parametrize("place", [".", "inside", "../link"])
def test_the_videos_own_folder_is_no_place(video: Path, place: str) -> None:
    (video.parent / "link").symlink_to(video)
    before = contents(video)
    with pytest.raises(ValueError, match="Expected another folder than the video's own"):
        save_frames(prediction(video, 0), video / place)
    assert contents(video) == before and not (video / "inside").exists()


@pytest.mark.parametrize("name", ["clip0-frame000000.jpg", "clip0-frame000099.jpg", "000001.png", "me.bmp"])
def test_pictures_of_others_are_kept(video: Path, tmp_path: Path, name: str) -> None:
    """Whatever they are called; nor are ours put between them."""
    out = tmp_path / "shown"
    save_frames(prediction(video, 1), out)
    Image.new("RGB", (32, 24)).save(out / name)
    before = contents(out)
    with pytest.raises(ValueError, match=f"pictures of others; found .*{name}"):
        save_frames(prediction(video, 0), out)
    assert contents(out) == before


def test_a_pose_outside_the_picture_is_not_usable() -> None:
    joints = torch.ones(1, 4, 2, 17, 3)
    joints[..., :2] = 500.0
    joints[0, 1, 1, 5, :2] = 3.0  # one joint of the second person in one frame
    joints[0, 2, 0, :, :2] = -1.0
    joints[0, 3, 0, :, :2] = 3.0
    joints[0, 3, 0, :9, 2] = 0.0  # too few joints
    assert _pose_share(joints, size=32) == 0.25
