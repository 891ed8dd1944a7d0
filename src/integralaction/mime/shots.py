"""One video: who does what, where, before which camera; from a `Plan` to frames and pose estimates."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from integralaction.clip import Poses
from integralaction.mime.acts import ACT, ACTS, Act
from integralaction.mime.bodies import Motion, Stance, draw_body, openpose_joints, place_joints, project
from integralaction.mime.drawing.parts import THINGS, Part, draw_look, person_parts
from integralaction.mime.drawing.render import OVERSIZE, Camera, Layer, make_occluder, project_parts, render
from integralaction.mime.drawing.scenes import draw_scene
from integralaction.mime.estimates import estimate_nobody, estimate_poses
from integralaction.mime.motions import draw_style, standing, walking


@dataclass(frozen=True)
class Format:
    """Number of frames, frames a second, height and width of a frame in pixels."""

    frames: int
    fps: float
    pixels: int

    @property
    def seconds(self) -> np.ndarray:
        """(T,) when each frame is shown."""
        return np.arange(self.frames) / self.fps


@dataclass(frozen=True)
class Plan:
    """A video to be made.

    Attributes:
        video: path in the data set folder.
        act: name of the class.
        split: as in the index.
        kind: `in-context`, `out-of-context`, `no-pose` or `ambiguous`.
        scene: name of the scene.
        format: how many frames, how fast, how large.
        seed: what all randomness of the video comes from.
    """

    video: str
    act: str
    split: str
    kind: str
    scene: str
    format: Format
    seed: tuple[int, ...]


@dataclass(frozen=True)
class Person:
    """Somebody in the video.

    Attributes:
        layers: what is drawn.
        joints: (T, 18, 3) true x, y in frame heights (camera at rest), nearness in body heights.
        height: in frame heights.
    """

    layers: list[Layer]
    joints: np.ndarray
    height: float


@dataclass(frozen=True)
class Shot:
    """A video, made up but not yet drawn: `frames()` draws it."""

    plan: Plan
    person: Person
    bystanders: list[Person]
    cover: list[Layer]
    camera: Camera
    scene_seed: np.random.SeedSequence
    estimate_seed: np.random.SeedSequence

    def frames(self) -> Iterator[np.ndarray]:
        """Frames (pixels, pixels, 3) uint8, one after another."""
        pixels = self.plan.format.pixels
        background, _ = draw_scene(self.plan.scene, OVERSIZE * pixels, np.random.default_rng(self.scene_seed))
        layers = [layer for person in self.bystanders for layer in person.layers]
        return render(background, [*layers, *self.person.layers, *self.cover], self.camera, pixels)

    def true_joints(self) -> list[np.ndarray]:
        """Of the person, then of the bystanders: (T, 18, 3) x, y in pixels of the frame, nearness."""
        pixels = self.plan.format.pixels
        look = lambda joints: self.camera.look(joints[..., :2], pixels)
        return [np.concatenate([look(p.joints), p.joints[..., 2:]], 2) for p in (self.person, *self.bystanders)]

    def poses(self) -> Poses:
        """What a pose estimator finds."""
        rng = np.random.default_rng(self.estimate_seed)
        if self.plan.kind == "no-pose":
            return estimate_nobody(self.plan.format.frames, self.plan.format.pixels, rng)
        heights = [p.height * self.plan.format.pixels for p in (self.person, *self.bystanders)]
        return estimate_poses(self.true_joints(), heights, self.plan.format.pixels, rng)


def compose(plan: Plan) -> Shot:
    """Make up a video: the same plan gives the same video.

    Each matter has its own stream of chance, so that twins with the same seed move alike, whatever they hold.
    """
    seeds = np.random.SeedSequence(plan.seed).spawn(6)
    motion, look, camera, others, scene, faults = seeds
    person, cover = _compose_actor(plan, np.random.default_rng(motion), np.random.default_rng(look))
    bystanders = [] if plan.kind == "no-pose" else _compose_bystanders(plan, np.random.default_rng(others))
    path = _move_camera(plan, np.random.default_rng(camera))
    return Shot(plan, person, bystanders, cover, path, scene, faults)


def _compose_actor(plan: Plan, rng: np.random.Generator, colours: np.random.Generator) -> tuple[Person, list[Layer]]:
    act = ACT[plan.act]
    body, style = draw_body(rng), draw_style(rng)
    motion = act.motion(plan.format.seconds, style)
    joints = place_joints(motion, body)
    yaw = rng.uniform(*act.yaw) * rng.choice([-1, 1])
    has_object = act.object is not None and plan.kind != "out-of-context"
    look = draw_look(colours)
    thing = THINGS[act.object](joints, motion, colours) if has_object else []
    parts = person_parts(joints, body, look)
    visible_parts = parts + _things_to_fit(act, joints, motion)
    stance = _fit_frame(visible_parts, Stance(float(yaw), bool(rng.integers(2)), 0.0, 0.0, 1.0), rng)
    shift: np.ndarray | float = 0.0
    cover: list[Layer] = []
    if plan.kind == "no-pose":
        # by a close-up or by something in front of the body
        if rng.uniform() < 0.5:
            stance, shift = _come_close(act, joints, thing, stance, rng)
        else:
            cover = _cover_body(joints, thing, stance, plan.format.frames, rng)
    layers = [project_parts(parts + thing, stance, shift)]
    true_joints = project(openpose_joints(joints, stance.is_mirrored), stance)
    return Person(layers, true_joints, stance.height), cover


def _things_to_fit(act: Act, joints: dict, motion: Motion) -> list[Part]:
    """Things that must fit into the frame beside the body: the action's and its twin's, so that twins are as large.

    They count in mimes as well; a thing that flies off need not fit.
    """
    if motion.prop is not None:
        return []
    names = [other.object for other in ACTS if other.name in (act.name, act.twin) and other.object]
    rng = np.random.default_rng(0)  # their colours do not matter
    return [part for name in names for part in THINGS[name](joints, motion, rng)]


def _fit_frame(parts: list[Part], stance: Stance, rng: np.random.Generator) -> Stance:
    """The stance in which the whole movement fits into the frame: 62 to 85 % of its height where possible."""
    corners = np.concatenate([project(part.points, stance)[..., :2].reshape(-1, 2) for part in parts])
    x0, y0 = corners.min(0) - 0.05
    x1, y1 = corners.max(0) + 0.03
    height = min(rng.uniform(0.62, 0.85), 0.96 / (y1 - y0), 0.96 / (x1 - x0))
    ground = np.clip(rng.uniform(0.86, 0.94), 0.015 - y0 * height, 0.985 - y1 * height)
    room = max(0.0, (0.97 - (x1 - x0) * height) / 2)
    middle = 0.5 + rng.uniform(-1, 1) * min(room, 0.1)
    x = middle - (x0 + x1) / 2 * height
    return Stance(stance.yaw, stance.is_mirrored, float(x), float(ground), float(height), stance.tilt)


def _come_close(
    act: Act, joints: dict, thing: list[Part], stance: Stance, rng: np.random.Generator
) -> tuple[Stance, np.ndarray]:
    """A close-up in which hand and thing fill the frame: its stance, and the shift of a camera that follows in part."""
    height = rng.uniform(1.7, 2.6)
    stance = Stance(stance.yaw, stance.is_mirrored, 0.0, 0.0, float(height), stance.tilt)
    if thing:
        spots = np.concatenate([part.points for part in thing], 1).mean(1)
    else:
        spots = joints[("left_knee", "pelvis", "right_hand")[rng.integers(3)]]
    path = project(spots, stance)[:, :2]
    target = rng.uniform(0.4, 0.6, 2)
    return stance, target - (0.8 * path + 0.2 * path.mean(0))


def _cover_body(joints: dict, thing: list[Part], stance: Stance, frames: int, rng: np.random.Generator) -> list[Layer]:
    """Layers that hide the body: something large, and the thing in front of it."""
    trunk = [
        project(joints[name], stance)[:, :2] for name in ("head", "left_hip", "right_hip", "left_knee", "right_knee")
    ]
    trunk = np.concatenate(trunk)
    (x0, y0), (x1, y1) = trunk.min(0), trunk.max(0)
    front = make_occluder(int(rng.integers(3)), (float(x0), float(y0), float(x1), float(y1)), frames, rng)
    return [front, project_parts(thing, stance)] if thing else [front]


def _compose_bystanders(plan: Plan, rng: np.random.Generator) -> list[Person]:
    """Nobody, one or two persons further back, who stand or walk by."""
    people = []
    time = plan.format.seconds
    for _ in range(rng.choice(3, p=[0.62, 0.26, 0.12])):
        walks = rng.uniform() < 0.5
        body, style, look = draw_body(rng), draw_style(rng), draw_look(rng)
        joints = place_joints((walking if walks else standing)(time, style), body)
        height = float(rng.uniform(0.28, 0.42))
        side = float(rng.choice([-1, 1]))
        yaw = side * 1.4 if walks else float(rng.uniform(-1.2, 1.2))
        stance = Stance(yaw, False, float(rng.uniform(0.02, 0.98)), 0.55 + 0.5 * height, height)
        pace = side * height * 0.38 * (time - time.mean()) if walks else 0 * time
        shift = np.stack([pace, 0 * time], 1)
        true_joints = project(openpose_joints(joints, False), stance)
        true_joints[..., :2] += shift[:, None]
        people.append(
            Person([project_parts(person_parts(joints, body, look), stance, shift, 0.85)], true_joints, height)
        )
    return sorted(people, key=lambda person: person.height)


def _move_camera(plan: Plan, rng: np.random.Generator) -> Camera:
    """Pan, zoom and shake, by an amount of chance."""
    way = np.linspace(-0.5, 0.5, plan.format.frames)[:, None]
    pan = rng.normal(0, 1, 2) * (0.06, 0.02) * (rng.uniform() < 0.6)
    time = plan.format.seconds[:, None]
    rates, phases = rng.uniform(0.5, 3.0, (3, 2)), rng.uniform(0, 6.28, (3, 2))
    shake = sum(np.sin(6.28 * rate * time + phase) for rate, phase in zip(rates, phases, strict=True))
    shake = shake * 0.006 * rng.uniform() ** 2
    zoom = 1 + rng.normal(0, 0.07) * (rng.uniform() < 0.5) * way[:, 0]
    zoom = np.clip(zoom, 0.88, 1.15)
    centre = np.clip(0.5 + np.clip(pan, -0.12, 0.12) * way + shake, 0.38, 0.62)
    if plan.kind == "no-pose":
        zoom = zoom * rng.uniform(1.0, 1.1)
    return Camera(centre, zoom)
