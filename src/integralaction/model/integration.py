"""Pose-driven feature integration (paper, section 3.3), and the other ways to put two features together.

    F_A -> alignment -> F'_A --- x G -----+
                                          +--> F
    F_P -> alignment -> F'_P --- x (1-G) -+
      \\--> gate -> G

Each integration takes F_A (B, T, C_A) and F_P (B, T, C_P) and gives an `Integrated`. Its `layers()` tell what it
consists of. A new one: its class here, its name in `INTEGRATIONS` and in `config.Integration`, its
variant in `recipes`.
"""

# ruff: noqa: RUF001 (the marks that the paper's tables use)

from typing import ClassVar, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from integralaction.config import Integration, IntegrationConfig
from integralaction.model.layers import BATCH_NORM, LAYER_NORM, RELU, Driver, IntegrationLayers, Layer, point
from integralaction.model.streams import GAUSSIAN


class Integrated(NamedTuple):
    """The integrated feature F, and the gate's logits (before the sigmoid) where there is a gate."""

    feature: Float[Tensor, "b t c"]
    gate_logits: Float[Tensor, "b t c"] | None


def new_linear(inputs: int, outputs: int) -> nn.Linear:
    """A 1x1 convolution along time, or a classifier, at the paper's start."""
    linear = nn.Linear(inputs, outputs)
    nn.init.normal_(linear.weight, std=GAUSSIAN)
    nn.init.zeros_(linear.bias)
    return linear


class Alignment(nn.Module):
    """TCB: 1x1 convolution, layer normalisation, ReLU."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.conv = new_linear(inputs, channels)
        self.norm = nn.LayerNorm(channels)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t c"]:
        return torch.relu(self.norm(self.conv(x)))

    def layers(self) -> tuple[Layer, ...]:
        return point(self.conv), LAYER_NORM, RELU


class BatchAlignment(nn.Module):
    """The released code's TCB: batch normalisation and ReLU, then layer normalisation where there is a gate."""

    def __init__(self, inputs: int, channels: int, layer_norm: bool) -> None:
        super().__init__()
        self.conv = new_linear(inputs, channels)
        self.batch_norm = nn.BatchNorm1d(channels)
        self.norm = nn.LayerNorm(channels) if layer_norm else nn.Identity()

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t c"]:
        return self.norm(torch.relu(over_frames(self.batch_norm, self.conv(x))))

    def layers(self) -> tuple[Layer, ...]:
        layers = (point(self.conv), BATCH_NORM, RELU)
        return (*layers, LAYER_NORM) if isinstance(self.norm, nn.LayerNorm) else layers


class Gate(nn.Module):
    """CGB without its sigmoid: 1x1 convolution, batch normalisation. Gives logits, so that the loss is stable.

    The released code has no batch normalisation there.
    """

    def __init__(self, inputs: int, channels: int, batch_norm: bool) -> None:
        super().__init__()
        self.conv = new_linear(inputs, channels)
        self.norm = nn.BatchNorm1d(channels) if batch_norm else nn.Identity()

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t c"]:
        return over_frames(self.norm, self.conv(x))

    def layers(self) -> tuple[Layer, ...]:
        """From what the gate sees to G."""
        norms = (BATCH_NORM,) if isinstance(self.norm, nn.BatchNorm1d) else ()
        return (point(self.conv), *norms, Layer("sigmoid"))


def over_frames(norm: nn.Module, x: Float[Tensor, "b t c"]) -> Float[Tensor, "b t c"]:
    """A normalisation whose statistics are taken over clips and frames alike."""
    return norm(x.flatten(0, 1)).view_as(x)


class PosePooling(nn.Module):
    """The released code's way from T' pose frames to T: a convolution over five frames whose stride is their ratio."""

    def __init__(self, channels: int, factor: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, 5, stride=factor, padding=2)
        nn.init.normal_(self.conv.weight, std=GAUSSIAN)
        self.conv.bias = nn.Parameter(torch.zeros(channels))
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Float[Tensor, "b u c"]) -> Float[Tensor, "b t c"]:
        return torch.relu(self.norm(self.conv(x.mT))).mT

    def layers(self) -> tuple[Layer, ...]:
        (kernel,), (stride,) = self.conv.kernel_size, self.conv.stride
        text = f"{kernel}×1², {self.conv.out_channels},\nstride {stride}×1²"
        return (Layer(f"{kernel}×1 conv,\nstride {stride}", text),)


class FeatureIntegration(nn.Module):
    """What each integration is: made from the channels of F_A and F_P, it gives an `Integrated` of both.

    Attributes:
        channels: C, of F.
    """

    channels: int

    def __init__(self, appearance: int, pose: int, config: IntegrationConfig) -> None:
        super().__init__()

    def layers(self) -> IntegrationLayers:
        """What it consists of."""
        raise NotImplementedError


ADDITION = Layer("+", "element-wise addition")


class GatedIntegration(FeatureIntegration):
    """F = G F'_A + (1-G) F'_P (equation 1). The paper's gate sees the pose; its ablations see more (Table 6)."""

    DRIVERS: ClassVar[dict[Integration, Driver]] = {
        "integral": "pose",
        "appearance-gate": "appearance",
        "both-gate": "both",
    }

    def __init__(self, appearance: int, pose: int, config: IntegrationConfig) -> None:
        super().__init__(appearance, pose, config)
        self.driver = driver = self.DRIVERS[config.method]
        self.align_appearance = _new_alignment(appearance, config)
        self.align_pose = _new_alignment(pose, config)
        inputs = {"pose": pose, "appearance": appearance, "both": appearance + pose}[driver]
        self.gate = Gate(inputs, config.channels, config.gate_norm)
        self.channels = config.channels

    def forward(self, appearance: Float[Tensor, "b t a"], pose: Float[Tensor, "b t p"]) -> Integrated:
        if self.driver == "pose":
            driving = pose
        elif self.driver == "appearance":
            driving = appearance
        else:
            driving = torch.cat([appearance, pose], dim=2)
        logits = self.gate(driving)
        gate = torch.sigmoid(logits)
        feature = gate * self.align_appearance(appearance) + (1 - gate) * self.align_pose(pose)
        return Integrated(feature, logits)

    def layers(self) -> IntegrationLayers:
        alignments = self.align_appearance.layers(), self.align_pose.layers()
        return IntegrationLayers(ADDITION, *alignments, self.gate.layers(), self.driver)


class GateFree(FeatureIntegration):
    """F = F'_A + F'_P ("ours without gating", Table 4)."""

    def __init__(self, appearance: int, pose: int, config: IntegrationConfig) -> None:
        super().__init__(appearance, pose, config)
        self.align_appearance = _new_alignment(appearance, config)
        self.align_pose = _new_alignment(pose, config)
        self.channels = config.channels

    def forward(self, appearance: Float[Tensor, "b t a"], pose: Float[Tensor, "b t p"]) -> Integrated:
        return Integrated(self.align_appearance(appearance) + self.align_pose(pose), None)

    def layers(self) -> IntegrationLayers:
        return IntegrationLayers(ADDITION, self.align_appearance.layers(), self.align_pose.layers())


class FeatureFuse(FeatureIntegration):
    """F_A and F_P side by side; the classifier is the one fully-connected layer ("feature fuse", Table 4)."""

    def __init__(self, appearance: int, pose: int, config: IntegrationConfig) -> None:
        super().__init__(appearance, pose, config)
        self.channels = appearance + pose

    def forward(self, appearance: Float[Tensor, "b t a"], pose: Float[Tensor, "b t p"]) -> Integrated:
        return Integrated(torch.cat([appearance, pose], dim=2), None)

    def layers(self) -> IntegrationLayers:
        return IntegrationLayers(Layer("concatenation"))


# score-average has none: it mixes answers
INTEGRATIONS: dict[Integration, type[FeatureIntegration]] = {
    "integral": GatedIntegration,
    "gate-free": GateFree,
    "appearance-gate": GatedIntegration,
    "both-gate": GatedIntegration,
    "feature-fuse": FeatureFuse,
}


def build_integration(config: IntegrationConfig, appearance: int, pose: int) -> FeatureIntegration | None:
    """The integration of the configured method; None for `score-average`, which mixes answers.

    Args:
        appearance, pose: channels of F_A and F_P.
    """
    kind = INTEGRATIONS.get(config.method)
    return None if kind is None else kind(appearance, pose, config)


def _new_alignment(inputs: int, config: IntegrationConfig) -> Alignment | BatchAlignment:
    if config.alignment == "layer":
        return Alignment(inputs, config.channels)
    return BatchAlignment(inputs, config.channels, layer_norm=config.alignment == "batch-layer")
