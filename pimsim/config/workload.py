"""What is run: a model, lengths, a batch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator

from pimsim.config.base import Described
from pimsim.config.quantity import Count, refuse
from pimsim.errors import nearest
from pimsim.model.dtype import ALIASES, BITS, canonical


def _dtype(name: str) -> str:
    short = canonical(name)
    if short is None:
        raise refuse(f"'{name}' is not a data type", nearest(name, [*BITS, *ALIASES]))
    return short


class WorkloadConfig(Described):
    """A model and how it is used. The defaults are the PIM-GPT paper's run."""

    model: str
    """a shipped model's name or the path of a Hugging Face config.json"""
    batch: Count = 1
    """requests side by side"""
    prompt_tokens: Count = 1
    """tokens of the prompt"""
    output_tokens: Count = 1024
    """tokens to generate"""
    prefill: Literal["inline", "elsewhere"] = "inline"
    """inline: the prompt is processed here; elsewhere: the run starts on a filled KV cache"""
    lm_head: bool = False
    """whether the projection onto the vocabulary is run"""
    embedding: bool = False
    """whether the embedding look-up is run"""
    requests: str | None = None
    """CSV file of requests, instead of batch and lengths"""
    part: Literal["all", "block", "qkv", "attention", "ffn"] = "all"
    """which part of the model is run"""
    dtype: Annotated[str, AfterValidator(_dtype)] = "bf16"
    """data type of weights, activations and KV cache"""
