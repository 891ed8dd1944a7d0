"""Encoders of Hugging Face's library as backbones: their maps against that library's own tokens, laid out slowly."""

import socket
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from integralaction.checkpoints.model_file import load, save
from integralaction.config import AppearanceConfig, ClipConfig, EncoderConfig, ModelConfig, ResNetConfig
from integralaction.figures.activation import integral_activation
from integralaction.figures.architecture import architecture_table
from integralaction.figures.diagrams import integration_figure, pipeline_figure
from integralaction.model import backbones
from integralaction.model.backbones import Encoder, build_backbone
from integralaction.model.network import IntegralAction, channels_last
from integralaction.settings import from_dict, override, to_dict
from tests.toy import toy_model

transformers = pytest.importorskip("transformers", reason="the extra `transformers` is not installed")

SMALL = {"num_hidden_layers": 2, "num_attention_heads": 2, "patch_size": 16}
VIT = {"model_type": "vit", **SMALL, "hidden_size": 16, "intermediate_size": 32, "image_size": 64}
ENCODERS = {
    "vit": VIT,
    "dinov2": {"model_type": "dinov2", **SMALL, "hidden_size": 16, "image_size": 64},
    "dinov3_vit": {"model_type": "dinov3_vit", **SMALL, "hidden_size": 16, "num_register_tokens": 3},
    "videomae": {"model_type": "videomae", **SMALL, "hidden_size": 16, "image_size": 32, "num_frames": 4},
    "vjepa2": {"model_type": "vjepa2", **SMALL, "hidden_size": 24, "crop_size": 32, "pred_num_hidden_layers": 1},
}
CLIP = ClipConfig(frames=4, stride=2, size=32)
each = pytest.mark.parametrize("name", ENCODERS)


def build(name: str) -> Encoder:
    torch.manual_seed(0)
    backbone = build_backbone(EncoderConfig(ENCODERS[name]), CLIP)
    assert isinstance(backbone, Encoder)
    return backbone.eval()


def model_with(name: str) -> IntegralAction:
    config = toy_model(classes=("a", "b"), channels=8, frames=4, stride=2)
    torch.manual_seed(0)
    return IntegralAction(replace(config, appearance=AppearanceConfig(EncoderConfig(ENCODERS[name])))).eval()


def clips() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    joints = torch.rand(2, 4, 1, 18, 3, generator=generator) * torch.tensor([31.0, 31.0, 1.0])
    return torch.rand(2, 4, 3, 32, 32, generator=generator), joints


@each
@torch.no_grad()
def test_maps_are_the_librarys_tokens_on_their_grid(name: str) -> None:
    torch.manual_seed(0)
    theirs = transformers.AutoModel.from_config(transformers.AutoConfig.for_model(**ENCODERS[name])).eval()
    ours = build(name)
    missing = ours.network.load_state_dict(theirs.state_dict(), strict=False)
    assert not missing.missing_keys and all("mask" in k or "p" in k for k in missing.unexpected_keys)
    frames = clips()[0]
    maps = ours(frames.flatten(0, 1))
    assert maps.shape == (8, ours.channels, 2, 2)
    is_of_clips = name in ("videomae", "vjepa2")
    special = {"vit": 1, "dinov2": 1, "dinov3_vit": 4}.get(name, 0)  # class and register tokens
    for clip in range(2):
        for time in range(4):
            if is_of_clips:
                tokens = theirs(frames[clip : clip + 1]).last_hidden_state[0]
                first = time // 2 * 4
            else:
                options = {"interpolate_pos_encoding": True} if name == "vit" else {}
                tokens = theirs(frames[clip, time][None], **options).last_hidden_state[0]
                first = special
            for y in range(2):
                for x in range(2):
                    token = tokens[first + 2 * y + x]
                    assert torch.allclose(maps[4 * clip + time, :, y, x], token, atol=1e-5)


@torch.no_grad()
def test_two_frames_of_a_tubelet_have_one_map() -> None:
    maps = build("videomae")(clips()[0].flatten(0, 1))
    assert torch.equal(maps[0::2], maps[1::2]) and not torch.equal(maps[0], maps[2])


@each
def test_a_model_is_saved_loaded_and_explained(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_network(*_: object) -> None:
        raise AssertionError("something was fetched")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    model = model_with(name)
    frames, joints = clips()
    save(model, tmp_path / "model.safetensors")
    loaded = load(tmp_path / "model.safetensors")
    assert loaded.config == model.config
    with torch.no_grad():
        expected = model(frames, joints).probabilities
        assert torch.equal(loaded(frames, joints).probabilities, expected)
        assert torch.allclose(channels_last(loaded)(frames, joints).probabilities, expected, atol=1e-6)
    maps, _ = integral_activation(model, frames, joints, 0)
    assert maps.shape == (2, 4, 2, 2) and bool((maps > 0).any())
    model.train()(frames, joints).probabilities[:, 0].sum().backward()
    assert model.appearance is not None
    unused = [n for n, parameter in model.appearance.named_parameters() if parameter.grad is None]
    assert not unused  # data-parallel training waits for every one


@each
def test_tables_and_figures_say_what_the_backbone_is(name: str) -> None:
    model = model_with(name)
    table = architecture_table(model.config, "table14")
    rows = {row.label: [cell.text for cell in row.cells] for row in table.rows}
    tubelet = 2 if name in ("videomae", "vjepa2") else 1
    channels = ENCODERS[name]["hidden_size"]
    assert rows["patches"][0] == f"{tubelet}×16², {channels}, stride {tubelet}×16²"  # noqa: RUF001
    assert rows["patches"][2] == f"appearance: {4 // tubelet}×2²"  # noqa: RUF001
    assert rows["blocks"][2] == "appearance: 4×2²"  # noqa: RUF001
    assert rows["res2"][0] == "" and rows["res2"][1].startswith("[TSM")
    assert model.appearance is not None and model.appearance.backbone.name in table.title
    assert integration_figure(model) and model.appearance.backbone.name in [
        line for text in pipeline_figure(model).axes[0].texts for line in text.get_text().splitlines()
    ]


def test_a_residual_network_is_a_backbone_too() -> None:
    backbone = build_backbone(ResNetConfig(width=0.125), CLIP)
    assert backbone(clips()[0].flatten(0, 1)).shape == (8, backbone.channels, 1, 1)


@pytest.mark.parametrize(
    ("settings", "clip", "message"),
    [
        ({**VIT, "patch_size": 14}, CLIP, "patches of ViT divide; found 32 pixels and patches of 14"),
        ({**VIT, "hidden_sise": 8}, CLIP, "Expected settings of ViT .*found hidden_sise"),
        ({**VIT, "_attn_implementation": "owner/kernel"}, CLIP, "found _attn_implementation"),
        ({**VIT, "dtype": "bfloat16"}, CLIP, "found dtype"),
        ({**VIT, "hidden_size": 15}, CLIP, "Expected a hidden_size of ViT that its num_attention_heads divide"),
        ({**VIT, "num_channels": 1}, CLIP, "takes three channels, red, green and blue; found 1"),
        ({**VIT, "hidden_act": "none"}, CLIP, "Expected settings of which a ViT can be built"),
        ({**VIT, "hidden_size": "many"}, CLIP, "Expected settings of which a ViT can be built"),
        (ENCODERS["videomae"], replace(CLIP, frames=3), "tubelets of VideoMAE divide; found 3 frames"),
        (
            ENCODERS["videomae"],
            replace(CLIP, frames=8),
            "Expected num_frames=8 of VideoMAE, the clip's frames; found 4",
        ),
        (ENCODERS["vjepa2"], replace(CLIP, size=64), "Expected crop_size=64 of V-JEPA 2, the clip's size; found 32"),
    ],
)
def test_what_does_not_fit_is_refused(settings: dict, clip: ClipConfig, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_backbone(EncoderConfig(settings), clip)


def test_frames_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="Expected frames of 32 x 32 pixels; found"):
        build("vjepa2")(torch.zeros(4, 3, 48, 48))


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "transformers", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'integralaction\[transformers\]'"):
        build_backbone(EncoderConfig(VIT), CLIP)


def test_settings_say_which_backbone_it_is() -> None:
    config = model_with("vit").config
    assert from_dict(ModelConfig, to_dict(config), "here") == config
    values = "appearance.backbone={settings: {model_type: vit, hidden_size: 24}}"
    encoder = override(ModelConfig(), [values]).appearance
    assert encoder is not None and encoder.backbone == EncoderConfig({"model_type": "vit", "hidden_size": 24})
    for values, message in (
        (
            ["appearance.backbone.settings.model_type=vit"],
            "either a ResNet .* or an encoder .settings, as in 'settings: {model",
        ),
        (["appearance.backbone={settings: {model_type: swin}}"], "one of dinov2, .*; found 'swin'"),
        (["appearance.backbone={settings: {model_type: vit, num_hidden_layers: 1000000}}"], "at most 256"),
        (["appearance.backbone=vit"], "either a ResNet .* found 'vit'"),
        (["appearance.backbone.dpth=18"], "'appearance.backbone.dpth' that does not exist; did you mean .*depth"),
        (["appearance.deviation=[1, 1, 0]"], "positive deviation"),
    ):
        with pytest.raises(ValueError, match=message) as raised:
            override(ModelConfig(), values)
        assert "\n" not in str(raised.value)


def test_every_encoder_has_its_particulars() -> None:
    assert set(backbones._KINDS) == set(ENCODERS)
    assert all(isinstance(build(name).network, nn.Module) for name in ENCODERS)
