"""What `integralaction data` says of a data set, against counts by hand; its contact sheet."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from toy import write_toy_dataset

from integralaction.cli.main import run
from integralaction.clip import Poses
from integralaction.data.index import Video, write_index
from integralaction.data.poses import PoseStore, write_pose_store
from integralaction.report.overview import contact_sheet


def test_counts_and_poses(tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    index = write_toy_dataset(tmp_path)
    lone = Video("lone.mp4", "", "extra", 40, 25.0, 50, 60, group="g")  # neither label, file nor poses
    write_index(replace(index, videos=(*index.videos, lone)))
    assert run(["data", str(tmp_path), "--sheet", str(tmp_path / "sheet.png")]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == "toy: 16 videos, 3 classes, openpose18"
    assert "train 9 3 - 12/12/12 10 32x32" in lines
    assert "extra 1 0 1 40/40/40 25 60x50" in lines
    store = PoseStore.of(tmp_path)
    train = [store[video.video] for video in index.split("train").videos]
    looked = sum(len(poses.frame_index) for poses in train)
    assert f"train 9 of 9 {100 * looked / (9 * 12):.0f} % 1.00 0.0 % 0.90" in lines
    assert "extra 0 of 1 - - - -" in lines
    assert "down 3 1 1 0" in lines and "(none) 0 0 0 1" in lines
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    assert lines[-1].startswith("15 videos on the contact sheet") and sheet.shape[2] == 3 and sheet.std() > 10


def test_frames_without_a_pose_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    index = write_toy_dataset(tmp_path)
    for path in tmp_path.glob("poses-*"):
        path.unlink()
    nobody, two = np.zeros((0, 18, 3), np.float32), np.full((2, 18, 3), 0.5, np.float32)
    poses = Poses.from_frames("openpose18", {0: nobody, 1: two, 2: two, 3: nobody})
    write_pose_store(tmp_path, [(index.videos[0].video, poses)])
    assert run(["data", str(tmp_path)]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "train 1 of 9 33 % 1.00 50.0 % 0.50" in lines
    for path in tmp_path.glob("poses-*"):
        path.unlink()
    assert run(["data", str(tmp_path)]) == 0
    assert "poses: none. Estimate them with `integralaction pose`." in capsys.readouterr().out


def test_a_video_that_cannot_be_drawn_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    index = write_toy_dataset(tmp_path, videos=3)
    (tmp_path / "train/001.mp4").write_bytes(b"")
    contact_sheet(index, tmp_path / "sheet.png")
    assert "001.mp4" in capsys.readouterr().err
    for video in index.videos:  # poses may be all that a data set has
        index.path(video).unlink()
    contact_sheet(index, tmp_path / "sheet.png")
    assert not capsys.readouterr().err
