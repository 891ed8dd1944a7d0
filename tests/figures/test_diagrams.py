"""Figures 2 and 3 drawn from models: the shapes are those of a forward pass, and every word can be read."""

# ruff: noqa: RUF001 (the marks that papers use)

import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from overlaps import cut_texts, drawn_texts, overlapping_texts
from toy import CLASSES, toy_recipe

from integralaction.config import (
    METHODS,
    TRAINED_INTEGRATIONS,
    AppearanceConfig,
    ClipConfig,
    IntegrationConfig,
    ModelConfig,
    ResNetConfig,
)
from integralaction.figures.architecture import architecture_table
from integralaction.figures.diagrams import integration_figure, pipeline_figure
from integralaction.figures.style import new_figure
from integralaction.model.integration import INTEGRATIONS, Alignment, FeatureIntegration, Integrated
from integralaction.model.layers import IntegrationLayers, Layer
from integralaction.model.network import IntegralAction, Output
from tests.toy import with_values

TOY = with_values(toy_recipe().model, classes=CLASSES)
PAPER = ModelConfig(CLASSES, ClipConfig(pose_frame_factor=4), AppearanceConfig(ResNetConfig(depth=50)))


def texts(figure: Figure) -> list[str]:
    return [text for text, _ in drawn_texts(figure)]


def forward(model: IntegralAction) -> Output:
    config = model.config
    frames = torch.zeros(1, config.clip.frames, 3, config.clip.size, config.clip.size)
    with torch.no_grad():
        return model.eval()(frames, torch.zeros(1, config.clip.pose_frames, 1, 18, 3))


def test_shapes_are_those_of_a_forward_pass() -> None:
    model = IntegralAction(with_values(TOY, stride=4, pose_frame_factor=2))
    output = forward(model)
    pipeline, integration = texts(pipeline_figure(model)), texts(integration_figure(model))
    for name in ("appearance", "pose", "feature", "gate"):
        shape = "×".join(map(str, getattr(output, name).shape[1:]))
        assert any(shape in text for text in integration), name
        assert name == "gate" or shape in pipeline, name
    assert "2×3×32×32" in pipeline and "4×18×3" in pipeline and "4×52\n×8×8" in pipeline
    assert "average\nof 2" in integration


def test_blocks_are_those_of_the_model() -> None:
    drawn = texts(integration_figure(IntegralAction(TOY)))
    assert drawn.count("1×1 conv\nLayerNorm\nReLU") == 2 and "1×1 conv\nBatchNorm\nsigmoid" in drawn
    released = with_values(
        TOY, alignment="batch-layer", gate_norm=False, pose_frame_factor=2, pose_pooling="convolution"
    )
    drawn = texts(integration_figure(IntegralAction(released)))
    assert drawn.count("1×1 conv\nBatchNorm\nReLU\nLayerNorm") == 2 and "1×1 conv\nsigmoid" in drawn
    assert "5×1 conv,\nstride 2" in drawn


@pytest.mark.parametrize("config", [TOY, PAPER])
@pytest.mark.parametrize("method", METHODS)
def test_every_word_can_be_read(config: ModelConfig, method: str) -> None:
    with torch.device("meta"):
        model = IntegralAction(config.of_method(method))
    figures = [pipeline_figure(model)]
    if method in TRAINED_INTEGRATIONS:
        figures.append(integration_figure(model))
    for figure in figures:
        assert texts(figure) and overlapping_texts(figure) == [] and cut_texts(figure) == []


@pytest.mark.parametrize(
    ("method", "gates", "blocks"), [("integral", 2, 3), ("gate-free", 0, 2), ("feature-fuse", 0, 0)]
)
def test_what_a_method_does_not_have_is_not_drawn(method: str, gates: int, blocks: int) -> None:
    drawn = texts(integration_figure(IntegralAction(TOY.of_method(method))))
    assert sum(r"\mathbf{G}" in text and r"1-" not in text for text in drawn) == gates
    assert sum("CGB" in text or "TCB" in text for text in drawn) == blocks


class Maximum(FeatureIntegration):
    """F = max(F'_A, F'_P): an integration of somebody else's."""

    def __init__(self, appearance: int, pose: int, config: IntegrationConfig) -> None:
        super().__init__(appearance, pose, config)
        self.channels = config.channels
        self.align_appearance = Alignment(appearance, config.channels)
        self.align_pose = Alignment(pose, config.channels)

    def forward(self, appearance: torch.Tensor, pose: torch.Tensor) -> Integrated:
        return Integrated(torch.maximum(self.align_appearance(appearance), self.align_pose(pose)), None)

    def layers(self) -> IntegrationLayers:
        maximum = Layer("maximum", "element-wise maximum")
        return IntegrationLayers(maximum, self.align_appearance.layers(), self.align_pose.layers())


def test_a_new_integration_tells_its_own_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(INTEGRATIONS, "gate-free", Maximum)
    config = TOY.of_method("gate-free")
    figure = integration_figure(IntegralAction(config))
    assert "maximum" in texts(figure) and texts(figure).count("1×1 conv\nLayerNorm\nReLU") == 2
    assert overlapping_texts(figure) == [] and cut_texts(figure) == []
    rows = {row.label: row.cells[0].text for row in architecture_table(config, "table14").rows}
    assert rows["aggregation"] == "element-wise maximum"


@pytest.mark.parametrize("method", ["pose-only", "score-average"])
def test_without_an_integration_there_is_no_figure_of_it(method: str) -> None:
    model = IntegralAction(TOY.of_method(method))
    with pytest.raises(ValueError, match=f"found one of the method {method}"):
        integration_figure(model)


def test_the_model_is_left_as_it_was() -> None:
    model = IntegralAction(TOY).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pipeline_figure(model)
    assert model.training and all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules())


def test_overlapping_and_cut_texts_are_found() -> None:
    figure = new_figure(2, 1)
    figure.text(0.1, 0.5, "one", size=20)
    figure.text(0.15, 0.5, "two", size=20)
    figure.text(0.9, 0.1, "beyond", size=20)
    figure.add_artist(Text(0.1, 0.5, "not drawn", visible=False))
    assert overlapping_texts(figure) == [("one", "two")]
    assert cut_texts(figure) == ["beyond"]
