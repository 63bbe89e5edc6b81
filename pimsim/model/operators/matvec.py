"""Weight matrix times activation vector: QKV, projection, FFN, LM head.

``rows`` outputs, each a dot product of length ``cols``. With a batch the weights are read once and used by every
sequence.
"""

from __future__ import annotations

from pimsim.model.dtype import size_bytes
from pimsim.model.operator import Cost, Shape, register


@register("matvec")
def matvec(s: Shape) -> Cost:
    """rows x cols weights (and ``rows`` biases) and cols inputs a sequence; rows outputs a sequence."""
    weights = size_bytes(s.rows * s.cols, s.stored_dtype)
    bias = size_bytes(s.rows, s.stored_dtype) if s.bias else 0
    return Cost(
        weights + bias + size_bytes(s.batch * s.cols, s.dtype),
        size_bytes(s.batch * s.rows, s.dtype),
        s.batch * s.rows * s.cols,
    )
