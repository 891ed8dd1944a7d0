"""The paper's Figures 2 and 3, drawn from a model: its own blocks, and the shapes that pass between them.

Positions are in inches from the lower left corner of the figure.
"""

# ruff: noqa: RUF001 (the marks of mathematics)

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch, Rectangle
from torch import Tensor

from integralaction.errors import Refused
from integralaction.figures.architecture import Trace, trace_model
from integralaction.figures.style import COLOURS, figure_style, new_figure
from integralaction.model.layers import IntegrationLayers, Layer
from integralaction.model.network import IntegralAction
from integralaction.model.streams import AppearanceStream, PoseStream

WIDTH = 7.0  # inches
INK, GREY = "#000000", "#666666"
APPEARANCE, POSE = COLOURS["appearance-only"], COLOURS["pose-only"]
F, F_A, F_P = r"$\mathbf{F}$", r"$\mathbf{F}_\mathrm{A}$", r"$\mathbf{F}_\mathrm{P}$"
ALIGNED_A, ALIGNED_P = r"$\mathbf{F}'_\mathrm{A}$", r"$\mathbf{F}'_\mathrm{P}$"
G, ONE_MINUS_G = r"$\mathbf{G}$", r"$1-\mathbf{G}$"
TCB_A, TCB_P = r"TCB$_\mathrm{A}$", r"TCB$_\mathrm{P}$"

# a runner in a frame of 1 x 1: the lines of the body, and the head
_BODY = (
    ((0.56, 0.70), (0.47, 0.45)),
    ((0.47, 0.45), (0.68, 0.40), (0.66, 0.20)),
    ((0.47, 0.45), (0.36, 0.28), (0.18, 0.30)),
    ((0.55, 0.67), (0.72, 0.56), (0.82, 0.66)),
    ((0.55, 0.67), (0.40, 0.62), (0.32, 0.48)),
)
_HEAD = (0.61, 0.80)


def pipeline_figure(model: IntegralAction) -> Figure:
    """Figure 2, the overall pipeline: both sequences, their streams, the integration, the classification.

    The shapes at the arrows are those of a forward pass of one clip through `model`. What a method does not have is
    not drawn.
    """
    trace = trace_model(model)
    both = model.appearance is not None and model.pose is not None
    with figure_style():
        height = 2.4 if both else 1.4
        figure, axes = _canvas(height)
        upper, lower = height - 0.46, 0.74 if both else 0.94
        if model.appearance is not None:
            _appearance_row(axes, upper if both else lower, model, trace)
        if model.pose is not None:
            _pose_row(axes, lower, model, trace)
        middle = (upper + lower) / 2
        feature = trace.output.feature
        if both:
            _box(axes, (4.55, lower - 0.36, 0.98, upper - lower + 0.72), _integration_name(model), GREY)
        if feature is not None:
            _arrow(axes, [(5.53, middle), (6.08, middle)])
            _label_arrow(axes, (5.78, middle), F, _shape(feature))
        elif both:  # score-average: the integration box holds the classifiers
            _arrow(axes, [(5.53, middle), (6.08, middle)])
        if both and feature is None:
            _text(axes, (6.5, middle), _answer(model))
        else:
            _arrow(axes, [(6.5, middle - 0.25), (6.5, middle - 0.55)])
            _box(axes, (6.08, middle - 0.25, 0.84, 0.5), ("action\nclassification",), INK)
            _text(axes, (6.5, middle - 0.58), _answer(model), vertical="top")
    return figure


def _canvas(height: float) -> tuple[Figure, Axes]:
    figure = new_figure(WIDTH, height)
    figure.set_layout_engine("none")  # positions are given
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set(xlim=(0, WIDTH), ylim=(0, height))
    axes.set_axis_off()
    return figure, axes


def _answer(model: IntegralAction) -> str:
    return f"probabilities\nof {len(model.config.classes)} classes"


def _integration_name(model: IntegralAction) -> tuple[str, ...]:
    driver = None if model.integration is None else model.integration.layers().driver
    if driver is not None:
        name = {"pose": "pose-driven", "appearance": "appearance-\ndriven", "both": "gated"}[driver]
        return (f"{name}\nfeature\nintegration",)
    if model.integration is not None:
        return ("feature\nintegration\nwithout gate",)
    weight = 0 if model.config.integration is None else model.config.integration.score_weight
    return ("action\nclassification\nof each,", f"averaged\n{weight:g} to {1 - weight:g}")


def _appearance_row(axes: Axes, y: float, model: IntegralAction, trace: Trace) -> None:
    assert trace.frames is not None and trace.output.appearance is not None
    _frames(axes, y, "input appearance\nsequence", APPEARANCE, scene=True)
    _arrow(axes, [(1.0, y), (2.8, y)])
    _label_arrow(axes, (1.9, y), "RGB frames", "×".join(map(str, trace.frames[1:])))
    _stream(axes, y, "appearance\nstream", model.appearance, APPEARANCE)
    _arrow(axes, [(3.78, y), (6.08 if model.pose is None else 4.55, y)])
    _label_arrow(axes, (4.93 if model.pose is None else 4.15, y), F_A, _shape(trace.output.appearance))


def _pose_row(axes: Axes, y: float, model: IntegralAction, trace: Trace) -> None:
    assert model.pose is not None and trace.joints is not None and trace.output.pose is not None
    _frames(axes, y, "input pose\nsequence", POSE, scene=False)
    _arrow(axes, [(1.0, y), (1.55, y)])
    _, times, _, joints, _ = trace.joints
    _label_arrow(axes, (1.26, y), "joints", f"{times}×{joints}×3")
    maps = [m for m in (trace.output.heatmaps, trace.output.pafs) if m is not None]
    names = {"heatmaps": "heatmaps", "pafs": "PAFs", "both": "heatmaps\n+ PAFs"}[model.pose.input]
    _box(axes, (1.55, y - 0.25, 0.66, 0.5), (names,), POSE)
    _arrow(axes, [(2.21, y), (2.8, y)])
    channels, size = sum(m.shape[2] for m in maps), maps[0].shape[-1]
    _label_arrow(axes, (2.49, y), "maps", f"{times}×{channels}\n×{size}×{size}")
    _stream(axes, y, "pose stream", model.pose, POSE)
    _arrow(axes, [(3.78, y), (6.08 if model.appearance is None else 4.55, y)])
    _label_arrow(axes, (4.93 if model.appearance is None else 4.15, y), F_P, _shape(trace.output.pose))


def _stream(axes: Axes, y: float, name: str, stream: AppearanceStream | PoseStream | None, colour: str) -> None:
    assert stream is not None
    _box(axes, (2.8, y - 0.36, 0.98, 0.72), (name, stream.backbone.name), colour)


def _frames(axes: Axes, y: float, name: str, colour: str, scene: bool) -> None:
    """A few frames one behind the other with a runner in each; in a scene, or as a skeleton on nothing."""
    size = 0.52
    for i in range(3):
        x, bottom = 0.40 - 0.09 * i, y - 0.16 - 0.06 * i
        axes.add_patch(Rectangle((x, bottom), size, size, fc="white" if not scene else _tint(colour, 0.9), ec="none"))
        if scene:
            axes.add_patch(Rectangle((x, bottom), size, 0.28 * size, fc=_tint(colour, 0.65), ec="none"))
            for left, top in ((0.06, 0.62), (0.80, 0.5)):  # houses behind
                house = (x + left * size, bottom + 0.28 * size), 0.14 * size, (top - 0.28) * size
                axes.add_patch(Rectangle(*house, fc=_tint(colour, 0.75), ec="none"))
        for line in _BODY:
            xs, ys = zip(*((x + size * u, bottom + size * v) for u, v in line), strict=True)
            if scene:
                axes.plot(xs, ys, color=INK, lw=2.6, solid_capstyle="round", solid_joinstyle="round")
            else:
                axes.plot(xs, ys, color=colour, lw=1, marker="o", ms=2.2, mfc=INK, mec="none")
        head = x + size * _HEAD[0], bottom + size * _HEAD[1]
        axes.add_patch(Circle(head, 0.035 if scene else 0.016, fc=INK, ec="none"))
        axes.add_patch(Rectangle((x, bottom), size, size, fc="none", ec=colour, lw=0.8))
        for artist in (*axes.lines, *axes.patches):  # the frame in front covers those behind it
            if artist.get_zorder() < 3:
                artist.set_zorder(3 + 0.1 * i)
    _text(axes, (0.57, y - 0.33), name, vertical="top")


def integration_figure(model: IntegralAction) -> Figure:
    """Figure 3, the feature integration: alignment, gating and aggregation, as far as the method has them.

    The names in the blocks are those of the model's own layers, the shapes those of a forward pass of one clip.

    Raises:
        ValueError: the model does not integrate features (a single stream, or `score-average`).
    """
    if model.integration is None:
        raise Refused(
            f"Expected a model that integrates the features of two streams; found one of the method "
            f"{model.config.method}: draw its pipeline instead."
        )
    trace, layers = trace_model(model), model.integration.layers()
    gated = layers.driver is not None
    aligned = bool(layers.appearance and layers.pose)
    with figure_style():
        height = 3.0 if gated else 2.1 if aligned else 1.6
        figure, axes = _canvas(height)
        edge = 0.5 if aligned else 0.4
        upper, lower = height - edge - 0.2, edge
        middle = (upper + lower) / 2
        starts = _features(axes, upper, lower, model, trace)
        if aligned:
            _text(axes, (2.6, height - 0.14), "feature alignment", colour=GREY)
            _block(axes, upper, TCB_A, layers.appearance, APPEARANCE)
            _block(axes, lower, TCB_P, layers.pose, POSE)
            names = (ALIGNED_A, "align_appearance"), (ALIGNED_P, "align_pose")
            for y, start, (name, block) in zip((upper, lower), starts, names, strict=True):
                _arrow(axes, [(start, y), (2.05, y)])
                _label_arrow(axes, (3.72, y), name, "×".join(map(str, trace.shapes[f"integration.{block}"][1:])))
                if gated:
                    _arrow(axes, [(3.15, y), (4.57, y)])
            starts = (4.83, 4.83) if gated else (3.15, 3.15)
        if layers.driver is not None:
            _gating(axes, (upper, middle, lower), layers, trace)
            _text(
                axes,
                (4.45, height - 0.14),
                "gating by both" if layers.driver == "both" else f"{layers.driver}-driven gating",
                colour=GREY,
            )
        name = layers.aggregation.name
        is_mark = len(name) == 1  # as + is; a word has a box
        x, half = (5.7 if is_mark else 5.4), (0.13 if is_mark else 0.2)
        _text(axes, (x, height - 0.14), "aggregation", colour=GREY)
        _arrow(axes, [(starts[0], upper), (x, upper), (x, middle + half)])
        _arrow(axes, [(starts[1], lower), (x, lower), (x, middle - half)])
        if is_mark:
            _operation(axes, (x, middle), name)
        else:
            half = 0.46
            _box(axes, (x - half, middle - 0.2, 2 * half, 0.4), (name,), GREY)
        _arrow(axes, [(x + half, middle), (6.2, middle)])
        assert trace.output.feature is not None
        _box(axes, (6.2, middle - 0.22, 0.68, 0.44), (f"{F}\n{_shape(trace.output.feature)}",), INK)
    return figure


def _features(axes: Axes, upper: float, lower: float, model: IntegralAction, trace: Trace) -> tuple[float, float]:
    """F_A and F_P as they come from the streams, and the pooling of F_P.

    Returns:
        Where the arrows of both go on.
    """
    appearance, pose = trace.output.appearance, trace.output.pose
    assert appearance is not None and pose is not None
    _box(axes, (0.1, upper - 0.22, 0.68, 0.44), (f"{F_A}\n{_shape(appearance)}",), APPEARANCE)
    _box(axes, (0.1, lower - 0.22, 0.68, 0.44), (f"{F_P}\n{_shape(pose)}",), POSE)
    pooling = model.pooling_layers()
    if not pooling:
        return 0.78, 0.78
    _arrow(axes, [(0.78, lower), (0.95, lower)])
    _box(axes, (0.95, lower - 0.22, 0.62, 0.44), (pooling[0].name,), POSE)
    return 0.78, 1.57


def _block(axes: Axes, y: float, name: str, layers: Sequence[Layer], colour: str) -> None:
    height = 0.2 + 0.14 * len(layers)
    axes.add_patch(_rounded((2.05, y - height / 2 - 0.04, 1.1, height + 0.08), colour))
    _text(axes, (2.6, y + height / 2 - 0.075), name, weight="bold")
    _text(axes, (2.6, y - 0.09), "\n".join(layer.name for layer in layers), size=7)


def _gating(axes: Axes, ys: tuple[float, float, float], layers: IntegrationLayers, trace: Trace) -> None:
    """CGB and G in the middle, and the products above and below."""
    upper, middle, lower = ys
    driver = layers.driver or "pose"
    sources = {"pose": (lower,), "appearance": (upper,), "both": (upper, lower)}[driver]
    for y in sources:
        _arrow(axes, [(1.8, y), (1.8, middle), (2.05, middle)])
        axes.add_patch(Circle((1.8, y), 0.03, fc=INK, ec="none", zorder=4))
    colour = {"pose": POSE, "appearance": APPEARANCE, "both": GREY}[driver]
    _block(axes, middle, "CGB", layers.gate, colour)
    assert trace.output.gate is not None
    _arrow(axes, [(3.15, middle), (3.4, middle)])
    _box(axes, (3.4, middle - 0.22, 0.68, 0.44), (f"{G}\n{_shape(trace.output.gate)}",), INK)
    for y, label in ((upper, G), (lower, ONE_MINUS_G)):
        edge = y - 0.13 if y > middle else y + 0.13
        _arrow(axes, [(4.08, middle), (4.7, middle), (4.7, edge)])
        _text(axes, (4.78, (middle + edge) / 2), label, horizontal="left")
        _operation(axes, (4.7, y), "×")


def _shape(tensor: Tensor) -> str:
    """A tensor's shape without the batch."""
    return "×".join(map(str, tensor.shape[1:]))


def _tint(colour: str, white: float) -> tuple[float, float, float]:
    red, green, blue = (value + (1 - value) * white for value in to_rgb(colour))
    return red, green, blue


def _rounded(rectangle: tuple[float, float, float, float], colour: str) -> FancyBboxPatch:
    x, y, width, height = rectangle
    face = "white" if colour == INK else _tint(colour, 0.84)
    style = "round,pad=0,rounding_size=0.05"
    return FancyBboxPatch((x, y), width, height, boxstyle=style, fc=face, ec=colour, lw=0.9, zorder=2)


def _box(axes: Axes, rectangle: tuple[float, float, float, float], parts: tuple[str, ...], colour: str) -> None:
    """A box with its name, and below it a smaller second part."""
    x, y, width, height = rectangle
    axes.add_patch(_rounded(rectangle, colour))
    shift = 0.06 * (parts[1].count("\n") + 1) + 0.02 if len(parts) > 1 else 0
    _text(axes, (x + width / 2, y + height / 2 + shift), parts[0])
    if len(parts) > 1:
        below = 0.065 * (parts[0].count("\n") + 1) + 0.02
        _text(axes, (x + width / 2, y + height / 2 - below), parts[1], size=7)


def _operation(axes: Axes, centre: tuple[float, float], mark: str) -> None:
    axes.add_patch(Circle(centre, 0.13, fc="white", ec=INK, lw=0.9, zorder=3))
    _text(axes, centre, f"${mark if mark == '+' else chr(92) + 'times'}$", size=11)


def _arrow(axes: Axes, points: list[tuple[float, float]], head: bool = True) -> None:
    """A line through the points, with a head at its end."""
    if len(points) > 2:
        axes.plot(*zip(*points[:-1], strict=True), color=INK, lw=0.9, solid_joinstyle="miter", zorder=1)
    style = "-|>,head_length=3.5,head_width=1.8" if head else "-"
    arrow = FancyArrowPatch(points[-2], points[-1], arrowstyle=style, shrinkA=0, shrinkB=0, color=INK, lw=0.9, zorder=1)
    axes.add_patch(arrow)


def _label_arrow(axes: Axes, at: tuple[float, float], above: str, below: str) -> None:
    """A name above an arrow and a shape below it."""
    x, y = at
    if above:
        _text(axes, (x, y + 0.05), above, vertical="bottom")
    if below:
        _text(axes, (x, y - 0.05), below, size=7, vertical="top")


def _text(
    axes: Axes,
    at: tuple[float, float],
    text: str,
    size: float = 8,
    vertical: str = "center",
    horizontal: str = "center",
    colour: str = INK,
    weight: str = "normal",
) -> None:
    x, y = at
    look = {"size": size, "ha": horizontal, "va": vertical, "color": colour, "weight": weight}
    axes.text(x, y, text, look, linespacing=1.1, zorder=5, parse_math=True)
