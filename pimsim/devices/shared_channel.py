"""From a system's configuration to the channels that memory traffic and PIM share, and to where keys and values lie in them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from pimsim.config.base import Config
from pimsim.config.system import DramConfig
from pimsim.dram.compile import compile_part
from pimsim.dram.controller.contend_plan import ContendPlan
from pimsim.dram.controller.contend_policy import ContendPolicy
from pimsim.dram.standards import standard
from pimsim.errors import InputError, Problem, nearest
from pimsim.mapping.neupims import NeuPimsLayout
from pimsim.npu.compat import COMPAT as NPU_COMPAT
from pimsim.pim.neupims import COMPAT, neupims
from pimsim.units import FS_PER_S, Duration, ceil_div

DEFAULT_TRTP_CLOCKS = 5
FP16_BYTES = 2
SIX = 6
GROUP_BANKS = 4
"""Banks that a G_ACT opens."""
CONTROLLER = ("refresh", "read_queue", "write_queue")
"""Keys of ``controller:`` that this controller has."""

ALL_COMPAT: Mapping[str, str] = {**COMPAT, **NPU_COMPAT}
"""Shortcuts of the authors' simulator, of its memory and its NPU, by key."""


def shortcuts(config: DramConfig) -> frozenset[str]:
    """The shortcuts that ``compat:`` asks for.

    Raises:
        InputError: ``compat:`` has a key that there is not.
    """
    unknown = [key for key in config.compat if key not in ALL_COMPAT]
    if unknown:
        raise InputError(Problem("unknown key", nearest(key, list(ALL_COMPAT)), key=f"compat.{key}") for key in unknown)
    return frozenset(key for key, on in config.compat.items() if on)


def contend_plan(config: DramConfig) -> ContendPlan:
    """Part, command set and controller of one channel: ``memory.row_buffers`` and the shortcuts choose the rows.

    Raises:
        InputError: the memory has no command set of this kind or is built otherwise, a key that its controller or compute units do not
            have is set, a shortcut is unknown.
    """
    memory, controller = config.memory, config.controller
    keys = shortcuts(config) & COMPAT.keys()
    problems = []
    if memory.command_set != "neupims":
        problems.append(Problem(f"'{memory.command_set}' cannot share a channel with memory traffic", "neupims",
                                key="memory.command_set"))
    if config.pim is None:
        problems.append(Problem("is missing", "the compute units of the memory", key="pim"))
    if controller.refresh == "per-bank":
        problems.append(Problem("this part has no per-bank refresh", "all-bank, none", key="controller.refresh"))
    problems += _set_in_vain("controller", controller, [key for key in type(controller).model_fields if key not in CONTROLLER])
    if config.pim is not None:
        problems += [*_other_memory(config), *_set_in_vain("pim", config.pim, ("narrow_macs", "mac_power"))]
    if problems:
        raise InputError(problems)
    assert config.pim is not None
    timing = dict(memory.timing_cycles)
    if "default_tRTP" in keys:
        timing["tRTPL"] = DEFAULT_TRTP_CLOCKS
    spec = neupims(memory.row_buffers, keys).on(standard(memory.standard))
    compiled = compile_part(spec, spec.fitted(memory.organization), timing, memory.tCK // spec.ticks_per_clock,
                            refresh=controller.refresh != "none")
    default = ContendPolicy()
    policy = ContendPolicy(
        arbiter=config.pim.arbiter,
        refresh="none" if controller.refresh == "none" else "all-bank",
        read_queue=controller.read_queue or default.read_queue,
        write_queue=controller.write_queue or default.write_queue,
        outstanding=npu.dma.outstanding or 0 if (npu := getattr(config, "npu", None)) else 0,
        least_computes=SIX if "six_comps_least" in keys else 0,
        result_at="issue" if "response_at_issue" in keys else "end",
        reserve="next" if "row_reserved_everywhere" in keys else "work",
        hold_activates="gact_outside_faw" not in keys,
    )
    return ContendPlan(compiled, policy)


def _set_in_vain(section: str, values: Config, keys: Iterable[str]) -> Iterator[Problem]:
    """Keys that change nothing here and are not as they are by default."""
    for key in keys:
        value, default = getattr(values, key), type(values).model_fields[key].get_default(call_default_factory=True)
        if value != default:
            yield Problem(f"{value!r} changes nothing where memory traffic and PIM share a channel",
                          "leave it out" if default is None else f"{default}", key=f"{section}.{key}")


def _other_memory(config: DramConfig) -> Iterator[Problem]:
    """What the command set does not know of organisation and compute units."""
    memory, pim = config.memory, config.pim
    assert pim is not None
    if memory.sids != 1:
        yield Problem(f"{memory.sids} stacks of a rank", "1", key="memory.sids")
    if memory.banks != GROUP_BANKS * memory.bankgroups:
        yield Problem(f"{memory.banks} banks in {memory.bankgroups} groups; a G_ACT opens the {GROUP_BANKS} banks of a group",
                      f"{ceil_div(memory.banks, GROUP_BANKS)}", key="memory.bankgroups")
    if pim.all_bank_act != "faw":
        yield Problem("rows are opened a bank group at a time", "faw", key="pim.all_bank_act")
    if pim.global_buffer < memory.row_bytes:
        yield Problem(f"{pim.global_buffer} B are less than a row of {memory.row_bytes} B, which a GWRITE copies", f"{memory.row_bytes} B",
                      key="pim.global_buffer")
    if pim.lanes * FP16_BYTES > memory.column_bytes:
        yield Problem(f"{pim.lanes} lanes take more than a column access of {memory.column_bytes} B",
                      f"at most {memory.column_bytes // FP16_BYTES}", key="pim.lanes")
    timing = memory.timing_cycles
    if timing["BL"] != Duration(fs=memory.burst_fs).to_cycles(memory.tCK):
        yield Problem(f"{timing['BL']} clocks, but the pins at their rate need {Duration(fs=memory.burst_fs)} for {memory.column_bytes} B",
                      "tCK, timing.BL, pin_rate, pins and column_bytes that agree", key="memory.timing.BL")
    cadence_fs = max(timing["BL"], timing.get("tCCDL", 0)) * memory.tCK
    if pim.clock is not None and pim.clock * cadence_fs < FS_PER_S:
        yield Problem("it is slower than the columns come: a COMP every tCCDL", f"at least {FS_PER_S / cadence_fs / 1e6:g} MHz",
                      key="pim.clock")


def kv_layout(config: DramConfig, heads: int, head_dim: int, queries: int = 1, value_dim: int = 0) -> NeuPimsLayout:
    """The KV layout of a system for so many heads; ``value_dim``: elements of a value head (0: ``head_dim``).

    Raises:
        InputError: the memory has no compute units, or a number is not positive.
    """
    if config.pim is None:
        raise InputError(Problem("is missing", "the compute units of the memory", key="pim"))
    org = config.memory.organization
    return NeuPimsLayout(
        banks=org.banks_per_channel,
        groups=org.banks_per_channel // org.banks,
        page=org.row_bytes // FP16_BYTES,
        lanes=config.pim.lanes,
        heads=heads,
        head_dim=head_dim,
        queries=queries,
        shared_rows=bool(config.compat.get("heads_share_rows")),
        value_dim=value_dim,
    )
