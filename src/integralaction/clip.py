"""What travels between the parts: poses of a video, a clip, a batch, a prediction. Shapes are checked when made.

Letters: B batch, N clips of a video, T frames, P persons, K joints, H W height and width. Frames in memory are
uint8 (T, H, W, 3) RGB as displayed; coordinates are (x, y) in pixels of the frame as displayed.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from integralaction.errors import Refused
from integralaction.skeleton import skeleton_named

MAX_PERSONS = 5  # the paper keeps the five best persons of a frame (section 3.2)


@dataclass(frozen=True)
class Poses:
    """The poses of one video, as found by a pose estimator.

    A frame that is not in `frame_index` was not looked at; a frame with an empty range has nobody in it.

    Attributes:
        skeleton: name of the joint set.
        joints: (N, K, 3) float32, the persons of all frames after one another: x, y in pixels, score 0..1.
        frame_index: (F,) int64, ascending: the frames that were looked at.
        frame_offsets: (F + 1,) int64: frame `frame_index[i]` has the persons `frame_offsets[i]` to
            `frame_offsets[i + 1]`.

    Raises:
        ValueError: shapes disagree, frames are not ascending, or a number is not finite.
    """

    skeleton: str
    joints: np.ndarray
    frame_index: np.ndarray
    frame_offsets: np.ndarray

    def __post_init__(self) -> None:
        count = len(skeleton_named(self.skeleton).joints)
        if self.joints.shape[1:] != (count, 3):
            raise Refused(
                f"Expected joints of shape (persons, {count}, 3) for {self.skeleton}; found {self.joints.shape}."
            )
        if self.frame_offsets.shape != (len(self.frame_index) + 1,):
            raise Refused(
                f"Expected {len(self.frame_index) + 1} frame offsets for {len(self.frame_index)} frames; "
                f"found {self.frame_offsets.shape}."
            )
        if self.frame_offsets[0] != 0 or self.frame_offsets[-1] != len(self.joints):
            raise Refused(
                f"Expected frame offsets from 0 to {len(self.joints)} (the persons); "
                f"found {self.frame_offsets[0]} to {self.frame_offsets[-1]}."
            )
        if np.any(np.diff(self.frame_offsets) < 0) or np.any(np.diff(self.frame_index) <= 0):
            raise Refused("Expected ascending frames and offsets; found them out of order.")
        if not np.isfinite(self.joints).all():
            raise Refused("Expected finite joints; found NaN or infinity. Give a joint that was not found the score 0.")

    @classmethod
    def from_frames(cls, skeleton: str, frames: dict[int, np.ndarray]) -> "Poses":
        """Poses from a table frame number -> (persons, K, 3).

        Raises:
            ValueError: as for `Poses`.
        """
        joints = len(skeleton_named(skeleton).joints)
        order = sorted(frames)
        persons = [np.asarray(frames[i], np.float32) for i in order]
        for i, of_frame in zip(order, persons, strict=True):
            if of_frame.shape[1:] != (joints, 3):
                raise Refused(
                    f"Expected {skeleton} of shape (persons, {joints}, 3); found {of_frame.shape} in frame {i}."
                )
        counts = np.cumsum([0, *(len(p) for p in persons)])
        stacked = np.concatenate(persons) if persons else np.zeros((0, joints, 3), np.float32)
        return cls(skeleton, stacked, np.array(order, np.int64), counts.astype(np.int64))

    @classmethod
    def nobody(cls, skeleton: str) -> "Poses":
        """No frame was looked at, nobody was found."""
        return cls.from_frames(skeleton, {})

    def at(self, frames: np.ndarray) -> np.ndarray:
        """Poses of these frames: (T, P, K, 3), the best persons first, at most `MAX_PERSONS`, at least one slot.

        Absent persons are zeros, so their score is 0. A frame that was not looked at has nobody.
        """
        return best_of_frames(self.joints, self.frame_index, self.frame_offsets, frames)


def best_of_frames(
    joints: np.ndarray, frame_index: np.ndarray, frame_offsets: np.ndarray, frames: np.ndarray
) -> np.ndarray:
    """`Poses.at` on bare arrays, of which a pose store reads no more than these frames need."""
    rows = frame_index.searchsorted(frames).tolist()
    numbers, offsets = frame_index.tolist(), frame_offsets.tolist()
    persons_of_frames = []
    for row, frame in zip(rows, frames.tolist(), strict=True):
        if row == len(numbers) or numbers[row] != frame:
            persons_of_frames.append(joints[:0])
            continue
        persons = joints[offsets[row] : offsets[row + 1]]
        if len(persons) > 1:
            persons = persons[np.argsort(-persons[:, :, 2].mean(axis=1), kind="stable")[:MAX_PERSONS]]
        persons_of_frames.append(persons)
    slots = max(1, *map(len, persons_of_frames))
    dense = np.zeros((len(persons_of_frames), slots, *joints.shape[1:]), np.float32)
    for t, persons in enumerate(persons_of_frames):
        dense[t, : len(persons)] = persons
    return dense


@dataclass(frozen=True)
class Clip:
    """Frames and poses of one clip, before or after transforms.

    Attributes:
        frames: (T, H, W, 3) uint8 RGB; None where only poses are looked at.
        joints: (T', P, K, 3) float32: x, y in pixels of those frames, score; absent persons have score 0.
    """

    frames: np.ndarray | None
    joints: np.ndarray

    def __post_init__(self) -> None:
        if self.frames is not None and (
            self.frames.ndim != 4 or self.frames.shape[3] != 3 or self.frames.dtype != np.uint8
        ):
            raise Refused(
                f"Expected uint8 frames of shape (T, H, W, 3); found {self.frames.dtype} {self.frames.shape}."
            )
        if self.joints.ndim != 4 or self.joints.shape[3] != 3:
            raise Refused(f"Expected joints of shape (T', P, K, 3); found {self.joints.shape}.")


@dataclass(frozen=True)
class Batch:
    """Clips as the model takes them.

    Attributes:
        frames: (B, T, 3, H, W) uint8 RGB; None where only poses are looked at.
        joints: (B, T', P, K, 3) float32, x, y in pixels of those frames, score.
        labels: (B,) int64, -1 where unknown.
        videos: (B,) int64, which video of the data set each clip is from.
        replaced: name and fault of each video that could not be read, in whose place another is.
    """

    frames: torch.Tensor | None
    joints: torch.Tensor
    labels: torch.Tensor
    videos: torch.Tensor
    replaced: tuple[tuple[str, str], ...] = ()

    def to(self, device: torch.device | str, non_blocking: bool = False) -> "Batch":
        """The same batch on that device."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> "Batch":
        """The same batch in page-locked memory, from which copies to a GPU are faster."""
        return self._each(torch.Tensor.pin_memory)

    def share_memory(self) -> "Batch":
        """The same batch in memory that processes share.

        Raises:
            RuntimeError: there is no room left.
        """
        return self._each(torch.Tensor.share_memory_)

    def _each(self, change: Callable[[torch.Tensor], torch.Tensor]) -> "Batch":
        frames = None if self.frames is None else change(self.frames)
        return Batch(frames, change(self.joints), change(self.labels), change(self.videos), self.replaced)


def collate(clips: list[Clip], labels: list[int], videos: list[int]) -> Batch:
    """One batch of these clips; the persons are padded to the most crowded clip."""
    slots = max(clip.joints.shape[1] for clip in clips)
    first = clips[0].joints.shape
    joints = np.zeros((len(clips), first[0], slots, *first[2:]), np.float32)
    for i, clip in enumerate(clips):
        joints[i, :, : clip.joints.shape[1]] = clip.joints
    frames = None
    pictures = [clip.frames for clip in clips if clip.frames is not None]
    if pictures:
        stacked = np.stack(pictures).transpose(0, 1, 4, 2, 3)
        frames = torch.from_numpy(np.ascontiguousarray(stacked))
    return Batch(
        frames,
        torch.from_numpy(joints),
        torch.tensor(labels, dtype=torch.int64),
        torch.tensor(videos, dtype=torch.int64),
    )


@dataclass(frozen=True)
class Persons:
    """What a prediction knew of the persons in the video.

    Attributes:
        source: where that is from: the name of an estimator, the path of a file, `poses given`, or `none`.
        poses: the poses themselves.
        share: share of the looked-at frames with a usable pose, 0..1; None where the model looks at no poses.
    """

    source: str
    poses: Poses
    share: float | None


@dataclass(frozen=True)
class Prediction:
    """What the model says of one video.

    Attributes:
        video: its path.
        model: what the model was loaded from, as `load_model` got it.
        classes: all class names, in the model's order.
        clip_probabilities: (N, classes) of each clip.
        frames: (N, T) int64, the frames of each clip.
        gates: (N, T) how much appearance was let in in each frame, 0..1, mean over channels; None without a gate.
        streams: (classes,) what `appearance` and `pose` alone say, where the model can tell.
        persons: what it knew of the persons in the video.
    """

    video: str
    model: str
    classes: tuple[str, ...]
    clip_probabilities: np.ndarray
    frames: np.ndarray
    gates: np.ndarray | None
    streams: dict[str, np.ndarray]
    persons: Persons

    @property
    def probabilities(self) -> np.ndarray:
        """(classes,), averaged over the clips."""
        return self.clip_probabilities.mean(axis=0)

    @property
    def gate(self) -> float | None:
        """Mean over clips, frames and channels; how much appearance was let in, 0..1. None without a gate."""
        return None if self.gates is None else float(self.gates.mean())

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """The k most probable classes with their probabilities, best first."""
        return _top(self.classes, self.probabilities, k)

    def top_of_streams(self) -> dict[str, tuple[str, float]]:
        """The best class of each stream alone, by stream name, where the model can tell."""
        return {name: _top(self.classes, p, 1)[0] for name, p in self.streams.items()}


def _top(classes: tuple[str, ...], probabilities: np.ndarray, k: int) -> list[tuple[str, float]]:
    order = np.argsort(-probabilities, kind="stable")[:k]
    return [(classes[i], float(probabilities[i])) for i in order]
