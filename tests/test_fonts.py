"""Letters of all alphabets in pictures and figures: each has a font that knows it, or is written out; never a box."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from fontTools.ttLib import TTFont
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont

from integralaction import fonts
from integralaction.draw import draw_frame
from integralaction.figures.style import figure_style, new_figure, save_figure
from integralaction.fonts import fit_line, set_line
from integralaction.report.page import picture_of
from integralaction.skeleton import skeleton_named

RUNNING = {
    "Chinese": "\u8dd1\u6b65",
    "Russian": "\u0431\u0435\u0433",
    "Arabic": "\u0631\u0643\u0636",
    "Persian": "\u0645\u06cc\u200c\u062f\u0648\u062f",
    "Hindi": "\u0926\u094c\u0921\u093c\u0928\u093e",
    "Thai": "\u0e27\u0e34\u0e48\u0e07",
    "Korean": "\ub2ec\ub9ac\uae30",
    "Greek": "\u03c4\u03c1\u03ad\u03be\u03b9\u03bc\u03bf",
    "French": "course \u00e0 pied",
    "many": "run \u0431\u0435\u0433 \u8dd1 100 %",
    "odd": "a\tb\u202e\udc80\uffff",
}


@pytest.fixture
def another_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A font on the system that has a letter of no alphabet, and nothing else."""
    pen = TTGlyphPen(None)
    for place in ((0, 0), (0, 900), (900, 900), (900, 0)):
        (pen.moveTo if place == (0, 0) else pen.lineTo)(place)
    pen.closePath()
    builder = FontBuilder(1000, isTTF=True)
    builder.setupGlyphOrder([".notdef", "square"])
    builder.setupCharacterMap({0x10FFFD: "square", 0x3400: "square"})
    builder.setupGlyf({".notdef": TTGlyphPen(None).glyph(), "square": pen.glyph()})
    builder.setupHorizontalMetrics({".notdef": (500, 0), "square": (1000, 0)})
    builder.setupHorizontalHeader(ascent=900, descent=-100)
    builder.setupNameTable({"familyName": "Squares", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    (tmp_path / "share/fonts").mkdir(parents=True)
    builder.save(tmp_path / "share/fonts/squares.ttf")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "share"))
    for cached in (fonts._system_fonts, fonts._choose_font):
        cached.cache_clear()
    yield
    for cached in (fonts._system_fonts, fonts._choose_font):
        cached.cache_clear()


@pytest.mark.parametrize("text", RUNNING.values(), ids=RUNNING)
def test_every_letter_is_of_its_font(text: str) -> None:
    for part, font in set_line(text, 20).parts:
        assert isinstance(font, ImageFont.FreeTypeFont)
        if not part.isascii():
            assert set(map(ord, part)) <= set(TTFont(font.path, fontNumber=0).getBestCmap())
    letters = "".join(part for part, _ in set_line(text, 20).parts)
    expected = (c if c in letters else c.encode("unicode_escape", "backslashreplace").decode() for c in text)
    assert letters == "".join(expected).replace("\\t", " ").replace("\\u200c", "")


def test_alphabets_that_are_always_there() -> None:
    for name in ("Russian", "Arabic", "Greek", "French"):
        ((part, _),) = set_line(RUNNING[name], 20).parts
        assert part == RUNNING[name]


@pytest.mark.usefixtures("another_font")
def test_a_font_of_the_system_is_found() -> None:
    parts = set_line("run \u3400 100", 20).parts
    assert "".join(part for part, _ in parts) == "run \u3400 100"
    picture = Image.new("RGB", (200, 40))
    set_line("\u3400", 30).draw(ImageDraw.Draw(picture), (4, 4), (255, 255, 255))
    assert np.asarray(picture).any()


def test_texts_are_cut_to_their_width() -> None:
    for text in ("a long text " * 9, RUNNING["Russian"] * 20, RUNNING["Hindi"] * 20):
        for in_the_middle in (False, True):
            line = fit_line(text, 14, 150, in_the_middle)
            letters = "".join(part for part, _ in line.parts)
            assert 100 < line.width <= 150 and "..." in letters and (letters.endswith("...") != in_the_middle)
    assert fit_line("short", 14, 150).parts[0][0] == "short"


def test_titles_of_different_words_differ() -> None:
    frame, nobody, skeleton = (
        np.zeros((40, 200, 3), np.uint8),
        np.zeros((0, 17, 3), np.float32),
        skeleton_named("coco17"),
    )
    pictures = [draw_frame(frame, nobody, skeleton, 0.1, text, None).tobytes() for text in RUNNING.values()]
    assert len(set(pictures)) == len(RUNNING)


def lettered_figure() -> Figure:
    """Letters in a title, a legend and the names beside an axis."""
    with figure_style():
        figure = new_figure(4, 4)
        axes = figure.add_subplot()
        axes.plot([0, 1], [0, 1], label=RUNNING["Chinese"])
        axes.set_yticks(range(len(RUNNING)), list(RUNNING.values()))
        axes.set_title(RUNNING["many"])
        axes.legend()
    return figure


def test_figures_are_drawn_without_a_warning(tmp_path: Path) -> None:
    """A missing letter would be a warning, which is an error here; in a file of its own and within a page."""
    paths = save_figure(lettered_figure(), tmp_path / "figure")
    assert all(path.stat().st_size > 5_000 for path in paths)
    assert len(picture_of(lettered_figure(), "letters", "").source) > 5_000
