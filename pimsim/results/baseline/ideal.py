"""The result of a run on an ideal memory."""

from __future__ import annotations

from collections.abc import Mapping

from pimsim import units
from pimsim.baseline.ideal import Run
from pimsim.config import WorkloadConfig, provenance, resolved
from pimsim.config.baseline import IdealConfig
from pimsim.dram.energy import command_energy
from pimsim.errors import InputError, Problem
from pimsim.results.baseline.common import Clock, by_category, close, enforced, facts, operator_rows, token_rows
from pimsim.results.result import Result
from pimsim.sim.memory import compile_memory
from pimsim.units import ceil_div


def result(run: Run, workload: WorkloadConfig | None, clock: Clock) -> Result:
    """Summary, tables and laws.

    Raises:
        InputError: the part has no currents.
        SimulationError: a law is broken.
    """
    table, memory, time_s = run.work.table, run.config.memory, run.time_s
    joules = energy_j(run)
    spent = {name: seconds for name, seconds in by_category(table, run.row_s).items() if seconds}
    summary = facts(run.config.name, workload, run.trace, run.work, time_s, joules, spent, spent,
                    (run.bytes, memory.external_bytes_per_s), clock)  # fmt: skip
    summary["utilisation"] = {}
    summary["checks"] = check(run, joules)
    rows = [row for row in operator_rows(table, run.row_s, run.row_s, time_s, {}) if row["time_s"]]
    tables = {"operators": tuple(rows), "tokens": token_rows(run.work, run.pass_s)}
    return Result(summary, tables, resolved(run.config), resolved(workload) if workload else None, tuple(provenance(run.config)), run)


def energy_j(run: Run) -> Mapping[str, float]:
    """Joules: every row that holds something is opened once a pass, every column read once, the pins, refresh, and rows open throughout.

    Raises:
        InputError: the part has no currents or no pin energy.
    """
    config: IdealConfig = run.config
    memory, currents = config.memory, config.memory.chosen_currents
    if currents is None or config.energy is None:
        raise InputError(Problem("no energy without currents and pin energy", "memory.currents, energy.io", key="memory.currents"))
    timing = compile_memory(memory, config.controller, config.pim).timing
    each = command_energy(currents, dict(timing), memory.tCK / units.FS_PER_S, devices=memory.devices, formula=config.energy.formula)
    ranks = memory.channels * memory.ranks
    every = next((timing[name] for name in ("tREFI", "tREFIab") if name in timing), 0)
    refreshes = run.time_s / (every * memory.tCK / units.FS_PER_S) * ranks if every and config.controller.refresh != "none" else 0.0
    rows = ceil_div(run.bytes, memory.row_bytes)
    return {
        "activate": rows * (each.activate + each.precharge),
        "read": ceil_div(run.bytes, memory.column_bytes) * each.read,
        "io": run.bytes * 8 * config.energy.io,
        "refresh": refreshes * each.refresh,
        "active_standby": run.time_s * ranks * each.active_w,
    }


def check(run: Run, joules: Mapping[str, float]) -> dict[str, bool]:
    """The laws of a run. Raises SimulationError if one is broken."""
    table, totals = run.work.table, run.trace.totals()
    macs = int((table.macs * table.repeat).sum())
    handled = int(((table.bytes + table.kept_bytes) * table.repeat).sum())
    return enforced({
        "macs": (macs == totals.macs, f"{macs} multiply-accumulates, {totals.macs} in the graph"),
        "bytes": (handled == totals.bytes_read + totals.bytes_written, f"{handled} bytes, {totals} in the graph"),
        "time": (close(float(run.row_s.sum()), run.time_s), "time was lost"),
        "energy": (min(joules.values()) >= 0, f"{joules}"),
    })  # fmt: skip
