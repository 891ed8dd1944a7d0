"""TSM as MIT (`base_model.`, `new_fc.`) and MMAction2 (`backbone.`, `cls_head.fc_cls.`) write it, with the shift in
each block's residual branch (blockres)."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from integralaction.checkpoints.hints import (
    CheckpointHints,
    appearance_config,
    class_names,
    first_value,
    resnet_depth,
    tensor_shape,
)
from integralaction.checkpoints.mapping import CheckpointFormat, TensorRule, Translation, has_prefix, model_shapes
from integralaction.errors import Refused
from integralaction.model.streams import IMAGENET_DEVIATION, IMAGENET_MEAN


@dataclass(frozen=True)
class _Layout:
    """How a project names its tensors: what stands before the ResNet's and the classifier's, torchvision's name -> its
    name."""

    name: str
    backbone: str
    classifier: str
    rename: Callable[[str], str]


def _translate(tensors: Mapping[str, Tensor], hints: CheckpointHints, path: Path, layout: _Layout) -> Translation:
    hints.check_not_released(layout.name)
    _check_shifts(tensors, path)
    depth = resnet_depth(tensors, layout.backbone, path)
    has_shift = any(re.search(r"\.conv1\.(conv\.)?net\.", key) for key in tensors)
    if not has_shift and hints.shift != 0:
        raise Refused(
            f"Expected shifting convolutions (.net.) in {path}; found none: a network of single frames (TSN), "
            "which --shift 0 says, or another one."
        )
    shape = tensor_shape(tensors, f"{layout.classifier}weight", 2, layout.name, path)
    classes, class_note = class_names(hints, shape[0], path)
    frames, stride, shift, notes = _clip_settings(path.name, hints, has_shift)
    config = appearance_config(path, classes, depth, frames, stride, shift, "logits")
    every = 2 if depth == 101 else 1  # of a ResNet-101 every second block shifts
    rules: dict[str, TensorRule] = {}
    for name, shape in model_shapes(config).items():
        if name.startswith("appearance_classifier."):
            rules[layout.classifier + name.removeprefix("appearance_classifier.")] = TensorRule(name, shape)
            continue
        plain_key = name.removeprefix("appearance.backbone.")
        key = layout.rename(plain_key)
        block = re.match(r"layer\d\.(\d+)\.conv1\.", plain_key)
        if has_shift and block and int(block[1]) % every == 0 and key.endswith("weight") and ".bn." not in key:
            key = key.removesuffix("weight") + "net.weight"
        rules[layout.backbone + key] = TensorRule(name, shape, "copied" if key == plain_key else "copied, renamed")
    notes += ["RGB normalised by ImageNet's mean and deviation; frames vote by logits.", class_note]
    return Translation(config, rules, tuple(notes))


def _check_shifts(tensors: Mapping[str, Tensor], path: Path) -> None:
    """
    Raises:
        ValueError: the keys are nearly those of TSM, and of a network that computes something else.
    """
    others = {
        r"layer\d\.\d+\.net\.": "the shift around whole blocks, not in their residual branch (blockres)",
        r"layer\d\.net\.": "temporal pooling",
        r"\.(nl|non_local\w*|block)\.": "non-local blocks",
    }
    for expression, network in others.items():
        if keys := sorted(key for key in tensors if re.search(expression, key)):
            raise Refused(f"Expected TSM with nothing but its shift in {path}; found {network}: {', '.join(keys)}.")


def _clip_settings(name: str, hints: CheckpointHints, has_shift: bool) -> tuple[int, int, int, list[str]]:
    """Frames, stride and shift of a TSM file, from its name (MIT's, MMAction2's) or the hints, and notes on these.

    Raises:
        ValueError: the name contradicts the hints.
    """
    frames_in_name = _number_in(name, r"segment(\d+)", r"1x1x(\d+)")
    shift_in_name = _number_in(name, r"shift(\d+)")
    for option, value, hint in (("frames", frames_in_name, hints.frames), ("shift", shift_in_name, hints.shift)):
        if value is not None and hint not in (None, value):
            raise Refused(f"Expected {option} {value}, as the name {name} has it; found {option} {hint} given.")
    if has_shift and hints.shift == 0:
        raise Refused(f"Expected a shift for {name}, whose convolutions are marked with one (.net.); found 0 given.")
    frames, frames_origin = first_value(
        (hints.frames, "as given"), (frames_in_name, "by its name"), (8, "assumed; say otherwise with --frames")
    )
    stride, stride_origin = first_value((hints.stride, "as given"), (8, "assumed; say otherwise with --stride"))
    shift, shift_origin = first_value(
        (hints.shift, "as given"), (shift_in_name, "by its name"), (8, "assumed; say otherwise with --shift")
    )
    notes = [
        f"{frames} frames: {frames_origin}. A stride of {stride}: {stride_origin}.",
        f"1/{shift} of the channels shifts each way, the first from the next frame: {shift_origin}."
        if has_shift
        else "No block shifts: each frame is looked at by itself.",
    ]
    if "dense" not in name:
        notes.append(
            "Trained, unless it was on dense clips, on frames spread over the whole video: a larger stride comes "
            "nearer to that on long videos."
        )
    return frames, stride, shift, notes


def _number_in(name: str, *expressions: str) -> int | None:
    """The number in a file's name by the first expression that it has."""
    matches = (re.search(expression, name) for expression in expressions)
    return next((int(match[1]) for match in matches if match), None)


# ---- MIT

_MIT = _Layout("TSM of MIT", "base_model.", "new_fc.", rename=str)


def _translate_mit(tensors: Mapping[str, Tensor], hints: CheckpointHints, path: Path) -> Translation:
    return _translate(tensors, hints, path, _MIT)


TSM_MIT = CheckpointFormat(_MIT.name, _MIT.backbone, lambda keys: has_prefix(keys, "base_model."), _translate_mit)


# ---- MMAction2


def _mmaction2_name(plain_key: str) -> str:
    """MMAction2's name of one of torchvision's: convolution and normalisation lie in one module."""
    key = re.sub(r"downsample\.0\.", "downsample.conv.", plain_key)
    key = re.sub(r"downsample\.1\.", "downsample.bn.", key)
    key = re.sub(r"(^|\.)bn(\d)\.", r"\1conv\2.bn.", key)
    return re.sub(r"(^|\.)conv(\d)\.weight", r"\1conv\2.conv.weight", key)


_MMACTION2 = _Layout("TSM of MMAction2", "backbone.", "cls_head.fc_cls.", rename=_mmaction2_name)


def _translate_mmaction2(tensors: Mapping[str, Tensor], hints: CheckpointHints, path: Path) -> Translation:
    translation = _translate(tensors, hints, path, _MMACTION2)
    return replace(translation, rules=translation.rules | _preprocessor_rules(tensors, path))


def _preprocessor_rules(tensors: Mapping[str, Tensor], path: Path) -> dict[str, TensorRule]:
    """Rules for the normalisation of frames, which some files hold.

    Raises:
        ValueError: it is not ImageNet's.
    """
    rules: dict[str, TensorRule] = {}
    for name, imagenet in (("mean", IMAGENET_MEAN), ("std", IMAGENET_DEVIATION)):
        key = f"data_preprocessor.{name}"
        if key not in tensors:
            continue
        values = tensors[key].flatten()
        if len(values) != 3 or not torch.allclose(values, 255 * torch.tensor(imagenet), atol=0.05):
            raise Refused(
                f"Expected frames normalised by ImageNet's {name} in {path}; found {key} "
                f"{[round(value, 3) for value in values.tolist()[:3]]}."
            )
        rules[key] = TensorRule(None, tuple(tensors[key].shape), "the same as ours")
    return rules


TSM_MMACTION2 = CheckpointFormat(
    _MMACTION2.name, _MMACTION2.backbone, lambda keys: has_prefix(keys, "backbone.layer1."), _translate_mmaction2
)
