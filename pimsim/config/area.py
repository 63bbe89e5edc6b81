"""Areas of units, from which :mod:`pimsim.results.area` estimates what a system adds to plain DRAM."""

from __future__ import annotations

from pimsim.config.base import Config, Described
from pimsim.config.quantity import Area, Factor, Fraction


class AreaConfig(Config):
    """Area of one of each unit; what a system has and this does not know makes its area unknown."""

    part: str = ""
    """the file under hwconfigs/area, or a path, that the values come from"""
    mac_lane: Area | None = None
    """a multiplier of a MAC unit in the DRAM, with its share of the adder tree and of control"""
    dram_gbit: Area | None = None
    """DRAM of 2^30 bits"""
    second_row_buffer: Fraction | None = None
    """what a second row buffer adds to a bank, as a share of the DRAM's area"""
    adder: Area | None = None
    """an adder of the ASIC"""
    multiplier: Area | None = None
    """a multiplier of the ASIC"""
    sram_bit: Area | None = None
    """a bit of a buffer"""
    overhead: Factor = 1.0
    """area of an ASIC or NPU as a multiple of its units and buffers: control, wiring, input and output"""
    npu_mac: Area | None = None
    """a processing element of a systolic array"""
    vector_lane: Area | None = None
    """a lane of a vector unit"""


class AreaPart(Described):
    """Areas by themselves, as ``hwconfigs/area/`` has them."""

    area: AreaConfig
