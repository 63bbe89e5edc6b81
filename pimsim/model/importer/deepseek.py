"""DeepSeek-V2 (arXiv 2405.04434) and V3 (arXiv 2412.19437): multi-head latent attention and fine-grained experts."""

from __future__ import annotations

from typing import Any

from pimsim.model.architecture import Architecture
from pimsim.model.importer.common import GATED_ACTIVATIONS, formats, rotary
from pimsim.model.importer.fields import Fields
from pimsim.model.importer.moe import expert_counts


def deepseek_v2(fields: Fields, name: str) -> Architecture:
    """Shared experts beside the routed ones, the first layers dense. V2-Lite has ``q_lora_rank: null``."""
    return _deepseek(fields, name, shared=2, dense=0, experts=64, chosen=6)


def deepseek_v3(fields: Fields, name: str) -> Architecture:
    """A bias on the router's scores; multi-token prediction modules are not part of decoding and left out."""
    return _deepseek(fields, name, shared=1, dense=3, experts=256, chosen=8, router_bias=True)


def _deepseek(fields: Fields, name: str, *, shared: int, dense: int, experts: int, chosen: int,
              **more: Any) -> Architecture:  # fmt: skip
    heads = fields.integer("num_attention_heads")
    layers = fields.integer("num_hidden_layers")
    nope = fields.integer("qk_nope_head_dim", default=128)
    rope = fields.integer("qk_rope_head_dim", default=64)
    first_dense = fields.integer("first_k_dense_replace", default=dense, least=0)
    if first_dense > layers:
        fields.problem("first_k_dense_replace", f"{first_dense} dense layers of {layers} layers", f"at most {layers}")
    frequency = fields.integer("moe_layer_freq", default=1)
    dense_layers = tuple(layer for layer in range(layers) if layer < first_dense or layer % frequency)
    routed, per_token = expert_counts(fields, fields.integer("n_routed_experts", default=experts), chosen)
    bias = fields.flag("attention_bias", default=False)
    number = formats(fields)
    return Architecture(
        name=name,
        family=str(fields.data["model_type"]),
        layers=layers,
        hidden=fields.integer("hidden_size"),
        heads=heads,
        kv_heads=1,
        head_dim=nope + rope,
        ffn=fields.integer("intermediate_size"),
        vocab=fields.integer("vocab_size"),
        max_position=fields.integer("max_position_embeddings", default=2048),
        dtype=number.dtype,
        weight_dtype=number.weight_dtype,
        position="rotary",
        rotary_dim=rope,
        rope_theta=rotary(fields, rope).theta,
        tied_embeddings=fields.flag("tie_word_embeddings", default=False),
        norm="rmsnorm",
        norm_bias=False,
        activation=fields.choice("hidden_act", known=GATED_ACTIVATIONS, default="silu"),
        gated_ffn=True,
        qkv_bias=bias,
        proj_bias=bias,
        ffn_bias=False,
        experts=routed,
        experts_per_token=per_token,
        shared_experts=fields.integer("n_shared_experts", default=shared, least=0),
        moe_ffn=fields.integer("moe_intermediate_size"),
        dense_layers=dense_layers,
        kv_lora_rank=fields.integer("kv_lora_rank", default=512),
        q_lora_rank=_query_rank(fields),
        qk_nope_head_dim=nope,
        qk_rope_head_dim=rope,
        v_head_dim=fields.integer("v_head_dim", default=128),
        **more,
    )


def _query_rank(fields: Fields) -> int:
    """Rank of the query's low-rank projection: 1,536 where absent, 0 (a full matrix) where null."""
    return fields.integer("q_lora_rank", default=0 if "q_lora_rank" in fields.data else 1536)
