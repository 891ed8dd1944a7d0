"""The commands as a user runs them: real files, real processes, one sentence for what is wrong."""

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest
import yaml
from networks import write_network
from PIL import Image
from toy import toy_recipe, write_toy_dataset

from integralaction.cli import main as cli
from integralaction.cli.main import run
from integralaction.cli.predict import video_paths
from integralaction.clip import Poses
from integralaction.data.poses import write_pose_store
from integralaction.data.video import read_frames, write_video
from integralaction.draw import LEAST_HEIGHT
from integralaction.importers.pyskl import Pyskl
from integralaction.predict import video as predict
from integralaction.recipe import Recipe
from integralaction.recipes import RECIPES, recipe_named
from integralaction.settings import override, to_dict


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set and a run, both made by commands."""
    root = tmp_path_factory.mktemp("cli")
    write_toy_dataset(root / "data")
    (root / "toy.yaml").write_text(yaml.safe_dump(to_dict(toy_recipe())))
    arguments = ["--data", str(root / "data"), "--out", str(root / "run"), "--device", "cpu"]
    assert run(["train", str(root / "toy.yaml"), *arguments, "seed=3", "optimizer.momentum=0.8"]) == 0
    return root


def test_predict_with_and_without_poses(root: Path, capsys: pytest.CaptureFixture) -> None:
    video = str(root / "data/in-context/009.mp4")
    assert run(["predict", video, "--model", str(root / "run"), "--poses", str(root / "data")]) == 0
    out = capsys.readouterr().out
    assert all(words in out for words in ("009.mp4", " %  still", "gate 0.", "appearance alone:", "pose alone:"))
    assert "usable pose in" in out and "usable pose in 0 %" not in out
    model = ["--model", str(root / "run/integral.safetensors")]
    assert run(["predict", video, *model, "--json", "--poses", "none"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["pose_share"] == 0 and len(answer["top"]) == 3 and set(answer["streams"]) == {"appearance", "pose"}
    assert sum(entry["probability"] for entry in answer["top"]) == pytest.approx(1, abs=1e-5)
    assert run(["predict", video, "--model", str(root / "run/appearance-only.safetensors")]) == 0
    captured = capsys.readouterr()
    assert "usable pose" not in captured.out and not captured.err  # it looks at none, and asks for none
    appearance = ["--model", str(root / "run/appearance-only.safetensors"), "--poses", str(root / "data")]
    assert run(["predict", video, *appearance]) == 0
    assert "The model looks at no poses: their source is not used." in capsys.readouterr().err


def test_poses_are_all_that_a_pose_stream_has(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of nobody it would answer something all the same: refused, whatever the reason that there are none."""
    call = ["predict", str(root / "data/in-context/009.mp4"), "--model", str(root / "run/pose-only.safetensors")]
    assert run([*call, "--poses", str(root / "data")]) == 0
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("integralaction.estimators.network_files.MODELS", "file:///nowhere/")
    assert run(call) == 1 and "Expected to download" in capsys.readouterr().err
    monkeypatch.setattr("integralaction.estimators.choice.find_spec", lambda name: None)
    for arguments in (call, [*call, "--poses", "none"]):
        assert run(arguments) == 2
        captured = capsys.readouterr()
        assert "Expected poses for a model that looks at nothing else; found none." in captured.err
        assert not captured.out


def test_without_an_estimator_it_says_so_and_goes_on(
    root: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("integralaction.estimators.choice.find_spec", lambda name: None)
    assert run(["predict", str(root / "data/in-context/009.mp4"), "--model", str(root / "run")]) == 0
    captured = capsys.readouterr()
    assert "pip install 'integralaction[pose]'" in captured.err and "The model sees nobody" in captured.err
    assert "usable pose in 0 % of the frames, none in 100 %" in captured.out


def test_a_download_that_fails_is_said_and_the_model_goes_on(
    root: Path, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody asked for the estimator by name; who does gets an error."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr("integralaction.estimators.network_files.MODELS", "file:///nowhere/")
    call = ["predict", str(root / "data/in-context/009.mp4"), "--model", str(root / "run")]
    assert run(call) == 0
    captured = capsys.readouterr()
    assert "No poses: Expected to download" in captured.err and "The model sees nobody" in captured.err
    assert "usable pose in 0 %" in captured.out
    assert run([*call, "--poses", "rtmo"]) == 1
    assert "Expected to download" in capsys.readouterr().err


def test_estimators_on_local_files(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """By --weights and by --pose-model, to the model's 18 joints; the frames show where they were found."""
    joints = np.stack([np.linspace(8, 40, 17), np.linspace(10, 50, 17), np.ones(17)], axis=1)[None, None]
    rtmo = write_network(
        tmp_path / "rtmo.onnx", [1, 3, 64, 64], {"dets": np.array([[[0, 0, 60, 60, 0.9]]]), "keypoints": joints}
    )
    nobody = write_network(tmp_path / "openpose.onnx", [1, "h", "w", 3], {"maps": np.zeros((1, 8, 8, 57))})
    video = str(root / "data/in-context/009.mp4")
    model = ["--model", str(root / "run"), "--json"]
    assert run(["predict", video, *model, "--weights", str(rtmo), "--save-frames", str(tmp_path / "shown")]) == 0
    assert json.loads(capsys.readouterr().out)["pose_share"] == 1
    assert run(["predict", video, *model, "--pose-model", str(nobody)]) == 0
    assert json.loads(capsys.readouterr().out)["pose_share"] == 0
    pictures = sorted((tmp_path / "shown/009").iterdir())
    assert pictures[0].name == "clip0-frame000000.jpg" and len(pictures) == 20  # ten clips of two frames
    with Image.open(pictures[0]) as picture:
        assert picture.width == LEAST_HEIGHT and picture.height > LEAST_HEIGHT
    assert run(["predict", video, *model, "--pose-model", str(rtmo)]) == 1
    assert "Expected an OpenPose network of 18 joints" in capsys.readouterr().err


def test_two_videos_of_one_name_keep_their_frames(root: Path, tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    shutil.copy(root / "data/in-context/009.mp4", tmp_path / "a")
    videos = [str(tmp_path / "a/009.mp4"), str(root / "data/in-context/009.mp4")]
    frames = ["--poses", "none", "--save-frames", str(tmp_path / "shown")]
    assert run(["predict", *videos, "--model", str(root / "run"), *frames]) == 0
    assert {folder.name for folder in (tmp_path / "shown").iterdir()} == {"009", "009-2"}
    (tmp_path / "file").touch()
    assert run(["predict", *videos, "--model", str(root / "run"), "--save-frames", str(tmp_path / "file")]) == 1


def test_poses_of_other_videos_are_refused(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    video = str(root / "data/in-context/009.mp4")
    person = {"image_id": 12, "keypoints": [20.0] * 51, "score": 1}
    (tmp_path / "009.json").write_text(json.dumps([person]))
    poses = ["--model", str(root / "run"), "--poses", str(tmp_path / "009.json")]
    assert run(["predict", video, *poses]) == 1
    assert "Expected poses of the 12 frames of" in capsys.readouterr().err
    assert run(["predict", video, video, *poses]) == 2
    assert "Expected one video for the poses of one" in capsys.readouterr().err
    joints = np.zeros((1, 25, 3), np.float32)
    write_pose_store(tmp_path, [("009.mp4", Poses.from_frames("ntu25", {0: joints}))])
    shutil.copy(video, tmp_path)
    assert run(["predict", str(tmp_path / "009.mp4"), "--model", str(root / "run"), "--poses", str(tmp_path)]) == 1
    assert "Expected poses that convert to the skeleton openpose18; ntu25 has no joint" in capsys.readouterr().err


def test_evaluate_prints_the_table(root: Path, capsys: pytest.CaptureFixture) -> None:
    assert run(["evaluate", str(root / "run"), "--device", "cpu"]) == 0
    out = capsys.readouterr().out
    assert "appearance-only" in out and "integral - gate-free" in out and "out-of-context" in out


def bad_videos(folder: Path) -> dict[str, Path]:
    """A text file, an empty file, a truncated mp4, a missing path, an audio-only file."""
    paths = {name: folder / f"{name}.mp4" for name in ("text", "empty", "truncated", "missing", "audio")}
    paths["text"].write_text("not a video\n" * 100)
    paths["empty"].touch()
    random = np.random.default_rng(0)
    write_video(paths["audio"], random.integers(0, 255, (30, 64, 64, 3), dtype=np.uint8), 10)
    whole = paths["audio"].read_bytes()
    paths["truncated"].write_bytes(whole[: len(whole) // 2])
    with av.open(str(paths["audio"]), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return paths


def test_each_bad_video_is_one_sentence_and_the_good_one_is_answered(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    paths = bad_videos(tmp_path)
    good = root / "data/in-context/009.mp4"
    videos = [str(path) for path in (*paths.values(), good)]
    assert run(["predict", *videos, "--model", str(root / "run"), "--poses", str(root / "data")]) == 1
    captured = capfd.readouterr()
    assert captured.out.count("gate 0.") == 1 and str(good) in captured.out
    lines = [line for line in captured.err.splitlines() if line]
    assert len(lines) == len(paths), captured.err
    for name, line in zip(
        sorted(paths, key=lambda name: name != "missing"), lines, strict=True
    ):  # what is not there first
        assert line.startswith("integralaction: Expected a video") and f"{name}.mp4" in line, line
        assert line.endswith("."), line


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["predict", "x.mp4", "--model", "nothing"],
            "a model file, an embedded model (mime) or hf:OWNER/NAME, a model of the hub; nothing is not there",
        ),
        (
            ["predict", "x.mp4", "--model", "RUN", "--poses", "nowhere"],
            "none, or a file or folder of poses; nowhere",
        ),
        (
            ["predict", "x.mp4", "--model", "RUN", "--pose-model", "a", "--poses", "rtmo"],
            "Expected one source of poses",
        ),
        (["predict", "x.mp4", "--model", "RUN", "--weights", "a", "--poses", "b"], "with --weights; found --poses b"),
        (
            ["predict", "x.mp4", "--model", "RUN", "--weights", "a", "b", "c"],
            "Expected two files, YOLOX's and RTMPose's",
        ),
        (["predict", "x.mp4", "--model", "RUN", "--pose-model", "a"], "Expected the file of a pose network; a is not"),
        (["train", "kinetix", "--data", "d", "--out", "o"], "Expected a recipe (kinetics50, kinetics400"),
        (["mime", ".", "--train", "1"], "to be new, empty or made by mime"),
        (["mime", "file", "--train", "1"], "is a file"),
        (["mime", "out", "--processes", "0"], "Expected at least one process"),
        (["train", "kinetics50", "sed=1", "--data", "d", "--out", "o"], "did you mean 'seed'?"),
        (["train", "kinetics50", "seed", "--data", "d", "--out", "o"], "Expected settings as name=value"),
        (["train", "kinetics50", "model.pose.backbone.width=0.3", "--data", "d", "--out", "o"], "a multiple of 1/8"),
        (["train", "kinetics50", "--data", "d", "--out", "o"], "Expected a data set folder with dataset.yaml"),
        (["evaluate", "nothing"], "Expected a run folder with settings.yaml"),
        (["mime", "out", "--size", "3"], "Expected an even size"),
    ],
)
def test_wrong_calls_are_one_sentence(
    arguments: list[str],
    message: str,
    root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    (tmp_path / "x.mp4").touch()
    assert run([str(root / "run") if argument == "RUN" else argument for argument in arguments]) == 2
    err = " ".join(capsys.readouterr().err.replace("│", " ").split())
    assert message in err
    assert "Traceback" not in err


def test_debug_shows_where_the_error_of_one_video_of_many_comes_from(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    command = ["predict", str(tmp_path / "bad.mp4"), "--poses", "none"]
    for options, has_traceback in (([], False), (["--debug"], True), ([], False)):
        assert run([*command, *options]) == 1
        err = capsys.readouterr().err
        assert ("Traceback" in err) == has_traceback and "integralaction: Expected a video" in err


def test_too_many_arguments_are_told_apart(capsys: pytest.CaptureFixture) -> None:
    assert run(["import", "folder", "a", "b c", "d", "--out", "data"]) == 2
    assert "Expected no more arguments; found 'b c' d." in capsys.readouterr().err


def test_unknown_option_is_a_wrong_call() -> None:
    command = [sys.executable, "-m", "integralaction", "evaluate", "x", "--spilt", "val"]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 2 and "--split" in finished.stderr + finished.stdout


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_survive_a_file(name: str, tmp_path: Path) -> None:
    recipe = recipe_named(name)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(to_dict(recipe)))
    assert recipe_named(str(path)) == recipe
    assert override(recipe, ["stages.integration.epochs=7", "stages.gate_lambda=5"]).stages.integration.epochs == 7


def test_recipes_have_the_papers_values() -> None:
    recipe = recipe_named("kinetics400")
    assert (recipe.model.appearance.backbone.depth, recipe.model.pose.backbone.depth) == (50, 18)
    assert (recipe.model.clip.frames, recipe.model.clip.stride, recipe.model.clip.span) == (8, 8, 57)
    assert recipe.model.clip.frames * recipe.model.clip.pose_frame_factor == 32
    assert (recipe.stages.appearance.epochs, recipe.stages.appearance.milestones) == (70, (30, 60))
    assert (recipe.stages.gate_lambda, recipe.optimizer.batch_size, recipe.model.integration.channels) == (1.5, 32, 512)
    assert isinstance(recipe, Recipe)


def test_real_videos_get_an_answer(root: Path, shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    videos = [shared / "data/videos" / name for name in ("tai_chi_k400.mp4", "v_Biking_g05_c02.avi")]
    assert run(["predict", *map(str, videos), "--model", str(root / "run"), "--poses", "none"]) == 0
    assert capsys.readouterr().out.count("gate 0.") == 2
    # poses from OpenPose files, somebody in the first hundred frames
    poses = tmp_path / "poses"
    poses.mkdir()
    person = [value for joint in range(18) for value in (100.0 + joint, 50.0 + 5 * joint, 0.8)]
    for frame in range(100):
        text = json.dumps({"people": [{"pose_keypoints_2d": person}]})
        (poses / f"tai_chi_k400_{frame:012d}_keypoints.json").write_text(text)
    assert run(["predict", str(videos[0]), "--model", str(root / "run"), "--poses", str(poses), "--json"]) == 0
    assert 0.2 < json.loads(capsys.readouterr().out)["pose_share"] < 0.5


def test_a_real_network_sees_a_person_but_not_in_a_close_up(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    videos = []
    for name in ("clean_and_jerk_k400.mp4", "v_ApplyEyeMakeup_g01_c01.avi"):
        videos.append(tmp_path / f"{name[:-4]}.mp4")  # 30 frames, of which the clips show 16
        write_video(videos[-1], read_frames(shared / "data/videos" / name, range(60, 90)), 25)
    network = shared / "data/pose_weights/openpose18_mobilenet_v2_small.onnx"
    frames = ["--pose-model", str(network), "--save-frames", str(tmp_path)]
    assert run(["predict", *map(str, videos), "--json", *frames]) == 0
    captured = capsys.readouterr()
    upright, close_up = (json.loads(line) for line in captured.out.splitlines())
    assert upright["pose_share"] > 0.8 and close_up["pose_share"] < 0.1
    assert "its labels are the drawn actions of the benchmark mime" in captured.err
    assert len(list(tmp_path.glob("*/clip9-frame*.jpg"))) == 16


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("predict a.mp4 --poses none b.mp4", {"video": "a.mp4", "videos": ("b.mp4",), "poses": "none"}),
        ("predict --weights x y a.mp4 --json", {"video": "a.mp4", "weights": [Path("x"), Path("y")], "json_": True}),
        ("evaluate RUN --split train test", {"run": Path("RUN"), "split": ["train", "test"]}),
        ("evaluate --split train test RUN", {"run": Path("RUN"), "split": ["train", "test"]}),
        ("audit --split=train RUN --split test", {"run": Path("RUN"), "split": ["train", "test"]}),
        ("report RUN --split train --split test", {"run": Path("RUN"), "split": ["train", "test"]}),
        ("reproduce table4 --out X a=1 --seeds 2 b=2", {"item": "table4", "items": ("a=1", "b=2"), "seeds": 2}),
        ("train R --data D a=1 --out O b=2", {"recipe": "R", "assignments": ("a=1", "b=2"), "data": Path("D")}),
        ("import pyskl --split a=b c=d F --out O", {"importer": Pyskl(Path("F"), split=("a=b", "c=d"))}),
        ("convert a --out o b", {"file": Path("a"), "other": Path("b"), "out": Path("o")}),
    ],
)
def test_options_stand_anywhere(line: str, values: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    bound, parse = {}, cli.app.parse_args

    def app(arguments: list[str]) -> int:
        bound.update(parse(arguments)[1].arguments)
        return 0

    monkeypatch.setattr(cli, "app", app)
    assert run(line.split()) == 0
    assert {name: bound[name] for name in values} == values


def test_folders_and_patterns_are_their_videos(tmp_path: Path) -> None:
    for name in ("clip10.mp4", "clip2.MOV", "deep/clip1.avi", "00001.MTS", "notes.txt", ".hidden.mp4", "frames/1.jpg"):
        (tmp_path / "phone" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "phone" / name).touch()
    phone = tmp_path / "phone"
    videos = [phone / name for name in ("00001.MTS", "clip2.MOV", "clip10.mp4", "deep/clip1.avi", "frames")]
    assert video_paths([str(phone)]) == (videos, [])
    assert video_paths([str(phone / "*.mp4"), str(phone / "frames")]) == ([phone / "clip10.mp4", phone / "frames"], [])
    assert video_paths([str(phone / "no*"), "gone.mp4"])[1] == ["gone.mp4"]
    assert video_paths(["gone*.mp4"]) == ([], ["gone*.mp4"])


def test_whatever_a_file_comes_to_is_its_own_fault(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    good, odd = root / "data/in-context/009.mp4", tmp_path / "odd\x1b[2J.mp4"
    shutil.copy(good, odd)
    answer = predict.predict_video

    def fails(model: object, video: Path, poses: object) -> object:
        if video == odd:
            raise AttributeError("'NoneType' object has no attribute 'thread_count'")
        return answer(model, video, poses)

    monkeypatch.setattr(predict, "predict_video", fails)
    call = ["predict", str(odd), str(good), "--model", str(root / "run"), "--poses", "none", "--json"]
    assert run(call) == 1
    captured = capsys.readouterr()
    assert [json.loads(line)["video"] for line in captured.out.splitlines()] == [str(good)]
    assert "odd\\x1b[2J.mp4: AttributeError: 'NoneType' object" in captured.err and "\x1b" not in captured.err


def test_nothing_is_connected_that_was_not_asked_for(root: Path, shared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither by the commands nor by the libraries below them; ONNX Runtime's own report is turned off."""

    def refuse(*arguments: object) -> None:
        raise AssertionError(f"a connection: {arguments}")

    for name in ("connect", "connect_ex"):
        monkeypatch.setattr(socket.socket, name, refuse)
    for name in ("getaddrinfo", "gethostbyname", "create_connection"):
        monkeypatch.setattr(socket, name, refuse)
    video, run_folder = str(root / "data/in-context/009.mp4"), str(root / "run")
    network = str(shared / "data/pose_weights/openpose18_mobilenet_v2_small.onnx")
    assert run(["predict", video, "--model", run_folder, "--pose-model", network]) == 0
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "1"
    for command in (["data", str(root / "data")], ["evaluate", run_folder, "--device", "cpu"], ["report", run_folder]):
        assert run(command) == 0, command
    assert run(["predict", video, "--model", f"{run_folder}s/x"]) == 2  # a mistyped folder is not asked of the hub
