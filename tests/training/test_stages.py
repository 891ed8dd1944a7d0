"""The three stages: what they change, that a killed run comes to the same weights, and data-parallel training."""

import csv
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from toy import CLASSES, toy_recipe, write_toy_dataset

from integralaction import console
from integralaction.cli.main import run as command_line
from integralaction.config import AppearanceConfig, EncoderConfig
from integralaction.data.dataset import ClipReader, TestClips, TrainClips
from integralaction.data.index import read_index, write_index
from integralaction.data.poses import PoseStore
from integralaction.data.sampling import MicroBatches
from integralaction.model.loss import pose_trust
from integralaction.models import load_model
from integralaction.predict.video import predict_video
from integralaction.recipe import Recipe, Stage
from integralaction.settings import to_dict
from integralaction.testing.evaluate import evaluate
from integralaction.training.features import FeatureClips, stream_features
from integralaction.training.log import StageLog
from integralaction.training.run import Run, open_run
from integralaction.training.stage import FeatureBatch, StageTraining
from integralaction.training.stages import train
from integralaction.training.warm_start import match_config_to_weights, new_model
from tests.toy import with_values


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

    def heed_ctrl_c() -> None:  # which a shell's background job, as these tests may be, ignores
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    return subprocess.Popen(
        [sys.executable, *command, "--device", "cpu"],
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        preexec_fn=heed_ctrl_c,
    )


def test_stages_hand_their_weights_on(data: Path, tmp_path: Path) -> None:
    run = train(toy_recipe(), data, tmp_path / "run", "cpu")
    models = weights(run.root)
    assert set(models) == {"appearance-only", "pose-only", "integral", "gate-free"}
    for method in ("integral", "gate-free"):
        for name, tensor in models[method].items():
            stage = "appearance-only" if name.startswith("appearance") else "pose-only"
            if name.startswith(("appearance", "pose")):
                # the frozen streams, their batch statistics too, are to the bit those of stages 1 and 2
                assert torch.equal(tensor, models[stage][name]), name
    assert run.load("integral").config.classes == CLASSES
    assert (run.stage_path("integral") / "log.csv").read_text().count("\n") == 3


def test_an_encoder_goes_through_the_three_stages(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("transformers", reason="the extra `transformers` is not installed")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    vit = EncoderConfig({"model_type": "vit", **sizes, "image_size": 32, "patch_size": 16})
    recipe = toy_recipe()
    once = with_values(recipe, methods=("integral",), epochs=1)
    recipe = replace(once, model=replace(once.model, appearance=AppearanceConfig(vit)))
    with pytest.raises(ValueError, match=r"Expected start\.weights=random for a backbone that is no ResNet"):
        train(with_values(recipe, weights=str(tmp_path)), data, tmp_path / "imagenet", "cpu")
    run = train(recipe, data, tmp_path / "run", "cpu")
    model = run.load("integral")
    assert model.appearance is not None and model.config.appearance == AppearanceConfig(vit)
    saved, start = weights(run.root), new_model(run.recipe, "appearance-only", recipe.seed).state_dict()
    for name, tensor in saved["appearance-only"].items():
        assert not torch.equal(tensor, start[name]) and torch.equal(tensor, saved["integral"][name]), name
    # weights to start from bring their backbone whole, where the recipe's is another
    resnet = replace(once, model=replace(once.model, classes=CLASSES), start=replace(once.start, init="a model"))
    assert match_config_to_weights(resnet, model.config).appearance == AppearanceConfig(vit)
    with pytest.raises(ValueError, match=r"need, model\.appearance\.backbone="):
        match_config_to_weights(resnet, model.config, ("appearance.backbone.depth",))
    assert match_config_to_weights(run.recipe, resnet.model).appearance == resnet.model.appearance


def test_stage_3_frees_integration_and_classifier_only(data: Path, tmp_path: Path) -> None:
    recipe = toy_recipe()
    before = train(
        with_values(recipe, integration=replace(recipe.stages.integration, epochs=0)), data, tmp_path / "before", "cpu"
    )
    after = train(recipe, data, tmp_path / "after", "cpu")
    a, b = weights(before.root)["integral"], weights(after.root)["integral"]
    changed = {name.split(".")[0] for name in a if not torch.equal(a[name], b[name])}
    assert changed == {"integration", "classifier"}


def test_same_seed_same_weights_other_seed_other_weights(data: Path, tmp_path: Path) -> None:
    first = weights(train(toy_recipe(), data, tmp_path / "a", "cpu").root)["integral"]
    again = weights(train(toy_recipe(), data, tmp_path / "b", "cpu").root)["integral"]
    second_seed = weights(train(with_values(toy_recipe(), seed=1), data, tmp_path / "c", "cpu").root)["integral"]
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["classifier.weight"], second_seed["classifier.weight"])


def test_other_settings_in_the_same_folder_are_refused(data: Path, tmp_path: Path) -> None:
    train(toy_recipe(), data, tmp_path / "run", "cpu")
    with pytest.raises(ValueError, match=r"recipe\.stages\.gate_lambda is 1\.5 there and 2\.0 here"):
        train(with_values(toy_recipe(), gate_lambda=2.0), data, tmp_path / "run", "cpu")


def three_epochs(cached: bool) -> Recipe:
    return with_values(
        toy_recipe(),
        methods=("integral",),
        augment_integration=not cached,
        preload=cached,
        accumulate=2 if cached else 1,
        **{stage: replace(toy_recipe().stages.pose, epochs=3) for stage in ("appearance", "pose", "integration")},
    )


@pytest.fixture(scope="module")
def whole(data: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Run]:
    """Runs that nothing stopped, without features kept and with them."""
    root = tmp_path_factory.mktemp("whole")
    return {cached: train(three_epochs(cached), data, root / str(cached), "cpu") for cached in (False, True)}


@pytest.mark.parametrize(
    ("stage", "cached"), [("appearance-only", False), ("pose-only", False), ("integral", False), ("integral", True)]
)
def test_killed_run_comes_to_the_same_weights(
    data: Path, tmp_path: Path, whole: dict[bool, Run], stage: str, cached: bool, capsys: pytest.CaptureFixture
) -> None:
    killed = start(three_epochs(cached), data, tmp_path / "killed")
    for line in killed.stderr:
        if line.startswith(f"{stage} ") and " 2/3 " in line:
            killed.send_signal(signal.SIGKILL)
            break
    assert killed.wait(60) == -signal.SIGKILL
    killed.stderr.close()
    assert not (tmp_path / "killed" / f"{stage}.safetensors").exists()

    capsys.readouterr()
    train(three_epochs(cached), data, tmp_path / "killed", "cpu")
    assert f"{stage:<16}  epoch  1/3" not in capsys.readouterr().err  # it went on, it did not begin again
    a, b = weights(whole[cached].root), weights(tmp_path / "killed")
    for method in a:
        for name in a[method]:
            assert torch.equal(a[method][name], b[method][name]), (method, name)
    logs = [(root / "stages" / stage / "log.csv").read_text() for root in (whole[cached].root, tmp_path / "killed")]
    rows = [[line.split(",")[:-1] for line in log.splitlines()] for log in logs]  # without the seconds
    assert rows[0] == rows[1]


@pytest.mark.parametrize("stages", [(1, 2), (3,)])
def test_two_processes_are_one_that_accumulates(data: Path, tmp_path: Path, stages: tuple[int, ...]) -> None:
    recipe = with_values(toy_recipe(), methods=("integral",))
    if stages == (3,):  # on streams at their start, whose batch statistics are the same for one and for two
        recipe = with_values(
            recipe, appearance=replace(recipe.stages.appearance, epochs=0), pose=replace(recipe.stages.pose, epochs=0)
        )
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--master-addr=127.0.0.1")
    two = start(recipe, data, tmp_path / "two", *launcher, f"--master-port={_port()}")
    log = two.stderr.read()
    assert two.wait(120) == 0, log
    two.stderr.close()
    a = weights(tmp_path / "two")
    b = weights(train(with_values(recipe, accumulate=2), data, tmp_path / "one", "cpu").root)
    for method in ("appearance-only", "pose-only") if stages == (1, 2) else ("integral",):
        for name, tensor in a[method].items():
            if name.endswith("num_batches_tracked"):
                # two processes keep the statistics of the first, which saw every second slice
                has_trained = stages == (1, 2) or "gate" in name
                assert b[method][name] == 2 * tensor and (tensor > 0) == has_trained, name
            elif "running" not in name:
                torch.testing.assert_close(tensor, b[method][name], rtol=0, atol=1e-5)


def test_batch_statistics_are_those_of_the_first_process(tmp_path: Path) -> None:
    """One mini-batch, one epoch: the statistics must come from rank 0's half, computed here at the start weights."""
    write_toy_dataset(tmp_path / "data", videos=4)
    recipe = with_values(toy_recipe(), methods=("integral",), appearance=Stage(epochs=1, lr=0.05))
    recipe = with_values(recipe, pose=Stage(epochs=0, lr=1), integration=Stage(epochs=0, lr=1))
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node=2", "--master-addr=127.0.0.1")
    two = start(recipe, tmp_path / "data", tmp_path / "two", *launcher, f"--master-port={_port()}")
    log = two.stderr.read()
    assert two.wait(120) == 0, log
    two.stderr.close()
    tensors = weights(tmp_path / "two")["appearance-only"]

    index = read_index(tmp_path / "data").split("train")
    model = new_model(
        with_values(recipe, model=with_values(recipe.model, classes=CLASSES)), "appearance-only", recipe.seed
    )
    clips = TrainClips(ClipReader.for_model(index, {}, model.config), augment=True, seed=recipe.seed)
    halves = [next(iter(MicroBatches(4, 4, 1, process, 2, recipe.seed))) for process in (0, 1)]
    names = [name for name in tensors if "running" in name]
    states = []
    for half in halves:
        copy = deepcopy(model).train()
        copy(clips[half].frames, None)
        states.append(copy.state_dict())
    for name in names:
        torch.testing.assert_close(tensors[name], states[0][name], rtol=1e-4, atol=1e-6)
    assert any(not torch.allclose(tensors[name], states[1][name], rtol=1e-4, atol=1e-6) for name in names)


def test_the_log_says_what_was_trained_at(data: Path, tmp_path: Path) -> None:
    recipe = with_values(toy_recipe(), methods=("integral",), accumulate=2)
    recipe = with_values(recipe, integration=Stage(epochs=2, lr=0.05, milestones=(1,)))
    run = train(recipe, data, tmp_path / "run", "cpu")
    rows = list(csv.DictReader((run.stage_path("integral") / "log.csv").read_text().splitlines()))
    assert [float(row["lr"]) for row in rows] == pytest.approx([0.05, 0.005])
    for row in rows:
        whole = float(row["classification"]) + 1.5 * float(row["gate_loss"])
        assert float(row["total"]) == pytest.approx(whole, rel=1e-5)


def test_loader_processes_give_the_same(data: Path, tmp_path: Path) -> None:
    one = weights(train(toy_recipe(), data, tmp_path / "a", "cpu").root)["integral"]
    two = weights(train(with_values(toy_recipe(), workers=2), data, tmp_path / "b", "cpu").root)["integral"]
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_lost_video_is_one_sentence_also_from_a_loader_process(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    shutil.copytree(data, tmp_path / "data")
    (tmp_path / "data/train/004.mp4").unlink()
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(to_dict(with_values(toy_recipe(), workers=1))))
    arguments = ["--data", str(tmp_path / "data"), "--out", str(tmp_path / "run"), "--device", "cpu"]
    assert command_line(["train", str(tmp_path / "toy.yaml"), *arguments]) in (1, 2)
    lines = capsys.readouterr().err.strip().splitlines()
    assert lines[-1].startswith("integralaction: Expected at most 5 %") and "004.mp4" in lines[-1]


def test_an_unlabelled_training_video_is_named(data: Path, tmp_path: Path) -> None:
    index = read_index(data)
    videos = (replace(index.videos[0], label=""), *index.videos[1:])
    write_index(replace(index, root=tmp_path / "data", videos=videos, video_root=str(data)))
    with pytest.raises(ValueError, match=r"Expected a label for every training video; train/000\.mp4"):
        train(toy_recipe(), tmp_path / "data", tmp_path / "run", "cpu")


def test_a_data_set_without_poses_is_named(data: Path, tmp_path: Path) -> None:
    write_index(replace(read_index(data), root=tmp_path / "data", video_root=str(data)))
    with pytest.raises(ValueError, match="its pose store has none of its 9 videos"):
        train(toy_recipe(), tmp_path / "data", tmp_path / "run", "cpu")


def test_poses_of_another_skeleton_are_named(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    index = read_index(data)
    write_index(replace(index, root=tmp_path / "data", skeleton="coco17"))
    with pytest.raises(ValueError, match="Expected poses of coco17"):
        train(toy_recipe(), tmp_path / "data", tmp_path / "run", "cpu")


def test_an_index_that_lies_about_sizes_is_named(data: Path, tmp_path: Path) -> None:
    shutil.copytree(data, tmp_path / "data")
    index = read_index(data)
    write_index(replace(index, root=tmp_path / "data", videos=tuple(replace(v, width=64) for v in index.videos)))
    with pytest.raises(ValueError, match="Expected frames of 32 x 64 pixels"):
        train(toy_recipe(), tmp_path / "data", tmp_path / "run", "cpu")


def test_a_training_that_diverges_says_so(data: Path, tmp_path: Path) -> None:
    recipe = with_values(toy_recipe(), appearance=Stage(epochs=5, lr=1e30))
    with pytest.raises(ArithmeticError, match="Expected a finite loss; found"):
        train(recipe, data, tmp_path / "run", "cpu")
    assert not (tmp_path / "run/appearance-only.safetensors").exists()


def test_a_full_disk_leaves_the_checkpoint_before(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """The system's own refusal, of files over a size, while the second epoch's checkpoint is written."""
    end_epoch = StageLog.end_epoch
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)

    def end_epoch_without_room(log: StageLog) -> None:
        end_epoch(log)
        if len(log.rows) == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, unlimited[1]))

    monkeypatch.setattr(StageLog, "end_epoch", end_epoch_without_room)
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(to_dict(three_epochs(False))))
    call = ["train", str(tmp_path / "toy.yaml"), "--data", str(data), "--out", str(tmp_path / "run"), "--device", "cpu"]
    try:
        status = command_line(call)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert status == 1 and "File too large" in capsys.readouterr().err.splitlines()[-1]
    stage = tmp_path / "run/stages/appearance-only"
    assert torch.load(stage / "last.ckpt", weights_only=True)["log"]["rows"][-1]["epoch"] == 1
    assert not list(stage.glob("*.part"))


def test_a_disk_without_room_for_a_model_is_a_sentence(data: Path, tmp_path: Path) -> None:
    """In a mount namespace of its own, whose folder for the run holds 64 kB."""
    none = Stage(epochs=0, lr=1)
    (tmp_path / "toy.yaml").write_text(yaml.safe_dump(to_dict(alone(appearance=none, pose=none, integration=none))))
    (tmp_path / "small").mkdir()
    mount = f"mount -t tmpfs -o size=64k tmpfs {tmp_path / 'small'}"
    unshare = [shutil.which("unshare") or "false", "-m", "sh", "-c"]
    if subprocess.run([*unshare, mount], capture_output=True, check=False).returncode:
        pytest.skip("needs to mount a file system of its own")
    call = f"-m integralaction train {tmp_path / 'toy.yaml'} --data {data} --out {tmp_path / 'small/run'} --device cpu"
    command = [*unshare, f"{mount} && exec {sys.executable} {call}"]
    process = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 1, process.stderr
    assert process.stderr.splitlines()[-1].startswith("integralaction: The disk is full; free some space")


def test_a_run_behind_a_link_finds_its_data(data: Path, tmp_path: Path) -> None:
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep/er")
    none = Stage(epochs=0, lr=1)
    recipe = with_values(toy_recipe(), appearance=none, pose=none, integration=none)
    train(recipe, data, tmp_path / "link/run", "cpu")
    assert open_run(tmp_path / "link/run").data == data.resolve()


def _port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_training_learns(data: Path, tmp_path: Path) -> None:
    recipe = toy_recipe()
    recipe = with_values(recipe, methods=("integral",), appearance=Stage(epochs=15, lr=0.01), augment=False)
    recipe = with_values(
        recipe, pose=replace(recipe.stages.pose, epochs=0), integration=replace(recipe.stages.integration, epochs=0)
    )
    run = train(recipe, data, tmp_path / "run", "cpu")
    last = (run.stage_path("appearance-only") / "log.csv").read_text().splitlines()[-1].split(",")
    assert float(last[4]) == 1.0  # colour tells the class


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_features_are_computed_once_where_there_is_no_augmentation(data: Path, tmp_path: Path, precision: str) -> None:
    recipe = with_values(toy_recipe(), augment_integration=False, precision=precision)
    models = weights(train(recipe, data, tmp_path / "run", "cpu").root)
    for method in ("integral", "gate-free"):
        streams = {n: t for n, t in models[method].items() if n.startswith(("appearance", "pose"))}
        singles = models["appearance-only"] | models["pose-only"]
        assert all(torch.equal(tensor, singles[name]) for name, tensor in streams.items())
        assert all(torch.isfinite(tensor).all() for tensor in models[method].values())
    # the gate's own batch statistics are learnt in stage 3
    assert models["integral"]["integration.gate.norm.num_batches_tracked"] == 6


def test_ctrl_c_is_a_sentence_and_loses_nothing(data: Path, tmp_path: Path) -> None:
    recipe = toy_recipe()
    running = start(
        with_values(recipe, appearance=replace(recipe.stages.appearance, epochs=500)), data, tmp_path / "run"
    )
    for line in running.stderr:
        if " 2/500 " in line:
            running.send_signal(signal.SIGINT)
            break
    err = running.stderr.read()
    assert running.wait(30) == 130, err
    running.stderr.close()
    assert "integralaction: Stopped; the same command continues where it was." in err
    assert "Traceback" not in err
    assert (tmp_path / "run/stages/appearance-only/last.ckpt").is_file()
    assert not (tmp_path / "run/appearance-only.safetensors").exists()


def test_a_single_stream_alone(data: Path, tmp_path: Path) -> None:
    """A recipe may ask for one stream: the others are not trained, its run tests and answers with it."""
    recipe = with_values(toy_recipe(), methods=("pose-only",))
    run = train(recipe, data, tmp_path / "pose", "cpu")
    assert run.methods == ("pose-only",)
    assert [path.name for path in run.root.glob("*.safetensors")] == ["pose-only.safetensors"]
    both = train(toy_recipe(), data, tmp_path / "both", "cpu")
    a, b = run.load("pose-only").state_dict(), both.load("pose-only").state_dict()
    assert all(torch.equal(a[name], b[name]) for name in a)  # the same as within three stages
    assert load_model(run.root).config.method == "pose-only"
    predictions = evaluate(run, read_index(data), ("in-context",), torch.device("cpu"))
    theirs = evaluate(both, read_index(data), ("in-context",), torch.device("cpu"))
    assert set(predictions) == {"pose-only"}
    np.testing.assert_allclose(predictions["pose-only"].probabilities, theirs["pose-only"].probabilities, atol=1e-6)
    with pytest.raises(ValueError, match="Expected each method once"):
        with_values(recipe, methods=("pose-only", "pose-only"))


# ---- stage 3 with free streams


@pytest.fixture(scope="module")
def stage_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stages 1 and 2 of the toy, trained once for the tests below."""
    return tmp_path_factory.mktemp("stages")


def alone(**changes: object) -> Recipe:
    """The toy with one integration, and these settings."""
    return with_values(toy_recipe(), methods=("integral",), **changes)


def changed_parts(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    """The parts of which some tensor differs, batch statistics too."""
    assert before.keys() == after.keys()
    return {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}


def test_joint_trains_everything_at_once(data: Path, tmp_path: Path) -> None:
    recipe = alone(strategy="joint")
    no_epochs = with_values(recipe, integration=replace(recipe.stages.integration, epochs=0))
    before = weights(train(no_epochs, data, tmp_path / "before", "cpu").root)
    run = train(recipe, data, tmp_path / "run", "cpu")
    after = weights(run.root)
    assert set(before) == set(after) == {"integral"}
    assert [path.name for path in (run.root / "stages").iterdir()] == ["integral"]  # no other stage was trained
    for name, tensor in after["integral"].items():
        if tensor.is_floating_point() and tensor.ndim > 1:  # each convolution and each matrix
            assert not torch.equal(tensor, before["integral"][name]), name
    steps = [t for n, t in after["integral"].items() if n.endswith("num_batches_tracked")]
    assert steps and all(count == 6 for count in steps)  # two epochs of three mini-batches, in the streams too


def test_fine_tuned_starts_from_stages_1_and_2_and_changes_them(data: Path, tmp_path: Path, stage_folder: Path) -> None:
    recipe = alone(strategy="fine-tuned")
    no_epochs = with_values(recipe, integration=replace(recipe.stages.integration, epochs=0))
    before = weights(train(no_epochs, data, tmp_path / "before", "cpu", stage_folder=stage_folder).root)
    after = weights(train(recipe, data, tmp_path / "run", "cpu", stage_folder=stage_folder).root)
    assert set(before) == set(after) == {"appearance-only", "pose-only", "integral"}
    streams = {n: t for n, t in before["integral"].items() if n.startswith(("appearance", "pose"))}
    assert streams and all(
        torch.equal(tensor, before["appearance-only" if name.startswith("appearance") else "pose-only"][name])
        for name, tensor in streams.items()
    )
    assert changed_parts(before["integral"], after["integral"]) == {"appearance", "pose", "integration", "classifier"}
    for stage in ("appearance-only", "pose-only"):  # these stay what stages 1 and 2 made
        assert changed_parts(before[stage], after[stage]) == set()


def test_free_streams_do_not_train_on_cached_features(data: Path, tmp_path: Path, stage_folder: Path) -> None:
    """Whether they are augmented is told by stages 1 and 2, so that stage 3's own setting says nothing."""
    models = [
        weights(train(recipe, data, tmp_path / str(number), "cpu", stage_folder=stage_folder).root)["integral"]
        for number, recipe in enumerate(
            alone(strategy="fine-tuned", augment_integration=augmented) for augmented in (True, False)
        )
    ]
    assert changed_parts(*models) == set()


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"methods": ("integral", "gate-free"), "strategy": "joint"}, "Expected one method of .* with strategy=joint"),
        ({"methods": ("integral", "gate-free"), "strategy": "fine-tuned"}, "with strategy=fine-tuned"),
        ({"methods": ("pose-only",), "strategy": "joint"}, r"Expected one method of .* found \['pose-only'\]"),
        ({"strategy": "joint", "gate_prior": "outcome"}, "Expected strategy=fixed with gate_prior=outcome"),
        ({"strategy": "fine-tuned", "gate_prior": "outcome"}, "found strategy=fine-tuned"),
        (
            {"gate_prior": "outcome", "model": with_values(toy_recipe().model, stream_answers=False)},
            "stream_answers with",
        ),
    ],
)
def test_contradictions_of_stage_3_are_refused(changes: dict, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        with_values(alone(), **changes)


@pytest.mark.parametrize("strategy", ["joint", "fine-tuned"])
def test_a_run_with_free_streams_answers_with_its_own_method(
    data: Path, tmp_path: Path, stage_folder: Path, strategy: str, capsys: pytest.CaptureFixture
) -> None:
    run = train(alone(strategy=strategy), data, tmp_path / "run", "cpu", stage_folder=stage_folder)
    assert run.methods == open_run(run.root).methods == ("integral",)
    index = read_index(data)
    predictions = evaluate(run, index, (), torch.device("cpu"))
    assert set(predictions) == {"integral"}
    assert (run.root / "results/toy.md").read_text().count("| integral |") == 1

    model = load_model(run.root)
    assert model.appearance_classifier is None and model.pose_classifier is None  # theirs were for other streams
    video = predictions["integral"].videos[2]
    answer = predict_video(model, data / video.video, PoseStore.of(data)[video.video])
    np.testing.assert_allclose(answer.probabilities, predictions["integral"].probabilities[2], atol=1e-5)
    assert answer.gate == pytest.approx(float(predictions["integral"].gate[2]), abs=1e-5)
    assert answer.top_of_streams() == {}

    capsys.readouterr()
    call = ["predict", str(data / video.video), "--model", str(run.root), "--poses", str(data), "--device", "cpu"]
    assert command_line(call) == 0
    out = capsys.readouterr().out
    assert "gate 0." in out and "alone:" not in out
    assert command_line(["evaluate", str(run.root), "--device", "cpu"]) == 0


# ---- what the gate is drawn to

MODELS = {
    "T' = T": {},
    "T' = 4 T": {"pose_frame_factor": 4, "stride": 4},
    "convolved": {"pose_frame_factor": 4, "stride": 4, "pose_pooling": "convolution"},
}


def model_settings(name: str) -> dict:
    return {"model": with_values(toy_recipe().model, classes=CLASSES, **MODELS[name])}


def slow_regulariser(prior: str, logits: torch.Tensor, trust: list[list[float]], right: list[list[tuple]]) -> float:
    """The gate regulariser with its prior, clip by clip, frame by frame, in double precision."""
    clips, frames, _ = logits.shape
    gate = torch.sigmoid(logits.double())
    mean_trust = sum(map(sum, trust)) / (clips * frames)
    total = 0.0
    for b in range(clips):
        for t in range(frames):
            to_pose = float(-torch.log(1 - gate[b, t]).mean())
            to_appearance = float(-torch.log(gate[b, t]).mean())
            if prior == "trust":
                total += trust[b][t] / mean_trust * to_pose
            elif prior == "outcome":
                appearance, pose = right[b][t]
                total += to_pose if pose else to_appearance if appearance else 0.0
            else:
                total += to_pose
    return total / (clips * frames)


@pytest.mark.parametrize("prior", ["uniform", "trust", "outcome"])
@pytest.mark.parametrize("shape", MODELS)
def test_a_gate_prior_weighs_the_frames(data: Path, prior: str, shape: str) -> None:
    """The step's regulariser is that of a slow loop, on a batch of clips as on the features of those clips."""
    recipe = alone(gate_prior=prior, **model_settings(shape))
    config = recipe.model
    model = new_model(recipe, "integral", 0)
    clips = TrainClips(ClipReader.for_model(read_index(data).split("train"), PoseStore.of(data), config), False, seed=0)
    batch = clips[[(0, number) for number in range(9)]]
    training = StageTraining(model, recipe)  # whose streams are in eval mode
    with torch.no_grad():
        features = model.features(batch.frames, batch.joints)
        # streams that answer this and that, a gate that opens here and there
        random = torch.Generator().manual_seed(1)
        torch.nn.init.normal_(model.integration.gate.conv.weight, std=3, generator=random)
        answers = {}
        for name, feature in (("appearance", features.appearance), ("pose", features.pose)):
            classifier = model.get_submodule(f"{name}_classifier")
            torch.nn.init.normal_(classifier.weight, std=3, generator=random)
            classifier.bias.copy_(-classifier.weight @ feature.mean(dim=(0, 1)))
            answers[name] = classifier(feature)
        logits = model.integrate(features).gate_logits
        trust_of_frames = pose_trust(batch.joints, config.clip.size, config.clip.size)
    loss, measures = training(batch)

    def at(values: torch.Tensor, frame: int) -> torch.Tensor:
        """What T' values are in one of T frames: their mean over its time, or the one at its time."""
        factor = config.clip.pose_frame_factor
        if config.clip.pose_pooling == "convolution":
            return values[frame * factor]
        return sum(values[frame * factor + i] for i in range(factor)) / factor

    trust = [[float(at(trust_of_frames[b], t)) for t in range(config.clip.frames)] for b in range(9)]
    right = [
        [
            (
                int(answers["appearance"][b, t].argmax()) == int(batch.labels[b]),
                int(at(answers["pose"][b], t).argmax()) == int(batch.labels[b]),
            )
            for t in range(config.clip.frames)
        ]
        for b in range(9)
    ]
    assert len({round(value, 3) for row in trust for value in row}) > 1  # the toy tells frames apart
    assert {pair for row in right for pair in row} >= {(True, False), (False, True), (False, False)}
    regulariser = slow_regulariser(prior, logits, trust, right)
    assert float(measures["gate_loss"]) == pytest.approx(regulariser, rel=1e-4)
    assert float(measures["total"]) == pytest.approx(float(measures["classification"]) + 1.5 * regulariser, rel=1e-4)

    cached = FeatureBatch(features.appearance, features.pose, trust_of_frames, batch.labels)
    loss_again, measures_again = training(cached)
    torch.testing.assert_close(loss_again, loss)
    for name in ("gate_loss", "classification"):
        torch.testing.assert_close(measures_again[name], measures[name])


@pytest.mark.parametrize("shape", ["T' = T", "T' = 4 T"])
def test_cached_features_keep_the_trust_of_their_clips(data: Path, tmp_path: Path, shape: str) -> None:
    recipe = alone(**model_settings(shape))
    index, store, config = read_index(data).split("train"), PoseStore.of(data), recipe.model
    model = new_model(recipe, "integral", 0)
    features = stream_features(model, index, store, recipe, torch.device("cpu"), tmp_path)
    clips = TestClips(ClipReader.for_model(index, store, config))
    for number in range(9):
        batch = clips[number]
        first, end = features["first"][number : number + 2].tolist()
        assert end - first == len(batch.labels) and features["labels"][number] == batch.labels[0]
        trust = pose_trust(batch.joints, config.clip.size, config.clip.size)
        assert trust.shape == (len(batch.labels), config.clip.pose_frames)
        assert torch.equal(features["trust"][first:end], trust)
        with torch.no_grad():
            slow = model.eval().features(batch.frames, batch.joints)
        torch.testing.assert_close(features["appearance"][first:end], slow.appearance)
        torch.testing.assert_close(features["pose"][first:end], slow.pose)
    assert (features["trust"] == 0).any() and (features["trust"] > 0.5).any()

    batch_of_features = FeatureClips(features, seed=3)[
        [(0, 2), (1, 2), (0, 7)]
    ]  # one clip of each video, its parts together
    for row, video in enumerate((2, 2, 7)):
        first, end = features["first"][video : video + 2].tolist()
        places = [
            n for n in range(first, end) if torch.equal(features["appearance"][n], batch_of_features.appearance[row])
        ]
        assert any(
            torch.equal(features["trust"][n], batch_of_features.trust[row])
            and torch.equal(features["pose"][n], batch_of_features.pose[row])
            for n in places
        )
        assert batch_of_features.labels[row] == features["labels"][video]


@pytest.mark.parametrize("augmented", [True, False])
@pytest.mark.parametrize("shape", ["T' = T", "T' = 4 T"])
def test_gate_priors_train_other_gates(
    data: Path, tmp_path: Path, stage_folder: Path, shape: str, augmented: bool
) -> None:
    models = {}
    for prior in ("uniform", "trust", "outcome"):
        recipe = alone(gate_prior=prior, augment_integration=augmented, **model_settings(shape))
        run = train(recipe, data, tmp_path / prior, "cpu", stage_folder=stage_folder)
        models[prior] = weights(run.root)
        assert all(torch.isfinite(tensor).all() for tensor in models[prior]["integral"].values())
        assert set(evaluate(run, read_index(data), ("in-context",), torch.device("cpu"))) == set(run.methods)
    for prior in ("trust", "outcome"):
        assert changed_parts(models["uniform"]["integral"], models[prior]["integral"]) == {"integration", "classifier"}
        for stage in ("appearance-only", "pose-only"):
            assert changed_parts(models["uniform"][stage], models[prior][stage]) == set()


def test_a_long_epoch_says_how_far_it_is(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    forward = StageTraining.forward

    def slow_forward(training: StageTraining, batch: Any) -> Any:
        time.sleep(0.1)
        return forward(training, batch)

    monkeypatch.setattr(StageTraining, "forward", slow_forward)
    monkeypatch.setattr(console, "EVERY", 0.06)
    train(with_values(toy_recipe(), methods=("appearance-only",)), data, tmp_path / "run", "cpu")
    lines = [line for line in capsys.readouterr().err.splitlines() if ": batches of epoch" in line]
    assert any(" of epoch 1: " in line for line in lines) and any(" of epoch 2: " in line for line in lines)
    assert all(line.startswith("appearance-only: ") and " of 3 after " in line for line in lines)
