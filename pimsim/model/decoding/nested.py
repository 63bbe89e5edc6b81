"""Nested FFN widths (MatFormer, Devvrit et al. 2023, arXiv 2310.07707): a layer's FFN uses the first part of its neurons.

One trained model holds many: a width for all layers, or one for each (the paper's Mix'n'Match). The memory holds what is used.
"""

from __future__ import annotations

from dataclasses import replace

from pimsim.model.architecture import Architecture
from pimsim.model.decoding.rewrite import Nodes, change, named


def neurons(width: int, fraction: float) -> int:
    """Neurons of an FFN of ``width`` at a ``fraction`` of it, rounded to the nearest; 0 is no FFN."""
    return int(width * fraction + 0.5)


def narrow(nodes: Nodes, arch: Architecture, fraction: float) -> Nodes:
    """A layer whose FFNs (dense, shared, each expert) have a fraction of their neurons."""
    gated = 1 + arch.gated_ffn
    nodes = change(nodes, named("ffn1"), lambda node: replace(node, rows=gated * neurons(node.rows // gated, fraction)))
    nodes = change(nodes, named("ffn2"), lambda node: replace(node, cols=neurons(node.cols, fraction)))
    widths = {nodes.index(node): node.rows // gated for node in nodes if named("ffn1")(node)}
    return tuple(replace(node, rows=widths[node.deps[0]]) if node.deps and node.deps[0] in widths and node.kind != "matvec" else node
                 for node in nodes)
