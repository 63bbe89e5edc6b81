"""A metric over two axes, as coloured cells with their values."""

from __future__ import annotations

from pimsim.errors import InputError, Problem
from pimsim.plot import style
from pimsim.plot.choose import axes as chosen
from pimsim.plot.picture import Picture
from pimsim.plot.table import Choice, SweepTable, places, text, title, unit
from pimsim.results.result import Row

MOST_LABELS = 150


def draw(table: SweepTable, choice: Choice) -> Picture:
    """Cells of x and ``by``. Raises InputError if not exactly two axes vary among the points."""
    table = table.only(choice.where)
    metric = table.metric(choice.y)
    x, others = chosen(table, choice)
    if len(others) != 1:
        found = ", ".join([x, *others])
        raise InputError(Problem(f"a heat map shows two axes, these points vary {len(others) + 1} ({found})",
                                 "two: choose with --where COLUMN=VALUE", file=table.name))
    by = others[0]
    factor, prefixed = style.scale(table.frame[metric], unit(metric))
    grid = table.frame.pivot_table(index=by, columns=x, values=metric, sort=False)
    grid = grid.reindex(index=list(places(table.frame[by])), columns=list(places(table.frame[x])))
    values = (grid * factor).to_numpy()
    with style.styled():
        figure, axes = style.blank(table.titled(title(metric).capitalize()), max(4.8, 2.2 + 0.6 * len(grid.columns)),
                                   max(2.4, 1.2 + 0.35 * len(grid)))  # fmt: skip
        image = axes.imshow(values, cmap="cividis", aspect="auto", origin="lower")
        axes.set_xticks(range(len(grid.columns)), [text(v) for v in grid.columns])
        axes.set_yticks(range(len(grid)), [text(v) for v in grid.index])
        axes.grid(visible=False)
        if values.size <= MOST_LABELS:
            middle = (float(grid.min().min()) + float(grid.max().max())) / 2 * factor
            for row, cells in enumerate(values):
                for column, value in enumerate(cells):
                    if value == value:
                        axes.text(column, row, f"{value:.3g}", ha="center", va="center", fontsize=7,
                                  color="white" if value < middle else "black")  # fmt: skip
        axes.set_xlabel(title(x))
        axes.set_ylabel(title(by))
        figure.colorbar(image, ax=axes, label=f"{title(metric)} ({prefixed})" if prefixed else title(metric))
    rows: list[Row] = [{x: column, by: index, metric: grid.loc[index, column]} for index in grid.index for column in grid.columns]
    return Picture("heatmap", f"{title(metric).capitalize()} over {title(x)} and {title(by)}", figure, rows)
