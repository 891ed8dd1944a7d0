"""rtmlib's estimators on tiny networks whose answers are known, and the poses of the frames of a video."""

import hashlib
import sys
import types
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import write_network
from PIL import Image

from integralaction.data.video import write_video
from integralaction.estimators import network_files, rtmo
from integralaction.estimators.choice import load_estimator
from integralaction.estimators.rtmo import RTMO
from integralaction.estimators.rtmpose import RTMPose
from integralaction.estimators.video_poses import estimate_poses

RED, BLUE = (250, 0, 0), (0, 0, 250)


def frames_of(colour: tuple[int, int, int], height: int = 128, width: int = 96, count: int = 1) -> np.ndarray:
    return np.full((count, height, width, 3), colour, np.uint8)


def rtmo_network(path: Path) -> Path:
    """RTMO of 64 x 64: one person, whose box is believed in where the picture is red (blue, green, red: the third)."""
    boxes = np.array([[[8, 8, 40, 60, 0.0]]])
    joints = np.stack([np.arange(17) + 10.0, np.arange(17) + 20.0, np.linspace(0.2, 1.8, 17)], axis=1)[None, None]
    return write_network(path, [1, 3, 64, 64], {"dets": boxes, "keypoints": joints}, score=("dets", (0, 0, 4), 1 / 255))


def test_rtmo_places_joints_in_the_frame(tmp_path: Path) -> None:
    estimator = RTMO(rtmo_network(tmp_path / "my-rtmo.onnx"))
    (persons,) = estimator(frames_of(RED))
    # a frame of 128 x 96 is fitted into 64 x 64 by a half
    np.testing.assert_allclose(persons[0, :, 0], 2 * (np.arange(17) + 10), rtol=1e-6)
    np.testing.assert_allclose(persons[0, :, 1], 2 * (np.arange(17) + 20), rtol=1e-6)
    np.testing.assert_allclose(persons[0, :, 2], np.linspace(0.2, 1.8, 17).clip(0, 1), rtol=1e-6)
    assert estimator.skeleton == "coco17"


def test_rtmo_gets_blue_green_red_and_may_find_nobody(tmp_path: Path) -> None:
    nobody, somebody = RTMO(rtmo_network(tmp_path / "n.onnx"))(np.concatenate([frames_of(BLUE), frames_of(RED)]))
    assert nobody.shape == (0, 17, 3) and somebody.shape == (1, 17, 3)


def rtmpose_networks(folder: Path) -> tuple[Path, Path]:
    """A detector of 64 x 64 that sees one box in red pictures; a pose network of 64 x 32 (height x width)."""
    detector = write_network(
        folder / "yolox.onnx",
        [1, 3, 64, 64],
        {"dets": np.array([[[16.0, 16.0, 32.0, 48.0, 0.0]]]), "labels": np.zeros((1, 1))},
        score=("dets", (0, 0, 4), 1 / 255),
    )
    across, down = np.zeros((1, 17, 64)), np.zeros((1, 17, 128))  # two bins a pixel
    across[0, :, 32], down[0, :, 64] = 0.9, 0.7  # every joint in the middle of the box
    outputs = {"simcc_x": across, "simcc_y": down}
    every = (0, slice(None), 64)  # the surer, the more of the third colour
    return detector, write_network(folder / "pose.onnx", [1, 3, 64, 32], outputs, score=("simcc_y", every, 0.1))


def test_rtmpose_looks_into_the_boxes_and_only_there(tmp_path: Path) -> None:
    estimator = RTMPose(*rtmpose_networks(tmp_path))
    somebody, nobody = estimator(np.concatenate([frames_of(RED), frames_of(BLUE)]))
    assert nobody.shape == (0, 17, 3)  # not the whole frame taken for a person
    np.testing.assert_allclose(somebody[0, :, 0], 48, atol=0.5)  # the box is 32..64 x 32..96 in the frame
    np.testing.assert_allclose(somebody[0, :, 1], 64, atol=0.5)
    # RTMPose's third colour is blue, of which there is none: -103.53 / 57.375 after its normalisation. The score is
    # the mean over both directions
    np.testing.assert_allclose(somebody[0, :, 2], (0.9 + 0.7 - 0.1 * 103.53 / 57.375) / 2, atol=1e-3)


def test_rtmo_that_gives_no_rows_finds_nobody(tmp_path: Path) -> None:
    outputs = {"dets": np.zeros((1, 0, 5)), "keypoints": np.zeros((1, 0, 17, 3))}
    (persons,) = RTMO(write_network(tmp_path / "n.onnx", [1, 3, 64, 64], outputs))(frames_of(RED))
    assert persons.shape == (0, 17, 3)


def test_a_frame_on_which_an_estimator_fails_is_named(tmp_path: Path) -> None:
    """rtmlib cannot fit a frame of one row into its square: one sentence, whatever comes."""
    video = tmp_path / "thin"
    video.mkdir()
    Image.new("RGB", (1000, 1)).save(video / "0.png")
    with pytest.raises(ValueError, match=r"Expected poses from RTMO in frames 0 to 0 of .*thin; it failed \("):
        estimate_poses(RTMO(rtmo_network(tmp_path / "n.onnx")), video, [0])


def test_nothing_on_standard_output(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    RTMO(rtmo_network(tmp_path / "n.onnx"))
    RTMPose(*rtmpose_networks(tmp_path))
    assert capsys.readouterr().out == ""  # where the JSON goes


def test_only_these_frames_are_looked_at(tmp_path: Path) -> None:
    video = tmp_path / "v.mp4"
    write_video(video, np.concatenate([frames_of(BLUE, 64, 64, 10), frames_of(RED, 64, 64, 10)]), 10)
    estimator = RTMO(rtmo_network(tmp_path / "n.onnx"))
    poses = estimate_poses(estimator, video, [19, 2, 12, 0, 12, 15])
    assert poses.skeleton == "coco17" and poses.frame_index.tolist() == [0, 2, 12, 15, 19]
    assert np.diff(poses.frame_offsets).tolist() == [0, 0, 1, 1, 1]


def test_networks_of_another_kind_are_refused(tmp_path: Path) -> None:
    detector, pose = rtmpose_networks(tmp_path)
    rtmo_path = rtmo_network(tmp_path / "rtmo.onnx")
    openpose = write_network(
        tmp_path / "op.onnx", [1, 3, 64, 64], {"fields": np.zeros((1, 38, 8, 8)), "maps": np.zeros((1, 19, 8, 8))}
    )
    many = write_network(tmp_path / "coco.onnx", [1, 3, 64, 64], {"output": np.zeros((1, 84, 85))})
    halpe = {"simcc_x": np.zeros((1, 26, 64)), "simcc_y": np.zeros((1, 26, 128))}
    for path in (detector, pose, openpose, many):
        with pytest.raises(ValueError, match=rf"Expected the network of RTMO in .*{path.name}"):
            RTMO(path)
    for path in (rtmo_path, openpose, many, write_network(tmp_path / "halpe.onnx", [1, 3, 64, 32], halpe)):
        with pytest.raises(ValueError, match=rf"Expected the network of RTMPose in .*{path.name}"):
            RTMPose(detector, path)
    for path in (pose, openpose, many):
        with pytest.raises(ValueError, match=rf"Expected the network of YOLOX for persons alone in .*{path.name}"):
            RTMPose(path, pose)
    (tmp_path / "text.onnx").write_text("nothing")
    with pytest.raises(ValueError, match=r"Expected RTMO's network in ONNX format in .*text\.onnx"):
        RTMO(tmp_path / "text.onnx")
    with pytest.raises(FileNotFoundError, match=r"Expected the file of a pose network; .*gone\.onnx"):
        RTMO(tmp_path / "gone.onnx")
    four = write_network(tmp_path / "four.onnx", [4, 3, 64, 64], {"dets": np.zeros((1, 1, 5))})
    with pytest.raises(ValueError, match=r"Expected RTMO's network in .*four\.onnx, which takes one image"):
        RTMO(four)
    with pytest.raises(ValueError, match=r"Expected two files, .* in --weights for rtmpose; found 1"):
        load_estimator("rtmpose", [pose], "cpu")
    assert isinstance(load_estimator("rtmpose", [detector, pose], "cuda"), RTMPose)  # no such provider: the CPU


def test_downloads_are_checked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What rtmlib finds in its folder of downloads is trusted by its hash alone."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    folder = tmp_path / "hub/checkpoints"
    folder.mkdir(parents=True)
    address, digest = rtmo.NETWORK
    there = rtmo_network(folder / Path(address).with_suffix(".onnx").name)
    with pytest.raises(ValueError, match=rf"Expected the file with SHA-256 {digest[:16]}.* in .*rtmo-s.*onnx; found"):
        load_estimator("rtmo", [], "cpu")
    good = hashlib.sha256(there.read_bytes()).hexdigest()
    monkeypatch.setattr(rtmo, "NETWORK", (address, good))
    assert isinstance(load_estimator("rtmo", [], "cpu"), RTMO)
    there.unlink()
    monkeypatch.setattr(network_files, "MODELS", "file:///nowhere/")
    with pytest.raises(ConnectionError, match=r"Expected to download .*rtmo-s.* --weights, .* --pose-model"):
        load_estimator("rtmo", [], "cpu")


def test_keypoint_rcnn_through_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its outputs become poses; torchvision itself is not here: a network with its interface stands for it."""

    class Network(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.tensor(0.0))

        def forward(self, images: list[torch.Tensor]) -> list[dict[str, torch.Tensor]]:
            outputs = []
            for image in images:
                assert image.shape[0] == 3 and image.min() >= 0 and image.max() <= 1
                places = torch.arange(17.0)[:, None] * self.scale + torch.tensor([image[0, 0, 0] * 255, 5.0])
                keypoints = torch.cat([places, torch.ones(17, 1)], dim=1)
                scores = torch.tensor([0.9, 0.3])  # the second is hardly a person
                of_joints = torch.full((2, 17), 2.0)
                outputs.append(
                    {"keypoints": keypoints.repeat(2, 1, 1), "scores": scores, "keypoints_scores": of_joints}
                )
            return outputs

    detection = types.ModuleType("torchvision.models.detection")
    detection.keypointrcnn_resnet50_fpn = lambda weights, weights_backbone: Network()
    models = types.ModuleType("torchvision.models")
    models.detection = detection
    for name, module in (("torchvision", types.ModuleType("torchvision")), ("torchvision.models", models)):
        monkeypatch.setitem(sys.modules, name, module)
    torch.save({"scale": torch.tensor(2.0)}, tmp_path / "weights.pth")
    estimator = load_estimator("keypoint-rcnn", [tmp_path / "weights.pth"], "cpu")
    frames = np.concatenate([frames_of((number, 0, 0)) for number in range(10)])
    persons = estimator(frames)
    assert [len(p) for p in persons] == [1] * 10 and estimator.skeleton == "coco17"
    for number, (person,) in enumerate(persons):
        np.testing.assert_allclose(person[:, 0], 2 * np.arange(17) + number, rtol=1e-5)
        np.testing.assert_allclose(person[:, 2], 0.9 / (1 + np.exp(-2)), rtol=1e-5)
    torch.save({"other": torch.tensor(2.0)}, tmp_path / "weights.pth")
    with pytest.raises(ValueError, match=r"Expected torchvision's weights of Keypoint R-CNN in .*; found others"):
        load_estimator("keypoint-rcnn", [tmp_path / "weights.pth"], "cpu")
