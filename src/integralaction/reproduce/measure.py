"""Trains and tests what tables, figures and claims need: each variant of a recipe once a seed.

OUT/data/<recipe>-seed<k>/      the embedded benchmark, where no data set is named: each seed has its own videos
OUT/runs/<recipe>-<variant>-seed<k>-<key>/      a run; its key is a digest of its settings and its data
OUT/stages/                     stages that runs have in common, trained once

Everything that is there is used again, so that a call that was stopped goes on, and a table after another one costs
what is new in it.
"""

import hashlib
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from integralaction.config import Method
from integralaction.data.index import Index, read_index
from integralaction.data.poses import PoseStore
from integralaction.errors import Refused
from integralaction.mime.generate import generate
from integralaction.mime.settings import MimeSettings
from integralaction.recipe import Recipe
from integralaction.recipes import VARIANTS, method_of, variant_of
from integralaction.settings import to_dict
from integralaction.testing.evaluate import NOT_TESTED, evaluate_together
from integralaction.testing.predictions import (
    RELEASED,
    Predictions,
    digest,
    protocols,
    read_predictions,
    results_name,
    streams_digest,
)
from integralaction.training.run import Run
from integralaction.training.stages import train

BASELINES: tuple[Method, ...] = ("appearance-only", "pose-only", "score-average")  # come with the variant `integral`
MIME = {"mime-demo": MimeSettings(), "mime-large": MimeSettings(size=256, fps=30.0)}  # rendered for these recipes
_ROLES = {"test": "in-context"}  # the test split of a data set without mimes shows actions where they belong


@dataclass(frozen=True)
class DataPart:
    """A data set folder and which of its splits to test on."""

    root: Path
    splits: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> "DataPart":
        """From `FOLDER`, all of whose splits but train and val are meant, or `FOLDER:SPLIT`.

        Raises:
            FileNotFoundError: there is no such data set folder.
            ValueError: it has no such split, or none to test on.
        """
        folder, _, split = text.rpartition(":")
        if Path(text).is_dir() or not folder:  # no split is named, or the colon is the folder's own
            folder, split = text, ""
        root = Path(folder)
        index = read_index(root)
        splits = (split,) if split else tuple(name for name in index.splits if name not in NOT_TESTED)
        if not splits:
            raise Refused(f"Expected a split to test on in {root}; it has {', '.join(index.splits)}. Name one.")
        index.split(*splits)
        return cls(root, splits)


@dataclass(frozen=True)
class TestSet:
    """Videos that are a column of the tables.

    Attributes:
        name: its split, after the data set's name where there are several.
        role: `in-context`, `out-of-context`, ...: the split, whose words the claims use.
        is_released: whether it is the part that the released code's protocol keeps.
    """

    __test__ = False  # pytest takes the name for a test

    name: str
    role: str
    is_released: bool


class MissingData(Exception):
    """The data at hand cannot show it; says why."""


@dataclass(frozen=True)
class SeedResults:
    """What was trained and tested with one seed.

    Attributes:
        seed: of the training, and of the embedded benchmark's videos.
        data: the data set that was trained on.
        tests: the test sets, in order.
        runs: by variant.
        roots: by name of the test set, its data set folder.
        predictions: by method or variant (`integral`, `lambda-5`, `appearance-only`, ...) and name of the test set.
    """

    seed: int
    data: Index
    tests: tuple[TestSet, ...]
    roots: dict[str, Path]
    runs: dict[str, Run]
    predictions: dict[str, dict[str, Predictions]]

    def of_role(self, name: str, role: str) -> Predictions:
        """The predictions of a method or variant on the first test set of that role.

        Raises:
            MissingData: there is none.
        """
        for test in self.tests:
            if test.role == role and not test.is_released:
                return self.predictions[name][test.name]
        raise MissingData(f"there is no {role} test set")


def measure_seed(
    base: Recipe, names: Iterable[str], data: Sequence[DataPart], out: Path, seed: int, device: torch.device
) -> SeedResults:
    """Train and test one seed.

    Args:
        base: the recipe whose variants are asked for.
        names: variants and baselines.
        data: the first is trained on, all are tested on; empty: the embedded benchmark is rendered.
        out: the folder that keeps everything.
        seed: of everything.
        device: where to train and test.

    Raises:
        ValueError: no data set is named for a recipe that the embedded benchmark is not for; as `train` and `evaluate`.
    """
    data = data or (_render(base, out, seed),)
    indices = [read_index(part.root) for part in data]
    variants = [name for name in VARIANTS if name in {_variant(name) for name in names}]
    runs = {}
    for number, variant in enumerate(variants):
        recipe = replace(variant_of(base, variant), seed=seed)
        root = out / "runs" / f"{recipe.name.replace('/', '-')}-seed{seed}-{_key(recipe, indices[0])}"
        print(f"[{number + 1}/{len(variants)}] seed {seed}: {variant}", file=sys.stderr, flush=True)
        runs[variant] = train(recipe, indices[0].root, root, device.type, stage_folder=out / "stages")
    for part, index in zip(data, indices, strict=True):
        _test(list(runs.values()), index, part.splits, device)
    tests: list[TestSet] = []
    roots: dict[str, Path] = {}
    predictions: dict[str, dict[str, Predictions]] = {name: {} for name in names}
    for part, index in zip(data, indices, strict=True):
        by_name = {
            name: read_predictions(runs[_variant(name)], index, _method(name), part.splits) for name in predictions
        }
        for protocol in protocols(next(iter(by_name.values())).videos):
            split, is_released = protocol.removesuffix(RELEASED), protocol.endswith(RELEASED)
            test_name = protocol if len(data) == 1 else f"{index.name} {protocol}"
            tests.append(TestSet(test_name, _ROLES.get(split, split), is_released))
            roots[test_name] = part.root
            for name, of_name in by_name.items():
                predictions[name][test_name] = of_name.of_split(protocol)
    return SeedResults(seed, indices[0], tuple(tests), roots, runs, predictions)


def _render(base: Recipe, out: Path, seed: int) -> DataPart:
    if base.name not in MIME:
        raise Refused(
            f"Expected --data for the recipe {base.name}; found none. The embedded benchmark is rendered for "
            f"{', '.join(MIME)} alone."
        )
    root = out / "data" / f"{base.name}-seed{seed}"
    index = generate(root, replace(MIME[base.name], seed=seed), os.cpu_count() or 1)
    return DataPart(root, tuple(name for name in index.splits if name not in NOT_TESTED))


def _variant(name: str) -> str:
    """The variant with which a baseline comes, or the variant itself."""
    return "integral" if name in BASELINES else name


def _method(name: str) -> Method:
    """The method of a baseline or variant."""
    return next((method for method in BASELINES if method == name), None) or method_of(name)


def _key(recipe: Recipe, index: Index) -> str:
    """A digest of what a training follows from, for the name of its folder."""
    settings = repr((to_dict(recipe), index.classes, digest(index.split("train"), PoseStore.of(index.root).state)))
    return hashlib.sha256(settings.encode()).hexdigest()[:8]


def _test(runs: list[Run], index: Index, splits: tuple[str, ...], device: torch.device) -> None:
    """Test the runs that are not tested yet, those with the same streams together."""
    by_streams: dict[str, list[Run]] = {}
    for run in runs:
        if not _is_tested(run, index, splits):
            by_streams.setdefault(streams_digest(run), []).append(run)
    for group in by_streams.values():
        evaluate_together(group, index, splits, device)


def _is_tested(run: Run, index: Index, splits: tuple[str, ...]) -> bool:
    """Whether predictions and tables of these videos are there, and nothing is left of a test that was stopped."""
    name = results_name(run, index)
    parts = (run.root / "predictions" / name).glob("*/part-*")
    if any(parts) or not (run.root / "results" / f"{name}.md").is_file():
        return False
    try:
        for method in run.methods:
            read_predictions(run, index, method, splits)
    except (FileNotFoundError, ValueError):  # none, or of other videos
        return False
    return True
