"""An articulated body: proportions, and from the controls of a motion to joints in 3-D and on the frame.

Body axes: x to the person's left, y up, z forwards; the origin is on the ground between the feet; unit: body height.
"""

from dataclasses import dataclass

import numpy as np

from integralaction.skeleton import skeleton_named

JOINTS = skeleton_named("openpose18").joints
_SIDES = ("left", "right")


@dataclass(frozen=True)
class Motion:
    """Controls of a body over T frames; two-bone inverse kinematics turns them into joint angles.

    Attributes:
        pelvis: (T, 3) in leg lengths above the ankles' standing place; y = 1 stands upright.
        lean: (T, 3) of the chest in radians: forwards, to the left, twisted to the left.
        head: (T, 2) radians: nod, turn to the left.
        wrists: (T, 2, 3) left and right, from the neck, in arm lengths.
        ankles: (T, 2, 3) left and right, from the ground, in leg lengths.
        elbows: (T, 2, 3) where the elbows point to.
        is_upright: wrists are given in axes that stay upright, not in the chest's.
        prop: (T, 3) path of a thing that leaves the hand, in body heights.
    """

    pelvis: np.ndarray
    lean: np.ndarray
    head: np.ndarray
    wrists: np.ndarray
    ankles: np.ndarray
    elbows: np.ndarray
    is_upright: bool = False
    prop: np.ndarray | None = None


@dataclass(frozen=True)
class Limbs:
    """Lengths of the bones of arms and legs, in body heights."""

    thigh: float = 0.245
    shin: float = 0.245
    upper_arm: float = 0.165
    forearm: float = 0.15

    @property
    def leg(self) -> float:
        """Length of a stretched leg."""
        return self.thigh + self.shin

    @property
    def arm(self) -> float:
        """Length of a stretched arm, to the wrist."""
        return self.upper_arm + self.forearm


@dataclass(frozen=True)
class Body:
    """Proportions, in body heights: limbs, trunk, half the widths of shoulders and hips, radius of the head.

    Attributes:
        girth: thickness, 1 on average.
    """

    limbs: Limbs = Limbs()
    spine: float = 0.29
    shoulder: float = 0.115
    hip: float = 0.062
    head: float = 0.068
    girth: float = 1.0


ANKLE = 0.035  # height of the ankle above the ground, in body heights


def draw_body(rng: np.random.Generator) -> Body:
    """A body with proportions of its own."""
    vary = lambda value, share: value * float(rng.uniform(1 - share, 1 + share))
    base = Body()
    limbs, leg, arm = base.limbs, vary(1.0, 0.06), vary(1.0, 0.06)
    return Body(
        limbs=Limbs(limbs.thigh * leg, limbs.shin * leg, limbs.upper_arm * arm, limbs.forearm * arm),
        spine=vary(base.spine, 0.06),
        shoulder=vary(base.shoulder, 0.14),
        hip=vary(base.hip, 0.12),
        head=vary(base.head, 0.1),
        girth=vary(1.0, 0.2),
    )


def place_joints(motion: Motion, body: Body) -> dict[str, np.ndarray]:
    """Forward and inverse kinematics.

    Returns:
        name -> (T, 3) in body axes: the joints of `openpose18`, and `pelvis`, `head`, `crown`, hands and toes.
    """
    limbs = body.limbs
    pelvis = motion.pelvis * limbs.leg + (0, ANKLE, 0)
    chest = _rotation(*motion.lean.T)
    half = _rotation(*(motion.lean * (0.25, 0.3, 0.35)).T)  # the pelvis follows the chest in part
    place = lambda frame, x, y, z: frame @ np.array([x, y, z])
    neck = pelvis + place(half, 0, 0.3 * body.spine, 0) + place(chest, 0, 0.7 * body.spine, 0)
    skull = chest @ _rotation(motion.head[:, 0], np.zeros(len(pelvis)), motion.head[:, 1])
    r = body.head
    joints = {"pelvis": pelvis, "neck": neck, "head": neck + place(skull, 0, 1.35 * r, 0.15 * r)}
    for name, spot in _FACE.items():
        joints[name] = joints["head"] + place(skull, *(np.array(spot) * r))
    for side, name in enumerate(_SIDES):
        sign = 1 - 2 * side
        shoulder = neck + place(chest, sign * body.shoulder, -0.02, 0)
        hip = pelvis + place(half, sign * body.hip, 0, 0)
        turn = np.eye(3)[None] if motion.is_upright else chest
        wrist = neck + _rotate(turn, motion.wrists[:, side] * limbs.arm)
        elbow, wrist = _bend_limb(
            shoulder, wrist, limbs.upper_arm, limbs.forearm, _rotate(turn, motion.elbows[:, side])
        )
        ankle = motion.ankles[:, side] * limbs.leg + (0, ANKLE, 0)
        knee, ankle = _bend_limb(hip, ankle, limbs.thigh, limbs.shin, np.array([0.25 * sign, 0, 1.0]))
        along = wrist - elbow
        along = along / np.linalg.norm(along, axis=1, keepdims=True)
        shin = (ankle - knee) / limbs.shin
        toe = np.stack([0.25 * sign + 0 * shin[:, 0], -0.35 - 1.1 * shin[:, 2], 1.0 + 0.9 * shin[:, 1] * 0], 1)
        toe = toe / np.linalg.norm(toe, axis=1, keepdims=True)
        joints |= {
            f"{name}_shoulder": shoulder,
            f"{name}_elbow": elbow,
            f"{name}_wrist": wrist,
            f"{name}_hand": wrist + 0.035 * along,
            f"{name}_hip": hip,
            f"{name}_knee": knee,
            f"{name}_ankle": ankle,
            f"{name}_toe": ankle + 0.085 * toe,
        }
    return joints


# in head radii from the middle of the head
_FACE = {
    "nose": (0, -0.12, 1.05),
    "left_eye": (0.38, 0.12, 0.88),
    "right_eye": (-0.38, 0.12, 0.88),
    "left_ear": (0.95, 0, 0.05),
    "right_ear": (-0.95, 0, 0.05),
    "mouth": (0, -0.5, 0.85),
    "crown": (0, 0.75, -0.1),
    "nape": (0, 0.05, -0.45),
}


def _rotation(pitch: np.ndarray, roll: np.ndarray, twist: np.ndarray) -> np.ndarray:
    """(T, 3, 3): bend forwards by pitch, to the left by roll, after a twist to the left."""
    zero, one = np.zeros_like(pitch), np.ones_like(pitch)
    stack = lambda *rows: np.stack([np.stack(row, -1) for row in rows], -2)
    c, s = np.cos(pitch), np.sin(pitch)
    about_x = stack((one, zero, zero), (zero, c, -s), (zero, s, c))
    c, s = np.cos(roll), np.sin(roll)
    about_z = stack((c, s, zero), (-s, c, zero), (zero, zero, one))
    c, s = np.cos(twist), np.sin(twist)
    about_y = stack((c, zero, s), (zero, one, zero), (-s, zero, c))
    return about_x @ about_z @ about_y


def _rotate(frame: np.ndarray, points: np.ndarray) -> np.ndarray:
    return (frame @ points[..., None])[..., 0]


def _bend_limb(
    root: np.ndarray, target: np.ndarray, upper: float, lower: float, pole: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The middle and the end joint of a limb that reaches for the target, bent towards the pole."""
    reach = target - root
    distance = np.linalg.norm(reach, axis=1, keepdims=True)
    along = reach / np.maximum(distance, 1e-6)
    distance = np.clip(distance, abs(upper - lower) + 0.02, 0.998 * (upper + lower))
    foot = (upper**2 - lower**2 + distance**2) / (2 * distance)
    height = np.sqrt(np.maximum(upper**2 - foot**2, 0))
    pole = np.broadcast_to(pole, along.shape)
    side = pole - (pole * along).sum(1, keepdims=True) * along
    side = side / np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-6)
    return root + along * foot + side * height, root + along * distance


@dataclass(frozen=True)
class Stance:
    """Where a body stands and how it is seen.

    Attributes:
        yaw: radians from facing the camera, positive to the right of the frame.
        is_mirrored: left and right change places.
        x, y: of the origin (on the ground) in frame heights, from the frame's upper left corner, camera at rest.
        height: of the body, in frame heights.
        tilt: radians that the camera looks down.
    """

    yaw: float
    is_mirrored: bool
    x: float
    y: float
    height: float
    tilt: float = 0.08


def project(points: np.ndarray, stance: Stance) -> np.ndarray:
    """Points in body axes (..., 3) as x, y in frame heights (camera at rest), and nearness in body heights."""
    x, y, z = np.moveaxis(points, -1, 0)
    if stance.is_mirrored:
        x = -x
    c, s = np.cos(stance.yaw), np.sin(stance.yaw)
    x, z = x * c + z * s, -x * s + z * c
    c, s = np.cos(stance.tilt), np.sin(stance.tilt)
    y, z = y * c - z * s, y * s + z * c
    scale = stance.height / (1 - z / 5)  # the camera stands five body heights away
    return np.stack([stance.x + x * scale, stance.y - y * scale, z], -1)


def openpose_joints(joints: dict[str, np.ndarray], is_mirrored: bool) -> np.ndarray:
    """(T, 18, 3) body axes in the order of `openpose18`; a mirrored body's left is the other one's right."""
    names = JOINTS
    if is_mirrored:
        names = tuple(names[i] for i in skeleton_named("openpose18").flip)
    return np.stack([joints[name] for name in names], 1)
