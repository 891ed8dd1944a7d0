"""A run: the folder in which a training leaves its settings, weights, logs, predictions and results.

RUN/settings.yaml          the recipe, the data set and what it was
RUN/environment.yaml       versions, machine, command
RUN/init.safetensors       the model that the training started from, where there was one
RUN/<method>.safetensors   a model a method; appearance-only and pose-only are stages 1 and 2
RUN/stages/<method>/       last.ckpt (to continue from), log.csv, TensorBoard events
RUN/predictions/<data set>/<split>/<method>.safetensors (to read again), .csv (for people)
RUN/results/<data set>.csv, <data set>-classes.csv, <data set>.md
"""

import datetime
import os
import platform
import sys
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from integralaction.checkpoints.model_file import is_ours, load, load_streams
from integralaction.config import Method, ModelConfig
from integralaction.data.fingerprint import Fingerprint
from integralaction.data.index import Index
from integralaction.errors import MissingFile, Refused
from integralaction.format1 import recipe_settings
from integralaction.model.network import IntegralAction
from integralaction.recipe import Recipe
from integralaction.settings import from_dict, read_yaml

FORMAT = 2  # of settings.yaml; 1, which did not say so, is read too


@dataclass(frozen=True)
class Run:
    """A run folder and what it was made with.

    Attributes:
        root: the folder.
        recipe: its settings.
        data: the data set folder.
        training_data: what the training videos were; None in runs of older versions.
    """

    root: Path
    recipe: Recipe
    data: Path
    training_data: Fingerprint | None = None

    def model_path(self, method: Method) -> Path:
        """Where the trained model of that method lies, or will lie."""
        return self.root / f"{method}.safetensors"

    @property
    def init_path(self) -> Path:
        """Where the model is kept that the training started from, if it did."""
        return self.root / "init.safetensors"

    def stage_path(self, method: Method) -> Path:
        """Where the training of that method keeps its checkpoint and logs."""
        return self.root / "stages" / method

    @property
    def methods(self) -> tuple[Method, ...]:
        """All methods that the run can answer with: its streams, their average where it has both, its integrations.

        They have their streams in common: where stage 3 changes these, it answers alone.
        """
        if self.recipe.stages.strategy != "fixed":
            return self.recipe.integrations
        streams = self.recipe.streams
        average: tuple[Method, ...] = ("score-average",) if len(streams) == 2 else ()
        return (*streams, *average, *self.recipe.integrations)

    @property
    def trained(self) -> tuple[Method, ...]:
        """The methods that have a model of their own, in the order in which they are trained."""
        return (*self.recipe.streams, *self.recipe.integrations)

    def check_trained(self, *methods: Method) -> None:
        """
        Args:
            methods: which must be trained; all where none is named.

        Raises:
            FileNotFoundError: one is not trained yet.
            ValueError: the file of one is damaged.
        """
        for method in methods or self.trained:
            path = self.model_path(method)
            if not path.is_file():
                raise MissingFile(
                    f"Expected a finished training in {self.root}; {method} is not trained yet. Give the command of "
                    "its training again: it continues."
                )
            if not is_ours(path):
                raise Refused(
                    f"Expected a whole model in {path}; it is empty or damaged. Give the command of its training "
                    "again: it makes the model anew."
                )

    def load(self, method: Method) -> IntegralAction:
        """The trained model of a method; `score-average` is put together from the two streams.

        Raises:
            FileNotFoundError: it is not trained yet.
            ValueError: its file is damaged.
        """
        if method != "score-average":
            self.check_trained(method)
            return load(self.model_path(method))
        model = IntegralAction(self.recipe.model.of_method("score-average")).eval()
        load_streams(model, self.load("appearance-only"), self.load("pose-only"))
        return model

    def changes_of(self, index: Index) -> str:
        """How the training videos of the run's data set differ from what they were, as a remark; empty: not at all.

        Args:
            index: the data set; of another one than the run's nothing is said.
        """
        if self.training_data is None or index.root.resolve() != self.data.resolve():
            return ""
        changes = self.training_data.changes(fingerprint(self.recipe, index))
        return f"The training data of {self.root} have changed since: {index.root} has {changes}." if changes else ""


def fingerprint(recipe: Recipe, index: Index) -> Fingerprint:
    """That of the training videos of a data set, as far as the recipe looks at them."""
    return Fingerprint.of(index, looks_at_poses(recipe))


def looks_at_poses(recipe: Recipe) -> bool:
    """Whether any of the recipe's models does."""
    return recipe.methods != ("appearance-only",)


def open_run(root: Path | str) -> Run:
    """Open a run folder.

    Raises:
        FileNotFoundError: it is not one.
        ValueError: its settings are not ours.
    """
    root = Path(root)
    path = root / "settings.yaml"
    values = read_settings(root)
    told = values.get("training_data")
    state = None if told is None else from_dict(Fingerprint, told, str(path))
    return Run(root, from_dict(Recipe, values["recipe"], str(path)), (root.resolve() / values["data"]).resolve(), state)


def read_settings(root: Path) -> dict[str, Any]:
    """What the settings of a run say, as plain values.

    Raises:
        FileNotFoundError: there are none.
        ValueError: they are not those of a run.
    """
    path = root / "settings.yaml"
    if not path.is_file():
        raise MissingFile(
            f"Expected a run folder with settings.yaml; {path} is not there. Make one with `integralaction train`."
        )
    values = read_yaml(path)
    if not isinstance(values, dict) or not {"recipe", "data"} <= values.keys() or not isinstance(values["data"], str):
        raise Refused(
            f"Expected the keys recipe and data, as every run has them, in {path}; found {str(values)[:80]!r}. Name "
            "the folder of a run, or a new one to train."
        )
    number = values.get("format", 1)
    if number not in (1, FORMAT):
        raise Refused(f"Expected a run of format 1 or {FORMAT} in {path}; found {number!r:.100}.")
    if number == 1 and isinstance(values["recipe"], dict):
        values = {"format": FORMAT, **values, "recipe": recipe_settings(values["recipe"])}
    return values


def model_of(recipe: Recipe, classes: tuple[str, ...]) -> ModelConfig:
    """The recipe's model for a data set's classes.

    Raises:
        ValueError: the recipe names other classes.
    """
    if recipe.model.classes not in ((), classes):
        raise Refused(
            f"Expected the data set's classes in the recipe's model, or none; found {list(recipe.model.classes)} "
            f"there and {list(classes)} in the data set."
        )
    model = replace(recipe.model, classes=classes)
    return model.of_method(recipe.methods[0]) if recipe.integrations else model


def environment() -> dict[str, str | int]:
    """What a result depends on beside its settings."""
    packages = ("integralaction", "torch", "numpy", "av", "safetensors", "pillow")
    return {
        **{name: version(name) for name in packages},
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "command": " ".join([_program(), *sys.argv[1:]]),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
    }


def _program() -> str:
    """The name of the program, wherever it is installed."""
    name = Path(sys.argv[0]).name
    return "integralaction" if name == "__main__.py" else name


def _processor() -> str:
    """The processor's name, where the system tells."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
