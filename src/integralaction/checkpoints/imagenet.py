"""ImageNet's weights, from which the residual networks start (section 3.5): torchvision's files."""

import hashlib
from pathlib import Path

import torch

from integralaction.archive import read_archive
from integralaction.checkpoints.model_file import copy_weights
from integralaction.config import Depth
from integralaction.downloads import download
from integralaction.errors import Refused
from integralaction.model.tsm_resnet import TSMResNet

# torchvision's releases and their whole SHA-256, of which the name has the first eight digits
_IMAGENET = {
    18: ("resnet18-f37072fd.pth", "f37072fd47e89c5e827621c5baffa7500819f7896bbacec160b1a16c560e07ec"),
    34: ("resnet34-b627a593.pth", "b627a593bcbe140c234610266fe4f8ae95ea42fc881d091c9b6052e6b1d0590f"),
    50: ("resnet50-0676ba61.pth", "0676ba61b6795bbe1773cffd859882e5e297624d384b6993f7c9e683e722fb8a"),
    101: ("resnet101-63fe2227.pth", "63fe2227b86e8f1f2063f43a75c84d195911b6a0eace650907dd3dc62dd49a0a"),
}
_IMAGENET_URL = "https://download.pytorch.org/models/"


def start_from_imagenet(resnet: TSMResNet, depth: Depth, source: str) -> None:
    """Give a ResNet ImageNet's weights; a ResNet without a stem takes those of its layers (section 3.5).

    Args:
        source: `imagenet` (downloaded once, its hash checked each time) or a folder with torchvision's files.

    Raises:
        ConnectionError: no such file, or no network for the download.
        ValueError: the weights are not those of this ResNet.
    """
    if resnet.stem_channels != 64:
        raise Refused("Expected width 1.0 to start from ImageNet; found a narrower ResNet. Use start.weights=random.")
    name, digest = _IMAGENET[depth]
    path = Path(source) / name
    try:
        if source == "imagenet":
            path = _downloaded(name, digest)
        weights = read_archive(path)
    except OSError as error:
        purpose = f"to download {_IMAGENET_URL}{name}" if source == "imagenet" else f"the file {path}"
        raise ConnectionError(
            f"Expected {purpose}; that failed ({error}). Put {name} into a folder and give start.weights=FOLDER, or "
            "give start.weights=random."
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(tensor, torch.Tensor) for tensor in weights.values()):
        raise Refused(f"Expected a state dict in {name}; found {type(weights).__name__}.")
    # older files have no num_batches_tracked; momentum averages, which these are, do not use it
    counters = {k: v for k, v in resnet.state_dict().items() if k.endswith("num_batches_tracked")}
    unused = ("fc.",) if resnet.has_stem else ("fc.", "conv1.", "bn1.")
    parameters = {key: tensor for key, tensor in weights.items() if not key.startswith(unused)}
    copy_weights(resnet, {**counters, **parameters}, name)


def _downloaded(name: str, digest: str) -> Path:
    """The file of that name in PyTorch's own folder of downloads, whose hash is checked whole and each time."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / name
    if not path.is_file():
        download(_IMAGENET_URL + name, path, digest)
    _check_digest(path, digest)
    return path


def _check_digest(path: Path, digest: str) -> None:
    with path.open("rb") as file:
        present = hashlib.file_digest(file, "sha256").hexdigest()
    if present != digest:
        raise Refused(
            f"Expected the file with SHA-256 {digest} in {path}; found {present}. Remove it, and the same command "
            "downloads it again."
        )
