"""Networks of rtmlib (RTMO, YOLOX, RTMPose), checked on a blank image, and rtmlib's joints as poses."""

import io
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from integralaction.errors import MissingExtra, Refused
from integralaction.estimators.estimator import first_line
from integralaction.estimators.onnx_runtime import can_use_cuda, check_is_file, import_onnxruntime

# height, width of the images that a network gets where it takes any
USUAL_SIZE = {"RTMO": (640, 640), "YOLOX": (640, 640), "RTMPose": (256, 192)}


def import_rtmlib() -> Any:
    """
    Raises:
        ModuleNotFoundError: rtmlib or ONNX Runtime is not installed, or does not start.
    """
    try:
        import_onnxruntime()
        import rtmlib
    except ImportError as error:
        raise MissingExtra(
            "Expected rtmlib to estimate poses; it is not installed, or does not start "
            f"({error}). Run pip install 'integralaction[pose]'."
        ) from error
    return rtmlib


def open_rtmlib_network(name: str, path: Path, device: str) -> Any:
    """RTMO, YOLOX or RTMPose of rtmlib, told the size of image that its file wants.

    Args:
        device: `cuda` uses the GPU where the installed ONNX Runtime can.

    Raises:
        ModuleNotFoundError: rtmlib is not installed.
        FileNotFoundError: there is no such file.
        ValueError: it is not an ONNX network of images.
    """
    rtmlib = import_rtmlib()
    check_is_file(path)
    provider = "cuda" if device == "cuda" and can_use_cuda() else "cpu"
    try:
        with redirect_stdout(io.StringIO()):  # it says on standard output what it loads
            network = getattr(rtmlib, name)(str(path), device=provider)
    except Exception as error:  # of ONNX Runtime, whose kinds are not documented
        raise Refused(f"Expected {name}'s network in ONNX format in {path}; it cannot be read.") from error
    shape = list(network.session.get_inputs()[0].shape)
    check_network(len(shape) == 4 and shape[1] == 3, path, name, f"images (1, 3, height, width), not {shape}")
    sides = zip(shape[2:], USUAL_SIZE[name], strict=True)
    size = tuple(side if isinstance(side, int) and side > 0 else usual for side, usual in sides)
    network.model_input_size = size if name != "RTMPose" else size[::-1]  # which alone has width, height
    return network


def check_network(is_right: bool, path: Path, name: str, requirement: str) -> None:
    """
    Raises:
        ValueError: it is not the right network; `requirement` says what it needs.
    """
    if not is_right:
        raise Refused(f"Expected the network of {name} in {path}, with {requirement}. Give the file of that network.")


def run_on_blank(network: Any, path: Path, name: str) -> list[np.ndarray]:
    """What a network says of a blank image.

    Raises:
        ValueError: it fails.
    """
    size = network.model_input_size if name != "RTMPose" else network.model_input_size[::-1]
    try:
        return network.inference(np.zeros((*size, 3), np.float32))
    except Exception as error:
        raise Refused(
            f"Expected {name}'s network in {path}, which takes one image of {size[0]} x {size[1]}; it failed "
            f"({first_line(error)})."
        ) from error


def check_outputs(network: Any, path: Path, name: str, *shapes: tuple[int | None, ...]) -> list[int]:
    """How many rows each output has for a blank image, whose shapes must be (1, *shape), None for any number.

    Raises:
        ValueError: they are others.
    """
    outputs = [output.shape for output in run_on_blank(network, path, name)]
    is_right = len(outputs) == len(shapes) and all(
        len(output) == len(shape) + 1 and all(side in (None, n) for side, n in zip(shape, output[1:], strict=True))
        for output, shape in zip(outputs, shapes, strict=True)
    )
    expected = " and ".join(str((1, *("any" if n is None else n for n in shape))) for shape in shapes)
    check_network(is_right, path, name, f"outputs of {expected}, not {' and '.join(map(str, outputs))}")
    return [output[1] for output in outputs]


def as_persons(places: np.ndarray, scores: np.ndarray) -> Float[np.ndarray, "_p 17 3"]:
    """rtmlib's joints and scores as poses; RTMO gives a person of zeros for nobody, scores may exceed 1."""
    persons = np.concatenate([places, np.clip(scores, 0, 1)[..., None]], axis=2).astype(np.float32)
    persons[~np.isfinite(persons).all(axis=2)] = 0
    return persons[(persons[..., 2] > 0).any(axis=1)]
