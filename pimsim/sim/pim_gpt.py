"""Build a PIM-GPT style system: PIM channels and an ASIC, one sequence at a time."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from pimsim import units
from pimsim.config import SystemConfig
from pimsim.config.base import Config
from pimsim.devices.package import Options, PimPackage
from pimsim.dram.compile import Compiled
from pimsim.errors import InputError, Problem
from pimsim.mapping.geometry import Memory
from pimsim.mapping.pim_gpt import PimGptMapping
from pimsim.mapping.pim_gpt_demand import demands
from pimsim.mapping.pim_gpt_program import Commands, Pace, Programs
from pimsim.mapping.placement import place
from pimsim.model.trace import Trace
from pimsim.sim.memory import compile_memory, pim_command_set
from pimsim.units import BF16_BYTES, ceil_div

FAW_BANKS = 4
"""Activations that tFAW allows (JESD250: four-bank activation window)."""


@dataclass(frozen=True)
class PimGptSystem:
    """A built system, ready to run one trace."""

    config: SystemConfig
    compiled: Compiled
    package: PimPackage
    mapping: PimGptMapping


def build(config: SystemConfig, trace: Trace, options: Options) -> PimGptSystem:
    """Build the system for a trace: compile the memory, place the tensors.

    Raises:
        InputError: what is missing, what the mapping does not support, or by how much the model does not fit.
    """
    memory, pim, asic = config.memory, config.pim, config.asic
    problems = [Problem(f"a {config.kind} system needs the section '{name}'", key=name)
                for name, section in (("pim", pim), ("asic", asic)) if section is None]
    if memory.ranks * memory.sids != 1:
        problems.append(Problem(f"{memory.ranks} ranks and {memory.sids} sids", "mapping pim-gpt wants 1 of each",
                                key="memory.ranks"))
    problems += _ignored(config)
    if memory.row_buffers != 1:
        problems.append(Problem("mapping pim-gpt uses one row buffer", "1", key="memory.row_buffers"))
    if config.controller.refresh == "per-bank":
        problems.append(Problem("all-bank PIM commands cannot run beside per-bank refresh", "all-bank or none",
                                key="controller.refresh"))
    if pim is not None and pim.all_bank_act == "faw" and memory.banks // memory.bankgroups > FAW_BANKS:
        problems.append(Problem(f"a bank group of {memory.banks // memory.bankgroups} banks cannot be opened at once under tFAW",
                                f"at most {FAW_BANKS} banks a group, or pim.all_bank_act: single", key="memory.bankgroups"))
    if pim is not None and pim.global_buffer < memory.row_bytes:
        problems.append(Problem(f"a buffer of {pim.global_buffer} B is smaller than a row of {memory.row_bytes} B",
                                "mapping pim-gpt fills it with one row's operands", key="pim.global_buffer"))
    if problems or pim is None or asic is None:
        raise InputError(problems)
    compiled = compile_memory(memory, config.controller, pim)
    geometry = Memory(memory.channels, memory.banks, memory.column_bytes // BF16_BYTES, memory.columns)
    spec, scale = asic.spec(), pim.narrow_macs == "scale"
    if trace.architecture is not None and trace.steps:  # the last step needs the most: a look at it spares one at all
        end = replace(trace, steps=[trace.steps[-1]])
        last, _ = demands(geometry, spec, end, scale=scale)
        place(last, memory.rows, memory.row_bytes, memory.banks, memory.channels,
              lambda channels: sum(demands(replace(geometry, channels=channels), spec, end, scale=scale)[0].values()))
    needed, capacity = demands(geometry, spec, trace, scale=scale)
    placement = place(needed, memory.rows, memory.row_bytes, memory.banks, memory.channels)
    programs = Programs(geometry, _commands(config, compiled), _pace(compiled, spec.clock_hz))
    mapping = PimGptMapping(programs, spec, config.system.overlap, placement, capacity, scale)
    return PimGptSystem(config, compiled, PimPackage(compiled, memory.channels, options), mapping)


def _ignored(config: SystemConfig) -> list[Problem]:
    """What the configuration asks for and this kind of system does not do."""
    wanted: list[tuple[str, object, object]] = [
        ("mapping", config.mapping, "pim-gpt"),
        ("placement", config.placement, "fixed"),
        ("system.approximate", config.system.approximate, ()),
        ("compat", dict(config.compat), {}),
        *_settings("controller", config.controller, used={"refresh", "postpone"}),
        *_settings("scheduler", config.scheduler),
        *_settings("parallel", config.parallel),
        *(_settings("pim", config.pim, only={"arbiter"}) if config.pim else ()),
    ]
    problems = []
    for key, value, only in wanted:
        if value != only:
            what = f"a pim-gpt system has no {value!r}" if isinstance(value, str) else f"{value!r} changes nothing on a pim-gpt system"
            problems.append(Problem(what, "leave it out" if only is None else f"{only!r}", key=key))
    if config.npu is not None:
        problems.append(Problem("a pim-gpt system has no NPU", "leave it out", key="npu"))
    return problems


def _settings(section: str, values: Config, *, used: Collection[str] = (), only: Collection[str] | None = None,
              ) -> Iterator[tuple[str, object, object]]:
    """(key, value, default) of the keys of a section that are not used, or of some only."""
    for name, described in type(values).model_fields.items():
        if name not in used and (only is None or name in only):
            yield f"{section}.{name}", getattr(values, name), described.get_default(call_default_factory=True)


def _commands(config: SystemConfig, compiled: Compiled) -> Commands:
    roles = pim_command_set(config.memory).roles
    groups = config.pim is not None and config.pim.all_bank_act == "faw"
    return Commands(
        activate_all=compiled.command(roles["activate_group" if groups else "activate_all"]),
        activate_step=config.memory.banks // config.memory.bankgroups if groups else config.memory.banks,
        mac_all=compiled.command(roles["mac_all"]),
        buffer_write=compiled.command(roles["buffer_write"]),
        result_read=compiled.command(roles["result_read"]),
        activate=compiled.command(compiled.standard.activate),
        precharge=compiled.command(compiled.standard.precharge),
        precharge_all=compiled.command(roles["precharge_all"]),
        read=compiled.command(compiled.standard.read),
        write=compiled.command(compiled.standard.write),
    )


def _pace(compiled: Compiled, asic_hz: int) -> Pace:
    t = compiled.timing
    return Pace(
        activate_distance=max(t["tRRDS"], t["tRRDL"], ceil_div(t["tFAW"], 4)),
        activate_to_write=t["tRCDWR"],
        write_to_precharge=t["CWL"] + t["BL"] + t["tWR"],
        first_result=t["tRCDMAC"] + t["tMAC"] + t["CLREG"] + t["BL"],
        activate_to_mac=t["tRCDMAC"],
        close=t["tRTP"] + t["tRP"],
        mac=t["tMAC"],
        burst=t["BL"],
        asic_cycle_fs=units.FS_PER_S // asic_hz,
        tick_fs=compiled.tick_fs,
    )
