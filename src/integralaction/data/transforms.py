"""Resize, crop, flip: frames and joints through one affine map, (x, y) -> (scale_x x + move_x, scale_y y + move_y).

Resizing by s multiplies by s, a crop subtracts, a flip is W-1-x: the released code's convention.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from integralaction.clip import Clip

SHORT_SIDE = 256 / 224  # frames are resized so that a test crop takes 224 of a short side of 256 pixels
CROP_SCALES = (1.0, 0.875, 0.75, 0.66)  # of random crops (Lin et al., whom section 3.5 follows)


@dataclass(frozen=True)
class Crop:
    """A box of a frame, in its pixels, and whether it is mirrored."""

    left: int
    top: int
    width: int
    height: int
    flip: bool = False


def short_side(size: int) -> int:
    """What the shorter side of a frame is resized to before a crop of `size` is taken: 256 for 224."""
    return round(size * SHORT_SIDE)


def centre_crop(height: int, width: int, size: int) -> Crop:
    """The test crop: size x size in the middle."""
    return Crop(left=(width - size) // 2, top=(height - size) // 2, width=size, height=size)


def random_crop(height: int, width: int, size: int, random: np.random.Generator) -> Crop:
    """A training crop: each side `size` times a scale, the two scales neighbours, anywhere; mirrored half the time."""
    first = int(random.integers(len(CROP_SCALES)))
    near = [i for i in range(len(CROP_SCALES)) if abs(i - first) <= 1]
    second = near[int(random.integers(len(near)))]
    crop_height, crop_width = round(CROP_SCALES[first] * size), round(CROP_SCALES[second] * size)
    return Crop(
        left=int(random.integers(width - crop_width + 1)),
        top=int(random.integers(height - crop_height + 1)),
        width=crop_width,
        height=crop_height,
        flip=bool(random.integers(2)),
    )


def resize_joints(joints: np.ndarray, before: tuple[int, int], after: tuple[int, int]) -> np.ndarray:
    """Joints (..., 3) of frames of (height, width) `before` as joints of the same frames resized to `after`."""
    scaled = joints.astype(np.float32)
    scaled[..., 0] *= np.float32(after[1] / before[1])
    scaled[..., 1] *= np.float32(after[0] / before[0])
    return scaled


def apply_crop(clip: Clip, crop: Crop, size: int, flip_pairs: tuple[int, ...]) -> Clip:
    """Cut the crop out of every frame and resize it to size x size; joints go along.

    Args:
        clip: frames (T, H, W, 3) and joints (T', P, K, 3) in their pixels.
        crop: lies inside the frames.
        size: of the result.
        flip_pairs: for each joint the one that takes its place in a mirrored frame. Every person of every frame
            is swapped (the released code swaps only the first person of the first frame).
    """
    frames = clip.frames
    if frames is not None:
        frames = _resize(frames[:, crop.top :, crop.left :][:, : crop.height, : crop.width], size)
    x = (clip.joints[..., 0] - crop.left) * (size / crop.width)
    y = (clip.joints[..., 1] - crop.top) * (size / crop.height)
    if crop.flip:
        frames, x = None if frames is None else frames[:, :, ::-1], size - 1 - x
    joints = np.stack([x, y, clip.joints[..., 2]], axis=-1).astype(np.float32)
    if crop.flip:
        joints = joints[:, :, list(flip_pairs)]
    joints[joints[..., 2] == 0] = 0  # absent persons and joints keep their place at 0, 0
    return Clip(frames, joints)


def _resize(frames: np.ndarray, size: int) -> np.ndarray:
    """Frames (T, H, W, 3) resized to size x size, bilinear."""
    if frames.shape[1:3] == (size, size):
        return frames
    tensor = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
    return F.interpolate(tensor, (size, size), mode="bilinear", antialias=True).permute(0, 2, 3, 1).numpy()
