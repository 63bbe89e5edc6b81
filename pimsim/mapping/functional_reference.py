"""What a decoder's operators should give: numpy on plain matrices, knowing nothing of memories.

Two yardsticks. :func:`ordered_products` sums in binary32 in the order of a MAC unit, so a program's sums must equal it to the last bit.
:func:`exact` computes in binary64 with exact functions; :func:`bound` says how far a result may be off it:

* sums: every product goes through log2(lanes) + columns binary32 roundings (Higham, Accuracy and Stability of Numerical Algorithms,
  2nd ed., section 3.1: |error| <= ((1 + u)^k - 1) sum |w x|), every partial sum through the bf16 rounding of the pins, the adder
  tree's and the result's;
* exp, tanh, 1/sqrt and what is made of them: the errors that ``docs/asic.md`` measured, which hold for its default parameters on
  numbers of order 1, and the result's rounding to bf16.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from pimsim.asic.spec import AsicSpec
from pimsim.mapping.functional_memory import Array, add_tree
from pimsim.mapping.geometry import ceil_div
from pimsim.model.operator import Operator

Exact = NDArray[np.float64]

BF16_ROUNDOFF = 2.0**-8
FP32_ROUNDOFF = 2.0**-24
BLOCK_ELEMENTS = 1 << 22
"""Products formed at a time."""

ASIC_ERRORS: Mapping[str, Mapping[str, float]] = {
    "gelu": {"fp32": 5.3e-7, "bf16": 2.0e-2},
    "silu": {"fp32": 1.1e-6, "bf16": 4.1e-2},
    "softmax": {"fp32": 5.4e-7, "bf16": 1.1e-2},
    "layernorm": {"fp32": 1.9e-5, "bf16": 4.1e-2},
    "rmsnorm": {"fp32": 1.4e-5, "bf16": 3.5e-2},
}
"""Largest absolute error by datapath before the result is rounded to bf16 (docs/asic.md, measured errors)."""


def ordered_products(matrix: Array, vector: Array, lanes: int, chunk: int) -> Array:
    """``matrix`` [outputs, n] times ``vector`` [n] in binary32 as MAC units sum: float32 [outputs, ceil(n / chunk)].

    Within a chunk, ``lanes`` neighbours are summed by an adder tree and those sums one after the other.
    """
    outputs, n = matrix.shape
    sums = np.empty((outputs, ceil_div(n, chunk)), np.float32)
    step = max(BLOCK_ELEMENTS // chunk, 1)
    for number, begin in enumerate(range(0, n, chunk)):
        end = min(begin + chunk, n)
        columns = ceil_div(end - begin, lanes)
        padded = np.zeros(columns * lanes, np.float32)
        padded[: end - begin] = vector[begin:end]
        for first in range(0, outputs, step):
            block = matrix[first : first + step, begin:end]
            if end - begin < columns * lanes:
                block = np.pad(block, ((0, 0), (0, columns * lanes - (end - begin))))
            terms = add_tree((block * padded).reshape(len(block), columns, lanes))
            sums[first : first + step, number] = np.add.accumulate(terms, axis=1)[:, -1]
    return sums


def sum_bound(magnitude: Exact, length: int, lanes: int, chunk: int) -> Exact:
    """How far binary32 sums of ``length`` products may be off, ``magnitude`` being the sum of their absolute values."""
    roundings = math.ceil(math.log2(lanes)) + ceil_div(min(length, chunk), lanes)
    return growth(FP32_ROUNDOFF, roundings) * magnitude


def collected_bound(spec: AsicSpec, partial: Array, bias: Array | None, error: Exact) -> Exact:
    """How far bf16 results may be off that the ASIC makes of ``partial`` sums [..., chunks], themselves off by ``error`` [...].

    Roundings: the pins' to bf16, one a level of the adder tree in the datapath's format, the result's, the bias's.
    """
    chunks = partial.shape[-1]
    levels = math.ceil(math.log2(chunks))
    bf16 = 1 + (chunks > 1 and spec.datapath == "fp32") + (bias is not None)
    fp32 = 0 if spec.datapath == "bf16" else levels + (bias is not None)
    bf16 += levels if spec.datapath == "bf16" else 0
    grown = (1 + BF16_ROUNDOFF) ** bf16 * (1 + FP32_ROUNDOFF) ** fp32 - 1
    magnitude = np.abs(partial).sum(axis=-1, dtype=np.float64)
    if bias is not None:
        magnitude = magnitude + np.abs(bias)
    return grown * magnitude + (1 + grown) * error


def growth(roundoff: float, roundings: int) -> float:
    """(1 + roundoff)^roundings - 1."""
    return float(np.expm1(roundings * np.log1p(roundoff)))


# ---------------------------------------------------------------------- operators of the ASIC, in binary64


def _gelu(x: Exact) -> Exact:
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _silu(x: Exact) -> Exact:
    return x / (1 + np.exp(-x))


def _rmsnorm(x: Exact, gain: Exact) -> Exact:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * gain


def _layernorm(x: Exact, gain: Exact, bias: Exact) -> Exact:
    return _rmsnorm(x - x.mean(-1, keepdims=True), gain) + bias


def _softmax(x: Exact, scale: float) -> Exact:
    power = np.exp(scale * (x - x.max(-1, keepdims=True)))
    return power / power.sum(-1, keepdims=True)


def _rotary(x: Exact, y: Exact, cos: Exact, sin: Exact) -> Exact:
    return np.stack([x * cos - y * sin, y * cos + x * sin])


_EXACT: Mapping[str, Callable[..., Exact]] = {
    "add": lambda x, y: x + y,
    "relu": lambda x: np.maximum(x, 0),
    "gelu": _gelu,
    "silu": _silu,
    "geglu": lambda gate, up: _gelu(gate) * up,
    "swiglu": lambda gate, up: _silu(gate) * up,
    "layernorm": _layernorm,
    "rmsnorm": _rmsnorm,
    "rotary": _rotary,
}


def softmax_scale(op: Operator) -> float:
    """What attention scales scores by."""
    return 1 / math.sqrt(op.head_dim)


def exact(op: Operator, operands: tuple[Array, ...]) -> Exact:
    """What an operator of the ASIC should give, in binary64. Shapes as in :func:`pimsim.asic.arithmetic.evaluate`."""
    wide = [x.astype(np.float64) for x in operands]
    return _softmax(wide[0], softmax_scale(op)) if op.kind == "softmax" else _EXACT[op.kind](*wide)


def bound(op: Operator, spec: AsicSpec, operands: tuple[Array, ...], wanted: Exact) -> Exact:
    """How far the ASIC's result of an operator may be off :func:`exact`, element by element.

    Results of a bf16 datapath are bf16 already; those of an fp32 datapath are rounded once more.
    """
    primitive = BF16_ROUNDOFF if spec.datapath == "bf16" else FP32_ROUNDOFF
    size = np.abs(wanted)
    if op.kind in ("geglu", "swiglu"):
        raw = ASIC_ERRORS["gelu" if op.kind == "geglu" else "silu"][spec.datapath] * np.abs(operands[1])
        raw = raw + primitive * (size + raw)
    elif op.kind == "rotary":
        x, y, cos, sin = (np.abs(v).astype(np.float64) for v in operands)
        raw = growth(primitive, 2) * np.stack([x * cos + y * sin, y * cos + x * sin])
    elif op.kind in ASIC_ERRORS:
        raw = np.full_like(size, ASIC_ERRORS[op.kind][spec.datapath])
    else:
        raw = (0 if op.kind == "relu" else primitive) * size
    return raw if spec.datapath == "bf16" else raw + BF16_ROUNDOFF * (size + raw)
