"""One function per experiment; its docstring says what of the paper it is, what it costs and what to expect.

A recipe is a whole experiment; a variant changes one thing of any recipe, as the paper's tables do. Both together have
a name, `kinetics50/lambda-5`. Costs are in trainings of stages: a variant that keeps the streams trains stage 3 alone,
which sees features or runs the streams without their gradients.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pydantic import ValidationError

from integralaction.config import (
    AppearanceConfig,
    ClipConfig,
    IntegrationConfig,
    Method,
    ModelConfig,
    PoseConfig,
    ResNetConfig,
)
from integralaction.errors import Refused
from integralaction.recipe import Loading, Recipe, Stage, Stages, Start
from integralaction.settings import change_settings, from_dict, read_yaml, sentence_of


def kinetics50() -> Recipe:
    """Tables 4 to 8, the paper's ablation setting: ResNet-18 and ResNet-18, T = 8, τ = 8, 40 and 20 epochs.

    Expected (Table 4, top-1): appearance-only 72.8, pose-only 45.6, integral 72.2 on Kinetics50; 11.2, 26.0 and
    26.5 on Mimetics. Cost: 40 epochs of 33,000 videos a stream, 20 of stage 3.
    """
    return Recipe(name="kinetics50")


def kinetics400() -> Recipe:
    """Tables 1 and 2: ResNet-50 on T = 8, τ = 8 frames, ResNet-18 on T' = 32, τ = 2 poses, 70 epochs.

    Expected (Table 1, top-1): appearance-only 73.5, pose-only 30.2, integral 73.3. Cost: 70 epochs of 240,000 videos
    a stream, 20 of stage 3; four GPUs in the paper.
    """
    stage = Stage(epochs=70, lr=1e-2, milestones=(30, 60))
    model = ModelConfig(clip=ClipConfig(pose_frame_factor=4), appearance=AppearanceConfig(ResNetConfig(depth=50)))
    return Recipe(name="kinetics400", model=model, stages=Stages(appearance=stage, pose=stage))


def ntu60() -> Recipe:
    """Tables 1 and 3: as kinetics400 on the 25 joints of NTU RGB+D, 40 epochs.

    Expected (Table 1, top-1): appearance-only 90.4, pose-only 83.7, integral 91.7. Cost: 40 epochs of 40,000 videos
    a stream, 20 of stage 3.
    """
    model = ModelConfig(
        clip=ClipConfig(pose_frame_factor=4),
        appearance=AppearanceConfig(ResNetConfig(depth=50)),
        pose=PoseConfig(skeleton="ntu25"),
    )
    return Recipe(name="ntu60", model=model)


def mime_demo() -> Recipe:
    """The embedded benchmark at 64 pixels, with narrow ResNet-18 streams: minutes on two CPU cores.

    Its videos have 15 frames a second, so a stride of 4 is the time step that 8 is at 30. Everything starts from
    random weights. The streams' schedules are short; stage 3 trains on features that are computed once.
    """
    narrow = ResNetConfig(width=0.25)
    stream = Stage(epochs=14, lr=0.05, milestones=(10, 13), warmup=30)
    return Recipe(
        name="mime-demo",
        model=ModelConfig(
            clip=ClipConfig(stride=4, size=64),
            appearance=AppearanceConfig(narrow),
            pose=PoseConfig(narrow),
            integration=IntegrationConfig(channels=128),
        ),
        methods=("integral", "gate-free", "feature-fuse"),
        stages=Stages(stream, stream, Stage(epochs=40, lr=0.03, milestones=(20, 30))),
        start=Start("random"),
        loading=Loading(augment_integration=False, workers=0, preload=True),
    )


def mime_large() -> Recipe:
    """The embedded benchmark at 224 of 256 pixels and 30 frames a second, with the paper's ResNet-18 streams.

    Everything starts from random weights. Cost: 30 epochs of 980 videos a stream; made for a GPU.
    """
    stream = Stage(epochs=30, lr=0.05, milestones=(20, 26), warmup=60)
    return Recipe(
        name="mime-large",
        stages=Stages(stream, stream, Stage(epochs=40, lr=0.03, milestones=(20, 30))),
        start=Start("random"),
        loading=Loading(augment_integration=False),
    )


# ---- variants: what the tables change. Numbers are the paper's top-1 on Kinetics50 / Mimetics where not said otherwise


def integral(base: Recipe) -> Recipe:
    """The paper's method; with it come both streams and their score average (Tables 1, 4, 6, 7, 8, 9; Figure 5).

    Expected: 72.2 / 26.5 (appearance-only 72.8 / 11.2, pose-only 45.6 / 26.0, score-average 73.9 / 21.6); Table 1:
    Kinetics 73.3, Mimetics 12.8, NTU RGB+D 91.7. Cost: all three stages.
    """
    return replace(base, methods=("integral",))


def gate_free(base: Recipe) -> Recipe:
    """The paper's "ours without gating": F = F'_A + F'_P (Table 4). Expected: 74.2 / 21.3. Cost: stage 3."""
    return replace(base, methods=("gate-free",))


def feature_fuse(base: Recipe) -> Recipe:
    """The paper's "feature fuse": both features through one fully-connected layer (Table 4).

    Expected: 73.8 / 19.5. Cost: stage 3.
    """
    return replace(base, methods=("feature-fuse",))


def appearance_gate(base: Recipe) -> Recipe:
    """The gate is estimated from the appearance feature (Table 6). Expected: 73.8 / 23.2. Cost: stage 3."""
    return replace(base, methods=("appearance-gate",))


def both_gate(base: Recipe) -> Recipe:
    """The gate is estimated from both features (Table 6). Expected: 73.3 / 23.7. Cost: stage 3."""
    return replace(base, methods=("both-gate",))


def lambda_0(base: Recipe) -> Recipe:
    """The paper's "ours without L_gate", λ = 0 (Tables 4, 7; Figure 4). Expected: 73.2 / 15.9. Cost: stage 3."""
    return replace(base, methods=("integral",), stages=replace(base.stages, gate_lambda=0.0))


def lambda_1(base: Recipe) -> Recipe:
    """λ = 1.0 (Table 7). Expected: 72.8 / 25.7. Cost: stage 3."""
    return replace(base, methods=("integral",), stages=replace(base.stages, gate_lambda=1.0))


def lambda_5(base: Recipe) -> Recipe:
    """λ = 5.0, strong priority for the pose (Tables 1, 2, 3, 7).

    Expected: 67.8 / 27.2; Table 1: Kinetics 65.0, Mimetics 15.3, NTU RGB+D 91.0. Cost: stage 3.
    """
    return replace(base, methods=("integral",), stages=replace(base.stages, gate_lambda=5.0))


def heatmaps(base: Recipe) -> Recipe:
    """A pose stream that sees heatmaps alone (Table 9). Expected: 43.5 / 26.0. Cost: stage 2."""
    return change_settings(base, {"methods": ["pose-only"], "model.pose.input": "heatmaps"}, base.name)


def pafs(base: Recipe) -> Recipe:
    """A pose stream that sees part affinity fields alone (Table 9). Expected: 45.0 / 25.0. Cost: stage 2."""
    return change_settings(base, {"methods": ["pose-only"], "model.pose.input": "pafs"}, base.name)


def fine_tuned(base: Recipe) -> Recipe:
    """Stage 3 with both streams free (Table 8). Expected: 72.5 / 23.5. Cost: stage 3 with the streams' gradients.

    The schedule is stage 3's. One that was made for features, as `mime_demo`'s, is too long for streams: at the same
    rate it then has half the epochs of stage 1, as the paper's stage 3 has.
    """
    stages = replace(base.stages, strategy="fine-tuned")
    if not base.loading.augment_integration:
        epochs = (base.stages.appearance.epochs + 1) // 2
        milestones = tuple(sorted({milestone // 2 for milestone in base.stages.appearance.milestones}))
        stages = replace(stages, integration=Stage(epochs, base.stages.integration.lr, milestones))
    return replace(base, methods=("integral",), stages=stages)


def joint(base: Recipe) -> Recipe:
    """Everything at once, without stages 1 and 2 (Table 8). Expected: 72.2 / 17.8. Cost: stages 1 and 2 at once.

    The paper does not say for how long; it has the schedule of stage 1 here, so that it is not short of training.
    """
    stages = replace(base.stages, strategy="joint", integration=base.stages.appearance)
    return replace(base, methods=("integral",), stages=stages)


def trust_prior(base: Recipe) -> Recipe:
    """The gate regulariser weighted in each frame by how far its pose can be trusted: not in the paper, which names a
    frame-adaptive regulariser as future work (section 4.3). Cost: stage 3."""
    return replace(base, methods=("integral",), stages=replace(base.stages, gate_prior="trust"))


def outcome_prior(base: Recipe) -> Recipe:
    """The gate learns in each frame which stream was right: the paper's try, of which it says that it "did not improve
    the action recognition accuracy in a meaningful margin" (section 4.3). Cost: stage 3."""
    return replace(base, methods=("integral",), stages=replace(base.stages, gate_prior="outcome"))


Variant = Callable[[Recipe], Recipe]
VARIANTS: dict[str, Variant] = {
    variant.__name__.replace("_", "-"): variant
    for variant in (
        *(integral, gate_free, feature_fuse, appearance_gate, both_gate, lambda_0, lambda_1, lambda_5, heatmaps, pafs),
        *(trust_prior, outcome_prior, fine_tuned, joint),
    )
}
RECIPES = {
    recipe.__name__.replace("_", "-"): recipe for recipe in (kinetics50, kinetics400, ntu60, mime_demo, mime_large)
}


def variant_of(base: Recipe, name: str) -> Recipe:
    """A recipe changed as that variant changes it, and named after it.

    Raises:
        ValueError: its other settings contradict the variant.
    """
    try:
        return replace(VARIANTS[name](base), name=f"{base.name}/{name}")
    except ValidationError as error:
        raise Refused(f"{base.name}/{name}: {sentence_of(Recipe, error)}") from error


def method_of(variant: str) -> Method:
    """The method that a variant trains: `integral` for λ = 5."""
    return VARIANTS[variant](Recipe()).methods[0]


def recipe_named(name: str) -> Recipe:
    """A recipe by its name, RECIPE or RECIPE/VARIANT, or from a YAML file of settings.

    Raises:
        ValueError: there is neither a recipe nor a file of that name.
    """
    path = Path(name)
    base, _, variant = name.partition("/")
    if base in RECIPES and not path.is_file():
        if variant and variant not in VARIANTS:
            raise Refused(f"Expected a variant of {base}: {', '.join(VARIANTS)}; found {variant!r}.")
        recipe = RECIPES[base]()
        return variant_of(recipe, variant) if variant else recipe
    if not path.is_file():
        raise Refused(f"Expected a recipe ({', '.join(RECIPES)}) or a YAML file; there is neither of name {name!r}.")
    return from_dict(Recipe, read_yaml(path), str(path))
