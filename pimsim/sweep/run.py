"""A sweep from its file to its table: the whole of what ``pimsim sweep`` and ``pimsim.sweep(...)`` do."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pimsim.config.sweep import SweepConfig, load_sweep
from pimsim.errors import InputError, Problem
from pimsim.sweep import table as tables
from pimsim.sweep.cache import Cache
from pimsim.sweep.plan import Plan, Planner, make_plan
from pimsim.sweep.session import Notify, Progress, Session, refusal
from pimsim.sweep.space import Excluded, Space
from pimsim.sweep.table import Finished, Row, Table

if TYPE_CHECKING:
    from pimsim.sweep.frame import SweepFrame

LIMIT = 1000
"""Points that are run without ``yes``."""

Source = str | Path | Mapping[str, Any]


@dataclass(frozen=True)
class Options:
    """How a sweep is run (see :func:`sweep`)."""

    out: Path | None = None
    jobs: int | None = None
    scheduler: str | None = None
    cache: Path | None = None
    yes: bool = False
    search: int | None = None
    unverified: float | None = None
    progress: Callable[[Progress], None] | None = None
    notify: Notify | None = None


@dataclass(frozen=True)
class Done:
    """A sweep that was run: its table, where its points' runs are, and what else came of it (rows by the name of their file)."""

    table: Table
    folders: Mapping[str, Path]
    extra: Mapping[str, Sequence[Row]]


def sweep(source: Source, *, out: str | Path | None = None, jobs: int | None = None, scheduler: str | None = None,
          cache: str | Path | None = None, yes: bool = False, search: int | None = None, unverified: float | bool | None = None,
          progress: Callable[[Progress], None] | None = None, notify: Notify | None = None) -> SweepFrame:  # fmt: skip
    """Run a sweep: a shipped name, the path of a YAML file, or a mapping with the same keys.

        pimsim.sweep({"workload": "gpt2-small", "axes": {"memory.channels": [8, 16]}}, out="channels")

    Args:
        out: folder for the table and what belongs to it.
        jobs: worker processes; this machine's cores unless given. 1 runs everything in this process.
        scheduler: address or scheduler file of a dask.distributed scheduler, whose workers are used instead.
        cache: folder that keeps finished points; ``PIMSIM_CACHE_DIR`` or the user's cache folder unless given.
        yes: run more than 1,000 points.
        search: look for the Pareto front with so many designs instead of running all (Optuna).
        unverified: instead of the sweep, vary every unverified number behind its baseline by this share (True: 0.2).
        progress: told how far it is after every point. notify: told sentences for people.

    Returns:
        The table as a pandas DataFrame. What a killed or interrupted sweep had finished is in the cache: run it again.

    Raises:
        InputError: everything that is wrong with the sweep or with the folders. A point that cannot run is a row with its error.
        OSError: something could not be written; all points that were finished are kept.
    """
    from pimsim.sweep.frame import frame_of

    share = 0.2 if unverified is True else unverified or None
    options = Options(None if out is None else Path(out), jobs, scheduler, None if cache is None else Path(cache), yes, search, share,
                      progress, notify)  # fmt: skip
    done = run(load_sweep(source), options)
    places = {one.point.number: str(done.folders[one.point.key]) for one in done.table.finished if one.point.key in done.folders}
    return frame_of(done.table, places)


def run(config: SweepConfig, options: Options) -> Done:
    """Run a sweep and write its folder. Raises as :func:`sweep`; KeyboardInterrupt once what was finished is written."""
    if options.out is not None:
        tables.refuse(options.out)
    if options.jobs is not None and options.jobs < 1:
        raise InputError(Problem(f"{options.jobs} jobs", "1 or more", file="--jobs"))
    with _session(options) as session:
        if options.unverified is not None:
            from pimsim.sweep.unverified import tornado

            return _written(tornado(config, session, options.unverified), options)
        if options.search is not None:
            from pimsim.sweep.search import search

            return _written(search(config, session, options.search), options)
        plan = make_plan(config, limit=None if options.yes else LIMIT)
        return _grid(plan, session, options)


def _session(options: Options) -> Session:
    return Session(Cache(options.cache), options.jobs, options.scheduler, options.progress, options.notify)


def _grid(plan: Plan, session: Session, options: Options) -> Done:
    finished: list[Finished] = []

    def keep(one: Finished) -> None:
        if one.facts is not None and options.notify is not None and all(before.facts is None for before in finished):
            for problem in tables.missing(plan.sweep, one.facts):
                options.notify(f"{problem} (so far; the first result of {len(plan.points):,} has it not)")
        finished.append(one)

    try:
        session.run(plan.points, keep)
    except (KeyboardInterrupt, OSError):
        if options.out is not None and finished:
            with contextlib.suppress(OSError, InputError):
                _written(_done(plan, session, finished, complete=False), options)
        raise
    return _written(_done(plan, session, finished, complete=True), options)


def _done(plan: Plan, session: Session, finished: Sequence[Finished], *, complete: bool) -> Done:
    made = tables.make_table(plan.sweep, plan.names, finished, plan.excluded, complete=complete)
    return Done(made, session.folders(finished), {})


def _written(done: Done, options: Options) -> Done:
    if options.out is not None:
        tables.write(done.table, options.out, done.folders, done.extra)
    return done


@dataclass(frozen=True)
class Preview:
    """What a sweep would do.

    Attributes:
        points: how many to run. cached: of them, already finished. refused: of them, those whose configuration is wrong.
        reasons: why they are refused, a sentence each. excluded: what is left out.
        seconds: estimate for the rest; None if nothing like it has run yet.
    """

    points: int
    cached: int
    refused: int
    excluded: tuple[Excluded, ...]
    seconds: float | None
    reasons: tuple[str, ...] = ()


def preview(config: SweepConfig, options: Options) -> Preview:
    """Count the points of a sweep, and estimate its time from runs that the cache has. Raises InputError as :func:`sweep` does."""
    from pimsim.sweep.executor import cores

    cache = Cache(options.cache)
    if options.search is not None:
        Planner(config)
        return Preview(min(options.search, Space(config).size), 0, 0, (), None)
    plan = make_plan(config)
    facts = {point.key: cache.facts(point.key) for point in plan.points if point.key}
    there = {key for key, known in facts.items() if known is not None}
    left = len(facts) - len(there)
    walls = [known["host"]["wall_s"] for known in facts.values() if known and "host" in known] or cache.wall_times()
    seconds = left * sum(walls) / len(walls) / min(options.jobs or cores(), max(left, 1)) if walls else None
    refused = [found.error for point in plan.points if (found := refusal(point)) is not None]
    return Preview(len(plan.points), sum(point.key in there for point in plan.points), len(refused), plan.excluded,
                   seconds if left else 0.0, tuple(refused))  # fmt: skip
