"""Persons from joint maps and part affinity fields, against persons whose maps were drawn."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from networks import write_network

from integralaction.data.video import read_frames
from integralaction.estimators.grouping import LIMBS, group_joints
from integralaction.estimators.openpose import OpenPose

CELLS = (46, 54)  # height and width of a network's maps
FRAME = (8 * CELLS[0], 8 * CELLS[1])

# a person who stands, arms out, in units of a height of 1: x to the right of the neck, y below it
STANDING = np.array(
    [
        *((0.0, -0.12), (0.0, 0.0)),
        *((-0.1, 0.0), (-0.25, 0.02), (-0.38, 0.05), (0.1, 0.0), (0.25, 0.02), (0.38, 0.05)),
        *((-0.07, 0.32), (-0.09, 0.55), (-0.1, 0.8), (0.07, 0.32), (0.09, 0.55), (0.1, 0.8)),
        *((-0.04, -0.16), (0.04, -0.16), (-0.09, -0.14), (0.09, -0.14)),
    ]
)


def draw_maps(persons: np.ndarray, lost: set[int] = frozenset()) -> tuple[torch.Tensor, torch.Tensor]:
    """The maps of an ideal network for persons (P, 18, 2) in pixels of the frame: blobs, and vectors along limbs."""
    y, x = np.mgrid[: CELLS[0], : CELLS[1]]
    centres = np.stack([8 * x + 3.5, 8 * y + 3.5], axis=-1)  # of the cells, in pixels
    heatmaps, fields = np.zeros((18, *CELLS)), np.zeros((38, *CELLS))
    for person in persons:
        for joint in set(range(18)) - lost:
            blob = np.exp(-((centres - person[joint]) ** 2).sum(-1) / (2 * 9.0**2))
            heatmaps[joint] = np.maximum(heatmaps[joint], blob)
        for first, second, channel in LIMBS:
            start, end = person[first], person[second]
            length = np.linalg.norm(end - start)
            direction = (end - start) / length
            along = (centres - start) @ direction
            across = np.abs((centres - start) @ np.array([-direction[1], direction[0]]))
            on = (along >= -8) & (along <= length + 8) & (across <= 10)
            fields[channel : channel + 2][:, on] = direction[:, None]
    return torch.tensor(heatmaps, dtype=torch.float32), torch.tensor(fields, dtype=torch.float32)


def standing(x: float, y: float, height: float) -> np.ndarray:
    return STANDING * height + (x, y)


def match_persons(poses: np.ndarray, persons: np.ndarray) -> np.ndarray:
    """The persons that were found, in the order of the true ones, by their necks."""
    nearest = [int(np.abs(poses[:, 1, :2] - person[1]).sum(1).argmin()) for person in persons]
    return poses[nearest]


@given(
    st.floats(110, 140), st.floats(290, 320), st.floats(60, 90), st.floats(180, 260), st.floats(150, 250), st.booleans()
)
@settings(max_examples=20, deadline=None)
def test_persons_whose_maps_were_drawn_are_found(
    x: float, x2: float, y: float, height: float, height2: float, mirrored: bool
) -> None:
    persons = np.stack([standing(x, y, height), standing(x2, y + 20, height2)])
    if mirrored:
        persons[1, :, 0] = 2 * x2 - persons[1, :, 0]
    poses = group_joints(*draw_maps(persons), 8.0)
    assert len(poses) == 2
    error = np.linalg.norm(match_persons(poses, persons)[..., :2] - persons, axis=2)
    assert error.max() < 6 and error.mean() < 2  # a cell of the maps has 8 pixels
    assert (poses[..., 2] > 0.3).all() and (poses[..., 2] <= 1).all()


def test_place_follows_the_frame_not_the_maps() -> None:
    person = standing(200, 90, 250)[None]
    small, large = group_joints(*draw_maps(person), 8.0), group_joints(*draw_maps(person), 16.0)
    np.testing.assert_allclose((large[..., :2] + 0.5) / 2, small[..., :2] + 0.5, atol=1e-3)


def test_joints_at_the_edge_of_the_frame_are_found() -> None:
    for x, y in ((95.5, 90), (FRAME[1] - 96.5, 90), (200, 166)):  # a wrist at the left, at the right; ankles below
        (poses,) = group_joints(*draw_maps(standing(x, y, 250)[None]), 8.0)
        error = np.linalg.norm(poses[:, :2] - standing(x, y, 250), axis=1)
        assert error.max() < 8 and (poses[:, 2] > 0).all()


def test_nobody_and_parts_of_somebody() -> None:
    heatmaps, fields = draw_maps(standing(200, 90, 250)[None])
    assert group_joints(torch.zeros_like(heatmaps), fields, 8.0).shape == (0, 18, 3)
    assert not len(group_joints(heatmaps, torch.zeros_like(fields), 8.0))  # joints that no limb joins are no person
    lost = {3, 4, 10, 14}
    (poses,) = group_joints(*draw_maps(standing(200, 90, 250)[None], lost), 8.0)
    assert {joint for joint in range(18) if poses[joint, 2] == 0} == lost | {16}  # an ear hangs on its eye
    assert not poses[3].any()


def test_two_halves_become_one_person() -> None:
    """Legs are found before the face: limbs that meet later make one person of two."""
    heatmaps, fields = draw_maps(standing(200, 90, 250)[None])
    fields[:2] = 0  # neck to right hip
    (poses,) = group_joints(heatmaps, fields, 8.0)
    assert (poses[[8, 9, 10], 2] == 0).all() and (poses[[1, 11, 12, 13], 2] > 0).all()


def network(path: Path, persons: np.ndarray, colour_last: bool) -> Path:
    heatmaps, fields = (maps.numpy() for maps in draw_maps(persons))
    background = 1 - heatmaps.max(axis=0, keepdims=True)
    maps = np.concatenate([heatmaps, background, fields])[None]
    if colour_last:
        return write_network(path, [1, "h", "w", 3], {"maps": maps.transpose(0, 2, 3, 1)})
    outputs = {"coarse_fields": 0 * maps[:, 19:], "heatmaps": maps[:, :19], "fields": maps[:, 19:]}
    return write_network(path, [1, 3, *FRAME], outputs)


@pytest.mark.parametrize("colour_last", [True, False])
def test_networks_of_both_layouts(tmp_path: Path, colour_last: bool) -> None:
    persons = np.stack([standing(110, 90, 250), standing(320, 100, 220)])
    estimator = OpenPose(network(tmp_path / "net.onnx", persons, colour_last))
    poses = estimator(np.zeros((2, *FRAME, 3), np.uint8))
    assert len(poses) == 2
    for people in poses:
        assert np.abs(match_persons(people, persons)[..., :2] - persons).max() < 6


@pytest.mark.parametrize("colour_last", [True, False])
@pytest.mark.parametrize("frame", [(736, 376), (184, 216), (92, 400)])
def test_frames_keep_their_shape_in_the_network(tmp_path: Path, frame: tuple[int, int], colour_last: bool) -> None:
    """Upright, small and wide frames fill the network's input as far as their shape lets them, from the upper left."""
    scale = min(FRAME[0] / frame[0], FRAME[1] / frame[1])
    inside = np.array([[[min(scale * frame[1], 400) / 2 - 8, 40]]]) + (standing(0, 0, 90) * (0.9, 0.5))[None]
    estimator = OpenPose(network(tmp_path / "net.onnx", inside, colour_last))
    if colour_last and frame == (92, 400):
        assert estimator._fit(*frame)[1] == (192, 832)  # a free network sees wide frames at the same area
        return
    (poses,) = estimator(np.zeros((1, *frame, 3), np.uint8))
    error = np.linalg.norm((poses[0, :, :2] + 0.5) * scale - 0.5 - inside[0], axis=1)
    assert np.median(error) < 1.5, error


def test_other_networks_are_refused(tmp_path: Path) -> None:
    body25 = write_network(tmp_path / "a.onnx", [1, 3, 64, 64], {"maps": np.zeros((1, 78, 8, 8))})
    with pytest.raises(ValueError, match=r"OpenPose network of 18 joints .* found outputs of \[1, 78, 8, 8\]"):
        OpenPose(body25)(np.zeros((1, 64, 64, 3), np.uint8))
    grey = write_network(tmp_path / "b.onnx", [1, 5, 64, 64], {"maps": np.zeros((1, 57, 8, 8))})
    with pytest.raises(ValueError, match="takes one image of three colours"):
        OpenPose(grey)
    (tmp_path / "c.onnx").write_text("nothing")
    with pytest.raises(ValueError, match="Expected a network in ONNX format"):
        OpenPose(tmp_path / "c.onnx")
    with pytest.raises(FileNotFoundError, match="Expected the file of a pose network"):
        OpenPose(tmp_path / "d.onnx")


def test_a_real_network_finds_the_weightlifter(shared: Path) -> None:
    estimator = OpenPose(shared / "data/pose_weights/openpose18_mobilenet_v2_small.onnx")
    frames = read_frames(shared / "data/videos/clean_and_jerk_k400.mp4", [150])
    persons = estimator(frames)[0]
    best = persons[persons[..., 2].mean(axis=1).argmax()]
    assert (best[:, 2] > 0.1).mean() > 0.7
    nose, neck, right_hip, right_knee = best[[0, 1, 8, 9], 1]
    assert nose < neck < right_hip < right_knee
    assert 150 < best[1, 0] < 200 and 60 < best[1, 1] < 110  # where the neck is in that picture
    assert best[2, 0] < best[5, 0]  # he looks at us: his right is on the left
