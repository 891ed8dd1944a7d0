"""From a file to the tensors of a network: `.pth`, `.tar` or safetensors, and nothing that runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from integralaction.archive import read_archive
from integralaction.checkpoints.model_file import unreadable
from integralaction.errors import MissingFile, Refused

COUNTER = "num_batches_tracked"  # how a key ends that counts batches; older files have none, and nothing uses them
_CONTAINERS = ("network", "state_dict", "model")  # where a checkpoint keeps its network beside other things


def read_tensors(path: Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The network's tensors in a checkpoint, by key, without `module.` before them; a note on each other network.

    Nothing is unpickled but tensors and plain containers. Weights come as float32, counters as int64.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it cannot be read, would run code, or has no tensors by name, or other ones than weights.
    """
    if path.is_dir():
        raise Refused(f"Expected the file of a checkpoint; {path} is a folder.")
    if not path.is_file():
        raise MissingFile(f"Expected a checkpoint; {path} is not there.")
    content, notes = _network_of(_load(path), path)
    if (
        not isinstance(content, Mapping)
        or not content
        or not all(isinstance(value, Tensor) for value in content.values())
    ):
        entries = (
            f"the entries {', '.join(map(str, list(content)[:8]))}"
            if isinstance(content, Mapping)
            else type(content).__name__
        )
        raise Refused(f"Expected tensors by name in {path}, or below {' or '.join(_CONTAINERS)}; found {entries}.")
    tensors = {str(key): tensor for key, tensor in content.items()}
    while all(key.startswith("module.") for key in tensors):
        tensors = {key.removeprefix("module."): tensor for key, tensor in tensors.items()}
    return {key: _to_weight(key, tensor, path) for key, tensor in tensors.items()}, notes


def _load(path: Path) -> Any:
    if _is_safetensors(path):
        try:
            return load_file(path)
        except (SafetensorError, OSError, ValueError) as error:
            raise Refused(unreadable(path, error)) from error
    return read_archive(path)


def _is_safetensors(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(9)
    return path.suffix == ".safetensors" or (start[8:] == b"{" and int.from_bytes(start[:8], "little") < 10**8)


def _network_of(content: Any, path: Path) -> tuple[Any, tuple[str, ...]]:
    """What a checkpoint keeps its network in, or the whole content; a note on each other entry of tensors."""
    if not isinstance(content, Mapping):
        return content, ()
    entries = [str(name) for name, value in content.items() if _has_tensors(value)]
    networks = [name for name in _CONTAINERS if name in entries]
    if len(networks) > 1:
        raise Refused(f"Expected one network in {path}; found {' and '.join(networks)}. Save one of them alone.")
    if not networks:
        return content, ()
    others = (name for name in entries if name not in (*networks, "optimizer"))
    return content[networks[0]], tuple(f"{name}, which holds tensors too, was not read." for name in others)


def _has_tensors(value: object) -> bool:
    return isinstance(value, Mapping) and any(isinstance(part, Tensor) for part in value.values())


def _to_weight(key: str, tensor: Tensor, path: Path) -> Tensor:
    """A weight as float32, a counter as int64."""
    is_dense = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    kind = str(tensor.dtype).removeprefix("torch.") if is_dense else "a sparse, quantized or empty one"
    if is_dense and key.endswith(COUNTER) and not tensor.is_floating_point() and not tensor.is_complex():
        return tensor.to(torch.int64)
    if not is_dense or not tensor.is_floating_point():
        raise Refused(f"Expected weights as floating-point tensors in {path}; {key} is {kind}.")
    weight = tensor.detach().to(torch.float32)
    if not torch.isfinite(weight).all():
        raise Refused(f"Expected finite weights in {path}; {key} holds NaN or infinity, at least as float32.")
    return weight
