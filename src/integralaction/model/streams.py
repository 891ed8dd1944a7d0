"""The two streams (paper, sections 3.1 and 3.2): clips in, one feature a frame out."""

from dataclasses import replace

import torch
from jaxtyping import Float, UInt8
from torch import Tensor, nn

from integralaction.config import IMAGENET_DEVIATION, IMAGENET_MEAN, ClipConfig, Colour, PoseConfig
from integralaction.model.backbones import Backbone
from integralaction.model.layers import Layer, convolution
from integralaction.model.pose_maps import best_persons, draw_heatmaps, draw_pafs, to_map_pixels, zero_missing_joints
from integralaction.model.tsm_resnet import TSMResNet
from integralaction.skeleton import skeleton_named

GAUSSIAN = 0.001  # what is new, and not from ImageNet, starts from this Gaussian (section 3.5)


class AppearanceStream(nn.Module):
    """RGB frames -> backbone -> global average pool -> F_A.

    Frames are scaled to 0..1 and normalised by ImageNet's mean and deviation, which the paper does not say and
    its ImageNet weights need; the released code leaves it out.

    Args:
        backbone: images of clips (B*T, 3, H, W) -> maps (B*T, C, h, w), with `channels`.
        frames: T, of a clip.
        mean, deviation: by which the backbone expects frames to be normalised.
    """

    def __init__(
        self,
        backbone: Backbone,
        frames: int,
        mean: Colour = IMAGENET_MEAN,
        deviation: Colour = IMAGENET_DEVIATION,
    ) -> None:
        super().__init__()
        self.frames, self.channels = frames, backbone.channels
        self.backbone = backbone
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation)[:, None, None], persistent=False)

    def forward(self, frames: UInt8[Tensor, "b t 3 h w"] | Float[Tensor, "b t 3 h w"]) -> Float[Tensor, "b t c"]:
        images = frames.flatten(0, 1)
        images = images.to(self.mean.dtype)
        images = images / 255 if frames.dtype == torch.uint8 else images
        images = (images - self.mean) / self.deviation
        maps = self.backbone(images.contiguous(memory_format=torch.channels_last))
        return maps.mean(dim=(2, 3)).unflatten(0, (-1, self.frames))

    def layers(self) -> tuple[Layer, ...]:
        """Its rows in Tables 13 and 14."""
        return (*_rows(self.backbone), POOL)


class PoseStream(nn.Module):
    """Poses -> pose maps -> front-end block -> TSM-ResNet without its stem -> global average pool -> F_P."""

    def __init__(self, config: PoseConfig, clip: ClipConfig) -> None:
        super().__init__()
        self.frames, self.size = clip.pose_frames, clip.map_size
        self.skeleton, self.input = skeleton_named(config.skeleton), config.input
        heatmaps = len(self.skeleton.joints) if self.input != "pafs" else 0
        pafs = 2 * len(self.skeleton.bones) if self.input != "heatmaps" else 0
        self.backbone = TSMResNet(config.backbone, clip.pose_frames, stem=False)
        conv = nn.Conv2d(heatmaps + pafs, self.backbone.stem_channels, 3, padding=1, bias=False)
        nn.init.normal_(conv.weight, std=GAUSSIAN)
        self.front_end = nn.Sequential(conv, nn.BatchNorm2d(self.backbone.stem_channels), nn.ReLU(inplace=True))
        self.channels = self.backbone.channels

    @torch.no_grad()
    def draw(
        self, joints: Float[Tensor, "b t p k 3"], height: int, width: int
    ) -> tuple[Float[Tensor, "b t k s s"] | None, Float[Tensor, "b t l2 s s"] | None]:
        """Heatmaps and part affinity fields of these poses, None where the stream does not see them.

        Args:
            joints: x, y in pixels of (height, width) frames, score.
        """
        with torch.autocast(joints.device.type, enabled=False):  # half precision would move joints between pixels
            placed = to_map_pixels(best_persons(zero_missing_joints(joints)), height, width, self.size)
            heatmaps = draw_heatmaps(placed, self.size) if self.input != "pafs" else None
            pafs = draw_pafs(placed, self.skeleton.bones, self.size) if self.input != "heatmaps" else None
        return heatmaps, pafs

    def forward(
        self, heatmaps: Float[Tensor, "b t k s s"] | None, pafs: Float[Tensor, "b t l2 s s"] | None
    ) -> Float[Tensor, "b t c"]:
        maps = torch.cat([m for m in (heatmaps, pafs) if m is not None], dim=2).flatten(0, 1)
        maps = self.front_end(maps.contiguous(memory_format=torch.channels_last))
        return self.backbone(maps).mean(dim=(2, 3)).unflatten(0, (-1, self.frames))

    def layers(self) -> tuple[Layer, ...]:
        """Its rows in Tables 13 and 14."""
        conv = self.front_end[0]
        assert isinstance(conv, nn.Conv2d)
        return (Layer("conv1", convolution(conv), "front_end"), *_rows(self.backbone), POOL)


POOL = Layer("pool", "global average pool")


def _rows(backbone: Backbone) -> list[Layer]:
    return [replace(row, module=f"backbone.{row.module}".rstrip(".")) for row in backbone.layers()]
