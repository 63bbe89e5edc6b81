"""Attention over a context cut into splits (Lean Attention, Sanovar et al. 2024, arXiv 2405.10480).

Every split of the context has its own scores, softmax and weighted sum, as if it were heads of its own, so that a long context of few
heads keeps many units busy; the partial outputs of a head are then weighed by their splits' maxima and sums and added up (the
operator ``merge``). The n-th token belongs to split (n - 1) mod splits; splits that do not divide the context are padded.
"""

from __future__ import annotations

from dataclasses import replace

from pimsim.model.decoding.rewrite import Nodes, change, insert, places
from pimsim.model.graph import Heads, Node

SPLIT = ("score", "softmax", "attend")


def split(nodes: Nodes, splits: int) -> Nodes:
    """A layer whose attention works on splits of the context."""

    def cut(node: Node) -> Node:
        heads = Heads(node.heads.query * splits, node.heads.key_value * splits, node.heads.dim)
        return replace(node, heads=heads, splits=splits, rows=node.rows * splits, rows_per_token=node.rows_per_token * splits)

    whole = nodes
    nodes = change(nodes, lambda node: node.kind in SPLIT, cut)
    for index in places(nodes, lambda node: node.kind == "attend"):
        merge = replace(nodes[index], name="merge", kind="merge", rows=whole[index].rows, cols=splits, cols_per_token=0,
                        stored_dtype=nodes[index].dtype, deps=(index,), contextual=False, splits=1)
        nodes = insert(nodes, index + 1, merge, instead_of=index)
    return nodes
