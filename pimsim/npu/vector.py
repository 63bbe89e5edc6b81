"""Cycles of the vector units: 128 elements wide, so many steps a row (widths and steps: casys-kaist/NeuPIMs f299af3).

A step takes the elements of a row through a unit, ``width`` a cycle. A sum over a row takes an adder tree: the row is folded by the
width until one element is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from pimsim.npu.spec import NpuSpec


class Steps(NamedTuple):
    """What a row takes: sums over it, steps over it, and steps on single numbers."""

    sums: int
    passes: int
    scalars: int = 0


KINDS: Mapping[str, Steps] = {
    "add": Steps(0, 1),
    "gelu": Steps(0, 1),
    "relu": Steps(0, 1),
    "silu": Steps(0, 1),
    "rotary": Steps(0, 3),
    "softmax": Steps(2, 3),
    "layernorm": Steps(2, 5, 3),
    "rmsnorm": Steps(1, 3, 2),
}
"""softmax: greatest, exp of the difference, sum, division; layernorm: mean and variance, five steps, square root and two scalars."""


def row_cycles(npu: NpuSpec, kind: str, elements: int, operands: int = 1) -> int:
    """Cycles that a row of ``elements`` takes on one unit; further ``operands`` are multiplied or added in one more step each.

    Raises:
        KeyError: no vector operator of that kind.
    """
    steps = KINDS[kind]
    passes = steps.passes + max(operands - (2 if kind == "add" else 1), 0)
    wide = -(-elements // npu.vector_width)
    return (steps.sums * tree_cycles(npu, elements) + passes * wide + steps.scalars) * npu.vector_latency


def tree_cycles(npu: NpuSpec, elements: int) -> int:
    """Steps of an adder tree over ``elements``; a single lane adds two at a time."""
    steps = 1
    while elements > npu.vector_width:
        elements = -(-elements // max(npu.vector_width, 2))
        steps += elements
    return steps
