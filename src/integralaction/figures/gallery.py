"""Videos as figures: where the methods look (Figure 1), and what they answer (Figures 7 to 11)."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_lowercase

import matplotlib as mpl
import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path
from PIL import Image

from integralaction.clip import Batch, Clip, collate
from integralaction.data.dataset import ClipReader
from integralaction.data.sampling import middle_test_clip
from integralaction.draw import draw_poses
from integralaction.errors import Refused
from integralaction.figures.activation import heat, integral_activation, stream_activation
from integralaction.figures.style import figure_style, new_figure, with_letters
from integralaction.model.network import IntegralAction
from integralaction.model.pose_maps import MIN_SCORE
from integralaction.testing.predictions import Predictions
from integralaction.testing.scores import check_same_videos, is_correct, videos_where

RIGHT, WRONG = "✓", "✗"
WIDTH = 7.0  # inches
PANEL_FRAMES = 3  # frames in each panel of Figure 1
_PIXELS = 224  # smaller frames are enlarged to it, smoothly: viewers enlarge with hard edges
_DRAWN = 144  # poses are drawn at this size and then enlarged, which makes their lines thick and smooth
_GAP = 0.03  # between pictures, in units of a picture
_PAD = 0.1  # left and right of each block, inches
_TEXT, _TITLE = 8, 9  # points
_APART = 5  # text from pictures, points
_LINE = 1.45  # height of a line, in units of the text's size
_HEAT = mpl.colormaps["inferno"]  # the hotter, the lighter: told apart in grey too
_OPAQUE = 0.75  # of the hottest place
_DIMMED = 0.7  # frames below heat, so that what is light in them is not taken for heat
_DARK = (24, 24, 28)


@dataclass(frozen=True)
class Example:
    """A video, and what methods say of it.

    Attributes:
        number: its row in the predictions, and in the index of the reader that shows it.
        title: its true class.
        answers: by method, the class that it answers and whether that is right.
    """

    number: int
    title: str
    answers: dict[str, tuple[str, bool]]


def examples(
    predictions: dict[str, Predictions], outcomes: dict[str, bool], count: int, skip: int = 0
) -> list[Example]:
    """Videos on which exactly these methods are right and those wrong: each class's surest before any class's second.

    Args:
        predictions: by method, on the same videos; an example has the answers of all of them, in this order.
        outcomes: by method, whether it is right.
        count: how many at most.
        skip: so many of the first are left out.

    Raises:
        ValueError: the predictions are not of the same videos.
    """
    check_same_videos(*predictions.values())
    first = next(iter(predictions.values()))
    numbers = videos_where(predictions, outcomes).tolist()
    before: Counter[int] = Counter()
    turns = []  # how many videos of its class come before each
    for number in numbers:
        label = int(first.labels[number])
        turns.append(before[label])
        before[label] += 1
    order = np.argsort(turns, kind="stable")[skip : skip + count]
    rights = {method: is_correct(p) for method, p in predictions.items()}

    def answer(method: str, number: int) -> tuple[str, bool]:
        one = predictions[method]
        return one.classes[one.probabilities[number].argmax()], bool(rights[method][number])

    return [
        Example(number, first.classes[first.labels[number]], {method: answer(method, number) for method in predictions})
        for number in (numbers[place] for place in order)
    ]


def gallery_figure(examples: Sequence[Example], reader: ClipReader, frames: int = 4) -> Figure:
    """Figures 7 to 11: frames of the middle test clip, their poses below (empty where nobody was found), the answers.

    Args:
        reader: of the videos that the predictions are of, for a model that looks at frames and poses.
        frames: how many of a clip are shown, evenly spaced; all where the clip has fewer.

    Raises:
        ValueError: no examples, or a reader for a model that does not look at frames.
    """
    _check_some(examples)
    columns = min(2, len(examples))
    rows = -(-len(examples) // columns)
    width = WIDTH / columns - 2 * _PAD
    chosen = _evenly(frames, reader.clip.frames)
    titles = [_wrapped(example.title, width, _TITLE, "bold") for example in examples]
    texts = ["\n".join(_answer(method, e, width) for method in e.answers) for e in examples]
    above, below = _tall(titles, _TITLE), _tall(texts, _TEXT)
    tall = above + _pictures_tall(width, len(chosen)) + below
    with figure_style():
        figure = _new_figure(rows * tall)
        for place, example in enumerate(examples):
            row, column = divmod(place, columns)
            clip = middle_clip(reader, example.number)
            pictures = [_enlarged(frame) for frame in _frames(clip)[chosen]]
            poses = _pose_pictures(clip, reader, chosen, None)
            left, top = column * WIDTH / columns + _PAD, (rows - row) * tall - above
            axes = _show(figure, left, top, width, [pictures, poses])
            axes.set_title(titles[place], fontsize=_TITLE, weight="bold", pad=_APART, parse_math=False)
            _write_below(axes, texts[place])
    return figure


def activation_figure(cases: Sequence[tuple[Example, ClipReader]], models: dict[str, IntegralAction]) -> Figure:
    """Figure 1: where each stream, and the two integrated, saw what speaks for the class that the method answers.

    Each case is a row of three panels. Those of one stream have its input above and its class activation maps on it
    below; that of the integrated model has its maps on the frames above and on the poses below.
    Lighter is hotter, measured by the hottest place of the clip in that stream.

    Args:
        cases: with the answers of `appearance-only`, `pose-only` and `integral`; each with a reader of the videos that
            the predictions are of, for the model of `integral`.
        models: these three, in eval mode; of the same frames and skeleton.

    Raises:
        ValueError: no cases, or a reader for a model that does not look at frames.
    """
    _check_some(cases)
    width = WIDTH / 3 - 2 * _PAD
    chosen = _evenly(PANEL_FRAMES, cases[0][1].clip.frames)
    headings, texts = [], []
    for letter, (case, reader) in zip(ascii_lowercase, cases, strict=False):
        split = reader.index.videos[case.number].split.replace("-", " ")
        headings.append(_wrapped(f"({letter}) {split}: {case.title}", WIDTH - 2 * _PAD, _TITLE, "bold"))
        texts.append([_answer(method, case, width) for method in ("appearance-only", "pose-only", "integral")])
    above, below = _tall(headings, _TITLE), _tall([text for row in texts for text in row], _TEXT)
    tall = above + _pictures_tall(width, len(chosen)) + below
    with figure_style():
        figure = _new_figure(len(headings) * tall)
        for row, (heading, (case, reader)) in enumerate(zip(headings, cases, strict=False)):
            top = (len(headings) - row) * tall - above
            for column, panel in enumerate(_panels(case, models, reader, chosen)):
                axes = _show(figure, column * WIDTH / 3 + _PAD, top, width, panel)
                _write_below(axes, texts[row][column])
                if column == 1:  # in the middle of the page
                    axes.set_title(heading, fontsize=_TITLE, weight="bold", pad=_APART, parse_math=False)
    return figure


def middle_clip(reader: ClipReader, number: int) -> Clip:
    """The middle one of a video's test clips, cut to the square that the model sees."""
    video = reader.video(number)
    return video.read_clips(middle_test_clip(video.source.frames, video.clip))[0]


Pictures = list[UInt8[np.ndarray, "_ _ 3"]]


def _panels(
    case: Example, models: dict[str, IntegralAction], reader: ClipReader, chosen: np.ndarray
) -> list[list[Pictures]]:
    """Three panels of two rows of pictures."""
    clip = middle_clip(reader, case.number)
    batch = collate([clip], [-1], [case.number])
    frames = [_enlarged(frame) for frame in _frames(clip)[chosen]]
    poses = _pose_pictures(clip, reader, chosen, None)
    side = len(frames[0])
    times = chosen * reader.clip.pose_frame_factor

    def inputs_of(method: str) -> tuple[IntegralAction, Batch, int]:
        model = models[method]
        answer = model.config.classes.index(case.answers[method][0])
        return model, batch.to(next(model.parameters()).device), answer

    model, inputs, answer = inputs_of("appearance-only")
    appearance = heat(stream_activation(model, inputs.frames, None, answer), side, side)[0, chosen]
    model, inputs, answer = inputs_of("pose-only")
    pose = heat(stream_activation(model, None, inputs.joints, answer), _DRAWN, _DRAWN)[0, times]
    model, inputs, answer = inputs_of("integral")
    assert inputs.frames is not None
    seen_in_frames, seen_in_poses = integral_activation(model, inputs.frames, inputs.joints, answer)
    on_frames = heat(seen_in_frames, side, side)[0, chosen]
    on_poses = heat(seen_in_poses, _DRAWN, _DRAWN)[0, times]
    return [
        [frames, [_heated(frame, h) for frame, h in zip(frames, appearance, strict=True)]],
        [poses, _pose_pictures(clip, reader, chosen, pose)],
        [
            [_heated(frame, h) for frame, h in zip(frames, on_frames, strict=True)],
            _pose_pictures(clip, reader, chosen, on_poses),
        ],
    ]


def _evenly(count: int, frames: int) -> np.ndarray:
    """So many frame numbers of a clip, the first and the last among them where there are two or more."""
    count = min(count, frames)
    return np.linspace(0, frames - 1, count).round().astype(np.int64) if count > 1 else np.array([frames // 2])


def _frames(clip: Clip) -> UInt8[np.ndarray, "t h w 3"]:
    if clip.frames is None:
        raise Refused(
            "Expected a reader for a model that looks at frames; found one for pose-only. Give one for the integral "
            "model."
        )
    return clip.frames


def _enlarged(frame: UInt8[np.ndarray, "h w 3"]) -> UInt8[np.ndarray, "h2 w2 3"]:
    size = max(_PIXELS, len(frame))
    return np.asarray(Image.fromarray(frame).resize((size, size), Image.Resampling.BICUBIC))


def _heated(
    picture: UInt8[np.ndarray, "h w 3"], hot: Float[np.ndarray, "h w"], dimmed: float = _DIMMED
) -> UInt8[np.ndarray, "h w 3"]:
    """The picture below its heat, the more covered the hotter it is."""
    cover = _OPAQUE * hot[..., None]
    return ((1 - cover) * dimmed * picture + cover * 255 * _HEAT(hot)[..., :3]).round().astype(np.uint8)


def _pose_pictures(
    clip: Clip, reader: ClipReader, chosen: np.ndarray, heats: Float[np.ndarray, "n h w"] | None
) -> Pictures:
    """The poses of these frames on dark ground, or on their heat; where nobody was found, that alone."""
    scale = np.array([_DRAWN / reader.clip.size, _DRAWN / reader.clip.size, 1], np.float32)
    ground = np.full((_DRAWN, _DRAWN, 3), _DARK, np.uint8)
    pictures = []
    for i, joints in enumerate(clip.joints[chosen * reader.clip.pose_frame_factor]):
        picture = Image.fromarray(ground if heats is None else _heated(ground, heats[i], dimmed=1))
        draw_poses(picture, joints * scale, reader.skeleton, MIN_SCORE)
        pictures.append(_enlarged(np.asarray(picture)))
    return pictures


def _new_figure(height: float) -> Figure:
    """All sizes are known here, and constrained layout does not know those of pictures before they are drawn."""
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine("none")
    return figure


def _show(figure: Figure, left: float, top: float, width: float, rows: list[Pictures]) -> Axes:
    """Two rows of pictures in axes of their own; sizes in inches, the unit of the axes is a picture."""
    step, tall = 1 + _GAP, _pictures_tall(width, len(rows[0]))
    height = figure.get_figheight()
    axes = figure.add_axes((left / WIDTH, (top - tall) / height, width / WIDTH, tall / height))
    for down, row in enumerate(rows):
        for along, picture in enumerate(row):
            x, y = along * step, down * step
            axes.imshow(picture, extent=(x, x + 1, y + 1, y), aspect="auto")
    axes.set(xlim=(0, len(rows[0]) * step - _GAP), ylim=(len(rows) * step - _GAP, 0), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    return axes


def _pictures_tall(width: float, along: int) -> float:
    """Height of two rows of so many pictures, in inches."""
    return width * (2 + _GAP) / (along * (1 + _GAP) - _GAP)


def _tall(texts: Sequence[str], size: float) -> float:
    """Height that the one with the most lines needs, with room around it, in inches."""
    return (max(text.count("\n") + 1 for text in texts) * _LINE * size + 2 * _APART) / 72


def _write_below(axes: Axes, text: str) -> None:
    axes.set_xlabel(text, loc="left", labelpad=_APART, fontsize=_TEXT, parse_math=False)


def _answer(method: str, example: Example, width: float) -> str:
    answer, is_right = example.answers[method]
    return _wrapped(f"{method}: {answer} {RIGHT if is_right else WRONG}", width, _TEXT, indent="    ")


def _wrapped(text: str, width: float, size: float, weight: str = "normal", indent: str = "") -> str:
    """The text in lines of at most so many inches, broken between words, the later ones indented."""
    first, *words = with_letters(text).split() or [""]
    font = FontProperties(size=size, weight=weight)
    lines = [first]
    for word in words:
        longer = f"{lines[-1]} {word}"
        if text_to_path.get_text_width_height_descent(longer, font, ismath=False)[0] <= 72 * width:
            lines[-1] = longer
        else:
            lines.append(indent + word)
    return "\n".join(lines)


def _check_some(examples: Sequence[Example] | Sequence[tuple[Example, ClipReader]]) -> None:
    if not examples:
        raise Refused("Expected at least one example to show; found none. Choose another pattern of answers.")
