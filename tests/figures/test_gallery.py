"""The galleries on the toy data set: which videos are shown, and that pictures and texts are those of the answers."""

import matplotlib.colors
import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from toy import CLASSES, toy_recipe, write_toy_dataset

from integralaction.config import Method
from integralaction.data.dataset import ClipReader, TestClips
from integralaction.data.index import Index, Video
from integralaction.data.poses import PoseStore
from integralaction.figures.gallery import (
    PANEL_FRAMES,
    Example,
    activation_figure,
    examples,
    gallery_figure,
    middle_clip,
)
from integralaction.model.network import IntegralAction
from integralaction.testing.predictions import Predictions
from tests.toy import with_values

METHODS: tuple[Method, ...] = ("appearance-only", "pose-only", "integral")
LONG = "skiing (not slalom or crosscountry)"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return write_toy_dataset(tmp_path_factory.mktemp("gallery")).split("in-context", "out-of-context")


@pytest.fixture(scope="module")
def models() -> dict[str, IntegralAction]:
    torch.manual_seed(0)
    config = with_values(toy_recipe().model, classes=CLASSES, frames=4)
    return {method: IntegralAction(config.of_method(method)).eval() for method in METHODS}


@pytest.fixture(scope="module")
def reader(index: Index, models: dict[str, IntegralAction]) -> ClipReader:
    return ClipReader.for_model(index, PoseStore.of(index.root), models["integral"].config)


def predicted(method: str, labels: list[int], answers: list[int], sure: list[float]) -> Predictions:
    videos = tuple(Video(f"{i}.mp4", CLASSES[label], "val", 9, 9.0, 8, 8) for i, label in enumerate(labels))
    probabilities = np.array([np.where(np.arange(3) == a, s, (1 - s) / 2) for a, s in zip(answers, sure, strict=True)])
    return Predictions(method, CLASSES, videos, np.array(labels), probabilities, np.full(len(labels), np.nan))


def texts(figure: Figure) -> list[Text]:
    figure.draw_without_rendering()
    return [t for t in figure.findobj(Text) if t.get_text().strip() and t.get_visible()]


def pictures(figure: Figure) -> list[np.ndarray]:
    return [np.asarray(image.get_array()) for axes in figure.axes for image in axes.images]


def is_readable(figure: Figure) -> bool:
    """No text lies on another one or on a picture, and none is cut."""
    page = figure.bbox
    boxes = [text.get_window_extent() for text in texts(figure)]
    shown = [image.get_window_extent() for axes in figure.axes for image in axes.images]
    inside = all(page.x0 <= b.x0 and b.x1 <= page.x1 and page.y0 <= b.y0 and b.y1 <= page.y1 for b in boxes)
    return inside and not any(a.overlaps(b) for i, a in enumerate(boxes) for b in (*boxes[:i], *shown))


def case(number: int, title: str, *answers: str) -> Example:
    return Example(number, title, {m: (a, a == title) for m, a in zip(METHODS, answers, strict=True)})


def test_examples_have_the_pattern_and_different_classes_come_first() -> None:
    labels = [0, 0, 0, 1, 2, 1]
    all_right = predicted("integral", labels, labels, [0.9, 0.8, 0.7, 0.6, 0.5, 0.95])
    half = predicted("pose-only", labels, [0, 0, 0, 1, 2, 0], [0.99] * 6)
    both = {"pose-only": half, "integral": all_right}
    found = examples(both, {"pose-only": True, "integral": True}, 9)
    assert [e.number for e in found] == [0, 3, 4, 1, 2]  # the surest of each class, then the others
    assert [e.number for e in examples(both, {"pose-only": True, "integral": True}, 2, skip=1)] == [3, 4]
    assert examples(both, {"pose-only": False, "integral": True}, 9) == [
        Example(5, "right", {"pose-only": ("down", False), "integral": ("right", True)})
    ]
    assert examples(both, {"integral": False}, 9) == []


def test_answers_of_all_methods_are_told() -> None:
    labels = [0, 1]
    one, other = (predicted(m, labels, [0, 0], [0.9, 0.9]) for m in ("integral", "pose-only"))
    found = examples({"pose-only": other, "integral": one}, {"integral": True}, 1)
    assert found == [Example(0, "down", {"pose-only": ("down", True), "integral": ("down", True)})]
    with pytest.raises(ValueError, match="Expected predictions on the same videos"):
        examples({"pose-only": predicted("pose-only", [0], [0], [1.0]), "integral": one}, {"integral": True}, 1)


def test_the_clip_is_the_middle_one_of_the_test_clips(reader: ClipReader) -> None:
    batch = TestClips(reader)[1]
    clip = middle_clip(reader, 1)
    assert len(batch.frames) == 10
    np.testing.assert_array_equal(clip.frames.transpose(0, 3, 1, 2), batch.frames[5])
    np.testing.assert_array_equal(clip.joints, batch.joints[5])


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_a_gallery_has_a_block_an_example(reader: ClipReader, count: int) -> None:
    shown = [case(i, CLASSES[i % 3], CLASSES[i % 3], CLASSES[(i + 1) % 3], CLASSES[i % 3]) for i in range(count)]
    figure = gallery_figure(shown, reader, frames=3)
    assert len(pictures(figure)) == count * 2 * 3
    written = sorted(text.get_text() for text in texts(figure))
    answers = [
        f"appearance-only: {CLASSES[i % 3]} ✓\npose-only: {CLASSES[(i + 1) % 3]} ✗\nintegral: {CLASSES[i % 3]} ✓"
        for i in range(count)
    ]
    assert written == sorted([e.title for e in shown] + answers)
    assert figure.get_size_inches()[0] == 7 and is_readable(figure)


def test_frames_are_those_of_the_clip_and_poses_are_where_somebody_was_found(reader: ClipReader) -> None:
    for number in range(3):
        clip = middle_clip(reader, number)
        made = pictures(gallery_figure([case(number, "down", "down", "down", "down")], reader, frames=9))
        assert len(made) == 8  # the clip has no more than four frames
        for frame, joints, above, below in zip(clip.frames, clip.joints, made[:4], made[4:], strict=True):
            assert above.shape == below.shape == (224, 224, 3)
            np.testing.assert_allclose(above.mean(axis=(0, 1)), frame.mean(axis=(0, 1)), atol=1.5)
            assert (len(np.unique(below.reshape(-1, 3), axis=0)) > 1) == bool((joints[..., 2] > 0).any())
    everywhere = np.concatenate([middle_clip(reader, i).joints[..., 2].ravel() for i in range(3)])
    assert (everywhere == 0).any() and (everywhere > 0).any()  # both were seen


@pytest.mark.parametrize("title", [LONG, f"{LONG} down a hill", "$1 and $2_a^b"])
def test_long_and_odd_names_fit(reader: ClipReader, models: dict[str, IntegralAction], title: str) -> None:
    figure = gallery_figure([case(i, title, title, LONG, title) for i in range(4)], reader)
    assert is_readable(figure)
    assert " ".join(figure.axes[0].get_title().split()) == title
    named = {
        method: IntegralAction(with_values(model.config, classes=(title, LONG + ".", "c"))).eval()
        for method, model in models.items()
    }
    figure = activation_figure(
        [(case(0, title, title, LONG + ".", title), reader), (case(3, title, "c", "c", title), reader)], named
    )
    assert is_readable(figure)


def test_activation_figure(reader: ClipReader, models: dict[str, IntegralAction]) -> None:
    cases = [case(0, "down", "down", "right", "down"), case(3, "down", "still", "down", "down")]
    figure = activation_figure([(one, reader) for one in cases], models)
    written = {text.get_text() for text in texts(figure)}
    assert written == {
        *("(a) in context: down", "appearance-only: down ✓", "pose-only: right ✗", "integral: down ✓"),
        *("(b) out of context: down", "appearance-only: still ✗", "pose-only: down ✓"),
    }
    assert len(pictures(figure)) == 2 * 3 * 2 * PANEL_FRAMES
    assert is_readable(figure) and figure.get_size_inches()[0] == 7


def test_heat_lies_where_the_class_is_seen(reader: ClipReader, models: dict[str, IntegralAction]) -> None:
    """A classifier whose weights are all positive sees its class everywhere; one of negative weights nowhere."""
    model = models["appearance-only"]
    with torch.no_grad():
        weight = model.appearance_classifier.weight
        before = weight.clone()
        weight[0], weight[1] = 1, -1
    try:
        seen, unseen = (
            pictures(activation_figure([(case(0, "down", answer, "down", "down"), reader)], models))[: 2 * PANEL_FRAMES]
            for answer in ("down", "right")
        )
    finally:
        with torch.no_grad():
            weight.copy_(before)
    for plain, hot, cold in zip(seen[:PANEL_FRAMES], seen[PANEL_FRAMES:], unseen[PANEL_FRAMES:], strict=True):
        np.testing.assert_allclose(cold, 0.7 * plain, atol=0.51)
        assert np.abs(hot.astype(float) - cold).mean() > 20


def test_marks_differ_without_colour(reader: ClipReader) -> None:
    figure = gallery_figure([case(0, "down", "down", "right", "down")], reader)
    assert {matplotlib.colors.to_hex(text.get_color()) for text in texts(figure)} == {"#000000"}


def test_nothing_to_show_is_said(reader: ClipReader, models: dict[str, IntegralAction], index: Index) -> None:
    with pytest.raises(ValueError, match="Expected at least one example to show; found none"):
        gallery_figure([], reader)
    with pytest.raises(ValueError, match="Expected at least one example to show; found none"):
        activation_figure([], models)
    blind = ClipReader.for_model(index, PoseStore.of(index.root), models["pose-only"].config)
    with pytest.raises(ValueError, match="Expected a reader for a model that looks at frames"):
        gallery_figure([case(0, "down", "down", "down", "down")], blind)
