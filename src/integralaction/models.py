"""A trained model by its name, wherever it is: embedded, a run, a folder, a file, the hub, another project's."""

from collections.abc import Sequence
from importlib.resources import as_file, files
from pathlib import Path

import torch

from integralaction.checkpoints.hints import CheckpointHints, Mode
from integralaction.checkpoints.hub import MODEL_FILE, download, is_hub_id
from integralaction.checkpoints.model_file import is_ours, load
from integralaction.checkpoints.read import read_checkpoint
from integralaction.console import say
from integralaction.errors import MissingFile, Refused
from integralaction.model.network import IntegralAction
from integralaction.training.run import open_run

EMBEDDED = ("mime",)  # models inside the package: what each was trained on is written beside it


def load_model(
    source: Path | str,
    *,
    mode: Mode = "rgb+pose",
    pose_gate: bool = True,
    pose_frame_factor: int = 1,
    frames: int | None = None,
    stride: int | None = None,
    shift: int | None = None,
    classes: Sequence[str] | None = None,
) -> IntegralAction:
    """A trained model, in eval mode on the CPU.

    Args:
        source: the name of an embedded model (`mime`), a run folder (its first method's model), a folder that
            `save_pretrained` or `integralaction convert` wrote, a model file, another project's checkpoint, or the id
            of a model on the Hugging Face Hub, hf:OWNER/NAME or OWNER/NAME@REVISION. A name goes before a folder of
            that name, which is found as ./mime.
        mode, pose_gate, pose_frame_factor: of a released IntegralAction snapshot, under the released code's names.
        frames, stride, shift, classes: of another project's checkpoint, which cannot tell them: see
            `CheckpointHints`. What was assumed is said on standard error.

    Raises:
        FileNotFoundError: there is nothing of that name.
        ConnectionError: the hub cannot be reached.
        ValueError: what is there is not a model that this project reads, in whole and with these options.
    """
    class_names = None if classes is None else tuple(classes)
    hints = CheckpointHints(mode, pose_gate, pose_frame_factor, frames, stride, shift, class_names)
    path = Path(source)
    if source not in EMBEDDED and path.is_file() and not is_ours(path):
        checkpoint = read_checkpoint(path, hints)
        for note in (f"{path}: {checkpoint.format_name}, {len(checkpoint.mappings)} tensors.", *checkpoint.notes):
            say(note)
        return _named(checkpoint.model, source)
    on_hub = source not in EMBEDDED and not path.exists() and is_hub_id(str(source))
    if source not in EMBEDDED and not path.exists() and not on_hub:
        raise MissingFile(
            f"Expected a run folder, a model file, an embedded model ({', '.join(EMBEDDED)}) or hf:OWNER/NAME, a model "
            f"of the hub; {path} is not there."
        )
    if hints != CheckpointHints():
        raise Refused(
            f"Expected options for another project's checkpoint alone; {source} is none: its settings travel with its "
            "weights. Leave the options out."
        )
    if source in EMBEDDED:
        with as_file(files("integralaction") / "weights" / f"{source}.safetensors") as inside:
            return _named(load(inside), source)
    if on_hub:
        return _named(load(download(str(source))), source)
    if (path / MODEL_FILE).is_file():
        return _named(load(path / MODEL_FILE), source)
    if path.is_dir():
        run = open_run(path)
        method = run.recipe.methods[0]
        return _named(run.load(method), run.model_path(method))
    return _named(load(path), path)


def _named(model: IntegralAction, source: Path | str) -> IntegralAction:
    model.source = str(source)
    return model


def choose_device(name: str) -> torch.device:
    """`auto` is cuda where there is one, else mps, else cpu.

    Raises:
        ValueError: the machine has no such device.
    """
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(device for device, there in available.items() if there))
    if not available.get(name, False):
        raise Refused(
            f"Expected a device that this machine has ({', '.join(d for d, there in available.items() if there)}); "
            f"found {name!r}."
        )
    return torch.device(name)
