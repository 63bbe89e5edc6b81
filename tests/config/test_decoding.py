"""Ways of decoding in a workload, and which systems do not do them."""

import pytest

from pimsim.config import load_workload, resolved, schema
from pimsim.errors import InputError


def keys(*overrides: str) -> list[str]:
    return [problem.key for problem in load_workload("llama-3-8b", overrides).beyond_serving()]


def test_plain_decoding_is_for_every_system() -> None:
    assert keys() == [] == keys("workload.weight_dtype=bfloat16", "workload.decoding.attention_splits=1")


def test_what_is_not_plain_is_named() -> None:
    assert keys("workload.kv_dtype=fp8", "workload.decoding.kv_budget=7", "workload.decoding.ffn_width=0.5") == [
        "workload.kv_dtype", "workload.decoding.kv_budget", "workload.decoding.ffn_width"]


def test_widths_are_one_or_one_a_layer() -> None:
    assert load_workload("gpt2-small", ["workload.decoding.ffn_width=[1, 0.5]"]).decoding.ffn_width == (1.0, 0.5)
    assert resolved(load_workload("gpt2-small", ["workload.decoding.ffn_width=[1, 0.5]"]))["decoding"]["ffn_width"] == [1.0, 0.5]


@pytest.mark.parametrize("value", ["0", "-1", "1.01", "[]", "[0.5, x]", "half", "true"])
def test_a_width_is_a_share(value: str) -> None:
    with pytest.raises(InputError, match="workload.decoding.ffn_width"):
        load_workload("gpt2-small", [f"workload.decoding.ffn_width={value}"])


def test_every_option_names_its_paper() -> None:
    options = schema("workload")["$defs"]["DecodingConfig"]["properties"]
    ones = {name for name, option in options.items() if "arXiv" in option["description"]}
    assert options.keys() - ones == {"block_layers", "draft_tokens", "acceptance"}  # what goes with one that does
