"""What a system adds to plain DRAM, in mm2: MAC units and second row buffers in the memory, the ASIC or NPU beside it.

A proxy to weigh designs against one another. Units add up linearly (:class:`pimsim.config.area.AreaConfig` says how large one is and where
that comes from); clocks, ports and voltages do not count.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pimsim.config import SystemConfig
    from pimsim.config.area import AreaConfig

BITS_PER_GBIT = 2**30
BITS_PER_BYTE = 8


def area_mm2(config: SystemConfig) -> dict[str, float] | None:
    """Square millimetres by component and their ``total``; None if the area of something that the system has is not known."""
    known = config.area
    if known is None:
        return None
    parts = {"mac": _macs(config, known), "row_buffers": _row_buffers(config, known)}
    if config.asic is not None:
        parts |= _asic(config, known)
    if config.npu is not None:
        parts |= _npu(config, known)
    found = {name: value for name, value in parts.items() if value is not None}
    return {"total": sum(found.values()), **found} if len(found) == len(parts) else None


def _times(count: float, each: float | None) -> float | None:
    """``count`` of a unit; none of it needs no area to be known."""
    return 0.0 if not count else None if each is None else count * each


def _macs(config: SystemConfig, known: AreaConfig) -> float | None:
    memory = config.memory
    banks = memory.channels * memory.ranks * memory.sids * memory.banks
    return _times(banks * config.pim.lanes if config.pim is not None and _computes(config) else 0, known.mac_lane)


def _computes(config: SystemConfig) -> bool:
    """Whether anything runs in the memory: where attention is placed on the NPU its MAC units are not there."""
    return config.npu is None or isinstance(config.placement, str) or config.placement.get("attention", "pim") != "npu"


def _row_buffers(config: SystemConfig, known: AreaConfig) -> float | None:
    gbits = config.memory.capacity_bytes * BITS_PER_BYTE / BITS_PER_GBIT
    share = known.second_row_buffer
    return _times(gbits * (config.memory.row_buffers - 1), None if share is None or known.dram_gbit is None else share * known.dram_gbit)


def _asic(config: SystemConfig, known: AreaConfig) -> dict[str, float | None]:
    asic = config.asic
    assert asic is not None
    return _with_overhead(known, {
        "asic_adders": _times(asic.adders, known.adder),
        "asic_multipliers": _times(asic.multipliers, known.multiplier),
        "asic_sram": _times(asic.sram_bytes * BITS_PER_BYTE, known.sram_bit),
    }, "asic_overhead")  # fmt: skip


def _npu(config: SystemConfig, known: AreaConfig) -> dict[str, float | None]:
    npu = config.npu
    assert npu is not None
    return _with_overhead(known, {
        "npu_arrays": _times(npu.arrays * npu.rows * npu.columns, known.npu_mac),
        "npu_vector": _times(npu.vector.units * npu.vector.width, known.vector_lane),
        "npu_sram": _times((npu.scratchpad + npu.accumulator) * BITS_PER_BYTE, known.sram_bit),
    }, "npu_overhead")  # fmt: skip


def _with_overhead(known: AreaConfig, parts: dict[str, float | None], name: str) -> dict[str, float | None]:
    found = [value for value in parts.values() if value is not None]
    return parts | {name: (known.overhead - 1) * sum(found) if len(found) == len(parts) else None}
