"""Videos that turn out unreadable in training: replaced, counted, named; too many stop the run."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from networks import write_network
from toy import toy_recipe, write_toy_dataset
from video.test_video import encode

from integralaction.cli.main import run
from integralaction.settings import to_dict
from integralaction.training.stages import train
from tests.toy import with_values


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """24 training videos, of which one is empty, one cut off, and one has fewer frames than the index says."""
    index = write_toy_dataset(tmp_path / "data", videos=24)
    (tmp_path / "data/train/003.mp4").write_bytes(b"")
    whole = (tmp_path / "data/train/007.mp4").read_bytes()
    (tmp_path / "data/train/007.mp4").write_bytes(whole[: len(whole) // 2])
    from integralaction.data.index import write_index

    rows = list(index.videos)
    rows[11] = replace(rows[11], frames=40)
    write_index(replace(index, videos=tuple(rows)))
    return tmp_path / "data"


BAD = ["train/003.mp4", "train/007.mp4", "train/011.mp4"]


@pytest.mark.parametrize(("preload", "cached", "workers"), [(False, False, 1), (True, True, 0)])
def test_they_are_replaced_counted_and_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture, preload: bool, cached: bool, workers: int
) -> None:
    recipe = with_values(
        toy_recipe(),
        methods=("integral",),
        max_failed=0.2,
        preload=preload,
        augment_integration=not cached,
        workers=workers,
        appearance=replace(toy_recipe().stages.appearance, epochs=4),
    )
    runs = [train(recipe, data, tmp_path / name, "cpu") for name in ("one", "two")]
    told = capsys.readouterr().err
    assert "appearance-only: 3 of 24 videos could not be read and were replaced" in told
    if cached:
        assert "3 of 24 videos could not be read and are left out of stage 3" in told
    rows = list(csv.reader((tmp_path / "one/stages/appearance-only/failed.csv").read_text().splitlines()))
    assert [row[0] for row in rows] == ["video", *BAD]
    a, b = (made.load("integral").state_dict() for made in runs)
    assert all(torch.equal(a[name], b[name]) for name in a)  # what takes their place is drawn by the seed too


def test_more_than_a_share_stops_the_run(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    import yaml

    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(to_dict(with_values(toy_recipe(), max_failed=0.1))))
    assert run(["train", str(tmp_path / "toy.yaml"), "--data", str(data), "--out", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert "Expected at most 10 % of the 24 training videos to be unreadable; found 3" in told
    assert "Traceback" not in told


def test_odd_videos_import_get_poses_and_train(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Rotated, of variable rate, of odd sizes, of one frame, of 10 bits, with a corrupt middle, cut off, empty."""
    root = tmp_path / 'Kinetics\' "best" (ü)'
    kinds = {
        "rotated.mp4": {"turn": (90, False)},
        "variable rate.mkv": {"times": np.cumsum([1 + (i * i) % 7 for i in range(40)]).tolist()},
        "odd size.mkv": {"codec": "ffv1", "pix_fmt": "yuv444p", "size": (51, 67)},
        "ten bits.mp4": {"pix_fmt": "yuv420p10le"},
        "wrong ending.txt": {},
        "plain, 1.mp4": {},
        "plain, 2.mp4": {},
    }
    for label in ("shooting goal (soccer)", "don't know"):
        (root / label).mkdir(parents=True)
        for name, how in kinds.items():
            made = encode(tmp_path / name.replace(".txt", ".mp4"), 40, **how)
            made.rename(root / label / name)
        encode(root / label / "one frame.mp4", 1)
        corrupt = encode(root / label / "corrupt middle.mp4", 60, g="60")
        with av.open(str(corrupt)) as file:
            places = [(p.pos, p.size) for p in file.demux(video=0) if p.size]
        content = bytearray(corrupt.read_bytes())
        for pos, size in places[20:40]:
            content[pos + 4 : pos + size] = bytes(size - 4)
        corrupt.write_bytes(content)
        whole = (root / label / "plain, 1.mp4").read_bytes()
        (root / label / "cut off.mp4").write_bytes(whole[: len(whole) // 2])
        (root / label / "empty.mp4").write_bytes(b"")
    assert run(["import", "folder", str(root), "--out", str(tmp_path / "data"), "--test", "0"]) == 0
    assert "18 videos of 2 classes" in (told := capsys.readouterr().out)
    assert "left out: 4 cannot be read as a video" in told
    joints = np.stack([np.arange(17) + 10.0, np.arange(17) + 20.0, np.full(17, 0.9)], axis=1)[None, None]
    outputs = {"dets": np.array([[[8, 8, 40, 60, 0.9]]]), "keypoints": joints}
    network = write_network(tmp_path / "n.onnx", [1, 3, 64, 64], outputs)
    assert run(["pose", str(tmp_path / "data"), "--weights", str(network), "--device", "cpu"]) == 0
    assert "kept, but: 2 no poses: it cannot be looked at" in capsys.readouterr().out
    assert run(["data", str(tmp_path / "data"), "--sheet", str(tmp_path / "sheet.png")]) == 0
    recipe = with_values(toy_recipe(), methods=("integral",), max_failed=0.2)
    recipe = with_values(recipe, model=with_values(recipe.model, skeleton="coco17"))
    trained = train(recipe, tmp_path / "data", tmp_path / "run", "cpu")
    failed = (trained.root / "stages/appearance-only/failed.csv").read_text()
    assert {row.partition(",")[0] for row in failed.splitlines()[1:]} <= {
        f"{label}/corrupt middle.mp4" for label in ("shooting goal (soccer)", "don't know")
    }
    video = root / "shooting goal (soccer)" / "rotated.mp4"
    command = ["predict", str(video), "--model", str(tmp_path / "run"), "--poses", str(tmp_path / "data"), "--json"]
    assert run([*command, "--device", "cpu"]) == 0
    assert json.loads(capsys.readouterr().out.splitlines()[-1])["pose_share"] == 1.0
