"""LayerNorm (Ba et al. 2016, arXiv 1607.06450) and RMSNorm (Zhang and Sennrich 2019, arXiv 1910.07467)."""

from __future__ import annotations

from pimsim.asic.datapath import Datapath, V
from pimsim.asic.function import inverse_sqrt
from pimsim.asic.operation import operation


def _mean(d: Datapath[V], x: V) -> V:
    return d.multiply(d.sum(x), 1 / d.columns(x))


def _unit(d: Datapath[V], x: V, epsilon: float) -> V:
    """x / sqrt(mean x^2 + epsilon)."""
    return d.multiply(x, inverse_sqrt(d, d.add(_mean(d, d.multiply(x, x)), epsilon)))


@operation("layernorm", by_row=True, shared=("gain", "bias"))
def layernorm(d: Datapath[V], x: V, gain: V, bias: V, *, epsilon: float = 1e-5) -> V:
    """(x - mean) / sqrt(variance + epsilon) gain + bias; the variance in a second pass, over the centred row."""
    centred = d.subtract(x, _mean(d, x))
    return d.add(d.multiply(_unit(d, centred, epsilon), gain), bias)


@operation("rmsnorm", by_row=True, shared=("gain",))
def rmsnorm(d: Datapath[V], x: V, gain: V, *, epsilon: float = 1e-5) -> V:
    """x / sqrt(mean x^2 + epsilon) gain."""
    return d.multiply(_unit(d, x, epsilon), gain)
