"""The command that converts: an account of every tensor, two streams put together, weights to start from."""

import csv
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from checkpoints.snapshots import make, mit, recipe_tensor, released_file, released_shapes, resnet_shapes
from toy import CLASSES, toy_recipe, write_toy_dataset

from integralaction.checkpoints.hub import save_pretrained
from integralaction.checkpoints.tensors import read_tensors
from integralaction.cli.main import run
from integralaction.model.network import IntegralAction
from integralaction.models import load_model
from integralaction.training.stages import train
from integralaction.training.warm_start import match_config_to_weights, new_model
from tests.toy import with_values


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("released") / "snapshot.pth.tar"
    torch.save(released_file(make(released_shapes(classes=3))), path)
    return path


def test_convert_accounts_for_every_tensor(snapshot: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "names.txt").write_text("\n".join(CLASSES))
    out = tmp_path / "out"
    assert run(["convert", str(snapshot), "--out", str(out), "--classes", str(tmp_path / "names.txt")]) == 0
    printed = capsys.readouterr().out
    assert "276 tensors: 263 taken, 13 left out, none else." in printed
    counts = [int(line.split()[1]) for line in printed.splitlines() if line.startswith("  ")]
    assert sum(counts) == 276
    rows = list(csv.DictReader((out / "conversion.csv").read_text().splitlines()))
    assert [row["key"] for row in rows] == list(read_tensors(snapshot)[0])
    loaded = load_model(out)
    assert loaded.config.classes == CLASSES and loaded.config.appearance.backbone.shift == 4
    first = {name: tensor.clone() for name, tensor in loaded.state_dict().items()}
    direct = load_model(snapshot, classes=CLASSES).state_dict()
    assert first.keys() == direct.keys() and all(torch.equal(first[name], direct[name]) for name in first)
    # once more, into the same folder; and a model that is ours already
    assert run(["convert", str(snapshot), "--out", str(out)]) == 2
    assert "already. Give another --out" in capsys.readouterr().err
    assert run(["convert", str(out / "model.safetensors")]) == 2
    assert "is a model of this project already" in capsys.readouterr().err
    (tmp_path / "file").write_text("mine")
    assert run(["convert", str(snapshot), "--out", str(tmp_path / "file")]) == 2
    captured = capsys.readouterr()
    assert "is a file. Give another --out" in captured.err and not captured.out
    assert run(["convert", str(snapshot), "--frames", "-1"]) == 2
    assert "Expected frames of at least 1; found -1." in capsys.readouterr().err


def test_convert_writes_nothing_without_a_folder(snapshot: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["convert", str(snapshot), "--mode", "pose_only", "--pose-frame-factor", "4"]) == 0
    printed = capsys.readouterr().out
    assert "Nothing was written" in printed and "29 pose frames" in printed
    assert run(["convert", str(snapshot), "--classes", str(tmp_path / "none.txt")]) == 2
    assert "Expected a text file with a name a line" in capsys.readouterr().err


def test_two_streams_become_the_start_of_stage_3(snapshot: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    shapes = released_shapes(50, 18, 52, 3, 2048)
    torch.save(released_file(make(shapes)), tmp_path / "appearance.pth")
    out = tmp_path / "both"
    assert run(["convert", str(tmp_path / "appearance.pth"), str(snapshot), "--out", str(out)]) == 0
    merged = load_model(out)
    assert (merged.config.method, merged.config.appearance.backbone.depth) == ("score-average", 50)
    a = load_model(tmp_path / "appearance.pth", mode="rgb_only")
    p = load_model(snapshot, mode="pose_only")
    frames, joints = torch.rand(1, 8, 3, 224, 224), torch.rand(1, 8, 2, 18, 3) * torch.tensor([224, 224, 1])
    with torch.no_grad():
        output = merged(frames, joints)
        assert torch.equal(output.appearance_probabilities, a(frames, None).probabilities)
        alone = p(None, joints)
    assert torch.allclose(output.pose_probabilities, alone.probabilities, atol=1e-5)
    # the other way round, and streams of other clips
    assert run(["convert", str(snapshot), str(tmp_path / "appearance.pth")]) == 2
    assert "classifier on 512 features for mode pose_only" in capsys.readouterr().err
    tsm = {**resnet_shapes(18), "fc.weight": (3, 512), "fc.bias": (3,)}
    torch.save(mit(make(tsm), 18), tmp_path / "tsm_shift8_segment16.pth")
    assert run(["convert", str(tmp_path / "tsm_shift8_segment16.pth"), str(snapshot)]) == 2
    error = capsys.readouterr().err
    assert "found: clip.frames is 16 and 8. Train one of them" in error
    assert run(["convert", str(snapshot), str(snapshot), "--mode", "pose_only"]) == 2
    assert "Expected no mode and no word on the gate for two files" in capsys.readouterr().err
    assert run(["convert", str(tmp_path / "appearance.pth"), str(snapshot), "--no-pose-gate"]) == 2


# ---- weights to start from


def released_toy(classes: tuple[str, ...], method: str = "integral") -> IntegralAction:
    """A small model of the released flavour with weights that differ from any start."""
    config = with_values(
        toy_recipe().model.of_method(method),
        classes=classes,
        shift=4,
        shift_first="previous",
        mean=(0.0,) * 3,
        deviation=(1.0,) * 3,
        alignment="batch-layer",
        gate_norm=False,
        vote="logits",
        pose_frame_factor=2,
        pose_pooling="convolution",
    )
    model = IntegralAction(config).eval()
    weights = {name: recipe_tensor(name, tuple(t.shape)).to(t.dtype) for name, t in model.state_dict().items()}
    model.load_state_dict(weights)
    return model


def test_training_starts_from_a_model_with_its_settings(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_toy_dataset(tmp_path / "data")
    save_pretrained(released_toy(CLASSES), tmp_path / "init")
    recipe = with_values(toy_recipe(), methods=("integral",), init=str(tmp_path / "init"))
    recipe = with_values(
        recipe, appearance=replace(recipe.stages.appearance, epochs=0), pose=replace(recipe.stages.pose, epochs=0)
    )
    first_run = train(recipe, tmp_path / "data", tmp_path / "run", "cpu")
    init, final = load_model(tmp_path / "init"), first_run.load("integral")
    assert final.config == init.config
    assert (
        "model.appearance.backbone.shift=4, model.appearance.backbone.shift_first=previous" in capsys.readouterr().err
    )
    assert final.config.clip.pose_frames == 3
    before, after = init.state_dict(), final.state_dict()
    streams = [name for name in before if name.startswith(("appearance", "pose.", "pose_classifier"))]
    assert all(torch.equal(before[name], after[name]) for name in streams)  # stage 3 leaves them, batch statistics too
    for part in ("pose_pooling.conv.weight", "integration.gate.conv.weight", "classifier.weight"):
        assert not torch.equal(before[part], after[part]), part
    shutil.rmtree(tmp_path / "init")  # the run has its own copy
    second_run = train(recipe, tmp_path / "data", tmp_path / "run", "cpu")
    assert second_run.recipe.model == first_run.recipe.model


def test_other_classes_need_new_heads(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_toy_dataset(tmp_path / "data")
    save_pretrained(released_toy(("x", "y", "z", "w")), tmp_path / "init")
    arguments = ["train", "mime-demo", "--data", str(tmp_path / "data"), "--out", str(tmp_path / "run")]
    arguments += [
        "--device",
        "cpu",
        "stages.appearance.epochs=1",
        "stages.pose.epochs=0",
        "stages.integration.epochs=0",
        "start.weights=random",
    ]
    assert run([*arguments, "--head", "new"]) == 2
    assert "Expected --init beside --head new" in capsys.readouterr().err
    assert run([*arguments, "--init", str(tmp_path / "init")]) == 2
    assert "Give --head new to start new classifiers" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    command = [*arguments, "--init", str(tmp_path / "init"), "--head", "new", "model.appearance.backbone.shift=8"]
    assert run(command) == 2
    assert "need, model.appearance.backbone.shift=4; found others" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    assert run([*arguments, "--init", str(tmp_path / "init"), "--head", "new"]) == 0
    assert "pose-only: 0 epochs, and its classifier is new: it answers by chance" in capsys.readouterr().err
    final = load_model(tmp_path / "run")
    assert final.config.classes == CLASSES and final.config.appearance.backbone.shift == 4
    init = load_model(tmp_path / "init")
    assert torch.equal(final.get_submodule("pose").front_end[0].weight, init.get_submodule("pose").front_end[0].weight)


def test_weights_of_single_frames_start_the_recipes_clips(tmp_path: Path) -> None:
    torch.save(make({**resnet_shapes(18), "fc.weight": (10, 512), "fc.bias": (10,)}), tmp_path / "resnet18.pth")
    recipe = with_values(
        toy_recipe(),
        model=with_values(toy_recipe().model, classes=CLASSES, width=1.0, stride=4),
        init=str(tmp_path / "resnet18.pth"),
        head="new",
    )
    init = load_model(tmp_path / "resnet18.pth")
    config = match_config_to_weights(recipe, init.config)
    assert config.clip.size == 32 and config.integration.channels == 8
    assert (config.appearance.backbone.shift, config.clip.frames, config.clip.stride, config.vote) == (
        8,
        2,
        4,
        "probabilities",
    )
    model = new_model(with_values(recipe, model=config), "appearance-only", 0, init)
    weight = recipe_tensor("layer4.1.conv2.weight", (512, 512, 3, 3))
    assert torch.equal(model.get_submodule("appearance").backbone.layer4[1].conv2.weight, weight)
