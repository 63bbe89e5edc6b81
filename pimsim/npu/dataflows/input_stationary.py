"""Input-stationary: a block of activations (up to ``rows`` tokens x ``columns`` of K) stays, weights stream past it.

All arrays hold the same block and share the stream: each takes its part of the output columns. So NeuPIMs' simulator runs the weight
GEMMs of decoding, where tokens are few and weights many.
"""

from __future__ import annotations

import numpy as np

from pimsim.npu.fold import Folds, blocks
from pimsim.npu.spec import NpuSpec


def input_stationary(npu: NpuSpec, m: int, k: int, n: int) -> Folds:
    """For every block of tokens and of K: the activations are loaded once, then the blocks of output columns stream past."""
    m_sizes, k_sizes, n_sizes = blocks(m, npu.rows), blocks(k, npu.columns), blocks(n, npu.rows)
    m_blocks, k_blocks, n_blocks = len(m_sizes), len(k_sizes), len(n_sizes)
    count = m_blocks * k_blocks * n_blocks
    index = np.arange(count)
    token, rest = np.divmod(index, k_blocks * n_blocks)
    row, column = np.divmod(rest, n_blocks)
    return Folds(
        load=np.where(column == 0, npu.rows, 0).astype(np.int64),
        stream=-(-n_sizes[column] // npu.arrays),
        drain=np.full(count, npu.rows + npu.columns - 2, np.int64),
        stationary=token * k_blocks + row,
        streamed=m_blocks * k_blocks + row * n_blocks + column,
        output=token * n_blocks + column,
        operands=k_sizes[row] * (n_sizes[column] + np.where(column == 0, m_sizes[token], 0)),
        sums=m_sizes[token] * n_sizes[column] * np.where(row == 0, 1, 2),
        ganged=True,
    )
