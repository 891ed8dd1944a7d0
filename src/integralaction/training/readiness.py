"""What the stages need, looked at before the first epoch: poses, weights to start from, places to write to."""

import os
from pathlib import Path

from integralaction.data.dataset import ClipReader
from integralaction.data.index import Index
from integralaction.data.poses import PoseStore
from integralaction.errors import Refused
from integralaction.files import write_rows
from integralaction.recipe import Recipe
from integralaction.training.run import Run, looks_at_poses

WITHOUT_POSES = "without-poses.csv"
CPUINFO = Path("/proc/cpuinfo")


def check_data(recipe: Recipe, index: Index, store: PoseStore) -> None:
    """
    Args:
        index: the training videos.

    Raises:
        ValueError: a training video has no label or names no frames, the videos have no poses that the recipe's model
            can look at.
    """
    if unlabelled := [video.video for video in index.videos if not video.label]:
        raise Refused(f"Expected a label for every training video; {unlabelled[0]} of {index.root} has none.")
    with_poses = looks_at_poses(recipe)
    if with_poses and not any(video.video in store for video in index.videos):
        raise Refused(
            f"Expected poses of the training videos of {index.root}; its pose store has none of its "
            f"{len(index.videos)} videos. Estimate them: integralaction pose {index.root}; or train the stream that "
            "does without: methods=[appearance-only]."
        )
    if with_poses and store.skeleton != index.skeleton:
        raise Refused(
            f"Expected poses of {index.skeleton}, as dataset.yaml of {index.root} has it; its pose store has "
            f"{store.skeleton}. Correct skeleton in dataset.yaml."
        )
    # the rows, and whether the skeleton converts
    ClipReader.for_model(index, store, recipe.model.of_method(recipe.methods[0]))


def check_places(run: Run, shared: Path | None) -> None:
    """Make the folders that the stages write to.

    Raises:
        ValueError: a name is taken by something else.
        PermissionError: a folder cannot be written to.
    """
    for method in run.trained:
        if run.model_path(method).is_dir():
            raise Refused(f"Expected a free name for the model; {run.model_path(method)} is a folder. Move it.")
    folders = [run.root, *(run.stage_path(method) for method in run.trained), *([] if shared is None else [shared])]
    for folder in folders:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError) as error:
            raise Refused(f"Expected a folder in {folder}, or a free name; a file is there. Move it.") from error
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(f"Expected a folder to write to; {folder} allows no writing. Give another one.")


def list_without_poses(run: Run, index: Index, store: PoseStore) -> str:
    """Name the training videos that have no poses in a list; a remark on them, empty where all have some."""
    names = list(dict.fromkeys(video.video for video in index.videos if video.video not in store))
    path = run.root / WITHOUT_POSES
    if not names:
        path.unlink(missing_ok=True)
        return ""
    write_rows(path, [("video",), *((name,) for name in names)])
    return (
        f"{len(names)} of {len(index.videos)} training videos have no poses and are trained on as showing nobody; each "
        f"by name: {path}"
    )


def slow_bf16() -> str:
    """A remark on bf16-mixed on a processor without units for it, on which it takes several times as long as 32-true;
    empty where it has them, or does not tell."""
    lines = CPUINFO.read_text().splitlines() if CPUINFO.is_file() else []
    flags = {flag for line in lines if line.lower().startswith(("flags", "features")) for flag in line.split()}
    if not flags or flags & {"avx512_bf16", "amx_bf16", "bf16"}:
        return ""
    return (
        "optimizer.precision=bf16-mixed: this processor has no units for bfloat16 and takes several times as long as "
        "with optimizer.precision=32-true"
    )
