"""Class activation maps of a clip: where a stream saw what speaks for a class (Figure 1).

A single stream ends in global average pooling and a linear classifier, so its map is closed form (CAM: Zhou et al.,
"Learning Deep Features for Discriminative Localization", 2016). Behind an integration the maps come from gradients
(Grad-CAM: Selvaraju et al., 2017). Both are as coarse as the last maps of a ResNet: 7 x 7 for 224 pixels.
"""

from collections.abc import Generator
from contextlib import contextmanager

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from integralaction.config import SINGLE_STREAMS
from integralaction.errors import Refused
from integralaction.model.network import IntegralAction


def stream_activation(
    model: IntegralAction, frames: Tensor | None, joints: Tensor | None, class_number: int
) -> Float[Tensor, "b t h w"]:
    """The class activation maps of a single stream, negative where something speaks against the class.

    Their mean over the positions of a frame, plus the classifier's bias, is the frame's logit of the class.

    Args:
        model: `appearance-only` or `pose-only`, in eval mode.
        frames, joints: see `IntegralAction.forward`.
        class_number: of the class, in the model's order.

    Returns:
        T maps a clip, of `pose-only` T'.

    Raises:
        ValueError: the model is of another method, or in training mode.
    """
    _check_eval(model)
    if model.config.method not in SINGLE_STREAMS:
        raise Refused(
            f"Expected a model of {' or '.join(SINGLE_STREAMS)}; found {model.config.method}. "
            "Use integral_activation for a model with an integration."
        )
    stream = model.appearance if model.appearance is not None else model.pose
    classifier = model.appearance_classifier if model.appearance is not None else model.pose_classifier
    assert stream is not None and classifier is not None  # single streams have both
    with torch.no_grad(), _leaves(stream.backbone) as maps:
        model(frames, joints)
        return torch.einsum("c,btchw->bthw", classifier.weight[class_number], maps[0].unflatten(0, (-1, stream.frames)))


def integral_activation(
    model: IntegralAction, frames: Tensor, joints: Tensor, class_number: int
) -> tuple[Float[Tensor, "b t h w"], Float[Tensor, "b u s s"]]:
    """Grad-CAM of a model with an integration, on the last maps of its two streams.

    The gradient is that of the class's logit, averaged over the frames: before the softmax, as Selvaraju et al. take
    it, so that it does not vanish where the model is sure. A channel weighs in a frame as much as its gradient there,
    averaged over positions. The model's weights, their gradients and what of them is trained are left as they were.

    Args:
        model: of a method with an integration, in eval mode.
        frames, joints: see `IntegralAction.forward`.
        class_number: of the class, in the model's order.

    Returns:
        The maps of the appearance stream, T a clip, and of the pose stream, T' a clip; none is negative.

    Raises:
        ValueError: the model has no integration, or is in training mode.
    """
    _check_eval(model)
    if model.integration is None or model.appearance is None or model.pose is None:
        raise Refused(
            f"Expected a model with an integration; found {model.config.method}. "
            "Use stream_activation for a single stream."
        )
    with torch.enable_grad(), _leaves(model.appearance.backbone) as of_frames, _leaves(model.pose.backbone) as of_poses:
        logits = model(frames, joints).logits
        assert logits is not None  # a model with an integration has them
        # clips do not see each other, so the gradient of their sum is each one's own
        score = logits[:, :, class_number].mean(dim=1).sum()
        maps = (of_frames[0], of_poses[0])
        gradients = torch.autograd.grad(score, maps)
    streams = (model.appearance, model.pose)
    first, second = (
        _weighted(one, gradient).unflatten(0, (-1, stream.frames))
        for one, gradient, stream in zip(maps, gradients, streams, strict=True)
    )
    return first, second


def heat(maps: Float[Tensor, "b t h w"], height: int, width: int) -> Float[np.ndarray, "b t height width"]:
    """Activation maps as large as the frames, bilinear, from 0 to 1 in each clip.

    What speaks against the class counts as 0; a clip in which nothing speaks for it stays 0.

    Args:
        height, width: of the result, in pixels.
    """
    large = F.interpolate(maps.detach().float(), (height, width), mode="bilinear").clamp(min=0)
    most = large.amax(dim=(1, 2, 3), keepdim=True)
    return torch.where(most > 0, large / most, 0.0).cpu().numpy()


def _weighted(maps: Float[Tensor, "n c h w"], gradients: Float[Tensor, "n c h w"]) -> Float[Tensor, "n h w"]:
    weights = gradients.mean(dim=(2, 3), keepdim=True)
    return torch.relu((weights * maps.detach()).sum(dim=1))


@contextmanager
def _leaves(resnet: nn.Module) -> Generator[list[Tensor]]:
    """The maps that a backbone gives inside, cut off from what made them, so that gradients end there."""
    leaves: list[Tensor] = []

    def cut(_module: nn.Module, _inputs: tuple[Tensor, ...], maps: Tensor) -> Tensor:
        leaves.append(maps.detach().requires_grad_())
        return leaves[-1]

    handle = resnet.register_forward_hook(cut)
    try:
        yield leaves
    finally:
        handle.remove()


def _check_eval(model: IntegralAction) -> None:
    if model.training:
        raise Refused("Expected a model in eval mode; found one in training mode. Call its eval() first.")
