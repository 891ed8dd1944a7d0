"""An estimator by its name; the commands offer those that have a line in `LOADERS`.

The command line imports this module: what takes long to import, an estimator's file imports where it is used.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from integralaction.errors import Refused
from integralaction.estimators import keypoint_rcnn, rtmo, rtmpose
from integralaction.estimators.estimator import PoseEstimator

# from local files of weights (none: they are downloaded once) and a device to the estimator
LOADERS: dict[str, Callable[[Sequence[Path], str], PoseEstimator]] = {
    "rtmo": rtmo.load,
    "rtmpose": rtmpose.load,
    "keypoint-rcnn": keypoint_rcnn.load,
}
NAMES = tuple(LOADERS)
EstimatorName = Literal[NAMES]  # ty: ignore[invalid-type-form]


def load_estimator(name: str, weights: Sequence[Path], device: str) -> PoseEstimator:
    """An estimator of `NAMES`.

    Args:
        weights: local files: RTMO's one, YOLOX's and RTMPose's, or Keypoint R-CNN's; empty: download them once.
        device: `cuda` uses the GPU where the installed ONNX Runtime, or PyTorch, can.

    Raises:
        ModuleNotFoundError: what it runs on is not installed.
        ConnectionError: a download failed.
        ValueError: no such name, another number of files, or files of another kind.
    """
    if name not in LOADERS:
        raise Refused(f"Expected the name of an estimator ({', '.join(NAMES)}); found {name!r}.")
    return LOADERS[name](weights, device)


def is_estimator_installed() -> bool:
    """Whether the extra integralaction[pose] is installed, on which rtmo runs: the choice where there is no other."""
    return find_spec("rtmlib") is not None and find_spec("onnxruntime") is not None


@dataclass(frozen=True)
class EstimatorChoice:
    """Which estimator, as plain values: each process loads its own.

    Attributes:
        name: one of `NAMES`, or openpose.
        files: its networks; empty: downloaded once. OpenPose has one, which is given.
        device: cpu or cuda.
    """

    name: str
    files: tuple[str, ...]
    device: str

    def load(self) -> PoseEstimator:
        """
        Raises:
            ModuleNotFoundError, ConnectionError, ValueError: see `load_estimator` and `OpenPose`.
        """
        if self.name == "openpose":
            from integralaction.estimators.openpose import OpenPose

            return OpenPose(Path(self.files[0]), self.device)
        return load_estimator(self.name, [Path(file) for file in self.files], self.device)
