"""What persons and things are made of: every part is the hull of a few balls, so one way of drawing serves all."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from integralaction.mime.bodies import Body, Motion
from integralaction.mime.drawing.colours import Colour, random_colour, shade

Joints = dict[str, np.ndarray]


@dataclass(frozen=True)
class Part:
    """The hull of n balls.

    Attributes:
        points: (T, n, 3) in body axes, n at most 4.
        radii: (n,) in body heights.
        colour: red, green, blue.
        nearer: body heights by which it is drawn as if nearer to the camera.
    """

    points: np.ndarray
    radii: tuple[float, ...]
    colour: Colour
    nearer: float = 0.0


@dataclass(frozen=True)
class Look:
    """Colours and cut of clothes, hair and skin.

    Attributes:
        sleeves, legs: 0 bare, 1 half, 2 whole.
        cut: of the hair: 0 short, 1 long, 2 bun, 3 cap.
    """

    skin: Colour
    hair: Colour
    top: Colour
    bottom: Colour
    shoes: Colour
    sleeves: int
    legs: int
    cut: int


_SKINS = ((255, 219, 190), (240, 195, 160), (215, 165, 125), (175, 120, 85), (125, 82, 58), (90, 58, 42))
_HAIRS = ((35, 28, 25), (80, 50, 30), (140, 90, 45), (215, 180, 105), (165, 70, 35), (150, 150, 150))


def draw_look(rng: np.random.Generator) -> Look:
    """Clothes, hair and skin of a person."""
    return Look(
        skin=_SKINS[rng.integers(len(_SKINS))],
        hair=_HAIRS[rng.integers(len(_HAIRS))],
        top=random_colour(rng, 30, 250),
        bottom=random_colour(rng, 20, 200),
        shoes=random_colour(rng, 20, 240),
        sleeves=int(rng.integers(3)),
        legs=int(rng.integers(1, 3)),
        cut=int(rng.integers(4)),
    )


def person_parts(joints: Joints, body: Body, look: Look) -> list[Part]:
    """The parts of a dressed person."""
    g = body.girth
    at = lambda *names: np.stack([joints[name] for name in names], 1)
    mid = lambda a, b, share: joints[a] * (1 - share) + joints[b] * share
    trunk = at("left_shoulder", "right_shoulder", "left_hip", "right_hip")
    chest = np.stack([mid("neck", "pelvis", 0.2), mid("neck", "pelvis", 0.85)], 1)
    parts = [
        Part(trunk, (0.036, 0.036, 0.04 * g, 0.04 * g), look.top, -0.01),
        Part(chest, (0.068 * g, 0.066 * g), look.top, -0.005),
        Part(at("pelvis", "left_hip", "right_hip"), (0.058 * g, 0.05 * g, 0.05 * g), look.bottom, -0.002),
        Part(at("neck", "head"), (0.03, 0.03), shade(look.skin, 0.92), 0.0),
    ]
    for side in ("left", "right"):
        j = lambda name, side=side: f"{side}_{name}"
        upper = look.top if look.sleeves else look.skin
        lower = look.top if look.sleeves == 2 else look.skin
        shin = look.bottom if look.legs == 2 else look.skin
        parts += [
            Part(at(j("shoulder"), j("elbow")), (0.036 * g, 0.028 * g), shade(upper, 0.94)),
            Part(at(j("elbow"), j("wrist")), (0.027 * g, 0.02), shade(lower, 0.97), 0.005),
            Part(at(j("hand")), (0.03,), look.skin, 0.012),
            Part(at(j("hip"), j("knee")), (0.047 * g, 0.037 * g), shade(look.bottom, 0.93), -0.025),
            Part(at(j("knee"), j("ankle")), (0.035 * g, 0.025), shade(shin, 0.96), 0.002),
            Part(at(j("ankle"), j("toe")), (0.028, 0.022), look.shoes, 0.006),
        ]
    return parts + _head_parts(joints, body, look)


def _head_parts(joints: Joints, body: Body, look: Look) -> list[Part]:
    r = body.head
    at = lambda *names: np.stack([joints[name] for name in names], 1)
    up = joints["crown"] - joints["head"]
    ahead = joints["nose"] - joints["head"]
    aside = joints["left_ear"] - joints["head"]
    skull = joints["head"][:, None]
    hair = shade(look.top, 0.7) if look.cut == 3 else look.hair
    back = np.stack([joints["head"] + 0.35 * up - 0.25 * ahead, joints["nape"]], 1)
    fringe = np.stack(
        [joints["head"] + 0.9 * up + v for v in (0.3 * ahead + 0.35 * aside, 0.3 * ahead - 0.35 * aside)], 1
    )
    parts = [
        Part(skull, (r,), look.skin, 0.012),
        Part(back, (0.9 * r, 0.86 * r), hair, 0.012),
        Part(fringe, (0.43 * r, 0.43 * r), hair, 0.02),
        Part(at("mouth"), (0.09 * r,), (165, 70, 70), 0.04),
        Part(at("nose"), (0.1 * r,), shade(look.skin, 0.85), 0.04),
    ]
    parts += [
        Part(0.85 * at(f"{side}_eye") + 0.15 * skull, (0.11 * r,), (25, 25, 30), 0.04) for side in ("left", "right")
    ]
    if look.cut == 1:
        low = joints["nape"] - 1.15 * up - 0.1 * ahead
        parts.append(Part(np.stack([joints["nape"], low], 1), (0.95 * r, 0.6 * r), look.hair, -0.02))
    elif look.cut == 2:
        parts.append(Part((joints["crown"] + 0.5 * up - 0.5 * ahead)[:, None], (0.42 * r,), look.hair))
    elif look.cut == 3:
        brim = np.stack([joints["head"] + 0.5 * up + 0.6 * ahead, joints["head"] + 0.45 * up + 1.25 * ahead], 1)
        parts.append(Part(brim, (0.3 * r, 0.2 * r), shade(look.top, 0.55), 0.06))
    return parts


# --- things, by name ---------------------------------------------------------------------------------------------


def _unit(vector: np.ndarray) -> np.ndarray:
    return vector / np.maximum(np.linalg.norm(vector, axis=-1, keepdims=True), 1e-6)


def _line(*ends: np.ndarray) -> np.ndarray:
    return np.stack(ends, 1)


_UP, _X, _Z = np.array([0.0, 1, 0]), np.array([1.0, 0, 0]), np.array([0.0, 0, 1])


def _barbell(j: Joints, motion: Motion, rng: np.random.Generator) -> list[Part]:
    left, right = j["left_hand"], j["right_hand"]
    along = _unit(left - right)
    colour = ((205, 30, 40), (35, 75, 200), (240, 190, 30))[rng.integers(3)]
    parts = [Part(_line(left + 0.2 * along, right - 0.2 * along), (0.011, 0.011), (190, 190, 195), 0.02)]
    for end in (left + 0.15 * along, right - 0.15 * along):
        ring = [end + 0.085 * v for v in (_UP, _Z, -_UP, -_Z)]
        parts.append(Part(_line(*ring), (0.045,) * 4, colour, 0.03))
    return parts


def _club(j: Joints, motion: Motion, rng: np.random.Generator) -> list[Part]:
    grip = (j["left_hand"] + j["right_hand"]) / 2
    along = _unit(grip - j["neck"] + (0, 0.02, 0))
    end = grip + 0.42 * along
    return [
        Part(_line(grip - 0.04 * along, end), (0.011, 0.008), (225, 225, 230), 0.03),
        Part(_line(end, end + np.array((0.05, 0, 0.03))), (0.03, 0.03), (40, 40, 48), 0.03),
        Part(_line(grip - 0.06 * along, grip + 0.06 * along), (0.016, 0.016), (30, 30, 30), 0.02),
    ]


def _gloves(j: Joints, motion: Motion, rng: np.random.Generator) -> list[Part]:
    colour = ((215, 25, 30), (30, 60, 205), (20, 20, 24))[rng.integers(3)]
    cuff = lambda side: Part(_line(j[f"{side}_wrist"], j[f"{side}_wrist"]), (0.034, 0.034), (240, 240, 240), 0.014)
    fist = lambda side: Part(j[f"{side}_hand"][:, None], (0.058,), colour, 0.02)
    return [make(side) for side in ("left", "right") for make in (cuff, fist)]


def _bouquet(j: Joints, motion: Motion, rng: np.random.Generator) -> list[Part]:
    hand = j["right_hand"]
    along = _unit(hand - j["right_elbow"] + (0, 0.06, 0.1))
    parts = [Part(_line(hand - 0.03 * along, hand + 0.1 * along), (0.012, 0.05), (50, 140, 55), 0.02)]
    for i, colour in enumerate(((250, 60, 110), (255, 215, 60), (250, 250, 250), (250, 60, 110), (190, 70, 220))):
        spot = hand + 0.13 * along + 0.05 * (np.cos(1.257 * i) * _X + np.sin(1.257 * i) * _UP)
        parts.append(Part(spot[:, None], (0.034,), colour, 0.03))
    return parts


def _bow(j: Joints, motion: Motion, rng: np.random.Generator) -> list[Part]:
    grip, pull = j["left_hand"], j["right_hand"]
    arm = _unit(grip - j["left_shoulder"])
    up = _unit(_UP - (arm * _UP).sum(-1, keepdims=True) * arm)
    wood = ((150, 85, 30), (190, 40, 40), (40, 40, 45))[rng.integers(3)]
    tips = [grip + 0.27 * s * up - 0.13 * arm for s in (1, -1)]
    bends = [grip + 0.15 * s * up - 0.015 * arm for s in (1, -1)]
    behind = ((pull - grip) * arm).sum(-1, keepdims=True)
    aside = np.linalg.norm(pull - grip - behind * arm, axis=-1, keepdims=True)
    nock = np.where((behind < -0.13) & (aside < 0.12), pull, grip - 0.13 * arm)
    parts = [Part(_line(grip, bend), (0.016, 0.014), wood, 0.03) for bend in bends]
    parts += [Part(_line(bend, tip), (0.014, 0.009), wood, 0.03) for bend, tip in zip(bends, tips, strict=True)]
    parts += [Part(_line(tip, nock), (0.005, 0.005), (245, 245, 235), 0.03) for tip in tips]
    return [*parts, Part(_line(nock, grip + 0.06 * arm), (0.006, 0.006), (235, 205, 90), 0.04)]


def _path(motion: Motion) -> np.ndarray:
    """The (T, 3) path of a ball; its actions give one."""
    assert motion.prop is not None
    return motion.prop


def _basketball(j: Joints, motion: Motion, rng: np.random.Generator) -> list[Part]:
    ball = (j["left_hand"] + j["right_hand"]) / 2 + _path(motion) + (0, 0.03, 0.02)
    seam = _line(ball - np.array((0.06, 0.0, 0)), ball + np.array((0.06, 0.0, 0)))
    return [Part(ball[:, None], (0.08,), (240, 125, 35), 0.03), Part(seam, (0.006, 0.006), (90, 45, 15), 0.14)]


def _football(j: Joints, motion: Motion, rng: np.random.Generator) -> list[Part]:
    ball = _path(motion)
    spots = [ball + v for v in ((0, 0.01, 0.0), (0.03, 0.03, 0), (-0.035, -0.02, 0))]
    parts = [Part(ball[:, None], (0.06,), (250, 250, 250), 0.02)]
    return parts + [Part(spot[:, None], (0.016,), (20, 20, 25), 0.1) for spot in spots]


def _ice_cream(j: Joints, motion: Motion, rng: np.random.Generator) -> list[Part]:
    hand = j["right_hand"] + (0, 0.0, 0.02)
    colour = ((255, 130, 175), (255, 245, 225), (150, 235, 180))[rng.integers(3)]
    return [
        Part(_line(hand - 0.04 * _UP, hand + 0.05 * _UP), (0.01, 0.036), (225, 160, 70), 0.05),
        Part((hand + 0.085 * _UP)[:, None], (0.05,), colour, 0.06),
        Part((hand + 0.14 * _UP)[:, None], (0.034,), shade(colour, 1.1), 0.07),
    ]


def _phone(j: Joints, motion: Motion, rng: np.random.Generator) -> list[Part]:
    hand = j["right_hand"] + (0, 0.045, 0.02)
    slab = lambda w, h: _line(*[hand + np.array((x * w, y * h, 0)) for x, y in ((1, 1), (-1, 1), (-1, -1), (1, -1))])
    screen = ((70, 220, 255), (120, 170, 255), (90, 255, 210))[rng.integers(3)]
    return [
        Part(slab(0.04, 0.085), (0.016,) * 4, (15, 15, 20), 0.05),
        Part(slab(0.032, 0.07), (0.006,) * 4, screen, 0.1),
    ]


def _stick(j: Joints) -> tuple[np.ndarray, np.ndarray]:
    """The two ends of a stick that both hands hold and that reaches the floor."""
    high, low = j["right_hand"], j["left_hand"]
    along = _unit(low - high)
    along = _unit(np.minimum(along, (9, -0.25, 9)))
    length = np.maximum((low[:, 1:2] - 0.05) / -along[:, 1:2], 0)
    return high - 0.14 * along, low + np.minimum(length, 0.45) * along


def _broom(j: Joints, motion: Motion, rng: np.random.Generator) -> list[Part]:
    top, end = _stick(j)
    brush = _line(
        end + np.array((0.06, 0.035, 0)),
        end + np.array((-0.06, 0.035, 0)),
        end + np.array((-0.15, -0.04, 0.0)),
        end + np.array((0.15, -0.04, 0.0)),
    )
    wood = ((165, 100, 50), (200, 50, 50), (60, 60, 65))[rng.integers(3)]
    return [Part(_line(top, end), (0.013, 0.013), wood, 0.03), Part(brush, (0.008,) * 4, (250, 205, 40), 0.05)]


def _mop(j: Joints, motion: Motion, rng: np.random.Generator) -> list[Part]:
    top, end = _stick(j)
    wood = ((165, 100, 50), (200, 50, 50), (60, 60, 65))[rng.integers(3)]
    parts = [Part(_line(top, end), (0.013, 0.013), wood, 0.03)]
    for x, colour in (
        (-0.07, (60, 120, 235)),
        (0.07, (60, 120, 235)),
        (-0.025, (250, 250, 255)),
        (0.025, (250, 250, 255)),
    ):
        tuft = end + np.array((x, -0.03, 0.02))
        parts.append(Part(_line(end + np.array((0, 0.02, 0)), tuft), (0.02, 0.042), colour, 0.05 + abs(x) * -0.1))
    return parts


THINGS: dict[str, Callable[[Joints, Motion, np.random.Generator], list[Part]]] = {
    "barbell": _barbell,
    "club": _club,
    "gloves": _gloves,
    "bouquet": _bouquet,
    "bow": _bow,
    "basketball": _basketball,
    "football": _football,
    "ice cream": _ice_cream,
    "phone": _phone,
    "broom": _broom,
    "mop": _mop,
}
