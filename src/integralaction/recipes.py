"""One function per experiment; its docstring says what of the paper it is, what it costs and what to expect."""

from pathlib import Path

import yaml

from integralaction.config import ModelConfig, Recipe, Stage, from_dict


def kinetics50() -> Recipe:
    """Tables 4 to 8, the paper's ablation setting: ResNet-18 and ResNet-18, T = 8, τ = 8, 40 and 20 epochs.

    Expected (Table 4, top-1): appearance-only 72.8, pose-only 45.6, integral 72.2 on Kinetics50; 11.2, 26.0 and
    26.5 on Mimetics.
    """
    return Recipe(name="kinetics50")


def kinetics400() -> Recipe:
    """Tables 1 and 2: ResNet-50 on T = 8, τ = 8 frames, ResNet-18 on T' = 32, τ = 2 poses, 70 epochs.

    Expected (Table 1, top-1): appearance-only 73.5, pose-only 30.2, integral 73.3.
    """
    stage = Stage(epochs=70, lr=1e-2, milestones=(30, 60))
    model = ModelConfig(appearance_depth=50, pose_frame_factor=4)
    return Recipe(name="kinetics400", model=model, appearance=stage, pose=stage)


def ntu60() -> Recipe:
    """Tables 1 and 3: as kinetics400 on the 25 joints of NTU RGB+D, 40 epochs.

    Expected (Table 1, top-1): appearance-only 90.4, pose-only 83.7, integral 91.7.
    """
    return Recipe(name="ntu60", model=ModelConfig(appearance_depth=50, pose_frame_factor=4, skeleton="ntu25"))


def mime_demo() -> Recipe:
    """The embedded benchmark at 64 pixels, with narrow ResNet-18 streams: minutes on two CPU cores.

    Its videos have 15 frames a second, so a stride of 4 is the time step that 8 is at 30. Everything starts from
    random weights. The streams' schedules are short; stage 3 trains on features that are computed once.
    """
    return Recipe(
        name="mime-demo",
        model=ModelConfig(width=0.25, channels=128, stride=4, size=64),
        methods=("integral", "gate-free", "feature-fuse"),
        appearance=Stage(epochs=14, lr=0.05, milestones=(10, 13), warmup=30),
        pose=Stage(epochs=14, lr=0.05, milestones=(10, 13), warmup=30),
        integration=Stage(epochs=40, lr=0.03, milestones=(20, 30)),
        start="random",
        augment_integration=False,
        workers=0,
        preload=True,
    )


RECIPES = {recipe.__name__.replace("_", "-"): recipe for recipe in (kinetics50, kinetics400, ntu60, mime_demo)}


def recipe_named(name: str) -> Recipe:
    """A recipe by its name, or from a YAML file of settings.

    Raises:
        ValueError: there is neither a recipe nor a file of that name.
    """
    if name in RECIPES:
        return RECIPES[name]()
    path = Path(name)
    if not path.is_file():
        raise ValueError(f"Expected a recipe ({', '.join(RECIPES)}) or a YAML file; there is neither of name {name!r}.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"Expected a recipe in YAML in {path}; it cannot be read ({error}).") from error
    return from_dict(Recipe, values, str(path))
