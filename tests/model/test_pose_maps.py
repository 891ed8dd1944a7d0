"""Pose maps against the released code's, and against a slow version that follows the paper's words."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from integralaction.model.pose_maps import best_persons, draw_heatmaps, draw_pafs, to_map_pixels, zero_missing_joints
from integralaction.skeleton import SKELETONS, skeleton_named

BONES = skeleton_named("openpose18").bones


def random_joints(seed: int, persons: int = 3, joints: int = 18, low: float = -4, high: float = 20) -> torch.Tensor:
    random = np.random.default_rng(seed)
    place = random.uniform(low, high, (1, 2, persons, joints, 2))
    score = random.uniform(0, 1, (1, 2, persons, joints, 1))
    score[score < 0.3] *= 0.2
    return torch.tensor(np.concatenate([place, score], axis=-1), dtype=torch.float32)


def slow_heatmap(joints: np.ndarray, k: int, size: int) -> np.ndarray:
    """The paper's words, pixel by pixel, for one frame (P, K, 3)."""
    heatmap = np.zeros((size, size))
    for x, y, score in joints[:, k]:
        for row in range(size):
            for column in range(size):
                if score > 0.1:
                    heatmap[row, column] += np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * 0.5**2))
    return np.minimum(heatmap, 1)


def slow_paf(joints: np.ndarray, bone: tuple[int, int], size: int) -> np.ndarray:
    """(2, size, size) for one frame (P, K, 3)."""
    field, count = np.zeros((2, size, size)), np.zeros((size, size))
    for person in joints:
        start, end = person[bone[0]], person[bone[1]]
        length = np.hypot(*(end - start)[:2])
        if min(start[2], end[2]) < 0.1 or length == 0:
            continue
        unit = (end - start)[:2] / length
        for row in range(size):
            for column in range(size):
                offset = np.array([column, row]) - start[:2]
                along, across = offset @ unit, abs(offset[0] * unit[1] - offset[1] * unit[0])
                if 0 <= along <= length and across <= 1:
                    field[:, row, column] += unit
                    count[row, column] += 1
    return field / np.maximum(count, 1)


@pytest.mark.parametrize("seed", range(3))
def test_maps_are_what_the_paper_says(seed: int) -> None:
    joints, size = random_joints(seed), 16
    heatmaps, pafs = draw_heatmaps(joints, size), draw_pafs(joints, BONES, size)
    frame = joints[0, 1].double().numpy()
    for k in (0, 4, 17):
        np.testing.assert_allclose(heatmaps[0, 1, k], slow_heatmap(frame, k, size), atol=1e-5)
    for b in (0, 5, 16):
        np.testing.assert_allclose(pafs[0, 1, 2 * b : 2 * b + 2], slow_paf(frame, BONES[b], size), atol=1e-5)


MOVED = "the maps are no longer those of the released code, which every released checkpoint needs: undo what moved them"


def test_maps_are_the_released_codes(shared: Path) -> None:
    """The inputs are made as its README says; the outputs are those of the released code."""
    made = np.load(shared / "reference" / "k50_r18_full.npz")
    about = json.loads(str(made["meta"]))
    random, batch, frames = np.random.RandomState(about["seed"]), about["batch"], 8
    random.uniform(0, 1, (batch, frames, 3, 224, 224))
    place = random.uniform(-4, 60, (batch, frames, 5, 18, 2))
    score = random.uniform(0, 1, (batch, frames, 5, 18))
    score[score < 0.3] *= 0.2
    place[:, :, 3:], score[:, :, 3:] = 1, 0
    place[:, 0], score[:, 0] = 1, 0
    joints = torch.tensor(np.concatenate([place, score[..., None]], axis=-1), dtype=torch.float32)
    heatmaps, pafs = draw_heatmaps(joints, 56).flatten(0, 1), draw_pafs(joints, BONES, 56).flatten(0, 1)
    np.testing.assert_allclose(heatmaps[:4], made["heatmap"].reshape(4, 18, 56, 56), atol=1e-4, err_msg=MOVED)
    np.testing.assert_allclose(pafs[:4], made["paf"].reshape(4, 34, 56, 56), atol=1e-4, err_msg=MOVED)
    np.testing.assert_allclose(
        heatmaps.sum(dim=(2, 3)), made["heatmap_sum"].reshape(-1, 18), rtol=1e-4, atol=1e-4, err_msg=MOVED
    )
    np.testing.assert_allclose(
        pafs.abs().sum(dim=(2, 3)), made["paf_abs_sum"].reshape(-1, 34), rtol=1e-4, atol=1e-3, err_msg=MOVED
    )


@given(st.integers(0, 1000), st.integers(1, 4))
@settings(max_examples=20, deadline=None)
def test_maps_stay_in_range_and_do_not_depend_on_the_order_of_persons(seed: int, persons: int) -> None:
    joints = random_joints(seed, persons)
    heatmaps, pafs = draw_heatmaps(joints, 16), draw_pafs(joints, BONES, 16)
    assert heatmaps.min() >= 0 and heatmaps.max() <= 1
    assert pafs.unflatten(2, (17, 2)).norm(dim=3).max() <= 1 + 1e-5
    turned = joints.flip(2)
    torch.testing.assert_close(draw_heatmaps(turned, 16), heatmaps)
    torch.testing.assert_close(draw_pafs(turned, BONES, 16), pafs)


def test_the_five_best_persons_of_a_frame_are_drawn() -> None:
    joints = random_joints(0, persons=8)
    kept = best_persons(joints)
    means = joints[0, 1, :, :, 2].mean(dim=1)
    wanted = joints[0, 1, means.argsort(descending=True)[:5]]
    torch.testing.assert_close(kept[0, 1].sum(dim=0), wanted.sum(dim=0))
    assert kept.shape[2] == 5


def test_absent_persons_draw_nothing_wherever_they_are() -> None:
    joints = torch.full((1, 1, 1, 18, 3), float("nan"))
    joints[..., 2] = 0
    placed = to_map_pixels(zero_missing_joints(joints), 64, 64, 16)
    assert draw_heatmaps(placed, 16).abs().max() == 0
    assert draw_pafs(placed, BONES, 16).abs().max() == 0


def test_joints_that_are_not_numbers_do_not_displace_persons() -> None:
    joints = random_joints(0, persons=8)
    broken = joints.clone()
    broken[:, :, 2, 3, 0] = float("nan")
    broken[:, :, 4, :, 2] = float("inf")
    lost = joints.clone()
    lost[:, :, 2, 3] = 0
    lost[:, :, 4] = 0
    torch.testing.assert_close(best_persons(zero_missing_joints(broken)), best_persons(zero_missing_joints(lost)))


def test_thresholds_differ_between_heatmap_and_paf() -> None:
    joints = torch.tensor([4.0, 4.0, 0.1]).repeat(1, 1, 1, 18, 1)
    joints[..., 0] += torch.arange(18) % 5
    assert draw_heatmaps(joints, 16).max() == 0  # above 0.1
    assert draw_pafs(joints, BONES, 16).abs().max() == 1  # from 0.1 on


def test_frame_pixels_become_map_pixels() -> None:
    joints = torch.tensor([[[[[224.0, 112.0, 1.0]]]]])
    assert to_map_pixels(joints, 224, 448, 56).flatten().tolist() == [28.0, 28.0, 1.0]


@pytest.mark.parametrize("name", SKELETONS)
def test_skeletons_are_consistent(name: str) -> None:
    skeleton = skeleton_named(name)
    joints = len(skeleton.joints)
    assert len(set(skeleton.joints)) == joints
    assert all(0 <= joint < joints for bone in skeleton.bones for joint in bone)
    assert [skeleton.flip[i] for i in skeleton.flip] == list(range(joints))
