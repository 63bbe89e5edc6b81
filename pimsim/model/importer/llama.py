"""Llama and its kin: rotary positions, RMSNorm, a gated FFN, grouped-query attention.

Llama (Touvron et al. 2023, arXiv 2302.13971), Mistral (arXiv 2310.06825), Qwen2 (arXiv 2407.10671), Qwen3 (arXiv
2505.09388), Gemma (arXiv 2403.08295), Phi-3 (arXiv 2404.14219). Each function states what sets its family apart.
"""

from __future__ import annotations

from typing import Any

from pimsim.model.architecture import Architecture
from pimsim.model.importer.common import GATED_ACTIVATIONS, formats, head_counts, rotary, windows
from pimsim.model.importer.fields import Fields


def base(fields: Fields, name: str, *, kv_default: int | None = None, head_dim_default: int | None = None,
         tied: bool = False, activation: str = "silu", qkv_bias: bool = False, proj_bias: bool = False,
         ffn_bias: bool = False, sliding: int = 0, first_sliding: int = 0,
         theta: float = 10000.0, **more: Any) -> Architecture:  # fmt: skip
    """The common shape; ``more`` are further fields of :class:`Architecture`."""
    hidden = fields.integer("hidden_size")
    layers = fields.integer("num_hidden_layers")
    heads = head_counts(fields, hidden, kv_default, head_dim_default)
    number = formats(fields)
    rope = rotary(fields, heads.head_dim, theta=theta)
    return Architecture(
        name=name,
        family=str(fields.data["model_type"]),
        layers=layers,
        hidden=hidden,
        heads=heads.heads,
        kv_heads=heads.kv_heads,
        head_dim=heads.head_dim,
        ffn=fields.integer("intermediate_size"),
        vocab=fields.integer("vocab_size"),
        max_position=fields.integer("max_position_embeddings", default=2048),
        dtype=number.dtype,
        weight_dtype=number.weight_dtype,
        position="rotary",
        rotary_dim=rope.dim,
        rope_theta=rope.theta,
        tied_embeddings=fields.flag("tie_word_embeddings", default=tied),
        norm="rmsnorm",
        norm_bias=False,
        activation=fields.choice("hidden_activation", "hidden_act", known=GATED_ACTIVATIONS, default=activation),
        gated_ffn=True,
        qkv_bias=qkv_bias,
        proj_bias=proj_bias,
        ffn_bias=ffn_bias,
        windows=windows(fields, layers, sliding, first_sliding),
        **more,
    )


def llama(fields: Fields, name: str) -> Architecture:
    """Biases on request only (``attention_bias``, ``mlp_bias``)."""
    bias = fields.flag("attention_bias", default=False)
    ffn_bias = fields.flag("mlp_bias", default=False)
    return base(fields, name, qkv_bias=bias, proj_bias=bias, ffn_bias=ffn_bias)


def mistral(fields: Fields, name: str) -> Architecture:
    """``sliding_window`` (4,096 where absent, none where null) on all layers."""
    sliding = fields.integer("sliding_window", default=0 if "sliding_window" in fields.data else 4096)
    return base(fields, name, kv_default=8, sliding=sliding)


def qwen2(fields: Fields, name: str) -> Architecture:
    """A QKV bias that no key mentions; windows only with ``use_sliding_window``, from ``max_window_layers`` on."""
    sliding, first = qwen_window(fields)
    return base(fields, name, qkv_bias=True, sliding=sliding, first_sliding=first)


def qwen3(fields: Fields, name: str) -> Architecture:
    """q and k normalised head by head; ``head_dim`` 128 where absent."""
    sliding, first = qwen_window(fields)
    bias = fields.flag("attention_bias", default=False)
    return base(fields, name, head_dim_default=128, qkv_bias=bias, proj_bias=bias, qk_norm=True,
                sliding=sliding, first_sliding=first)  # fmt: skip


def qwen_window(fields: Fields) -> tuple[int, int]:
    """(window, first layer that has it) of the Qwen family."""
    if not fields.flag("use_sliding_window", default=False):
        return 0, 0
    return fields.integer("sliding_window", default=4096), fields.integer("max_window_layers", default=28, least=0)


def gemma(fields: Fields, name: str) -> Architecture:
    """GeGLU, tied embeddings, heads of 256. The embedding's scaling by sqrt(hidden) is taken as part of the table."""
    bias = fields.flag("attention_bias", default=False)
    return base(fields, name, head_dim_default=256, tied=True, activation="gelu", qkv_bias=bias, proj_bias=bias)


def phi3(fields: Fields, name: str) -> Architecture:
    """``sliding_window`` where given; Phi-4-mini rotates a part of each head."""
    return base(fields, name, sliding=fields.integer("sliding_window", default=0))
