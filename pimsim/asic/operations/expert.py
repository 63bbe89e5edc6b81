"""Mixture of experts (Shazeer et al. 2017, arXiv 1701.06538): the router's choice, and the sum of what its experts put out."""

from __future__ import annotations

from pimsim.asic.datapath import Datapath, V
from pimsim.asic.operation import operation
from pimsim.asic.operations.softmax import softmax


@operation("topk", by_row=True, counted="chosen")
def topk(d: Datapath[V], scores: V, *, chosen: int) -> tuple[V, ...]:
    """The ``chosen`` largest elements of the softmax of each row, the largest first, one vector of one column each.

    Each is found by the adder tree and dropped from what is left; which comparisons it won says which expert it is.
    """
    left = softmax(d, scores)
    found = [d.max(left)]
    for _ in range(chosen - 1):
        left = d.drop(left, found[-1])
        found.append(d.max(left))
    return tuple(found)


@operation("combine", by_row=True, shared=("weights",))
def combine(d: Datapath[V], outputs: V, weights: V) -> V:
    """Rows are elements of the output, columns the experts: the sum of their outputs times their weights."""
    return d.sum(d.multiply(outputs, weights))
