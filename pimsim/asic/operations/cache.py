"""Bookkeeping of a KV cache that is pruned (A2SF, arXiv 2407.20485) or cut into splits (Lean Attention, arXiv 2405.10480)."""

from __future__ import annotations

from pimsim.asic.datapath import Datapath, V
from pimsim.asic.operation import operation


@operation("evict", by_row=True)
def evict(d: Datapath[V], scores: V, probabilities: V, *, forgetting: float = 0.5) -> tuple[V, V]:
    """A row is a head's tokens: accumulated scores with the newest probabilities, and the lowest of them."""
    updated = d.add(d.multiply(scores, forgetting), probabilities)
    return updated, d.min(updated)


@operation("merge", by_row=True)
def merge(d: Datapath[V], outputs: V, weights: V) -> V:
    """Rows are elements of the output, columns the splits: the sum of their outputs times the weights of the element's head."""
    return d.sum(d.multiply(outputs, weights))
