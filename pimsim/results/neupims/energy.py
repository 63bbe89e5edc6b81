"""Energy of a serving run: counts times energy per count, of all devices together.

Memory as in :mod:`pimsim.dram.energy`, from the part's currents. An all-bank compute command takes ``pim.mac_energy`` (the paper: four
times a read); GWRITE reads a row column by column; READRES is a burst over the pins. A row that is open for PIM costs what one that
is open for memory does, on top: the second row buffer is an amplifier array of its own. The NPU's constants are ``npu.energy``, the
links' ``parallel.link.energy``.
"""

from __future__ import annotations

from pimsim import units
from pimsim.config import SystemConfig
from pimsim.dram.compile import Compiled
from pimsim.dram.energy import CommandEnergy, command_energy
from pimsim.dram.spec import Command, Effect
from pimsim.errors import InputError, Problem
from pimsim.results.neupims.total import Totals
from pimsim.sim.contend import contend_plan

READS_PER_COMPUTE = {"3x-read": 3, "4x-read": 4}
MEMORY = ("activate", "read", "write", "mac", "buffer_fill", "result_read", "refresh", "io", "active_standby", "precharged_standby",
          "pim_standby")  # fmt: skip
"""Components that belong to the memory."""


def compiled_part(config: SystemConfig) -> Compiled:
    """The memory with its command set."""
    return contend_plan(config).compiled


def per_command(config: SystemConfig, compiled: Compiled) -> CommandEnergy:
    """Joules of one command.

    Raises:
        InputError: the part has no currents, they contradict one another, or a constant is missing.
    """
    memory, problems = config.memory, []
    if memory.chosen_currents is None:
        problems.append(Problem("is missing", "the currents of the part, for its energy", key="memory.currents"))
    if config.energy is None:
        problems.append(Problem("is missing", "energy of a bit over the pins", key="energy.io"))
    if config.npu is None or config.npu.energy is None:
        problems.append(Problem("is missing", "energy of a MAC, of scratchpad, vector units and interconnect", key="npu.energy"))
    if config.pim is not None and config.pim.mac_energy not in READS_PER_COMPUTE:
        problems.append(Problem(f"{config.pim.mac_energy} is not a rule for this memory", "3x-read, 4x-read", key="pim.mac_energy"))
    if problems:
        raise InputError(problems)
    assert memory.chosen_currents is not None and config.energy is not None
    return command_energy(memory.chosen_currents, dict(compiled.timing), memory.tCK / units.FS_PER_S, devices=memory.devices,
                          banks=memory.banks, formula=config.energy.formula)


def energy(totals: Totals) -> dict[str, float]:
    """Joules by component; they sum to the total.

    Raises:
        InputError: see :func:`per_command`.
    """
    config = totals.run.config
    compiled = compiled_part(config)
    each = per_command(config, compiled)
    parts = dict.fromkeys((*MEMORY, "npu", "scratchpad", "vector", "interconnect", "link"), 0.0)
    for command in compiled.standard.commands:
        _command(parts, config, command, totals.commands.get(command.name, 0), each)
    _standby(parts, totals, each)
    _npu(parts, totals)
    return {name: joules * totals.run.parallel.tensor for name, joules in parts.items()}


def _command(parts: dict[str, float], config: SystemConfig, command: Command, number: int, each: CommandEnergy) -> None:
    """The energy of ``number`` of a command."""
    memory = config.memory
    assert config.energy is not None and config.pim is not None
    burst_io = number * memory.column_bytes * 8 * config.energy.io
    if command.effect is Effect.ACTIVATE:
        parts["activate"] += number * command.activations * each.activate
    elif command.effect is Effect.PRECHARGE:
        parts["activate"] += number * (memory.banks if command.scope in ("rank", "channel") else 1) * each.precharge
    elif command.effect in (Effect.READ, Effect.READ_PRECHARGE):
        parts["read"] += number * each.read
        parts["io"] += burst_io
    elif command.effect in (Effect.WRITE, Effect.WRITE_PRECHARGE):
        parts["write"] += number * each.write
        parts["io"] += burst_io
    elif command.name == "GWRITE":
        parts["buffer_fill"] += number * memory.columns * each.read
    elif command.effect is Effect.COMPUTE:
        parts["mac"] += number * READS_PER_COMPUTE[config.pim.mac_energy] * each.read
    elif command.effect is Effect.REGISTER_READ:
        parts["result_read"] += number * each.read
        parts["io"] += burst_io
    elif command.effect is Effect.REFRESH:
        parts["refresh"] += number * (each.refresh if command.scope in ("rank", "channel") else each.refresh_bank)


def _standby(parts: dict[str, float], totals: Totals, each: CommandEnergy) -> None:
    tick_s = totals.run.tick_fs / units.FS_PER_S
    ranks = totals.run.config.memory.ranks
    active, pim = totals.all[("active", "memory")], totals.all[("active", "pim")]
    parts["active_standby"] += active * tick_s * each.active_w
    parts["precharged_standby"] += (totals.device_cycles * totals.channels * ranks - active) * tick_s * each.precharged_w
    parts["pim_standby"] += pim * tick_s * (each.active_w - each.precharged_w)


def _npu(parts: dict[str, float], totals: Totals) -> None:
    config, counts = totals.run.config, totals.all
    assert config.npu is not None and config.npu.energy is not None
    constants = config.npu.energy
    parts["npu"] += counts[("macs", "npu")] * constants.mac
    parts["scratchpad"] += counts[("scratchpad",)] * constants.scratchpad_byte
    parts["vector"] += counts[("vector",)] * constants.vector_op
    parts["interconnect"] += pin_bytes(totals) * constants.interconnect_byte
    link = config.parallel.link
    if link is not None and link.energy is not None:
        parts["link"] += counts[("link", "bytes")] * 8 * link.energy


def pin_bytes(totals: Totals) -> int:
    """Bytes over the pins: accesses, and results of PIM."""
    bursts = sum(totals.commands.get(name, 0) for name in ("RD", "RDA", "WR", "WRA", "READRES"))
    return bursts * totals.run.config.memory.column_bytes
