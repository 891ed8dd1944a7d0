"""What a prediction is made of: where the persons are from, the modes of the model, what is said."""

import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
import torch

from integralaction import console
from integralaction.clip import Poses
from integralaction.data.poses import write_pose_store
from integralaction.data.video import write_video
from integralaction.model.network import IntegralAction
from integralaction.predict import video as predict
from integralaction.predict.exports import as_dict
from integralaction.predict.video import predict_video
from tests.toy import toy_model

SIZE, FRAMES = 32, 12
PERSON = np.concatenate([np.linspace(4, 28, 36).reshape(1, 18, 2), np.full((1, 18, 1), 0.9)], axis=2)


class Everywhere:
    """An estimator that sees one person wherever it looks."""

    skeleton = "openpose18"

    def __call__(self, frames: np.ndarray) -> list[np.ndarray]:
        return [PERSON for _ in frames]


@pytest.fixture
def video(tmp_path: Path) -> Path:
    frames = np.random.default_rng(0).integers(0, 255, (FRAMES, SIZE, SIZE, 3), dtype=np.uint8)
    write_video(tmp_path / "v.mp4", frames, 10)
    return tmp_path / "v.mp4"


def model_of(method: str = "integral") -> IntegralAction:
    config = toy_model(classes=("a", "b"), channels=8, frames=2, stride=2, size=SIZE).of_method(method)
    torch.manual_seed(0)
    return IntegralAction(config).eval()


def test_left_out_poses_are_looked_for(
    video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """As the command does: by the estimator that is installed, else by nobody, which is said."""
    predict._estimator.cache_clear()
    monkeypatch.setattr(predict, "is_estimator_installed", lambda: True)
    monkeypatch.setattr(predict, "load_estimator", lambda name, weights, device: Everywhere())
    model = model_of()
    by_default, named = predict_video(model, video), predict_video(model, video, "rtmo")
    given = predict_video(model, video, Poses.from_frames("openpose18", dict.fromkeys(range(FRAMES), PERSON)))
    for prediction in (by_default, named, given):
        assert prediction.persons.share == 1
        np.testing.assert_array_equal(prediction.clip_probabilities, by_default.clip_probabilities)
    assert [p.persons.source for p in (by_default, named, given)] == ["rtmo", "rtmo", "poses given"]
    assert not capsys.readouterr().err
    predict._estimator.cache_clear()
    monkeypatch.setattr(predict, "is_estimator_installed", lambda: False)
    blind = predict_video(model, video)
    assert blind.persons.source == "none" and blind.persons.share == 0
    assert "No poses: no estimator is installed" in capsys.readouterr().err
    nobody = predict_video(model, video, None)
    np.testing.assert_array_equal(nobody.clip_probabilities, blind.clip_probabilities)
    assert not capsys.readouterr().err and not np.array_equal(blind.gates, by_default.gates)


def test_poses_by_estimator_and_by_path(video: Path) -> None:
    poses = Poses.from_frames("openpose18", dict.fromkeys(range(FRAMES), PERSON))
    write_pose_store(video.parent, [("v.mp4", poses)])
    model = model_of()
    by_path = predict_video(model, str(video), video.parent)
    assert by_path.persons.source == str(video.parent)
    by_estimator = predict_video(model, video, Everywhere())
    assert by_estimator.persons.source == "Everywhere"
    np.testing.assert_allclose(by_path.clip_probabilities, by_estimator.clip_probabilities, atol=1e-6)
    with pytest.raises(FileNotFoundError, match=r"Expected rtmo, .* or a file or folder of poses; rtmoo is not there"):
        predict_video(model, video, "rtmoo")
    with pytest.raises(ValueError, match="Expected poses for a model that looks at nothing else"):
        predict_video(model_of("pose-only"), video, None)


def test_networks_and_faulty_estimators_are_refused_in_a_sentence(video: Path, tmp_path: Path) -> None:
    class OfOneFrame(Everywhere):
        def __call__(self, frames: np.ndarray) -> list[np.ndarray]:
            return [PERSON]

    (tmp_path / "net.onnx").touch()
    with pytest.raises(ValueError, match=r"net\.onnx is a network\. Give an OpenPose network with --pose-model"):
        predict_video(model_of(), video, tmp_path / "net.onnx")
    with pytest.raises(ValueError, match=r"it failed \(of \d+ frames it gave the persons of 1\)"):
        predict_video(model_of(), video, OfOneFrame())


def test_other_types_are_refused_in_a_sentence(video: Path) -> None:
    """In a process of its own: the tests check all types before a function can."""
    code = """
import sys
import numpy as np
from integralaction import load_model, predict_video
for model, poses in (("mime", None), (load_model("mime"), np.zeros((4, 1, 18, 3)))):
    try:
        predict_video(model, sys.argv[1], poses)
    except ValueError as error:
        print(error)
"""
    done = subprocess.run([sys.executable, "-c", code, str(video)], capture_output=True, text=True)
    model, poses = done.stdout.splitlines()
    assert model == "Expected a model; found 'mime'. Give load_model('mime')."
    assert poses.startswith("Expected poses as the name of an estimator, a path"), done.stderr


def test_programs_are_told_what_answered(video: Path) -> None:
    model = model_of("appearance-only")
    model.source = "runs/x/appearance-only.safetensors"
    answer = as_dict(predict_video(model, video))
    assert answer["model"] == "runs/x/appearance-only.safetensors" and answer["poses"] == "none"


def test_a_model_in_training_answers_as_ever_and_stays_so(video: Path) -> None:
    """Its batch statistics do not move, and each part has its own mode again."""
    model = model_of()
    expected = predict_video(model, video, None).clip_probabilities
    model.train()
    assert model.appearance is not None
    model.appearance.eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    np.testing.assert_array_equal(predict_video(model, video, None).clip_probabilities, expected)
    assert [module.training for module in model.modules()] == modes and True in modes and False in modes
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_video_shorter_than_a_clip_is_said(video: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    predict_video(model_of(), video, None)
    assert not capsys.readouterr().err
    write_video(tmp_path / "short.mp4", np.zeros((2, SIZE, SIZE, 3), np.uint8), 10)
    predict_video(model_of(), tmp_path / "short.mp4", None)
    assert "short.mp4 has 2 frames, a clip spans 3" in capsys.readouterr().err


def test_broken_times_are_said(video: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """As an encoder that stands still writes them: all packets of one time."""
    broken = tmp_path / "broken.mkv"
    with av.open(str(video)) as source, av.open(str(broken), "w") as target:
        copy = target.add_stream_from_template(source.streams.video[0])
        for packet in source.demux(video=0):
            if packet.dts is not None:
                packet.stream, packet.pts, packet.dts = copy, 0, 0
                target.mux(packet)
    predict_video(model_of(), broken, None)
    assert "broken.mkv: its times cannot be trusted" in capsys.readouterr().err


def test_an_estimator_that_takes_long_says_how_far_it_is(
    video: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    class Slow(Everywhere):
        def __call__(self, frames: np.ndarray) -> list[np.ndarray]:
            time.sleep(0.2)
            return super().__call__(frames)

    monkeypatch.setattr(console, "EVERY", 0.05)
    predict_video(model_of(), video, Slow())
    assert "looking for persons in v.mp4: 0 of 12 after 0 s" in capsys.readouterr().err
