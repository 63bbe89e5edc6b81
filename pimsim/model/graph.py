"""The decoder graph: one layer, the embedding and the head as nodes whose shapes are linear in the context.

The graph knows no token step yet; :mod:`pimsim.model.lowering` instantiates it. Layers follow GPT-2 (Radford et al.
2019): norm, QKV, attention, projection, residual, norm, FFN, residual.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

from pimsim.model import operators as _operators  # noqa: F401  registers the kinds
from pimsim.model.architecture import Architecture
from pimsim.model.operator import KINDS, Operator, Shape


class Heads(NamedTuple):
    """How a vector splits into query heads and key-value heads."""

    query: int = 0
    key_value: int = 0
    dim: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """An operator before its token step is known: rows and cols grow by ``*_per_token`` with each attended token."""

    name: str
    kind: str
    rows: int = 0
    cols: int = 0
    rows_per_token: int = 0
    cols_per_token: int = 0
    heads: Heads = Heads()
    window: int = 0  # attends to at most so many tokens; 0: to all
    dtype: str
    stored_dtype: str
    bias: bool = False
    deps: tuple[int, ...]

    @property
    def contextual(self) -> bool:
        """Whether the operator changes from token to token."""
        return KINDS[self.kind].contextual

    def at(self, index: int, phase: str, layer: int, batch: int, context: int) -> Operator:
        """The template operator of this node with ``context`` tokens so far."""
        attended = 0
        if self.contextual:
            attended = min(context, self.window) if self.window else context
        rows = self.rows + self.rows_per_token * attended
        cols = self.cols + self.cols_per_token * attended
        shape = Shape(
            rows, cols, batch, *self.heads, attended, self.dtype, self.stored_dtype, self.bias
        )  # fmt: skip
        return Operator(
            index, self.name, self.kind, phase, layer, 0, *shape, *KINDS[self.kind].cost(shape), self.deps
        )  # fmt: skip


class Graph:
    """A list of nodes under construction; :meth:`add` returns the index that later nodes depend on."""

    def __init__(self, dtype: str, weight_dtype: str, kv_dtype: str):
        self.dtype, self.weight_dtype, self.kv_dtype = dtype, weight_dtype, kv_dtype
        self.nodes: list[Node] = []

    def add(self, kind: str, name: str, deps: tuple[int, ...], *, rows: int = 0, cols: int = 0,
            rows_per_token: int = 0, cols_per_token: int = 0, heads: Heads = Heads(), window: int = 0,
            bias: bool = False, stored: str = "") -> int:  # fmt: skip
        """Append a node; ``stored`` is the dtype of its weights or KV (default: the activations')."""
        self.nodes.append(
            Node(
                name=name, kind=kind, rows=rows, cols=cols, rows_per_token=rows_per_token,
                cols_per_token=cols_per_token, heads=heads, window=window,
                dtype=self.dtype, stored_dtype=stored or self.dtype, bias=bias, deps=tuple(dict.fromkeys(deps)),
            )
        )  # fmt: skip
        return len(self.nodes) - 1

    def matvec(self, name: str, dep: int, rows: int, cols: int, bias: bool = False) -> int:
        """Append a weight matrix of ``rows`` outputs and ``cols`` inputs."""
        return self.add("matvec", name, (dep,), rows=rows, cols=cols, bias=bias, stored=self.weight_dtype)

    def norm(self, name: str, dep: int, arch: Architecture) -> int:
        """Append the architecture's norm over the hidden vector."""
        return self.add(arch.norm, name, (dep,), rows=arch.hidden, cols=arch.hidden, bias=arch.norm_bias)

    def residual(self, name: str, branch: int, stream: int, arch: Architecture) -> int:
        """Append the addition of a branch to the residual stream."""
        return self.add("add", name, (branch, stream), rows=arch.hidden, cols=2)

    def attention(self, dep: int, arch: Architecture, window: int) -> int:
        """Append QKV to output projection; returns the projection."""
        heads = Heads(arch.heads, arch.kv_heads, arch.head_dim)
        query, cached = heads.query * heads.dim, 2 * heads.key_value * heads.dim
        qkv = self.matvec("qkv", dep, query + cached, arch.hidden, arch.qkv_bias)
        append = self.add("kv_append", "kv_append", (qkv,), rows=cached, cols=1, heads=heads, stored=self.kv_dtype)
        score = self.add("score", "score", (qkv, append), rows_per_token=heads.query, cols=heads.dim, heads=heads,
                         window=window, stored=self.kv_dtype)  # fmt: skip
        softmax = self.add("softmax", "softmax", (score,), rows_per_token=heads.query, cols_per_token=1, heads=heads,
                           window=window)  # fmt: skip
        attend = self.add("attend", "attend", (softmax, append), rows=query, cols_per_token=1, heads=heads,
                          window=window, stored=self.kv_dtype)  # fmt: skip
        return self.matvec("proj", attend, arch.hidden, query, arch.proj_bias)

    def feed_forward(self, dep: int, arch: Architecture) -> int:
        """Append the FFN; returns its last matrix."""
        ffn1 = self.matvec("ffn1", dep, arch.ffn, arch.hidden, arch.ffn_bias)
        act = self.add(arch.activation, arch.activation, (ffn1,), rows=arch.ffn, cols=1)
        return self.matvec("ffn2", act, arch.hidden, arch.ffn, arch.ffn_bias)


INPUT = -1  # the dep on whatever came before the template


def layer_graph(graph: Graph, arch: Architecture, layer: int) -> tuple[Node, ...]:
    """Nodes of one decoder layer, its input being dep -1 and its output the last node."""
    ln1 = graph.norm("ln1", INPUT, arch)
    proj = graph.attention(ln1, arch, arch.window(layer))
    middle = graph.residual("residual1", proj, INPUT, arch)
    ln2 = graph.norm("ln2", middle, arch)
    ffn2 = graph.feed_forward(ln2, arch)
    graph.residual("residual2", ffn2, middle, arch)
    return tuple(graph.nodes)


def embedding_graph(graph: Graph, arch: Architecture) -> tuple[Node, ...]:
    """Nodes that turn a token into the first layer's input."""
    tables = 2 if arch.position == "learned" else 1
    graph.add("embed", "embed", (INPUT,), rows=arch.hidden, cols=tables, stored=graph.weight_dtype)
    return tuple(graph.nodes)


def head_graph(graph: Graph, arch: Architecture) -> tuple[Node, ...]:
    """Nodes that turn the last layer's output into logits."""
    dep = graph.norm("ln_f", INPUT, arch) if arch.final_norm else INPUT
    graph.matvec("lm_head", dep, arch.vocab, arch.hidden)
    return tuple(graph.nodes)


def layer_runs(arch: Architecture) -> Iterator[tuple[int, int]]:
    """Yield (first layer, number of layers) for runs of equal consecutive layers."""
    for _, run in groupby(range(arch.layers), key=lambda i: (arch.window(i), arch.sparse(i))):
        members = list(run)
        yield members[0], len(members)
