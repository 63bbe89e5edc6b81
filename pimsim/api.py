"""The Python interface: ``pimsim.run(...)`` simulates, ``pimsim.load(...)`` reads a run's or sweep's folder back, and
``pimsim.sweep(...)`` (:mod:`pimsim.sweep.run`) runs a design space. The command line uses the same. ``pimsim.memory(...)`` makes a memory
to send requests to.

    import pimsim
    result = pimsim.run("pim-gpt", "gpt2-small", **{"memory.channels": 4, "workload.output_tokens": 64})
    result.tokens_per_s, result.operators(), result.summary()
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pimsim import config as configuration
from pimsim.config import WorkloadConfig
from pimsim.config.base import Described
from pimsim.errors import InputError, Problem, problems_of
from pimsim.kinds import kind
from pimsim.kinds.job import Job, Notify, Progress, Views
from pimsim.model.trace import Trace
from pimsim.model.tracefile import read_trace
from pimsim.results import folder
from pimsim.results.result import Result

if TYPE_CHECKING:
    from pimsim.sim.port import Memory
    from pimsim.sweep.frame import SweepFrame

__all__ = ["Result", "load", "memory", "run"]

StrPath = str | Path
T = TypeVar("T")
DEFAULT_SYSTEM, DEFAULT_WORKLOAD = "pim-gpt", "gpt2-xl"


def run(
    system: StrPath = DEFAULT_SYSTEM,
    workload: StrPath | None = None,
    *,
    trace: StrPath | None = None,
    overrides: Sequence[str] = (),
    out: StrPath | None = None,
    commands: StrPath | None = None,
    timeline: StrPath | None = None,
    blame: bool = False,
    steps: slice | None = None,
    fast_forward: bool = True,
    fold: bool = True,
    progress: Progress | None = None,
    notify: Notify | None = None,
    **settings: Any,
) -> Result:
    """Simulate a workload (``gpt2-xl`` unless given) on a system, each a shipped name or the path of a YAML file.

    Args:
        trace: an operator trace (CSV or JSON lines) to run instead of a workload.
        overrides: ``PATH=VALUE`` as ``--set`` takes them; ``settings`` are the same as ``**{"memory.channels": 4}`` or, for a
            section, ``memory={"channels": 4}``.
        out: run folder to write.
        commands: file for the command log (CSV; ``.gz`` compresses it).
        timeline: file for a timeline that ui.perfetto.dev opens (JSON; ``.gz`` compresses it).
        blame: find out which timing rules held commands back: ``summary()["blame"]``.
        steps: token steps that ``commands``, ``timeline`` and ``blame`` look into, counted from 0. Without it the command log holds
            all of them and the others look into the first.
        fast_forward, fold: exact short cuts; switching them off gives the same numbers.
        progress: called with (steps done, steps in all) after every token step.
        notify: called with sentences for people, such as that a command log will be large.

    Raises:
        InputError: everything that is wrong with the input.
        SimulationError: the run broke one of its own laws.
        OSError: a file could not be written. Nothing half-written remains, whatever happens.
    """
    views, target = Views(_path(commands), _path(timeline), blame, steps), _path(out)
    found = problems_of(lambda: folder.refuse(target)) if target is not None else []
    found += views.check()
    if found:
        raise InputError(found)
    config, used, read = _read(system, workload, trace, [*overrides, *_as_overrides(settings)])
    job = Job(config, used, read, views, fast_forward, fold, progress, notify)
    result = _placed(lambda: kind(config.kind).run(job), config, used, trace)
    if target is not None:
        folder.write(result, target)
    return result


def load(path: StrPath) -> Result | SweepFrame:
    """Read a folder back: of a run its :class:`Result`, of a sweep its table, a pandas DataFrame (with ``.pareto()`` and ``.run(point)``).

    Raises:
        InputError: it is neither, is of another version, or a file is missing or damaged.
    """
    from pimsim.sweep.table import is_sweep

    if is_sweep(Path(path)):
        from pimsim.sweep.frame import load as load_sweep

        return load_sweep(path)
    return folder.load(path)


def memory(part: StrPath, policy: str | None = None, *, overrides: Sequence[str] = (), **settings: Any) -> Memory:
    """A memory of a shipped DRAM part or a YAML file, to send requests to: see :class:`~pimsim.sim.port.Memory`.

    Args:
        policy: of its controllers, ``controller.policy``; the part's unless given.
        overrides, settings: as :func:`run` takes them.

    Raises:
        InputError: everything that is wrong with the part or the changes.
    """
    from pimsim.sim.port import Memory

    policies = [] if policy is None else [f"controller.policy={policy}"]
    return Memory(configuration.load_dram(part, [*overrides, *_as_overrides(settings), *policies]))


def _path(path: StrPath | None) -> Path | None:
    return None if path is None else Path(path)


def _as_overrides(settings: Mapping[str, Any], above: str = "") -> Iterable[str]:
    """``PATH=VALUE`` of keyword settings."""
    for key, value in settings.items():
        if isinstance(value, Mapping):
            yield from _as_overrides(value, f"{above}{key}.")
        else:
            yield f"{above}{key}={value if isinstance(value, str) else json.dumps(value)}"


def _read(system: StrPath, workload: StrPath | None, trace: StrPath | None,
          overrides: Sequence[str]) -> tuple[Any, WorkloadConfig | None, Trace | None]:  # fmt: skip
    """System, and workload or trace. Raises InputError with the problems of all of them."""
    if trace is None:
        config, used = configuration.load_any_and_workload(system, workload or DEFAULT_WORKLOAD, overrides)
        return config, used, None
    if workload is not None:
        raise InputError(Problem(f"both a workload ('{workload}') and a trace", "one of them", file=str(trace)))
    loaded: list[Any] = []
    found = problems_of(lambda: configuration.refuse_foreign(overrides, workload=False))
    found += problems_of(lambda: loaded.append(configuration.load_any(system, overrides))) if not found else []
    found += problems_of(lambda: loaded.append(read_trace(Path(trace))))
    if found:
        raise InputError(found)
    return loaded[0], None, loaded[1]


def _placed(action: Callable[[], T], config: Any, workload: WorkloadConfig | None, trace: StrPath | None) -> T:
    """``action()``, its problems given the file and line of the value that they are about."""
    try:
        return action()
    except InputError as error:
        raise InputError(_place(problem, config, workload, trace) for problem in error.problems) from None


def _place(problem: Problem, config: Any, workload: WorkloadConfig | None, trace: StrPath | None) -> Problem:
    if problem.file:
        return problem
    own = problem.key.removeprefix("workload.")
    if trace is not None and (own != problem.key or not own):
        return replace(problem, file=str(trace), key="")
    owner: Described | None = workload if own != problem.key else config
    if owner is None or not own:
        return problem
    try:
        with owner.located():
            raise InputError(replace(problem, key=own))
    except InputError as placed:
        return placed.problems[0]
