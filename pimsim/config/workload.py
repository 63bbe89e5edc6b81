"""What is run: a model, lengths, a batch."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from pimsim.config.base import Config, Described
from pimsim.config.decoding import DecodingConfig
from pimsim.config.quantity import Count, Factor, Whole, refuse
from pimsim.config.system import Approximations
from pimsim.errors import Problem, nearest
from pimsim.model.dtype import ALIASES, BITS, canonical


def _dtype(name: str | None) -> str | None:
    if name is None:
        return None
    short = canonical(name)
    if short is None:
        raise refuse(f"'{name}' is not a data type", nearest(name, [*BITS, *ALIASES]))
    return short


class ArrivalsConfig(Config):
    """Requests that arrive over time, with lengths like those of a published data set (docs/scheduling.md)."""

    dataset: Literal["alpaca", "sharegpt"]
    """whose lengths of inputs and outputs are drawn"""
    warm: Whole = 0
    """requests that are in service from the beginning, as a server that has long been busy has them"""
    number: Whole = 0
    """requests that arrive later"""
    rate: Factor | None = None
    """requests a second, a Poisson process"""
    seed: Whole = 1
    """of lengths and arrivals"""
    max_tokens: Annotated[Count, Field(ge=2)] = 2048
    """longest request, input and output together; longer ones are cut"""


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
    arrivals: ArrivalsConfig | None = None
    """requests over time, instead of batch and lengths"""
    iterations: Count | None = None
    """iterations after which serving stops; none: once all requests are done"""
    approximate: Approximations = ()
    """what may be approximated, besides what system.approximate allows"""
    part: Literal["all", "block", "qkv", "attention", "ffn"] = "all"
    """which part of the model is run"""
    dtype: Annotated[str, AfterValidator(_dtype)] = "bf16"
    """data type of activations, and of weights and KV cache unless they have one of their own"""
    weight_dtype: Annotated[str | None, AfterValidator(_dtype)] = None
    """data type of the weights; that of the model's file, or dtype, unless given"""
    kv_dtype: Annotated[str | None, AfterValidator(_dtype)] = None
    """data type of the KV cache"""
    routing: str = "auto"
    """experts that tokens choose: auto, balanced, uniform, zipf:S, or a CSV file of step, layer, expert, tokens"""
    seed: Whole = 0
    """of what is drawn: experts, accepted drafts"""
    decoding: DecodingConfig = Field(default_factory=DecodingConfig)
    """ways of decoding other than the plain one (docs/decoding.md)"""

    def beyond_serving(self) -> list[Problem]:
        """What is asked for that systems which serve requests do not do: they have one data type, and decode plainly."""
        found = [Problem(f"{value} beside {self.dtype}", "systems that serve requests have one data type", key=f"workload.{key}")
                 for key in ("weight_dtype", "kv_dtype") if (value := getattr(self, key)) not in (None, self.dtype)]
        plain = DecodingConfig()
        return found + [Problem("systems that serve requests decode plainly", f"{getattr(plain, key)}", key=f"workload.decoding.{key}")
                        for key in DecodingConfig.model_fields if getattr(self.decoding, key) != getattr(plain, key)]

    def _own_key(self, key: str) -> str:
        return super()._own_key(key.removeprefix("workload."))
