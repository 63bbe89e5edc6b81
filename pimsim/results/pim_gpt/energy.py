"""Energy of a run: counts of commands times energy per command, plus standby and static power times time.

DRAM by the chosen formula on the part's currents (``pimsim.dram.energy``). An all-bank activation is as many activations as it opens
banks. An all-bank MAC reads a column in every bank: with ``mac_energy: unit-power`` each of them costs a column read
(IDD4R - IDD3N over tCCD; the data does not leave the chip, so no pin energy) and the units draw ``mac_power`` for one tCCD,
the pace that it is quoted for (PIM-GPT: MAC current on top of a read); ``3x-read`` is CENT's rule and ``4x-read`` NeuPIMs', for all
banks together. Pin energy is that of every burst, and of what the ASIC's operations spill because its SRAM is too small.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from pimsim import units
from pimsim.asic.energy import energy_j as asic_energy_j
from pimsim.config import SystemConfig
from pimsim.dram.energy import CommandEnergy, command_energy
from pimsim.dram.spec import Command, Effect
from pimsim.errors import InputError, Problem
from pimsim.kernels.table import CAUSES
from pimsim.sim.run import Run

READS = frozenset({Effect.READ, Effect.READ_PRECHARGE})
WRITES = frozenset({Effect.WRITE, Effect.WRITE_PRECHARGE})
OVER_PINS = READS | WRITES | {Effect.REGISTER_WRITE, Effect.REGISTER_READ}


def per_command(config: SystemConfig, timing: Mapping[str, int]) -> CommandEnergy:
    """Joules of one command of the memory.

    Args:
        timing: clocks, as compiled.

    Raises:
        InputError: the part has no currents, or they contradict one another (a command with a negative energy).
    """
    memory = config.memory
    currents = memory.chosen_currents
    if currents is None or config.energy is None or config.pim is None or config.asic is None:
        raise InputError(Problem("no energy without currents, pin energy, MAC energy and the ASIC's power",
                                 "memory.currents, energy.io, pim.mac_energy, asic.power", key="memory.currents"))
    try:
        return command_energy(currents, dict(timing), memory.tCK / units.FS_PER_S, devices=memory.devices,
                              formula=config.energy.formula)
    except InputError as error:
        variant = memory.currents_variant
        key = "memory.currents" if variant == "default" else f"memory.currents_variants.{variant}"
        raise InputError(replace(problem, key=key) for problem in error.problems) from None


def energy(run: Run) -> dict[str, float]:
    """Joules by component; they sum to the total.

    Raises:
        InputError: see :func:`per_command`.
    """
    config, compiled, package = run.config, run.system.compiled, run.system.package
    memory, pim = config.memory, config.pim
    each = per_command(config, compiled.timing)
    assert config.energy is not None and pim is not None  # per_command refuses their absence
    parts = dict.fromkeys(("activate", "mac", "read", "write", "io", "refresh", "active_standby", "precharged_standby"), 0.0)
    counts = package.counts()
    # inside a bank a column takes its cadence, whatever the pins need for a burst
    column_read = each.read * compiled.timing["tCCDS"] / compiled.timing["BL"]
    column_s = compiled.timing["tCCDS"] * memory.tCK / units.FS_PER_S
    for command in compiled.standard.commands:
        number = counts.get(command.name, 0)
        _add(parts, command, number, each, memory.banks)
        if command.effect in OVER_PINS:
            parts["io"] += number * memory.column_bytes * 8 * config.energy.io
        if command.effect is Effect.COMPUTE:
            reads = {"3x-read": 3, "4x-read": 4, "unit-power": memory.banks}[pim.mac_energy]
            parts["mac"] += number * reads * column_read
            if pim.mac_energy == "unit-power" and pim.mac_power is not None:
                parts["mac"] += number * pim.mac_power * column_s
    parts["io"] += run.recorder.spill_bytes * 8 * config.energy.io
    tick_s = compiled.tick_fs / units.FS_PER_S
    active = int(package.by_channel[:, CAUSES + compiled.table.commands].sum())
    parts["active_standby"] = active * tick_s * each.active_w
    parts["precharged_standby"] = (package.now * memory.channels - active) * tick_s * each.precharged_w
    asic_busy = sum(run.recorder.asic_ticks.values())
    parts["asic"] = asic_energy_j(run.system.mapping.asic, package.now * tick_s, asic_busy * tick_s)
    return parts


def _add(parts: dict[str, float], command: Command, number: int, each: CommandEnergy, banks: int) -> None:
    """The array energy of ``number`` of a command."""
    if command.effect is Effect.ACTIVATE:
        parts["activate"] += number * command.activations * each.activate
    elif command.effect is Effect.PRECHARGE:
        parts["activate"] += number * (banks if command.scope in ("rank", "channel") else 1) * each.precharge
    elif command.effect in READS:
        parts["read"] += number * each.read
    elif command.effect in WRITES:
        parts["write"] += number * each.write
    elif command.effect is Effect.REFRESH:
        parts["refresh"] += number * (each.refresh if command.scope in ("rank", "channel") else each.refresh_bank)
