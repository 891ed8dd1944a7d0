"""What predictions tell beside accuracy, against slow loops over the videos."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from integralaction.data.index import Video
from integralaction.testing.predictions import Predictions
from integralaction.testing.scores import (
    RATIOS,
    average_scores,
    by_class,
    check_same_videos,
    confusion,
    gates_by_class,
    is_correct,
    is_oracle_correct,
    score_sweep,
    videos_where,
)

CLASSES = ("waving", "absent", "jumping", "bowing")  # no video shows the second


def predicted(method: str, seed: int, videos: int = 60) -> Predictions:
    """Random answers on the same videos whatever the seed."""
    labels = np.random.default_rng(7).choice([0, 2, 3], videos)
    random = np.random.default_rng(seed)
    scores = random.random((videos, len(CLASSES))).astype(np.float32)
    scores[np.arange(videos), labels] += random.choice([0, 0.6], videos).astype(np.float32)
    rows = tuple(Video(f"{i}.mp4", CLASSES[label], "val", 9, 9.0, 8, 8) for i, label in enumerate(labels))
    gate = random.random(videos).astype(np.float32)
    return Predictions(method, CLASSES, rows, labels, scores / scores.sum(axis=1, keepdims=True), gate)


@pytest.fixture(scope="module")
def appearance() -> Predictions:
    return predicted("appearance-only", 0)


@pytest.fixture(scope="module")
def pose() -> Predictions:
    return predicted("pose-only", 1)


def slow_right(predictions: Predictions) -> list[bool]:
    """Whether every other class is less probable than the true one, video by video."""
    return [
        all(p < row[label] for number, p in enumerate(row) if number != label)
        for row, label in zip(predictions.probabilities.tolist(), predictions.labels, strict=True)
    ]


def test_right_is_the_most_probable_class_alone(pose: Predictions) -> None:
    assert is_correct(pose).tolist() == slow_right(pose)
    assert 0 < is_correct(pose).mean() < 1
    tie = replace(pose, probabilities=np.full_like(pose.probabilities, 0.25))
    assert not is_correct(tie).any()


def test_oracle_takes_the_better_stream(appearance: Predictions, pose: Predictions) -> None:
    wanted = [a or p for a, p in zip(slow_right(appearance), slow_right(pose), strict=True)]
    assert is_oracle_correct(appearance, pose).tolist() == wanted
    assert np.mean(wanted) > max(is_correct(appearance).mean(), is_correct(pose).mean())


def test_means_by_class(pose: Predictions) -> None:
    values = np.random.default_rng(2).random(len(pose.labels))
    found = by_class(values, pose)
    assert list(found) == ["waving", "jumping", "bowing"]  # in order, without the one that has no video
    for name, mean in found.items():
        own = [value for value, video in zip(values, pose.videos, strict=True) if video.label == name]
        assert mean == pytest.approx(sum(own) / len(own))
    shares = by_class(is_correct(pose), pose)
    assert all(0 <= share <= 1 and isinstance(share, float) for share in shares.values())


def test_gates_by_class_are_sorted(pose: Predictions) -> None:
    found = gates_by_class(pose)
    assert found == by_class(pose.gate, pose)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    rising = replace(pose, gate=pose.labels.astype(np.float32) / 4)
    assert list(gates_by_class(rising).items()) == [("bowing", 0.75), ("jumping", 0.5), ("waving", 0.0)]


def test_gates_of_a_method_without_a_gate_are_refused(pose: Predictions) -> None:
    with pytest.raises(ValueError, match="Expected predictions of a method with a gate; pose-only has none"):
        gates_by_class(replace(pose, gate=np.full(len(pose.gate), np.nan, np.float32)))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_averaged_scores(appearance: Predictions, pose: Predictions, share: float) -> None:
    found = average_scores(appearance, pose, share)
    for i in range(len(found.videos)):
        for n in range(len(CLASSES)):
            wanted = share * appearance.probabilities[i, n] + (1 - share) * pose.probabilities[i, n]
            assert found.probabilities[i, n] == pytest.approx(wanted, abs=1e-6)
    assert found.method == "score-average" and found.videos == pose.videos and found.classes == pose.classes
    assert (found.labels == pose.labels).all() and np.isnan(found.gate).all()


def test_sweep_is_top1_at_each_share(appearance: Predictions, pose: Predictions) -> None:
    assert RATIOS == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    found = score_sweep(appearance, pose)
    assert found[0] == pytest.approx(np.mean(slow_right(pose)))
    assert found[-1] == pytest.approx(np.mean(slow_right(appearance)))
    for share, top1 in zip(RATIOS, found, strict=True):
        hits = 0
        for a, p, label in zip(appearance.probabilities, pose.probabilities, pose.labels, strict=True):
            hits += int(np.argmax(share * a.astype(float) + (1 - share) * p.astype(float)) == label)
        assert top1 == pytest.approx(hits / len(pose.labels))
    assert score_sweep(appearance, pose, (1.0, 0.0)).tolist() == [found[-1], found[0]]


def test_confusion_counts_the_answers(pose: Predictions) -> None:
    found = confusion(pose)
    answers = [int(np.argmax(row)) for row in pose.probabilities]
    for true in range(len(CLASSES)):
        own = [answer for answer, label in zip(answers, pose.labels, strict=True) if label == true]
        for answer in range(len(CLASSES)):
            if own:
                assert found[true, answer] == pytest.approx(own.count(answer) / len(own))
            else:
                assert np.isnan(found[true, answer])
    assert np.isnan(found[1]).all() and not np.isnan(found[[0, 2, 3]]).any()


def test_videos_where_has_the_pattern_and_the_surest_first(appearance: Predictions, pose: Predictions) -> None:
    integral = predicted("integral", 2)
    everything = {"appearance-only": appearance, "pose-only": pose, "integral": integral}
    covered: list[int] = []
    for wanted in (
        {"appearance-only": a, "pose-only": p, "integral": i} for a in (0, 1) for p in (0, 1) for i in (0, 1)
    ):
        found = videos_where(everything, {name: bool(truth) for name, truth in wanted.items()}).tolist()
        fits = [n for n in range(60) if all(slow_right(everything[m])[n] == truth for m, truth in wanted.items())]
        assert sorted(found) == fits
        sure = [min(float(everything[m].probabilities[n].max()) for m in wanted) for n in found]
        assert sure == sorted(sure, reverse=True)
        covered += found
    assert sorted(covered) == list(range(60))  # each video has one pattern of the eight


def test_videos_where_looks_at_the_methods_asked_for_alone(appearance: Predictions, pose: Predictions) -> None:
    found = videos_where({"appearance-only": appearance, "pose-only": pose}, {"pose-only": True})
    assert sorted(found) == np.flatnonzero(is_correct(pose)).tolist()
    assert found[0] == max(found, key=lambda n: pose.probabilities[n].max())


@pytest.mark.parametrize(
    "of_two",
    [
        check_same_videos,
        is_oracle_correct,
        lambda one, other: average_scores(one, other, 0.5),
        score_sweep,
        lambda one, other: videos_where({"a": one, "b": other}, {"a": True, "b": True}),
    ],
)
def test_predictions_on_other_videos_are_refused(of_two: Callable, appearance: Predictions, pose: Predictions) -> None:
    of_two(appearance, pose)
    sentence = "Expected predictions on the same videos; appearance-only and pose-only differ"
    with pytest.raises(ValueError, match=sentence):
        of_two(appearance, replace(pose, videos=(replace(pose.videos[0], video="other.mp4"), *pose.videos[1:])))
    with pytest.raises(ValueError, match=sentence):
        of_two(appearance, replace(pose, classes=CLASSES[::-1]))
