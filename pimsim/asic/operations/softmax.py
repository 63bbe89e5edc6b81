"""Softmax over attention scores: a row is one head's scores over the context."""

from __future__ import annotations

from pimsim.asic.datapath import Datapath, V
from pimsim.asic.function import EXP_LIMIT, exp, reciprocal
from pimsim.asic.operation import operation


@operation("softmax", by_row=True)
def softmax(d: Datapath[V], x: V, *, scale: float = 1.0) -> V:
    """e^(scale (x - max x)) times the reciprocal of their sum; scale > 0 is attention's 1/sqrt(head size)."""
    centred = d.multiply(d.subtract(x, d.max(x)), scale)
    power = exp(d, d.apply("maximum", centred, -EXP_LIMIT))
    return d.multiply(power, reciprocal(d, d.sum(power)))
