"""The pipelines of the NeuPIMs simulator (casys-kaist/NeuPIMs): compat.fixed_block_latency (f299af3, with PIM), compat.serial_npu_pipeline
(57617ee, the branch without).

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


class SerialPipeline(FixedPipeline):
    """Without PIM: a block that brings new operands starts when the one before is done, others as closely behind it as it streams."""

    VECTOR_PRELOAD = 8
    """Cycles to bring a vector in."""

    def run(self, ready: np.ndarray, loads: np.ndarray) -> np.ndarray:
        """As :meth:`FixedPipeline.run`."""
        npu = self.npu
        drain = npu.rows + npu.columns - 1
        latency = drain + npu.rows // npu.arrays
        done = np.empty(len(ready), np.int64)
        for index, (there, fresh) in enumerate(zip(ready.tolist(), loads.tolist(), strict=True)):
            self.issued = issued = max(self.issued + 1, there)
            if self.finish <= issued:
                start = issued + (npu.columns if fresh else 0)
            else:
                start = self.finish if fresh else max(issued, self.finish - drain)
            self.finish = done[index] = start + latency
        return done

    def attention(self, heads: int, tokens: int, head_dim: int, softmax: int, ready: int) -> int:
        """Attention of one token: for each head q K^T, softmax, and a product for every 128 tokens begun, and one more; returns the end."""
        npu = self.npu
        drain = npu.rows + npu.columns - 1
        for _ in range(heads):
            self._vector(ready, drain + tokens // npu.arrays)
            self.issued = max(self.issued + 1, self.finish)
            ready_weights = self.issued + softmax
            for _ in range(-(-(tokens + npu.rows - 1) // npu.rows)):
                self._vector(ready_weights, drain + head_dim // npu.arrays)
        return self.finish

    def _vector(self, ready: int, latency: int) -> None:
        self.issued = issued = max(self.issued + 1, ready)
        self.finish = (self.finish if self.finish > issued else issued + self.VECTOR_PRELOAD) + latency
