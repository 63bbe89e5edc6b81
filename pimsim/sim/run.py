"""Run a workload on a system."""

from __future__ import annotations

import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass

import simpy

from pimsim.config import SystemConfig, WorkloadConfig
from pimsim.devices.controller import Controller, Observer
from pimsim.devices.package import Options
from pimsim.errors import InputError, Problem, nearest
from pimsim.model.trace import Trace
from pimsim.sim import pim_gpt
from pimsim.sim.pim_gpt import PimGptSystem
from pimsim.sim.record import Progress, Recorder

BUILDERS = {"pim-gpt": pim_gpt.build}
"""Kinds of systems that can be built."""


@dataclass(frozen=True)
class Host:
    """What the simulation itself took."""

    wall_s: float
    cpu_s: float
    peak_rss_bytes: int


@dataclass(frozen=True)
class Run:
    """A finished run: the system in its last state and everything that was recorded.

    ``categories`` numbers what work was for: the rows of ``system.package.by_category``.
    """

    config: SystemConfig
    workload: WorkloadConfig | None
    trace: Trace
    system: PimGptSystem
    recorder: Recorder
    categories: dict[str, int]
    host: Host


def simulate(config: SystemConfig, trace: Trace, *, workload: WorkloadConfig | None = None, fast_forward: bool = True,
             fold: bool = True, system: PimGptSystem | None = None, logged: range = range(0),
             observers: Sequence[Observer] = (), progress: Progress | None = None) -> Run:
    """Simulate a trace on a system.

    Args:
        fast_forward, fold: exact short cuts; switching them off gives the same numbers.
        system: what :func:`build` made for this trace, if it is there already.
        logged: positions of the steps whose every command is kept and shown to the observers. Changes no number.
        observers: shown every segment and step as it ends.
        progress: called after every step.

    Raises:
        InputError: the system cannot be built or cannot run the trace.
    """
    wall, cpu = time.perf_counter(), time.process_time()
    system = system or build(config, trace, fast_forward=fast_forward, fold=fold)
    categories: dict[str, int] = {}
    recorder = Recorder(system.mapping, len(trace.steps), progress)
    env = simpy.Environment()
    env.process(Controller(system.package, system.mapping, trace, (recorder, *observers), categories, logged).process(env))
    env.run()
    host = Host(time.perf_counter() - wall, time.process_time() - cpu,
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    return Run(config, workload, trace, system, recorder, categories, host)


def build(config: SystemConfig, trace: Trace, *, fast_forward: bool = True, fold: bool = True) -> PimGptSystem:
    """The system, ready to run the trace once.

    Raises:
        InputError: it cannot be built, or cannot run the trace, or the trace does not fit.
    """
    if config.kind not in BUILDERS:
        raise InputError(Problem(f"unknown kind of system '{config.kind}'", nearest(config.kind, list(BUILDERS)), key="kind"))
    interval = config.memory.timing_cycles.get("tREFI", 0)
    return BUILDERS[config.kind](config, trace, Options(config.controller.postpone * interval, fast_forward, fold))
