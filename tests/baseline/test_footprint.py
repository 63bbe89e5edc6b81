"""What a run needs of the memory, against closed forms."""

from __future__ import annotations

import pytest

from pimsim.baseline.footprint import footprint
from pimsim.baseline.ideal import run as run_ideal
from pimsim.config import load_any
from pimsim.config.baseline import IdealConfig
from pimsim.errors import InputError
from pimsim.model.decoding import Decoding
from pimsim.model.decoding.block import Blocks
from pimsim.model.importer import load_architecture
from pimsim.model.lowering import lower

LLAMA = load_architecture("llama-3-8b")
LLAMA_WEIGHTS = 2 * (LLAMA.parameters()["blocks"] + 2 * LLAMA.layers * LLAMA.hidden)
"""bf16: matrices, and two norms a layer."""


@pytest.mark.parametrize("decoding", [Decoding(), Decoding(ffn_active=0.1), Decoding(blocks=Blocks(4, 16))])
def test_all_weights_lie_in_the_memory_however_few_a_token_reads(decoding: Decoding) -> None:
    assert footprint(lower(LLAMA, output_tokens=2, decoding=decoding)).weight_bytes == LLAMA_WEIGHTS


def test_nested_ffn_holds_what_is_used() -> None:
    found = footprint(lower(LLAMA, output_tokens=2, decoding=Decoding(ffn_width=(0.5,)))).weight_bytes
    assert found == LLAMA_WEIGHTS - LLAMA.layers * 3 * LLAMA.hidden * LLAMA.ffn


@pytest.mark.parametrize("name", ["mixtral-8x7b", "qwen3-30b-a3b", "deepseek-v2-lite"])
@pytest.mark.parametrize("decoding", [Decoding(), Decoding(ffn_active=0.5)])
def test_all_experts_lie_in_the_memory(name: str, decoding: Decoding) -> None:
    arch = load_architecture(name)
    found = footprint(lower(arch, 2, output_tokens=2, decoding=decoding)).weight_bytes
    assert 0 <= found - 2 * arch.parameters()["blocks"] < 1e-4 * found  # norms


@pytest.mark.parametrize("name", ["gpt2-small", "llama-3-8b", "gpt-neo-1.3b", "deepseek-v2-lite"])
def test_keys_and_values_are_those_that_the_model_caches(name: str) -> None:
    arch = load_architecture(name)
    assert footprint(lower(arch, 3, prompt_tokens=5, output_tokens=4)).kv_bytes == 3 * 8 * arch.kv_bytes_per_token


def test_a_window_or_a_budget_bounds_keys_and_values() -> None:
    arch = load_architecture("gpt2-small")
    found = footprint(lower(arch, prompt_tokens=100, output_tokens=4, decoding=Decoding(kv_budget=16))).kv_bytes
    assert found == 16 * arch.kv_bytes_per_token


def test_both_models_of_speculative_decoding_lie_in_the_memory() -> None:
    draft = load_architecture("llama-3.2-1b")
    both = footprint(lower(LLAMA, output_tokens=6, decoding=Decoding(draft=draft, acceptance=0.5)))
    alone = footprint(lower(LLAMA, output_tokens=6)), footprint(lower(draft, output_tokens=6))
    assert both.weight_bytes == sum(one.weight_bytes for one in alone)


def test_ideal_memory_has_to_hold_all_experts() -> None:
    config = load_any("ideal-non-pim", ("memory.channels=64",))
    assert isinstance(config, IdealConfig)
    with pytest.raises(InputError) as caught:
        run_ideal(config, lower(load_architecture("mixtral-8x7b"), output_tokens=2))
    (problem,) = caught.value.problems
    assert "need 86.5 GiB, the memory has 32 GiB" in problem.message
    assert problem.allowed == "at least 174 channels"
