"""A metric over an axis, a line for every value of the others."""

from __future__ import annotations

import math

import pandas as pd
from matplotlib.axes import Axes

from pimsim.plot import style
from pimsim.plot.choose import axes as chosen
from pimsim.plot.choose import series
from pimsim.plot.picture import Picture
from pimsim.plot.table import Choice, SweepTable, places, text, title, unit
from pimsim.results.result import Row


def draw(table: SweepTable, choice: Choice) -> Picture:
    """Lines with markers. Raises InputError if there are too many, or nothing varies."""
    table = table.only(choice.where)
    metric = table.metric(choice.y)
    x, others = chosen(table, choice)
    lines = series(table, x, others)
    factor, prefixed = style.scale(table.frame[metric], unit(metric))
    numeric = bool(pd.api.types.is_numeric_dtype(table.frame[x]))
    order = places(table.frame[x])
    rows: list[Row] = []
    with style.styled():
        figure, axes = style.blank(table.titled(f"{title(metric).capitalize()} over {title(x)}"), 7.6 if others else 6.4)
        for index, (name, frame) in enumerate(lines.items()):
            at = list(frame[x]) if numeric else [order[v] for v in frame[x]]
            axes.plot(at, [v * factor for v in frame[metric]], label=name, **style.line(index, len(at)))
            rows += [{x: frame[x].iloc[i], **{o: frame[o].iloc[i] for o in others}, metric: frame[metric].iloc[i]} for i in range(len(at))]
        if numeric:
            _ticks(axes, sorted(set(table.frame[x])))
        else:
            axes.set_xticks(range(len(order)), [text(v) for v in order])
        axes.set_xlabel(title(x))
        axes.set_ylabel(f"{title(metric)} ({prefixed})" if prefixed else title(metric))
        style.from_zero(axes)
        if others:
            figure.legend(loc="outside right upper", title=others[0])
    return Picture("line", f"{title(metric).capitalize()} over {title(x)}", figure, rows)


def _ticks(axes: Axes, values: list[float]) -> None:
    """A tick at every value that was simulated, if few; a logarithmic axis if they double."""
    if min(values) > 0 and len(values) > 2 and max(values) / min(values) >= 8:
        axes.set_xscale("log", base=2 if all(math.log2(v) % 1 == 0 for v in values) else 10)
    if len(values) <= 12:
        axes.set_xticks(values, [text(v) for v in values])
        axes.minorticks_off()
