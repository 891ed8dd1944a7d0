"""Colours as the drawing library takes them."""

from collections.abc import Iterable

import numpy as np

Colour = tuple[int, int, int]


def rgb(values: np.ndarray | Iterable[float]) -> Colour:
    """Red, green, blue as whole numbers in 0..255."""
    red, green, blue = (int(min(255, max(0, value))) for value in values)
    return red, green, blue


def shade(colour: Colour, factor: float) -> Colour:
    """The colour made darker (below 1) or lighter."""
    return rgb(value * factor for value in colour)


def random_colour(rng: np.random.Generator, low: float, high: float) -> Colour:
    """Each of red, green and blue anywhere from `low` to `high`."""
    return rgb(rng.uniform(low, high, 3))
