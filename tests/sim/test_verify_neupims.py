"""The functional companion of NeuPIMs computes, and finds what a mapping would do wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pimsim
from pimsim import config
from pimsim.kernels import contend_layout as at
from pimsim.mapping.functional.neupims import Channel
from pimsim.mapping.neupims import NeuPimsLayout
from pimsim.mapping.tensor import TensorMap
from pimsim.sim.verify import Verification, verify

SMALL = {"model_type": "llama", "num_hidden_layers": 2, "hidden_size": 96, "num_attention_heads": 6, "num_key_value_heads": 2,
         "head_dim": 48, "intermediate_size": 160, "vocab_size": 50, "max_position_embeddings": 1024}  # fmt: skip


@pytest.fixture(scope="module")
def workload(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("verified")
    (folder / "config.json").write_text(json.dumps(SMALL))
    (folder / "w.yaml").write_text("model: config.json\nbatch: 3\nprompt_tokens: 70\noutput_tokens: 2\nprefill: elsewhere\n")
    return folder / "w.yaml"


def run(workload: Path) -> Verification:
    return verify(*config.load("neupims", workload))


DECODERS: dict[str, dict[str, Any]] = {
    "llama-3": SMALL | {"num_attention_heads": 8, "head_dim": 32},
    "qwen2.5": {"model_type": "qwen2", "num_hidden_layers": 2, "hidden_size": 112, "num_attention_heads": 7, "num_key_value_heads": 1,
                "intermediate_size": 160, "vocab_size": 50, "max_position_embeddings": 1024},
    "mixtral": {"model_type": "mixtral", "num_hidden_layers": 2, "hidden_size": 128, "num_attention_heads": 8, "num_key_value_heads": 2,
                "intermediate_size": 224, "num_local_experts": 4, "num_experts_per_tok": 2, "vocab_size": 50,
                "max_position_embeddings": 1024},
    "deepseek-v2-lite": {"model_type": "deepseek_v2", "num_hidden_layers": 2, "hidden_size": 96, "num_attention_heads": 6,
                         "kv_lora_rank": 512, "q_lora_rank": None, "qk_nope_head_dim": 32, "qk_rope_head_dim": 16, "v_head_dim": 40,
                         "intermediate_size": 160, "moe_intermediate_size": 48, "n_routed_experts": 8, "num_experts_per_tok": 2,
                         "n_shared_experts": 1, "first_k_dense_replace": 1, "vocab_size": 50, "max_position_embeddings": 1024},
}
"""The decoders of today, scaled down: grouped queries, biases of q, k and v, experts, latents (whose rank stays, so that keys take two
rows of a bank)."""


@pytest.fixture(scope="module", params=list(DECODERS))
def decoder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    folder: Path = tmp_path_factory.mktemp("decoder")
    (folder / "config.json").write_text(json.dumps(DECODERS[request.param]))
    (folder / "w.yaml").write_text("model: config.json\nbatch: 3\nprompt_tokens: 40\noutput_tokens: 2\nprefill: elsewhere\n")
    return request.param, folder / "w.yaml"


def test_decoders_of_today_are_computed(decoder: tuple[str, Path]) -> None:
    name, workload = decoder
    found = run(workload)
    assert found.ok
    assert all(check.equal for check in found.operators if check.name in ("score", "attend"))
    assert ("attn.q_absorb" in {check.name for check in found.operators}) == (name == "deepseek-v2-lite")
    experts = any(check.name.startswith(("ffn.expert", "ffn.shared")) for check in found.operators)
    assert experts == (name in ("mixtral", "deepseek-v2-lite"))


@pytest.mark.parametrize("system", ["neupims", "npu-pim", "npu-only"])
def test_decoders_of_today_are_served_and_keep_every_law(decoder: tuple[str, Path], system: str) -> None:
    result = pimsim.run(system, str(decoder[1]))
    assert result.tokens_generated == 6
    assert set(result.checks.values()) == {True}


def test_absorbed_scores_and_sums_in_banks_are_those_of_each_heads_own_keys_and_values() -> None:
    layout = NeuPimsLayout(banks=4, groups=2, page=16, lanes=4, heads=1, head_dim=12 + 8, queries=3, value_dim=12)
    random = np.random.default_rng(5)
    tokens, rank, nope = 19, 12, 6

    def numbers(*shape: int) -> np.ndarray:
        return random.integers(-2, 3, shape).astype(np.float64)

    latent, turned = numbers(tokens, rank), numbers(tokens, 8)
    query, turned_query, up = numbers(3, nope), numbers(3, 8), numbers(3, nope, rank)
    channel = Channel(layout, layout.key_rows(tokens) + layout.value_rows(tokens), 4)
    rows = np.arange(layout.key_rows(tokens)), layout.key_rows(tokens) + np.arange(layout.value_rows(tokens))
    for token in range(tokens):
        key = np.concatenate((latent[token], turned[token]))[None].astype(np.float16)
        assert channel.append(token, key, key[:, :rank], *rows) == 0
    absorbed = np.concatenate((np.einsum("hn,hnr->hr", query, up), turned_query), axis=1)
    got = channel.scores(absorbed.astype(np.float16), tokens, rows[0])
    keys = np.einsum("hnr,tr->htn", up, latent)  # what DeepSeek-V2's equations 9 to 19 attend to
    assert np.array_equal(got, np.einsum("hn,htn->ht", query, keys) + turned_query @ turned.T)
    weights = numbers(3, tokens)
    sums = channel.attended(weights.astype(np.float16), tokens, rows[1])
    assert np.array_equal(np.einsum("hr,hnr->hn", sums, up), np.einsum("ht,htn->hn", weights, keys))


def wrong(workload: Path) -> set[str]:
    return {check.name for check in run(workload).operators if not check.ok}


def test_grouped_queries_over_grown_and_reused_rows_are_computed_to_the_last_bit(workload: Path) -> None:
    found = run(workload)
    assert found.ok
    assert {check.name for check in found.operators} >= {"kv_append", "score", "softmax", "attend", "attn.QKVgen"}
    assert all(check.equal for check in found.operators if check.name in ("score", "attend"))


def test_a_key_in_the_wrong_row_is_found(workload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(NeuPimsLayout, "key_row", lambda self, tile, chunk: max(tile - 1, 0) * self.key_chunks + chunk)
    assert "score" in wrong(workload)


def test_a_missing_tile_of_values_is_found(workload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = NeuPimsLayout.attend

    def attend(self: NeuPimsLayout, tokens: int, rows: Any = 0) -> np.ndarray:
        program = right(self, tokens, rows)
        program[program[:, at.T_KIND] == at.COMPUTE, at.T_COMPUTES] -= 1
        return program

    monkeypatch.setattr(NeuPimsLayout, "attend", attend)
    assert wrong(workload) == {"attend"}


def test_a_column_that_is_not_appended_is_found(workload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = NeuPimsLayout.append
    monkeypatch.setattr(NeuPimsLayout, "append", lambda self, *args, **kwargs: right(self, *args, **kwargs)[1:])
    assert "kv_append" in wrong(workload)


def test_a_block_of_weights_at_the_wrong_address_is_found(workload: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    right = TensorMap.blocks
    monkeypatch.setattr(TensorMap, "blocks", lambda self, name, k, n, pairs: right(self, name, k, n, np.zeros_like(pairs)))
    assert "attn.QKVgen" in wrong(workload)
