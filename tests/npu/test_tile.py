"""Tiles of a matrix product."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.errors import InputError
from pimsim.npu.spec import NpuSpec
from pimsim.npu.tile import ACCUMULATOR_BYTES, Tile, halved_tiles, tiles

sides = st.integers(1, 3000)


def elements_read(cut: list[Tile]) -> tuple[int, int]:
    """Of weights and of activations."""
    def size(a: tuple[int, int], b: tuple[int, int]) -> int:
        return (a[1] - a[0]) * (b[1] - b[0])

    return sum(size(t.k, t.n) for t in cut), sum(size(t.m, t.k) for t in cut if t.fresh)


@given(sides, sides, sides, st.sampled_from([256, 1024, 7168]))
def test_tiles_are_the_whole_product_and_fit(m: int, k: int, n: int, kib: int) -> None:
    npu = NpuSpec(scratchpad_bytes=kib * 1024, accumulator_bytes=kib * 1024)
    cut = tiles(npu, m, k, n)
    assert sum(tile.macs for tile in cut) == m * k * n
    stay = any(not tile.fresh for tile in cut) or cut[0].n[1] == n
    for tile in cut:
        (m0, m1), (k0, k1), (n0, n1) = tile.m, tile.k, tile.n
        assert (m1 - m0) * (n1 - n0) * ACCUMULATOR_BYTES <= npu.accumulator_bytes // 2
        weights, activations = (k1 - k0) * (n1 - n0), (m1 - m0) * (k1 - k0)
        held = 2 * (weights + activations) if not stay else min(2 * weights + (m1 - m0) * k, 2 * (weights + activations))
        assert held * npu.precision_bytes <= npu.scratchpad_bytes
        assert k0 % npu.rows == 0
        assert n0 % npu.columns == 0
        assert tile.last == (k1 == k)


@given(sides, sides, sides)
def test_every_activation_is_read_before_it_is_used(m: int, k: int, n: int) -> None:
    there: set[tuple[tuple[int, int], tuple[int, int]]] = set()
    for tile in tiles(NpuSpec(scratchpad_bytes=512 << 10, accumulator_bytes=512 << 10), m, k, n):
        if tile.fresh:
            there.add((tile.m, tile.k))
        assert (tile.m, tile.k) in there


@pytest.mark.parametrize("m", [1, 64, 256, 512])
def test_weights_of_neupims_batches_are_read_once(m: int) -> None:
    for k, n in ((4096, 3072), (1024, 4096), (4096, 4096)):
        weights, activations = elements_read(tiles(NpuSpec(), m, k, n))
        assert weights == k * n
        assert activations <= 2 * m * k


def test_a_prompt_reads_what_fits_least_often() -> None:
    weights, activations = elements_read(tiles(NpuSpec(), 2048, 4096, 4096))
    assert weights + activations <= 4 * 4096 * 4096


def test_halved_tiles_are_neupims() -> None:
    npu = NpuSpec(scratchpad_bytes=134218 << 10)
    assert len(halved_tiles(npu, 64, 4096, 4096)) == 1
    assert [(t.k, t.n) for t in halved_tiles(npu, 64, 7168, 7168)] == [((0, 3584), (0, 7168)), ((3584, 7168), (0, 7168))]
    cut = halved_tiles(npu, 64, 12288, 6144)
    assert sum(tile.macs for tile in cut) == 64 * 12288 * 6144
    assert all(tile.fresh for tile in cut)


def test_a_scratchpad_without_room_for_a_block_is_refused() -> None:
    with pytest.raises(InputError, match=r"npu.scratchpad"):
        tiles(NpuSpec(scratchpad_bytes=60 << 10), 1, 512, 512)
