"""The pipelines of systolic arrays: when each fold of a GEMM is loaded, streamed and done.

A fold's stationary block is shifted in (``load``), then operands stream for ``stream`` cycles, and ``drain`` cycles after the last of
them entered, the last result is out. With double buffering the next block is shifted in while the present one is used; without it,
only once its last result is out. A fold waits for its operands to be in the scratchpad.
"""

from __future__ import annotations

import numpy as np

from pimsim.kernels.jit import jit


@jit
def run_folds(load, stream, drain, stationary_ready, streamed_ready, arrays, double_buffer, begin, streamed, done):
    """Run folds on ``arrays`` arrays, in order, each on the array that was given work the longest ago.

    Args:
        load, stream, drain: int64 [folds], cycles.
        stationary_ready, streamed_ready: int64 [folds], cycle from which the operands are there.
        arrays: 1 when all arrays work on each fold together.
        begin: first cycle.
        streamed, done: int64 [folds], filled: end of the stream, and last result.

    Returns:
        (cycle of the last result, cycles in which an array streams, summed over arrays).
    """
    load_free = np.full(arrays, begin, np.int64)
    stream_free = np.full(arrays, begin, np.int64)
    end = begin
    busy = 0
    for f in range(load.size):
        a = f % arrays
        loaded = max(load_free[a], stationary_ready[f]) + load[f] if load[f] > 0 else stationary_ready[f]
        start = max(loaded, stream_free[a], streamed_ready[f])
        stop = start + stream[f]
        streamed[f] = stop
        done[f] = stop + drain[f]
        stream_free[a] = stop
        load_free[a] = start if double_buffer else done[f]
        busy += stream[f]
        end = max(end, done[f])
    return end, busy
