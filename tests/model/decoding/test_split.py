"""Attention over splits of the context (Lean Attention, arXiv 2405.10480)."""

import pytest

from pimsim.model.decoding import Decoding
from pimsim.model.lowering import lower

from ..conftest import tiny, tiny_llama, tiny_mla

TOKENS = 9


@pytest.mark.parametrize("splits", [2, 3, 8])
@pytest.mark.parametrize("model", [tiny(), tiny_llama(), tiny_mla()])
def test_macs_are_those_of_contexts_padded_to_the_splits(model, splits):
    trace = lower(model, output_tokens=TOKENS, decoding=Decoding(attention_splits=splits))
    padded = [-(-context // splits) * splits for context in range(1, TOKENS + 1)]
    assert trace.totals().macs == sum(model.macs_per_token(context) for context in padded)


def test_parts_of_an_output_are_merged():
    model = tiny_llama()
    trace = lower(model, output_tokens=TOKENS, decoding=Decoding(attention_splits=3))
    merges = [op for op in trace.operators() if op.kind == "merge"]
    assert len(merges) == model.layers * TOKENS
    assert {(op.rows, op.cols, op.bytes_read, op.bytes_written) for op in merges} == {(24, 3, 2 * (3 * 24 + 2 * 18), 2 * 24)}


def test_whoever_needs_the_output_waits_for_the_merge():
    operators = lower(tiny(), output_tokens=1, decoding=Decoding(attention_splits=2)).steps[0].blocks[0].operators
    names = [op.name for op in operators]
    assert operators[names.index("proj")].deps == (names.index("merge"),)


def test_a_token_is_appended_once():
    plain, split = (lower(tiny(), output_tokens=TOKENS, decoding=Decoding(attention_splits=n)) for n in (1, 4))
    appended = [[op.bytes_written for op in trace.operators() if op.kind == "kv_append"] for trace in (plain, split)]
    assert appended[0] == appended[1]
