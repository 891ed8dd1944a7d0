"""Pose-driven feature integration (paper, section 3.3), and the other ways to put two features together.

    F_A -> alignment -> F'_A --- x G -----+
                                          +--> F
    F_P -> alignment -> F'_P --- x (1-G) -+
      \\--> gate -> G

Each integration takes F_A (B, T, C_A) and F_P (B, T, C_P) and gives an `Integrated`.
"""

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from integralaction.config import Method
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


class Gate(nn.Module):
    """CGB without its sigmoid: 1x1 convolution, batch normalisation. Gives logits, so that the loss is stable."""

    def __init__(self, inputs: int, channels: int) -> None:
        super().__init__()
        self.conv = new_linear(inputs, channels)
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t c"]:
        return self.norm(self.conv(x).flatten(0, 1)).view(*x.shape[:2], -1)


class GatedIntegration(nn.Module):
    """F = G F'_A + (1-G) F'_P (equation 1). The paper's gate sees the pose; its ablations see more (Table 6)."""

    def __init__(
        self, appearance: int, pose: int, channels: int, driver: Literal["pose", "appearance", "both"]
    ) -> None:
        super().__init__()
        self.driver = driver
        self.align_appearance = Alignment(appearance, channels)
        self.align_pose = Alignment(pose, channels)
        self.gate = Gate({"pose": pose, "appearance": appearance, "both": appearance + pose}[driver], channels)
        self.channels = channels

    def forward(self, appearance: Float[Tensor, "b t a"], pose: Float[Tensor, "b t p"]) -> Integrated:
        if self.driver == "pose":
            seen = pose
        elif self.driver == "appearance":
            seen = appearance
        else:
            seen = torch.cat([appearance, pose], dim=2)
        logits = self.gate(seen)
        gate = torch.sigmoid(logits)
        feature = gate * self.align_appearance(appearance) + (1 - gate) * self.align_pose(pose)
        return Integrated(feature, logits)


class GateFree(nn.Module):
    """F = F'_A + F'_P ("ours without gating", Table 4)."""

    def __init__(self, appearance: int, pose: int, channels: int) -> None:
        super().__init__()
        self.align_appearance = Alignment(appearance, channels)
        self.align_pose = Alignment(pose, channels)
        self.channels = channels

    def forward(self, appearance: Float[Tensor, "b t a"], pose: Float[Tensor, "b t p"]) -> Integrated:
        return Integrated(self.align_appearance(appearance) + self.align_pose(pose), None)


class FeatureFuse(nn.Module):
    """F_A and F_P side by side; the classifier is the one fully-connected layer ("feature fuse", Table 4)."""

    def __init__(self, appearance: int, pose: int) -> None:
        super().__init__()
        self.channels = appearance + pose

    def forward(self, appearance: Float[Tensor, "b t a"], pose: Float[Tensor, "b t p"]) -> Integrated:
        return Integrated(torch.cat([appearance, pose], dim=2), None)


Integration = GatedIntegration | GateFree | FeatureFuse


def build_integration(method: Method, appearance: int, pose: int, channels: int) -> Integration | None:
    """The integration of that method; None for single streams and for `score-average`, which mixes answers.

    Args:
        appearance, pose: channels of F_A and F_P; channels: C.
    """
    if method == "integral":
        return GatedIntegration(appearance, pose, channels, driver="pose")
    if method == "appearance-gate":
        return GatedIntegration(appearance, pose, channels, driver="appearance")
    if method == "both-gate":
        return GatedIntegration(appearance, pose, channels, driver="both")
    if method == "gate-free":
        return GateFree(appearance, pose, channels)
    if method == "feature-fuse":
        return FeatureFuse(appearance, pose)
    return None
