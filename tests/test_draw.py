"""Poses and the gate on frames: pixels where they must be, none where they must not."""

import numpy as np
from PIL import Image

from integralaction.draw import LEAST_HEIGHT, draw_frame, draw_poses
from integralaction.skeleton import skeleton_named

SKELETON = skeleton_named("openpose18")


def person(**places: tuple[float, float, float]) -> np.ndarray:
    joints = np.zeros((1, 18, 3), np.float32)
    for name, place in places.items():
        joints[0, SKELETON.joints.index(name)] = place
    return joints


def test_bones_lie_between_their_joints_in_the_colours_of_their_sides() -> None:
    picture = Image.new("RGB", (200, 200), (90, 90, 90))
    draw_poses(
        picture,
        person(
            neck=(100, 20, 0.9), left_shoulder=(160, 20, 0.9), right_shoulder=(40, 20, 0.9), right_elbow=(40, 90, 0.9)
        ),
        SKELETON,
        0.1,
    )
    pixels = np.asarray(picture).astype(int)
    assert (pixels[60, 40] == (86, 180, 233)).all()  # the middle of the right upper arm
    assert (pixels[20, 130] == (240, 228, 66)).all()  # between neck and left shoulder
    untouched = pixels[110:]
    assert (untouched == 90).all()


def test_joints_that_were_not_found_are_not_drawn() -> None:
    picture = Image.new("RGB", (200, 200))
    draw_poses(picture, person(neck=(100, 20, 0.9), left_shoulder=(160, 20, 0.05)), SKELETON, 0.1)
    assert not np.asarray(picture)[:, 110:].any()
    draw_poses(picture, np.zeros((0, 18, 3), np.float32), SKELETON, 0.1)


def test_the_bar_is_as_long_as_the_gate() -> None:
    frame = np.zeros((240, 320, 3), np.uint8)
    lengths = []
    for gate in (0.0, 0.25, 0.5, 1.0):
        picture = np.asarray(draw_frame(frame, person(), SKELETON, 0.1, "a title", gate)).astype(int)
        lengths.append(int((np.abs(picture - (230, 159, 0)).sum(axis=2) == 0).any(axis=0).sum()))
    assert lengths[0] <= 1 and lengths[3] > 60
    np.testing.assert_allclose(np.array(lengths) / lengths[3], [0, 0.25, 0.5, 1], atol=0.03)


def test_small_frames_are_enlarged_and_their_poses_with_them() -> None:
    frame = np.zeros((32, 24, 3), np.uint8)
    picture = draw_frame(
        frame, person(neck=(12, 8, 1), nose=(12, 24, 1)), SKELETON, 0.1, "a very long title " * 9, None
    )
    pixels = np.asarray(picture).astype(int)
    strip = pixels.shape[0] - LEAST_HEIGHT
    assert pixels.shape[1] == 240 and strip > 0
    assert (pixels[strip + 160, 120] == 255).all()  # half way from neck to nose, ten times as large


def test_the_flattest_frame_stays_a_picture() -> None:
    picture = draw_frame(np.zeros((2, 3000, 3), np.uint8), person(), SKELETON, 0.1, "", 0.5)
    assert picture.width <= 4096 and picture.height < 100
