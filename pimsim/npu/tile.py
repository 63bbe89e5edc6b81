"""How a matrix product is cut into tiles that fit the scratchpad: the way that reads the fewest bytes.

Tokens are taken together, all of them if possible, since each part of them reads all weights again. Either their activations stay in the
scratchpad and the rest of it is buffers for weights, one being computed with while the others are filled; or they stream: a buffer
holds a tile's weights and its part of the activations, which are then read for every part of the columns. Outputs are summed
in the accumulator, half of which a tile may take.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pimsim.errors import InputError, Problem
from pimsim.npu.spec import NpuSpec

ACCUMULATOR_BYTES = 4
"""Of a sum: fp32."""


def ceil_div(size: int, part: int) -> int:
    """Parts that ``size`` takes."""
    return -(-size // part)


@dataclass(frozen=True, slots=True)
class Tile:
    """Part of [m x k] x [k x n]: tokens ``m``, K ``k`` and columns ``n`` from begin to end. ``last``: it completes its outputs;
    ``fresh``: its activations must be read."""

    m: tuple[int, int]
    k: tuple[int, int]
    n: tuple[int, int]
    last: bool
    fresh: bool

    @property
    def macs(self) -> int:
        """Multiply-accumulates of it."""
        return (self.m[1] - self.m[0]) * (self.k[1] - self.k[0]) * (self.n[1] - self.n[0])


def halved_tiles(npu: NpuSpec, m: int, k: int, n: int) -> list[Tile]:
    """The tiles of the NeuPIMs simulator (casys-kaist/NeuPIMs f299af3), ``compat.halved_tiles``: the largest of M, K and N is halved until
    operands and outputs fit half the scratchpad; every tile reads its own operands.

    Raises:
        InputError: not even single blocks fit.
    """
    sizes, blocks = [m, k, n], (npu.rows, npu.k_block, npu.n_block)
    while _padded(sizes, blocks) * npu.precision_bytes > npu.scratchpad_bytes // 2:
        largest = sizes.index(max(sizes))
        if sizes[largest] <= blocks[largest]:
            raise InputError(Problem("it is too small for a block of operands and outputs", "more bytes", key="npu.scratchpad"))
        sizes[largest] = ceil_div(ceil_div(sizes[largest], 2), blocks[largest]) * blocks[largest]
    return [
        Tile((m0, min(m0 + sizes[0], m)), (k0, min(k0 + sizes[1], k)), (n0, min(n0 + sizes[2], n)), k0 + sizes[1] >= k, True)
        for m0 in range(0, m, sizes[0]) for n0 in range(0, n, sizes[2]) for k0 in range(0, k, sizes[1])
    ]


def _padded(sizes: Sequence[int], blocks: Sequence[int]) -> int:
    """Elements of both operands and of the outputs, in whole blocks."""
    m, k, n = (ceil_div(size, block) * block for size, block in zip(sizes, blocks, strict=True))
    return m * k + k * n + m * n


@dataclass(frozen=True, slots=True)
class Cut:
    """Sizes of a tile, whether activations stay, and the elements that are read in all."""

    m: int
    k: int
    n: int
    stay: bool
    elements: int


def tiles(npu: NpuSpec, m: int, k: int, n: int) -> list[Tile]:
    """The tiles in the order in which they are computed: tokens, columns, K.

    Raises:
        InputError: the scratchpad or accumulator is too small for a block of weights and one token.
    """
    cut = min(_cuts(npu, m, k, n), key=lambda cut: (cut.elements, not cut.stay, -cut.k * cut.n), default=None)
    if cut is None:
        raise InputError(Problem(f"it or the accumulator is too small for blocks of {npu.k_block} x {npu.n_block} weights and one token",
                                 "more bytes, or smaller arrays", key="npu.scratchpad"))
    return [
        Tile((m0, min(m0 + cut.m, m)), (k0, min(k0 + cut.k, k)), (n0, min(n0 + cut.n, n)), k0 + cut.k >= k, not cut.stay or n0 == 0)
        for m0 in range(0, m, cut.m) for n0 in range(0, n, cut.n) for k0 in range(0, k, cut.k)
    ]


def _cuts(npu: NpuSpec, m: int, k: int, n: int) -> Iterator[Cut]:
    """Ways that fit."""
    space, sums = npu.scratchpad_bytes // npu.precision_bytes, npu.accumulator_bytes // 2 // ACCUMULATOR_BYTES
    for tokens in _tokens(m, npu.rows):
        most = _blocks(sums // tokens, npu.n_block, n)
        share = (space - tokens * k) // npu.buffers
        wide = min(_blocks(share // k, npu.n_block, n), most) if share > 0 else 0
        deep = k
        if not wide and most:
            wide = min(npu.n_block, n)
            deep = _blocks(share // wide, npu.k_block, k) if share > 0 else 0
        if wide and deep:
            yield Cut(tokens, deep, wide, True, k * n * ceil_div(m, tokens) + m * k)
        while most:
            deep = _blocks(space // npu.buffers // (most + tokens), npu.k_block, k)
            if deep:
                yield Cut(tokens, deep, most, False, k * n * ceil_div(m, tokens) + m * k * ceil_div(n, most))
                break
            most = _blocks(most // 2, npu.n_block, n)


def _tokens(m: int, rows: int) -> Iterator[int]:
    """Numbers of tokens to take together: all, or equal parts of them in whole blocks, or fewer than a block."""
    yield m
    last = m
    for parts in range(2, ceil_div(m, rows) + 1):
        tokens = ceil_div(ceil_div(m, parts), rows) * rows
        if tokens < last:
            last = tokens
            yield tokens
    while last > 1:
        last //= 2
        if last < rows:
            yield last


def _blocks(most: int, block: int, size: int) -> int:
    """As much of ``size`` as fits: all of it, or whole blocks; 0: not even one."""
    return size if most >= size else most // block * block
