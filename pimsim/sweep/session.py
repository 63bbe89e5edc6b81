"""Runs points: what the cache has is taken from there, the rest goes to workers and then into the cache."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Any

from pimsim.errors import Problem
from pimsim.sweep.cache import Cache, default_folder
from pimsim.sweep.executor import Workers, workers
from pimsim.sweep.plan import Point
from pimsim.sweep.runner import run_tasks
from pimsim.sweep.table import Finished
from pimsim.sweep.version import code_identity
from pimsim.sweep.worker import Outcome, Task

Notify = Callable[[str], None]


@dataclass(frozen=True)
class Progress:
    """How far a sweep is: points done (those from the cache included), of how many, how many of them failed, or came from the cache."""

    done: int
    total: int
    failed: int
    cached: int


class Session:
    """A cache, and workers that begin once there is something to run and stay until the session ends."""

    def __init__(self, cache: Cache, jobs: int | None = None, scheduler: str | None = None,
                 progress: Callable[[Progress], None] | None = None, notify: Notify | None = None):  # fmt: skip
        """``jobs``: processes (this machine's cores unless given). ``scheduler``: of dask.distributed, instead of processes."""
        self.cache = cache
        self._jobs, self._scheduler = jobs, scheduler
        self._progress, self._notify = progress, notify
        self._open = ExitStack()
        self._workers: Workers | None = None
        self._done = self._failed = self._from_cache = self._total = 0

    def expect(self, total: int) -> None:
        """Say that so many points will be run in all, some of them later: how far the session is counts from there."""
        self._total = total

    def __enter__(self) -> Session:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._open.__exit__(kind, error, trace)

    def run(self, points: Sequence[Point], kept: Callable[[Finished], None]) -> None:
        """Run points; ``kept`` is called with each as it is done and stored, those from the cache first.

        Raises:
            InputError: the cache cannot be written to, or no scheduler answers.
            OSError: a result could not be stored. KeyboardInterrupt. What was ``kept`` before is safe.
        """
        waiting: dict[str, list[Point]] = {}
        self._total = max(self._total, self._done + len(points))

        def done(finished: Finished) -> None:
            self._done += 1
            self._failed += bool(finished.error)
            self._from_cache += finished.cached
            kept(finished)
            if self._progress is not None:
                self._progress(Progress(self._done, self._total, self._failed, self._from_cache))

        for point in points:
            found = refusal(point) or self._cached(point)
            if found is not None:
                done(found)
            else:
                waiting.setdefault(point.key, []).append(point)

        def store(outcome: Outcome) -> None:
            if outcome.unwritten is not None:
                raise OSError(*outcome.unwritten)
            if outcome.folder:
                self.cache.adopt(outcome.key, Path(outcome.folder))
            elif outcome.files:
                self.cache.store(outcome.key, outcome.files)
            for point in waiting[outcome.key]:
                found = None if outcome.error else self._cached(point)
                failed = Finished(point, error=outcome.error or "its result was removed")
                done(failed if found is None else replace(found, cached=False))

        if waiting:
            self.cache.prepare()
            first = [same[0] for same in waiting.values()]
            begun = self._begun(first)
            staging = str(self.cache.staging) if begun.local else ""
            run_tasks([Task(p.key, code_identity(), p.config, staging) for p in first], begun, store)

    def _begun(self, points: Sequence[Point]) -> Workers:
        if self._workers is None:
            if self._notify is not None and not (default_folder() / "kernels").is_dir():
                self._notify("compiling the simulation kernels, once for this installation (half a minute) ...")
            more = workers(self._jobs, self._scheduler, len(points), lambda: _short(points))
            self._workers = self._open.enter_context(more)
        return self._workers

    def _cached(self, point: Point) -> Finished | None:
        facts = self.cache.facts(point.key)
        if facts is None:
            return None
        if set(facts) == {"error"}:
            return Finished(point, error=_said(facts["error"]), cached=True)
        return Finished(point, facts, cached=True)

    def folders(self, finished: Sequence[Finished]) -> dict[str, Path]:
        """The run folder of every point that has one, by its key."""
        found = {one.point.key: self.cache.find(one.point.key) for one in finished if one.facts is not None}
        return {key: path for key, path in found.items() if path is not None}


def refusal(point: Point) -> Finished | None:
    """A point whose configuration was refused cannot run."""
    return Finished(point, error=_joined(point.problems), cached=True) if point.problems else None


def _said(error: Mapping[str, Any]) -> str:
    text = _joined([Problem(**problem) for problem in error["problems"]])
    return text if error["type"] == "InputError" else f"{error['type']}: {text}"


def _joined(problems: Sequence[Problem]) -> str:
    """Problems without their files, which differ from machine to machine; the path of an override stays."""
    named = [(p, p.key or (p.file.removeprefix("--set ") if p.file.startswith("--set ") else "")) for p in problems]
    return " | ".join(dict.fromkeys(str(Problem(p.message, p.allowed, key=key)) for p, key in named))


def _short(points: Sequence[Point]) -> list[tuple[Any, Any]]:
    """A short run of each kind of system among the points: two tokens, or one iteration."""
    found: dict[str, tuple[Any, Any]] = {}
    for point in points:
        config, workload = pickle.loads(point.config)
        if config.kind not in found:
            found[config.kind] = config, workload.model_copy(update={"prompt_tokens": 1, "output_tokens": 2, "iterations": 1})
    return list(found.values())
