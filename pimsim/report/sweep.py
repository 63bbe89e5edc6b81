"""The report of a sweep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pimsim.plot import sweep_pictures
from pimsim.plot.table import DEFAULT_METRICS, Choice, SweepTable, less_is_better, title
from pimsim.report.page import Page, Section, Table, cell, drawings
from pimsim.report.run import records, validation
from pimsim.results.result import Row
from pimsim.validate.figure import Figure


def sweep_page(table: SweepTable, choice: Choice | None = None, *, failed: Sequence[Row] = (), plan: str = "",
               figures: Sequence[tuple[str, Figure]] = ()) -> str:  # fmt: skip
    """A sweep as HTML.

    Args:
        choice: what to draw. failed: rows of points that failed, with their errors. plan: the sweep file.
        figures: (group, figure) of the validation table to show with it.
    """
    rows: list[Row] = [{str(key): _plain(value) for key, value in row.items() if key != "error"} for row in table.frame.to_dict("records")]
    varied = table.varied()
    sections = [Section("Pictures", drawings=drawings(sweep_pictures(table, choice))),
                Section("Best points", tables=[_best(table, varied)]), Section("Points", tables=[records(rows)])]  # fmt: skip
    if failed:
        sections.append(Section("Failed points", tables=[records(failed)]))
    sections += validation(figures)
    if plan:
        sections.append(Section("Sweep", code=plan))
    facts = [("points", f"{len(rows):,}"), ("failed", str(len(failed))), ("varied", ", ".join(varied) or "nothing")]
    return Page(f"Sweep {table.name}", facts, sections).render()


def _best(table: SweepTable, varied: Sequence[str]) -> Table:
    """Of every objective, the point that is best."""
    rows = []
    for metric in [m for m in dict.fromkeys((*table.objectives, *DEFAULT_METRICS)) if m in table.metrics and table.frame[m].notna().any()]:
        column = table.frame[metric].to_numpy()
        less = less_is_better(metric, table.objectives)
        best = table.frame.iloc[int(np.nanargmin(column) if less else np.nanargmax(column))]
        rows.append([cell(f"{'least' if less else 'most'} {title(metric)}"), cell(_plain(best[metric])),
                     *(cell(_plain(best[axis])) for axis in varied)])  # fmt: skip
    return Table(("objective", "value", *varied), rows)


def _plain(value: object) -> object:
    """A number of numpy as one of Python; what is missing as None."""
    value = value.item() if hasattr(value, "item") else value
    return None if value != value else value
