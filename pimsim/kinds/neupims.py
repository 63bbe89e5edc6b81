"""NeuPIMs style systems: an NPU and HBM with PIM that serve batches of requests, and the baselines of the paper (arXiv 2403.00579)."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from pimsim.config import SystemConfig
from pimsim.devices.neupims import NeuPimsDevice
from pimsim.errors import InputError, Problem
from pimsim.kinds.job import Job, Views
from pimsim.model.architecture import Architecture
from pimsim.results.neupims import result
from pimsim.results.neupims.energy import compiled_part, per_command
from pimsim.results.result import Result
from pimsim.sim.serving.run import Serving, ServingDevice, simulate

if TYPE_CHECKING:
    from pimsim.trace.stage_commands import StageCommands


def run(job: Job) -> Result:
    """Serve a workload (see :class:`pimsim.kinds.Kind`)."""
    if job.trace is not None or job.workload is None:
        raise InputError(Problem("this system serves requests", "a workload instead of a trace"))
    _refuse_views(job.views)
    beyond = job.workload.beyond_serving()
    if beyond:
        raise InputError(beyond)
    per_command(job.config, compiled_part(job.config))

    with ExitStack() as files:
        log = _command_log(job, files)
        first = True

        def make_device(config: SystemConfig, part: Architecture) -> ServingDevice:
            nonlocal first
            commands, first = log.take if log is not None and first else None, False
            return NeuPimsDevice(config, part, fold=job.fold, commands=commands)

        served = simulate(job.config, job.workload, make_device, kept=_window(job.views), progress=job.progress,
                          stage_ended=log.end if log is not None else None)
        if job.views.timeline is not None:
            _draw(job.views.timeline, served)
        return result(served)


def _command_log(job: Job, files: ExitStack) -> StageCommands | None:
    """What writes the commands of the first group's device, if that is asked for."""
    if job.views.commands is None:
        return None
    from pimsim.dram.commandlog import writer
    from pimsim.trace.stage_commands import StageCommands

    compiled = compiled_part(job.config)
    return StageCommands(compiled, files.enter_context(writer(job.views.commands, compiled.command_names)))


def _draw(path: Path, served: Serving) -> None:
    from pimsim.trace.event import EventFile
    from pimsim.trace.serving import draw

    with EventFile(path, served.tick_fs, {"system": served.config.name, "workload": served.workload.name}) as events:
        draw(served, events)


def _window(views: Views) -> range:
    """Iterations that are looked into: those asked for, else the first; of slices from the end, all."""
    steps = views.steps
    if not views.wanted or steps is None:
        return range(1)
    if (steps.start or 0) < 0 or (steps.stop or 0) < 0:
        return range(1 << 31)
    return range(steps.start or 0, 1 << 31 if steps.stop is None else steps.stop)


def _refuse_views(views: Views) -> None:
    if views.blame:
        raise InputError(Problem("what holds commands back is not recorded here; the causes of the channels' cycles are in the summary",
                                 "a run without --blame", file="--blame"))
