"""Files of format 1 give the numbers that they gave the code that wrote them (golden/format1/README.md)."""

import csv
import hashlib
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from integralaction import load_model
from integralaction.cli.main import run as command_line

GOLDEN = Path(__file__).parent / "golden/format1"
ANSWERS = json.loads((GOLDEN / "answers.json").read_text())
NUMBERS = ("probabilities", "appearance_probabilities", "pose_probabilities", "gate")
TRAIN = f"train {GOLDEN / 'nested.yaml'} --data data --device cpu --out"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the archive holds: data/, run/, stopped/, hub/, models/, recipe.yaml."""
    root = tmp_path_factory.mktemp("format1")
    with tarfile.open(GOLDEN / "format1.tar.xz") as archive:
        archive.extractall(root, filter="data")
    return root


@pytest.fixture
def copy(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A copy of the run beside it, in the current folder."""
    monkeypatch.chdir(folder)
    shutil.rmtree("copy", ignore_errors=True)
    shutil.copytree("run", "copy")
    return "copy"


def call(line: str) -> None:
    assert command_line(line.split()) == 0, f"Expected `integralaction {line}` to end well; its message stands above."


def digests(root: Path | str) -> dict[str, str]:
    """A digest of each file of a folder."""
    paths = [path for path in sorted(Path(root).rglob("*")) if path.is_file()]
    return {str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def table(path: Path) -> list[list[str | float]]:
    """The rows of a CSV file, numbers as numbers."""
    with path.open(newline="") as file:
        return [[number_or_text(cell) for cell in row] for row in csv.reader(file)]


def number_or_text(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def check_same(values: object, before: object, tolerance: float, where: str) -> None:
    """Compare what JSON or a table holds; names that are new in `values` are nobody's fault."""
    if isinstance(before, dict):
        assert isinstance(values, dict) and before.keys() <= values.keys(), where
        for name, value in before.items():
            check_same(values[name], value, tolerance, f"{where}.{name}")
    elif isinstance(before, list):
        assert isinstance(values, list) and len(values) == len(before), where
        for number, value in enumerate(before):
            check_same(values[number], value, tolerance, f"{where}[{number}]")
    elif isinstance(before, float):
        assert values == pytest.approx(before, abs=tolerance), where
    else:
        assert values == before, where


def check_predictions(run: Path | str, before: Path | str, tolerance: float) -> None:
    """Compare the predictions of two run folders, as the files hold them."""
    paths = sorted(Path(before, "predictions").rglob("*.safetensors"))
    assert len(paths) == 10
    for path in paths:
        there = load_file(path)
        here = load_file(Path(run, path.relative_to(before)))
        for name, values in there.items():
            np.testing.assert_allclose(here[name], values, rtol=0, atol=tolerance, err_msg=f"{path}: {name}")


def clips(frames: int, pose_frames: int, joints: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The two clips of make.py: frames (2, T, 3, S, S) uint8, joints (2, T', 2, K, 3)."""
    random = np.random.default_rng(1)
    pictures = random.integers(0, 256, (2, frames, 3, size, size), dtype=np.uint8)
    persons = random.random((2, pose_frames, 2, joints, 3), dtype=np.float32) * np.float32([size, size, 1])
    return torch.from_numpy(pictures), torch.from_numpy(persons)


@pytest.mark.parametrize("source", ANSWERS["models"])
def test_a_model_says_the_same(folder: Path, source: str) -> None:
    """Of each method and of options other than the default, of a run, of a hub folder, and the embedded model."""
    before = ANSWERS["models"][source]
    model = load_model(source if source == "mime" else folder / source)
    frames, joints = clips(**before["sizes"])
    with torch.no_grad():
        output = model(
            None if before["method"] == "pose-only" else frames,
            None if before["method"] == "appearance-only" else joints,
        )
    assert list(model.config.classes) == before["classes"]
    for name in NUMBERS:
        values = getattr(output, name)
        if before[name] is None:
            assert values is None, name
            continue
        values = values.mean(dim=(1, 2)) if name == "gate" else values
        # the embedded model sums up many more products, in an order that depends on the processor
        tolerance = 1e-5 if source == "mime" else 1e-6
        np.testing.assert_allclose(values.double(), before[name], rtol=0, atol=tolerance, err_msg=name)


@pytest.mark.parametrize("name", ANSWERS["commands"])
def test_predict_prints_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture, name: str
) -> None:
    monkeypatch.chdir(folder)
    call(ANSWERS["commands"][name]["command"])
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    check_same(lines, ANSWERS["commands"][name]["lines"], 1e-5, name)


def test_the_data_set_is_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    """Its rows and poses; the command that rendered it finds it whole and changes nothing."""
    from integralaction.data.index import read_index
    from integralaction.data.poses import PoseStore

    monkeypatch.chdir(folder)
    index, store = read_index(Path("data")), PoseStore.of(Path("data"))
    header, *rows = table(Path("data/videos.csv"))
    assert len(index.videos) == len(rows) == 36
    for video, row in zip(index.videos, rows, strict=True):
        values = [getattr(video, str(name)) for name in header]
        assert ["" if value is None else value for value in values] == row
    joints = load_file("data/poses-00000.safetensors")["joints"]
    np.testing.assert_array_equal(np.concatenate([store[video.video].joints for video in index.videos]), joints)
    before = digests("data")
    call(ANSWERS["mime"])
    call("data data")
    assert "out-of-context" in capsys.readouterr().out
    assert digests("data") == before


def test_evaluate_gives_the_same_tables(copy: str) -> None:
    """With one split's predictions made again and the other's as they lay there."""
    shutil.rmtree(f"{copy}/predictions/mime/in-context")
    shutil.rmtree(f"{copy}/results")
    others = digests(f"{copy}/predictions")
    call(f"evaluate {copy} --split in-context --device cpu")
    assert digests(f"{copy}/predictions").items() >= others.items()
    check_predictions(copy, "run", 1e-5)
    for name in ("mime.csv", "mime-classes.csv"):
        check_same(table(Path(copy, "results", name)), table(Path("run/results", name)), 1e-4, name)


def test_audit_gives_the_same_table(copy: str) -> None:
    before = table(Path(copy, "results/mime-audit.csv"))
    shutil.rmtree(f"{copy}/audit")
    call(f"audit {copy} --device cpu")
    check_same(table(Path(copy, "results/mime-audit.csv")), before, 1e-4, "audit")


def test_a_tested_run_is_reported_as_it_lies_there(copy: str) -> None:
    before = digests(copy)
    call(f"report {copy} --previews 0")
    after = digests(copy)
    assert after.pop("report.html") and after == before
    page = Path(copy, "report.html").read_text()
    header, *rows = table(Path(copy, "results/mime.csv"))
    for row in rows:
        cells = dict(zip(header, row, strict=True))
        assert f"{100 * float(cells['top1']):.1f}" in page and str(cells["method"]) in page


def test_a_recipe_in_former_names_is_told_the_new_ones(copy: str, capsys: pytest.CaptureFixture) -> None:
    assert command_line(f"train recipe.yaml --data data --out {copy}".split()) == 2
    assert "Expected model.integration.method, as it is called now; found model.method" in capsys.readouterr().err


def test_a_finished_training_stays_as_it_is(copy: str, capsys: pytest.CaptureFixture) -> None:
    before = digests(copy)
    call(f"{TRAIN} {copy}")
    assert digests(copy) == before
    assert "epoch" not in capsys.readouterr().err


def test_a_stopped_training_goes_on(folder: Path, copy: str, capsys: pytest.CaptureFixture) -> None:
    """From the last checkpoint of its second stage, to what the training came to that nothing stopped."""
    shutil.rmtree(copy)
    shutil.copytree("stopped", copy)
    call(f"{TRAIN} {copy}")
    epochs = [line.split()[:3:2] for line in capsys.readouterr().err.splitlines() if "loss" in line]
    assert epochs[:2] == [["pose-only", "21/24"], ["pose-only", "22/24"]], "Expected it to go on; it began anew."
    for stage in ("appearance-only", "pose-only", "integral", "gate-free"):
        now, before = (table(Path(root, f"stages/{stage}/log.csv")) for root in (copy, "run"))
        check_same([row[:-1] for row in now], [row[:-1] for row in before], 1e-3, stage)  # the last is the time
    call(f"evaluate {copy} --device cpu")
    check_predictions(copy, "run", 1e-3)
