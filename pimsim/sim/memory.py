"""From a memory's configuration to the compiled part that is simulated."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

from pimsim import units
from pimsim.config import ControllerConfig, MemoryConfig, PimConfig
from pimsim.dram.compile import Compiled, compile_part, complete_timing
from pimsim.dram.spec import CHANNEL, RANK, Effect, Organization, Standard
from pimsim.dram.standards import always_clocked, for_policy, standard
from pimsim.errors import InputError, Problem
from pimsim.pim.command_set import CommandSet, command_set
from pimsim.units import BF16_BYTES, Duration, ceil_div

ROUNDED = 0.01
"""Part of a burst by which clock and pin rate may contradict one another: data sheets round them."""


def pim_command_set(memory: MemoryConfig) -> CommandSet:
    """The memory's PIM command set; with one row buffer a bank the ``-single`` variant of one that is made for two.

    Raises:
        InputError: it has none.
    """
    if memory.command_set is None:
        raise InputError(Problem("this memory has no PIM commands", "name one, for example pim-gpt",
                                 key="memory.command_set"))
    found = command_set(memory.command_set)
    if memory.row_buffers == 1 and any(c.row_buffer for c in found.commands):
        return command_set(f"{found.name}-single")
    return found


def seen_organization(memory: MemoryConfig, controller: ControllerConfig) -> Organization:
    """The organisation of a channel as the controller's policy sees it.

    Under ``dramsim3-fr32`` an HBM2 channel has one rank: DRAMsim3 has no pseudo channels, each is a channel of its own there.

    Raises:
        InputError: the policy does not know the standard, or the standard does not have the memory's levels.
    """
    base, asked = standard(memory.standard), memory.organization
    problems = [Problem(f"a channel of {base.name} has no more than 1", "1", key=f"memory.{level}s")
                for level, number in (("rank", asked.ranks), ("sid", asked.sids)) if number > 1 and level not in base.levels]
    if problems:
        raise InputError(problems)
    return for_policy(base, controller.policy).fitted(asked)


def data_buses(compiled: Compiled) -> int:
    """Data buses of a channel: one for each pseudo channel; ranks share one, which rules between them keep to one burst at a time.

    Raises:
        InputError: several ranks of a standard that has neither.
    """
    read = compiled.command(compiled.standard.read)
    shared = any((r.level == CHANNEL or (r.level == RANK and r.sibling)) and read in r.before and read in r.after
                 for r in compiled.rules)
    ranks = compiled.organization.ranks
    if ranks > 1 and not shared and not compiled.standard.two_buses:
        raise InputError(Problem(f"{compiled.standard.name} has no rules between ranks", "1", key="memory.ranks"))
    return 1 if shared else ranks


def peak_bytes_per_s(memory: MemoryConfig, compiled: Compiled) -> float:
    """What the data buses of all channels carry if a burst follows the other.

    Raises:
        InputError: the part gives ``BL``, and the pins at their rate need another number of clocks for a column access (1 % is left
            for rounded values).
    """
    burst, clocks = compiled.timing["BL"], memory.burst_fs / memory.tCK
    needed = round(clocks) if abs(clocks - round(clocks)) <= ROUNDED * clocks else ceil(clocks)
    if "BL" in memory.timing and burst != needed:
        raise InputError(Problem(
            f"a burst of {burst} clocks of {Duration(fs=memory.tCK)} is {Duration(fs=burst * memory.tCK)}, but {memory.pins} pins at "
            f"{memory.pin_rate / 1e9:g} Gb/s need {Duration(fs=memory.burst_fs)} for {memory.column_bytes} B",
            "tCK, timing.BL, pin_rate, pins and column_bytes that agree", key="memory.timing.BL"))
    return memory.channels * data_buses(compiled) * memory.column_bytes * units.FS_PER_S / (burst * memory.tCK)


def compile_memory(memory: MemoryConfig, controller: ControllerConfig, pim: PimConfig | None = None) -> Compiled:
    """Compile a channel of a memory, with its PIM command set if it has one.

    With ``pim.all_bank_act: faw`` all banks are opened one bank group at a time, four activations each, under tFAW. MAC units
    with fewer lanes than a column has elements, or a slower clock than the columns, take longer for each column.
    """
    spec = for_policy(standard(memory.standard), controller.policy)
    if controller.data_clock == "always-on":
        spec = always_clocked(spec)
    timing = dict(memory.timing_cycles)
    if memory.command_set is not None:
        commands = pim_command_set(memory)
        spec = _sized(commands.on(spec), memory)
        if pim is not None:
            spec = _with_activation(spec, commands, pim)
            timing = complete_timing(spec, timing)
            timing["tMAC"] = max(timing.get("tMAC", 1), _mac_clocks(memory, pim))
    tick_fs = memory.tCK // spec.ticks_per_clock
    return compile_part(spec, spec.fitted(memory.organization), timing, tick_fs, refresh=controller.refresh != "none")


def _mac_clocks(memory: MemoryConfig, pim: PimConfig) -> int:
    """Memory clocks that the MAC unit of a bank needs for one column."""
    steps = ceil_div(memory.column_bytes // BF16_BYTES, pim.lanes)
    if pim.clock is None:
        return steps
    return ceil_div(steps * units.FS_PER_S, pim.clock * memory.tCK)


def _sized(spec: Standard, memory: MemoryConfig) -> Standard:
    """``spec`` with commands that open several banks standing for as many activations as this memory has such banks."""
    banks = {"channel": memory.ranks * memory.sids * memory.banks, "rank": memory.sids * memory.banks, "sid": memory.banks,
             "bankgroup": memory.banks // memory.bankgroups, "bank": 1}  # fmt: skip
    return replace(spec, commands=tuple(
        replace(c, activations=banks[c.scope]) if c.effect is Effect.ACTIVATE and c.scope != "bank" else c
        for c in spec.commands))  # fmt: skip


def _with_activation(spec: Standard, commands: CommandSet, pim: PimConfig) -> Standard:
    if pim.all_bank_act == "single":
        return spec
    every, group = commands.roles["activate_all"], commands.roles["activate_group"]
    changed = tuple(replace(c, opener=group) if c.effect is Effect.COMPUTE and c.opener == every else c
                    for c in spec.commands)
    return replace(spec, commands=changed)
