"""Element by element: residual additions, activation functions, and the embedding's look-up.

``rows`` elements a sequence; ``cols`` vectors of that length go in (2 for an addition or a gated activation, 1 for a
plain one).
"""

from __future__ import annotations

from collections.abc import Iterable

from pimsim.model.dtype import size_bytes
from pimsim.model.operator import Cost, Fault, Shape, expect, register


def _one(s: Shape) -> Iterable[Fault]:
    yield from expect("cols", s.cols, 1, "vectors in")


def _two(s: Shape) -> Iterable[Fault]:
    yield from expect("cols", s.cols, 2, "vectors in")


@register("add", _two)
@register("swiglu", _two)
@register("geglu", _two)
@register("gelu", _one)
@register("relu", _one)
@register("silu", _one)
def elementwise(s: Shape) -> Cost:
    """``cols`` vectors of ``rows`` elements in, one out."""
    return Cost(size_bytes(s.batch * s.rows * s.cols, s.dtype), size_bytes(s.batch * s.rows, s.dtype), 0)


@register("embed")
def embed(s: Shape) -> Cost:
    """Read ``cols`` table rows (token, and position where it is learned) a sequence and add them."""
    return Cost(size_bytes(s.batch * s.rows * s.cols, s.stored_dtype), size_bytes(s.batch * s.rows, s.dtype), 0)
