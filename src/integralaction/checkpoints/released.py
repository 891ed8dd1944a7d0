"""Snapshots of the released IntegralAction code: one file holds the modules of every mode, and does not say which mode
it was trained in."""

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from integralaction.checkpoints.hints import CheckpointHints, Mode, class_names, resnet_depth, tensor_shape
from integralaction.checkpoints.mapping import CheckpointFormat, TensorRule, Translation, has_prefix, model_shapes
from integralaction.config import ClipConfig, Depth, Method, ModelConfig
from integralaction.errors import Refused
from integralaction.settings import from_dict
from integralaction.skeleton import skeleton_named

_NAME = "released IntegralAction snapshot"
_BIAS, _MEAN = "pose2feat.conv.0.bias", "pose.front_end.1.running_mean"

# their prefixes by ours; what follows the prefix is the same
_PREFIXES = {
    "appearance.backbone.": "img_backbone.",
    "pose.backbone.": "pose_backbone.",
    "pose.front_end.0.": "pose2feat.conv.0.",
    "pose.front_end.1.": "pose2feat.conv.1.",
    "pose_pooling.conv.": "aggregator.pose_temporal_conv.0.",
    "pose_pooling.norm.": "aggregator.pose_temporal_conv.1.",
    "integration.gate.conv.": "aggregator.pose_gate_fc.0.",
    "integration.align_appearance.conv.": "aggregator.img_conv.0.",
    "integration.align_appearance.batch_norm.": "aggregator.img_conv.1.",
    "integration.align_appearance.norm.": "aggregator.img_norm.",
    "integration.align_pose.conv.": "aggregator.pose_conv.0.",
    "integration.align_pose.batch_norm.": "aggregator.pose_conv.1.",
    "integration.align_pose.norm.": "aggregator.pose_norm.",
    "classifier.": "classifier.fc.0.",
    "appearance_classifier.": "classifier.fc.0.",
    "pose_classifier.": "classifier.fc.0.",
}


def _translate(tensors: Mapping[str, Tensor], hints: CheckpointHints, path: Path) -> Translation:
    full_config, notes = _settings(tensors, hints, path)
    config = full_config.of_method(_method(hints))
    rules = _unused_rules(full_config) | _rules(model_shapes(config))
    return Translation(config, rules, notes)


RELEASED = CheckpointFormat(
    _NAME, "img_backbone.", lambda keys: has_prefix(keys, "img_backbone.", "aggregator."), _translate
)


def _method(hints: CheckpointHints) -> Method:
    single_streams: dict[Mode, Method] = {"rgb_only": "appearance-only", "pose_only": "pose-only"}
    return single_streams.get(hints.mode, "integral" if hints.pose_gate else "gate-free")


# ---- a rule for each key


def _rules(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, TensorRule]:
    """A rule for the foreign key of each of our tensors, whose shapes these are."""
    rules: dict[str, TensorRule] = {}
    for name, shape in shapes.items():
        prefix = next(prefix for prefix in _PREFIXES if name.startswith(prefix))
        key = _PREFIXES[prefix] + name.removeprefix(prefix)
        if prefix == "integration.gate.conv.":
            rules[key] = TensorRule(name, shape, "negated: the released gate multiplies pose", sign=-1)
        elif (".align_" in prefix and name.endswith(("conv.weight", ".norm.weight", ".norm.bias"))) or (
            name == "pose_pooling.conv.weight"
        ):
            their_shape = (*shape, 1, 1)
            rules[key] = TensorRule(name, their_shape, f"reshaped from {_text(their_shape)} to {_text(shape)}")
        else:
            rules[key] = TensorRule(name, shape, "copied, less the bias before it" if name == _MEAN else "copied")
    if "pose.front_end.0.weight" in shapes:
        # a bias before batch normalisation moves the running mean and nothing else
        channels = shapes["pose.front_end.0.weight"][:1]
        rules[_BIAS] = TensorRule(_MEAN, channels, "subtracted from the running mean", sign=-1)
    return rules


def _unused_rules(full_config: ModelConfig) -> dict[str, TensorRule]:
    """Rules that leave out what a snapshot may hold in any mode."""
    assert full_config.integration is not None
    largest = replace(
        full_config,
        clip=ClipConfig(stride=8, pose_frame_factor=4, pose_pooling="convolution"),
        integration=replace(full_config.integration, method="integral", alignment="batch-layer", stream_answers=False),
    )
    shapes = model_shapes(largest)
    unused = "the released code has it and does not use it in this mode"
    rules = {key: TensorRule(None, rule.shape, unused, is_required=False) for key, rule in _rules(shapes).items()}
    for name, shape in shapes.items():
        if re.match(r"appearance\.backbone\.(conv1|bn1)\.", name):
            key = name.replace("appearance.backbone.", "pose_backbone.")
            change = "the pose stream starts after the stem (section 3.2)"
            rules[key] = TensorRule(None, shape, change, is_required=False)
    return rules


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


# ---- settings


def _settings(tensors: Mapping[str, Tensor], hints: CheckpointHints, path: Path) -> tuple[ModelConfig, tuple[str, ...]]:
    """The settings of both streams of a snapshot, by its shapes and the hints, and notes on them.

    Raises:
        ValueError: it is of another network than ours, or its shapes contradict the hints.
    """
    appearance, pose = resnet_depth(tensors, "img_backbone.", path), resnet_depth(tensors, "pose_backbone.", path)
    if 101 in (appearance, pose):
        raise Refused(
            f"Expected ResNet-18, 34 or 50 in the {_NAME} {path}; found ResNet-101, which there shifts in every block "
            "and here in every second one."
        )
    count, features = tensor_shape(tensors, "classifier.fc.0.weight", 2, _NAME, path)
    maps = tensor_shape(tensors, "pose2feat.conv.0.weight", 4, _NAME, path)[1]
    channels = tensor_shape(tensors, "aggregator.img_conv.0.weight", 4, _NAME, path)[0]
    skeletons = {len(s.joints) + 2 * len(s.bones): s.name for s in map(skeleton_named, ("openpose18", "ntu25"))}
    if maps not in skeletons:
        raise Refused(f"Expected pose maps of 18 joints (52) or of 25 (73) in {path}; found {maps}.")
    by_mode: dict[Mode, int] = {
        "rgb+pose": channels,
        "rgb_only": _channels(appearance),
        "pose_only": _channels(pose),
    }
    _check_mode(hints.mode, features, by_mode, path)
    classes, class_note = class_names(hints, count, path)
    shift = 4 if hints.shift is None else hints.shift
    backbone = {"shift": shift, "shift_first": "previous"}
    values = {
        "classes": classes,
        "clip": {
            "frames": 8 if hints.frames is None else hints.frames,
            "stride": 8 if hints.stride is None else hints.stride,
            "pose_frame_factor": hints.pose_frame_factor,
            "pose_pooling": "convolution" if hints.pose_frame_factor > 1 else "mean",
        },
        "appearance": {"backbone": {"depth": appearance, **backbone}, "mean": [0, 0, 0], "deviation": [1, 1, 1]},
        "pose": {"backbone": {"depth": pose, **backbone}, "skeleton": skeletons[maps]},
        "integration": {
            "channels": channels,
            "alignment": "batch-layer" if hints.pose_gate else "batch",
            "gate_norm": False,
            "stream_answers": hints.mode != "rgb+pose",
        },
        "vote": "logits",
    }
    config = from_dict(ModelConfig, values, str(path))
    notes = (*_notes(config.clip, hints, shift), f"{skeletons[maps]}: by its {maps} pose maps.", class_note)
    if _method(hints) == "integral":
        notes += ("The released gate multiplies the pose; its sign is turned, so that it multiplies appearance.",)
    return config, notes


def _notes(clip: ClipConfig, hints: CheckpointHints, shift: int) -> tuple[str, str]:
    """What a snapshot does not say and was taken from the hints."""
    factor = f", pose_frame_factor {hints.pose_frame_factor}"
    single_streams = {"rgb_only": "", "pose_only": factor}
    options = single_streams.get(hints.mode, f", pose_gate {hints.pose_gate}{factor}")
    return (
        f"mode {hints.mode}{options}: a snapshot cannot tell; say otherwise with --mode, --no-pose-gate, "
        "--pose-frame-factor.",
        f"{clip.frames} frames at a stride of {clip.stride}, {clip.pose_frames} pose frames; frames as 0..1 "
        f"without normalisation; 1/{shift} of the channels shifts each way, the first from the frame before; "
        "frames vote by logits.",
    )


def _check_mode(mode: Mode, features: int, channels: Mapping[Mode, int], path: Path) -> None:
    """
    Args:
        features: what the classifier looks at.
        channels: what it looks at in each mode.

    Raises:
        ValueError: it is of another mode.
    """
    if features != channels[mode]:
        fitting = [other for other, count in channels.items() if count == features]
        raise Refused(
            f"Expected a classifier on {channels[mode]} features for mode {mode} in {path}; found one on {features}, "
            f"which is mode {' or '.join(fitting) or 'of no known kind'}."
        )


def _channels(depth: Depth) -> int:
    return 2048 if depth >= 50 else 512
