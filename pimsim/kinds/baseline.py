"""GPUs and CPUs: a calibrated roofline over the same operators (docs/baselines.md)."""

from __future__ import annotations

from pimsim.baseline.machine import run as run_machine
from pimsim.config import BaselineConfig, WorkloadConfig
from pimsim.errors import InputError, Problem
from pimsim.kinds.job import Job
from pimsim.model.lowering import lower_workload
from pimsim.model.trace import Trace
from pimsim.results.baseline.common import Clock
from pimsim.results.baseline.machine import result
from pimsim.results.result import Result


def run(job: Job) -> Result:
    """Run a workload, or an operator trace (see :class:`pimsim.kinds.Kind`)."""
    clock, config = Clock(), job.config
    refuse_views(job)
    done = run_machine(config, lowered(job, config))
    if job.progress is not None:
        job.progress(len(done.work.passes), len(done.work.passes))
    return result(done, job.workload, clock)


def lowered(job: Job, config: BaselineConfig | None = None) -> Trace:
    """The operators of a job, in the data type that the machine computes with.

    Raises:
        InputError: the workload cannot be lowered, or a trace would have to change its data type.
    """
    dtype = config.execution.dtype if config is not None else "workload"
    if job.trace is not None:
        if dtype != "workload":
            raise InputError(Problem(f"a trace cannot be run as {dtype}, its sizes are fixed", "workload", key="execution.dtype"))
        return job.trace
    if job.workload is None:
        raise InputError(Problem("nothing to run", "a workload or a trace"))
    workload: WorkloadConfig = job.workload
    return lower_workload(workload if dtype == "workload" else workload.model_copy(update={"dtype": dtype}))


def refuse_views(job: Job) -> None:
    """Raise InputError if commands, a timeline or blame are asked for: there are none without commands."""
    if job.views.wanted:
        raise InputError(Problem(f"a system of kind '{job.config.kind}' issues no commands to log, draw or blame",
                                 "a system with PIM", key="kind"))  # fmt: skip
