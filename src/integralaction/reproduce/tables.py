"""The paper's tables, measured on the data at hand and set beside the published numbers.

Each function takes the results of the seeds; what ± means, `cells` says.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from integralaction.figures.architecture import architecture_table
from integralaction.recipes import kinetics50, kinetics400
from integralaction.reproduce.cells import (
    counts_note,
    few_videos_note,
    names_of_test_sets,
    number_cell,
    predictions_of,
    share_cell,
    spread_note,
)
from integralaction.reproduce.class_tables import classes_table, gates_table
from integralaction.reproduce.measure import SeedResults
from integralaction.reproduce.published import average_ranks, read_published
from integralaction.tables import Cell, Column, Row, Table
from integralaction.testing.scores import is_correct

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


@dataclass(frozen=True)
class TableRecipe:
    """A table: what it needs measured, and how it is made.

    Attributes:
        title: what it compares.
        needs: methods and variants.
        make: from its name, its title and the results of the seeds.
    """

    title: str
    needs: tuple[str, ...]
    make: Callable[[str, str, Sequence[SeedResults]], Table]


# ---- tables of methods by test sets


def methods_table(
    number: int, title: str, rows: Sequence[str], seeds: Sequence[SeedResults], strong: str = "integral"
) -> Table:
    """Methods or variants by test sets, top-1 and top-5, beside the published numbers of that table.

    Args:
        number: of the paper's table; 0: the paper has none.
        rows: methods and variants, in order.
        strong: the row that stands out.
    """
    paper = read_published(number) if number else {}
    headings = list(next(iter(paper.values()))) if paper else []
    columns = [Column(test, top) for test in names_of_test_sets(seeds) for top in ("top-1", "top-5")]
    columns += [Column(f"paper: {name.rpartition(' ')[0]}", name.rpartition(" ")[2]) for name in headings]
    table_rows = []
    for name in rows:
        cells = []
        for test in names_of_test_sets(seeds):
            ranks = [p.rank() for p in predictions_of(seeds, name, test)]
            cells += [share_cell([rank < top for rank in ranks]) for top in (1, 5)]
        cells += [Cell(text=paper.get(name, {}).get(heading, "")) for heading in headings]
        table_rows.append(Row(LABELS.get(name, name), tuple(cells), strong=name == strong))
    notes = (counts_note(seeds), spread_note(seeds), *few_videos_note(seeds))
    return Table(
        f"table{number}" if number else "gate-priors", title, "method", tuple(columns), tuple(table_rows), notes
    )


def ranks_table(name: str, title: str, seeds: Sequence[SeedResults]) -> Table:
    """Baselines and the proposed method, with the average rank over all columns."""
    rows = ("appearance-only", "pose-only", "integral", "lambda-5")
    table = methods_table(1, title, rows, seeds)
    top = [
        average_ranks(
            {
                row: [
                    float((seed.predictions[row][t].rank() < k).mean())
                    for t in names_of_test_sets([seed])
                    for k in (1, 5)
                ]
                for row in rows
            }
        )
        for seed in seeds
    ]
    paper = read_published(1)
    numbers = {row: [float(text) for head, text in cells.items() if "top" in head] for row, cells in paper.items()}
    paper_ranks = average_ranks(numbers)
    columns = list(table.columns)
    place = next(i for i, column in enumerate(columns) if column.group.startswith("paper"))
    columns[-1] = Column("paper: average rank", "printed")
    columns.append(Column("paper: average rank", "from its numbers"))
    columns.insert(place, Column("average rank", "all columns"))
    ranked_rows = []
    for row, variant in zip(table.rows, rows, strict=True):
        cells = [*row.cells, Cell(paper_ranks[variant])]
        cells.insert(place, number_cell([ranks[variant] for ranks in top]))
        ranked_rows.append(Row(row.label, tuple(cells), strong=row.strong))
    note = "The paper prints an average rank of 1.8 for λ = 1.5; from its own numbers it is 2.0."
    return Table(name, title, table.first, tuple(columns), tuple(ranked_rows), (*table.notes, note))


def published_table(number: int, name: str, title: str, seeds: Sequence[SeedResults]) -> Table:
    """Tables 2 and 3: ours, measured, below the rows that others published."""
    paper = read_published(number)
    headings = [head for head in next(iter(paper.values())) if head not in ("kind", "ImageNet")]
    tests = names_of_test_sets(seeds)
    columns = [Column("", "source")]
    columns += [Column(f"paper: {head.rpartition(' ')[0]}", head.rpartition(" ")[2]) for head in headings]
    columns += [Column(test, "top-1") for test in tests]
    rows = []
    for label, cells in paper.items():
        line = [Cell(text="published"), *(Cell(text=cells[head]) for head in headings), *(Cell() for _ in tests)]
        star = " (ImageNet)" if cells.get("ImageNet") == "yes" else ""
        rows.append(Row(LABELS.get(label, label) + star, tuple(line)))
    for i, variant in enumerate(("appearance-only", "pose-only", "integral", "lambda-5")):
        top1 = [share_cell([is_correct(p) for p in predictions_of(seeds, variant, test)]) for test in tests]
        cells = (Cell(text="measured"), *(Cell() for _ in headings), *top1)
        rows.append(Row(LABELS.get(variant, variant), cells, strong=variant == "integral", section=i == 0))
    notes = (
        "Published rows are the paper's, of Kinetics, Mimetics and NTU RGB+D; measured ones are of the data at hand.",
        counts_note(seeds),
        spread_note(seeds),
        *few_videos_note(seeds),
    )
    return Table(name, title, "method", tuple(columns), tuple(rows), notes)


def layers_table(number: int, name: str, title: str, seeds: Sequence[SeedResults]) -> Table:
    """Tables 13 and 14, printed from the paper's models themselves; nothing is measured."""
    recipe = kinetics400() if number == 13 else kinetics50()
    classes = tuple(f"class {i}" for i in range(400 if number == 13 else 50))
    table = architecture_table(replace(recipe.model, classes=classes), name)
    return replace(table, title=title)


# ---- all of them

_STREAMS = ("appearance-only", "pose-only")
_FUSED = (*_STREAMS, "feature-fuse", "score-average", "gate-free", "lambda-0", "integral")


def _comparison(number: int, rows: tuple[str, ...]) -> Callable[[str, str, Sequence[SeedResults]], Table]:
    return lambda name, title, seeds: methods_table(number, title, rows, seeds)


def _with_number(
    make: Callable[[int, str, str, Sequence[SeedResults]], Table], number: int
) -> Callable[[str, str, Sequence[SeedResults]], Table]:
    return lambda name, title, seeds: make(number, name, title, seeds)


_GATES = ("appearance-gate", "integral", "both-gate")
_LAMBDAS = ("lambda-0", "lambda-1", "integral", "lambda-5")
_STRATEGIES = ("joint", "fine-tuned", "integral")
_INPUTS = ("heatmaps", "pafs", "pose-only")
_PRIORS = ("lambda-0", "integral", "trust-prior", "outcome-prior")
_CLASSES = (*_STREAMS, "integral")

TABLES: dict[str, TableRecipe] = {
    "table1": TableRecipe("Baselines and the proposed method", (*_STREAMS, "integral", "lambda-5"), ranks_table),
    "table2": TableRecipe(
        "Beside published results on Kinetics and Mimetics",
        (*_STREAMS, "integral", "lambda-5"),
        _with_number(published_table, 2),
    ),
    "table3": TableRecipe(
        "Beside published results on NTU RGB+D", (*_STREAMS, "integral", "lambda-5"), _with_number(published_table, 3)
    ),
    "table4": TableRecipe("Methods of integration", _FUSED, _comparison(4, _FUSED)),
    "table5": TableRecipe("Mean gate of each class", ("integral",), gates_table),
    "table6": TableRecipe("What the gate is estimated from", _GATES, _comparison(6, _GATES)),
    "table7": TableRecipe("Weight λ of the gate regulariser", _LAMBDAS, _comparison(7, _LAMBDAS)),
    "table8": TableRecipe("Training strategies", _STRATEGIES, _comparison(8, _STRATEGIES)),
    "table9": TableRecipe("What the pose stream sees", _INPUTS, _comparison(9, _INPUTS)),
    "table10": TableRecipe("Top-1 of each class in context", _CLASSES, _with_number(classes_table, 10)),
    "table11": TableRecipe("Top-1 of each class out of context", _CLASSES, _with_number(classes_table, 11)),
    "table12": TableRecipe("Top-1 of each class, beside NTU RGB+D", _CLASSES, _with_number(classes_table, 12)),
    "table13": TableRecipe("The network of section 4.2", (), _with_number(layers_table, 13)),
    "table14": TableRecipe("The network of sections 4.3 and 4.4", (), _with_number(layers_table, 14)),
    "gate-priors": TableRecipe("What the gate is drawn to (beyond the paper)", _PRIORS, _comparison(0, _PRIORS)),
}


def make_table(name: str, seeds: Sequence[SeedResults]) -> Table:
    """A table by its name.

    Raises:
        MissingData: the data at hand cannot show it.
    """
    recipe = TABLES[name]
    return recipe.make(name, recipe.title, seeds)
