"""Commands that are killed at any of their changes to files: the same command then ends with the same bytes."""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from importers.test_importers import video
from toy import CLASSES, toy_recipe

import integralaction
from integralaction.assembly import build as building
from integralaction.assembly import pose_shards
from integralaction.assembly.build import build
from integralaction.assembly.plan import Entry, ImportPlan
from integralaction.assembly.pose_files import add_poses
from integralaction.checkpoints import convert
from integralaction.clip import Poses
from integralaction.data.index import Index, Video, read_index, write_index
from integralaction.data.poses import PoseStore
from integralaction.mime import generate as mime
from integralaction.mime.settings import MimeSettings
from integralaction.model.network import IntegralAction
from tests.toy import with_values

CHANGES = ("replace", "rename", "unlink", "mkdir", "rmdir", "fsync", "chmod")


class Killed(BaseException):
    """No process lives on after it: nothing is cleaned up, no file is changed any more."""


@contextmanager
def killed_at(point: int) -> Iterator[list[str]]:
    """End at the change of files of that number, before it is made; yields the changes that were begun."""
    changes: list[str] = []

    def count(name: str, change: Callable) -> Callable:
        def run(*arguments: Any, **options: Any) -> Any:
            if len(changes) + 1 >= point:
                raise Killed
            changes.append(name)
            return change(*arguments, **options)

        return run

    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGES:
            patch.setattr(os, name, count(name, getattr(os, name)))
        yield changes


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def check_every_point(command: Callable[[Path], object], new: Callable[[Path], object], root: Path) -> int:
    """Kill a command at each of its changes, give it again, and compare with an unbroken call; how many points.

    Args:
        command: works in a folder.
        new: makes the folder as it is before.
    """
    new(root / "unbroken")
    command(root / "unbroken")
    right = contents(root / "unbroken")
    for point in range(1, 400):
        folder = root / "broken"
        shutil.rmtree(folder, ignore_errors=True)
        new(folder)
        try:
            with killed_at(point):
                command(folder)
        except Killed:
            command(folder)
            assert contents(folder) == right, f"other files after a kill at change {point}"
        else:
            return point - 1
    raise AssertionError("it never ends")


def poses(seed: int) -> Poses:
    joints = np.random.default_rng(seed).random((6, 1, 18, 3))
    return Poses.from_frames("openpose18", dict(enumerate(joints)))


def import_videos(root: Path, out: Path) -> None:
    """Three videos of one class with poses, and one that is not there, imported."""
    entries = [Entry(f"{n}.mp4", "a", "train", lambda _, n=n: poses(n)) for n in range(4)]
    build(ImportPlan("x", "openpose18", ("a",), root, entries), out, "made by a test")


def test_an_import_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        video(tmp_path / f"v/{number}.mp4")
    monkeypatch.setattr(building, "SHARD", 2)
    points = check_every_point(lambda out: import_videos(tmp_path / "v", out), lambda _: None, tmp_path)
    assert points > 20
    assert sorted(contents(tmp_path / "broken")) == [
        *("dataset.yaml", "import.csv", "poses-00000.safetensors", "poses-00001.safetensors", "videos.csv")
    ]


def data_without_poses(folder: Path) -> None:
    names = ("a", "b", "c")
    rows = tuple(Video(f"{name}.mp4", "x", "train", 6, 10.0, 64, 64, others=(f"mine {name}",)) for name in names)
    write_index(Index(folder, "d", "openpose18", ("x",), rows, columns=("comment",), keys={"licence": "CC0"}))


def test_an_import_of_poses_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pose_shards, "SHARD", 1)
    (tmp_path / "files").mkdir()
    for name in ("a", "b"):
        person = [10.0, 20.0, 0.9] * 17
        frames = ",".join(f'{{"image_id": {t}, "category_id": 1, "keypoints": {person}, "score": 1}}' for t in range(6))
        (tmp_path / f"files/{name}.json").write_text(f"[{frames}]")
    count = check_every_point(
        lambda folder: add_poses(read_index(folder), tmp_path / "files", None), data_without_poses, tmp_path
    )
    assert count > 15
    index = read_index(tmp_path / "broken")
    assert (index.skeleton, index.columns, index.keys) == ("coco17", ("comment",), {"licence": "CC0"})
    assert [row.others for row in index.videos] == [("mine a",), ("mine b",), ("mine c",)]
    assert list(PoseStore.of(index.root)) == ["a.mp4", "b.mp4"]


def test_a_conversion_goes_on(tmp_path: Path) -> None:
    model = IntegralAction(with_values(toy_recipe().model, classes=CLASSES))

    def mine(folder: Path) -> None:
        folder.mkdir()
        (folder / "README.md").write_text("mine")

    assert check_every_point(lambda out: convert.write_conversion(model, [], out), lambda _: None, tmp_path) > 10
    shutil.rmtree(tmp_path / "unbroken")
    check_every_point(lambda out: convert.write_conversion(model, [], out), mine, tmp_path)
    assert (tmp_path / "broken/README.md").read_text() == "mine"
    with pytest.raises(ValueError, match="Expected a new folder"):
        convert.check_folder(tmp_path / "broken")


def test_the_benchmark_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = MimeSettings(size=32, fps=8.0, seconds=(1.0, 1.2))
    plans = mime.plan_videos(settings)[:2]
    monkeypatch.setattr(mime, "plan_videos", lambda _: plans)
    monkeypatch.setattr(mime, "SHARD", 1)
    assert check_every_point(lambda out: mime.generate(out, settings, 1), lambda _: None, tmp_path) > 20
    # what was cut off by other means is made again
    right = contents(tmp_path / "broken")
    for name in (plans[0].video, "poses-00001.safetensors", "videos.csv", "dataset.yaml"):
        for size in (0, len(right[name]) // 2):
            (tmp_path / "broken" / name).write_bytes(right[name][:size])
            mime.generate(tmp_path / "broken", settings, 1)
            assert contents(tmp_path / "broken") == right
    (tmp_path / "broken/mime.yaml").write_bytes(b"")
    with pytest.raises(ValueError, match=r"empty or damaged\. Delete"):
        mime.generate(tmp_path / "broken", settings, 1)


def test_parts_that_are_cut_off_are_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        video(tmp_path / f"v/{number}.mp4")
    monkeypatch.setattr(building, "SHARD", 2)
    import_videos(tmp_path / "v", tmp_path / "right")
    for name in ("import.parts/00000.json", "poses-00000.safetensors", "import.parts/made_by.txt"):
        for share in (0, 0.5):
            out = tmp_path / f"out {name.replace('/', ' ')} {share}"
            with pytest.raises(Killed), killed_at(1000) as changes:
                monkeypatch.setattr(building, "write_issues", stop)
                import_videos(tmp_path / "v", out)
            assert changes
            monkeypatch.undo()
            monkeypatch.setattr(building, "SHARD", 2)
            whole = (out / name).read_bytes()
            (out / name).write_bytes(whole[: int(share * len(whole))])
            if "made_by" in name:  # nothing says any more whose parts these are
                with pytest.raises(ValueError, match="Choose another folder or remove that one"):
                    import_videos(tmp_path / "v", out)
            else:
                import_videos(tmp_path / "v", out)
                assert contents(out) == contents(tmp_path / "right")


def stop(*_: object) -> None:
    raise Killed


KILLED = """
import os, signal, sys
from pathlib import Path
from importers.test_stopped import building, import_videos
building.SHARD, replace, count = 2, os.replace, []

def until_the_fourth(*names):
    count.append(names)
    if len(count) == 4:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*names)

os.replace = until_the_fourth
import_videos(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_an_import_goes_on_after_a_real_kill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        video(tmp_path / f"v/{number}.mp4")
    command = [sys.executable, "-c", KILLED, str(tmp_path / "v"), str(tmp_path / "out")]
    folders = os.pathsep.join(map(str, (Path(__file__).parents[1], Path(integralaction.__file__).parents[1])))
    process = subprocess.run(command, env={**os.environ, "PYTHONPATH": folders}, check=False, capture_output=True)
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    assert (tmp_path / "out/import.parts").is_dir() and not (tmp_path / "out/videos.csv").exists()
    monkeypatch.setattr(building, "SHARD", 2)
    import_videos(tmp_path / "v", tmp_path / "out")
    import_videos(tmp_path / "v", tmp_path / "right")
    assert contents(tmp_path / "out") == contents(tmp_path / "right")
