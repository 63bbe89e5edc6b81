"""Energy by component."""

from __future__ import annotations

from pimsim.errors import InputError, Problem
from pimsim.plot.picture import Picture
from pimsim.plot.style import GREEN, blank, note, room, scale, styled
from pimsim.results.label import amount, label, percent
from pimsim.results.result import Result


def draw(result: Result) -> Picture:
    """Horizontal bars, the largest first; components of no energy are left out. Raises InputError for a run without energy."""
    parts = {name: joules for name, joules in (result.facts.get("energy_j") or {}).items() if name != "total"}
    total = sum(parts.values())
    if not total:
        raise InputError(Problem("the run has no energy", file="--kind energy"))
    shown = [{"component": name, "energy_j": joules, "share": joules / total}
             for name, joules in sorted(parts.items(), key=lambda item: -item[1]) if joules]  # fmt: skip
    factor, unit = scale(parts.values(), "J")
    with styled():
        figure, axes = blank(f"Energy by component, {amount(total, 'J')} in all: {result.facts['workload']} on {result.facts['system']}",
                             height=1.2 + 0.26 * len(shown))  # fmt: skip
        axes.barh([label(row["component"]) for row in shown], [row["energy_j"] * factor for row in shown], color=GREEN)
        note(axes, [(row["energy_j"] * factor, i, percent(row["share"])) for i, row in enumerate(shown)])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.set_xlabel(f"energy ({unit})")
        room(axes, 0.1)
    return Picture("energy", "Energy by component", figure, shown)
