"""Small models that the tests of pimsim.model share."""

from __future__ import annotations

from pimsim.model.architecture import Architecture


def tiny(**changes: object) -> Architecture:
    """A GPT-2 of 3 layers whose sizes are all different, with ``changes``."""
    shape: dict[str, object] = {
        "name": "tiny", "family": "gpt2", "layers": 3, "hidden": 24, "heads": 6, "kv_heads": 6, "head_dim": 4,
        "ffn": 40, "vocab": 101, "max_position": 64, "position_rows": 64,
    }  # fmt: skip
    return Architecture(**{**shape, **changes})  # type: ignore[arg-type]


def tiny_llama(**changes: object) -> Architecture:
    """A Llama of 3 layers with 2 key-value heads."""
    return tiny(**{"family": "llama", "kv_heads": 2, "position": "rotary", "position_rows": 0, "rotary_dim": 4,
                   "norm": "rmsnorm", "norm_bias": False, "activation": "silu", "gated_ffn": True, "qkv_bias": False,
                   "proj_bias": False, "ffn_bias": False, "tied_embeddings": False, **changes})  # fmt: skip


def tiny_moe(**changes: object) -> Architecture:
    """A mixture of 8 experts, 2 a token, the first layer dense."""
    return tiny_llama(**{"experts": 8, "experts_per_token": 2, "moe_ffn": 10, "dense_layers": (0,), **changes})


def tiny_mla(**changes: object) -> Architecture:
    """Multi-head latent attention with experts and a shared one."""
    return tiny_moe(**{"kv_heads": 1, "head_dim": 6, "kv_lora_rank": 8, "q_lora_rank": 12, "qk_nope_head_dim": 4,
                       "qk_rope_head_dim": 2, "v_head_dim": 5, "rotary_dim": 2, "shared_experts": 1,
                       **changes})  # fmt: skip


FAMILIES = {
    "gpt2": tiny(),
    "opt-350m": tiny(norm_first=False, final_norm=False, activation="relu", embed_proj_dim=10),
    "gpt-neo": tiny(qkv_bias=False, windows=(0, 3, 0)),
    "gpt-neox": tiny(position="rotary", rotary_dim=2, parallel_residual=True, tied_embeddings=False),
    "llama": tiny_llama(),
    "qwen3": tiny_llama(qk_norm=True),
    "gemma": tiny_llama(activation="gelu", kv_heads=1),
    "mixtral": tiny_moe(dense_layers=()),
    "moe": tiny_moe(),
    "deepseek-v3": tiny_mla(router_bias=True),
    "deepseek-v2-lite": tiny_mla(q_lora_rank=0),
}
"""One tiny model of every kind of decoder."""
