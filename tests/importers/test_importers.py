"""Importers on small copies of the public layouts, and the released code's own videos through its own layout."""

import csv
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from integralaction.assembly import build as building
from integralaction.assembly.plan import Entry
from integralaction.cli.main import run
from integralaction.clip import Poses
from integralaction.config import ModelConfig
from integralaction.data.dataset import ClipReader, TestClips
from integralaction.data.index import AS_RELEASED, Index, read_index
from integralaction.data.poses import PoseStore, write_pose_store
from integralaction.data.video import write_video
from integralaction.importers import kinetics, ntu
from integralaction.importers.division import divide


def video(path: Path, frames: int = 6, size: tuple[int, int] = (20, 40), fps: float = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, np.random.default_rng(0).integers(0, 255, (frames, *size, 3), dtype=np.uint8), fps)
    return path


def images(folder: Path, frames: int, size: tuple[int, int] = (20, 40)) -> Path:
    folder.mkdir(parents=True)
    for number in range(frames):
        Image.new("RGB", size[::-1], (number % 255, 0, 0)).save(folder / f"{number + 1:06d}.jpg")
    return folder


def reasons(out: Path, name: str = "import.csv") -> dict[str, tuple[str, str]]:
    """Reason and the column `kept`, by item."""
    rows = csv.DictReader((out / name).read_text(encoding="utf-8").splitlines())
    return {row["item"]: (row["reason"], row["kept"]) for row in rows}


def import_data(out: Path, *command: str | Path) -> Index:
    assert run(["import", *map(str, command), "--out", str(out)]) == 0
    return read_index(out)


# ---- folder


ODD_NAMES = ("playing (a) guitar", 'it\'s "quoted"', "Übung 体操", "a b")


def test_a_folder_of_classes_with_odd_names_and_bad_videos(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    root = tmp_path / "my videos (new)"
    for name in ODD_NAMES:
        for number in range(5):
            video(root / name / f"clip {number}, ü.mp4")
    good = (root / ODD_NAMES[0] / "clip 0, ü.mp4").read_bytes()
    bad = root / ODD_NAMES[0]
    (bad / "truncated.mp4").write_bytes(good[: len(good) // 2])
    (bad / "empty.mp4").write_bytes(b"")
    (bad / "notes.txt").write_text("not a video")
    (bad / "renamed.dat").write_bytes(good)  # a wrong ending is no fault
    video(bad / "one frame.mp4", frames=1)
    images(bad / "odd size", 4, (21, 33))
    (root / "a b/thumbnail.jpg").write_bytes((bad / "odd size/000001.jpg").read_bytes())
    (root / "stray.mp4").write_bytes(good)
    index = import_data(tmp_path / "out", "folder", root, "--test", "0.4", "--seed", "3")
    assert index.classes == tuple(sorted(ODD_NAMES)) and len(index.videos) == 23
    issues = reasons(tmp_path / "out")
    unreadable = {f"{ODD_NAMES[0]}/{name}" for name in ("truncated.mp4", "empty.mp4", "notes.txt")}
    assert {name for name, (reason, _) in issues.items() if reason == "cannot be read as a video"} == unreadable
    assert issues["stray.mp4"] == ("not in a folder of a class", "no")
    assert issues["a b/thumbnail.jpg"] == ("an image beside other files", "no")
    printed = capsys.readouterr().out
    assert (
        "left out: 3 cannot be read as a video, 1 an image beside other files, 1 not in a folder of a class" in printed
    )
    for v in index.videos:
        assert index.path(v).exists()
    assert {(v.height, v.width) for v in index.videos} == {(20, 40), (21, 33)}
    by_split = {(v.label, v.split) for v in index.videos}
    assert by_split == {(name, split) for name in ODD_NAMES for split in ("train", "test")}
    again = import_data(tmp_path / "again", "folder", root, "--test", "0.4", "--seed", "3")
    assert [v.split for v in again.videos] == [v.split for v in index.videos]
    assert run(["import", "folder", str(root), "--out", str(tmp_path / "out")]) == 2
    assert "to be new or empty; it holds other files" in capsys.readouterr().err


def test_folders_of_splits_and_of_images(tmp_path: Path) -> None:
    video(tmp_path / "v/Train/run/a.mp4")
    images(tmp_path / "v/validation/run/frames of b", 4)
    images(tmp_path / "v/test/jump/c", 3)
    index = import_data(tmp_path / "out", "folder", tmp_path / "v")
    assert [(v.video, v.split, v.label, v.frames) for v in index.videos] == [
        ("Train/run/a.mp4", "train", "run", 6),
        ("test/jump/c", "test", "jump", 3),
        ("validation/run/frames of b", "val", "run", 4),
    ]


def test_a_table_of_paths_and_labels(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in "abcd":
        video(tmp_path / f"v/{name}.mp4", frames=20)
    rows = ["path,label,split,start,end,group"]
    rows += ["a.mp4,run,train,0,1,g1", "a.mp4,jump,train,1,2,g1", "b.mp4,run,TEST,,,g2", "c.mp4,,test,,,"]
    rows += ["a.mp4,run,train,0,1,g1", "d.mp4,run,test,soon,2,", "lost.mp4,run,test,,,"]
    (tmp_path / "list.csv").write_text("\ufeff" + "\n".join(rows), encoding="utf-8")
    index = import_data(tmp_path / "out", "folder", tmp_path / "v", "--csv", tmp_path / "list.csv")
    rows = [(v.video, v.label, v.split, v.start, v.end, v.group) for v in index.videos]
    assert rows == [
        ("a.mp4", "run", "train", 0, 1, "g1"),
        ("a.mp4", "jump", "train", 1, 2, "g1"),
        ("b.mp4", "run", "test", None, None, "g2"),
    ]
    reason_of = {name: reason for name, (reason, _) in reasons(tmp_path / "out").items()}
    assert reason_of == {
        "a.mp4": "named twice",
        "c.mp4": "no label",
        "d.mp4": "start or end is no number",
        "lost.mp4": "not there",
    }
    (tmp_path / "wrong.csv").write_text("name,class\na,b\n")
    capsys.readouterr()
    assert run(["import", "folder", str(tmp_path / "v"), "--csv", str(tmp_path / "wrong.csv"), "--out", "x"]) == 2
    assert "Expected the columns path and label" in capsys.readouterr().err


def test_groups_are_not_divided() -> None:
    entries = [Entry(f"{g}/{i}", "ab"[g % 2], "", group=str(g)) for g in range(20) for i in range(1 + g % 3)]
    entries = divide(entries, val=0.2, test=0.3, seed=0)
    splits: dict[str, set] = {}
    for entry in entries:
        splits.setdefault(entry.group, set()).add(entry.split)
    assert all(len(of_group) == 1 for of_group in splits.values())
    for label in "ab":
        of_class = [e.split for e in entries if e.label == label]
        assert 0.15 <= of_class.count("test") / len(of_class) <= 0.33 and of_class.count("train") > 0
    alone = divide([Entry("x", "c", "")], val=0.4, test=0.5, seed=0)
    assert alone[0].split == "train"  # a class of one video is for training


def test_an_import_that_was_stopped_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        video(tmp_path / f"v/run/{number}.mp4")
    monkeypatch.setattr(building, "SHARD", 2)
    videos: list[str] = []
    inspect_entry = building.inspect_entry

    def count(entry: Entry, plan: Any) -> Any:
        videos.append(entry.video)
        if len(videos) == 4:
            raise KeyboardInterrupt
        return inspect_entry(entry, plan)

    monkeypatch.setattr(building, "inspect_entry", count)
    arguments = ["import", "folder", str(tmp_path / "v"), "--out", str(tmp_path / "out"), "--test", "0"]
    assert run(arguments) == 130
    videos[:] = ["x"] * 10
    assert run(arguments) == 0
    assert videos[10:] == ["run/2.mp4", "run/3.mp4", "run/4.mp4"]
    assert [v.video for v in read_index(tmp_path / "out").videos] == [f"run/{n}.mp4" for n in range(5)]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["dataset.yaml", "import.csv", "videos.csv"]


# ---- Kinetics and Mimetics


def skeleton_json(path: Path, frames: dict[int, list[list[float]]]) -> None:
    """Kinetics-skeleton: in each frame persons whose 18 joints are all at (x, y) of 0..1."""
    data = [
        {"frame_index": t, "skeleton": [{"pose": place * 18, "score": [0.5] * 18} for place in persons]}
        for t, persons in frames.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"data": data, "label": "x", "label_index": 0}))


def kinetics_csv(path: Path, rows: list[tuple]) -> Path:
    lines = ["label,youtube_id,time_start,time_end,split,is_cc"]
    path.write_text("\n".join([*lines, *(",".join(map(str, (*row, 0))) for row in rows)]))
    return path


def test_kinetics_by_its_csv(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    frames = 60
    label = "punching person (boxing)"
    video(tmp_path / "v/train" / label / "aaaaaaaaaaa_000001_000011.mp4", frames, fps=15)
    video(tmp_path / "v/val/archery/-b_bbbbbbbb_000005_000015.mp4", frames, fps=30)
    video(tmp_path / "v/val/abseiling/ccccccccccc_000001_000011.mp4", 6)
    table = kinetics_csv(
        tmp_path / "lists.csv",
        [
            (label, "aaaaaaaaaaa", 1, 11, "train"),
            ("archery", "-b_bbbbbbbb", 5, 15, "validate"),
            ("archery", "ddddddddddd", 5, 15, "validate"),
            ("abseiling", "ccccccccccc", 1, 11, "validate"),
        ],
    )
    # a training video's file is named without its seconds; numbers begin at 1, at 30 frames a second
    skeleton_json(tmp_path / "s/kinetics_train/aaaaaaaaaaa.json", {t: [[t / 240, 0.25]] for t in range(1, 121)})
    skeleton_json(tmp_path / "s/kinetics_val/-b_bbbbbbbb_000005_000015.json", {t: [[t / 240, 0.5]] for t in range(300)})
    command = ("kinetics", tmp_path / "v", "--csv", table, "--skeletons", tmp_path / "s")
    index = import_data(tmp_path / "out", *command, "--kinetics50")
    assert [(v.label, v.split, v.note) for v in index.videos] == [
        (label, "train", AS_RELEASED),
        ("archery", "in-context", AS_RELEASED),
    ]
    issues = reasons(tmp_path / "out")
    assert issues["ddddddddddd_000005_000015"][0] == "no such video"
    assert issues["ccccccccccc"] == ("not of Kinetics50", "no")
    store = PoseStore.of(tmp_path / "out")
    first = store[index.videos[0].video]
    assert first.frame_index.tolist() == list(range(60))
    # frame t of the video at 15 a second is frame 2t of kinetics-skeleton, whose numbers begin at 1
    np.testing.assert_allclose(first.joints[:, 0, 0], (2 * np.arange(60) + 1) / 240 * 40, atol=1e-4)
    np.testing.assert_allclose(first.joints[:, 0, 1], 5, atol=1e-5)
    assert (first.joints[..., 2] == 0.5).all()
    second = store[index.videos[1].video]
    np.testing.assert_allclose(second.joints[:, 0, 0], np.arange(60) / 240 * 40, atol=1e-4)
    # as the released code does it: by number, one late and twice too slow
    by_number = import_data(tmp_path / "released", *command, "--kinetics50", "--as-released")
    late = PoseStore.of(tmp_path / "released")[by_number.videos[0].video]
    assert late.frame_index.tolist() == list(range(1, 60))
    np.testing.assert_allclose(late.joints[:, 0, 0], np.arange(1, 60) / 240 * 40, atol=1e-4)
    everything = import_data(tmp_path / "all", *command)
    assert everything.classes == ("abseiling", "archery", label)
    assert everything.videos[-1].note == ""  # too short for the released protocol
    assert reasons(tmp_path / "all")["val/abseiling/ccccccccccc_000001_000011.mp4"] == ("no poses", "yes")


def test_bad_skeletons_are_counted_and_the_videos_kept(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    contents = {
        "truncated": '{"data": [{"frame_in',
        "nan": '{"data": [{"frame_index": 0, "skeleton": [{"pose": [NaN'
        + ", 0.5" * 35
        + '], "score": ['
        + ", ".join(["0.5"] * 18)
        + "]}]}]}",
        "nobody": '{"data": [{"frame_index": 0, "skeleton": []}]}',
        "joints": '{"data": [{"frame_index": 0, "skeleton": [{"pose": [1, 2], "score": [1]}]}]}',
    }
    rows = []
    for name, content in contents.items():
        video(tmp_path / f"v/archery/{name}_000001_000011.mp4")
        (tmp_path / "s").mkdir(exist_ok=True)
        (tmp_path / f"s/{name}_000001_000011.json").write_text(content)
        rows.append(("archery", name, 1, 11, "val"))
    thirty = {t: [[i / 40, 0.5] for i in range(30)] for t in range(400)}  # more frames than the video
    video(tmp_path / "v/archery/crowd_000001_000011.mp4")
    skeleton_json(tmp_path / "s/crowd_000001_000011.json", thirty)
    rows.append(("archery", "crowd", 1, 11, "val"))
    table = kinetics_csv(tmp_path / "list.csv", rows)
    index = import_data(tmp_path / "out", "kinetics", tmp_path / "v", "--csv", table, "--skeletons", tmp_path / "s")
    assert len(index.videos) == 5
    reason_of = {Path(name).stem.partition("_")[0]: reason for name, reason in reasons(tmp_path / "out").items()}
    assert reason_of == {
        **dict.fromkeys(("truncated", "nan", "joints"), ("poses cannot be read", "yes")),
        "nobody": ("poses that end before the video", "yes"),
    }
    assert "kept, but: 3 poses cannot be read" in capsys.readouterr().out
    assert {v.note for v in index.videos} == {""}  # of six frames, and nobody in them
    store = PoseStore.of(tmp_path / "out")
    assert len(store) == 2
    crowd = store["archery/crowd_000001_000011.mp4"]
    assert len(crowd.frame_index) == 6 and len(crowd.joints) == 180
    assert crowd.at(np.arange(2)).shape == (2, 5, 18, 3)


def test_kinetics_skeleton_as_arrays(tmp_path: Path) -> None:
    """ST-GCN's processed form gives what its JSON gives."""
    video(tmp_path / "v/archery/name_000001_000011.mp4", 30, fps=30)
    random = np.random.default_rng(0)
    places, scores = random.uniform(0.1, 0.9, (300, 2, 18, 2)), random.uniform(0.2, 1, (300, 2, 18))
    data = np.zeros((2, 3, 300, 18, 2), np.float32)
    data[1, :2] = places.transpose(3, 0, 2, 1) - 0.5
    data[1, 2] = scores.transpose(0, 2, 1)
    data[1, :, :, :, 1] *= np.arange(300)[:, None] % 2  # the second person is there every other frame
    np.save(tmp_path / "val_data.npy", data)
    (tmp_path / "val_label.pkl").write_bytes(pickle.dumps((["other.json", "name_000001_000011.json"], [3, 5])))
    table = kinetics_csv(tmp_path / "list.csv", [("archery", "name", 1, 11, "val")])
    command = ("kinetics", tmp_path / "v", "--csv", table, "--skeletons", tmp_path / "val_data.npy")
    index = import_data(tmp_path / "out", *command)
    poses = PoseStore.of(tmp_path / "out")[index.videos[0].video]
    assert np.diff(poses.frame_offsets).tolist() == [1, 2] * 15
    np.testing.assert_allclose(poses.joints[0, :, :2], places[0, 0] * (40, 20), atol=1e-4)
    np.testing.assert_allclose(poses.joints[2, :, 2], scores[1, 1], atol=1e-6)
    (tmp_path / "val_label.pkl").write_bytes(pickle.dumps(Hostile()))
    assert run(["import", *map(str, command), "--out", str(tmp_path / "x")]) == 2


class Hostile:
    def __reduce__(self) -> tuple:
        return os.system, ("echo it ran",)


def test_the_released_layout_gives_the_released_tensors(shared: Path, tmp_path: Path) -> None:
    root = shared / "reference" / "kinetics_mini"
    expected = np.load(shared / "reference" / "kinetics_mini_expected.npz")
    annotations, skeletons = root / "Kinetics50_val.json", root / "kinetics-skeleton"
    command = ("kinetics", root / "frames", "--annotations", annotations, "--skeletons", skeletons)
    index = import_data(tmp_path / "out", *command)
    assert index.classes == ("archery", "bowling", "hurdling")
    assert [v.frames for v in index.videos] == [70, 95, 300] and index.splits == ("in-context",)
    clips = TestClips(ClipReader.for_model(index, PoseStore.of(tmp_path / "out"), ModelConfig(classes=index.classes)))
    count = 0
    for name in [name for name in expected.files if name.startswith("start_")]:
        i = name.removeprefix("start_")
        number = int(expected[f"img_id_{i}"])
        starts = [(index.videos[number].frames - 57) * t // 9 for t in range(10)]
        batch, clip = clips[number], starts.index(int(expected[name]))
        pixels = batch.frames[clip][:, :, ::16, ::16].float().numpy() / 255
        assert np.abs(pixels - expected[f"video_{i}"]).mean() < 0.01
        coordinates, scores = expected[f"pose_coords_{i}"], expected[f"pose_scores_{i}"]
        for t in range(8):
            for place, person in enumerate(np.argsort(-scores[t].mean(axis=1), kind="stable")):
                there = scores[t, person] > 0
                if there.any():
                    ours = batch.joints[clip, t, place].numpy()[there]
                    np.testing.assert_allclose(ours[:, :2] * 56 / 224, coordinates[t, person, there], atol=1e-3)
                    count += 1
    assert count > 20


def test_mimetics_keeps_all_and_marks_the_released_protocol(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    label = "shooting goal (soccer)"
    rows = ["label,youtube_id,time_start,time_end,split,is_cc"]
    for name, frames in (("long", 57), ("short", 56)):
        video(tmp_path / f"v/shooting_goal__soccer_/{name}_000001_000003.mp4", frames)
        rows.append(f"shooting_goal_(soccer),{name},1,3,test,0")
        folder = tmp_path / f"p/shooting_goal__soccer_/{name}_000001_000003"
        folder.mkdir(parents=True)
        one = [[10.0, 5.0, 0.8]] * 18
        content = {"pose": [None, [one], [one, one]], "score": [None, [0.5], [0.5, 1.0]]}
        (folder / "data.json").write_text(json.dumps(content))
    rows.append("archery,gone,1,3,test,0")
    (tmp_path / "mimetics_v1.0.csv").write_text("\n".join(rows))
    command = ("mimetics", tmp_path / "v", "--csv", tmp_path / "mimetics_v1.0.csv", "--poses", tmp_path / "p")
    index = import_data(tmp_path / "out", *command)
    assert index.classes == kinetics.KINETICS50
    assert [(v.label, v.split, v.note) for v in index.videos] == [
        (label, "out-of-context", AS_RELEASED),
        (label, "out-of-context", ""),
    ]
    assert reasons(tmp_path / "out")["gone_000001_000003"][0] == "no such video"
    poses = PoseStore.of(tmp_path / "out")[index.videos[0].video]
    assert np.diff(poses.frame_offsets).tolist() == [0, 1, 2]
    np.testing.assert_allclose(poses.joints[[0, 2], 0], [[10, 5, 0.4], [10, 5, 0.8]], atol=1e-6)

    # the released code's own layout; annotated in frames of twice the size
    images(tmp_path / "f/archery/long_000001_000003", 57)
    image = {"id": 7, "seq_name": "archery", "file_name": "long_000001_000003", "height": 40, "width": 80}
    annotation = {"id": 0, "image_id": 7, "action_label": 0, "action_name": "archery"}
    content = {"images": [{**image, "frame_num": 57}], "annotations": [annotation, {**annotation, "image_id": 8}]}
    (tmp_path / "Mimetics50.json").write_text(json.dumps(content))
    (tmp_path / "p/archery").mkdir()
    (tmp_path / "p/shooting_goal__soccer_/long_000001_000003").rename(tmp_path / "p/archery/long_000001_000003")
    command = ("mimetics", tmp_path / "f", "--annotations", tmp_path / "Mimetics50.json", "--poses", tmp_path / "p")
    index = import_data(tmp_path / "out2", *command)
    assert [(v.video, v.split) for v in index.videos] == [("archery/long_000001_000003", "out-of-context")]
    assert reasons(tmp_path / "out2")["8"][0] == "annotation without an image"
    joints = PoseStore.of(tmp_path / "out2")["archery/long_000001_000003"].joints
    np.testing.assert_allclose(joints[0, 0], [5, 2.5, 0.4], atol=1e-6)


def test_there_are_fifty_classes_in_order() -> None:
    assert len(kinetics.KINETICS50) == 50 and list(kinetics.KINETICS50) == sorted(kinetics.KINETICS50)


# ---- NTU


def ntu_skeleton(path: Path, frames: list[list[Callable[[int], tuple[float, float]]]]) -> None:
    """A `.skeleton` file: frames of bodies that place joint j."""
    lines = [str(len(frames))]
    for bodies in frames:
        lines.append(str(len(bodies)))
        for place in bodies:
            lines += ["72057594037931101 0 1 1 1 1 0 0.1 -0.2 2", "25"]
            for joint in range(25):
                x, y = place(joint)
                lines.append(f"0.1 0.2 3.0 250.0 200.0 {x} {y} 0 0 0 0 2")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def test_ntu_places_joints_in_the_colour_video(tmp_path: Path) -> None:
    names = ["S001C001P001R001A001", "S001C002P003R001A060", "S001C003P001R002A002", "S001C001P001R001A003"]
    for name in names:
        video(tmp_path / f"v/{name}_rgb.avi", 3, (54, 96))
    video(tmp_path / "v/unknown.avi", 3)
    video(tmp_path / f"v/{names[0]}_ir.avi", 3)

    def body(joint: int) -> tuple[float, float]:
        return (float("nan"), 3.0) if joint == 4 else (100.0 + joint, 200.0)

    for name in names[:2]:
        ntu_skeleton(tmp_path / f"s/{name}.skeleton", [[body], [], [body, body]])
    (tmp_path / f"s/{names[2]}.skeleton").write_text("3\n1\n72057 0 1\n25\n0.1 0.2")
    (tmp_path / "missing.txt").write_text("S001C001P001R001A003\nS002C001P001R001A001\n")
    command = ["ntu", tmp_path / "v", "--skeletons", tmp_path / "s", "--missing", tmp_path / "missing.txt"]
    index = import_data(tmp_path / "out", *command)
    assert len(index.classes) == 60
    assert [(v.label, v.split, v.group) for v in index.videos] == [
        ("A001", "train", "P001"),
        ("A060", "test", "P003"),
        ("A002", "train", "P001"),
    ]
    issues = reasons(tmp_path / "out")
    assert issues["S001C001P001R001A003_rgb.avi"][0] == "in the list of samples without a skeleton"
    assert issues["unknown.avi"][0] == "no name of a sample"
    assert issues[f"{names[0]}_ir.avi"][0] == "not the colour video of a sample"
    assert issues["S001C003P001R002A002_rgb.avi"] == ("poses cannot be read", "yes")
    poses = PoseStore.of(tmp_path / "out")[index.videos[0].video]
    assert np.diff(poses.frame_offsets).tolist() == [1, 0, 2] and poses.skeleton == "ntu25"
    assert poses.joints[0, 4].tolist() == [0, 0, 0]
    np.testing.assert_allclose(poses.joints[0, 7], [107 * 96 / 1920, 200 * 54 / 1080, 1], rtol=1e-5)
    view = import_data(tmp_path / "view", *command, "--protocol", "xview")
    assert [v.split for v in view.videos] == ["test", "train", "train"]
    assert run(["import", *map(str, command), "--protocol", "xset", "--out", "x"]) == 2


def test_ntu_splits_have_the_published_sizes() -> None:
    """20 of 40 performers, two of three cameras; 53 of 106 performers, even setups."""
    assert sum(ntu.in_training("xsub", 60, 1, 1, p) for p in range(1, 41)) == 20
    assert [ntu.in_training("xview", 60, 1, c, 1) for c in (1, 2, 3)] == [False, True, True]
    assert sum(ntu.in_training("xsub", 120, 1, 1, p) for p in range(1, 107)) == 53
    assert sum(ntu.in_training("xset", 120, s, 1, 1) for s in range(1, 33)) == 16


# ---- PYSKL


def pyskl_annotation(name: str, frames: int = 6, **more: Any) -> dict[str, Any]:
    random = np.random.default_rng(len(name))
    keypoint = random.uniform(0, 1, (2, frames, 17, 2)) * (80, 40)
    score = random.uniform(0.2, 1, (2, frames, 17))
    score[1, ::2] = 0  # the second person is there every other frame
    return {
        "frame_dir": name,
        "label": 1,
        "img_shape": (40, 80),
        "original_shape": (40, 80),
        "total_frames": frames,
        "keypoint": keypoint.astype(np.float16),
        "keypoint_score": score.astype(np.float16),
        **more,
    }


def test_pyskl_joins_poses_to_videos(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("a", "b", "wrong"):
        video(tmp_path / f"v/{name}.mp4")
    annotations = [pyskl_annotation(n) for n in ("a", "b", "lost")] + [pyskl_annotation("wrong", 9)]
    splits = {"xsub_train": ["a", "wrong"], "xsub_val": ["b", "lost", "a", "none"], "xview_train": [], "xview_val": []}
    file = tmp_path / "ntu60_2d.pkl"
    file.write_bytes(pickle.dumps({"split": splits, "annotations": annotations}))
    command = ["pyskl", file, "--videos", tmp_path / "v"]
    assert run(["import", *map(str, command), "--out", str(tmp_path / "x")]) == 2
    assert "it has xsub_train, xsub_val, xview_train, xview_val" in capsys.readouterr().err
    index = import_data(tmp_path / "out", *command, "--split", "xsub_train=train", "xsub_val=test")
    assert [(v.video, v.split, v.label) for v in index.videos] == [
        ("a.mp4", "train", "class 1"),
        ("b.mp4", "test", "class 1"),
        ("wrong.mp4", "train", "class 1"),
    ]
    issues = reasons(tmp_path / "out")
    assert issues["a"] == ("in two of the chosen splits", "yes") and issues["none"][0] == "no annotation of that name"
    assert issues["lost"][0] == "no such video" and issues["wrong.mp4"] == ("poses cannot be read", "yes")
    poses = PoseStore.of(tmp_path / "out")["a.mp4"]
    assert np.diff(poses.frame_offsets).tolist() == [1, 2] * 3
    first = annotations[0]
    np.testing.assert_allclose(poses.joints[0, :, :2], first["keypoint"][0, 0].astype(np.float32) / 2, rtol=1e-5)

    # the poses alone, as a bare list
    file.write_bytes(pickle.dumps(annotations[:2], protocol=2))
    (tmp_path / "names.txt").write_text("run\njump\n")
    alone = import_data(tmp_path / "alone", "pyskl", file, "--classes", tmp_path / "names.txt")
    assert [(v.video, v.label, v.height, v.width) for v in alone.videos] == [
        ("a", "jump", 40, 80),
        ("b", "jump", 40, 80),
    ]


def test_pyskl_of_kinetics_keeps_poses_in_files_of_their_own(tmp_path: Path) -> None:
    video(tmp_path / "v/abc.mp4")
    keypoint = np.random.default_rng(0).uniform(1, 9, (3, 17, 3)).astype(np.float16)
    keypoint[..., 2] = 0.5
    (tmp_path / "k").mkdir()
    (tmp_path / "k/part.pkl").write_bytes(pickle.dumps({"abc": {"keypoint": keypoint}}))
    annotation = pyskl_annotation("abc", raw_file="x/part.pkl", frame_inds=np.array([0, 0, 4], np.int16))
    del annotation["keypoint"], annotation["keypoint_score"]
    (tmp_path / "k400.pkl").write_bytes(pickle.dumps({"split": {"train": ["abc"]}, "annotations": [annotation]}))
    command = ["pyskl", tmp_path / "k400.pkl", "--videos", tmp_path / "v", "--split", "train=train"]
    import_data(tmp_path / "out", *command, "--keypoints", tmp_path / "k")
    poses = PoseStore.of(tmp_path / "out")["abc.mp4"]
    assert np.diff(poses.frame_offsets).tolist() == [2, 0, 0, 0, 1, 0]
    np.testing.assert_allclose(poses.joints[2, :, 0], keypoint[2, :, 0].astype(np.float32) / 2, rtol=1e-5)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (Hostile(), "found posix.system, which could run code. Nothing was read"),
        ({"split": {}}, "Expected split and annotations"),
        ([], "Expected split and annotations"),
        ("text", "Expected split and annotations"),
    ],
)
def test_other_pickles_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture, content: Any, message: str) -> None:
    (tmp_path / "file.pkl").write_bytes(pickle.dumps(content))
    assert run(["import", "pyskl", str(tmp_path / "file.pkl"), "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_3d_pickles_are_refused_and_why(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    annotation = {"frame_dir": "a", "label": 0, "total_frames": 4, "keypoint": np.zeros((1, 4, 25, 3), np.float16)}
    (tmp_path / "ntu60_3d.pkl").write_bytes(pickle.dumps({"split": {"train": ["a"]}, "annotations": [annotation]}))
    command = [
        "import",
        "pyskl",
        str(tmp_path / "ntu60_3d.pkl"),
        "--out",
        str(tmp_path / "o"),
        "--split",
        "train=train",
    ]
    assert run(command) == 2
    assert "They are not aligned with the video: frames without a body were left out" in capsys.readouterr().err


# ---- pose files into a data set


def test_poses_are_added_to_the_videos_that_lack_them(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("a", "b", "c"):
        video(tmp_path / f"v/run/{name}.mp4")
    import_data(tmp_path / "data", "folder", tmp_path / "v", "--test", "0")
    write_pose_store(tmp_path / "data", [("run/a.mp4", Poses.nobody("openpose18"))])
    files = tmp_path / "poses"
    (files / "b").mkdir(parents=True)
    person = {"pose_keypoints_2d": [9.0, 5.0, 0.5] * 25}
    for t in range(8):  # two more than the video has
        (files / f"b/b_{t:012d}_keypoints.json").write_text(json.dumps({"people": [person]}))
    capsys.readouterr()
    assert run(["import", "poses", str(tmp_path / "data"), str(files)]) == 0
    printed = capsys.readouterr().out
    assert "1 no poses" in printed and "1 poses past the video's end" in printed
    store = PoseStore.of(tmp_path / "data")
    assert sorted(store) == ["run/a.mp4", "run/b.mp4"] and store.skeleton == "openpose18"
    assert len(store["run/b.mp4"].frame_index) == 6 and store["run/b.mp4"].joints.shape[1] == 18
    assert reasons(tmp_path / "data", "poses.csv")["run/c.mp4"] == ("no poses", "yes")
    assert reasons(tmp_path / "data") == {}  # of the import
    assert run(["import", "poses", str(tmp_path / "data"), str(tmp_path / "nothing")]) == 2
    (files / "c").mkdir()
    assert run(["import", "poses", str(tmp_path / "data"), str(files)]) == 2
    assert "of 1 none can be read" in capsys.readouterr().err


def test_files_that_two_videos_could_claim(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Videos of one name: each takes the files of its own folder, or none; nobody does not choose the skeleton."""
    for name in ("x/1", "y/1", "x/2", "y/3"):
        video(tmp_path / f"v/{name}.mp4")
    import_data(tmp_path / "data", "folder", tmp_path / "v", "--test", "0")
    files = tmp_path / "poses"
    (files / "x").mkdir(parents=True)

    def result(joints: int, place: float) -> str:
        return json.dumps([{"image_id": t, "keypoints": [place, place, 0.9] * joints} for t in range(6)])

    (files / "1.json").write_text(result(133, 3.0))
    (files / "x/1.json").write_text(result(133, 4.0))
    (files / "2.json").write_text("[]")
    (files / "3.json").write_text(result(133, 5.0))
    assert run(["import", "poses", str(tmp_path / "data"), str(files)]) == 0
    store = PoseStore.of(tmp_path / "data")
    assert store.skeleton == read_index(tmp_path / "data").skeleton == "coco-wholebody133"
    assert sorted(store) == ["x/1.mp4", "x/2.mp4", "y/3.mp4"]
    assert store["x/1.mp4"].joints[0, 0, 0] == 4 and not len(store["x/2.mp4"].joints)
    text = (tmp_path / "data/poses.csv").read_text()
    assert "2 videos are named 1. Put theirs into folders as the videos are" in text
    # what one data set has, another takes by the whole name
    import_data(tmp_path / "other", "folder", tmp_path / "v", "--test", "0")
    assert run(["import", "poses", str(tmp_path / "other"), str(tmp_path / "data")]) == 0
    assert sorted(PoseStore.of(tmp_path / "other")) == sorted(store)


def test_an_import_of_other_videos_does_not_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    for number in range(4):
        video(tmp_path / f"v/run/{number}.mp4")
    monkeypatch.setattr(building, "SHARD", 2)
    write = building._write_unit

    def interrupt(path: Path, *rest: Any) -> Any:
        if path.stem == "00001":
            raise KeyboardInterrupt
        return write(path, *rest)

    monkeypatch.setattr(building, "_write_unit", interrupt)
    arguments = ["import", "folder", str(tmp_path / "v"), "--out", str(tmp_path / "out"), "--test", "0"]
    assert run(arguments) == 130
    (tmp_path / "v/run/0.mp4").unlink()
    assert run(arguments) == 2
    assert "or its videos have changed since" in capsys.readouterr().err


def test_folders_of_splits_beside_others_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in ("train/x/1", "test/x/2", "annotations/3"):
        video(tmp_path / f"v/{name}.mp4")
    assert run(["import", "folder", str(tmp_path / "v"), "--out", str(tmp_path / "out")]) == 2
    assert "found both (annotations)" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="names are text there")
def test_names_that_are_no_text_and_rows_that_make_no_sense(tmp_path: Path) -> None:
    video(tmp_path / "v/run/good.mp4", 20)
    os.link(tmp_path / "v/run/good.mp4", os.fsencode(tmp_path / "v/run") + b"/caf\xe9.mp4")
    rows = ["path,label,split,start,end", "run/good.mp4,run,train,,", "run/good.mp4,run,train,100,110"]
    rows += ["run/good.mp4,run,train,2,1", "run/good.mp4,run,fold/1,,1", "a\0b.mp4,run,train,,"]
    (tmp_path / "list.csv").write_text("\n".join(rows))
    index = import_data(tmp_path / "out", "folder", tmp_path / "v", "--csv", tmp_path / "list.csv")
    assert len(index.videos) == 1
    reasons = sorted(row.split(",")[2] for row in (tmp_path / "out/import.csv").read_text().splitlines()[1:])
    assert reasons == [
        "cannot be read as a video",
        *["no frames between start and end"] * 2,
        "split that can name no folder",
    ]
    index = import_data(tmp_path / "out2", "folder", tmp_path / "v")
    assert [v.video for v in index.videos] == ["run/good.mp4"]
    assert "name is no UTF-8" in (tmp_path / "out2/import.csv").read_text()


def test_the_released_protocol_wants_somebody(tmp_path: Path) -> None:
    rows = []
    for name, persons in (("somebody", [[0.5, 0.5]]), ("nobody", []), ("missing", None)):
        video(tmp_path / f"v/archery/{name}_000001_000011.mp4", 60, fps=30)
        rows.append(("archery", name, 1, 11, "val"))
        if persons is not None:
            skeleton_json(tmp_path / f"s/{name}_000001_000011.json", dict.fromkeys(range(60), persons))
    table = kinetics_csv(tmp_path / "list.csv", rows)
    index = import_data(tmp_path / "out", "kinetics", tmp_path / "v", "--csv", table, "--skeletons", tmp_path / "s")
    assert {v.group: v.note for v in index.videos} == {"somebody": AS_RELEASED, "nobody": "", "missing": ""}


def test_one_bad_row_does_not_stop_an_import(tmp_path: Path) -> None:
    video(tmp_path / "v/archery/a_000001_000003.mp4")
    (tmp_path / "m.csv").write_text(
        "label,id,start,end,split,cc\narchery,a,1,3,test,0\narchery,b,1\n\narchery,c,1e400,2\n"
    )
    index = import_data(tmp_path / "out", "mimetics", tmp_path / "v", "--csv", tmp_path / "m.csv")
    assert len(index.videos) == 1
    assert [reason for reason, _ in reasons(tmp_path / "out").values()] == ["no label, YouTube id, start and end"] * 2
    bad = [pyskl_annotation("b", img_shape=None, original_shape=None), {"frame_dir": "c"}, pyskl_annotation("d")]
    (tmp_path / "f.pkl").write_bytes(pickle.dumps(bad))
    index = import_data(tmp_path / "out3", "pyskl", tmp_path / "f.pkl")
    assert [v.video for v in index.videos] == ["d"]
    assert {name: reason for name, (reason, _) in reasons(tmp_path / "out3").items()} == dict.fromkeys(
        "bc", "annotation without frames or size"
    )
