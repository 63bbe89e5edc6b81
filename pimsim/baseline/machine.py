"""A run on a GPU or CPU: kernels and host over passes, and the energy of it.

Eager: the host dispatches every operation while the device works off what it was given, so that a pass takes as long as the slower of the
two; on a CPU they are the same processor and the times add. Graph: the host launches a pass as one. Power is a share of the limit
that is drawn whatever runs, and shares in proportion to the bytes and operations a second, up to the limit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pimsim import units
from pimsim.baseline.footprint import footprint
from pimsim.baseline.roofline import bound_s, kernel_counts, kernel_s, rates
from pimsim.baseline.work import KINDS, Work, work
from pimsim.config.baseline import BaselineConfig
from pimsim.errors import InputError, Problem
from pimsim.model.trace import Trace


@dataclass(frozen=True)
class Run:
    """Times of a finished run; arrays are over the rows of ``work.table`` (all repeats of a row) or over passes.

    Attributes:
        kernel_s: of a row, its kernels. spent_s: what counts for it: its kernels, its calls where the host is slower, both on a CPU.
        limits: index of what its kernels mostly are. host_bound: of a pass, whether the host is slower. host_s: what belongs to no
            operator. pass_s: all of it. bound_s: of a row, below what its kernels cannot be. idle_s: without any request.
    """

    config: BaselineConfig
    trace: Trace | None
    work: Work
    kernel_s: np.ndarray
    spent_s: np.ndarray
    limits: np.ndarray
    host_bound: np.ndarray
    host_s: np.ndarray
    pass_s: np.ndarray
    bound_s: np.ndarray
    idle_s: float = 0.0

    @property
    def time_s(self) -> float:
        """Seconds from begin to end."""
        return float(self.pass_s.sum()) + self.idle_s


def run(config: BaselineConfig, trace: Trace) -> Run:
    """Run ``trace``; the dtypes are the trace's.

    Raises:
        InputError: weights and KV cache do not fit into the device's memory.
    """
    execution = config.execution
    fit(config, footprint(trace).total_bytes)
    done = work(trace, fuse=execution.attention == "fused", group=execution.experts == "grouped", kv_cache=execution.kv_cache)
    return timed(config, trace, done)


def fit(config: BaselineConfig, needed: int) -> None:
    """Raise InputError if so many bytes of weights and KV cache do not fit into the device's memory."""
    if needed > config.device.memory:
        room = units.human_size(config.device.memory)
        raise InputError(Problem(f"weights and KV cache need {units.human_size(needed)}, the device has {room}",
                                 "a smaller model, batch or length", key="device.memory"))  # fmt: skip


def timed(config: BaselineConfig, trace: Trace | None, done: Work) -> Run:
    """The times of work that is known already."""
    table, host = done.table, config.efficiency.host
    passes = len(done.passes)
    each, limits = kernel_s(rates(config.device, config.efficiency), table, kernel_counts(config))
    kernels = spent = each * table.repeat
    host_s, host_bound = np.zeros(passes), np.zeros(passes, bool)
    if config.execution.mode == "eager":
        calls = np.array([host.calls.get(name, 1) for name in KINDS])
        called = calls[table.kind] * table.repeat * (host.call / units.FS_PER_S)
        host_s[0] = host.request / units.FS_PER_S
        if config.kind == "cpu":
            spent = kernels + called
        else:
            host_bound = np.bincount(table.step, called, passes) > np.bincount(table.step, kernels, passes)
            spent = np.where(host_bound[table.step], called, kernels)
    pass_s = np.bincount(table.step, spent, passes) + host_s
    return Run(config, trace, done, kernels, spent, limits, host_bound, host_s, pass_s, bound_s(config.device, table) * table.repeat)


def energy_j(run: Run) -> Mapping[str, float]:
    """Joules: what is always drawn, memory traffic, arithmetic."""
    table, device, share = run.work.table, run.config.device, run.config.efficiency.power
    passes = len(run.work.passes)
    active = run.pass_s * share.active * device.power
    idle = run.idle_s * share.active * device.power
    memory = np.bincount(table.step, table.bytes * table.repeat, passes) / float(device.bandwidth) * share.memory * device.power
    compute = np.bincount(table.step, 2.0 * table.macs * table.repeat, passes) / device.matrix * share.compute * device.power
    room = np.maximum(run.pass_s * device.power - active, 0)
    kept = np.minimum(1.0, np.divide(room, memory + compute, out=np.ones(passes), where=memory + compute > 0))
    return {"active": float(active.sum()) + idle, "memory": float((memory * kept).sum()), "compute": float((compute * kept).sum())}
