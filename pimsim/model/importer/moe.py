"""Mixtures of experts with Llama's attention: Mixtral (arXiv 2401.04088) and Qwen3-MoE (arXiv 2505.09388)."""

from __future__ import annotations

from pimsim.model.architecture import Architecture
from pimsim.model.importer.fields import Fields
from pimsim.model.importer.llama import base


def mixtral(fields: Fields, name: str) -> Architecture:
    """Every layer a mixture; an expert is as wide as ``intermediate_size``."""
    experts, chosen = expert_counts(fields, fields.integer("num_local_experts", "num_experts", default=8), 2)
    return base(fields, name, kv_default=8, theta=1e6, sliding=fields.integer("sliding_window", default=0),
                experts=experts, experts_per_token=chosen, moe_ffn=fields.integer("intermediate_size"))  # fmt: skip


def qwen3_moe(fields: Fields, name: str) -> Architecture:
    """Layers of ``mlp_only_layers`` and those off ``decoder_sparse_step`` are dense; q and k normalised."""
    experts, chosen = expert_counts(fields, fields.integer("num_experts", "num_local_experts", default=128), 8)
    bias = fields.flag("attention_bias", default=False)
    sliding = 0
    if fields.flag("use_sliding_window", default=False):
        sliding = fields.integer("sliding_window", default=4096)
    return base(fields, name, kv_default=4, qkv_bias=bias, proj_bias=bias, qk_norm=True, sliding=sliding,
                experts=experts, experts_per_token=chosen, moe_ffn=fields.integer("moe_intermediate_size", default=768),
                dense_layers=_dense_layers(fields))  # fmt: skip


def expert_counts(fields: Fields, experts: int, default: int) -> tuple[int, int]:
    """(experts, experts per token), the second no larger than the first."""
    chosen = fields.integer("num_experts_per_tok", default=default)
    if chosen > experts:
        fields.problem("num_experts_per_tok", f"{chosen} experts per token of {experts} experts", f"at most {experts}")
    return experts, chosen


def _dense_layers(fields: Fields) -> tuple[int, ...]:
    layers = fields.integer("num_hidden_layers")
    step = fields.integer("decoder_sparse_step", default=1)
    listed = fields.data.get("mlp_only_layers") or []
    if not isinstance(listed, list) or any(type(layer) is not int or not 0 <= layer < layers for layer in listed):
        fields.problem("mlp_only_layers", f"{listed!r} is not a list of layers", f"layers from 0 to {layers - 1}")
        listed = []
    return tuple(layer for layer in range(layers) if layer in listed or (layer + 1) % step)
