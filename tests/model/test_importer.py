"""Hugging Face configs: the traps that real files set, and what a person is told about a bad one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pimsim.errors import InputError
from pimsim.model.importer import FAMILIES, from_dict, load_architecture

GPT2 = {"model_type": "gpt2", "n_layer": 2, "n_embd": 48, "n_head": 4, "n_positions": 64, "vocab_size": 100}
OPT = {"model_type": "opt", "num_hidden_layers": 2, "hidden_size": 48, "num_attention_heads": 4, "ffn_dim": 96,
       "vocab_size": 100, "max_position_embeddings": 64}  # fmt: skip
LLAMA = {"model_type": "llama", "num_hidden_layers": 4, "hidden_size": 48, "num_attention_heads": 4,
         "intermediate_size": 96, "vocab_size": 100, "num_key_value_heads": 2}  # fmt: skip
MOE = {**LLAMA, "model_type": "qwen3_moe", "num_experts": 8, "num_experts_per_tok": 2, "moe_intermediate_size": 10}
DEEPSEEK = {**LLAMA, "model_type": "deepseek_v2", "kv_lora_rank": 8, "q_lora_rank": None, "qk_nope_head_dim": 4,
            "qk_rope_head_dim": 2, "v_head_dim": 5, "n_routed_experts": 8, "num_experts_per_tok": 2,
            "moe_intermediate_size": 10}  # fmt: skip


def problems(config: dict[str, object]) -> list[str]:
    with pytest.raises(InputError) as caught:
        from_dict(config)
    return [str(problem) for problem in caught.value.problems]


def family(model_type: str, **keys: object) -> dict[str, object]:
    return {**LLAMA, "model_type": model_type, **keys}


# ---- traps


def test_null_n_inner_is_four_times_hidden() -> None:
    assert from_dict({**GPT2, "n_inner": None}).ffn == 192


def test_n_inner_is_taken_where_given() -> None:
    assert from_dict({**GPT2, "n_inner": 100}).ffn == 100


@pytest.mark.parametrize("config", [GPT2, OPT, family("gemma")])
def test_absent_tie_word_embeddings_means_tied_in_gpt2_opt_and_gemma(config: dict[str, object]) -> None:
    assert from_dict(config).tied_embeddings


@pytest.mark.parametrize("model_type", ["llama", "mistral", "qwen2", "qwen3", "phi3", "mixtral", "qwen3_moe"])
def test_absent_tie_word_embeddings_means_untied_elsewhere(model_type: str) -> None:
    assert not from_dict(family(model_type, num_key_value_heads=4)).tied_embeddings


def test_tie_word_embeddings_is_taken_where_given() -> None:
    assert from_dict({**LLAMA, "tie_word_embeddings": True}).tied_embeddings


@pytest.mark.parametrize("keys", [{}, {"num_key_value_heads": None}])
def test_null_or_absent_kv_heads_mean_one_for_each_head(keys: dict[str, object]) -> None:
    config = {key: value for key, value in LLAMA.items() if key != "num_key_value_heads"}
    assert from_dict({**config, **keys}).kv_heads == 4


@pytest.mark.parametrize("keys", [{}, {"head_dim": None}])
def test_null_or_absent_head_dim_is_hidden_over_heads(keys: dict[str, object]) -> None:
    assert from_dict({**LLAMA, **keys}).head_dim == 12


def test_head_dim_need_not_be_hidden_over_heads() -> None:
    assert from_dict({**LLAMA, "head_dim": 16}).head_dim == 16


@pytest.mark.parametrize(("model_type", "width"), [("qwen3", 128), ("gemma", 256)])
def test_absent_head_dim_has_the_family_default(model_type: str, width: int) -> None:
    assert from_dict(family(model_type)).head_dim == width


@pytest.mark.parametrize("key", ["torch_dtype", "dtype"])
def test_dtype_goes_by_two_names(key: str) -> None:
    assert from_dict({**GPT2, key: "float16"}).dtype == "fp16"


def test_absent_dtype_is_bf16() -> None:
    assert from_dict(GPT2).dtype == "bf16"


@pytest.mark.parametrize("keys", [{"rope_theta": 5e5}, {"rope_parameters": {"rope_theta": 5e5}}])
def test_rope_theta_stands_in_two_places(keys: dict[str, object]) -> None:
    assert from_dict({**LLAMA, **keys}).rope_theta == 5e5


@pytest.mark.parametrize("keys", [{"rotary_pct": 0.5}, {"partial_rotary_factor": 0.5},
                                  {"rope_parameters": {"partial_rotary_factor": 0.5}}])  # fmt: skip
def test_part_of_a_head_is_rotated_under_three_names(keys: dict[str, object]) -> None:
    config = {**family("gpt_neox"), "num_attention_heads": 2}
    assert from_dict({**config, **keys}).rotary_dim == 12


def test_neox_rotates_a_quarter_by_default() -> None:
    assert from_dict({**family("gpt_neox"), "num_attention_heads": 2}).rotary_dim == 6


def test_opt_projects_a_narrow_embedding() -> None:
    assert from_dict({**OPT, "word_embed_proj_dim": 16}).embed_proj_dim == 16


def test_opt_does_not_project_an_embedding_as_wide_as_the_layers() -> None:
    assert from_dict({**OPT, "word_embed_proj_dim": 48}).embed_proj_dim == 0


def test_opt_has_two_more_position_rows_than_positions() -> None:
    assert from_dict(OPT).position_rows == 66


def test_opt_350m_has_norms_after_the_residual_and_no_final_one() -> None:
    model = from_dict({**OPT, "do_layer_norm_before": False})
    assert not model.norm_first
    assert not model.final_norm


def test_qwen2_has_a_qkv_bias_that_no_key_mentions() -> None:
    model = from_dict(family("qwen2"))
    assert model.qkv_bias
    assert not model.proj_bias


def test_qwen3_normalises_queries_and_keys() -> None:
    assert from_dict(family("qwen3")).qk_norm


def test_mistral_slides_4096_where_the_key_is_absent() -> None:
    assert from_dict(family("mistral", num_key_value_heads=2)).windows == (4096,) * 4


def test_mistral_does_not_slide_where_the_key_is_null() -> None:
    assert from_dict(family("mistral", sliding_window=None)).windows == ()


def test_qwen2_ignores_its_window_unless_told_to_use_it() -> None:
    assert from_dict(family("qwen2", sliding_window=16)).windows == ()


def test_qwen2_windows_begin_at_max_window_layers() -> None:
    config = family("qwen2", use_sliding_window=True, sliding_window=16, max_window_layers=3)
    assert from_dict(config).windows == (0, 0, 0, 16)


def test_layer_types_say_which_layers_slide() -> None:
    types = ["full_attention", "sliding_attention"] * 2
    config = family("qwen3", use_sliding_window=True, sliding_window=16, layer_types=types)
    assert from_dict(config).windows == (0, 16, 0, 16)


def test_gpt_neo_alternates_global_and_local() -> None:
    config = {"model_type": "gpt_neo", "num_layers": 4, "hidden_size": 48, "num_heads": 4, "vocab_size": 100,
              "attention_types": [[["global", "local"], 2]], "window_size": 8}  # fmt: skip
    assert from_dict(config).windows == (0, 8, 0, 8)


def test_text_config_is_read_in_place_of_a_multimodal_one() -> None:
    vision = {"model_type": "llava", "vision_config": {"hidden_size": 7}}
    config = {**vision, "torch_dtype": "float16", "text_config": LLAMA}
    model = from_dict(config)
    assert (model.family, model.hidden, model.dtype) == ("llama", 48, "fp16")


def test_shapes_of_a_mixture_of_experts() -> None:
    model = from_dict({**MOE, "mlp_only_layers": [1], "head_dim": 8})
    assert (model.experts, model.experts_per_token, model.moe_ffn, model.dense_layers) == (8, 2, 10, (1,))


def test_decoder_sparse_step_leaves_layers_dense() -> None:
    assert from_dict({**MOE, "decoder_sparse_step": 2}).dense_layers == (0, 2)


def test_null_q_lora_rank_is_a_full_query_matrix() -> None:
    assert from_dict(DEEPSEEK).q_lora_rank == 0


def test_deepseek_layers_before_first_k_are_dense() -> None:
    assert from_dict({**DEEPSEEK, "first_k_dense_replace": 2}).dense_layers == (0, 1)


@pytest.mark.parametrize(
    ("quantised", "dtype"),
    [({"quant_method": "fp8"}, "fp8"), ({"quant_method": "gptq", "bits": 4}, "int4"),
     ({"quant_method": "gptq", "bits": 8}, "int8"), ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "int4")],
)  # fmt: skip
def test_quantised_weights_have_their_own_format(quantised: dict[str, object], dtype: str) -> None:
    assert from_dict({**LLAMA, "quantization_config": quantised}).weight_dtype == dtype


NEO = {"model_type": "gpt_neo", "num_layers": 2, "hidden_size": 48, "num_heads": 4, "vocab_size": 100,
       "attention_types": [[["global"], 2]]}  # fmt: skip
OF_FAMILY: dict[str, dict[str, object]] = {
    "gpt2": GPT2, "opt": OPT, "gpt_neo": NEO, "qwen3_moe": MOE, "deepseek_v2": DEEPSEEK,
    "gpt_neox": family("gpt_neox", num_attention_heads=2), "deepseek_v3": {**DEEPSEEK, "model_type": "deepseek_v3"},
}  # fmt: skip


@pytest.mark.parametrize("model_type", FAMILIES)
def test_family_is_the_model_type(model_type: str) -> None:
    assert from_dict(OF_FAMILY.get(model_type, family(model_type))).family == model_type


# ---- files


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "model" / "config.json"
    path.parent.mkdir()
    path.write_text(text)
    return path


def test_model_is_named_after_its_folder(tmp_path: Path) -> None:
    assert load_architecture(write(tmp_path, json.dumps(GPT2))).name == "model"


def test_problem_has_file_line_column_and_key(tmp_path: Path) -> None:
    path = write(tmp_path, '{"model_type": "gpt2",\n "n_layer": 2, "n_embd": 48,\n "n_head": 0, "vocab_size": 9}')
    with pytest.raises(InputError) as caught:
        load_architecture(path)
    assert str(caught.value.problems[0]) == f"{path}:3:2: n_head: 0 is too small; at least 1"


def test_key_inside_text_config_is_named_with_its_path(tmp_path: Path) -> None:
    path = write(tmp_path, json.dumps({"text_config": {**LLAMA, "hidden_size": "48"}}, indent=1))
    with pytest.raises(InputError) as caught:
        load_architecture(path)
    assert caught.value.problems[0].key == "text_config.hidden_size"
    assert caught.value.problems[0].line == 5


def test_unknown_name_is_told_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'gpt2-xl'"):
        load_architecture("gpt2-xll")


def test_missing_file_is_named() -> None:
    with pytest.raises(InputError, match="nowhere/config.json: no such file"):
        load_architecture("nowhere/config.json")


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "not well-formed JSON"), ("[1]", "is not a JSON object"), ('{"a": 1, "a": 2}', "duplicate key"),
     ('{"n_embd": ' + "9" * 5000 + "}", "thousands of digits"), ("[" * 10**5, "nested too deeply"),
     ('{"model_type": "gpt2", "n_embd": NaN}', "NaN is not a JSON number"), ('{"a": ', "not well-formed JSON")],
)  # fmt: skip
def test_bad_json_is_told(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_architecture(write(tmp_path, text))


def test_text_that_is_not_utf8_is_told(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8 text"):
        load_architecture(path)


# ---- bad values


def test_unknown_model_type_is_told_all_known() -> None:
    (problem,) = problems({"model_type": "mamba"})
    assert "unknown model_type 'mamba'" in problem
    assert all(name in problem for name in FAMILIES)


def test_misspelt_model_type_is_told_the_nearest() -> None:
    (problem,) = problems({"model_type": "lama"})
    assert "did you mean 'llama'?" in problem


def test_missing_model_type_is_told() -> None:
    assert problems({"n_layer": 2})[0].startswith("model_type: missing")


def test_hidden_that_heads_do_not_divide_is_told() -> None:
    assert problems({**GPT2, "n_head": 5})[0].startswith("n_head: 5 heads do not divide the hidden size 48")


def test_hidden_that_heads_do_not_divide_is_fine_with_head_dim() -> None:
    assert from_dict({**LLAMA, "hidden_size": 50, "head_dim": 16}).head_dim == 16


def test_kv_heads_that_do_not_divide_the_heads_are_told() -> None:
    assert problems({**LLAMA, "num_key_value_heads": 3})[0].startswith("num_key_value_heads: 3 does not divide")


def test_two_names_that_disagree_are_told() -> None:
    assert "hidden_size: 64 contradicts n_embd = 48" in problems({**GPT2, "hidden_size": 64})[0]


def test_two_names_that_agree_are_fine() -> None:
    assert from_dict({**GPT2, "hidden_size": 48}).hidden == 48


@pytest.mark.parametrize("word", ["float7", 16])
def test_unknown_dtype_is_told_the_known_ones(word: object) -> None:
    (problem,) = problems({**GPT2, "torch_dtype": word})
    assert "torch_dtype: unknown dtype" in problem
    assert "bfloat16" in problem


@pytest.mark.parametrize("config", [MOE, DEEPSEEK, family("mixtral", num_key_value_heads=2)])
def test_more_experts_per_token_than_experts_is_told(config: dict[str, object]) -> None:
    found = problems({**config, "num_experts_per_tok": 300})
    assert any(problem.startswith("num_experts_per_tok: 300 experts per token of") for problem in found)


def test_unknown_activation_is_told_the_nearest() -> None:
    assert "did you mean 'gelu_new'?" in problems({**GPT2, "activation_function": "gelu_knew"})[0]


def test_layer_types_of_another_length_are_told() -> None:
    config = family("qwen2", layer_types=["full_attention"])
    assert problems(config)[0] == "layer_types: 1 entries for 4 layers; 4 entries"


def test_sliding_layers_without_a_window_are_told() -> None:
    assert "without a sliding_window" in problems(family("qwen2", layer_types=["sliding_attention"] * 4))[0]


def test_attention_types_of_another_length_are_told() -> None:
    config = {"model_type": "gpt_neo", "num_layers": 4, "hidden_size": 48, "num_heads": 4, "vocab_size": 100}
    assert problems(config)[0].startswith("attention_types: describes 24 layers")


@pytest.mark.parametrize("layers", [[4], [-1], "0", [True]])
def test_dense_layers_that_do_not_exist_are_told(layers: object) -> None:
    assert problems({**MOE, "mlp_only_layers": layers})[0].startswith("mlp_only_layers:")


@pytest.mark.parametrize("value", [0, -3, 1.5, "12", True, [12]])
def test_size_that_is_not_a_positive_whole_number_is_told(value: object) -> None:
    assert any(problem.startswith("n_layer:") for problem in problems({**GPT2, "n_layer": value}))


@pytest.mark.parametrize("value", [0, 1.5, "all", True])
def test_rotary_fraction_out_of_range_is_told(value: object) -> None:
    assert any("is out of range" in problem for problem in problems({**LLAMA, "partial_rotary_factor": value}))


def test_odd_number_of_rotated_dimensions_is_told() -> None:
    assert problems({**LLAMA, "head_dim": 15})[0].startswith("head_dim: 15 rotated dimensions")


def test_unknown_quantisation_is_told() -> None:
    assert "unknown quant_method 'aqlm'" in problems({**LLAMA, "quantization_config": {"quant_method": "aqlm"}})[0]


def test_everything_wrong_is_told_at_once() -> None:
    found = problems({"model_type": "llama", "hidden_size": -1, "torch_dtype": "float7", "hidden_act": "tanh"})
    keys = {problem.split(":")[0] for problem in found}
    missing = {"num_hidden_layers", "num_attention_heads", "intermediate_size", "vocab_size"}
    assert keys == {"hidden_size", "torch_dtype", "hidden_act"} | missing


def test_nothing_wrong_is_told_twice() -> None:
    found = problems({**MOE, "num_hidden_layers": 0})
    assert len(found) == len(set(found))


@pytest.mark.parametrize("word", [["llama"], {"a": 1}, 7])
def test_model_type_that_is_no_word_is_refused(word: object) -> None:
    (problem,) = problems({**LLAMA, "model_type": word})
    assert problem.startswith(f"model_type: unknown model_type {word!r}")


@pytest.mark.parametrize(("key", "value", "most"), [("hidden_size", 10**30, 10**9), ("num_hidden_layers", 10**9, 10**4)])
def test_number_beyond_reason_is_refused(key: str, value: int, most: int) -> None:
    assert problems({**LLAMA, key: value}) == [f"{key}: {value} is too large; at most {most}"]


def test_attention_types_of_a_billion_layers_are_refused_at_once() -> None:
    neo = {"model_type": "gpt_neo", "hidden_size": 48, "num_heads": 4, "num_layers": 4}
    (problem,) = problems({**neo, "attention_types": [[["global", "local"], 10**9]]})
    assert problem.startswith("attention_types: describes")


@pytest.mark.parametrize("key", ["hidden_size", "num_attention_heads"])
def test_what_follows_from_a_missing_number_is_not_told(key: str) -> None:
    assert problems({name: value for name, value in LLAMA.items() if name != key}) == [f"{key}: missing; a whole number of at least 1"]


def test_text_config_leaves_out_what_is_its_familys_default() -> None:
    """LLaVA-1.5-7B: Vicuna, 6,738,415,616 parameters, with 64 more tokens in two tables of 4,096."""
    vicuna = {"model_type": "llama", "max_position_embeddings": 4096, "vocab_size": 32064}
    assert from_dict({"model_type": "llava", "text_config": vicuna}).parameters()["total"] == 6_738_415_616 + 2 * 64 * 4096


@pytest.mark.parametrize("model_type", FAMILIES)
def test_text_config_of_a_model_type_alone_is_complete(model_type: str) -> None:
    assert from_dict({"text_config": {"model_type": model_type}}).parameters()["total"] > 1e8


def test_reading_a_text_config_changes_no_key_of_it() -> None:
    text = dict(LLAMA)
    from_dict({"text_config": text, "torch_dtype": "float16"})
    assert text == LLAMA
