"""Block-wise attention (Block Transformer, arXiv 2406.02657): lower layers once a block, upper ones within it."""

import pytest

from pimsim.model.decoding import Decoding
from pimsim.model.decoding.block import Blocks
from pimsim.model.lowering import lower

from ..conftest import tiny, tiny_llama

TOKENS = 11


def test_the_lower_layers_run_at_the_first_token_of_a_block():
    trace = lower(tiny(), output_tokens=TOKENS, decoding=Decoding(blocks=Blocks(4, 2)))
    layers = [sorted({layer for block in step.blocks for layer in range(block.first_layer, block.first_layer + block.repeat)})
              for step in trace.steps]
    assert layers == [[0, 1, 2], [2], [2], [2]] * 2 + [[0, 1, 2], [2], [2]]


def test_what_they_attend_to():
    trace = lower(tiny(), output_tokens=TOKENS, decoding=Decoding(blocks=Blocks(4, 1)))
    scores = [(op.layer, op.context) for op in trace.operators() if op.kind == "score" and op.layer < 2]
    assert [context for layer, context in scores if layer == 0] == [1, 2, 3]
    assert [context for layer, context in scores if layer == 1] == [1, 2, 3, 4] * 2 + [1, 2, 3]


@pytest.mark.parametrize(("tokens", "layers"), [(1, 1), (4, 2), (50, 1)])
@pytest.mark.parametrize("model", [tiny(), tiny_llama()])
def test_macs_are_the_closed_form(model, tokens, layers):
    trace = lower(model, output_tokens=TOKENS, decoding=Decoding(blocks=Blocks(tokens, layers)))
    a_layer = model.macs_per_token() // model.layers
    per_token = 2 * model.heads * model.head_dim
    blocks = -(-TOKENS // tokens)
    lower_layers = layers * (blocks * a_layer + per_token * blocks * (blocks + 1) // 2)
    within = sum((c - 1) % tokens + 1 for c in range(1, TOKENS + 1))
    upper_layers = (model.layers - layers) * (TOKENS * a_layer + per_token * within)
    assert trace.totals().macs == lower_layers + upper_layers
