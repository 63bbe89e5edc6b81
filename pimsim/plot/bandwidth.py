"""Bytes a second in the banks and over the pins, over time."""

from __future__ import annotations

from pimsim.errors import InputError, Problem
from pimsim.plot.over_time import TIME, activity, steps
from pimsim.plot.picture import Picture
from pimsim.plot.style import GREY, blank, colour, scale, styled
from pimsim.results.result import Result

SIDES = {"internal_bytes_per_s": "in the banks", "external_bytes_per_s": "over the pins"}


def draw(result: Result) -> Picture:
    """A panel a side, its peak as a dashed line, from the table ``activity``. Raises InputError for a run without it."""
    rows = activity(result, "bandwidth")
    sides = [key for key in SIDES if key in rows[0]]
    if not sides:
        raise InputError(Problem("the run has no bandwidth over time", file="--kind bandwidth"))
    shown = [{key: row[key] for key in (*TIME, *sides)} for row in rows]
    factor, unit = scale([rows[-1]["begin_s"] + rows[-1]["length_s"]], "s")
    peaks = result.facts.get("peaks") or {}
    with styled():
        figure, first = blank(f"Bandwidth over time: {result.facts['workload']} on {result.facts['system']}", height=1.2 + 1.3 * len(sides))
        first.remove()
        panels = figure.subplots(len(sides), 1, sharex=True, squeeze=False)[:, 0]
        for index, (key, axes) in enumerate(zip(sides, panels, strict=True)):
            peak = peaks.get(key)
            x, y = steps(rows, key)
            up, prefix = scale([*y, peak or 0.0], "B/s")
            axes.fill_between([v * factor for v in x], [v * up for v in y], color=colour(index), linewidth=0)
            if peak:
                axes.axhline(peak * up, color=GREY, linestyle="--")
                axes.annotate(f"peak {peak * up:.4g} {prefix}", (0.995, peak * up), xycoords=("axes fraction", "data"), ha="right",
                              va="top", xytext=(0, -2), textcoords="offset points", fontsize=8)  # fmt: skip
            axes.set_ylabel(f"{SIDES[key]}\n({prefix})")
            axes.set_ylim(0, 1.05 * max([peak or 0.0, *y]) * up)
            axes.margins(x=0)
        panels[0].set_title(f"Bandwidth over time: {result.facts['workload']} on {result.facts['system']}", wrap=True)
        panels[-1].set_xlabel(f"time ({unit})")
    return Picture("bandwidth", "Bandwidth over time", figure, shown)
