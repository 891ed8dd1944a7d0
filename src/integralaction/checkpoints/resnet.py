"""Plain ResNets with torchvision's names: classifiers of single frames, and a start for training."""

from collections.abc import Mapping
from pathlib import Path

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

_NAME = "plain ResNet"


def _has_keys(tensors: Mapping[str, Tensor]) -> bool:
    return "conv1.weight" in tensors and has_prefix(tensors, "layer1.0.")


def _translate(tensors: Mapping[str, Tensor], hints: CheckpointHints, path: Path) -> Translation:
    hints.check_not_released(_NAME)
    if hints.shift:
        raise Refused(f"Expected no shift for a {_NAME}; found {hints.shift}. It was not trained with one.")
    if shifting := sorted(key for key in tensors if ".net." in key):
        raise Refused(
            f"Expected a {_NAME} in {path}; found shifting convolutions without TSM's base_model. or backbone. before "
            f"them: {', '.join(shifting)}."
        )
    depth = resnet_depth(tensors, "", path)
    classes, class_note = class_names(hints, tensor_shape(tensors, "fc.weight", 2, _NAME, path)[0], path)
    frames, frames_origin = first_value((hints.frames, "as given"), (8, "assumed; say otherwise with --frames"))
    stride, stride_origin = first_value((hints.stride, "as given"), (8, "assumed; say otherwise with --stride"))
    config = appearance_config(path, classes, depth, frames, stride, 0, "probabilities")
    rules = {
        name.replace("appearance_classifier.", "fc.").removeprefix("appearance.backbone."): TensorRule(name, shape)
        for name, shape in model_shapes(config).items()
    }
    notes = (
        "No block shifts: each frame is classified by itself, and their probabilities are averaged.",
        f"{frames} frames: {frames_origin}. A stride of {stride}: {stride_origin}.",
        "RGB normalised by ImageNet's mean and deviation.",
        class_note,
    )
    return Translation(config, rules, notes)


RESNET = CheckpointFormat(_NAME, "conv1, layer1", _has_keys, _translate)
