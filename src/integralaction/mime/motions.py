"""How a body moves in each action: seconds and a style -> the controls of the body."""

from dataclasses import dataclass

import numpy as np

from integralaction.mime.bodies import Motion

Control = np.ndarray | tuple  # one value, or one for each frame


@dataclass(frozen=True)
class Style:
    """How one person does an action.

    Attributes:
        pace: 0..1, from the action's slowest to its fastest repetition.
        start: 0..1, where in the repetition the video begins.
        reach: about 1; how far the movement goes.
        drift: about 0; how much the beat comes and goes.
        habit: (4,) about -1..1, small constant peculiarities: stance, lean, arms, head.
    """

    pace: float
    start: float
    reach: float
    drift: float
    habit: np.ndarray


def draw_style(rng: np.random.Generator) -> Style:
    """A style; the same for every action, so twins draw theirs from one distribution."""
    return Style(
        pace=float(rng.uniform()),
        start=float(rng.uniform()),
        reach=float(rng.uniform(0.85, 1.1)),
        drift=float(rng.uniform(0, 0.06)),
        habit=rng.uniform(-1, 1, 4),
    )


def _phase(time: np.ndarray, style: Style, slowest: float, fastest: float) -> np.ndarray:
    """Repetitions since the start; rates in repetitions a second."""
    rate = slowest + (fastest - slowest) * style.pace
    return style.start + rate * time + style.drift * np.sin(2.1 * time + 6.3 * style.start)


def _cycle(phase: np.ndarray, reach: float, *keys: tuple) -> np.ndarray:
    """Values that repeat, softly between keys (moment in 0..1, value); scaled about their mean by `reach`."""
    moments = np.array([key[0] for key in keys], float)
    values = np.array([key[1] for key in keys], float)
    middle = (values.max(0) + values.min(0)) / 2
    values = middle + (values - middle) * reach
    moments = np.concatenate([moments, moments[:1] + 1])
    values = np.concatenate([values, values[:1]])
    within = moments[0] + np.mod(phase - moments[0], 1)
    after = np.clip(np.searchsorted(moments, within, "right"), 1, len(keys))
    share = (within - moments[after - 1]) / (moments[after] - moments[after - 1])
    share = share * share * (3 - 2 * share)
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    return values[after - 1] * (1 - share) + values[after] * share


def _both(x: float, y: float, z: float) -> tuple:
    """The same place for the left and the right."""
    return ((x, y, z), (-x, y, z))


# at rest: hanging, standing, bent backwards
_WRISTS, _ANKLES, _ELBOWS = _both(0.5, -0.98, 0.1), _both(0.19, 0, 0), _both(0.5, -0.3, -0.9)


def _motion(
    style: Style,
    time: np.ndarray,
    *,
    pelvis: Control = (0, 0.985, 0),
    lean: Control = (0, 0, 0),
    head: Control = (0.05, 0),
    wrists: Control = _WRISTS,
    ankles: Control = _ANKLES,
    elbows: Control = _ELBOWS,
    is_upright: bool = False,
    prop: np.ndarray | None = None,
) -> Motion:
    """The motion of these controls, each one value or one for every frame, with the style's habits and a sway."""
    frames = len(time)
    whole = lambda control, *shape: np.broadcast_to(np.asarray(control, float), (frames, *shape))
    sway = 0.012 * np.sin(2 * np.pi * 0.4 * time + 5 * style.habit[0])
    return Motion(
        pelvis=whole(pelvis, 3) + sway[:, None] * (1, 0, 0),
        lean=whole(lean, 3) + np.array([0.05, 0.03, 0.08]) * style.habit[1],
        head=whole(head, 2) + np.array([0.12, 0.25]) * style.habit[3],
        wrists=whole(wrists, 2, 3) + 0.04 * style.habit[2],
        ankles=whole(ankles, 2, 3) * (1 + 0.15 * style.habit[0] * np.array([1, 0, 1])),
        elbows=whole(elbows, 2, 3),
        is_upright=is_upright,
        prop=prop,
    )


def weightlifting(time: np.ndarray, style: Style) -> Motion:
    """Clean and jerk: from the floor to the shoulders, overhead, and back."""
    phase = _phase(time, style, 0.3, 0.42)
    low, rack, high = _both(0.58, -1.0, 0.3), _both(0.5, -0.2, 0.32), _both(0.68, 1.02, 0.02)
    return _motion(
        style,
        time,
        pelvis=_cycle(
            phase,
            1.0,
            *((0.0, (0, 0.5, -0.35)), (0.2, (0, 0.95, 0)), (0.32, (0, 0.86, 0)), (0.42, (0, 0.97, 0))),
            *((0.68, (0, 0.97, 0)), (0.8, (0, 0.9, 0)), (0.95, (0, 0.5, -0.35))),
        ),
        lean=_cycle(
            phase,
            style.reach,
            *(
                (0.0, (0.85, 0, 0)),
                (0.2, (0, 0, 0)),
                (0.7, (0, 0, 0)),
                (0.82, (0.2, 0, 0)),
                (0.95, (0.85, 0, 0)),
            ),
        ),
        head=_cycle(phase, 1.0, (0.0, (-0.5, 0)), (0.2, (0, 0)), (0.8, (0, 0)), (0.95, (-0.5, 0))),
        wrists=_cycle(
            phase,
            1.0,
            (0.0, low),
            (0.2, rack),
            (0.32, rack),
            (0.44, high),
            (0.66, high),
            (0.78, rack),
            (0.95, low),
        ),
        ankles=_both(0.3, 0, 0),
        elbows=_both(0.6, -0.5, 0.4),
        is_upright=True,
    )


def golf(time: np.ndarray, style: Style) -> Motion:
    """Both hands together, from one shoulder through to the other."""
    phase = _phase(time, style, 0.32, 0.45)
    low, top, end = (
        ((0.03, -1.0, 0.42), (-0.03, -1.08, 0.45)),
        ((-0.72, 0.42, 0.0), (-0.8, 0.5, -0.05)),
        ((0.78, 0.5, -0.05), (0.72, 0.42, 0.0)),
    )
    r = style.reach
    return _motion(
        style,
        time,
        pelvis=_cycle(phase, r, (0, (0, 0.9, -0.1)), (0.4, (-0.06, 0.9, -0.1)), (0.65, (0.1, 0.96, -0.05))),
        lean=_cycle(
            phase,
            r,
            *((0.0, (0.5, 0, 0)), (0.15, (0.5, 0, 0)), (0.4, (0.4, 0, -0.8)), (0.54, (0.5, 0, 0.1))),
            *((0.65, (0.1, 0, 0.9)), (0.8, (0.1, 0, 0.9))),
        ),
        head=_cycle(phase, 1.0, (0, (0.3, 0)), (0.4, (0.3, 0.7)), (0.65, (0, 0)), (0.8, (0, 0))),
        wrists=_cycle(
            phase,
            1.0,
            (0.0, low),
            (0.15, low),
            (0.37, top),
            (0.44, top),
            (0.54, low),
            (0.65, end),
            (0.82, end),
        ),
        ankles=_both(0.3, 0, 0),
        elbows=_both(0.5, -0.8, -0.1),
        is_upright=True,
    )


def boxing(time: np.ndarray, style: Style) -> Motion:
    """Straight punches, left and right in turn."""
    phase = _phase(time, style, 0.55, 0.85)
    left, right = (0.2, -0.05, 0.55), (-0.26, -0.1, 0.45)
    out_left, out_right = (0.02, 0.02, 1.22 * style.reach), (-0.02, 0.02, 1.22 * style.reach)
    guard = (left, right)
    bounce = 0.03 * np.sin(4 * np.pi * phase)
    return _motion(
        style,
        time,
        pelvis=np.stack([0.05 * np.sin(2 * np.pi * phase), 0.9 + bounce, 0.06 * np.cos(4 * np.pi * phase)], 1),
        lean=_cycle(
            phase,
            style.reach,
            *((0.05, (0.15, 0, 0)), (0.25, (0.2, 0, -0.55)), (0.5, (0.15, 0, 0)), (0.75, (0.25, 0, 0.65))),
        ),
        wrists=_cycle(
            phase,
            1.0,
            *((0.05, guard), (0.2, (out_left, right)), (0.3, (out_left, right)), (0.45, guard)),
            *((0.55, guard), (0.7, (left, out_right)), (0.8, (left, out_right)), (0.95, guard)),
        ),
        ankles=((0.2, 0, 0.32), (-0.22, 0, -0.3)),
        elbows=_both(0.4, -1.0, 0.0),
        is_upright=True,
    )


def jumping_jacks(time: np.ndarray, style: Style) -> Motion:
    """Arms and legs open and close sideways, with a hop."""
    phase = _phase(time, style, 0.6, 1.0)
    open_ = 0.5 - 0.5 * np.cos(2 * np.pi * phase)
    angle = 0.15 + (2.75 * open_ - 0.1) * min(style.reach, 1.05)
    x, y = 0.36 + 1.0 * np.sin(angle), -0.06 - 1.0 * np.cos(angle)
    apart = 0.13 + 0.5 * open_
    air = 0.16 * np.abs(np.sin(2 * np.pi * phase)) ** 1.5
    zero = 0 * x
    return _motion(
        style,
        time,
        pelvis=np.stack([zero, np.sqrt(np.maximum(0.97 - (apart * 0.9) ** 2, 0.5)) + air, zero], 1),
        wrists=np.stack([np.stack([x, y, zero + 0.08], 1), np.stack([-x, y, zero + 0.08], 1)], 1),
        ankles=np.stack([np.stack([apart, air, zero], 1), np.stack([-apart, air, zero], 1)], 1),
        elbows=_both(0.8, -0.3, -0.5),
        is_upright=True,
    )


def bowing(time: np.ndarray, style: Style) -> Motion:
    """Bend from the hips, stay, come up."""
    phase = _phase(time, style, 0.32, 0.45)
    up, down = _both(0.46, -0.98, 0.12), ((0.55, -0.95, -0.15), (-0.3, -0.55, 0.45))
    deep = (1.3 * min(style.reach, 1.0), 0, 0)
    return _motion(
        style,
        time,
        pelvis=_cycle(
            phase,
            1.0,
            (0.0, (0, 0.99, 0)),
            (0.2, (0, 0.99, 0)),
            (0.45, (0, 0.97, -0.22)),
            (0.68, (0, 0.97, -0.22)),
            (0.93, (0, 0.99, 0)),
        ),
        lean=_cycle(phase, 1.0, (0.0, (0, 0, 0)), (0.2, (0, 0, 0)), (0.45, deep), (0.68, deep), (0.93, (0, 0, 0))),
        head=_cycle(phase, 1.0, (0.0, (0, 0)), (0.2, (0, 0)), (0.45, (0.45, 0)), (0.68, (0.45, 0)), (0.93, (0, 0))),
        wrists=_cycle(phase, 1.0, (0.0, up), (0.2, up), (0.45, down), (0.68, down), (0.93, up)),
        ankles=_both(0.14, 0, 0),
    )


def archery(time: np.ndarray, style: Style) -> Motion:
    """Raise, draw to the chin, loose, lower."""
    phase = _phase(time, style, 0.3, 0.42)
    down = ((0.75, -0.75, 0.35), (0.25, -0.8, 0.45))
    aim = ((1.36, -0.02, 0.1), (0.62, -0.02, 0.42))
    pull = ((1.38, 0.0, 0.05), (-0.16, 0.04, 0.34))
    release = ((1.38, 0.0, 0.05), (-0.62, 0.04, 0.1))
    return _motion(
        style,
        time,
        lean=_cycle(
            phase,
            style.reach,
            (0.0, (0.08, 0, 0.1)),
            (0.2, (0, -0.04, 0.1)),
            (0.75, (0, -0.06, -0.05)),
            (0.9, (0.08, 0, 0.1)),
        ),
        head=_cycle(phase, 1.0, (0.0, (0.2, 0.7)), (0.15, (0, 1.1)), (0.8, (0, 1.1)), (0.95, (0.2, 0.7))),
        wrists=_cycle(
            phase,
            1.0,
            (0.0, down),
            (0.18, aim),
            (0.24, aim),
            (0.45, pull),
            (0.64, pull),
            (0.7, release),
            (0.8, release),
            (0.95, down),
        ),
        ankles=_both(0.3, 0, 0),
        elbows=((0.2, -0.9, -0.4), (-1.0, 0.15, -0.1)),
    )


def basketball(time: np.ndarray, style: Style) -> Motion:
    """Crouch, leap, hands overhead; the ball flies off and comes back."""
    phase = _phase(time, style, 0.4, 0.58)
    chest, over, follow = _both(0.2, -0.62, 0.5), _both(0.2, 0.75, 0.45), _both(0.24, 0.95, 0.5)
    stand, crouch, leap = (0, 0.96, 0), (0, 0.72, -0.14), (0, 1.24, 0.03)
    air = lambda height: _both(0.18, height, 0)
    flight = np.array([(0, 0, 0), (0, 0, 0), (0, 0.75, 0.5), (0, 0.75, 0.5), (0, 0, 0)])
    return _motion(
        style,
        time,
        pelvis=_cycle(phase, style.reach, (0.0, stand), (0.22, crouch), (0.38, leap), (0.52, stand), (0.9, stand)),
        lean=_cycle(phase, 1.0, (0.0, (0.15, 0, 0)), (0.22, (0.4, 0, 0)), (0.38, (0, 0, 0)), (0.9, (0.1, 0, 0))),
        head=_cycle(phase, 1.0, (0.0, (0, 0)), (0.38, (-0.35, 0)), (0.6, (-0.3, 0)), (0.9, (0, 0))),
        wrists=_cycle(
            phase,
            1.0,
            (0.0, chest),
            (0.22, chest),
            (0.36, over),
            (0.44, follow),
            (0.6, follow),
            (0.85, chest),
        ),
        ankles=_cycle(
            phase, style.reach, (0.0, air(0)), (0.26, air(0)), (0.38, air(0.26)), (0.5, air(0)), (0.9, air(0))
        ),
        elbows=_both(0.6, -0.8, 0.3),
        prop=_cycle(phase, 1.0, *zip((0.0, 0.42, 0.6, 0.68, 0.84), flight, strict=True)),
        is_upright=True,
    )


def kicking(time: np.ndarray, style: Style) -> Motion:
    """Swing a leg back and kick; the ball rolls off and comes back."""
    phase = _phase(time, style, 0.5, 0.7)
    left_foot = (0.12, 0, 0)
    stand, back, hit, up = (-0.14, 0, -0.05), (-0.16, 0.42, -0.68), (-0.12, 0.06, 0.3), (-0.08, 0.62, 0.88)
    arms = _both(0.55, -0.9, 0.15)
    back_arms, up_arms = ((0.85, -0.45, 0.6), (-0.95, -0.5, -0.35)), ((0.95, -0.5, -0.5), (-0.85, -0.45, 0.5))
    flight = np.array(
        [(-0.08, 0.06, 0.22), (-0.08, 0.06, 0.22), (-0.08, 0.3, 1.5), (-0.08, 0.06, 1.5), (-0.08, 0.06, 0.22)]
    )
    return _motion(
        style,
        time,
        pelvis=_cycle(
            phase,
            1.0,
            (0.0, (0, 0.96, 0)),
            (0.28, (0.05, 0.92, -0.05)),
            (0.45, (0.06, 0.96, 0.0)),
            (0.8, (0, 0.96, 0)),
        ),
        lean=_cycle(
            phase,
            style.reach,
            (0.0, (0, 0, 0)),
            (0.28, (0.22, 0, -0.3)),
            (0.47, (-0.22, 0, 0.3)),
            (0.75, (0, 0, 0)),
        ),
        head=_cycle(phase, 1.0, (0.0, (0.2, 0)), (0.3, (0.4, 0)), (0.5, (0, 0)), (0.8, (0.2, 0))),
        wrists=_cycle(phase, style.reach, (0.0, arms), (0.28, back_arms), (0.47, up_arms), (0.75, arms)),
        ankles=_cycle(
            phase,
            1.0,
            *(
                (0.0, (left_foot, stand)),
                (0.1, (left_foot, stand)),
                (0.28, (left_foot, back)),
                (0.39, (left_foot, hit)),
            ),
            *((0.47, (left_foot, up)), (0.56, (left_foot, up)), (0.75, (left_foot, stand))),
        ),
        prop=_cycle(phase, 1.0, *zip((0.0, 0.39, 0.55, 0.62, 0.9), flight, strict=True)),
    )


def hand_to_face(time: np.ndarray, style: Style) -> Motion:
    """One hand goes up to the face, lingers and goes down."""
    phase = _phase(time, style, 0.3, 0.42)
    left_wrist = (0.47, -0.95, 0.12)
    down, up = (left_wrist, (-0.42, -0.62, 0.5)), (left_wrist, (-0.38, -0.16, 0.36))
    nibble = 0.03 * np.sin(2 * np.pi * 1.1 * time)
    wrists = _cycle(phase, style.reach, (0.0, down), (0.2, up), (0.8, up), (0.97, down))
    wrists[:, 1] += np.stack([0 * nibble, nibble, nibble], 1)
    return _motion(
        style,
        time,
        lean=_cycle(phase, 1.0, (0.0, (0.02, 0, 0)), (0.3, (0.05, -0.05, 0.05)), (0.7, (0.05, -0.05, -0.05))),
        head=_cycle(phase, style.reach, (0.0, (0.1, 0)), (0.25, (0.15, -0.2)), (0.75, (0.1, -0.15))),
        wrists=wrists,
        elbows=((0.5, -0.3, -0.9), (-0.6, -1.0, 0.1)),
    )


def sweep(time: np.ndarray, style: Style) -> Motion:
    """Both hands on a stick, swinging from side to side before the feet."""
    phase = _phase(time, style, 0.55, 0.9)
    swing = np.sin(2 * np.pi * phase) * style.reach
    one = np.ones_like(swing)
    top = np.stack([-0.12 + 0.12 * swing, -0.4 * one, 0.48 * one], 1)
    low = np.stack([0.15 + 0.34 * swing, -0.88 + 0.04 * np.cos(4 * np.pi * phase), 0.6 * one], 1)
    return _motion(
        style,
        time,
        pelvis=np.stack([0.1 * swing, 0.94 * one, -0.06 * one], 1),
        lean=np.stack([0.3 * one, 0.06 * swing, 0.3 * swing], 1),
        head=np.stack([0.3 * one, 0.15 * swing], 1),
        wrists=np.stack([low, top], 1),
        ankles=((0.24, 0, 0.12), (-0.24, 0, -0.12)),
        elbows=_both(0.7, -0.7, -0.2),
        is_upright=True,
    )


def running(time: np.ndarray, style: Style) -> Motion:
    """Run on the spot, as seen by a camera that keeps up."""
    phase = _phase(time, style, 0.85, 1.15)
    legs, arms = [], []
    for side, sign in enumerate((1, -1)):
        turn = 2 * np.pi * (phase + side / 2)
        ahead, lift = np.sin(turn), np.maximum(np.cos(turn), 0)
        legs.append(
            np.stack(
                [
                    0 * turn + 0.1 * sign,
                    0.5 * lift * (1.1 - 0.5 * ahead) + 0.04,
                    0.46 * ahead - 0.12 - 0.16 * lift,
                ],
                1,
            )
        )
        swing = -np.sin(turn)
        arms.append(np.stack([sign * (0.42 - 0.12 * swing), -0.62 + 0.22 * swing, 0.28 + 0.42 * swing], 1))
    bob = 0.05 * np.cos(4 * np.pi * phase)
    return _motion(
        style,
        time,
        pelvis=np.stack([0 * bob, 0.96 + bob, 0 * bob], 1),
        lean=np.stack([0 * bob + 0.16 * style.reach, 0 * bob, 0.16 * np.sin(2 * np.pi * phase)], 1),
        wrists=np.stack(arms, 1) * (1, 1, style.reach),
        ankles=np.stack(legs, 1),
        elbows=_both(0.3, -0.4, -1.0),
    )


def standing(time: np.ndarray, style: Style) -> Motion:
    """A bystander who stands."""
    sway = 0.06 * np.sin(2 * np.pi * 0.3 * time + 6 * style.start)
    wrists = np.asarray(_both(0.46, -0.95, 0.1)) + sway[:, None, None]
    return _motion(style, time, wrists=wrists)


def walking(time: np.ndarray, style: Style) -> Motion:
    """A bystander who walks (on the spot; the stance moves)."""
    phase = 2 * np.pi * (style.start + 0.8 * time)
    step = np.sin(phase)
    legs = [
        np.stack([0 * step + 0.1 * s, 0.12 * np.maximum(s * np.cos(phase), 0), 0.32 * s * step], 1) for s in (1, -1)
    ]
    arms = [np.stack([0 * step + 0.46 * s, -0.95 + 0 * step, 0.1 - 0.3 * s * step], 1) for s in (1, -1)]
    return _motion(style, time, wrists=np.stack(arms, 1), ankles=np.stack(legs, 1))
