"""From a system's configuration to the channels that memory traffic and PIM share, and to where keys and values lie in them."""

from __future__ import annotations

from collections.abc import Mapping

from pimsim.config.system import DramConfig
from pimsim.dram.compile import compile_part
from pimsim.dram.controller.contend_plan import ContendPlan
from pimsim.dram.controller.contend_policy import ContendPolicy
from pimsim.dram.standards import standard
from pimsim.errors import InputError, Problem, nearest
from pimsim.mapping.neupims import NeuPimsLayout
from pimsim.npu.compat import COMPAT as NPU_COMPAT
from pimsim.pim.neupims import COMPAT, neupims

DEFAULT_TRTP_CLOCKS = 5
FP16_BYTES = 2
SIX = 6

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
        InputError: the memory has no command set of this kind, per-bank refresh is asked for, a shortcut is unknown.
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
