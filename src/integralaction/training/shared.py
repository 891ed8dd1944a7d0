"""Finished stages kept for other runs: what was trained once with the same settings is not trained again.

FOLDER/<key>/settings.yaml            the stage alone, as a recipe
FOLDER/<key>/<method>.safetensors     its model
FOLDER/<key>/log.csv, failed.csv      its log, the videos that could not be read
FOLDER/<key>-<key>.safetensors        the features that two streams give of the training videos
"""

import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path

from integralaction.checkpoints.model_file import is_ours
from integralaction.config import Method
from integralaction.console import say
from integralaction.files import flush_folder, write_whole
from integralaction.recipe import Loading, Recipe, Stages
from integralaction.settings import to_dict, write_yaml
from integralaction.training.run import Run


def stage_recipe(recipe: Recipe, method: Method) -> Recipe:
    """One of the first two stages alone: its part of the model, the clip, its schedule, and what all stages share."""
    schedule = recipe.stages.of(method)
    return Recipe(
        name="stage",
        model=recipe.model.of_method(method),
        methods=(method,),
        stages=Stages(appearance=schedule) if method == "appearance-only" else Stages(pose=schedule),
        optimizer=recipe.optimizer,
        start=recipe.start,
        loading=Loading(augment=recipe.loading.augment),  # the rest of it changes no number
        seed=recipe.seed,
    )


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
