"""NeuPIMs' mapping: the programs do what the closed forms say, and compute q K^T and P V from the cache that was appended."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import InputError
from pimsim.kernels import contend_layout as at
from pimsim.mapping.neupims import Counts, NeuPimsLayout

LAYOUTS = st.builds(
    NeuPimsLayout,
    banks=st.sampled_from((4, 32)),
    groups=st.sampled_from((2, 8)),
    page=st.sampled_from((32, 64, 512)),
    lanes=st.sampled_from((4, 16)),
    heads=st.integers(1, 9),
    head_dim=st.sampled_from((4, 16, 32, 48, 96, 128)),
    queries=st.sampled_from((1, 1, 2)),
    shared_rows=st.booleans(),
    value_dim=st.sampled_from((0, 0, 8, 40)),
)
GPT3_7B = NeuPimsLayout(banks=32, groups=8, page=512, lanes=16, heads=8, head_dim=128)


def counted(layout: NeuPimsLayout, program: np.ndarray, macs: int) -> Counts:
    """What a program does, counted."""
    kinds = program[:, at.T_KIND]
    composites = program[kinds == at.COMPUTE]
    headers = int((kinds == at.ANNOUNCE).sum())
    return Counts(fills=int((kinds == at.FILL).sum()), headers=headers, composites=len(composites),
                  computes=int(composites[:, at.T_COMPUTES].sum()), group_activations=headers * layout.groups, macs=macs)


@given(LAYOUTS, st.integers(1, 1200))
def test_logit_program_and_closed_form_agree(layout: NeuPimsLayout, tokens: int) -> None:
    expected = layout.logit_counts(tokens)
    assert counted(layout, layout.logit(tokens), layout.heads * layout.queries * layout.head_dim * tokens) == expected


@given(LAYOUTS, st.integers(1, 1200))
def test_attend_program_and_closed_form_agree(layout: NeuPimsLayout, tokens: int) -> None:
    expected = layout.attend_counts(tokens)
    assert counted(layout, layout.attend(tokens), layout.heads * layout.queries * layout.value_dim * tokens) == expected


@pytest.mark.parametrize(
    ("tokens", "counts"),
    [(32, Counts(2, 2, 8, 64, 16, 32768)), (513, Counts(2, 34, 136, 1088, 272, 525312))],
)
def test_logit_counts_are_those_of_the_authors(tokens: int, counts: Counts) -> None:
    assert GPT3_7B.logit_counts(tokens) == counts


@pytest.mark.parametrize(
    ("tokens", "counts"),
    [(512, Counts(8, 32, 32, 1024, 256, 524288)), (513, Counts(16, 64, 64, 1056, 512, 525312))],
)
def test_attend_counts_are_those_of_the_authors(tokens: int, counts: Counts) -> None:
    assert GPT3_7B.attend_counts(tokens) == counts


@given(LAYOUTS, st.integers(1, 300))
def test_every_composite_follows_the_announcement_of_its_row(layout: NeuPimsLayout, tokens: int) -> None:
    for program in (layout.logit(tokens), layout.attend(tokens)):
        announced = -1
        for kind, row, last in program[:, [at.T_KIND, at.T_ROW, at.T_LAST]].tolist():
            if kind == at.ANNOUNCE:
                assert announced == -1
                announced = row
            elif kind == at.COMPUTE:
                assert row == announced
                announced = -1 if last else announced


@given(LAYOUTS, st.integers(1, 300))
def test_programs_stay_in_the_rows_of_the_request(layout: NeuPimsLayout, tokens: int) -> None:
    for program, rows in ((layout.logit(tokens), layout.key_rows(tokens)), (layout.attend(tokens), layout.value_rows(tokens))):
        used = program[program[:, at.T_KIND] != at.FILL, at.T_ROW]
        assert used.min() == 0
        assert used.max() == rows - 1


def test_rows_may_lie_anywhere() -> None:
    rows = np.array([70, 5, 30, 9, 8, 61], np.int64)
    layout = NeuPimsLayout(banks=32, groups=8, page=512, lanes=16, heads=6, head_dim=128)
    program = layout.logit(90, rows)
    work = program[:, at.T_KIND] == at.ANNOUNCE
    assert program[work, at.T_ROW].tolist() == [70, 30, 8, 5, 9, 61]


# ---------------------------------------------------------------------- computing with it


def cache(layout: NeuPimsLayout, keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """K and V [tokens, heads, head_dim] as they lie in the banks: [rows, banks, page] each, written token by token."""
    tokens = len(keys)
    k = np.zeros((layout.key_rows(tokens), layout.banks, layout.page))
    v = np.zeros((layout.value_rows(tokens), layout.banks, layout.page))
    for token in range(tokens):
        tile, bank = divmod(token, layout.banks)
        block, place = divmod(token, layout.page)
        for head in range(layout.heads):
            for first in range(0, layout.head_dim, layout.page):
                part = keys[token, head, first : first + layout.page]
                chunk = head // layout.chunk_heads * layout.head_chunks + first // layout.page
                begin = head % layout.chunk_heads * layout.head_dim
                k[layout.key_row(tile, chunk), bank, begin : begin + len(part)] = part
            for d in range(layout.head_dim):
                row = layout.value_row(head, block, d // layout.banks, layout.blocks(tokens))
                v[row, d % layout.banks, place] = values[token, head, d]
    return k, v


def run(layout: NeuPimsLayout, program: np.ndarray, rows: np.ndarray, vectors: list[np.ndarray], starts: list[int]) -> list:
    """Execute a program: every composite multiplies consecutive columns of its row with the vector buffer, in all banks.

    ``starts``: element at which each composite of an announced row begins (composites of a row go through it in order).
    """
    results, buffer, at_vector, place = [], np.zeros(layout.page), 0, 0
    for transaction in program:
        if transaction[at.T_KIND] == at.FILL:
            buffer = np.zeros(layout.page)
            buffer[: len(vectors[at_vector])] = vectors[at_vector]
            at_vector += 1
        elif transaction[at.T_KIND] == at.ANNOUNCE:
            place = 0
        else:
            first = starts[place]
            end = first + transaction[at.T_COMPUTES] * layout.lanes
            results.append(rows[transaction[at.T_ROW], :, first:end] @ buffer[first:end])
            place += 1
    assert at_vector == len(vectors)
    return results


COMPUTED = st.builds(
    NeuPimsLayout,
    banks=st.sampled_from((4, 8)),
    groups=st.just(2),
    page=st.sampled_from((16, 32, 64)),
    lanes=st.just(4),
    heads=st.integers(1, 5),
    head_dim=st.sampled_from((4, 8, 16, 32, 64)),
)


@given(COMPUTED, st.integers(1, 70))
@settings(deadline=None, max_examples=40)
def test_the_logit_program_computes_q_times_k(layout: NeuPimsLayout, tokens: int) -> None:
    random = np.random.default_rng(tokens)
    keys = random.integers(-4, 5, (tokens, layout.heads, layout.head_dim)).astype(float)
    query = random.integers(-4, 5, (layout.heads, layout.head_dim)).astype(float)
    rows, _ = cache(layout, keys, keys)
    vectors = [query[first : first + layout.chunk_heads].ravel()[part * layout.page : (part + 1) * layout.page]
               for first in range(0, layout.heads, layout.chunk_heads) for part in range(layout.head_chunks)]  # fmt: skip
    starts = [head * layout.head_dim for head in range(layout.chunk_heads)]
    results = iter(run(layout, layout.logit(tokens), rows, vectors, starts))
    scores = np.zeros((layout.heads, layout.key_tiles(tokens) * layout.banks))
    for first in range(0, layout.heads, layout.chunk_heads):
        for _ in range(layout.head_chunks):
            for tile in range(layout.key_tiles(tokens)):
                for head in range(first, min(first + layout.chunk_heads, layout.heads)):
                    scores[head, tile * layout.banks : (tile + 1) * layout.banks] += next(results)
    assert next(results, None) is None
    assert np.array_equal(scores[:, :tokens], np.einsum("hd,thd->ht", query, keys))


@given(COMPUTED, st.integers(1, 70))
@settings(deadline=None, max_examples=40)
def test_the_attend_program_computes_p_times_v(layout: NeuPimsLayout, tokens: int) -> None:
    random = np.random.default_rng(tokens)
    values = random.integers(-4, 5, (tokens, layout.heads, layout.head_dim)).astype(float)
    weights = random.integers(0, 5, (layout.heads, tokens)).astype(float)
    _, rows = cache(layout, values, values)
    vectors = [weights[head, block * layout.page : (block + 1) * layout.page]
               for head in range(layout.heads) for block in range(layout.blocks(tokens))]  # fmt: skip
    results = iter(run(layout, layout.attend(tokens), rows, vectors, [0]))
    out = np.zeros((layout.heads, layout.value_tiles * layout.banks))
    for head in range(layout.heads):
        for _ in range(layout.blocks(tokens)):
            for tile in range(layout.value_tiles):
                out[head, tile * layout.banks : (tile + 1) * layout.banks] += next(results)
    assert next(results, None) is None
    assert np.array_equal(out[:, : layout.head_dim], np.einsum("ht,thd->hd", weights, values))


@given(COMPUTED, st.integers(0, 90))
@settings(deadline=None, max_examples=40)
def test_appending_a_token_writes_exactly_the_columns_that_hold_it(layout: NeuPimsLayout, token: int) -> None:
    per_column = 8
    tokens = token + 1
    one = np.zeros((tokens, layout.heads, layout.head_dim))
    one[token] = 1
    k, v = cache(layout, one, one)
    touched = {
        (bank, row + base, column // per_column)
        for array, base in ((k, 0), (v, 10_000))
        for row, bank, column in zip(*np.nonzero(array), strict=True)
    }
    rows = np.arange(layout.key_rows(tokens)), 10_000 + np.arange(layout.value_rows(tokens))
    writes = layout.append(token, *rows, column_elements=per_column)
    assert {tuple(w) for w in writes[:, 1:].tolist()} == touched
    assert len(writes) == len(touched)


def test_no_two_tokens_share_an_element() -> None:
    layout = NeuPimsLayout(banks=4, groups=2, page=16, lanes=4, heads=3, head_dim=8)
    ones = np.ones((40, 3, 8))
    k, v = cache(layout, ones, ones)
    assert k.sum() == v.sum() == 40 * 3 * 8


def test_sizes_that_make_no_sense_are_all_named() -> None:
    with pytest.raises(InputError) as error:
        NeuPimsLayout(banks=0, groups=8, page=512, lanes=16, heads=0, head_dim=128)
    assert [p.key for p in error.value.problems] == ["banks", "heads"]
