"""GPUs and CPUs: a calibrated roofline over the same operators (docs/baselines.md)."""

from __future__ import annotations

from dataclasses import replace

from pimsim import units
from pimsim.baseline import machine
from pimsim.baseline.footprint import footprint
from pimsim.baseline.serving import Model, Request, serve
from pimsim.config import BaselineConfig, WorkloadConfig
from pimsim.errors import InputError, Problem
from pimsim.kinds.job import Job
from pimsim.model.architecture import Architecture
from pimsim.model.importer import load_architecture
from pimsim.model.lowering import lower_workload
from pimsim.model.trace import Step, Trace
from pimsim.results.baseline.common import Clock
from pimsim.results.baseline.machine import result
from pimsim.results.result import Result
from pimsim.schedule.parallel import Parallel, device_part
from pimsim.sim.serving.request import requests_of


def run(job: Job) -> Result:
    """Run a workload, or an operator trace (see :class:`pimsim.kinds.Kind`)."""
    clock, config = Clock(), job.config
    refuse_views(job)
    if job.workload is not None and (job.workload.arrivals is not None or job.workload.requests is not None):
        return result(_served(config, job.workload, job), job.workload, clock)
    trace = lowered(job, config)
    if not config.execution.kv_cache and any(step.phase == "draft" for step in trace.steps):
        raise InputError(Problem("drafts are decoded with a KV cache", "true", key="execution.kv_cache"))
    done = machine.run(config, trace)
    if job.progress is not None:
        job.progress(len(done.work.passes), len(done.work.passes))
    return result(done, job.workload, clock)


def lowered(job: Job, config: BaselineConfig | None = None) -> Trace:
    """The operators of a job, in the data type that the machine computes with, and one device's share of them.

    Raises:
        InputError: the workload cannot be lowered, or a trace would have to change its data type or be shared.
    """
    if job.trace is not None:
        execution = config.execution if config is not None else None
        if execution is not None and (execution.dtype != "workload" or execution.devices > 1):
            key, value = ("dtype", "workload") if execution.dtype != "workload" else ("devices", "1")
            raise InputError(Problem("a trace is run as it is, its sizes are fixed", value, key=f"execution.{key}"))
        return job.trace
    if job.workload is None:
        raise InputError(Problem("nothing to run", "a workload or a trace"))
    return lower_workload(*_part(config, job.workload))


def _part(config: BaselineConfig | None, workload: WorkloadConfig) -> tuple[WorkloadConfig, Architecture]:
    """The workload with the machine's data type, and a device's share of its model."""
    architecture = load_architecture(workload.model)
    if config is None:
        return workload, architecture
    execution = config.execution
    if execution.devices > 1:
        try:
            architecture = device_part(architecture, Parallel(execution.devices, 1))
        except InputError as error:
            raise InputError(Problem(p.message, p.allowed, key="execution.devices") for p in error.problems) from None
    return workload if execution.dtype == "workload" else workload.model_copy(update={"dtype": execution.dtype}), architecture


def _served(config: BaselineConfig, workload: WorkloadConfig, job: Job) -> machine.Run:
    if not config.execution.kv_cache:
        raise InputError(Problem("requests are served with a KV cache", "true", key="execution.kv_cache"))
    if workload.decoding.draft_model is not None:
        raise InputError(Problem("requests are served without drafts", "none", key="workload.decoding.draft_model"))
    requests = [Request(r.arrival_fs / units.FS_PER_S, r.input_tokens, r.output_tokens) for r in requests_of(workload)]
    own, architecture = _part(config, workload)
    longest = max(r.prompt + r.output for r in requests)
    alone = {"batch": 1, "prefill": "inline", "arrivals": None, "requests": None}
    decode = lower_workload(own.model_copy(update={**alone, "prompt_tokens": 1, "output_tokens": longest}), architecture)
    weights = footprint(replace(decode, steps=decode.steps[:1])).weight_bytes
    prefill = lower_workload(own.model_copy(update={**alone, "prompt_tokens": longest, "output_tokens": 1}), architecture).steps
    model = Model(workload.name, lambda context: decode.steps[context - 1], lambda context: prefill[context - 1],
                  weights, _kv_bytes(decode.steps[0]))  # fmt: skip
    return serve(config, model, requests, prompts_elsewhere=workload.prefill == "elsewhere", iterations=workload.iterations,
                 progress=job.progress)  # fmt: skip


def _kv_bytes(step: Step) -> int:
    """Bytes that a token adds to the KV cache of a device."""
    return sum(op.bytes_written * block.repeat for block in step.blocks for op in block.operators if op.kind == "kv_append")


def refuse_views(job: Job) -> None:
    """Raise InputError if commands, a timeline or blame are asked for: there are none without commands."""
    if job.views.wanted:
        raise InputError(Problem(f"a system of kind '{job.config.kind}' issues no commands to log, draw or blame",
                                 "a system with PIM", key="kind"))  # fmt: skip
