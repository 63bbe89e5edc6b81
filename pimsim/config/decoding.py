"""How tokens are decoded (:mod:`pimsim.model.decoding`): options that change what is read and computed. None is on by default."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, PlainValidator, WithJsonSchema

from pimsim.config.base import Config
from pimsim.config.quantity import Count, Fraction, Whole, real_number, refuse
from pimsim.units import UnitError


def _widths(value: Any) -> float | tuple[float, ...]:
    """A share of the neurons, or one for each layer."""
    numbers = []
    for item in value if isinstance(value, (list, tuple)) else [value]:
        try:
            number = real_number(item)
        except UnitError as error:
            raise refuse(error.message, error.allowed) from None
        if not 0 < number <= 1:
            raise refuse(f"{item} is not a share of the neurons", "above 0, at most 1")
        numbers.append(number)
    if not numbers:
        raise refuse("no widths", "one for all layers, or one for each")
    return tuple(numbers) if isinstance(value, (list, tuple)) else numbers[0]


def _some(share: float) -> float:
    if share == 0:
        raise refuse("0 is no share of the neurons", "above 0, at most 1")
    return share


_WIDTH = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}


class DecodingConfig(Config):
    """Options of decoding, each after a paper."""

    kv_budget: Count | None = None
    """tokens that each layer's KV cache keeps; the one with the least accumulated attention makes room (A2SF, arXiv 2407.20485)"""
    block_tokens: Count | None = None
    """tokens of a block: lower layers attend to blocks, upper ones within a block (Block Transformer, arXiv 2406.02657)"""
    block_layers: Whole | None = None
    """lower layers that attend to blocks, with block_tokens; half of the layers unless given, as in the paper"""
    ffn_width: Annotated[Any, PlainValidator(_widths),
                         WithJsonSchema({"anyOf": [_WIDTH, {"type": "array", "items": _WIDTH, "minItems": 1}]})] = 1.0
    """share of each FFN's neurons that is used, for all layers or a list of one a layer (MatFormer, arXiv 2310.07707)"""
    ffn_active: Annotated[Fraction, AfterValidator(_some)] = 1.0
    """share of the FFN's neurons that is active for a token (Sparsing Law, arXiv 2411.02335)"""
    attention_splits: Count = 1
    """parts of the context whose attention is computed apart and merged (Lean Attention, arXiv 2405.10480)"""
    draft_model: str | None = None
    """small model that drafts tokens for the large one: a shipped name or a config.json (Big Little Decoder, arXiv 2302.07863)"""
    draft_tokens: Count = 4
    """tokens that the small model drafts in a row"""
    acceptance: Fraction | None = None
    """chance that a draft is accepted, drawn from workload.seed; needed with draft_model"""
