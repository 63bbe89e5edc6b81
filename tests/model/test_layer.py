"""What a layer of each family consists of, and what waits for what."""

from __future__ import annotations

import pytest

from pimsim.model.graph import INPUT, Formats, Node
from pimsim.model.layer import cut, embedding_graph, head_graph, layer_graph

from .conftest import FAMILIES, tiny, tiny_llama, tiny_mla, tiny_moe

BF16 = Formats("bf16", "bf16", "bf16")


def names(nodes: tuple[Node, ...]) -> list[str]:
    return [node.name for node in nodes]


def needs(nodes: tuple[Node, ...], name: str) -> set[str]:
    """Names of what the first node called ``name`` depends on."""
    node = next(node for node in nodes if node.name == name)
    return {"input" if dep == INPUT else nodes[dep].name for dep in node.deps}


def node(nodes: tuple[Node, ...], name: str) -> Node:
    return next(node for node in nodes if node.name == name)


def test_gpt2_layer() -> None:
    assert names(layer_graph(tiny(), BF16)) == [
        "ln1", "qkv", "kv_append", "score", "softmax", "attend", "proj", "residual1",
        "ln2", "ffn1", "gelu", "ffn2", "residual2",
    ]  # fmt: skip


def test_llama_layer() -> None:
    assert names(layer_graph(tiny_llama(), BF16)) == [
        "ln1", "qkv", "rotary", "kv_append", "score", "softmax", "attend", "proj", "residual1",
        "ln2", "ffn1", "swiglu", "ffn2", "residual2",
    ]  # fmt: skip


@pytest.mark.parametrize("model", FAMILIES)
def test_deps_point_backwards(model: str) -> None:
    nodes = layer_graph(FAMILIES[model], BF16, sparse=FAMILIES[model].experts > 0, active_experts=2)
    assert all(INPUT <= dep < i for i, node in enumerate(nodes) for dep in node.deps)


@pytest.mark.parametrize("model", FAMILIES)
def test_every_operator_but_the_last_is_needed(model: str) -> None:
    nodes = layer_graph(FAMILIES[model], BF16, sparse=FAMILIES[model].experts > 0, active_experts=2)
    needed = {dep for node in nodes for dep in node.deps}
    assert needed == set(range(INPUT, len(nodes) - 1))


def test_residuals_add_to_the_stream() -> None:
    nodes = layer_graph(tiny(), BF16)
    assert needs(nodes, "residual1") == {"proj", "input"}
    assert needs(nodes, "residual2") == {"ffn2", "residual1"}


def test_scores_wait_for_the_append() -> None:
    assert needs(layer_graph(tiny(), BF16), "score") == {"qkv", "kv_append"}


def test_qkv_of_grouped_queries_is_narrower() -> None:
    assert node(layer_graph(tiny_llama(), BF16), "qkv").rows == (6 + 2 * 2) * 4


def test_rotated_keys_are_appended() -> None:
    assert needs(layer_graph(tiny_llama(), BF16), "kv_append") == {"rotary", "qkv"}


def test_qwen3_normalises_before_it_rotates() -> None:
    assert needs(layer_graph(tiny_llama(qk_norm=True), BF16), "rotary") == {"q_norm", "k_norm"}


def test_parallel_residual_feeds_the_ffn_from_the_input() -> None:
    nodes = layer_graph(FAMILIES["gpt-neox"], BF16)
    assert needs(nodes, "ln2") == {"input"}
    assert needs(nodes, "residual2") == {"ffn2", "residual1"}


def test_norm_after_the_residual() -> None:
    nodes = layer_graph(tiny(norm_first=False), BF16)
    assert needs(nodes, "qkv") == {"input"}
    assert needs(nodes, "ln1") == {"residual1"}
    assert needs(nodes, "ffn1") == {"ln1"}
    assert names(nodes)[-1] == "ln2"


def test_gated_ffn_has_gate_and_up_in_one_matrix() -> None:
    nodes = layer_graph(tiny_llama(), BF16)
    assert (node(nodes, "ffn1").rows, node(nodes, "ffn2").cols) == (80, 40)


def test_gemma_gates_with_gelu() -> None:
    assert "geglu" in names(layer_graph(FAMILIES["gemma"], BF16))


def test_window_caps_what_attention_reads() -> None:
    score = node(layer_graph(tiny(), BF16, window=3), "score")
    assert [score.at(0, "decode", 0, 1, context).context for context in (1, 3, 9)] == [1, 3, 3]


def test_window_does_not_cap_the_append() -> None:
    append = node(layer_graph(tiny(), BF16, window=3), "kv_append")
    assert append.at(0, "decode", 0, 1, 9).context == 9


def test_experts_wait_for_the_router() -> None:
    nodes = layer_graph(tiny_moe(), BF16, sparse=True, active_experts=2)
    experts = [i for i, node in enumerate(nodes) if node.slot >= 0 and node.name == "ffn1"]
    assert len(experts) == 2
    assert all({nodes[dep].name for dep in nodes[i].deps} == {"topk", "ln2"} for i in experts)


def test_combination_sums_all_experts() -> None:
    nodes = layer_graph(tiny_mla(), BF16, sparse=True, active_experts=2)
    assert node(nodes, "combine").cols == 2 + 1  # two chosen and the shared one
    assert needs(nodes, "combine") == {"topk", "shared.ffn2", "ffn2"}


def test_latent_attention_scores_on_latents() -> None:
    nodes = layer_graph(tiny_mla(), BF16)
    assert node(nodes, "score").heads == (6, 1, 8 + 2)
    assert node(nodes, "attend").heads == (6, 1, 8)
    assert needs(nodes, "score") == {"q_absorb", "rotary", "kv_append"}


def test_latent_attention_appends_one_latent() -> None:
    assert node(layer_graph(tiny_mla(), BF16), "kv_append").rows == 8 + 2


def test_absorbed_matrices_are_those_of_the_up_projection() -> None:
    nodes = layer_graph(tiny_mla(), BF16)
    rows_cols = [(node(nodes, name).rows, node(nodes, name).cols) for name in ("q_absorb", "v_absorb")]
    assert rows_cols == [(6 * 8, 4), (6 * 5, 8)]


def test_full_query_matrix_without_q_lora() -> None:
    nodes = layer_graph(tiny_mla(q_lora_rank=0), BF16)
    assert "q_a" not in names(nodes)
    assert needs(nodes, "q") == {"ln1"}


def test_embedding_adds_learned_positions() -> None:
    (embed,) = embedding_graph(tiny(), BF16)
    assert embed.cols == 2


def test_embedding_of_rotary_models_has_no_positions() -> None:
    (embed,) = embedding_graph(tiny_llama(), BF16)
    assert embed.cols == 1


def test_narrow_embedding_is_projected_before_positions_are_added() -> None:
    nodes = embedding_graph(tiny(embed_proj_dim=10), BF16)
    assert names(nodes) == ["embed", "project_in", "position", "add_position"]
    assert needs(nodes, "add_position") == {"project_in", "position"}


def test_head_is_a_norm_and_a_matrix() -> None:
    nodes = head_graph(tiny(), BF16)
    assert [(node.name, node.rows, node.cols) for node in nodes] == [("ln_f", 24, 24), ("lm_head", 101, 24)]


def test_head_of_a_narrow_embedding_projects_back() -> None:
    nodes = head_graph(tiny(embed_proj_dim=10, final_norm=False), BF16)
    assert [(node.name, node.rows, node.cols) for node in nodes] == [("project_out", 10, 24), ("lm_head", 101, 10)]


def test_quantised_models_keep_their_head() -> None:
    assert node(head_graph(tiny(), Formats("bf16", "int4", "int8")), "lm_head").stored_dtype == "bf16"


def test_quantisation_reaches_weights_and_cache() -> None:
    nodes = layer_graph(tiny(), Formats("bf16", "int4", "int8"))
    assert {n.stored_dtype for n in nodes if n.kind == "matvec"} == {"int4"}
    assert {n.stored_dtype for n in nodes if n.kind in ("kv_append", "score", "attend")} == {"int8"}
    assert {n.dtype for n in nodes} == {"bf16"}


def test_parts_of_a_layer_make_up_the_layer() -> None:
    nodes = layer_graph(tiny(), BF16)
    parts = [cut(nodes, part) for part in ("qkv", "attention", "proj", "ffn")]
    assert [name for part in parts for name in names(part)] == names(nodes)


def test_part_takes_what_it_lacks_as_input() -> None:
    attention = cut(layer_graph(tiny(), BF16), "attention")
    assert needs(attention, "score") == {"input", "kv_append"}
