"""A pruned cache (A2SF, arXiv 2407.20485): attention stops growing at the budget; scores are kept of what is there."""

import pytest

from pimsim.model.decoding import Decoding
from pimsim.model.lowering import lower

from ..conftest import tiny, tiny_llama

BUDGET, TOKENS = 5, 12


@pytest.mark.parametrize("model", [tiny(), tiny_llama(windows=(0, 3, 9))])
def test_traffic_and_macs_are_those_of_the_budget(model):
    trace = lower(model, output_tokens=TOKENS, decoding=Decoding(kv_budget=BUDGET))
    own = [model.window(layer) or BUDGET for layer in range(model.layers)]
    held = [min(context, BUDGET, window) for context in range(1, TOKENS + 1) for window in own]
    weights = model.macs_per_token() * TOKENS
    assert trace.totals().macs == weights + 2 * model.heads * model.head_dim * sum(held)
    keys = sum(op.bytes_read - 2 * model.heads * model.head_dim for op in trace.operators() if op.kind == "score")
    assert keys == 2 * model.kv_heads * model.head_dim * sum(held)
    scores = sum(op.bytes_read + op.bytes_written for op in trace.operators() if op.kind == "evict")
    assert scores == 3 * 2 * model.heads * sum(held)


def test_every_token_is_still_appended():
    trace = lower(tiny(), output_tokens=TOKENS, decoding=Decoding(kv_budget=BUDGET))
    assert [op.context for op in trace.operators() if op.kind == "kv_append" and op.layer == 0] == list(range(1, TOKENS + 1))
