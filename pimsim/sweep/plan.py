"""What a sweep will do: its points, each resolved to a full configuration and to the key of its result in the cache."""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from pimsim import assets
from pimsim.config import load_any, load_workload, resolved
from pimsim.config.document import KeyPath, leaves
from pimsim.config.path import is_known, nearest_path
from pimsim.config.sweep import SweepConfig
from pimsim.errors import InputError, Problem
from pimsim.sweep.space import Excluded, Space, Values
from pimsim.sweep.version import code_identity

KEY_DIGITS = 24


@dataclass(frozen=True)
class Point:
    """One point: the values of the axes, and what they resolve to.

    Attributes:
        key: name of the result in the cache; empty if the configuration is refused.
        config: the pickled system and workload. problems: why the configuration is refused.
    """

    number: int
    values: Values
    key: str = ""
    config: bytes = b""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class Plan:
    """The points of a sweep, in their order, and the combinations that it leaves out."""

    sweep: SweepConfig
    names: tuple[str, ...]
    points: tuple[Point, ...]
    excluded: tuple[Excluded, ...] = ()


class Planner:
    """Resolves combinations of a sweep's values to points."""

    def __init__(self, sweep: SweepConfig):
        """Raises InputError for systems and workloads that cannot be read, and for axes that are no configuration path."""
        _system.cache_clear()  # files may have changed since another sweep
        _workload.cache_clear()
        self.sweep = sweep
        self._file = sweep._document.place(()).file if sweep._document else ""
        self._check_bases()

    def _near(self, name: str) -> str:
        """A base's name, or its path where the sweep's file mentions one next to itself."""
        return assets.beside(name, self._file) if self._file else name

    def _check_bases(self) -> None:
        named = self.sweep.all_axes
        workloads, systems = named["workload"], named["system"]
        found: list[Problem] = []
        models = []
        for name, bases in (("system", systems), ("workload", workloads)):
            labels = [label(str(base)) for base in bases]
            found += [self._place(name, place, Problem(f"two {name}s are called '{text}'", "different names")) for place, text
                      in enumerate(labels) if text in labels[:place]]  # fmt: skip
        for place, system in enumerate(systems):
            try:
                models.append(type(load_any(self._near(str(system)))))
            except InputError as error:
                found += [self._place("system", place, problem) for problem in error.problems]
        for place, workload in enumerate(workloads):
            try:
                load_workload(self._near(str(workload)))
            except InputError as error:
                found += [self._place("workload", place, problem) for problem in error.problems]
        if found:
            raise InputError(dict.fromkeys(found))
        for name in named:
            if name not in ("system", "workload") and not is_known(name, models):
                problem = Problem(f"there is no configuration path '{name}'", nearest_path(name, models))
                found.append(self._place(name, None, problem))
        if found:
            raise InputError(found)

    def _place(self, name: str, position: int | None, problem: Problem) -> Problem:
        """A problem with an axis, or with one of its values, at its place in the sweep's file."""
        document = self.sweep._document
        if document is None or problem.file and not problem.file.startswith("--set"):
            return problem
        path: KeyPath = ("axes", name) if name in self.sweep.axes else (name,)
        for number, group in enumerate(self.sweep.zip):
            if name in group:
                path = ("zip", number, name) if isinstance(document.data["zip"], list) else ("zip", name)
        deeper = (*path, position) if position is not None else path
        path = deeper if deeper in document.places else path
        return document.place(path).problem(path, problem.message, problem.allowed, at_key=position is None)

    def resolve(self, number: int, values: Values) -> Point:
        """The point of a combination; one whose configuration is refused carries the problems."""
        overrides = [f"{name}={json.dumps(value)}" for name, value in values.items() if name not in ("system", "workload")]
        own = tuple(text for text in overrides if text.startswith("workload."))
        config, wrong = _system(self._near(str(values["system"])), tuple(text for text in overrides if text not in own))
        workload, found = _workload(self._near(str(values["workload"])), own)
        if wrong or found:
            return Point(number, values, problems=wrong + found)
        return Point(number, values, result_key(config, workload), pickle.dumps((config, workload), protocol=5))

    def refuse_hopeless(self, points: Sequence[Point]) -> None:
        """Refuse values of axes that no point can have: each was refused by itself wherever it occurs.

        Raises:
            InputError: the problem of every such value, at its place in the sweep's file.
        """
        fine = {(name, str(value)) for point in points if not point.problems for name, value in point.values.items()}
        found: dict[Problem, None] = {}
        for point in points:
            for problem in point.problems:
                name = problem.file.removeprefix("--set ")
                value = point.values.get(name)
                if name != problem.file and value is not None and (name, str(value)) not in fine:
                    position = self.sweep.all_axes[name].index(value)
                    found[self._place(name, position, problem)] = None
        if found:
            raise InputError(found)


def _load(load: Callable[..., Any], name: str, overrides: Sequence[str]) -> tuple[Any, tuple[Problem, ...]]:
    try:
        return load(name, overrides), ()
    except InputError as error:
        return None, error.problems


@lru_cache(maxsize=256)
def _system(name: str, overrides: tuple[str, ...]) -> tuple[Any, tuple[Problem, ...]]:
    """A system, and what is wrong with it. Points of a sweep share systems or workloads, so each is read once."""
    return _load(load_any, name, overrides)


@lru_cache(maxsize=256)
def _workload(name: str, overrides: tuple[str, ...]) -> tuple[Any, tuple[Problem, ...]]:
    return _load(load_workload, name, overrides)


def make_plan(sweep: SweepConfig, *, limit: int | None = None, said: Callable[[int, int], None] | None = None) -> Plan:
    """All points of a sweep.

    Args:
        limit: most points that may be run.
        said: told how many points are resolved, of how many.

    Raises:
        InputError: everything that is wrong with the sweep.
    """
    space = Space(sweep)
    planner = Planner(sweep)
    chosen, excluded = space.divided()
    if limit is not None and len(chosen) > limit:
        raise InputError(Problem(f"{len(chosen):,} points, more than {limit:,}", "--yes runs them all the same, --dry-run only counts them",
                                 file=planner._file))
    points = []
    for number, values in enumerate(chosen):
        points.append(planner.resolve(number, values))
        if said is not None:
            said(number + 1, len(chosen))
    planner.refuse_hopeless(points)
    return Plan(sweep, space.names, tuple(points), tuple(excluded))


def label(name: str) -> str:
    """A system's or workload's name in tables: of a path its file's name (of a model's config.json its folder's), never the path."""
    if not assets.is_path(name):
        return name
    path = Path(name)
    return path.resolve().parent.name if path.name == "config.json" else path.stem


def shown(values: Mapping[str, Any]) -> dict[str, Any]:
    """A point's values as tables show them."""
    return {name: label(str(value)) if name in ("system", "workload") else value for name, value in values.items()}


def result_key(config: Any, workload: Any) -> str:
    """Hash of everything that decides a result: code, resolved system and workload, and the bytes of the files they name.

    Where a file lies does not count, only what is in it.
    """
    parts = [_with_contents(resolved(config)), _with_contents(resolved(workload))]
    material = json.dumps([code_identity(), *parts], sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(material.encode()).hexdigest()[:KEY_DIGITS]


def _with_contents(data: dict[str, Any]) -> list[Any]:
    """The leaves of a configuration, files replaced by hashes of their contents."""
    return [[list(path), _content(path, value)] for path, value in leaves(data)]


def _content(path: KeyPath, value: Any) -> Any:
    if not isinstance(value, str):
        return value
    if path == ("model",):
        return _digest(assets.find("model", value))
    return _digest(Path(value)) if assets.is_path(value) or value.endswith(".csv") else value


def _digest(path: Path) -> str:
    """Hash of a file's contents; of a path to nothing, the path."""
    try:
        stat = path.stat()
    except (OSError, ValueError):
        return str(path)
    return _hashed(path, stat.st_mtime_ns, stat.st_size) if path.is_file() else str(path)


@cache
def _hashed(path: Path, changed_ns: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
