"""The Python interface: ``pimsim.run(...)`` simulates, ``pimsim.load(...)`` reads a run folder back. The command line uses the same.

    import pimsim
    result = pimsim.run("pim-gpt", "gpt2-small", **{"memory.channels": 4, "workload.output_tokens": 64})
    result.tokens_per_s, result.operators(), result.summary()
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pimsim import config as configuration
from pimsim.config import SystemConfig, WorkloadConfig
from pimsim.config.base import Described
from pimsim.devices.controller import Observer
from pimsim.errors import InputError, Problem
from pimsim.model.lowering import lower_workload
from pimsim.model.trace import Trace
from pimsim.model.tracefile import read_trace
from pimsim.results import folder
from pimsim.results.energy import per_command
from pimsim.results.folder import load
from pimsim.results.result import Result
from pimsim.sim.memory import compile_memory
from pimsim.sim.pim_gpt import PimGptSystem
from pimsim.sim.record import Progress
from pimsim.sim.run import build, simulate

if TYPE_CHECKING:
    from pimsim.trace.blame import BlameRecorder
    from pimsim.trace.commands import CommandRecorder
    from pimsim.trace.timeline import TimelineRecorder

__all__ = ["Result", "load", "run"]

StrPath = str | Path
Notify = Callable[[str], None]
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
    asked = _Asked(_path(out), _path(commands), _path(timeline), blame, steps)
    asked.check()
    config, used, lowered = _read(system, workload, trace, [*overrides, *_as_overrides(settings)])
    window, near = asked.windows(len(lowered.steps))
    built = _build(config, used, lowered, trace, fast_forward=fast_forward, fold=fold)
    with ExitStack() as files:
        views = _Views(asked, config, built, near, files, notify, len(window))
        finished = _placed(lambda: simulate(config, lowered, workload=used, system=built, logged=window, observers=views.observers,
                                            progress=progress), config, used, trace)  # fmt: skip
        result = Result.of(finished, views.finish())
        if asked.out is not None:
            folder.write(result, asked.out)
    return result


@dataclass(frozen=True)
class _Asked:
    """What a run is to leave behind."""

    out: Path | None
    commands: Path | None
    timeline: Path | None
    blame: bool
    steps: slice | None

    def check(self) -> None:
        """Raise InputError for every target that cannot be written."""
        found: list[Problem] = []
        if self.out is not None:
            found += _problems(lambda: folder.refuse(Path(self.out or "")))
        for path, endings in ((self.commands, (".csv", ".csv.gz")), (self.timeline, (".json", ".json.gz"))):
            if path is None:
                continue
            if not path.name.endswith(endings):
                found.append(Problem(f"a file of this kind cannot be called '{path.name}'", f"a name that ends in {' or '.join(endings)}",
                                     file=str(path)))  # fmt: skip
            if path.is_dir():
                found.append(Problem("is a folder", "a file", file=str(path)))
            elif not path.absolute().parent.is_dir():
                found.append(Problem(f"there is no folder '{path.parent}'", "a folder that exists", file=str(path)))
        if found:
            raise InputError(found)

    def windows(self, count: int) -> tuple[range, range]:
        """Of a run of ``count`` steps: those whose commands are kept, and those that timeline and blame look into.

        Raises InputError if ``steps`` chooses none.
        """
        if not (self.commands or self.timeline or self.blame):
            return range(0), range(0)
        if self.steps is not None:
            chosen = range(count)[self.steps]
            if not chosen:
                raise InputError(Problem("no step is chosen", f"steps 0 to {count - 1}", file="--steps"))
            return chosen, chosen
        return range(count if self.commands else 1), range(1)


class _Views:
    """The observers that look into a run's commands, and the files that they write. What is not asked for is not loaded."""

    def __init__(self, asked: _Asked, config: SystemConfig, built: PimGptSystem, near: range, files: ExitStack, notify: Notify | None,
                 logged: int):  # fmt: skip
        self.observers: list[Observer] = []
        self._commands: CommandRecorder | None = None
        self._timeline: TimelineRecorder | None = None
        self._blame: BlameRecorder | None = None
        compiled = built.compiled
        if asked.commands is not None:
            from pimsim.dram.commandlog import writer
            from pimsim.trace.commands import CommandRecorder

            file = files.enter_context(writer(asked.commands, compiled.command_names))
            self._commands = CommandRecorder(compiled, file, logged, notify)
            self.observers.append(self._commands)
        if asked.timeline is not None:
            from pimsim.trace.event import EventFile
            from pimsim.trace.timeline import TimelineRecorder
            from pimsim.trace.window import Windowed

            events = files.enter_context(EventFile(asked.timeline, compiled.tick_fs, {"system": config.name}))
            self._timeline = TimelineRecorder(config, compiled, events, notify=notify)
            self.observers.append(Windowed(self._timeline, near))
        if asked.blame:
            from pimsim.trace.blame import BlameRecorder
            from pimsim.trace.window import Windowed

            self._blame = BlameRecorder(compiled, config.memory.channels)
            self.observers.append(Windowed(self._blame, near))

    def finish(self) -> dict[str, Any] | None:
        """Complete the files' contents; returns what held commands back, if that was asked for."""
        if self._commands is not None:
            self._commands.finish()
        if self._timeline is not None:
            self._timeline.finish()
        return self._blame.finish() if self._blame is not None else None


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
          overrides: Sequence[str]) -> tuple[SystemConfig, WorkloadConfig | None, Trace]:  # fmt: skip
    """System, workload and trace. Raises InputError with the problems of all of them."""
    if trace is None:
        config, used = configuration.load(system, workload or DEFAULT_WORKLOAD, overrides)
        return config, used, _placed(lambda: lower_workload(used), config, used, trace)
    if workload is not None:
        raise InputError(Problem(f"both a workload ('{workload}') and a trace", "one of them", file=str(trace)))
    loaded: list[Any] = []
    found = _problems(lambda: configuration.refuse_foreign(overrides, workload=False))
    found += _problems(lambda: loaded.append(configuration.load_system(system, overrides))) if not found else []
    found += _problems(lambda: loaded.append(read_trace(Path(trace))))
    if found:
        raise InputError(found)
    return loaded[0], None, loaded[1]


def _build(config: SystemConfig, workload: WorkloadConfig | None, lowered: Trace, trace: StrPath | None, *, fast_forward: bool,
           fold: bool) -> PimGptSystem:  # fmt: skip
    """The system, ready to run. Raises InputError with everything that keeps it from being built or its energy from adding up."""
    made: list[PimGptSystem] = []

    def attempt() -> PimGptSystem:
        found = _problems(lambda: made.append(build(config, lowered, fast_forward=fast_forward, fold=fold)))
        found += _problems(lambda: per_command(config, compile_memory(config.memory, config.controller, config.pim).timing))
        if found:
            raise InputError(dict.fromkeys(found))
        return made[0]

    return _placed(attempt, config, workload, trace)


def _problems(action: Callable[[], object]) -> list[Problem]:
    """What is wrong, according to ``action``."""
    try:
        action()
    except InputError as error:
        return list(error.problems)
    return []


def _placed(action: Callable[[], T], config: SystemConfig, workload: WorkloadConfig | None, trace: StrPath | None) -> T:
    """``action()``, its problems given the file and line of the value that they are about."""
    try:
        return action()
    except InputError as error:
        raise InputError(_place(problem, config, workload, trace) for problem in error.problems) from None


def _place(problem: Problem, config: SystemConfig, workload: WorkloadConfig | None, trace: StrPath | None) -> Problem:
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
