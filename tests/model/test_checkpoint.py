"""Our own model files: round trip, same bytes, and what a wrong file is told."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from integralaction.config import ModelConfig
from integralaction.model.checkpoint import load, save, start_from_imagenet
from integralaction.model.network import IntegralAction
from integralaction.model.tsm_resnet import Shift, TSMResNet
from integralaction.run import load_model

CONFIG = ModelConfig(classes=("a", "b"), width=0.125, channels=8, frames=2, size=32)


def test_round_trip(tmp_path: Path) -> None:
    model = IntegralAction(CONFIG).eval()
    save(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.config == CONFIG and not loaded.training
    frames, joints = torch.rand(1, 2, 3, 32, 32), torch.rand(1, 2, 1, 18, 3)
    assert torch.equal(model(frames, joints).probabilities, loaded(frames, joints).probabilities)


def test_same_weights_same_bytes(tmp_path: Path) -> None:
    model = IntegralAction(CONFIG)
    for name in ("a", "b"):
        save(model, tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_missing_surplus_and_misshapen_are_all_named(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save(IntegralAction(CONFIG), path)
    weights = load_file(path)
    about = {}
    from safetensors import safe_open

    with safe_open(path, "pt") as handle:
        about = handle.metadata()
    del weights["classifier.bias"]
    weights["stranger"] = torch.zeros(1)
    weights["classifier.weight"] = torch.zeros(3, 8)
    save_file(weights, path, metadata=about)
    with pytest.raises(ValueError, match=r"missing: classifier\.bias; surplus: stranger; of another shape: classifier"):
        load(path)


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_other_files_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="Expected a model in safetensors format"):
        load(path)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Expected a run folder, a model file, the id of a model"):
        load_model(tmp_path / "nothing")


@pytest.mark.parametrize("stem", [True, False])
def test_start_from_a_file_of_imagenet_weights(tmp_path: Path, stem: bool) -> None:
    source = TSMResNet(18, 1.0, Shift(1))
    weights = {name: tensor for name, tensor in source.state_dict().items() if "num_batches" not in name}
    weights |= {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    torch.save(weights, tmp_path / "resnet18-f37072fd.pth")
    resnet = TSMResNet(18, 1.0, Shift(4), stem=stem)
    start_from_imagenet(resnet, 18, str(tmp_path))
    assert torch.equal(resnet.layer4[1].conv2.weight, source.layer4[1].conv2.weight)


def test_imagenet_weights_of_another_depth_are_refused(tmp_path: Path) -> None:
    torch.save(TSMResNet(34, 1.0, Shift(1)).state_dict(), tmp_path / "resnet18-f37072fd.pth")
    with pytest.raises(ValueError, match=r"surplus: layer1\.2"):
        start_from_imagenet(TSMResNet(18, 1.0, Shift(1)), 18, str(tmp_path))


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match=r"Expected the file .*resnet18-f37072fd\.pth"):
        start_from_imagenet(TSMResNet(18, 1.0, Shift(1)), 18, str(tmp_path))
    (tmp_path / "resnet18-f37072fd.pth").write_text("a text")
    with pytest.raises(ValueError, match="it is another file, or damaged"):
        start_from_imagenet(TSMResNet(18, 1.0, Shift(1)), 18, str(tmp_path))
    torch.save([1, 2], tmp_path / "resnet18-f37072fd.pth")
    with pytest.raises(ValueError, match="Expected a state dict"):
        start_from_imagenet(TSMResNet(18, 1.0, Shift(1)), 18, str(tmp_path))
