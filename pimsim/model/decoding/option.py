"""All options of decoding together: what they make of a layer, and which settings contradict a model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from pimsim.errors import Problem
from pimsim.model.architecture import Architecture
from pimsim.model.decoding.block import Blocks
from pimsim.model.decoding.nested import narrow, neurons
from pimsim.model.decoding.prune import prune, window
from pimsim.model.decoding.rewrite import Nodes
from pimsim.model.decoding.sparse import sparsify, stored
from pimsim.model.decoding.split import split


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How tokens are decoded. The defaults are plain decoding.

    Attributes:
        kv_budget: tokens that a layer's KV cache holds at most (A2SF); 0: all.
        blocks: block-wise attention (Block Transformer).
        ffn_width: share of each FFN's neurons that exist (MatFormer), for all layers or one a layer.
        ffn_active: share of them that are active for a token (Sparsing Law).
        attention_splits: parts that the context is cut into (Lean Attention).
        draft: the small model of speculative decoding (Big Little Decoder), with ``draft_tokens`` a round and the probability
            ``acceptance`` that one is accepted; None: none.
    """

    kv_budget: int = 0
    blocks: Blocks = Blocks()
    ffn_width: tuple[float, ...] = (1.0,)
    ffn_active: float = 1.0
    attention_splits: int = 1
    draft: Architecture | None = None
    draft_tokens: int = 4
    acceptance: float | None = None

    def window(self, arch: Architecture, layer: int) -> int:
        """Tokens that a layer attends to; 0: all."""
        return window(arch.window(layer), self.kv_budget)

    def width(self, layer: int) -> float:
        """Share of a layer's FFN neurons that exist."""
        return self.ffn_width[layer] if len(self.ffn_width) > 1 else self.ffn_width[0]

    def layer(self, nodes: Nodes, arch: Architecture, width: float) -> Nodes:
        """A layer's graph as it is decoded, its FFNs having ``width`` of their neurons."""
        if width < 1:
            nodes = narrow(nodes, arch, width)
        if self.ffn_active < 1:
            nodes = sparsify(nodes, arch, self.ffn_active)
        if self.kv_budget:
            nodes = prune(nodes)
        return split(nodes, self.attention_splits) if self.attention_splits > 1 else nodes

    def stored(self, arch: Architecture) -> dict[str, tuple[int, int]]:
        """(rows, cols) of matrices that lie in the memory but are used in part, by name."""
        return stored(arch) if self.ffn_active < 1 else {}

    def problems(self, arch: Architecture, batch: int) -> Iterator[Problem]:
        """Settings that are impossible, or that contradict the model or one another; keys as in a workload's YAML."""

        def problem(key: str, message: str, allowed: str) -> Problem:
            return Problem(message, allowed, key=f"workload.decoding.{key}")

        for key in ("kv_budget", "attention_splits", "draft_tokens"):
            least = 0 if key == "kv_budget" else 1
            if getattr(self, key) < least:
                yield problem(key, f"{getattr(self, key)} is too small", f"at least {least}")
        if self.kv_budget and self.kv_budget < self.attention_splits:
            yield problem("kv_budget", f"{self.kv_budget} tokens in {self.attention_splits} splits", "at least one a split")
        if self.blocks.tokens and not 0 < self.blocks.layers < arch.layers:
            yield problem("block_layers", f"{self.blocks.layers} of {arch.layers} layers make blocks",
                          f"1 to {arch.layers - 1}: both decoders have layers")  # fmt: skip
        if len(self.ffn_width) not in (1, arch.layers):
            yield problem("ffn_width", f"{len(self.ffn_width)} widths for {arch.layers} layers", f"1 or {arch.layers}")
        if not all(0 < width <= 1 and neurons(arch.ffn, width) for width in self.ffn_width):
            yield problem("ffn_width", f"{min(self.ffn_width)} to {max(self.ffn_width)} of {arch.ffn} neurons", "above 0, at most 1")
        if self.ffn_active < 1 and min(self.ffn_width) < 1:
            yield problem("ffn_active", "sparse activation of nested widths", "one of the two")
        if not 0 < self.ffn_active <= 1:
            yield problem("ffn_active", f"{self.ffn_active} is not between 0 and 1", "above 0, at most 1")
        if self.blocks.layers and not self.blocks.tokens:
            yield problem("block_layers", f"{self.blocks.layers} layers attend to blocks of no size", "with block_tokens")
        if self.acceptance is not None and not 0 <= self.acceptance <= 1:
            yield problem("acceptance", f"{self.acceptance} is not between 0 and 1", "0 to 1")
        if self.draft is None:
            if self.acceptance is not None:
                yield problem("acceptance", "nothing is drafted", "with draft_model")
            return
        if self.acceptance is None:
            yield problem("draft_model", "drafts without a chance that one is accepted", "with workload.decoding.acceptance, 0 to 1")
        if batch > 1:
            yield problem("draft_model", f"speculative decoding of a batch of {batch}", "a batch of 1")
        if self.draft.vocab != arch.vocab:
            yield problem("draft_model", f"{self.draft.name} has {self.draft.vocab} tokens in its vocabulary",
                          f"as many as {arch.name}: {arch.vocab}")  # fmt: skip
        if self.blocks.tokens:
            yield problem("draft_model", "speculative decoding of block-wise attention", "one of the two")


PLAIN = Decoding()
