"""The embedded benchmark holds what its page says, and is the same for the same settings."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from integralaction.data.index import Index, read_index
from integralaction.data.poses import PoseStore
from integralaction.data.video import read_frames
from integralaction.mime.acts import ACT, ACTS, is_told_by_place
from integralaction.mime.drawing.scenes import NO_SCENES, SCENES, draw_scene
from integralaction.mime.generate import generate, plan_videos
from integralaction.mime.settings import MimeSettings
from integralaction.mime.sheet import contact_sheet
from integralaction.mime.shots import compose

TOY = MimeSettings(
    size=32, fps=8.0, seconds=(1.0, 1.2), train=1, val=1, in_context=0, out_of_context=1, no_pose=1, ambiguous=0, seed=3
)
TINY = replace(TOY, train=0, val=0, no_pose=0)


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Index:
    return generate(tmp_path_factory.mktemp("mime") / "toy", TOY, processes=1)


def read_files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_there_are_enough_actions_and_scenes():
    assert len(ACTS) == 14
    assert sum(act.is_told_by_motion for act in ACTS) == 8
    assert {act.scene for act in ACTS} == set(SCENES)
    for act in ACTS:
        assert act.twin is None or (ACT[act.twin].twin == act.name and ACT[act.twin].motion is act.motion)


def test_same_settings_same_bytes_whatever_the_number_of_processes(tmp_path: Path):
    generate(tmp_path / "one", TINY, processes=1)
    generate(tmp_path / "two", TINY, processes=2)
    assert read_files(tmp_path / "one") == read_files(tmp_path / "two")
    generate(tmp_path / "other", replace(TINY, seed=4), processes=1)
    assert read_files(tmp_path / "one") != read_files(tmp_path / "other")


def test_the_folder_is_an_ordinary_data_set(toy: Index):
    assert read_index(toy.root).videos == toy.videos
    store = PoseStore.of(toy.root)
    assert set(store) == {video.video for video in toy.videos}
    for video in toy.videos[::9]:
        frames = read_frames(toy.path(video), [0, video.frames - 1])
        assert frames.shape == (2, video.height, video.width, 3)
        assert len(store[video.video].frame_index) == video.frames


def test_a_killed_run_goes_on_and_ends_the_same(toy: Index, tmp_path: Path):
    first = generate(tmp_path / "run", TINY, processes=1)
    before = read_files(first.root)
    for name in ("poses-00000.safetensors", "videos.csv", first.videos[2].video):
        (first.root / name).unlink()
    generate(first.root, TINY, processes=1)
    assert read_files(first.root) == before


def test_a_folder_of_other_settings_is_refused(toy: Index):
    with pytest.raises(ValueError, match=r"found seed=3 there, 4 now. Choose another folder"):
        generate(toy.root, replace(TOY, seed=4), processes=1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"size": 33},
        {"fps": 0.0},
        {"seconds": (3.0, 2.0)},
        {"train": -1},
        {"scene_agreement": 1.2},
        {"no_pose_share": -0.1},
    ],
)
def test_senseless_settings_are_refused_in_a_sentence(wrong: dict):
    with pytest.raises(ValueError, match=r"^Expected .*; found .*\."):
        MimeSettings(**wrong)


def test_splits_hold_what_they_claim():
    settings = MimeSettings()
    plans = plan_videos(settings)
    assert len({plan.video for plan in plans}) == len(plans)
    for plan in plans:
        act = ACT[plan.act]
        if plan.kind == "out-of-context":
            assert act.is_told_by_motion and plan.scene != act.scene
        if plan.kind == "ambiguous":
            assert not act.is_told_by_motion
        if plan.split not in ("train", "val"):
            assert plan.kind == plan.split
        if plan.kind == "ambiguous" or is_told_by_place(act) or plan.split == "no-pose":
            assert plan.scene == act.scene
    train = [plan for plan in plans if plan.split == "train"]
    assert np.mean([plan.kind == "no-pose" for plan in train]) == pytest.approx(settings.no_pose_share, abs=0.01)
    loose = [plan.scene == ACT[plan.act].scene for plan in train if not is_told_by_place(ACT[plan.act])]
    assert np.mean(loose) == pytest.approx(settings.scene_agreement, abs=0.03)
    mimes = [plan for plan in plans if plan.split == "out-of-context"]
    assert np.mean([plan.scene in NO_SCENES for plan in mimes]) == pytest.approx(0.2, abs=0.1)
    assert {plan.kind for plan in plans if plan.split == "val"} == {
        "in-context",
        "out-of-context",
        "no-pose",
        "ambiguous",
    }


@pytest.mark.parametrize("name", [act.name for act in ACTS if act.twin])
def test_twins_move_and_are_seen_alike(name: str):
    plan = next(plan for plan in plan_videos(MimeSettings()) if plan.act == name and plan.split == "ambiguous")
    one, other = compose(plan), compose(replace(plan, act=ACT[name].twin))
    for a, b in zip(one.true_joints(), other.true_joints(), strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(one.poses().joints, other.poses().joints)


@pytest.mark.parametrize("name", [act.name for act in ACTS])
def test_the_person_is_in_the_frame_and_found(name: str):
    plans = [p for p in plan_videos(MimeSettings()) if p.act == name and p.split == "in-context"][:6]
    for plan in plans:
        shot = compose(plan)
        true = shot.true_joints()[0][..., :2]
        assert ((true > 0) & (true < plan.format.pixels)).all(2).mean() > 0.95
        joints = shot.poses().at(np.arange(plan.format.frames))[:, 0]
        sure = joints[..., 2] > 0.5
        assert sure.mean() > 0.5


def test_scores_tell_the_error():
    errors, scores = [], []
    for plan in [p for p in plan_videos(MimeSettings()) if p.split == "in-context"][::10]:
        shot = compose(plan)
        joints = shot.poses().at(np.arange(plan.format.frames))[:, 0]
        is_found = joints[..., 2] > 0
        errors.append(np.linalg.norm(joints[..., :2] - shot.true_joints()[0][..., :2], axis=2)[is_found])
        scores.append(joints[..., 2][is_found])
    errors, scores = np.concatenate(errors), np.concatenate(scores)
    assert np.median(errors) < 1.5
    assert np.mean(errors[scores < 0.5]) > 2 * np.mean(errors[scores > 0.8])


def test_without_usable_pose_there_are_hardly_any_joints():
    plans = [plan for plan in plan_videos(MimeSettings()) if plan.split == "no-pose"]
    share = [
        (compose(p).poses().at(np.arange(p.format.frames))[..., 2] > 0.3).any(axis=(1, 2)).mean() for p in plans[::5]
    ]
    assert np.mean(share) < 0.15


def test_backgrounds_differ_and_repeat():
    for name in (*SCENES, *NO_SCENES):
        one, again, other = (draw_scene(name, 32, np.random.default_rng(seed))[0] for seed in (1, 1, 2))
        assert one.tobytes() == again.tobytes() != other.tobytes()


def test_the_contact_sheet_is_a_picture_of_every_class(toy: Index, tmp_path: Path):
    contact_sheet(toy, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.height > 14 * 128


def test_workers_end_with_a_killed_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "integralaction", "mime", str(tmp_path / "mime"), "--processes", "2"]
    running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 60
    while not list((tmp_path / "mime").rglob("*.mp4")) and time.monotonic() < deadline:
        time.sleep(0.1)
    running.kill()
    # the workers hold the other end of the pipe: this returns when they are gone
    running.communicate(timeout=30)
    assert running.returncode == -signal.SIGKILL
