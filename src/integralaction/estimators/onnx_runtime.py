"""ONNX Runtime, on which all estimators but Keypoint R-CNN run."""

import os
from pathlib import Path
from typing import Any

from integralaction.errors import MissingExtra, MissingFile, Refused


def import_onnxruntime() -> Any:
    """ONNX Runtime, told not to report to its maker and not to warn of what concerns who exported a network.

    Raises:
        ModuleNotFoundError: it is not installed, or does not start.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read once, when it is loaded
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtra(
            "Expected ONNX Runtime to run a pose network; it is not installed, or does not start "
            f"({error}). Run pip install 'integralaction[pose]'."
        ) from error
    onnxruntime.set_default_logger_severity(3)
    return onnxruntime


def can_use_cuda() -> bool:
    """Whether the installed ONNX Runtime can use a GPU of NVIDIA's."""
    return "CUDAExecutionProvider" in import_onnxruntime().get_available_providers()


def check_is_file(path: Path) -> None:
    """
    Raises:
        FileNotFoundError: there is no such file.
    """
    if not path.is_file():
        raise MissingFile(f"Expected the file of a pose network; {path} is not there.")


def open_network(path: Path, device: str) -> Any:
    """An ONNX Runtime session.

    Raises:
        ModuleNotFoundError: ONNX Runtime is not installed.
        FileNotFoundError: there is no such file.
        ValueError: it is not an ONNX network.
    """
    onnxruntime = import_onnxruntime()
    check_is_file(path)
    providers = ["CUDAExecutionProvider"] if device == "cuda" and can_use_cuda() else []
    try:
        return onnxruntime.InferenceSession(str(path), providers=[*providers, "CPUExecutionProvider"])
    except Exception as error:  # it has a dozen kinds, none of them documented
        raise Refused(f"Expected a network in ONNX format in {path}; it cannot be read.") from error
