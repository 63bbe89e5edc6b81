"""Normalisation: LayerNorm (Ba et al. 2016, arXiv 1607.06450) and RMSNorm (Zhang and Sennrich 2019, arXiv 1910.07467).

``rows`` elements a sequence, normalised in groups of ``cols`` (rows == cols: the whole vector; cols == head_dim: each
head by itself, as Qwen3 does with q and k). The gain, and the bias where there is one, has ``cols`` elements.
"""

from __future__ import annotations

from collections.abc import Iterable

from pimsim.model.dtype import size_bytes
from pimsim.model.operator import Cost, Fault, Shape, register

NORMS = frozenset({"layernorm", "rmsnorm"})


def _faults(s: Shape) -> Iterable[Fault]:
    if s.cols > 0 and s.rows % s.cols:
        yield Fault("cols", f"{s.cols} does not divide {s.rows} rows", "a divisor of rows")


@register("layernorm", _faults)
def layernorm(s: Shape) -> Cost:
    """Subtract the mean, divide by the standard deviation, times gain, plus bias."""
    return rmsnorm(s)


@register("rmsnorm", _faults)
def rmsnorm(s: Shape) -> Cost:
    """Divide by the root mean square, times gain."""
    vector = size_bytes(s.batch * s.rows, s.dtype)
    return Cost(vector + size_bytes(s.cols * (1 + s.bias), s.stored_dtype), vector, 0)
