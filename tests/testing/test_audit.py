"""The context audit: masks and fillings by their properties; answers that follow the person, the scene, or neither."""

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from toy import toy_recipe, write_toy_dataset

from integralaction.cli.main import run
from integralaction.clip import Poses
from integralaction.data.dataset import ClipReader
from integralaction.data.index import Index, Video, read_index, write_index
from integralaction.data.poses import PoseStore, write_pose_store
from integralaction.data.video import write_video
from integralaction.skeleton import skeleton_named
from integralaction.testing import audit, context_swaps
from integralaction.training.run import Run
from integralaction.training.stages import train
from tests.toy import with_values

SKELETON = skeleton_named("openpose18")
CLASSES = ("red", "green", "blue")
SIZE, FRAMES = 64, 20
# a person who stands, in a box of 1 x 1
STANDING = np.array(
    [
        *((0.5, 0.08), (0.5, 0.2), (0.35, 0.2), (0.3, 0.35), (0.28, 0.5), (0.65, 0.2), (0.7, 0.35), (0.72, 0.5)),
        *((0.42, 0.52), (0.42, 0.75), (0.42, 0.97), (0.58, 0.52), (0.58, 0.75), (0.58, 0.97)),
        *((0.47, 0.06), (0.53, 0.06), (0.44, 0.07), (0.56, 0.07)),
    ]
)


def standing(x: float = 12, top: float = 6, height: float = 52) -> np.ndarray:
    """(1, 18, 3)."""
    return np.concatenate([STANDING * (40, height) + (x, top), np.full((18, 1), 0.9)], axis=1)[None].astype(np.float32)


def two_colours(root: Path, per_class: int = 3) -> Index:
    """Videos whose scene and person both have the colour of their class, the person's the darker."""
    rows, poses = [], []
    for number in range(per_class * len(CLASSES)):
        label = number % len(CLASSES)
        video = f"{number}.mp4"
        joints = standing(x=8 + number % 5)
        mask = context_swaps.person_masks(joints[None], SKELETON, SIZE, SIZE)[0]
        frame = np.full((SIZE, SIZE, 3), 60, np.uint8)
        frame[..., label] = 240
        frame[mask] = 20
        frame[mask, label] = 110
        root.mkdir(parents=True, exist_ok=True)
        write_video(root / video, np.repeat(frame[None], FRAMES, axis=0), 10)
        rows.append(Video(video, CLASSES[label], "test", FRAMES, 10.0, SIZE, SIZE))
        poses.append((video, Poses.from_frames("openpose18", dict.fromkeys(range(FRAMES), joints))))
    rows.append(Video("0.mp4", "red", "nobody", FRAMES, 10.0, SIZE, SIZE, start=0.0, end=1.0))
    index = Index(root, "colours", "openpose18", CLASSES, tuple(rows[:-1]))
    write_pose_store(root, poses)
    write_index(index)
    return index


def colour_of(region: np.ndarray) -> np.ndarray:
    """One of the three colours, by the strongest channel of those pixels."""
    return np.eye(3)[region.reshape(-1, 3).astype(float).mean(axis=0).argmax()]


def audit_model(index: Index, tmp_path: Path, answer: audit.FramesToProbabilities) -> audit.Audit:
    model = with_values(toy_recipe().model, classes=CLASSES, size=64)
    reader = ClipReader.for_model(index, PoseStore.of(index.root), model)
    return audit.audit_function(answer, CLASSES, index, reader, tmp_path / "answers.jsonl")


@pytest.mark.parametrize("follows", ["person", "scene"])
def test_who_follows_the_person_and_who_the_scene(tmp_path: Path, follows: str) -> None:
    index = two_colours(tmp_path / "data")

    def answer(clips: np.ndarray) -> np.ndarray:
        assert clips.shape[1:] == (2, 64, 64, 3) and clips.dtype == np.uint8
        # the trunk of whoever stands there is in the middle, a corner is scene
        return colour_of(clips[:, :, 26:30, 30:33] if follows == "person" else clips[:, :, 60:, :6])

    result = audit_model(index, tmp_path, answer)
    scores = {name: share for name, (share, *_) in result.scores("model").items()}
    assert scores["as it is"] == 1
    assert (scores["SHAcc"], scores["SBErr"]) == ((1, 0) if follows == "person" else (0, 1))
    if follows == "person":
        assert scores["person only"] == 1
        # what fills the person in is the scene around it
        assert scores["background only"] == 1
    else:
        assert scores["person only"] < 1 and scores["background only"] == 1
    assert (result.labels != result.backgrounds).all() and len(result.videos) == 9


def test_an_interrupted_audit_goes_on(tmp_path: Path) -> None:
    index = two_colours(tmp_path / "data")
    calls = []

    def answer(clips: np.ndarray) -> np.ndarray:
        calls.append(1)
        if len(calls) == 4 * 3 + 2:
            raise KeyboardInterrupt
        return colour_of(clips)

    with pytest.raises(KeyboardInterrupt):
        audit_model(index, tmp_path, answer)
    with (tmp_path / "answers.jsonl").open("a") as file:
        file.write('{"number": 3, "par')  # as a kill may leave it
    result = audit_model(index, tmp_path, answer)
    assert len(calls) == 4 * 3 + 2 + 4 * 6
    again = audit_model(index, tmp_path, answer)
    assert len(calls) == 4 * 3 + 2 + 4 * 6
    assert (again.answers["model", "swapped"] == result.answers["model", "swapped"]).all()


def test_masks_cover_the_person_and_little_else() -> None:
    joints = standing()
    mask = context_swaps.person_masks(joints[None], SKELETON, SIZE, SIZE)[0]
    for x, y in joints[0, :, :2].round().astype(int):
        assert mask[min(y, SIZE - 1), min(x, SIZE - 1)]
    trunk = joints[0, [2, 5, 8, 11], :2]
    assert mask[int(trunk[:, 1].mean()), int(trunk[:, 0].mean())]
    assert 0.1 < mask.mean() < 0.4 and not mask[:, :4].any() and not mask[:, -4:].any()
    wide = context_swaps.person_masks(joints[None], SKELETON, SIZE, SIZE, wider=1.7)[0]
    assert (wide & mask).sum() == mask.sum() and wide.sum() > mask.sum()
    absent = joints.copy()
    absent[..., 2] = 0
    assert not context_swaps.person_masks(absent[None], SKELETON, SIZE, SIZE).any()


def test_what_is_inpainted_comes_from_around_it() -> None:
    random = np.random.default_rng(0)
    frames = random.integers(0, 256, (2, 37, 50, 3), dtype=np.uint8)
    masks = np.zeros((2, 37, 50), bool)
    masks[0, 10:25, 20:31] = True
    filled = context_swaps.inpaint(frames, masks)
    assert (filled[~masks] == frames[~masks]).all()
    plain = np.full((1, 40, 40, 3), (200, 30, 90), np.uint8)
    hole = np.zeros((1, 40, 40), bool)
    hole[0, 5:35, 8:30] = True
    broken = plain.copy()
    broken[hole] = 0
    assert np.abs(context_swaps.inpaint(broken, hole).astype(int) - plain).max() <= 1
    slope = np.broadcast_to(np.linspace(20, 220, 64).astype(np.uint8)[None, None, :, None], (1, 64, 64, 3)).copy()
    hole = np.zeros((1, 64, 64), bool)
    hole[0, 20:44, 26:38] = True
    broken = slope.copy()
    broken[hole] = 0
    assert np.abs(context_swaps.inpaint(broken, hole).astype(int) - slope)[hole].mean() < 20
    everything = np.ones((1, 64, 64), bool)
    assert context_swaps.inpaint(slope, everything).std() < 1  # nothing is known: one colour


def test_a_run_is_audited_by_one_command(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    write_toy_dataset(tmp_path / "toy")
    recipe = with_values(toy_recipe(), methods=("integral",))
    train(recipe, tmp_path / "toy", tmp_path / "run", "cpu")
    command = ["audit", str(tmp_path / "run"), "--sheet", str(tmp_path / "sheet.png"), "--device", "cpu"]
    assert run(command) == 0
    text = capsys.readouterr().out
    assert "SHAcc" in text and "integral" in text and "6 videos" in text
    rows = list(csv.DictReader((tmp_path / "run/results/toy-audit.csv").read_text().splitlines()))
    assert {row["method"] for row in rows} == {"appearance-only", "pose-only", "score-average", "integral"}
    by = {(row["method"], row["score"]): float(row["share"]) for row in rows}
    # the pose stream sees the same poses in all but the version without persons
    assert by["pose-only", "as it is"] == by["pose-only", "person only"] == by["pose-only", "SHAcc"]
    assert np.asarray(Image.open(tmp_path / "sheet.png")).std() > 10
    assert run(command) == 0
    assert capsys.readouterr().out == text
    for path in (tmp_path / "toy").glob("poses-*"):
        path.unlink()
    empty = [(video.video, Poses.nobody("openpose18")) for video in read_index(tmp_path / "toy").videos]
    write_pose_store(tmp_path / "toy", empty)
    assert run(command) == 2
    text = capsys.readouterr().err
    assert "of 6 videos of in-context, out-of-context 0 have one. Estimate poses with `integralaction pose`" in text
    assert "or name another --split" in text


def test_results_of_named_splits_have_names_of_their_own_and_any_terminal_shows_them(tmp_path: Path) -> None:
    index = Index(tmp_path / "data", "toy", "openpose18", CLASSES, ())
    asked_run = Run(tmp_path / "run", toy_recipe(), tmp_path / "data")
    assert audit.audit_name(asked_run, index, ()) == "toy"
    assert audit.audit_name(asked_run, index, ("train", "train", "val")) == "toy-train-val"
    labels = np.arange(6) % 3
    answers = {("a [b]", version): labels for version in context_swaps.VERSIONS}
    result = audit.Audit(CLASSES, tuple("abcdef"), labels, (labels + 1) % 3, answers, {"without": 1})
    with (tmp_path / "told").open("w", encoding="ascii") as file:
        audit.print_audit(result, Console(file=file, width=80))
    text = (tmp_path / "told").read_text()
    # of six right answers and of six wrong ones, Wilson's interval reaches 39 points far
    assert "100.0 +-39" in text and "0.0 +-39" in text and "a [b]" in text
    assert "Too few videos to rely on: this audit (6)" in text
    page = audit.write_audit(result, tmp_path, "toy").with_suffix(".md").read_text(encoding="utf-8")
    assert "100.0 [61.0, 100.0]" in page and "0.0 [0.0, 39.0]" in page and "Too few videos" in page


def test_a_frame_without_a_pose_takes_that_of_the_nearest(tmp_path: Path) -> None:
    index = two_colours(tmp_path)
    for path in tmp_path.glob("poses-*"):
        path.unlink()
    joints_of_frames = {t: standing(x=t) for t in (0, 1, 2, 3, 4, 16, 17, 18, 19)}
    write_pose_store(tmp_path, [(v.video, Poses.from_frames("openpose18", joints_of_frames)) for v in index.videos])
    model = with_values(toy_recipe().model, classes=CLASSES, size=64)
    video = ClipReader.for_model(index, PoseStore.of(tmp_path), model).video(0)
    joints = context_swaps._nearest_joints(
        video, np.array([2, 7, 10, 12])
    )  # at 10 frames a second, five frames away at most
    scale = 73 / 64  # a crop of 64 is taken of a short side of 73
    lefts = joints[:, 0, 0, 0] / scale - 0.5 * 40
    np.testing.assert_allclose(lefts[[0, 1, 3]], [2, 4, 16], atol=1e-3)
    assert not joints[2].any()
