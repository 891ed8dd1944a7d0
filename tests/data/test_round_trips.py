"""Any valid poses come back: from the store, from another skeleton, from two flips, from a crop and its inverse."""

import tempfile
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from integralaction.clip import Clip, Poses
from integralaction.data.poses import PoseStore, write_pose_store
from integralaction.data.transforms import Crop, apply_crop
from integralaction.skeleton import SKELETONS, convert_joints, skeleton_named

places = st.floats(-1e4, 1e4, width=32)
scores = st.floats(0, 1, width=32)


@st.composite
def some_poses(draw: st.DrawFn, skeleton: str | None = None) -> Poses:
    """Poses of any skeleton: frames here and there, from nobody to thirty persons."""
    name = skeleton or draw(st.sampled_from(sorted(set(SKELETONS) - {"coco-wholebody133"})))
    joints = len(skeleton_named(name).joints)
    frames = draw(st.sets(st.integers(0, 500), max_size=4))
    found = {}
    for frame in frames:
        persons = draw(st.integers(0, 3) | st.just(30))
        xy = draw(arrays(np.float32, (persons, joints, 2), elements=places, fill=places))
        score = draw(arrays(np.float32, (persons, joints, 1), elements=scores, fill=scores))
        found[frame] = np.concatenate([xy, score], axis=2)
    return Poses.from_frames(name, found)


def same(a: Poses, b: Poses) -> bool:
    return a.skeleton == b.skeleton and all(
        np.array_equal(getattr(a, name), getattr(b, name)) for name in ("joints", "frame_index", "frame_offsets")
    )


@given(
    st.lists(some_poses("openpose18"), min_size=1, max_size=3), st.lists(st.integers(0, 500), min_size=1, max_size=6)
)
@settings(max_examples=40, deadline=None)
def test_the_store_gives_back_what_it_was_given(videos: list[Poses], wanted: list[int]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_pose_store(Path(folder), [(f"{i}.mp4", poses) for i, poses in enumerate(videos)])
        store = PoseStore.of(Path(folder))
        for i, poses in enumerate(videos):
            assert same(store[f"{i}.mp4"], poses)
            frames = np.array(wanted)
            assert np.array_equal(store.at(f"{i}.mp4", frames), poses.at(frames))


@given(some_poses("coco17"))
@settings(max_examples=40, deadline=None)
def test_a_skeleton_with_all_its_joints_and_back(poses: Poses) -> None:
    coco, openpose = skeleton_named("coco17"), skeleton_named("openpose18")
    there = convert_joints(poses.joints, coco, openpose)
    assert np.array_equal(convert_joints(there, openpose, coco), poses.joints)
    shoulders = poses.joints[:, [5, 6]]
    np.testing.assert_array_equal(there[:, 1, 2], shoulders[..., 2].min(axis=1))
    np.testing.assert_allclose(there[:, 1, :2], shoulders[..., :2].mean(axis=1), rtol=1e-6, atol=1e-3)


@given(some_poses(), st.integers(16, 400), st.integers(16, 400))
@settings(max_examples=60, deadline=None)
def test_two_flips_and_a_crop_with_its_inverse(poses: Poses, height: int, width: int) -> None:
    joints = poses.at(poses.frame_index) if len(poses.frame_index) else poses.joints[None, :0]
    clip, flip = Clip(None, joints), skeleton_named(poses.skeleton).flip
    size = 64
    mirror = Crop(0, 0, size, size, flip=True)
    twice = apply_crop(apply_crop(clip, mirror, size, flip), mirror, size, flip)
    there_is = joints[..., 2] > 0  # a joint that is not there has no place
    np.testing.assert_allclose(twice.joints[there_is], joints[there_is], atol=2e-2, rtol=1e-5)
    assert not twice.joints[~there_is].any()
    crop = Crop(top=height // 4, left=width // 3, height=height, width=width, flip=False)
    there = apply_crop(clip, crop, size, flip).joints
    back = there.copy()
    back[..., 0] = there[..., 0] * width / size + crop.left
    back[..., 1] = there[..., 1] * height / size + crop.top
    np.testing.assert_allclose(back[there_is], joints[there_is], atol=2e-2, rtol=1e-4)
