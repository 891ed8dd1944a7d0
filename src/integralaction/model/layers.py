"""How a part of the model tells what it consists of: for the paper's Tables 13 and 14 and its Figure 3."""

# ruff: noqa: RUF001 (the marks that the paper's tables use)

from dataclasses import dataclass
from typing import Literal

from torch import nn

Driver = Literal["pose", "appearance", "both"]


@dataclass(frozen=True)
class Layer:
    """One layer, or a row of them.

    Attributes:
        name: in a figure; of a stream, the name of its row in a table.
        text: in a table, where kernels are (T×S², C) and strides T×S²; empty: the name.
        module: the module, by its name in the part that tells, whose output is the row's size.
    """

    name: str
    text: str = ""
    module: str = ""

    def __str__(self) -> str:
        return self.text or self.name


@dataclass(frozen=True)
class IntegrationLayers:
    """What an integration consists of; empty where it has no such thing.

    Attributes:
        aggregation: how the two features become F.
        appearance, pose: the alignment of each, by modules called `align_appearance` and `align_pose`.
        gate: from what drives it to G.
        driver: which features the gate sees.
    """

    aggregation: Layer
    appearance: tuple[Layer, ...] = ()
    pose: tuple[Layer, ...] = ()
    gate: tuple[Layer, ...] = ()
    driver: Driver | None = None


LAYER_NORM = Layer("LayerNorm", "layer normalization")
BATCH_NORM = Layer("BatchNorm", "batch normalization")
RELU = Layer("ReLU")


def point(linear: nn.Linear) -> Layer:
    """A linear layer as the paper has it: a 1x1 convolution along time."""
    return Layer("1×1 conv", f"1×1², {linear.out_features}")


def convolution(conv: nn.Conv2d | nn.Conv3d) -> str:
    """A convolution over space, or over time and space, as tables write it."""
    kernel, stride = (f"{size[0] if len(size) == 3 else 1}×{size[-1]}²" for size in (conv.kernel_size, conv.stride))
    return f"{kernel}, {conv.out_channels}" + ("" if stride == "1×1²" else f", stride {stride}")
