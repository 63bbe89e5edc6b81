"""Run a workload on a system."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass

import simpy

from pimsim.config import SystemConfig, WorkloadConfig
from pimsim.devices.controller import Controller
from pimsim.devices.package import Options
from pimsim.errors import InputError, Problem, nearest
from pimsim.model.importer import load_architecture
from pimsim.model.lowering import lower
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
    """A finished run: the system in its last state and everything that was recorded."""

    config: SystemConfig
    workload: WorkloadConfig | None
    trace: Trace
    system: PimGptSystem
    recorder: Recorder
    options: Options
    host: Host


def lower_workload(workload: WorkloadConfig) -> Trace:
    """The operator trace of a workload.

    Raises:
        InputError: there is no such model, or its configuration contradicts itself.
    """
    return lower(load_architecture(workload.model), batch=workload.batch, prompt_tokens=workload.prompt_tokens,
                 output_tokens=workload.output_tokens, prefill=workload.prefill, lm_head=workload.lm_head,
                 embedding=workload.embedding, dtype=workload.dtype)


def simulate(config: SystemConfig, trace: Trace, *, workload: WorkloadConfig | None = None, fast_forward: bool = True,
             fold: bool = True, log: bool = False, window: range = range(0), progress: Progress | None = None) -> Run:
    """Simulate a trace on a system.

    Args:
        fast_forward, fold: exact short cuts; switching them off gives the same numbers.
        log: keep every command in ``recorder.logs``.
        window: steps whose tasks are kept for a timeline.
        progress: called after every step.

    Raises:
        InputError: the system cannot be built or cannot run the trace.
    """
    if config.kind not in BUILDERS:
        raise InputError(Problem(f"unknown kind of system '{config.kind}'", nearest(config.kind, list(BUILDERS)), key="kind"))
    wall, cpu = time.perf_counter(), time.process_time()
    memory = config.memory
    interval = memory.timing_cycles.get("tREFI", 0)
    options = Options(config.controller.postpone * interval, fast_forward, fold, log)
    system = BUILDERS[config.kind](config, trace, options)
    categories: dict[str, int] = {}
    recorder = Recorder(system.mapping, categories, len(trace.steps), progress, window)
    env = simpy.Environment()
    env.process(Controller(system.package, system.mapping, trace, recorder, categories).process(env))
    env.run()
    host = Host(time.perf_counter() - wall, time.process_time() - cpu,
                resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    return Run(config, workload, trace, system, recorder, options, host)
