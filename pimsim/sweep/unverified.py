"""How much every number that nobody has checked moves the results: each varied by itself around one design, the widest swing first.

The table is that of a sweep whose points differ from the first in one number each, and so can be drawn as a tornado.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from pimsim import units
from pimsim.config import provenance
from pimsim.config.sweep import SweepConfig
from pimsim.config.system import SystemConfig
from pimsim.errors import InputError, Problem
from pimsim.results.source import sources
from pimsim.sweep import table as tables
from pimsim.sweep.plan import Planner, Point
from pimsim.sweep.run import Done
from pimsim.sweep.session import Session
from pimsim.sweep.space import Space, Values
from pimsim.sweep.table import Finished, Row

UNVERIFIED = "unverified.csv"


@dataclass(frozen=True)
class _Number:
    """An unverified number, and the values that it is varied to (those that it can be)."""

    path: str
    value: Any
    source: str
    least: Any
    most: Any


def tornado(sweep: SweepConfig, session: Session, share: float) -> Done:
    """Vary every unverified number of the sweep's baseline (its first point if it names none) by ``share`` down and up.

    Raises:
        InputError: the sweep is wrong, its baseline cannot run, or nothing behind it is unverified.
    """
    planner = Planner(sweep)
    values = _base(sweep)
    base = planner.resolve(0, values)
    if base.problems:
        raise InputError(base.problems)
    weighed = any(name.startswith("area_mm2") for name in sweep.objectives)
    numbers = [n for n in _unverified(base, share) if n.path not in values and (weighed or not n.path.startswith("area."))]
    if not numbers:
        raise InputError(Problem("no number behind the baseline is unverified", file=planner._file))
    whole = values | {number.path: number.value for number in numbers}
    points = [Point(0, whole, base.key, base.config)]
    ends: dict[str, list[int]] = {}
    for number in numbers:
        for value in dict.fromkeys((number.least, number.most)):
            if value != number.value:
                ends.setdefault(number.path, []).append(len(points))
                point = planner.resolve(len(points), values | {number.path: value})
                points.append(Point(point.number, whole | {number.path: value}, point.key, point.config, point.problems))
    finished: dict[int, Finished] = {}
    session.run(points, lambda one: finished.__setitem__(one.point.number, one))
    if finished[0].error:
        raise InputError(Problem(f"the baseline cannot run: {finished[0].error}", file=planner._file))
    varied = _as_sweep(sweep, whole, numbers)
    made = tables.make_table(varied, list(whole), finished.values(), (), complete=True)
    rows = [_row(number, finished[0], [finished[place] for place in ends.get(number.path, ())], list(sweep.objectives))
            for number in numbers]  # fmt: skip
    rows.sort(key=lambda row: -max((row[f"{name}_swing"] or 0.0 for name in sweep.objectives), default=0.0))
    return Done(made, session.folders(list(finished.values())), {UNVERIFIED: rows})


def _base(sweep: SweepConfig) -> Values:
    """The baseline's values, those that it does not name being the first of their axis that the conditions let through."""
    space = Space(sweep)
    wanted = sweep.baseline or {}
    for values in space.combinations():
        if all(values[name] == value for name, value in wanted.items()) and space.why_not(values) is None:
            return values
    raise InputError(Problem("the conditions leave no point with the baseline's values", "another baseline"))


def _unverified(point: Point, share: float) -> list[_Number]:
    import pickle

    config, workload = pickle.loads(point.config)
    known = sources(config) if isinstance(config, SystemConfig) else tuple(provenance(config))
    found = [(source.path, source) for source in known if source.unverified]
    found += [(f"workload.{source.path}", source) for source in provenance(workload) if source.unverified]
    return [_Number(path, _plain(s.value), s.source, scaled(s.value, 1 - share), scaled(s.value, 1 + share)) for path, s in found]


def _plain(text: str) -> Any:
    """The value as YAML has it."""
    from pimsim.config.document import scalar

    return scalar(text)


def scaled(text: str, factor: float) -> Any:
    """A number or quantity times a factor, in its unit; what comes whole (counts, clocks, bytes ...) is rounded to the nearest."""
    exact = Fraction(str(factor))
    value = _plain(text)
    if isinstance(value, int):
        return round(value * exact)
    if isinstance(value, float):
        return float(Fraction(text) * exact)
    number, unit = units.split(text)
    one = units.whole(unit)
    amount = number * exact
    if one is not None and (amount / one).denominator != 1:
        amount = round(amount / one) * one
    return f"{int(amount) if amount.denominator == 1 else float(amount)} {unit}"


def _as_sweep(sweep: SweepConfig, base: Mapping[str, Any], numbers: list[_Number]) -> SweepConfig:
    """The sweep that the table is of: every number with its values as an axis, the base as the baseline."""
    moved = {n.path: tuple(dict.fromkeys((n.least, n.value, n.most))) for n in numbers}
    axes = {name: moved.get(name, (value,)) for name, value in base.items() if name not in ("system", "workload")}
    made = sweep.model_copy(update={"name": f"{sweep.name}-unverified", "axes": axes, "zip": (), "when": (), "exclude": (),
                                    "system": (base["system"],), "workload": (base["workload"],),
                                    "baseline": {"system": base["system"]}})  # fmt: skip
    made._document = sweep._document
    return made


def _row(number: _Number, base: Finished, ends: list[Finished], objectives: list[str]) -> Row:
    """A number, what it was varied to, and what became of each objective."""
    row: Row = {"path": number.path, "value": number.value, "least": number.least, "most": number.most}
    centre = tables.flat(base.facts or {})
    outcomes = [tables.flat(end.facts) for end in ends if end.facts is not None]
    for name in objectives:
        values = [outcome[name] for outcome in outcomes if outcome.get(name) is not None] + [centre[name]]
        row |= {f"{name}_least": min(values), f"{name}_most": max(values),
                f"{name}_swing": (max(values) - min(values)) / centre[name] if centre[name] else None}  # fmt: skip
    refused = [f"{end.point.values[number.path]}: {end.error}" for end in ends if end.error]
    if not ends:
        refused = ["a whole number that this share does not change"]
    return row | {"source": number.source, "not_run": " | ".join(refused)}
