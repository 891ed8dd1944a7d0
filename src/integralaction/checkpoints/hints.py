"""What a checkpoint's keys and shapes tell about its network, and the hints on what they cannot tell."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from torch import Tensor

from integralaction.config import Depth, ModelConfig
from integralaction.errors import Refused
from integralaction.settings import from_dict

Mode = Literal["rgb+pose", "rgb_only", "pose_only"]

_RELEASED_ONLY = ("mode", "pose_gate", "pose_frame_factor")


@dataclass(frozen=True)
class CheckpointHints:
    """What the user says about a checkpoint, because its keys and shapes cannot tell.

    Attributes:
        mode, pose_gate, pose_frame_factor: of a released snapshot, under the released code's names; it always holds
            all modules. The factor is 4 for the models of 29 pose frames.
        frames, stride, shift: T, τ and the parts of the shift; None: as the file's name says, else 8, 8 and 8 (a
            released snapshot is 8, 8 and 4). A shift of 0 says that nothing shifts.
        classes: class names in the order of the classifier; None: `class 0`, `class 1`, ...
    """

    mode: Mode = "rgb+pose"
    pose_gate: bool = True
    pose_frame_factor: int = 1
    frames: int | None = None
    stride: int | None = None
    shift: int | None = None
    classes: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise Refused(f"Expected a mode of {', '.join(get_args(Mode))}; found {self.mode!r}.")
        without = {"rgb_only": ("pose_gate", "pose_frame_factor"), "pose_only": ("pose_gate",)}.get(self.mode, ())
        if surplus := [name for name in self.changed_names if name in without]:
            raise Refused(f"Expected no {' and no '.join(surplus)} for mode {self.mode}, which has none. Leave it out.")

    @property
    def changed_names(self) -> list[str]:
        """The hints that differ from their defaults."""
        return [field.name for field in fields(self) if getattr(self, field.name) != field.default]

    def check_not_released(self, format_name: str) -> None:
        """
        Raises:
            ValueError: there is a hint on released snapshots; the checkpoint is of another format.
        """
        for name in self.changed_names:
            if name in _RELEASED_ONLY:
                raise Refused(
                    f"Expected {name} for a released IntegralAction snapshot alone; found it for a {format_name}, "
                    "whose keys say what it is. Leave it out."
                )


def first_value(*choices: tuple[int | None, str]) -> tuple[int, str]:
    """The first value of several that is not None, and where it is from."""
    return next((value, origin) for value, origin in choices if value is not None)


def resnet_depth(keys: Mapping[str, Tensor], prefix: str, path: Path) -> Depth:
    """Depth of the ResNet under a prefix, by its blocks.

    Raises:
        ValueError: no ResNet has these blocks.
    """
    blocks = {int(m[1]) for key in keys if (m := re.match(rf"{re.escape(prefix)}layer3\.(\d+)\.", key))}
    is_bottleneck = any(key.startswith(f"{prefix}layer1.0.conv3.") for key in keys)
    depths: dict[tuple[int, bool], Depth] = {(2, False): 18, (6, False): 34, (6, True): 50, (23, True): 101}
    if (len(blocks), is_bottleneck) not in depths:
        raise Refused(
            f"Expected a ResNet of depth 18, 34, 50 or 101 under {prefix or 'conv1, layer1, ...'} in {path}; found "
            f"{len(blocks)} {'bottleneck' if is_bottleneck else 'basic'} blocks in layer3."
        )
    return depths[len(blocks), is_bottleneck]


def tensor_shape(
    tensors: Mapping[str, Tensor], key: str, dimensions: int, format_name: str, path: Path
) -> tuple[int, ...]:
    """The shape of a tensor, which tells a setting.

    Raises:
        ValueError: it is missing or has another number of dimensions.
    """
    if key not in tensors or tensors[key].ndim != dimensions:
        problem = "it is missing" if key not in tensors else f"its shape is {tuple(tensors[key].shape)}"
        raise Refused(f"Expected {key} of {dimensions} dimensions, as in a {format_name}, in {path}; {problem}.")
    return tuple(tensors[key].shape)


def class_names(hints: CheckpointHints, count: int, path: Path) -> tuple[tuple[str, ...], str]:
    """Names for the classes of a classifier, and the note that says where they are from.

    Raises:
        ValueError: the hints have another number of names.
    """
    if hints.classes is None:
        names = tuple(f"class {i}" for i in range(count))
        return names, f"{count} classes without names, which no checkpoint has; give them with --classes."
    if len(hints.classes) != count:
        raise Refused(
            f"Expected {count} class names for the classifier in {path}; found {len(hints.classes)}. Give its list."
        )
    return hints.classes, f"{count} class names as given."


def appearance_config(
    path: Path, classes: tuple[str, ...], depth: Depth, frames: int, stride: int, shift: int, vote: str
) -> ModelConfig:
    """The settings of a model that is an appearance stream alone.

    Raises:
        ValueError: a value is out of its range; the sentence begins with the path.
    """
    values = {
        "classes": classes,
        "clip": {"frames": frames, "stride": stride},
        "appearance": {"backbone": {"depth": depth, "shift": shift}},
        "pose": None,
        "integration": None,
        "vote": vote,
    }
    return from_dict(ModelConfig, values, str(path))
