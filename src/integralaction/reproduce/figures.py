"""The paper's figures, from the results of the seeds. Galleries and activation maps show the first seed's videos.

Figures 2 and 3 are drawn from the model alone, whose shapes need no training.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from matplotlib.figure import Figure

from integralaction.config import Method, ModelConfig
from integralaction.data.dataset import ClipReader
from integralaction.data.index import Index, read_index
from integralaction.data.poses import PoseStore
from integralaction.figures.diagrams import integration_figure, pipeline_figure
from integralaction.figures.gallery import Example, activation_figure, examples, gallery_figure
from integralaction.figures.plots import confusion_figure, gate_figure, sweep_figure
from integralaction.model.network import IntegralAction
from integralaction.reproduce.differences import TRIO
from integralaction.reproduce.measure import MissingData, SeedResults
from integralaction.testing.predictions import Predictions
from integralaction.testing.scores import RATIOS, confusion, is_correct, score_sweep

GALLERY_VIDEOS = 4  # at most, in each


@dataclass(frozen=True)
class FigureRecipe:
    """A figure.

    Attributes:
        title: what it shows.
        needs: methods and variants that must be measured; none where the model alone is drawn.
        make: from the paper's method with the data's classes, and from the results of the seeds.
    """

    title: str
    needs: tuple[str, ...]
    make: Callable[[ModelConfig, Sequence[SeedResults]], Figure]


def _trio(seed: SeedResults, test: str) -> dict[str, Predictions]:
    return {name: seed.predictions[name][test] for name in TRIO}


def _reader(seed: SeedResults, test: str) -> ClipReader:
    """Reads the videos of a test set, numbered as in its predictions."""
    root = seed.roots[test]
    index: Index = replace(read_index(root), videos=seed.predictions["integral"][test].videos)
    return ClipReader.for_model(index, PoseStore.of(root), seed.runs["integral"].load("integral").config)


def _tests_of(seed: SeedResults, *roles: str) -> list[str]:
    """The test sets of these roles, in their order."""
    return [test.name for role in roles for test in seed.tests if test.role == role and not test.is_released]


def activation_examples(seeds: Sequence[SeedResults]) -> Figure:
    """Where each method looks: a video in context and one out of context, as in the paper where there are such."""
    seed = seeds[0]
    patterns = {"in-context": (True, False, True), "out-of-context": (False, True, True)}
    cases: list[tuple[Example, ClipReader]] = []
    for role, rights in patterns.items():
        for test in _tests_of(seed, role):
            matches = examples(_trio(seed, test), dict(zip(TRIO, rights, strict=True)), 1)
            cases += [(example, _reader(seed, test)) for example in matches]
    if not cases:
        raise MissingData("on no video are exactly one stream and integral right")
    methods: tuple[Method, ...] = ("appearance-only", "pose-only", "integral")
    return activation_figure(cases, {name: seed.runs["integral"].load(name) for name in methods})


def _of_model(draw: Callable[[IntegralAction], Figure]) -> Callable[[ModelConfig, Sequence[SeedResults]], Figure]:
    """A figure of the model alone, which has shapes but no weights."""

    def make(model: ModelConfig, _: Sequence[SeedResults]) -> Figure:
        with torch.device("meta"):
            shapes = IntegralAction(model)
        return draw(shapes)

    return make


def _of_seeds(
    draw: Callable[[Sequence[SeedResults]], Figure],
) -> Callable[[ModelConfig, Sequence[SeedResults]], Figure]:
    """A figure of what was measured."""
    return lambda _, seeds: draw(seeds)


def gate_distributions(seeds: Sequence[SeedResults]) -> Figure:
    """The mean gate of all seeds' videos, with and without L_gate."""
    tests = _tests_of(seeds[0], "in-context", "out-of-context")
    if not tests:
        raise MissingData("there is neither an in-context nor an out-of-context test set")
    names = {"with L_gate (λ = 1.5)": "integral", "without L_gate (λ = 0)": "lambda-0"}
    return gate_figure(
        {
            title: {test: np.concatenate([s.predictions[name][test].gate for s in seeds]) for test in tests}
            for title, name in names.items()
        }
    )


def score_sweeps(seeds: Sequence[SeedResults]) -> Figure:
    """Score averaging at every ratio, the mean over the seeds."""
    tests = _tests_of(seeds[0], "in-context", "out-of-context")
    if not tests:
        raise MissingData("there is neither an in-context nor an out-of-context test set")
    sweeps = {
        test: np.mean(
            [score_sweep(s.predictions["appearance-only"][test], s.predictions["pose-only"][test]) for s in seeds],
            axis=0,
        )
        for test in tests
    }
    ours = {test: float(np.mean([is_correct(s.predictions["integral"][test]).mean() for s in seeds])) for test in tests}
    return sweep_figure(sweeps, ours, RATIOS)


def confusions(seeds: Sequence[SeedResults]) -> Figure:
    """What is taken for what, the mean over the seeds."""
    tests = _tests_of(seeds[0], "in-context", "out-of-context") or [seeds[0].tests[0].name]
    matrices = {
        (test, name): _mean_of_numbers(np.stack([confusion(s.predictions[name][test]) for s in seeds]))
        for test in tests
        for name in TRIO
    }
    return confusion_figure(matrices, seeds[0].predictions["integral"][tests[0]].classes)


def _mean_of_numbers(values: np.ndarray) -> np.ndarray:
    """The mean over the first axis of what is not NaN; NaN where all is."""
    is_number = ~np.isnan(values)
    count = is_number.sum(axis=0)
    total = np.where(is_number, values, 0).sum(axis=0)
    return np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0)


def _gallery(
    rights: tuple[bool, bool, bool], roles: tuple[str, ...], skip: int
) -> Callable[[Sequence[SeedResults]], Figure]:
    """Videos where exactly these of the two streams and integral are right, of the first role that has some."""
    pattern = dict(zip(TRIO, rights, strict=True))

    def draw(seeds: Sequence[SeedResults]) -> Figure:
        seed = seeds[0]
        for test in _tests_of(seed, *roles):
            if matches := examples(_trio(seed, test), pattern, GALLERY_VIDEOS, skip):
                return gallery_figure(matches, _reader(seed, test))
        answers = ", ".join(f"{name} {'right' if truth else 'wrong'}" for name, truth in pattern.items())
        more = " beside those of the figure before" if skip else ""
        raise MissingData(f"there is no video with {answers}{more}")

    return draw


_INSIDE = ("in-context", "ambiguous", "no-pose", "out-of-context")
_OUTSIDE = ("out-of-context", "in-context", "ambiguous", "no-pose")

FIGURES: dict[str, FigureRecipe] = {
    "figure1": FigureRecipe("Where the methods look", TRIO, _of_seeds(activation_examples)),
    "figure2": FigureRecipe("The whole network", (), _of_model(pipeline_figure)),
    "figure3": FigureRecipe("Pose-driven feature integration", (), _of_model(integration_figure)),
    "figure4": FigureRecipe("Distribution of the mean gate", ("integral", "lambda-0"), _of_seeds(gate_distributions)),
    "figure5": FigureRecipe("Score averaging at every ratio", TRIO, _of_seeds(score_sweeps)),
    "figure6": FigureRecipe("Confusion matrices", TRIO, _of_seeds(confusions)),
    "figure7": FigureRecipe(
        "The pose is wrong, integral right", TRIO, _of_seeds(_gallery((True, False, True), _INSIDE, 0))
    ),
    "figure8": FigureRecipe(
        "The pose is wrong, integral right: more", TRIO, _of_seeds(_gallery((True, False, True), _INSIDE, 4))
    ),
    "figure9": FigureRecipe(
        "The appearance is wrong, integral right", TRIO, _of_seeds(_gallery((False, True, True), _OUTSIDE, 0))
    ),
    "figure10": FigureRecipe(
        "The appearance is wrong, integral right: more", TRIO, _of_seeds(_gallery((False, True, True), _OUTSIDE, 4))
    ),
    "figure11": FigureRecipe(
        "Both streams are wrong, integral right", TRIO, _of_seeds(_gallery((False, False, True), _OUTSIDE, 0))
    ),
}
