"""Foreign weights -> ours, with an account of every tensor; two single streams -> the start of stage 3."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from integralaction.checkpoints.hints import CheckpointHints, Mode
from integralaction.checkpoints.hub import MODEL_FILE, save_pretrained
from integralaction.checkpoints.mapping import ConvertedCheckpoint
from integralaction.checkpoints.model_file import is_ours, load_streams
from integralaction.checkpoints.read import read_checkpoint, recognise_format
from integralaction.checkpoints.released import RELEASED
from integralaction.config import IntegrationConfig, Method, ModelConfig, ResNetConfig
from integralaction.errors import Refused
from integralaction.files import write_rows, write_text
from integralaction.model.network import IntegralAction
from integralaction.settings import leaves, to_dict

ACCOUNT = "conversion.csv"
UNFINISHED = "conversion.unfinished"  # names the files that a call is writing


def convert_files(
    files: Sequence[Path], hints: CheckpointHints, load_ours: Callable[[Path], IntegralAction]
) -> tuple[IntegralAction, list[ConvertedCheckpoint]]:
    """One checkpoint of another project as a model of ours, or two single streams as one model: see `merge_streams`.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the only file is a model of this project already, or is refused by `read_checkpoint`.
    """
    if len(files) == 2:
        return merge_streams(*files, hints, load_ours)
    (file,) = files
    if file.is_file() and is_ours(file):
        raise Refused(f"Expected another project's checkpoint; {file} is a model of this project already.")
    checkpoint = read_checkpoint(file, hints)
    return checkpoint.model, [checkpoint]


def merge_streams(
    appearance: Path, pose: Path, hints: CheckpointHints, load_ours: Callable[[Path], IntegralAction]
) -> tuple[IntegralAction, list[ConvertedCheckpoint]]:
    """The start of stage 3 from two models of single streams: it answers by `score-average`.

    Args:
        appearance, pose: a checkpoint of another project or a model of ours each; a released snapshot, which cannot
            tell, is read as the stream that its place says.
        hints: what the checkpoints cannot tell.
        load_ours: reads a model of ours: `load_model`.

    Returns:
        The model, and each checkpoint of another project that was read.

    Raises:
        ValueError: one is of the other stream, or their clips or classes differ; each difference is named.
    """
    if hints.mode != CheckpointHints().mode or not hints.pose_gate:
        raise Refused(
            "Expected no mode and no word on the gate for two files of single streams, which their places tell and "
            f"which have none; found mode {hints.mode}, pose_gate {hints.pose_gate}. Leave them out."
        )
    if hints != CheckpointHints() and not any(map(_is_foreign, (appearance, pose))):
        raise Refused("Expected options for other projects' checkpoints alone; both files are ours. Leave them out.")
    streams: tuple[tuple[Path, Mode, Method], ...] = (
        (appearance, "rgb_only", "appearance-only"),
        (pose, "pose_only", "pose-only"),
    )
    models: list[IntegralAction] = []
    checkpoints: list[ConvertedCheckpoint] = []
    for path, mode, method in streams:
        if _is_foreign(path):
            checkpoints.append(_read_stream(path, mode, hints))
            models.append(checkpoints[-1].model)
        else:
            models.append(load_ours(path))
        if (other := models[-1].config.method) != method:
            raise Refused(f"Expected the appearance stream first and the pose stream second; found {other} in {path}.")
    configs = (models[0].config, models[1].config)
    merged_config = replace(
        configs[1], appearance=configs[0].appearance, integration=IntegrationConfig(method="score-average")
    )
    if differences := _differences(configs[0], merged_config.of_method("appearance-only")):
        raise Refused(
            f"Expected two streams of the same clips and classes in {appearance} and {pose}; found: {differences}. "
            "Train one of them with the other's settings, as model.NAME=VALUE."
        )
    model = IntegralAction(merged_config).eval()
    load_streams(model, *models)
    return model, checkpoints


def _is_foreign(path: Path) -> bool:
    return path.is_file() and not is_ours(path)


def _read_stream(path: Path, mode: Mode, hints: CheckpointHints) -> ConvertedCheckpoint:
    """A single stream; the mode and the factor of pose frames are of a released snapshot alone."""
    if recognise_format(path) is not RELEASED:
        return read_checkpoint(path, replace(hints, pose_frame_factor=1))
    factor = hints.pose_frame_factor if mode == "pose_only" else 1
    return read_checkpoint(path, replace(hints, mode=mode, pose_frame_factor=factor))


def _differences(first: ModelConfig, second: ModelConfig) -> str:
    """The settings in which two models of the appearance stream differ; those of poses are not theirs."""
    values, others = (dict(leaves(to_dict(config))) for config in (first, second))
    names = [name for name in values if values[name] != others[name] and not name.startswith("clip.pose_")]
    return "; ".join(f"{name} is {_short_text(values[name])} and {_short_text(others[name])}" for name in names)


def check_folder(folder: Path) -> None:
    """
    Raises:
        ValueError: `write_conversion` would replace something there that a call which was stopped did not leave.
    """
    if folder.exists() and not folder.is_dir():
        raise Refused(f"Expected a folder; {folder} is a file. Give another --out.")
    if _unfinished_names(folder):
        return
    names = [name for name in (MODEL_FILE, "config.json", ACCOUNT, "settings.yaml") if (folder / name).exists()]
    if names:
        raise Refused(f"Expected a new folder; {folder} holds {', '.join(names)} already. Give another --out.")


def _unfinished_names(folder: Path) -> list[str]:
    """The names of the files that a call which was stopped was writing into a folder; empty where there was none."""
    mark = folder / UNFINISHED
    names = mark.read_text(encoding="utf-8", errors="replace").split() if mark.is_file() else []
    return names if set(names) <= {MODEL_FILE, "config.json", ACCOUNT, "README.md"} else []


def write_conversion(model: IntegralAction, checkpoints: Sequence[ConvertedCheckpoint], folder: Path) -> None:
    """Write the model as `save_pretrained` does, and the account of every foreign tensor as conversion.csv.

    A call that is stopped leaves a file that names what it was writing, by which the next one goes on.

    Raises:
        ValueError: there is a model in that folder already.
    """
    check_folder(folder)
    names = _unfinished_names(folder)
    if not names:
        names = [MODEL_FILE, "config.json", ACCOUNT, *([] if (folder / "README.md").exists() else ["README.md"])]
        write_text(folder / UNFINISHED, "\n".join(names) + "\n")
    for name in names:  # of another checkpoint, perhaps
        (folder / name).unlink(missing_ok=True)
    if checkpoints:
        rows = [
            (checkpoint.path.name, mapping.source, mapping.target or "", mapping.change)
            for checkpoint in checkpoints
            for mapping in checkpoint.mappings
        ]
        write_rows(folder / ACCOUNT, [("file", "key", "became", "how"), *rows])
    save_pretrained(model, folder)
    (folder / UNFINISHED).unlink()


def format_account(checkpoint: ConvertedCheckpoint) -> str:
    """Every tensor of a checkpoint, in lines that name alike ones together: keys, how many, what they became."""
    mappings = checkpoint.mappings
    groups = Counter((_group_of(m.source), _group_of(m.target), m.change) for m in mappings)
    rows = [(source, str(count), target, change) for (source, target, change), count in groups.items()]
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [
        f"  {source:<{widths[0]}}  {count:>{widths[1]}}  {target:<{widths[2]}}  {change}"
        for source, count, target, change in rows
    ]
    unused = sum(mapping.target is None for mapping in mappings)
    total = f"{len(mappings)} tensors: {len(mappings) - unused} taken, {unused} left out, none else."
    title = f"{checkpoint.format_name}, ResNet{_depths(checkpoint.model.config)}"
    return "\n".join((title, *lines, total, *checkpoint.notes))


def _group_of(name: str | None) -> str:
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


def _short_text(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
