"""Which columns of a sweep become the axes of a picture, where nobody said so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from pimsim.errors import InputError, Problem
from pimsim.plot.table import Choice, SweepTable, places, text

MOST_SERIES = 10


def axes(table: SweepTable, choice: Choice) -> tuple[str, list[str]]:
    """The column along x, and those whose values tell series apart: all others that vary, the chosen one first.

    Raises:
        InputError: nothing was varied.
    """
    varied = table.varied()
    x = table.column(choice.x, "--x") if choice.x else next((a for a in varied if _number(table, a) and a != choice.by), None)
    x = x or next((a for a in varied if a != choice.by), None)
    if x is None:
        raise InputError(Problem("nothing is varied among these points", file=table.name))
    by = [table.column(choice.by, "--by")] if choice.by else []
    return x, [*by, *(a for a in varied if a not in (x, *by) and not _follows(table, a, x))]


def series(table: SweepTable, x: str, others: list[str]) -> dict[str, pd.DataFrame]:
    """Label -> the points of a series, in order of x. Raises InputError if there are too many to tell apart."""
    order = places(table.frame[x])
    frame = table.frame.sort_values(x, kind="stable", key=lambda column: column.map(order))
    if not others:
        return {"": frame}
    groups = list(frame.groupby(others, sort=False, dropna=False))
    if len(groups) > MOST_SERIES:
        names = ", ".join(others)
        raise InputError(Problem(f"{len(groups)} combinations of {names} are too many for one picture",
                                 f"at most {MOST_SERIES}: choose with --where COLUMN=VALUE", file=table.name))
    return {_label(others, keys): group for keys, group in groups}


def _label(names: list[str], values: Sequence[Any]) -> str:
    """The first value by itself, the others with their columns' names."""
    return ", ".join(text(value) if i == 0 else f"{name} {text(value)}" for i, (name, value) in enumerate(zip(names, values, strict=True)))


def _number(table: SweepTable, axis: str) -> bool:
    return bool(pd.api.types.is_numeric_dtype(table.frame[axis]) and not pd.api.types.is_bool_dtype(table.frame[axis]))


def _follows(table: SweepTable, axis: str, x: str) -> bool:
    """Whether an axis has one value for each of x: it was zipped with it."""
    return bool((table.frame.groupby(x, dropna=False)[axis].nunique(dropna=False) <= 1).all())
