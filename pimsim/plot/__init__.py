"""Pictures of a run or a sweep: what is drawn, from what, and as which file.

A picture is a matplotlib figure and the rows that it shows; it is saved with those rows as CSV beside it. One module a picture, with a
function ``draw``: of a run it takes the :class:`~pimsim.results.result.Result`, of a sweep the :class:`~pimsim.plot.table.SweepTable`
and a :class:`~pimsim.plot.table.Choice`. Pictures read by colour and by hatch or marker, in the palette of Okabe and Ito ("Color
Universal Design", 2008). Only this package imports matplotlib, and it uses figures and axes only, no pyplot: nothing global, no display.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, cast

from pimsim.errors import InputError, Problem, nearest
from pimsim.plot.picture import Picture
from pimsim.plot.table import Choice, SweepTable, of

if TYPE_CHECKING:
    import pandas

    from pimsim.results.result import Result

__all__ = ["RUN_KINDS", "SWEEP_KINDS", "Choice", "Picture", "SweepTable", "draw_run", "draw_sweep", "run_pictures", "sweep_pictures"]

RUN_KINDS = {
    "time": "time of every operator class and its roofline bound",
    "energy": "energy by component",
    "causes": "cycles of a channel by operator and cause",
    "utilisation": "how busy the units were over time",
    "latency": "time of a token over its context",
    "roofline": "every operator class under the roofs of the machine",
    "bandwidth": "bytes a second in the banks and over the pins over time",
}
"""Pictures of a run: kind -> what it shows. The module has the kind's name."""
SWEEP_KINDS = {
    "line": "a metric over an axis, a line for every value of another",
    "bar": "a metric a point, or speed-ups against a named baseline",
    "heatmap": "a metric over two axes",
    "pareto": "all points under two objectives, and the front",
    "tornado": "how far each axis moves a metric",
}
"""Pictures of a sweep: kind -> what it shows. The module has the kind's name."""


def draw_run(result: Result, kind: str) -> Picture:
    """A picture of a run.

    Raises:
        InputError: there is no such picture, or the run has not what it shows.
    """
    _known(kind, RUN_KINDS, "run")
    return cast(Picture, import_module(f"pimsim.plot.{kind}").draw(result))


def draw_sweep(table: SweepTable | pandas.DataFrame, kind: str, choice: Choice | None = None) -> Picture:
    """A picture of a sweep (its table, or the DataFrame that :func:`pimsim.load` reads); ``choice`` says which columns.

    Raises:
        InputError: there is no such picture or column, or the sweep has not what it shows.
    """
    _known(kind, SWEEP_KINDS, "sweep")
    return cast(Picture, import_module(f"pimsim.plot.{kind}").draw(of(table), choice or Choice()))


def run_pictures(result: Result) -> dict[str, Picture]:
    """Every picture that the run has the data for, by kind."""
    return _possible(RUN_KINDS, lambda kind: draw_run(result, kind))


def sweep_pictures(table: SweepTable | pandas.DataFrame, choice: Choice | None = None) -> dict[str, Picture]:
    """Every picture that the sweep has the data for, by kind."""
    return _possible(SWEEP_KINDS, lambda kind: draw_sweep(table, kind, choice))


def _possible(kinds: Iterable[str], draw: Callable[[str], Picture]) -> dict[str, Picture]:
    made = {}
    for kind in kinds:
        with suppress(InputError):
            made[kind] = draw(kind)
    return made


def _known(kind: str, kinds: dict[str, str], what: str) -> None:
    if kind not in kinds:
        raise InputError(Problem(f"a {what} has no picture '{kind}'", nearest(kind, list(kinds)), file="--kind"))
