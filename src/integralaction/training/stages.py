"""Runs the three stages (paper, sections 3.4 and 3.5), each handing its weights to the next.

    stage 1  appearance   the appearance stream and a classifier           -> appearance-only
    stage 2  pose         the pose stream and a classifier                 -> pose-only
    stage 3  integration  integration and a new classifier, streams fixed  -> integral, gate-free, ...

or, to compare (Table 8), stage 3 with the streams free, after the others or alone.

Every stage leaves a checkpoint at the end of each epoch; a run that was killed continues there and comes to the
same weights, because order and augmentation depend on seed and epoch alone.
"""

import hashlib
from dataclasses import replace
from pathlib import Path

import torch

from integralaction.checkpoints.model_file import is_ours, load_streams, save
from integralaction.config import SINGLE_STREAMS, Method
from integralaction.console import say
from integralaction.data.dataset import ClipReader, TrainClips
from integralaction.data.index import Index, read_index, say_untrained_classes
from integralaction.data.poses import PoseStore
from integralaction.errors import Refused
from integralaction.model.network import IntegralAction
from integralaction.models import choose_device
from integralaction.recipe import Recipe
from integralaction.testing.predictions import digest
from integralaction.training.features import FeatureClips, shared_features
from integralaction.training.loop import run_stage
from integralaction.training.processes import is_first, process_group, wait_for_all
from integralaction.training.readiness import check_data, check_places, list_without_poses, slow_bf16
from integralaction.training.run import Run, fingerprint, looks_at_poses, model_of
from integralaction.training.run_start import check_free, start_run
from integralaction.training.shared import SharedStages
from integralaction.training.warm_start import (
    has_classifier,
    load_init,
    match_config_to_weights,
    new_model,
    permanent_name,
)


def train(
    recipe: Recipe,
    data: Path,
    out: Path,
    device: str = "auto",
    fixed: tuple[str, ...] = (),
    shared: Path | None = None,
) -> Run:
    """Train what the recipe says on the `train` split of a data set; continue where an earlier call was stopped.

    Under torchrun each process is one device of a data-parallel training.

    Args:
        recipe: the experiment.
        data: the data set folder.
        out: the run folder.
        device: `auto`, `cpu`, `cuda` or `mps`.
        fixed: settings of the model that must stay as they are where `recipe.start.init` has others.
        shared: a folder of finished stages: what another run trained with the same settings is taken from there, and
            what this one trains is put there.

    Raises:
        ValueError: data and recipe do not fit, the weights of `recipe.start.init` need other values than the
            fixed ones, or `out` holds a run of other settings.
        ArithmeticError: the loss is no longer finite.
    """
    whole = read_index(data)
    index = whole.split("train")
    say_untrained_classes(index)
    store = PoseStore.of(data)
    recipe = replace(recipe, model=model_of(recipe, index.classes))
    check_data(recipe, index, store)
    init = load_init(recipe, out)
    if init is not None:
        start = replace(recipe.start, init=permanent_name(recipe.start.init, out))
        recipe = replace(recipe, model=match_config_to_weights(recipe, init.config, fixed), start=start)
    target = choose_device(device)
    if recipe.optimizer.precision == "16-mixed" and target.type == "cpu":
        raise Refused("Expected precision 32-true or bf16-mixed on a CPU; found 16-mixed.")
    run = Run(out, recipe, data, fingerprint(recipe, whole))
    check_free(out)
    for method in _untrained(run):
        new_model(recipe, method, recipe.seed, init)  # what it starts from is there, and fits
    with process_group(target) as target:
        _begin(run, index, store, init, target, shared)
        # the weights that it started from are not known by their name alone
        started = [] if init is None else [hashlib.sha256(run.init_path.read_bytes()).hexdigest()]
        stages = None if shared is None else SharedStages(shared, digest(index, store.state, *started))
        _run_stages(run, index, store, target, init, stages)
    return run


def _begin(
    run: Run, index: Index, store: PoseStore, init: IntegralAction | None, device: torch.device, shared: Path | None
) -> None:
    """The first process begins the run, and says what there is to say; the others wait."""
    if is_first():
        start_run(run)
        if init is not None and not run.init_path.is_file():
            save(init, run.init_path)
        check_places(run, shared)
        torn = [run.model_path(method) for method in _untrained(run) if run.model_path(method).exists()]
        remarks = [f"{path} is empty or damaged: it is made again" for path in torn]
        remarks += [list_without_poses(run, index, store)] if looks_at_poses(run.recipe) else []
        if run.recipe.optimizer.precision == "bf16-mixed" and device.type == "cpu":
            remarks.append(slow_bf16())
        for remark in filter(None, remarks):
            say(remark)
    wait_for_all()


def _untrained(run: Run) -> list[Method]:
    """The methods to train: those without a model, or with a damaged one."""
    return [method for method in run.trained if not is_ours(run.model_path(method))]


def _run_stages(
    run: Run,
    index: Index,
    store: PoseStore,
    device: torch.device,
    init: IntegralAction | None,
    shared: SharedStages | None,
) -> None:
    recipe = run.recipe
    if shared is not None and is_first():
        for method in recipe.streams:
            if is_ours(run.model_path(method)):
                shared.keep(run, method)  # an earlier call may have been stopped before it did
            elif shared.take(run, method):
                say(f"{method}: trained before with these settings")
    wait_for_all()
    # decided once and by all: a process that is late must not take a model just made for one to be left out
    todo = _untrained(run)
    wait_for_all()
    for number, method in enumerate(SINGLE_STREAMS):
        if method in todo:
            model = new_model(recipe, method, recipe.seed + number, init)
            stage = recipe.stages.of(method)
            if stage.epochs == 0 and not has_classifier(recipe, method, init) and is_first():
                say(f"{method}: 0 epochs, and its classifier is new: it answers by chance")
            run_stage(run, model, stage, _training_clips(run, index, store, method, recipe.loading.augment), device)
            if shared is not None and is_first():
                shared.keep(run, method)
    clips = None
    for method in recipe.integrations:
        if method not in todo:
            continue
        model = new_model(recipe, method, recipe.seed + 2, init)
        if recipe.stages.strategy != "joint":
            load_streams(model, run.load("appearance-only"), run.load("pose-only"))
        if clips is None and (recipe.loading.augment_integration or recipe.stages.strategy != "fixed"):
            # free streams see what stages 1 and 2 show them
            loading, is_fixed = recipe.loading, recipe.stages.strategy == "fixed"
            augment = loading.augment_integration if is_fixed else loading.augment
            clips = _training_clips(run, index, store, method, augment)
        elif clips is None:
            path = None if shared is None else shared.features_path(run)
            clips = FeatureClips(shared_features(model, index, store, run, device, path), seed=recipe.seed)
        run_stage(run, model, recipe.stages.integration, clips, device)


def _training_clips(run: Run, index: Index, store: PoseStore, method: Method, augment: bool) -> TrainClips:
    reader = ClipReader.for_model(index, store, run.recipe.model.of_method(method))
    clips = TrainClips(reader, augment, run.recipe.seed)
    return clips.preload() if run.recipe.loading.preload else clips
