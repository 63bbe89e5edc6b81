"""Weight-stationary: a block of K x N weights stays, M rows of activations stream past it.

Loading takes as many cycles as the array has rows; the last of M activation rows leaves the far corner rows + columns - 2 cycles
after it entered. One array without double buffering is SCALE-Sim's ``(2 R + C + M - 2)`` a fold.
"""

from __future__ import annotations

import numpy as np

from pimsim.npu.fold import Folds, blocks
from pimsim.npu.spec import NpuSpec


def weight_stationary(npu: NpuSpec, m: int, k: int, n: int) -> Folds:
    """Folds in the order: output columns outer, reduction inner (so that outputs complete one after the other)."""
    k_sizes, n_sizes = blocks(k, npu.rows), blocks(n, npu.columns)
    k_blocks = len(k_sizes)
    count = k_blocks * len(n_sizes)
    column, row = np.divmod(np.arange(count), k_blocks)
    return Folds(
        load=np.full(count, npu.rows, np.int64),
        stream=np.full(count, m, np.int64),
        drain=np.full(count, npu.rows + npu.columns - 2, np.int64),
        stationary=column * k_blocks + row,
        streamed=row,
        output=column,
        operands=k_sizes[row] * (n_sizes[column] + m),
        sums=m * n_sizes[column] * np.where(row == 0, 1, 2),
    )
