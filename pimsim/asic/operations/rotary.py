"""Rotary position embedding (Su et al. 2021, arXiv 2104.09864), with sines and cosines from a table."""

from __future__ import annotations

from pimsim.asic.datapath import Datapath, V
from pimsim.asic.operation import operation


@operation("rotary", sincos_table=True)
def rotary(d: Datapath[V], x: V, y: V, cos: V, sin: V) -> tuple[V, V]:
    """Turn each pair (x, y) by its angle: (x cos - y sin, y cos + x sin). One element of x is one pair."""
    return (
        d.subtract(d.multiply(x, cos), d.multiply(y, sin)),
        d.add(d.multiply(y, cos), d.multiply(x, sin)),
    )
