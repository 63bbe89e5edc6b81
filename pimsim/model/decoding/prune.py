"""Pruning the KV cache to a budget by accumulated attention (A2SF, Jo and Shin 2024, arXiv 2407.20485).

Every token has a score for each head: what it had, times a forgetting factor, plus its share of the attention of the newest token. Once
the cache holds as many tokens as the budget allows, the token with the lowest score gives its slot to the new one. So a layer attends to
at most ``budget`` tokens, and each token step adds the operator ``evict``: it brings the scores up to date and finds the lowest.

All heads are taken to evict from the same slot; where they do not, an append opens a row for each head instead of one for all.
"""

from __future__ import annotations

from dataclasses import replace

from pimsim.model.decoding.rewrite import Nodes, insert, places


def window(own: int, budget: int) -> int:
    """Tokens that a layer attends to, given the window of its own (0: all) and the budget (0: none)."""
    return min(own or budget, budget) if budget else own


def prune(nodes: Nodes) -> Nodes:
    """A layer that keeps scores of its tokens."""
    for index in places(nodes, lambda node: node.kind == "softmax"):
        softmax = nodes[index]
        evict = replace(softmax, name="evict", kind="evict", cols=2, cols_per_token=0, deps=(index,))
        nodes = insert(nodes, index + 1, evict)
    return nodes
