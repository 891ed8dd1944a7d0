"""The paper's tables, measured on the data at hand and set beside the published numbers.

Each function takes what the seeds gave. With one seed a number's ± reaches to the farther end of its 95 % interval over
the videos; with several it is the standard deviation over the seeds. Accuracies are in per cent.
"""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from integralaction.figures.architecture import architecture_table
from integralaction.intervals import few_videos, share_interval
from integralaction.recipes import kinetics50, kinetics400
from integralaction.reproduce.measure import Measured
from integralaction.reproduce.published import average_ranks, published
from integralaction.tables import Cell, Column, Row, Table
from integralaction.testing.predictions import Predictions
from integralaction.testing.scores import by_class, gates_by_class, is_correct, is_oracle_correct

LABELS = {
    "integral": "integral (ours, λ = 1.5)",
    "gate-free": "gate-free (ours without gating)",
    "feature-fuse": "feature-fuse",
    "appearance-gate": "appearance-gate",
    "both-gate": "both-gate",
    "lambda-0": "λ = 0 (ours without L_gate)",
    "lambda-1": "λ = 1.0",
    "lambda-5": "λ = 5.0",
    "heatmaps": "heatmaps alone",
    "pafs": "part affinity fields alone",
    "fine-tuned": "pre-trained, then fine-tuned",
    "joint": "joint from scratch",
    "trust-prior": "gate prior: trust in the pose",
    "outcome-prior": "gate prior: which stream was right",
}
SHOWN = 8  # classes in Table 5: the paper shows the four with the highest gates and the four with the lowest


class Skipped(Exception):
    """The data at hand cannot show it; says why."""


@dataclass(frozen=True)
class TableRecipe:
    """A table: what it needs measured, and how it is made.

    Attributes:
        title: what it compares.
        needs: methods and variants.
        make: from what the seeds gave.
    """

    title: str
    needs: tuple[str, ...]
    make: Callable[[str, str, Sequence[Measured]], Table]


# ---- cells


def percent(values: Sequence[np.ndarray]) -> Cell:
    """Shares of right videos as a cell in per cent.

    Args:
        values: a seed each, (V,) bool.
    """
    means = [100 * float(np.mean(v)) for v in values]
    if len(values) > 1:
        return Cell(statistics.mean(means), statistics.stdev(means))
    low, high = (100 * end for end in share_interval(values[0]))
    return Cell(means[0], max(means[0] - low, high - means[0]))


def plain(values: Sequence[float]) -> Cell:
    """Numbers of the seeds as a cell: their mean and, of several, their deviation."""
    return Cell(statistics.mean(values), statistics.stdev(values) if len(values) > 1 else None)


def _of(seeds: Sequence[Measured], name: str, test: str) -> list[Predictions]:
    return [seed.predictions[name][test] for seed in seeds]


def _tests(seeds: Sequence[Measured]) -> list[str]:
    return [test.name for test in seeds[0].tests]


def _spread_note(seeds: Sequence[Measured]) -> str:
    if len(seeds) == 1:
        return f"Seed {seeds[0].seed}; ± reaches to the farther end of the 95 % interval over the videos."
    return f"Mean ± standard deviation over {len(seeds)} seeds."


def _few_note(seeds: Sequence[Measured]) -> tuple[str, ...]:
    """A note that names the test sets of too few videos, where there are such."""
    first = next(iter(seeds[0].predictions.values()))
    line = few_videos({test: len(first[test].videos) for test in _tests(seeds)})
    return (line,) if line else ()


def _counts_note(seeds: Sequence[Measured]) -> str:
    first = next(iter(seeds[0].predictions.values()))
    counts = ", ".join(f"{len(first[test].videos)} {test}" for test in _tests(seeds))
    recipe = next(iter(seeds[0].runs.values())).recipe.name.partition("/")[0]
    return (
        f"{recipe} on {seeds[0].data.name}: {counts} videos{' a seed' if len(seeds) > 1 else ''}; top-1 and top-5 in %."
    )


# ---- tables of methods by test sets


def compared(
    number: int, title: str, rows: Sequence[str], seeds: Sequence[Measured], strong: str = "integral"
) -> Table:
    """Methods or variants by test sets, top-1 and top-5, beside the published numbers of that table.

    Args:
        number: of the paper's table; 0: the paper has none.
        rows: methods and variants, in order.
        strong: the row that stands out.
    """
    paper = published(number) if number else {}
    headings = list(next(iter(paper.values()))) if paper else []
    columns = [Column(test, top) for test in _tests(seeds) for top in ("top-1", "top-5")]
    columns += [Column(f"paper: {name.rpartition(' ')[0]}", name.rpartition(" ")[2]) for name in headings]
    made = []
    for name in rows:
        cells = []
        for test in _tests(seeds):
            ranks = [p.rank() for p in _of(seeds, name, test)]
            cells += [percent([rank < top for rank in ranks]) for top in (1, 5)]
        cells += [Cell(text=paper.get(name, {}).get(heading, "")) for heading in headings]
        made.append(Row(LABELS.get(name, name), tuple(cells), strong=name == strong))
    notes = (_counts_note(seeds), _spread_note(seeds), *_few_note(seeds))
    return Table(f"table{number}" if number else "gate-priors", title, "method", tuple(columns), tuple(made), notes)


def table1(name: str, title: str, seeds: Sequence[Measured]) -> Table:
    """Baselines and the proposed method, with the average rank over all columns."""
    rows = ("appearance-only", "pose-only", "integral", "lambda-5")
    table = compared(1, title, rows, seeds)
    top = [
        average_ranks(
            {
                row: [float((seed.predictions[row][t].rank() < k).mean()) for t in _tests([seed]) for k in (1, 5)]
                for row in rows
            }
        )
        for seed in seeds
    ]
    paper = published(1)
    numbers = {row: [float(text) for head, text in cells.items() if "top" in head] for row, cells in paper.items()}
    recomputed = average_ranks(numbers)
    columns = list(table.columns)
    place = next(i for i, column in enumerate(columns) if column.group.startswith("paper"))
    columns[-1] = Column("paper: average rank", "printed")
    columns.append(Column("paper: average rank", "from its numbers"))
    columns.insert(place, Column("average rank", "all columns"))
    made = []
    for row, variant in zip(table.rows, rows, strict=True):
        cells = [*row.cells, Cell(recomputed[variant])]
        cells.insert(place, plain([ranks[variant] for ranks in top]))
        made.append(Row(row.label, tuple(cells), strong=row.strong))
    note = "The paper prints an average rank of 1.8 for λ = 1.5; from its own numbers it is 2.0."
    return Table(name, title, table.first, tuple(columns), tuple(made), (*table.notes, note))


def beside_published(number: int, name: str, title: str, seeds: Sequence[Measured]) -> Table:
    """Tables 2 and 3: ours, measured, below the rows that others published."""
    paper = published(number)
    headings = [head for head in next(iter(paper.values())) if head not in ("kind", "ImageNet")]
    tests = _tests(seeds)
    columns = [Column("", "source")]
    columns += [Column(f"paper: {head.rpartition(' ')[0]}", head.rpartition(" ")[2]) for head in headings]
    columns += [Column(test, "top-1") for test in tests]
    rows = []
    for label, cells in paper.items():
        shown = [Cell(text="published"), *(Cell(text=cells[head]) for head in headings), *(Cell() for _ in tests)]
        star = " (ImageNet)" if cells.get("ImageNet") == "yes" else ""
        rows.append(Row(LABELS.get(label, label) + star, tuple(shown)))
    for i, variant in enumerate(("appearance-only", "pose-only", "integral", "lambda-5")):
        measured = [percent([is_correct(p) for p in _of(seeds, variant, test)]) for test in tests]
        cells = (Cell(text="measured"), *(Cell() for _ in headings), *measured)
        rows.append(Row(LABELS.get(variant, variant), cells, strong=variant == "integral", section=i == 0))
    notes = (
        "Published rows are the paper's, of Kinetics, Mimetics and NTU RGB+D; measured ones are of the data at hand.",
        _counts_note(seeds),
        _spread_note(seeds),
        *_few_note(seeds),
    )
    return Table(name, title, "method", tuple(columns), tuple(rows), notes)


# ---- gates and classes


def table5(name: str, title: str, seeds: Sequence[Measured]) -> Table:
    """The mean gate of each class in context, the highest first, beside the classes that the paper shows."""
    found = [seed.of("integral", "in-context") for seed in seeds]
    if any(p is None for p in found):
        raise Skipped("there is no in-context test set")
    gates = [gates_by_class(p) for p in found if p is not None]
    order = sorted(gates[0], key=lambda c: -statistics.mean(g[c] for g in gates if c in g))
    most = len(order) if len(order) <= 2 * SHOWN else SHOWN // 2
    shown = order if most == len(order) else [*order[:most], *order[-most:]]
    accuracy = [by_class(is_correct(p), p) for p in found if p is not None]
    paper = list(published(5).items())
    rows = []
    for place in range(max(len(shown), len(paper))):
        cells: list[Cell] = [Cell(), Cell()]
        label = ""
        if place < len(shown):
            label = shown[place]
            cells = [plain([g[label] for g in gates if label in g])]
            cells.append(plain([100 * a[label] for a in accuracy if label in a]))
        theirs = (Cell(), Cell())
        if place < len(paper):
            theirs = (Cell(text=paper[place][0]), Cell(text=paper[place][1]["gate"]))
        rows.append(Row(label, (*cells, *theirs), section=place == most and most < len(order)))
    columns = (
        Column("", "mean gate", 2),
        Column("", "top-1"),
        Column("paper: Kinetics50", "class"),
        Column("paper: Kinetics50", "mean gate", 2),
    )
    cut = f"The {most} classes with the highest gates and the {most} with the lowest. " if most < len(order) else ""
    notes = (f"{cut}The gate is 1 where appearance is let in and 0 where the pose alone answers.",)
    if len(seeds) > 1:
        notes = (*notes, _spread_note(seeds))
    notes = (*notes, *_few_note(seeds))
    return Table(name, title, "class", columns, tuple(rows), notes)


def by_classes(number: int, name: str, title: str, seeds: Sequence[Measured]) -> Table:
    """Tables 10 to 12: top-1 of each class, with the oracle that takes the better stream of each video."""
    role = "out-of-context" if number == 11 else "in-context"
    methods = ("appearance-only", "pose-only", "integral")
    found = {m: [p for seed in seeds if (p := seed.of(m, role)) is not None] for m in methods}
    if not found["integral"]:
        raise Skipped(f"there is no {role} test set")
    pairs = list(zip(found["appearance-only"], found["pose-only"], strict=True))
    correct = {m: [is_correct(p) for p in of_method] for m, of_method in found.items()}
    correct["oracle"] = [is_oracle_correct(a, b) for a, b in pairs]
    paper = published(number)
    theirs = {label: cells for label, cells in paper.items() if label != "average"}
    fits = all(label in theirs for label in by_class(correct["integral"][0], found["integral"][0]))
    short = [m.removesuffix("-only") for m in correct]
    heads = [Column("paper", m) for m in short] if fits else []
    columns = (Column("", "videos", 0), *(Column("measured", m) for m in short), *heads)
    means = {m: [by_class(c, p) for c, p in zip(correct[m], found["integral"], strict=True)] for m in correct}
    counts = [by_class(np.ones(len(p.labels)), p) for p in found["integral"]]
    rows = []
    for label in counts[0]:
        videos = [int((p.labels == p.classes.index(label)).sum()) for p in found["integral"]]
        cells = [Cell(statistics.mean(videos))]
        cells += [plain([100 * of_seed[label] for of_seed in means[m] if label in of_seed]) for m in correct]
        cells += [Cell(text=theirs[label][m]) for m in correct] if fits else []
        rows.append(Row(label, tuple(cells)))
    last = [Cell(float(statistics.mean(len(p.labels) for p in found["integral"])))]
    last += [percent(correct[m]) for m in correct]
    last += [Cell(text=paper["average"][m]) for m in correct] if fits else []
    rows.append(Row("all videos", tuple(last), strong=True, section=True))
    data = {10: "Kinetics50", 11: "Mimetics", 12: "NTU RGB+D"}[number]
    notes: tuple[str, ...] = (
        f"{role}; the oracle is right where one of the two streams is.",
        _spread_note(seeds),
        *_few_note(seeds),
    )
    if not fits:
        average = ", ".join(f"{m} {paper['average'][m]}" for m in correct)
        notes = (*notes, f"The paper's classes are those of {data}; its averages: {average}.")
    return Table(name, title, "class", columns, tuple(rows), notes)


def architecture(number: int, name: str, title: str, seeds: Sequence[Measured]) -> Table:
    """Tables 13 and 14, printed from the paper's models themselves; nothing is measured."""
    recipe = kinetics400() if number == 13 else kinetics50()
    classes = tuple(f"class {i}" for i in range(400 if number == 13 else 50))
    table = architecture_table(replace(recipe.model, classes=classes), name)
    return replace(table, title=title)


# ---- all of them

_STREAMS = ("appearance-only", "pose-only")
_FUSED = (*_STREAMS, "feature-fuse", "score-average", "gate-free", "lambda-0", "integral")


def _comparison(number: int, rows: tuple[str, ...]) -> Callable[[str, str, Sequence[Measured]], Table]:
    return lambda name, title, seeds: compared(number, title, rows, seeds)


def _numbered(
    make: Callable[[int, str, str, Sequence[Measured]], Table], number: int
) -> Callable[[str, str, Sequence[Measured]], Table]:
    return lambda name, title, seeds: make(number, name, title, seeds)


_GATES = ("appearance-gate", "integral", "both-gate")
_LAMBDAS = ("lambda-0", "lambda-1", "integral", "lambda-5")
_STRATEGIES = ("joint", "fine-tuned", "integral")
_INPUTS = ("heatmaps", "pafs", "pose-only")
_PRIORS = ("lambda-0", "integral", "trust-prior", "outcome-prior")
_CLASSES = (*_STREAMS, "integral")

TABLES: dict[str, TableRecipe] = {
    "table1": TableRecipe("Baselines and the proposed method", (*_STREAMS, "integral", "lambda-5"), table1),
    "table2": TableRecipe(
        "Beside published results on Kinetics and Mimetics",
        (*_STREAMS, "integral", "lambda-5"),
        _numbered(beside_published, 2),
    ),
    "table3": TableRecipe(
        "Beside published results on NTU RGB+D", (*_STREAMS, "integral", "lambda-5"), _numbered(beside_published, 3)
    ),
    "table4": TableRecipe("Methods of integration", _FUSED, _comparison(4, _FUSED)),
    "table5": TableRecipe("Mean gate of each class", ("integral",), table5),
    "table6": TableRecipe("What the gate is estimated from", _GATES, _comparison(6, _GATES)),
    "table7": TableRecipe("Weight λ of the gate regulariser", _LAMBDAS, _comparison(7, _LAMBDAS)),
    "table8": TableRecipe("Training strategies", _STRATEGIES, _comparison(8, _STRATEGIES)),
    "table9": TableRecipe("What the pose stream sees", _INPUTS, _comparison(9, _INPUTS)),
    "table10": TableRecipe("Top-1 of each class in context", _CLASSES, _numbered(by_classes, 10)),
    "table11": TableRecipe("Top-1 of each class out of context", _CLASSES, _numbered(by_classes, 11)),
    "table12": TableRecipe("Top-1 of each class, beside NTU RGB+D", _CLASSES, _numbered(by_classes, 12)),
    "table13": TableRecipe("The network of section 4.2", (), _numbered(architecture, 13)),
    "table14": TableRecipe("The network of sections 4.3 and 4.4", (), _numbered(architecture, 14)),
    "gate-priors": TableRecipe("What the gate is drawn to (beyond the paper)", _PRIORS, _comparison(0, _PRIORS)),
}


def make_table(name: str, seeds: Sequence[Measured]) -> Table:
    """A table by its name.

    Raises:
        Skipped: the data at hand cannot show it.
    """
    recipe = TABLES[name]
    return recipe.make(name, recipe.title, seeds)
