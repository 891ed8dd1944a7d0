"""The network: tables 13 and 14, equation 1, every method, and what a wrong input is told."""

import json
from pathlib import Path

import pytest
import torch

from integralaction.config import METHODS, AppearanceConfig, ClipConfig, ModelConfig, ResNetConfig
from integralaction.model.inputs import check_tensor
from integralaction.model.network import IntegralAction
from integralaction.model.tsm_resnet import Shift, TSMResNet, temporal_shift
from tests.toy import toy_model, with_values

TINY = toy_model(classes=("a", "b", "c"), channels=16, frames=4)


def tiny_inputs(config: ModelConfig, batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    frames = torch.randint(
        0, 256, (batch, config.clip.frames, 3, config.clip.size, config.clip.size), dtype=torch.uint8
    )
    joints = torch.rand(batch, config.clip.frames * config.clip.pose_frame_factor, 2, 18, 3)
    joints[..., :2] *= config.clip.size
    return frames, joints


def build(config: ModelConfig) -> IntegralAction:
    """A model whose new parts are not nearly zero, so that differences show."""
    torch.manual_seed(1)
    model = IntegralAction(config)
    for name, parameter in model.named_parameters():
        if name.endswith("weight") and parameter.ndim == 2:
            torch.nn.init.normal_(parameter, std=0.5)
    return model.eval()


def test_shift_against_a_loop() -> None:
    x = torch.randn(6, 16, 2, 2)
    shifted = temporal_shift(x, Shift(3)).unflatten(0, (2, 3))
    clips = x.unflatten(0, (2, 3))
    for t in range(3):
        for c in range(16):
            source = t + 1 if c < 2 else t - 1 if c < 4 else t  # 1/8 from the next frame, 1/8 from the one before
            wanted = clips[:, source, c] if 0 <= source < 3 else torch.zeros(2, 2, 2)
            assert torch.equal(shifted[:, t, c], wanted)


@pytest.mark.parametrize(
    ("depth", "parameters", "shifting"),
    [(18, 11176512, 8), (34, 21284672, 16), (50, 23508032, 16), (101, 42500160, 18)],
)
def test_resnets_have_torchvisions_parameters(depth: int, parameters: int, shifting: int) -> None:
    resnet = TSMResNet(ResNetConfig(depth), 8)
    # torchvision's counts without its classifier of 1000 classes
    assert sum(p.numel() for p in resnet.parameters()) == parameters
    # R101 shifts every second block of each layer: 2 + 2 + 12 + 2
    assert sum(getattr(m, "shift", None) is not None for m in resnet.modules()) == shifting


def test_backbone_carries_torchvisions_names(shared: Path) -> None:
    keys = json.loads((shared / "reference" / "k50_r18_full.keys.json").read_text())
    names = {key.removeprefix("img_backbone."): shape for key, shape in keys.items() if key.startswith("img_backbone.")}
    ours = {name: list(tensor.shape) for name, tensor in TSMResNet(ResNetConfig(18), 8).state_dict().items()}
    assert ours == {name: list(shape) for name, shape in names.items() if not name.startswith("fc.")}


def test_table_13_and_14_shapes() -> None:
    """ResNet-50 on 8 frames beside ResNet-18 on 32 poses (Table 13), and Table 14's two ResNet-18."""
    for config in (
        ModelConfig(
            classes=("a", "b"),
            clip=ClipConfig(pose_frame_factor=4),
            appearance=AppearanceConfig(ResNetConfig(depth=50)),
        ),
        ModelConfig(classes=("a", "b")),
    ):
        model = IntegralAction(config).eval()
        factor = config.clip.pose_frame_factor
        frames, joints = torch.zeros(1, 8, 3, 224, 224, dtype=torch.uint8), torch.zeros(1, 8 * factor, 1, 18, 3)
        with torch.no_grad():
            output = model(frames, joints)
        appearance = 2048 if config.appearance.backbone.depth == 50 else 512
        assert output.appearance.shape == (1, 8, appearance)
        assert output.pose.shape == (1, 8 * factor, 512)
        assert output.heatmaps.shape == (1, 8 * factor, 18, 56, 56)
        assert output.pafs.shape == (1, 8 * factor, 34, 56, 56)
        assert output.gate.shape == output.feature.shape == (1, 8, 512)
        assert output.logits.shape == (1, 8, 2)
        assert model.classifier.in_features == 512


@pytest.mark.parametrize("method", METHODS)
def test_every_method_answers(method: str) -> None:
    model = build(TINY.of_method(method))
    frames, joints = tiny_inputs(TINY)
    output = model(None if method == "pose-only" else frames, None if method == "appearance-only" else joints)
    torch.testing.assert_close(output.probabilities.sum(dim=1), torch.ones(2))
    assert (output.gate is not None) == (method in ("integral", "appearance-gate", "both-gate"))
    assert (output.pose is None) == (method == "appearance-only")
    assert (output.appearance is None) == (method == "pose-only")


def test_equation_1_and_the_answer_by_hand() -> None:
    model = build(TINY)
    output = model(*tiny_inputs(TINY))
    integration = model.integration
    gate = output.gate.double()
    a = integration.align_appearance(output.appearance).double()
    p = integration.align_pose(output.pose).double()
    torch.testing.assert_close(output.feature.double(), gate * a + (1 - gate) * p, atol=1e-6, rtol=1e-5)
    by_hand = torch.softmax(output.logits, dim=2).mean(dim=1)
    torch.testing.assert_close(output.probabilities, by_hand)


def test_an_open_gate_is_appearance_and_a_closed_one_is_pose() -> None:
    model = build(TINY)
    frames, joints = tiny_inputs(TINY)
    other_frames, other_joints = 255 - frames, joints.flip(1)
    norm = model.integration.gate.norm
    torch.nn.init.zeros_(norm.weight)
    torch.nn.init.constant_(norm.bias, 50.0)
    torch.testing.assert_close(model(frames, joints).feature, model(frames, other_joints).feature)
    assert not torch.allclose(model(frames, joints).feature, model(other_frames, joints).feature)
    torch.nn.init.constant_(norm.bias, -50.0)
    torch.testing.assert_close(model(frames, joints).feature, model(other_frames, joints).feature)
    assert not torch.allclose(model(frames, joints).feature, model(frames, other_joints).feature)


@pytest.mark.parametrize(("driver", "seen"), [("integral", "pose"), ("appearance-gate", "appearance")])
def test_the_gate_sees_only_its_driver(driver: str, seen: str) -> None:
    model = build(TINY.of_method(driver))
    frames, joints = tiny_inputs(TINY)
    gate = model(frames, joints).gate
    other_frames, other_joints = model(255 - frames, joints).gate, model(frames, joints.flip(1)).gate
    assert torch.equal(gate, other_frames) == (seen == "pose")
    assert torch.equal(gate, other_joints) == (seen == "appearance")


def test_score_average_mixes_the_streams_answers() -> None:
    frames, joints = tiny_inputs(TINY)
    output = build(with_values(TINY, method="score-average", score_weight=0.3))(frames, joints)
    mixed = 0.3 * output.appearance_probabilities + 0.7 * output.pose_probabilities
    torch.testing.assert_close(output.probabilities, mixed)


def test_pose_features_are_pooled_by_four() -> None:
    model = build(with_values(TINY, pose_frame_factor=4, stride=4))
    pose = torch.arange(16.0)[None, :, None].expand(1, 16, 3)
    assert model.pool_pose(pose)[0, :, 0].tolist() == [1.5, 5.5, 9.5, 13.5]


@pytest.mark.parametrize(("pose_input", "channels"), [("heatmaps", 18), ("pafs", 34), ("both", 52)])
def test_pose_input(pose_input: str, channels: int) -> None:
    model = build(with_values(TINY, input=pose_input))
    assert model.pose.front_end[0].in_channels == channels
    output = model(*tiny_inputs(TINY))
    assert (output.heatmaps is None) == (pose_input == "pafs")
    assert (output.pafs is None) == (pose_input == "heatmaps")


def test_bytes_and_floats_are_the_same_picture() -> None:
    model = build(TINY)
    frames, joints = tiny_inputs(TINY)
    torch.testing.assert_close(model(frames, joints).probabilities, model(frames / 255, joints).probabilities)


def test_maps_are_drawn_in_full_precision_whatever_the_network_runs_in() -> None:
    model = build(TINY)
    frames, joints = tiny_inputs(TINY)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = model(frames, joints)
    assert torch.equal(output.heatmaps, model(frames, joints).heatmaps)
    assert torch.equal(output.pafs, model(frames, joints).pafs)


def test_nobody_is_a_valid_input() -> None:
    model = build(TINY)
    frames, joints = tiny_inputs(TINY)
    output = model(frames, torch.zeros_like(joints))
    assert torch.isfinite(output.probabilities).all()


@pytest.mark.parametrize(
    ("frames", "joints", "message"),
    [
        (None, torch.zeros(1, 4, 1, 18, 3), "Expected frames for a model of the method integral; found None"),
        (torch.zeros(1, 4, 3, 32, 32), None, "Expected joints for a model of the method integral; found None"),
        (torch.zeros(1, 5, 3, 32, 32), torch.zeros(1, 4, 1, 18, 3), r"Expected frames of shape \(B, 4, 3, H, W\)"),
        (torch.zeros(1, 4, 3, 32, 32), torch.zeros(1, 4, 1, 17, 3), "of the skeleton openpose18"),
        (torch.zeros(1, 4, 3, 32, 32), torch.zeros(1, 8, 1, 18, 3), r"joints of shape \(B, 4, P, 18, 3\)"),
    ],
)
def test_wrong_inputs_are_named(frames: torch.Tensor | None, joints: torch.Tensor | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(TINY)(frames, joints)


def test_values_of_another_range_and_type_are_named() -> None:
    """NumPy's floats of 64 bits are the same numbers; what else differs is told in a sentence."""
    config = TINY.of_method("integral")
    model = build(config)
    frames, joints = tiny_inputs(config)
    floats = frames / 255
    expected = model(frames, joints).probabilities
    torch.testing.assert_close(
        model.integrate(model.features(floats.double(), joints.double())).probabilities, expected
    )
    joints_off = joints.clone()
    joints_off[0, 0, 0, 0] = torch.nan  # a joint that is not finite was not found
    assert model(frames, joints_off).probabilities.isfinite().all()
    for wrong, told in (
        (floats * 255, r"Expected float frames in 0\.\.1; found 0 to 255"),
        (floats * 2 - 1, r"Expected float frames in 0\.\.1; found -1 to 1"),
        (floats * torch.nan, r"Expected float frames in 0\.\.1; found nan"),
        (frames.int(), r"Expected frames as uint8 0\.\.255 or float 0\.\.1; found torch\.int32"),
        (frames[:0], "Expected at least one clip"),
        (frames.to("meta"), "Expected frames on cpu, where the model is; found them on meta"),
    ):
        with pytest.raises(ValueError, match=told):
            model.features(wrong, joints)
    per_cent = joints * torch.tensor([1.0, 1.0, 100.0])
    for wrong, told in (
        (joints.long(), r"Expected joints as floats: x, y, score 0\.\.1; found torch\.int64"),
        (per_cent, r"Expected joints as x, y, score 0\.\.1; found scores of"),
        (joints * torch.tensor([0.01, 0.01, 1.0]), r"found all within 0\.\.1, which is shares of them"),
        (joints.to("meta"), "Expected joints on cpu"),
    ):
        with pytest.raises(ValueError, match=told):
            model.features(frames, wrong)
    with pytest.raises(ValueError, match="Expected joints as a tensor; found a ndarray"):
        check_tensor(joints.numpy(), "joints", model.device)
