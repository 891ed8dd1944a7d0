"""What a model starts from: ImageNet, random weights, or another model in whatever that has."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from integralaction.checkpoints.hub import ON_HUB, is_hub_id, pin_revision
from integralaction.checkpoints.imagenet import start_from_imagenet
from integralaction.checkpoints.model_file import is_ours
from integralaction.config import SINGLE_STREAMS, Method, ModelConfig, ResNetConfig
from integralaction.console import say
from integralaction.errors import Refused
from integralaction.model.network import IntegralAction
from integralaction.models import EMBEDDED, load_model
from integralaction.recipe import Recipe
from integralaction.settings import change_settings, leaves, to_dict
from integralaction.training.processes import is_first
from integralaction.training.run import open_run


def load_init(recipe: Recipe, out: Path) -> IntegralAction | None:
    """The model to start from: the run's own copy, where there is one."""
    if not recipe.start.init:
        return None
    copy = out / "init.safetensors"
    if not copy.is_file() or not (out / "settings.yaml").is_file():
        return load_model(recipe.start.init)
    if not is_ours(copy):
        raise Refused(
            f"Expected the model that the training of {out} started from in {copy}; it is empty or damaged. Remove it: "
            f"the same command then copies {recipe.start.init} again."
        )
    return load_model(copy)


def permanent_name(source: str, out: Path) -> str:
    """What means the same from every folder and for good: an embedded name, a hub id with its revision, a path."""
    if source in EMBEDDED:
        return source
    if not is_hub_id(source):
        return str(Path(source).resolve())
    hub_id = source.removeprefix(ON_HUB)
    # a run that goes on has its own copy, and asks nobody for the revision
    earlier = open_run(out).recipe.start.init if (out / "settings.yaml").is_file() else ""
    return earlier if earlier.removeprefix(ON_HUB).partition("@")[0] == hub_id else ON_HUB + pin_revision(hub_id)


def match_config_to_weights(recipe: Recipe, init: ModelConfig, fixed_names: tuple[str, ...] = ()) -> ModelConfig:
    """The recipe's model with the settings that the weights of `recipe.start.init` need, and with their clip.

    Each setting that changes is said on standard error. Weights that know single frames alone start any clip.

    Args:
        fixed_names: of settings that must stay the recipe's.

    Raises:
        ValueError: its classifiers are to be kept and are of other classes, or its weights need another value
            of a fixed one.
    """
    ours = recipe.model
    if recipe.start.head == "keep" and init.classes != ours.classes:
        same = sorted(init.classes) == sorted(ours.classes)
        classes = "the same in another order" if same else f"{len(init.classes)} ({', '.join(init.classes[:3])}, ...)"
        raise Refused(
            f"Expected the {len(ours.classes)} classes of the data set ({', '.join(ours.classes[:3])}, ...) in "
            f"{recipe.start.init}, whose classifiers are kept; found {classes}. Give --head new to start new "
            "classifiers, or name its classes as the data set does (integralaction convert --classes)."
        )
    has_other = any(part and not isinstance(part.backbone, ResNetConfig) for part in (init.appearance, ours.appearance))
    of_init, of_recipe = _values_by_name(init, has_other), _values_by_name(ours, has_other)
    is_temporal = any(part.backbone.is_temporal for part in (init.appearance, init.pose) if part is not None)
    of_clip = ["vote", *(name for name in of_init if name.startswith("clip."))] if is_temporal else []
    of_weights = [name for name in of_init if name.startswith(("appearance.", "pose."))]
    if init.pose is None:
        of_clip = [name for name in of_clip if not name.startswith("clip.pose_")]
    if not is_temporal:
        of_weights = [name for name in of_weights if not name.endswith((".shift", ".shift_first"))]
    if init.method == ours.method and init.integration is not None:
        of_weights += [name for name in of_init if name.startswith(("integration.", "clip.pose_"))]
    changes = {name: of_init[name] for name in (*of_clip, *of_weights) if of_init[name] != of_recipe.get(name)}
    if has_other and any(name.startswith("appearance.backbone.") for name in fixed_names):
        fixed_names = (*fixed_names, "appearance.backbone")
    if contradictions := sorted(set(fixed_names) & set(of_weights) & changes.keys()):
        values = ", ".join(f"model.{name}={changes[name]}" for name in contradictions)
        raise Refused(f"Expected what the weights of {recipe.start.init} need, {values}; found others. Leave it out.")
    changes = {name: value for name, value in changes.items() if name not in fixed_names}
    if changes and is_first():
        values = ", ".join(f"model.{name}={value}" for name, value in changes.items())
        say(f"from {recipe.start.init}: {values}")
    if ours.integration is not None:
        changes["integration.stream_answers"] = True
    return change_settings(ours, changes, recipe.start.init)


def _values_by_name(config: ModelConfig, has_other: bool) -> dict[str, Any]:
    """Each setting by its dotted name; the backbone of appearance is one where there is another than a ResNet, whose
    settings belong together."""
    values = to_dict(config)
    whole = {}
    if has_other and values["appearance"] is not None:
        whole["appearance.backbone"] = values["appearance"].pop("backbone")
    return {**dict(leaves(values)), **whole}


def new_model(recipe: Recipe, method: Method, seed: int, init: IntegralAction | None = None) -> IntegralAction:
    """A model at its start: the weights of `init` in what that has; else ImageNet or random weights in the ResNets, the
    paper's Gaussian in what is new."""
    alone = method in SINGLE_STREAMS
    config = recipe.model.of_method(method)
    if config.integration is not None and recipe.stages.strategy != "fixed":
        # streams that change in stage 3 leave the classifiers of stages 1 and 2 behind
        config = replace(config, integration=replace(config.integration, stream_answers=False))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        model = IntegralAction(config)
    if recipe.start.weights != "random" and (alone or recipe.stages.strategy == "joint"):
        for name, part in (("appearance", config.appearance), ("pose", config.pose)):
            if part is not None and (init is None or getattr(init, name) is None):
                if not isinstance(part.backbone, ResNetConfig):
                    raise Refused(
                        "Expected start.weights=random for a backbone that is no ResNet, or start.init with a model "
                        f"that has it; found start.weights={recipe.start.weights}, which are weights of ResNets."
                    )
                start_from_imagenet(getattr(model, name).backbone, part.backbone.depth, recipe.start.weights)
    if init is not None:
        copy_parts(model, init, recipe.start.head == "keep")
    return model


def copy_parts(model: IntegralAction, init: IntegralAction, heads: bool) -> None:
    """Copy each part of another model that this one has too; an integration only of the same method."""
    parts = ["appearance", "pose"]
    parts += ["appearance_classifier", "pose_classifier"] if heads else []
    if init.config.method == model.config.method:
        parts += ["pose_pooling", "integration", *(["classifier"] if heads else [])]
    for part in parts:
        ours, theirs = getattr(model, part), getattr(init, part)
        if ours is not None and theirs is not None:
            ours.load_state_dict(theirs.state_dict())


def has_classifier(recipe: Recipe, method: Method, init: IntegralAction | None) -> bool:
    """Whether a single stream's classifier comes with the weights that it starts from."""
    name = f"{method.removesuffix('-only')}_classifier"
    return init is not None and recipe.start.head == "keep" and getattr(init, name) is not None
