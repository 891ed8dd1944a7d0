"""A run as one self-contained HTML page: answer, tables, figures, gates, videos, settings, and what is not in it."""

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from integralaction.config import METHODS, SINGLE_STREAMS, Method
from integralaction.console import say
from integralaction.data.clips import Source
from integralaction.data.index import Index, Video
from integralaction.data.poses import PoseStore
from integralaction.draw import draw_poses
from integralaction.errors import Refused
from integralaction.figures.curves import curves_figure, read_log
from integralaction.figures.gallery import Example, examples
from integralaction.figures.plots import confusion_figure, gate_figure, sweep_figure
from integralaction.intervals import few_videos
from integralaction.model.pose_maps import MIN_SCORE
from integralaction.report.page import (
    Answer,
    Card,
    Fold,
    Group,
    Page,
    Section,
    check_page,
    data_uri,
    picture_of,
    read_rows,
    table_markup,
    write_page,
)
from integralaction.settings import read_yaml
from integralaction.skeleton import skeleton_named
from integralaction.tables import Cell, Column, Row, Table, percent_cell, plain_columns
from integralaction.testing.evaluate import NOT_TESTED, comparisons
from integralaction.testing.predictions import Predictions, protocols, read_predictions, results_name
from integralaction.testing.scores import (
    RATIOS,
    by_class,
    confusion,
    gates_by_class,
    is_correct,
    paired_difference,
    score,
    score_sweep,
)
from integralaction.training.run import Run
from integralaction.video.frames import read_frames, write_video

HEIGHT = 160  # of a preview, pixels
SECONDS, FPS = 4, 15  # a preview's length and rate at most
NAMED = 20  # videos that could not be read which are named; the others are counted
DECISIVE = ("in-context", "out-of-context")


@dataclass(frozen=True)
class Found:
    """What a run has to show.

    Attributes:
        splits: those that were tested.
        predictions: by method, on all of these splits.
        main: the method that the page is about.
        skipped: what is missing, in sentences.
    """

    splits: tuple[str, ...]
    predictions: dict[Method, Predictions]
    main: Method
    skipped: tuple[str, ...]

    @property
    def gated(self) -> tuple[Method, ...]:
        """The methods with a gate."""
        return tuple(method for method, p in self.predictions.items() if np.isfinite(p.gate).all())


# ---- a run


def write_report(run: Run, index: Index, splits: tuple[str, ...], out: Path | None = None, previews: int = 3) -> Path:
    """Write the page of a tested run.

    Args:
        index: the data set that it was tested on.
        splits: which of its splits; empty: all but `train` and `val`. One that was not tested is named on the page.
        out: the file, written aside and then renamed; None: `page_path`.
        previews: so many videos at most are shown of each pattern of right and wrong answers.

    Returns:
        The file.

    Raises:
        ValueError: nothing of it was tested, the data set has no such split, or the file is no page of ours.
    """
    if previews < 0:
        raise Refused(f"Expected a number of previews of at least 0; found {previews}.")
    out = out or page_path(run, index, splits)
    check_page(out)
    found = _find(run, index, splits)
    if remark := run.changes_of(index):
        say(remark)
        found = replace(found, skipped=(remark, *found.skipped))
    gates, gates_skipped = _gates(found)
    figures, figures_skipped = _figures(found)
    curves, curves_skipped = _curves(run)
    audit, audit_skipped = _audit(run)
    gallery, gallery_skipped = _gallery(found, index, previews)
    skipped = (
        *found.skipped,
        *_untrained(run),
        *gates_skipped,
        *figures_skipped,
        *curves_skipped,
        *audit_skipped,
        *gallery_skipped,
        *_unreadable(run),
    )
    sections = (
        _results(found),
        *_comparisons(found),
        *gates,
        *figures,
        *curves,
        *audit,
        *gallery,
        _classes(found),
        _settings(run),
        Section("skipped", "What was skipped", lines=skipped or ("Nothing.",)),
    )
    environment = _read_yaml(run.root / "environment.yaml")
    facts = {
        "data set": index.name,
        "tested on": ", ".join(f"{split} ({len(index.split(split).videos)} videos)" for split in found.splits),
        "recipe": run.recipe.name,
        "methods": ", ".join(found.predictions),
        **{name: str(environment[name]) for name in ("date", "command", "integralaction") if name in environment},
    }
    title = f"{run.root.resolve().name}: tested on {index.name}"
    page = Page(title, tuple(facts.items()), tuple(_answer(found)), sections)
    return write_page(page, out)


def page_path(run: Run, index: Index, splits: tuple[str, ...]) -> Path:
    """report.html in the run folder; of another data set, or of other splits than those for tests, a page of its own
    beside it."""
    other = [results_name(run, index)] if index.root.resolve() != run.data.resolve() else []
    for_tests = {name for name in index.splits if name not in NOT_TESTED}
    named = [] if set(splits) == for_tests else dict.fromkeys(splits)
    return run.root / ("-".join(["report", *other, *named]) + ".html")


def _find(run: Run, index: Index, splits: tuple[str, ...]) -> Found:
    """The predictions that are there, and a sentence for each that is not.

    Raises:
        ValueError: none is there, or the data set has no such split.
    """
    wanted = tuple(dict.fromkeys(splits)) or tuple(name for name in index.splits if name not in NOT_TESTED)
    if not wanted:
        raise Refused(f"Expected a split to report on in {index.root}; it has {', '.join(index.splits)}. Name one.")
    index.split(*wanted)  # a split that is not there is said at once
    there: dict[str, list[Method]] = {}
    skipped = []
    for split in wanted:
        there[split], why = [], {}
        for method in run.methods:
            try:
                read_predictions(run, index, method, (split,))
            except (FileNotFoundError, ValueError) as error:
                untested = f"not tested; `integralaction evaluate {run.root} --split {split}` does it."
                why[method] = untested if isinstance(error, FileNotFoundError) else str(error)
            else:
                there[split].append(method)
        whole = len(why) == len(run.methods) and len(set(why.values())) == 1
        names = {split: next(iter(why.values()))} if whole else {f"{split}, {method}": w for method, w in why.items()}
        skipped += [f"Split {name}: {reason}" for name, reason in names.items()]
    tested = tuple(split for split, methods in there.items() if methods)
    methods = [method for method in run.methods if tested and all(method in there[split] for split in tested)]
    if not methods:
        run.check_trained()
        raise Refused(
            f"Expected predictions on {', '.join(wanted)} of {index.name} in {run.root}; found none. Make them with "
            f"`integralaction evaluate {run.root}`. {skipped[0]}"
        )
    for method in run.methods:
        if method not in methods and any(method in there[split] for split in tested):
            skipped.append(
                f"Method {method}: left out of all tables, as it was not tested on each of {', '.join(tested)}."
            )
    predictions = {method: read_predictions(run, index, method, tested) for method in methods}
    main = next((m for m in ("integral", run.recipe.methods[0]) if m in predictions), methods[0])
    return Found(tested, predictions, main, tuple(skipped))


def _answer(found: Found) -> list[str]:
    """Which method is best, in words and numbers."""
    sentences = []
    for split in [split for split in DECISIVE if split in found.splits] or found.splits:
        scores = sorted((score(p, split) for p in found.predictions.values()), key=lambda s: -s.top1)
        best, named = scores[0], split.replace("-", " ")
        told = f"{100 * best.top1:.1f} % top-1 [{100 * best.low:.1f}, {100 * best.high:.1f}]"
        if len(scores) == 1:
            sentences.append(f"{named.capitalize()}: {best.method} has {told} on {best.videos} videos.")
            continue
        equal = [s.method for s in scores if s.top1 == best.top1]
        if len(equal) > 1:
            names = f"{', '.join(equal[:-1])} and {equal[-1]} are best with"
            if len(equal) == len(scores) > 2:
                names = f"all {len(equal)} methods have"
            sentences.append(f"{named.capitalize()}: {names} {told} on {best.videos} videos.")
            continue
        other = next((s for s in scores[1:] if s.method == found.main), scores[1])
        ours, theirs = (next(p for p in found.predictions.values() if p.method == s.method) for s in (best, other))
        gap, low, high = (100 * x for x in paired_difference(ours, theirs, split))
        clear = "" if low > 0 else ", which may be chance"
        sentences.append(
            f"{named.capitalize()}: {best.method} is best with {told} on {best.videos} videos: {gap:.1f} points "
            f"[{low:+.1f}, {high:+.1f}] more than {other.method} with {100 * other.top1:.1f} %{clear}."
        )
    if found.main in found.gated:
        means = [f"{score(found.predictions[found.main], split).gate:.2f} ({split})" for split in found.splits]
        sentences.append(
            f"The mean gate of {found.main} is {', '.join(means)}: 0 keeps to the pose, 1 lets the appearance in."
        )
    sentences.append("Numbers in brackets are 95 % intervals: where the number may lie for other videos of this kind.")
    first = found.predictions[found.main]
    if few := few_videos({split: len(first.of_split(split).videos) for split in found.splits}):
        sentences.append(few)
    return [sentence.replace(" %", "\u00a0%") for sentence in sentences]


def _results(found: Found) -> Section:
    first = found.predictions[found.main]
    columns, split_names = [], protocols(first.videos)
    for split in split_names:
        group = f"{split} ({len(first.of_split(split).videos)} videos)"
        columns += [Column(group, "top-1 % [95 %]"), Column(group, "top-5 %"), Column(group, "gate", 2)]
    rows = []
    for method, predictions in found.predictions.items():
        cells: list[Cell] = []
        for split in split_names:
            s = score(predictions, split)
            cells += [percent_cell(s.top1, s.low, s.high), Cell(100 * s.top5), Cell(s.gate)]
        rows.append(Row(method, tuple(cells), strong=method == found.main))
    table = Table("results", "Share of the videos that are answered rightly", "method", tuple(columns), tuple(rows))
    return Section("results", "Results", tables=(table_markup(table),))


def _comparisons(found: Found) -> list[Section]:
    splits = protocols(found.predictions[found.main].videos)
    lines = tuple(comparisons(found.predictions, splits))
    text = (
        "How many more videos integral answers rightly than another method, on the same videos, in points of per cent. "
        "Where the interval in brackets does not hold 0, the difference is hardly chance.",
    )
    return [Section("comparisons", "integral against the others", text, lines)] if lines else []


def _gates(found: Found) -> tuple[list[Section], list[str]]:
    if not found.gated:
        return [], ["Gates by class and their distribution: no method of this run has a gate."]
    columns = tuple(Column("", split, 2, bars=True) for split in found.splits)
    tables = []
    for method in found.gated:
        whole = found.predictions[method]
        means = [gates_by_class(whole.of_split(split)) for split in found.splits]
        rows = tuple(
            Row(name, tuple(Cell(of_split.get(name, np.nan)) for of_split in means)) for name in gates_by_class(whole)
        )
        title = f"Mean gate of {method}, the classes that let the most appearance in first"
        tables.append(table_markup(Table(f"gates-{method}", title, "class", columns, rows)))
    text = ("The gate is 0 where the pose alone answers and 1 where appearance is let in.",)
    return [Section("gates", "Gates by class", text, tables=tuple(tables))], []


def _figures(found: Found) -> tuple[list[Section], list[str]]:
    pictures, skipped = [], []
    if found.gated:
        gates: dict[str, dict[str, np.ndarray]] = {
            m: {split: found.predictions[m].of_split(split).gate for split in found.splits} for m in found.gated
        }
        caption = "How open the gate is: the distribution of the videos' mean gates."
        alt = f"Distributions of the mean gate of {', '.join(gates)} on {', '.join(found.splits)}."
        pictures.append(picture_of(gate_figure(gates), alt, caption))
    parts = {m: {s: p.of_split(s) for s in found.splits} for m, p in found.predictions.items()}
    if {"integral", *SINGLE_STREAMS} <= parts.keys():
        sweeps = {s: score_sweep(parts["appearance-only"][s], parts["pose-only"][s]) for s in found.splits}
        integral = {s: float(is_correct(parts["integral"][s]).mean()) for s in found.splits}
        alt = "Top-1 of score averaging at " + "; ".join(
            f"{s}: {100 * values.min():.1f} to {100 * values.max():.1f} %, integral {100 * integral[s]:.1f} %"
            for s, values in sweeps.items()
        )
        caption = "Top-1 when the scores of the two streams are averaged, at every ratio, beside that of integral."
        pictures.append(picture_of(sweep_figure(sweeps, integral, RATIOS), alt, caption))
    else:
        skipped.append(
            "Score averaging at every ratio: it needs integral, appearance-only and pose-only, and this run has "
            f"{', '.join(parts)}."
        )
    methods = [method for method in parts if method in (*SINGLE_STREAMS, found.main)]
    splits = [split for split in DECISIVE if split in found.splits] or list(found.splits)
    matrices: dict[tuple[str, str], np.ndarray] = {
        (split, method): confusion(parts[method][split]) for split in splits for method in methods
    }
    alt = f"Confusion matrices of {', '.join(methods)} on {', '.join(splits)}."
    caption = "Which classes are confused: rows are the true classes, columns the answers; the darker, the more often."
    pictures.append(picture_of(confusion_figure(matrices, found.predictions[found.main].classes), alt, caption))
    return [Section("figures", "Figures", pictures=tuple(pictures))], skipped


def _curves(run: Run) -> tuple[list[Section], list[str]]:
    logs: dict[str, list[dict[str, float]]] = {}
    skipped = []
    for method in (*run.recipe.streams, *run.recipe.integrations):
        path = run.stage_path(method) / "log.csv"
        if path.is_file():
            logs[method] = read_log(path)
        else:
            skipped.append(f"Training curve of {method}: there is no {path}.")
    if not logs:
        return [], skipped
    last = {method: log[-1] for method, log in logs.items()}
    alt = "Training curves. At the end: " + "; ".join(
        f"{m}: loss {row['classification']:.3f}, top-1 {100 * row['top1']:.1f} %, epoch {row['epoch']:.0f}"
        for m, row in last.items()
    )
    caption = "By epoch, over the training clips with their random crops and flips."
    return [Section("training", "Training", pictures=(picture_of(curves_figure(logs), alt, caption),))], skipped


def _audit(run: Run) -> tuple[list[Section], list[str]]:
    paths = sorted((run.root / "results").glob("*-audit.csv"))
    if not paths:
        return [], [f"Person or scene: not audited; `integralaction audit {run.root}` does it."]
    tables = []
    for path in paths:
        heading, *rows = read_rows(path)
        of = [dict(zip(heading, row, strict=True)) for row in rows]
        names, methods = (list(dict.fromkeys(row[key] for row in of)) for key in ("score", "method"))
        cells = {
            (row["method"], row["score"]): percent_cell(float(row["share"]), float(row["low"]), float(row["high"]))
            for row in of
        }
        table_rows = tuple(Row(m, tuple(cells[m, name] for name in names), m == "integral") for m in methods)
        title = f"{path.stem.removesuffix('-audit')}, {of[0]['videos']} videos: shares in % [95 %]"
        tables.append(table_markup(Table(path.stem, title, "method", plain_columns(names), table_rows)))
    text = (
        "The videos taken apart by their poses. Swapped videos show the person before another class's background: "
        "SHAcc is the share given the person's class, SBErr the share given the background's. What follows the person "
        "has a high SHAcc and a low SBErr.",
    )
    return [Section("audit", "Person or scene", text, tables=tuple(tables))], []


def _classes(found: Found) -> Section:
    columns = plain_columns(list(found.predictions), digits=0)
    tables = []
    for split in found.splits:
        parts = [p.of_split(split) for p in found.predictions.values()]
        shares = [by_class(is_correct(part), part) for part in parts]
        rows = tuple(Row(name, tuple(Cell(100 * of_method[name]) for of_method in shares)) for name in shares[0])
        tables.append(
            table_markup(Table(f"classes-{split}", f"{split}: top-1 in %, by true class", "class", columns, rows))
        )
    return Section("classes", "Accuracy by class", tables=tuple(tables))


def _settings(run: Run) -> Section:
    paths = {"Settings": run.root / "settings.yaml", "Environment": run.root / "environment.yaml"}
    folds = tuple(Fold(title, path.read_text(encoding="utf-8")) for title, path in paths.items() if path.is_file())
    return Section("settings", "Settings", folds=folds)


def _untrained(run: Run) -> list[str]:
    trained = (*run.recipe.streams, *run.recipe.integrations)
    lines = [f"Method {method}: not trained." for method in trained if not run.model_path(method).is_file()]
    if others := [method for method in METHODS if method not in run.methods]:
        lines.append(f"Methods that this run's recipe does not train: {', '.join(others)}.")
    return lines


def _unreadable(run: Run) -> list[str]:
    lines = []
    for path in sorted((run.root / "stages").glob("*/failed.csv")):
        rows = read_rows(path)[1:]
        lines.append(f"Training of {path.parent.name}: videos that could not be read: {len(rows)}.")
        lines += [f"{path.parent.name}, {': '.join(row)}" for row in rows[:NAMED]]
        if len(rows) > NAMED:
            lines.append(f"{path.parent.name}: {len(rows) - NAMED} more are named in {path}.")
    return lines


# ---- the gallery


def _patterns(found: Found) -> list[dict[str, bool]]:
    """By method whether it is right: what the page's method does where the single streams fail; where it fails."""
    streams: list[str] = [m for m in SINGLE_STREAMS if m in found.predictions and m != found.main]
    main: str = found.main
    saved = {
        2: [(False, True), (True, False), (False, False)],
        1: [(False,)],
        0: [],
    }[len(streams)]
    patterns = [{main: True, **dict(zip(streams, rights, strict=True))} for rights in saved]
    return [*patterns, {main: False}]


def _gallery(found: Found, index: Index, previews: int) -> tuple[list[Section], list[str]]:
    skipped = []
    if missing := [m for m in ("integral", *SINGLE_STREAMS) if m not in found.predictions]:
        skipped.append(f"Patterns of right and wrong answers of {', '.join(missing)}, which this run did not test.")
    if previews == 0:
        return [], ["Gallery: no previews were asked for.", *skipped]
    store = PoseStore.of(index.root)
    predictions: dict[str, Predictions] = {**found.predictions}
    main = predictions[found.main]
    groups = []
    for pattern in _patterns(found):
        first, *others = [f"{method} is {'right' if is_right else 'wrong'}" for method, is_right in pattern.items()]
        title = f"{first} where {' and '.join(others)}" if others else first
        every = examples(predictions, pattern, len(main.videos))
        if not every:
            skipped.append(f"Gallery, {title}: there is no such video.")
            continue
        cards = []
        for example in every[:previews]:
            video = main.videos[example.number]
            preview, fault = _preview_or_fault(index, store, video)
            if fault:
                skipped.append(f"Preview of {video.video}: {fault}")
            cards.append(_card(example, main, preview))
        groups.append(Group(title.capitalize(), f"{len(every)} of {len(main.videos)} videos", tuple(cards)))
    text = (
        "Videos grouped by which methods are right, those with the surest answers first, of as many classes as there "
        "are.",
    )
    return [Section("gallery", "Gallery", text, groups=tuple(groups))], skipped


def _card(example: Example, main: Predictions, preview: str) -> Card:
    answers = tuple(Answer(method, name, is_right) for method, (name, is_right) in example.answers.items())
    gate = float(main.gate[example.number])
    split = main.videos[example.number].split
    return Card(example.title, split, preview, answers, None if np.isnan(gate) else gate)


def _preview_or_fault(index: Index, store: PoseStore, video: Video) -> tuple[str, str]:
    """A data URI and '', or '' and what is wrong with the video."""
    try:
        return data_uri("video/mp4", preview(index, store, video)), ""
    except (ValueError, OSError) as error:
        return "", " ".join(str(error).split())


def preview(index: Index, store: PoseStore, video: Video) -> bytes:
    """The middle seconds of a video as a small H.264 mp4, its poses drawn.

    Raises:
        FileNotFoundError: there is no such video.
        ValueError: it cannot be read.
    """
    source = Source.of(video, index.path(video))
    step = max(1, round(video.fps / FPS))
    count = min(source.frames, max(1, round(SECONDS * video.fps)))
    wanted = source.first + (source.frames - count) // 2 + np.arange(0, count, step)
    frames = read_frames(index.path(video), wanted, short_side=_short_side(video))
    skeleton = skeleton_named(index.skeleton)
    joints = store.at(video.video, wanted) if video.video in store else [np.zeros((0, len(skeleton.joints), 3))] * count
    scale = np.array([frames.shape[2] / video.width, frames.shape[1] / video.height, 1])
    drawn = []
    for frame, persons in zip(frames, joints[: len(frames)], strict=True):
        picture = Image.fromarray(frame)
        draw_poses(picture, persons * scale, skeleton, MIN_SCORE)
        drawn.append(np.asarray(picture)[: len(frame) // 2 * 2, : frame.shape[1] // 2 * 2])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "preview.mp4"
        write_video(path, drawn, video.fps / step)
        return path.read_bytes()


def _short_side(video: Video) -> int:
    """The shorter side with which the height becomes that of a preview."""
    return min(HEIGHT, max(2, round(HEIGHT * video.width / video.height)))


def _read_yaml(path: Path) -> dict:
    """The values in a file; none where there is no file."""
    values = read_yaml(path) if path.is_file() else {}
    return values if isinstance(values, dict) else {}
