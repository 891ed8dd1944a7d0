"""Settings of older checkpoints and runs (format 1), under the names of today.

In format 1 a model's settings were one flat list of 21 names, and a recipe's another. Files that name no format are in
it too.
"""

import re
from typing import Any

from integralaction.settings import leaves

# each name of format 1 and what it is called now; of two streams that share a value, both
MODEL_NAMES: dict[str, str] = {
    "method": "integration.method",
    "skeleton": "pose.skeleton",
    "appearance_depth": "appearance.backbone.depth",
    "pose_depth": "pose.backbone.depth",
    "width": "appearance.backbone.width pose.backbone.width",
    "shift": "appearance.backbone.shift pose.backbone.shift",
    "shift_first": "appearance.backbone.shift_first pose.backbone.shift_first",
    "normalised": "appearance.mean appearance.deviation",
    "pose_input": "pose.input",
    "frames": "clip.frames",
    "stride": "clip.stride",
    "size": "clip.size",
    "pose_frame_factor": "clip.pose_frame_factor",
    "pose_pooling": "clip.pose_pooling",
    "channels": "integration.channels",
    "alignment": "integration.alignment",
    "gate_norm": "integration.gate_norm",
    "score_weight": "integration.score_weight",
    "stream_answers": "integration.stream_answers",
}
_STAGE = ("epochs", "lr", "milestones", "warmup")
RECIPE_NAMES: dict[str, str] = {
    **{f"model.{old}": " ".join(f"model.{name}" for name in new.split()) for old, new in MODEL_NAMES.items()},
    **{f"{s}.{name}": f"stages.{s}.{name}" for s in ("appearance", "pose", "integration") for name in _STAGE},
    **{name: f"stages.{name}" for name in ("strategy", "gate_lambda", "gate_prior")},
    **{name: f"optimizer.{name}" for name in ("batch_size", "accumulate", "momentum", "weight_decay", "precision")},
    "start": "start.weights",
    "init": "start.init",
    "head": "start.head",
    **{name: f"loading.{name}" for name in ("augment", "augment_integration", "workers", "preload", "max_failed")},
}
_SINGLE = {"appearance-only": "pose", "pose-only": "appearance"}  # and the stream that is not there


def model_settings(values: dict[str, Any]) -> dict[str, Any]:
    """A model's settings of format 1, nested as they are now; what they leave out stays left out."""
    nested = _nest(_with_colours(values), MODEL_NAMES)
    method = values.get("method")
    if isinstance(method, str) and method in _SINGLE:
        nested |= {_SINGLE[method]: None, "integration": None}
    return nested


def recipe_settings(values: dict[str, Any]) -> dict[str, Any]:
    """A recipe's settings of format 1, nested as they are now. Its model has both streams, whatever it trains."""
    model = values.get("model")
    if isinstance(model, dict):
        of_streams = {name: value for name, value in model.items() if name != "method" or value not in [*_SINGLE]}
        values = {**values, "model": _with_colours(of_streams)}
    return _nest(dict(leaves(values)), RECIPE_NAMES)


def tensor_name(name: str) -> str:
    """What a tensor of a model of format 1 is called now."""
    return re.sub(r"^(appearance|pose)\.resnet\.", r"\1.backbone.", name)


def _with_colours(values: dict[str, Any]) -> dict[str, Any]:
    """A model's settings in which `normalised`, ImageNet's colours or none, is the mean and the deviation of them."""
    if not isinstance(values.get("normalised"), bool):
        return values
    colours = {"appearance.mean": [0.0] * 3, "appearance.deviation": [1.0] * 3}
    rest = {name: value for name, value in values.items() if name != "normalised"}
    return rest if values["normalised"] else {**rest, **colours}


def _nest(values: dict[str, Any], names: dict[str, str]) -> dict[str, Any]:
    nested: dict[str, Any] = {}
    for old, value in values.items():
        for name in names.get(old, old).split():
            *groups, last = name.split(".")
            target = nested
            for group in groups:
                target = target.setdefault(group, {})
            target[last] = value
    return nested
