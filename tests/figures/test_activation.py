"""Class activation maps against closed forms and finite differences, and that they leave the model as it was."""

import numpy as np
import pytest
import torch
from torch import Tensor

from integralaction.config import Method
from integralaction.figures.activation import heat, integral_activation, stream_activation
from integralaction.model.network import Features, IntegralAction
from tests.toy import toy_model

CLASSES = ("a", "b", "c")
CONFIG = toy_model(classes=CLASSES, channels=8, frames=2, stride=2, pose_frame_factor=2, size=96)


def new_model(method: Method) -> IntegralAction:
    """An untrained model whose every weight counts."""
    torch.manual_seed(0)
    model = IntegralAction(CONFIG.of_method(method)).double().eval()
    for name, parameter in model.named_parameters():
        if "classifier" in name or "integration" in name:
            torch.nn.init.normal_(parameter)
        elif "front_end.0" in name:
            torch.nn.init.kaiming_normal_(parameter)
    return model


def clips() -> tuple[Tensor, Tensor]:
    """Two clips of noise, with one person in each."""
    random = torch.Generator().manual_seed(1)
    frames = torch.rand(2, 2, 3, 96, 96, generator=random, dtype=torch.float64)
    places = 96 * torch.rand(2, 4, 1, 18, 2, generator=random, dtype=torch.float64)
    return frames, torch.cat([places, torch.full_like(places[..., :1], 0.9)], dim=-1)


def maps_of(model: IntegralAction) -> tuple[Tensor, Tensor]:
    """The last maps of both streams: (clips, frames, channels, height, width)."""
    kept: list[Tensor] = []
    hooks = [
        stream.backbone.register_forward_hook(lambda _m, _i, maps: kept.append(maps))
        for stream in (model.appearance, model.pose)
    ]
    with torch.no_grad():
        model(*clips())
    for hook in hooks:
        hook.remove()
    return kept[0].unflatten(0, (2, 2)), kept[1].unflatten(0, (2, 4))


@pytest.mark.parametrize("method", ["appearance-only", "pose-only"])
def test_the_mean_of_a_streams_map_and_the_bias_are_the_logit(method: Method) -> None:
    model, (frames, joints) = new_model(method), clips()
    inputs = (frames, None) if method == "appearance-only" else (None, joints)
    logits = model(*inputs).logits
    classifier = model.appearance_classifier if method == "appearance-only" else model.pose_classifier
    for number in range(len(CLASSES)):
        maps = stream_activation(model, *inputs, number)
        assert maps.shape == (2, 2 if method == "appearance-only" else 4, 3, 3)
        assert maps.std(dim=(2, 3)).min() > 1e-3  # not the same everywhere
        torch.testing.assert_close(maps.mean(dim=(2, 3)) + classifier.bias[number], logits[:, :, number])


def test_gradients_of_a_linear_classifier_give_the_closed_form() -> None:
    """`feature-fuse` is pooling and one linear layer: its Grad-CAM is a CAM over the number of positions."""
    model = new_model("feature-fuse")
    channels, seen = model.appearance.channels, 0
    for number in range(len(CLASSES)):
        weight = model.classifier.weight[number]
        found = integral_activation(model, *clips(), number)
        for activation, maps, own in zip(found, maps_of(model), (weight[:channels], weight[channels:]), strict=True):
            cam = (own[:, None, None] * maps).sum(dim=2)
            seen += bool(cam.max() > 0)
            torch.testing.assert_close(activation, cam.clamp(min=0) / (maps.shape[1] * 9))
    assert seen >= 2


def test_gradients_are_those_of_finite_differences() -> None:
    model = new_model("integral")
    maps, step, compared = maps_of(model), 1e-5, 0
    for number in range(len(CLASSES)):
        found = integral_activation(model, *clips(), number)

        def score(both: list[Tensor], number: int = number) -> float:
            pooled = [one.mean(dim=(3, 4)) for one in both]
            with torch.no_grad():
                return float(model.integrate(Features(*pooled)).logits[1, :, number].mean())

        for stream in (0, 1):
            expected = 0.0
            for channel in range(maps[stream].shape[2]):
                values = []
                for move in (step, -step):
                    moved = [one.clone() for one in maps]
                    moved[stream][1, 1, channel, 2, 0] += move  # a position of a frame of the second clip
                    values.append(score(moved))
                expected += (values[0] - values[1]) / (2 * step) * float(maps[stream][1, 1, channel, 2, 0])
            assert float(found[stream][1, 1, 2, 0]) == pytest.approx(max(expected, 0), rel=1e-4, abs=1e-9)
            compared += expected > 1e-6
    assert compared >= 2


def test_the_model_is_left_as_it_was() -> None:
    model, (frames, joints) = new_model("integral"), clips()
    for part in (model.appearance, model.pose):
        part.requires_grad_(False)
    before = {name: parameter.requires_grad for name, parameter in model.named_parameters()}
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():  # as testing has it
        found = integral_activation(model, frames, joints, 0)
        assert not torch.is_grad_enabled()
    assert all((one >= 0).all() and one.max() > 0 and not one.requires_grad for one in found)
    assert {name: parameter.requires_grad for name, parameter in model.named_parameters()} == before
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks for module in model.modules())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, weights[name])


def test_hooks_are_gone_after_an_error() -> None:
    model, (frames, _) = new_model("integral"), clips()
    with pytest.raises(ValueError, match="Expected joints of shape"):
        integral_activation(model, frames, torch.zeros(2, 3, 1, 18, 3), 0)
    assert not any(module._forward_hooks for module in model.modules())


def test_heat_is_from_0_to_1_in_each_clip() -> None:
    maps = torch.zeros(3, 2, 2, 2)
    maps[0, 0] = torch.tensor([[4.0, 0.0], [0.0, -8.0]])
    maps[0, 1] = 2.0
    maps[1] = -1.0  # nothing speaks for the class
    made = heat(maps, 8, 8)
    assert made.shape == (3, 2, 8, 8) and made.dtype == np.float32
    assert made[0, 0, 0, 0] == 1 and made[0, 0, 7, 7] == 0
    np.testing.assert_allclose(made[0, 1], 0.5)
    # half way between the centres of 4 and 0, along an edge
    assert made[0, 0, 0, 3:5].mean() == pytest.approx(0.5)
    assert not made[1:].any()


def test_the_wrong_model_is_named() -> None:
    frames, joints = clips()
    with pytest.raises(ValueError, match=r"appearance-only or pose-only; found integral. Use integral_activation"):
        stream_activation(new_model("integral"), frames, joints, 0)
    for method in ("pose-only", "score-average"):
        with pytest.raises(ValueError, match=f"Expected a model with an integration; found {method}"):
            integral_activation(new_model(method), frames, joints, 0)
    with pytest.raises(ValueError, match="Expected a model in eval mode"):
        integral_activation(new_model("integral").train(), frames, joints, 0)
