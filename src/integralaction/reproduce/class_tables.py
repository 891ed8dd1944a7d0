"""Tables of classes: their mean gates (Table 5), their accuracies beside the oracle's (Tables 10 to 12)."""

import statistics
from collections.abc import Sequence

import numpy as np

from integralaction.reproduce.cells import few_videos_note, number_cell, share_cell, spread_note
from integralaction.reproduce.measure import SeedResults
from integralaction.reproduce.published import read_published
from integralaction.tables import Cell, Column, Row, Table
from integralaction.testing.scores import by_class, gates_by_class, is_correct, is_oracle_correct

PAPER_CLASSES = 8  # in Table 5: the paper shows the four with the highest gates and the four with the lowest


def gates_table(name: str, title: str, seeds: Sequence[SeedResults]) -> Table:
    """The mean gate of each class in context, the highest first, beside the classes that the paper shows."""
    predictions = [seed.of_role("integral", "in-context") for seed in seeds]
    gates = [gates_by_class(p) for p in predictions]
    order = sorted(gates[0], key=lambda c: -statistics.mean(g[c] for g in gates if c in g))
    is_cut = len(order) > 2 * PAPER_CLASSES
    half = PAPER_CLASSES // 2 if is_cut else len(order)
    labels = [*order[:half], *order[-half:]] if is_cut else order
    accuracy = [by_class(is_correct(p), p) for p in predictions]
    paper = list(read_published(5).items())
    rows = []
    for place in range(max(len(labels), len(paper))):
        cells: list[Cell] = [Cell(), Cell()]
        label = ""
        if place < len(labels):
            label = labels[place]
            cells = [number_cell([g[label] for g in gates if label in g])]
            cells.append(number_cell([100 * a[label] for a in accuracy if label in a]))
        theirs = (Cell(), Cell())
        if place < len(paper):
            theirs = (Cell(text=paper[place][0]), Cell(text=paper[place][1]["gate"]))
        rows.append(Row(label, (*cells, *theirs), section=is_cut and place == half))
    columns = (
        Column("", "mean gate", 2),
        Column("", "top-1"),
        Column("paper: Kinetics50", "class"),
        Column("paper: Kinetics50", "mean gate", 2),
    )
    choice = f"The {half} classes with the highest gates and the {half} with the lowest. " if is_cut else ""
    notes = (f"{choice}The gate is 1 where appearance is let in and 0 where the pose alone answers.",)
    if len(seeds) > 1:
        notes = (*notes, spread_note(seeds))
    notes = (*notes, *few_videos_note(seeds))
    return Table(name, title, "class", columns, tuple(rows), notes)


def classes_table(number: int, name: str, title: str, seeds: Sequence[SeedResults]) -> Table:
    """Tables 10 to 12: top-1 of each class, with the oracle that takes the better stream of each video."""
    role = "out-of-context" if number == 11 else "in-context"
    methods = ("appearance-only", "pose-only", "integral")
    predictions = {m: [seed.of_role(m, role) for seed in seeds] for m in methods}
    ours = predictions["integral"]
    correct = {m: [is_correct(p) for p in of_method] for m, of_method in predictions.items()}
    correct["oracle"] = list(map(is_oracle_correct, predictions["appearance-only"], predictions["pose-only"]))
    paper = read_published(number)
    theirs = {label: cells for label, cells in paper.items() if label != "average"}
    has_same_classes = all(label in theirs for label in by_class(correct["integral"][0], ours[0]))
    short = [m.removesuffix("-only") for m in correct]
    heads = [Column("paper", m) for m in short] if has_same_classes else []
    columns = (Column("", "videos", 0), *(Column("measured", m) for m in short), *heads)
    means = {m: [by_class(c, p) for c, p in zip(correct[m], ours, strict=True)] for m in correct}
    counts = [by_class(np.ones(len(p.labels)), p) for p in ours]
    rows = []
    for label in counts[0]:
        videos = [int((p.labels == p.classes.index(label)).sum()) for p in ours]
        cells = [Cell(statistics.mean(videos))]
        cells += [number_cell([100 * of_seed[label] for of_seed in means[m] if label in of_seed]) for m in correct]
        cells += [Cell(text=theirs[label][m]) for m in correct] if has_same_classes else []
        rows.append(Row(label, tuple(cells)))
    last = [Cell(float(statistics.mean(len(p.labels) for p in ours)))]
    last += [share_cell(correct[m]) for m in correct]
    last += [Cell(text=paper["average"][m]) for m in correct] if has_same_classes else []
    rows.append(Row("all videos", tuple(last), strong=True, section=True))
    data = {10: "Kinetics50", 11: "Mimetics", 12: "NTU RGB+D"}[number]
    notes: tuple[str, ...] = (
        f"{role}; the oracle is right where one of the two streams is.",
        spread_note(seeds),
        *few_videos_note(seeds),
    )
    if not has_same_classes:
        average = ", ".join(f"{m} {paper['average'][m]}" for m in correct)
        notes = (*notes, f"The paper's classes are those of {data}; its averages: {average}.")
    return Table(name, title, "class", columns, tuple(rows), notes)
