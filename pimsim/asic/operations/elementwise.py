"""Additions, scaling and ReLU, and the sum of partial results of a chunked matrix (PIM-GPT sums those in the ASIC)."""

from __future__ import annotations

from pimsim.asic.datapath import Datapath, V
from pimsim.asic.operation import operation


@operation("partial_sum", by_row=True)
def partial_sum(d: Datapath[V], partial: V) -> V:
    """Rows are outputs, columns the chunks whose partial results make up each: (n, chunks) -> (n, 1)."""
    return d.sum(partial)


@operation("add")
@operation("bias")
def add(d: Datapath[V], x: V, y: V) -> V:
    """x + y: a residual connection, or a bias vector that comes in beside x."""
    return d.add(x, y)


@operation("scale")
def scale(d: Datapath[V], x: V, *, factor: float = 1.0) -> V:
    """factor x."""
    return d.multiply(x, factor)


@operation("relu")
def relu(d: Datapath[V], x: V) -> V:
    """max(x, 0)."""
    return d.apply("maximum", x, 0.0)
