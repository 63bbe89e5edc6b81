"""Every element lies where the geometry's docstring says, counted out by hand one element at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.mapping.functional.layout import PimGptLayout, Shadow, padded
from pimsim.mapping.functional.memory import FunctionalChannel, FunctionalError
from pimsim.mapping.geometry import Memory, cache_slot
from pimsim.mapping.placement import Placement, Region

from .conftest import attention_block, compiled, matvec_block

COLUMNS = 4
ROW = 16 * COLUMNS
BASE = 100
EXAMPLES = settings(max_examples=50, deadline=None)


def machine(channels: int, banks: int, capacity: int = 1) -> tuple[PimGptLayout, list[FunctionalChannel]]:
    names = ("w", "kv_append.k", "kv_append.v")
    placement = Placement({(0, n): Region(BASE * (i + 1), BASE) for i, n in enumerate(names)}, BASE * 4)
    layout = PimGptLayout(Memory(channels, banks, 16, COLUMNS), placement, capacity)
    return layout, [FunctionalChannel(compiled(channels, banks, COLUMNS)) for _ in range(channels)]


def element(channels: list[FunctionalChannel], channel: int, bank: int, row: int, index: int) -> float:
    return float(channels[channel].row(row)[bank].reshape(-1)[index])


def written(channels: list[FunctionalChannel]) -> int:
    return sum(int((~np.isnan(cells)).sum()) for c in channels for cells in c.cells.values())


@EXAMPLES
@given(st.integers(1, 70), st.integers(1, 150), st.sampled_from([1, 2, 3]), st.sampled_from([4, 16]))
def test_weights(outputs, inputs, channels, banks):
    layout, memory = machine(channels, banks)
    matrix = np.random.default_rng(0).normal(size=(outputs, inputs)).astype(np.float32)
    layout.load_matrix(memory, 0, "w", matrix)
    slots = -(-outputs // (banks * channels))
    for i in range(outputs):
        for j in range(0, inputs, 7):
            row = BASE + j // ROW * slots + i // (banks * channels)
            assert element(memory, i // banks % channels, i % banks, row, j % ROW) == matrix[i, j]
    assert written(memory) == outputs * -(-inputs // 16) * 16  # zeros behind the inputs, nothing else


@EXAMPLES
@given(st.integers(1, 40), st.integers(1, 6), st.sampled_from([5, 16, 24, 64]), st.sampled_from([1, 2, 3]))
def test_keys(tokens, heads, head_dim, channels):
    banks = 4
    layout, memory = machine(channels, banks, tokens)
    op = attention_block(tokens, heads, heads, head_dim).operators[0]
    keys = np.random.default_rng(0).normal(size=(tokens, heads, head_dim)).astype(np.float32)
    layout.store_keys(memory, 0, op, range(tokens), keys)
    columns = -(-head_dim // 16)
    heads_a_row, groups = COLUMNS // columns, -(-tokens // (banks * channels))
    for t in range(tokens):
        for h in range(heads):
            row = 2 * BASE + h // heads_a_row * groups + t // (banks * channels)
            place = (t % channels, t // channels % banks, row)
            first = h % heads_a_row * columns * 16
            assert element(memory, *place, first) == keys[t, h, 0]
            assert element(memory, *place, first + head_dim - 1) == keys[t, h, -1]
    assert written(memory) == tokens * heads * columns * 16


@EXAMPLES
@given(st.integers(1, 150), st.integers(1, 4), st.sampled_from([3, 4, 9]), st.sampled_from([1, 2, 3]))
def test_values(tokens, heads, head_dim, channels):
    banks = 4
    layout, memory = machine(channels, banks, tokens)
    op = attention_block(tokens, heads, heads, head_dim).operators[0]
    values = np.random.default_rng(0).normal(size=(tokens, heads, head_dim)).astype(np.float32)
    layout.store_values(memory, 0, op, range(tokens), values, fresh=True)
    subs, chunks = -(-head_dim // banks), -(-tokens // ROW)
    for h in range(heads):
        for j in range(head_dim):
            first = 3 * BASE + (h // channels * subs + j // banks) * chunks
            for t in range(0, tokens, 5):
                assert element(memory, h % channels, j % banks, first + t // ROW, t % ROW) == values[t, h, j]
    assert written(memory) == heads * head_dim * -(-tokens // 16) * 16


def test_values_are_the_same_put_one_by_one_or_at_once():
    op = attention_block(40, 3, 3, 6).operators[0]
    values = np.random.default_rng(0).normal(size=(40, 3, 6)).astype(np.float32)
    layout, at_once = machine(2, 4, 40)
    layout.store_values(at_once, 0, op, range(40), values, fresh=True)
    _, one_by_one = machine(2, 4, 40)
    for t in range(40):
        layout.store_values(one_by_one, 0, op, range(t, t + 1), values[t : t + 1], fresh=True)
    for a, b in zip(at_once, one_by_one, strict=True):
        assert a.cells.keys() == b.cells.keys()
        assert all(np.array_equal(a.cells[row], b.cells[row], equal_nan=True) for row in a.cells)


def test_an_old_slot_is_overwritten_alone():
    op = attention_block(40, 1, 1, 4).operators[0]
    layout, memory = machine(1, 4, 40)
    values = np.ones((40, 1, 4), np.float32)
    layout.store_values(memory, 0, op, range(40), values, fresh=True)
    layout.store_values(memory, 0, op, range(16, 17), 5 * values[:1], fresh=False)
    row = memory[0].row(3 * BASE)[0].reshape(-1)
    np.testing.assert_array_equal(np.flatnonzero(row[:40] == 5), [16])


def test_value_stream_masks_all_but_the_token():
    op = attention_block(1, 2, 2, 4).operators[0]
    layout, _ = machine(2, 4, 40)
    stream = layout.value_streams(op, 19, np.ones((2, 4), np.float32), fresh=True)[1]
    np.testing.assert_array_equal(np.isnan(stream).sum(axis=1), 15)
    np.testing.assert_array_equal(stream[:, 3], 1)


def test_value_stream_clears_a_new_column():
    op = attention_block(1, 2, 2, 4).operators[0]
    layout, _ = machine(2, 4, 40)
    stream = layout.value_streams(op, 32, np.ones((2, 4), np.float32), fresh=True)[0]
    np.testing.assert_array_equal(stream, [[1] + [0] * 15] * 4)


def test_value_stream_of_a_full_ring_clears_nothing():
    op = attention_block(1, 2, 2, 4).operators[0]
    layout, _ = machine(2, 4, 40)
    assert np.isnan(layout.value_streams(op, 32, np.ones((2, 4), np.float32), fresh=False)[0]).sum() == 4 * 15


def test_tokens_of_a_window_take_turns_in_its_slots():
    assert [cache_slot(t, min(t, 5)) for t in range(1, 13)] == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1]


def test_padding_is_behind_each_vector():
    np.testing.assert_array_equal(padded(np.array([[1, 2, 3], [4, 5, 6]], np.float32), 2, 2).reshape(2, 4),
                                  [[1, 2, 3, 0], [4, 5, 6, 0]])


def test_embedding_rows_lie_in_a_bank_each():
    layout, memory = machine(2, 4)
    rows = np.arange(2 * 70, dtype=np.float32).reshape(2, 70)
    layout.load_tables(memory, 0, "w", rows)
    np.testing.assert_array_equal(memory[0].row(BASE)[1].reshape(-1), rows[1, :64])
    np.testing.assert_array_equal(memory[0].row(BASE + 1)[1, 0, :6], rows[1, 64:])


@pytest.mark.parametrize("bursts", [0, 3, 5])
def test_other_than_the_expected_bursts_are_refused(bursts):
    layout, _ = machine(1, 4)
    op = matvec_block(8, 100).operators[0]  # 2 slots, 2 chunks
    with pytest.raises(FunctionalError, match=f"{bursts} bursts come back instead of 4"):
        layout.collect(op, 0, np.zeros((bursts, 4), np.float32), range(1), np.zeros((8, 2), np.float32))


def test_shadow_counts_cells_that_differ():
    channel = FunctionalChannel(compiled(1, 4, COLUMNS))
    channel.row(0)[:] = 1
    before = {0: channel.row(0).copy()}
    channel.row(0)[2, 3, 4] = 7  # should have been 8
    channel.row(0)[1, 1, 1] = 9  # should have stayed
    shadow = Shadow(channel, before)
    shadow.change(0)[2, 3, 4] = 8
    shadow.change(5)[0, 0, 0] = 6  # should have been written
    assert shadow.wrong_cells() == 3


def test_shadow_of_what_was_done_right_finds_nothing():
    channel = FunctionalChannel(compiled(1, 4, COLUMNS))
    before = {0: channel.row(0).copy()}
    channel.row(0)[2, 3, 4] = 7
    shadow = Shadow(channel, before)
    shadow.change(0)[2, 3, 4] = 7
    assert shadow.wrong_cells() == 0
