"""Joint sets by name: joints, bones, flip pairs, and conversion from one to another by joint name.

A `Skeleton` says what the K joints of a pose are. Its bones are the pairs of joints that become part affinity
fields (paper, section 3.2); its flip pairs are the joints that change places when a frame is mirrored.
"""

from dataclasses import dataclass

import numpy as np

from integralaction.errors import Refused


@dataclass(frozen=True)
class Skeleton:
    """A named joint set.

    Attributes:
        name: how data sets and checkpoints call it.
        joints: K joint names, `left_*` and `right_*` as the person has them.
        bones: L pairs (parent, child) of joint indices, in the order of the part affinity fields.
    """

    name: str
    joints: tuple[str, ...]
    bones: tuple[tuple[int, int], ...]

    @property
    def flip(self) -> tuple[int, ...]:
        """For each joint the index of the joint that takes its place in a mirrored frame."""
        mirrored = (_mirror(name) for name in self.joints)
        return tuple(self.joints.index(name) for name in mirrored)


def _mirror(name: str) -> str:
    if name.startswith("left_"):
        return "right_" + name.removeprefix("left_")
    if name.startswith("right_"):
        return "left_" + name.removeprefix("right_")
    return name


_OPENPOSE18 = Skeleton(
    name="openpose18",
    joints=(
        *("nose", "neck"),
        *("right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
        *("right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
        *("right_eye", "left_eye", "right_ear", "left_ear"),
    ),
    # the order of the released code, which is the order of its part affinity fields
    bones=(
        *((0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7)),
        *((1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13)),
        *((0, 14), (0, 15), (14, 16), (15, 17)),
    ),
)

_COCO17 = Skeleton(
    name="coco17",
    joints=(
        *("nose", "left_eye", "right_eye", "left_ear", "right_ear"),
        *("left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
        *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
    ),
    bones=(
        *((0, 1), (0, 2), (1, 3), (2, 4), (0, 5), (5, 7), (7, 9), (0, 6), (6, 8), (8, 10)),
        *((5, 11), (11, 13), (13, 15), (6, 12), (12, 14), (14, 16), (11, 12)),
    ),
)

_BODY25 = Skeleton(
    name="body25",
    joints=(
        *("nose", "neck"),
        *("right_shoulder", "right_elbow", "right_wrist", "left_shoulder", "left_elbow", "left_wrist"),
        *("mid_hip", "right_hip", "right_knee", "right_ankle", "left_hip", "left_knee", "left_ankle"),
        *("right_eye", "left_eye", "right_ear", "left_ear"),
        *("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel"),
    ),
    bones=(
        *((0, 1), (1, 2), (2, 3), (3, 4), (1, 5), (5, 6), (6, 7), (1, 8)),
        *((8, 9), (9, 10), (10, 11), (8, 12), (12, 13), (13, 14)),
        *((0, 15), (0, 16), (15, 17), (16, 18)),
        *((14, 19), (19, 20), (14, 21), (11, 22), (22, 23), (11, 24)),
    ),
)

_NTU25 = Skeleton(
    name="ntu25",
    joints=(
        *("spine_base", "spine_mid", "neck", "head"),
        *("left_shoulder", "left_elbow", "left_wrist", "left_hand"),
        *("right_shoulder", "right_elbow", "right_wrist", "right_hand"),
        *("left_hip", "left_knee", "left_ankle", "left_foot"),
        *("right_hip", "right_knee", "right_ankle", "right_foot"),
        *("spine_shoulder", "left_hand_tip", "left_thumb", "right_hand_tip", "right_thumb"),
    ),
    # the order of the released code, which is the order of its part affinity fields
    bones=(
        *((0, 1), (1, 2), (2, 3), (4, 20), (4, 5), (5, 6), (6, 7), (7, 21), (21, 22)),
        *((8, 20), (8, 9), (9, 10), (10, 11), (11, 23), (23, 24)),
        *((0, 12), (12, 13), (13, 14), (14, 15), (0, 16), (16, 17), (17, 18), (18, 19), (1, 20)),
    ),
)

# Penn Action's joints in the order of its annotation
_PENN13 = Skeleton(
    name="penn13",
    joints=(
        *("head", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow", "left_wrist", "right_wrist"),
        *("left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle"),
    ),
    bones=(
        *((0, 1), (0, 2), (1, 3), (3, 5), (2, 4), (4, 6)),
        *((1, 7), (7, 9), (9, 11), (2, 8), (8, 10), (10, 12), (7, 8)),
    ),
)

# COCO's joints, feet, the 68 points of a face, the 21 of each hand
_FEET = ("left_big_toe", "left_small_toe", "left_heel", "right_big_toe", "right_small_toe", "right_heel")
_FINGERS = tuple(
    (0 if joint == 0 else finger * 4 + joint, finger * 4 + joint + 1) for finger in range(5) for joint in range(4)
)


def _face() -> tuple[str, ...]:
    """The points of a face in their usual order, each half named by the person's side."""
    rows = ((0, 16), (17, 26), (31, 35), (48, 54), (55, 59), (60, 64), (65, 67))  # mirrored within themselves
    mirror = {i: first + last - i for first, last in rows for i in range(first, last + 1)}
    mirror |= {36: 45, 37: 44, 38: 43, 39: 42, 40: 47, 41: 46}  # the eyes with each other
    opposite = {a: b for a, b in mirror.items() if a != b}
    right = {a for a, b in opposite.items() if (a < b) != (a in range(55, 60) or a in range(65, 68))}
    names = {}
    for a in right:
        names[a], names[opposite[a]] = f"right_face_{a}", f"left_face_{a}"
    return tuple(names.get(i, f"face_{i}") for i in range(68))


_WHOLEBODY133 = Skeleton(
    name="coco-wholebody133",
    joints=(
        *_COCO17.joints,
        *_FEET,
        *_face(),
        *(f"left_hand_{i}" for i in range(21)),
        *(f"right_hand_{i}" for i in range(21)),
    ),
    bones=(
        *_COCO17.bones,
        *((15, 17), (15, 18), (15, 19), (16, 20), (16, 21), (16, 22), (9, 91), (10, 112)),
        *((91 + a, 91 + b) for a, b in _FINGERS),
        *((112 + a, 112 + b) for a, b in _FINGERS),
    ),
)

# MediaPipe's
_BLAZEPOSE33 = Skeleton(
    name="blazepose33",
    joints=(
        *("nose", "left_eye_inner", "left_eye", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer"),
        *("left_ear", "right_ear", "left_mouth", "right_mouth", "left_shoulder", "right_shoulder"),
        *("left_elbow", "right_elbow", "left_wrist", "right_wrist", "left_pinky", "right_pinky"),
        *("left_index", "right_index", "left_thumb", "right_thumb", "left_hip", "right_hip"),
        *("left_knee", "right_knee", "left_ankle", "right_ankle", "left_heel", "right_heel"),
        *("left_foot_index", "right_foot_index"),
    ),
    bones=(
        *((0, 1), (1, 2), (2, 3), (3, 7), (0, 4), (4, 5), (5, 6), (6, 8), (9, 10)),
        *((11, 12), (11, 13), (13, 15), (15, 17), (15, 19), (15, 21), (17, 19)),
        *((12, 14), (14, 16), (16, 18), (16, 20), (16, 22), (18, 20)),
        *((11, 23), (12, 24), (23, 24), (23, 25), (25, 27), (27, 29), (27, 31), (29, 31)),
        *((24, 26), (26, 28), (28, 30), (28, 32), (30, 32)),
    ),
)

SKELETONS = {
    skeleton.name: skeleton
    for skeleton in (_OPENPOSE18, _COCO17, _BODY25, _NTU25, _PENN13, _WHOLEBODY133, _BLAZEPOSE33)
}


def skeleton_named(name: str) -> Skeleton:
    """The skeleton of that name.

    Raises:
        ValueError: no skeleton has that name.
    """
    if name not in SKELETONS:
        raise Refused(f"Expected one of the skeletons {', '.join(SKELETONS)}; found {name!r}.")
    return SKELETONS[name]


def convert_joints(joints: np.ndarray, source: Skeleton, target: Skeleton) -> np.ndarray:
    """Poses of one skeleton as poses of another, joint by joint name.

    A neck that the source lacks is the mean of its shoulders, with the lower of their scores.

    Args:
        joints: (..., K source, 3): x, y in pixels, score.

    Returns:
        (..., K target, 3).

    Raises:
        ValueError: the target has a joint that the source cannot give.
    """
    if source == target:
        return joints
    converted = []
    for name in target.joints:
        if name in source.joints:
            converted.append(joints[..., source.joints.index(name), :])
        elif name == "neck" and {"left_shoulder", "right_shoulder"} <= set(source.joints):
            left = joints[..., source.joints.index("left_shoulder"), :]
            right = joints[..., source.joints.index("right_shoulder"), :]
            position = (left[..., :2] + right[..., :2]) / 2
            converted.append(np.concatenate([position, np.minimum(left, right)[..., 2:]], axis=-1))
        else:
            raise Refused(
                f"Expected poses that convert to the skeleton {target.name}; {source.name} has no joint {name!r}. "
                f"Use a model of {source.name} (model.pose.skeleton={source.name} in training), or other poses."
            )
    return np.stack(converted, axis=-2)
