"""Other people's checkpoints, translated at the door: every tensor is accounted for, or the file is refused.

    file -> tensors -> whose keys these are -> our settings -> a rule for each key -> a model that gives the same
    numbers

Read are snapshots of the released IntegralAction code, TSM as MIT and as MMAction2 write it, and plain ResNets with
torchvision's names. What keys and shapes cannot tell is told (`Told`), and what was not told is said.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from integralaction.config import ClipConfig, Depth, Method, ModelConfig
from integralaction.errors import MissingFile, Refused
from integralaction.model.archive import read_archive
from integralaction.model.checkpoint import copy_weights, unreadable
from integralaction.model.network import IntegralAction
from integralaction.model.streams import IMAGENET_DEVIATION, IMAGENET_MEAN
from integralaction.settings import from_dict
from integralaction.skeleton import skeleton_named

Mode = Literal["rgb+pose", "rgb_only", "pose_only"]
Kind = Literal["released IntegralAction snapshot", "TSM of MIT", "TSM of MMAction2", "plain ResNet"]

_CONTAINERS = ("network", "state_dict", "model")  # where a checkpoint keeps its tensors beside other things
_COUNTER = "num_batches_tracked"


@dataclass(frozen=True)
class Told:
    """What keys and shapes cannot tell about a checkpoint.

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
        unused = {"rgb_only": ("pose_gate", "pose_frame_factor"), "pose_only": ("pose_gate",)}.get(self.mode, ())
        told = [f.name for f in fields(self) if f.name in unused and getattr(self, f.name) != f.default]
        if told:
            raise Refused(f"Expected no {' and no '.join(told)} for mode {self.mode}, which has none. Leave it out.")


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
    tensors, notes = _read(path)
    kind = _kind(tensors, path)
    translate = {"released IntegralAction snapshot": _released, "plain ResNet": _plain}.get(kind, _tsm)
    config, rules, more = translate(tensors, told, kind, path)
    return _apply(tensors, config, rules, kind, path, [*more, *notes])


def recognise(path: Path) -> Kind:
    """Whose checkpoint a file is.

    Raises:
        FileNotFoundError, ValueError: as `read_foreign` does for a file that is none.
    """
    return _kind(read_tensors(path), path)


# ---- from the file to tensors


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The network's tensors in a checkpoint (`.pth`, `.tar`, safetensors), by key, without `module.` before them.

    Nothing is unpickled but tensors and plain containers. Weights come as float32.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read, would run code, or has no tensors by name, or other ones than weights.
    """
    return _read(path)[0]


def _read(path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors, and a note on others that lie beside them."""
    if path.is_dir():
        raise Refused(f"Expected the file of a checkpoint; {path} is a folder.")
    if not path.is_file():
        raise MissingFile(f"Expected a checkpoint; {path} is not there.")
    found, notes = _load(path), []
    if isinstance(found, Mapping):
        holders = [str(name) for name, value in found.items() if _has_tensors(value)]
        chosen = [name for name in _CONTAINERS if name in holders]
        if len(chosen) > 1:
            raise Refused(f"Expected one network in {path}; found {' and '.join(chosen)}. Save one of them alone.")
        if chosen:
            found = found[chosen[0]]
            others = [name for name in holders if name not in (*chosen, "optimizer")]
            notes = [f"{name}, which holds tensors too, was not read." for name in others]
    if not isinstance(found, Mapping) or not found or not all(isinstance(value, Tensor) for value in found.values()):
        entries = (
            f"the entries {', '.join(map(str, list(found)[:8]))}"
            if isinstance(found, Mapping)
            else type(found).__name__
        )
        raise Refused(f"Expected tensors by name in {path}, or below {' or '.join(_CONTAINERS)}; found {entries}.")
    tensors = {str(key): tensor for key, tensor in found.items()}
    while all(key.startswith("module.") for key in tensors):
        tensors = {key.removeprefix("module."): tensor for key, tensor in tensors.items()}
    return {key: _as_weight(key, tensor, path) for key, tensor in tensors.items()}, notes


def _has_tensors(value: object) -> bool:
    return isinstance(value, Mapping) and any(isinstance(one, Tensor) for one in value.values())


def _as_weight(key: str, tensor: Tensor, path: Path) -> Tensor:
    """A weight as float32, a counter as int64."""
    dense = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    kind = str(tensor.dtype).removeprefix("torch.") if dense else "a sparse, quantized or empty one"
    if dense and key.endswith(_COUNTER) and not tensor.is_floating_point() and not tensor.is_complex():
        return tensor.to(torch.int64)
    if not dense or not tensor.is_floating_point():
        raise Refused(f"Expected weights as floating-point tensors in {path}; {key} is {kind}.")
    weight = tensor.detach().to(torch.float32)
    if not torch.isfinite(weight).all():
        raise Refused(f"Expected finite weights in {path}; {key} holds NaN or infinity, at least as float32.")
    return weight


def _load(path: Path) -> Any:
    if _is_safetensors(path):
        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise Refused(unreadable(path, error)) from error
    return read_archive(path)


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(9)
    return path.suffix == ".safetensors" or (start[8:] == b"{" and int.from_bytes(start[:8], "little") < 10**8)


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
    part = " (some keys begin with module., others do not)" if has("module.") else ""
    raise Refused(
        "Expected the keys of a released IntegralAction snapshot (img_backbone.), of TSM (base_model. or backbone.) or "
        f"of a plain ResNet (conv1, layer1) in {path}; found {', '.join(list(tensors)[:5])}, ...{part}"
    )


def _depth(keys: Mapping[str, Tensor], prefix: str, path: Path) -> Depth:
    """Depth of the ResNet under a prefix, by its blocks."""
    blocks = {int(m[1]) for key in keys if (m := re.match(rf"{re.escape(prefix)}layer3\.(\d+)\.", key))}
    bottleneck = any(key.startswith(f"{prefix}layer1.0.conv3.") for key in keys)
    known: dict[tuple[int, bool], Depth] = {(2, False): 18, (6, False): 34, (6, True): 50, (23, True): 101}
    if (len(blocks), bottleneck) not in known:
        raise Refused(
            f"Expected a ResNet of depth 18, 34, 50 or 101 under {prefix or 'conv1, layer1, ...'} in {path}; found "
            f"{len(blocks)} {'bottleneck' if bottleneck else 'basic'} blocks in layer3."
        )
    return known[len(blocks), bottleneck]


def _weight(tensors: Mapping[str, Tensor], key: str, dimensions: int, kind: Kind, path: Path) -> Tensor:
    """A tensor whose shape tells a setting."""
    if key not in tensors or tensors[key].ndim != dimensions:
        found = "it is missing" if key not in tensors else f"its shape is {tuple(tensors[key].shape)}"
        raise Refused(f"Expected {key} of {dimensions} dimensions, as in a {kind}, in {path}; {found}.")
    return tensors[key]


def _class_names(told: Told, weight: Tensor, path: Path) -> tuple[tuple[str, ...], str]:
    """Class names and the note that says where they are from."""
    if told.classes is None:
        names = tuple(f"class {i}" for i in range(len(weight)))
        return names, f"{len(weight)} classes without names, which no checkpoint has; give them with --classes."
    if len(told.classes) != len(weight):
        raise Refused(
            f"Expected {len(weight)} class names for the classifier in {path}; found {len(told.classes)}. Give its "
            "list."
        )
    return told.classes, f"{len(weight)} class names as told."


# ---- from tensors to a model


@dataclass(frozen=True)
class _Rule:
    """What becomes of a key: its name here (None: left out), the shape it has there, and how it is changed."""

    target: str | None
    shape: tuple[int, ...]
    what: str = "copied"
    sign: int = 1
    needed: bool = True


_Rules = dict[str, _Rule]
_Translated = tuple[ModelConfig, _Rules, list[str]]


def _shapes(config: ModelConfig) -> dict[str, tuple[int, ...]]:
    """Names and shapes of our model's tensors."""
    with torch.device("meta"):
        return {name: tuple(tensor.shape) for name, tensor in IntegralAction(config).state_dict().items()}


def _apply(
    tensors: Mapping[str, Tensor], config: ModelConfig, rules: _Rules, kind: Kind, path: Path, notes: list[str]
) -> Foreign:
    """The model, if the file has every key that is needed, in its shape, and no other.

    Raises:
        ValueError: missing, surplus or misshapen keys, all named.
    """
    absent = rules.keys() - tensors.keys()
    counters = {key for key in absent if key.endswith(_COUNTER)}  # which older files do not have
    missing = sorted(key for key in absent - counters if rules[key].needed)
    surplus = sorted(tensors.keys() - rules.keys())
    misshapen = [
        f"{key} {tuple(tensors[key].shape)} instead of {rule.shape}"
        for key, rule in sorted(rules.items())
        if key in tensors and tuple(tensors[key].shape) != rule.shape
    ]
    if missing or surplus or misshapen:
        groups = {"missing": missing, "surplus": surplus, "of another shape": misshapen}
        found = "; ".join(f"{name}: {', '.join(keys)}" for name, keys in groups.items() if keys)
        raise Refused(f"Expected the tensors of a {kind} in {path}; found {found}. Nothing was loaded.")
    model = IntegralAction(config)
    wanted = model.state_dict()
    weights: dict[str, Tensor] = {}
    for key, rule in rules.items():
        if rule.target is None or key == _BIAS:
            continue
        held = tensors[key] if key in tensors else torch.zeros(rule.shape, dtype=torch.int64)  # a counter
        weights[rule.target] = (held if rule.sign == 1 else -held).reshape(wanted[rule.target].shape)
    if rules.get(_BIAS, _Rule(None, ())).target is not None:
        weights[_MEAN] = weights[_MEAN] - tensors[_BIAS]
    copy_weights(model, weights, str(path))
    if counters:
        notes = [
            *notes,
            f"{len(counters)} counters of batches, which the file does not have, are 0; nothing uses them.",
        ]
    moves = tuple(
        Move(key, rules[key].target, rules[key].what if rules[key].target else f"left out: {rules[key].what}")
        for key in tensors
    )
    return Foreign(kind, model.eval(), moves, tuple(notes))


# ---- released IntegralAction

_BIAS, _MEAN = "pose2feat.conv.0.bias", "pose.front_end.1.running_mean"

# theirs by ours; what follows the prefix is the same
_RELEASED_NAMES = {
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


def _released(tensors: Mapping[str, Tensor], told: Told, kind: Kind, path: Path) -> _Translated:
    both, notes = _released_settings(tensors, told, kind, path)
    assert both.integration is not None
    config = both.of_method(_released_method(told))
    everything = replace(
        both,
        clip=ClipConfig(stride=8, pose_frame_factor=4, pose_pooling="convolution"),
        integration=replace(both.integration, method="integral", alignment="batch-layer", stream_answers=False),
    )
    # a snapshot holds all modules; those that its mode does not use are left out
    unused = "the released code has it and does not use it in this mode"
    rules = {
        key: _Rule(None, rule.shape, unused, needed=False) for key, rule in _released_rules(_shapes(everything)).items()
    }
    stem = {
        name: shape
        for name, shape in _shapes(everything).items()
        if re.match(r"appearance\.backbone\.(conv1|bn1)\.", name)
    }
    for name, shape in stem.items():
        key = name.replace("appearance.backbone.", "pose_backbone.")
        rules[key] = _Rule(None, shape, "the pose stream starts after the stem (section 3.2)", needed=False)
    rules |= _released_rules(_shapes(config))
    return config, rules, notes


def _released_method(told: Told) -> Method:
    single: dict[Mode, Method] = {"rgb_only": "appearance-only", "pose_only": "pose-only"}
    return single.get(told.mode, "integral" if told.pose_gate else "gate-free")


def _released_rules(shapes: Mapping[str, tuple[int, ...]]) -> _Rules:
    """A rule for the foreign key of each of our tensors."""
    rules: _Rules = {}
    for name, shape in shapes.items():
        ours = next(prefix for prefix in _RELEASED_NAMES if name.startswith(prefix))
        key = _RELEASED_NAMES[ours] + name.removeprefix(ours)
        if ours == "integration.gate.conv.":
            rules[key] = _Rule(name, shape, "negated: the released gate multiplies pose", sign=-1)
        elif (".align_" in ours and name.endswith(("conv.weight", ".norm.weight", ".norm.bias"))) or (
            name == "pose_pooling.conv.weight"
        ):
            there = (*shape, 1, 1)
            rules[key] = _Rule(name, there, f"reshaped from {_text(there)} to {_text(shape)}")
        else:
            rules[key] = _Rule(name, shape, "copied, less the bias before it" if name == _MEAN else "copied")
    if "pose.front_end.0.weight" in shapes:
        # a bias before batch normalisation moves the running mean and nothing else
        channels = shapes["pose.front_end.0.weight"][:1]
        rules[_BIAS] = _Rule(_MEAN, channels, "subtracted from the running mean")
    return rules


def _released_settings(
    tensors: Mapping[str, Tensor], told: Told, kind: Kind, path: Path
) -> tuple[ModelConfig, list[str]]:
    """The settings of both streams of a released snapshot; shapes say which contradict what was told."""
    appearance, pose = _depth(tensors, "img_backbone.", path), _depth(tensors, "pose_backbone.", path)
    if 101 in (appearance, pose):
        raise Refused(
            f"Expected ResNet-18, 34 or 50 in the released snapshot {path}; found ResNet-101, which there shifts "
            "in every "
            "block and here in every second one."
        )
    classifier = _weight(tensors, "classifier.fc.0.weight", 2, kind, path)
    maps = _weight(tensors, "pose2feat.conv.0.weight", 4, kind, path).shape[1]
    channels = _weight(tensors, "aggregator.img_conv.0.weight", 4, kind, path).shape[0]
    skeletons = {len(s.joints) + 2 * len(s.bones): s.name for s in map(skeleton_named, ("openpose18", "ntu25"))}
    if maps not in skeletons:
        raise Refused(f"Expected pose maps of 18 joints (52) or of 25 (73) in {path}; found {maps}.")
    seen = {"rgb+pose": channels, "rgb_only": _features(appearance), "pose_only": _features(pose)}
    if classifier.shape[1] != seen[told.mode]:
        fitting = [mode for mode, features in seen.items() if features == classifier.shape[1]]
        raise Refused(
            f"Expected a classifier on {seen[told.mode]} features for mode {told.mode} in {path}; found one on "
            f"{classifier.shape[1]}, which is mode {' or '.join(fitting) or 'of no known kind'}."
        )
    classes, named = _class_names(told, classifier, path)
    shift = {"shift": 4 if told.shift is None else told.shift, "shift_first": "previous"}
    values = {
        "classes": classes,
        "clip": {
            "frames": 8 if told.frames is None else told.frames,
            "stride": 8 if told.stride is None else told.stride,
            "pose_frame_factor": told.pose_frame_factor,
            "pose_pooling": "convolution" if told.pose_frame_factor > 1 else "mean",
        },
        "appearance": {"backbone": {"depth": appearance, **shift}, "mean": [0, 0, 0], "deviation": [1, 1, 1]},
        "pose": {"backbone": {"depth": pose, **shift}, "skeleton": skeletons[maps]},
        "integration": {
            "channels": channels,
            "alignment": "batch-layer" if told.pose_gate else "batch",
            "gate_norm": False,
            "stream_answers": told.mode != "rgb+pose",
        },
        "vote": "logits",
    }
    config = from_dict(ModelConfig, values, str(path))
    clip = config.clip
    said = {"rgb_only": "", "pose_only": f", pose_frame_factor {told.pose_frame_factor}"}
    options = said.get(told.mode, f", pose_gate {told.pose_gate}, pose_frame_factor {told.pose_frame_factor}")
    notes = [
        f"mode {told.mode}{options}: a snapshot cannot tell; tell otherwise with --mode, --no-pose-gate, "
        "--pose-frame-factor.",
        f"{clip.frames} frames at a stride of {clip.stride}, {clip.pose_frames} pose frames; frames as 0..1 "
        f"without normalisation; 1/{shift['shift']} of the channels shifts each way, the first from the frame before; "
        "frames vote by logits.",
        f"{skeletons[maps]}: by its {maps} pose maps.",
        named,
    ]
    if _released_method(told) == "integral":
        notes.append("The released gate multiplies the pose; its sign is turned, so that it multiplies appearance.")
    return config, notes


def _features(depth: Depth) -> int:
    return 2048 if depth >= 50 else 512


# ---- TSM


def _tsm(tensors: Mapping[str, Tensor], told: Told, kind: Kind, path: Path) -> _Translated:
    """TSM of MIT (`base_model.`, `new_fc.`) and of MMAction2 (`backbone.`, `cls_head.fc_cls.`), blockres."""
    _refuse_released_options(told, kind)
    prefix, head = ("base_model.", "new_fc.") if kind == "TSM of MIT" else ("backbone.", "cls_head.fc_cls.")
    _refuse_other_shifts(tensors, path)
    depth = _depth(tensors, prefix, path)
    marked = any(re.search(r"\.conv1\.(conv\.)?net\.", key) for key in tensors)
    if not marked and told.shift != 0:
        raise Refused(
            f"Expected shifting convolutions (.net.) in {path}; found none: a network of single frames (TSN), "
            "which --shift "
            "0 says, or another one."
        )
    classes, named = _class_names(told, _weight(tensors, f"{head}weight", 2, kind, path), path)
    frames, stride, shift, notes = _tsm_clip(path.name, told, marked)
    config = _appearance(path, classes, depth, frames, stride, shift, "logits")
    every = 2 if depth == 101 else 1
    rules: _Rules = {}
    for name, shape in _shapes(config).items():
        if name.startswith("appearance_classifier."):
            rules[head + name.removeprefix("appearance_classifier.")] = _Rule(name, shape)
            continue
        plain = name.removeprefix("appearance.backbone.")
        theirs = plain if kind == "TSM of MIT" else _mmaction_name(plain)
        block = re.match(r"layer\d\.(\d+)\.conv1\.", plain)
        if marked and block and int(block[1]) % every == 0 and theirs.endswith("weight") and ".bn." not in theirs:
            theirs = theirs.removesuffix("weight") + "net.weight"
        rules[prefix + theirs] = _Rule(name, shape, "copied" if theirs == plain else "copied, renamed")
    if kind == "TSM of MMAction2":
        rules |= _preprocessor_rules(tensors, path)
    return config, rules, [*notes, "RGB normalised by ImageNet's mean and deviation; frames vote by logits.", named]


def _mmaction_name(plain: str) -> str:
    """MMAction2's name of one of torchvision's: convolution and normalisation lie in one module."""
    plain = re.sub(r"downsample\.0\.", "downsample.conv.", plain)
    plain = re.sub(r"downsample\.1\.", "downsample.bn.", plain)
    plain = re.sub(r"(^|\.)bn(\d)\.", r"\1conv\2.bn.", plain)
    return re.sub(r"(^|\.)conv(\d)\.weight", r"\1conv\2.conv.weight", plain)


def _preprocessor_rules(tensors: Mapping[str, Tensor], path: Path) -> _Rules:
    """The normalisation of frames, which some files hold: it must be ImageNet's."""
    rules: _Rules = {}
    for name, ours in (("mean", IMAGENET_MEAN), ("std", IMAGENET_DEVIATION)):
        held = tensors.get(f"data_preprocessor.{name}")
        if held is None:
            continue
        if held.numel() != 3 or not torch.allclose(held.flatten(), 255 * torch.tensor(ours), atol=0.05):
            raise Refused(
                f"Expected frames normalised by ImageNet's {name} in {path}; found data_preprocessor.{name} "
                f"{[round(value, 3) for value in held.flatten().tolist()[:3]]}."
            )
        rules[f"data_preprocessor.{name}"] = _Rule(None, tuple(held.shape), "the same as ours")
    return rules


def _refuse_other_shifts(tensors: Mapping[str, Tensor], path: Path) -> None:
    """Networks whose keys are nearly those of TSM and that compute something else."""
    others = {
        r"layer\d\.\d+\.net\.": "the shift around whole blocks, not in their residual branch (blockres)",
        r"layer\d\.net\.": "temporal pooling",
        r"\.(nl|non_local\w*|block)\.": "non-local blocks",
    }
    for expression, what in others.items():
        if keys := sorted(key for key in tensors if re.search(expression, key)):
            raise Refused(f"Expected TSM with nothing but its shift in {path}; found {what}: {', '.join(keys)}.")


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
            raise Refused(f"Expected {option} {said}, as the name {name} has it; found {wanted} told.")
    if shifts and told.shift == 0:
        raise Refused(f"Expected a shift for {name}, whose convolutions are marked with one (.net.); found 0 told.")
    frames, how = _first((told.frames, "told"), (found["frames"], "by its name"), (8, "assumed; tell with --frames"))
    stride, strided = _first((told.stride, "told"), (8, "assumed; tell with --stride"))
    shift, parted = _first((told.shift, "told"), (found["shift"], "by its name"), (8, "assumed; tell with --shift"))
    notes = [
        f"{frames} frames: {how}. A stride of {stride}: {strided}.",
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


def _first(*choices: tuple[int | None, str]) -> tuple[int, str]:
    """The first that is known, and where it is from."""
    return next((value, how) for value, how in choices if value is not None)


# ---- plain ResNets


def _plain(tensors: Mapping[str, Tensor], told: Told, kind: Kind, path: Path) -> _Translated:
    """A ResNet with torchvision's names: a classifier of single frames, and a start for training."""
    _refuse_released_options(told, kind)
    if told.shift:
        raise Refused(f"Expected no shift for a plain ResNet; found {told.shift} told. It was not trained with one.")
    if marked := sorted(key for key in tensors if ".net." in key):
        raise Refused(
            f"Expected a plain ResNet in {path}; found shifting convolutions without TSM's base_model. or "
            "backbone. before "
            f"them: {', '.join(marked)}."
        )
    depth = _depth(tensors, "", path)
    classes, named = _class_names(told, _weight(tensors, "fc.weight", 2, kind, path), path)
    frames, how = _first((told.frames, "told"), (8, "assumed; tell with --frames"))
    stride, strided = _first((told.stride, "told"), (8, "assumed; tell with --stride"))
    config = _appearance(path, classes, depth, frames, stride, 0, "probabilities")
    rules = {
        name.replace("appearance_classifier.", "fc.").removeprefix("appearance.backbone."): _Rule(name, shape)
        for name, shape in _shapes(config).items()
    }
    notes = [
        "No block shifts: each frame is classified by itself, and their probabilities are averaged.",
        f"{frames} frames: {how}. A stride of {stride}: {strided}.",
        "RGB normalised by ImageNet's mean and deviation.",
        named,
    ]
    return config, rules, notes


def _appearance(
    path: Path, classes: tuple[str, ...], depth: Depth, frames: int, stride: int, shift: int, vote: str
) -> ModelConfig:
    values = {
        "classes": classes,
        "clip": {"frames": frames, "stride": stride},
        "appearance": {"backbone": {"depth": depth, "shift": shift}},
        "pose": None,
        "integration": None,
        "vote": vote,
    }
    return from_dict(ModelConfig, values, str(path))


def _refuse_released_options(told: Told, kind: Kind) -> None:
    for option in ("mode", "pose_gate", "pose_frame_factor"):
        if getattr(told, option) != getattr(Told(), option):
            raise Refused(
                f"Expected {option} for a released IntegralAction snapshot alone; found it told for a {kind}, "
                "whose keys "
                "say what it is. Leave it out."
            )


def _text(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))
