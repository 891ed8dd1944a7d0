"""Ten-clip testing: probabilities averaged over the clips (paper, section 3.5); top-1, top-5, per class.

Predictions are kept in the run folder, so that tables need no second pass over the videos. Each method of a run is
tested on the same stream features, computed once.
"""

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from rich.console import Console
from safetensors.numpy import load_file
from torch.utils.data import Subset

from integralaction.clip import Batch
from integralaction.config import Method
from integralaction.console import progress, say
from integralaction.data.dataset import ClipReader, TestClips
from integralaction.data.index import Index, say_untrained_classes
from integralaction.data.loading import bytes_of_clips, load_batches, watch_loaders
from integralaction.data.poses import PoseStore
from integralaction.data.sampling import TEST_CLIPS
from integralaction.errors import Refused
from integralaction.escapes import escape_csv, escape_markdown
from integralaction.files import write_rows, write_text
from integralaction.intervals import few_videos
from integralaction.model.network import IntegralAction, channels_last
from integralaction.tables import Cell, Row, Table, emphasize_row, percent_cell, plain_columns, to_markdown
from integralaction.terminal import print_table
from integralaction.testing.predictions import (
    Predictions,
    check_classes,
    digest,
    is_tested,
    is_whole,
    predictions_folder,
    protocols,
    read_predictions,
    results_name,
    streams_digest,
    weights_digest,
    write_predictions,
    write_tensors,
)
from integralaction.testing.scores import Score, paired_difference, score
from integralaction.training.run import Run

CHUNK = 256  # videos after which an evaluation can be continued
NOT_TESTED = ("train", "val")


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
    for run in runs:
        run.check_trained()
        if remark := run.changes_of(index):
            say(remark)
    if len({streams_digest(run) for run in runs}) > 1:
        raise Refused(f"Expected runs with the same streams; those of {', '.join(str(r.root) for r in runs)} differ.")
    splits = tuple(dict.fromkeys(splits)) or tuple(name for name in index.splits if name not in NOT_TESTED)
    if not splits:
        raise Refused(f"Expected a split to test on in {index.root}; it has {', '.join(index.splits)}. Name one.")
    first = runs[0]
    check_classes(first, index, index.split(*splits).videos)
    if index.root.resolve() == first.data.resolve():
        say_untrained_classes(index)
    models: list[dict[Method, IntegralAction]] = []
    for run in runs:
        models.append({})
        for method in run.methods:
            model = channels_last(run.load(method))
            if streams := models[0].get(first.methods[-1]):
                _share_streams(model, streams)
            models[-1][method] = model.to(device)
    parts = [_evaluate_split(runs, index.split(split), split, models, device) for split in splits]
    for run in runs:
        write_results(run, index)
    for folder in parts:
        shutil.rmtree(folder)
    return [{method: read_predictions(run, index, method, splits) for method in run.methods} for run in runs]


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
    first, models_by_name = runs[0], _models_by_name(models)
    store = PoseStore.of(index.root)
    weights = [weights_digest(run) for run in runs]
    parts = predictions_folder(first, index, split) / f"part-{digest(index, *weights, store.state)}"
    # the model with the most streams: both, where the run has both
    streams = models[0][first.methods[-1]]
    reader = ClipReader.for_model(index, store, streams.config)
    if reader.without_poses and reader.has_poses:
        say(f"{reader.without_poses} of {len(index.videos)} videos of {split} have no poses")
    clips = TestClips(reader)
    parts.mkdir(parents=True, exist_ok=True)
    paths = []
    batch_bytes = bytes_of_clips(streams.config, TEST_CLIPS)
    with progress(f"testing {index.name} {split}", len(clips)) as advance, watch_loaders():
        for start in range(0, len(clips), CHUNK):
            path = parts / f"{start:07d}.safetensors"
            paths.append(path)
            numbers = range(start, min(start + CHUNK, len(clips)))
            if is_whole(path):
                advance(len(numbers))
                continue
            rows = []
            for batch in load_batches(Subset(clips, numbers), first.recipe.loading.workers, batch_bytes):
                rows.append(predict_clips(models_by_name, streams, batch.to(device)))
                advance(1)
            write_tensors({name: np.stack([row[name] for row in rows]) for name in rows[0]}, path, "")
    loaded = [load_file(path) for path in paths]
    tensors = {name: np.concatenate([chunk[name] for chunk in loaded]) for name in loaded[0]}
    for number, run in enumerate(runs):
        for method in run.methods:
            names = {part: f"{number}.{method}.{part}" for part in ("probabilities", "gate")}
            of_method = {part: tensors[name] for part, name in names.items() if name in tensors}
            write_predictions(run, index, split, method, of_method)
    return parts


def _models_by_name(models: list[dict[Method, IntegralAction]]) -> dict[str, IntegralAction]:
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
    answers: dict[str, torch.Tensor] = {}
    for name, model in models.items():
        output = model.integrate(model.select_features(features))
        answers[f"{name}.probabilities"] = output.probabilities.mean(dim=0)
        if output.gate is not None:
            answers[f"{name}.gate"] = output.gate.mean()
    return {name: value.cpu().numpy() for name, value in answers.items()}


def write_results(run: Run, index: Index) -> None:
    """Tables of every split that was tested: `NAME.csv` (all scores), `NAME-classes.csv`, `NAME.md` (to read)."""
    folder, name = run.root / "results", results_name(run, index)
    folder.mkdir(parents=True, exist_ok=True)
    splits = [split for split in index.splits if is_tested(run, index, split)]
    predictions = {method: read_predictions(run, index, method, tuple(splits)) for method in run.methods}
    splits = protocols(predictions[run.methods[0]].videos)
    scores = [score(p, split) for p in predictions.values() for split in splits]
    rows: list[tuple] = [("method", "split", "videos", "top1", "low", "high", "top5", "gate")]
    for s in scores:
        numbers = [f"{x:.6f}" for x in (s.top1, s.low, s.high, s.top5)]
        rows.append((s.method, s.split, s.videos, *numbers, "" if np.isnan(s.gate) else f"{s.gate:.4f}"))
    write_rows(folder / f"{name}.csv", (tuple(map(escape_csv, row)) for row in rows))
    rows = [("method", "split", "class", "videos", "top1", "gate")]
    for p in predictions.values():
        for split in splits:
            rows += _rows_by_class(p.of_split(split), split)
    write_rows(folder / f"{name}-classes.csv", (tuple(map(escape_csv, row)) for row in rows))
    lines = [f"- {escape_markdown(line)}" for line in comparisons(predictions, splits)] + _few_videos_lines(scores)
    write_text(folder / f"{name}.md", to_markdown(results_table(scores, splits)) + "\n" + "\n".join(lines) + "\n")


def _rows_by_class(predictions: Predictions, split: str) -> list[tuple]:
    is_right = predictions.rank() == 0
    rows = []
    for number, name in enumerate(predictions.classes):
        of_class = predictions.labels == number
        if of_class.any():
            gate = predictions.gate[of_class].mean()
            gate_text = "" if np.isnan(gate) else f"{gate:.4f}"
            top1 = f"{is_right[of_class].mean():.4f}"
            rows.append((predictions.method, split, name, of_class.sum(), top1, gate_text))
    return rows


def results_table(scores: Sequence[Score], splits: Sequence[str], digits: int = 1) -> Table:
    """Methods by splits: top-1 in per cent with its interval, mean gate.

    Args:
        digits: of the intervals' ends.
    """
    by_cell = {(s.method, s.split): s for s in scores}
    methods = list(dict.fromkeys(s.method for s in scores))
    columns = plain_columns([f"{split} ({by_cell[methods[0], split].videos})" for split in splits], digits=2)
    rows = []
    for method in methods:
        of_method = [by_cell[method, split] for split in splits]
        rows.append(Row(method, tuple(percent_cell(s.top1, s.low, s.high, digits) for s in of_method)))
        if not np.isnan(of_method[0].gate):
            rows.append(Row(f"{method}: mean gate", tuple(Cell(s.gate) for s in of_method)))
    return Table("results", "", "method", columns, tuple(rows))


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


def _few_videos_lines(scores: Sequence[Score]) -> list[str]:
    """A line that names the splits of too few videos, where there are such."""
    line = few_videos({s.split: s.videos for s in scores})
    return ["", escape_markdown(line)] if line else []


def print_results(predictions: dict[Method, Predictions], console: Console) -> None:
    """The table of results for people, what the gate did, and what the differences may be worth."""
    splits = protocols(next(iter(predictions.values())).videos)
    scores = [score(p, split) for p in predictions.values() for split in splits]
    decisive = [split for split in splits if split.startswith("out-of-context")] or splits
    has_gate = any(not np.isnan(s.gate) for s in scores)
    notes = [
        *(["The gate is 1 where appearance is let in and 0 where the pose alone answers."] if has_gate else []),
        *(f"- {line}" for line in comparisons(predictions, decisive)),
        few_videos({s.split: s.videos for s in scores}),
    ]
    table = emphasize_row(results_table(scores, splits, digits=0), "integral")
    title = "top-1 in % [95 % interval]; videos in parentheses"
    print_table(replace(table, title=title, notes=tuple(filter(None, notes))), console)
