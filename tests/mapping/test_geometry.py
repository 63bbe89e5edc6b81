"""How heads are cut over channels, and how the matrices of heads share rows."""

import pytest

from pimsim.mapping.geometry import HeadWeights, Memory, Values, pieces


def memory(channels: int = 8, banks: int = 16) -> Memory:
    return Memory(channels, banks, 16, 64)


@pytest.mark.parametrize(("channels", "heads", "outputs", "cut"), [
    (8, 12, 64, 1), (8, 8, 128, 1), (8, 4, 128, 2), (8, 1, 512, 8), (64, 8, 128, 8), (64, 1, 512, 32), (32, 12, 64, 2),
    (64, 16, 512, 4), (8, 1, 24, 1), (8, 2, 80, 1), (16, 2, 80, 5)])  # fmt: skip
def test_a_head_is_cut_into_whole_subs_while_channels_are_idle(channels, heads, outputs, cut):
    assert pieces(memory(channels), heads, outputs) == cut


def test_pieces_stand_for_heads():
    values = Values.of(memory(), 2, 128, 2000)
    assert (values.heads, values.head_dim, values.channel_heads(7), values.subs) == (8, 32, 1, 2)


def test_short_rows_are_shared():
    weights = HeadWeights.of(memory(16), 16, 512, 128)  # 8 columns a product: 8 of 32 subs share a row
    assert (weights.packed, weights.row_subs, weights.chunk_rows, weights.rows) == (8, 8, 4, 4)
    assert weights.place(0, 0, 9) == (1, 8)


def test_long_rows_are_cut_into_chunks():
    weights = HeadWeights(memory(1), 2, 40, 1500)
    assert (weights.chunk_columns, weights.packed, weights.head_rows, weights.rows) == ((64, 30), 1, 6, 12)
    assert weights.place(1, 1, 2) == (6 + 3 + 2, 0)


def test_no_two_products_share_a_place():
    weights = HeadWeights.of(memory(2, 4), 3, 22, 100)
    places = {(row, column + c) for head in range(weights.channel_heads(0)) for chunk, columns in enumerate(weights.chunk_columns)
              for sub in range(weights.subs) for row, column in [weights.place(head, chunk, sub)] for c in range(columns)}
    assert len(places) == weights.channel_heads(0) * weights.subs * sum(weights.chunk_columns)
    assert max(row for row, _ in places) == weights.rows - 1 and max(column for _, column in places) < 64
