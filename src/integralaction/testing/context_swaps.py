"""Videos taken apart by their poses, for the audit: the person alone, the background alone, the person elsewhere."""

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch.nn import functional as F

from integralaction.clip import Batch, collate
from integralaction.data.clips import VideoReader
from integralaction.data.dataset import ClipReader
from integralaction.data.index import Index
from integralaction.data.sampling import ten_clips
from integralaction.errors import Refused
from integralaction.files import write_whole
from integralaction.fonts import fit_line
from integralaction.model.pose_maps import MIN_SCORE
from integralaction.skeleton import Skeleton

VERSIONS = ("as it is", "person only", "background only", "swapped")
POSED = 0.5  # share of a video's looked-at frames in which a person must have a pose to be taken apart
GREY = (124, 116, 104)  # ImageNet's mean colour
LIMB, HEAD = 0.11, 0.13  # width of limbs and radius of the head, in units of the person's extent
WIDER = 1.7  # what is filled in is so much wider than what is kept: no outline of the person stays


def person_masks(joints: np.ndarray, skeleton: Skeleton, height: int, width: int, wider: float = 1.0) -> np.ndarray:
    """Where persons are: (T, H, W) bool.

    Args:
        joints: (T, P, K, 3), x and y in pixels of the frames, score.
        wider: factor on all widths.
    """
    masks = np.zeros((len(joints), height, width), bool)
    places = {name: place for place, name in enumerate(skeleton.joints)}
    trunk = [places[n] for n in ("left_shoulder", "right_shoulder", "right_hip", "left_hip") if n in places]
    heads = [places[n] for n in ("nose", "head", "left_eye", "right_eye", "left_ear", "right_ear") if n in places]
    for mask, persons in zip(masks, joints, strict=True):
        picture = Image.new("1", (width, height))
        brush = ImageDraw.Draw(picture)
        for person in persons:
            has_joint = person[:, 2] > MIN_SCORE
            if has_joint.sum() < 2:
                continue
            extent = float(np.hypot(*np.ptp(person[has_joint, :2], axis=0)))
            thick = max(2.0, wider * LIMB * extent)
            for a, b in skeleton.bones:
                if has_joint[a] and has_joint[b]:
                    brush.line([tuple(person[a, :2]), tuple(person[b, :2])], fill=1, width=round(thick))
            if len(trunk) == 4 and has_joint[trunk].all():
                brush.polygon([tuple(person[i, :2]) for i in trunk], fill=1, outline=1, width=max(1, round(thick / 2)))
            for i in np.flatnonzero(has_joint):
                _dot(brush, person[i], thick / 2)
            if head := [i for i in heads if has_joint[i]]:
                _dot(brush, person[head].mean(axis=0), wider * HEAD * extent / 1.3)
        mask |= np.asarray(picture)
    return masks


def _dot(brush: ImageDraw.ImageDraw, place: np.ndarray, radius: float) -> None:
    x, y = float(place[0]), float(place[1])
    brush.ellipse([x - radius, y - radius, x + radius, y + radius], fill=1)


def inpaint(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Frames (T, H, W, 3) in which what the masks cover is filled in from what is around it, from coarse to fine."""
    picture = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
    outside = torch.from_numpy(~masks)[:, None].float()
    levels = [(picture * outside, outside)]
    while min(levels[-1][0].shape[-2:]) > 1:
        levels.append(tuple(F.avg_pool2d(part, 2, ceil_mode=True, count_include_pad=False) for part in levels[-1]))
    rough = torch.full_like(levels[-1][0], 110.0)
    for colours, weight in reversed(levels):
        rough = F.interpolate(rough, colours.shape[-2:], mode="bilinear")
        # a cell of which nothing is known is the coarser level's
        rough = torch.where(weight > 0, colours / weight.clamp(min=1e-6), rough)
    result = torch.where(outside > 0, picture, rough)
    return result.clamp(0, 255).round().byte().permute(0, 2, 3, 1).numpy()


def take_apart(
    frames: np.ndarray, joints: np.ndarray, skeleton: Skeleton, other: np.ndarray, other_joints: np.ndarray
) -> dict[str, np.ndarray]:
    """The versions of a clip's frames (T, H, W, 3).

    Args:
        joints: (T, P, K, 3) of its frames, in their pixels.
        other: (T, H', W', 3), the frames whose background the swapped version has; other_joints: theirs.
    """
    height, width = frames.shape[1:3]
    persons = person_masks(joints, skeleton, height, width)
    others = person_masks(other_joints, skeleton, *other.shape[1:3], WIDER)
    background = torch.from_numpy(inpaint(other, others)).permute(0, 3, 1, 2)
    fitted = F.interpolate(background, (height, width), mode="bilinear", antialias=True).permute(0, 2, 3, 1).numpy()
    grey = np.broadcast_to(np.array(GREY, np.uint8), frames.shape)
    return {
        "as it is": frames,
        "person only": np.where(persons[..., None], frames, grey),
        "background only": inpaint(frames, person_masks(joints, skeleton, height, width, WIDER)),
        "swapped": np.where(persons[..., None], frames, fitted),
    }


class ContextSwaps:
    """The versions of a video's ten test clips, as batches for a model."""

    def __init__(self, reader: ClipReader, seed: int) -> None:
        self._reader, self._seed = reader, seed
        self.labels = np.array([reader.label(number) for number in range(len(reader))])

    def has_pose(self, number: int) -> bool:
        """Whether enough of a video's frames have a pose for it to be taken apart."""
        video = self._reader.video(number)
        count = video.source.frames
        joints = video.read_joints(np.arange(0, count, max(1, count // 16)))
        people = (joints[..., 2] > MIN_SCORE).mean(axis=2) >= 0.5
        return bool(people.any(axis=1).mean() >= POSED)

    def frame_count(self, number: int) -> int:
        """Frames of the part of a video that its row means."""
        return self._reader.video(number).source.frames

    def partner(self, number: int, usable: np.ndarray) -> int:
        """A usable video of another class, drawn by the seed and the video alone."""
        others = np.flatnonzero(usable & (self.labels != self.labels[number]))
        return int(np.random.default_rng([self._seed, number]).choice(others))

    def batches(self, number: int, partner: int) -> dict[str, Batch]:
        """By version, the ten clips."""
        video = self._reader.video(number)
        numbers = ten_clips(video.source.frames, video.clip)
        joints = video.read_joints(numbers.poses)
        batches = {}
        for version, frames in self.frames(number, partner, numbers.distinct).items():
            persons = np.zeros_like(joints) if version == "background only" else joints  # nobody is left in it
            clips = video.cut_clips(numbers, frames, persons)
            batches[version] = collate(clips, [int(self.labels[number])] * len(clips), [number] * len(clips))
        return batches

    def frames(self, number: int, partner: int, numbers: np.ndarray) -> dict[str, np.ndarray]:
        """By version, these frames of a video, resized as for testing."""
        video, other = self._reader.video(number), self._reader.video(partner)
        other_numbers = numbers % other.source.frames
        frames, other_frames = _frames(video, numbers), _frames(other, other_numbers)
        joints, other_joints = _nearest_joints(video, numbers), _nearest_joints(other, other_numbers)
        return take_apart(frames, joints, video.skeleton, other_frames, other_joints)


def _frames(video: VideoReader, numbers: np.ndarray) -> np.ndarray:
    frames = video.read_frames(numbers)
    if frames is None:
        raise Refused("Expected a model that looks at frames; found pose-only, which the scene cannot fool.")
    return frames


def _nearest_joints(video: VideoReader, numbers: np.ndarray) -> np.ndarray:
    """The poses of these frames, or of the nearest in which there is somebody, within half a second."""
    everything = video.read_joints(np.arange(video.source.frames))
    somebody = np.flatnonzero((everything[..., 2] > MIN_SCORE).any(axis=(1, 2)))
    if not len(somebody):
        return everything[numbers]
    nearest = somebody[np.abs(somebody[None] - numbers[:, None]).argmin(axis=1)]
    is_near = np.abs(nearest - numbers) <= video.source.info.fps / 2
    return everything[np.where(is_near, nearest, numbers)]


def contact_sheet(swaps: ContextSwaps, index: Index, path: Path, rows: int = 6) -> None:
    """A PNG of videos and their swaps, a row each, from the middle of the video."""
    usable = np.array([swaps.has_pose(number) for number in range(len(index.videos))])
    numbers = np.random.default_rng(0).permutation(np.flatnonzero(usable))[:rows]
    cell, heading, gap = 160, 20, 4
    sheet = Image.new(
        "RGB", (len(VERSIONS) * (cell + gap), heading + len(numbers) * (cell + heading + gap)), (250, 250, 250)
    )
    brush = ImageDraw.Draw(sheet)
    for column, version in enumerate(VERSIONS):
        fit_line(version, 13, cell).draw(brush, (column * (cell + gap) + 2, 2), (25, 25, 30))
    for row, number in enumerate(numbers.tolist()):
        partner = swaps.partner(number, usable)
        middle = np.array([swaps.frame_count(number) // 2])
        pictures = swaps.frames(number, partner, middle)
        top = heading + row * (cell + heading + gap)
        for column, version in enumerate(VERSIONS):
            picture = Image.fromarray(pictures[version][0])
            picture.thumbnail((cell, cell))
            picture = (
                picture.resize((cell, cell * picture.height // picture.width)) if picture.width < cell else picture
            )
            sheet.paste(picture, (column * (cell + gap), top + heading))
        caption = f"{index.videos[number].label}; swapped: before {index.videos[partner].label}"
        fit_line(caption, 13, sheet.width - 4).draw(brush, (2, top + 3), (110, 110, 120))
    with write_whole(path) as aside:
        sheet.save(aside, "PNG")
