"""From tensors to a model, by a rule for each key: every tensor is accounted for, or the file is refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from integralaction.checkpoints.hints import CheckpointHints
from integralaction.checkpoints.model_file import copy_weights
from integralaction.checkpoints.tensors import COUNTER
from integralaction.config import ModelConfig
from integralaction.errors import Refused
from integralaction.model.network import IntegralAction


@dataclass(frozen=True)
class TensorRule:
    """What becomes of a key.

    Attributes:
        target: the name of the tensor here; None: it is left out. Where several keys have the same target, their
            tensors are added.
        shape: its shape in the checkpoint.
        change: what happens to it, in words.
        sign: 1, or -1 where it is negated.
        is_required: a checkpoint without it is refused.
    """

    target: str | None
    shape: tuple[int, ...]
    change: str = "copied"
    sign: int = 1
    is_required: bool = True


@dataclass(frozen=True)
class Translation:
    """A checkpoint in our words: its network's settings, a rule for each of its keys, notes on what was assumed."""

    config: ModelConfig
    rules: dict[str, TensorRule]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class CheckpointFormat:
    """One way in which others write a network; a new one is a file with one of these and a line in `read`.

    Attributes:
        name: whose it is.
        marks: how its keys begin, in words.
        has_keys: whether keys are of this format.
        translate: tensors, hints, the file's path -> their translation; raises ValueError where they contradict.
    """

    name: str
    marks: str
    has_keys: Callable[[Mapping[str, Tensor]], bool]
    translate: Callable[[Mapping[str, Tensor], CheckpointHints, Path], Translation]


@dataclass(frozen=True)
class TensorMapping:
    """Where one tensor of a checkpoint went: its key there, its name here (None: left out), and what was changed."""

    source: str
    target: str | None
    change: str


@dataclass(frozen=True)
class ConvertedCheckpoint:
    """A checkpoint of another project, read.

    Attributes:
        path: its file.
        format_name: whose it is.
        model: the same network, in eval mode.
        mappings: one for each tensor of the file, in its order.
        notes: what the hints said or what was assumed, a sentence each.
    """

    path: Path
    format_name: str
    model: IntegralAction
    mappings: tuple[TensorMapping, ...]
    notes: tuple[str, ...]


def has_prefix(keys: Mapping[str, Tensor], *prefixes: str) -> bool:
    """Whether any key begins with one of these."""
    return any(key.startswith(prefixes) for key in keys)


def model_shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of our model's tensors."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in IntegralAction(config).state_dict().items()}


def apply_rules(
    tensors: Mapping[str, Tensor], translation: Translation, format_name: str, path: Path
) -> ConvertedCheckpoint:
    """The model, if the file has every key that is required, in its shape, and no other.

    Raises:
        ValueError: missing, surplus or misshapen keys, all named.
    """
    rules = translation.rules
    counters = {key for key in rules.keys() - tensors.keys() if key.endswith(COUNTER)}
    _check_tensors(tensors, rules, counters, format_name, path)
    model = IntegralAction(translation.config)
    shapes = {name: tensor.shape for name, tensor in model.state_dict().items()}
    weights: dict[str, Tensor] = {}
    for key, rule in rules.items():
        if rule.target is None:
            continue
        tensor = tensors[key] if key in tensors else torch.zeros(rule.shape, dtype=torch.int64)  # a counter
        weight = (tensor if rule.sign == 1 else -tensor).reshape(shapes[rule.target])
        weights[rule.target] = weights[rule.target] + weight if rule.target in weights else weight
    copy_weights(model, weights, str(path))
    notes = translation.notes
    if counters:
        notes += (f"{len(counters)} counters of batches, which the file does not have, are 0; nothing uses them.",)
    mappings = tuple(
        TensorMapping(key, rule.target, rule.change if rule.target else f"left out: {rule.change}")
        for key, rule in ((key, rules[key]) for key in tensors)
    )
    return ConvertedCheckpoint(path, format_name, model.eval(), mappings, notes)


def _check_tensors(
    tensors: Mapping[str, Tensor], rules: Mapping[str, TensorRule], counters: set[str], format_name: str, path: Path
) -> None:
    missing = sorted(key for key in rules.keys() - tensors.keys() - counters if rules[key].is_required)
    surplus = sorted(tensors.keys() - rules.keys())
    misshapen = [
        f"{key} {tuple(tensors[key].shape)} instead of {rule.shape}"
        for key, rule in sorted(rules.items())
        if key in tensors and tuple(tensors[key].shape) != rule.shape
    ]
    groups = {"missing": missing, "surplus": surplus, "of another shape": misshapen}
    if problems := "; ".join(f"{name}: {', '.join(keys)}" for name, keys in groups.items() if keys):
        raise Refused(f"Expected the tensors of a {format_name} in {path}; found {problems}. Nothing was loaded.")
