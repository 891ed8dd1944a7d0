"""Pose estimates with the faults of real ones: jitter, lost and swapped joints, missed frames, false persons.

Scores tell: they fall with the error, as those of a real estimator do.
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


def estimate(persons: list[np.ndarray], heights: list[float], pixels: int, rng: np.random.Generator) -> Poses:
    """What a good 2-D estimator would find in a clear video.

    Args:
        persons: each (T, K, 3): the true joints, x, y in pixels, and nearness in body heights.
        heights: of the persons, in pixels.
        pixels: height and width of the frame.
        rng: the faults.
    """
    frames = len(persons[0])
    found: list[list[np.ndarray]] = [[] for _ in range(frames)]
    for number, (true, height) in enumerate(zip(persons, heights, strict=True)):
        joints = _person(true, height, pixels, rng)
        there = _seen_frames(frames, 0.02 if number == 0 else 0.25, rng)
        for t in np.flatnonzero(there & ((joints[..., 2] > 0).sum(1) >= 4)):
            found[t].append(joints[t])
    if rng.uniform() < 0.3:
        _false_person(found, pixels, rng)
    return _poses(found)


def stray(frames: int, pixels: int, rng: np.random.Generator) -> Poses:
    """What it finds where nobody can be made out: mostly nothing, here and there a few joints of low score."""
    found: list[list[np.ndarray]] = [[] for _ in range(frames)]
    for t in np.flatnonzero(rng.uniform(size=frames) < rng.uniform(0.0, 0.25)):
        joints = np.zeros((_K, 3))
        some = rng.choice(_K, rng.integers(2, 6), replace=False)
        joints[some, :2] = np.clip(rng.normal(0.5, 0.25, (len(some), 2)), 0, 0.99) * pixels
        joints[some, 2] = rng.uniform(0.06, 0.35, len(some))
        found[t].append(joints)
    return _poses(found)


def _poses(found: list[list[np.ndarray]]) -> Poses:
    table = {t: np.array(persons, np.float32).reshape(-1, _K, 3) for t, persons in enumerate(found)}
    return Poses.from_frames(_SKELETON.name, table)


def _person(true: np.ndarray, height: float, pixels: int, rng: np.random.Generator) -> np.ndarray:
    """(T, K, 3) x, y, score of one person, each frame's joints with their faults."""
    frames = len(true)
    hidden = _hidden(true, height)
    skill = float(np.exp(rng.normal(0, 0.3)))
    noise = rng.standard_normal((frames, _K, 2))
    for t in range(1, frames):  # errors last a few frames
        noise[t] = 0.6 * noise[t - 1] + 0.8 * noise[t]
    size = skill * height * (0.007 + 0.022 * hidden) * np.exp(rng.normal(0, 0.3, (frames, _K)))
    wild = rng.uniform(size=(frames, _K)) < 0.008
    size[wild] += 0.12 * height
    error = noise * size[..., None] + rng.normal(0, 0.15, noise.shape)
    place = true[..., :2] + error
    far = np.linalg.norm(error, axis=2) / height
    score = 0.93 - 5.0 * far - 0.22 * hidden - rng.gamma(1.5, 0.025, far.shape) - 0.08 * max(0.0, skill - 1)
    _swap(place, score, rng)
    lost = rng.uniform(size=far.shape) < 0.006 + 0.22 * hidden
    lost |= ((place < 0) | (place > pixels - 1)).any(2)
    score = np.where(lost, 0, np.clip(score, 0.05, 0.98))
    return np.concatenate([np.where(lost[..., None], 0, place), score[..., None]], 2)


def _hidden(true: np.ndarray, height: float) -> np.ndarray:
    """(T, K) 0..1: behind the trunk, or on the far side of the head."""
    neck, hips = true[:, 1], (true[:, 8] + true[:, 11]) / 2
    axis = (hips - neck)[:, None, :2]
    along = ((true[..., :2] - neck[:, None, :2]) * axis).sum(2) / np.maximum((axis**2).sum(2), 1e-6)
    along = np.clip(along, 0, 1)
    off = np.linalg.norm(true[..., :2] - neck[:, None, :2] - along[..., None] * axis, axis=2) / height
    trunk = neck[:, None, 2] * (1 - along) + hips[:, None, 2] * along
    hidden = ((off < 0.07) & (true[..., 2] < trunk - 0.035)).astype(float)
    skull = true[:, 16:18].mean(1)  # between the ears
    hidden[:, _FACE] = np.clip((skull[:, None, 2] - true[:, _FACE, 2]) / 0.03, 0, 1)
    return hidden


def _swap(place: np.ndarray, score: np.ndarray, rng: np.random.Generator) -> None:
    """Left and right change places for a short while, in place."""
    for pairs in (_ARMS, _LEGS):
        for _ in range(rng.poisson(0.35)):
            first = int(rng.integers(len(place)))
            span = slice(first, first + int(rng.integers(2, 7)))
            for a, b in pairs:
                place[span, [a, b]] = place[span, [b, a]]
                score[span, [a, b]] = score[span, [b, a]] - 0.12


def _seen_frames(frames: int, missed: float, rng: np.random.Generator) -> np.ndarray:
    """(T,) bool: single frames and short spans are missed."""
    there = rng.uniform(size=frames) >= missed
    for _ in range(rng.poisson(0.25)):
        first = int(rng.integers(frames))
        there[first : first + int(rng.integers(2, 6))] = False
    return there


def _false_person(found: list[list[np.ndarray]], pixels: int, rng: np.random.Generator) -> None:
    """A thing in the scene taken for somebody, now and then, with few joints and low scores; in place."""
    spot = rng.uniform(0.1, 0.9, 2) * pixels
    shape = _UPRIGHT * rng.uniform(0.2, 0.5) * pixels + spot
    kept = rng.uniform(size=_K) < 0.6
    for t in np.flatnonzero(rng.uniform(size=len(found)) < rng.uniform(0.1, 0.6)):
        place = shape + rng.normal(0, 0.02 * pixels, shape.shape)
        inside = ((place >= 0) & (place < pixels)).all(1) & kept & (rng.uniform(size=_K) < 0.85)
        if inside.sum() < 3:
            continue
        score = rng.uniform(0.08, 0.4, _K) * inside
        found[t].append(np.concatenate([place * inside[:, None], score[:, None]], 1))
