"""Human action recognition in video that is not fooled by the scene.

The public names, loaded on first use: nobody inside the package imports them from here.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from integralaction.clip import Clip, Poses, Prediction
    from integralaction.config import ModelConfig
    from integralaction.model.network import IntegralAction, Output
    from integralaction.models import load_model
    from integralaction.predict.video import predict_video

    __version__: str

_HOMES = {
    "Clip": "integralaction.clip",
    "IntegralAction": "integralaction.model.network",
    "ModelConfig": "integralaction.config",
    "Output": "integralaction.model.network",
    "Poses": "integralaction.clip",
    "Prediction": "integralaction.clip",
    "load_model": "integralaction.models",
    "predict_video": "integralaction.predict.video",
}

__all__ = [
    "Clip",
    "IntegralAction",
    "ModelConfig",
    "Output",
    "Poses",
    "Prediction",
    "load_model",
    "predict_video",
]


def __getattr__(name: str) -> object:
    if name == "__version__":
        return import_module("importlib.metadata").version("integralaction")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
