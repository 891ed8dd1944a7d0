"""OpenPose's maps -> persons: peaks are candidates for joints, joined along the fields, the surest pair first."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

JOINTS = 18
# limb (two joints) and where its field begins among the 38 channels: OpenPose's COCO order. The two limbs from ear
# to shoulder, channels 18 and 26, join no joint that the others leave alone.
LIMBS = (
    *((1, 2, 12), (1, 5, 20), (2, 3, 14), (3, 4, 16), (5, 6, 22), (6, 7, 24)),
    *((1, 8, 0), (8, 9, 2), (9, 10, 4), (1, 11, 6), (11, 12, 8), (12, 13, 10)),
    *((1, 0, 28), (0, 14, 30), (14, 16, 34), (0, 15, 32), (15, 17, 36)),
)
UPSAMPLING, SMOOTHING = 4, 2.0  # of the maps; the Gaussian is in pixels of the larger maps
PEAK = 0.15  # a candidate's least value
SAMPLES, ALONG, SHARE = 10, 0.05, 0.7  # a pair is joined where this share of samples has this much field along it
MIN_JOINTS = 4  # of a person
MAX_CANDIDATES = 100  # candidates of a joint, so that noise does not take for ever


@dataclass(frozen=True)
class _Peaks:
    """Candidates of one joint: places (N, 2) as x, y in pixels of the larger maps, values (N,) in 0..1."""

    places: np.ndarray
    values: np.ndarray


def group_joints(
    heatmaps: Float[Tensor, "18 h w"], fields: Float[Tensor, "38 h w"], cell: float
) -> Float[np.ndarray, "_p 18 3"]:
    """Persons from a network's maps.

    Args:
        cell: pixels of the frame that a cell of the maps is high and wide.

    Returns:
        x, y in pixels of the frame, score 0..1, the persons in no particular order.
    """
    heatmaps, fields = _upsample(heatmaps), _upsample(fields)
    peaks = _find_peaks(_smooth(heatmaps))
    field_maps = fields.numpy()
    persons: list[dict[int, int]] = []  # joint -> which of its candidates
    for first, second, channel in LIMBS:
        for a, b in _join_candidates(peaks[first], peaks[second], field_maps[channel : channel + 2]):
            _add_limb(persons, first, a, second, b)
    persons = [person for person in persons if len(person) >= MIN_JOINTS]
    joints = np.zeros((len(persons), JOINTS, 3), np.float32)
    for row, person in zip(joints, persons, strict=True):
        for joint, candidate in person.items():
            # pixel centres onto pixel centres
            row[joint, :2] = (peaks[joint].places[candidate] + 0.5) * (cell / UPSAMPLING) - 0.5
            row[joint, 2] = peaks[joint].values[candidate]
    return joints


def _upsample(maps: Tensor) -> Tensor:
    return F.interpolate(maps[None], scale_factor=UPSAMPLING, mode="bicubic")[0]


def _smooth(maps: Tensor) -> Tensor:
    """The maps after a Gaussian, cut off at three deviations."""
    reach = round(3 * SMOOTHING)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1) ** 2) / (2 * SMOOTHING**2))
    kernel = kernel / kernel.sum()
    padded = F.pad(maps[:, None], (reach,) * 4, mode="replicate")
    return F.conv2d(F.conv2d(padded, kernel[None, None, None, :]), kernel[None, None, :, None])[:, 0]


def _find_peaks(maps: Tensor) -> list[_Peaks]:
    """Of each map the pixels above `PEAK` that no neighbour exceeds, placed between pixels by a parabola."""
    around = F.pad(maps, (1, 1, 1, 1), value=-torch.inf)
    is_peak = maps > PEAK
    for row, column in np.ndindex(3, 3):
        neighbour = around[:, row : row + maps.shape[1], column : column + maps.shape[2]]
        if (row, column) != (1, 1):  # of two equal neighbours the later is no peak
            is_peak &= (maps > neighbour) if (row, column) < (1, 1) else (maps >= neighbour)
    peaks = []
    bordered = F.pad(maps[None], (1, 1, 1, 1), mode="replicate")[0]
    for values, where in zip(bordered.numpy(), is_peak.numpy(), strict=True):
        y, x = np.nonzero(where)
        best = np.argsort(-values[y + 1, x + 1], kind="stable")[:MAX_CANDIDATES]
        y, x = y[best], x[best]
        centre = values[y + 1, x + 1]
        shift_x = _peak_offset(values[y + 1, x], centre, values[y + 1, x + 2])
        shift_y = _peak_offset(values[y, x + 1], centre, values[y + 2, x + 1])
        peaks.append(_Peaks(np.stack([x + shift_x, y + shift_y], axis=1), np.clip(centre, 0.0, 1.0)))
    return peaks


def _peak_offset(before: np.ndarray, centre: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where the parabola through three neighbours is highest, -0.5 to 0.5 from the middle one."""
    bend = 2 * centre - before - after
    return np.where(bend > 0, np.clip((after - before) / np.maximum(2 * bend, 1e-9), -0.5, 0.5), 0.0)


def _join_candidates(first: _Peaks, second: _Peaks, field: np.ndarray) -> list[tuple[int, int]]:
    """Pairs of candidates that the field (2, h, w) joins, each candidate in one pair at most, the surest first."""
    if not len(first.places) or not len(second.places):
        return []
    offset = second.places[None] - first.places[:, None]  # (A, B, 2)
    length = np.linalg.norm(offset, axis=2)
    steps = np.linspace(0, 1, SAMPLES)
    line = first.places[:, None, None] + offset[:, :, None] * steps[:, None]  # (A, B, SAMPLES, 2)
    last = np.array(field.shape[:0:-1]) - 1  # a candidate may lie half a pixel outside
    x, y = np.clip(np.rint(line).astype(int), 0, last).transpose(3, 0, 1, 2)
    direction = offset / np.maximum(length, 1e-9)[..., None]
    along = field[0][y, x] * direction[..., None, 0] + field[1][y, x] * direction[..., None, 1]
    # as OpenPose does, a limb longer than half the picture counts for less
    score = along.mean(axis=2) + np.minimum(0.5 * field.shape[1] / np.maximum(length, 1e-9) - 1, 0)
    joined = ((along > ALONG).mean(axis=2) >= SHARE) & (score > 0) & (length > 0)
    pairs: list[tuple[int, int]] = []
    for place in np.argsort(-score, axis=None, kind="stable"):
        a, b = (int(n) for n in np.unravel_index(place, score.shape))
        if joined[a, b] and all(a != other_a and b != other_b for other_a, other_b in pairs):
            pairs.append((a, b))
    return pairs


def _add_limb(persons: list[dict[int, int]], first: int, a: int, second: int, b: int) -> None:
    """Give a limb to the person who has one of its ends; two persons who share no joint become one; else a new one."""
    owners = [person for person in persons if person.get(first) == a or person.get(second) == b]
    if not owners:
        persons.append({first: a, second: b})
        return
    owner = owners[0]
    if len(owners) > 1 and not owner.keys() & owners[1].keys():
        owner.update(owners[1])
        persons.remove(owners[1])
    owner.setdefault(first, a)
    owner.setdefault(second, b)
