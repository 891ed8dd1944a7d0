"""The sections of a run's page: results, gates, figures, training, audit, classes, settings.

A section that may be missing comes with its omissions: a sentence for each thing that it lacks.
"""

import numpy as np

from integralaction.config import METHODS, SINGLE_STREAMS
from integralaction.figures.curves import curves_figure, read_log
from integralaction.figures.plots import confusion_figure, gate_figure, sweep_figure
from integralaction.report.page import Fold, Picture, Section, picture_of, read_rows, table_markup
from integralaction.report.results import RunResults
from integralaction.tables import Cell, Column, Row, Table, percent_cell, plain_columns
from integralaction.testing.evaluate import comparisons
from integralaction.testing.predictions import Predictions, protocols
from integralaction.testing.scores import RATIOS, by_class, confusion, gates_by_class, is_correct, score, score_sweep
from integralaction.training.run import Run

NAMED_VIDEOS = 20  # that could not be read; the others are counted

SectionAndOmissions = tuple[Section | None, list[str]]


# ---- of what was tested


def results_section(results: RunResults) -> Section:
    splits = protocols(results.main.videos)
    columns = []
    for split in splits:
        group = f"{split} ({len(results.main.of_split(split).videos)} videos)"
        columns += [Column(group, "top-1 % [95 %]"), Column(group, "top-5 %"), Column(group, "gate", 2)]
    rows = []
    for method, predictions in results.predictions.items():
        cells: list[Cell] = []
        for split in splits:
            s = score(predictions, split)
            cells += [percent_cell(s.top1, s.low, s.high), Cell(100 * s.top5), Cell(s.gate)]
        rows.append(Row(method, tuple(cells), strong=method == results.main_method))
    table = Table("results", "Share of the videos that are answered rightly", "method", tuple(columns), tuple(rows))
    return Section("results", "Results", tables=(table_markup(table),))


def comparisons_section(results: RunResults) -> SectionAndOmissions:
    lines = tuple(comparisons(results.predictions, protocols(results.main.videos)))
    text = (
        "How many more videos integral answers rightly than another method, on the same videos, in points of per cent. "
        "Where the interval in brackets does not hold 0, the difference is hardly chance.",
    )
    return Section("comparisons", "integral against the others", text, lines) if lines else None, []


def gates_section(results: RunResults) -> SectionAndOmissions:
    if not results.gate_methods:
        return None, ["Gates by class and their distribution: no method of this run has a gate."]
    columns = tuple(Column("", split, 2, bars=True) for split in results.splits)
    tables = []
    for method in results.gate_methods:
        predictions = results.predictions[method]
        means = [gates_by_class(predictions.of_split(split)) for split in results.splits]
        rows = tuple(
            Row(name, tuple(Cell(of_split.get(name, np.nan)) for of_split in means))
            for name in gates_by_class(predictions)
        )
        title = f"Mean gate of {method}, the classes that let the most appearance in first"
        tables.append(table_markup(Table(f"gates-{method}", title, "class", columns, rows)))
    text = ("The gate is 0 where the pose alone answers and 1 where appearance is let in.",)
    return Section("gates", "Gates by class", text, tables=tuple(tables)), []


def figures_section(results: RunResults) -> SectionAndOmissions:
    parts = {m: {s: p.of_split(s) for s in results.splits} for m, p in results.predictions.items()}
    pictures, omissions = [], []
    if results.gate_methods:
        gates: dict[str, dict[str, np.ndarray]] = {
            m: {split: part.gate for split, part in parts[m].items()} for m in results.gate_methods
        }
        caption = "How open the gate is: the distribution of the videos' mean gates."
        alt = f"Distributions of the mean gate of {', '.join(gates)} on {', '.join(results.splits)}."
        pictures.append(picture_of(gate_figure(gates), alt, caption))
    if {"integral", *SINGLE_STREAMS} <= parts.keys():
        pictures.append(_sweep_picture(parts["appearance-only"], parts["pose-only"], parts["integral"]))
    else:
        omissions.append(
            "Score averaging at every ratio: it needs integral, appearance-only and pose-only, and this run has "
            f"{', '.join(parts)}."
        )
    methods = [method for method in parts if method in (*SINGLE_STREAMS, results.main_method)]
    splits = results.decisive_splits
    matrices: dict[tuple[str, str], np.ndarray] = {
        (split, method): confusion(parts[method][split]) for split in splits for method in methods
    }
    alt = f"Confusion matrices of {', '.join(methods)} on {', '.join(splits)}."
    caption = "Which classes are confused: rows are the true classes, columns the answers; the darker, the more often."
    pictures.append(picture_of(confusion_figure(matrices, results.main.classes), alt, caption))
    return Section("figures", "Figures", pictures=tuple(pictures)), omissions


def _sweep_picture(
    appearance: dict[str, Predictions], pose: dict[str, Predictions], integral: dict[str, Predictions]
) -> Picture:
    """Score averaging at every ratio; each argument by split."""
    sweeps = {split: score_sweep(appearance[split], pose[split]) for split in integral}
    top1 = {split: float(is_correct(part).mean()) for split, part in integral.items()}
    alt = "Top-1 of score averaging at " + "; ".join(
        f"{split}: {100 * values.min():.1f} to {100 * values.max():.1f} %, integral {100 * top1[split]:.1f} %"
        for split, values in sweeps.items()
    )
    caption = "Top-1 when the scores of the two streams are averaged, at every ratio, beside that of integral."
    return picture_of(sweep_figure(sweeps, top1, RATIOS), alt, caption)


def classes_section(results: RunResults) -> Section:
    columns = plain_columns(list(results.predictions), digits=0)
    tables = []
    for split in results.splits:
        parts = [p.of_split(split) for p in results.predictions.values()]
        shares = [by_class(is_correct(part), part) for part in parts]
        rows = tuple(Row(name, tuple(Cell(100 * of_method[name]) for of_method in shares)) for name in shares[0])
        tables.append(
            table_markup(Table(f"classes-{split}", f"{split}: top-1 in %, by true class", "class", columns, rows))
        )
    return Section("classes", "Accuracy by class", tables=tuple(tables))


# ---- of the run's folder


def training_section(run: Run) -> SectionAndOmissions:
    logs: dict[str, list[dict[str, float]]] = {}
    omissions = []
    for method in (*run.recipe.streams, *run.recipe.integrations):
        path = run.stage_path(method) / "log.csv"
        if path.is_file():
            logs[method] = read_log(path)
        else:
            omissions.append(f"Training curve of {method}: there is no {path}.")
    if not logs:
        return None, omissions
    last_rows = {method: log[-1] for method, log in logs.items()}
    alt = "Training curves. At the end: " + "; ".join(
        f"{m}: loss {row['classification']:.3f}, top-1 {100 * row['top1']:.1f} %, epoch {row['epoch']:.0f}"
        for m, row in last_rows.items()
    )
    caption = "By epoch, over the training clips with their random crops and flips."
    return Section("training", "Training", pictures=(picture_of(curves_figure(logs), alt, caption),)), omissions


def audit_section(run: Run) -> SectionAndOmissions:
    paths = sorted((run.root / "results").glob("*-audit.csv"))
    if not paths:
        return None, [f"Person or scene: not audited; `integralaction audit {run.root}` does it."]
    tables = []
    for path in paths:
        heading, *lines = read_rows(path)
        rows = [dict(zip(heading, line, strict=True)) for line in lines]
        scores, methods = (list(dict.fromkeys(row[key] for row in rows)) for key in ("score", "method"))
        cells = {
            (row["method"], row["score"]): percent_cell(float(row["share"]), float(row["low"]), float(row["high"]))
            for row in rows
        }
        table_rows = tuple(Row(m, tuple(cells[m, name] for name in scores), m == "integral") for m in methods)
        title = f"{path.stem.removesuffix('-audit')}, {rows[0]['videos']} videos: shares in % [95 %]"
        tables.append(table_markup(Table(path.stem, title, "method", plain_columns(scores), table_rows)))
    text = (
        "The videos taken apart by their poses. Swapped videos show the person before another class's background: "
        "SHAcc is the share given the person's class, SBErr the share given the background's. What follows the person "
        "has a high SHAcc and a low SBErr.",
    )
    return Section("audit", "Person or scene", text, tables=tuple(tables)), []


def settings_section(run: Run) -> Section:
    paths = {"Settings": run.root / "settings.yaml", "Environment": run.root / "environment.yaml"}
    folds = tuple(Fold(title, path.read_text(encoding="utf-8")) for title, path in paths.items() if path.is_file())
    return Section("settings", "Settings", folds=folds)


def untrained_methods(run: Run) -> list[str]:
    """A sentence for each method that is not trained, and one for those that the recipe does not train."""
    methods = (*run.recipe.streams, *run.recipe.integrations)
    lines = [f"Method {method}: not trained." for method in methods if not run.model_path(method).is_file()]
    if others := [method for method in METHODS if method not in run.methods]:
        lines.append(f"Methods that this run's recipe does not train: {', '.join(others)}.")
    return lines


def unreadable_videos(run: Run) -> list[str]:
    """By stage, how many training videos could not be read, and the names of the first."""
    lines = []
    for path in sorted((run.root / "stages").glob("*/failed.csv")):
        stage, rows = path.parent.name, read_rows(path)[1:]
        lines.append(f"Training of {stage}: videos that could not be read: {len(rows)}.")
        lines += [f"{stage}, {': '.join(row)}" for row in rows[:NAMED_VIDEOS]]
        if len(rows) > NAMED_VIDEOS:
            lines.append(f"{stage}: {len(rows) - NAMED_VIDEOS} more are named in {path}.")
    return lines
