"""What the families share: number formats, quantisation, head counts, windows."""

from __future__ import annotations

from typing import NamedTuple

from pimsim.model.dtype import ALIASES, BITS, canonical
from pimsim.model.importer.fields import Fields

ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu",
    "gelu_fast": "gelu",
    "gelu_python": "gelu",
    "gelu_pytorch_tanh": "gelu",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}
GATED_ACTIVATIONS = {word: kind for word, kind in ACTIVATIONS.items() if kind != "relu"}
LAYER_TYPES = ("full_attention", "sliding_attention")


class Formats(NamedTuple):
    """Number formats of activations and weights ('' : the same)."""

    dtype: str
    weight_dtype: str


class Rotary(NamedTuple):
    """Rotated dimensions of a head, and the base of their frequencies."""

    dim: int
    theta: float


class HeadCounts(NamedTuple):
    """Query heads, key-value heads and the width of a head."""

    heads: int
    kv_heads: int
    head_dim: int


def formats(fields: Fields) -> Formats:
    """``torch_dtype`` or ``dtype`` (bf16 where absent) and what ``quantization_config`` makes of the weights."""
    key = fields.find(("dtype", "torch_dtype"))
    dtype: str | None = "bf16"
    if key is not None:
        word = fields.data[key]
        dtype = canonical(word) if isinstance(word, str) else None
        if dtype is None:
            known = ", ".join(sorted({*BITS, *ALIASES}))
            fields.problem(key, f"unknown dtype {word!r}", f"known: {known}")
    return Formats(dtype or "bf16", _quantised(fields))


def _quantised(fields: Fields) -> str:
    quantised = fields.nested("quantization_config")
    if quantised is None:
        return ""
    method = quantised.data.get("quant_method")
    if method in ("fp8", "fbgemm_fp8"):
        return "fp8"
    if method in ("gptq", "awq"):
        bits = quantised.integer("bits", "w_bit", default=4)
        if bits not in (4, 8):
            quantised.problem("bits", f"{bits} bits are not supported", "4 or 8")
        return f"int{bits}"
    if method == "bitsandbytes":
        return "int4" if quantised.flag("load_in_4bit", "_load_in_4bit", default=False) else "int8"
    quantised.problem("quant_method", f"unknown quant_method {method!r}", "fp8, fbgemm_fp8, gptq, awq, bitsandbytes")
    return ""


def head_counts(fields: Fields, hidden: int, kv_default: int | None = None,
                head_dim_default: int | None = None) -> HeadCounts:  # fmt: skip
    """Heads of a family with ``num_attention_heads``, ``num_key_value_heads`` and ``head_dim``.

    ``kv_default`` and ``head_dim_default`` hold where the key is absent; null (or no default) means one key-value head
    for each head, and hidden / heads.
    """
    heads = fields.integer("num_attention_heads")
    absent = "num_key_value_heads" not in fields.data
    kv_heads = fields.integer("num_key_value_heads", default=kv_default if absent and kv_default else heads)
    if heads % kv_heads and not fields.faulty("num_attention_heads", "num_key_value_heads"):
        given = "" if not absent else f" (the default, since num_key_value_heads is absent; {heads} heads)"
        fields.problem("num_key_value_heads", f"{kv_heads} does not divide num_attention_heads = {heads}{given}",
                       f"a divisor of {heads}")  # fmt: skip
    return HeadCounts(heads, kv_heads, head_dim(fields, hidden, heads, "num_attention_heads", head_dim_default))


def head_dim(fields: Fields, hidden: int, heads: int, heads_key: str, default: int | None = None) -> int:
    """``head_dim``, or ``default``, or hidden / heads, which must come out whole."""
    if fields.data.get("head_dim") is None and default is None and hidden % heads:
        if not fields.faulty("hidden_size", "n_embd", heads_key):
            fields.problem(heads_key, f"{heads} heads do not divide the hidden size {hidden}",
                           "a divisor of the hidden size, or a head_dim")  # fmt: skip
        return 1
    return fields.integer("head_dim", default=default or hidden // heads)


def rotary(fields: Fields, width: int, fraction: float = 1.0, theta: float = 10000.0) -> Rotary:
    """Rotary positions of heads of ``width``, under any of the names that they go by; defaults where absent."""
    fraction = fields.number("partial_rotary_factor", "rotary_pct", default=fraction, most=1)
    theta = fields.number("rope_theta", "rotary_emb_base", default=theta)
    parameters = fields.nested("rope_parameters")
    if parameters is not None:
        fraction = parameters.number("partial_rotary_factor", default=fraction, most=1)
        theta = parameters.number("rope_theta", default=theta)
    dims = int(width * fraction)
    if dims % 2 and not fields.problems:  # else it may only follow from another problem
        fields.problem("head_dim", f"{dims} rotated dimensions", "an even number")
    return Rotary(dims, theta)


def windows(fields: Fields, layers: int, sliding: int, first: int = 0) -> tuple[int, ...]:
    """Window of each layer: by ``layer_types`` where given, else ``sliding`` from layer ``first`` on; () for none."""
    types = fields.words("layer_types", LAYER_TYPES, layers)
    if types is None:
        types = [LAYER_TYPES[layer >= first] for layer in range(layers)]
    elif "sliding_attention" in types and not sliding:
        fields.problem("layer_types", "sliding_attention without a sliding_window", "a sliding_window")
    if not sliding or "sliding_attention" not in types:
        return ()
    return tuple(sliding if kind == "sliding_attention" else 0 for kind in types)
