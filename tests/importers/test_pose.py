"""Poses of whole data sets: one process, several of which one dies, a killed command, a Ray cluster."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from networks import write_network

from integralaction.cli.main import run
from integralaction.clip import Poses
from integralaction.data.index import Index, Video, read_index, write_index
from integralaction.data.poses import PoseStore, write_pose_store
from integralaction.data.video import write_video
from integralaction.estimators import units, video_poses
from integralaction.estimators.choice import EstimatorChoice
from integralaction.estimators.units import UNIT_SIZE
from integralaction.importers import pose
from integralaction.importers.pose import estimate_data_set

FRAMES, SIZE = 30, 64


def rtmo_network(path: Path) -> Path:
    """RTMO of 64 x 64 that finds one person, at the same place always."""
    joints = np.stack([np.arange(17) + 10.0, np.arange(17) + 20.0, np.linspace(0.2, 1, 17)], axis=1)[None, None]
    boxes = np.array([[[8, 8, 40, 60, 0.9]]])
    return write_network(path, [1, 3, 64, 64], {"dets": boxes, "keypoints": joints})


def data_set(root: Path, videos: int, frames: int = FRAMES) -> Index:
    """Videos that are all the same but for their names, without poses."""
    (root / "v").mkdir(parents=True)
    write_video(root / "v/0.mp4", np.zeros((frames, SIZE, SIZE, 3), np.uint8), 10)
    for number in range(1, videos):
        (root / f"v/{number}.mp4").write_bytes((root / "v/0.mp4").read_bytes())
    rows = tuple(Video(f"v/{n}.mp4", "ab"[n % 2], "train", frames, 10.0, SIZE, SIZE) for n in range(videos))
    index = Index(root, "many", "openpose18", ("a", "b"), rows)
    write_index(index)
    return index


def start(data: Path, network: Path, *more: str) -> subprocess.Popen:
    command = [sys.executable, "-m", "integralaction", "pose", str(data), "--weights", str(network), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    return subprocess.Popen(
        [*command, "--device", "cpu"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
    )


def wait_for_output(running: subprocess.Popen, seconds: float = 120) -> str:
    try:
        output, _ = running.communicate(timeout=seconds)
    finally:
        running.kill()
    return output


def wait_until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def done_units(data: Path) -> int:
    return len([path for path in (data / "pose.parts").glob("*.json") if path.name != "plan.json"])


def check_whole(data: Path, videos: int) -> None:
    """Every video once, every frame looked at, one person in each; nothing of the work is left behind."""
    store = PoseStore.of(data)
    assert sorted(store) == sorted(f"v/{n}.mp4" for n in range(videos))
    for name in store:
        assert len(store[name].frame_index) == FRAMES and len(store[name].joints) == FRAMES
    assert not (data / "pose.parts").exists()
    assert read_index(data).skeleton == "coco17"


def test_every_video_gets_poses_and_a_bad_one_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    network = rtmo_network(tmp_path / "n.onnx")
    index = data_set(tmp_path / "data", 6)
    (tmp_path / "data/v/3.mp4").write_bytes(b"no video")
    short = replace(index.videos[4], frames=FRAMES + 5)  # the index has more frames than the file
    write_index(replace(index, videos=(*index.videos[:4], short, index.videos[5])))
    command = ["pose", str(tmp_path / "data"), "--weights", str(network), "--device", "cpu"]
    assert run(command) == 0
    printed = capsys.readouterr().out
    assert "kept, but: 2 no poses: it cannot be looked at" in printed
    rows = (tmp_path / "data/poses.csv").read_text()
    assert "v/3.mp4" in rows and f"Expected {FRAMES + 5} frames" in rows
    store = PoseStore.of(tmp_path / "data")
    assert sorted(store) == [f"v/{n}.mp4" for n in (0, 1, 2, 5)]
    np.testing.assert_allclose(store["v/0.mp4"].joints[0, :, 0], np.arange(17) + 10)
    # mended, the same command does what is left
    (tmp_path / "data/v/3.mp4").write_bytes((tmp_path / "data/v/0.mp4").read_bytes())
    write_index(replace(read_index(tmp_path / "data"), videos=index.videos))
    assert run(command) == 0
    check_whole(tmp_path / "data", 6)
    assert run(command) == 0
    assert "All 6 videos of" in capsys.readouterr().err
    check_whole(tmp_path / "data", 6)


def test_wrong_calls_are_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    data_set(tmp_path / "data", 2, frames=3)
    network = str(rtmo_network(tmp_path / "n.onnx"))
    for more, message in (
        (["--weights", str(tmp_path / "gone.onnx")], "gone.onnx is not there"),
        (["--weights", network, "--processes", "0"], "Expected at least one process"),
        (["--weights", network, "--pose-model", network], "Expected one estimator"),
        (["--estimator", "keypoint-rcnn"], "Expected torchvision for keypoint-rcnn"),
    ):
        assert run(["pose", str(tmp_path / "data"), "--device", "cpu", *more]) in (1, 2)
        assert message in capsys.readouterr().err


def test_a_killed_command_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    videos = 6 * UNIT_SIZE
    network = rtmo_network(tmp_path / "n.onnx")
    data_set(tmp_path / "data", videos)
    data_set(tmp_path / "whole", videos)
    running = start(tmp_path / "data", network)
    wait_until(lambda: done_units(tmp_path / "data") >= 2)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "data/pose.parts").glob("*.safetensors")}
    assert 2 <= len(done) < 6
    command = ["pose", str(tmp_path / "data"), "--device", "cpu", "--weights"]
    assert run([*command, str(rtmo_network(tmp_path / "other.onnx"))]) == 2
    assert "Expected the estimation that was begun" in capsys.readouterr().err
    assert run([*command, str(network)]) == 0
    assert "24 videos of 2 classes" in capsys.readouterr().out
    command[1] = str(tmp_path / "whole")
    assert run([*command, str(network)]) == 0
    check_whole(tmp_path / "data", videos)
    shard = "poses-00000.safetensors"
    assert (tmp_path / "data" / shard).read_bytes() == (tmp_path / "whole" / shard).read_bytes()


def children(parent: int) -> list[int]:
    processes = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            text = path.read_text()
        except OSError:
            continue
        if int(text.rpartition(")")[2].split()[1]) == parent:
            processes.append(int(path.parent.name))
    return processes


def command_line(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the workers in /proc")
def test_one_of_several_processes_dies_and_nothing_is_lost(tmp_path: Path) -> None:
    videos = 8 * UNIT_SIZE
    data_set(tmp_path / "data", videos)
    running = start(tmp_path / "data", rtmo_network(tmp_path / "n.onnx"), "--processes", "2")
    wait_until(lambda: done_units(tmp_path / "data") >= 1)
    workers = [child for child in children(running.pid) if "spawn_main" in command_line(child)]
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    output = wait_for_output(running)
    assert running.returncode == 0, output
    check_whole(tmp_path / "data", videos)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds the workers in /proc")
def test_a_ray_cluster_loses_a_worker_and_no_video(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="the extra integralaction[ray] is not installed")
    videos = 10 * UNIT_SIZE
    data_set(tmp_path / "data", videos)
    running = start(tmp_path / "data", rtmo_network(tmp_path / "n.onnx"), "--ray", "local")
    wait_until(lambda: done_units(tmp_path / "data") >= 2, 120)

    def working() -> list[int]:
        processes = (int(path.parent.name) for path in Path("/proc").glob("[0-9]*/stat"))
        return [process for process in processes if "ray::do_unit" in command_line(process)]

    wait_until(lambda: len(working()) >= 1)
    os.kill(working()[0], signal.SIGKILL)
    output = wait_for_output(running)
    assert running.returncode == 0, output
    assert "kept, but" not in output
    check_whole(tmp_path / "data", videos)


def test_poses_of_another_skeleton_are_there_already(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """They are converted where that is possible, and refused before any work where not."""
    index = data_set(tmp_path / "data", 3)
    network = rtmo_network(tmp_path / "n.onnx")
    write_pose_store(tmp_path / "data", [("v/0.mp4", Poses.nobody("openpose18"))])
    command = ["pose", str(tmp_path / "data"), "--weights", str(network), "--device", "cpu"]
    assert run(command) == 0
    store = PoseStore.of(tmp_path / "data")
    assert store.skeleton == "openpose18" and len(store) == 3 and store["v/1.mp4"].joints.shape[1:] == (18, 3)
    other = replace(index, root=tmp_path / "other")
    data_set(tmp_path / "other", 3)
    write_index(other)
    write_pose_store(tmp_path / "other", [("v/0.mp4", Poses.nobody("ntu25"))])
    capsys.readouterr()
    assert run(["pose", str(tmp_path / "other"), "--weights", str(network), "--device", "cpu"]) == 2
    assert "convert to the skeleton ntu25" in capsys.readouterr().err
    assert not (tmp_path / "other/pose.parts").exists()


def test_a_video_that_kills_its_process_is_given_up_alone(tmp_path: Path) -> None:
    """Its deaths are counted by the notes that it leaves; the videos beside it get their poses."""
    data_set(tmp_path / "data", 2 * UNIT_SIZE)
    script = tmp_path / "work.py"
    script.write_text(
        """
import os, sys
from pathlib import Path
from integralaction.data.index import read_index
from integralaction.estimators import units
from integralaction.estimators.choice import EstimatorChoice
from integralaction.importers.pose import estimate_data_set

real = units.estimate_all_poses

def deadly(estimator, path, *more):
    if path.name == "1.mp4":
        os._exit(9)
    return real(estimator, path, *more)

units.estimate_all_poses = deadly
units.TRIES = 2
if __name__ == "__main__":
    done = estimate_data_set(read_index(sys.argv[1]), EstimatorChoice("rtmo", (sys.argv[2],), "cpu"), 2)
    print(units.TRIES, [(issue.item, issue.detail) for issue in done.issues])
"""
    )
    network = rtmo_network(tmp_path / "n.onnx")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(script), str(tmp_path / "data"), str(network)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=200, check=False)
    assert "[('v/1.mp4', '2 times the process that looked at it died')]" in done.stdout, done.stderr
    assert sorted(PoseStore.of(tmp_path / "data")) == [f"v/{n}.mp4" for n in range(2 * UNIT_SIZE) if n != 1]


@pytest.mark.parametrize("deaths", [1, 20])
def test_deaths_of_the_whole_command_are_no_fault_of_a_video(tmp_path: Path, deaths: int) -> None:
    """Neither those of this process nor those of a call whose processes worked side by side or alone."""
    data_set(tmp_path / "data", 2)
    network = rtmo_network(tmp_path / "n.onnx")
    with pytest.MonkeyPatch.context() as patched:

        def killed(*_: object) -> None:
            raise KeyboardInterrupt

        patched.setattr(units, "estimate_all_poses", killed)
        with pytest.raises(KeyboardInterrupt):
            estimate_data_set(read_index(tmp_path / "data"), EstimatorChoice("rtmo", (str(network),), "cpu"))
    begun = tmp_path / "data/pose.parts/000000.begun"
    assert begun.read_text() == "+0@\n-0@\n"
    begun.write_text("".join(f"+0@{call}\n" for call in ["", *(f"call{n}" for n in range(deaths))]) + "+")
    assert run(["pose", str(tmp_path / "data"), "--weights", str(network), "--device", "cpu"]) == 0
    check_whole(tmp_path / "data", 2)


def test_a_long_video_goes_on_within_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network = rtmo_network(tmp_path / "n.onnx")
    monkeypatch.setattr(video_poses, "PART", 8)
    monkeypatch.setattr(video_poses, "PART_BYTES", 4 * SIZE * SIZE * 3)
    estimator = EstimatorChoice("rtmo", (str(network),), "cpu")
    for name in ("whole", "data"):
        data_set(tmp_path / name, 1)
    estimate_data_set(read_index(tmp_path / "whole"), estimator)

    frames_read: list[int] = []
    real = video_poses.read_in_parts

    def interrupted(path: Path, numbers: range, at_once: int) -> Iterator:
        for part, frames in real(path, numbers, at_once):
            frames_read.extend(part)
            yield part, frames
            if len(frames_read) == 20:
                raise KeyboardInterrupt

    monkeypatch.setattr(video_poses, "read_in_parts", interrupted)
    with pytest.raises(KeyboardInterrupt):
        estimate_data_set(read_index(tmp_path / "data"), estimator)
    parts = sorted((tmp_path / "data/pose.parts").glob("000000-0-*.safetensors"))
    assert [path.stem for path in parts] == ["000000-0-000000000", "000000-0-000000008"]
    (tmp_path / "data/pose.parts/000000.begun").unlink()  # so that this process works on it, which can be looked at
    frames_read.clear()
    estimate_data_set(read_index(tmp_path / "data"), estimator)
    assert frames_read == list(range(16, FRAMES))
    shard = "poses-00000.safetensors"
    assert (tmp_path / "data" / shard).read_bytes() == (tmp_path / "whole" / shard).read_bytes()


@pytest.mark.parametrize("content", [b"", b"half"])
@pytest.mark.parametrize("name", ["000000.json", "000000.safetensors", "000000-0-000000000.safetensors", "plan.json"])
def test_torn_parts_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes) -> None:
    network = rtmo_network(tmp_path / "n.onnx")
    data_set(tmp_path / "data", 2)
    estimator = EstimatorChoice("rtmo", (str(network),), "cpu")

    def stopped(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(pose, "_merge", stopped)
        with pytest.raises(KeyboardInterrupt):
            estimate_data_set(read_index(tmp_path / "data"), estimator)
    parts = tmp_path / "data/pose.parts"
    if "-" in name:
        (parts / "000000.json").unlink()
    (parts / "000000.begun").unlink()
    (parts / name).write_bytes(content)
    estimate_data_set(read_index(tmp_path / "data"), estimator)
    check_whole(tmp_path / "data", 2)


def test_what_a_killed_clean_up_left_is_no_plan(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    data_set(tmp_path / "data", 2)
    parts = tmp_path / "data/pose.parts"
    parts.mkdir()
    (parts / "000000.json").write_text("[]")
    assert run(["import", "poses", str(tmp_path / "data"), str(tmp_path)]) == 2
    assert "Expected no estimation under way" in capsys.readouterr().err
    network = rtmo_network(tmp_path / "n.onnx")
    assert run(["pose", str(tmp_path / "data"), "--weights", str(network), "--device", "cpu"]) == 0
    check_whole(tmp_path / "data", 2)


def test_a_clean_up_that_was_killed_is_finished(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    data_set(tmp_path / "data", 2)
    write_pose_store(tmp_path / "data", [(f"v/{n}.mp4", Poses.nobody("coco17")) for n in range(2)])
    finished = tmp_path / "data/pose.finished"
    finished.mkdir()
    (finished / "plan.json").write_text("{}")
    network = rtmo_network(tmp_path / "n.onnx")
    assert run(["pose", str(tmp_path / "data"), "--weights", str(network), "--device", "cpu"]) == 0
    assert "All 2 videos of" in capsys.readouterr().err
    assert not finished.exists()


def test_processes_that_cannot_begin_are_not_begun_for_ever(tmp_path: Path) -> None:
    data_set(tmp_path / "data", 2 * UNIT_SIZE)
    script = tmp_path / "work.py"
    script.write_text(
        """
import os, sys
from integralaction.data.index import read_index
from integralaction.estimators.choice import EstimatorChoice
from integralaction.importers.pose import estimate_data_set

if __name__ == "__main__":
    try:
        estimate_data_set(read_index(sys.argv[1]), EstimatorChoice("rtmo", (sys.argv[2],), "cpu"), 2)
    except OSError as error:
        print(error)
else:
    os._exit(9)  # a process that is to work
"""
    )
    command = [sys.executable, str(script), str(tmp_path / "data"), str(rtmo_network(tmp_path / "n.onnx"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    assert "found that they die before they look at a video" in done.stdout, done.stderr
