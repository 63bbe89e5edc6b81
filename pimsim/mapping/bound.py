"""Roofline bounds: the least time that an operator can take on its unit, whatever the mapping does.

Products in the memory: MACs at the peak of all units, and results over all pins. Operators of the ASIC: all its adders and
multipliers busy. A run that is faster than a bound is wrong.
"""

from __future__ import annotations

from pimsim.asic.latency import cost
from pimsim.mapping.pim_gpt import PimGptMapping, asic_work
from pimsim.model.operator import Operator
from pimsim.units import ceil_div


def bound_ticks(mapping: PimGptMapping, op: Operator) -> int:
    """The least ticks of one operator."""
    memory, pace = mapping.memory, mapping.pace
    if op.macs:
        compute = ceil_div(op.macs, memory.units * mapping.held(op).lanes) * pace.mac
        results = ceil_div(op.rows, memory.lanes * memory.channels) * pace.burst
        return max(compute, results)
    work = [cost(mapping.asic, *one) for one in asic_work(op)]
    if work:
        cycles = max(sum(one.adds for one in work) // mapping.asic.adders,
                     sum(one.multiplies for one in work) // mapping.asic.multipliers)
        return cycles * pace.asic_cycle_fs // pace.tick_fs
    if op.kind == "kv_append":
        return ceil_div(op.rows // 2, memory.lanes * memory.channels) * pace.burst
    return 0
