"""What the crossover policy estimates with: closed forms of each unit alone, without contention.

They are bounds and rules of thumb, quick enough to ask for every operator of every batch. How far off they are is measured
(:func:`pimsim.schedule.placement.estimate_errors`), not corrected for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from pimsim.model.operator import Operator
from pimsim.npu.spec import NpuSpec
from pimsim.schedule.estimate import MhaEstimate
from pimsim.units import FS_PER_S


def _fs(cycles: int, clock_hz: int) -> int:
    return -(-cycles * FS_PER_S // clock_hz)


@dataclass(frozen=True)
class NpuEstimate:
    """Systolic arrays, weights stationary: the slower of the arrays and the memory.

    The stationary operand is cut into folds of the array's size; an array takes max(m, rows) cycles for each, shifting the next one in
    meanwhile, and rows + rows + columns - 2 cycles to fill and drain (see :mod:`pimsim.npu.dataflows`).
    """

    npu: NpuSpec
    bandwidth_bytes_per_s: int

    def estimate_fs(self, operator: Operator) -> int:
        """Femtoseconds for ``operator`` on its whole batch."""
        arrays_fs = _fs(sum(self._cycles(*gemm) for gemm in self._gemms(operator)), self.npu.clock_hz)
        memory_fs = -(-(operator.bytes_read + operator.bytes_written) * FS_PER_S // self.bandwidth_bytes_per_s)
        return max(arrays_fs, memory_fs)

    def _gemms(self, op: Operator) -> list[tuple[int, int, int, int]]:
        """(how many, m, k, n) of the matrix products in ``op``; attention is one for each sequence and key-value head."""
        if op.kind == "score":
            return [(op.batch * op.kv_heads, op.heads // op.kv_heads, op.head_dim, op.context)]
        if op.kind == "attend":
            return [(op.batch * op.kv_heads, op.heads // op.kv_heads, op.context, op.head_dim)]
        if op.kind == "head_matvec":
            return [(op.heads, op.batch, op.cols, op.rows // op.heads)]
        return [(1, op.batch, op.cols, op.rows)] if op.macs else []

    def _cycles(self, number: int, m: int, k: int, n: int) -> int:
        npu = self.npu
        folds = number * -(-k // npu.rows) * -(-n // npu.columns)
        rounds = -(-folds // npu.arrays)
        each = max(m, npu.rows) if npu.weight_double_buffer else m + 2 * npu.rows + npu.columns - 2
        return npu.rows + (rounds - 1) * each + m + npu.rows + npu.columns - 2


@dataclass(frozen=True)
class PimEstimate:
    """Banks that multiply, by the paper's constants (:class:`MhaEstimate`): attention channel by channel, weights over all of them.

    A batch spreads over the channels; a matrix that is multiplied in memory lies in all of them, and every sequence goes through
    it by itself, for there is no reuse of an open row between vectors.
    """

    estimate: MhaEstimate
    channels: int
    clock_hz: int

    def estimate_fs(self, operator: Operator) -> int:
        """Femtoseconds for ``operator`` on its whole batch."""
        each = self.estimate
        in_turn = -(-operator.batch // self.channels)
        if operator.kind == "score":
            return _fs(in_turn * each.logit_cycles(operator.context), self.clock_hz)
        if operator.kind == "attend":
            return _fs(in_turn * each.attend_cycles(operator.context), self.clock_hz)
        chunks = -(-operator.cols // each.page)
        tiles = -(-operator.rows // (each.banks * self.channels))
        return _fs(operator.batch * chunks * (each.gwrite_cycles + tiles * each.tile_cycles), self.clock_hz)


PASSES: Mapping[str, tuple[int, int]] = {
    "softmax": (2, 3), "layernorm": (2, 5), "rmsnorm": (1, 4), "rotary": (0, 3), "add": (0, 1), "gelu": (0, 1), "relu": (0, 1),
    "silu": (0, 1), "swiglu": (0, 2), "geglu": (0, 2), "topk": (1, 1), "combine": (0, 2), "evict": (1, 1),
    "merge": (1, 4),
}
"""Reductions over a vector, and elementwise passes, of each kind. Softmax, LayerNorm, GELU and add as casys-kaist/NeuPIMs f299af3
counts them; the others by their formulas."""


@dataclass(frozen=True)
class VectorEstimate:
    """SIMD units side by side: a pass over n elements takes ceil(n / width) steps, a reduction that and its tree on top."""

    npu: NpuSpec

    def estimate_fs(self, operator: Operator) -> int:
        """Femtoseconds for ``operator`` on its whole batch."""
        heads = operator.heads if operator.kind == "softmax" else 1
        vectors, length = operator.batch * heads, operator.rows // heads
        if operator.kind in ("topk", "combine"):
            length = operator.cols * (operator.rows if operator.kind == "combine" else 1)
        reductions, passes = PASSES[operator.kind]
        steps = reductions * self._tree(length) + passes * -(-length // self.npu.vector_width)
        cycles = -(-vectors * steps * self.npu.vector_latency // self.npu.vector_units)
        return _fs(cycles, self.npu.clock_hz)

    def _tree(self, length: int) -> int:
        """Steps of an adder tree of the unit's width over ``length`` elements."""
        steps = 1
        while length > self.npu.vector_width:
            length = -(-length // max(self.npu.vector_width, 2))
            steps += length
        return steps
