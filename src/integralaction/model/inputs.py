"""What a model takes as frames and joints; anything else is refused in a sentence."""

import torch
from torch import Tensor

from integralaction.errors import Refused
from integralaction.model.pose_maps import MIN_SCORE
from integralaction.skeleton import Skeleton

MARGIN = 0.01  # by which frames and scores may leave 0..1: interpolation overshoots


def check_tensor(value: object, name: str, device: torch.device) -> None:
    """Refuse what is no tensor, or not on the model's device."""
    if not isinstance(value, Tensor):
        raise Refused(
            f"Expected {name} as a tensor; found a {type(value).__name__}. Give torch.from_numpy({name}) of an array."
        )
    if value.device != device:
        raise Refused(f"Expected {name} on {device}, where the model is; found them on {value.device}.")


def check_frames(frames: Tensor, count: int) -> None:
    """Refuse frames of another shape, type or range than (B, count, 3, H, W), uint8 0..255 or float 0..1."""
    if frames.ndim != 5 or frames.shape[1:3] != (count, 3):
        raise Refused(f"Expected frames of shape (B, {count}, 3, H, W); found {tuple(frames.shape)}.")
    if 0 in frames.shape:
        raise Refused(f"Expected at least one clip of at least one pixel; found frames {tuple(frames.shape)}.")
    if frames.dtype != torch.uint8 and not frames.dtype.is_floating_point:
        raise Refused(f"Expected frames as uint8 0..255 or float 0..1; found {frames.dtype}.")
    if frames.dtype != torch.uint8 and _can_look(frames):
        low, high = (float(value) for value in torch.aminmax(frames.detach()))
        if not (low >= -MARGIN and high <= 1 + MARGIN):
            raise Refused(
                f"Expected float frames in 0..1; found {low:.4g} to {high:.4g}. Give uint8 in 0..255, or divide by 255."
            )


def check_joints(joints: Tensor, count: int, skeleton: Skeleton) -> None:
    """Refuse joints of another shape, type or range than (B, count, P, K, 3): x, y in pixels, score 0..1."""
    names, shape = skeleton.joints, tuple(joints.shape)
    if len(shape) != 5 or (shape[1], shape[3], shape[4]) != (count, len(names), 3):
        raise Refused(
            f"Expected joints of shape (B, {count}, P, {len(names)}, 3) of the skeleton {skeleton.name}; found {shape}."
        )
    if not joints.dtype.is_floating_point:
        raise Refused(f"Expected joints as floats: x, y, score 0..1; found {joints.dtype}. Give joints.float().")
    if joints.numel() and _can_look(joints):
        scores = joints[..., 2].detach()
        scores = torch.nan_to_num(scores, 0, 0, 0)
        low, high = float(scores.min()), float(scores.max())
        if low < -MARGIN or high > 1 + MARGIN:
            raise Refused(
                f"Expected joints as x, y, score 0..1; found scores of {low:.4g} to {high:.4g}. Divide them by the "
                "largest that there can be."
            )
        places = joints[..., :2].detach()[scores > MIN_SCORE]
        # no person keeps within a pixel of the corner
        if len(places) > 1 and float(places.nan_to_num(2).abs().max()) <= 1:
            raise Refused(
                "Expected joints with x and y in pixels of the frames; found all within 0..1, which is shares of them. "
                "Multiply x by their width and y by their height."
            )


def _can_look(tensor: Tensor) -> bool:
    """Whether a tensor's values can be looked at for nothing: on a GPU that would wait for it, and a compiler has
    none."""
    return tensor.device.type == "cpu" and not torch.compiler.is_compiling()
