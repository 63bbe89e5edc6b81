"""The pipeline of the NeuPIMs simulator (casys-kaist/NeuPIMs f299af3): compat.fixed_block_latency.

Eight arrays are one that streams eight times as fast, and every block of a matrix product takes as long as a full one. Blocks are issued in
order, one a cycle, when their operands have arrived. A block starts a fixed time behind the one before it as long as that is
still in the pipeline, even if its operands came later; only into an empty pipeline it starts when it is issued.
"""

from __future__ import annotations

import numpy as np

from pimsim.npu.spec import NpuSpec

LEAST = 4
"""Cycles that a block streams at least."""


class FixedPipeline:
    """``begin``: first cycle in which a block can be issued."""

    def __init__(self, npu: NpuSpec, begin: int):
        self.npu = npu
        self.issued = begin - 1
        self.start, self.finish = begin, begin

    def run(self, ready: np.ndarray, loads: np.ndarray) -> np.ndarray:
        """Blocks in order: when their operands are there, and whether they come with a new stationary block. Returns when each is done."""
        npu = self.npu
        size = max(npu.rows // npu.arrays, LEAST)
        latency = npu.rows + npu.columns - 2 + size
        preload = 2 * npu.rows - 1
        done = np.empty(len(ready), np.int64)
        issued, start, finish = self.issued, self.start, self.finish
        for index, (there, fresh) in enumerate(zip(ready.tolist(), loads.tolist(), strict=True)):
            issued = max(issued + 1, there)
            if finish > issued:
                start += npu.rows if fresh else size
            else:
                start = issued + (preload if fresh else 0)
            finish = start + latency
            done[index] = finish
        self.issued, self.start, self.finish = issued, start, finish
        return done
