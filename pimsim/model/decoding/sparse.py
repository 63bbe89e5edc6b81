"""Sparse activation of the FFN (Sparsing Law, Luo et al. 2024, arXiv 2411.02335): only a share of the neurons is active for a token.

Of a gated FFN the gate is computed for all neurons; then a threshold says which are active, and only their rows of the up matrix and
columns of the down matrix are read. Of a plain FFN, whose activation makes most neurons zero, it is the columns of the second
matrix. Active neurons are taken to lie together: how many rows and columns of banks they touch is that of a smaller matrix. All
of the weights stay in the memory.
"""

from __future__ import annotations

import math
from dataclasses import replace

from pimsim.model.architecture import Architecture
from pimsim.model.decoding.rewrite import Nodes, insert, named, places


def active(width: int, ratio: float) -> int:
    """Active neurons of ``width``."""
    return max(math.ceil(width * ratio - 1e-9), 1)


def sparsify(nodes: Nodes, arch: Architecture, ratio: float) -> Nodes:
    """A layer whose FFNs use a share of their neurons."""
    for index in places(nodes, named("ffn1")):
        ffn1, act, ffn2 = nodes[index : index + 3]
        width = ffn2.cols
        few = active(width, ratio)
        nodes = (*nodes[: index + 2], replace(ffn2, cols=few), *nodes[index + 3 :])
        if arch.gated_ffn:
            prefix = ffn1.name[: -len("ffn1")]
            gate = replace(ffn1, name=prefix + "gate", rows=width)
            up = replace(ffn1, name=prefix + "up", rows=few, deps=(*ffn1.deps, index + 1))
            threshold = replace(act, name=prefix + "threshold", kind="relu", rows=width, cols=1, deps=(index,))
            nodes = insert((*nodes[:index], gate, *nodes[index + 1 :]), index + 1, threshold)
            nodes = insert(nodes, index + 2, up)
            nodes = (*nodes[: index + 3], replace(act, rows=few, deps=(index, index + 2)), *nodes[index + 4 :])
    return nodes


def stored(arch: Architecture) -> dict[str, tuple[int, int]]:
    """(rows, cols) of the matrices of which a token uses only a part, by their names in a dense layer, a shared expert, an expert."""
    widths = {"": arch.ffn, "shared.": arch.shared_experts * arch.moe_ffn, "experts.": arch.moe_ffn}
    found = {prefix + "ffn2": (arch.hidden, width) for prefix, width in widths.items() if width}
    if arch.gated_ffn:
        found |= {prefix + "up": (width, arch.hidden) for prefix, width in widths.items() if width}
    return found
