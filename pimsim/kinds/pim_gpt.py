"""PIM-GPT style systems: PIM channels and an ASIC, one sequence at a time (arXiv 2310.09385)."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

from pimsim.config import SystemConfig
from pimsim.devices.controller import Observer
from pimsim.dram.compile import Compiled
from pimsim.errors import InputError, Problem, problems_of
from pimsim.kinds.job import Job, Views
from pimsim.model.lowering import beyond_training, lower_workload
from pimsim.model.trace import Trace
from pimsim.results.pim_gpt import result
from pimsim.results.pim_gpt.activity import ActivityRecorder
from pimsim.results.pim_gpt.energy import per_command
from pimsim.results.result import Result
from pimsim.sim.memory import compile_memory
from pimsim.sim.pim_gpt import PimGptSystem
from pimsim.sim.run import build, simulate

if TYPE_CHECKING:
    from pimsim.trace.blame import BlameRecorder
    from pimsim.trace.commands import CommandRecorder
    from pimsim.trace.timeline import TimelineRecorder


def run(job: Job) -> Result:
    """Run a workload, or an operator trace (see :class:`pimsim.kinds.Kind`)."""
    trace = job.trace or _lowered(job)
    window, near = job.views.windows(len(trace.steps))
    doubt = beyond_training(trace)
    if doubt and job.notify is not None:
        job.notify(f"note: {doubt}")
    system = _build(job, trace)
    with ExitStack() as files:
        views = _Views(job, system, near, files, len(window))
        activity = ActivityRecorder(system)
        finished = simulate(job.config, trace, workload=job.workload, system=system, logged=window,
                            observers=[activity, *views.observers], progress=job.progress)  # fmt: skip
        return result(finished, views.finish(), activity.rows())


def _lowered(job: Job) -> Trace:
    if job.workload is None:
        raise InputError(Problem("nothing to run", "a workload or a trace"))
    return lower_workload(job.workload)


def _build(job: Job, trace: Trace) -> PimGptSystem:
    """The system, ready to run. Raises InputError with everything that keeps it from being built or its energy from adding up."""
    config = job.config
    made: list[PimGptSystem] = []
    found = problems_of(lambda: made.append(build(config, trace, fast_forward=job.fast_forward, fold=job.fold)))
    found += problems_of(lambda: per_command(config, (made[0].compiled if made else _compiled(config)).timing))
    if found:
        raise InputError(dict.fromkeys(found))
    return made[0]


def _compiled(config: SystemConfig) -> Compiled:
    return compile_memory(config.memory, config.controller, config.pim)


class _Views:
    """The observers that look into a run's commands, and the files that they write. What is not asked for is not loaded."""

    def __init__(self, job: Job, system: PimGptSystem, near: range, files: ExitStack, logged: int):
        self.observers: list[Observer] = []
        self._commands: CommandRecorder | None = None
        self._timeline: TimelineRecorder | None = None
        self._blame: BlameRecorder | None = None
        asked: Views = job.views
        compiled = system.compiled
        if asked.commands is not None:
            from pimsim.dram.commandlog import writer
            from pimsim.trace.commands import CommandRecorder

            file = files.enter_context(writer(asked.commands, compiled.command_names))
            self._commands = CommandRecorder(compiled, file, logged, job.notify)
            self.observers.append(self._commands)
        if asked.timeline is not None:
            from pimsim.trace.event import EventFile
            from pimsim.trace.timeline import TimelineRecorder
            from pimsim.trace.window import Windowed

            events = files.enter_context(EventFile(asked.timeline, compiled.tick_fs, {"system": job.config.name}))
            self._timeline = TimelineRecorder(job.config, compiled, events, notify=job.notify)
            self.observers.append(Windowed(self._timeline, near))
        if asked.blame:
            from pimsim.trace.blame import BlameRecorder
            from pimsim.trace.window import Windowed

            self._blame = BlameRecorder(compiled, job.config.memory.channels)
            self.observers.append(Windowed(self._blame, near))

    def finish(self) -> dict[str, Any] | None:
        """Complete the files' contents; returns what held commands back, if that was asked for."""
        if self._commands is not None:
            self._commands.finish()
        if self._timeline is not None:
            self._timeline.finish()
        return self._blame.finish() if self._blame is not None else None
