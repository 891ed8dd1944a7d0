"""Videos that turn out unreadable in training: replaced, counted, named; too many stop the run."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from toy import toy_recipe, write_toy_dataset

from integralaction.cli import run
from integralaction.config import to_dict
from integralaction.data.index import read_index
from integralaction.train import train


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
    recipe = replace(
        toy_recipe(),
        methods=("integral",),
        max_failed=0.2,
        preload=preload,
        augment_integration=not cached,
        workers=workers,
        appearance=replace(toy_recipe().appearance, epochs=4),
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

    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(to_dict(replace(toy_recipe(), max_failed=0.1))))
    assert run(["train", str(tmp_path / "toy.yaml"), "--data", str(data), "--out", str(tmp_path / "run")]) == 2
    told = capsys.readouterr().err
    assert "Expected at most 10 % of the 24 training videos to be unreadable; found 3" in told
    assert "Traceback" not in told
    assert len(read_index(data).videos) == 30
