"""A metric a point as bars; with a baseline, how many times better than it each point is."""

from __future__ import annotations

import pandas as pd

from pimsim.errors import InputError, Problem
from pimsim.plot import style
from pimsim.plot.choose import axes as chosen
from pimsim.plot.choose import series
from pimsim.plot.picture import Picture
from pimsim.plot.table import NAMES, Choice, SweepTable, less_is_better, text, title, unit
from pimsim.plot.table import places as ordered
from pimsim.results.result import Row

MOST_LABELS = 40


def draw(table: SweepTable, choice: Choice) -> Picture:
    """Groups of bars along x. Raises InputError if there are too many series, or no point is the baseline."""
    table = table.only(choice.where)
    metric = table.metric(choice.y)
    baseline = choice.baseline or table.baseline
    value, factor, what, prefixed = metric, *_scaled(table, metric)
    if baseline is not None:
        table, value = _speed_ups(table, metric, baseline)
        factor, prefixed = 1.0, "x"
        what = _what(metric, baseline, less_is_better(metric, table.objectives))
    x, others = chosen(table, choice)
    groups = series(table, x, others)
    places = [text(v) for v in ordered(table.frame[x])]
    width = 0.8 / len(groups)
    rows: list[Row] = []
    with style.styled():
        figure, axes = style.blank(table.titled(_capital(what)), max(6.4, 2.5 + 0.3 * len(places) * len(groups)))
        for index, (name, frame) in enumerate(groups.items()):
            heights = [v * factor for v in frame[value]]
            at = [places.index(text(v)) - 0.4 + width * (index + 0.5) for v in frame[x]]
            bars = axes.bar(at, heights, width, color=style.colour(index), hatch=style.hatch(index), edgecolor="white", linewidth=0.3,
                            label=name)  # fmt: skip
            if len(places) * len(groups) <= MOST_LABELS:
                axes.bar_label(bars, [f"{h:.3g}" for h in heights], fontsize=7, padding=2, rotation=90 if len(groups) > 2 else 0)
            rows += [{x: frame[x].iloc[i], **{o: frame[o].iloc[i] for o in others}, metric: frame[metric].iloc[i],
                      **({"speed_up": frame[value].iloc[i]} if value != metric else {})} for i in range(len(frame))]  # fmt: skip
        axes.set_xticks(range(len(places)), places, rotation=30 if max(map(len, places)) > 8 else 0,
                        ha="right" if max(map(len, places)) > 8 else "center")  # fmt: skip
        axes.grid(axis="x", visible=False)
        axes.margins(y=0.1)
        axes.set_xlabel(title(x))
        axes.set_ylabel(f"{what} ({prefixed})" if prefixed else what)
        if baseline is not None:
            axes.axhline(1.0, color="black", linewidth=0.8)
        if others:
            figure.legend(loc="outside right upper", title=others[0])
    return Picture("bar", _capital(what), figure, rows)


def _what(metric: str, baseline: tuple[str, str], less: bool) -> str:
    than = baseline[1] if baseline[0] in NAMES else "=".join(baseline)
    if metric in ("time_s", "tokens_per_s", "cycles"):
        return f"speed-up over {than}"
    return f"{'less' if less else 'more'} {title(metric)} than {than}"


def _capital(words: str) -> str:
    return words[:1].upper() + words[1:]


def _scaled(table: SweepTable, metric: str) -> tuple[float, str, str]:
    factor, prefixed = style.scale(table.frame[metric], unit(metric))
    return factor, title(metric), prefixed


def _speed_ups(table: SweepTable, metric: str, baseline: tuple[str, str]) -> tuple[SweepTable, str]:
    """The table with a column of how many times better each point is than the one that differs only in the baseline's column.

    Points that have no such counterpart are left out.
    """
    name, wanted = table.column(baseline[0], "--baseline"), baseline[1]
    keys = [axis for axis in table.varied() if axis != name]
    base = table.frame[table.frame[name].map(text) == wanted]
    if base.empty:
        raise InputError(Problem(f"no point has {name}={wanted}", ", ".join(sorted(set(table.frame[name].map(text)))), file="--baseline"))
    reference = base[[*keys, metric]].rename(columns={metric: "_base"})
    if reference.duplicated(keys).any() if keys else len(reference) > 1:
        raise InputError(Problem(f"several points have {name}={wanted}", "one for each point to compare with it", file="--baseline"))
    frame = table.frame.merge(reference, on=keys, how="left") if keys else table.frame.assign(_base=float(reference["_base"].iloc[0]))
    ratio = frame["_base"] / frame[metric] if less_is_better(metric, table.objectives) else frame[metric] / frame["_base"]
    frame = pd.DataFrame(frame.assign(speed_up=ratio).drop(columns="_base").dropna(subset="speed_up"))
    return SweepTable(table.name, frame, table.axes, table.objectives, table.baseline), "speed_up"
