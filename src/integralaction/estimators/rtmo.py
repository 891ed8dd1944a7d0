"""RTMO (Lu et al., 2023) through rtmlib: all persons of a frame at once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from integralaction.estimators.network_files import check_file_count, download_network
from integralaction.estimators.rtmlib_networks import (
    as_persons,
    check_network,
    check_outputs,
    import_rtmlib,
    open_rtmlib_network,
)

# RTMO-s, and the SHA-256 of the ONNX file in that archive, as several other projects pin it
NETWORK = (
    "rtmo/onnx_sdk/rtmo-s_8xb32-600e_body7-640x640-dac2bf74_20231211.zip",
    "d0703d40d19f3921da51ae725402d5fdae4d2478c7442072d3101bd396f370d8",
)


class RTMO:
    """RTMO: 17 joints of each person."""

    skeleton = "coco17"

    def __init__(self, path: Path, device: str = "cpu") -> None:
        """
        Args:
            path: the ONNX network, with RTMO's outputs for boxes and for joints.
            device: `cuda` uses the GPU where the installed ONNX Runtime can.

        Raises:
            ModuleNotFoundError: rtmlib is not installed.
            ValueError: it is another network.
        """
        # not rtmlib.Body, which takes a path with "rtmo" in it for the name of its own download
        self._network = open_rtmlib_network("RTMO", path, device)
        boxes, joints = check_outputs(self._network, path, "RTMO", (None, 5), (None, 17, 3))
        check_network(boxes == joints, path, "RTMO", "as many boxes as persons")

    def __call__(self, frames: UInt8[np.ndarray, "t h w 3"]) -> list[Float[np.ndarray, "_p 17 3"]]:
        return [self._find_persons(np.ascontiguousarray(frame[..., ::-1])) for frame in frames]

    def _find_persons(self, image: np.ndarray) -> Float[np.ndarray, "_p 17 3"]:
        network = self._network
        square, ratio = network.preprocess(image)
        outputs = network.inference(square)
        if not outputs[0].shape[1]:  # rtmlib counts on one box at least
            return np.zeros((0, 17, 3), np.float32)
        return as_persons(*network.postprocess(outputs, ratio, network.nms_thr, network.score_thr))


def load(weights: Sequence[Path], device: str) -> RTMO:
    """RTMO from a local file; without one, RTMO-s, downloaded once.

    Raises:
        ModuleNotFoundError, ConnectionError, ValueError: it cannot be had; another number of files.
    """
    check_file_count("rtmo", weights, 1, "one file")
    import_rtmlib()
    return RTMO(weights[0] if weights else download_network("rtmo", *NETWORK), device)
