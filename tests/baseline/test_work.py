"""From operators to kernels: nothing is lost, nothing counts twice."""

from __future__ import annotations

import numpy as np
import pytest

from pimsim.baseline.work import KINDS, Table, batched, grouped, kernel, made, work
from pimsim.model.decoding import Decoding
from pimsim.model.importer import load_architecture
from pimsim.model.lowering import lower
from pimsim.model.trace import Trace

SMALL = load_architecture("gpt2-small")
MIXTRAL = load_architecture("mixtral-8x7b")


def total(table: Table, column: str) -> int:
    return int((getattr(table, column) * table.repeat).sum())


def trace(prompt: int = 1, output: int = 8, batch: int = 1, **more: object) -> Trace:
    return lower(SMALL, batch, prompt, output, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("fuse", [True, False])
@pytest.mark.parametrize("made_of", [trace(), trace(prompt=9), trace(batch=5), trace(prompt=3, lm_head=True, embedding=True),
                                     lower(MIXTRAL, 3, 4, 3)])  # fmt: skip
def test_every_byte_mac_and_operator_of_the_trace_is_in_a_kernel(made_of: Trace, fuse: bool) -> None:
    table, totals = work(made_of, fuse=fuse).table, made_of.totals()
    assert total(table, "macs") == totals.macs
    assert total(table, "operators") == totals.operators
    assert total(table, "bytes") + total(table, "kept_bytes") == totals.bytes_read + totals.bytes_written


def test_decode_step_is_a_pass() -> None:
    passes = work(trace(output=8), fuse=True).passes
    assert [(p.phase, p.context, p.tokens) for p in passes] == [("decode", n, 1) for n in range(1, 9)]


def drafted(acceptance: float, prompt: int = 1, output: int = 8) -> Trace:
    return trace(prompt, output, decoding=Decoding(draft=load_architecture("gpt3-small"), draft_tokens=3, acceptance=acceptance))


@pytest.mark.parametrize("acceptance", [0.0, 0.5, 1.0])
def test_drafts_are_passes_and_a_round_is_computed_together(acceptance: float) -> None:
    run = drafted(acceptance, prompt=4)
    done = work(run, fuse=True)
    assert total(done.table, "macs") == run.totals().macs
    drafts = [p for p in done.passes if p.phase == "draft"]
    rounds = [p for p in done.passes if p.phase in ("decode", "rejected")]
    assert {p.tokens for p in drafts} == {1} and len(drafts) == sum(step.phase == "draft" for step in run.steps)
    assert sum(p.tokens for p in rounds) == sum(step.phase in ("decode", "rejected") for step in run.steps)
    assert [p.tokens for p in done.passes[:2]] == [3, 3]  # the prompt, of either model


def test_rounds_read_the_weights_once() -> None:
    ends = [4, 8]  # all drafts accepted: 4 tokens a round
    passes = work(drafted(1.0), fuse=True).passes
    assert [p.context for p in passes if p.phase == "decode"] == ends
    assert [(p.tokens, p.context) for p in work(drafted(0.0), fuse=True).passes if p.phase == "rejected"] == [
        (4, n + 3) for n in range(1, 6)] + [(3, 8), (2, 8)]


def test_prompt_goes_through_with_its_first_output_token() -> None:
    passes = work(trace(prompt=100, output=3), fuse=True).passes
    assert [(p.context, p.tokens) for p in passes] == [(100, 100), (101, 1), (102, 1)]


def test_prompt_reads_weights_once() -> None:
    def weights(prompt: int) -> int:
        table = work(trace(prompt, 1), fuse=True).table
        return int((table.stored_bytes * table.repeat)[table.category == table.categories.index("ffn1")].sum())

    assert weights(50) == weights(1) == 12 * (3072 * 768 + 3072) * 2


def test_prompt_reads_keys_and_values_once_and_appends_every_token() -> None:
    table = work(trace(50, 1), fuse=True).table
    attention, append = (table.category == table.categories.index(name) for name in ("attention", "kv_append"))
    assert int((table.stored_bytes * table.repeat)[attention].sum()) == 12 * 2 * 50 * 768 * 2
    assert int((table.stored_bytes * table.repeat)[append].sum()) == 50 * 12 * 2 * 768 * 2


def test_fused_attention_is_one_kernel_that_keeps_scores_on_the_chip() -> None:
    apart, fused = work(trace(output=1, batch=2), fuse=False).table, work(trace(output=1, batch=2), fuse=True).table
    assert {"score", "softmax", "attend"} < set(apart.categories)
    assert "attention" in fused.categories and "score" not in fused.categories
    assert total(apart, "bytes") - total(fused, "bytes") == total(fused, "kept_bytes")
    assert total(apart, "kept_bytes") == 0


def test_fused_attention_has_a_task_for_each_key_value_head_of_each_sequence() -> None:
    llama = lower(load_architecture("llama-3-8b"), 7, 33, 1, prefill="elsewhere")
    table = work(llama, fuse=True).table
    row = table.kind == KINDS.index("attention")
    assert set(table.tasks[row]) == {7 * 8}
    assert set(table.chain[row]) == {33}


def test_without_a_cache_every_pass_does_the_work_of_all_tokens() -> None:
    cached, again = (work(trace(output=4), fuse=True, kv_cache=kept).table for kept in (True, False))
    tokens = again.step[again.category == again.categories.index("qkv")] + 1
    assert (again.macs[again.category == again.categories.index("qkv")] == 768 * 2304 * tokens).all()
    assert total(again, "stored_bytes") == total(cached, "stored_bytes")


def test_without_a_cache_a_prompt_has_no_pass_of_its_own() -> None:
    assert [p.tokens for p in work(trace(prompt=10, output=2), fuse=True, kv_cache=False).passes] == [10, 11]


def test_sequences_side_by_side_are_a_batch() -> None:
    alone = made(lower(SMALL, 1, 20, 1, "elsewhere").steps[0], True)
    together = lower(SMALL, 6, 20, 1, "elsewhere")
    table = work(together, fuse=True).table
    rows = grouped(batched([[alone]] * 6), False)
    for column in ("stored_bytes", "moved_bytes", "macs"):
        assert sum(getattr(one, column) * repeat for one, repeat in rows) == total(table, column), column
    assert [one.tasks for one, _ in rows] == table.tasks.tolist()


def test_sequences_of_different_contexts_read_their_own_keys_and_values() -> None:
    steps = lower(SMALL, 1, 1, 40).steps
    rows = {one.category: one for one, _ in grouped(batched([[made(steps[9], True)], [made(steps[39], True)]]), False)}
    assert rows["attention"].stored_bytes == 2 * (10 + 40) * 768 * 2
    assert rows["attention"].chain == 40
    assert rows["qkv"].stored_bytes == (2304 * 768 + 2304) * 2


def test_windows_that_layers_outgrow_at_different_steps_merge() -> None:
    neo = load_architecture("gpt-neo-1.3b")
    merged = lower(neo, 1, neo.window(1) + 3, 1)
    table, totals = work(merged, fuse=True).table, merged.totals()
    assert total(table, "macs") == totals.macs
    assert total(table, "bytes") + total(table, "kept_bytes") == totals.bytes_read + totals.bytes_written


@pytest.mark.parametrize("prompt", [1, 4])
def test_experts_of_a_layer_are_one_kernel_a_matrix_where_they_are_grouped(prompt: int) -> None:
    trace = lower(MIXTRAL, 3, prompt, 1)
    apart, together = (work(trace, fuse=True, group=group).table for group in (False, True))
    rows = [int((t.repeat[t.category == t.categories.index("ffn1")]).sum()) for t in (apart, together)]
    assert rows[1] == 32 < rows[0]
    for column in ("stored_bytes", "moved_bytes", "macs", "operators", "kept_bytes"):
        assert total(apart, column) == total(together, column), column


def test_norm_works_off_its_vector_and_nothing_else_has_a_chain() -> None:
    ops = {op.name: op for op in trace().steps[0].blocks[0].operators}
    assert kernel(ops["ln1"]).chain == 768
    assert kernel(ops["gelu"]).chain == 0
    assert np.array([kernel(op).stored_bytes for op in ops.values() if op.kind in ("gelu", "add", "softmax")]).sum() == 0


def test_latent_attention_reads_the_latent_once() -> None:
    arch = load_architecture("deepseek-v2-lite")
    done = work(lower(arch, output_tokens=4), fuse=True)
    attention = done.table.categories.index("attention")
    last = (done.table.step == 3) & (done.table.category == attention)
    assert int((done.table.stored_bytes * done.table.repeat)[last].sum()) == 4 * arch.kv_bytes_per_token


def test_latent_attention_loses_no_byte_of_the_trace() -> None:
    test_every_byte_mac_and_operator_of_the_trace_is_in_a_kernel(lower(load_architecture("deepseek-v2-lite"), 2, 3, 2), True)
