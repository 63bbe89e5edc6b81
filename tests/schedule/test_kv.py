"""KV space in rows: how many, which, and that none is lost or given out twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.errors import SimulationError
from pimsim.schedule.kv import Allocation, KvSpace, PagedLayout, PimLayout, Ranges, count, row
from tests.schedule.conftest import LAYOUT

GPT3_7B_TP4 = PimLayout(layers=1, kv_heads=8, head_dim=128)


def rows_of(ranges: Ranges) -> list[int]:
    return [first + i for first, number in ranges for i in range(number)]


@pytest.mark.parametrize(("tokens", "k", "v"), [(1, 2, 32), (32, 2, 32), (33, 4, 32), (512, 32, 32), (513, 34, 64), (2048, 128, 128)])
def test_rows_of_gpt3_7b_on_one_of_four_devices(tokens: int, k: int, v: int) -> None:
    """Two rows of 512 elements hold 8 heads x 128 of 32 tokens; 8 heads x 128 / 32 rows hold V of 512 tokens."""
    assert GPT3_7B_TP4.rows(tokens) == (k, v)


def test_full_blocks_waste_nothing() -> None:
    """512 tokens x 2 x 1,024 elements x 2 bytes = 2 MiB = 64 rows of 32 KiB."""
    k, v = GPT3_7B_TP4.rows(512)
    assert (k + v) * 32 * 1024 == 512 * 2 * 1024 * 2


def test_layers_multiply_rows() -> None:
    k, v = GPT3_7B_TP4.rows(700)
    assert PimLayout(32, 8, 128).rows(700) == (32 * k, 32 * v)


@pytest.mark.parametrize("layout", [PimLayout(3, 2, 40, page=16, banks=8), GPT3_7B_TP4, PimLayout(2, 5, 8, page=4, banks=16)])
def test_every_element_has_a_place_of_its_own(layout: PimLayout) -> None:
    """Indices of all (layer, token, element) cover the rows exactly, each place once."""
    tokens = layout.page + 3
    k, v = layout.rows(tokens)
    k_rows = {layout.k_index(layer, t // layout.banks, chunk) for layer in range(layout.layers)
              for t in range(tokens) for chunk in range(layout.k_chunks)}
    v_rows = {layout.v_index(layer, head, t // layout.page, d // layout.banks) for layer in range(layout.layers)
              for head in range(layout.kv_heads) for t in (0, layout.page) for d in range(layout.head_dim)}
    assert (k_rows, v_rows) == (set(range(k)), set(range(v)))


def test_a_token_more_never_moves_the_rows_before() -> None:
    space = KvSpace.empty(PimLayout(2, 2, 8, page=8, banks=4), channels=1, rows=200)
    held = Allocation(0, (), ())
    before: tuple[list[int], list[int]] = ([], [])
    for tokens in range(1, 40):
        grown = space.grow(held, tokens)
        assert grown is not None
        space, held = grown
        now = rows_of(held.k), rows_of(held.v)
        assert all(new[: len(old)] == old for old, new in zip(before, now, strict=True))
        assert (len(now[0]), len(now[1])) == space.layout.rows(tokens)
        before = now


def test_paged_rows_hold_whole_pages() -> None:
    """17 tokens are 2 pages of 16 x 1 KiB, which is a row of 32 KiB."""
    assert PagedLayout(token_bytes=1024, row_bytes=32 * 1024).rows(17) == (1, 1)
    assert PagedLayout(token_bytes=1024, row_bytes=32 * 1024).rows(33) == (2, 2)


def test_no_room_is_an_answer_not_an_error() -> None:
    space = KvSpace.empty(LAYOUT, channels=2, rows=3)
    taken = space.allocate(0, 3)
    assert taken is not None
    space, held = taken
    assert space.allocate(0, 1) is None
    assert space.grow(held, 5) is None
    assert space.allocate(1, 3) is not None


def test_freed_rows_are_given_out_again() -> None:
    space = KvSpace.empty(LAYOUT, channels=1, rows=3)
    taken = space.allocate(0, 3)
    assert taken is not None
    assert taken[0].release(taken[1]) == space


def test_rows_given_back_twice_are_an_error() -> None:
    space, held = KvSpace.empty(LAYOUT, channels=1, rows=8).allocate(0, 3) or pytest.fail("no room")
    space = space.release(held)
    with pytest.raises(SimulationError, match="channel 0: KV rows given back that were not given out"):
        space.release(held)


@pytest.mark.parametrize("foreign", [((7, 1),), ((16, 2),), ((99, 1),)])
def test_rows_from_outside_the_space_are_an_error(foreign: Ranges) -> None:
    space = KvSpace.empty(LAYOUT, channels=1, rows=8, first_row=8)
    space = (space.allocate(0, 10) or pytest.fail("no room"))[0]
    with pytest.raises(SimulationError):
        space.release(Allocation(0, foreign, ()))


def test_a_row_behind_the_last_is_an_error() -> None:
    assert [row(((5, 2), (9, 1)), i) for i in range(3)] == [5, 6, 9]
    with pytest.raises(IndexError):
        row(((5, 2), (9, 1)), 3)


@given(st.integers(1, 3), st.integers(0, 30), st.lists(st.tuples(st.integers(0, 6), st.integers(0, 2), st.integers(1, 12)), max_size=60))
def test_any_use_keeps_every_row_in_one_place(channels: int, rows: int, uses: list[tuple[int, int, int]]) -> None:
    """Against a bitmap: a use of (who, channel, tokens) allocates, or grows, or, with fewer tokens than before, frees."""
    space = KvSpace.empty(LAYOUT, channels, rows, first_row=10)
    held: dict[int, tuple[Allocation, int]] = {}
    for who, channel, tokens in uses:
        if who in held and tokens < held[who][1]:
            space = space.release(held.pop(who)[0])
        else:
            before = held[who][0] if who in held else Allocation(channel % channels, (), ())
            grown = space.grow(before, tokens)
            need = space.need(tokens) - before.rows
            assert (grown is None) == (need > space.room[before.channel])
            if grown is not None:
                space, held[who] = grown[0], (grown[1], tokens)
        owners = np.zeros((channels, rows), int)
        for c, free in enumerate(space.free):
            for r in rows_of(free):
                owners[c, r - 10] += 1
            assert count(free) == space.room[c]
        for allocation, _ in held.values():
            for r in rows_of(allocation.k + allocation.v):
                owners[allocation.channel, r - 10] += 1
        assert (owners == 1).all()
    for allocation, _ in held.values():
        space = space.release(allocation)
    assert space == KvSpace.empty(LAYOUT, channels, rows, first_row=10)
