"""Parameter counts, KV bytes and MACs against published figures and closed forms."""

from __future__ import annotations

import pytest

from pimsim import assets
from pimsim.model.importer import load_architecture
from pimsim.validate.reference import table

from .conftest import tiny, tiny_llama, tiny_mla, tiny_moe

SHAPES = {row["model"]: row for row in table("model_shapes")}
TOTALS = {row["model"]: int(row["parameters"]) for row in table("model_totals")}
EXPERTS = [  # total and active parameters in billions, KV KiB a token: papers and model cards, as in model_shapes.csv
    ("mixtral-8x7b", 46.7, 12.9, 128), ("mixtral-8x22b", 140.6, 39.2, 224), ("qwen3-30b-a3b", 30.5, 3.35, 96),
]  # fmt: skip

KV_BYTES = [  # DeepSeek-V3's hardware paper (arXiv 2505.09343), table 1, in bf16
    ("deepseek-v3", 70_272), ("qwen2.5-72b", 327_680), ("llama-3.1-405b", 516_096),
]  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_shape_is_the_published_one(name: str) -> None:
    model, row = load_architecture(name), SHAPES[name]
    for field in ("layers", "hidden", "heads", "kv_heads", "head_dim", "ffn", "vocab"):
        assert getattr(model, field) == int(row[field]), field


@pytest.mark.parametrize("name", SHAPES)
def test_weights_equal_the_published_count_to_the_last_digit(name: str) -> None:
    counts, row = load_architecture(name).parameters(), SHAPES[name]
    assert f"{counts['blocks'] / 1e9:.3f}" == row["blocks_billion"]
    assert f"{counts['weights_only'] / 1e9:.3f}" == row["with_embeddings_billion"]


@pytest.mark.parametrize("name", SHAPES)
def test_kv_bytes_equal_the_published_figure(name: str) -> None:
    assert load_architecture(name).kv_bytes_per_token == float(SHAPES[name]["kv_kib_per_token"]) * 1024


@pytest.mark.parametrize(("name", "published"), KV_BYTES)
def test_kv_bytes_of_latent_and_grouped_attention_are_those_that_deepseek_compares(name: str, published: int) -> None:
    assert load_architecture(name).kv_bytes_per_token == published


@pytest.mark.parametrize(("name", "total", "active", "kv_kib"), EXPERTS)
def test_mixtures_of_experts_equal_the_published_figures(name: str, total: float, active: float, kv_kib: int) -> None:
    model = load_architecture(name)
    counts = model.parameters()
    assert round(counts["weights_only"] / 1e9, 1) == total
    assert float(f"{counts['active'] / 1e9:.3g}") == active
    assert model.kv_bytes_per_token == kv_kib * 1024


@pytest.mark.parametrize("name", TOTALS)
def test_total_is_exact(name: str) -> None:
    assert load_architecture(name).parameters()["total"] == TOTALS[name]


def test_every_shipped_model_has_a_reference_total() -> None:
    assert sorted(TOTALS) == sorted(assets.list_assets("model"))


def test_gpt3_xl_has_16_heads_of_128() -> None:
    model = load_architecture("gpt3-xl")
    assert (model.heads, model.head_dim) == (16, 128)


def test_paper_counts_twelve_hidden_squared_a_layer() -> None:
    # PIM-GPT's "up to 1.4 billion parameters": 12 L d^2 / 2^20 of GPT-2 XL is 1406.25
    assert load_architecture("gpt2-xl").parameters()["blocks"] / 2**20 == 1406.25


def test_weights_only_is_blocks_and_embedding() -> None:
    counts = tiny().parameters()
    assert counts["weights_only"] == counts["blocks"] + counts["embedding"]


def test_total_of_gpt2_adds_biases_norms_and_positions() -> None:
    counts, d, ffn = tiny().parameters(), 24, 40
    layer = 3 * d + d + ffn + d + 2 * 2 * d
    assert counts["total"] - counts["weights_only"] == 3 * layer + 64 * d + 2 * d


def test_untied_embeddings_count_twice() -> None:
    assert tiny(tied_embeddings=False).parameters()["embedding"] == 2 * 101 * 24


def test_projected_embedding_counts_its_two_projections() -> None:
    assert tiny(embed_proj_dim=10).parameters()["embedding"] == 101 * 10 + 2 * 10 * 24


def test_active_weights_leave_out_the_experts_not_chosen() -> None:
    counts = tiny_moe().parameters()
    assert counts["weights_only"] - counts["active"] == 2 * (8 - 2) * 3 * 10 * 24


def test_kv_of_latent_attention_is_one_latent_and_one_rotary_key() -> None:
    assert tiny_mla().kv_bytes_per_token == 3 * (8 + 2) * 2


def test_kv_of_int4_is_packed() -> None:
    assert tiny(layers=1, kv_heads=3, heads=3, dtype="int4").kv_bytes_per_token == 2 * 3 * 4 // 2


def test_macs_grow_linearly_with_the_context() -> None:
    model = tiny_llama()
    assert model.macs_per_token(10) - model.macs_per_token(0) == 3 * 2 * 10 * 6 * 4


def test_window_caps_the_attention_macs() -> None:
    model = tiny(windows=(0, 3, 0))
    assert model.macs_per_token(10) - model.macs_per_token(0) == 2 * 6 * 4 * (10 + 3 + 10)


def test_lm_head_adds_vocabulary_times_hidden() -> None:
    assert tiny().macs_per_token(5, lm_head=True) - tiny().macs_per_token(5) == 101 * 24
