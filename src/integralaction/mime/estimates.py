"""Pose estimates with the faults of real ones: jitter, lost and swapped joints, missed frames, false persons.

Scores fall with the error, as those of a real estimator do.
"""

import numpy as np

from integralaction.clip import Poses
from integralaction.skeleton import skeleton_named

_SKELETON = skeleton_named("openpose18")
_K = len(_SKELETON.joints)
_ARMS = [(3, 6), (4, 7)]
_LEGS = [(9, 12), (10, 13)]
_FACE = [0, 14, 15, 16, 17]
# a person upright, for false ones: x, y in heights from the hips
_UPRIGHT = np.array([
    *((0, -0.42), (0, -0.3), (-0.11, -0.3), (-0.15, -0.14), (-0.16, 0.0), (0.11, -0.3), (0.15, -0.14), (0.16, 0.0)),
    *((-0.06, 0), (-0.07, 0.25), (-0.07, 0.48), (0.06, 0), (0.07, 0.25), (0.07, 0.48)),
    *((-0.03, -0.44), (0.03, -0.44), (-0.06, -0.43), (0.06, -0.43)),
])  # fmt: skip


def estimate_poses(persons: list[np.ndarray], heights: list[float], pixels: int, rng: np.random.Generator) -> Poses:
    """What a good 2-D estimator would find in a clear video.

    Args:
        persons: each (T, K, 3): the true joints, x, y in pixels, and nearness in body heights.
        heights: of the persons, in pixels.
        pixels: height and width of the frame.
        rng: the faults.
    """
    frames = len(persons[0])
    estimates: list[list[np.ndarray]] = [[] for _ in range(frames)]
    for number, (true_joints, height) in enumerate(zip(persons, heights, strict=True)):
        joints = _estimate_person(true_joints, height, pixels, rng)
        is_present = _draw_presence(frames, 0.02 if number == 0 else 0.25, rng)
        for t in np.flatnonzero(is_present & ((joints[..., 2] > 0).sum(1) >= 4)):
            estimates[t].append(joints[t])
    if rng.uniform() < 0.3:
        _add_false_person(estimates, pixels, rng)
    return _as_poses(estimates)


def estimate_nobody(frames: int, pixels: int, rng: np.random.Generator) -> Poses:
    """What it would find where nobody is visible: mostly nothing, here and there a few joints of low score."""
    estimates: list[list[np.ndarray]] = [[] for _ in range(frames)]
    for t in np.flatnonzero(rng.uniform(size=frames) < rng.uniform(0.0, 0.25)):
        joints = np.zeros((_K, 3))
        numbers = rng.choice(_K, rng.integers(2, 6), replace=False)
        joints[numbers, :2] = np.clip(rng.normal(0.5, 0.25, (len(numbers), 2)), 0, 0.99) * pixels
        joints[numbers, 2] = rng.uniform(0.06, 0.35, len(numbers))
        estimates[t].append(joints)
    return _as_poses(estimates)


def _as_poses(estimates: list[list[np.ndarray]]) -> Poses:
    table = {t: np.array(persons, np.float32).reshape(-1, _K, 3) for t, persons in enumerate(estimates)}
    return Poses.from_frames(_SKELETON.name, table)


def _estimate_person(true_joints: np.ndarray, height: float, pixels: int, rng: np.random.Generator) -> np.ndarray:
    """(T, K, 3) x, y, score of one person, each frame's joints with their faults."""
    frames = len(true_joints)
    occlusion = _measure_occlusion(true_joints, height)
    skill = float(np.exp(rng.normal(0, 0.3)))
    noise = rng.standard_normal((frames, _K, 2))
    for t in range(1, frames):  # errors last a few frames
        noise[t] = 0.6 * noise[t - 1] + 0.8 * noise[t]
    size = skill * height * (0.007 + 0.022 * occlusion) * np.exp(rng.normal(0, 0.3, (frames, _K)))
    is_wild = rng.uniform(size=(frames, _K)) < 0.008
    size[is_wild] += 0.12 * height
    error = noise * size[..., None] + rng.normal(0, 0.15, noise.shape)
    place = true_joints[..., :2] + error
    offset = np.linalg.norm(error, axis=2) / height
    score = 0.93 - 5.0 * offset - 0.22 * occlusion - rng.gamma(1.5, 0.025, offset.shape) - 0.08 * max(0.0, skill - 1)
    _swap_sides(place, score, rng)
    is_lost = rng.uniform(size=offset.shape) < 0.006 + 0.22 * occlusion
    is_lost |= ((place < 0) | (place > pixels - 1)).any(2)
    score = np.where(is_lost, 0, np.clip(score, 0.05, 0.98))
    return np.concatenate([np.where(is_lost[..., None], 0, place), score[..., None]], 2)


def _measure_occlusion(true_joints: np.ndarray, height: float) -> np.ndarray:
    """(T, K) 0..1: behind the trunk, or on the far side of the head."""
    neck, hips = true_joints[:, 1], (true_joints[:, 8] + true_joints[:, 11]) / 2
    axis = (hips - neck)[:, None, :2]
    along = ((true_joints[..., :2] - neck[:, None, :2]) * axis).sum(2) / np.maximum((axis**2).sum(2), 1e-6)
    along = np.clip(along, 0, 1)
    distance = np.linalg.norm(true_joints[..., :2] - neck[:, None, :2] - along[..., None] * axis, axis=2) / height
    trunk = neck[:, None, 2] * (1 - along) + hips[:, None, 2] * along
    occlusion = ((distance < 0.07) & (true_joints[..., 2] < trunk - 0.035)).astype(float)
    skull = true_joints[:, 16:18].mean(1)  # between the ears
    occlusion[:, _FACE] = np.clip((skull[:, None, 2] - true_joints[:, _FACE, 2]) / 0.03, 0, 1)
    return occlusion


def _swap_sides(place: np.ndarray, score: np.ndarray, rng: np.random.Generator) -> None:
    """Exchange left and right for short spans, in place."""
    for pairs in (_ARMS, _LEGS):
        for _ in range(rng.poisson(0.35)):
            first = int(rng.integers(len(place)))
            span = slice(first, first + int(rng.integers(2, 7)))
            for a, b in pairs:
                place[span, [a, b]] = place[span, [b, a]]
                score[span, [a, b]] = score[span, [b, a]] - 0.12


def _draw_presence(frames: int, missing_share: float, rng: np.random.Generator) -> np.ndarray:
    """(T,) bool: the frames in which a person is detected; single frames and short spans are missing."""
    is_present = rng.uniform(size=frames) >= missing_share
    for _ in range(rng.poisson(0.25)):
        first = int(rng.integers(frames))
        is_present[first : first + int(rng.integers(2, 6))] = False
    return is_present


def _add_false_person(estimates: list[list[np.ndarray]], pixels: int, rng: np.random.Generator) -> None:
    """Add a thing that is mistaken for a person now and then, with few joints and low scores, in place."""
    spot = rng.uniform(0.1, 0.9, 2) * pixels
    shape = _UPRIGHT * rng.uniform(0.2, 0.5) * pixels + spot
    has_joint = rng.uniform(size=_K) < 0.6
    for t in np.flatnonzero(rng.uniform(size=len(estimates)) < rng.uniform(0.1, 0.6)):
        place = shape + rng.normal(0, 0.02 * pixels, shape.shape)
        is_inside = ((place >= 0) & (place < pixels)).all(1) & has_joint & (rng.uniform(size=_K) < 0.85)
        if is_inside.sum() < 3:
            continue
        score = rng.uniform(0.08, 0.4, _K) * is_inside
        estimates[t].append(np.concatenate([place * is_inside[:, None], score[:, None]], 1))
