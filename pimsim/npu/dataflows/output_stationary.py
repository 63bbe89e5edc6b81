"""Output-stationary: a block of M x N outputs stays and accumulates while K pairs of operands stream past; then it is shifted out."""

from __future__ import annotations

import numpy as np

from pimsim.npu.fold import Folds, blocks
from pimsim.npu.spec import NpuSpec


def output_stationary(npu: NpuSpec, m: int, k: int, n: int) -> Folds:
    """One fold an output block; nothing is loaded, the block's rows leave through the array at the end."""
    m_sizes, n_sizes = blocks(m, npu.rows), blocks(n, npu.columns)
    m_blocks = len(m_sizes)
    count = m_blocks * len(n_sizes)
    column, row = np.divmod(np.arange(count), m_blocks)
    return Folds(
        load=np.zeros(count, np.int64),
        stream=np.full(count, k, np.int64),
        drain=np.full(count, npu.rows + npu.columns - 2 + npu.rows, np.int64),
        stationary=np.full(count, -1, np.int64),
        streamed=column,
        output=column * m_blocks + row,
        operands=k * (m_sizes[row] + n_sizes[column]),
        sums=m_sizes[row] * n_sizes[column],
    )
