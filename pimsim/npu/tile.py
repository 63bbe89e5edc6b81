"""How a matrix product is cut into tiles that fit the scratchpad.

A quarter of the scratchpad keeps the activations of as many tokens as fit; the rest is two halves for weights, one being computed with
while the other is filled. A tile has all of K and as many block columns as fit a half (and the accumulator); where not even one
fits, one block column and as much of K as fits, its outputs being summed in the accumulator.
"""

from __future__ import annotations

from dataclasses import dataclass

from pimsim.errors import InputError, Problem
from pimsim.npu.spec import NpuSpec

ACCUMULATOR_BYTES = 4
"""Of a sum: fp32."""


@dataclass(frozen=True, slots=True)
class Tile:
    """Part of [m x k] x [k x n]: tokens ``m``, K ``k`` and columns ``n`` from begin to end. ``last``: it completes its outputs;
    ``fresh``: its tokens' activations must be read."""

    m: tuple[int, int]
    k: tuple[int, int]
    n: tuple[int, int]
    last: bool
    fresh: bool

    @property
    def macs(self) -> int:
        """Multiply-accumulates of it."""
        return (self.m[1] - self.m[0]) * (self.k[1] - self.k[0]) * (self.n[1] - self.n[0])


def tiles(npu: NpuSpec, m: int, k: int, n: int) -> list[Tile]:
    """The tiles in the order in which they are computed.

    Raises:
        InputError: the scratchpad or accumulator is too small for a single block.
    """
    p = npu.precision_bytes
    quarter, half = npu.scratchpad_bytes // 4, npu.scratchpad_bytes * 3 // 8
    tokens = _blocks(quarter // (k * p), npu.rows, m)
    wide = _blocks(half // (k * p), npu.columns, n)
    if wide >= npu.columns or wide == n:
        deep = k
    else:
        wide = min(npu.columns, n)
        deep = _blocks(half // (wide * p), npu.rows, k)
    sums = npu.accumulator_bytes // 2 // ACCUMULATOR_BYTES
    wide = min(wide, max(sums // max(tokens, 1) // npu.columns * npu.columns, min(npu.columns, n)))
    tokens = min(tokens, sums // wide)
    problems = []
    if tokens < 1:
        problems.append(Problem(f"activations of one token ({k} elements) or its outputs do not fit", "a larger scratchpad or accumulator",
                                key="npu.scratchpad"))
    if deep < min(npu.rows, k):
        problems.append(Problem("a block of weights does not fit into three eighths of it", f"at least {npu.rows * wide * p * 8 // 3} B",
                                key="npu.scratchpad"))
    if problems:
        raise InputError(problems)
    out = []
    for m0 in range(0, m, tokens):
        fresh = True
        for n0 in range(0, n, wide):
            for k0 in range(0, k, deep):
                last = k0 + deep >= k
                out.append(Tile((m0, min(m0 + tokens, m)), (k0, min(k0 + deep, k)), (n0, min(n0 + wide, n)), last, fresh))
                fresh = False
    return out


def _blocks(most: int, block: int, size: int) -> int:
    """As much of ``size`` as fits: all of it, else whole blocks if there is room for one."""
    if most >= size:
        return size
    return most // block * block if most >= block else most
