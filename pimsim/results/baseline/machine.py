"""The result of a run on a GPU or CPU."""

from __future__ import annotations

from collections.abc import Mapping

from pimsim.baseline.machine import Run, energy_j
from pimsim.baseline.roofline import LIMITS
from pimsim.config import WorkloadConfig, provenance, resolved
from pimsim.model.trace import Trace
from pimsim.results.baseline.common import Clock, by_category, close, enforced, facts, operator_rows, token_rows
from pimsim.results.result import Result


def result(run: Run, workload: WorkloadConfig | None, clock: Clock) -> Result:
    """Summary, tables and laws.

    Raises:
        SimulationError: a law is broken.
    """
    table, device, time_s = run.work.table, run.config.device, run.time_s
    devices = run.config.execution.devices
    joules = {name: devices * part for name, part in energy_j(run).items()}
    moved = float((table.bytes * table.repeat).sum())
    host_s = float(run.host_s.sum())
    assert run.trace is not None
    outside = {name: seconds for name, seconds in (("host", host_s), ("idle", run.idle_s)) if seconds}
    summary = facts(run.config.name, workload, run.trace, run.work, time_s, joules, by_category(table, run.spent_s) | outside,
                    by_category(table, run.bound_s), (devices * moved, devices * float(device.bandwidth)), clock)  # fmt: skip
    macs = float((table.macs * table.repeat).sum())
    summary["devices"], summary["macs"] = devices, devices * summary["macs"]
    summary["peaks"]["matrix_macs_per_s"] = devices * device.matrix / 2
    summary["utilisation"] = {"memory": moved / device.bandwidth / time_s, "matrix": 2 * macs / device.matrix / time_s,
                              "device": float(run.kernel_s.sum()) / time_s}  # fmt: skip
    summary["time_by_limit_s"] = by_limit(run)
    summary["checks"] = check(run, joules)
    tables = {"operators": operator_rows(table, run.spent_s, run.bound_s, time_s, outside), "tokens": token_rows(run.work, run.pass_s)}
    return Result(summary, tables, resolved(run.config), resolved(workload) if workload else None, tuple(provenance(run.config)), run)


def by_limit(run: Run) -> dict[str, float]:
    """Seconds by what a row's time mostly is: memory, arithmetic, latency, overhead of kernels, or the host's calls."""
    table = run.work.table
    host = run.host_bound[table.step]
    spent = {name: float(run.spent_s[(run.limits == number) & ~host].sum()) for number, name in enumerate(LIMITS)}
    return spent | {"host": float(run.spent_s[host].sum() + run.host_s.sum()), "idle": run.idle_s}


def check(run: Run, joules: Mapping[str, float]) -> dict[str, bool]:
    """The laws of a run. Raises SimulationError if one is broken."""
    assert run.trace is not None
    table, totals, cached = run.work.table, run.trace.totals(), run.config.execution.kv_cache
    due = totals.macs if cached else _macs_without_cache(run.trace)
    spent_s = float(run.spent_s.sum() + run.host_s.sum()) + run.idle_s
    most_j = run.config.execution.devices * run.config.device.power * run.time_s
    macs = int((table.macs * table.repeat).sum())
    moved = int(((table.bytes + table.kept_bytes) * table.repeat).sum())
    operators = int((table.operators * table.repeat).sum())
    expected = totals.bytes_read + totals.bytes_written
    total_j = sum(joules.values())
    return enforced({
        "macs": (macs == due, f"{macs} multiply-accumulates, {due} due"),
        "bytes": (moved == expected or not cached, f"{moved} bytes moved or kept on the chip, {expected} in the graph"),
        "operators": (operators == totals.operators if cached else operators <= totals.operators,
                      f"{operators} operators of {totals.operators} ran"),
        "time": (close(spent_s, run.time_s) and bool((run.pass_s > 0).all()), "time was lost"),
        "bounds": (bool((run.kernel_s >= run.bound_s * (1 - 1e-12)).all()) and float(run.kernel_s.sum()) <= run.time_s * (1 + 1e-9),
                   "faster than the roofline, or than its kernels"),
        "energy": (min(joules.values()) >= 0 and total_j <= most_j * (1 + 1e-9), f"{joules} in {run.time_s} s"),
    })  # fmt: skip


def _macs_without_cache(trace: Trace) -> int:
    """Each step that puts out a token (or the last one) does the work of all tokens so far."""
    steps = [step for step in trace.steps if step.phase == "decode"] or list(trace.steps[-1:])
    return sum(step.context * block.repeat * op.macs for step in steps for block in step.blocks for op in block.operators)
