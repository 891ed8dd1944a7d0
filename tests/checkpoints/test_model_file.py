"""Our own model files: round trip, same bytes, and what a wrong file is told."""

import hashlib
import json
import resource
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from integralaction.checkpoints import imagenet
from integralaction.checkpoints.imagenet import start_from_imagenet
from integralaction.checkpoints.model_file import is_ours, load, save
from integralaction.config import ResNetConfig
from integralaction.format1 import model_settings
from integralaction.model.network import IntegralAction
from integralaction.model.tsm_resnet import TSMResNet
from integralaction.models import load_model
from integralaction.settings import to_dict
from tests.toy import toy_model

CONFIG = toy_model(classes=("a", "b"), channels=8, frames=2)


def test_round_trip(tmp_path: Path) -> None:
    model = IntegralAction(CONFIG).eval()
    save(model, tmp_path / "model.safetensors")
    loaded = load_model(tmp_path / "model.safetensors")
    assert loaded.config == CONFIG and not loaded.training
    frames, joints = torch.rand(1, 2, 3, 32, 32), torch.rand(1, 2, 1, 18, 3) * torch.tensor([32, 32, 1])
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


def model_file(path: Path, about: object, tensors: dict | None = None) -> Path:
    """A file of ours with settings as they are given."""
    text = about if isinstance(about, str) else json.dumps(about)
    save_file(tensors or {"w": torch.zeros(1)}, path, metadata={"integralaction.model": text})
    return path


@pytest.mark.parametrize("part", [0.0, 0.001, 0.5, 0.999])
def test_a_file_that_was_not_written_to_its_end_is_told_as_one(tmp_path: Path, part: float) -> None:
    path = tmp_path / "model.safetensors"
    save(IntegralAction(CONFIG), path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    for read in (load, load_model):
        with pytest.raises(ValueError, match="It was not written or copied to its end: make or fetch it again"):
            read(path)


@pytest.mark.parametrize("about", ["{", "[" * 100_000, "[]", "null", '"a"', "1" * 5000, "{}", '{"format": [1]}'])
def test_settings_that_cannot_be_read_are_a_sentence(tmp_path: Path, about: str) -> None:
    with pytest.raises(ValueError, match="Expected ") as refused:
        load(model_file(tmp_path / "m.safetensors", about))
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    "change",
    [
        *({"channels": n} for n in (1_500_000, 2**70, -1, 0, "a", None, 1.5, [8])),
        *({"frames": n} for n in (10**9, 2**70, -2)),
        *({"size": n} for n in (2**30, 32 * 10**6, 33)),
        *({"frames": 1000, "size": 4096}, {"pose_frame_factor": 1024, "stride": 1024, "size": 1024}),
        *({"classes": []}, {"classes": ["a"]}, {"classes": "ab"}, {"classes": None}, {"classes": [1, {}]}),
        *({"width": float("nan")}, {"width": 1e300}, {"appearance_depth": 19}, {"method": []}, {"skeleton": "x"}),
        *({"shift": 2**60}, {"score_weight": float("nan")}, {"stranger": 1}),
    ],
)
@pytest.mark.parametrize("number", [1, 2])
def test_settings_beyond_reason_are_refused_before_anything_is_built(tmp_path: Path, change: dict, number: int) -> None:
    flat = {"classes": ["a", "b"], "width": 0.125, "channels": 8, "frames": 2, "size": 32, **change}
    about = {"format": number, "config": flat if number == 1 else model_settings(flat)}
    path = model_file(tmp_path / "m.safetensors", about)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"Expected|m\.safetensors: "):
        load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # kilobytes


def test_weights_are_compared_before_memory_is_taken(tmp_path: Path) -> None:
    """Settings within the limits that ask for 10 GB, in a file of a kilobyte."""
    config = toy_model(classes=("a", "b"), width=4.0, depth=101, channels=2**14, size=224)
    path = model_file(tmp_path / "m.safetensors", {"format": 2, "config": to_dict(config)})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=r"found missing: .*; surplus: w"):
        load(path)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


def test_a_head_that_lies_is_refused(tmp_path: Path) -> None:
    for number, about in enumerate(
        (
            {"w": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}},
            {"w": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 4]}},
            {"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 0]}},
            {"w": []},
            [],
        )
    ):
        head = json.dumps(about).encode()
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(struct.pack("<Q", len(head)) + head + bytes(4))
        assert not is_ours(path)
        for read in (load, load_model):
            with pytest.raises(ValueError, match="Expected a model in safetensors format"):
                read(path)
    path.write_bytes(struct.pack("<Q", 2**63) + b"{}")
    with pytest.raises(ValueError, match="Expected a model in safetensors format"):
        load(path)


@pytest.mark.parametrize(("kind", "message"), [(torch.float64, "found others"), (torch.float32, "found NaN")])
def test_weights_of_another_kind_and_infinite_ones_are_refused(tmp_path: Path, kind: torch.dtype, message: str) -> None:
    weights = IntegralAction(CONFIG).state_dict()
    weights["classifier.bias"] = torch.tensor([0, float("nan")], dtype=kind)
    path = model_file(tmp_path / "m.safetensors", {"format": 1, "config": to_dict(CONFIG)}, weights)
    with pytest.raises(ValueError, match=message):
        load(path)


def test_imagenet_weights_are_known_by_their_whole_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file in the folder of downloads, and a download, of the right name whose hash differs in one digit."""
    source = TSMResNet(ResNetConfig(18), 1)
    folder = tmp_path / "checkpoints"
    folder.mkdir()
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    for name, digest in imagenet._IMAGENET.values():
        assert len(digest) == 64 and name.endswith(f"-{digest[:8]}.pth")
    torch.save(source.state_dict(), tmp_path / "own.pth")
    digest = hashlib.sha256((tmp_path / "own.pth").read_bytes()).hexdigest()
    name = f"resnet18-{digest[:8]}.pth"
    resnet = TSMResNet(ResNetConfig(18), 4)

    (tmp_path / name).write_bytes((tmp_path / "own.pth").read_bytes())
    monkeypatch.setattr(imagenet, "_IMAGENET_URL", tmp_path.as_uri() + "/")
    wrong = digest[:-1] + ("0" if digest[-1] != "0" else "1")
    monkeypatch.setitem(imagenet._IMAGENET, 18, (name, wrong))
    with pytest.raises(ValueError, match="Expected the file with SHA-256"):
        start_from_imagenet(resnet, 18, "imagenet")
    assert not list(folder.iterdir())
    monkeypatch.setitem(imagenet._IMAGENET, 18, (name, digest))
    start_from_imagenet(resnet, 18, "imagenet")
    assert torch.equal(resnet.conv1.weight, source.conv1.weight)
    (folder / name).write_bytes((tmp_path / "own.pth").read_bytes() + b"\0")
    with pytest.raises(ValueError, match="Remove it, and the same command downloads it again"):
        start_from_imagenet(resnet, 18, "imagenet")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="Expected a run folder, a model file, an embedded model"):
        load_model(tmp_path / "nothing")


@pytest.mark.parametrize("stem", [True, False])
def test_start_from_a_file_of_imagenet_weights(tmp_path: Path, stem: bool) -> None:
    source = TSMResNet(ResNetConfig(18), 1)
    weights = {name: tensor for name, tensor in source.state_dict().items() if "num_batches" not in name}
    weights |= {"fc.weight": torch.zeros(1000, 512), "fc.bias": torch.zeros(1000)}
    torch.save(weights, tmp_path / "resnet18-f37072fd.pth")
    resnet = TSMResNet(ResNetConfig(18), 4, stem=stem)
    start_from_imagenet(resnet, 18, str(tmp_path))
    assert torch.equal(resnet.layer4[1].conv2.weight, source.layer4[1].conv2.weight)


def test_imagenet_weights_of_another_depth_are_refused(tmp_path: Path) -> None:
    torch.save(TSMResNet(ResNetConfig(34), 1).state_dict(), tmp_path / "resnet18-f37072fd.pth")
    with pytest.raises(ValueError, match=r"surplus: layer1\.2"):
        start_from_imagenet(TSMResNet(ResNetConfig(18), 1), 18, str(tmp_path))


def test_files_that_are_no_weights_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match=r"Expected the file .*resnet18-f37072fd\.pth"):
        start_from_imagenet(TSMResNet(ResNetConfig(18), 1), 18, str(tmp_path))
    (tmp_path / "resnet18-f37072fd.pth").write_text("a text")
    with pytest.raises(ValueError, match="it is another file, or damaged"):
        start_from_imagenet(TSMResNet(ResNetConfig(18), 1), 18, str(tmp_path))
    torch.save([1, 2], tmp_path / "resnet18-f37072fd.pth")
    with pytest.raises(ValueError, match="Expected a state dict"):
        start_from_imagenet(TSMResNet(ResNetConfig(18), 1), 18, str(tmp_path))
