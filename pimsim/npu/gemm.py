"""A GEMM on the arrays alone, operands in the scratchpad: the bound that memory can only add to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pimsim.kernels.systolic import run_folds
from pimsim.npu.dataflows import folds
from pimsim.npu.spec import NpuSpec


@dataclass(frozen=True)
class Compute:
    """Cycles of a GEMM on the arrays, and the share of processing-element cycles that do a MAC.

    ``cycles`` is the number of the last cycle, the first being 0, as SCALE-Sim counts.
    """

    cycles: int
    utilisation: float


def compute_only(npu: NpuSpec, m: int, k: int, n: int) -> Compute:
    """Cycles of [m x k] x [k x n] with all operands there from the start."""
    cut = folds(npu, m, k, n)
    ready = np.zeros(len(cut), np.int64)
    end, _ = run_folds(cut.load, cut.stream, cut.drain, ready, ready, 1 if cut.ganged else npu.arrays,
                       npu.weight_double_buffer, 0, np.empty_like(ready), np.empty_like(ready))
    return Compute(int(end) - 1, m * k * n / (int(end) * npu.peak_macs_per_cycle))
