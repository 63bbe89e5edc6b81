"""What is run: a model, lengths, a batch."""

from __future__ import annotations

from typing import Literal

from pydantic import PrivateAttr

from pimsim.config.base import Config
from pimsim.config.document import Document
from pimsim.config.quantity import Count


class WorkloadConfig(Config):
    """A model and how it is used. The defaults are the PIM-GPT paper's run."""

    name: str = ""
    """its name: that of the file unless given"""
    description: str = ""
    """one line for people"""
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
    dtype: str = "bf16"
    """data type of weights, activations and KV cache"""
    _document: Document | None = PrivateAttr(None)
