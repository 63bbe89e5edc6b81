"""The NPU's operators of a decoder layer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from pimsim.devices.stage import LayerRows, Member, NpuOp, decoder_stage_ops, spread
from pimsim.model.importer import load_architecture
from pimsim.schedule.parallel import Parallel, device_part

NO_ROWS = LayerRows(np.zeros(0, np.int64), np.zeros(0, np.int64))
BATCH = [Member(number, number, 100, NO_ROWS) for number in range(6)]


def layer(model: str, tensor: int = 1, batch: list[Member] = BATCH) -> list[NpuOp]:
    part = device_part(load_architecture(model), Parallel(tensor))
    return [op for which in ("qkv", "ffn") for op in decoder_stage_ops(part, batch, which, part.layers - 1)]  # type: ignore[arg-type]


@pytest.mark.parametrize("model", ["gpt3-7b", "gpt2-small", "llama-2-7b", "llama-3-8b", "mixtral-8x7b", "gpt-neox-20b", "opt-350m",
                                   "qwen3-0.6b"])
def test_macs_of_a_layer_are_those_of_the_model(model: str) -> None:
    arch = load_architecture(model)
    active = arch.parameters()["active"] - arch.parameters()["embedding"]
    assert sum(op.macs for op in layer(model)) == len(BATCH) * active // arch.layers


@pytest.mark.parametrize("model", ["deepseek-v2-lite", "deepseek-v3"])
def test_macs_of_absorbed_attention_are_those_of_the_matrices_that_it_takes_in(model: str) -> None:
    arch = load_architecture(model)
    dense = replace(arch, layers=1, dense_layers=(0,))
    counts = dense.parameters()
    ops = [op for which in ("qkv", "ffn") for op in decoder_stage_ops(dense, BATCH, which)]  # type: ignore[arg-type]
    assert sum(op.macs for op in ops) == len(BATCH) * (counts["active"] - counts["embedding"])


def test_devices_divide_the_heads_of_latent_attention_and_not_the_latent() -> None:
    one, two = ({op.name: op for op in layer("deepseek-v2-lite", tensor)} for tensor in (1, 2))
    assert one["attn.kv_a"].n == two["attn.kv_a"].n == 512 + 64
    assert [(two[name].heads, 2 * two[name].macs == one[name].macs) for name in ("attn.q_absorb", "attn.v_absorb")] == [(8, True)] * 2


@pytest.mark.parametrize("model", ["gpt3-7b", "llama-2-70b"])
def test_four_devices_share_the_macs(model: str) -> None:
    assert 4 * sum(op.macs for op in layer(model, 4)) == sum(op.macs for op in layer(model))


def test_a_gpt_layer_is_what_neupims_runs() -> None:
    assert [op.name for op in layer("gpt3-7b", 4)] == ["attn.ln", "attn.QKVgen", "attn.proj", "attn.res", "ffn.ln", "ffn.fc1", "ffn.gelu",
                                                       "ffn.fc2", "ffn.res"]


def test_what_an_operator_reads_has_been_written_before_it() -> None:
    written = {".x", ".attended"}
    for model in ("gpt3-7b", "llama-3-8b", "gpt-neox-20b", "mixtral-8x7b", "opt-350m", "deepseek-v2-lite", "deepseek-v3"):
        for op in layer(model):
            assert set(op.sources) <= written, (model, op.name)
            written.add(op.result)


def test_rotation_is_done_before_k_is_stored() -> None:
    arch = load_architecture("llama-3-8b")
    made = next(op for op in layer("llama-3-8b") if op.store == "kv")
    assert made.fused == (("rotary", (arch.heads + arch.kv_heads) * len(BATCH), arch.rotary_dim),)


def test_a_gated_ffn_multiplies_gate_and_up() -> None:
    act = next(op for op in layer("llama-2-7b") if op.kind == "silu")
    assert act.sources == (".gate", ".inner")


def test_every_expert_gets_its_tokens() -> None:
    part = load_architecture("mixtral-8x7b")
    ops = decoder_stage_ops(part, BATCH, "ffn", expert_tokens=(5, 0, 7, 0, 0, 0, 0, 0))
    assert [(op.name, op.m) for op in ops if op.name.endswith("fc1")] == [("ffn.expert0.fc1", 5), ("ffn.expert2.fc1", 7)]


def test_tokens_are_spread_evenly() -> None:
    assert spread(10, 4) == (3, 3, 2, 2)


def test_no_tokens_no_operators() -> None:
    assert decoder_stage_ops(load_architecture("gpt3-7b"), [], "ffn") == ()
