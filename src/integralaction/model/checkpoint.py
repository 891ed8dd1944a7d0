"""Save and load our own models: one safetensors file, in which the settings travel with the weights."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from integralaction.config import Depth, ModelConfig, from_dict, to_dict
from integralaction.files import write_whole
from integralaction.model.network import IntegralAction
from integralaction.model.tsm_resnet import TSMResNet

FORMAT = 1
_KEY = "integralaction.model"

# torchvision's releases; the hash in the name is checked after the download
_IMAGENET = {
    18: "resnet18-f37072fd.pth",
    34: "resnet34-b627a593.pth",
    50: "resnet50-0676ba61.pth",
    101: "resnet101-63fe2227.pth",
}
_IMAGENET_URL = "https://download.pytorch.org/models/"


def save(model: IntegralAction, path: Path) -> None:
    """Write the model to a file, aside and then renamed. The same weights give the same bytes."""
    about = json.dumps({"format": FORMAT, "config": to_dict(model.config)}, sort_keys=True)
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    with write_whole(path) as aside:
        save_file(tensors, aside, metadata={_KEY: about})


def load(path: Path) -> IntegralAction:
    """The model in a file that `save` wrote, in eval mode on the CPU.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is not one of ours, or its weights do not fit its settings, all of them named.
    """
    if not path.is_file():
        raise FileNotFoundError(f"Expected a model file; {path} is not there.")
    try:
        with safe_open(path, "pt") as handle:
            about = json.loads((handle.metadata() or {}).get(_KEY, "null"))
    except (SafetensorError, OSError) as error:
        raise ValueError(f"Expected a model in safetensors format in {path}; it cannot be read ({error}).") from error
    if about is None:
        raise ValueError(f"Expected a model of this project in {path}; found a safetensors file without its settings.")
    if about.get("format") != FORMAT:
        raise ValueError(f"Expected model format {FORMAT} in {path}; found {about.get('format')!r}.")
    model = IntegralAction(from_dict(ModelConfig, about["config"], str(path)))
    copy_weights(model, load_file(path), str(path))
    return model.eval()


def is_ours(path: Path) -> bool:
    """Whether a file is a model that `save` wrote, of whatever version."""
    try:
        with safe_open(path, "pt") as handle:
            return _KEY in (handle.metadata() or {})
    except (SafetensorError, OSError):
        return False


def copy_weights(module: torch.nn.Module, weights: dict[str, torch.Tensor], where: str) -> None:
    """Copy a state dict into a module, all or nothing.

    Raises:
        ValueError: keys are missing or surplus, or shapes differ; every one is named.
    """
    wanted = module.state_dict()
    missing = sorted(wanted.keys() - weights.keys())
    surplus = sorted(weights.keys() - wanted.keys())
    misshapen = [
        f"{name} {tuple(weights[name].shape)} instead of {tuple(wanted[name].shape)}"
        for name in wanted.keys() & weights.keys()
        if wanted[name].shape != weights[name].shape
    ]
    if missing or surplus or misshapen:
        groups = {"missing": missing, "surplus": surplus, "of another shape": sorted(misshapen)}
        found = "; ".join(f"{name}: {', '.join(keys)}" for name, keys in groups.items() if keys)
        raise ValueError(f"Expected the {len(wanted)} tensors of the model in {where}; found {found}.")
    module.load_state_dict(weights)


def start_from_imagenet(resnet: TSMResNet, depth: Depth, source: str) -> None:
    """Give a ResNet ImageNet's weights; a ResNet without a stem takes those of its layers (section 3.5).

    Args:
        source: `imagenet` (downloaded once, its hash checked) or a folder with torchvision's files.

    Raises:
        ConnectionError: no such file, or no network for the download.
        ValueError: the weights are not those of this ResNet.
    """
    if resnet.stem_channels != 64:
        raise ValueError("Expected width 1.0 to start from ImageNet; found a narrower ResNet. Use start=random.")
    name = _IMAGENET[depth]
    path = Path(source) / name
    try:
        if source == "imagenet":
            weights = torch.hub.load_state_dict_from_url(
                _IMAGENET_URL + name, check_hash=True, map_location="cpu", weights_only=True
            )
        else:
            weights = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        wanted = f"to download {_IMAGENET_URL}{name}" if source == "imagenet" else f"the file {path}"
        raise ConnectionError(
            f"Expected {wanted}; that failed ({error}). Put {name} into a folder and give start=FOLDER, or give "
            "start=random."
        ) from error
    except Exception as error:  # on a file of another kind the unpickler fails in whatever way it comes to
        raise ValueError(f"Expected torchvision's weights in {name}; it is another file, or damaged.") from error
    if not isinstance(weights, dict):
        raise ValueError(f"Expected a state dict in {name}; found {type(weights).__name__}.")
    # older files have no num_batches_tracked; momentum averages, which these are, do not use it
    counters = {k: v for k, v in resnet.state_dict().items() if k.endswith("num_batches_tracked")}
    unused = ("fc.",) if resnet.has_stem else ("fc.", "conv1.", "bn1.")
    kept = {key: tensor for key, tensor in weights.items() if not key.startswith(unused)}
    copy_weights(resnet, {**counters, **kept}, name)
