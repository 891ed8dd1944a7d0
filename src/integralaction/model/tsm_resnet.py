"""The backbone of both streams: a ResNet whose residual blocks shift channels in time (TSM).

    input -> [conv1, bn1, relu, maxpool] -> layer1 .. layer4 -> feature maps
                    the stem                 the paper's res2 .. res5

Modules carry torchvision's names, so ImageNet weights load as they are.
"""

# ruff: noqa: RUF001 (the marks that the paper's tables use)

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from integralaction.config import ResNetConfig
from integralaction.model.layers import Layer, convolution


@dataclass(frozen=True)
class Shift:
    """How a clip's channels shift in time.

    Attributes:
        frames: T, the frames of a clip.
        part: one part in so many of the channels comes from the next frame, another from the one before (1/8 each in
            section 3.1; the released code has 1/4); 0: none.
        first: where the first part comes from; the released code has it the other way round.
    """

    frames: int
    part: int = 8
    first: Literal["next", "previous"] = "next"


def temporal_shift(x: Float[Tensor, "bt c h w"], shift: Shift) -> Float[Tensor, "bt c h w"]:
    """Move a part of the channels one frame back in time and one forward; the ends are filled with zeros."""
    clips = x.unflatten(0, (-1, shift.frames))
    fold = x.shape[1] // shift.part
    parts = slice(0, fold), slice(fold, 2 * fold)
    from_next, from_previous = parts if shift.first == "next" else parts[::-1]
    shifted = torch.zeros_like(clips)
    shifted[:, :-1, from_next] = clips[:, 1:, from_next]
    shifted[:, 1:, from_previous] = clips[:, :-1, from_previous]
    shifted[:, :, 2 * fold :] = clips[:, :, 2 * fold :]
    return shifted.flatten(0, 1)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut; ResNet-18 and 34. The shift lies inside the residual branch."""

    expansion: ClassVar[int] = 1

    def __init__(self, inputs: int, channels: int, stride: int, shift: Shift | None) -> None:
        super().__init__()
        self.shift = shift
        self.conv1 = nn.Conv2d(inputs, channels, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, channels, stride)

    def forward(self, x: Float[Tensor, "bt c h w"]) -> Tensor:
        y = x if self.shift is None else temporal_shift(x, self.shift)
        y = self.relu(self.bn1(self.conv1(y)))
        y = self.bn2(self.conv2(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut; ResNet-50 and 101. The shift lies inside the residual branch."""

    expansion: ClassVar[int] = 4

    def __init__(self, inputs: int, channels: int, stride: int, shift: Shift | None) -> None:
        super().__init__()
        self.shift = shift
        self.conv1 = nn.Conv2d(inputs, channels, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv3 = nn.Conv2d(channels, channels * 4, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels * 4)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, channels * 4, stride)

    def forward(self, x: Float[Tensor, "bt c h w"]) -> Tensor:
        y = x if self.shift is None else temporal_shift(x, self.shift)
        y = self.relu(self.bn1(self.conv1(y)))
        y = self.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return self.relu(y + (x if self.downsample is None else self.downsample(x)))


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Sequential | None:
    if stride == 1 and inputs == outputs:
        return None
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))


BLOCKS: dict[int, tuple[type[BasicBlock] | type[Bottleneck], tuple[int, int, int, int]]] = {
    18: (BasicBlock, (2, 2, 2, 2)),
    34: (BasicBlock, (3, 4, 6, 3)),
    50: (Bottleneck, (3, 4, 6, 3)),
    101: (Bottleneck, (3, 4, 23, 3)),
}


class TSMResNet(nn.Module):
    """A ResNet with temporal shift in every residual block, without its pooling and classifier.

    Args:
        config: its depth, its width, and how channels shift between frames.
        frames: of a clip.
        stem: False leaves out conv1 and the max pool: the input then has `stem_channels` channels at a quarter of
            the size (the pose stream, section 3.2).
    """

    def __init__(self, config: ResNetConfig, frames: int, stem: bool = True) -> None:
        super().__init__()
        block, counts = BLOCKS[config.depth]
        shift = Shift(frames, config.shift, config.shift_first)
        self.name = f"{'TSM-' if config.shift else ''}ResNet-{config.depth}"
        self.stem_channels = round(64 * config.width)
        if stem:
            self.conv1 = nn.Conv2d(3, self.stem_channels, 7, 2, padding=3, bias=False)
            self.bn1 = nn.BatchNorm2d(self.stem_channels)
            self.relu = nn.ReLU(inplace=True)
            self.maxpool = nn.MaxPool2d(3, 2, padding=1)
        self.has_stem = stem
        # TSM's rule: where a layer has 23 blocks or more, every second one shifts
        every = 2 if counts[2] >= 23 else 1
        layers = []
        inputs = self.stem_channels
        for number, count in enumerate(counts):
            channels = self.stem_channels * 2**number
            blocks = []
            for i in range(count):
                stride = 2 if i == 0 and number > 0 else 1
                shifts = shift.part > 0 and i % every == 0
                blocks.append(block(inputs, channels, stride, shift if shifts else None))
                inputs = channels * block.expansion
            layers.append(nn.Sequential(*blocks))
        self.layer1, self.layer2, self.layer3, self.layer4 = layers
        self.channels = inputs
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Float[Tensor, "bt c h w"]) -> Float[Tensor, "bt d h5 w5"]:
        if self.has_stem:
            x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        return self.layer4(self.layer3(self.layer2(self.layer1(x))))

    def layers(self) -> tuple[Layer, ...]:
        """Its rows in Tables 13 and 14."""
        rows = [Layer("conv1", convolution(self.conv1), "conv1")] if self.has_stem else []
        for number in range(1, 5):
            name = f"layer{number}"
            text = _residual(self.get_submodule(name))
            if self.has_stem and number == 1:
                text = f"1×{self.maxpool.kernel_size}² max pool,\nstride 1×{self.maxpool.stride}²\n{text}"
            rows.append(Layer(f"res{number + 1}", text, name))
        return tuple(rows)


def _residual(blocks: nn.Module) -> str:
    """Residual blocks, as many lines as one has convolutions, and one for its shift.

    A block's own stride is left out, as in the paper: the output size tells it.
    """
    children = list(blocks.children())
    convs = [child for child in children[0].children() if isinstance(child, nn.Conv2d)]
    lines = [f"1×{conv.kernel_size[0]}², {conv.out_channels}" for conv in convs]
    shifting = sum(child.shift is not None for child in children)
    if shifting:
        lines.insert(0, "TSM" if shifting == len(children) else f"TSM in {shifting} of {len(children)}")
    return "[" + "\n ".join(lines) + f"] ×{len(children)}"
