"""An experiment as a value: a model, and how its three stages are trained. The defaults are the paper's Kinetics50."""

import math
from typing import ClassVar, Literal

from pydantic.dataclasses import dataclass

from integralaction.config import SINGLE_STREAMS, STRICT, TRAINED_INTEGRATIONS, Method, ModelConfig
from integralaction.errors import Refused
from integralaction.format1 import RECIPE_NAMES

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]
Head = Literal["keep", "new"]
Strategy = Literal["fixed", "fine-tuned", "joint"]
GatePrior = Literal["uniform", "trust", "outcome"]


def _check_least_0(name: str, value: float) -> None:
    if not 0 <= value < math.inf:
        raise Refused(f"Expected {name} of at least 0; found {value}.")


@dataclass(frozen=True, config=STRICT)
class Stage:
    """The schedule of one of the three trainings (section 3.5): SGD whose rate falls tenfold at each milestone.

    Attributes:
        epochs: how many; 0 leaves the stage out (its part keeps its initial weights).
        lr: initial learning rate.
        milestones: epochs at which the rate falls by a factor of 10.
        warmup: optimiser steps over which the rate rises linearly from 0; the paper has none.
    """

    epochs: int
    lr: float
    milestones: tuple[int, ...] = ()
    warmup: int = 0

    def __post_init__(self) -> None:
        if self.epochs < 0 or not 0 < self.lr < math.inf or self.warmup < 0:
            raise Refused(
                f"Expected epochs and warmup of at least 0 and a positive lr; found {self.epochs}, {self.warmup} "
                f"and {self.lr}."
            )
        if list(self.milestones) != sorted(set(self.milestones)):
            raise Refused(f"Expected ascending milestones; found {list(self.milestones)}.")


@dataclass(frozen=True, config=STRICT)
class Stages:
    """The three trainings, and what is particular to the third.

    Attributes:
        appearance, pose, integration: their schedules.
        strategy: of stage 3 (Table 8): with the streams `fixed`, as the paper chose; with both `fine-tuned`; or
            `joint`, everything at once from the start, without stages 1 and 2.
        gate_lambda: λ, weight of the gate regulariser (equation 3).
        gate_prior: what the gate is drawn to, frame by frame. `uniform`: to the pose, everywhere alike, as in the
            paper; `trust`: to the pose as far as the poses of that frame can be trusted, λ being the mean; `outcome`:
            to the pose where its stream alone is right, to the appearance where only that one is (section 4.3).
    """

    appearance: Stage = Stage(epochs=40, lr=1e-2, milestones=(20, 30))
    pose: Stage = Stage(epochs=40, lr=1e-2, milestones=(20, 30))
    integration: Stage = Stage(epochs=20, lr=1e-3, milestones=(10, 15))
    strategy: Strategy = "fixed"
    gate_lambda: float = 1.5
    gate_prior: GatePrior = "uniform"

    def __post_init__(self) -> None:
        if self.gate_prior == "outcome" and self.strategy != "fixed":
            raise Refused(
                "Expected strategy=fixed with gate_prior=outcome, which asks what each stream alone says; found "
                f"strategy={self.strategy}."
            )
        _check_least_0("gate_lambda", self.gate_lambda)

    def of(self, method: Method) -> Stage:
        """The schedule of the training of that method."""
        return {"appearance-only": self.appearance, "pose-only": self.pose}.get(method, self.integration)


@dataclass(frozen=True, config=STRICT)
class Optimizer:
    """SGD, its mini-batches and its arithmetic.

    Attributes:
        batch_size: videos in a mini-batch, over all processes and accumulation steps.
        accumulate: steps whose gradients are summed into one mini-batch.
        momentum, weight_decay: of SGD.
        precision: of the training arithmetic.
    """

    batch_size: int = 32
    accumulate: int = 1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    precision: Precision = "32-true"

    def __post_init__(self) -> None:
        _check_least_0("momentum", self.momentum)
        _check_least_0("weight_decay", self.weight_decay)
        if self.accumulate < 1 or self.batch_size < 1 or self.batch_size % self.accumulate:
            raise Refused(
                f"Expected a batch_size that accumulate divides; found {self.batch_size} and {self.accumulate}."
            )


@dataclass(frozen=True, config=STRICT)
class Start:
    """The weights that a training starts from.

    Attributes:
        weights: `imagenet`, `random` (He), or a folder with torchvision's ImageNet files under their own names.
        init: a model to start from instead, in whatever it has; a path, an embedded name or a hub id; empty: none.
            The settings of a clip and those that its weights need come from it.
        head: of `init`: `keep` its classifiers, whose classes must then be the data set's, or start `new` ones.
    """

    weights: str = "imagenet"
    init: str = ""
    head: Head = "keep"


@dataclass(frozen=True, config=STRICT)
class Loading:
    """How training clips are read.

    Attributes:
        augment: random scaling, translation and flip in stages 1 and 2.
        augment_integration: likewise in stage 3; without it the streams' features are computed once.
        workers: loader processes.
        preload: decode every training video once and keep its frames in memory: for small data sets.
        max_failed: share of the training videos that may turn out unreadable; each is replaced and named.
    """

    augment: bool = True
    augment_integration: bool = True
    workers: int = 4
    preload: bool = False
    max_failed: float = 0.05

    def __post_init__(self) -> None:
        if not 0 <= self.max_failed <= 1:
            raise Refused(f"Expected a max_failed from 0 to 1; found {self.max_failed}.")
        if self.workers < 0:
            raise Refused(f"Expected workers of at least 0; found {self.workers}.")


@dataclass(frozen=True, config=STRICT)
class Recipe:
    """One experiment.

    Attributes:
        name: of the experiment.
        model: both streams and their integration; the class names come from the data set.
        methods: what to train; the first is the run's own model. Integrations are trained in stage 3 on the same
            two streams, which are trained before; a single stream alone can be asked for too.
        stages: their schedules.
        optimizer, start, loading: the same in all stages.
        seed: of initialisation, order and augmentation.
    """

    FORMER_NAMES: ClassVar[dict[str, str]] = RECIPE_NAMES

    name: str = "custom"
    model: ModelConfig = ModelConfig()
    methods: tuple[Method, ...] = ("integral",)
    stages: Stages = Stages()
    optimizer: Optimizer = Optimizer()
    start: Start = Start()
    loading: Loading = Loading()
    seed: int = 0

    def __post_init__(self) -> None:
        trainable = (*TRAINED_INTEGRATIONS, *SINGLE_STREAMS)
        if not self.methods or not set(self.methods) <= set(trainable):
            raise Refused(
                f"Expected one or more methods of {', '.join(trainable)} (score-average comes with both streams); "
                f"found {list(self.methods)}."
            )
        if len(set(self.methods)) != len(self.methods):
            raise Refused(f"Expected each method once; found {list(self.methods)}.")
        strategy, integration = self.stages.strategy, self.model.integration
        if strategy != "fixed" and (len(self.methods) > 1 or not self.integrations):
            raise Refused(
                f"Expected one method of {', '.join(TRAINED_INTEGRATIONS)} with strategy={strategy}, which has "
                f"streams of its own; found {list(self.methods)}."
            )
        if self.stages.gate_prior == "outcome" and (integration is None or not integration.stream_answers):
            raise Refused(
                "Expected model.integration.stream_answers with gate_prior=outcome, which asks what each stream alone "
                "says; found false."
            )
        if self.seed < 0:
            raise Refused(f"Expected a seed of at least 0; found {self.seed}.")
        if integration is not None and integration.method not in ("integral", self.methods[0]):
            raise Refused(
                f"Expected the method to train in methods, for example methods=[{integration.method}]; "
                f"found model.integration.method={integration.method} and methods={list(self.methods)}."
            )
        for method in self.methods:
            self.model.of_method(method)  # its streams are there

    @property
    def streams(self) -> tuple[Method, ...]:
        """The single streams to train: both where an integration starts from them, else those that `methods` names."""
        if self.stages.strategy == "joint":
            return ()
        return SINGLE_STREAMS if self.integrations else tuple(m for m in SINGLE_STREAMS if m in self.methods)

    @property
    def integrations(self) -> tuple[Method, ...]:
        """The methods of stage 3."""
        return tuple(method for method in self.methods if method in TRAINED_INTEGRATIONS)
