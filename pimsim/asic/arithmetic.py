"""The ASIC's arithmetic on real numbers: the datapath that the functional mode computes with.

Inputs and outputs are bf16 (IEEE 754 binary32 cut to 16 bits, rounded to nearest even). With ``datapath: fp32``
primitives round to binary32, with ``datapath: bf16`` each of them, constants included, rounds to bf16.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pimsim.asic.datapath import PRIMITIVES, Datapath
from pimsim.asic.operations import find
from pimsim.asic.spec import AsicSpec
from pimsim.errors import InputError, Problem

Array = NDArray[np.float32]


def to_bf16(x: ArrayLike) -> Array:
    """``x`` rounded to the nearest bf16, ties to even, as float32. NaN and infinity stay what they are."""
    values = np.asarray(x, dtype=np.float32)
    bits = values.view(np.uint32)
    rounded = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).astype(np.uint32).view(np.float32)
    return np.where(np.isfinite(values), rounded, values)


def _scale_exponent(x: Array, n: Array | int) -> Array:
    return np.ldexp(x, n if isinstance(n, int) else n.astype(np.int32))


def _bit_subtract(constant: int, x: Array, shift: int) -> Array:
    return np.subtract(np.uint32(constant), np.right_shift(x.view(np.uint32), shift)).view(np.float32)


def _drop(x: Array, y: Array) -> Array:
    out = x.copy()
    np.put_along_axis(out, np.argmax(np.equal(x, y), axis=-1)[..., None], np.float32(-1), axis=-1)
    return out


_FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "add": np.add,
    "subtract": np.subtract,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "round": np.rint,
    "scale_exponent": _scale_exponent,
    "bit_subtract": _bit_subtract,
    "drop": _drop,
    "multiply": np.multiply,
}
assert _FUNCTIONS.keys() == PRIMITIVES.keys()


class Arithmetic(Datapath[Array]):
    """Computes with float32 arrays of any shape; reductions run along the last axis and keep it, with length 1."""

    def __init__(self, spec: AsicSpec):
        self.spec = spec

    def _round(self, x: Any) -> Array:
        return to_bf16(x) if self.spec.datapath == "bf16" else np.asanyarray(x, dtype=np.float32)

    def apply(self, primitive: str, *operands: Array | float) -> Array:
        exact = (self._round(x) if isinstance(x, float) else x for x in operands)
        with np.errstate(over="ignore", under="ignore", invalid="ignore"):
            return self._round(_FUNCTIONS[primitive](*exact))

    def fold(self, primitive: str, x: Array) -> Array:
        half = x.shape[-1] // 2
        pairs = self.apply(primitive, x[..., :half], x[..., half : 2 * half])
        return np.concatenate([pairs, x[..., 2 * half :]], axis=-1)

    def columns(self, x: Array) -> int:
        return int(x.shape[-1])


def evaluate(spec: AsicSpec, kind: str, *inputs: ArrayLike, **immediates: float) -> Array | tuple[Array, ...]:
    """What the ASIC makes of ``inputs``, rounded to bf16 on the way in and out; a tuple where it puts out several.

    Shapes: any for element-by-element kinds; for kinds that work by row the last axis is the row, and shared inputs
    (gain, bias) are one row. Raises :class:`InputError` for an unknown kind, one that this ASIC lacks hardware for, or
    a wrong number of inputs.
    """
    operation = find(kind)
    operation.check(spec)
    if len(inputs) != len(operation.inputs):
        wanted = ", ".join(operation.inputs)
        raise InputError(Problem(f"'{kind}' was given {len(inputs)} inputs", f"{len(operation.inputs)}: {wanted}"))
    numbers = {name: float(value) for name, value in immediates.items()}
    result = operation.program(Arithmetic(spec), *(to_bf16(x) for x in inputs), **numbers)
    return tuple(to_bf16(x) for x in result) if isinstance(result, tuple) else to_bf16(result)
