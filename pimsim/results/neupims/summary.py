"""The summary of a serving run: what ``summary.json`` and ``--json`` hold, and scripts rely on.

Commands, MACs and bytes are those of the devices simulated, one of each tensor-parallel group; energy and power are of all devices.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from pimsim import __version__, units
from pimsim.dram.spec import Effect
from pimsim.results.area import area_mm2
from pimsim.results.neupims.energy import compiled_part, pin_bytes
from pimsim.results.neupims.table import operator_rows, stage_rows
from pimsim.results.neupims.total import Totals
from pimsim.results.result import SCHEMA_VERSION
from pimsim.schedule.placement import estimate_errors
from pimsim.schedule.report import report
from pimsim.sim.serving.run import pin_bandwidth


def summary(totals: Totals, energy_j: dict[str, float], checks: dict[str, bool | str]) -> dict[str, Any]:
    """The summary; ``energy_j`` by component."""
    run, time_s, tokens = totals.run, totals.time_s, totals.tokens
    total_j = sum(energy_j.values())
    causes = _causes(totals)
    view = causes.get("memory", {})
    return {
        "schema_version": SCHEMA_VERSION,
        "pimsim_version": __version__,
        "system": run.config.name,
        "workload": run.workload.name,
        "time_s": time_s,
        "cycles": totals.cycles,
        "steps": len(run.server.iterations),
        "tokens": tokens,
        "tokens_per_s": tokens / time_s if time_s else 0.0,
        "layers_simulated": _layers(totals),
        "folded": _folded(totals),
        "energy_j": {"total": total_j, **energy_j},
        "energy_per_token_j": total_j / tokens if tokens else None,
        "power_w": total_j / time_s if time_s else 0.0,
        "row_hit_rate": _row_hit_rate(totals),
        "commands": totals.commands,
        "macs": sum(totals.all.under("macs").values()),
        "bandwidth": _bandwidth(totals),
        "peaks": _peaks(totals),
        "area_mm2": area_mm2(run.config),
        "bytes_over_pins": pin_bytes(totals),
        "bytes_conventional": 0,
        "data_movement_reduction": None,
        "utilisation": _utilisation(totals),
        "time_by_op_s": {row["operator"]: row["time_s"] for row in operator_rows(totals)},
        "cycles_by_cause": view,
        "share_by_cause": {name: cycles / totals.cycles for name, cycles in view.items()},
        "cycles_by_cause_of": causes,
        "stages": {row["stage"]: row["cycles"] for row in stage_rows(totals)},
        "devices": {"tensor": run.parallel.tensor, "pipeline": run.parallel.pipeline},
        "serving": _serving(totals),
        "placement": _placement(totals),
        "approximation": _approximation(totals),
        "bound_s": _bound_s(totals),
        "bound_by_op_s": {row["operator"]: row["bound_s"] for row in operator_rows(totals)},
        "rows_used": _rows_used(totals),
        "checks": checks,
        "host": {
            "wall_s": run.host.wall_s,
            "cpu_s": run.host.cpu_s,
            "commands_per_s": sum(totals.commands.values()) / run.host.wall_s,
            "peak_rss_bytes": run.host.peak_rss_bytes,
        },
    }


def _layers(totals: Totals) -> int:
    run = totals.run
    if run.workload.part != "all":
        return 1
    kinds = {(part.window(n), part.sparse(n)) for part in run.parts for n in range(part.layers)}
    return len(kinds) if "layers" in run.approximate else sum(part.layers for part in run.parts)


def _causes(totals: Totals) -> dict[str, dict[str, float]]:
    """Cycles of an average channel by cause, by view; each view sums to the run's cycles."""
    channels = totals.channels * len(totals.run.groups)
    views = sorted({name[1] for name in totals.all.counts if name[0] == "cause"})
    return {view: {cause: ticks / channels for cause, ticks in totals.all.under("cause", view).items() if ticks} for view in views}


def _bound_s(totals: Totals) -> float:
    """Roofline of the whole run: of the groups, which work side by side, the slowest."""
    bounds = [sum(p.account[("bound",)] for i in totals.run.server.iterations for p in i.passages if p.group == n)
              for n in range(len(totals.run.groups))]
    return totals.seconds(max(bounds, default=0))


def _row_hit_rate(totals: Totals) -> float | None:
    """1 - row activations / column accesses, counted per bank; None if there were no accesses."""
    config = totals.run.config
    opened = accessed = 0
    for command in compiled_part(config).standard.commands:
        number = totals.commands.get(command.name, 0)
        if command.effect is Effect.ACTIVATE:
            opened += number * command.activations
        elif command.name == "GWRITE":
            accessed += number * config.memory.columns
        elif command.effect is Effect.COMPUTE:
            accessed += number * config.memory.organization.banks_per_channel
        elif command.effect in (Effect.READ, Effect.WRITE, Effect.READ_PRECHARGE, Effect.WRITE_PRECHARGE):
            accessed += number
    return 1 - opened / accessed if accessed else None


def _rows_used(totals: Totals) -> int:
    """Rows of a bank for weights and activations, and the most that keys and values took of an average channel."""
    kv = totals.run.server.state.kv
    most = max((record.kv_rows for record in totals.run.server.log), default=0)
    return totals.run.space.first_row + -(-most // kv.channels)


def _peaks(totals: Totals) -> dict[str, float]:
    """The most that one device can do."""
    estimates, config = totals.run.estimates, totals.run.config
    tick_s = totals.seconds(1)
    inside = estimates.pim_macs_per_tick / tick_s
    return {
        "npu_macs_per_s": float(estimates.npu.peak_macs_per_cycle * estimates.npu.clock_hz),
        "pim_macs_per_s": inside,
        "internal_bytes_per_s": inside * estimates.npu.precision_bytes,
        "external_bytes_per_s": float(pin_bandwidth(config)),
    }


def _bandwidth(totals: Totals) -> dict[str, float]:
    """Bytes a second inside and over the pins of one device, and their shares of the peaks."""
    config, groups = totals.run.config, len(totals.run.groups)
    memory, time_s = config.memory, totals.time_s
    lanes_bytes = config.pim.lanes * 2 if config.pim is not None else 0
    banks = memory.organization.banks_per_channel
    accesses = sum(totals.commands.get(name, 0) for name in ("RD", "RDA", "WR", "WRA"))
    computed = totals.commands.get("COMP", 0) * banks * lanes_bytes
    inside = (accesses * memory.column_bytes + computed + totals.commands.get("GWRITE", 0) * memory.row_bytes) / groups / time_s
    outside = pin_bytes(totals) / groups / time_s
    peaks = _peaks(totals)
    return {
        "internal_bytes_per_s": inside,
        "external_bytes_per_s": outside,
        "internal_utilisation": inside / peaks["internal_bytes_per_s"] if peaks["internal_bytes_per_s"] else 0.0,
        "external_utilisation": outside / peaks["external_bytes_per_s"],
    }


def _utilisation(totals: Totals) -> dict[str, float]:
    """Shares of the time in which units work.

    ``npu``: arrays stream; ``pim``: a channel's units multiply; ``pim_occupied``: a channel has PIM commands to issue (refresh left
    out), as the authors count; ``npu_macs``, ``pim_macs``: MACs over the peak.
    """
    estimates, whole = totals.run.estimates, totals.device_cycles
    npu, busy = estimates.npu, totals.all.under("busy")
    peak = npu.peak_macs_per_cycle * npu.clock_hz * totals.run.tick_fs / units.FS_PER_S
    macs = totals.all.under("macs")
    return {
        "npu": busy.get("npu", 0) / (whole * npu.arrays),
        "pim": busy.get("pim", 0) / (whole * totals.channels),
        "vector": busy.get("vector", 0) / (whole * npu.vector_units),
        "pim_occupied": _occupied(totals) / (whole * totals.channels),
        "npu_macs": macs.get("npu", 0) / (whole * peak),
        "pim_macs": macs.get("pim", 0) / (whole * estimates.pim_macs_per_tick) if estimates.pim_macs_per_tick else 0.0,
    }


def _occupied(totals: Totals) -> int:
    """Ticks of channels that PIM's work took, waiting for its turn included."""
    return sum(ticks for cause, ticks in totals.all.under("cause", "pim").items() if cause not in ("idle", "refresh"))


def _serving(totals: Totals) -> dict[str, Any]:
    """What users and owner of the server see."""
    found = report(totals.run.server.log)
    kv = totals.run.server.state.kv
    rows = kv.rows * kv.channels
    return {
        "throughput": {"tokens_per_s": totals.tokens / totals.time_s if totals.time_s else 0.0,
                       "requests_per_s": found.finished / totals.time_s if totals.time_s else 0.0},
        "requests": {"arrived": len(totals.run.requests), "finished": found.finished, "rejected": found.rejected,
                     "stopped": found.stopped, "waiting": len(totals.run.server.state.waiting), "preemptions": found.preemptions},
        "iterations": found.iterations,
        "ttft_s": asdict(found.ttft_s), "tpot_s": asdict(found.tpot_s), "latency_s": asdict(found.latency_s),
        "batch": asdict(found.batch),
        "queue": {"mean": found.queue_mean, "most": found.queue_most},
        "kv": {"rows": rows, "mean": found.kv_rows_mean / rows, "most": found.kv_rows_most / rows},
    }  # fmt: skip


def _placement(totals: Totals) -> dict[str, Any]:
    """Where attention ran, and how far the estimates of the placement were from what was simulated."""
    pairs = ((name, max(estimate, 1), ticks) for name, estimate, ticks in totals.run.observed.pairs)
    placement = totals.run.config.placement
    return {
        "policy": placement if isinstance(placement, str) else dict(placement),
        "macs": totals.all.under("macs"),
        "estimate_errors": {name: asdict(error) for name, error in estimate_errors(pairs).items()},
    }


def _approximation(totals: Totals) -> dict[str, Any]:
    """What was approximated, and its errors on the samples that were simulated to know them; empty when nothing was."""
    run, made = totals.run, {}
    passages = [p for i in run.server.iterations for p in i.passages]
    if run.layer_errors is not None:
        made["layers"] = {"errors": list(run.layer_errors), "worst": max(map(abs, run.layer_errors), default=None),
                          "sample": "the time of the layer that stands for all, against the mean of the next two, in the first iteration"}
    if run.iteration_errors is not None:
        made["iterations"] = {"errors": list(run.iteration_errors), "worst": max(map(abs, run.iteration_errors), default=None),
                              "simulated": run.simulated, "of": len(passages),
                              "sample": "iterations that were interpolated and simulated as well"}
    return made


def _folded(totals: Totals) -> list[str]:
    """What was simulated once for many; the results are the same to the last bit without."""
    said = [f"{what} ({times:,} stages)" if times > 1 else what for what, times in totals.run.observed.folded.items()]
    if totals.run.parallel.tensor > 1:
        said.append(f"{totals.run.parallel.tensor} devices of a tensor-parallel group do the same and are one")
    return said
