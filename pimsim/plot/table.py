"""The table of a sweep as pictures want it: which columns are axes, which are metrics, what is compared with what.

A row is a point. Metrics are named after the summary's keys (``time_s``, ``energy_j.total``), their endings are their units, and
whether less of one is better follows from its unit: seconds, joules, cycles, bytes and areas, unless they stand below the fraction line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from pimsim import units
from pimsim.config.document import read
from pimsim.errors import InputError, Problem, nearest
from pimsim.results.label import label
from pimsim.results.result import Row
from pimsim.sweep.frame import SweepFrame
from pimsim.sweep.table import FACTS, PLAN, RESULTS

NAMES = ("system", "workload", "model", "kind", "mapping", "placement")
"""Axes that are no path of the configuration."""
SECTIONS = ("memory", "controller", "pim", "asic", "npu", "system", "scheduler", "parallel", "workload", "compat", "energy", "placement")
BOOKKEEPING = ("point", "status", "pareto", "error")
_UNITS = {"_per_s": "", "_s": "s", "_j": "J", "_w": "W", "_bytes": "B", "_mm2": "mm²", "_bytes_per_s": "B/s", "_macs_per_s": "MAC/s"}
_LESS = ("s", "J", "W", "B", "mm²", "cycles")
DEFAULT_METRICS = ("time_s", "energy_j.total", "tokens_per_s")


@dataclass(frozen=True)
class Choice:
    """What to draw of a sweep; what is left open is chosen from the table.

    Attributes:
        x, y: columns along the axes of the picture; ``y`` is the metric of all but a heat map and a front.
        by: column whose values are told apart by line, bar or row.
        baseline: (column, value) of the points that others are compared with.
        where: column -> value that rows must have.
    """

    x: str | None = None
    y: str | None = None
    by: str | None = None
    baseline: tuple[str, str] | None = None
    where: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SweepTable:
    """A sweep's points.

    Attributes:
        name: for titles. frame: one row a point. axes: columns that were varied. objectives: metrics to look at first, each with what
            is better of it, ``min`` or ``max``.
        baseline: (column, value) that others are compared with, if the sweep names one.
    """

    name: str
    frame: pd.DataFrame
    axes: tuple[str, ...]
    objectives: Mapping[str, str] = field(default_factory=dict)
    baseline: tuple[str, str] | None = None

    @property
    def metrics(self) -> list[str]:
        """Numeric columns that were not varied."""
        return [c for c in self.frame.columns if c not in self.axes and c not in BOOKKEEPING and _numeric(self.frame[c])]

    def titled(self, words: str) -> str:
        """The title of a picture: what it shows, and of which sweep if that has a name."""
        return f"{words}: {self.name}" if self.name else words

    def varied(self) -> list[str]:
        """Axes with more than one value in the table."""
        return [axis for axis in self.axes if self.frame[axis].nunique() > 1]

    def metric(self, wanted: str | None, option: str = "--y") -> str:
        """The metric that is wanted, else the first objective, else time."""
        if wanted is not None:
            return self.column(wanted, option)
        for name in (*self.objectives, *DEFAULT_METRICS, *self.metrics):
            if name in self.metrics:
                return name
        raise InputError(Problem("the sweep has no metrics", file=self.name))

    def column(self, name: str, option: str) -> str:
        """A column by name. Raises InputError with the nearest one."""
        if name not in self.frame.columns:
            raise InputError(Problem(f"the sweep has no column '{name}'", nearest(name, list(self.frame.columns)), file=option))
        return name

    def only(self, where: Mapping[str, str]) -> SweepTable:
        """The points whose columns have these values. Raises InputError if there are none."""
        frame = self.frame
        for name, value in where.items():
            texts = frame[self.column(name, "--where")].map(text)
            if value not in set(texts):
                raise InputError(Problem(f"no point has {name}={value}", nearest(value, sorted(set(texts))), file="--where"))
            frame = frame[texts == value]
        return SweepTable(self.name, frame, self.axes, self.objectives, self.baseline)


def load(path: str | Path) -> SweepTable:
    """The table of a sweep's folder: one that ``pimsim sweep`` wrote, or any that holds a results.csv. Failed points are left out.

    Raises:
        InputError: it holds no table.
    """
    folder = Path(path)
    if not (folder / RESULTS).is_file():
        raise InputError(Problem("is neither a run folder nor a sweep's", f"a folder with a summary.json or a {RESULTS}", file=str(path)))
    facts: dict[str, Any] = read(folder / PLAN).data if (folder / PLAN).is_file() else {}
    if (folder / FACTS).is_file():
        facts |= json.loads((folder / FACTS).read_text(encoding="utf-8"))
    return make(str(facts.get("name") or folder.absolute().name), pd.read_csv(folder / RESULTS), facts)


def failed(path: str | Path) -> list[Row]:
    """The rows of a sweep's folder whose points failed, with their errors."""
    frame = pd.read_csv(Path(path) / RESULTS)
    if "error" not in frame.columns:
        return []
    return [{str(k): v for k, v in row.items() if v == v} for row in frame[frame["error"].notna()].to_dict("records")]


def of(frame: SweepTable | pd.DataFrame) -> SweepTable:
    """The table of a DataFrame, such as :func:`pimsim.load` reads from a sweep's folder."""
    if isinstance(frame, SweepTable):
        return frame
    if isinstance(frame, SweepFrame):
        return make("", frame.table(), {"axes": list(frame.varied), "objectives": frame.objectives})
    return make("", frame)


def make(name: str, frame: pd.DataFrame, plan: Mapping[str, Any] | None = None) -> SweepTable:
    """A table of points; ``plan`` may say ``axes``, ``objectives`` (metric -> min or max) and ``baseline`` (column -> value).

    Without axes, columns named like paths of the configuration are. Points with an error are left out.
    """
    plan = plan or {}
    named = [*NAMES, *_keys(plan.get("axes"))]
    axes = tuple(c for c in frame.columns if c in named or (not plan.get("axes") and "." in c and c.split(".")[0] in SECTIONS))
    if "error" in frame.columns:
        ran = frame[frame["error"].isna() | (frame["error"] == "")]
        if ran.empty and len(frame):
            raise InputError(Problem(f"every point failed, the first one with: {frame['error'].iloc[0]}", file=name))
        frame = ran
    wanted = plan.get("objectives")
    if not isinstance(wanted, Mapping):
        wanted = {str(o): "min" if less_is_better(str(o)) else "max" for o in _keys(wanted)}
    base = plan.get("baseline")
    pairs = [(str(k), text(v)) for k, v in base.items() if k in frame.columns] if isinstance(base, Mapping) else []
    return SweepTable(name, frame.reset_index(drop=True).copy(), axes, dict(wanted), pairs[0] if pairs else None)


def _keys(value: Any) -> Sequence[Any]:
    return list(value) if isinstance(value, Mapping | list | tuple) else []


def _numeric(column: Any) -> bool:
    return bool(pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column))


def text(value: Any) -> str:
    """A value as it is written on an axis: whole numbers without a fraction."""
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def places(column: pd.Series[Any]) -> dict[Any, int]:
    """Value -> its place among the column's values: numbers and quantities ("500 MHz") by size, others as they appear."""
    values = list(dict.fromkeys(column))
    return {value: place for place, value in enumerate(sorted(values, key=lambda v: (*_size(v), values.index(v))))}


def _size(value: Any) -> tuple[int, float]:
    """(0, size) of a number or quantity; (1, 0) of anything else, which comes behind."""
    if isinstance(value, str):
        return (0, float(units.amount(value)[1])) if units.is_quantity(value) else (1, 0.0)
    return (1, 0.0) if isinstance(value, bool) else (0, float(value))


def unit(name: str) -> str:
    """The unit in a metric's name, or nothing."""
    for part in (name, name.split(".")[0]):
        for ending in sorted(_UNITS, key=len, reverse=True):
            if part.endswith(ending):
                return _UNITS[ending]
    return "cycles" if name.split(".")[0].endswith("cycles") else ""


def title(name: str) -> str:
    """A column for people: "time_s" -> "time", "energy_j.total" -> "energy: total"."""
    parts = name.split(".")
    if parts[0] in SECTIONS and len(parts) > 1 and name not in ("energy.total",):
        return name
    ending = next((e for e in sorted(_UNITS, key=len, reverse=True) if parts[0].endswith(e) and e != "_per_s"), "")
    first = parts[0].removesuffix(ending) if ending and not parts[0].endswith("_per_s") else parts[0].replace("_per_s", "/s")
    return ": ".join([label(first), *(label(part) for part in parts[1:])])


def less_is_better(name: str, objectives: Mapping[str, str] | None = None) -> bool:
    """Whether one would rather have less of a metric: as the objectives say, else by its unit."""
    return objectives[name] == "min" if objectives and name in objectives else unit(name) in _LESS
