"""Save and load our own models: one safetensors file, in which the settings travel with the weights."""

import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from integralaction.config import ModelConfig
from integralaction.errors import MissingFile, Refused
from integralaction.files import write_whole
from integralaction.format1 import model_settings, tensor_name
from integralaction.model.network import IntegralAction
from integralaction.settings import from_dict, to_dict

FORMAT = 2  # 1 is read too
_KEY = "integralaction.model"

_LONGEST = 100_000_000  # bytes of a safetensors file's head


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
        raise MissingFile(f"Expected a model file; {path} is not there.")
    try:
        with safe_open(path, "pt") as handle:
            about = (handle.metadata() or {}).get(_KEY)
            parts = {name: handle.get_slice(name) for name in handle.keys()}  # noqa: SIM118 (it is no dict)
            held = {name: (tuple(part.get_shape()), part.get_dtype()) for name, part in parts.items()}
    except (SafetensorError, OSError, ValueError) as error:
        raise Refused(unreadable(path, error)) from error
    config, is_format1 = _config(about, path)
    if is_format1:
        held = {tensor_name(name): tensor for name, tensor in held.items()}
    # compared before anything is built: settings of a few bytes could ask for any amount of memory
    with torch.device("meta"):
        expected = IntegralAction(config).state_dict()
    _compare(
        {name: tuple(tensor.shape) for name, tensor in expected.items()},
        {name: shape for name, (shape, _) in held.items()},
        str(path),
    )
    others = [
        name for name, (_, kind) in held.items() if kind != ("F32" if expected[name].is_floating_point() else "I64")
    ]
    if others:
        raise Refused(f"Expected weights as F32 and counters as I64 in {path}; found others: {', '.join(others)}.")
    weights = load_file(path)
    if odd := [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]:
        raise Refused(
            f"Expected finite weights in {path}; found NaN or infinity in {len(odd)} tensors, {odd[0]} first. Its "
            "training went astray, or the file is damaged: train again with a smaller lr, or fetch it again."
        )
    model = IntegralAction(config)
    model.load_state_dict({tensor_name(n): t for n, t in weights.items()} if is_format1 else weights)
    return model.eval()


def _config(about: str | None, path: Path) -> tuple[ModelConfig, bool]:
    """The settings that travel with the weights, and whether they are of format 1."""
    if about is None:
        raise Refused(f"Expected a model of this project in {path}; found a safetensors file without its settings.")
    try:
        settings = json.loads(about)
    except (ValueError, RecursionError) as error:
        raise Refused(f"Expected a model of this project in {path}; its settings cannot be read.") from error
    number = settings.get("format") if isinstance(settings, dict) else settings
    values = settings.get("config") if isinstance(settings, dict) else None
    is_format1 = type(number) is int and number == 1
    if not is_format1 and number != FORMAT:
        raise Refused(f"Expected model format {FORMAT} or 1 in {path}; found {number!r:.100}.")
    if is_format1 and isinstance(values, dict):
        values = model_settings(values)
    config = from_dict(ModelConfig, values, str(path))
    if len(config.classes) < 2:
        raise Refused(f"Expected a model of at least two classes in {path}; found {list(config.classes)}.")
    return config, is_format1


def unreadable(path: Path, error: Exception) -> str:
    """The sentence for a safetensors file that cannot be opened: empty, cut short, or another file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = int.from_bytes(file.read(8), "little")
        begins = file.read(1) == b"{"
    if size == 0:
        content = "an empty file"
    elif begins and head <= _LONGEST and size < 8 + head:
        content = f"{size} bytes, of which the first {8 + head} should be its head"
    elif begins and "ncomplete" in str(error):
        content = f"{size} bytes, which are not as many as its head says"
    else:
        return f"Expected a model in safetensors format in {path}; it cannot be read ({error})."
    return (
        f"Expected a model in safetensors format in {path}; found {content}. It was not written or copied to its end: "
        "make or fetch it again."
    )


def is_ours(path: Path) -> bool:
    """Whether a file is a model that `save` wrote, of whatever version."""
    try:
        with safe_open(path, "pt") as handle:
            return _KEY in (handle.metadata() or {})
    except (SafetensorError, OSError, ValueError):
        return False


def copy_weights(module: torch.nn.Module, weights: dict[str, torch.Tensor], where: str) -> None:
    """Copy a state dict into a module, all or nothing.

    Raises:
        ValueError: keys are missing or surplus, or shapes differ; every one is named.
    """
    shapes, held = (
        {name: tuple(tensor.shape) for name, tensor in tensors.items()} for tensors in (module.state_dict(), weights)
    )
    _compare(shapes, held, where)
    module.load_state_dict(weights)


def load_streams(model: IntegralAction, appearance: IntegralAction, pose: IntegralAction) -> None:
    """Give a model of two streams the streams of two single ones, with their classifiers."""
    for name, source in (("appearance", appearance), ("pose", pose)):
        for part in (name, f"{name}_classifier"):
            if getattr(model, part) is not None:  # a model whose streams will change has no classifiers for them
                model.get_submodule(part).load_state_dict(source.get_submodule(part).state_dict())


_Shapes = dict[str, tuple[int, ...]]


def _compare(expected: _Shapes, held: _Shapes, where: str) -> None:
    missing = sorted(expected.keys() - held.keys())
    surplus = sorted(held.keys() - expected.keys())
    misshapen = [
        f"{name} {held[name]} instead of {expected[name]}"
        for name in expected.keys() & held.keys()
        if expected[name] != held[name]
    ]
    if missing or surplus or misshapen:
        groups = {"missing": missing, "surplus": surplus, "of another shape": sorted(misshapen)}
        differences = "; ".join(f"{name}: {', '.join(keys)}" for name, keys in groups.items() if keys)
        raise Refused(f"Expected the {len(expected)} tensors of the model in {where}; found {differences}.")
