"""Mixture of experts (Shazeer et al. 2017, arXiv 1701.06538): choosing the experts and summing what they put out.

The router and the experts themselves are ``matvec`` operators, an expert's being named ``experts.<number>.ffn1`` and so
on; their ``batch`` is the number of sequences that chose the expert.
"""

from __future__ import annotations

from collections.abc import Iterable

from pimsim.model.dtype import size_bytes
from pimsim.model.operator import Cost, Fault, Shape, register


def _topk_faults(s: Shape) -> Iterable[Fault]:
    if s.rows > s.cols:
        yield Fault("rows", f"{s.rows} experts chosen of {s.cols}", f"at most {s.cols}")


@register("topk", _topk_faults)
def topk(s: Shape) -> Cost:
    """Softmax over ``cols`` router scores, the ``rows`` largest kept with their weights."""
    return Cost(size_bytes(s.batch * s.cols, s.dtype), size_bytes(s.batch * s.rows, s.dtype), 0)


@register("combine")
def combine(s: Shape) -> Cost:
    """Sum of ``cols`` expert outputs of ``rows`` elements, each weighted by its router score."""
    vectors = size_bytes(s.batch * s.rows * s.cols, s.dtype)
    return Cost(vectors + size_bytes(s.batch * s.cols, s.dtype), size_bytes(s.batch * s.rows, s.dtype), 0)
