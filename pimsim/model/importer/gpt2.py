"""GPT-2 and GPT-3 shapes (model_type ``gpt2``): Radford et al. 2019; Brown et al. 2020 (arXiv 2005.14165)."""

from __future__ import annotations

from pimsim.model.architecture import Architecture
from pimsim.model.importer.common import ACTIVATIONS, formats, head_dim
from pimsim.model.importer.fields import Fields


def gpt2(fields: Fields, name: str) -> Architecture:
    """Learned positions, LayerNorm, GELU, biases everywhere; ``n_inner: null`` means 4 x hidden."""
    hidden = fields.integer("n_embd", "hidden_size")
    heads = fields.integer("n_head", "num_attention_heads")
    positions = fields.integer("n_positions", "max_position_embeddings", default=1024)
    number = formats(fields)
    return Architecture(
        name=name,
        family="gpt2",
        layers=fields.integer("n_layer", "num_hidden_layers"),
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=head_dim(fields, hidden, heads, "n_head"),
        ffn=fields.integer("n_inner", default=4 * hidden),
        vocab=fields.integer("vocab_size", default=50257),
        max_position=positions,
        dtype=number.dtype,
        weight_dtype=number.weight_dtype,
        position_rows=positions,
        tied_embeddings=fields.flag("tie_word_embeddings", default=True),
        activation=fields.choice("activation_function", known=ACTIVATIONS, default="gelu"),
    )
