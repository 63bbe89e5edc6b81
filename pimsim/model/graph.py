"""The decoder graph: operators whose shapes are linear in the context, before they are laid out over token steps.

:mod:`pimsim.model.layer` builds the graphs of a layer, the embedding and the head; :mod:`pimsim.model.lowering`
instantiates them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pimsim.model import operators as _operators  # noqa: F401  registers the kinds
from pimsim.model.operator import KINDS, Operator, Shape

INPUT = -1
"""The dep on whatever came before the template: its input."""


class Heads(NamedTuple):
    """How a vector splits into query heads and key-value heads."""

    query: int = 0
    key_value: int = 0
    dim: int = 0


NO_HEADS = Heads()


class Formats(NamedTuple):
    """Number formats of activations, weights, and K and V."""

    activation: str
    weight: str
    kv: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An operator before its token step is known: rows and cols grow by ``*_per_token`` with each attended token."""

    name: str
    kind: str
    rows: int
    cols: int
    rows_per_token: int
    cols_per_token: int
    heads: Heads
    window: int  # attends to at most so many tokens; 0: to all
    part: str  # of the layer: qkv, attention, proj, ffn
    slot: int  # belongs to the layer's slot-th active expert; -1: to no expert
    dtype: str
    stored_dtype: str
    bias: bool
    deps: tuple[int, ...]
    contextual: bool  # changes from token to token
    splits: int = 1  # parts that the attended tokens are cut into

    def at(self, index: int, phase: str, layer: int, batch: int, context: int) -> Operator:
        """The template operator of this node with ``context`` tokens so far."""
        attended = 0
        if self.contextual:
            attended = -(-(min(context, self.window) if self.window else context) // self.splits)
        rows = self.rows + self.rows_per_token * attended
        cols = self.cols + self.cols_per_token * attended
        shape = Shape(rows, cols, batch, *self.heads, attended, self.dtype, self.stored_dtype, self.bias)
        cost = KINDS[self.kind].cost(shape)
        return Operator(index, self.name, self.kind, phase, layer, 0, *shape, *cost, self.deps)


class Graph:
    """Nodes under construction; every method appends and returns the index that later nodes depend on."""

    def __init__(self, formats: Formats):
        self.formats = formats
        self.nodes: list[Node] = []
        self.part, self.slot = "", -1  # what nodes appended now belong to

    def add(self, kind: str, name: str, deps: tuple[int, ...], *, rows: int = 0, cols: int = 0,
            rows_per_token: int = 0, cols_per_token: int = 0, heads: Heads = NO_HEADS, window: int = 0,
            bias: bool = False, stored: str = "") -> int:  # fmt: skip
        """Append any node; ``stored`` is the dtype of its weights or KV (default: the activations')."""
        node = Node(
            name=name, kind=kind, rows=rows, cols=cols, rows_per_token=rows_per_token, cols_per_token=cols_per_token,
            heads=heads, window=window, part=self.part, slot=self.slot, dtype=self.formats.activation,
            stored_dtype=stored or self.formats.activation, bias=bias, deps=tuple(dict.fromkeys(deps)),
            contextual=KINDS[kind].contextual,
        )  # fmt: skip
        self.nodes.append(node)
        return len(self.nodes) - 1

    def matvec(self, name: str, dep: int, rows: int, cols: int, bias: bool = False, heads: int = 0) -> int:
        """A layer's weight matrix of ``rows`` outputs and ``cols`` inputs; with ``heads``, one of each head."""
        kind = "head_matvec" if heads else "matvec"
        return self.add(kind, name, (dep,), rows=rows, cols=cols, bias=bias, heads=Heads(heads),
                        stored=self.formats.weight)  # fmt: skip

    def attend(self, deps: tuple[int, ...], append: int, keys: Heads, values: Heads, window: int) -> int:
        """Scores over K, softmax, and the weighted sum of V; ``deps``: what the query comes from."""
        kv, heads = self.formats.kv, keys.query
        score = self.add("score", "score", (*deps, append), rows_per_token=heads, cols=keys.dim, heads=keys,
                         window=window, stored=kv)  # fmt: skip
        softmax = self.add("softmax", "softmax", (score,), rows_per_token=heads, cols_per_token=1, heads=keys,
                           window=window)  # fmt: skip
        return self.add("attend", "attend", (softmax, append), rows=heads * values.dim, cols_per_token=1,
                        heads=values, window=window, stored=kv)  # fmt: skip
