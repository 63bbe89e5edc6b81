"""All points under two objectives, and those that no other point beats in both; the points of the front are numbered and named."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.lines import Line2D

from pimsim.errors import InputError, Problem
from pimsim.plot import style
from pimsim.plot.picture import Picture
from pimsim.plot.table import DEFAULT_METRICS, Choice, SweepTable, less_is_better, text, title, unit
from pimsim.results.result import Row

MOST_LABELS = 20


def draw(table: SweepTable, choice: Choice) -> Picture:
    """Points and the front as a staircase, its points labelled. Raises InputError if there are not two objectives."""
    table = table.only(choice.where)
    x, y = _objectives(table, choice)
    frame = table.frame.dropna(subset=[x, y])
    better = [(v if less_is_better(x) else -v, w if less_is_better(y) else -w) for v, w in zip(frame[x], frame[y], strict=True)]
    kept = front(better)
    (fx, ux), (fy, uy) = style.scale(frame[x], unit(x)), style.scale(frame[y], unit(y))
    varied = table.varied()
    rows: list[Row] = [{**{axis: frame[axis].iloc[i] for axis in varied}, x: frame[x].iloc[i], y: frame[y].iloc[i], "front": i in kept}
                       for i in range(len(frame))]  # fmt: skip
    corner = sorted(kept, key=lambda i: frame[x].iloc[i])
    with style.styled():
        figure, axes = style.blank(f"{title(y).capitalize()} against {title(x)}: {table.name}", 8.4, 4.2)
        axes.plot([v * fx for v in frame[x]], [v * fy for v in frame[y]], "o", color=style.SKY, markeredgecolor="white",
                  markeredgewidth=0.5, label=f"all {len(frame)} points")  # fmt: skip
        where = "steps-post" if less_is_better(y) == less_is_better(x) else "steps-pre"
        at = [(frame[x].iloc[i] * fx, frame[y].iloc[i] * fy) for i in corner]
        axes.plot([p[0] for p in at], [p[1] for p in at], color=style.RED, marker="D", drawstyle=where, label=f"front, {len(kept)} points")
        if len(kept) <= MOST_LABELS:
            style.note(axes, [(*p, str(n)) for n, p in enumerate(at, 1)], gap=6)
            named = [Line2D([], [], linestyle="", label=f"{n}: {_label(rows[i], varied)}") for n, i in enumerate(corner, 1)]
            figure.legend(handles=named, loc="outside right upper", title=f"front: {', '.join(varied[:4])}", handlelength=0,
                          handletextpad=0)  # fmt: skip
        for name, prefixed, set_label in ((x, ux, axes.set_xlabel), (y, uy, axes.set_ylabel)):
            better_is = "less is better" if less_is_better(name) else "more is better"
            set_label(f"{title(name)} ({f'{prefixed}, ' if prefixed else ''}{better_is})")
        axes.legend()
    return Picture("pareto", f"{title(y).capitalize()} against {title(x)}", figure, rows)


def front(points: Sequence[tuple[float, float]]) -> set[int]:
    """Positions of the points that no other beats: none is at most as large in both and smaller in one."""
    kept: set[int] = set()
    least = float("inf")
    previous: tuple[float, float] | None = None
    for index in sorted(range(len(points)), key=lambda i: points[i]):
        if points[index][1] < least or points[index] == previous:
            kept.add(index)
            least, previous = points[index][1], points[index]
    return kept


def _objectives(table: SweepTable, choice: Choice) -> tuple[str, str]:
    known = [name for name in dict.fromkeys([*table.objectives, *DEFAULT_METRICS]) if name in table.metrics]
    x = table.column(choice.x, "--x") if choice.x else next((n for n in known if n != choice.y), None)
    y = table.column(choice.y, "--y") if choice.y else next((n for n in known if n != x), None)
    if x is None or y is None:
        raise InputError(Problem("a front needs two objectives", "--x and --y, of " + ", ".join(table.metrics), file=table.name))
    return x, y


def _label(row: Row, varied: Sequence[str]) -> str:
    return ", ".join(text(row[axis]) for axis in varied[:4])
