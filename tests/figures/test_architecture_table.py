"""The network's table against what Tables 13 and 14 of the paper print."""

# ruff: noqa: RUF001 (the marks that papers use)

import pytest
from toy import CLASSES, toy_recipe

from integralaction import recipes
from integralaction.config import ModelConfig
from integralaction.figures.architecture import architecture_table, trace_model
from integralaction.model.network import IntegralAction
from tests.toy import with_values

TOY = with_values(toy_recipe().model, classes=CLASSES)


def rows(config: ModelConfig) -> dict[str, tuple[str, ...]]:
    """The rows by the first word of their labels; cells in one line."""
    table = architecture_table(config, "table13")
    return {row.label.split()[0]: tuple(" ".join(cell.text.split()) for cell in row.cells) for row in table.rows}


def test_table_13() -> None:
    found = rows(with_values(recipes.kinetics400().model, classes=tuple(f"c{i}" for i in range(400))))
    basic = "[TSM 1×3², {0} 1×3², {0}] ×2"
    deep = "[TSM 1×1², {0} 1×3², {0} 1×1², {1}] ×{2}"
    assert found["input"] == ("RGB frames", "keypoint heatmaps + PAFs", "appearance: 8×224² pose: 32×56²")
    assert found["conv1"] == ("1×7², 64, stride 1×2²", "1×3², 64", "appearance: 8×112² pose: 32×56²")
    pool = "1×3² max pool, stride 1×2² "
    assert found["res2"] == (pool + deep.format(64, 256, 3), basic.format(64), "appearance: 8×56² pose: 32×56²")
    assert found["res3"] == (deep.format(128, 512, 4), basic.format(128), "appearance: 8×28² pose: 32×28²")
    assert found["res4"] == (deep.format(256, 1024, 6), basic.format(256), "appearance: 8×14² pose: 32×14²")
    assert found["res5"] == (deep.format(512, 2048, 3), basic.format(512), "appearance: 8×7² pose: 32×7²")
    assert found["pool"] == ("global average pool", "global average pool", "appearance: 8×1² pose: 32×1²")
    aligned = "1×1², 512 layer normalization ReLU"
    assert found["feature"] == (aligned, f"4×1² avg pool, stride 4×1² {aligned}", "both: 8×1²")
    # the gate as in equation 1, which the paper's table turns round
    gate = "G: 1×1², 512 batch normalization sigmoid (1−G) element-wise product"
    assert found["pose-driven"] == ("G element-wise product", gate, "")
    assert found["aggregation"][0] == "element-wise addition"
    assert found["classifier"] == ("fully-connected layer", "", "400 classes")


def test_table_14() -> None:
    found = rows(with_values(recipes.kinetics50().model, classes=tuple(f"c{i}" for i in range(50))))
    basic = "[TSM 1×3², {0} 1×3², {0}] ×2"
    assert found["input"][2] == "appearance: 8×224² pose: 8×56²"
    assert found["res2"] == (f"1×3² max pool, stride 1×2² {basic.format(64)}", basic.format(64), "both: 8×56²")
    for stage, channels, size in (("res3", 128, 28), ("res4", 256, 14), ("res5", 512, 7)):
        assert found[stage] == (basic.format(channels), basic.format(channels), f"both: 8×{size}²")
    assert found["pool"][2] == "both: 8×1²"
    assert found["feature"][1] == "1×1², 512 layer normalization ReLU"  # no pooling along time
    assert found["classifier"][2] == "50 classes"


def test_costs_are_counted_from_the_layers() -> None:
    model = IntegralAction(TOY)
    seen = trace_model(model)
    # conv1: 2 frames, 16 x 16 places, 8 channels, each of 7 x 7 x 3 products
    assert seen.multiply_adds["appearance.backbone.conv1"] == 2 * 16 * 16 * 8 * 7 * 7 * 3
    assert seen.multiply_adds["classifier"] == 2 * 8 * 3
    streams = seen.multiply_adds_of("appearance") + seen.multiply_adds_of("pose")
    assert seen.multiply_adds_of("classifier") == 2 * 8 * 3  # without those of the streams
    assert streams < sum(seen.multiply_adds.values())
    row = rows(TOY)["parameters*"]
    assert row[0] == f"{sum(p.numel() for p in model.appearance.parameters()) / 1e6:.2f} million"


def test_known_multiply_adds() -> None:
    # ResNet-50 on one 224 x 224 image: 4.09 billion with its own classifier of 2 million
    found = rows(with_values(recipes.kinetics400().model, classes=CLASSES))["multiply-adds*"][0]
    assert abs(float(found.split()[0]) - 8 * 4.087) < 0.05


def test_other_methods() -> None:
    free = architecture_table(TOY.of_method("gate-free"), "free")
    assert not [row for row in free.rows if "gating" in row.label] and not [n for n in free.notes if "equation 1" in n]
    fused = rows(with_values(TOY, method="feature-fuse", stride=4, pose_frame_factor=2))
    assert fused["aggregation"][0] == "concatenation" and fused["feature"][1] == "2×1² avg pool, stride 2×1²"
    assert "sigmoid, of both" in rows(TOY.of_method("both-gate"))["gating"][0]
    assert rows(TOY.of_method("appearance-gate"))["gating"][0].startswith("G: 1×1², 8")
    released = rows(with_values(TOY, alignment="batch", pose_frame_factor=2, pose_pooling="convolution"))
    assert released["feature"][1] == "5×1², 64, stride 2×1² 1×1², 8 batch normalization ReLU"
    deepest = rows(with_values(TOY, depth=101))
    assert deepest["res4"][0].startswith("[TSM in 12 of 23")
    assert "TSM" not in rows(with_values(TOY, shift=0))["res3"][0]


@pytest.mark.parametrize("method", ["pose-only", "appearance-only", "score-average"])
def test_methods_without_integration_are_refused(method: str) -> None:
    with pytest.raises(ValueError, match=f"found {method}: set another method for table14"):
        architecture_table(TOY.of_method(method), "table14")
