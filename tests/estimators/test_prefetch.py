"""Items come from a thread of its own, few ahead of who uses them."""

import time
from collections.abc import Iterator

import pytest

from integralaction.estimators.prefetch import prefetch


def test_items_are_produced_at_the_same_time_and_not_far_ahead() -> None:
    produced: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(20):
            produced.append(number)
            yield number

    items = []
    for number in prefetch(numbers()):
        time.sleep(0.002)
        assert produced[-1] - number <= 3
        items.append(number)
    assert items == list(range(20))

    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        list(prefetch(failing()))
    first = next(iter(prefetch(numbers())))  # who stops early leaves no thread behind
    assert first == 0
