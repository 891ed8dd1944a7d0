"""Checkpoints as other projects write them, with weights that anybody can make again, and what they compute, written
out plainly on their own keys: nothing of the package's network is used."""

import zlib
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

BLOCKS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}
Weights = dict[str, Tensor]
Shift = Callable[[Tensor, str], Tensor]  # of a block's input, by the block's name


@lru_cache(400)  # more than the tensors of one snapshot
def recipe_tensor(key: str, shape: tuple[int, ...]) -> Tensor:
    """The value of a key, as the reference's README makes it."""
    random = np.random.RandomState(zlib.crc32(key.encode()) & 0x7FFFFFFF)
    if key.endswith("num_batches_tracked"):
        return torch.tensor(100)
    if key.endswith("running_mean"):
        value = 0.1 * random.standard_normal(shape)
    elif key.endswith("running_var"):
        value = random.uniform(0.5, 1.5, shape)
    elif len(shape) >= 2 and "norm" not in key:
        value = random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
    elif key.endswith("weight"):
        value = random.uniform(0.5, 1.0, shape)
    else:
        value = 0.1 * random.standard_normal(shape)
    return torch.tensor(value, dtype=torch.float32)


def norm_shapes(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {f"{name}.{p}": (channels,) for p in ("weight", "bias")}
    shapes |= {f"{name}.{p}": (channels,) for p in ("running_mean", "running_var")}
    return {**shapes, f"{name}.num_batches_tracked": ()}


def resnet_shapes(depth: int, prefix: str = "") -> dict[str, tuple[int, ...]]:
    """Keys and shapes of a ResNet without its classifier, by torchvision's names."""
    shapes: dict[str, tuple[int, ...]] = {f"{prefix}conv1.weight": (64, 3, 7, 7), **norm_shapes(f"{prefix}bn1", 64)}
    inputs = 64
    for layer, count in enumerate(BLOCKS[depth], start=1):
        width = 64 * 2 ** (layer - 1)
        outputs = width * 4 if depth >= 50 else width
        for i in range(count):
            block = f"{prefix}layer{layer}.{i}"
            kernels = ((inputs, width, 1), (width, width, 3), (width, outputs, 1))
            if depth < 50:
                kernels = ((inputs, width, 3), (width, width, 3))
            for n, (c_in, c_out, k) in enumerate(kernels, start=1):
                shapes[f"{block}.conv{n}.weight"] = (c_out, c_in, k, k)
                shapes |= norm_shapes(f"{block}.bn{n}", c_out)
            if i == 0 and (layer > 1 or inputs != outputs):
                shapes[f"{block}.downsample.0.weight"] = (outputs, inputs, 1, 1)
                shapes |= norm_shapes(f"{block}.downsample.1", outputs)
            inputs = outputs
    return shapes


def released_shapes(
    appearance: int = 18, pose: int = 18, maps: int = 52, classes: int = 50, features: int = 512
) -> dict[str, tuple[int, ...]]:
    """Keys and shapes of a released snapshot, without `module.`; `features` are those that the classifier sees."""
    a, p = 2048 if appearance >= 50 else 512, 2048 if pose >= 50 else 512
    shapes = {**resnet_shapes(appearance, "img_backbone."), **resnet_shapes(pose, "pose_backbone.")}
    shapes |= {"pose2feat.conv.0.weight": (64, maps, 3, 3), "pose2feat.conv.0.bias": (64,)}
    shapes |= norm_shapes("pose2feat.conv.1", 64)
    for name, size in (
        ("pose_temporal_conv", (p, p, 5, 1, 1)),
        ("img_conv", (512, a, 1, 1)),
        ("pose_conv", (512, p, 1, 1)),
    ):
        shapes |= {f"aggregator.{name}.0.weight": size, f"aggregator.{name}.0.bias": size[:1]}
        shapes |= norm_shapes(f"aggregator.{name}.1", size[0])
    shapes |= {"aggregator.pose_gate_fc.0.weight": (512, p), "aggregator.pose_gate_fc.0.bias": (512,)}
    for name in ("img_norm", "pose_norm"):
        shapes |= {f"aggregator.{name}.{part}": (512, 1, 1) for part in ("weight", "bias")}
    return {**shapes, "classifier.fc.0.weight": (classes, features), "classifier.fc.0.bias": (classes,)}


def make(shapes: dict[str, tuple[int, ...]]) -> Weights:
    return {key: recipe_tensor(key, shape) for key, shape in shapes.items()}


def released_file(weights: Weights) -> dict:
    """What the released code gives to torch.save."""
    return {"epoch": 29, "network": {f"module.{k}": v for k, v in weights.items()}, "optimizer": {"state": {}}}


def mit(weights: Weights, depth: int) -> dict:
    """MIT's layout of a TSM network given by torchvision's names and `fc`: blockres, R101 every second block."""
    every = 2 if depth == 101 else 1
    named = {}
    for key, tensor in weights.items():
        parts = key.split(".")
        if key.startswith("layer") and parts[2] == "conv1" and int(parts[1]) % every == 0:
            key = ".".join([*parts[:3], "net", *parts[3:]])
        named[f"module.{key.replace('fc.', 'new_fc.')}" if parts[0] == "fc" else f"module.base_model.{key}"] = tensor
    return {"epoch": 50, "arch": f"resnet{depth}", "state_dict": named, "best_prec1": torch.tensor(74.1)}


def mmaction(weights: Weights, depth: int) -> dict:
    """MMAction2's layout of the same network."""
    every = 2 if depth == 101 else 1
    named = {}
    for key, tensor in weights.items():
        parts = key.split(".")
        if parts[0] == "fc":
            named[f"cls_head.fc_cls.{parts[1]}"] = tensor
            continue
        if parts[0] in ("conv1", "bn1"):
            name = f"conv1.{'conv' if parts[0] == 'conv1' else 'bn'}.{parts[1]}"
        elif parts[2] == "downsample":
            name = ".".join([*parts[:3], "conv" if parts[3] == "0" else "bn", *parts[4:]])
        else:
            net = ".net" if parts[2] == "conv1" and int(parts[1]) % every == 0 else ""
            kind = f"conv{net}" if parts[2].startswith("conv") else "bn"
            name = ".".join([*parts[:2], f"conv{parts[2][-1]}", kind, *parts[3:]])
        named[f"backbone.{name}"] = tensor
    return {"meta": {"epoch": 50, "version": "0.1"}, "state_dict": named}


# ---- what they compute


def batch_norm(x: Tensor, w: Weights, name: str) -> Tensor:
    parts = (w[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
    return F.batch_norm(x, *parts)


def resnet(x: Tensor, w: Weights, depth: int, shift: Shift, prefix: str = "", stem: bool = True) -> Tensor:
    """Pooled features of images or, without the stem, of maps; a loop over blocks."""
    if stem:
        x = F.relu(batch_norm(F.conv2d(x, w[f"{prefix}conv1.weight"], stride=2, padding=3), w, f"{prefix}bn1"))
        x = F.max_pool2d(x, 3, 2, padding=1)
    for layer, count in enumerate(BLOCKS[depth], start=1):
        for i in range(count):
            block, step = f"{prefix}layer{layer}.{i}", 2 if layer > 1 and i == 0 else 1
            y = shift(x, f"layer{layer}.{i}")
            last = 3 if depth >= 50 else 2
            strided = 2 if depth >= 50 else 1
            for n in range(1, last + 1):
                kernel = w[f"{block}.conv{n}.weight"]
                y = F.conv2d(y, kernel, stride=step if n == strided else 1, padding=kernel.shape[-1] // 2)
                y = batch_norm(y, w, f"{block}.bn{n}")
                y = F.relu(y) if n < last else y
            if f"{block}.downsample.0.weight" in w:
                x = F.conv2d(x, w[f"{block}.downsample.0.weight"], stride=step)
                x = batch_norm(x, w, f"{block}.downsample.1")
            x = F.relu(x + y)
    return x.mean(dim=(2, 3))


def released_shift(frames: int) -> Shift:
    """The first quarter of the channels from the frame before, the second from the one after."""

    def shift(x: Tensor, _: str) -> Tensor:
        clips, fold = x.unflatten(0, (-1, frames)), x.shape[1] // 4
        out = clips.clone()
        for t in range(frames):
            out[:, t, :fold] = clips[:, t - 1, :fold] if t > 0 else 0
            out[:, t, fold : 2 * fold] = clips[:, t + 1, fold : 2 * fold] if t + 1 < frames else 0
        return out.flatten(0, 1)

    return shift


def tsm_shift(frames: int, every: int = 1, parts: int = 8) -> Shift:
    """The first eighth from the frame after, the second from the one before; in every second block of deep ones."""

    def shift(x: Tensor, block: str) -> Tensor:
        if int(block.split(".")[1]) % every:
            return x
        clips, fold = x.unflatten(0, (-1, frames)), x.shape[1] // parts
        out = clips.clone()
        for t in range(frames):
            out[:, t, :fold] = clips[:, t + 1, :fold] if t + 1 < frames else 0
            out[:, t, fold : 2 * fold] = clips[:, t - 1, fold : 2 * fold] if t > 0 else 0
        return out.flatten(0, 1)

    return shift


def released(
    w: Weights, mode: str, gate: bool, factor: int, depths: tuple[int, int], video: Tensor | None, maps: Tensor | None
) -> dict[str, Tensor]:
    """The released code's forward pass on a snapshot: video (B, 8, 3, H, W) in 0..1, maps (B, T', K + 2L, S, S)."""
    outputs = {}
    if video is not None and mode != "pose_only":
        x = resnet(video.flatten(0, 1), w, depths[0], released_shift(8), "img_backbone.")
        outputs["appearance"] = x.unflatten(0, (len(video), 8))
    if maps is not None and mode != "rgb_only":
        count = maps.shape[1]
        y = F.conv2d(maps.flatten(0, 1), w["pose2feat.conv.0.weight"], w["pose2feat.conv.0.bias"], padding=1)
        y = F.relu(batch_norm(y, w, "pose2feat.conv.1"))
        y = resnet(y, w, depths[1], released_shift(count), "pose_backbone.", stem=False)
        outputs["pose"] = y.unflatten(0, (len(maps), count))
    if mode == "rgb+pose":
        pose = outputs["pose"]
        if factor > 1:
            volume = pose.mT[..., None, None]  # (B, C, T', 1, 1)
            kernel, bias = w["aggregator.pose_temporal_conv.0.weight"], w["aggregator.pose_temporal_conv.0.bias"]
            volume = F.conv3d(volume, kernel, bias, stride=(factor, 1, 1), padding=(2, 0, 0))
            pose = F.relu(batch_norm(volume, w, "aggregator.pose_temporal_conv.1"))[..., 0, 0].mT
        aligned = {}
        for name, x in (("img", outputs["appearance"]), ("pose", pose)):
            images = x.flatten(0, 1)[..., None, None]
            weight, bias = w[f"aggregator.{name}_conv.0.weight"], w[f"aggregator.{name}_conv.0.bias"]
            images = F.relu(batch_norm(F.conv2d(images, weight, bias), w, f"aggregator.{name}_conv.1"))
            if gate:
                scale, offset = w[f"aggregator.{name}_norm.weight"], w[f"aggregator.{name}_norm.bias"]
                images = F.layer_norm(images, (512, 1, 1), scale, offset)
            aligned[name] = images[..., 0, 0].unflatten(0, x.shape[:2])
        if gate:
            fc = [w[f"aggregator.pose_gate_fc.0.{part}"] for part in ("weight", "bias")]
            outputs["pose_gate"] = torch.sigmoid(F.linear(pose, *fc))
            aligned["pose"] = aligned["pose"] * outputs["pose_gate"]
            aligned["img"] = aligned["img"] * (1 - outputs["pose_gate"])
        outputs["feature"] = aligned["img"] + aligned["pose"]
    feature = outputs[{"rgb_only": "appearance", "pose_only": "pose"}.get(mode, "feature")]
    logits = F.linear(feature, w["classifier.fc.0.weight"], w["classifier.fc.0.bias"]).mean(dim=1)
    return {**outputs, "probabilities": torch.softmax(logits, dim=1)}


def tsm(w: Weights, depth: int, video: Tensor, shift: Shift) -> Tensor:
    """Mean logits of a TSM network, given by torchvision's names and `fc`, for video (B, T, 3, H, W) in 0..1."""
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    images = (video.flatten(0, 1) - mean[:, None, None]) / deviation[:, None, None]
    features = resnet(images, w, depth, shift).unflatten(0, video.shape[:2])
    return F.linear(features, w["fc.weight"], w["fc.bias"]).mean(dim=1)
