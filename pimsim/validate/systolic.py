"""Cycles of matrix products on a systolic array against SCALE-Sim."""

from __future__ import annotations

from collections.abc import Iterator

from pimsim.npu.gemm import compute_only
from pimsim.npu.spec import NpuSpec
from pimsim.validate.figure import Figure, exactly
from pimsim.validate.group import Notify
from pimsim.validate.reference import table

SOURCE = "SCALE-Sim 3.0.0"
COMMAND = "pimsim validate --only systolic"
ARRAY = NpuSpec(arrays=1, weight_double_buffer=False)


def figures(notify: Notify) -> Iterator[Figure]:
    """One array, weight-stationary, the next weights loaded only when the last results are out."""
    for row in table("systolic"):
        m, k, n = (int(row[name]) for name in "mkn")
        notify(f"{m} x {k} x {n}")
        known = int(row["cycles"])
        ours = compute_only(ARRAY, m, k, n).cycles
        yield Figure(f"{m} x {k} x {n} on one 128 x 128 array", SOURCE, ours, known, "cycles", exactly(known), command=COMMAND)
