"""All options of decoding: neutral settings change nothing, contradictions are told all at once."""

import pytest

from pimsim.errors import InputError
from pimsim.model.decoding import Decoding
from pimsim.model.decoding.block import Blocks
from pimsim.model.lowering import lower

from ..conftest import FAMILIES, tiny, tiny_moe

NEUTRAL = [
    Decoding(),
    Decoding(kv_budget=0, blocks=Blocks(0, 0), ffn_width=(1.0,), ffn_active=1.0, attention_splits=1, draft=None),
    Decoding(ffn_width=(1.0, 1.0, 1.0)),
]


@pytest.mark.parametrize("decoding", NEUTRAL)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_neutral_setting_is_plain_decoding(family, decoding):
    plain = lower(FAMILIES[family], output_tokens=6, prompt_tokens=3, lm_head=True)
    assert list(lower(FAMILIES[family], output_tokens=6, prompt_tokens=3, lm_head=True, decoding=decoding).steps) == list(plain.steps)


def test_a_budget_that_is_never_reached_reads_what_plain_decoding_reads():
    plain, pruned = lower(tiny(), output_tokens=6), lower(tiny(), output_tokens=6, decoding=Decoding(kv_budget=6))
    kept = [op for op in pruned.operators() if op.kind != "evict"]
    assert [(op.name, op.rows, op.cols, op.context) for op in kept] == [
        (op.name, op.rows, op.cols, op.context) for op in plain.operators()]


@pytest.mark.parametrize(("decoding", "keys"), [
    (Decoding(acceptance=1.2), {"acceptance"}),
    (Decoding(draft=tiny()), {"draft_model"}),
    (Decoding(draft=tiny(vocab=7), acceptance=0.5), {"draft_model"}),
    (Decoding(blocks=Blocks(4, 3)), {"block_layers"}),
    (Decoding(blocks=Blocks(0, 2)), {"block_layers"}),
    (Decoding(ffn_width=(0.5, 0.5)), {"ffn_width"}),
    (Decoding(ffn_width=(0.001,)), {"ffn_width"}),
    (Decoding(ffn_active=0.0), {"ffn_active"}),
    (Decoding(ffn_active=0.5, ffn_width=(0.5,)), {"ffn_active"}),
    (Decoding(kv_budget=2, attention_splits=4), {"kv_budget"}),
    (Decoding(kv_budget=-1, attention_splits=0, acceptance=-0.5), {"kv_budget", "attention_splits", "acceptance"}),
])  # fmt: skip
def test_contradictions_are_told_all_at_once(decoding, keys):
    with pytest.raises(InputError) as caught:
        lower(tiny(), output_tokens=2, decoding=decoding)
    assert {problem.key.removeprefix("workload.decoding.") for problem in caught.value.problems} == keys


@pytest.mark.parametrize("decoding", [Decoding(kv_budget=3), Decoding(ffn_active=0.3), Decoding(ffn_width=(0.5,)),
                                      Decoding(attention_splits=2), Decoding(blocks=Blocks(2, 1))])  # fmt: skip
@pytest.mark.parametrize("family", ["mixtral", "deepseek-v3", "gpt-neox"])
def test_deps_of_a_rewritten_layer_are_before_it(family, decoding):
    for step in lower(FAMILIES[family], output_tokens=5, decoding=decoding).steps:
        for block in step.blocks:
            assert all(dep < index for index, op in enumerate(block.operators) for dep in op.deps)


def test_experts_are_drawn_from_the_seed():
    traces = [lower(tiny_moe(), batch=2, output_tokens=4, routing="uniform", seed=seed) for seed in (1, 1, 2)]
    names = [[op.name for op in trace.operators()] for trace in traces]
    assert names[0] == names[1] != names[2]
