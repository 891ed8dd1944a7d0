"""The paper's published numbers, so that measured numbers can be set beside them.

The paper: Moon, Kwon, Lee, Cho, "IntegralAction: Pose-driven Feature Integration for Robust Human Action Recognition in
Videos", 2021. Tables 1 to 12 lie in `numbers/`, a file a table, a row a row, each number written as the paper writes
it. Rows that are a method or a variant of this project carry its name here (`integral`, `lambda-0`, ...).

Two slips of the paper matter where numbers are compared. Table 1 prints an average rank of 1.8 for IntegralAction; its
own numbers give 2.0 (see `average_ranks`). "3.2 points" above the state of the art on NTU-RGBD is against 2S-AGCN
(88.5); over the best other method of Table 3 (91.5) it is 0.2.

The last row of Tables 10 to 12, `average`, is as published too. It is not always the mean of the rows above it: in
Table 11 it is up to 0.8 higher, as for a mean over videos where classes have unequal numbers of them.
"""

import csv
from importlib.resources import files

import numpy as np

from integralaction.errors import Refused

TABLES = range(1, 13)


def read_published(table: int) -> dict[str, dict[str, str]]:
    """One table of the paper: by row, in the paper's order, by column, the text as published; '' where there is none.

    Raises:
        ValueError: the paper has no such table of numbers.
    """
    if table not in TABLES:
        raise Refused(
            f"Expected the number of a table with results, {TABLES[0]} to {TABLES[-1]}; found {table}. "
            "Choose one of those."
        )
    path = files("integralaction") / "reproduce" / "numbers" / f"table{table}.csv"
    return {line.pop("row"): line for line in csv.DictReader(path.read_text(encoding="utf-8").splitlines())}


def average_ranks(rows: dict[str, list[float]]) -> dict[str, float]:
    """By row, the mean over the columns of its rank in that column.

    Rank 1 is the highest number; equals share the mean of their ranks. Where a row has NaN, it has no rank in that
    column, and the others are ranked without it; a row of nothing but NaN gets NaN.

    For Table 1 the paper's last column comes from all six columns, top-1 and top-5 of three data sets. They give 2.67
    (appearance-only; the paper prints 2.7), 3.17 (pose-only; 3.2), 2.00 (integral; 1.8, a slip) and 2.17 (lambda-5;
    2.2). From top-1 alone they would be 2.67, 3.33, 2.00 and 2.00.

    Raises:
        ValueError: the rows are of unequal length.
    """
    lengths = sorted({len(row) for row in rows.values()})
    if len(lengths) > 1:
        raise Refused(
            f"Expected rows of one length; found lengths {', '.join(map(str, lengths))}. Put NaN where a number is "
            "missing."
        )
    values = np.array(list(rows.values()), dtype=float).reshape(len(rows), -1 if rows else 0)
    higher = (values[None] > values[:, None]).sum(axis=1)
    equal = (values[None] == values[:, None]).sum(axis=1)
    ranks = higher + (equal + 1) / 2
    has_number = ~np.isnan(values)
    return {
        name: float(rank[mask].mean()) if mask.any() else float("nan")
        for name, rank, mask in zip(rows, ranks, has_number, strict=True)
    }
