"""What a decoder's operators should give: numpy on plain matrices, knowing nothing of memories.

Two yardsticks. :func:`ordered_products` sums in binary32 in the order of a MAC unit, so a program's sums must equal it to the last bit.
:func:`wide_products` and :func:`exact` compute in binary64, with exact functions; how far a result may be off them is in
``pimsim.mapping.functional.bound``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from pimsim.mapping.functional.memory import Array, add_tree
from pimsim.model.operator import Operator
from pimsim.units import ceil_div

Exact = NDArray[np.float64]

FORGETTING = 0.5
"""The forgetting factor that the ASIC's eviction has unless told otherwise."""
BLOCK_ELEMENTS = 1 << 22
"""Products formed at a time."""


def ordered_products(matrix: Array, vector: Array, lanes: int, chunk: int, pack: int = 1) -> Array:
    """``matrix`` [outputs, n] times ``vector`` [n] in binary32 as MAC units sum: float32 [outputs, ceil(n / chunk)].

    Within a chunk, ``lanes`` neighbours are summed by an adder tree and those sums one after the other, of ``pack`` of them the first,
    then the second, and so on.
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
            order = [column for part in range(pack) for column in range(part, columns, pack)]
            sums[first : first + step, number] = np.add.accumulate(terms[:, order], axis=1)[:, -1]
    return sums


def wide_products(matrix: Array, vector: Array) -> tuple[Exact, Exact]:
    """``matrix`` [outputs, n] times ``vector`` [n] in binary64, and the sums of the products' absolute values: [outputs] each."""
    step = max(BLOCK_ELEMENTS // max(len(vector), 1), 1)
    wide = vector.astype(np.float64)
    result, magnitude = np.empty(len(matrix)), np.empty(len(matrix))
    for first in range(0, len(matrix), step):
        block = matrix[first : first + step].astype(np.float64)
        result[first : first + step] = block @ wide
        magnitude[first : first + step] = np.abs(block) @ np.abs(wide)
    return result, magnitude


# ---------------------------------------------------------------------- operators of the ASIC, in binary64


def _gelu(x: Exact) -> Exact:
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def _silu(x: Exact) -> Exact:
    return x / (1 + np.exp(-x))


def _rmsnorm(x: Exact, gain: Exact) -> Exact:
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * gain


def _layernorm(x: Exact, gain: Exact, bias: Exact) -> Exact:
    return _rmsnorm(x - x.mean(-1, keepdims=True), gain) + bias


def softmax(x: Exact, scale: float) -> Exact:
    power = np.exp(scale * (x - x.max(-1, keepdims=True)))
    return power / power.sum(-1, keepdims=True)


def _rotary(x: Exact, y: Exact, cos: Exact, sin: Exact) -> Exact:
    return np.stack([x * cos - y * sin, y * cos + x * sin])


def _combine(outputs: Exact, weights: Exact) -> Exact:
    return outputs @ weights


def _evict(scores: Exact, probabilities: Exact) -> Exact:
    updated = FORGETTING * scores + probabilities
    return np.concatenate([updated, updated.min(axis=1, keepdims=True)], axis=1)


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
    "combine": _combine,
    "evict": _evict,
}


def softmax_scale(op: Operator) -> float:
    """What attention scales scores by."""
    return 1 / math.sqrt(op.head_dim)


def exact(op: Operator, operands: tuple[Array, ...]) -> Exact:
    """What an operator of the ASIC should give, in binary64. Shapes as in :func:`pimsim.asic.arithmetic.evaluate`."""
    wide = [x.astype(np.float64) for x in operands]
    if op.kind == "topk":
        return np.sort(softmax(wide[0], 1.0))[::-1][: op.rows]
    return softmax(wide[0], softmax_scale(op)) if op.kind == "softmax" else _EXACT[op.kind](*wide)
