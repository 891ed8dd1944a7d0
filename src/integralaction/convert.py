"""Foreign weights -> ours, with an account of every tensor; two single streams -> the start of stage 3."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from integralaction.config import IntegrationConfig, ModelConfig, ResNetConfig
from integralaction.errors import Refused
from integralaction.files import write_rows, write_text
from integralaction.model.checkpoint import is_ours
from integralaction.model.foreign import Foreign, Mode, Told, read_foreign, recognise
from integralaction.model.hub import MODEL_FILE, save_pretrained
from integralaction.model.network import IntegralAction
from integralaction.models import load_model
from integralaction.settings import leaves
from integralaction.training.run import load_streams

ACCOUNT = "conversion.csv"
UNFINISHED = "conversion.unfinished"  # names the files that a call is writing


def convert(file: Path, told: Told) -> Foreign:
    """Another project's checkpoint as a model of ours, with the account of its tensors: see `read_foreign`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is a model of this project already, or `read_foreign` refuses it.
    """
    if file.is_file() and is_ours(file):
        raise Refused(f"Expected another project's checkpoint; {file} is a model of this project already.")
    return read_foreign(file, told)


def merge(appearance: Path, pose: Path, told: Told) -> tuple[IntegralAction, list[Foreign]]:
    """The start of stage 3 from two models of single streams: it answers by `score-average`.

    Args:
        appearance, pose: a checkpoint of another project or a model of ours each; a released snapshot, which cannot
            tell, is read as the stream that its place says.
        told: what the checkpoints cannot tell.

    Returns:
        The model, and what was read of each checkpoint of another project.

    Raises:
        ValueError: one is of the other stream, or their settings or classes differ; each difference is named.
    """
    if told.mode != Told().mode or not told.pose_gate:
        raise Refused(
            "Expected no mode and no word on the gate for two files of single streams, which their places tell "
            "and which "
            f"have none; found mode {told.mode}, pose_gate {told.pose_gate}. Leave them out."
        )
    if told != Told() and not any(path.is_file() and not is_ours(path) for path in (appearance, pose)):
        raise Refused("Expected options for other projects' checkpoints alone; both files are ours. Leave them out.")
    read: list[Foreign] = []
    models = []
    streams: tuple[tuple[Path, Mode, str], ...] = (
        (appearance, "rgb_only", "appearance-only"),
        (pose, "pose_only", "pose-only"),
    )
    for path, mode, method in streams:
        model = _read_stream(path, mode, told, read)
        if model.config.method != method:
            raise Refused(
                f"Expected the appearance stream first and the pose stream second; found {model.config.method} in "
                f"{path}."
            )
        models.append(model)
    a, p = (model.config for model in models)
    of_pose = {"pose_frame_factor": p.clip.pose_frame_factor, "pose_pooling": p.clip.pose_pooling}
    first, second = (
        dict(leaves({"classes": c.classes, "clip": {**asdict(c.clip), **of_pose}, "vote": c.vote})) for c in (a, p)
    )
    if names := [name for name in first if first[name] != second[name]]:
        different = "; ".join(f"{name} is {_short(first[name])} and {_short(second[name])}" for name in names)
        raise Refused(
            f"Expected two streams of the same clips and classes in {appearance} and {pose}; found: {different}. "
            "Train one of them with the other's settings, as model.NAME=VALUE."
        )
    config = replace(p, appearance=a.appearance, integration=IntegrationConfig(method="score-average"))
    model = IntegralAction(config).eval()
    load_streams(model, *models)
    return model, read


def _read_stream(path: Path, mode: Mode, told: Told, read: list[Foreign]) -> IntegralAction:
    if path.is_file() and not is_ours(path):
        released = recognise(path) == "released IntegralAction snapshot"
        factor = told.pose_frame_factor if mode == "pose_only" and released else 1
        ours = replace(told, mode=mode if released else told.mode, pose_frame_factor=factor, pose_gate=True)
        read.append(read_foreign(path, ours))
        return read[-1].model
    return load_model(path)


def check_folder(folder: Path) -> None:
    """
    Raises:
        ValueError: `write` would replace something there that a call which was stopped did not leave.
    """
    if folder.exists() and not folder.is_dir():
        raise Refused(f"Expected a folder; {folder} is a file. Give another --out.")
    if _begun(folder):
        return
    if there := [name for name in (MODEL_FILE, "config.json", ACCOUNT, "settings.yaml") if (folder / name).exists()]:
        raise Refused(f"Expected a new folder; {folder} holds {', '.join(there)} already. Give another --out.")


def _begun(folder: Path) -> list[str]:
    """The names of the files that a call which was stopped was writing into a folder; empty where there was none."""
    mark = folder / UNFINISHED
    names = mark.read_text(encoding="utf-8", errors="replace").split() if mark.is_file() else []
    return names if set(names) <= {MODEL_FILE, "config.json", ACCOUNT, "README.md"} else []


def write(model: IntegralAction, files: Sequence[Path], read: Sequence[Foreign], folder: Path) -> None:
    """Write the model as `save_pretrained` does, and the account of every foreign tensor as conversion.csv.

    A call that is stopped leaves a file that names what it was writing, by which the next one goes on.

    Args:
        files: where each of `read` is from.

    Raises:
        ValueError: there is a model in that folder already.
    """
    check_folder(folder)
    names = _begun(folder)
    if not names:
        names = [MODEL_FILE, "config.json", ACCOUNT, *([] if (folder / "README.md").exists() else ["README.md"])]
        write_text(folder / UNFINISHED, "\n".join(names) + "\n")
    for name in names:  # of another checkpoint, perhaps
        (folder / name).unlink(missing_ok=True)
    if read:
        rows = [
            (path.name, move.source, move.target or "", move.what)
            for path, foreign in zip(files, read, strict=True)
            for move in foreign.moves
        ]
        write_rows(folder / ACCOUNT, [("file", "key", "became", "how"), *rows])
    save_pretrained(model, folder)
    (folder / UNFINISHED).unlink()


def account(foreign: Foreign) -> str:
    """Every tensor of a checkpoint, in lines that name alike ones together: keys, how many, what they became."""
    groups = Counter((_group(move.source), _group(move.target), move.what) for move in foreign.moves)
    rows = [(source, str(count), target, what) for (source, target, what), count in groups.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [
        f"  {source:<{widths[0]}}  {count:>{widths[1]}}  {target:<{widths[2]}}  {what}"
        for source, count, target, what in rows
    ]
    left = sum(move.target is None for move in foreign.moves)
    total = f"{len(foreign.moves)} tensors: {len(foreign.moves) - left} taken, {left} left out, none else."
    return "\n".join((f"{foreign.kind}, ResNet{_depths(foreign.model.config)}", *lines, total, *foreign.notes))


def _group(name: str | None) -> str:
    """The module of a tensor, without the numbers of blocks."""
    if name is None:
        return "-"
    parts = name.split(".")
    place = next((i for i, part in enumerate(parts) if part.startswith("layer")), len(parts) - 2)
    return ".".join((*parts[: place + 1], "*"))


def _depths(config: ModelConfig) -> str:
    parts = {"appearance": config.appearance, "pose": config.pose}
    backbones = {stream: part.backbone for stream, part in parts.items() if part is not None}
    return ", ".join(f"-{b.depth} ({stream})" for stream, b in backbones.items() if isinstance(b, ResNetConfig))


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
