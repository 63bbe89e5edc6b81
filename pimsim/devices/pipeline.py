"""The arrays during one operator: folds in order, each with the ticks at which its operands arrive."""

from __future__ import annotations

import numpy as np

from pimsim.kernels.systolic import run_folds
from pimsim.npu.clock import NpuClock
from pimsim.npu.dataflows import folds
from pimsim.npu.fixed import FixedPipeline, SerialPipeline
from pimsim.npu.fold import Folds
from pimsim.npu.spec import NpuSpec
from pimsim.npu.tile import ACCUMULATOR_BYTES

COLUMNS = 5
"""Of a fold: cycles to load, to stream and to drain, cycles at which its stationary and its streamed operands are there."""


class Pipeline:
    """Arrays that begin an operator at a tick.

    Args:
        keys: shortcuts: the pipelines of the authors' simulator are two of them.

    Attributes:
        done, streamed: when the last result of all folds added so far is out, and their last operand in.
        busy: cycles in which an array streams, of all arrays together. moved: bytes between scratchpad, accumulator and arrays.
    """

    def __init__(self, spec: NpuSpec, clock: NpuClock, begin: int, keys: frozenset[str] = frozenset()):
        self.spec, self.clock = spec, clock
        self._begin = clock.cycle(begin)
        kind = SerialPipeline if "serial_npu_pipeline" in keys else FixedPipeline
        self._fixed = kind(spec, self._begin) if "fixed_block_latency" in keys else None
        self._folds: tuple[np.ndarray, ...] = (np.zeros(0, np.int64),) * COLUMNS
        self.done = self.streamed = begin
        self.busy = self.moved = 0

    def add(self, cut: Folds, stationary: np.ndarray | int, streamed: np.ndarray | int) -> None:
        """Folds, and when their operands arrive: the blocks that stay, and the last of what streams past."""
        there = [self.clock.cycles(np.broadcast_to(np.asarray(ticks, np.int64), len(cut))) for ticks in (stationary, streamed)]
        self._run(cut, *there)

    def add_equal(self, count: int, m: int, k: int, n: int, ready: int) -> None:
        """``count`` products [m x k] x [k x n] with all operands there at a tick."""
        cut = folds(self.spec, m, k, n)
        self.add(cut.repeated(count), ready, ready)

    @property
    def serial(self) -> bool:
        """compat.serial_npu_pipeline."""
        return isinstance(self._fixed, SerialPipeline)

    def add_attention(self, heads: int, tokens: int, head_dim: int, softmax: int, ready: int) -> None:
        """compat.serial_npu_pipeline: attention of one token over ``tokens``, head after head; ``softmax``: cycles of a row."""
        assert isinstance(self._fixed, SerialPipeline)
        there = self.clock.cycle(ready)
        self.done = self.streamed = self.clock.ticks(self._fixed.attention(heads, tokens, head_dim, softmax, there))
        self.busy += heads * (tokens + head_dim * (tokens // self.spec.rows + 1)) // self.spec.arrays * self.spec.arrays

    def _run(self, cut: Folds, stationary: np.ndarray, streamed: np.ndarray) -> None:
        spec, fresh = self.spec, len(cut)
        self.moved += int(cut.operands.sum()) * spec.precision_bytes + int(cut.sums.sum()) * ACCUMULATOR_BYTES
        if self._fixed is not None:
            done = self._fixed.run(np.maximum(stationary, streamed), cut.load > 0)
            self.done = self.streamed = self.clock.ticks(int(done.max()))
            self.busy += fresh * spec.rows
            return
        new = (cut.load, cut.stream, cut.drain, stationary, streamed)
        self._folds = tuple(np.concatenate(pair) for pair in zip(self._folds, new, strict=True))
        ends, done = np.empty_like(self._folds[0]), np.empty_like(self._folds[0])
        arrays = 1 if cut.ganged else spec.arrays
        _, busy = run_folds(*self._folds, arrays, spec.weight_double_buffer, self._begin, ends, done)
        self.busy = int(busy) * (spec.arrays // arrays)
        self.done = max(self.done, self.clock.ticks(int(done[-fresh:].max())))
        self.streamed = max(self.streamed, self.clock.ticks(int(ends[-fresh:].max())))
