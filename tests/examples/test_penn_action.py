"""The example on Penn Action: its labels as written by Matlab, and the real ones."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat, savemat

from integralaction.cli.main import run
from integralaction.data.index import read_index
from integralaction.data.poses import PoseStore

EXAMPLE = Path(__file__).parents[2] / "examples" / "penn_action"


def run_import(labels: Path, out: Path, *arguments: str | Path) -> int:
    return run(["import", "penn-action", str(labels), "--out", str(out), *map(str, arguments)])


def write_labels(folder: Path, count: int = 8, frames: int = 12) -> None:
    """Videos of two actions: the wrist goes up or to the right; one ankle is never seen, one elbow not for a while."""
    folder.mkdir()
    random = np.random.default_rng(0)
    for number in range(count):
        body = (
            random.uniform(60, 140, 13)[None] + np.zeros((frames, 1)),
            random.uniform(40, 90, 13) + np.zeros((frames, 1)),
        )
        x, y = body[0].copy(), body[1].copy()
        (y if number % 2 else x)[:, 5] += np.arange(frames) * (-3 if number % 2 else 3)
        visibility = np.ones((frames, 13), np.uint8)
        visibility[:, 11] = visibility[3:9, 4] = 0
        x[:, 11] = y[:, 11] = x[3:9, 4] = y[3:9, 4] = 1
        labels = {
            "action": ["up" if number % 2 else "right"],
            "train": [[1 if number < count // 2 else -1]],
            "dimensions": np.array([[120, 200, frames]], np.uint16),
            "x": x,
            "y": y,
            "visibility": visibility,
            "bbox": np.zeros((frames, 4)),
        }
        savemat(folder / f"{number + 1:04d}.mat", labels)


def test_joints_keep_their_places_in_the_square_or_the_frame(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_labels(tmp_path / "labels")
    with tarfile.open(tmp_path / "labels.tar.xz", "w:xz") as archive:
        archive.add(tmp_path / "labels", "labels")
    truth = loadmat(tmp_path / "labels/0001.mat")
    images = tmp_path / "images"
    for number in range(8):
        (images / f"{number + 1:04d}").mkdir(parents=True)
        for t in range(12):
            Image.new("RGB", (200, 120)).save(images / f"{number + 1:04d}/{t + 1:06d}.png")
    square = ["--square", "--length", "72"]
    for labels, more in ((tmp_path / "labels.tar.xz", []), (tmp_path / "labels", ["--frames", images])):
        out = tmp_path / labels.name.replace(".", "-")
        out = out.with_name(out.name + "-out")
        assert run_import(labels, out, *(more or square)) == 0
        assert "8 videos of 2 classes" in (printed := capsys.readouterr().out) and "4 train, 4 test" in printed
        index = read_index(out)
        video = index.videos[0]
        assert (index.skeleton, video.label, video.frames) == ("penn13", "right", 12 if more else 72)
        moments = np.arange(12) if more else np.linspace(0, 71, 12).round().astype(int)  # of 72 that are 12 repeated
        joints = PoseStore.of(out)["0001"].at(moments)[:, 0]
        assert (joints[:, 11] == 0).all() and (joints[:, 5, 2] == 1).all()
        assert joints[:, 4, 2].tolist() == [1.0] * 3 + [0.5] * 6 + [1.0] * 3
        is_seen = joints[..., 2] > 0
        places = np.stack([truth["x"], truth["y"]], axis=-1)
        places[3:9, 4] = places[0, 4]  # the elbow is still, so it is where it is seen before and after
        shift = joints[..., :2] - places
        assert np.ptp(shift[is_seen], axis=0).max() < 1e-3  # all moved alike
        if more:
            assert (video.height, video.width) == (120, 200)
            np.testing.assert_allclose(shift[is_seen], -1, atol=1e-4)
        else:
            assert video.height == video.width
            assert (joints[is_seen][:, :2] > 0).all() and (joints[is_seen][:, :2] < video.width).all()


def test_what_is_no_label_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels/0001.mat").write_text("nothing")
    assert run_import(tmp_path / "labels", tmp_path / "out") == 2
    assert "none of 1 can be (0001.mat: cannot be read as labels" in capsys.readouterr().err
    assert run_import(EXAMPLE / "svm.py", tmp_path / "out") == 2
    assert "Expected a folder or a tar archive" in capsys.readouterr().err
    assert run_import(tmp_path / "labels", tmp_path / "out", "--frames", tmp_path, "--square") == 2
    assert "Expected no --square" in capsys.readouterr().err


@pytest.fixture(scope="module")
def penn(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("penn") / "data"
    labels = shared / "data/penn_action/labels.tar.xz"
    assert run_import(labels, out, "--square", "--length", "72", "--val", "0.2") == 0
    return out


def test_the_real_labels_have_the_official_split(penn: Path) -> None:
    index = read_index(penn)
    counts = {split: sum(video.split == split for video in index.videos) for split in index.splits}
    assert counts["test"] == 1068 and counts["train"] + counts["val"] == 1257 and 200 < counts["val"] < 300
    assert len(index.classes) == 15 and len(PoseStore.of(penn)) == 2325  # in one no joint is ever seen


def test_the_real_poses_train_a_stream(penn: Path, tmp_path: Path) -> None:
    """A few epochs of a tiny stream on an eighth of the videos are better than chance."""
    lines = (penn / "videos.csv").read_text().splitlines()
    small = tmp_path / "small"
    small.mkdir()
    (small / "videos.csv").write_text("\n".join([lines[0], *lines[1::8]]) + "\n")
    for file in (penn / "dataset.yaml", *penn.glob("poses-*")):
        (small / file.name).symlink_to(file)
    settings = ["model.pose.backbone.width=0.125", "model.clip.size=64", "model.clip.frames=8", "model.clip.stride=8"]
    settings += ["stages.pose.epochs=5", "stages.pose.milestones=[4]", "stages.pose.warmup=0"]
    settings += ["loading.augment=false", "optimizer.batch_size=8"]
    out = str(tmp_path / "run")
    assert run(["train", str(EXAMPLE / "recipe.yaml"), *settings, "--data", str(small), "--out", out]) == 0
    assert run(["evaluate", out, "--split", "val"]) == 0
    text = (tmp_path / "run/results/penn-action.csv").read_text().splitlines()[1].split(",")
    assert text[0] == "pose-only" and float(text[3]) > 0.15, f"expected more than twice chance (0.07); found {text[3]}"
