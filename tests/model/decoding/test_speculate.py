"""Speculative decoding (Big Little Decoder, arXiv 2302.07863): steps of both models, accepted and rejected."""

from collections import Counter
from itertools import pairwise

import pytest

from pimsim.model.decoding import Decoding
from pimsim.model.decoding.speculate import Speculation
from pimsim.model.lowering import lower

from ..conftest import tiny, tiny_llama

SMALL = tiny(layers=1, hidden=12, heads=3, kv_heads=3, ffn=20)


def turns(drafts: int, acceptance: float, tokens: int, prompt: int = 1, seed: int = 0):
    return list(Speculation(drafts, acceptance, seed).turns(range(1, prompt + tokens), prompt))


def test_nothing_accepted_is_a_token_a_round():
    counts = Counter(turn.phase for turn in turns(3, 0.0, 10))
    # drafts of the last rounds end with the output: 3 in 7 rounds, then 2, 1, 0
    assert counts == {"decode": 10, "draft": 24, "rejected": 24}


def test_everything_accepted_is_a_round_of_all_drafts_and_one():
    made = turns(3, 1.0, 8)
    assert [(t.context, t.small) for t in made] == [
        (1, True), (2, True), (3, True), (1, False), (2, False), (3, False), (4, False), (4, True),
        (5, True), (6, True), (7, True), (5, False), (6, False), (7, False), (8, False)]
    assert Counter(t.phase for t in made) == {"decode": 8, "draft": 7}


@pytest.mark.parametrize("acceptance", [0.0, 0.3, 0.8, 1.0])
@pytest.mark.parametrize("drafts", [1, 4])
def test_every_output_token_is_decoded_once_by_the_large_model(drafts, acceptance):
    made = turns(drafts, acceptance, 50, prompt=3)
    assert [t.context for t in made if t.phase == "decode"] == list(range(3, 53))
    assert not any(t.small for t in made if t.phase in ("decode", "rejected"))


@pytest.mark.parametrize("drafts", [1, 4])
def test_the_small_model_sees_every_token_before_it_drafts_on(drafts):
    seen = 0
    for turn in turns(drafts, 0.7, 60):
        if turn.small:
            assert turn.context <= seen + 1
            seen = turn.context


def test_tokens_a_round_follow_the_acceptance():
    made = turns(4, 0.8, 20000)
    rounds = sum(a.small and not b.small for a, b in pairwise(made))
    expected = (1 - 0.8**5) / (1 - 0.8)  # 3.36 tokens a round
    assert 20000 / rounds == pytest.approx(expected, rel=0.02)


def test_a_seed_gives_the_same_steps():
    assert turns(4, 0.5, 100, seed=1) == turns(4, 0.5, 100, seed=1) != turns(4, 0.5, 100, seed=2)


def test_macs_and_traffic_are_those_of_the_steps_of_both_models():
    trace = lower(tiny(), output_tokens=20, prompt_tokens=4, seed=5,
                  decoding=Decoding(draft=SMALL, draft_tokens=3, acceptance=0.6))
    made = turns(3, 0.6, 20, prompt=4, seed=5)
    assert trace.n_steps == len(made) and trace.n_tokens == 20
    assert trace.totals().macs == sum((SMALL if t.small else tiny()).macs_per_token(t.context) for t in made)
    alone = [lower(model, output_tokens=23).steps for model in (tiny(), SMALL)]
    read = sum(op.bytes_read * block.repeat for t in made for block in alone[t.small][t.context - 1].blocks for op in block.operators)
    assert trace.totals().bytes_read == read


def test_the_small_model_has_layers_and_names_of_its_own():
    trace = lower(tiny(), output_tokens=2, lm_head=True, embedding=True,
                  decoding=Decoding(draft=SMALL, draft_tokens=1, acceptance=1.0))
    names = {(op.name, op.layer) for op in trace.operators() if op.phase == "draft"}
    assert ("qkv", 3) in names and ("draft.lm_head", -1) in names and ("draft.embed", -1) in names


def test_layers_of_both_models_may_differ_in_kind():
    trace = lower(tiny_llama(), output_tokens=3, decoding=Decoding(draft=SMALL, draft_tokens=2, acceptance=0.5))
    assert {op.kind for op in trace.operators() if op.phase == "draft"} >= {"layernorm", "gelu"}
