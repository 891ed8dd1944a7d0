"""What later stages need is looked at before the first epoch, and before anything is written."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from toy import CLASSES, toy_recipe, write_toy_dataset

from integralaction.data.index import read_index, write_index
from integralaction.data.poses import PoseStore, write_pose_store
from integralaction.model.network import IntegralAction
from integralaction.recipe import Recipe, Stage
from integralaction.recipes import RECIPES
from integralaction.training import readiness
from integralaction.training import stages as training
from integralaction.training.run import Run
from integralaction.training.stages import train
from tests.toy import with_values

NONE = Stage(epochs=0, lr=1)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    write_toy_dataset(tmp_path / "data")
    return tmp_path / "data"


@pytest.fixture(autouse=True)
def no_stage_runs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stages are counted, not run: each leaves its model at its start."""
    begun: list[str] = []

    def run_stage(run: Run, model: Any, *_: Any) -> None:
        begun.append(model.config.method)
        training.save(model, run.model_path(model.config.method))

    monkeypatch.setattr(training, "run_stage", run_stage)
    return begun


def recipe(**changes: Any) -> Recipe:
    return with_values(toy_recipe(), **{"methods": ("integral",), **changes})


def refused(data: Path, out: Path, begun: list[str], words: str, kind: type = ValueError, **changes: Any) -> None:
    with pytest.raises(kind, match=words):
        train(recipe(**changes), data, out, "cpu")
    assert begun == [] and not out.exists()


def test_poses(data: Path, tmp_path: Path, no_stage_runs: list[str]) -> None:
    """None at all, of test videos alone, or of a skeleton from which the model's cannot be made."""
    store, index = dict(PoseStore.of(data).items()), read_index(data)
    for shard in data.glob("poses-*.safetensors"):
        shard.unlink()
    command = f"integralaction pose {data}"
    refused(data, tmp_path / "run", no_stage_runs, command)
    write_pose_store(data, [(v.video, store[v.video]) for v in index.videos if v.split != "train"])
    refused(data, tmp_path / "run", no_stage_runs, command)
    write_index(replace(index, skeleton="coco17"))
    write_pose_store(data, store.items())
    refused(data, tmp_path / "run", no_stage_runs, "Expected poses of coco17")
    write_index(index)
    other = with_values(recipe().model, skeleton="ntu25")
    refused(data, tmp_path / "run", no_stage_runs, "ntu25", model=other)
    # appearance alone needs none of it
    for shard in data.glob("poses-*.safetensors"):
        shard.unlink()
    train(recipe(methods=("appearance-only",)), data, tmp_path / "run", "cpu")
    assert no_stage_runs == ["appearance-only"]


def test_weights_to_start_from(data: Path, tmp_path: Path, no_stage_runs: list[str]) -> None:
    """ImageNet's start the pose stream too, whose depth may be another: its file is missed before stage 1."""
    model = with_values(recipe().model, width=1.0)
    model = replace(model, pose=with_values(model.pose, depth=34))
    for start in (tmp_path / "nowhere", tmp_path):
        refused(data, tmp_path / "run", no_stage_runs, "resnet18", ConnectionError, weights=str(start), model=model)
    refused(data, tmp_path / "run", no_stage_runs, "Expected width 1.0", weights=str(tmp_path))
    appearance = IntegralAction(with_values(model, classes=CLASSES)).appearance
    torch.save(appearance.backbone.state_dict(), tmp_path / "resnet18-f37072fd.pth")
    refused(data, tmp_path / "run", no_stage_runs, "resnet34", ConnectionError, weights=str(tmp_path), model=model)


def test_free_names_and_folders(data: Path, tmp_path: Path, no_stage_runs: list[str]) -> None:
    train(recipe(), data, tmp_path / "run", "cpu")
    run = Run(tmp_path / "run", recipe(), data)
    run.model_path("integral").unlink()
    no_stage_runs.clear()
    shutil.rmtree(run.stage_path("integral"))
    run.stage_path("integral").write_text("mine")
    with pytest.raises(ValueError, match="a file is there"):
        train(recipe(), data, run.root, "cpu")
    run.stage_path("integral").unlink()
    run.model_path("integral").mkdir()
    with pytest.raises(ValueError, match="is a folder"):
        train(recipe(), data, run.root, "cpu")
    assert no_stage_runs == []


def test_a_folder_that_allows_no_writing(
    data: Path, tmp_path: Path, no_stage_runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness.os, "access", lambda path, mode: "integral" not in str(path))
    with pytest.raises(PermissionError, match="allows no writing"):
        train(recipe(), data, tmp_path / "run", "cpu")
    assert no_stage_runs == []


def test_videos_without_poses_are_named_in_a_list(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    store, names = PoseStore.of(data), ("train/001.mp4", "train/004.mp4")
    write_pose_store(data, [(name, poses) for name, poses in store.items() if name not in names])
    train(recipe(), data, tmp_path / "run", "cpu")
    path = tmp_path / "run/without-poses.csv"
    assert f"2 of 9 training videos have no poses and are trained on as showing nobody; each by name: {path}" in (
        capsys.readouterr().err
    )
    assert path.read_text().split() == ["video", *names]


@pytest.mark.parametrize(
    ("text", "slow"),
    [
        ("flags\t\t: fpu sse avx2 avx512f\n", True),
        ("flags\t\t: fpu avx512f avx512_bf16\n", False),
        ("flags\t\t: fpu amx_bf16 amx_tile\n", False),
        ("Features\t: fp asimd bf16\n", False),
        ("Features\t: fp asimd\n", True),
        ("model name: it does not tell\n", False),
    ],
)
def test_bf16_without_units_is_said(
    data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    text: str,
    slow: bool,
) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(readiness, "CPUINFO", tmp_path / "cpuinfo")
    for number, precision in enumerate(("bf16-mixed", "32-true")):
        train(recipe(methods=("pose-only",), pose=NONE, precision=precision), data, tmp_path / f"run{number}", "cpu")
        assert ("no units for bfloat16" in capsys.readouterr().err) == (slow and precision == "bf16-mixed")


def test_our_own_recipes_do_not_ask_for_bf16() -> None:
    assert {make().optimizer.precision for make in RECIPES.values()} == {"32-true"}
    example = Path(__file__).parents[1] / "examples/penn_action/recipe.yaml"
    assert "bf16" not in example.read_text()
