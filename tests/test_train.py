"""The three stages: what they change, that a killed run comes to the same weights, and data-parallel training."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file
from toy import CLASSES, toy_recipe, write_toy_dataset

from integralaction.config import Recipe, Stage, to_dict
from integralaction.train import train


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("toy") / "data"
    write_toy_dataset(root)
    return root


def weights(run: Path) -> dict[str, dict[str, torch.Tensor]]:
    return {path.stem: load_file(path) for path in sorted(run.glob("*.safetensors"))}


def start(recipe: Recipe, data: Path, out: Path, *launcher: str) -> subprocess.Popen:
    """The training command in a process of its own."""
    file = out.with_suffix(".yaml")
    file.write_text(yaml.safe_dump(to_dict(recipe)))
    command = [*launcher, "-m", "integralaction", "train", str(file), "--data", str(data), "--out", str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, *command, "--device", "cpu"], stderr=subprocess.PIPE, text=True, env=environment
    )


def test_stages_hand_their_weights_on(data: Path, tmp_path: Path) -> None:
    run = train(toy_recipe(), data, tmp_path / "run", "cpu")
    made = weights(run.root)
    assert set(made) == {"appearance-only", "pose-only", "integral", "gate-free"}
    for method in ("integral", "gate-free"):
        for name, tensor in made[method].items():
            stage = "appearance-only" if name.startswith("appearance") else "pose-only"
            if name.startswith(("appearance", "pose")):
                # the frozen streams, their batch statistics too, are to the bit those of stages 1 and 2
                assert torch.equal(tensor, made[stage][name]), name
    assert run.load("integral").config.classes == CLASSES
    assert (run.stage_path("integral") / "log.csv").read_text().count("\n") == 3


def test_stage_3_frees_integration_and_classifier_only(data: Path, tmp_path: Path) -> None:
    recipe = toy_recipe()
    before = train(replace(recipe, integration=replace(recipe.integration, epochs=0)), data, tmp_path / "before", "cpu")
    after = train(recipe, data, tmp_path / "after", "cpu")
    a, b = weights(before.root)["integral"], weights(after.root)["integral"]
    changed = {name.split(".")[0] for name in a if not torch.equal(a[name], b[name])}
    assert changed == {"integration", "classifier"}


def test_same_seed_same_weights_other_seed_other_weights(data: Path, tmp_path: Path) -> None:
    first = weights(train(toy_recipe(), data, tmp_path / "a", "cpu").root)["integral"]
    again = weights(train(toy_recipe(), data, tmp_path / "b", "cpu").root)["integral"]
    other = weights(train(replace(toy_recipe(), seed=1), data, tmp_path / "c", "cpu").root)["integral"]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], other["classifier.weight"])


def test_other_settings_in_the_same_folder_are_refused(data: Path, tmp_path: Path) -> None:
    train(toy_recipe(), data, tmp_path / "run", "cpu")
    with pytest.raises(ValueError, match=r"recipe\.gate_lambda is 1\.5 there and 2\.0 here"):
        train(replace(toy_recipe(), gate_lambda=2.0), data, tmp_path / "run", "cpu")


@pytest.mark.parametrize("stage", ["appearance-only", "pose-only", "integral"])
def test_killed_run_comes_to_the_same_weights(data: Path, tmp_path: Path, stage: str) -> None:
    recipe = toy_recipe()
    recipe = replace(
        recipe,
        methods=("integral",),
        appearance=replace(recipe.appearance, epochs=4),
        pose=replace(recipe.pose, epochs=4),
        integration=replace(recipe.integration, epochs=4),
    )
    whole = start(recipe, data, tmp_path / "whole")
    assert whole.wait(120) == 0, whole.stderr.read()
    whole.stderr.close()

    killed = start(recipe, data, tmp_path / "killed")
    for line in killed.stderr:
        if line.startswith(f"{stage} ") and " 2/4 " in line:
            killed.send_signal(signal.SIGKILL)
            break
    assert killed.wait(10) == -signal.SIGKILL
    killed.stderr.close()
    assert not (tmp_path / "killed" / f"{stage}.safetensors").exists()

    resumed = start(recipe, data, tmp_path / "killed")
    log = resumed.stderr.read()
    assert resumed.wait(120) == 0, log
    resumed.stderr.close()
    assert f"{stage:<16}  epoch  1/4" not in log  # it went on, it did not begin again
    a, b = weights(tmp_path / "whole"), weights(tmp_path / "killed")
    for method in a:
        for name in a[method]:
            assert torch.equal(a[method][name], b[method][name]), (method, name)
    rows = [line.split(",")[:-1] for line in (tmp_path / "killed/stages" / stage / "log.csv").read_text().splitlines()]
    assert rows == [
        line.split(",")[:-1] for line in (tmp_path / "whole/stages" / stage / "log.csv").read_text().splitlines()
    ]


@pytest.mark.parametrize("stages", [(1, 2), (3,)])
def test_two_processes_are_one_that_accumulates(data: Path, tmp_path: Path, stages: tuple[int, ...]) -> None:
    recipe = replace(toy_recipe(), methods=("integral",))
    if stages == (3,):  # on streams at their start, whose batch statistics are the same for one and for two
        recipe = replace(recipe, appearance=replace(recipe.appearance, epochs=0), pose=replace(recipe.pose, epochs=0))
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--master-addr=127.0.0.1")
    two = start(recipe, data, tmp_path / "two", *launcher, f"--master-port={_port()}")
    log = two.stderr.read()
    assert two.wait(120) == 0, log
    two.stderr.close()
    a = weights(tmp_path / "two")
    b = weights(train(replace(recipe, accumulate=2), data, tmp_path / "one", "cpu").root)
    for method in ("appearance-only", "pose-only") if stages == (1, 2) else ("integral",):
        for name, tensor in a[method].items():
            if name.endswith("num_batches_tracked"):
                # two processes keep the statistics of the first, which saw every second slice
                trained = stages == (1, 2) or "gate" in name
                assert b[method][name] == 2 * tensor and (tensor > 0) == trained, name
            elif "running" not in name:
                torch.testing.assert_close(tensor, b[method][name], rtol=0, atol=1e-5)


def _port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_training_learns(data: Path, tmp_path: Path) -> None:
    recipe = toy_recipe()
    recipe = replace(recipe, methods=("integral",), appearance=Stage(epochs=15, lr=0.01), augment=False)
    recipe = replace(recipe, pose=replace(recipe.pose, epochs=0), integration=replace(recipe.integration, epochs=0))
    run = train(recipe, data, tmp_path / "run", "cpu")
    last = (run.stage_path("appearance-only") / "log.csv").read_text().splitlines()[-1].split(",")
    assert float(last[4]) == 1.0  # colour tells the class


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_features_are_computed_once_where_there_is_no_augmentation(data: Path, tmp_path: Path, precision: str) -> None:
    recipe = replace(toy_recipe(), augment_integration=False, precision=precision)
    made = weights(train(recipe, data, tmp_path / "run", "cpu").root)
    for method in ("integral", "gate-free"):
        streams = {n: t for n, t in made[method].items() if n.startswith(("appearance", "pose"))}
        singles = made["appearance-only"] | made["pose-only"]
        assert all(torch.equal(tensor, singles[name]) for name, tensor in streams.items())
        assert all(torch.isfinite(tensor).all() for tensor in made[method].values())
    # the gate's own batch statistics are learnt in stage 3
    assert made["integral"]["integration.gate.norm.num_batches_tracked"] == 6


def test_ctrl_c_is_a_sentence_and_loses_nothing(data: Path, tmp_path: Path) -> None:
    recipe = toy_recipe()
    running = start(replace(recipe, appearance=replace(recipe.appearance, epochs=500)), data, tmp_path / "run")
    for line in running.stderr:
        if " 2/500 " in line:
            running.send_signal(signal.SIGINT)
            break
    rest = running.stderr.read()
    assert running.wait(30) == 1, rest
    running.stderr.close()
    assert "integralaction: stopped; the same command continues where it was." in rest
    assert "Traceback" not in rest
    assert (tmp_path / "run/stages/appearance-only/last.ckpt").is_file()
    assert not (tmp_path / "run/appearance-only.safetensors").exists()
