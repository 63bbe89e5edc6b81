"""What the ASIC is made of: the parameters of PIM-GPT's controller chip (arXiv 2310.09385) and of its arithmetic.

The defaults are the paper's where they are known and assumptions where they are not; ``docs/asic.md`` marks each.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Literal, get_args, get_type_hints

from pimsim.errors import InputError, Problem, nearest
from pimsim.units import BF16_BYTES

Format = Literal["bf16", "fp32"]
RangeReduction = Literal["split", "halving", "none"]
Overflow = Literal["spill", "error"]
PowerPolicy = Literal["always-on", "when-busy"]


@dataclass(frozen=True)
class AsicSpec:
    """Units, memories, arithmetic and power of the ASIC.

    Raises :class:`~pimsim.errors.InputError` naming every field that is out of range (key ``asic.<field>``).
    """

    clock_hz: int = 1_000_000_000
    adders: int = 256
    multipliers: int = 128
    add_depth: int = 3  # cycles from an operand to its sum; every unit starts one operation a cycle
    multiply_depth: int = 3
    chained: bool = False  # False: passes one after the other, through SRAM; True: a result is forwarded as it appears

    datapath: Format = "bf16"  # what primitives round to; inputs and outputs are bf16 either way
    taylor_terms: int = 6  # of exp, the constant one included
    range_reduction: RangeReduction = "split"  # exp(x): 2^n exp(x - n ln 2), exp(x / 2^k)^(2^k), or plain
    halvings: int = 7  # k of "halving"
    newton_steps: int = 3  # of the reciprocal
    invsqrt_newton_steps: int = 2
    sincos_table: bool = False  # rotary embeddings need one: the adders and multipliers have no sine

    sram_bytes: int = 128 * 1024
    sram_read_bytes_per_cycle: int = 1536  # two operands for each of 256 adders and 128 multipliers
    sram_write_bytes_per_cycle: int = 768  # one result of each
    on_overflow: Overflow = "spill"
    io_bytes_per_cycle: int = 256  # to and from the memory channels, all together

    power_w: float = 0.30459
    asic_power: PowerPolicy = "always-on"

    def __post_init__(self) -> None:
        hints = get_type_hints(type(self))
        problems = [p for f in fields(self) if (p := _problem(f.name, getattr(self, f.name), hints[f.name]))]
        if problems:
            raise InputError(problems)

    @property
    def element_bytes(self) -> int:
        """Bytes of an intermediate value in SRAM."""
        return BF16_BYTES if self.datapath == "bf16" else 4


_MOST = {"taylor_terms": 64, "halvings": 64, "newton_steps": 64, "invsqrt_newton_steps": 64}
"""Far more than float32 has use for; each is a pass over the vector, which the operation's schedule writes out."""

_LEAST = {"taylor_terms": 2, "add_depth": 0, "multiply_depth": 0, "newton_steps": 0, "invsqrt_newton_steps": 0}


def _problem(name: str, value: object, hint: object) -> Problem | None:
    """What is wrong with ``value`` as field ``name`` of type ``hint``, if anything is."""
    key = f"asic.{name}"
    if choices := get_args(hint):
        return None if value in choices else Problem(f"unknown choice '{value}'", nearest(str(value), choices), key=key)
    if hint is bool:
        return None if isinstance(value, bool) else Problem(f"{value!r} is not a boolean", "true or false", key=key)
    if hint is float:
        good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
        return None if good else Problem(f"{value!r} is not a power", "a finite number, at least 0", key=key)
    least, most = _LEAST.get(name, 1), _MOST.get(name)
    if isinstance(value, int) and not isinstance(value, bool) and value >= least and (most is None or value <= most):
        return None
    limit = f"at least {least}" if most is None else f"{least} to {most}"
    return Problem(f"{value!r} is not allowed", f"a whole number, {limit}", key=key)
