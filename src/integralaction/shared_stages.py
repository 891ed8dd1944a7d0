"""Finished stages kept for other runs: what was trained once with the same settings is not trained again.

FOLDER/<key>/settings.yaml            the stage alone, as a recipe
FOLDER/<key>/<method>.safetensors     its model
FOLDER/<key>/log.csv, failed.csv      its log, the videos that could not be read
FOLDER/<key>-<key>.safetensors        the features that two streams give of the training videos
"""

import hashlib
import shutil
from dataclasses import dataclass, fields
from pathlib import Path

from integralaction.config import Method, ModelConfig, Recipe, to_dict
from integralaction.console import say
from integralaction.files import flush_folder, write_whole
from integralaction.model.checkpoint import is_ours
from integralaction.run import Run
from integralaction.settings import write_yaml

# what a stream's training does not depend on; the rest of the model's settings is in its key
_OF_INTEGRATION = ("method", "channels", "alignment", "gate_norm", "score_weight", "stream_answers", "pose_pooling")
_OF_POSE = ("skeleton", "pose_depth", "pose_frame_factor", "pose_input")
_OF_APPEARANCE = ("appearance_depth", "normalised")
_OF_TRAINING = ("batch_size", "accumulate", "momentum", "weight_decay", "start", "init", "head", "augment", "precision")


def stage_recipe(recipe: Recipe, method: Method) -> Recipe:
    """One of the first two stages alone: what it does not depend on is as by default."""
    left_out = {*_OF_INTEGRATION, *(_OF_POSE if method == "appearance-only" else _OF_APPEARANCE)}
    if method == "pose-only" and recipe.model.pose_pooling == "convolution":
        left_out.remove("pose_pooling")  # it says how many pose frames a clip has
    model = {f.name: getattr(recipe.model, f.name) for f in fields(ModelConfig) if f.name not in left_out}
    schedule = "appearance" if method == "appearance-only" else "pose"
    kept = {name: getattr(recipe, name) for name in (*_OF_TRAINING, schedule, "seed")}
    return Recipe(name="stage", model=ModelConfig(**model), methods=(method,), **kept)


@dataclass(frozen=True)
class SharedStages:
    """A folder of finished stages, seen from one data set.

    Attributes:
        root: the folder.
        data: a digest of the training videos, their poses and, where there is one, the model to start from.
    """

    root: Path
    data: str

    def key(self, recipe: Recipe, method: Method) -> str:
        """The name of a stage: a digest of its settings and its data."""
        settings = repr((to_dict(stage_recipe(recipe, method)), self.data))
        return hashlib.sha256(settings.encode()).hexdigest()[:16]

    def take(self, run: Run, method: Method) -> bool:
        """Copy a stage into a run, where it is there; whether it was."""
        kept = self.root / self.key(run.recipe, method)
        model = kept / f"{method}.safetensors"
        if not is_ours(model):
            return False
        run.stage_path(method).mkdir(parents=True, exist_ok=True)
        for name in ("log.csv", "failed.csv"):
            if (kept / name).is_file():
                with write_whole(run.stage_path(method) / name) as aside:
                    shutil.copyfile(kept / name, aside)
        with write_whole(run.model_path(method)) as aside:
            shutil.copyfile(model, aside)
        return True

    def keep(self, run: Run, method: Method) -> None:
        """Copy a finished stage of a run into the folder."""
        kept = self.root / self.key(run.recipe, method)
        if is_ours(kept / f"{method}.safetensors"):
            return
        if kept.exists():
            say(f"{kept} has an empty or damaged model: it is made again")
            shutil.rmtree(kept)
        aside = kept.with_name(f"{kept.name}.part")
        shutil.rmtree(aside, ignore_errors=True)
        aside.mkdir(parents=True)
        settings = to_dict(stage_recipe(run.recipe, method))
        write_yaml(aside / "settings.yaml", settings)
        for path in (*(run.stage_path(method) / name for name in ("log.csv", "failed.csv")), run.model_path(method)):
            if path.is_file():
                with write_whole(aside / path.name) as part:
                    shutil.copyfile(path, part)
        aside.rename(kept)
        flush_folder(kept.parent)

    def features_path(self, run: Run) -> Path:
        """Where the features of a run's two streams are kept."""
        keys = [self.key(run.recipe, method) for method in ("appearance-only", "pose-only")]
        return self.root / f"{'-'.join(keys)}.safetensors"
