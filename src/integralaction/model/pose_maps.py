"""Poses drawn as maps: keypoint heatmaps and part affinity fields (paper, section 3.2).

A joint is a Gaussian blob in its heatmap, a bone is its own direction along the line between its two joints.
Positions are those of the released code: x * map / frame on the grid of integers 0 .. map - 1.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from integralaction.clip import MAX_PERSONS

SIGMA = 0.5  # of a heatmap's Gaussian, in map pixels
MIN_SCORE = 0.1  # a joint counts in a heatmap above it, in a part affinity field from it on
LINE = 1.0  # a bone covers what lies within this many map pixels of its segment


def zero_missing_joints(joints: Float[Tensor, "b t p k 3"]) -> Float[Tensor, "b t p k 3"]:
    """The same with zeros for joints that were not found: of score 0 or less, or with NaN or infinity anywhere."""
    is_present = torch.isfinite(joints).all(dim=-1, keepdim=True) & (joints[..., 2:] > 0)
    return torch.where(is_present, joints, torch.zeros_like(joints))


def best_persons(joints: Float[Tensor, "b t p k 3"]) -> Float[Tensor, "b t q k 3"]:
    """The five persons of each frame with the highest mean joint score; all of them where there are no more."""
    if joints.shape[2] <= MAX_PERSONS:
        return joints
    best = joints[..., 2].mean(dim=3).topk(MAX_PERSONS, dim=2).indices
    return joints.take_along_dim(best[..., None, None], dim=2)


def to_map_pixels(joints: Float[Tensor, "b t p k 3"], height: int, width: int, size: int) -> Tensor:
    """Joints in pixels of (height, width) frames as joints in pixels of size x size maps."""
    return joints * joints.new_tensor([size / width, size / height, 1.0])


def draw_heatmaps(joints: Float[Tensor, "b t p k 3"], size: int) -> Float[Tensor, "b t k h w"]:
    """Keypoint heatmaps in 0..1: the sum of the persons' blobs, clamped to 1.

    Args:
        joints: x, y in map pixels, score.
        size: height and width of the maps.
    """
    grid = torch.arange(size, device=joints.device, dtype=joints.dtype)
    counts = (joints[..., 2] > MIN_SCORE).to(joints.dtype)
    # a 2-D Gaussian is the outer product of two 1-D ones, and the sum over persons is a matrix product
    across = torch.exp(-((grid - joints[..., 0, None]) ** 2) / (2 * SIGMA**2)) * counts[..., None]
    down = torch.exp(-((grid - joints[..., 1, None]) ** 2) / (2 * SIGMA**2))
    return torch.einsum("btpkh,btpkw->btkhw", down, across).clamp_(max=1.0)


def draw_pafs(
    joints: Float[Tensor, "b t p k 3"], bones: tuple[tuple[int, int], ...], size: int
) -> Float[Tensor, "b t l2 h w"]:
    """Part affinity fields, bone by bone, x then y: the mean unit vector of the bones that cover a pixel.

    Args:
        joints: x, y in map pixels, score.
        bones: L pairs of joint indices.
        size: height and width of the maps.
    """
    parents, children = zip(*bones, strict=True)
    start, end = joints[..., list(parents), :], joints[..., list(children), :]
    offset = end[..., :2] - start[..., :2]
    length = offset.norm(dim=-1)
    # a bone of length 0 has no direction and draws nothing
    counts = (start[..., 2] >= MIN_SCORE) & (end[..., 2] >= MIN_SCORE) & (length > 0)
    direction = offset / length.clamp(min=torch.finfo(length.dtype).tiny)[..., None]

    grid = torch.arange(size, device=joints.device, dtype=joints.dtype)
    shape = (*joints.shape[:2], len(bones), size, size)
    total_x, total_y = joints.new_zeros(shape), joints.new_zeros(shape)
    covering = joints.new_zeros(shape)
    for person in range(joints.shape[2]):  # one after another: memory for one person's maps, not for five
        unit_x, unit_y = direction[:, :, person, :, :1], direction[:, :, person, :, 1:]
        from_x = grid - start[:, :, person, :, :1]
        from_y = grid - start[:, :, person, :, 1:2]
        along = (from_y * unit_y)[..., :, None] + (from_x * unit_x)[..., None, :]
        across = (from_y * unit_x)[..., :, None] - (from_x * unit_y)[..., None, :]
        near = (along >= 0) & (along <= length[:, :, person, :, None, None]) & (across.abs() <= LINE)
        covers = (near & counts[:, :, person, :, None, None]).to(joints.dtype)
        total_x += covers * unit_x[..., None]
        total_y += covers * unit_y[..., None]
        covering += covers
    covering.clamp_(min=1.0)
    return torch.stack([total_x / covering, total_y / covering], dim=3).flatten(2, 3)
