"""Folds: a GEMM cut into pieces that fit a systolic array.

A *fold* keeps one block of an operand (or of the output) in the array and streams the others past it. A dataflow says how a GEMM is
cut and what each fold costs; the pipelines of the arrays are in ``pimsim.kernels.systolic``.
"""

from __future__ import annotations

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
        ganged: arrays work on one fold together (each on its share of the stream) instead of on one each.
    """

    load: np.ndarray
    stream: np.ndarray
    drain: np.ndarray
    stationary: np.ndarray
    streamed: np.ndarray
    output: np.ndarray
    ganged: bool = False

    def part(self, which: slice) -> Folds:
        """Some of them."""
        return Folds(self.load[which], self.stream[which], self.drain[which], self.stationary[which], self.streamed[which],
                     self.output[which], self.ganged)

    def repeated(self, times: int) -> Folds:
        """The same, so many times one behind the other."""
        return Folds(np.tile(self.load, times), np.tile(self.stream, times), np.tile(self.drain, times), np.tile(self.stationary, times),
                     np.tile(self.streamed, times), np.tile(self.output, times), self.ganged)

    def __len__(self) -> int:
        return len(self.load)


def blocks(size: int, block: int) -> np.ndarray:
    """Sizes of the blocks that ``size`` is cut into: int64."""
    full, rest = divmod(size, block)
    return np.array([block] * full + ([rest] if rest else []), np.int64)
