"""Other people's checkpoints, translated at the door: every tensor is accounted for, or the file is refused.

    file -> tensors -> whose keys these are -> our settings and our names -> a model that gives the numbers it gave at
    home

Read are snapshots of the released IntegralAction code, TSM as MIT and as MMAction2 write it, and plain ResNets with
torchvision's names. What keys and shapes cannot tell is told (`Told`), and what was not told is said.
"""

import pickle
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from integralaction.config import Depth, Method, ModelConfig
from integralaction.model.checkpoint import copy_weights
from integralaction.model.network import IntegralAction
from integralaction.skeleton import skeleton_named

Mode = Literal["rgb+pose", "rgb_only", "pose_only"]
Kind = Literal["released IntegralAction snapshot", "TSM of MIT", "TSM of MMAction2", "plain ResNet"]

_CONTAINERS = ("network", "state_dict", "model")  # where a checkpoint keeps its tensors beside other things
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Told:
    """What keys and shapes cannot tell about a checkpoint.

    Attributes:
        mode, pose_gate, pose_frame_factor: of a released snapshot, under the released code's names; it always holds all
            modules. The factor is 4 for the models of 29 pose frames.
        frames, stride, shift: T, τ and the parts of the shift; None: as the file's name says, else 8, 8 and 8 (a
            released snapshot is 8, 8 and 4).
        classes: class names in the order of the classifier; None: `class 0`, `class 1`, ...
    """

    mode: Mode = "rgb+pose"
    pose_gate: bool = True
    pose_frame_factor: int = 1
    frames: int | None = None
    stride: int | None = None
    shift: int | None = None
    classes: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Move:
    """Where one tensor of a checkpoint went: its key there, its name here (None: left out), and what was done to it."""

    source: str
    target: str | None
    what: str


@dataclass(frozen=True)
class Foreign:
    """A checkpoint of another project, read.

    Attributes:
        kind: whose it is.
        model: the same network, in eval mode.
        moves: one for each tensor of the file.
        notes: what was told or taken for granted, a sentence each.
    """

    kind: Kind
    model: IntegralAction
    moves: tuple[Move, ...]
    notes: tuple[str, ...]


def read_foreign(path: Path, told: Told) -> Foreign:
    """A model from another project's checkpoint.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is none that is known, it holds more than tensors, its tensors are not all those of its
            network (every wrong one is named), or they contradict what was told.
    """
    tensors = read_tensors(path)
    kind = _kind(tensors, path)
    translate = {
        "released IntegralAction snapshot": _released,
        "TSM of MIT": _tsm,
        "TSM of MMAction2": _tsm,
        "plain ResNet": _plain,
    }[kind]
    return translate(tensors, told, kind, path)


def recognise(path: Path) -> Kind:
    """Whose checkpoint a file is.

    Raises:
        FileNotFoundError, ValueError: as `read_foreign` does for a file that is none.
    """
    return _kind(read_tensors(path), path)


# ---- from the file to tensors


class _Inert:
    """Stands for an object of another project's file: it is built, holds nothing and is never used."""

    def __setstate__(self, state: object) -> None:
        pass


# training checkpoints of MMEngine keep their log beside the weights
_INERT = ("mmengine.logging.history_buffer.HistoryBuffer",)


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The network's tensors in a checkpoint (`.pth`, `.tar`, safetensors), by key, without `module.` before them.

    Nothing is unpickled but tensors and plain containers.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read, would run code, or has no tensors by name.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a checkpoint; {path} is not there.")
    found = _load(path)
    for name in _CONTAINERS:
        if isinstance(found, Mapping) and isinstance(found.get(name), Mapping):
            found = found[name]
            break
    if not isinstance(found, Mapping) or not found or not all(isinstance(value, Tensor) for value in found.values()):
        what = (
            f"the entries {', '.join(map(str, list(found)[:8]))}"
            if isinstance(found, Mapping)
            else type(found).__name__
        )
        raise ValueError(f"Expected tensors by name in {path}, or below {' or '.join(_CONTAINERS)}; found {what}.")
    if all(key.startswith("module.") for key in found):
        found = {key.removeprefix("module."): tensor for key, tensor in found.items()}
    return dict(found)


def _load(path: Path) -> Any:
    if path.suffix == ".safetensors":
        try:
            return load_file(path)
        except (SafetensorError, OSError) as error:
            raise ValueError(
                f"Expected a model in safetensors format in {path}; it cannot be read ({error})."
            ) from error
    arrays = [np.ndarray, np.dtype, np.dtypes.Float64DType, np.dtypes.Int64DType, _reconstruct, _scalar]
    allowed = [*arrays, *((_Inert, name) for name in _INERT)]
    try:
        with torch.serialization.safe_globals(allowed):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        told = re.search(r"GLOBAL (\S+)", str(error))
        if told is None:
            raise ValueError(f"Expected a checkpoint in {path}; it is another file, or damaged.") from error
        raise ValueError(
            f"Expected a checkpoint of tensors and plain containers in {path}; found {told[1]} in it, which could run "
            "code. Nothing was loaded. Save its state dict alone where it was made, and give that."
        ) from error
    except Exception as error:  # on a file of another kind the unpickler fails in whatever way it comes to
        raise ValueError(f"Expected a checkpoint in {path}; it is another file, or damaged.") from error


def _numpy_part(name: str) -> Any:
    core = np.core if int(np.__version__[0]) < 2 else __import__("numpy._core", fromlist=["multiarray"])
    return getattr(core.multiarray, name)


_reconstruct, _scalar = _numpy_part("_reconstruct"), _numpy_part("scalar")


# ---- whose keys these are


def _kind(tensors: Mapping[str, Tensor], path: Path) -> Kind:
    def has(prefix: str) -> bool:
        return any(key.startswith(prefix) for key in tensors)

    if has("img_backbone.") or has("aggregator."):
        return "released IntegralAction snapshot"
    if has("base_model."):
        return "TSM of MIT"
    if has("backbone.layer1."):
        return "TSM of MMAction2"
    if "conv1.weight" in tensors and has("layer1.0."):
        return "plain ResNet"
    raise ValueError(
        "Expected the keys of a released IntegralAction snapshot (img_backbone.), of TSM (base_model. or "
        "backbone.) or "
        f"of a plain ResNet (conv1, layer1) in {path}; found {', '.join(list(tensors)[:5])}, ..."
    )


def _depth(keys: Mapping[str, Tensor], prefix: str, path: Path) -> Depth:
    """Depth of the ResNet under a prefix, by its blocks."""
    blocks = {int(m[1]) for key in keys if (m := re.match(rf"{re.escape(prefix)}layer3\.(\d+)\.", key))}
    bottleneck = f"{prefix}layer1.0.conv3.weight" in keys
    known: dict[tuple[int, bool], Depth] = {(2, False): 18, (6, False): 34, (6, True): 50, (23, True): 101}
    if (len(blocks), bottleneck) not in known:
        raise ValueError(
            f"Expected a ResNet of depth 18, 34, 50 or 101 under {prefix or 'conv1, layer1, ...'} in {path}; found "
            f"{len(blocks)} {'bottleneck' if bottleneck else 'basic'} blocks in layer3."
        )
    return known[len(blocks), bottleneck]


def _class_names(told: Told, weight: Tensor, path: Path) -> tuple[tuple[str, ...], str]:
    """Class names and the note that says where they are from."""
    if told.classes is None:
        names = tuple(f"class {i}" for i in range(len(weight)))
        return names, f"{len(weight)} classes without names, which no checkpoint has; give them with --classes."
    if len(told.classes) != len(weight):
        raise ValueError(
            f"Expected {len(weight)} class names for the classifier in {path}; found {len(told.classes)}. Give its "
            "list."
        )
    return told.classes, f"{len(weight)} class names as told."


class _Account:
    """The moves of one translation, and the tensors that they make."""

    def __init__(self, tensors: Mapping[str, Tensor], kind: Kind, path: Path) -> None:
        self.tensors, self.kind, self.path = tensors, kind, path
        self.moves: dict[str, Move] = {}
        self.weights: dict[str, Tensor] = {}

    def move(self, source: str, target: str, what: str, tensor: Tensor) -> None:
        self.moves[source] = Move(source, target, what)
        self.weights[target] = tensor

    def leave(self, source: str, why: str) -> None:
        self.moves[source] = Move(source, None, f"left out: {why}")

    def finish(self, config: ModelConfig, names: Mapping[str, str], notes: list[str]) -> Foreign:
        """The model, if the weights are all of it and nothing is left over.

        Args:
            names: our name of each foreign key that was looked for, for the errors.

        Raises:
            ValueError: missing, surplus or misshapen keys; all named as in the file.
        """
        model = IntegralAction(config)
        wanted = model.state_dict()
        filled = [name for name in wanted if name.endswith(_COUNTER) and name not in self.weights]
        for name in filled:  # older files have none; averages by momentum, as these are, do not use it
            self.weights[name] = wanted[name]
        if filled:
            notes = [*notes, f"{len(filled)} counters of batches, which the file has not, are 0; nothing uses them."]
        theirs = {ours: key for key, ours in names.items()}
        sources = {move.target: key for key, move in self.moves.items() if move.target is not None} | theirs
        missing = sorted(sources.get(name, name) for name in wanted.keys() - self.weights.keys())
        unknown = {sources.get(name, name) for name in self.weights.keys() - wanted.keys()}
        surplus = sorted(self.tensors.keys() - self.moves.keys() | unknown)
        misshapen = sorted(
            f"{sources.get(name, name)} {tuple(self.weights[name].shape)} instead of {tuple(wanted[name].shape)}"
            for name in wanted.keys() & self.weights.keys()
            if wanted[name].shape != self.weights[name].shape
        )
        if missing or surplus or misshapen:
            groups = {"missing": missing, "surplus": surplus, "of another shape": misshapen}
            found = "; ".join(f"{name}: {', '.join(keys)}" for name, keys in groups.items() if keys)
            raise ValueError(
                f"Expected the tensors of a {self.kind} in {self.path}; found {found}. Nothing was loaded."
            )
        weights = {name: tensor.to(wanted[name].dtype) for name, tensor in self.weights.items()}
        copy_weights(model, weights, str(self.path))
        return Foreign(self.kind, model.eval(), tuple(self.moves[key] for key in self.tensors), tuple(notes))


# ---- released IntegralAction

_METHODS: dict[Mode, Method] = {"rgb+pose": "integral", "rgb_only": "appearance-only", "pose_only": "pose-only"}
_UNUSED = "the released code has it and does not use it in this mode"


def _released(tensors: dict[str, Tensor], told: Told, kind: Kind, path: Path) -> Foreign:
    needed = (
        "img_backbone.conv1.weight",
        "pose2feat.conv.0.weight",
        "aggregator.img_conv.0.weight",
        "classifier.fc.0.weight",
    )
    if lacking := [key for key in needed if key not in tensors]:
        raise ValueError(
            f"Expected all modules of a released IntegralAction snapshot in {path}; found missing: "
            f"{', '.join(lacking)}."
        )
    config, notes = _released_settings(tensors, told, path)
    account = _Account(tensors, kind, path)
    names: dict[str, str] = {}  # the foreign key of each of our names, for errors
    if config.method != "pose-only":
        names |= {"img_backbone.": "appearance.resnet."}
    if config.method != "appearance-only":
        names |= {f"pose_backbone.layer{i}.": f"pose.resnet.layer{i}." for i in range(1, 5)}
        names |= {"pose2feat.conv.0.": "pose.front_end.0.", "pose2feat.conv.1.": "pose.front_end.1."}
    if config.pose_pooling == "convolution" and config.method not in ("pose-only", "appearance-only"):
        names |= {
            "aggregator.pose_temporal_conv.0.": "pose_pooling.conv.",
            "aggregator.pose_temporal_conv.1.": "pose_pooling.norm.",
        }
    if config.method in ("integral", "gate-free"):
        for theirs, ours in (("img", "appearance"), ("pose", "pose")):
            names |= {
                f"aggregator.{theirs}_conv.0.": f"integration.align_{ours}.conv.",
                f"aggregator.{theirs}_conv.1.": f"integration.align_{ours}.batch_norm.",
            }
            if config.method == "integral":
                names |= {f"aggregator.{theirs}_norm.": f"integration.align_{ours}.norm."}
        if config.method == "integral":
            names |= {"aggregator.pose_gate_fc.0.": "integration.gate.conv."}
    classifier = {"appearance-only": "appearance_classifier.", "pose-only": "pose_classifier."}
    names["classifier.fc.0."] = classifier.get(config.method, "classifier.")
    known = ("img_backbone.", "pose_backbone.", "pose2feat.conv.", "aggregator.", "classifier.fc.0.")
    for key, tensor in tensors.items():
        prefix = next((p for p in names if key.startswith(p)), None)
        if prefix is not None:
            _move_released(account, key, names[prefix] + key.removeprefix(prefix), tensor)
        elif key.startswith(("pose_backbone.conv1.", "pose_backbone.bn1.")):
            account.leave(key, "the pose stream starts after the stem (section 3.2)")
        elif key.startswith(known) and _is_released_key(key):
            account.leave(key, _UNUSED)
    foreign = {
        theirs + name.removeprefix(ours): name
        for theirs, ours in names.items()
        for name in _state_names(config)
        if name.startswith(ours)
    }
    return account.finish(config, foreign, notes)


def _released_settings(tensors: dict[str, Tensor], told: Told, path: Path) -> tuple[ModelConfig, list[str]]:
    """The settings of a released snapshot; shapes say which contradict what was told."""
    appearance, pose = _depth(tensors, "img_backbone.", path), _depth(tensors, "pose_backbone.", path)
    maps, classifier = tensors["pose2feat.conv.0.weight"].shape[1], tensors["classifier.fc.0.weight"]
    skeletons = {
        len(skeleton_named(name).joints) + 2 * len(skeleton_named(name).bones): name for name in ("openpose18", "ntu25")
    }
    if maps not in skeletons:
        raise ValueError(
            f"Expected pose maps of 18 joints ({52} channels) or of 25 (73) in {path}; found {maps} channels."
        )
    width = {"rgb_only": 2048 if appearance >= 50 else 512, "pose_only": 2048 if pose >= 50 else 512}
    channels = tensors["aggregator.img_conv.0.weight"].shape[0]
    wanted = width.get(told.mode, channels)
    if classifier.shape[1] != wanted:
        fitting = [mode for mode in _METHODS if width.get(mode, channels) == classifier.shape[1]]
        raise ValueError(
            f"Expected a classifier on {wanted} features for mode {told.mode} in {path}; found one on "
            f"{classifier.shape[1]}, which is mode {' or '.join(fitting) or 'of no known kind'}."
        )
    classes, named = _class_names(told, classifier, path)
    method = _METHODS[told.mode]
    if method == "integral" and not told.pose_gate:
        method = "gate-free"
    factor = told.pose_frame_factor if method != "appearance-only" else 1
    config = ModelConfig(
        classes=classes,
        method=method,
        skeleton=skeletons[maps],
        appearance_depth=appearance,
        pose_depth=pose,
        channels=channels,
        frames=told.frames or 8,
        stride=told.stride or 8,
        pose_frame_factor=factor,
        shift=told.shift or 4,
        shift_first="previous",
        normalised=False,
        alignment="batch-layer" if told.pose_gate else "batch",
        gate_norm=False,
        pose_pooling="convolution" if factor > 1 else "mean",
        vote="logits",
        stream_answers=method in ("appearance-only", "pose-only"),
    )
    notes = [
        f"mode {told.mode}, pose_gate {told.pose_gate}, pose_frame_factor {told.pose_frame_factor}: a snapshot cannot "
        "tell; tell otherwise with --mode, --no-pose-gate, --pose-frame-factor.",
        f"{config.frames} frames at a stride of {config.stride}, {config.pose_frames} pose frames; frames as 0..1 "
        "without "
        f"normalisation; 1/{config.shift} of the channels shifts each way, the first from the frame before; frames vote "
        "by logits.",
        f"{config.skeleton}: by its {maps} pose maps.",
        named,
    ]
    if method == "integral":
        notes.append("The released gate multiplies the pose; its sign is turned, so that it multiplies appearance.")
    return config, notes


def _is_released_key(key: str) -> bool:
    """A key that every released snapshot has, whatever the mode."""
    return bool(
        re.match(
            r"(img|pose)_backbone\.(conv1\.weight|bn1\.|layer[1-4]\.\d+\.(conv[123]\.weight|bn[123]\.|downsample\.[01]\.))"
            r"|pose2feat\.conv\.[01]\.|classifier\.fc\.0\."
            r"|aggregator\.(pose_temporal_conv\.[01]|pose_gate_fc\.0|(img|pose)_conv\.[01]|(img|pose)_norm)\.",
            key,
        )
    )


def _move_released(account: _Account, key: str, name: str, tensor: Tensor) -> None:
    if key.startswith("aggregator.pose_gate_fc."):
        account.move(key, name, "negated: the released gate multiplies pose", -tensor)
    elif key == "pose2feat.conv.0.bias":
        # a bias before batch normalisation moves the running mean and nothing else
        mean = "pose2feat.conv.1.running_mean"
        account.moves[key] = Move(key, "pose.front_end.1.running_mean", "subtracted from the running mean")
        if mean in account.tensors and account.tensors[mean].shape == tensor.shape:
            account.weights["pose.front_end.1.running_mean"] = account.tensors[mean] - tensor
    elif key == "pose2feat.conv.1.running_mean":
        account.moves[key] = Move(key, name, "copied, less the bias before it")
        account.weights.setdefault(name, tensor)
    elif re.match(r"aggregator\.((img|pose)_(conv\.0\.weight|norm\.)|pose_temporal_conv\.0\.weight)", key):
        kept = tensor.flatten(2) if "temporal" in key else tensor.flatten(1) if "conv" in key else tensor.flatten()
        account.move(key, name, f"reshaped from {_shape(tensor)} to {_shape(kept)}", kept)
    else:
        account.move(key, name, "copied", tensor)


# ---- TSM


def _tsm(tensors: dict[str, Tensor], told: Told, kind: Kind, path: Path) -> Foreign:
    """TSM of MIT (`base_model.`, `new_fc.`) and of MMAction2 (`backbone.`, `cls_head.fc_cls.`), blockres."""
    _refuse_released_options(told, kind)
    prefix, head = ("base_model.", "new_fc.") if kind == "TSM of MIT" else ("backbone.", "cls_head.fc_cls.")
    if whole := sorted(key for key in tensors if re.search(r"layer\d\.\d+\.net\.", key)):
        raise ValueError(
            f"Expected TSM whose shift lies in the residual branch (blockres) in {path}; found it around whole blocks: "
            f"{', '.join(whole)}. Such a network is another one."
        )
    plain = {key: _plain_name(key.removeprefix(prefix)) for key in tensors if key.startswith(prefix)}
    depth = _depth({name: tensors[key] for key, name in plain.items()}, "", path)
    shifted = {
        m[1] for key in plain if (m := re.match(rf"{re.escape(prefix)}(layer\d\.\d+)\.conv1\.(conv\.)?net\.", key))
    }
    _check_shifted(shifted, set(plain.values()), depth, path)
    if f"{head}weight" not in tensors:
        raise ValueError(f"Expected the classifier {head}weight of a {kind} in {path}; it is missing.")
    classes, named = _class_names(told, tensors[f"{head}weight"], path)
    frames, stride, shift, notes = _tsm_clip(path.name, told, bool(shifted))
    config = _appearance(classes, depth, frames, stride, shift)
    notes = [*notes, "RGB normalised by ImageNet's mean and deviation; frames vote by logits.", named]
    account = _Account(tensors, kind, path)
    for key, name in plain.items():
        renamed = "copied" if key.removeprefix(prefix) == name else "copied, renamed"
        account.move(key, f"appearance.resnet.{name}", renamed, tensors[key])
    for key in tensors:
        if key.startswith(head):
            account.move(key, f"appearance_classifier.{key.removeprefix(head)}", "copied", tensors[key])
    names = {f"{prefix}{name}": f"appearance.resnet.{name}" for name in plain.values()}
    return account.finish(config, names, notes)


def _plain_name(key: str) -> str:
    """torchvision's name of a tensor: without TSM's `.net`, MMAction2's `.conv` and `.bn`."""
    key = key.replace(".net.", ".")
    key = re.sub(r"downsample\.conv\.", "downsample.0.", key)
    key = re.sub(r"downsample\.bn\.", "downsample.1.", key)
    key = re.sub(r"conv(\d)\.bn\.", r"bn\1.", key)
    return re.sub(r"conv(\d)\.conv\.", r"conv\1.", key)


def _check_shifted(shifted: set[str], names: set[str], depth: Depth, path: Path) -> None:
    """That the blocks which the file marks are those that shift here: all, or of ResNet-101 every second one."""
    if not shifted:
        return  # TSN, or a file whose marks were taken away
    blocks = {m[1] for name in names if (m := re.match(r"(layer\d\.\d+)\.conv1\.", name))}
    every = 2 if depth == 101 else 1
    wanted = {block for block in blocks if int(block.partition(".")[2]) % every == 0}
    if different := sorted(shifted ^ wanted):
        raise ValueError(
            f"Expected the shift (.net.) in {'every block' if every == 1 else 'every second block'} of a "
            f"ResNet-{depth} "
            f"in {path}; found it otherwise in {', '.join(different)}."
        )


def _tsm_clip(name: str, told: Told, shifts: bool) -> tuple[int, int, int, list[str]]:
    """Frames, stride and shift of a TSM file, from its name (MIT's, MMAction2's) or as told, and what was assumed.

    Raises:
        ValueError: the name says otherwise than was told.
    """
    segments = re.search(r"segment(\d+)", name) or re.search(r"1x1x(\d+)", name)
    parts = re.search(r"shift(\d+)", name)
    found = {"frames": segments and int(segments[1]), "shift": parts and int(parts[1])}
    for option in ("frames", "shift"):
        said, wanted = found[option], getattr(told, option)
        if said is not None and wanted not in (None, said):
            raise ValueError(f"Expected {option} {said}, as the name {name} has it; found {wanted} told.")
    if not shifts and (told.shift or found["shift"]):
        raise ValueError(
            f"Expected shifting convolutions (.net.) in {name} for a shift; found none. It does not shift."
        )
    frames = told.frames or found["frames"] or 8
    shift = (told.shift or found["shift"] or 8) if shifts else 0
    stride = told.stride or 8
    how = "told" if told.frames else "by its name" if found["frames"] else "assumed; tell otherwise with --frames"
    parted = "told" if told.shift else "by its name" if found["shift"] else "assumed; tell otherwise with --shift"
    notes = [
        f"{frames} frames: {how}. A stride of {stride}: {'told' if told.stride else 'assumed; tell with --stride'}.",
        f"1/{shift} of the channels shifts each way, the first from the next frame: {parted}."
        if shifts
        else "No block shifts: each frame is looked at by itself.",
    ]
    if "dense" not in name:
        notes.append(
            "Trained, unless it was on dense clips, on frames spread over the whole video: a larger stride comes "
            "nearer to "
            "that on long videos."
        )
    return frames, stride, shift, notes


# ---- plain ResNets


def _plain(tensors: dict[str, Tensor], told: Told, kind: Kind, path: Path) -> Foreign:
    """A ResNet with torchvision's names: a classifier of single frames, and a start for training."""
    _refuse_released_options(told, kind)
    if told.shift:
        raise ValueError(f"Expected no shift for a plain ResNet; found {told.shift} told. It was not trained with one.")
    if marked := sorted(key for key in tensors if ".net." in key):
        raise ValueError(
            f"Expected a plain ResNet in {path}; found shifting convolutions without TSM's base_model. or "
            "backbone. before "
            f"them: {', '.join(marked)}."
        )
    depth = _depth(tensors, "", path)
    if "fc.weight" not in tensors:
        raise ValueError(f"Expected the classifier fc.weight of a plain ResNet in {path}; it is missing.")
    classes, named = _class_names(told, tensors["fc.weight"], path)
    config = replace(_appearance(classes, depth, told.frames or 8, told.stride or 8, shift=0), vote="probabilities")
    account = _Account(tensors, kind, path)
    for key, tensor in tensors.items():
        name = key.replace("fc.", "appearance_classifier.") if key.startswith("fc.") else f"appearance.resnet.{key}"
        account.move(key, name, "copied", tensor)
    notes = [
        "No block shifts: each frame is classified by itself.",
        "RGB normalised by ImageNet's mean and deviation.",
        named,
    ]
    return account.finish(config, {}, notes)


def _appearance(classes: tuple[str, ...], depth: Depth, frames: int, stride: int, shift: int) -> ModelConfig:
    return ModelConfig(
        classes=classes,
        method="appearance-only",
        appearance_depth=depth,
        frames=frames,
        stride=stride,
        shift=shift,
        vote="logits",
    )


def _refuse_released_options(told: Told, kind: Kind) -> None:
    plain = Told()
    for option in ("mode", "pose_gate", "pose_frame_factor"):
        if getattr(told, option) != getattr(plain, option):
            raise ValueError(
                f"Expected {option} for a released IntegralAction snapshot alone; found it told for a {kind}, "
                "whose keys "
                "say what it is. Leave it out."
            )


def _state_names(config: ModelConfig) -> list[str]:
    with torch.device("meta"):
        return list(IntegralAction(config).state_dict())


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape))
