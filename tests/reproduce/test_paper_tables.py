"""Tables: their numbers by hand, their rows beside the published ones."""

from dataclasses import replace

import numpy as np
import pytest
from fakes import CLASSES, seed_results

from integralaction.recipes import VARIANTS
from integralaction.reproduce.cells import number_cell, share_cell
from integralaction.reproduce.measure import BASELINES, MissingData, SeedResults
from integralaction.reproduce.published import read_published
from integralaction.reproduce.tables import LABELS, TABLES, make_table
from integralaction.tables import Table, to_csv

NAMES = (*BASELINES, *VARIANTS)


@pytest.fixture
def seeds(monkeypatch: pytest.MonkeyPatch) -> list[SeedResults]:
    monkeypatch.setattr("integralaction.reproduce.tables.counts_note", lambda _: "counts")
    results = []
    for seed in range(3):
        random = np.random.default_rng(seed)
        ranks = {
            name: {split: random.integers(0, 7, 28) for split in ("in-context", "out-of-context")} for name in NAMES
        }
        results.append(seed_results(seed, ranks, dict.fromkeys(NAMES, 0.25), f"{seed}-"))
    return results


def cell(table: Table, label: str, group: str, name: str):
    column = [(c.group, c.name) for c in table.columns].index((group, name))
    return next(row for row in table.rows if row.label == label).cells[column]


def test_cells() -> None:
    one = np.array([True, True, False, True])
    assert share_cell([one]).value == 75
    assert share_cell([one]).spread == pytest.approx(75 - 30.06, abs=0.01)  # Wilson's interval is 30.06 .. 95.44
    several = share_cell([one, ~one])
    assert (several.value, several.spread) == (50, pytest.approx(np.std([75, 25], ddof=1)))
    assert number_cell([2.0]).spread is None


@pytest.mark.parametrize("number", [4, 6, 7, 8, 9])
def test_methods_by_test_sets(seeds: list[SeedResults], number: int) -> None:
    table = make_table(f"table{number}", seeds)
    names = {LABELS.get(name, name): name for name in NAMES}
    assert {names[row.label] for row in table.rows} == set(read_published(number)), "the paper's rows, and no others"
    for row in table.rows:
        name = names[row.label]
        for split in ("in-context", "out-of-context"):
            for top, k in (("top-1", 1), ("top-5", 5)):
                shares = cell(table, row.label, split, top)
                by_seed = [100 * np.mean(seed.predictions[name][split].rank() < k) for seed in seeds]
                assert shares.value == pytest.approx(np.mean(by_seed))
                assert shares.spread == pytest.approx(np.std(by_seed, ddof=1))
        for column, text in read_published(number)[name].items():
            data, _, top = column.rpartition(" ")
            assert cell(table, row.label, f"paper: {data}", top).text == text


def test_table1_ranks(seeds: list[SeedResults]) -> None:
    table = make_table("table1", seeds)
    assert cell(table, LABELS["integral"], "paper: average rank", "printed").text == "1.8"
    assert cell(table, LABELS["integral"], "paper: average rank", "from its numbers").value == pytest.approx(2.0)
    ranks = [cell(table, row.label, "average rank", "all columns").value for row in table.rows]
    assert np.mean(ranks) == pytest.approx(2.5)  # of four rows, whatever they score


@pytest.mark.parametrize("number", [2, 3])
def test_published_rows_stay_apart(seeds: list[SeedResults], number: int) -> None:
    table = make_table(f"table{number}", seeds)
    sources = [row.cells[0].text for row in table.rows]
    assert sources == ["published"] * len(read_published(number)) + ["measured"] * 4
    measured_cells = [c for row, s in zip(table.rows, sources, strict=True) if s == "published" for c in row.cells]
    assert all(c.value is None for c in measured_cells), "no measured number stands in a published row"


def test_table5_is_in_order(seeds: list[SeedResults]) -> None:
    for seed in seeds:
        p = seed.predictions["integral"]["in-context"]
        p.gate[:] = 0.1 * (p.labels + 1)
    table = make_table("table5", seeds)
    assert [row.label for row in table.rows if row.label] == list(reversed(CLASSES))
    assert cell(table, "archery", "", "mean gate").value == pytest.approx(0.1)


@pytest.mark.parametrize(("number", "split"), [(10, "in-context"), (11, "out-of-context")])
def test_classes_and_the_oracle(seeds: list[SeedResults], number: int, split: str) -> None:
    table = make_table(f"table{number}", seeds)
    for label, name in enumerate(CLASSES):
        oracle = []
        for seed in seeds:
            a, p = (seed.predictions[n][split] for n in ("appearance-only", "pose-only"))
            of_class = [i for i in range(28) if a.labels[i] == label]
            oracle.append(100 * np.mean([a.rank()[i] == 0 or p.rank()[i] == 0 for i in of_class]))
        assert cell(table, name, "measured", "oracle").value == pytest.approx(np.mean(oracle))
    assert table.rows[-1].label == "all videos"


def test_a_missing_test_set_is_a_reason(seeds: list[SeedResults]) -> None:
    only = [
        seed_results(0, {name: {"in-context": np.zeros(7, np.int64)} for name in NAMES}, dict.fromkeys(NAMES, 0.2))
        for _ in "1"
    ]
    with pytest.raises(MissingData, match="no out-of-context test set"):
        make_table("table11", only)


def test_every_table_names_what_it_needs(seeds: list[SeedResults]) -> None:
    for name, recipe in TABLES.items():
        part = [replace(s, predictions={n: s.predictions[n] for n in recipe.needs}) for s in seeds]
        table = make_table(name, part)
        assert table.name == name
        assert to_csv(table).count("\n") >= len(table.rows)
