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
from rich.console import Console

from integralaction.console import say, track
from integralaction.data.dataset import ClipReader
from integralaction.data.index import Index
from integralaction.data.poses import PoseStore
from integralaction.errors import Refused
from integralaction.files import write_rows, write_text
from integralaction.intervals import few_videos, share_interval
from integralaction.model.network import channels_last
from integralaction.tables import Cell, Row, Table, emphasize_row, percent_cell, plain_columns, to_markdown
from integralaction.terminal import print_table
from integralaction.testing.context_swaps import VERSIONS, ContextSwaps
from integralaction.testing.evaluate import NOT_TESTED, predict_clips
from integralaction.testing.predictions import digest, results_name, weights_digest
from integralaction.training.run import Run, environment

HAT = "https://openreview.net/forum?id=eOnQ2etkxto"

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
        """Shares with their 95 % intervals: accuracy on the first three swaps, SHAcc, SBErr."""
        hits = {version: self.answers[method, version] == self.labels for version in VERSIONS if version != "swapped"}
        swapped = self.answers[method, "swapped"]
        hits |= {"SHAcc": swapped == self.labels, "SBErr": swapped == self.backgrounds}
        return {name: (float(of_score.mean()), *share_interval(of_score)) for name, of_score in hits.items()}


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
    index = audited_videos(index, splits)
    store = PoseStore.of(index.root)
    streams = run.methods[-1]
    models = {method: channels_last(run.load(method)).to(device) for method in run.methods}
    swaps = ContextSwaps(ClipReader.for_model(index, store, models[streams].config), seed)
    folder = run.root / "audit" / results_name(run, index)
    path = folder / f"{digest(index, weights_digest(run), store.state, str(seed))}.jsonl"

    @torch.no_grad()
    def ask(number: int, partner: int) -> dict[str, dict[str, int]]:
        answers: dict[str, dict[str, int]] = {}
        for version, batch in swaps.batches(number, partner).items():
            predictions = predict_clips(models, models[streams], batch.to(device))
            answers[version] = {m: int(predictions[f"{m}.probabilities"].argmax()) for m in run.methods}
        return answers

    return _ask_all(index, run.recipe.model.classes, swaps, ask, path)


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
    swaps = ContextSwaps(reader, seed)

    def ask(number: int, partner: int) -> dict[str, dict[str, int]]:
        answers = {}
        for version, batch in swaps.batches(number, partner).items():
            assert batch.frames is not None  # `frames` refuses models without
            answers[version] = {"model": int(answer(batch.frames.permute(0, 1, 3, 4, 2).numpy()).argmax())}
        return answers

    return _ask_all(index, classes, swaps, ask, path)


def audited_videos(index: Index, splits: tuple[str, ...]) -> Index:
    """The videos to ask about.

    Raises:
        ValueError: there are none.
    """
    names = splits or tuple(name for name in index.splits if name not in NOT_TESTED)
    if not names:
        raise Refused(f"Expected a split to audit on in {index.root}; it has {', '.join(index.splits)}. Name one.")
    return index.split(*names)


def _ask_all(
    index: Index,
    classes: tuple[str, ...],
    swaps: ContextSwaps,
    ask: Callable[[int, int], dict[str, dict[str, int]]],
    path: Path,
) -> Audit:
    unknown = sorted({video.label for video in index.videos} - set(classes))
    if unknown:
        raise Refused(f"Expected classes that the model knows in {index.root}; found {', '.join(map(repr, unknown))}.")
    usable = np.array([swaps.has_pose(number) for number in range(len(index.videos))])
    numbers = np.flatnonzero(usable)
    if len({index.videos[n].label for n in numbers}) < 2:
        raise Refused(
            f"Expected videos of two classes at least in {index.root} with a pose in half of their frames; of "
            f"{len(usable)} videos of {', '.join(index.splits)} {len(numbers)} have one. Estimate poses with "
            "`integralaction pose` where `integralaction data` shows videos without, or name another --split."
        )
    lines = {line["number"]: line for line in _lines(path)}
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = []
    with path.open("a", encoding="utf-8") as file:
        for number in track(numbers.tolist(), "auditing", len(numbers)):
            if number not in lines:
                partner = swaps.partner(number, usable)
                lines[number] = {"number": number, "partner": partner, "answers": ask(number, partner)}
                file.write(json.dumps(lines[number]) + "\n")
                file.flush()
            rows.append(lines[number])
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
    about = environment()
    lines = [
        "# What the answers follow: person or scene",
        "",
        f"`{about['command']}`, {datetime.date.today().isoformat()}, {about['processor']}, "
        f"torch {about['torch']}. {left_out(audit)}. Top-1 in per cent with 95 % intervals.",
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
