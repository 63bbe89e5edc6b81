"""Weight matrix times activation vector: QKV, projection, FFN, router, experts, LM head.

``rows`` outputs, each a dot product of length ``cols``. With a batch the weights are read once and used by every
sequence.
"""

from __future__ import annotations

from collections.abc import Iterable

from pimsim.model.dtype import size_bytes
from pimsim.model.operator import Cost, Fault, Shape, register


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


def _head_faults(s: Shape) -> Iterable[Fault]:
    if s.heads < 1:
        yield Fault("heads", f"{s.heads} heads", "at least 1")
    elif s.rows % s.heads:
        yield Fault("rows", f"{s.rows} is not divisible by {s.heads} heads", "a multiple of heads")


@register("head_matvec", _head_faults)
def head_matvec(s: Shape) -> Cost:
    """A matrix of rows / heads outputs and ``cols`` inputs for each head by itself (block diagonal).

    This is what absorbing the up-projections of multi-head latent attention leaves.
    """
    return Cost(
        size_bytes(s.rows * s.cols, s.stored_dtype) + size_bytes(s.batch * s.heads * s.cols, s.dtype),
        size_bytes(s.batch * s.rows, s.dtype),
        s.batch * s.rows * s.cols,
    )
