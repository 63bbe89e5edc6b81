"""OPT (model_type ``opt``): Zhang et al. 2022 (arXiv 2205.01068)."""

from __future__ import annotations

from pimsim.model.architecture import Architecture
from pimsim.model.importer.common import ACTIVATIONS, formats, head_dim
from pimsim.model.importer.fields import Fields

POSITION_OFFSET = 2
"""Rows at the head of OPT's position table that no position uses."""


def opt(fields: Fields, name: str) -> Architecture:
    """Learned positions, LayerNorm, ReLU. OPT-350M alone projects embeddings and normalises after the residual."""
    hidden = fields.integer("hidden_size")
    heads = fields.integer("num_attention_heads")
    positions = fields.integer("max_position_embeddings", default=2048)
    embed = fields.integer("word_embed_proj_dim", default=hidden)
    bias = fields.flag("enable_bias", default=True)
    norm_first = fields.flag("do_layer_norm_before", default=True)
    if not fields.flag("layer_norm_elementwise_affine", default=True):
        fields.problem("layer_norm_elementwise_affine", "norms without gain are not supported", "true")
    number = formats(fields)
    return Architecture(
        name=name,
        family="opt",
        layers=fields.integer("num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=head_dim(fields, hidden, heads, "num_attention_heads"),
        ffn=fields.integer("ffn_dim", default=4 * hidden),
        vocab=fields.integer("vocab_size", default=50272),
        max_position=positions,
        dtype=number.dtype,
        weight_dtype=number.weight_dtype,
        position_rows=positions + POSITION_OFFSET,
        embed_proj_dim=0 if embed == hidden else embed,
        tied_embeddings=fields.flag("tie_word_embeddings", default=True),
        norm_first=norm_first,
        final_norm=norm_first and not fields.flag("_remove_final_layer_norm", default=False),
        activation=fields.choice("activation_function", known=ACTIVATIONS, default="relu"),
        qkv_bias=bias,
        proj_bias=bias,
        ffn_bias=bias,
    )
