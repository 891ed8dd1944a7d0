"""Person or scene: what does an answer follow? The user's own test videos, taken apart by their poses.

    as it is          the video
    person only       everything but the persons is one colour
    background only   the persons are filled in from what is around them
    swapped           the persons before the background of a video of another class

On swapped videos SHAcc is the share given the person's class, SBErr the share given the background's (Chung, Wu,
Russakovsky: Enabling Detailed Action Recognition Evaluation Through Video Dataset Augmentation, NeurIPS 2022, the
"action swap" of their toolkit HAT). HAT cuts persons out by segmentation; here the poses say where they are: limbs,
trunk and head are drawn as wide as they are in proportion, which takes some of what is around them along.
"""

import datetime
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageDraw
from rich.console import Console
from torch.nn import functional as F

from integralaction.clip import Batch, Clip, collate
from integralaction.console import say, track
from integralaction.data.dataset import ClipReader
from integralaction.data.index import Index
from integralaction.data.poses import PoseStore
from integralaction.data.transforms import apply_crop, centre_crop
from integralaction.errors import Refused
from integralaction.files import write_rows, write_text, write_whole
from integralaction.fonts import fitting
from integralaction.intervals import few_videos, share_interval
from integralaction.model.network import channels_last
from integralaction.model.pose_maps import MIN_SCORE
from integralaction.skeleton import Skeleton
from integralaction.tables import Cell, Row, Table, emphasize_row, percent_cell, plain_columns, to_markdown
from integralaction.terminal import print_table
from integralaction.testing.evaluate import NOT_TESTED, predict_clips
from integralaction.testing.predictions import digest, results_name, weights_digest
from integralaction.training.run import Run, environment

VERSIONS = ("as it is", "person only", "background only", "swapped")
POSED = 0.5  # share of a video's looked-at frames in which a person must have a pose to be taken apart
HAT = "https://openreview.net/forum?id=eOnQ2etkxto"
GREY = (124, 116, 104)  # ImageNet's mean colour
LIMB, HEAD = 0.11, 0.13  # width of limbs and radius of the head, in units of the person's extent
WIDER = 1.7  # what is filled in is so much wider than what is kept: no outline of the person stays

# a model as the audit sees it: clips' frames (N, T, H, W, 3) uint8 -> probabilities (classes,)
FramesToProbabilities = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Audit:
    """What each method said of each version of the videos.

    Attributes:
        classes: the model's class names.
        videos: V names; labels: (V,) the person's class; backgrounds: (V,) the class of the swapped background's video.
        answers: by method and version, (V,) the most probable class.
        left_out: videos that could not be taken apart, by reason.
    """

    classes: tuple[str, ...]
    videos: tuple[str, ...]
    labels: np.ndarray
    backgrounds: np.ndarray
    answers: dict[tuple[str, str], np.ndarray]
    left_out: dict[str, int]

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that answered."""
        return tuple(dict.fromkeys(method for method, _ in self.answers))

    def scores(self, method: str) -> dict[str, tuple[float, float, float]]:
        """Shares with their 95 % intervals: accuracy on the first three versions, SHAcc, SBErr."""
        found = {version: self.answers[method, version] == self.labels for version in VERSIONS if version != "swapped"}
        swapped = self.answers[method, "swapped"]
        found |= {"SHAcc": swapped == self.labels, "SBErr": swapped == self.backgrounds}
        return {name: (float(right.mean()), *share_interval(right)) for name, right in found.items()}


# ---- taking videos apart


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
            there = person[:, 2] > MIN_SCORE
            if there.sum() < 2:
                continue
            extent = float(np.hypot(*np.ptp(person[there, :2], axis=0)))
            thick = max(2.0, wider * LIMB * extent)
            for a, b in skeleton.bones:
                if there[a] and there[b]:
                    brush.line([tuple(person[a, :2]), tuple(person[b, :2])], fill=1, width=round(thick))
            if len(trunk) == 4 and there[trunk].all():
                brush.polygon([tuple(person[i, :2]) for i in trunk], fill=1, outline=1, width=max(1, round(thick / 2)))
            for i in np.flatnonzero(there):
                _dot(brush, person[i], thick / 2)
            if seen := [i for i in heads if there[i]]:
                _dot(brush, person[seen].mean(axis=0), wider * HEAD * extent / 1.3)
        mask |= np.asarray(picture)
    return masks


def _dot(brush: ImageDraw.ImageDraw, place: np.ndarray, radius: float) -> None:
    x, y = float(place[0]), float(place[1])
    brush.ellipse([x - radius, y - radius, x + radius, y + radius], fill=1)


def filled_in(frames: np.ndarray, masks: np.ndarray) -> np.ndarray:
    """Frames (T, H, W, 3) in which what the masks cover is filled in from what is around it, from coarse to fine."""
    picture = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2).float()
    known = torch.from_numpy(~masks)[:, None].float()
    levels = [(picture * known, known)]
    while min(levels[-1][0].shape[-2:]) > 1:
        levels.append(tuple(F.avg_pool2d(part, 2, ceil_mode=True, count_include_pad=False) for part in levels[-1]))
    rough = torch.full_like(levels[-1][0], 110.0)
    for colours, weight in reversed(levels):
        rough = F.interpolate(rough, colours.shape[-2:], mode="bilinear")
        # a cell of which nothing is known is the coarser level's
        rough = torch.where(weight > 0, colours / weight.clamp(min=1e-6), rough)
    result = torch.where(known > 0, picture, rough)
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
    background = torch.from_numpy(filled_in(other, others)).permute(0, 3, 1, 2)
    fitted = F.interpolate(background, (height, width), mode="bilinear", antialias=True).permute(0, 2, 3, 1).numpy()
    grey = np.broadcast_to(np.array(GREY, np.uint8), frames.shape)
    return {
        "as it is": frames,
        "person only": np.where(persons[..., None], frames, grey),
        "background only": filled_in(frames, person_masks(joints, skeleton, height, width, WIDER)),
        "swapped": np.where(persons[..., None], frames, fitted),
    }


class VideoVersions:
    """The versions of a video's ten test clips, as batches for a model."""

    def __init__(self, reader: ClipReader, seed: int) -> None:
        self._reader, self._seed = reader, seed
        self._flip, self._skeleton = reader.skeleton.flip, reader.skeleton
        self.labels = np.array([reader.label(number) for number in range(len(reader))])

    def posed(self, number: int) -> bool:
        """Whether enough of a video's frames have a pose for it to be taken apart."""
        video = self._reader.source(number)
        joints = self._at(number, np.arange(0, video.frames, max(1, video.frames // 16)))
        people = (joints[..., 2] > MIN_SCORE).mean(axis=2) >= 0.5
        return bool(people.any(axis=1).mean() >= POSED)

    def partner(self, number: int, usable: np.ndarray) -> int:
        """A usable video of another class, drawn by the seed and the video alone."""
        others = np.flatnonzero(usable & (self.labels != self.labels[number]))
        return int(np.random.default_rng([self._seed, number]).choice(others))

    def batches(self, number: int, partner: int) -> dict[str, Batch]:
        """By version, the ten clips."""
        reader = self._reader
        size = reader.clip.size
        starts = reader.starts(number)
        wanted = np.stack([reader.wanted(number, start) for start in starts])
        needed, place = np.unique(wanted, return_inverse=True)
        crop = centre_crop(*reader.size(number), size)
        poses = [reader.joints(number, None, start) for start in starts]
        batches = {}
        for version, frames in self.frames(number, partner, needed).items():
            clips = []
            for rows, joints in zip(place.reshape(wanted.shape), poses, strict=True):
                there = np.zeros_like(joints) if version == "background only" else joints  # nobody is left in it
                clips.append(apply_crop(Clip(frames[rows], there), crop, size, self._flip))
            count = len(clips)
            batches[version] = collate(clips, [int(self.labels[number])] * count, [number] * count)
        return batches

    def frames(self, number: int, partner: int, needed: np.ndarray) -> dict[str, np.ndarray]:
        """By version, these frames of a video, resized as for testing."""
        theirs = needed % self._reader.source(partner).frames
        frames, other = self._frames(number, needed), self._frames(partner, theirs)
        joints, other_joints = (self._near(n, wanted) for n, wanted in ((number, needed), (partner, theirs)))
        return take_apart(frames, joints, self._skeleton, other, other_joints)

    def _frames(self, number: int, wanted: np.ndarray) -> np.ndarray:
        distinct, place = np.unique(wanted, return_inverse=True)
        frames = self._reader.frames(number, distinct)
        if frames is None:
            raise Refused("Expected a model that looks at frames; found pose-only, which the scene cannot fool.")
        return frames[place]

    def _at(self, number: int, wanted: np.ndarray) -> np.ndarray:
        return self._reader.joints_at(number, wanted)

    def _near(self, number: int, wanted: np.ndarray) -> np.ndarray:
        """The poses of these frames, or of the nearest in which somebody was found, within half a second."""
        source = self._reader.source(number)
        everything = self._at(number, np.arange(source.frames))
        somebody = np.flatnonzero((everything[..., 2] > MIN_SCORE).any(axis=(1, 2)))
        if not len(somebody):
            return everything[wanted]
        nearest = somebody[np.abs(somebody[None] - wanted[:, None]).argmin(axis=1)]
        near = np.abs(nearest - wanted) <= source.video.fps / 2
        return everything[np.where(near, nearest, wanted)]


# ---- asking


def audit(run: Run, index: Index, splits: tuple[str, ...], device: torch.device, seed: int = 0) -> Audit:
    """Ask every method of a run about every version of a data set's test videos; an interrupted call goes on.

    Args:
        splits: which of its splits; empty: all but `train` and `val`.
        seed: of the backgrounds.

    Raises:
        ValueError: there are no such videos, too few have poses or classes, or the run's model looks at poses alone.
    """
    run.check_trained()
    if remark := run.changes_of(index):
        say(remark)
    index = tested(index, splits)
    store = PoseStore.of(index.root)
    streams = run.methods[-1]
    models = {method: channels_last(run.load(method)).to(device) for method in run.methods}
    versions = VideoVersions(ClipReader.for_model(index, store, models[streams].config), seed)
    folder = run.root / "audit" / results_name(run, index)
    path = folder / f"{digest(index, weights_digest(run), store.state, str(seed))}.jsonl"

    @torch.no_grad()
    def ask(number: int, partner: int) -> dict[str, dict[str, int]]:
        answers: dict[str, dict[str, int]] = {}
        for version, batch in versions.batches(number, partner).items():
            found = predict_clips(models, models[streams], batch.to(device))
            answers[version] = {m: int(found[f"{m}.probabilities"].argmax()) for m in run.methods}
        return answers

    return _ask_all(index, run.recipe.model.classes, versions, ask, path)


def audit_function(
    answer: FramesToProbabilities, classes: tuple[str, ...], index: Index, reader: ClipReader, path: Path, seed: int = 0
) -> Audit:
    """The same for any model that turns a video's clips into probabilities.

    Args:
        answer: from (N, T, H, W, 3) uint8 RGB to (classes,).
        classes: its class names, in order.
        index: the videos, all of which are asked about.
        reader: cuts the clips; its model's settings say how many frames of what size a clip has.
        path: where answers are kept, to go on with.
    """
    versions = VideoVersions(reader, seed)

    def ask(number: int, partner: int) -> dict[str, dict[str, int]]:
        answers = {}
        for version, batch in versions.batches(number, partner).items():
            assert batch.frames is not None  # `frames` refuses models without
            answers[version] = {"model": int(answer(batch.frames.permute(0, 1, 3, 4, 2).numpy()).argmax())}
        return answers

    return _ask_all(index, classes, versions, ask, path)


def tested(index: Index, splits: tuple[str, ...]) -> Index:
    """The videos to ask about.

    Raises:
        ValueError: there are none.
    """
    wanted = splits or tuple(name for name in index.splits if name not in NOT_TESTED)
    if not wanted:
        raise Refused(f"Expected a split to audit on in {index.root}; it has {', '.join(index.splits)}. Name one.")
    return index.split(*wanted)


def _ask_all(
    index: Index,
    classes: tuple[str, ...],
    versions: VideoVersions,
    ask: Callable[[int, int], dict[str, dict[str, int]]],
    path: Path,
) -> Audit:
    unknown = sorted({video.label for video in index.videos} - set(classes))
    if unknown:
        raise Refused(f"Expected classes that the model knows in {index.root}; found {', '.join(map(repr, unknown))}.")
    usable = np.array([versions.posed(number) for number in range(len(index.videos))])
    numbers = np.flatnonzero(usable)
    if len({index.videos[n].label for n in numbers}) < 2:
        raise Refused(
            f"Expected videos of two classes at least in {index.root} with a pose in half of their frames; of "
            f"{len(usable)} videos of {', '.join(index.splits)} {len(numbers)} have one. Estimate poses with "
            "`integralaction pose` where `integralaction data` shows videos without, or name another --split."
        )
    kept = {line["number"]: line for line in _lines(path)}
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    with path.open("a", encoding="utf-8") as file:
        for number in track(numbers.tolist(), "auditing", len(numbers)):
            if number not in kept:
                partner = versions.partner(number, usable)
                kept[number] = {"number": number, "partner": partner, "answers": ask(number, partner)}
                file.write(json.dumps(kept[number]) + "\n")
                file.flush()
            rows.append(kept[number])
    labels = np.array([classes.index(index.videos[row["number"]].label) for row in rows])
    backgrounds = np.array([classes.index(index.videos[row["partner"]].label) for row in rows])
    methods = tuple(rows[0]["answers"]["swapped"])
    answers = {
        (method, version): np.array([row["answers"][version][method] for row in rows])
        for method in methods
        for version in VERSIONS
    }
    left_out = {"without a pose in half of their frames": int((~usable).sum())}
    names = tuple(index.videos[row["number"]].video for row in rows)
    return Audit(classes, names, labels, backgrounds, answers, left_out)


def _lines(path: Path) -> Iterator[dict]:
    """What an earlier call wrote; a last line that it could not finish does not count."""
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            write_text(path, whole)
        yield from map(json.loads, whole.splitlines())


# ---- telling


COLUMNS = ("as it is", "person only", "background only", "SHAcc", "SBErr")
MEANING = (
    "Swapped videos show the person before another class's background: SHAcc is the share given the person's class, "
    "SBErr the share given the background's. What follows the person has a high SHAcc and a low SBErr."
)


def audit_name(run: Run, index: Index, splits: tuple[str, ...]) -> str:
    """How the results of an audit are called: as those of a test, and by its splits where they were named."""
    return "-".join([results_name(run, index), *dict.fromkeys(splits)])


def audit_table(audit: Audit, cell: Callable[[float, float, float], Cell]) -> Table:
    """Methods by scores.

    Args:
        cell: of a share and the ends of its interval.
    """
    rows = tuple(
        Row(method, tuple(cell(*scores[name]) for name in COLUMNS))
        for method, scores in ((method, audit.scores(method)) for method in audit.methods)
    )
    return Table("audit", "", "method", plain_columns(COLUMNS), rows)


def print_audit(audit: Audit, console: Console) -> None:
    """The table for people."""
    notes = (left_out(audit), few_videos({"this audit": len(audit.videos)}), MEANING)
    table = emphasize_row(audit_table(audit, _short_cell), "integral")
    title = "in %; ± reaches the farther end of the 95 % interval"
    print_table(replace(table, title=title, notes=tuple(filter(None, notes))), console)


def _short_cell(share: float, low: float, high: float) -> Cell:
    return Cell(text=f"{100 * share:.1f} ±{100 * max(share - low, high - share):.0f}")


def left_out(audit: Audit) -> str:
    """How many videos were asked about, and how many were not."""
    return f"{len(audit.videos)} videos; " + ", ".join(f"{n} {why} left out" for why, n in audit.left_out.items())


def write_audit(audit: Audit, folder: Path, name: str) -> Path:
    """The table as NAME-audit.csv and NAME-audit.md; the path of the first."""
    path = folder / f"{name}-audit.csv"
    rows = [
        (method, score, len(audit.videos), *(f"{x:.4f}" for x in share))
        for method in audit.methods
        for score, share in audit.scores(method).items()
    ]
    write_rows(path, [("method", "score", "videos", "share", "low", "high"), *rows])
    few = few_videos({"this audit": len(audit.videos)})
    told = environment()
    lines = [
        "# What the answers follow: person or scene",
        "",
        f"`{told['command']}`, {datetime.date.today().isoformat()}, {told['processor']}, "
        f"torch {told['torch']}. {left_out(audit)}. Top-1 in per cent with 95 % intervals.",
        "",
        to_markdown(audit_table(audit, percent_cell)),
        "SHAcc and SBErr are of videos whose persons stand before the background of another class's video: the share",
        "given the person's class, and the share given the background's",
        f"([Chung, Wu, Russakovsky, NeurIPS 2022]({HAT})).",
        "Persons are cut out by their poses: things in hands are cut off where they reach far.",
        *(["", few] if few else []),
    ]
    write_text(path.with_suffix(".md"), "\n".join(lines) + "\n")
    return path


def contact_sheet(versions: VideoVersions, index: Index, path: Path, rows: int = 6) -> None:
    """A PNG of videos and their versions, a row each, from the middle of the video."""
    usable = np.array([versions.posed(number) for number in range(len(index.videos))])
    chosen = np.random.default_rng(0).permutation(np.flatnonzero(usable))[:rows]
    cell, head, gap = 160, 20, 4
    sheet = Image.new("RGB", (len(VERSIONS) * (cell + gap), head + len(chosen) * (cell + head + gap)), (250, 250, 250))
    brush = ImageDraw.Draw(sheet)
    for column, version in enumerate(VERSIONS):
        fitting(version, 13, cell).draw(brush, (column * (cell + gap) + 2, 2), (25, 25, 30))
    for row, number in enumerate(chosen.tolist()):
        partner = versions.partner(number, usable)
        shown = versions.frames(number, partner, np.array([index.videos[number].frames // 2]))
        top = head + row * (cell + head + gap)
        for column, version in enumerate(VERSIONS):
            picture = Image.fromarray(shown[version][0])
            picture.thumbnail((cell, cell))
            picture = (
                picture.resize((cell, cell * picture.height // picture.width)) if picture.width < cell else picture
            )
            sheet.paste(picture, (column * (cell + gap), top + head))
        told = f"{index.videos[number].label}; swapped: before {index.videos[partner].label}"
        fitting(told, 13, sheet.width - 4).draw(brush, (2, top + 3), (110, 110, 120))
    with write_whole(path) as aside:
        sheet.save(aside, "PNG")
