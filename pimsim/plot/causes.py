"""Cycles of an average channel: which operator they were spent for, and on what."""

from __future__ import annotations

from collections.abc import Sequence

from pimsim.errors import InputError, Problem
from pimsim.plot.picture import Picture
from pimsim.plot.style import blank, colour, hatch, scale, styled
from pimsim.results.label import label, percent
from pimsim.results.result import Result, Row

SUFFIX = "_cycles"
MENTIONED = 0.001
"""Operators with less than this share of the longest one are left out."""


def draw(result: Result) -> Picture:
    """Bars of operators, stacked by cause; where a run does not tell operators apart, a bar a view (as the memory and as PIM see it).

    Raises:
        InputError: the run has no causes.
    """
    rows = _rows(result)
    totals = {cause: sum(row[cause] for row in rows) for cause in list(rows[0])[1:]} if rows else {}
    causes = sorted((cause for cause, spent in totals.items() if spent), key=lambda cause: -totals[cause])
    if not causes:
        raise InputError(Problem("the run has no cycles by cause", file="--kind causes"))
    spent = {row["operator"]: sum(row[cause] for cause in causes) for row in rows}
    rows = [row for row in rows if spent[row["operator"]] > MENTIONED * max(spent.values())]
    rows.sort(key=lambda row: -spent[row["operator"]])
    shown = [{"operator": row["operator"], **{f"{cause}{SUFFIX}": row[cause] for cause in causes}} for row in rows]
    factor, unit = scale((sum(row[c] for c in causes) for row in rows), " ")
    everything = sum(totals.values())
    with styled():
        figure, axes = blank(f"Cycles of a channel by cause: {result.facts['workload']} on {result.facts['system']}", 7.2,
                             max(1.2 + 0.26 * len(rows), 1.4 + 0.2 * len(causes)))  # fmt: skip
        left = [0.0] * len(rows)
        for index, cause in enumerate(causes):
            widths = [row[cause] * factor for row in rows]
            axes.barh([row["operator"] for row in rows], widths, left=left, color=colour(index), hatch=hatch(index), edgecolor="white",
                      linewidth=0.3, label=f"{label(cause)}, {percent(totals[cause] / everything)}")  # fmt: skip
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"cycles ({_times(unit)})" if unit.strip() else "cycles")
        figure.legend(loc="outside right upper", title="cause, share of all")
    return Picture("causes", "Cycles by cause", figure, shown)


def _times(unit: str) -> str:
    return {"k": "thousands", "M": "millions", "G": "billions", "T": "trillions"}.get(unit.strip(), unit)


def _rows(result: Result) -> Sequence[Row]:
    """Operators (in column ``operator``) and their cycles by cause."""
    operators = result.tables.get("operators", ())
    names = [key.removesuffix(SUFFIX) for key in (operators[0] if operators else ()) if key.endswith(SUFFIX)]
    if names:
        return [{"operator": row["operator"], **{name: row[f"{name}{SUFFIX}"] or 0.0 for name in names}} for row in operators]
    views = result.facts.get("cycles_by_cause_of") or {"all": result.facts.get("cycles_by_cause") or {}}
    names = list(dict.fromkeys(name for causes in views.values() for name in causes))
    return [{"operator": label(view), **{name: causes.get(name, 0.0) for name in names}} for view, causes in views.items() if causes]
