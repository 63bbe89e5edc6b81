"""Steps, phases and contexts of a run; conservation of MACs and bytes; caching that must not change a number."""

from __future__ import annotations

import pytest

from pimsim.config import WorkloadConfig
from pimsim.errors import InputError
from pimsim.model.importer import load_architecture
from pimsim.model.lowering import beyond_training, lower, lower_workload
from pimsim.model.trace import Step, Trace

from .conftest import FAMILIES, tiny, tiny_llama, tiny_moe


def contexts(trace: Trace, phase: str) -> list[int]:
    return [step.context for step in trace.steps if step.phase == phase]


def kinds(step: Step) -> list[str]:
    return [op.kind for block in step.blocks for op in block.operators]


# ---- steps


def test_papers_run_is_1024_steps_with_contexts_1_to_1024() -> None:
    trace = lower(load_architecture("gpt2-xl"))
    assert contexts(trace, "decode") == list(range(1, 1025))
    assert trace.n_tokens == 1024


def test_last_prompt_token_is_the_first_decode_step() -> None:
    trace = lower(tiny(), prompt_tokens=4, output_tokens=3)
    assert contexts(trace, "prefill") == [1, 2, 3]
    assert contexts(trace, "decode") == [4, 5, 6]


def test_prefill_elsewhere_leaves_the_prefill_steps_out() -> None:
    inline = lower(tiny(), prompt_tokens=4, output_tokens=3)
    elsewhere = lower(tiny(), prompt_tokens=4, output_tokens=3, prefill="elsewhere")
    assert [step.blocks for step in elsewhere.steps] == [step.blocks for step in inline.steps[3:]]


def test_tokens_count_every_sequence() -> None:
    assert lower(tiny(), batch=5, output_tokens=3).n_tokens == 15


def test_steps_are_numbered_from_zero() -> None:
    trace = lower(tiny(), prompt_tokens=9, output_tokens=3, prefill="elsewhere")
    assert [step.index for step in trace.steps] == [0, 1, 2]


def test_steps_behave_like_a_sequence() -> None:
    steps = lower(tiny(), output_tokens=5).steps
    assert steps[-1] == steps[4] == steps[3:][1]
    with pytest.raises(IndexError):
        steps[5]


def test_equal_layers_are_one_block() -> None:
    (block,) = lower(tiny()).steps[0].blocks
    assert (block.repeat, block.first_layer) == (3, 0)


def test_dense_and_sparse_layers_are_blocks_of_their_own() -> None:
    blocks = lower(tiny_moe()).steps[0].blocks
    assert [(block.first_layer, block.repeat) for block in blocks] == [(0, 1), (1, 2)]


def test_layers_of_other_windows_are_one_block_until_a_window_is_full() -> None:
    steps = lower(tiny(windows=(0, 3, 0)), output_tokens=4).steps
    assert [len(step.blocks) for step in steps] == [1, 1, 1, 3]


def test_what_no_token_changes_is_the_same_object_in_every_step() -> None:
    first, second = (step.blocks[0].operators for step in lower(tiny()).steps[:2])
    same = [a is b for a, b in zip(first, second, strict=True)]
    assert [op.kind for op, s in zip(first, same, strict=True) if not s] == ["kv_append", "score", "softmax", "attend"]


def test_step_knows_how_many_operators_it_has() -> None:
    assert len(lower(tiny(), output_tokens=1, embedding=True, lm_head=True).steps[0]) == 1 + 3 * 13 + 2


# ---- embedding and head


def test_blocks_only_by_default() -> None:
    assert {"embed", "lm_head"}.isdisjoint(op.name for op in lower(tiny(), output_tokens=1).operators())


def test_embedding_runs_in_every_step() -> None:
    trace = lower(tiny(), prompt_tokens=2, output_tokens=2, embedding=True)
    assert [kinds(step)[0] for step in trace.steps] == ["embed"] * 3


def test_head_runs_in_decode_steps_only() -> None:
    trace = lower(tiny(), prompt_tokens=3, output_tokens=2, lm_head=True)
    heads = [sum(op.name == "lm_head" for block in step.blocks for op in block.operators) for step in trace.steps]
    assert heads == [0, 0, 1, 1]


def test_embedding_and_head_are_in_no_layer() -> None:
    layers = {op.name: op.layer for op in lower(tiny(), output_tokens=1, embedding=True, lm_head=True).operators()}
    assert (layers["embed"], layers["ln_f"], layers["lm_head"]) == (-1, -1, -1)


# ---- parts


def test_block_is_one_layer() -> None:
    trace = lower(tiny(), output_tokens=2, part="block", embedding=True, lm_head=True)
    assert len(trace.steps[0]) == 13


@pytest.mark.parametrize(
    ("part", "names"),
    [("qkv", ["ln1", "qkv"]), ("attention", ["kv_append", "score", "softmax", "attend"]),
     ("ffn", ["ln2", "ffn1", "gelu", "ffn2", "residual2"])],
)  # fmt: skip
def test_part_is_cut_out_of_one_layer(part: str, names: list[str]) -> None:
    assert [op.name for op in lower(tiny(), output_tokens=1, part=part).operators()] == names


# ---- conservation


def test_gpt2_macs_have_a_closed_form() -> None:
    layers, d, n = 48, 1600, 1024
    macs = lower(load_architecture("gpt2-xl")).totals().macs
    assert macs == n * layers * 12 * d * d + layers * 2 * d * n * (n + 1) // 2


def test_gpt2_bytes_have_a_closed_form() -> None:
    layers, d, heads, ffn, n = 3, 24, 6, 40, 20
    weights = 4 * d * d + 2 * d * ffn
    small = 3 * d + d + ffn + d + 4 * d  # biases, norms
    inputs = 11 * d + 2 * ffn  # norms, QKV and FFN1 d each, append 2 d, proj d, residuals 2 d each, GELU and FFN2
    contexts = n * (n + 1) // 2
    attention = 2 * d * contexts + n * d + 2 * heads * contexts  # K and V, q, scores and probabilities
    read = n * layers * (weights + small + inputs) + layers * attention
    outputs = d + 3 * d + 2 * d + d + d + d + d + ffn + ffn + d + d
    written = n * layers * outputs + layers * 2 * heads * contexts
    totals = lower(tiny(), output_tokens=n).totals()
    assert (totals.bytes_read, totals.bytes_written) == (2 * read, 2 * written)


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", FAMILIES)
def test_macs_equal_those_of_the_architecture(name: str, batch: int) -> None:
    model = FAMILIES[name]
    for step in lower(model, batch, output_tokens=5, lm_head=True, routing="uniform").steps:
        macs = sum(block.repeat * sum(op.macs for op in block.operators) for block in step.blocks)
        assert macs == batch * model.macs_per_token(step.context, lm_head=True)


@pytest.mark.parametrize("name", FAMILIES)
def test_appended_bytes_equal_those_of_the_architecture(name: str) -> None:
    model = FAMILIES[name]
    trace = lower(model, batch=2, output_tokens=3)
    written = sum(op.bytes_written for op in trace.operators() if op.kind == "kv_append")
    assert written == 2 * 3 * model.kv_bytes_per_token


@pytest.mark.parametrize("name", FAMILIES)
def test_weights_read_in_a_step_are_the_active_ones(name: str) -> None:
    model = FAMILIES[name]
    matrices = sum(op.rows * op.cols for op in lower(model, output_tokens=1).operators()
                   if op.kind in ("matvec", "head_matvec"))  # fmt: skip
    counts = model.parameters()
    assert matrices == counts["active"] - counts["embedding"]


@pytest.mark.parametrize("name", FAMILIES)
def test_totals_are_the_sums_over_operators(name: str) -> None:
    trace = lower(FAMILIES[name], batch=2, prompt_tokens=2, output_tokens=3, embedding=True, lm_head=True)
    operators = list(trace.operators())
    totals = trace.totals()
    assert totals.operators == len(operators)
    assert totals.macs == sum(op.macs for op in operators)
    assert totals.bytes_read == sum(op.bytes_read for op in operators)
    assert totals.bytes_written == sum(op.bytes_written for op in operators)


@pytest.mark.parametrize("name", FAMILIES)
def test_step_does_not_depend_on_the_steps_built_before_it(name: str) -> None:
    run = {"batch": 3, "output_tokens": 8, "routing": "uniform"}
    straight, back = lower(FAMILIES[name], **run), lower(FAMILIES[name], **run)  # type: ignore[arg-type]
    backwards = [back.steps[i] for i in reversed(range(8))]
    assert list(straight.steps) == backwards[::-1]


def test_experts_of_a_batch_read_their_weights_once() -> None:
    trace = lower(tiny_moe(dense_layers=(0, 1)), batch=16, output_tokens=1, routing="balanced")
    experts = [op for op in trace.operators() if op.name.endswith(".ffn1")]
    assert [op.name for op in experts] == [f"experts.{i}.ffn1" for i in range(8)]
    assert [op.batch for op in experts] == [4] * 8


def test_experts_differ_from_step_to_step() -> None:
    steps = lower(tiny_moe(), output_tokens=2, routing="balanced").steps
    names = [{op.name for op in step.blocks[1].operators if op.name.startswith("experts")} for step in steps]
    assert names[0].isdisjoint(names[1])


# ---- formats


def test_quantised_weights_are_read_in_their_format() -> None:
    full, quarter = (lower(tiny(), output_tokens=1, weight_dtype=dtype) for dtype in ("bf16", "int4"))
    weights = 3 * (4 * 24 * 24 + 2 * 24 * 40 + 3 * 24 + 24 + 40 + 24)
    assert full.totals().bytes_read - quarter.totals().bytes_read == weights * 3 // 2


def test_architecture_that_is_quantised_stays_so() -> None:
    trace = lower(tiny(weight_dtype="fp8"), output_tokens=1)
    assert {op.stored_dtype for op in trace.operators() if op.kind == "matvec"} == {"fp8"}


def test_cache_has_a_format_of_its_own() -> None:
    trace = lower(tiny(), output_tokens=1, kv_dtype="int8")
    assert {op.stored_dtype for op in trace.operators() if op.kind in ("score", "attend")} == {"int8"}


def test_long_names_of_formats_are_shortened() -> None:
    assert next(lower(tiny(), dtype="bfloat16").operators()).dtype == "bf16"


# ---- bad input


def test_everything_wrong_is_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        lower(tiny(), batch=0, prompt_tokens=-1, output_tokens=0, prefill="later", dtype="bf17", part="half",
              kv_dtype="int3")  # fmt: skip
    keys = {problem.key.removeprefix("workload.") for problem in caught.value.problems}
    assert keys == {"batch", "prompt_tokens", "output_tokens", "prefill", "dtype", "weight_dtype", "kv_dtype", "part"}


def test_embedding_beyond_the_learned_positions_is_refused() -> None:
    with pytest.raises(InputError, match="reach position 65; tiny has 64 learned positions"):
        lower(tiny(), prompt_tokens=2, output_tokens=64, embedding=True)


def test_context_beyond_the_learned_positions_is_fine_without_embedding() -> None:
    assert lower(tiny(), output_tokens=65).n_steps == 65


def test_rotary_models_have_no_last_position() -> None:
    assert lower(tiny_llama(), output_tokens=65, embedding=True).n_steps == 65


# ---- workloads

WORKLOAD = {"model": "gpt2-small", "batch": 2, "prompt_tokens": 3, "output_tokens": 4, "prefill": "elsewhere",
            "lm_head": True, "embedding": True, "requests": None, "part": "all", "dtype": "fp16"}  # fmt: skip


def test_workload_is_lowered_as_it_says() -> None:
    trace = lower_workload(WorkloadConfig(**WORKLOAD))
    arguments = {key: WORKLOAD[key] for key in WORKLOAD if key not in ("model", "requests")}
    assert list(trace.steps) == list(lower(load_architecture("gpt2-small"), **arguments).steps)  # type: ignore[arg-type]


def test_workload_of_a_request_file_has_no_trace() -> None:
    with pytest.raises(InputError, match="workload.requests"):
        lower_workload(WorkloadConfig(**{**WORKLOAD, "requests": "requests.csv"}))


def test_a_context_beyond_what_the_model_was_made_for_is_noted() -> None:
    assert beyond_training(lower(tiny(), output_tokens=64)) == ""
    assert beyond_training(lower(tiny(), output_tokens=65)) == "a context of 65 tokens is beyond the 64 that tiny was made for"


def test_routing_that_nobody_knows_is_refused_of_a_dense_model_too() -> None:
    with pytest.raises(InputError, match="unknown routing 'sorted'; known: FILE.csv, auto, balanced, uniform, zipf:S"):
        lower(tiny(), routing="sorted")
