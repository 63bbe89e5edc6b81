"""The roofline (Williams, Waterman, Patterson, CACM 52(4), 2009): what each operator class reached of what the machine allows.

Left: classes that multiply, by multiply-accumulates for each byte of weights, keys and values (of everything they move, where a run does
not tell these apart), below the roofs of the units and of both memory paths.
Right: every class, the ones without a product too, as the share that its bound is of its time.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes

from pimsim.errors import InputError, Problem
from pimsim.plot.picture import Picture
from pimsim.plot.style import BLUE, MARKERS, blank, colour, note, room, styled
from pimsim.results.label import amount, label, percent
from pimsim.results.result import Result, Row

ROOFS = {"internal_bytes_per_s": "banks", "external_bytes_per_s": "pins"}
COMPUTE = "_macs_per_s"


def draw(result: Result) -> Picture:
    """Two panels. Raises InputError for a run without operators, bounds or peaks."""
    peaks = result.facts.get("peaks")
    rows = [_row(row) for row in result.tables.get("operators", ()) if row.get("bound_s") is not None and row["time_s"] > 0]
    if not rows or not peaks:
        raise InputError(Problem("the run has no operators with a bound, or no peaks", file="--kind roofline"))
    rows.sort(key=lambda row: -row["reached"])
    with styled():
        figure, first = blank("", 8.4, max(3.4, 1.4 + 0.26 * len(rows)))
        first.remove()
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        _roofs(left, [row for row in rows if row["macs"] and row["intensity"]], peaks)
        left.set_title(f"Roofline: {result.facts['workload']} on {result.facts['system']}", wrap=True)
        right.barh([row["operator"] for row in rows], [100 * row["reached"] for row in rows], color=BLUE)
        note(right, [(100 * row["reached"], i, percent(row["reached"])) for i, row in enumerate(rows)])
        right.invert_yaxis()
        right.grid(axis="y", visible=False)
        right.set_xlabel("bound / simulated time (%)")
        right.set_title("Share of the bound reached")
        room(right)
    return Picture("roofline", "Roofline", figure, rows)


def _row(row: Row) -> Row:
    used = row.get("stored_bytes") or (row.get("bytes_read") or 0) + (row.get("bytes_written") or 0)
    macs = row.get("macs") or 0
    return {"operator": row["operator"], "macs": macs, "bytes": used, "intensity": macs / used if used else None,
            "macs_per_s": macs / row["time_s"], "time_s": row["time_s"], "bound_s": row["bound_s"],
            "reached": row["bound_s"] / row["time_s"]}  # fmt: skip


def _roofs(axes: Axes, rows: Sequence[Row], peaks: Mapping[str, Any]) -> None:
    units = {key.removesuffix(COMPUTE): peak for key, peak in peaks.items() if key.endswith(COMPUTE)}
    paths = {name: peaks[key] for key, name in ROOFS.items() if peaks.get(key)}
    if not units or not paths:
        raise InputError(Problem("the run names no peaks of units and memory paths", file="--kind roofline"))
    most, fastest = max(units.values()), max(paths.values())
    ridges = [most / peak for peak in paths.values()]
    spread = [row["intensity"] for row in rows]
    low, high = min([*ridges, *spread]) / 4, max([*ridges, *spread]) * 4
    for index, (name, peak) in enumerate(paths.items()):
        axes.plot([low, most / peak], [low * peak, most], color="black", linestyle=("-", "--")[index], linewidth=1)
        axes.annotate(f"{name} {amount(peak, 'B/s')}", (low * 1.15, low * 1.15 * peak), rotation=0, va="bottom", ha="left", fontsize=7,
                      xytext=(10 if index == 0 else 18, -3), textcoords="offset points")  # fmt: skip
    for name, peak in units.items():
        axes.plot([peak / fastest, high], [peak, peak], color="black", linewidth=1)
        axes.annotate(f"{label(name)} {amount(peak, 'MAC/s')}", (high, peak), va="bottom", ha="right", fontsize=7)
    for index, row in enumerate(rows):
        axes.plot(row["intensity"], row["macs_per_s"], MARKERS[index % len(MARKERS)], color=colour(index), markeredgecolor="black",
                  markeredgewidth=0.5, markersize=7, label=row["operator"])  # fmt: skip
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_xlabel("MACs for each byte used")
    axes.set_ylabel("MACs/s")
    axes.legend(loc="lower right", fontsize=7)
