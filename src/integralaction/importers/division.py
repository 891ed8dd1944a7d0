"""Videos divided into training, validation and test."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from integralaction.assembly.plan import Entry
from integralaction.errors import Refused


def divide(entries: Sequence[Entry], val: float, test: float, seed: int) -> list[Entry]:
    """Entries with splits `train`, `val` and `test`: whole groups, each class by its shares as far as groups allow.

    Every class keeps a group for training.
    """
    groups: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        groups[entry.group or entry.video].append(entry)
    totals = Counter(entry.label for entry in entries)
    groups_left = {label: sum(any(e.label == label for e in group) for group in groups.values()) for label in totals}
    order = np.random.default_rng(seed).permutation(len(groups))
    names = sorted(groups)
    split_of: dict[str, str] = {}
    for split, share in (("test", test), ("val", val)):
        room = {label: round(share * count) for label, count in totals.items()}  # videos the split may yet get
        for place in order:
            name = names[place]
            counts = Counter(entry.label for entry in groups[name])
            fits = all(room[label] >= count and groups_left[label] > 1 for label, count in counts.items())
            if name not in split_of and fits:
                split_of[name] = split
                for label, count in counts.items():
                    room[label] -= count
                    groups_left[label] -= 1
    return [replace(entry, split=split_of.get(entry.group or entry.video, "train")) for entry in entries]


def group_of(video: str, expression: str | None) -> str:
    """What the expression's first parenthesis matches in a video's path; empty where it does not match."""
    match = re.search(expression, video) if expression else None
    return "" if match is None else match[1]


def check_division(val: float, test: float, group: str | None) -> None:
    """
    Raises:
        ValueError: shares that leave nothing for training, or an expression without a parenthesis.
    """
    if not (val >= 0 and test >= 0 and val + test < 1):
        raise Refused(f"Expected shares of at least 0 that sum to less than 1; found val {val} and test {test}.")
    if group is None:
        return
    try:
        expression = re.compile(group)
    except re.error as error:
        raise Refused(f"Expected a regular expression for the group; {group!r} is none ({error}).") from error
    if not expression.groups:
        raise Refused(f"Expected a parenthesis around the group in {group!r}, such as '_(g[0-9]+)_'; found none.")
