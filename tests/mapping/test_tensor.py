"""Where tensors lie: no unit twice, all bytes, every channel its share."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.errors import InputError
from pimsim.mapping.synthetic import in_set_order, slots
from pimsim.mapping.tensor import Geometry, TensorMap, Transfer

GEOMETRY = Geometry(channels=32, banks=32, rows=32768, columns=16, unit_bytes=64)
sizes = st.integers(1, 700)


def tensors(block: tuple[int, int] = (128, 128), *, along_k: bool = False) -> TensorMap:
    return TensorMap(GEOMETRY, block, block[1], 2, 0, along_k=along_k)


def units(transfer: Transfer) -> list[int]:
    return [u for start, count in zip(transfer.starts.tolist(), transfer.counts.tolist(), strict=True) for u in range(start, start + count)]


@given(sizes, sizes, st.sampled_from([(128, 128), (64, 96), (16, 32)]))
def test_blocks_of_a_matrix_are_all_of_it_and_nothing_twice(k: int, n: int, block: tuple[int, int]) -> None:
    rows, columns = -(-k // block[0]), -(-n // block[1])
    pairs = np.stack((np.tile(np.arange(rows), columns), np.repeat(np.arange(columns), rows)), axis=1)
    got = units(tensors(block).blocks("w", k, n, pairs))
    assert got == list(range(-(-2 * k * n // 64)))
    pairs = np.stack((np.repeat(np.arange(rows), columns), np.tile(np.arange(columns), rows)), axis=1)
    assert units(tensors(block, along_k=True).blocks("w", k, n, pairs)) == got


@given(sizes, sizes)
def test_columns_and_rows_of_an_activation_are_the_same_units(m: int, n: int) -> None:
    at = tensors()
    whole = sorted(units(at.columns("x", m, n)))
    assert len(set(whole)) == len(whole)
    assert sum(c * 64 for c in at.columns("x", m, n).counts.tolist()) >= 2 * m * n
    assert sorted(units(at.rows("x", m, n, 8))) == whole
    half = m // 2
    assert sorted(units(at.columns("x", m, n, bottom=half)) + units(at.columns("x", m, n, top=half))) == whole


@given(st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 300)), max_size=6))
def test_channels_share_a_transfer_without_rest(segments: list[tuple[int, int]]) -> None:
    transfer = Transfer.of(*segments)
    got = []
    for channel in range(32):
        local, counts = transfer.local(channel, 32)
        assert counts.sum() == len(local)
        got += [int(u) * 32 + channel for u in local]
    assert sorted(got) == sorted(units(transfer))


def test_whole_stripes_are_the_same_for_every_channel() -> None:
    transfer = Transfer.of((64, 320), (1024, 32))
    assert transfer.uniform(32)
    assert len({transfer.share(channel, 32) for channel in range(32)}) == 1
    assert not Transfer.of((64, 33)).uniform(32)


def test_a_channel_fills_a_row_of_a_bank_then_the_next_bank() -> None:
    bank, row, column = GEOMETRY.places(np.array([0, 15, 16, 511, 512]))
    assert bank.tolist() == [0, 0, 1, 31, 0]
    assert row.tolist() == [0, 0, 0, 0, 1]
    assert column.tolist() == [0, 15, 0, 15, 0]


def test_a_name_keeps_its_place_until_it_grows() -> None:
    at = tensors()
    first = at.place("x", 1000)
    other = at.place("y", 1000)
    assert at.place("x", 900) == first
    grown = at.place("x", 100_000)
    assert grown.start > other.start


def test_what_does_not_fit_is_refused() -> None:
    at = tensors()
    at.limit(1)
    with pytest.raises(InputError, match="does not fit"):
        at.place("x", 2 << 20)


def test_a_set_is_gone_through_slot_by_slot() -> None:
    local = np.arange(100)
    counts = np.array([40, 60])
    order = in_set_order(local, counts, 3, GEOMETRY)
    assert sorted(order[:40]) == list(range(40))
    row, column = np.divmod(order[:40], 16)
    assert np.all(np.diff(slots(((row * 32 + 3) * 16 + column) * 64, 60 * 32)) >= 0)
    assert not np.array_equal(order, in_set_order(local, counts, 4, GEOMETRY))


def test_slots_are_murmurs() -> None:
    """fmix64 of 1, without its last shift: MurmurHash3's finalizer (Appleby)."""
    x = 1
    x = x * 0xFF51AFD7ED558CCD % 2**64
    x ^= x >> 33
    x = x * 0xC4CEB9FE1A85EC53 % 2**64
    x ^= x >> 33
    assert slots(np.array([1]), 6).tolist() == [x >> 5 & 7]
    assert slots(np.array([1]), 7).tolist() == [x >> 5 & 15]
