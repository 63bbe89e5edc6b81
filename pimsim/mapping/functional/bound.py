"""How far a result may be off binary64: bounds derived from the roundings that went into it, not from what was seen.

With unit roundoff u (bf16 2^-8, binary32 2^-24), k roundings one after the other make a factor of at most (1 + u)^k, and a sum is off
by at most u times the sum of its intermediate results (Higham, Accuracy and Stability of Numerical Algorithms, 2nd ed., sections 3.1
and 3.3). For exp, the reciprocal, 1/sqrt, GELU and SiLU, the errors that ``docs/asic.md`` measured over their whole range
come on top: those of the default arithmetic, so that a poorer one is found out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from pimsim.asic.spec import AsicSpec
from pimsim.mapping.functional.memory import Array
from pimsim.mapping.functional.reference import FORGETTING, Exact, softmax, softmax_scale
from pimsim.model.operator import Operator
from pimsim.units import ceil_div

BF16 = 2.0**-8
FP32 = 2.0**-24
ROUNDOFF: Mapping[str, float] = {"bf16": BF16, "fp32": FP32}

ABSOLUTE: Mapping[str, Mapping[str, float]] = {
    "gelu": {"fp32": 5.3e-7, "bf16": 2.0e-2},
    "silu": {"fp32": 1.1e-6, "bf16": 4.1e-2},
}
"""Absolute errors on [-8, 8] by datapath (docs/asic.md, measured errors)."""

RELATIVE: Mapping[str, Mapping[str, float]] = {
    "exp": {"fp32": 3.4e-6, "bf16": 5.8e-3},
    "reciprocal": {"fp32": 1.5e-7, "bf16": 5.6e-3},
    "1/sqrt": {"fp32": 4.8e-6, "bf16": 6.3e-3},
}
"""Relative errors by datapath (docs/asic.md): of exp on [-1, 1], of the others everywhere."""


def growth(roundoff: float, roundings: int) -> float:
    """(1 + roundoff)^roundings - 1."""
    return float(np.expm1(roundings * np.log1p(roundoff)))


def levels(n: int) -> int:
    """Depth of an adder tree."""
    return math.ceil(math.log2(n))


def sum_bound(magnitude: Exact, length: int, lanes: int, chunk: int) -> Exact:
    """For sums of ``length`` products in binary32 as MAC units sum; ``magnitude`` is the sum of the products' absolute values.

    Every product goes through the lanes' adder tree and the accumulator's additions of one chunk.
    """
    return growth(FP32, levels(lanes) + ceil_div(min(length, chunk), lanes)) * magnitude


def collected_bound(spec: AsicSpec, partial: Array, bias: Array | None, error: Exact) -> Exact:
    """For what the ASIC makes of ``partial`` sums [..., chunks] that are themselves off by ``error`` [...] altogether.

    Roundings: the pins' to bf16, one a level of the adder tree in the datapath's format, the result's to bf16, the bias's.
    """
    chunks = partial.shape[-1]
    in_datapath = levels(chunks) + (bias is not None)
    to_bf16 = 1 if spec.datapath == "bf16" else 1 + (chunks > 1) + (bias is not None)
    grown = (1 + growth(BF16, to_bf16)) * (1 + growth(ROUNDOFF[spec.datapath], in_datapath)) - 1
    magnitude = np.abs(partial).sum(axis=-1, dtype=np.float64)
    if bias is not None:
        magnitude = magnitude + np.abs(bias)
    return grown * magnitude + (1 + grown) * error


def bound(op: Operator, spec: AsicSpec, operands: tuple[Array, ...], wanted: Exact) -> Exact:
    """For an operator of the ASIC that should give ``wanted``, element by element.

    Results of a bf16 datapath are bf16 already; those of an fp32 datapath are rounded once more.
    """
    u, size = ROUNDOFF[spec.datapath], np.abs(wanted)
    wide = tuple(x.astype(np.float64) for x in operands)
    if op.kind == "softmax":
        raw = _softmax(wide[0], softmax_scale(op), size, spec.datapath)
    elif op.kind == "topk":  # the i-th largest of numbers that are each off by so much is off by no more
        raw = np.full_like(size, _softmax(wide[0], 1.0, softmax(wide[0], 1.0), spec.datapath).max())
    elif op.kind == "evict":
        updated = growth(u, 2) * (FORGETTING * wide[0] + wide[1])
        raw = np.concatenate([updated, updated.max(axis=1, keepdims=True)], axis=1)
    elif op.kind == "combine":
        raw = growth(u, 1 + levels(op.cols)) * (np.abs(wide[0]) @ np.abs(wide[1]))
    elif op.kind in ("layernorm", "rmsnorm"):
        raw = _norm(*wide, datapath=spec.datapath)
    elif op.kind in ("geglu", "swiglu"):
        active = ABSOLUTE["gelu" if op.kind == "geglu" else "silu"][spec.datapath] * np.abs(wide[1])
        raw = active + u * (size + active)
    elif op.kind == "rotary":
        x, y, cos, sin = (np.abs(v) for v in wide)
        raw = growth(u, 2) * np.stack([x * cos + y * sin, y * cos + x * sin])
    elif op.kind in ABSOLUTE:
        raw = np.full_like(size, ABSOLUTE[op.kind][spec.datapath])
    else:  # an addition, or ReLU, which is exact
        raw = u * size
    return raw if spec.datapath == "bf16" else raw + BF16 * (size + raw)


def _softmax(x: Exact, scale: float, size: Exact, datapath: str) -> Exact:
    """exp of scale (x - max x) = z, over its sum; exp(z) is exp of what is left of z after range reduction."""
    u = ROUNDOFF[datapath]
    z = np.abs(scale * (x - x.max(-1, keepdims=True)))
    argument = growth(u, 3) * z  # difference, scale, product
    reduced = growth(u, 3) * (z + argument + 1)  # multiple of ln 2, product, difference
    power = (1 + RELATIVE["exp"][datapath]) * np.exp(argument + reduced) - 1
    total = (1 + (size * power).sum(-1, keepdims=True)) * (1 + growth(u, levels(x.shape[-1]))) - 1
    inverse = (1 + RELATIVE["reciprocal"][datapath]) * (1 + u) / np.maximum(1 - total, 1e-9)
    return size * ((1 + power) * inverse - 1) + math.exp(-86)  # scores far below the largest are clamped


def _norm(x: Exact, gain: Exact, bias: Exact | None = None, *, datapath: str) -> Exact:
    """LayerNorm, or without ``bias`` RMSNorm, which does not centre."""
    u, n = ROUNDOFF[datapath], x.shape[-1]
    tree = growth(u, levels(n))
    centred, error = x, np.zeros_like(x)
    if bias is not None:
        mean = x.mean(-1, keepdims=True)
        off = (1 + growth(u, 2)) * (1 + tree) * u * _tree_results(x) / n + growth(u, 2) * np.abs(mean)
        centred = x - mean
        error = (1 + u) * off + u * np.abs(centred)
    square = (centred * centred).mean(-1, keepdims=True)
    largest = ((np.abs(centred) + error) ** 2).mean(-1, keepdims=True) * (1 + growth(u, 3)) * (1 + tree)
    variance = square + 1e-5
    spread = np.minimum((largest - square + growth(u, 2) * (variance + largest)) / variance, 1 - 1e-9)
    inverse = (1 - spread) ** -0.5 * (1 + RELATIVE["1/sqrt"][datapath])
    unit = np.abs(centred) / np.sqrt(variance)
    unit_error = (unit + error / np.sqrt(variance)) * inverse * (1 + u) - unit
    scaled = np.abs(gain) * (unit_error * (1 + u) + u * unit)
    return scaled if bias is None else scaled * (1 + u) + u * np.abs((x - mean) / np.sqrt(variance) * gain + bias)


def _tree_results(x: Exact) -> Exact:
    """The sum of the absolute values of all intermediate results of an adder tree over each row: [..., 1]."""
    total = np.zeros((*x.shape[:-1], 1))
    while x.shape[-1] > 1:
        half = x.shape[-1] // 2
        pairs = x[..., :half] + x[..., half : 2 * half]
        total += np.abs(pairs).sum(-1, keepdims=True)
        x = np.concatenate([pairs, x[..., 2 * half :]], axis=-1)
    return total
