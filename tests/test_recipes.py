"""The recipes against the paper's numbers, and that a variant changes what its table changes and nothing else."""

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from integralaction.errors import Refused
from integralaction.model.streams import GAUSSIAN
from integralaction.recipe import Recipe, Stage
from integralaction.recipes import RECIPES, VARIANTS, method_of, recipe_named, variant_of
from integralaction.settings import override, to_dict
from integralaction.skeleton import skeleton_named
from tests.toy import with_values

INTEGRAL = {"methods": ("integral",)}
CHANGES: dict[str, dict[str, Any]] = {
    "integral": INTEGRAL,
    "gate-free": {"methods": ("gate-free",)},
    "feature-fuse": {"methods": ("feature-fuse",)},
    "appearance-gate": {"methods": ("appearance-gate",)},
    "both-gate": {"methods": ("both-gate",)},
    "lambda-0": INTEGRAL | {"stages.gate_lambda": 0.0},
    "lambda-1": INTEGRAL | {"stages.gate_lambda": 1.0},
    "lambda-5": INTEGRAL | {"stages.gate_lambda": 5.0},
    "heatmaps": {"methods": ("pose-only",), "model.pose.input": "heatmaps"},
    "pafs": {"methods": ("pose-only",), "model.pose.input": "pafs"},
    "trust-prior": INTEGRAL | {"stages.gate_prior": "trust"},
    "outcome-prior": INTEGRAL | {"stages.gate_prior": "outcome"},
    "fine-tuned": INTEGRAL | {"stages.strategy": "fine-tuned"},
    "joint": INTEGRAL | {"stages.strategy": "joint"},
}
SCHEDULES = {  # of stage 3 where the streams are free: epochs, rate, milestones, warmup
    ("kinetics50", "fine-tuned"): Stage(20, 1e-3, (10, 15)),  # the paper's
    ("kinetics50", "joint"): Stage(40, 1e-2, (20, 30)),
    ("kinetics400", "fine-tuned"): Stage(20, 1e-3, (10, 15)),
    ("kinetics400", "joint"): Stage(70, 1e-2, (30, 60)),
    ("ntu60", "fine-tuned"): Stage(20, 1e-3, (10, 15)),
    ("ntu60", "joint"): Stage(40, 1e-2, (20, 30)),
    ("mime-demo", "fine-tuned"): Stage(7, 0.03, (5, 6)),  # half of 14, 10 and 13
    ("mime-demo", "joint"): Stage(14, 0.05, (10, 13), 30),
    ("mime-large", "fine-tuned"): Stage(15, 0.03, (10, 13)),  # half of 30, 20 and 26
    ("mime-large", "joint"): Stage(30, 0.05, (20, 26), 60),
}


def flat(settings: Any, prefix: str = "") -> dict[str, Any]:
    """Every field by its dotted name; a schedule is one value."""
    values = {}
    for field in fields(settings):
        value = getattr(settings, field.name)
        nested = is_dataclass(value) and not isinstance(value, Stage)
        values |= flat(value, f"{prefix}{field.name}.") if nested else {prefix + field.name: value}
    return values


@pytest.mark.parametrize("recipe", RECIPES)
@pytest.mark.parametrize("variant", VARIANTS)
def test_a_variant_changes_what_its_table_changes(recipe: str, variant: str) -> None:
    base = RECIPES[recipe]()
    wanted = flat(base) | CHANGES[variant] | {"name": f"{recipe}/{variant}"}
    if variant in ("fine-tuned", "joint"):
        wanted["stages.integration"] = SCHEDULES[recipe, variant]
    found = variant_of(base, variant)
    assert flat(found) == wanted
    assert found == recipe_named(f"{recipe}/{variant}")
    assert method_of(variant) == found.methods[0]
    assert base == RECIPES[recipe]()


def test_every_variant_is_another_experiment() -> None:
    made = [{**to_dict(variant(recipe_named("mime-demo"))), "name": ""} for variant in VARIANTS.values()]
    assert all(one != other for i, one in enumerate(made) for other in made[:i])


def test_a_variant_leaves_its_own_settings_to_the_base() -> None:
    """Of a recipe that already has another λ or prior, a variant changes one thing alone."""
    base = with_values(Recipe(), gate_lambda=3.0, seed=4, batch_size=8)
    for name in ("gate-free", "trust-prior", "heatmaps", "joint"):
        found = variant_of(base, name)
        assert (found.stages.gate_lambda, found.seed, found.optimizer.batch_size) == (3.0, 4, 8)


def test_settings_that_contradict_a_variant_are_refused_in_a_sentence() -> None:
    base = override(RECIPES["mime-demo"](), ["methods=[gate-free]", "model.integration.method=gate-free"])
    with pytest.raises(
        Refused, match=r"^mime-demo/integral: Expected the method to train in methods, [^\n]*'integral'\]\.$"
    ):
        variant_of(base, "integral")


def test_the_papers_kinetics50() -> None:
    """Section 4.4: ResNet-18 twice, T = τ = 8; section 3.5: the schedules, the sizes, the start."""
    recipe = recipe_named("kinetics50")
    assert recipe.name == "kinetics50" and recipe.methods == ("integral",)
    check_section_3_5(recipe)
    assert recipe.stages.appearance == recipe.stages.pose == Stage(epochs=40, lr=0.01, milestones=(20, 30))
    model = recipe.model
    assert (model.appearance.backbone.depth, model.pose.backbone.depth, model.pose.backbone.width) == (18, 18, 1.0)
    assert (model.clip.frames, model.clip.stride, model.clip.pose_frames) == (8, 8, 8)
    assert skeleton_named(model.skeleton).name == "openpose18"


@pytest.mark.parametrize(
    ("name", "stage", "joints"),
    [("kinetics400", Stage(70, 0.01, (30, 60)), 18), ("ntu60", Stage(40, 0.01, (20, 30)), 25)],
)
def test_the_papers_benchmarks(name: str, stage: Stage, joints: int) -> None:
    """Section 4.2: ResNet-50 on T = 8, τ = 8; ResNet-18 on T = 32, τ = 2, averaged by four."""
    recipe = recipe_named(name)
    check_section_3_5(recipe)
    assert recipe.stages.appearance == recipe.stages.pose == stage
    model = recipe.model
    assert (model.appearance.backbone.depth, model.pose.backbone.depth, model.pose.backbone.width) == (50, 18, 1.0)
    assert (model.clip.frames, model.clip.stride) == (8, 8)
    assert (model.clip.pose_frames, model.clip.stride / model.clip.pose_frame_factor) == (32, 2)
    assert model.clip.pose_pooling == "mean"
    assert len(skeleton_named(model.skeleton).joints) == joints


def check_section_3_5(recipe: Recipe) -> None:
    """What holds in all of the paper's experiments."""
    assert recipe.stages.integration == Stage(epochs=20, lr=0.001, milestones=(10, 15))
    assert (recipe.optimizer.batch_size, recipe.stages.gate_lambda, recipe.stages.gate_prior) == (32, 1.5, "uniform")
    assert (recipe.model.integration.channels, recipe.model.clip.size, recipe.model.clip.map_size) == (512, 224, 56)
    assert recipe.stages.strategy == "fixed" and recipe.start.weights == "imagenet" and GAUSSIAN == 0.001
    assert recipe.loading.augment and recipe.loading.augment_integration
    assert recipe.model.pose.input == "both" and recipe.model.vote == "probabilities"


def test_a_recipe_with_a_variant_has_a_name() -> None:
    recipe = recipe_named("kinetics50/lambda-5")
    assert recipe.stages.gate_lambda == 5.0 and recipe.name == "kinetics50/lambda-5"


def test_unknown_names_are_refused_with_the_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=r"Expected a variant of mime-demo: .*; found 'lambda-7'\.") as refused:
        recipe_named("mime-demo/lambda-7")
    assert all(f"{name}," in str(refused.value) or f"{name};" in str(refused.value) for name in VARIANTS)
    with pytest.raises(ValueError, match="Expected a recipe") as refused:
        recipe_named("kinetics60/lambda-5")
    assert all(name in str(refused.value) for name in RECIPES)


def test_a_recipe_file_goes_before_a_variant_of_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mine = Recipe(name="mine", seed=9)
    (tmp_path / "kinetics50").mkdir()
    (tmp_path / "kinetics50/lambda-5").write_text(yaml.safe_dump(to_dict(mine)))
    assert recipe_named("kinetics50/lambda-5") == mine
    assert recipe_named("kinetics50/lambda-1").stages.gate_lambda == 1.0
