"""GPT-Neo (model_type ``gpt_neo``): GPT-2 with every second layer attending to a local window, no QKV bias."""

from __future__ import annotations

from pimsim.model.architecture import Architecture
from pimsim.model.importer.common import ACTIVATIONS, formats, head_dim
from pimsim.model.importer.fields import MOST_LAYERS, Fields


def gpt_neo(fields: Fields, name: str) -> Architecture:
    """Learned positions, LayerNorm, GELU; ``attention_types`` says which layers are local."""
    hidden = fields.integer("hidden_size")
    heads = fields.integer("num_heads", "num_attention_heads")
    layers = fields.integer("num_layers", "num_hidden_layers")
    positions = fields.integer("max_position_embeddings", default=2048)
    number = formats(fields)
    return Architecture(
        name=name,
        family="gpt_neo",
        layers=layers,
        hidden=hidden,
        heads=heads,
        kv_heads=heads,
        head_dim=head_dim(fields, hidden, heads, "num_heads"),
        ffn=fields.integer("intermediate_size", default=4 * hidden),
        vocab=fields.integer("vocab_size", default=50257),
        max_position=positions,
        dtype=number.dtype,
        weight_dtype=number.weight_dtype,
        position_rows=positions,
        tied_embeddings=fields.flag("tie_word_embeddings", default=True),
        activation=fields.choice("activation_function", known=ACTIVATIONS, default="gelu"),
        qkv_bias=False,
        windows=_windows(fields, layers),
    )


def _windows(fields: Fields, layers: int) -> tuple[int, ...]:
    """Expand ``[[["global", "local"], 12]]`` to one window a layer."""
    window = fields.integer("window_size", default=256)
    types = fields.data.get("attention_types")
    if types is None:
        types = [[["global", "local"], 12]]
    kinds: list[str] = []
    try:
        for pattern, count in types:
            kinds += list(pattern) * min(count, MOST_LAYERS)
    except (TypeError, ValueError):
        fields.problem("attention_types", "cannot be read", 'a list such as [[["global", "local"], 12]]')
        return ()
    if any(kind not in ("global", "local") for kind in kinds):
        fields.problem("attention_types", "holds something else than global and local", "global, local")
    elif len(kinds) != layers:
        fields.problem("attention_types", f"describes {len(kinds)} layers, num_layers is {layers}", f"{layers} layers")
    return tuple(window if kind == "local" else 0 for kind in kinds)
