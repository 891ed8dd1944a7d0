"""How a run begins in a folder, or goes on in one: the folder is free or ours, settings and data are the same."""

import os
import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

from integralaction.config import Method
from integralaction.console import say
from integralaction.data.fingerprint import Fingerprint
from integralaction.errors import Refused
from integralaction.recipe import Recipe
from integralaction.settings import from_dict, to_dict, write_yaml
from integralaction.training.run import FORMAT, Run, environment, read_settings

STAGES: tuple[tuple[str, Method], ...] = (("appearance", "appearance-only"), ("pose", "pose-only"))


def start_run(run: Run) -> None:
    """Begin a run in its folder, or continue the one that is there, also with more epochs than it had.

    The settings are written first: a folder without them is none of ours.

    Raises:
        ValueError: the folder holds a run of other settings or of other training data, which are named, or other files.
    """
    root, path = run.root, run.root / "settings.yaml"
    values: dict[str, Any] = {
        "format": FORMAT,
        "recipe": to_dict(run.recipe),
        "data": os.path.relpath(run.data.resolve(), root.resolve()),
    }
    if path.is_file():
        held = read_settings(root)
        longer = _check_same(run, values, held)
        if longer:
            _forget(run, longer)
            write_yaml(path, {**held, "recipe": values["recipe"]})
    else:
        check_free(root)
        root.mkdir(parents=True, exist_ok=True)
        if run.training_data is not None:
            values["training_data"] = asdict(run.training_data)
        write_yaml(path, values)
    if not (root / "environment.yaml").exists():
        write_yaml(root / "environment.yaml", environment())


def check_free(root: Path) -> None:
    """Refuse a folder that holds what is not ours; hidden files are in nobody's way, nor is what a killed beginning
    left.

    Raises:
        ValueError: it holds other files and no run.
    """
    if (root / "settings.yaml").is_file():
        return
    if root.exists() and not root.is_dir():
        raise Refused(f"Expected a folder for the run; {root} is a file. Give another --out.")
    names = sorted(path.name for path in root.iterdir()) if root.is_dir() else []
    others = [name for name in names if not name.startswith(".") and name != "settings.yaml.part"]
    if others:
        more = ", ..." if len(others) > 1 else ""
        raise Refused(
            f"Expected a new or empty folder for the run, or one with a run; {root} holds other files ({others[0]}"
            f"{more}). Give another --out."
        )


def _check_same(run: Run, values: dict[str, Any], held: dict[str, Any]) -> list[str]:
    """The stages that have more epochs now than the run in the folder, which has the same settings and data else."""
    theirs = to_dict(from_dict(Recipe, held["recipe"], str(run.root / "settings.yaml")))
    ours = to_dict(run.recipe)
    names = ("appearance", "pose", "integration")
    longer = [name for name in names if ours["stages"][name]["epochs"] > theirs["stages"][name]["epochs"]]
    for name in longer:
        ours["stages"][name]["epochs"] = theirs["stages"][name]["epochs"]
    different = _differences({"recipe": ours, "data": values["data"]}, {"recipe": theirs, "data": held["data"]})
    if different:
        raise Refused(
            f"Expected the settings of the run that is already in {run.root}; found others ({'; '.join(different)}). "
            "Give another --out, or remove that folder."
        )
    if "training_data" in held and run.training_data is not None:
        before = from_dict(Fingerprint, held["training_data"], str(run.root / "settings.yaml"))
        if changes := before.changes(run.training_data):
            raise Refused(
                f"Expected the training data of the run that is already in {run.root}; found {run.data} with "
                f"{changes}. Put the data back as they were, or give another --out."
            )
        if before.others != run.training_data.others:
            say(f"{run.data} has other rows than when {run.root} began, but none in its training split: it goes on.")
    return longer


def _forget(run: Run, longer: list[str]) -> None:
    """Take away the models that more epochs make others: those stages go on, and what was built on them begins anew.

    It is done before the new settings are written, so that a call that is killed here is repeated whole.
    """
    recipe = run.recipe
    streams = [method for name, method in STAGES if name in longer and method in recipe.streams]
    rebuilt = recipe.integrations if streams and recipe.stages.strategy != "joint" else ()
    for method in rebuilt:
        shutil.rmtree(run.stage_path(method), ignore_errors=True)
    going_on = [*streams, *(recipe.integrations if "integration" in longer and not rebuilt else ())]
    for method in (*rebuilt, *going_on):
        run.model_path(method).unlink(missing_ok=True)
    for method in going_on:
        say(f"{method}: more epochs than before; it goes on where it ended")
    for method in rebuilt:
        say(f"{method}: its streams change; it is trained again")


def _differences(wanted: dict, found: dict, prefix: str = "") -> list[str]:
    different = []
    for name in sorted(wanted.keys() | found.keys()):
        ours, theirs = wanted.get(name), found.get(name)
        if isinstance(ours, dict) and isinstance(theirs, dict):
            different += _differences(ours, theirs, f"{prefix}{name}.")
        elif ours != theirs:
            different.append(f"{prefix}{name} is {theirs!r} there and {ours!r} here")
    return different
