"""The paper's Tables 13 and 14, printed from the model itself: its modules, and the shapes that leave them."""

# ruff: noqa: RUF001 (the marks that the paper's tables use)

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from integralaction.config import TRAINED_INTEGRATIONS, ModelConfig
from integralaction.errors import Refused
from integralaction.model.layers import Layer
from integralaction.model.network import Features, IntegralAction, Output
from integralaction.model.streams import AppearanceStream, PoseStream
from integralaction.tables import Cell, Column, Row, Table


@dataclass(frozen=True)
class Trace:
    """What a forward pass of one clip went through.

    Attributes:
        output: of the model; its tensors have shapes and no numbers.
        frames: (1, T, 3, H, W), the shape of the frames; None for `pose-only`.
        joints: (1, T', P, K, 3), the shape of the poses; None for `appearance-only`.
        shapes: what left each module, by the module's name in the model.
        multiply_adds: of each convolution and linear layer, likewise.
    """

    output: Output
    frames: tuple[int, ...] | None
    joints: tuple[int, ...] | None
    shapes: dict[str, tuple[int, ...]]
    multiply_adds: dict[str, int]

    def multiply_adds_of(self, part: str) -> int:
        """The sum over the layers whose names begin with `part` and a dot, or that have that name."""
        return sum(n for name, n in self.multiply_adds.items() if f"{name}.".startswith(f"{part}."))


def trace_model(model: IntegralAction) -> Trace:
    """Send the shape of one clip through a copy of the model that has no weights: takes no time, changes nothing."""
    clip = model.config.clip
    model = copy.deepcopy(model).to("meta").eval()
    shapes: dict[str, tuple[int, ...]] = {}
    multiply_adds: dict[str, int] = {}
    for name, module in model.named_modules():
        module.register_forward_hook(_noting(name, shapes, multiply_adds))
    frames = joints = appearance = pose = heatmaps = pafs = None
    with torch.no_grad():
        if model.appearance is not None:
            frames = torch.empty(1, clip.frames, 3, clip.size, clip.size, dtype=torch.uint8, device="meta")
            appearance = model.appearance(frames)
        if model.pose is not None:
            joints = torch.zeros(1, model.pose.frames, 1, len(model.pose.skeleton.joints), 3)
            heatmaps, pafs = (  # drawn where there are numbers: they have no weights
                None if maps is None else maps.to("meta") for maps in model.pose.draw(joints, clip.size, clip.size)
            )
            pose = model.pose(heatmaps, pafs)
        output = model.integrate(Features(appearance, pose, heatmaps, pafs))
    return Trace(
        output,
        None if frames is None else tuple(frames.shape),
        None if joints is None else tuple(joints.shape),
        shapes,
        multiply_adds,
    )


def _noting(
    name: str, shapes: dict[str, tuple[int, ...]], multiply_adds: dict[str, int]
) -> Callable[[nn.Module, tuple, object], None]:
    def note(module: nn.Module, inputs: tuple, output: object) -> None:
        if isinstance(output, Tensor):
            shapes[name] = tuple(output.shape)
            if isinstance(module, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
                multiply_adds[name] = output.numel() * module.weight[0].numel()

    return note


def architecture_table(config: ModelConfig, name: str) -> Table:
    """The network stage by stage, as Tables 13 and 14 print it (supplement, section 9).

    Kernels are (T×S², C), strides and sizes T×S². Below the paper's rows stand the parameters and multiply-adds of
    the streams.

    Args:
        config: of a method that integrates two streams; with the class names.
        name: of the table, for example `table13`.

    Raises:
        ValueError: a single stream or `score-average`, or fewer than two classes.
    """
    if config.method not in TRAINED_INTEGRATIONS:
        raise Refused(
            f"Expected a method that integrates two streams ({', '.join(TRAINED_INTEGRATIONS)}); found "
            f"{config.method}: set another method for {name}."
        )
    with torch.device("meta"):
        model = IntegralAction(config)
    appearance, pose, integration, classifier = model.appearance, model.pose, model.integration, model.classifier
    assert appearance is not None and pose is not None  # such methods have them
    assert integration is not None and classifier is not None
    trace = trace_model(model)
    rows = [*_stream_rows(appearance, pose, trace), *_integration_rows(model, trace)]
    notes = ["Kernels are (T×S², C): time, space, channels. Strides and output sizes are T×S²."]
    if integration.layers().gate:
        notes.append(
            "G multiplies the appearance and 1−G the pose, as equation 1 has it; the paper's Tables 13 and 14 print "
            "it the other way round."
        )
    return Table(
        name,
        f"The network: {appearance.backbone.name.removeprefix('TSM-')} on {config.clip.frames} frames, "
        f"{pose.backbone.name.removeprefix('TSM-')} on {config.clip.pose_frames} poses",
        "layers",
        (Column("", "appearance stream"), Column("", "pose stream"), Column("", "output size")),
        (*rows, *_cost_rows(model, trace)),
        (*notes, _cost_note(model, trace)),
    )


def _row(label: str, appearance: str, pose: str, size: str) -> Row:
    return Row(label, (Cell(text=appearance), Cell(text=pose), Cell(text=size)))


def _stream_rows(appearance: AppearanceStream, pose: PoseStream, trace: Trace) -> list[Row]:
    """A row for each layer of either stream; layers of both that have one name share it."""
    maps = {"heatmaps": "keypoint heatmaps", "pafs": "PAFs", "both": "keypoint heatmaps\n+ PAFs"}[pose.input]
    assert trace.frames is not None
    drawn = [m.shape for m in (trace.output.heatmaps, trace.output.pafs) if m is not None]
    places = [f"{times}×{size}²" for times, size in ((trace.frames[1], trace.frames[-1]), drawn[0][1::3])]
    rows = [_row("input", "RGB frames", maps, _sizes(*places))]
    of_appearance, of_pose = list(appearance.layers()), list(pose.layers())
    for layer in of_appearance:
        if layer.name not in [other.name for other in of_pose]:
            rows.append(_row(layer.name, str(layer), "", _sizes(_size(trace, "appearance", layer), "")))
            continue
        while (other := of_pose.pop(0)).name != layer.name:
            rows.append(_row(other.name, "", str(other), _sizes("", _size(trace, "pose", other))))
        sizes = _size(trace, "appearance", layer), _size(trace, "pose", other)
        rows.append(_row(layer.name, str(layer), str(other), _sizes(*sizes)))
    return rows


def _size(trace: Trace, stream: str, layer: Layer) -> str:
    """T×S² of what leaves a layer of a stream: maps of frames, of clips, or one feature a frame."""
    shape = trace.shapes[f"{stream}.{layer.module}".rstrip(".")]
    times, size = {3: (shape[1], 1), 4: (shape[0], shape[-1]), 5: (shape[-3], shape[-1])}[len(shape)]
    return f"{times}×{size}²"


def _sizes(appearance: str, pose: str) -> str:
    """The sizes of both streams, once where they agree."""
    if appearance == pose:
        return f"both: {appearance}"
    return "\n".join(f"{name}: {size}" for name, size in (("appearance", appearance), ("pose", pose)) if size)


def _integration_rows(model: IntegralAction, trace: Trace) -> list[Row]:
    integration, classifier = model.integration, model.classifier
    assert integration is not None and classifier is not None and trace.output.feature is not None
    layers, pooling = integration.layers(), model.pooling_layers()
    rows = []
    size = f"both: {trace.output.feature.shape[1]}×1²"
    if layers.appearance or layers.pose or pooling:
        is_aligned = layers.appearance or layers.pose
        label = "feature align\n(TCB_A, TCB_P)" if is_aligned else "feature align"
        rows.append(_row(label, _lines(layers.appearance), _lines((*pooling, *layers.pose)), size))
    if layers.gate:
        cells = [["G element-wise", "product"], ["(1−G) element-wise", "product"]]
        gate = f"G: {_lines(layers.gate)}"
        cells[layers.driver == "pose"].insert(0, f"{gate}, of both" if layers.driver == "both" else gate)
        label = "pose-driven\ngating (CGB)" if layers.driver == "pose" else "gating"
        rows.append(_row(label, *map("\n".join, cells), ""))
    joined = str(layers.aggregation)
    rows.append(_row("aggregation", joined, joined, f"{trace.output.feature.shape[1]}×1²"))
    rows.append(_row("classifier", "fully-connected layer", "", f"{classifier.out_features} classes"))
    return rows


def _lines(layers: Sequence[Layer]) -> str:
    return "\n".join(map(str, layers))


def _cost_rows(model: IntegralAction, trace: Trace) -> list[Row]:
    parts = ("appearance", "pose")
    parameters = [f"{_parameters(getattr(model, part)) / 1e6:.2f} million" for part in parts]
    multiply_adds = [f"{trace.multiply_adds_of(part) / 1e9:.2f} billion" for part in parts]
    first = _row("parameters*", *parameters, "")
    return [Row(first.label, first.cells, section=True), _row("multiply-adds*", *multiply_adds, "")]


def _cost_note(model: IntegralAction, trace: Trace) -> str:
    rest = ("pose_pooling", "integration", "classifier")
    parameters = sum(_parameters(getattr(model, part)) for part in rest if getattr(model, part) is not None)
    multiply_adds = sum(trace.multiply_adds_of(part) for part in rest)
    return (
        "* Not in the paper. Multiply-adds are those of convolutions and linear layers, for one clip. What follows "
        f"the streams has {parameters / 1e6:.2f} million parameters and takes {multiply_adds / 1e6:.1f} million "
        "multiply-adds."
    )


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
