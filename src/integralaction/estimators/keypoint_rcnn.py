"""Keypoint R-CNN (He et al., 2017; ResNet-50, FPN) of torchvision, for the paper's Mask R-CNN on Mimetics."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8

from integralaction.errors import MissingExtra, Refused
from integralaction.estimators.estimator import first_line
from integralaction.estimators.network_files import check_file_count, download_torch_weights
from integralaction.estimators.rtmlib_networks import as_persons

FRAMES_AT_ONCE = 8
LEAST_PERSON = 0.5  # score of a person


class KeypointRCNN:
    """Keypoint R-CNN: 17 joints of each person."""

    skeleton = "coco17"

    def __init__(self, path: Path | None, device: str = "cpu") -> None:
        """
        Args:
            path: its weights, as torchvision publishes them; None: downloaded once.

        Raises:
            ModuleNotFoundError: torchvision is not installed, or does not start beside this PyTorch.
            ConnectionError: the download failed.
            ValueError: the file holds other weights.
        """
        from integralaction.archive import read_archive

        try:
            from torchvision.models import detection  # ty: ignore[import-not-found]
        except (ImportError, RuntimeError, OSError) as error:
            raise MissingExtra(
                "Expected torchvision for keypoint-rcnn; it is not installed, or does not start "
                f"({first_line(error)}). "
                "Install the torchvision of your PyTorch, or take rtmo."
            ) from error
        self._device = device
        try:
            if path is None:
                address = detection.KeypointRCNN_ResNet50_FPN_Weights.COCO_V1.url
                path = download_torch_weights("keypoint-rcnn", address)
            self._network = detection.keypointrcnn_resnet50_fpn(weights=None, weights_backbone=None)
            self._network.load_state_dict(read_archive(path))
        except OSError:
            raise
        except Exception as error:  # of the unpickler, or a list of wrong keys
            raise Refused(f"Expected torchvision's weights of Keypoint R-CNN in {path}; found others.") from error
        self._network.eval().to(device)

    def __call__(self, frames: UInt8[np.ndarray, "t h w 3"]) -> list[Float[np.ndarray, "_p 17 3"]]:
        import torch

        persons = []
        for first in range(0, len(frames), FRAMES_AT_ONCE):
            part = torch.from_numpy(np.ascontiguousarray(frames[first : first + FRAMES_AT_ONCE])).to(self._device)
            with torch.no_grad():
                outputs = self._network(list(part.permute(0, 3, 1, 2).float() / 255))
            for output in outputs:
                is_person = output["scores"] >= LEAST_PERSON
                places = output["keypoints"][is_person][..., :2].cpu().numpy()
                # a joint's own score is a logit; a person that is hardly one has hardly joints
                scores = torch.sigmoid(output["keypoints_scores"][is_person]) * output["scores"][is_person][:, None]
                persons.append(as_persons(places, scores.cpu().numpy()))
        return persons


def load(weights: Sequence[Path], device: str) -> KeypointRCNN:
    """Keypoint R-CNN from a local file of its weights; without one, torchvision's, downloaded once.

    Raises:
        ModuleNotFoundError, ConnectionError, ValueError: it cannot be had; another number of files.
    """
    check_file_count("keypoint-rcnn", weights, 1, "one file")
    return KeypointRCNN(weights[0] if weights else None, device)
