"""Time of every operator class, the roofline bound marked on it."""

from __future__ import annotations

from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from pimsim.errors import InputError, Problem
from pimsim.plot.picture import Picture
from pimsim.plot.style import BLUE, ORANGE, blank, note, room, scale, styled
from pimsim.results.label import percent
from pimsim.results.result import Result


def draw(result: Result) -> Picture:
    """Horizontal bars, the longest first. Raises InputError for a run without operators."""
    rows = sorted(result.tables.get("operators", ()), key=lambda row: -row["time_s"])
    if not rows:
        raise InputError(Problem("the run has no table of operators", file="--kind time"))
    total = sum(row["time_s"] for row in rows) or 1.0
    shown = [{"operator": row["operator"], "time_s": row["time_s"], "share": row["time_s"] / total, "bound_s": row.get("bound_s")}
             for row in rows]  # fmt: skip
    factor, unit = scale((row["time_s"] for row in shown), "s")
    bounded = [(i, row) for i, row in enumerate(shown) if row["bound_s"]]
    with styled():
        figure, axes = blank(f"Time by operator: {result.facts['workload']} on {result.facts['system']}",
                             height=1.3 + 0.26 * len(shown))  # fmt: skip
        axes.barh([row["operator"] for row in shown], [row["time_s"] * factor for row in shown], color=BLUE)
        axes.plot([row["bound_s"] * factor for _, row in bounded], [i for i, _ in bounded], "D", color=ORANGE, markeredgecolor="black",
                  markersize=5)  # fmt: skip
        ends = [max(row["time_s"], row["bound_s"] or 0.0) * factor for row in shown]
        note(axes, [(end, i, percent(row["share"])) for i, (row, end) in enumerate(zip(shown, ends, strict=True))], gap=6)
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"time ({unit})")
        room(axes, 0.1)
        axes.legend(handles=[Patch(color=BLUE, label="simulated, and its share"),
                             Line2D([], [], marker="D", linestyle="", color=ORANGE, markeredgecolor="black", label="roofline bound")],
                    loc="lower right")  # fmt: skip
    return Picture("time", "Time by operator", figure, shown)
