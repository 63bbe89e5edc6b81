"""SiLU (Elfwing et al. 2017, arXiv 1702.03118) and SwiGLU (Shazeer 2020, arXiv 2002.05202)."""

from __future__ import annotations

from pimsim.asic.datapath import Datapath, V
from pimsim.asic.function import sigmoid
from pimsim.asic.operation import operation


@operation("silu")
def silu(d: Datapath[V], x: V) -> V:
    """x sigmoid(x)."""
    return d.multiply(x, sigmoid(d, x))


@operation("swiglu")
def swiglu(d: Datapath[V], gate: V, up: V) -> V:
    """silu(gate) up."""
    return d.multiply(silu(d, gate), up)
