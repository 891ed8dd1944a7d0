"""The paper's Tables 13 and 14, printed from the model itself: its modules, and the shapes that leave them."""

# ruff: noqa: RUF001 (the marks that the paper's tables use)

import copy
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from integralaction.config import TRAINED_INTEGRATIONS, ModelConfig
from integralaction.errors import Refused
from integralaction.model.integration import (
    Alignment,
    BatchAlignment,
    FeatureFuse,
    Gate,
    GatedIntegration,
    GateFree,
    PosePooling,
)
from integralaction.model.network import Features, IntegralAction, Output
from integralaction.model.streams import AppearanceStream, PoseStream
from integralaction.model.tsm_resnet import BasicBlock, Bottleneck
from integralaction.tables import Cell, Column, Row, Table

LAYER_NAMES = {"LayerNorm": "layer normalization", "BatchNorm": "batch normalization"}  # as the paper's tables write


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


def trace(model: IntegralAction) -> Trace:
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
            if isinstance(module, nn.Conv2d | nn.Conv1d | nn.Linear):
                multiply_adds[name] = output.numel() * module.weight[0].numel()

    return note


def layers_of(block: Alignment | BatchAlignment | Gate) -> tuple[str, ...]:
    """What a TCB or a CGB consists of, in order, without the gate's sigmoid: '1×1 conv', 'LayerNorm', 'ReLU'."""
    if isinstance(block, Gate):
        layers = [block.conv, block.norm]
    elif isinstance(block, Alignment):
        layers = [block.conv, block.norm, nn.ReLU()]
    else:
        layers = [block.conv, block.batch_norm, nn.ReLU(), block.norm]
    names = {nn.Linear: "1×1 conv", nn.BatchNorm1d: "BatchNorm"}
    return tuple(names.get(type(layer), type(layer).__name__) for layer in layers if not isinstance(layer, nn.Identity))


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
    assert config.appearance is not None and config.pose is not None  # such methods have them
    with torch.device("meta"):
        model = IntegralAction(config)
    appearance, pose, integration, classifier = model.appearance, model.pose, model.integration, model.classifier
    assert appearance is not None and pose is not None and classifier is not None  # such methods have them
    seen = trace(model)
    rows = [*_stream_rows(appearance, pose, seen), *_integration_rows(model, seen)]
    notes = ["Kernels are (T×S², C): time, space, channels. Strides and output sizes are T×S²."]
    if isinstance(integration, GatedIntegration):
        notes.append(
            "G multiplies the appearance and 1−G the pose, as equation 1 has it; the paper's Tables 13 and 14 print "
            "it the other way round."
        )
    return Table(
        name,
        f"The network: ResNet-{config.appearance.backbone.depth} on {config.clip.frames} frames, "
        f"ResNet-{config.pose.backbone.depth} on {config.clip.pose_frames} poses",
        "layers",
        (Column("", "appearance stream"), Column("", "pose stream"), Column("", "output size")),
        (*rows, *_cost_rows(model, seen)),
        (*notes, _cost_note(model, seen)),
    )


def _row(label: str, appearance: str, pose: str, size: str) -> Row:
    return Row(label, (Cell(text=appearance), Cell(text=pose), Cell(text=size)))


def _stream_rows(appearance: AppearanceStream, pose: PoseStream, seen: Trace) -> list[Row]:
    maps = {"heatmaps": "keypoint heatmaps", "pafs": "PAFs", "both": "keypoint heatmaps\n+ PAFs"}[pose.input]
    assert seen.frames is not None
    resnet, conv1, front = appearance.backbone, appearance.backbone.conv1, pose.front_end[0]
    assert isinstance(conv1, nn.Conv2d) and isinstance(front, nn.Conv2d)
    times = appearance.frames, pose.frames
    drawn = [m.shape for m in (seen.output.heatmaps, seen.output.pafs) if m is not None]
    rows = [
        _row("input", "RGB frames", maps, _sizes(times, (seen.frames[-1], drawn[0][-1]))),
        _row("conv1", _conv(conv1), _conv(front), _sizes_after("conv1", "front_end", times, seen)),
    ]
    for number in range(1, 5):
        layers = [getattr(stream.backbone, f"layer{number}") for stream in (appearance, pose)]
        blocks = [_blocks(layer) for layer in layers]
        if number == 1:
            pool = resnet.maxpool
            blocks[0] = f"1×{pool.kernel_size}² max pool,\nstride 1×{pool.stride}²\n{blocks[0]}"
        size = _sizes_after(f"backbone.layer{number}", f"backbone.layer{number}", times, seen)
        rows.append(_row(f"res{number + 1}", *blocks, size))
    pooled = [seen.shapes[stream][1] for stream in ("appearance", "pose")]
    rows.append(_row("pool", "global average pool", "global average pool", _sizes((pooled[0], pooled[1]), (1, 1))))
    return rows


def _sizes_after(appearance: str, pose: str, times: tuple[int, int], seen: Trace) -> str:
    """Output sizes of a module of each stream."""
    name = f"appearance.{appearance}" if appearance.startswith("backbone") else f"appearance.backbone.{appearance}"
    return _sizes(times, (seen.shapes[name][-1], seen.shapes[f"pose.{pose}"][-1]))


def _sizes(times: tuple[int, int], sizes: tuple[int, int]) -> str:
    """T×S² of both streams, once where they agree."""
    of_appearance, of_pose = (f"{time}×{size}²" for time, size in zip(times, sizes, strict=True))
    if of_appearance == of_pose:
        return f"both: {of_appearance}"
    return f"appearance: {of_appearance}\npose: {of_pose}"


def _conv(conv: nn.Conv2d) -> str:
    stride = "" if conv.stride[0] == 1 else f", stride 1×{conv.stride[0]}²"
    return f"1×{conv.kernel_size[0]}², {conv.out_channels}{stride}"


def _blocks(layer: nn.Sequential) -> str:
    """The residual blocks of a layer, as many lines as a block has convolutions, and one for its shift."""
    block = layer[0]
    assert isinstance(block, BasicBlock | Bottleneck)
    # a block's own stride is left out, as in the paper: the output size tells it
    convs = [child for child in block.children() if isinstance(child, nn.Conv2d)]
    lines = [f"1×{conv.kernel_size[0]}², {conv.out_channels}" for conv in convs]
    shifting = sum(b.shift is not None for b in layer)
    if shifting:
        lines.insert(0, "TSM" if shifting == len(layer) else f"TSM in {shifting} of {len(layer)}")
    return "[" + "\n ".join(lines) + f"] ×{len(layer)}"


def _integration_rows(model: IntegralAction, seen: Trace) -> list[Row]:
    integration, classifier = model.integration, model.classifier
    assert classifier is not None and seen.output.feature is not None
    rows = []
    pooling = _pose_pooling(model, seen)
    size = f"both: {seen.output.feature.shape[1]}×1²"
    if isinstance(integration, GatedIntegration | GateFree):
        aligned = [_aligned(b) for b in (integration.align_appearance, integration.align_pose)]
        rows.append(_row("feature align\n(TCB_A, TCB_P)", aligned[0], "\n".join([*pooling, aligned[1]]), size))
    elif pooling:
        rows.append(_row("feature align", "", "\n".join(pooling), size))
    if isinstance(integration, GatedIntegration):
        gate = integration.gate
        layers = [f"G: {_point(gate.conv)}", *_named(layers_of(gate)[1:]), "sigmoid"]
        cells = [["G element-wise", "product"], ["(1−G) element-wise", "product"]]
        if integration.driver == "both":
            cells[0][:0] = [*layers[:-1], f"{layers[-1]}, of both"]
        else:
            cells[integration.driver == "pose"][:0] = layers
        rows.append(
            _row("pose-driven\ngating (CGB)" if integration.driver == "pose" else "gating", *map("\n".join, cells), "")
        )
    joined = "concatenation" if isinstance(integration, FeatureFuse) else "element-wise addition"
    rows.append(_row("aggregation", joined, joined, f"{seen.output.feature.shape[1]}×1²"))
    rows.append(_row("classifier", "fully-connected layer", "", f"{classifier.out_features} classes"))
    return rows


def _pose_pooling(model: IntegralAction, seen: Trace) -> list[str]:
    """How F_P comes from T' to T frames; nothing where they are equal."""
    if isinstance(model.pose_pooling, PosePooling):
        conv = model.pose_pooling.conv
        return [f"{conv.kernel_size[0]}×1², {conv.out_channels},", f"stride {conv.stride[0]}×1²"]
    factor = seen.shapes["pose"][1] // seen.shapes["appearance"][1]
    return [] if factor == 1 else [f"{factor}×1² avg pool,", f"stride {factor}×1²"]


def _point(linear: nn.Linear) -> str:
    return f"1×1², {linear.out_features}"


def _named(layers: tuple[str, ...]) -> list[str]:
    return [LAYER_NAMES.get(layer, layer) for layer in layers]


def _aligned(block: nn.Module) -> str:
    assert isinstance(block, Alignment | BatchAlignment)
    return "\n".join([_point(block.conv), *_named(layers_of(block)[1:])])


def _cost_rows(model: IntegralAction, seen: Trace) -> list[Row]:
    parts = ("appearance", "pose")
    parameters = [f"{_parameters(getattr(model, part)) / 1e6:.2f} million" for part in parts]
    multiply_adds = [f"{seen.multiply_adds_of(part) / 1e9:.2f} billion" for part in parts]
    first = _row("parameters*", *parameters, "")
    return [Row(first.label, first.cells, section=True), _row("multiply-adds*", *multiply_adds, "")]


def _cost_note(model: IntegralAction, seen: Trace) -> str:
    rest = ("pose_pooling", "integration", "classifier")
    parameters = sum(_parameters(getattr(model, part)) for part in rest if getattr(model, part) is not None)
    multiply_adds = sum(seen.multiply_adds_of(part) for part in rest)
    return (
        "* Not in the paper. Multiply-adds are those of convolutions and linear layers, for one clip. What follows "
        f"the streams has {parameters / 1e6:.2f} million parameters and takes {multiply_adds / 1e6:.1f} million "
        "multiply-adds."
    )


def _parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
