"""The summary of a run: what ``summary.json`` and ``--json`` hold, and scripts rely on."""

from __future__ import annotations

from typing import Any

from pimsim import __version__, units
from pimsim.dram.spec import Effect
from pimsim.results.area import area_mm2
from pimsim.results.pim_gpt.energy import OVER_PINS
from pimsim.results.pim_gpt.time import by_cause, by_operator, seconds
from pimsim.results.result import SCHEMA_VERSION
from pimsim.sim.run import Run
from pimsim.units import BF16_BYTES


def summary(run: Run, energy_j: dict[str, float], checks: dict[str, bool | str]) -> dict[str, Any]:
    """The summary; ``energy_j`` by component. A key that has no meaning for the run (no tokens: no time of one) is None."""
    config, recorder, package = run.config, run.recorder, run.system.package
    cycles, channels, tokens = package.now, config.memory.channels, run.trace.n_tokens
    time_s = seconds(run, cycles)
    total_j = sum(energy_j.values())
    commands, causes, spent = package.counts(), by_cause(run), by_operator(run)
    _, outside_bytes = column_bytes(run)
    stored_bytes = sum(w.count.stored_bytes for w in recorder.work.values())
    return {
        "schema_version": SCHEMA_VERSION,
        "pimsim_version": __version__,
        "system": config.name,
        "workload": run.workload.name if run.workload else run.trace.name,
        "time_s": time_s,
        "cycles": cycles,
        "steps": len(recorder.steps),
        "tokens": tokens,
        "tokens_per_s": tokens / time_s,
        "layers_simulated": sum(b.repeat for s in run.trace.steps[-1:] for b in s.blocks if b.first_layer >= 0),
        "folded": _folded(run),
        "energy_j": {"total": total_j, **energy_j},
        "energy_per_token_j": total_j / tokens if tokens else None,
        "power_w": total_j / time_s,
        "row_hit_rate": row_hit_rate(run),
        "commands": commands,
        "macs": sum(w.macs for w in recorder.work.values()),
        "bandwidth": _bandwidth(run),
        "peaks": peaks(run),
        "bytes_over_pins": outside_bytes,
        "bytes_spilled": recorder.spill_bytes,
        "bytes_conventional": stored_bytes,
        "data_movement_reduction": stored_bytes / outside_bytes if outside_bytes else None,
        "utilisation": {
            "pim": _mac_commands(run) * run.system.compiled.timing["tMAC"] * _ticks_per_clock(run) / (cycles * channels),
            "asic": sum(recorder.asic_ticks.values()) / cycles,
        },
        "time_by_op_s": {name: seconds(run, ticks) for name, ticks in spent.items()},
        "cycles_by_cause": {name: ticks / channels for name, ticks in causes.items()},
        "share_by_cause": {name: ticks / (cycles * channels) for name, ticks in causes.items()},
        "bound_s": seconds(run, sum(w.bound_ticks for w in recorder.work.values())),
        "bound_by_op_s": {name: seconds(run, w.bound_ticks) for name, w in recorder.work.items()},
        "area_mm2": area_mm2(config),
        "rows_used": run.system.mapping.placement.rows_used,
        "checks": checks,
        "host": {
            "wall_s": run.host.wall_s,
            "cpu_s": run.host.cpu_s,
            "commands_per_s": sum(commands.values()) / run.host.wall_s,
            "peak_rss_bytes": run.host.peak_rss_bytes,
        },
    }


def column_bytes(run: Run) -> tuple[int, int]:
    """Bytes of all column accesses inside the banks; and over the pins, those of all bursts and what the ASIC spills."""
    memory, counts = run.config.memory, run.system.package.counts()
    inside, outside = 0, run.recorder.spill_bytes
    for command in run.system.compiled.standard.commands:
        moved = counts.get(command.name, 0) * memory.column_bytes
        if command.effect is Effect.COMPUTE:
            inside += moved * memory.banks
        elif command.effect in OVER_PINS:
            outside += moved
            inside += moved if command.effect in (Effect.READ, Effect.WRITE) else 0
    return inside, outside


def row_hit_rate(run: Run) -> float | None:
    """1 - row activations / column accesses, counted per bank; None if there were no accesses."""
    counts = run.system.package.counts()
    opened = accessed = 0
    for command in run.system.compiled.standard.commands:
        number = counts.get(command.name, 0)
        if command.effect is Effect.ACTIVATE:
            opened += number * command.activations
        elif command.effect is Effect.COMPUTE:
            accessed += number * run.config.memory.banks
        elif command.effect in (Effect.READ, Effect.WRITE):
            accessed += number
    return 1 - opened / accessed if accessed else None


def peaks(run: Run) -> dict[str, float]:
    """The most that the machine can do: every MAC unit a column every tMAC, all pins at their rate."""
    memory = run.config.memory
    mac_s = run.system.compiled.timing["tMAC"] * memory.tCK / units.FS_PER_S
    inside = memory.channels * memory.banks * memory.column_bytes / mac_s
    return {"pim_macs_per_s": inside / BF16_BYTES, "internal_bytes_per_s": inside, "external_bytes_per_s": memory.external_bytes_per_s}


def _bandwidth(run: Run) -> dict[str, float]:
    """Bytes a second inside and outside, and their shares of the peaks."""
    most, time_s = peaks(run), seconds(run, run.system.package.now)
    inside, outside = (moved / time_s for moved in column_bytes(run))
    return {
        "internal_bytes_per_s": inside,
        "external_bytes_per_s": outside,
        "internal_utilisation": inside / most["internal_bytes_per_s"],
        "external_utilisation": outside / most["external_bytes_per_s"],
    }


def _ticks_per_clock(run: Run) -> int:
    return run.system.compiled.standard.ticks_per_clock


def _mac_commands(run: Run) -> int:
    counts = run.system.package.counts()
    return sum(counts.get(c.name, 0) for c in run.system.compiled.standard.commands if c.effect is Effect.COMPUTE)


def _folded(run: Run) -> list[str]:
    """What was simulated once for many; results are the same to the last bit without."""
    package = run.system.package
    if not package.options.fold:
        return []
    recalled, ran = (int(n) for n in package.memo.counts[2:4])
    said = [f"{recalled:,} of {recalled + ran:,} channel programs were equal to one simulated before"] if recalled else []
    if package.folded_channels:
        said.insert(0, f"channels in equal states share one simulation ({package.channels} channels, "
                       f"{package.channels - package.folded_channels} at the end)")
    return said
