"""How busy the units were over time."""

from __future__ import annotations

from pimsim.errors import InputError, Problem
from pimsim.plot.over_time import TIME, activity, steps
from pimsim.plot.picture import Picture
from pimsim.plot.style import blank, line, scale, styled
from pimsim.results.label import label
from pimsim.results.result import Result

SUFFIX = "_utilisation"


def draw(result: Result) -> Picture:
    """A line a unit, from the table ``activity``. Raises InputError for a run without it."""
    rows = activity(result, "utilisation")
    units = [key for key in rows[0] if key.endswith(SUFFIX)]
    if not units:
        raise InputError(Problem("the run has no utilisation over time", file="--kind utilisation"))
    shown = [{key: row[key] for key in (*TIME, *units)} for row in rows]
    factor, unit = scale([rows[-1]["begin_s"] + rows[-1]["length_s"]], "s")
    with styled():
        figure, axes = blank(f"Utilisation over time: {result.facts['workload']} on {result.facts['system']}")
        for index, key in enumerate(units):
            x, y = steps(rows, key)
            axes.plot([v * factor for v in x], [100 * v for v in y], label=label(key.removesuffix(SUFFIX)), **line(index, len(x)))
        axes.set_xlabel(f"time ({unit})")
        axes.set_ylabel("busy (% of the time)")
        axes.set_ylim(0, 100)
        axes.margins(x=0)
        figure.legend(loc="outside right upper", title="unit")
    return Picture("utilisation", "Utilisation over time", figure, shown)
