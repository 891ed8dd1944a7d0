"""Ten-clip testing: against a plain loop over the clips, intervals against closed forms, and continuing."""

import csv
import io
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console
from toy import CLASSES, toy_recipe, write_toy_dataset

from integralaction.data.dataset import ClipReader, TestClips
from integralaction.data.index import AS_RELEASED, Video, read_index, write_index
from integralaction.data.poses import PoseStore, write_pose_store
from integralaction.intervals import share_interval
from integralaction.model.network import IntegralAction
from integralaction.testing import evaluate as testing
from integralaction.testing.evaluate import evaluate, evaluate_together, print_results
from integralaction.testing.predictions import Predictions, protocols
from integralaction.testing.scores import paired_difference, score
from integralaction.training.run import Run, open_run
from integralaction.training.stages import train
from tests.toy import with_values

CPU = torch.device("cpu")
TESTED = ("in-context", "out-of-context")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    root = tmp_path_factory.mktemp("evaluate")
    write_toy_dataset(root / "data")
    train(toy_recipe(), root / "data", root / "run", "cpu")
    return open_run(root / "run")


def test_probabilities_are_the_mean_over_ten_clips(run: Run) -> None:
    index = read_index(run.data)
    found = evaluate(run, index, (), CPU)
    assert set(found) == {"appearance-only", "pose-only", "score-average", "integral", "gate-free"}
    part = index.split("in-context", "out-of-context")
    for method, predictions in found.items():
        model = run.load(method)
        clips = TestClips(ClipReader.for_model(part, PoseStore.of(index.root), model.config))
        for number in (0, 5):
            batch, sums = clips[number], []
            for i in range(10):  # one clip at a time, through the whole model
                with torch.no_grad():
                    frames = None if method == "pose-only" else batch.frames[i : i + 1]
                    joints = None if method == "appearance-only" else batch.joints[i : i + 1]
                    sums.append(model(frames, joints).probabilities[0])
            np.testing.assert_allclose(
                predictions.probabilities[number],
                torch.stack(sums).mean(dim=0),
                atol=1e-5,
                err_msg=f"{method} {number}",
            )
    assert np.isnan(found["gate-free"].gate).all() and (found["integral"].gate > 0).all()


def test_predictions_can_be_read_again(run: Run) -> None:
    index = read_index(run.data)
    found = evaluate(run, index, (), CPU)
    for method, predictions in found.items():
        again = testing.read_predictions(run, index, method, TESTED)
        np.testing.assert_array_equal(again.probabilities, predictions.probabilities)
        assert again.videos == predictions.videos and (again.labels == predictions.labels).all()
    rows = list(csv.DictReader((run.root / "predictions/toy/in-context/integral.csv").read_text().splitlines()))
    assert [row["video"] for row in rows] == [video.video for video in index.split("in-context").videos]
    assert (run.root / "results/toy.md").read_text().startswith("| method | in-context (3) | out-of-context (3) |")
    with pytest.raises(FileNotFoundError, match="Expected predictions in"):
        testing.read_predictions(run, replace(index, name="other"), "integral", TESTED)


def test_an_interrupted_evaluation_goes_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    index = read_index(run.data)
    whole = evaluate(run, index, (), CPU)
    calls, predict_clips = [], testing.predict_clips

    def interrupted(*arguments: object) -> dict:
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return predict_clips(*arguments)

    monkeypatch.setattr(testing, "CHUNK", 2)
    monkeypatch.setattr(testing, "predict_clips", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(run, index, (), CPU)
    again = evaluate(run, index, (), CPU)
    assert len(calls) == 5 + 3  # the first split was kept, and nothing of the second, whose first chunk is two videos
    for method in whole:
        np.testing.assert_array_equal(again[method].probabilities, whole[method].probabilities)
    assert not list((run.root / "predictions/toy").rglob("part-*"))


def test_a_part_of_the_classes_is_matched_by_name(run: Run, tmp_path: Path) -> None:
    index = read_index(run.data)
    kept = tuple(video for video in index.videos if video.label == "still")
    write_index(replace(index, root=tmp_path, name="part", classes=("still",), videos=kept, video_root=str(run.data)))
    write_pose_store(tmp_path, PoseStore.of(run.data).items())
    found = evaluate(run, read_index(tmp_path), (), CPU)
    assert set(found["integral"].labels) == {CLASSES.index("still")}


def test_splits_are_tested_one_by_one(run: Run) -> None:
    index = read_index(run.data)
    both = evaluate(run, index, (), CPU)["integral"]
    evaluate(run, index, ("in-context", "in-context"), CPU)
    assert (run.root / "results/toy.md").read_text().startswith("| method | in-context (3) | out-of-context (3) |")
    again = testing.read_predictions(run, index, "integral", TESTED)
    np.testing.assert_array_equal(again.probabilities, both.probabilities)


def test_predictions_of_other_videos_are_not_taken_for_these(run: Run) -> None:
    index = read_index(run.data)
    evaluate(run, index, (), CPU)
    other = replace(index, videos=tuple(replace(video, frames=11) for video in index.videos))
    with pytest.raises(ValueError, match="Expected predictions of the videos of"):
        testing.read_predictions(run, other, "integral", TESTED)


def test_two_parts_of_one_video_are_two_rows(run: Run, tmp_path: Path) -> None:
    index = read_index(run.data)
    whole = index.split("in-context").videos[0]
    parts = (replace(whole, label="down", end=0.6), replace(whole, label="right", start=0.6))
    write_index(replace(index, root=tmp_path, name="parts", videos=parts, video_root=str(run.data)))
    write_pose_store(tmp_path, [(whole.video, PoseStore.of(run.data)[whole.video])])
    found = evaluate(run, read_index(tmp_path), (), CPU)["integral"]
    assert found.labels.tolist() == [0, 1] and [video.start for video in found.videos] == [None, 0.6]
    assert not np.array_equal(found.probabilities[0], found.probabilities[1])


def test_nothing_to_test_on_is_named(run: Run) -> None:
    with pytest.raises(ValueError, match=r"Expected a split to test on in .*; it has train"):
        evaluate(run, read_index(run.data).split("train"), (), CPU)


def test_nan_is_never_right() -> None:
    predictions = made("a", np.array([True]))
    broken = replace(predictions, probabilities=np.full((1, 2), np.nan, np.float32))
    assert broken.rank().tolist() == [1]


def test_a_class_that_the_model_does_not_know_is_named(run: Run) -> None:
    index = read_index(run.data)
    strange = tuple(replace(video, label="flying") for video in index.videos)
    with pytest.raises(ValueError, match=r"Expected classes that the model .* found 'flying'"):
        evaluate(run, replace(index, classes=("flying",), videos=strange), (), CPU)


def made(method: str, right: np.ndarray) -> Predictions:
    videos = tuple(Video(f"{i}.mp4", "a", "in-context", 10, 10.0, 8, 8) for i in range(len(right)))
    probabilities = np.where(right[:, None], [[0.9, 0.1]], [[0.2, 0.8]]).astype(np.float32)
    labels, gate = np.zeros(len(right), int), np.full(len(right), np.nan, np.float32)
    return Predictions(method, ("a", "b"), videos, labels, probabilities, gate)


def test_interval_of_a_share_is_that_of_the_binomial() -> None:
    values = np.repeat([1.0, 0.0], [300, 100])
    low, high = share_interval(values)
    deviation = np.sqrt(0.75 * 0.25 / 400)
    assert low == pytest.approx(0.75 - 1.96 * deviation, abs=0.005)
    assert high == pytest.approx(0.75 + 1.96 * deviation, abs=0.005)
    assert share_interval(values) == (low, high)


def test_paired_interval_uses_the_pairs() -> None:
    random = np.random.default_rng(0)
    theirs = random.random(400) < 0.5
    ours = theirs | (random.random(400) < 0.1)  # right wherever they are, and a little more
    gap, low, high = paired_difference(made("a", ours), made("b", theirs), "in-context")
    assert gap == pytest.approx(ours.mean() - theirs.mean())
    assert 0 < low < gap < high < 0.1
    alone = share_interval(ours)
    assert high - low < alone[1] - alone[0]


def test_equal_probabilities_do_not_count_as_right() -> None:
    predictions = made("a", np.array([True]))
    undecided = replace(predictions, probabilities=np.array([[0.5, 0.5]], np.float32))
    assert score(undecided, "in-context").top1 == 0
    assert score(predictions, "in-context").top1 == 1


def test_the_table_fits_a_narrow_terminal() -> None:
    splits = ("in-context", "out-of-context", "no-pose", "ambiguous")
    found = {}
    for method in ("appearance-only", "integral"):
        one = made(method, np.arange(400) % 7 > 0)
        videos = tuple(replace(v, split=splits[i % 4]) for i, v in enumerate(one.videos))
        found[method] = replace(one, videos=videos, gate=np.full(400, 0.25, np.float32))
    console = Console(width=80, record=True, file=io.StringIO())
    testing.print_results(found, console)
    text = console.export_text()
    lines = text.splitlines()
    assert "…" not in text and "out-of-context" in text and max(map(len, lines)) <= 80
    # the four splits side by side, two methods with a gate
    assert sum(line.count("[") for line in lines if line.startswith(("appearance-only", "integral"))) == 2 * 4
    assert text.count("0.25") == 2 * 4


def test_both_protocols_stand_side_by_side(tmp_path: Path) -> None:
    """Where the released code leaves videos out, its protocol is told beside that of all videos."""
    videos = tuple(
        Video(f"{i}.mp4", "ab"[i % 2], "out-of-context", 60, 30.0, 8, 8, note=AS_RELEASED if i < 6 else "")
        for i in range(10)
    )
    plain = tuple(Video(f"x{i}.mp4", "a", "in-context", 60, 30.0, 8, 8, note=AS_RELEASED) for i in range(4))
    rows = (*videos, *plain)
    right = np.array([i in (0, 1, 2, 7) or i >= 10 for i in range(14)])
    labels = np.array(["ab".index(v.label) for v in rows])
    probabilities = np.eye(2, dtype=np.float32)[np.where(right, labels, 1 - labels)]
    predictions = Predictions("integral", ("a", "b"), rows, labels, probabilities, np.full(14, np.nan, np.float32))
    names = protocols(rows)
    assert names == ["out-of-context", "out-of-context (as released)", "in-context"]
    assert [score(predictions, name).top1 for name in names] == [0.4, 0.5, 1.0]
    assert [score(predictions, name).videos for name in names] == [10, 6, 4]
    console = Console(width=120, record=True, file=io.StringIO())
    print_results({"integral": predictions}, console)
    text = console.export_text()
    assert "out-of-context (as released)" in text and "(6)" in text and "40.0 [17, 69]" in text  # of 4 in 10, Wilson


def answers(run: Run) -> dict[str, bytes]:
    """Every file of predictions and results, to the bit."""
    folders = (run.root / "predictions", run.root / "results")
    paths = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(run.root)): path.read_bytes() for path in paths}


def test_runs_with_the_same_streams_are_tested_together(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As each alone, but each video goes through the streams once."""
    recipe, index = run.recipe, read_index(run.data)
    others = [
        train(with_values(recipe, gate_lambda=5.0, methods=("integral",)), run.data, tmp_path / "lambda", "cpu"),
        train(with_values(recipe, methods=("feature-fuse", "both-gate")), run.data, tmp_path / "other", "cpu"),
    ]
    shutil.copytree(run.root, tmp_path / "first", ignore=shutil.ignore_patterns("predictions", "results"))
    runs = [Run(tmp_path / "first", recipe, run.data), *others]
    wanted = [evaluate(one, index, (), CPU) for one in runs]
    files = [answers(one) for one in runs]
    for one in runs:
        shutil.rmtree(one.root / "predictions")
        shutil.rmtree(one.root / "results")

    passes, features = [], IntegralAction.features

    def counted(model: IntegralAction, *arguments: torch.Tensor) -> object:
        passes.append(model)
        return features(model, *arguments)

    monkeypatch.setattr(IntegralAction, "features", counted)
    found = evaluate_together(runs, index, (), CPU)
    assert len(passes) == 6  # three videos of each of two splits
    for one, other, alone in zip(found, wanted, runs, strict=True):
        assert tuple(one) == alone.methods
        for method, predictions in one.items():
            np.testing.assert_array_equal(predictions.probabilities, other[method].probabilities)
            np.testing.assert_array_equal(predictions.gate, other[method].gate)
            assert predictions.videos == other[method].videos
    assert [answers(one) for one in runs] == files
    integral = [predictions["integral"].gate for predictions in found[:2]]
    assert not np.array_equal(*integral)  # each has its own model's answers


def test_runs_with_other_streams_are_not_tested_together(run: Run, tmp_path: Path) -> None:
    index = read_index(run.data)
    other = train(with_values(run.recipe, seed=1, methods=("integral",)), run.data, tmp_path / "other", "cpu")
    free = train(with_values(run.recipe, strategy="joint", methods=("integral",)), run.data, tmp_path / "free", "cpu")
    for runs in ([run, other], [run, free]):
        before = answers(runs[1])
        with pytest.raises(
            ValueError, match=r"Expected runs with the same streams; those of .*/run, .* differ"
        ) as told:
            evaluate_together(runs, index, (), CPU)
        assert str(runs[1].root) in str(told.value) and answers(runs[1]) == before


@pytest.mark.parametrize(("rank", "counts"), [(0, 1.0), (4, 1.0), (5, 0.0), (6, 0.0)])
def test_top_5_counts_the_first_five(rank: int, counts: float) -> None:
    classes = tuple("abcdefgh")
    probabilities = np.linspace(0.3, 0.01, 8, dtype=np.float32)[None]
    video = (Video("0.mp4", classes[rank], "test", 10, 10.0, 8, 8),)
    gate = np.full(1, np.nan, np.float32)
    found = score(Predictions("integral", classes, video, np.array([rank]), probabilities, gate), "test")
    assert (found.top5, found.top1) == (counts, float(rank == 0))


def test_a_torn_part_of_an_evaluation_is_made_again(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    index = read_index(run.data)
    whole = evaluate(run, index, ("in-context",), CPU)["integral"]
    write = testing.write_predictions

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(testing, "write_predictions", interrupted)
    with pytest.raises(KeyboardInterrupt):
        evaluate(run, index, ("in-context",), CPU)
    monkeypatch.setattr(testing, "write_predictions", write)
    (part,) = (run.root / "predictions/toy/in-context").glob("part-*/*.safetensors")
    for content in (b"", part.read_bytes()[:-1]):
        part.parent.mkdir(exist_ok=True)
        part.write_bytes(content)
        again = evaluate(run, index, ("in-context",), CPU)["integral"]
        np.testing.assert_array_equal(again.probabilities, whole.probabilities)
