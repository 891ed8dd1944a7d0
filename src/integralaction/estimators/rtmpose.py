"""RTMPose (Jiang et al., 2023) through rtmlib: YOLOX finds persons, RTMPose the joints of each."""

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
    run_on_blank,
)

# YOLOX-m and RTMPose-m, and the SHA-256 of the ONNX files in those archives, as several other projects pin them
DETECTOR = (
    "rtmposev1/onnx_sdk/yolox_m_8xb8-300e_humanart-c2c7a14a.zip",
    "3dea6513388889f0fff4b77bf7a26013600321b9eb9ceb0e9a400a82572f5f23",
)
POSE_NETWORK = (
    "rtmposev1/onnx_sdk/rtmpose-m_simcc-body7_pt-body7_420e-256x192-e48f03d0_20230504.zip",
    "5c0a4bf67953e6d2ac43ce15e77dc9d5d354ae18430a47d2c5963a7bc5683e3c",
)


class RTMPose:
    """RTMPose behind YOLOX: 17 joints of each person."""

    skeleton = "coco17"

    def __init__(self, detector: Path, pose: Path, device: str = "cpu") -> None:
        """
        Args:
            detector, pose: the two ONNX networks; the detector knows persons alone.
            device: `cuda` uses the GPU where the installed ONNX Runtime can.

        Raises:
            ModuleNotFoundError: rtmlib is not installed.
            ValueError: one is another network.
        """
        self._detector = open_rtmlib_network("YOLOX", detector, device)
        outputs = run_on_blank(self._detector, detector, "YOLOX")
        # boxes with a score, or rows of box, objectness and one class: of more classes rtmlib would take all
        has_persons_alone = outputs[0].ndim == 3 and outputs[0].shape[2] in (5, 6)
        requirement = f"5 or 6 numbers a box, not {outputs[0].shape}"
        check_network(has_persons_alone, detector, "YOLOX for persons alone", requirement)
        self._pose = open_rtmlib_network("RTMPose", pose, device)
        check_outputs(self._pose, pose, "RTMPose", (17, None), (17, None))

    def __call__(self, frames: UInt8[np.ndarray, "t h w 3"]) -> list[Float[np.ndarray, "_p 17 3"]]:
        persons = []
        for frame in frames:
            boxes = self._detector(np.ascontiguousarray(frame[..., ::-1]))
            # without boxes rtmlib would take the whole frame for a person. RTMPose was trained on red, green, blue
            # (bgr_to_rgb in its configuration), unlike the other two, and rtmlib does not turn colours
            places, scores = self._pose(frame, boxes) if len(boxes) else (np.zeros((0, 17, 2)), np.zeros((0, 17)))
            persons.append(as_persons(places, scores))
        return persons


def load(weights: Sequence[Path], device: str) -> RTMPose:
    """RTMPose from two local files, YOLOX's and its own; without them, YOLOX-m and RTMPose-m, downloaded once.

    Raises:
        ModuleNotFoundError, ConnectionError, ValueError: they cannot be had; another number of files.
    """
    check_file_count("rtmpose", weights, 2, "two files, YOLOX's and RTMPose's")
    import_rtmlib()
    detector, pose = weights or [download_network("rtmpose", *network) for network in (DETECTOR, POSE_NETWORK)]
    return RTMPose(detector, pose, device)
