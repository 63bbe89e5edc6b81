"""The ASIC beside the memory (PIM-GPT): clock, units, SRAM, power and the arithmetic it approximates with."""

from __future__ import annotations

from pimsim.asic.spec import AsicSpec, Format, Overflow, PowerPolicy, RangeReduction
from pimsim.config.base import Config
from pimsim.config.quantity import Area, Count, Frequency, Power, Size, Whole


class AsicConfig(Config):
    """One ASIC; :class:`pimsim.asic.spec.AsicSpec` with units, and what only reports need."""

    part: str = ""
    """the file under hwconfigs/asic, or a path, that the values come from"""
    clock: Frequency
    """clock of the datapath"""
    adders: Count
    """adders that work side by side"""
    multipliers: Count
    """multipliers that work side by side"""
    add_depth: Whole
    """cycles from operands to sum; every adder starts one operation a cycle"""
    multiply_depth: Whole
    """cycles from operands to product"""
    chained: bool = False
    """false: passes over a vector one after the other, through SRAM; true: a result is forwarded as it appears"""
    datapath: Format = "bf16"
    """what intermediate results round to; inputs and outputs are bf16"""
    taylor_terms: Count
    """terms of exp's Taylor series, the constant one included"""
    range_reduction: RangeReduction
    """of exp(x): split 2^n exp(x - n ln 2), halving exp(x / 2^k)^(2^k), or none"""
    halvings: Count = 7
    """k of range_reduction: halving"""
    newton_steps: Whole
    """Newton-Raphson steps of a reciprocal"""
    invsqrt_newton_steps: Whole
    """Newton steps behind the fast inverse square root's first guess"""
    sincos_table: bool = False
    """whether it has a table of sines and cosines (rotary embedding needs one)"""
    sram_bytes: Size
    """size of the buffer"""
    sram_read_bytes_per_cycle: Size
    """what its ports read in a cycle"""
    sram_write_bytes_per_cycle: Size
    """what its ports write in a cycle"""
    on_overflow: Overflow = "spill"
    """what happens when an operation does not fit into the buffer: spill over the pins, or an error"""
    io_bytes_per_cycle: Size
    """to and from the memory channels, all together"""
    power: Power
    """power while it is on"""
    asic_power: PowerPolicy = "always-on"
    """whether the power counts always, or only while it computes"""
    area: Area | None = None
    """core area"""
    technology: str = ""
    """process"""

    def spec(self) -> AsicSpec:
        """What :mod:`pimsim.asic` computes with. Raises :class:`InputError` for values that it cannot."""
        mine = type(self).model_fields
        shared = {name: getattr(self, name) for name in AsicSpec.__dataclass_fields__ if name in mine}
        return AsicSpec(clock_hz=self.clock, power_w=self.power, **shared)
