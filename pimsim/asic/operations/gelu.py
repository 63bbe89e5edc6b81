"""GELU in its tanh form (Hendrycks and Gimpel 2016, arXiv 1606.08415), and the gated unit made of it."""

from __future__ import annotations

import math

from pimsim.asic.datapath import Datapath, V
from pimsim.asic.function import tanh
from pimsim.asic.operation import operation

_LINEAR = math.sqrt(2 / math.pi)
_CUBIC = 0.044715 * _LINEAR


@operation("gelu")
def gelu(d: Datapath[V], x: V) -> V:
    """x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))), the cubic as x (a + b x^2)."""
    inner = d.multiply(x, d.add(d.multiply(d.multiply(x, x), _CUBIC), _LINEAR))
    return d.scale_exponent(d.multiply(x, d.add(tanh(d, inner), 1.0)), -1)


@operation("geglu")
def geglu(d: Datapath[V], gate: V, up: V) -> V:
    """gelu(gate) up (Shazeer 2020, arXiv 2002.05202)."""
    return d.multiply(gelu(d, gate), up)
