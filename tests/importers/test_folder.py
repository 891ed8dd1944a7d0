"""Folders and tables as people have them: linked, spelt in several ways, with times outside the video."""

import os
import shutil
import unicodedata
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from importers.test_importers import images, import_data, reasons, video
from toy import toy_recipe
from video.test_video import encode

from integralaction.assembly import inspection
from integralaction.assembly.build import drop_repeats
from integralaction.assembly.plan import Entry, ImportPlan
from integralaction.cli.main import run
from integralaction.data.clips import Source
from integralaction.data.dataset import ClipReader
from integralaction.data.index import Index, Video, read_index, write_index
from integralaction.data.sampling import frames_between
from integralaction.importers.folder import Folder, _layout_of
from integralaction.importers.mimetics import Mimetics
from integralaction.importers.ntu import in_training
from integralaction.importers.spelling import one_spelling, split_of_folder, split_of_word


def all_for_training(videos: Path, **options: Any) -> ImportPlan:
    return Folder(videos, **{"test": 0.0, **options}).find()


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def rows_of(root: Path, *names: str) -> list[tuple[str, str, str]]:
    """Video, label and split of the plan of a folder of these files, nothing of them decoded."""
    entries = all_for_training(touch(root, *names)).entries
    return [(e.video, e.label, e.split) for e in entries]


# ---- folders


def test_a_class_without_videos_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "v/run/1.mp4", "v/.cache/x/y.mp4", "s/train/run/1.mp4", "s/test/run/2.mp4")
    (tmp_path / "v/walk").mkdir()
    (tmp_path / "s/train/walk").mkdir()
    empty = "folder of a class without videos"
    of_classes = [r.item for r in all_for_training(tmp_path / "v").issues if r.reason == empty]
    of_splits = [r.item for r in all_for_training(tmp_path / "s").issues if r.reason == empty]
    assert of_classes == ["walk"] and of_splits == ["train/walk"]


def test_links_are_followed_without_circles(tmp_path: Path) -> None:
    touch(tmp_path, "v/run/1.mp4", "disk/jump/2.mp4", "disk/3.mp4")
    (tmp_path / "v/jump").symlink_to(tmp_path / "disk/jump")
    (tmp_path / "v/run/linked.mp4").symlink_to(tmp_path / "disk/3.mp4")
    (tmp_path / "v/run/lost.mp4").symlink_to(tmp_path / "nothing")
    (tmp_path / "v/run/back").symlink_to(tmp_path / "v")
    (tmp_path / "disk/jump/up").symlink_to(tmp_path)  # above the folder itself
    (tmp_path / "v/walk").symlink_to(tmp_path / "disk/jump")  # the same videos under another label
    os.mkfifo(tmp_path / "v/run/pipe.mp4")
    plan = all_for_training(tmp_path / "v")
    entries, issues = drop_repeats(plan)
    assert [(e.video, e.label) for e in entries] == [
        ("jump/2.mp4", "jump"),
        ("run/1.mp4", "run"),
        ("run/linked.mp4", "run"),
        ("run/lost.mp4", "run"),  # named when it is looked at
    ]
    assert {(r.item, r.reason) for r in issues} == {
        ("run/back", "a link to a folder above it"),
        ("jump/up", "a link to a folder above it"),
        ("walk/up", "a link to a folder above it"),
        ("run/pipe.mp4", "neither a file nor a folder"),
        ("walk/2.mp4", "named twice, under two labels"),
    }


@pytest.mark.parametrize(
    ("train", "test"),
    [
        ("Train", "testing"),
        ("videos_train", "videos_test"),
        ("train_256", "validation_256"),
        ("TrainSet", "test set"),
        ("trainVideos", "valVideos"),
        ("01 train", "02 test"),
        ("kinetics_train", "kinetics_val"),
        ("clips/train", "clips/test"),
    ],
)
def test_folders_named_after_splits(tmp_path: Path, train: str, test: str) -> None:
    rows = rows_of(tmp_path, f"{train}/run/a.mp4", f"{train}/jump/b.mp4", f"{test}/run/c.mp4")
    other = "test" if "test" in test else "val"
    assert sorted(rows) == sorted(
        [
            (f"{train}/run/a.mp4", "run", "train"),
            (f"{train}/jump/b.mp4", "jump", "train"),
            (f"{test}/run/c.mp4", "run", other),
        ]
    )


def test_splits_within_folders_of_classes(tmp_path: Path) -> None:
    assert rows_of(tmp_path, "run/train/a.mp4", "run/test/b.mp4", "jump/Train/c.mp4") == [
        ("jump/Train/c.mp4", "jump", "train"),
        ("run/test/b.mp4", "run", "test"),
        ("run/train/a.mp4", "run", "train"),
    ]


def test_classes_with_words_of_splits_are_classes(tmp_path: Path) -> None:
    names = ("riding a train/day 1/a.mp4", "test tube/day 1/b.mp4", "steam_train/day 2/c.mp4", "walk/d.mp4")
    labels = {label for _, label, _ in rows_of(tmp_path, *names)}
    assert labels == {"riding a train", "test tube", "steam_train", "walk"}
    assert split_of_folder("steam_train") == ("train", "steam") and split_of_folder("train test") == ("", "train test")


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("train/run/a.mp4", "walk/b.mp4"), "or of classes in .*; found both .walk."),
        (("train/a.mp4", "test/b.mp4"), "Expected folders of classes in the folders of splits"),
        (("run/train/a.mp4", "run/test/b.mp4", "jump/c.mp4", "jump/day/d.mp4"), "found both"),
        (("train/run/a.mp4", "train_256/run/a.avi", "test/run/b.mp4"), "found run/a.avi in train and in train_256"),
    ],
)
def test_splits_that_are_not_clear_are_refused(tmp_path: Path, names: tuple[str, ...], message: str) -> None:
    touch(tmp_path, *names)
    with pytest.raises(ValueError, match=message):
        all_for_training(tmp_path)


def test_the_seed_divides(tmp_path: Path) -> None:
    touch(tmp_path, *(f"run/{number}.mp4" for number in range(20)))

    def test_videos(seed: int) -> set[str]:
        entries = Folder(tmp_path, test=0.5, seed=seed).find().entries
        return {entry.video for entry in entries if entry.split == "test"}

    assert test_videos(1) == test_videos(1) and len(test_videos(1)) == 10
    assert len({frozenset(test_videos(seed)) for seed in range(4)}) == 4


def test_cross_setup_trains_on_even_setups() -> None:
    """Liu et al., NTU RGB+D 120: samples with even setup numbers for training, odd ones for testing."""
    assert [in_training("xset", 120, setup, 1, 1) for setup in (1, 2, 31, 32)] == [False, True, False, True]
    assert [in_training("xview", 60, 1, camera, 1) for camera in (1, 2, 3)] == [False, True, True]


# ---- labels


def test_one_class_has_one_spelling() -> None:
    labels = ["jump rope", "jump_rope", "Jump Rope", " jump  rope\u00a0", "jump rope", "jump-rope", "run", "run\ufeff"]
    labels += [unicodedata.normalize("NFD", "Übung"), "Übung", "STRASSE", "straße", "x -1", "x 1", "-1", "1", ""]
    entries, issues = one_spelling([Entry(f"{n}.mp4", label, "train") for n, label in enumerate(labels)])
    assert [e.label for e in entries] == [
        *["jump rope"] * 6,
        *["run"] * 2,
        *["Übung"] * 2,
        *["STRASSE"] * 2,
        *("x -1", "x 1", "-1", "1", ""),  # minus is no hyphen
    ]
    assert [r.detail for r in issues if r.item == "jump_rope"] == ["1 videos of 'jump_rope' are taken as 'jump rope'"]
    assert len(issues) == 7 and all(i.is_imported for i in issues)


def test_splits_of_tables() -> None:
    words = [
        "train ",
        "Train",
        "TRAINING",
        "validation",
        "dev",
        "In Context",
        "out_of_context",
        "videos_test",
        "fold 3",
    ]
    assert [split_of_word(word) for word in words] == [
        *("train", "train", "train", "val", "val", "in-context", "out-of-context", "test", "fold 3")
    ]


# ---- tables


def table(root: Path, text: str | bytes, **options: Any) -> tuple[list[tuple], list[tuple[str, str]]]:
    """Video, label, split, start and end of a table's rows, and item and reason of its issues."""
    path = root.parent / "list.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    plan = all_for_training(root, csv=path, **options)
    entries, issues = drop_repeats(plan)
    return [(e.video, e.label, e.split, e.start, e.end) for e in entries], [(r.item, r.reason) for r in issues]


def test_one_file_has_one_name(tmp_path: Path) -> None:
    root = touch(tmp_path / "v", "a.mp4", "run/b.mp4", "c\\d.mp4", "e.mp4")
    (root / "link.mp4").symlink_to(root / "a.mp4")
    os.link(root / "a.mp4", root / "hard.mp4")
    names = ["a.mp4", "./a.mp4", "run/../a.mp4", str(root / "a.mp4"), "link.mp4", "hard.mp4", " a.mp4 "]
    rows = [f"{name},{'run' if n % 2 == 0 else 'jump'}" for n, name in enumerate(names)]
    rows += ["run\\b.mp4,run", ".\\run\\b.mp4,run", "c\\d.mp4,jump", "e.mp4,jump"]
    entries, issues = table(root, "\n".join(["path,label", *rows]))
    assert [e[:2] for e in entries] == [("a.mp4", "run"), ("run/b.mp4", "run"), ("c\\d.mp4", "jump"), ("e.mp4", "jump")]
    assert [reason for _, reason in issues] == [*["named twice, under two labels", "named twice"] * 3, "named twice"]
    # the parts of one video are never in two splits, whatever its name
    parts = [f"{name},run,{n},{n + 1}" for n, name in enumerate(names)] + [f"{n}.mp4,run,," for n in range(20)]
    entries, _ = table(root, "\n".join(["path,label,start,end", *parts]), test=0.5)
    assert len({e[2] for e in entries if e[0] == "a.mp4"}) == 1 and len([e for e in entries if e[0] == "a.mp4"]) == 7


@pytest.mark.parametrize(
    "text",
    [
        "Path;Label;Start;End\nü a.mp4;run;0,5;1,5\n;;;\n\n",
        "\ufeffpath,label,start,end\r\nü a.mp4,run,0.5,1.5\r\n,,,\r\n",
        'path\tlabel\tstart\tend\n"ü a.mp4"\t" run "\t0.5\t1.5\n',
        " path | label | start | end \n ü a.mp4 | run | 0.5 | 1.5 \n",
        "path,label,start,end\rü a.mp4,run,0.5,1.5\r",
        "path,label,start,end\nü a.mp4,run,0.5,1.5\n".encode("utf-16"),
    ],
)
def test_tables_of_every_program(tmp_path: Path, text: str | bytes) -> None:
    root = touch(tmp_path / "v", "ü a.mp4")
    assert table(root, text) == ([("ü a.mp4", "run", "train", 0.5, 1.5)], [])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.mp4,run\nb.mp4,jump\n", "Expected the columns path and label in .* found a.mp4, run"),
        ("path,label,Label\na.mp4,run,jump\n", "Expected columns of different names"),
        ("", "found no rows"),
        (b"path,label\n\xfc.mp4,run\n", "Save it as UTF-8"),
        ("path,label\n" + "a" * 200_000 + ",run\n", "line 2 cannot be read"),
        ("path,label,split\na.mp4,run,train\nb.mp4,run,\n", "Expected a split in every row"),
    ],
)
def test_other_tables_are_refused(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        table(touch(tmp_path / "v", "a.mp4"), text)


def test_odd_rows_are_named(tmp_path: Path) -> None:
    rows = ["path,label,start,end", "a, b.mp4,run,0,1,extra", "c.mp4,run,nan,1", ",run,,", "d.mp4,run", "d.mp4,run,,"]
    entries, issues = table(touch(tmp_path / "v", "d.mp4"), "\n".join(rows))
    assert entries == [("d.mp4", "run", "train", None, None)]
    splits = "path,label,split\nd.mp4,run,trian\n"
    assert table(tmp_path / "v", splits)[1] == [("trian", "a split of nearly a known name")]
    assert issues == [
        ("line 2 of list.csv", "a row of too many fields"),
        ("c.mp4", "start or end is no number"),
        ("a row with the label 'run'", "no path"),
        ("d.mp4", "named twice"),
    ]


@pytest.mark.parametrize("names", ["", "label,youtube_id,time_start,time_end,split,is_cc\n"])
def test_no_clip_is_lost_where_the_names_of_columns_are(tmp_path: Path, names: str) -> None:
    touch(tmp_path, "v/archery/aaaaaaaaaaa_000001_000011.mp4", "v/bowling/bbbbbbbbbbb_000001_000011.mp4")
    path = tmp_path / "mimetics.csv"
    path.write_text(f"{names}archery,aaaaaaaaaaa,1,11,test,0\nbowling,bbbbbbbbbbb,1,11,test,0\n")
    entries = Mimetics(tmp_path / "v", csv=path).find().entries
    assert [entry.label for entry in entries] == ["archery", "bowling"]


# ---- times


def test_frames_between_two_times() -> None:
    times = np.array([0.0, 0.2, 0.4, 0.41, 0.42])
    for start, end, right in [(None, None, (0, 4)), (0.2, 0.41, (1, 2)), (0.3, 9.0, (2, 4)), (-1.0, 0.1, (0, 0))]:
        assert frames_between(times, start, end, "x") == right
    for start, end in [(0.43, 1.0), (0.21, 0.39), (0.4, 0.4), (0.4, 0.1), (-2.0, -1.0), (float("inf"), None)]:
        with pytest.raises(ValueError, match="Expected frames between start and end of x"):
            frames_between(times, start, end, "x")


def test_seconds_are_those_of_the_frames(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    """Ten frames at 5 a second, then 40 at 25, in one file; and the same rows in an index written by hand."""
    times = [200 * n for n in range(10)] + [2000 + 40 * n for n in range(40)]
    (tmp_path / "v").mkdir()
    encode(tmp_path / "v/a.mkv", 50, times=[time // 10 for time in times])
    shutil.copy(tmp_path / "v/a.mkv", tmp_path / "v/b.mkv")
    parts = [(0.0, 1.0), (1.0, 2.2), (-0.4, 0.4), (3.0, 99.0), (2.5, None), (3.8, 3.7), (50.0, 60.0), (0.201, 0.399)]
    rows = [f"a.mkv,run,{start},{'' if end is None else end}" for start, end in parts]
    (tmp_path / "l.csv").write_text("\n".join(["path,label,start,end", *rows, "b.mkv,run,,"]))
    index = import_data(tmp_path / "out", "folder", tmp_path / "v", "--csv", tmp_path / "l.csv", "--test", "0")
    right = [
        [n for n, time in enumerate(times) if 1000 * start <= time < 1000 * (end or 1e9)] for start, end in parts[:5]
    ]
    sources = [Source.of(row, index.path(row)) for row in index.videos]
    assert [list(range(s.first, s.first + s.frames)) for s in sources] == [*right, list(range(50))]
    assert [(v.start, v.end) for v in index.videos[2:4]] == [(0.0, 0.4), (3.0, pytest.approx(3.6, abs=0.05))]
    text = capsys.readouterr().out
    assert "left out: 3 no frames between start and end" in text
    assert "kept, but: 2 start or end outside the video" in text
    by_hand = tuple(Video(v.video, "run", "train", v.frames, v.fps, 48, 64, v.start, v.end) for v in index.videos)
    write_index(Index(tmp_path / "hand", "x", "openpose18", ("run",), by_hand, "../v"))
    reader = ClipReader.for_model(read_index(tmp_path / "hand"), {}, toy_recipe().model.of_method("appearance-only"))
    assert [(reader.source(n).first, reader.source(n).frames) for n in range(6)] == [
        (s.first, s.frames) for s in sources
    ]


def test_times_that_cannot_be_trusted_are_said(tmp_path: Path) -> None:
    images(tmp_path / "v/a", 40)
    (tmp_path / "l.csv").write_text("path,label,start,end\na,run,0.5,1\n")
    index = import_data(tmp_path / "out", "folder", tmp_path / "v", "--csv", tmp_path / "l.csv", "--test", "0")
    assert (index.videos[0].first_frame, index.videos[0].last_frame) == (15, 29)
    assert reasons(tmp_path / "out") == {"a": ("times cannot be trusted", "yes")}


# ---- one bad file


@pytest.mark.parametrize(
    "error", [RuntimeError("odd"), MemoryError(), AssertionError(), SyntaxError("x"), BufferError()]
)
def test_whatever_one_file_raises_the_others_are_import_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    for name in "abc":
        video(tmp_path / f"v/run/{name}.mp4")
    probe = inspection.probe

    def raising(path: Path) -> Any:
        if path.name == "b.mp4":
            raise error
        return probe(path)

    monkeypatch.setattr(inspection, "probe", raising)
    index = import_data(tmp_path / "out", "folder", tmp_path / "v", "--test", "0")
    assert [row.video for row in index.videos] == ["run/a.mp4", "run/c.mp4"]
    assert reasons(tmp_path / "out") == {"run/b.mp4": ("cannot be read as a video", "no")}


def test_a_finished_import_is_known(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    for name in "ab":
        video(tmp_path / f"v/run/{name}.mp4")
    command = ["import", "folder", str(tmp_path / "v"), "--test", "0", "--out", str(tmp_path / "out")]
    assert run(command) == 0
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    first = capsys.readouterr().out
    assert run(command) == 0
    printed = capsys.readouterr()
    assert "holds this import already; nothing was done" in printed.err and printed.out == first
    assert before == {path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").iterdir()}
    video(tmp_path / "v/run/c.mp4")
    assert run(command) == 2  # it is of other videos now
    assert "to be new or empty; it holds other files" in capsys.readouterr().err


def test_names_cannot_play_tricks_on_a_terminal(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    name = "\x1b[31mred[bold]in\u202e"
    video(tmp_path / f"v/train/{name}/a.mp4")
    video(tmp_path / "v/test/zebra/b.mp4")
    index = import_data(tmp_path / "out", "folder", tmp_path / "v")
    assert index.classes == (name, "zebra")  # as it is
    assert run(["data", str(tmp_path / "out")]) == 0
    text = "".join(capsys.readouterr())
    assert "red[bold]in" in text and "'zebra'" in text
    assert not set(text) & {"\x1b", "\u202e"}


def test_layouts_follow_from_names_alone(tmp_path: Path) -> None:
    layout = _layout_of(["data/train/run/a.mp4", "data/test/run/b.mp4"], tmp_path)
    assert (layout.split, layout.label) == (1, 2)
    plan = all_for_training(touch(tmp_path, "videos/run/a.mp4", "videos/jump/b.mp4"))
    assert [r.reason for r in plan.issues] == ["one class, of folders that may be the classes"]


def test_one_class_between_folders_of_splits(tmp_path: Path) -> None:
    names = ("Train/Jump Rope/a.mp4", "testing/JUMP ROPE/c.mp4", "validation/jump_rope/b.mp4")
    assert {label for _, label, _ in rows_of(tmp_path, *names)} == {"Jump Rope"}
