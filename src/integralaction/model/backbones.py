"""What looks at the frames: the paper's TSM-ResNet, or a transformer of Hugging Face's library.

Both keep one contract: images of clips (B*T, 3, H, W) -> maps (B*T, C, h, w), and `channels`; a `name` and `layers()`
are for tables and figures. A new one: its settings in `config.Backbone`, its class here, a line in `build_backbone`.
"""

# ruff: noqa: RUF001 (the marks that the paper's tables use)

from dataclasses import dataclass, fields
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from integralaction.config import ClipConfig, EncoderConfig, ResNetConfig
from integralaction.errors import MissingExtra, Refused
from integralaction.model.layers import Layer, convolution
from integralaction.model.tsm_resnet import TSMResNet


@dataclass(frozen=True)
class _Kind:
    """What is particular to one of the encoders.

    Attributes:
        name: as it is written.
        of_clip: its settings that must be the clip's own, by the field of `ClipConfig`.
        unused: the part that is there for its own pre-training or answer; without it every weight is used.
        options: of its forward pass.
    """

    name: str
    of_clip: dict[str, str]
    unused: str
    options: dict[str, bool]


_KINDS = {
    "videomae": _Kind("VideoMAE", {"image_size": "size", "num_frames": "frames"}, "", {}),
    "vjepa2": _Kind("V-JEPA 2", {"crop_size": "size"}, "predictor", {"skip_predictor": True}),
    "dinov2": _Kind("DINOv2", {}, "embeddings.mask_token", {}),
    "dinov3_vit": _Kind("DINOv3", {}, "embeddings.mask_token", {}),
    "vit": _Kind("ViT", {}, "pooler", {"interpolate_pos_encoding": True}),
}
_MOST_TOKENS = 2**16  # of a clip


class Encoder(nn.Module):
    """A transformer, whose tokens are laid on their grid; class and register tokens are dropped.

    One that looks at clips merges the frames of a tubelet: each of them has the tubelet's maps.
    """

    def __init__(self, config: EncoderConfig, clip: ClipConfig) -> None:
        super().__init__()
        try:
            from transformers import AutoConfig, AutoModel, PretrainedConfig
        except ImportError as error:
            raise MissingExtra(
                "Expected transformers for a backbone that is an encoder; it is not installed. "
                "Run: pip install 'integralaction[transformers]'."
            ) from error
        kind = _KINDS[config.settings["model_type"]]
        try:
            sizes = AutoConfig.for_model(**config.settings)
            names = {f.name for f in fields(sizes)} - {f.name for f in fields(PretrainedConfig)}
            _check(kind, sizes, names, config, clip)
            self.network = AutoModel.from_config(sizes)
        except Refused:
            raise
        except Exception as error:  # whatever transformers says of settings that contradict each other
            raise Refused(
                f"Expected settings of which a {kind.name} can be built; {' '.join(str(error).split())}"
            ) from error
        if kind.unused:
            owner, _, name = kind.unused.rpartition(".")
            setattr(self.network.get_submodule(owner), name, None)
        self.name, self.options = kind.name, kind.options
        self.is_temporal, self.frames, self.size = config.is_temporal, clip.frames, clip.size
        self.channels: int = sizes.hidden_size
        self.depth: int = sizes.num_hidden_layers
        self.side: int = clip.size // sizes.patch_size
        self.tubelet: int = sizes.tubelet_size if config.is_temporal else 1

    def forward(self, images: Float[Tensor, "bt 3 size size"]) -> Float[Tensor, "bt c side side"]:
        if images.shape[-2:] != (self.size, self.size):
            raise Refused(f"Expected frames of {self.size} x {self.size} pixels; found {tuple(images.shape[-2:])}.")
        inputs = images.unflatten(0, (-1, self.frames)) if self.is_temporal else images
        tokens = self.network(inputs, **self.options).last_hidden_state
        places = self.side**2 * (self.frames // self.tubelet if self.is_temporal else 1)
        # class and register tokens come first
        maps = tokens[:, -places:].reshape(-1, self.side, self.side, self.channels)
        return maps.repeat_interleave(self.tubelet, dim=0).permute(0, 3, 1, 2)

    def layers(self) -> tuple[Layer, ...]:
        """Its rows in Tables 13 and 14."""
        name, patches = next((n, m) for n, m in self.named_modules() if isinstance(m, nn.Conv2d | nn.Conv3d))
        blocks = f"[self-attention\n MLP, {self.channels}] ×{self.depth}"
        return Layer("patches", convolution(patches), name), Layer("blocks", blocks)


Backbone = TSMResNet | Encoder


def build_backbone(config: ResNetConfig | EncoderConfig, clip: ClipConfig) -> Backbone:
    """A backbone with random weights; nothing is fetched.

    Raises:
        ModuleNotFoundError: an encoder without the extra `transformers`.
        ValueError: the settings of an encoder are not its own, or do not fit the clip.
    """
    return Encoder(config, clip) if isinstance(config, EncoderConfig) else TSMResNet(config, clip.frames)


def _check(kind: _Kind, sizes: Any, names: set[str], config: EncoderConfig, clip: ClipConfig) -> None:
    """Refuse settings that are not the encoder's own, or do not fit the clip, before anything is built."""
    if others := sorted(config.settings.keys() - names - {"model_type"}):
        raise Refused(f"Expected settings of {kind.name} ({', '.join(sorted(names))}); found {', '.join(others)}.")
    channels = sizes.in_chans if "in_chans" in names else sizes.num_channels
    if channels != 3:
        raise Refused(f"Expected a {kind.name} that takes three channels, red, green and blue; found {channels}.")
    patch, tubelet = sizes.patch_size, sizes.tubelet_size if config.is_temporal else 1
    if not isinstance(patch, int) or patch < 1 or clip.size % patch:
        raise Refused(
            f"Expected a clip.size that the patches of {kind.name} divide; found {clip.size} pixels and patches of "
            f"{patch}."
        )
    if tubelet < 1 or clip.frames % tubelet:
        raise Refused(
            f"Expected clip.frames that the tubelets of {kind.name} divide; found {clip.frames} frames and tubelets of "
            f"{tubelet}."
        )
    if sizes.num_attention_heads < 1 or sizes.hidden_size % sizes.num_attention_heads:
        raise Refused(
            f"Expected a hidden_size of {kind.name} that its num_attention_heads divide; found {sizes.hidden_size} and "
            f"{sizes.num_attention_heads}."
        )
    for name, field in kind.of_clip.items():
        if getattr(sizes, name) != getattr(clip, field):
            raise Refused(
                f"Expected {name}={getattr(clip, field)} of {kind.name}, the clip's {field}; found "
                f"{getattr(sizes, name)}."
            )
    tokens = clip.frames // tubelet * (clip.size // patch) ** 2
    if tokens > _MOST_TOKENS:
        raise Refused(f"Expected at most {_MOST_TOKENS} tokens in a clip; found {tokens} of {kind.name}.")
