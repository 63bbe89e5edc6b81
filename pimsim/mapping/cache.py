"""What a KV cache looks like to its append: which operators of the block read it, and how wide its keys and values are.

Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434) caches one vector a token: all of it is the key, its first part, without
the rotary dimensions, is the value. A memory that computes in its banks holds that part twice, row-major for the scores and column-major
for the weighted sum.
"""

from __future__ import annotations

from pimsim.model.operator import Operator
from pimsim.model.trace import Block


def reader(block: Block, append: int, kind: str) -> Operator | None:
    """The ``score`` or ``attend`` that reads what operator ``append`` of a block appends; None if there is none."""
    return next((op for op in block.operators if op.kind == kind and append in op.deps), None)


def attended(block: Block, append: int) -> int:
    """How many tokens the scores behind an append attend to."""
    score = reader(block, append, "score")
    return score.context if score is not None else block.operators[append].context


def is_latent(append: Operator) -> bool:
    """Whether K and V share the elements that are appended."""
    return append.rows != 2 * append.kv_heads * append.head_dim


def value_dim(block: Block, append: int) -> int:
    """Elements of a head's value; 0 where K and V share their elements and nothing says which."""
    op, attend = block.operators[append], reader(block, append, "attend")
    if not is_latent(op):
        return op.head_dim
    return attend.head_dim if attend is not None else 0


def splits(block: Block, index: int) -> int:
    """Parts that the context is cut into, of an append or of what reads it (:mod:`pimsim.model.decoding.split`).

    Every part has the append's key-value heads to itself: the reader has so many times as many. Slot n of the cache is slot n // parts of
    part n % parts.
    """
    op = block.operators[index]
    if op.kind == "kv_append":
        score = reader(block, index, "score")
        return score.kv_heads // op.kv_heads if score is not None else 1
    appends = [block.operators[dep] for dep in op.deps if dep >= 0 and block.operators[dep].kind == "kv_append"]
    return op.kv_heads // appends[0].kv_heads if appends else 1
