"""A run begins in a folder of its own and goes on with the same data and settings, or with more epochs."""

import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from toy import toy_recipe, write_toy_dataset

from integralaction.cli.main import run as command_line
from integralaction.data.fingerprint import WHOLE, Fingerprint, poses_digest
from integralaction.data.index import Index, read_index, write_index
from integralaction.data.poses import PoseStore, write_pose_store
from integralaction.models import load_model
from integralaction.recipe import Recipe, Stage
from integralaction.recipes import recipe_named
from integralaction.report.run import page_path
from integralaction.settings import override, to_dict
from integralaction.testing.evaluate import evaluate
from integralaction.testing.predictions import read_predictions
from integralaction.training.run import Run, open_run
from integralaction.training.stages import train
from tests.toy import with_values

NONE = Stage(epochs=0, lr=1)
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("toy") / "data"
    write_toy_dataset(root)
    return root


@pytest.fixture
def own(data: Path, tmp_path: Path) -> Path:
    """A copy of the data set that may be changed."""
    return shutil.copytree(data, tmp_path / "data")


def untrained(**changes: Any) -> Recipe:
    return with_values(
        toy_recipe(), **({"methods": ("integral",), "appearance": NONE, "pose": NONE, "integration": NONE} | changes)
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- whose folder it is


@pytest.mark.parametrize("name", ["environment.yaml", "notes.txt", "stages", "appearance-only.safetensors"])
def test_a_folder_of_somebody_else_is_left_alone(data: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "work"
    (out / name).parent.mkdir(parents=True)
    (out / name).mkdir() if name == "stages" else (out / name).write_text("mine")
    before = contents(out)
    with pytest.raises(ValueError, match=f"Expected a new or empty folder .*{name}"):
        train(untrained(), data, out, "cpu")
    assert contents(out) == before and [path.name for path in out.iterdir()] == [name]


def test_settings_of_something_else_are_left_alone(data: Path, tmp_path: Path) -> None:
    for number, text in enumerate(("theme: dark\n", "", "- a\n- b\n", "recipe: {}\ndata: [1]\n")):
        out = tmp_path / str(number)
        out.mkdir()
        (out / "settings.yaml").write_text(text)
        with pytest.raises(ValueError, match="Expected the keys recipe and data"):
            train(untrained(), data, out, "cpu")
        assert contents(out) == {"settings.yaml": text.encode()}


def test_a_beginning_that_was_killed_goes_on(data: Path, tmp_path: Path) -> None:
    whole = train(untrained(), data, tmp_path / "whole", "cpu")
    for number, names in enumerate(((), ("settings.yaml.part",), ("settings.yaml",), ("settings.yaml", ".DS_Store"))):
        out = tmp_path / str(number)
        out.mkdir()
        for name in names:
            there = whole.root / name
            (out / name).write_bytes(there.read_bytes() if there.is_file() else b"half")
        train(untrained(), data, out, "cpu")
        assert (out / "environment.yaml").is_file() and (out / "integral.safetensors").is_file()


# ---- numbers as people write them


@pytest.mark.parametrize(("text", "seed"), [("008", 8), ("010", 10), (" 7", 7), ("+3", 3), ("1_000", 1000)])
def test_a_seed_is_the_decimal_number_that_is_written(tmp_path: Path, text: str, seed: int) -> None:
    assert override(recipe_named("mime-demo"), [f"seed={text}"]).seed == seed
    (tmp_path / "mine.yaml").write_text(
        yaml.safe_dump({**to_dict(untrained()), "seed": 0}).replace("seed: 0", f"seed: {text}")
    )
    assert recipe_named(str(tmp_path / "mine.yaml")).seed == seed


@pytest.mark.parametrize("text", ["0x10", "1:30", "0o17", "eight", "1.5", "-1", "true", "0b11", "010x"])
def test_what_is_no_decimal_number_is_no_seed(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match="seed"):
        override(recipe_named("mime-demo"), [f"seed={text}"])
    (tmp_path / "mine.yaml").write_text(f"seed: {text}\n")
    with pytest.raises(ValueError, match="seed"):
        recipe_named(str(tmp_path / "mine.yaml"))


# ---- the same data


def permuted_labels(index: Index) -> None:
    first, second, *rest = index.videos
    swapped = (replace(first, label=second.label), replace(second, label=first.label), *rest)
    write_index(replace(index, videos=swapped))


def fewer_rows(index: Index) -> None:
    write_index(replace(index, videos=index.videos[1:]))


def another_row(index: Index) -> None:
    write_index(replace(index, videos=(replace(index.videos[0], end=0.9), *index.videos[1:])))


def moved_joints(index: Index) -> None:
    poses = [
        (name, replace(p, joints=p.joints + np.float32([1, 0, 0]))) for name, p in PoseStore.of(index.root).items()
    ]
    write_pose_store(index.root, poses)


def fewer_poses(index: Index) -> None:
    store = PoseStore.of(index.root)
    write_pose_store(index.root, [(name, poses) for name, poses in store.items() if name != index.videos[0].video])


CHANGES: list[tuple[Callable[[Index], None], str]] = [
    (permuted_labels, "other labels"),
    (fewer_rows, "8 training videos instead of 9"),
    (another_row, "other rows"),
    (moved_joints, "other poses"),
    (fewer_poses, "other poses"),
]


@pytest.mark.parametrize(("change", "words"), CHANGES)
def test_changed_training_data_are_refused_and_remarked_on(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture, change: Callable[[Index], None], words: str
) -> None:
    run = train(untrained(), own, tmp_path / "run", "cpu")
    run.model_path("integral").unlink()
    change(read_index(own))
    before = contents(run.root)
    with pytest.raises(ValueError, match=f"Expected the training data of the run .* with {words}"):
        train(untrained(), own, run.root, "cpu")
    assert contents(run.root) == before
    assert words in open_run(run.root).changes_of(read_index(own))
    assert open_run(run.root).changes_of(replace(read_index(own), root=tmp_path)) == ""  # of another data set, nothing


def test_an_evaluation_says_that_the_training_data_changed(
    own: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    run = train(untrained(), own, tmp_path / "run", "cpu")
    evaluate(open_run(run.root), read_index(own), ("in-context",), CPU)
    assert "have changed" not in capsys.readouterr().err
    permuted_labels(read_index(own))
    evaluate(open_run(run.root), read_index(own), ("in-context",), CPU)
    assert "The training data of" in (err := capsys.readouterr().err) and "other labels" in err


def test_other_test_videos_and_copies_change_nothing(own: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = train(untrained(), own, tmp_path / "run", "cpu")
    index = read_index(own)
    for shard in own.glob("poses-*.safetensors"):
        shard.touch()
        shutil.copy(shard, tmp_path / "copy")
        shard.unlink()
        shutil.copy(tmp_path / "copy", shard)
    kept = tuple(replace(v, note="seen") for v in index.videos if v.split != "out-of-context")
    write_index(replace(index, videos=kept))
    capsys.readouterr()
    train(untrained(), own, run.root, "cpu")
    assert open_run(run.root).changes_of(read_index(own)) == ""
    assert "has other rows than when" in capsys.readouterr().err


def test_a_run_of_an_older_version_goes_on(own: Path, tmp_path: Path) -> None:
    run = train(untrained(), own, tmp_path / "run", "cpu")
    settings = yaml.safe_load((run.root / "settings.yaml").read_text())
    (run.root / "settings.yaml").write_text(yaml.safe_dump({k: v for k, v in settings.items() if k != "training_data"}))
    fewer_rows(read_index(own))
    assert open_run(run.root).training_data is None and open_run(run.root).changes_of(read_index(own)) == ""
    train(untrained(), own, run.root, "cpu")


def test_appearance_alone_does_not_look_at_poses(own: Path, tmp_path: Path) -> None:
    recipe = untrained(methods=("appearance-only",))
    run = train(recipe, own, tmp_path / "run", "cpu")
    for shard in own.glob("poses-*.safetensors"):
        shard.unlink()
    train(recipe, own, run.root, "cpu")
    evaluate(run, read_index(own), ("in-context",), CPU)


def test_a_large_shard_is_known_by_its_head_and_blocks(tmp_path: Path) -> None:
    index = write_toy_dataset(tmp_path / "data", videos=3)
    name, poses = index.videos[0].video, PoseStore.of(index.root)[index.videos[0].video]
    random = np.random.default_rng(0)
    many = replace(
        poses,
        joints=random.random((6000, 18, 3), np.float32),
        frame_index=np.arange(6000),
        frame_offsets=np.arange(6001),
    )
    one = index.split("train")
    write_pose_store(index.root, [(name, many)])
    assert (index.root / "poses-00000.safetensors").stat().st_size > WHOLE
    first = poses_digest(one)
    write_pose_store(index.root, [(name, many)])
    assert poses_digest(one) == first
    write_pose_store(index.root, [(name, replace(many, joints=many.joints * np.float32(0.5)))])
    assert poses_digest(one) != first


def test_predictions_of_other_poses_or_models_are_not_shown(own: Path, tmp_path: Path) -> None:
    run = train(untrained(), own, tmp_path / "run", "cpu")
    index = read_index(own)
    evaluate(run, index, ("in-context",), CPU)
    read_predictions(run, index, "integral", ("in-context",))
    shutil.copytree(run.root, tmp_path / "other")
    other = Run(tmp_path / "other", run.recipe, run.data)
    model = load_file(other.model_path("pose-only"))
    made = train(untrained(seed=3), own, tmp_path / "third", "cpu")
    shutil.copy(made.model_path("pose-only"), other.model_path("pose-only"))
    assert model.keys()
    read_predictions(other, index, "appearance-only", ("in-context",))
    for method in ("pose-only", "score-average"):
        with pytest.raises(ValueError, match=f"Expected predictions of the model {method} of .* evaluate"):
            read_predictions(other, index, method, ("in-context",))
    for shard in own.glob("poses-*.safetensors"):
        shard.unlink()
    read_predictions(run, index, "appearance-only", ("in-context",))  # which looks at none
    with pytest.raises(ValueError, match=r"Expected predictions of the poses of .* evaluate"):
        read_predictions(run, index, "integral", ("in-context",))
    assert command_line(["report", str(run.root), "--split", "in-context"]) == 0  # of the stream that can be shown


def test_a_page_of_other_splits_leaves_the_usual_page(data: Path, tmp_path: Path) -> None:
    index, run = read_index(data), Run(tmp_path / "run", untrained(), data)
    usual = tmp_path / "run/report.html"
    assert page_path(run, index, ()) == page_path(run, index, ("out-of-context", "in-context")) == usual
    assert page_path(run, index, ("train",)) == tmp_path / "run/report-train.html"
    assert page_path(run, index, ("in-context",)) == tmp_path / "run/report-in-context.html"
    other = replace(index, root=tmp_path / "elsewhere")
    assert page_path(run, other, ()) == tmp_path / "run/report-toy-in-elsewhere.html"


# ---- more epochs


def schedule(epochs: int, **more: Any) -> Stage:
    return Stage(epochs=epochs, lr=0.05, **more)


def test_more_epochs_go_on_and_what_was_built_on_them_begins_anew(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    short = untrained(appearance=schedule(1), integration=schedule(1))
    longer = with_values(short, appearance=schedule(3))
    train(short, data, tmp_path / "run", "cpu")
    capsys.readouterr()
    run = train(longer, data, tmp_path / "run", "cpu")
    err = capsys.readouterr().err
    assert [line.split()[0] for line in err.splitlines() if " epoch " in line] == ["appearance-only"] * 2 + ["integral"]
    assert "epoch  2/3" in err and "epoch  1/3" not in err
    whole = train(longer, data, tmp_path / "whole", "cpu")
    for method in run.trained:
        a, b = load_file(run.model_path(method)), load_file(whole.model_path(method))
        assert all(torch.equal(a[name], b[name]) for name in b), method
    assert open_run(run.root).recipe == whole.recipe
    capsys.readouterr()
    run = train(with_values(longer, integration=schedule(2)), data, tmp_path / "run", "cpu")
    err = capsys.readouterr().err
    assert [line.split()[0] for line in err.splitlines() if " epoch " in line] == ["integral"] and "epoch  2/2" in err


@pytest.mark.parametrize(
    ("stage", "words"),
    [
        (schedule(1), r"recipe\.stages\.appearance\.epochs is 2 there and 1 here"),
        (schedule(4, milestones=(3,)), r"recipe\.stages\.appearance\.milestones"),
        (schedule(4, warmup=1), r"recipe\.stages\.appearance\.warmup"),
    ],
)
def test_fewer_epochs_or_another_schedule_are_refused(data: Path, tmp_path: Path, stage: Stage, words: str) -> None:
    recipe = untrained(methods=("appearance-only",), appearance=schedule(2))
    run = train(recipe, data, tmp_path / "run", "cpu")
    before = contents(run.root)
    with pytest.raises(ValueError, match=words):
        train(with_values(recipe, appearance=stage), data, run.root, "cpu")
    assert contents(run.root) == before


# ---- damage, and what is not finished


DAMAGE = pytest.mark.parametrize(
    "damage", [lambda whole: b"", lambda whole: whole[: len(whole) // 2]], ids=["empty", "half"]
)


@DAMAGE
def test_torn_models_and_checkpoints_are_made_again(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture, damage: Callable[[bytes], bytes]
) -> None:
    recipe = untrained(appearance=schedule(1), integration=schedule(1), augment_integration=False)
    run = train(recipe, data, tmp_path / "run", "cpu")
    whole = {path: path.read_bytes() for path in run.root.glob("*.safetensors")}
    assert len(whole) == 3
    for torn in (*whole, *run.root.glob("stages/*/last.ckpt")):
        if torn.name == "last.ckpt":
            run.model_path(torn.parent.name).unlink()
        torn.write_bytes(damage(torn.read_bytes()))
        capsys.readouterr()
        train(recipe, data, run.root, "cpu")
        assert f"{torn} is empty or damaged" in capsys.readouterr().err
        assert {path: path.read_bytes() for path in whole} == whole, torn


def flipped(whole: bytes) -> bytes:
    """One byte is another, as on an old disk."""
    middle = len(whole) // 2
    return whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]


def test_a_checkpoint_of_another_model_or_with_a_flipped_byte_is_not_continued(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    recipe = untrained(methods=("pose-only",), pose=schedule(1))
    run = train(recipe, data, tmp_path / "run", "cpu")
    model, last = run.model_path("pose-only"), run.stage_path("pose-only") / "last.ckpt"
    whole, checkpoint = model.read_bytes(), last.read_bytes()
    other = io.BytesIO()
    torch.save({"state_dict": {"x": torch.zeros(1)}}, other)
    for content in (flipped(checkpoint), other.getvalue(), b"PK\3\4"):
        model.unlink()
        last.write_bytes(content)
        capsys.readouterr()
        train(recipe, data, run.root, "cpu")
        assert f"{last} is empty or damaged" in capsys.readouterr().err
        assert model.read_bytes() == whole


@DAMAGE
def test_torn_shared_files_are_made_again(data: Path, tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    recipe, shared = untrained(appearance=schedule(1), augment_integration=False), tmp_path / "shared"
    first = train(recipe, data, tmp_path / "run", "cpu", shared=shared)
    models = {path.name: path.read_bytes() for path in first.root.glob("*.safetensors")}
    whole = {path: path.read_bytes() for path in shared.rglob("*.safetensors")}
    assert len(whole) == 3
    for torn in whole:
        torn.write_bytes(damage(torn.read_bytes()))
    again = train(recipe, data, tmp_path / "again", "cpu", shared=shared)
    assert {path: path.read_bytes() for path in whole} == whole
    assert {path.name: path.read_bytes() for path in again.root.glob("*.safetensors")} == models


def test_a_run_with_a_torn_model_is_named(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = train(untrained(), data, tmp_path / "run", "cpu")
    model = run.model_path("integral")
    whole = model.read_bytes()
    for content in (b"", whole[: len(whole) // 2]):
        model.write_bytes(content)
        for command in (["evaluate"], ["audit"], ["report"]):
            assert command_line([*command, str(run.root)]) == 2
            assert f"Expected a whole model in {model}" in capsys.readouterr().err
        with pytest.raises(ValueError, match="Expected a whole model"):
            load_model(run.root)


@pytest.mark.parametrize("lost", ["appearance-only", "pose-only", "integral"])
def test_an_unfinished_run_is_named(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture, lost: str) -> None:
    run = train(untrained(), data, tmp_path / "run", "cpu")
    run.model_path(lost).unlink()
    video = str(data / "train/000.mp4")
    commands = [["evaluate", str(run.root)], ["audit", str(run.root)], ["report", str(run.root)]]
    commands += [["predict", video, "--poses", "none", "--model", str(run.root)]] if lost == "integral" else []
    for command in commands:
        assert command_line(command) != 0
        err = capsys.readouterr().err
        assert f"Expected a finished training in {run.root}; {lost} is not trained yet" in err and "Errno" not in err


def test_torn_predictions_are_named_and_made_again(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    run = train(untrained(), data, tmp_path / "run", "cpu")
    index = read_index(data)
    evaluate(run, index, ("in-context",), CPU)
    path = run.root / "predictions/toy/in-context/integral.safetensors"
    whole = path.read_bytes()
    for content in (b"", whole[:-1]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"Expected predictions in {path}; it is empty or damaged"):
            read_predictions(run, index, "integral", ("in-context",))
    evaluate(run, index, ("in-context",), CPU)
    assert path.read_bytes() == whole


def test_a_torn_copy_of_the_start_is_named(data: Path, tmp_path: Path) -> None:
    start = train(untrained(), data, tmp_path / "start", "cpu")
    recipe = untrained(init=str(start.model_path("integral")))
    run = train(recipe, data, tmp_path / "run", "cpu")
    whole = run.init_path.read_bytes()
    run.init_path.write_bytes(whole[:100])
    with pytest.raises(ValueError, match=r"init\.safetensors; it is empty or damaged\. Remove it"):
        train(recipe, data, run.root, "cpu")
    run.init_path.unlink()
    train(recipe, data, run.root, "cpu")
    assert run.init_path.read_bytes() == whole


def test_fingerprints_tell_what_differs() -> None:
    one = Fingerprint(3, "a", "b", "c", "d")
    assert one.changes(one) == ""
    assert one.changes(replace(one, labels="x", poses="y")) == "other labels, other poses"
