"""Settings as frozen dataclasses. The defaults are the paper's values; contradictions are refused in a sentence."""

import difflib
import math
from dataclasses import fields, is_dataclass
from typing import Any, Literal, TypeVar, get_args

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from integralaction.errors import Refused
from integralaction.settings import parse_yaml
from integralaction.skeleton import skeleton_named

Method = Literal[
    "integral",
    "gate-free",
    "appearance-gate",
    "both-gate",
    "feature-fuse",
    "score-average",
    "appearance-only",
    "pose-only",
]
METHODS: tuple[Method, ...] = get_args(Method)
TRAINED_INTEGRATIONS: tuple[Method, ...] = (
    "integral",
    "gate-free",
    "appearance-gate",
    "both-gate",
    "feature-fuse",
)
SINGLE_STREAMS: tuple[Method, ...] = ("appearance-only", "pose-only")  # stages 1 and 2

Depth = Literal[18, 34, 50, 101]
PoseInput = Literal["heatmaps", "pafs", "both"]
Precision = Literal["32-true", "16-mixed", "bf16-mixed"]
Head = Literal["keep", "new"]
Strategy = Literal["fixed", "fine-tuned", "joint"]
GatePrior = Literal["uniform", "trust", "outcome"]

# far beyond what anybody trains; a file that says more would take memory and minutes before anything is noticed
_MOST = {"channels": 2**14, "frames": 2**10, "stride": 2**16, "pose_frame_factor": 2**10, "size": 2**12, "shift": 2**12}
_MOST_CLASSES = 100_000
_MOST_PIXELS = 2**25  # of a clip: its frames times height and width
_MOST_PLACES = 2**22  # of a clip's pose maps: their frames times height and width

_STRICT = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_STRICT)
class ModelConfig:
    """One model: the streams, how they are integrated, and what a clip is.

    Attributes:
        classes: class names, in the order of the probabilities.
        method: how the streams become one answer; the paper's is `integral`.
        skeleton: joint set of the poses.
        appearance_depth, pose_depth: of the ResNets (paper: 50 and 18 in section 4.2, 18 and 18 elsewhere).
        width: factor on the ResNets' channels, a multiple of 1/8; 1.0 is the paper's.
        channels: C, the channels after feature alignment.
        frames: T, RGB frames in a clip.
        stride: τ, video frames from one RGB frame to the next.
        pose_frame_factor: T'/T; 4 gives the paper's T' = 32 with stride 2, average-pooled by 4 (section 4.2).
        size: height and width of the RGB input in pixels, a multiple of 32; the pose maps have a quarter of it.
        pose_input: what the pose stream sees.
        score_weight: share of the appearance stream in `score-average`.

    The rest is what other people's weights need; the defaults are the paper's.

    Attributes:
        shift: one part in so many of a block's channels comes from the next frame, another from the one before; 0:
            none.
        shift_first: where the first of the two parts comes from.
        normalised: frames are normalised by ImageNet's mean and deviation; else they are 0..1.
        alignment: `layer`: 1x1 convolution, LayerNorm, ReLU; `batch`: 1x1 convolution, BatchNorm, ReLU;
            `batch-layer`: likewise, then LayerNorm.
        gate_norm: batch normalisation in the gate.
        pose_pooling: how F_P comes from T' frames to T: `mean`, or a strided `convolution` in time over
            T' = (T-1) * pose_frame_factor + 1 frames.
        vote: what is averaged over the frames: their `probabilities`, or their `logits` before the softmax.
        stream_answers: the model keeps the streams' own classifiers, and tells what each stream alone says.
    """

    classes: tuple[str, ...] = ()
    method: Method = "integral"
    skeleton: str = "openpose18"
    appearance_depth: Depth = 18
    pose_depth: Depth = 18
    width: float = 1.0
    channels: int = 512
    frames: int = 8
    stride: int = 8
    pose_frame_factor: int = 1
    size: int = 224
    pose_input: PoseInput = "both"
    score_weight: float = 0.5
    shift: int = 8
    shift_first: Literal["next", "previous"] = "next"
    normalised: bool = True
    alignment: Literal["layer", "batch", "batch-layer"] = "layer"
    gate_norm: bool = True
    pose_pooling: Literal["mean", "convolution"] = "mean"
    vote: Literal["probabilities", "logits"] = "probabilities"
    stream_answers: bool = True

    def __post_init__(self) -> None:
        skeleton_named(self.skeleton)
        if len(set(self.classes)) != len(self.classes):
            raise Refused(f"Expected class names without repeats; found {list(self.classes)}.")
        if not 0 < self.width <= 4 or (self.width * 8) % 1:
            raise Refused(f"Expected a width that is a multiple of 1/8, at most 4; found {self.width}.")
        for name in ("channels", "frames", "stride", "pose_frame_factor"):
            if getattr(self, name) < 1:
                raise Refused(f"Expected {name} of at least 1; found {getattr(self, name)}.")
        for name, most in _MOST.items():
            if getattr(self, name) > most:
                raise Refused(f"Expected {name} of at most {most}; found {getattr(self, name)}.")
        if len(self.classes) > _MOST_CLASSES:
            raise Refused(f"Expected at most {_MOST_CLASSES} classes; found {len(self.classes)}.")
        if self.frames * self.size**2 > _MOST_PIXELS or self.pose_frames * self.map_size**2 > _MOST_PLACES:
            raise Refused(
                f"Expected clips of at most {_MOST_PIXELS} pixels and pose maps of at most {_MOST_PLACES} places; "
                f"found {self.frames} frames and {self.pose_frames} pose frames at a size of {self.size}."
            )
        if self.size < 32 or self.size % 32:
            raise Refused(f"Expected a size that is a multiple of 32 pixels; found {self.size}.")
        if self.stride % self.pose_frame_factor:
            raise Refused(
                f"Expected a stride that pose_frame_factor divides, so that pose frames fall on video frames; "
                f"found stride {self.stride} and pose_frame_factor {self.pose_frame_factor}."
            )
        if not 0 <= self.score_weight <= 1:
            raise Refused(f"Expected a score_weight from 0 to 1; found {self.score_weight}.")
        if self.shift < 0 or self.shift == 1:
            raise Refused(f"Expected a shift of one part in 2 or more of the channels, or 0; found {self.shift}.")
        if self.pose_pooling == "convolution" and self.pose_frame_factor == 1:
            raise Refused("Expected pose_pooling=mean where pose_frame_factor is 1; found convolution.")
        if not self.stream_answers and self.method in (*SINGLE_STREAMS, "score-average"):
            raise Refused(f"Expected stream_answers, of which {self.method} consists; found false.")

    @property
    def pose_frames(self) -> int:
        """T', pose frames in a clip: as many times T as `pose_frame_factor` says, or what the convolution needs."""
        if self.pose_pooling == "convolution":
            return (self.frames - 1) * self.pose_frame_factor + 1
        return self.frames * self.pose_frame_factor

    @property
    def span(self) -> int:
        """Video frames from the first to the last RGB frame of a clip: 57 for T = 8, τ = 8."""
        return (self.frames - 1) * self.stride + 1

    @property
    def map_size(self) -> int:
        """Height and width of the pose maps: a quarter of the RGB input's (section 3.2)."""
        return self.size // 4


@dataclass(frozen=True, config=_STRICT)
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


@dataclass(frozen=True, config=_STRICT)
class Recipe:
    """One experiment: a model and how its three stages are trained. The defaults are the paper's Kinetics50.

    Attributes:
        name: of the experiment.
        model: the model; its class names come from the data set.
        methods: what to train; the first is the run's own model. Integrations are trained in stage 3 on the same
            two streams, which are trained before; a single stream alone can be asked for too.
        appearance, pose, integration: the schedules of the three stages.
        strategy: of stage 3 (Table 8): with the streams `fixed`, as the paper chose; with both `fine-tuned`; or
            `joint`, everything at once from the start, without stages 1 and 2.
        gate_lambda: λ, weight of the gate regulariser (equation 3).
        gate_prior: what the gate is drawn to, frame by frame. `uniform`: to the pose, everywhere alike, as in the
            paper; `trust`: to the pose as far as the poses of that frame can be trusted, λ being the mean; `outcome`:
            to the pose where its stream alone is right, to the appearance where only that one is (section 4.3).
        batch_size: videos in a mini-batch, over all processes and accumulation steps.
        accumulate: steps whose gradients are summed into one mini-batch.
        momentum, weight_decay: of SGD.
        start: `imagenet`, `random` (He), or a folder with torchvision's ImageNet files under their own names.
        init: a model to start from instead, in whatever it has; a path, an embedded name or a hub id; empty: none.
            What a clip is and what its weights need come from it.
        head: of `init`: `keep` its classifiers, whose classes must then be the data set's, or start `new` ones.
        augment: random scaling, translation and flip in stages 1 and 2.
        augment_integration: likewise in stage 3; without it the streams' features are computed once.
        precision: of the training arithmetic.
        workers: loader processes.
        preload: decode every training video once and keep its frames in memory: for small data sets.
        max_failed: share of the training videos that may turn out unreadable; each is replaced and named.
        seed: of initialisation, order and augmentation.
    """

    name: str = "custom"
    model: ModelConfig = ModelConfig()
    methods: tuple[Method, ...] = ("integral",)
    appearance: Stage = Stage(epochs=40, lr=1e-2, milestones=(20, 30))
    pose: Stage = Stage(epochs=40, lr=1e-2, milestones=(20, 30))
    integration: Stage = Stage(epochs=20, lr=1e-3, milestones=(10, 15))
    strategy: Strategy = "fixed"
    gate_lambda: float = 1.5
    gate_prior: GatePrior = "uniform"
    batch_size: int = 32
    accumulate: int = 1
    momentum: float = 0.9
    weight_decay: float = 1e-4
    start: str = "imagenet"
    init: str = ""
    head: Head = "keep"
    augment: bool = True
    augment_integration: bool = True
    precision: Precision = "32-true"
    workers: int = 4
    preload: bool = False
    max_failed: float = 0.05
    seed: int = 0

    def __post_init__(self) -> None:
        known = (*TRAINED_INTEGRATIONS, *SINGLE_STREAMS)
        if not self.methods or not set(self.methods) <= set(known):
            raise Refused(
                f"Expected one or more methods of {', '.join(known)} (score-average comes with both streams); "
                f"found {list(self.methods)}."
            )
        if len(set(self.methods)) != len(self.methods):
            raise Refused(f"Expected each method once; found {list(self.methods)}.")
        if self.strategy != "fixed" and (len(self.methods) > 1 or not self.integrations):
            raise Refused(
                f"Expected one method of {', '.join(TRAINED_INTEGRATIONS)} with strategy={self.strategy}, which has "
                f"streams of its own; found {list(self.methods)}."
            )
        if self.gate_prior == "outcome" and self.strategy != "fixed":
            raise Refused(
                "Expected strategy=fixed with gate_prior=outcome, which asks what each stream alone says; found "
                f"strategy={self.strategy}."
            )
        if self.gate_prior == "outcome" and not self.model.stream_answers:
            raise Refused(
                "Expected model.stream_answers with gate_prior=outcome, which asks what each stream alone says; found "
                "false."
            )
        for name in ("gate_lambda", "momentum", "weight_decay"):
            if not 0 <= getattr(self, name) < math.inf:
                raise Refused(f"Expected {name} of at least 0; found {getattr(self, name)}.")
        if self.accumulate < 1 or self.batch_size < 1 or self.batch_size % self.accumulate:
            raise Refused(
                f"Expected a batch_size that accumulate divides; found {self.batch_size} and {self.accumulate}."
            )
        if not 0 <= self.max_failed <= 1:
            raise Refused(f"Expected a max_failed from 0 to 1; found {self.max_failed}.")
        if self.workers < 0 or self.seed < 0:
            raise Refused(f"Expected workers and seed of at least 0; found {self.workers} and {self.seed}.")
        if self.model.method not in ("integral", self.methods[0]):
            raise Refused(
                f"Expected the method to train in methods, for example methods=[{self.model.method}]; "
                f"found model.method={self.model.method} and methods={list(self.methods)}."
            )

    @property
    def streams(self) -> tuple[Method, ...]:
        """The single streams to train: both where an integration starts from them, else those that `methods` names."""
        if self.strategy == "joint":
            return ()
        return SINGLE_STREAMS if self.integrations else tuple(m for m in SINGLE_STREAMS if m in self.methods)

    @property
    def integrations(self) -> tuple[Method, ...]:
        """The methods of stage 3."""
        return tuple(method for method in self.methods if method in TRAINED_INTEGRATIONS)


T = TypeVar("T")


def to_dict(settings: Any) -> dict[str, Any]:
    """Settings as plain lists, dicts and numbers, for YAML and JSON."""
    return TypeAdapter(type(settings)).dump_python(settings, mode="json")


def from_dict(kind: type[T], values: Any, where: str) -> T:
    """Settings from plain values.

    Args:
        kind: the dataclass.
        values: what `to_dict` gave, or what a user wrote.
        where: the values' origin, for the error.

    Raises:
        ValueError: an unknown name (with the nearest known one), a wrong type, a contradiction; one sentence.
    """
    if not isinstance(values, dict):
        raise Refused(f"Expected settings as `name: value` in {where}; found {values!r}.")
    if name := _true_for_a_number(kind, values):
        raise Refused(f"{where}: Expected a number for {name}; found true or false.")
    try:
        return TypeAdapter(kind).validate_python(values)
    except ValidationError as error:
        raise Refused(f"{where}: {_sentence(kind, error)}") from error


def changed(settings: T, where: str, **values: Any) -> T:
    """Settings with other values, checked.

    Args:
        where: the values' origin, for the error.

    Raises:
        ValueError: as for `from_dict`.
    """
    return from_dict(type(settings), {**{f.name: getattr(settings, f.name) for f in fields(settings)}, **values}, where)  # ty: ignore[invalid-argument-type]


def override(settings: T, assignments: list[str]) -> T:
    """Settings with `name=value` or `part.name=value` assignments applied; values are read as YAML.

    Raises:
        ValueError: an assignment without `=`, or what `from_dict` refuses.
    """
    values = to_dict(settings)
    for assignment in assignments:
        path, equals, text = assignment.partition("=")
        if not equals:
            raise Refused(f"Expected settings as name=value, for example seed=1; found {assignment!r}.")
        *parents, name = path.split(".")
        target = values
        for parent in parents:
            if not isinstance(target.get(parent), dict):
                raise Refused(f"Expected a group of settings in {assignment!r}; {parent!r} is none.")
            target = target[parent]
        target[name] = parse_yaml(text, repr(assignment))
    return from_dict(type(settings), values, "settings")


def _sentence(kind: type, error: ValidationError) -> str:
    """The first problem of a pydantic error, as one sentence."""
    # an unknown name first: it is often what a missing one was meant to be
    problem = min(error.errors(), key=lambda e: e["type"] not in ("unexpected_keyword_argument", "extra_forbidden"))
    path = ".".join(str(part) for part in problem["loc"])
    if problem["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        nearest = difflib.get_close_matches(path, _names(kind), n=1)
        hint = f"; did you mean {nearest[0]!r}?" if nearest else "."
        return f"found a setting {path!r} that does not exist{hint}"
    message = problem["msg"].removeprefix("Value error, ")
    if problem["type"] == "value_error":
        return message
    return f"{path or kind.__name__}: {message}; found {problem['input']!r}."


def _true_for_a_number(kind: Any, values: dict[str, Any], prefix: str = "") -> str:
    """The name of a number that is given as true or false, which would be read as 1 or 0."""
    for f in fields(kind):
        value = values.get(f.name)
        if f.type in (int, float) and isinstance(value, bool):
            return prefix + f.name
        is_group = is_dataclass(f.type) and isinstance(value, dict)
        if is_group and (name := _true_for_a_number(f.type, value, f"{prefix}{f.name}.")):
            return name
    return ""


def _names(kind: Any, prefix: str = "") -> list[str]:
    names = []
    for f in fields(kind):
        names.append(prefix + f.name)
        if is_dataclass(f.type):
            names.extend(_names(f.type, f"{prefix}{f.name}."))
    return names
