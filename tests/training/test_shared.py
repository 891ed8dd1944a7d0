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


def untrained(**changes: Any) -> Recipe:
    """No epochs: enough to see what is taken and what is made."""
    return recipe(**({"appearance": NONE, "pose": NONE, "integration": NONE} | changes))


def weights(run: Run) -> dict[str, dict[str, torch.Tensor]]:
    return {path.stem: load_file(path) for path in sorted(run.root.glob("*.safetensors"))}


def are_equal(one: Run, other: Run) -> bool:
    """To the bit, every model of both runs."""
    a, b = weights(one), weights(other)
    assert a.keys() == b.keys() and all(a[method].keys() == b[method].keys() for method in a)
    return all(torch.equal(tensor, b[method][name]) for method in a for name, tensor in a[method].items())


def taken(err: str) -> list[str]:
    """The stages of which standard error says that they were there."""
    return [line.split(":")[0] for line in err.splitlines() if line.endswith("trained before with these settings")]


def trained(err: str) -> set[str]:
    """The stages of which standard error tells an epoch."""
    return {line.split()[0] for line in err.splitlines() if "  epoch " in line}


def stages(shared: Path) -> set[str]:
    return {path.name for path in shared.iterdir() if path.is_dir()}


def test_a_second_training_takes_the_streams(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    first = train(recipe(), data, tmp_path / "first", "cpu", shared=tmp_path / "shared")
    err = capsys.readouterr().err
    assert taken(err) == [] and trained(err) == {*STREAMS, "integral"}

    other = recipe(gate_lambda=5.0, name="other")
    second = train(other, data, tmp_path / "second", "cpu", shared=tmp_path / "shared")
    err = capsys.readouterr().err
    assert taken(err) == list(STREAMS) and trained(err) == {"integral"}
    for stage in STREAMS:
        assert not (second.stage_path(stage) / "last.ckpt").exists()
        log = (first.stage_path(stage) / "log.csv").read_bytes()
        assert (second.stage_path(stage) / "log.csv").read_bytes() == log and log.count(b"\n") == 3
        assert second.model_path(stage).read_bytes() == first.model_path(stage).read_bytes()

    alone = train(other, data, tmp_path / "alone", "cpu")
    assert trained(capsys.readouterr().err) == {*STREAMS, "integral"}
    assert are_equal(second, alone)
    assert not are_equal(first, second)  # λ tells in stage 3


def test_a_finished_run_is_left_as_it_is(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = train(untrained(), data, tmp_path / "run", "cpu")
    train(untrained(seed=1), data, tmp_path / "other", "cpu", shared=tmp_path / "shared")
    before = {path: path.stat().st_mtime_ns for path in run.root.rglob("*.safetensors")}
    capsys.readouterr()
    train(untrained(), data, tmp_path / "run", "cpu", shared=tmp_path / "shared")
    assert taken(capsys.readouterr().err) == []
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
    shared, base = SharedStages(Path("shared"), "data"), recipe()
    if name == "model.clip.pose_pooling":  # it says something where there are more pose frames than frames
        base = with_values(base, pose_frame_factor=2)
    value, stages = OTHERS[name]
    other = change_settings(base, {name: asdict(value) if isinstance(value, Stage) else value}, "test")
    assert other != base
    assert {stage for stage in STREAMS if shared.key(base, stage) != shared.key(other, stage)} == set(stages)


def test_stage_and_data_are_in_the_key() -> None:
    one, other = SharedStages(Path("shared"), "data"), SharedStages(Path("shared"), "others")
    keys = [shared.key(recipe(), stage) for shared in (one, other) for stage in STREAMS]
    assert len(set(keys)) == 4
    assert SharedStages(Path("elsewhere"), "data").key(recipe(), "pose-only") == keys[1]


@pytest.mark.parametrize("stage", STREAMS)
def test_a_stage_as_a_recipe_is_that_stage(data: Path, tmp_path: Path, stage: str) -> None:
    """What the folder says of a stage, trained as a recipe of its own, gives the stage's weights."""
    whole = train(recipe(), data, tmp_path / "whole", "cpu")
    own = stage_recipe(whole.recipe, stage)
    assert own.methods == (stage,)
    run = train(with_values(own, workers=0), data, tmp_path / "stage", "cpu")
    a, b = weights(whole)[stage], weights(run)[stage]
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_other_training_data_are_other_stages(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Another label, another row, other poses: each makes both stages again."""
    index, made = read_index(data), tmp_path / "shared"
    train(untrained(), data, tmp_path / "first", "cpu", shared=made)
    seen = [stages(made)]
    assert len(seen[0]) == 2
    first, *rest = index.videos
    for name, videos in {"label": (replace(first, label="still"), *rest), "fewer": tuple(rest)}.items():
        write_index(replace(index, root=tmp_path / name, videos=videos, video_root=str(data)))
        for shard in data.glob("poses-*.safetensors"):
            shutil.copy2(shard, tmp_path / name)
        capsys.readouterr()
        train(untrained(), tmp_path / name, tmp_path / f"run-{name}", "cpu", shared=made)
        assert taken(capsys.readouterr().err) == []
        seen.append(stages(made))
    write_index(replace(index, root=tmp_path / "poses", video_root=str(data)))
    moved = [
        (name, replace(poses, joints=poses.joints + np.float32([1, 0, 0])))
        for name, poses in PoseStore.of(data).items()
    ]
    write_pose_store(tmp_path / "poses", moved)
    train(untrained(), tmp_path / "poses", tmp_path / "run-poses", "cpu", shared=made)
    seen.append(stages(made))
    assert [len(names) for names in seen] == [2, 4, 6, 8]
    # and where only the test videos differ, they are the same
    tests = tuple(video for video in index.videos if video.split in ("train", "in-context"))
    write_index(replace(index, root=tmp_path / "tests", videos=tests, video_root=str(data)))
    for shard in data.glob("poses-*.safetensors"):
        shutil.copy2(shard, tmp_path / "tests")
    capsys.readouterr()
    train(untrained(), tmp_path / "tests", tmp_path / "run-tests", "cpu", shared=made)
    assert taken(capsys.readouterr().err) == list(STREAMS) and stages(made) == seen[-1]


def test_other_weights_to_start_from_are_other_stages(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """Also where they lie under the same name."""
    source = tmp_path / "source.safetensors"
    runs = []
    for seed in (0, 1):
        start = train(untrained(seed=seed), data, tmp_path / f"start-{seed}", "cpu")
        shutil.copyfile(start.model_path("integral"), source)
        capsys.readouterr()
        runs.append(train(untrained(init=str(source)), data, tmp_path / f"{seed}", "cpu", shared=tmp_path / "shared"))
        assert taken(capsys.readouterr().err) == []
    again = train(untrained(init=str(source)), data, tmp_path / "again", "cpu", shared=tmp_path / "shared")
    assert taken(capsys.readouterr().err) == list(STREAMS)
    assert are_equal(again, runs[1]) and not are_equal(*runs)


def test_a_half_written_stage_is_not_taken(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    made = tmp_path / "shared"
    whole = train(recipe(), data, tmp_path / "whole", "cpu", shared=made)
    for folder in list(made.iterdir()):  # as if its writer had been stopped before the last step
        folder.rename(folder.with_name(f"{folder.name}.part"))
        for path in folder.with_name(f"{folder.name}.part").glob("*.safetensors"):
            path.write_bytes(path.read_bytes()[:1000])
    capsys.readouterr()
    again = train(recipe(), data, tmp_path / "again", "cpu", shared=made)
    err = capsys.readouterr().err
    assert taken(err) == [] and trained(err) == {*STREAMS, "integral"}
    assert are_equal(whole, again)
    assert len(stages(made)) == 2 and not list(made.rglob("*.part"))


def test_what_is_kept_is_the_stage_of_the_run(data: Path, tmp_path: Path) -> None:
    made = tmp_path / "shared"
    run = train(untrained(), data, tmp_path / "run", "cpu", shared=made)
    found = {}
    for folder in made.iterdir():
        (model,) = folder.glob("*.safetensors")
        found[model.stem] = folder
        assert model.read_bytes() == run.model_path(model.stem).read_bytes()
        assert "methods:" in (folder / "settings.yaml").read_text()
    assert set(found) == set(STREAMS)


def test_a_stage_that_is_not_there_is_not_taken(data: Path, tmp_path: Path) -> None:
    run = Run(tmp_path / "run", recipe(), data)
    assert not SharedStages(tmp_path / "shared", "data").take(run, "pose-only")
    assert not run.model_path("pose-only").exists()


def test_features_are_computed_once_for_all_runs(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    made, cached = tmp_path / "shared", recipe(augment_integration=False)
    calls = []
    compute = training.stream_features

    def counted(*arguments: Any) -> dict[str, torch.Tensor]:
        calls.append(1)
        return compute(*arguments)

    monkeypatch.setattr(training, "stream_features", counted)
    first = train(cached, data, tmp_path / "first", "cpu", shared=made)
    (file,) = made.glob("*.safetensors")
    assert len(calls) == 1
    second = train(with_values(cached, name="again"), data, tmp_path / "second", "cpu", shared=made)
    assert len(calls) == 1 and are_equal(first, second)
    other = with_values(cached, gate_lambda=5.0)
    third = train(other, data, tmp_path / "third", "cpu", shared=made)
    assert len(calls) == 1
    alone = train(other, data, tmp_path / "alone", "cpu")
    assert len(calls) == 2 and are_equal(third, alone) and not are_equal(first, third)

    file.rename(file.with_suffix(".part"))  # half-written
    file.with_suffix(".part").write_bytes(b"half")
    train(cached, data, tmp_path / "fourth", "cpu", shared=made)
    assert len(calls) == 3 and load_file(file)["labels"].shape == (9,)
    # features of other streams are others
    train(with_values(cached, pose=replace(cached.stages.pose, lr=0.01)), data, tmp_path / "fifth", "cpu", shared=made)
    assert len(calls) == 4 and len(list(made.glob("*.safetensors"))) == 2
    # and streams that see augmented clips have none
    train(recipe(), data, tmp_path / "sixth", "cpu", shared=made)
    assert len(calls) == 4 and len(list(made.glob("*.safetensors"))) == 2
    assert first.recipe.loading.augment_integration is False
