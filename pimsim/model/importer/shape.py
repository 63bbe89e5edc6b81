"""Shapes that a ``text_config`` leaves out. Multimodal files write only what differs from the family's configuration class (LLaVA-1.5's
has no ``hidden_size``), so that an absent key has that class's default in the transformers library (5.23). At the top level of a file,
where these keys are always written, an absent one is a mistake and is refused.
"""

from __future__ import annotations


def _llama(hidden: int, ffn: int, layers: int, heads: int, vocab: int) -> dict[str, int]:
    return {"hidden_size": hidden, "intermediate_size": ffn, "num_hidden_layers": layers, "num_attention_heads": heads, "vocab_size": vocab}


SHAPES: dict[str, dict[str, int]] = {
    "gpt2": {"n_embd": 768, "n_layer": 12, "n_head": 12},
    "gpt_neo": {"hidden_size": 2048, "num_layers": 24, "num_heads": 16},
    "gpt_neox": _llama(6144, 24576, 44, 64, 50432),
    "opt": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "ffn_dim": 3072},
    "llama": _llama(4096, 11008, 32, 32, 32000),
    "mistral": _llama(4096, 14336, 32, 32, 32000),
    "qwen2": _llama(4096, 22016, 32, 32, 151936),
    "qwen3": _llama(4096, 22016, 32, 32, 151936),
    "gemma": _llama(3072, 24576, 28, 16, 256000),
    "phi3": _llama(3072, 8192, 32, 32, 32064),
    "mixtral": _llama(4096, 14336, 32, 32, 32000),
    "qwen3_moe": _llama(2048, 6144, 24, 32, 151936),
    "deepseek_v2": {**_llama(4096, 11008, 32, 32, 102400), "moe_intermediate_size": 1407},
    "deepseek_v3": {**_llama(7168, 18432, 61, 128, 129280), "moe_intermediate_size": 2048},
}
"""model_type -> the default of each key that an importer demands."""
