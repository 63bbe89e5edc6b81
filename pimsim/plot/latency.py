"""Time of a token over the context it attends to."""

from __future__ import annotations

from pimsim.errors import InputError, Problem
from pimsim.plot.picture import Picture
from pimsim.plot.style import MARKERS, blank, colour, from_zero, scale, styled
from pimsim.results.result import Result, Row


def draw(result: Result) -> Picture:
    """A point a token step, by phase. Raises InputError for a run without token steps."""
    rows: list[Row] = [{key: row.get(key) for key in ("context", "latency_s", "phase")} for row in result.tables.get("tokens", ())]
    if not rows or any(row["context"] is None or row["latency_s"] is None for row in rows):
        raise InputError(Problem("the run has no token steps with a context", file="--kind latency"))
    factor, unit = scale((row["latency_s"] for row in rows), "s")
    with styled():
        figure, axes = blank(f"Time of a token over its context: {result.facts['workload']} on {result.facts['system']}")
        phases = list(dict.fromkeys(row["phase"] for row in rows))
        for index, phase in enumerate(phases):
            own = [row for row in rows if row["phase"] == phase]
            axes.plot([row["context"] for row in own], [row["latency_s"] * factor for row in own], MARKERS[index], color=colour(index),
                      markersize=3 if len(own) > 50 else 5, markeredgewidth=0, label=phase)  # fmt: skip
        axes.set_xlabel("context (tokens)")
        axes.set_ylabel(f"time of a token ({unit})")
        from_zero(axes)
        if len(phases) > 1:
            axes.legend(loc="lower right")
    return Picture("latency", "Time of a token over its context", figure, rows)
