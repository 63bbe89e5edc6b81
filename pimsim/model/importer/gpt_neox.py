"""GPT-NeoX and Pythia (model_type ``gpt_neox``): Black et al. 2022 (arXiv 2204.06745)."""

from __future__ import annotations

from pimsim.model.architecture import Architecture
from pimsim.model.importer.common import ACTIVATIONS, formats, head_dim, rotary
from pimsim.model.importer.fields import Fields


def gpt_neox(fields: Fields, name: str) -> Architecture:
    """Rotary on a quarter of each head, LayerNorm, GELU, attention and FFN in parallel, untied embeddings."""
    hidden = fields.integer("hidden_size")
    heads = fields.integer("num_attention_heads")
    width = head_dim(fields, hidden, heads, "num_attention_heads")
    attention_bias = fields.flag("attention_bias", default=True)
    number = formats(fields)
    rope = rotary(fields, width, 0.25)
    return Architecture(
        name=name,
        family="gpt_neox",
        layers=fields.integer("num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=width,
        ffn=fields.integer("intermediate_size"),
        vocab=fields.integer("vocab_size"),
        max_position=fields.integer("max_position_embeddings", default=2048),
        dtype=number.dtype,
        weight_dtype=number.weight_dtype,
        position="rotary",
        rotary_dim=rope.dim,
        rope_theta=rope.theta,
        tied_embeddings=fields.flag("tie_word_embeddings", default=False),
        parallel_residual=fields.flag("use_parallel_residual", default=True),
        activation=fields.choice("hidden_act", known=ACTIVATIONS, default="gelu"),
        qkv_bias=attention_bias,
        proj_bias=attention_bias,
    )
