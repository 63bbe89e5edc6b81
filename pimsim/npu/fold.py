"""Folds: a GEMM cut into pieces that fit a systolic array.

A *fold* keeps one block of an operand (or of the output) in the array and streams the others past it. A dataflow says how a GEMM is
cut and what each fold costs; the pipelines of the arrays are in ``pimsim.kernels.systolic``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Folds:
    """The folds of a GEMM [M x K] x [K x N] in the order in which they are given to the arrays.

    Attributes:
        load: cycles to shift the stationary block in. stream: cycles in which operands enter. drain: cycles from the last
            operand's entering to the last result. All int64, one a fold.
        stationary, streamed: the operand block that each fold keeps, and the last one that it streams, as block numbers of the
            dataflow's own choosing; -1: none. A fold waits for both.
        output: output block that the fold adds to.
        operands, sums: elements that the arrays take from the scratchpad, and that go to and come from the accumulator; likewise.
        ganged: arrays work on one fold together (each on its share of the stream) instead of on one each.
    """

    load: np.ndarray
    stream: np.ndarray
    drain: np.ndarray
    stationary: np.ndarray
    streamed: np.ndarray
    output: np.ndarray
    operands: np.ndarray
    sums: np.ndarray
    ganged: bool = False

    def part(self, which: slice) -> Folds:
        """Some of them."""
        return self._each(lambda column: column[which])

    def repeated(self, times: int) -> Folds:
        """The same, so many times one behind the other."""
        return self._each(lambda column: np.tile(column, times))

    def _each(self, change: Callable[[np.ndarray], np.ndarray]) -> Folds:
        return Folds(change(self.load), change(self.stream), change(self.drain), change(self.stationary), change(self.streamed),
                     change(self.output), change(self.operands), change(self.sums), self.ganged)

    def __len__(self) -> int:
        return len(self.load)


def blocks(size: int, block: int) -> np.ndarray:
    """Sizes of the blocks that ``size`` is cut into: int64."""
    full, rest = divmod(size, block)
    return np.array([block] * full + ([rest] if rest else []), np.int64)
