"""Rotary position embedding (Su et al. 2021, arXiv 2104.09864).

``rows`` rotated elements a sequence ((heads + kv_heads) x head_dim, head_dim being the rotated part of a head), each
made of ``cols`` = 2 inputs of its pair. The pairs' cosines and sines (head_dim numbers) are read once a sequence.
"""

from __future__ import annotations

from collections.abc import Iterable

from pimsim.model.dtype import size_bytes
from pimsim.model.operator import Cost, Fault, Shape, expect, register


def _faults(s: Shape) -> Iterable[Fault]:
    yield from expect("rows", s.rows, (s.heads + s.kv_heads) * s.head_dim, "(heads + kv_heads) x head_dim")
    yield from expect("cols", s.cols, 2, "the pair")


@register("rotary", _faults)
def rotary(s: Shape) -> Cost:
    """Rotate pairs of elements of q and k."""
    vector = size_bytes(s.batch * s.rows, s.dtype)
    return Cost(vector + size_bytes(s.batch * s.head_dim, s.dtype), vector, 0)
