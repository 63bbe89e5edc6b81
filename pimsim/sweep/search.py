"""Search for the Pareto front with a limited number of designs: Optuna's multi-objective TPE over the positions of every axis.

A design is a choice for all axes but those of the workload, and is judged by the geometric mean of each objective over all workloads.
Designs are asked for and told in batches whose size nothing but this file decides, so that the same seed finds the same designs on any
number of workers. (TPE: Ozaki et al., "Multiobjective tree-structured Parzen estimator", JAIR 73, 2022.)
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from itertools import product
from typing import TYPE_CHECKING, Any

from pimsim import units
from pimsim.config.sweep import SweepConfig
from pimsim.errors import InputError, Problem
from pimsim.sweep import table as tables
from pimsim.sweep.pareto import front
from pimsim.sweep.plan import Planner, Point
from pimsim.sweep.run import Done
from pimsim.sweep.session import Session
from pimsim.sweep.space import Dimension, Space
from pimsim.sweep.table import Finished, Row

if TYPE_CHECKING:
    import optuna

BATCH = 8
PATIENCE = 20
"""Batches without a new design after which the search ends."""

DESIGNS = "search.csv"
Positions = tuple[int, ...]


class _Designs:
    """The designs that were looked at: each the points of all workloads, and its objectives."""

    def __init__(self, sweep: SweepConfig):
        self.space = Space(sweep)
        self.planner = Planner(sweep)
        self.objectives = sweep.objectives
        workload = [all(name == "workload" or name.startswith("workload.") for name in d.names) for d in self.space.dimensions]
        self.free = [i for i, of_workload in enumerate(workload) if not of_workload]
        self.fixed = [range(len(d.choices)) if w else range(1) for d, w in zip(self.space.dimensions, workload, strict=True)]
        self.points: dict[Positions, list[Point]] = {}
        self.refused: set[Positions] = set()
        self.finished: dict[int, Finished] = {}

    @property
    def size(self) -> int:
        """How many designs there are, those that conditions leave out included."""
        return math.prod(len(self.space.dimensions[i].choices) for i in self.free)

    def add(self, design: Positions) -> bool:
        """Take a design up. False if it is there already, or the conditions leave out one of its points."""
        if design in self.points or design in self.refused:
            return False
        combinations = []
        for fixed in product(*self.fixed):
            positions = list(fixed)
            for place, position in zip(self.free, design, strict=True):
                positions[place] = position
            combinations.append(self.space.at(tuple(positions)))
        if any(self.space.why_not(values) is not None for values in combinations):
            self.refused.add(design)
            return False
        begin = sum(len(points) for points in self.points.values())
        self.points[design] = [self.planner.resolve(begin + i, values) for i, values in enumerate(combinations)]
        return True

    def run(self, designs: Sequence[Positions], session: Session) -> None:
        """Run the points of designs that were taken up."""
        todo = [point for design in designs for point in self.points[design]]
        session.run(todo, lambda one: self.finished.__setitem__(one.point.number, one))

    def judged(self, design: Positions) -> list[float] | None:
        """The geometric mean of every objective over the workloads; None if a point failed or was left out."""
        if design not in self.points:
            return None
        rows = [tables.flat(one.facts or {}) for one in (self.finished[p.number] for p in self.points[design])]
        try:
            return [math.exp(sum(math.log(row[name]) for row in rows) / len(rows)) for name in self.objectives]
        except (KeyError, TypeError, ValueError):
            return None

    def rows(self) -> list[Row]:
        """A row a design: its values, its objectives, and whether it is on the front of those looked at."""
        rows: list[Row] = []
        for design, points in self.points.items():
            names = [name for place in self.free for name in self.space.dimensions[place].names]
            judged: Sequence[float | None] = self.judged(design) or [None] * len(self.objectives)
            values = tables.shown(points[0].values)
            rows.append({name: values[name] for name in names} | dict(zip(self.objectives, judged, strict=True)))
        for row, on in zip(rows, front(rows, self.objectives), strict=True):
            row["pareto"] = on
        return rows


def search(sweep: SweepConfig, session: Session, most: int) -> Done:
    """Run up to ``most`` designs, each chosen by what those before it were worth; all of them if there are no more.

    Raises:
        InputError: Optuna is not installed, or the sweep is wrong.
    """
    designs = _Designs(sweep)
    session.expect(min(designs.size, most) * math.prod(len(fixed) for fixed in designs.fixed))
    if designs.size <= most:
        every = [d for d in product(*(range(len(designs.space.dimensions[i].choices)) for i in designs.free)) if designs.add(d)]
        designs.run(every, session)
    else:
        _ask_and_tell(designs, session, most, sweep.seed)
    if not designs.finished:
        raise InputError(Problem("the conditions leave out every design that was tried", "conditions that more designs fulfil",
                                 file=designs.planner._file))
    made = tables.make_table(sweep, designs.space.names, designs.finished.values(), (), complete=True)
    return Done(made, session.folders(list(designs.finished.values())), {DESIGNS: designs.rows()})


def _ask_and_tell(designs: _Designs, session: Session, most: int, seed: int) -> None:
    study = _study(list(designs.objectives.values()), seed)
    idle = 0
    while len(designs.points) < most and idle < PATIENCE:
        trials = [study.ask() for _ in range(BATCH)]
        chosen = [tuple(_suggest(trial, i, designs.space.dimensions[i]) for i in designs.free) for trial in trials]
        new = []
        for design in chosen:
            if len(designs.points) < most and designs.add(design):
                new.append(design)
        idle = 0 if new else idle + 1
        designs.run(new, session)
        for trial, design in zip(trials, chosen, strict=True):
            _tell(study, trial, designs.judged(design))


def _study(directions: list[str], seed: int) -> optuna.Study:
    try:
        import optuna
    except ImportError:
        raise InputError(Problem("Optuna is not installed", "pip install 'pimsim[search]'", file="--search")) from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = optuna.samplers.TPESampler(seed=seed, multivariate=True, constant_liar=True, n_startup_trials=2 * BATCH)
    return optuna.create_study(directions=["minimize" if way == "min" else "maximize" for way in directions], sampler=sampler)


def _suggest(trial: optuna.Trial, place: int, dimension: Dimension) -> int:
    """A position: near ones are alike on an axis of numbers, not on one of names."""
    name, last = f"{place} {' '.join(dimension.names)}", len(dimension.choices) - 1
    if all(_ordered(value) for choice in dimension.choices for value in choice):
        return trial.suggest_int(name, 0, last)
    return int(trial.suggest_categorical(name, list(range(last + 1))))


def _ordered(value: Any) -> bool:
    return not isinstance(value, bool) and (isinstance(value, (int, float)) or units.is_quantity(str(value)))


def _tell(study: optuna.Study, trial: optuna.Trial, judged: list[float] | None) -> None:
    import optuna

    if judged is None:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
    else:
        study.tell(trial, judged)
