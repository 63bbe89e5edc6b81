"""How far each axis, taken by itself, moves a metric: the widest range on top.

A point of reference is chosen; an axis is judged by the points that differ from it in nothing else. The table of ``pimsim sweep
--unverified`` is made for it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from pimsim.errors import InputError, Problem
from pimsim.plot import style
from pimsim.plot.picture import Picture
from pimsim.plot.table import Choice, SweepTable, places, text, title
from pimsim.results.result import Row

MOST_ROWS = 25


def draw(table: SweepTable, choice: Choice) -> Picture:
    """Bars to the left and right of the reference. Raises InputError if no axis can be judged by itself."""
    table = table.only(choice.where)
    metric = table.metric(choice.y)
    table = replace(table, frame=table.frame.dropna(subset=metric))
    rows: list[Row] = []
    if table.varied():
        reference = _reference(table, choice)
        centre = float(reference[metric])
        rows = [row for axis in table.varied() if (row := _range(table, axis, metric, reference))]
        rows.sort(key=lambda row: row["most"] - row["least"])
        rows = [row for row in rows if row["most"] > row["least"]][-MOST_ROWS:]
    if not rows or not centre:
        raise InputError(Problem("no axis is varied by itself around a point of reference",
                                 "points that differ from the reference in one column only", file=table.name))
    with style.styled():
        figure, axes = style.blank(table.titled(f"What moves {title(metric)}"), 7.2, 1.4 + 0.3 * len(rows))
        for key, at, colour, hatch in (("least", "least_at", style.BLUE, ""), ("most", "most_at", style.ORANGE, "///")):
            shares = [100 * (row[key] / centre - 1) for row in rows]
            axes.barh([row["axis"] for row in rows], shares, color=colour, hatch=hatch, edgecolor="white", linewidth=0.3)
            for i, (row, share) in enumerate(zip(rows, shares, strict=True)):
                if share:
                    axes.annotate(text(row[at]), (share, i), xytext=(3 if share > 0 else -3, 0), textcoords="offset points", va="center",
                                  ha="left" if share > 0 else "right", fontsize=7)  # fmt: skip
        axes.axvline(0, color="black", linewidth=0.8)
        axes.grid(axis="y", visible=False)
        axes.margins(x=0.15)
        axes.set_xlabel(f"change of {title(metric)} from the point of reference (%)")
    return Picture("tornado", f"What moves {title(metric)}", figure, rows[::-1])


def _reference(table: SweepTable, choice: Choice) -> pd.Series[Any]:
    """The point that most others differ from in one axis only; of several, the one whose values are nearest to the middle."""
    varied, frame = table.varied(), table.frame
    orders = [places(frame[axis]) for axis in varied]
    codes = np.array([frame[axis].map(order) for axis, order in zip(varied, orders, strict=True)], np.int64).T
    middle = np.array([(len(order) - 1) // 2 for order in orders])
    baseline = choice.baseline or table.baseline
    allowed = np.ones(len(frame), bool)
    if baseline is not None:
        allowed = (frame[table.column(baseline[0], "--baseline")].map(text) == baseline[1]).to_numpy()
    candidates = np.flatnonzero(allowed) if allowed.any() else np.arange(len(frame))

    def rank(i: int) -> tuple[int, int, int]:
        neighbours = (codes != codes[i]).sum(axis=1) == 1
        return int(neighbours.sum()), -int(abs(codes[i] - middle).sum()), -i

    return frame.iloc[max(candidates.tolist(), key=rank)]


def _range(table: SweepTable, axis: str, metric: str, reference: Any) -> Row | None:
    """Least and most of the metric over the points that differ from the reference in this axis only; None if there is none."""
    frame = table.frame
    for other in table.varied():
        if other != axis:
            frame = frame[frame[other] == reference[other]]
    if len(frame) < 2:
        return None
    least, most = frame.iloc[int(frame[metric].to_numpy().argmin())], frame.iloc[int(frame[metric].to_numpy().argmax())]
    return {"axis": axis, "reference": reference[axis], "least_at": least[axis], "least": float(least[metric]),
            "most_at": most[axis], "most": float(most[metric])}  # fmt: skip
