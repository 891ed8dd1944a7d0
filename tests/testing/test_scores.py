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


def random_predictions(method: str, seed: int, videos: int = 60) -> Predictions:
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
    return random_predictions("appearance-only", 0)


@pytest.fixture(scope="module")
def pose() -> Predictions:
    return random_predictions("pose-only", 1)


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
    slow = [a or p for a, p in zip(slow_right(appearance), slow_right(pose), strict=True)]
    assert is_oracle_correct(appearance, pose).tolist() == slow
    assert np.mean(slow) > max(is_correct(appearance).mean(), is_correct(pose).mean())


def test_means_by_class(pose: Predictions) -> None:
    values = np.random.default_rng(2).random(len(pose.labels))
    means = by_class(values, pose)
    assert list(means) == ["waving", "jumping", "bowing"]  # in order, without the one that has no video
    for name, mean in means.items():
        of_class = [value for value, video in zip(values, pose.videos, strict=True) if video.label == name]
        assert mean == pytest.approx(sum(of_class) / len(of_class))
    shares = by_class(is_correct(pose), pose)
    assert all(0 <= share <= 1 and isinstance(share, float) for share in shares.values())


def test_gates_by_class_are_sorted(pose: Predictions) -> None:
    gates = gates_by_class(pose)
    assert gates == by_class(pose.gate, pose)
    assert list(gates.values()) == sorted(gates.values(), reverse=True)
    rising = replace(pose, gate=pose.labels.astype(np.float32) / 4)
    assert list(gates_by_class(rising).items()) == [("bowing", 0.75), ("jumping", 0.5), ("waving", 0.0)]


def test_gates_of_a_method_without_a_gate_are_refused(pose: Predictions) -> None:
    with pytest.raises(ValueError, match="Expected predictions of a method with a gate; pose-only has none"):
        gates_by_class(replace(pose, gate=np.full(len(pose.gate), np.nan, np.float32)))


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_averaged_scores(appearance: Predictions, pose: Predictions, share: float) -> None:
    average = average_scores(appearance, pose, share)
    for i in range(len(average.videos)):
        for n in range(len(CLASSES)):
            slow = share * appearance.probabilities[i, n] + (1 - share) * pose.probabilities[i, n]
            assert average.probabilities[i, n] == pytest.approx(slow, abs=1e-6)
    assert average.method == "score-average" and average.videos == pose.videos and average.classes == pose.classes
    assert (average.labels == pose.labels).all() and np.isnan(average.gate).all()


def test_sweep_is_top1_at_each_share(appearance: Predictions, pose: Predictions) -> None:
    assert RATIOS == (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    sweep = score_sweep(appearance, pose)
    assert sweep[0] == pytest.approx(np.mean(slow_right(pose)))
    assert sweep[-1] == pytest.approx(np.mean(slow_right(appearance)))
    for share, top1 in zip(RATIOS, sweep, strict=True):
        hits = 0
        for a, p, label in zip(appearance.probabilities, pose.probabilities, pose.labels, strict=True):
            hits += int(np.argmax(share * a.astype(float) + (1 - share) * p.astype(float)) == label)
        assert top1 == pytest.approx(hits / len(pose.labels))
    assert score_sweep(appearance, pose, (1.0, 0.0)).tolist() == [sweep[-1], sweep[0]]


def test_confusion_counts_the_answers(pose: Predictions) -> None:
    shares = confusion(pose)
    answers = [int(np.argmax(row)) for row in pose.probabilities]
    for true in range(len(CLASSES)):
        of_class = [answer for answer, label in zip(answers, pose.labels, strict=True) if label == true]
        for answer in range(len(CLASSES)):
            if of_class:
                assert shares[true, answer] == pytest.approx(of_class.count(answer) / len(of_class))
            else:
                assert np.isnan(shares[true, answer])
    assert np.isnan(shares[1]).all() and not np.isnan(shares[[0, 2, 3]]).any()


def test_videos_where_has_the_pattern_and_the_surest_first(appearance: Predictions, pose: Predictions) -> None:
    integral = random_predictions("integral", 2)
    everything = {"appearance-only": appearance, "pose-only": pose, "integral": integral}
    covered: list[int] = []
    for outcomes in (
        {"appearance-only": a, "pose-only": p, "integral": i} for a in (0, 1) for p in (0, 1) for i in (0, 1)
    ):
        numbers = videos_where(everything, {name: bool(is_right) for name, is_right in outcomes.items()}).tolist()
        slow = [
            n for n in range(60) if all(slow_right(everything[m])[n] == is_right for m, is_right in outcomes.items())
        ]
        assert sorted(numbers) == slow
        sure = [min(float(everything[m].probabilities[n].max()) for m in outcomes) for n in numbers]
        assert sure == sorted(sure, reverse=True)
        covered += numbers
    assert sorted(covered) == list(range(60))  # each video has one pattern of the eight


def test_videos_where_looks_at_the_methods_asked_for_alone(appearance: Predictions, pose: Predictions) -> None:
    numbers = videos_where({"appearance-only": appearance, "pose-only": pose}, {"pose-only": True})
    assert sorted(numbers) == np.flatnonzero(is_correct(pose)).tolist()
    assert numbers[0] == max(numbers, key=lambda n: pose.probabilities[n].max())


@pytest.mark.parametrize(
    "of_two",
    [
        check_same_videos,
        is_oracle_correct,
        lambda ours, theirs: average_scores(ours, theirs, 0.5),
        score_sweep,
        lambda ours, theirs: videos_where({"a": ours, "b": theirs}, {"a": True, "b": True}),
    ],
)
def test_predictions_on_other_videos_are_refused(of_two: Callable, appearance: Predictions, pose: Predictions) -> None:
    of_two(appearance, pose)
    sentence = "Expected predictions on the same videos; appearance-only and pose-only differ"
    with pytest.raises(ValueError, match=sentence):
        of_two(appearance, replace(pose, videos=(replace(pose.videos[0], video="other.mp4"), *pose.videos[1:])))
    with pytest.raises(ValueError, match=sentence):
        of_two(appearance, replace(pose, classes=CLASSES[::-1]))
