"""The table ``activity`` of a run: what happened between two points of time, one row after the other."""

from __future__ import annotations

from collections.abc import Sequence

from pimsim.errors import InputError, Problem
from pimsim.results.result import Result, Row

TIME = ("begin_s", "length_s")
MOST_POINTS = 400
"""Rows beyond that are averaged, weighted by their length: a line has no more points than a page can show."""


def activity(result: Result, kind: str) -> Sequence[Row]:
    """Rows with ``begin_s``, ``length_s`` and rates, at most :data:`MOST_POINTS`. Raises InputError if the run has none."""
    rows = [row for row in result.tables.get("activity", ()) if row["length_s"] > 0]
    if not rows:
        raise InputError(Problem("the run has no table 'activity'", file=f"--kind {kind}"))
    size = -(-len(rows) // MOST_POINTS)
    return [_mean(rows[i : i + size]) for i in range(0, len(rows), size)]


def steps(rows: Sequence[Row], key: str) -> tuple[list[float], list[float]]:
    """The corners of a curve that holds each row's value for its length."""
    x = [at for row in rows for at in (row["begin_s"], row["begin_s"] + row["length_s"])]
    return x, [value for row in rows for value in (row[key], row[key])]


def _mean(rows: Sequence[Row]) -> Row:
    if len(rows) == 1:
        return rows[0]
    length = sum(row["length_s"] for row in rows)
    rates = [key for key in rows[0] if key not in TIME and isinstance(rows[0][key], int | float)]
    mean = {key: sum(row[key] * row["length_s"] for row in rows) / length for key in rates}
    return {"begin_s": rows[0]["begin_s"], "length_s": length, **mean}
