"""Figures 4 to 6: what is drawn is what was given, and every text can be read."""

import math
from itertools import product

import matplotlib.colors
import numpy as np
import pytest
from matplotlib.figure import Figure
from overlaps import cut_texts, drawn_texts, overlapping_texts

from integralaction.figures.plots import confusion_figure, gate_figure, sweep_figure
from integralaction.testing.scores import RATIOS

KINETICS, MIMETICS = "Kinetics50 in-context (as released)", "Mimetics out-of-context (as released)"
TESTS = (("in-context",), ("in-context", "out-of-context"), (KINETICS, MIMETICS), (KINETICS, MIMETICS, "no-pose"))
MODELS = ("with L_gate (λ = 1.5)", "without L_gate (λ = 0)")
METHODS = ("appearance-only", "pose-only", "integral")
LONG = "playing a musical instrument {}"


def is_readable(figure: Figure) -> bool:
    """No text lies on another one, and none is cut; those that are not are named."""
    assert overlapping_texts(figure) == [] and cut_texts(figure) == []
    return True


def unwrap(text: str) -> str:
    """A text without the breaks of its lines."""
    return " ".join(text.split())


def drawn_gates(tests: tuple[str, ...], deviation: float, middle: float = 0.3) -> dict[str, dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    return {
        model: {
            test: np.clip(random.normal(middle + 0.05 * j + 0.1 * i, deviation, 200), 0, 1)
            for j, test in enumerate(tests)
        }
        for i, model in enumerate(MODELS)
    }


@pytest.mark.parametrize(
    ("tests", "deviation"),
    [(TESTS[0], 0.05), (TESTS[1], 1e-3), (TESTS[2], 0.0), *((TESTS[3], d) for d in (0.05, 1e-5))],
)
def test_gate_figure_can_be_read(tests: tuple[str, ...], deviation: float) -> None:
    figure = gate_figure(drawn_gates(tests, deviation))
    assert figure.get_size_inches()[0] == 7 and is_readable(figure)
    texts = [unwrap(text) for text, _ in drawn_texts(figure)]
    for model, test in product(MODELS, tests):
        assert model in texts and sum(text.startswith(f"{test}: ") for text in texts) == len(MODELS)


@pytest.mark.parametrize("deviation", [0.05, 2e-3, 3e-4])
def test_gate_lines_are_the_normal_distribution_of_the_videos(deviation: float) -> None:
    """Mean, deviation and area of each line, by sums over its points, are those of the given gates."""
    gates = drawn_gates(("in-context", "out-of-context"), deviation)
    figure = gate_figure(gates)
    for axes, (model, tests) in zip(figure.axes, gates.items(), strict=True):
        assert axes.get_title(loc="left") == model
        assert len(axes.lines) == len(tests)
        for line, (test, values) in zip(axes.lines, tests.items(), strict=True):
            x, y = (np.asarray(data, float) for data in line.get_data())
            area = np.trapezoid(y, x)
            mean = np.trapezoid(x * y, x) / area
            assert area == pytest.approx(1, abs=0.02)
            assert mean == pytest.approx(values.mean(), abs=0.03 * deviation)
            spread = math.sqrt(np.trapezoid((x - mean) ** 2 * y, x) / area)
            assert spread == pytest.approx(values.std(), rel=0.03)
            assert unwrap(str(line.get_label())) == f"{test}: {values.mean():.2f} ± {values.std():.3f}"
            assert y.max() == pytest.approx(1 / (values.std() * math.sqrt(2 * math.pi)), rel=1e-3)


def test_gate_bars_are_the_videos() -> None:
    gates = drawn_gates(("in-context",), 0.05)
    for axes, tests in zip(gate_figure(gates).axes, gates.values(), strict=True):
        values = tests["in-context"]
        bars = [(patch.get_x(), patch.get_width(), patch.get_height()) for patch in axes.patches]
        assert sum(width * height for _, width, height in bars) == pytest.approx(1)  # none is beyond the edge
        for left, width, height in bars:
            inside = ((values >= left) & (values < left + width)).sum()
            # a video on the edge of two bars may be counted in either
            assert height * width * len(values) == pytest.approx(inside, abs=1.001)


@pytest.mark.parametrize("deviation", [1e-5, 0.0])
def test_equal_gates_have_peaks_of_equal_height(deviation: float) -> None:
    """However narrow a peak, its top is drawn, wherever it lies."""
    values = {f"set {i}": np.array([m - deviation, m + deviation]) for i, m in enumerate((0.2003, 0.3137, 0.41))}
    (axes,) = gate_figure({"integral": values}).axes
    for line, gates in zip(axes.lines, values.values(), strict=True):
        x, y = (np.asarray(data) for data in line.get_data())
        assert x[y.argmax()] == pytest.approx(gates.mean(), abs=1e-9)
        assert y.max() == pytest.approx(1 / (1e-4 * math.sqrt(2 * math.pi)), rel=1e-6)


def test_a_narrow_distribution_has_an_axis_of_its_own() -> None:
    """Beside one a hundred times as wide it would be a needle."""
    random = np.random.default_rng(3)
    narrow, wide = random.normal(0.05, 5e-4, 200), random.normal(0.5, 0.05, 200)
    axes = gate_figure({"with": {"in-context": narrow}, "without": {"in-context": wide}}).axes
    for one, values in zip(axes, (narrow, wide), strict=True):
        low, high = one.get_xlim()
        assert low <= values.min() and values.max() <= high and high - low < 5 * np.ptp(values)
    near = gate_figure({"with": {"in-context": wide - 0.1}, "without": {"in-context": wide}}).axes
    assert near[0].get_xlim() == near[1].get_xlim()  # to be compared


@pytest.mark.parametrize("gate", [0.0, 1.0])
def test_gates_at_the_ends_stay_within_0_and_1(gate: float) -> None:
    (axes,) = gate_figure({"integral": {"in-context": np.full(9, gate)}}).axes
    low, high = axes.get_xlim()
    assert 0 <= low <= gate <= high <= 1 and low < high


@pytest.mark.parametrize("tests", TESTS)
def test_sweep_figure_can_be_read_and_draws_what_was_given(tests: tuple[str, ...]) -> None:
    random = np.random.default_rng(1)
    sweeps = {test: random.random(len(RATIOS)) for test in tests}
    integral = {test: float(random.random()) for test in tests}
    figure = sweep_figure(sweeps, integral, RATIOS)
    assert figure.get_size_inches()[0] == 7 and is_readable(figure)
    (axes,) = figure.axes
    by_label = {unwrap(str(line.get_label())): line for line in axes.lines}
    for test in tests:
        curve, point = by_label[f"{test}: averaged"], by_label[f"{test}: integral"]
        np.testing.assert_allclose(curve.get_ydata(), 100 * sweeps[test])
        assert list(curve.get_xdata()) == list(range(11))
        np.testing.assert_allclose(point.get_ydata(), [100 * integral[test]])
        assert curve.get_color() == point.get_color()
    ticks = {tick.get_text() for tick in axes.get_xticklabels()}
    assert ticks == {*(f"{share:g}\n{1 - share:g}" for share in RATIOS), "integral"}
    assert len(
        {(by_label[f"{t}: averaged"].get_color(), by_label[f"{t}: averaged"].get_linestyle()) for t in tests}
    ) == len(tests)


def test_the_lowest_and_the_highest_share_are_inside() -> None:
    ends = np.linspace(0, 1, len(RATIOS))
    (axes,) = sweep_figure({"in-context": ends}, {"in-context": 1.0}, RATIOS).axes
    low, high = axes.get_ylim()
    assert low <= 0 and high >= 100


def matrices_of(tests: tuple[str, ...], methods: tuple[str, ...], classes: int, present: int) -> dict:
    """Random shares; the first test set has videos of all classes, the others of the last `present` ones."""
    random, matrices = np.random.default_rng(2), {}
    for test, method in product(tests, methods):
        matrices[test, method] = random.dirichlet(np.ones(classes), classes)
        if test != tests[0]:
            matrices[test, method][: classes - present] = np.nan
    return matrices


@pytest.mark.parametrize("tests", [TESTS[1], TESTS[3]])
@pytest.mark.parametrize(
    ("classes", "present", "methods"),
    [
        *((14, 14, METHODS), (14, 2, METHODS), (18, 9, METHODS), (50, 50, METHODS), (50, 3, METHODS)),
        *(
            (14, 4, (*METHODS, "score-average")),
            (50, 3, (*METHODS, "score-average")),
            (14, 2, ("pose-only",)),
            (3, 2, METHODS),
        ),
    ],
)
def test_confusion_figure_can_be_read(tests: tuple[str, ...], classes: int, present: int, methods: tuple) -> None:
    names = [LONG.format(i) for i in range(classes)]
    figure = confusion_figure(matrices_of(tests, methods, classes, present), names)
    assert figure.get_size_inches()[0] == 7 and is_readable(figure)
    texts = [unwrap(text) for text, _ in drawn_texts(figure)]
    assert [text for text in texts if text in methods] == list(methods)
    assert [unwrap(axes.get_ylabel()) for axes in figure.axes[:: len(methods)]] == list(tests)


def test_matrices_are_those_given() -> None:
    tests, names = ("in-context", "out-of-context"), [LONG.format(i) for i in range(14)]
    matrices = matrices_of(tests, METHODS, 14, 5)
    figure = confusion_figure(matrices, names)
    assert len(figure.axes) == 6
    for axes, (test, method) in zip(figure.axes, product(tests, METHODS), strict=True):
        (image,) = axes.images
        rows = matrices[test, method] if test == "in-context" else matrices[test, method][9:]
        np.testing.assert_array_equal(np.asarray(image.get_array()), rows)
        assert image.get_clim() == (0, 1)  # the same grey is the same share everywhere
        never, always = (matplotlib.colors.to_hex(image.cmap(value)) for value in (0.0, 1.0))
        assert (never, always) == ("#ffffff", "#000000")
    rows = [[tick.get_text() for tick in axes.get_yticklabels()] for axes in figure.axes]
    assert rows == [names, [], [], names[9:], [], []]
    columns = [[tick.get_text() for tick in axes.get_xticklabels()] for axes in figure.axes]
    assert columns == [[], [], [], names, names, names]


def test_few_classes_have_their_shares_in_the_cells_and_any_names() -> None:
    names = [r"$\frac{$", "$x_1$", "[red]in"]
    matrices = matrices_of(("in-context",), METHODS, 3, 3)
    figure = confusion_figure(matrices, names)
    texts = [text for text, _ in drawn_texts(figure)]
    assert set(names) <= set(texts)
    for matrix in matrices.values():
        assert {f"{100 * share:.0f}" for share in matrix.ravel()} <= set(texts)
    (height,) = {round(axes.get_window_extent().height / figure.dpi, 2) for axes in figure.axes}
    assert height < 1.9  # inches
    many = confusion_figure(matrices_of(("in-context",), METHODS, 14, 14), [*map(str, range(14))])
    assert not any(len(axes.texts) for axes in many.axes)


def test_many_classes_are_not_written_out() -> None:
    names = [LONG.format(i) for i in range(50)]
    figure = confusion_figure(matrices_of(("in-context",), METHODS, 50, 50), names)
    assert not {text for text, _ in drawn_texts(figure)} & set(names)
    assert figure.get_supxlabel() == "answer (classes in order)"
