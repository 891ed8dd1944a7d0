"""Ten-clip testing: probabilities averaged over the clips (paper, section 3.5); top-1, top-5, per class.

Predictions are kept in the run folder, so that tables need no second pass over the videos. Each method of a run is
tested on the same stream features, computed once.
"""

import csv
import hashlib
import shutil
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TextIO

import numpy as np
import torch
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file
from torch.utils.data import Subset

from integralaction.clip import Batch
from integralaction.config import Method
from integralaction.console import printable, progress, say
from integralaction.data.dataset import ClipReader, TestClips
from integralaction.data.fingerprint import poses_digest
from integralaction.data.index import AS_RELEASED, Index, Video, say_untrained_classes
from integralaction.data.loading import bytes_of_clips, heeded_loaders, load_batches
from integralaction.data.poses import PoseStore
from integralaction.data.sampling import TEST_CLIPS
from integralaction.errors import MissingFile, Refused
from integralaction.escapes import markdown, spreadsheet
from integralaction.files import write_whole
from integralaction.intervals import difference_interval, few_videos, share_interval
from integralaction.model.network import IntegralAction, channels_last
from integralaction.training.run import Run

CHUNK = 256  # videos after which an evaluation can be continued
RELEASED = " (as released)"  # after a split's name: only the videos that the released code's protocol keeps
NOT_TESTED = ("train", "val")
_KEY = "integralaction.videos"  # the name of what predictions depend on, of which older ones say the videos alone


@dataclass(frozen=True)
class Predictions:
    """What one method says of the videos of a data set.

    Attributes:
        method: its name.
        classes: class names, in the order of the probabilities.
        videos: V rows of the index.
        labels: (V,) the true classes.
        probabilities: (V, classes) float32, averaged over the clips.
        gate: (V,) float32, mean over clips, frames and channels; NaN for methods without a gate.
    """

    method: str
    classes: tuple[str, ...]
    videos: tuple[Video, ...]
    labels: np.ndarray
    probabilities: np.ndarray
    gate: np.ndarray

    def rank(self) -> np.ndarray:
        """(V,) how many classes are more probable than the true one; equals, and NaN, count against it."""
        truth = np.take_along_axis(self.probabilities, self.labels[:, None], axis=1)
        return (~(self.probabilities < truth)).sum(axis=1) - 1

    def of_split(self, split: str) -> "Predictions":
        """Those on the videos of one split, or on those that the released protocol keeps of it (see `protocols`)."""
        name, released = split.removesuffix(RELEASED), split.endswith(RELEASED)
        kept = np.array([v.split == name and (not released or v.note == AS_RELEASED) for v in self.videos])
        videos = tuple(video for video, keep in zip(self.videos, kept, strict=True) if keep)
        return Predictions(
            self.method, self.classes, videos, self.labels[kept], self.probabilities[kept], self.gate[kept]
        )


@dataclass(frozen=True)
class Score:
    """One cell of a results table; shares in 0..1, `low` and `high` the 95 % interval of top-1."""

    method: str
    split: str
    videos: int
    top1: float
    low: float
    high: float
    top5: float
    gate: float


def evaluate(run: Run, index: Index, splits: tuple[str, ...], device: torch.device) -> dict[Method, Predictions]:
    """Test every method of a run on these splits; predictions and results go into the run folder.

    Args:
        index: the data set; its classes may be a part of the model's, matched by name.
        splits: which of its splits; empty: all but `train` and `val`. Predictions of other splits stay.

    Returns:
        By method, the predictions on these splits.

    Raises:
        FileNotFoundError: a stage is not trained yet.
        ValueError: there is nothing to test on, the data set has a class that the model does not know, or a model
            gives probabilities that are not finite.
    """
    return evaluate_together([run], index, splits, device)[0]


def evaluate_together(
    runs: Sequence[Run], index: Index, splits: tuple[str, ...], device: torch.device
) -> list[dict[Method, Predictions]]:
    """`evaluate` for runs with the same streams, whose features are computed once.

    Raises:
        ValueError: as for `evaluate`, or the streams differ.
    """
    run = runs[0]
    for other in runs:
        other.check_trained()
        if remark := other.changes_of(index):
            say(remark)
    if len({streams_digest(other) for other in runs}) > 1:
        raise Refused(f"Expected runs with the same streams; those of {', '.join(str(r.root) for r in runs)} differ.")
    wanted = tuple(dict.fromkeys(splits)) or tuple(name for name in index.splits if name not in NOT_TESTED)
    if not wanted:
        raise Refused(f"Expected a split to test on in {index.root}; it has {', '.join(index.splits)}. Name one.")
    _check_classes(run, index, index.split(*wanted).videos)
    if index.root.resolve() == run.data.resolve():
        say_untrained_classes(index)
    models: list[dict[Method, IntegralAction]] = []
    for other in runs:
        models.append({})
        for method in other.methods:
            model = channels_last(other.load(method))
            if streams := models[0].get(run.methods[-1]):
                _share_streams(model, streams)
            models[-1][method] = model.to(device)
    parts = [_evaluate_split(runs, index.split(split), split, models, device) for split in wanted]
    for other in runs:
        write_results(other, index)
    for folder in parts:
        shutil.rmtree(folder)
    return [{method: read_predictions(other, index, method, wanted) for method in other.methods} for other in runs]


def _check_classes(run: Run, index: Index, videos: Sequence[Video]) -> None:
    if unknown := sorted({video.label for video in videos} - set(run.recipe.model.classes)):
        raise Refused(
            f"Expected classes that the model of {run.root} knows; found {', '.join(map(repr, unknown))} in "
            f"{index.root}. Test on a data set of the model's classes."
        )


def _share_streams(model: IntegralAction, streams: IntegralAction) -> None:
    """Let a model use the equal streams of another one: of many models, memory then holds one copy."""
    for part in ("appearance", "pose"):
        if getattr(model, part) is not None:
            setattr(model, part, getattr(streams, part))


@torch.no_grad()
def _evaluate_split(
    runs: Sequence[Run], index: Index, split: str, models: list[dict[Method, IntegralAction]], device: torch.device
) -> Path:
    """Predictions of every method on one split, chunk by chunk; a chunk that is there is not made again.

    Returns:
        The folder of the chunks, to be removed when all splits are done.
    """
    run, by_name = runs[0], _by_name(models)
    store = PoseStore.of(index.root)
    weights = [weights_digest(other) for other in runs]
    parts = _folder(run, index, split) / f"part-{digest(index, *weights, store.state)}"
    # the model with the most streams: both, where the run has both
    streams = models[0][run.methods[-1]]
    reader = ClipReader.for_model(index, store, streams.config)
    if reader.without_poses and reader.has_poses:
        say(f"{reader.without_poses} of {len(index.videos)} videos of {split} have no poses")
    clips = TestClips(reader)
    parts.mkdir(parents=True, exist_ok=True)
    paths = []
    batch_bytes = bytes_of_clips(streams.config, TEST_CLIPS)
    with progress(f"testing {index.name} {split}", len(clips)) as advance, heeded_loaders():
        for first in range(0, len(clips), CHUNK):
            path = parts / f"{first:07d}.safetensors"
            paths.append(path)
            numbers = range(first, min(first + CHUNK, len(clips)))
            if _is_whole(path):
                advance(len(numbers))
                continue
            rows = []
            for batch in load_batches(Subset(clips, numbers), run.recipe.loading.workers, batch_bytes):
                rows.append(predict_clips(by_name, streams, batch.to(device)))
                advance(1)
            _save({name: np.stack([row[name] for row in rows]) for name in rows[0]}, path, "")
    loaded = [load_file(path) for path in paths]
    tensors = {name: np.concatenate([chunk[name] for chunk in loaded]) for name in loaded[0]}
    for number, other in enumerate(runs):
        for method in other.methods:
            name = f"{number}.{method}"
            own = {part: tensors[f"{name}.{part}"] for part in ("probabilities", "gate") if f"{name}.{part}" in tensors}
            _write_predictions(other, index, split, method, own)
    return parts


def _by_name(models: list[dict[Method, IntegralAction]]) -> dict[str, IntegralAction]:
    """The models of several runs in one table, by the run's number and the method."""
    return {f"{number}.{method}": model for number, of_run in enumerate(models) for method, model in of_run.items()}


def predict_clips(
    models: Mapping[str, IntegralAction] | Mapping[Method, IntegralAction], streams: IntegralAction, batch: Batch
) -> dict[str, np.ndarray]:
    """What each model says of one video, from its clips: `NAME.probabilities` (classes,) and `NAME.gate` ().

    Args:
        models: by name; all have the same streams.
        streams: the model whose streams are used.
        batch: the clips of the video.
    """
    features = streams.features(batch.frames, batch.joints)
    found: dict[str, torch.Tensor] = {}
    for name, model in models.items():
        output = model.integrate(model.own(features))
        found[f"{name}.probabilities"] = output.probabilities.mean(dim=0)
        if output.gate is not None:
            found[f"{name}.gate"] = output.gate.mean()
    return {name: value.cpu().numpy() for name, value in found.items()}


def _folder(run: Run, index: Index, split: str) -> Path:
    return run.root / "predictions" / results_name(run, index) / split


def results_name(run: Run, index: Index) -> str:
    """How results on a data set are called: by its name, and by its folder too where the run was trained on another."""
    if index.root.resolve() == run.data.resolve():
        return index.name
    return f"{index.name}-in-{index.root.resolve().name}"


def weights_digest(run: Run) -> str:
    """A digest of all weights of a run.

    Raises:
        FileNotFoundError, ValueError: see `Run.check_trained`.
    """
    run.check_trained()
    made = hashlib.sha256()
    for method in run.trained:
        made.update(run.model_path(method).read_bytes())
    return made.hexdigest()


def streams_digest(run: Run) -> str:
    """A digest of the streams with which a run answers; of one that changes them in stage 3, of all its weights."""
    if run.recipe.stages.strategy != "fixed":
        return weights_digest(run)
    made = hashlib.sha256()
    for method in run.recipe.streams:
        made.update(run.model_path(method).read_bytes())
    return made.hexdigest()


def digest(index: Index, *others: str) -> str:
    """Of the rows of an index, and more: what was predicted for other ones is not taken for theirs."""
    made = hashlib.sha256()
    for part in (*index.videos, *others):
        made.update(repr(part).encode())
    return made.hexdigest()[:16]


def _is_whole(path: Path) -> bool:
    """Whether a file of tensors is there, and not empty or cut off."""
    try:
        with safe_open(path, "numpy"):
            return True
    except (SafetensorError, OSError):
        return False


def _save(tensors: dict[str, np.ndarray], path: Path, of: str) -> None:
    with write_whole(path) as aside:
        save_file(tensors, aside, metadata={_KEY: of})


def _basis(run: Run, index: Index, method: Method) -> tuple[str, str, str]:
    """Digests of what predictions depend on: the videos of a split, their poses, the weights, these where all are
    there."""
    streams: tuple[Method, ...] = ("appearance-only", "pose-only")
    paths = [run.model_path(name) for name in (streams if method == "score-average" else (method,))]
    weights = [_file_digest(path, path.stat().st_mtime_ns) for path in paths if path.is_file()]
    poses = "none" if method == "appearance-only" else poses_digest(index)
    return digest(index), poses, "+".join(weights) if len(weights) == len(paths) else ""


@lru_cache(maxsize=256)
def _file_digest(path: Path, _changed: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _write_predictions(run: Run, index: Index, split: str, method: Method, tensors: dict[str, np.ndarray]) -> None:
    probabilities = tensors["probabilities"]
    if not np.isfinite(probabilities).all():
        raise Refused(f"Expected finite probabilities of {method} of {run.root}; found NaN. Train it again.")
    gate = tensors.get("gate", np.full(len(probabilities), np.nan, np.float32))
    path = _folder(run, index, split) / f"{method}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    _save({"probabilities": probabilities, "gate": gate}, path, " ".join(_basis(run, index, method)))
    predictions = read_predictions(run, index, method, (split,))
    rank, best = predictions.rank(), probabilities.argmax(axis=1)
    with _aside(path.with_suffix(".csv")) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["video", "start", "end", "label", "predicted", "probability", "rank_of_label", "gate"])
        for i, video in enumerate(predictions.videos):
            where = [video.video, video.start, video.end, video.label]
            shown = "" if np.isnan(gate[i]) else f"{gate[i]:.6f}"
            answer = [predictions.classes[best[i]], f"{probabilities[i, best[i]]:.6f}", rank[i], shown]
            writer.writerow(map(spreadsheet, (*where, *answer)))


def read_predictions(run: Run, index: Index, method: Method, splits: tuple[str, ...]) -> Predictions:
    """The predictions on these splits that `evaluate` left in a run folder.

    Raises:
        FileNotFoundError: there are none.
        ValueError: they were made of other videos or poses than the data set has now, by other weights than the run
            has, or are damaged.
    """
    probabilities, gate, videos = [], [], []
    for split in splits:
        path = _folder(run, index, split) / f"{method}.safetensors"
        if not path.is_file():
            raise MissingFile(f"Expected predictions in {path}; make them with `integralaction evaluate {run.root}`.")
        part = index.split(split)
        again = f"Make them again: integralaction evaluate {run.root}."
        try:
            with safe_open(path, "numpy") as handle:
                then = (handle.metadata() or {}).get(_KEY, "").split(" ")
                probabilities.append(handle.get_tensor("probabilities"))
                gate.append(handle.get_tensor("gate"))
        except SafetensorError as error:
            raise Refused(f"Expected predictions in {path}; it is empty or damaged. {again}") from error
        now = _basis(run, part, method)
        parts = (f"the videos of {index.root}", f"the poses of {index.root}", f"the model {method} of {run.root}")
        changed = [what for what, a, b in zip(parts, then, now, strict=False) if b and a != b]
        if changed:
            raise Refused(
                f"Expected predictions of {changed[0]} as now in {path}; found those of an earlier state. {again}"
            )
        videos += part.videos
    classes = run.recipe.model.classes
    _check_classes(run, index, videos)
    labels = np.array([classes.index(video.label) for video in videos])
    return Predictions(method, classes, tuple(videos), labels, np.concatenate(probabilities), np.concatenate(gate))


def score(predictions: Predictions, split: str) -> Score:
    """Top-1 with its interval, top-5 and mean gate on one split."""
    part = predictions.of_split(split)
    rank = part.rank()
    low, high = share_interval(rank == 0)
    gate = float(np.nanmean(part.gate)) if np.isfinite(part.gate).any() else float("nan")
    return Score(
        predictions.method,
        split,
        len(rank),
        float((rank == 0).mean()),
        low,
        high,
        float((rank < 5).mean()),
        gate,
    )


def paired_difference(ours: Predictions, theirs: Predictions, split: str) -> tuple[float, float, float]:
    """Top-1 of ours minus theirs on the same videos, with its 95 % interval: (difference, low, high)."""
    a, b = ours.of_split(split), theirs.of_split(split)
    if [v.video for v in a.videos] != [v.video for v in b.videos]:
        raise Refused(f"Expected predictions on the same videos; {ours.method} and {theirs.method} differ.")
    difference = (a.rank() == 0).astype(np.float64) - (b.rank() == 0)
    return float(difference.mean()), *difference_interval(difference)


def write_results(run: Run, index: Index) -> None:
    """Tables of every split that was tested: `NAME.csv` (all scores), `NAME-classes.csv`, `NAME.md` (to read)."""
    folder, name = run.root / "results", results_name(run, index)
    folder.mkdir(parents=True, exist_ok=True)
    splits = [split for split in index.splits if _is_tested(run, index, split)]
    predictions = {method: read_predictions(run, index, method, tuple(splits)) for method in run.methods}
    splits = protocols(predictions[run.methods[0]].videos)
    scores = [score(p, split) for p in predictions.values() for split in splits]
    with _aside(folder / f"{name}.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["method", "split", "videos", "top1", "low", "high", "top5", "gate"])
        for s in scores:
            numbers = [f"{x:.6f}" for x in (s.top1, s.low, s.high, s.top5)]
            gate = "" if np.isnan(s.gate) else f"{s.gate:.4f}"
            writer.writerow(map(spreadsheet, (s.method, s.split, s.videos, *numbers, gate)))
    with _aside(folder / f"{name}-classes.csv") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["method", "split", "class", "videos", "top1", "gate"])
        for p in predictions.values():
            for split in splits:
                writer.writerows(map(spreadsheet, row) for row in _per_class(p.of_split(split), split))
    with _aside(folder / f"{name}.md") as file:
        file.write(results_table(scores, splits))
        lines = [f"- {markdown(line)}" for line in comparisons(predictions, splits)]
        file.write("\n" + "\n".join([*lines, *_few(scores)]) + "\n")


def protocols(videos: Sequence[Video]) -> list[str]:
    """The splits, and beside a split of which the released code leaves videos out its own protocol."""
    names = []
    for split in dict.fromkeys(video.split for video in videos):
        marked = {video.note == AS_RELEASED for video in videos if video.split == split}
        names += [split, *([split + RELEASED] if len(marked) == 2 else [])]
    return names


def _is_tested(run: Run, index: Index, split: str) -> bool:
    """Whether predictions of all methods on the split as it is now are there."""
    try:
        for method in run.methods:
            read_predictions(run, index, method, (split,))
    except (FileNotFoundError, ValueError):
        return False
    return True


@contextmanager
def _aside(path: Path) -> Generator[TextIO]:
    with write_whole(path) as aside, aside.open("w", newline="", encoding="utf-8") as file:
        yield file


def _per_class(predictions: Predictions, split: str) -> list[list]:
    right = predictions.rank() == 0
    rows = []
    for number, name in enumerate(predictions.classes):
        of_class = predictions.labels == number
        if of_class.any():
            gate = predictions.gate[of_class].mean()
            shown = "" if np.isnan(gate) else f"{gate:.4f}"
            rows.append([predictions.method, split, name, of_class.sum(), f"{right[of_class].mean():.4f}", shown])
    return rows


def results_table(scores: list[Score], splits: list[str]) -> str:
    """Methods by splits in Markdown: top-1 in per cent with its interval, mean gate."""
    by_cell = {(s.method, s.split): s for s in scores}
    methods = list(dict.fromkeys(s.method for s in scores))
    count = {split: by_cell[methods[0], split].videos for split in splits}
    lines = [
        "| method | " + " | ".join(f"{markdown(split)} ({count[split]})" for split in splits) + " |",
        "|---" * (len(splits) + 1) + "|",
    ]
    for method in methods:
        cells = [by_cell[method, split] for split in splits]
        shown = [f"{100 * c.top1:.1f} [{100 * c.low:.1f}, {100 * c.high:.1f}]" for c in cells]
        lines.append(f"| {method} | " + " | ".join(shown) + " |")
        if not np.isnan(cells[0].gate):
            lines.append(f"| {method}: mean gate | " + " | ".join(f"{c.gate:.2f}" for c in cells) + " |")
    return "\n".join(lines) + "\n"


def comparisons(predictions: dict[Method, Predictions], splits: list[str]) -> list[str]:
    """The paper's method against each other one, split by split, a sentence each."""
    if "integral" not in predictions:
        return []
    lines = []
    for split in splits:
        for method, theirs in predictions.items():
            if method == "integral":
                continue
            gap, low, high = paired_difference(predictions["integral"], theirs, split)
            lines.append(
                f"{split}: integral - {method} = {100 * gap:+.1f} points [{100 * low:+.1f}, {100 * high:+.1f}]"
            )
    return lines


def _few(scores: Sequence[Score]) -> list[str]:
    """A line that names the splits of too few videos, where there are such."""
    line = few_videos({s.split: s.videos for s in scores})
    return ["", markdown(line)] if line else []


def print_results(predictions: dict[Method, Predictions], console: Console) -> None:
    """The table of results for people: methods by splits, top-1 in per cent with its interval; what the gate did."""
    first = next(iter(predictions.values()))
    splits = protocols(first.videos)
    counts = {split: len(first.of_split(split).videos) for split in splits}
    table = Table(title=Text("top-1 in % [95 % interval]"), box=SIMPLE_HEAD, padding=(0, 0, 0, 1), show_edge=False)
    table.add_column("method", no_wrap=True)
    for split in splits:
        table.add_column(Text(printable(f"{split}\n{counts[split]} videos")), justify="right", no_wrap=True)
    gates = []
    for p in predictions.values():
        scores = [score(p, split) for split in splits]
        style = "bold" if p.method == "integral" else ""
        cells = [Text(f"{100 * s.top1:.1f} [{100 * s.low:.0f}, {100 * s.high:.0f}]") for s in scores]
        table.add_row(p.method, *cells, style=style)
        if not np.isnan(scores[0].gate):
            gates.append((p.method, [f"{s.gate:.2f}" for s in scores]))
    table.add_section()
    for i, (method, cells) in enumerate(gates):
        if i == 0:
            table.add_row("mean gate of")
        table.add_row(f"  {method}", *cells)
    console.print(table)
    if gates:
        _print(console, "The gate is 1 where appearance is let in and 0 where the pose alone answers.\n")
    decisive = [split for split in splits if split.startswith("out-of-context")] or splits
    for line in comparisons(predictions, decisive):
        _print(console, f"- {line}")
    if few := few_videos(counts):
        _print(console, few)


def _print(console: Console, line: str) -> None:
    """A line as it is: a name in square brackets is no colour."""
    console.print(Text(printable(line)))
