"""All points under two objectives, and those that no other point beats in both; the points of the fronts are numbered and named.

Points of different workloads do other work and have fronts of their own.
"""

from __future__ import annotations

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from pimsim.errors import InputError, Problem
from pimsim.plot import style
from pimsim.plot.choose import MOST_SERIES
from pimsim.plot.picture import Picture
from pimsim.plot.table import DEFAULT_METRICS, Choice, SweepTable, less_is_better, text, title, unit
from pimsim.results.result import Row
from pimsim.sweep.pareto import front
from pimsim.sweep.table import context

MOST_LABELS = 20


def draw(table: SweepTable, choice: Choice) -> Picture:
    """Points, and a staircase a front. Raises InputError if there are not two objectives."""
    table = table.only(choice.where)
    x, y = _objectives(table, choice)
    varied = table.varied()
    frame = table.frame.dropna(subset=[x, y]).sort_values([x, y], kind="stable")
    ways = {name: "min" if less_is_better(name, table.objectives) else "max" for name in (x, y)}
    within = context(varied)
    records: list[Row] = [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]
    frame = frame.assign(front=front(records, ways, within))
    (fx, ux), (fy, uy) = style.scale(frame[x], unit(x)), style.scale(frame[y], unit(y))
    groups = list(frame.groupby(within, sort=False)) if within else [((), frame)]
    with style.styled():
        figure, axes = style.blank(table.titled(f"{title(y).capitalize()} against {title(x)}"), 8.4, 4.2)
        for index, (key, group) in enumerate(groups):
            _front(axes, group, (x, fx), (y, fy), ways, ", ".join(map(text, key)), index)
        corners = frame[frame["front"]]
        if len(corners) <= MOST_LABELS:
            spots: dict[tuple[float, float], list[str]] = {}
            for number, spot in enumerate(zip(corners[x] * fx, corners[y] * fy, strict=True), 1):
                spots.setdefault(spot, []).append(str(number))
            style.note(axes, [(*spot, ", ".join(numbers)) for spot, numbers in spots.items()], gap=6)
            named = [Line2D([], [], linestyle="", label=f"{n}: {', '.join(text(corners[axis].iloc[n - 1]) for axis in varied[:4])}")
                     for n in range(1, len(corners) + 1)]
            figure.legend(handles=named, loc="outside right upper", title=f"front: {', '.join(varied[:4])}", handlelength=0,
                          handletextpad=0)  # fmt: skip
        for name, prefixed, set_label in ((x, ux, axes.set_xlabel), (y, uy, axes.set_ylabel)):
            better = "less is better" if ways[name] == "min" else "more is better"
            set_label(f"{title(name)} ({f'{prefixed}, ' if prefixed else ''}{better})")
        if len(groups) <= MOST_SERIES:
            axes.legend()
        else:
            axes.legend(handles=[], title=f"{len(groups)} fronts, one for each {', '.join(within)}")
    rows: list[Row] = [{str(k): v for k, v in row.items()} for row in frame[[*varied, x, y, "front"]].to_dict("records")]
    return Picture("pareto", f"{title(y).capitalize()} against {title(x)}", figure, rows)


def _front(axes: Axes, group: pd.DataFrame, x: tuple[str, float], y: tuple[str, float], ways: dict[str, str], name: str,
           index: int) -> None:  # fmt: skip
    """All points of a group, small, and its front."""
    colour, marker = style.colour(index), style.MARKERS[index % len(style.MARKERS)]
    axes.plot(group[x[0]] * x[1], group[y[0]] * y[1], marker, color=colour, alpha=0.4, markersize=4, markeredgewidth=0)
    kept = group[group["front"]]
    where = "steps-post" if ways[x[0]] == ways[y[0]] else "steps-pre"
    axes.plot(kept[x[0]] * x[1], kept[y[0]] * y[1], color=colour, marker=marker, markeredgecolor="black", drawstyle=where,
              label=f"{name or 'front'}: {len(kept)} of {len(group)} points")  # fmt: skip


def _objectives(table: SweepTable, choice: Choice) -> tuple[str, str]:
    known = [name for name in dict.fromkeys([*table.objectives, *DEFAULT_METRICS]) if name in table.metrics]
    x = table.column(choice.x, "--x") if choice.x else next((n for n in known if n != choice.y), None)
    y = table.column(choice.y, "--y") if choice.y else next((n for n in known if n != x), None)
    if x is None or y is None:
        raise InputError(Problem("a front needs two objectives", "--x and --y, of " + ", ".join(table.metrics), file=table.name))
    return x, y
