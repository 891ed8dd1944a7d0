"""Stages that runs have in common: taken where they are the same, trained again where anything differs."""

import re
import shutil
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from toy import toy_recipe, write_toy_dataset

from integralaction.data.index import read_index, write_index
from integralaction.data.poses import PoseStore, write_pose_store
from integralaction.recipe import Recipe, Stage
from integralaction.settings import change_settings, leaves, to_dict
from integralaction.training import features as training
from integralaction.training.run import Run
from integralaction.training.shared import SharedStages, stage_recipe
from integralaction.training.stages import train
from tests.toy import with_values

STREAMS = ("appearance-only", "pose-only")
NONE = Stage(epochs=0, lr=1)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("toy") / "data"
    write_toy_dataset(root)
    return root


def recipe(**changes: Any) -> Recipe:
    return with_values(toy_recipe(), methods=("integral",), **changes)


def recipe_of_no_epochs(**changes: Any) -> Recipe:
    """No epochs: enough to see what is taken and what is made."""
    return recipe(**({"appearance": NONE, "pose": NONE, "integration": NONE} | changes))


def weights(run: Run) -> dict[str, dict[str, torch.Tensor]]:
    return {path.stem: load_file(path) for path in sorted(run.root.glob("*.safetensors"))}


def are_equal(first: Run, second: Run) -> bool:
    """To the bit, every model of both runs."""
    a, b = weights(first), weights(second)
    assert a.keys() == b.keys() and all(a[method].keys() == b[method].keys() for method in a)
    return all(torch.equal(tensor, b[method][name]) for method in a for name, tensor in a[method].items())


def stages_taken(err: str) -> list[str]:
    """The stages of which standard error says that they were there."""
    return [line.split(":")[0] for line in err.splitlines() if line.endswith("trained before with these settings")]


def stages_trained(err: str) -> set[str]:
    """The stages of which standard error tells an epoch."""
    return {line.split()[0] for line in err.splitlines() if "  epoch " in line}


def stages(stage_folder: Path) -> set[str]:
    return {path.name for path in stage_folder.iterdir() if path.is_dir()}


def test_a_second_training_takes_the_streams(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    first = train(recipe(), data, tmp_path / "first", "cpu", stage_folder=tmp_path / "shared")
    err = capsys.readouterr().err
    assert stages_taken(err) == [] and stages_trained(err) == {*STREAMS, "integral"}

    changed_recipe = recipe(gate_lambda=5.0, name="other")
    second = train(changed_recipe, data, tmp_path / "second", "cpu", stage_folder=tmp_path / "shared")
    err = capsys.readouterr().err
    assert stages_taken(err) == list(STREAMS) and stages_trained(err) == {"integral"}
    for stage in STREAMS:
        assert not (second.stage_path(stage) / "last.ckpt").exists()
        log = (first.stage_path(stage) / "log.csv").read_bytes()
        assert (second.stage_path(stage) / "log.csv").read_bytes() == log and log.count(b"\n") == 3
        assert second.model_path(stage).read_bytes() == first.model_path(stage).read_bytes()

    alone = train(changed_recipe, data, tmp_path / "alone", "cpu")
    assert stages_trained(capsys.readouterr().err) == {*STREAMS, "integral"}
    assert are_equal(second, alone)
    assert not are_equal(first, second)  # λ tells in stage 3


def test_a_finished_run_is_left_as_it_is(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = train(recipe_of_no_epochs(), data, tmp_path / "run", "cpu")
    train(recipe_of_no_epochs(seed=1), data, tmp_path / "other", "cpu", stage_folder=tmp_path / "shared")
    before = {path: path.stat().st_mtime_ns for path in run.root.rglob("*.safetensors")}
    capsys.readouterr()
    train(recipe_of_no_epochs(), data, tmp_path / "run", "cpu", stage_folder=tmp_path / "shared")
    assert stages_taken(capsys.readouterr().err) == []
    assert {path: path.stat().st_mtime_ns for path in run.root.rglob("*.safetensors")} == before


APPEARANCE, POSE = STREAMS
OTHERS: dict[str, tuple[Any, tuple[str, ...]]] = {  # another value, the stages that it makes others
    "name": ("other", ()),
    "methods": (("gate-free", "feature-fuse"), ()),
    "stages.appearance": (Stage(epochs=2, lr=0.04), (APPEARANCE,)),
    "stages.pose": (Stage(epochs=2, lr=0.05, milestones=(1,)), (POSE,)),
    "stages.integration": (Stage(epochs=9, lr=1.0), ()),
    "stages.strategy": ("fine-tuned", ()),
    "stages.gate_lambda": (5.0, ()),
    "stages.gate_prior": ("trust", ()),
    "optimizer.batch_size": (2, STREAMS),
    "optimizer.accumulate": (2, STREAMS),
    "optimizer.momentum": (0.8, STREAMS),
    "optimizer.weight_decay": (0.0, STREAMS),
    "optimizer.precision": ("bf16-mixed", STREAMS),
    "start.weights": ("imagenet", STREAMS),
    "start.init": ("mime", STREAMS),
    "start.head": ("new", STREAMS),
    "loading.augment": (False, STREAMS),
    "loading.augment_integration": (False, ()),
    "loading.workers": (1, ()),
    "loading.preload": (True, ()),
    "loading.max_failed": (0.5, ()),
    "seed": (1, STREAMS),
    "model.classes": (("a", "b"), STREAMS),
    "model.vote": ("logits", STREAMS),
    "model.clip.frames": (4, STREAMS),
    "model.clip.stride": (4, STREAMS),
    "model.clip.size": (64, STREAMS),
    "model.clip.pose_frame_factor": (2, STREAMS),
    "model.clip.pose_pooling": ("convolution", STREAMS),
    "model.appearance.mean": ((0.0, 0.0, 0.0), (APPEARANCE,)),
    "model.appearance.deviation": ((1.0, 1.0, 1.0), (APPEARANCE,)),
    "model.appearance.backbone.depth": (50, (APPEARANCE,)),
    "model.appearance.backbone.width": (0.25, (APPEARANCE,)),
    "model.appearance.backbone.shift": (4, (APPEARANCE,)),
    "model.appearance.backbone.shift_first": ("previous", (APPEARANCE,)),
    "model.pose.backbone.depth": (34, (POSE,)),
    "model.pose.backbone.width": (0.25, (POSE,)),
    "model.pose.backbone.shift": (4, (POSE,)),
    "model.pose.backbone.shift_first": ("previous", (POSE,)),
    "model.pose.skeleton": ("coco17", (POSE,)),
    "model.pose.input": ("pafs", (POSE,)),
    "model.integration.channels": (16, ()),
    "model.integration.alignment": ("batch", ()),
    "model.integration.gate_norm": (False, ()),
    "model.integration.score_weight": (0.3, ()),
    "model.integration.stream_answers": (False, ()),
}


def test_every_setting_is_thought_of() -> None:
    stage = "stages.(appearance|pose|integration)"
    names = {re.sub(rf"^({stage})\..*", r"\1", name) for name, _ in leaves(to_dict(Recipe()))}
    assert OTHERS.keys() == names - {"model.integration.method"}, "say which stages a new setting makes others"


@pytest.mark.parametrize("name", OTHERS)
def test_a_setting_that_matters_gives_another_key(name: str) -> None:
    shared_stages, base = SharedStages(Path("shared"), "data"), recipe()
    if name == "model.clip.pose_pooling":  # it says something where there are more pose frames than frames
        base = with_values(base, pose_frame_factor=2)
    value, stages = OTHERS[name]
    changed_recipe = change_settings(base, {name: asdict(value) if isinstance(value, Stage) else value}, "test")
    assert changed_recipe != base
    assert {
        stage for stage in STREAMS if shared_stages.key(base, stage) != shared_stages.key(changed_recipe, stage)
    } == set(stages)


def test_stage_and_data_are_in_the_key() -> None:
    first, second = SharedStages(Path("shared"), "data"), SharedStages(Path("shared"), "others")
    keys = [shared_stages.key(recipe(), stage) for shared_stages in (first, second) for stage in STREAMS]
    assert len(set(keys)) == 4
    assert SharedStages(Path("elsewhere"), "data").key(recipe(), "pose-only") == keys[1]


@pytest.mark.parametrize("stage", STREAMS)
def test_a_stage_as_a_recipe_is_that_stage(data: Path, tmp_path: Path, stage: str) -> None:
    """What the folder says of a stage, trained as a recipe of its own, gives the stage's weights."""
    whole = train(recipe(), data, tmp_path / "whole", "cpu")
    of_stage = stage_recipe(whole.recipe, stage)
    assert of_stage.methods == (stage,)
    run = train(with_values(of_stage, workers=0), data, tmp_path / "stage", "cpu")
    a, b = weights(whole)[stage], weights(run)[stage]
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_other_training_data_are_other_stages(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Another label, another row, other poses: each makes both stages again."""
    index, stage_folder = read_index(data), tmp_path / "shared"
    train(recipe_of_no_epochs(), data, tmp_path / "first", "cpu", stage_folder=stage_folder)
    names_after = [stages(stage_folder)]
    assert len(names_after[0]) == 2
    first, *others = index.videos
    for name, videos in {"label": (replace(first, label="still"), *others), "fewer": tuple(others)}.items():
        write_index(replace(index, root=tmp_path / name, videos=videos, video_root=str(data)))
        for shard in data.glob("poses-*.safetensors"):
            shutil.copy2(shard, tmp_path / name)
        capsys.readouterr()
        train(recipe_of_no_epochs(), tmp_path / name, tmp_path / f"run-{name}", "cpu", stage_folder=stage_folder)
        assert stages_taken(capsys.readouterr().err) == []
        names_after.append(stages(stage_folder))
    write_index(replace(index, root=tmp_path / "poses", video_root=str(data)))
    moved = [
        (name, replace(poses, joints=poses.joints + np.float32([1, 0, 0])))
        for name, poses in PoseStore.of(data).items()
    ]
    write_pose_store(tmp_path / "poses", moved)
    train(recipe_of_no_epochs(), tmp_path / "poses", tmp_path / "run-poses", "cpu", stage_folder=stage_folder)
    names_after.append(stages(stage_folder))
    assert [len(names) for names in names_after] == [2, 4, 6, 8]
    # and where only the test videos differ, they are the same
    tests = tuple(video for video in index.videos if video.split in ("train", "in-context"))
    write_index(replace(index, root=tmp_path / "tests", videos=tests, video_root=str(data)))
    for shard in data.glob("poses-*.safetensors"):
        shutil.copy2(shard, tmp_path / "tests")
    capsys.readouterr()
    train(recipe_of_no_epochs(), tmp_path / "tests", tmp_path / "run-tests", "cpu", stage_folder=stage_folder)
    assert stages_taken(capsys.readouterr().err) == list(STREAMS) and stages(stage_folder) == names_after[-1]


def test_other_weights_to_start_from_are_other_stages(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Also where they lie under the same name."""
    source = tmp_path / "source.safetensors"
    runs = []
    for seed in (0, 1):
        start = train(recipe_of_no_epochs(seed=seed), data, tmp_path / f"start-{seed}", "cpu")
        shutil.copyfile(start.model_path("integral"), source)
        capsys.readouterr()
        runs.append(
            train(
                recipe_of_no_epochs(init=str(source)),
                data,
                tmp_path / f"{seed}",
                "cpu",
                stage_folder=tmp_path / "shared",
            )
        )
        assert stages_taken(capsys.readouterr().err) == []
    again = train(
        recipe_of_no_epochs(init=str(source)), data, tmp_path / "again", "cpu", stage_folder=tmp_path / "shared"
    )
    assert stages_taken(capsys.readouterr().err) == list(STREAMS)
    assert are_equal(again, runs[1]) and not are_equal(*runs)


def test_a_half_written_stage_is_not_taken(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    stage_folder = tmp_path / "shared"
    whole = train(recipe(), data, tmp_path / "whole", "cpu", stage_folder=stage_folder)
    for folder in list(stage_folder.iterdir()):  # as if its writer had been stopped before the last step
        folder.rename(folder.with_name(f"{folder.name}.part"))
        for path in folder.with_name(f"{folder.name}.part").glob("*.safetensors"):
            path.write_bytes(path.read_bytes()[:1000])
    capsys.readouterr()
    again = train(recipe(), data, tmp_path / "again", "cpu", stage_folder=stage_folder)
    err = capsys.readouterr().err
    assert stages_taken(err) == [] and stages_trained(err) == {*STREAMS, "integral"}
    assert are_equal(whole, again)
    assert len(stages(stage_folder)) == 2 and not list(stage_folder.rglob("*.part"))


def test_what_is_kept_is_the_stage_of_the_run(data: Path, tmp_path: Path) -> None:
    stage_folder = tmp_path / "shared"
    run = train(recipe_of_no_epochs(), data, tmp_path / "run", "cpu", stage_folder=stage_folder)
    folders = {}
    for folder in stage_folder.iterdir():
        (model,) = folder.glob("*.safetensors")
        folders[model.stem] = folder
        assert model.read_bytes() == run.model_path(model.stem).read_bytes()
        assert "methods:" in (folder / "settings.yaml").read_text()
    assert set(folders) == set(STREAMS)


def test_a_stage_that_is_not_there_is_not_taken(data: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run", recipe(), data)
    assert not SharedStages(tmp_path / "shared", "data").take(run, "pose-only")
    assert not run.model_path("pose-only").exists()


def test_features_are_computed_once_for_all_runs(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    stage_folder, cached = tmp_path / "shared", recipe(augment_integration=False)
    calls = []
    compute = training.stream_features

    def counted(*arguments: Any) -> dict[str, torch.Tensor]:
        calls.append(1)
        return compute(*arguments)

    monkeypatch.setattr(training, "stream_features", counted)
    first = train(cached, data, tmp_path / "first", "cpu", stage_folder=stage_folder)
    (file,) = stage_folder.glob("*.safetensors")
    assert len(calls) == 1
    second = train(with_values(cached, name="again"), data, tmp_path / "second", "cpu", stage_folder=stage_folder)
    assert len(calls) == 1 and are_equal(first, second)
    changed_recipe = with_values(cached, gate_lambda=5.0)
    third = train(changed_recipe, data, tmp_path / "third", "cpu", stage_folder=stage_folder)
    assert len(calls) == 1
    alone = train(changed_recipe, data, tmp_path / "alone", "cpu")
    assert len(calls) == 2 and are_equal(third, alone) and not are_equal(first, third)

    file.rename(file.with_suffix(".part"))  # half-written
    file.with_suffix(".part").write_bytes(b"half")
    train(cached, data, tmp_path / "fourth", "cpu", stage_folder=stage_folder)
    assert len(calls) == 3 and load_file(file)["labels"].shape == (9,)
    # features of other streams are others
    train(
        with_values(cached, pose=replace(cached.stages.pose, lr=0.01)),
        data,
        tmp_path / "fifth",
        "cpu",
        stage_folder=stage_folder,
    )
    assert len(calls) == 4 and len(list(stage_folder.glob("*.safetensors"))) == 2
    # and streams that see augmented clips have none
    train(recipe(), data, tmp_path / "sixth", "cpu", stage_folder=stage_folder)
    assert len(calls) == 4 and len(list(stage_folder.glob("*.safetensors"))) == 2
    assert first.recipe.loading.augment_integration is False
