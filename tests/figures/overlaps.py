"""Whether the texts of a figure can be read: none over another, none beyond the edge."""

import functools
from itertools import combinations
from unittest.mock import patch

from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

TOUCHING = 0.5  # pixels by which two texts may share an edge


def overlapping_texts(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of drawn texts whose boxes overlap; the box of a slanted text is upright and larger than the text."""
    boxes = drawn_texts(figure)
    return [
        (first, second)
        for (first, one), (second, other) in combinations(boxes, 2)
        if min(one.x1, other.x1) - max(one.x0, other.x0) > TOUCHING
        and min(one.y1, other.y1) - max(one.y0, other.y0) > TOUCHING
    ]


def cut_texts(figure: Figure) -> list[str]:
    """Drawn texts that reach beyond the figure."""
    edge = figure.bbox
    return [
        text
        for text, box in drawn_texts(figure)
        if box.x0 < edge.x0 - TOUCHING
        or box.y0 < edge.y0 - TOUCHING
        or box.x1 > edge.x1 + TOUCHING
        or box.y1 > edge.y1 + TOUCHING
    ]


def drawn_texts(figure: Figure) -> list[tuple[str, Bbox]]:
    """The texts that a drawing of the figure really draws, with their boxes in pixels."""
    by_id: dict[int, Text] = {}
    draw = Text.draw

    @functools.wraps(draw)
    def note_and_draw(text: Text, *arguments: object) -> None:
        if text.get_visible() and text.get_text().strip():
            by_id[id(text)] = text
        draw(text, *arguments)

    with patch.object(Text, "draw", note_and_draw):
        figure.canvas.draw()
    # without an annotation's arrow
    return [(text.get_text(), Text.get_window_extent(text)) for text in by_id.values()]
