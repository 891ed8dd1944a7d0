"""Sampling, transforms and batches: against closed forms, by following one marked pixel, and as properties."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from toy import toy_recipe, write_toy_dataset

from integralaction.clip import Clip, Poses
from integralaction.config import ClipConfig, ModelConfig
from integralaction.data import sampling
from integralaction.data.clips import Source, VideoReader
from integralaction.data.dataset import ClipReader, TestClips, TrainClips
from integralaction.data.index import Index, Video
from integralaction.data.poses import PoseStore
from integralaction.data.transforms import Crop, apply_crop, centre_crop, random_crop, resize_joints, short_side
from integralaction.data.video import probe, read_frames
from integralaction.skeleton import skeleton_named
from tests.toy import with_values

FLIP = skeleton_named("openpose18").flip
MODEL = with_values(toy_recipe().model, classes=("down", "right", "still"))


@given(st.integers(1, 400))
def test_ten_clips_are_those_of_the_paper(frames: int) -> None:
    starts = sampling.ten_clips(frames, ClipConfig()).frames[:, 0]
    if frames <= 56:
        assert starts.tolist() == [0]
    else:
        assert starts.tolist() == [(frames - 57) * t // 9 for t in range(10)]
        assert starts[-1] + 56 == frames - 1  # the last clip ends with the video


def test_training_clips_start_anywhere_they_fit() -> None:
    random = np.random.default_rng(0)
    assert {int(sampling.random_clip(60, ClipConfig(), random).frames[0, 0]) for _ in range(200)} == {0, 1, 2, 3}
    assert {int(sampling.random_clip(20, ClipConfig(), random).frames[0, 0]) for _ in range(20)} == {0}


def test_frames_past_the_end_repeat_the_last() -> None:
    assert sampling.clips_at(np.array([0]), 30, ClipConfig()).frames.tolist() == [[0, 8, 16, 24, 29, 29, 29, 29]]


@given(st.integers(1, 50), st.sampled_from([(8, 1), (8, 2), (8, 4), (6, 3)]), st.integers(0, 3))
@settings(max_examples=50)
def test_processes_and_accumulation_share_the_same_mini_batches(videos: int, shape: tuple, epoch: int) -> None:
    batch_size, parts = shape

    def mini_batches(accumulate: int, processes: int) -> list[list[int]]:
        orders = []
        for process in range(processes):
            order = sampling.MicroBatches(videos, batch_size, accumulate, process, processes, seed=3)
            order.set_epoch(epoch)
            orders.append([[video for _, video in micro] for micro in order])
            assert len(orders[-1]) == len(order)
        steps = len(orders[0]) // accumulate
        return [
            [v for a in range(accumulate) for order in orders for v in order[step * accumulate + a]]
            for step in range(steps)
        ]

    whole = mini_batches(1, 1)
    assert mini_batches(parts, 1) == whole == mini_batches(1, parts)
    assert {video for batch in whole for video in batch} == set(range(videos))
    assert all(len(batch) == batch_size for batch in whole)


def marked_clip(height: int, width: int, x: int, y: int) -> Clip:
    """A dark clip with one bright pixel, and all joints of one person on it."""
    frames = np.zeros((2, height, width, 3), np.uint8)
    frames[:, y, x] = 255
    joints = np.full((2, 2, 18, 3), 0.9, np.float32)
    joints[..., 0], joints[..., 1] = x, y
    joints[:, 1] = 0  # an absent person
    return Clip(frames, joints)


@given(st.integers(0, 2**31), st.booleans())
@settings(max_examples=100, deadline=None)
def test_joints_stay_on_their_pixel(seed: int, flip: bool) -> None:
    random = np.random.default_rng(seed)
    size = 32
    height, width = int(random.integers(37, 60)), int(random.integers(37, 60))
    crop = replace(random_crop(height, width, size, random), flip=flip)
    x = int(random.integers(crop.left, crop.left + crop.width))
    y = int(random.integers(crop.top, crop.top + crop.height))
    out = apply_crop(marked_clip(height, width, x, y), crop, size, FLIP)
    picture = out.frames[0, :, :, 0].astype(np.float64)
    assert picture.sum() > 0
    centre_y, centre_x = (np.indices(picture.shape) * picture).sum(axis=(1, 2)) / picture.sum()
    # the released convention scales positions, not pixel areas: up to half a pixel of the larger scale apart
    assert abs(out.joints[0, 0, 0, 0] - centre_x) <= 0.8
    assert abs(out.joints[0, 0, 0, 1] - centre_y) <= 0.8
    assert not out.joints[:, 1].any()


def test_flip_swaps_left_and_right_of_every_person_in_every_frame() -> None:
    joints = np.random.default_rng(0).uniform(1, 30, (3, 4, 18, 3)).astype(np.float32)
    clip = Clip(np.zeros((3, 32, 32, 3), np.uint8), joints)
    out = apply_crop(clip, Crop(0, 0, 32, 32, flip=True), 32, FLIP).joints
    wrists = [skeleton_named("openpose18").joints.index(f"{side}_wrist") for side in ("left", "right")]
    np.testing.assert_allclose(out[..., wrists[0], 0], 31 - joints[..., wrists[1], 0], rtol=1e-6)
    np.testing.assert_allclose(out[..., wrists[1], 1:], joints[..., wrists[0], 1:], rtol=1e-6)
    twice = apply_crop(Clip(clip.frames, out), Crop(0, 0, 32, 32, flip=True), 32, FLIP).joints
    np.testing.assert_allclose(twice, joints, atol=1e-5)


def test_centre_crop_and_short_side_of_the_paper() -> None:
    assert short_side(224) == 256
    assert centre_crop(256, 340, 224) == Crop(left=58, top=16, width=224, height=224)
    assert resize_joints(np.array([10.0, 10.0, 1.0]), (100, 200), (50, 50)).tolist() == [2.5, 5.0, 1.0]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> ClipReader:
    root = tmp_path_factory.mktemp("toy")
    index = write_toy_dataset(root)
    return ClipReader.for_model(index.split("train"), PoseStore.of(root), MODEL)


def test_batches_are_a_function_of_seed_epoch_and_video(reader: ClipReader) -> None:
    def batch(seed: int, epoch: int) -> torch.Tensor:
        return TrainClips(reader, augment=True, seed=seed)[[(epoch, 4), (epoch, 2)]].frames

    assert torch.equal(batch(0, 1), batch(0, 1))
    assert not torch.equal(batch(0, 1), batch(0, 2))
    assert not torch.equal(batch(0, 1), batch(1, 1))
    alone = TrainClips(reader, augment=True, seed=0)[[(1, 2)]].frames
    assert torch.equal(alone[0], batch(0, 1)[1])


def test_preloaded_clips_are_the_same(reader: ClipReader) -> None:
    keys = [(3, 0), (3, 5)]
    plain = TrainClips(reader, augment=True, seed=0)[keys]
    loaded = TrainClips(reader, augment=True, seed=0).preload()[keys]
    assert torch.equal(plain.frames, loaded.frames) and torch.equal(plain.joints, loaded.joints)


def test_test_clips_of_a_video(reader: ClipReader) -> None:
    batch = TestClips(reader)[1]
    assert batch.frames.shape == (10, 2, 3, 32, 32) and batch.frames.dtype == torch.uint8
    assert batch.joints.shape[:2] == (10, 2) and batch.joints.shape[3:] == (18, 3)
    assert batch.labels.tolist() == [1] * 10 and batch.videos.tolist() == [1] * 10


def test_pose_only_reads_no_frames(reader: ClipReader) -> None:
    poses = ClipReader.for_model(reader.index, PoseStore.of(reader.index.root), MODEL.of_method("pose-only"))
    both, alone = TestClips(reader)[1], TestClips(poses)[1]
    assert alone.frames is None and torch.equal(both.joints, alone.joints)


def test_classes_are_matched_by_name(reader: ClipReader) -> None:
    other = ClipReader.for_model(
        reader.index, PoseStore.of(reader.index.root), ModelConfig(classes=("still", "flying", "down"))
    )
    assert [other.label(i) for i in range(3)] == [2, -1, 0]


def test_pose_frames_are_denser_than_pictures(reader: ClipReader) -> None:
    """T' = 4 T poses between the pictures, the last ones repeating the end of the video."""
    frames = {t: np.full((1, 18, 3), float(t + 1)) for t in range(12)}
    name = reader.index.videos[0].video
    dense = ClipReader.for_model(
        reader.index,
        {name: Poses.from_frames("openpose18", frames)},
        with_values(MODEL, frames=2, stride=8, pose_frame_factor=4),
    )
    joints = dense.video(0).read_joints(sampling.clips_at(np.array([3]), 12, dense.clip).poses)
    assert joints[0, :, 0, 0, 2].tolist() == [4, 6, 8, 10, 12, 12, 12, 12]


def test_a_part_of_a_video(tmp_path: Path) -> None:
    row = Video("a.mp4", "", "train", frames=100, fps=10.0, height=64, width=64, start=2.0, end=5.0)
    path = tmp_path / row.video  # no file tells the frames' own times
    assert (Source.of(row, path).first, Source.of(row, path).frames) == (20, 30)
    with pytest.raises(ValueError, match="Expected frames between start and end"):
        Source.of(replace(row, start=20.0, end=21.0), path)


def test_clips_of_a_part_of_a_video_without_an_index(reader: ClipReader) -> None:
    """Against frames and poses one by one: from the first of the part, and past its end the last."""
    path, poses = reader.index.path(reader.index.videos[0]), reader.poses(0)
    config = with_values(MODEL, frames=4, pose_frame_factor=2)
    video = VideoReader.for_model(Source(path, probe(path), first=3, frames=8), poses, config)
    height, width = video.size
    top, left = (height - 32) // 2, (width - 32) // 2
    numbers = sampling.ten_clips(8, config.clip)
    for clip, start in zip(video.read_clips(numbers), [(8 - 7) * t // 9 for t in range(10)], strict=True):
        for t, frame in enumerate(clip.frames):
            whole = read_frames(path, [3 + min(start + 2 * t, 7)], short_side=height)[0]
            np.testing.assert_array_equal(frame, whole[top : top + 32, left : left + 32])
        for t, joints in enumerate(clip.joints):
            person = poses.at(np.array([3 + min(start + t, 7)]))[0, 0]
            place = person[:, :2] * np.float32(height / 32) - (left, top)
            np.testing.assert_allclose(joints[0, :, :2], np.where(person[:, 2:] > 0, place, 0), atol=1e-4)


def test_a_missing_video_is_said_to_be_missing(reader: ClipReader) -> None:
    index = replace(reader.index, videos=(replace(reader.index.videos[0], video="gone.mp4"), reader.index.videos[1]))
    with pytest.raises(FileNotFoundError, match=r"gone\.mp4, found nothing"):
        TestClips(ClipReader.for_model(index, PoseStore.of(index.root), MODEL))[0]


def test_clips_are_those_of_the_released_loader(shared: Path, tmp_path: Path) -> None:
    """Its own three videos through our reader give its joints and pixels: start, stride, crop, scale, persons."""
    root = shared / "reference" / "kinetics_mini"
    expected = np.load(shared / "reference" / "kinetics_mini_expected.npz")
    images = json.loads((root / "Kinetics50_val.json").read_text())["images"]
    rows, poses = [], {}
    for image in images:
        name = f"{image['seq_name']}/{image['file_name']}"
        size = (image["height"], image["width"])
        rows.append(Video(name, "still", "in-context", image["frame_num"], 30.0, *size))
        poses[name] = kinetics_skeleton(root / "kinetics-skeleton/kinetics_val" / f"{image['file_name']}.json", *size)
    index = Index(tmp_path, "mini", "openpose18", MODEL.classes, tuple(rows), str(root / "frames/val_256"))
    clips = TestClips(ClipReader.for_model(index, poses, ModelConfig(classes=MODEL.classes)))
    checked = 0
    for name in [name for name in expected.files if name.startswith("start_")]:
        i = name.removeprefix("start_")
        video = [image["id"] for image in images].index(int(expected[f"img_id_{i}"]))
        starts = sampling.ten_clips(images[video]["frame_num"], ClipConfig()).frames[:, 0].tolist()
        batch, clip = clips[video], starts.index(int(expected[name]))
        pixels = batch.frames[clip][:, :, ::16, ::16].float().numpy() / 255
        assert np.abs(pixels - expected[f"video_{i}"]).mean() < 0.01, f"{name}: other pixels than the released loader's"
        coordinates, scores = expected[f"pose_coords_{i}"], expected[f"pose_scores_{i}"]
        ours = batch.joints[clip].numpy()
        for t in range(8):
            order = np.argsort(-scores[t].mean(axis=1), kind="stable")
            for place, person in enumerate(order):
                there = scores[t, person] > 0
                if there.any():
                    np.testing.assert_allclose(
                        ours[t, place, there, :2] * 56 / 224,
                        coordinates[t, person, there],
                        atol=1e-3,
                        err_msg=f"{name}: other joints than the released loader's",
                    )
                    checked += 1
                elif place < ours.shape[1]:
                    assert not ours[t, place].any()
    assert checked > 20


def kinetics_skeleton(path: Path, height: int, width: int) -> Poses:
    """One of its skeleton files: positions in 0..1 of the frame."""
    frames = {}
    for frame in json.loads(path.read_text())["data"]:
        persons = [
            np.column_stack([np.array(p["pose"]).reshape(18, 2) * (width, height), p["score"]])
            for p in frame["skeleton"]
        ]
        frames[frame["frame_index"]] = np.array(persons).reshape(-1, 18, 3)
    return Poses.from_frames("openpose18", frames)


def test_random_crops_have_all_four_scales_and_neighbours_beside_them() -> None:
    """Wang et al.'s corner crops without the corners: 1, .875, .75, .66 of the size, sides at most one step apart."""
    random = np.random.default_rng(0)
    size, sides = 224, [224, 196, 168, 148]
    crops = [random_crop(256, 340, size, random) for _ in range(2000)]
    pairs = {(crop.height, crop.width) for crop in crops}
    assert pairs == {(a, b) for i, a in enumerate(sides) for j, b in enumerate(sides) if abs(i - j) <= 1}
    for side in sides:  # a quarter of the first sides each
        assert 0.2 < np.mean([crop.height == side for crop in crops]) < 0.3
    assert {crop.flip for crop in crops} == {True, False}
    assert all(crop.left + crop.width <= 340 and crop.top + crop.height <= 256 for crop in crops)
