"""The fourteen actions: what moves, what the hand holds, where it happens, and by what the action is recognised."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from integralaction.mime import motions
from integralaction.mime.bodies import Motion
from integralaction.mime.motions import Style


@dataclass(frozen=True)
class Act:
    """An action.

    Attributes:
        name: of the class.
        scene: where it happens.
        object: what the hand holds, a name in `parts.THINGS`; None for an empty hand.
        twin: the action with the same motion; None where the motion is its own.
        cue: a sentence that says by what it is recognised.
        motion: seconds (T,) and style -> the controls of the body.
        yaw: the least and the largest angle between body and camera in radians, to either side.
    """

    name: str
    scene: str
    object: str | None
    twin: str | None
    cue: str
    motion: Callable[[np.ndarray, Style], Motion]
    yaw: tuple[float, float]

    @property
    def is_told_by_motion(self) -> bool:
        """Whether the motion alone is enough, so that a mime of it has a right answer."""
        return self.twin is None


_FRONT, _QUARTER, _SIDE = (0.0, 0.6), (0.3, 0.9), (0.7, 1.35)

ACTS = (
    Act(
        name="weightlifting",
        scene="weight room",
        object="barbell",
        twin=None,
        motion=motions.weightlifting,
        yaw=_FRONT,
        cue="A crouch to the floor, then both arms wide overhead, slowly.",
    ),
    Act(
        name="golf swing",
        scene="golf green",
        object="club",
        twin=None,
        motion=motions.golf,
        yaw=_FRONT,
        cue="Both hands together swing from one shoulder down and up to the other.",
    ),
    Act(
        name="boxing",
        scene="boxing ring",
        object="gloves",
        twin=None,
        motion=motions.boxing,
        yaw=(0.5, 1.25),
        cue="Left and right arm shoot forwards in turn, fists at the chin between.",
    ),
    Act(
        name="jumping jacks",
        scene="beach",
        object=None,
        twin=None,
        motion=motions.jumping_jacks,
        yaw=_FRONT,
        cue="Arms and legs open and close sideways together, with a hop.",
    ),
    Act(
        name="bowing",
        scene="theatre stage",
        object="bouquet",
        twin=None,
        motion=motions.bowing,
        yaw=_SIDE,
        cue="The chest goes down from the hips and up again over straight legs.",
    ),
    Act(
        name="archery",
        scene="archery range",
        object="bow",
        twin=None,
        motion=motions.archery,
        yaw=_FRONT,
        cue="One arm stays stretched to the side while the other draws back to the chin.",
    ),
    Act(
        name="basketball shot",
        scene="basketball court",
        object="basketball",
        twin=None,
        motion=motions.basketball,
        yaw=_QUARTER,
        cue="A crouch, then a leap with both hands close together overhead.",
    ),
    Act(
        name="football kick",
        scene="football pitch",
        object="football",
        twin=None,
        motion=motions.kicking,
        yaw=_SIDE,
        cue="One leg swings far back and kicks up to the front.",
    ),
    Act(
        name="eating ice cream",
        scene="street",
        object="ice cream",
        twin="phoning",
        motion=motions.hand_to_face,
        yaw=_FRONT,
        cue="An ice cream in the hand that goes to the face; phoning moves and looks alike.",
    ),
    Act(
        name="phoning",
        scene="street",
        object="phone",
        twin="eating ice cream",
        motion=motions.hand_to_face,
        yaw=_FRONT,
        cue="A phone in the hand that goes to the face; eating ice cream moves and looks alike.",
    ),
    Act(
        name="sweeping",
        scene="kitchen",
        object="broom",
        twin="mopping",
        motion=motions.sweep,
        yaw=_FRONT,
        cue="A broom (wide, yellow) on the stick; mopping moves and looks alike.",
    ),
    Act(
        name="mopping",
        scene="kitchen",
        object="mop",
        twin="sweeping",
        motion=motions.sweep,
        yaw=_FRONT,
        cue="A mop (round, blue and white) on the stick; sweeping moves and looks alike.",
    ),
    Act(
        name="running outdoors",
        scene="park",
        object=None,
        twin="running on a treadmill",
        motion=motions.running,
        yaw=_SIDE,
        cue="The park around; on a treadmill one runs alike.",
    ),
    Act(
        name="running on a treadmill",
        scene="fitness room",
        object=None,
        twin="running outdoors",
        motion=motions.running,
        yaw=_SIDE,
        cue="The fitness room around; outdoors one runs alike.",
    ),
)

ACT = {act.name: act for act in ACTS}


def is_told_by_place(act: Act) -> bool:
    """Whether it differs from its twin in nothing but the place; its scene must then always be the right one."""
    return act.twin is not None and act.scene != ACT[act.twin].scene
