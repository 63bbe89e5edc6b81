"""Real numbers through a block of operators: which operand of an operator comes from where.

Vectors are laid out as the matrices put them out: QKV gives q of all heads, then k, then v of all key-value heads; a gated FFN's
first matrix gives gate, then up; a rotary embedding gives rotated q, then k, and turns dimension i with i + rotary_dim / 2 as
GPT-NeoX and Llama do. Query head h uses key-value head h // (heads / kv_heads).

Multi-head latent attention (DeepSeek-V2, arXiv 2405.04434): a query head's vector is its part without position, then the rotary part; what
``kv_a`` puts out is the latent, then the rotary part of the key. The key is the normed latent and the turned part behind it, the value
the normed latent; the query that meets the key is the absorbed part and the turned one.

Mixture of experts: which experts a step has is for the trace to say. The largest weight of the router goes to the first of them, the next
to the second, and so on; a shared expert has the weight 1.

What comes from outside the block, weights, and K and V of earlier tokens are random bf16 numbers that depend on a seed and on what
they are for, and on nothing else.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from pimsim.asic.arithmetic import to_bf16
from pimsim.errors import InputError, Problem
from pimsim.mapping.cache import is_latent, value_dim
from pimsim.mapping.functional.memory import Array, FunctionalError
from pimsim.mapping.functional.narrow import narrowed
from pimsim.model.graph import INPUT
from pimsim.model.operator import Operator
from pimsim.model.operators.norm import NORMS
from pimsim.model.trace import Block

GATED = frozenset({"swiglu", "geglu"})
ROPE_THETA = 10000.0
"""Base of the rotary frequencies (arXiv 2104.09864); which base it is makes no difference to a memory."""


@dataclass
class Numbers:
    """Random bf16 numbers by name. Matrices are kept, since both the memory and the reference want them."""

    seed: int = 0
    _matrices: dict[tuple[int, str], Array] = field(default_factory=dict)

    def normal(self, shape: tuple[int, ...], *name: object, mean: float = 0.0, deviation: float = 1.0) -> Array:
        """Normally distributed, rounded to bf16. Shape as asked for."""
        random = np.random.default_rng((self.seed, zlib.crc32(repr(name).encode())))
        return to_bf16(mean + deviation * random.standard_normal(shape, dtype=np.float32))

    def matrix(self, layer: int, op: Operator) -> Array:
        """An operator's weights [rows, cols], of a size that keeps results of order 1."""
        if (layer, op.name) not in self._matrices:
            made = self.normal((op.rows, op.cols), "weights", layer, op.name, deviation=op.cols**-0.5)
            self._matrices[layer, op.name] = narrowed(made, op.stored_dtype)
        return self._matrices[layer, op.name]

    def bias(self, layer: int, op: Operator) -> Array:
        """An operator's bias vector, or that of a norm; zeros where it has none."""
        width = op.cols if op.kind in NORMS else op.rows
        return self.normal((width,), "bias", layer, op.name, deviation=0.2 if op.bias else 0.0)

    def gain(self, layer: int, op: Operator) -> Array:
        """A norm's gain vector."""
        return self.normal((op.cols,), "gain", layer, op.name, mean=1.0, deviation=0.2)

    def forget(self) -> None:
        """Drop the matrices that are kept."""
        self._matrices.clear()


@dataclass
class Flow:
    """The numbers of one block at one step. ``values`` holds what the operators done so far put out, by index."""

    block: Block
    context: int
    layer: int
    numbers: Numbers
    values: dict[int, Array] = field(default_factory=dict)

    def operands(self, index: int) -> tuple[Array, ...]:
        """What an operator takes, beside the matrix or the cache in the memory; shapes as the ASIC's operation has them.

        matvec (x,), head_matvec (x,) [heads, cols], kv_append (k, v) [kv_heads, elements], score (q,) [heads, head_dim], attend (p,)
        [heads, context], embed ().

        Raises:
            FunctionalError: an operator before it has not been computed yet.
            InputError: what it depends on has not got the size that its shape needs.
        """
        op = self.block.operators[index]
        if op.kind == "embed":
            return ()
        if op.kind in ("softmax", "attend"):
            return (self._scores(op),)
        if op.kind in ("kv_append", "score"):
            found = self._latent(op) if is_latent(self._append(op)) else self._heads(op)
            return tuple(narrowed(x, op.stored_dtype) for x in found) if op.kind == "kv_append" else found
        if op.kind == "head_matvec":
            return (self._by_head(op, op.deps[0])[:, : op.cols],)
        if op.kind == "combine":
            return self._weighted(op)
        if op.kind == "rotary":
            return self._pairs(op)
        if op.kind in NORMS:
            first = op.heads * op.head_dim if op.heads and op.name.startswith("k") else 0
            x = self._take(op, op.deps[0], first, first + op.rows).reshape(-1, op.cols)
            gain, bias = self.numbers.gain(self.layer, op), self.numbers.bias(self.layer, op)
            return (x, gain, bias) if op.kind == "layernorm" else (x, gain)
        if op.kind in GATED and len(op.deps) > 1:  # gate and up apart; of the gate, the first of the active neurons
            return tuple(self._take(op, dep, 0, op.rows) for dep in op.deps)
        if op.kind in GATED:
            return tuple(self._take(op, op.deps[0], 0, 2 * op.rows).reshape(2, op.rows))
        if op.kind == "evict":
            kept = np.abs(self.numbers.normal((op.heads, op.context), "scores", self.layer, self.context))
            return kept, self._scores(op)
        if op.kind == "topk":
            return (self._take(op, op.deps[0], 0, op.cols),)
        if op.kind == "matvec":  # an expert also waits for the router
            source = next((dep for dep in op.deps if dep < 0 or self.block.operators[dep].kind != "topk"), op.deps[0])
            return (self._take(op, source, 0, op.cols),)
        vectors = [self._take(op, dep, 0, op.rows) for dep in op.deps[: op.cols]]
        return tuple(vectors + vectors[:1] * (op.cols - len(vectors)))

    def put_out(self, index: int, result: Array | tuple[Array, ...]) -> Array:
        """An operator's output vector, made of its result as the ASIC's operation gives it, and kept."""
        op = self.block.operators[index]
        if op.kind == "rotary":
            whole = self._rotary_input(op).copy()
            half = op.head_dim // 2
            whole[:, :half], whole[:, half : op.head_dim] = result
            result = whole
        if op.kind == "evict" and isinstance(result, tuple):
            result = np.concatenate(result, axis=1)  # a head's scores, and the lowest of them
        if isinstance(result, tuple):
            result = np.concatenate(result, axis=None)
        self.values[index] = result if op.kind in ("score", "softmax") else result.reshape(-1)
        return self.values[index]

    def invent(self, index: int) -> Array:
        """Random numbers in place of an operator's output."""
        op = self.block.operators[index]
        width = 0 if op.kind == "kv_append" else op.rows
        if op.kind == "rotary":
            width = self._rotary_input(op).size
        values = self.numbers.normal((width,), "invented", self.layer, self.context, op.name)
        self.values[index] = values.reshape(op.heads, -1) if op.kind in ("score", "softmax") else values
        return self.values[index]

    # ------------------------------------------------------------------ pieces of vectors

    def _take(self, op: Operator, dep: int, begin: int, end: int) -> Array:
        """Elements ``begin`` to ``end`` of what ``dep`` put out, or of the block's input."""
        if dep < 0:
            return self.numbers.normal((end,), "input", self.layer, self.context, dep, end)[begin:end]
        vector = self._value(dep)
        if vector.size < end:
            source = self.block.operators[dep].name
            raise InputError(Problem(f"operator '{op.name}' needs {end} elements of '{source}', which has {vector.size}"))
        return vector.reshape(-1)[begin:end]

    def _value(self, dep: int) -> Array:
        if dep not in self.values:
            raise FunctionalError(f"operator '{self.block.operators[dep].name}' has not been computed yet")
        return self.values[dep]

    def _scores(self, op: Operator) -> Array:
        dep = op.deps[0]
        width = op.heads * op.context
        scores = self._value(dep) if dep >= 0 else self._take(op, dep, 0, width)
        if scores.size != width:
            raise InputError(Problem(f"operator '{op.name}' needs {op.heads} x {op.context} scores"))
        return scores.reshape(op.heads, op.context)

    def _heads(self, op: Operator) -> tuple[Array, ...]:
        """q of a score, or k and v of an append."""
        query, keys = op.heads * op.head_dim, op.kv_heads * op.head_dim
        sources = self._sources(op)
        if op.kind == "score":
            return (self._take(op, sources["q"], 0, query).reshape(op.heads, -1),)
        first = 0 if self._is_key_norm(sources["k"]) else query
        k = self._take(op, sources["k"], first, first + keys)
        v = self._take(op, sources["v"], query + keys, query + 2 * keys)
        return k.reshape(op.kv_heads, -1), v.reshape(op.kv_heads, -1)

    def _append(self, op: Operator) -> Operator:
        """The append that a score reads from; an append itself; a score without one."""
        appends = (self.block.operators[dep] for dep in op.deps if dep >= 0)
        return op if op.kind == "kv_append" else next((a for a in appends if a.kind == "kv_append"), op)

    def _by_head(self, op: Operator, dep: int) -> Array:
        """What ``dep`` put out, or the block's input, as [heads, elements]; ``op.cols`` of them where nothing else is known."""
        width = self.block.operators[dep].rows // op.heads if dep >= 0 else op.cols
        return self._take(op, dep, 0, op.heads * width).reshape(op.heads, width)

    def _latent(self, op: Operator) -> tuple[Array, ...]:
        """Key and value of a latent cache's append, or the queries that meet it."""
        append = self.block.operators.index(self._append(op))
        rank = value_dim(self.block, append)
        turned_width = op.head_dim - rank
        kinds = {self.block.operators[dep].kind: dep for dep in op.deps if dep >= 0}
        rotary = kinds.get("rotary", INPUT)
        before = 0 if rotary == INPUT else self.block.operators[append].heads * turned_width  # q's turned parts
        if op.kind == "kv_append":
            normed = next((dep for kind, dep in kinds.items() if kind in NORMS), INPUT)
            latent = self._take(op, normed, 0, rank)
            key = np.concatenate([latent, self._take(op, rotary, before, before + turned_width)])
            return key[None], latent[None]
        absorbed = self._take(op, kinds.get("head_matvec", INPUT), 0, op.heads * rank).reshape(op.heads, rank)
        turned = self._take(op, rotary, 0, op.heads * turned_width).reshape(op.heads, turned_width)
        return (np.concatenate([absorbed, turned], axis=1),)

    def _weighted(self, op: Operator) -> tuple[Array, ...]:
        """What the experts put out, [elements, experts], and their weights."""
        names = [self.block.operators[dep].name for dep in op.deps[1:]]
        outputs = np.stack([self._take(op, dep, 0, op.rows) for dep in op.deps[1:]], axis=1)
        shared = sum(name.startswith("shared.") for name in names)
        weights = self._take(op, op.deps[0], 0, len(names) - shared)
        return outputs, np.concatenate([np.ones(shared, np.float32), weights])

    def _sources(self, op: Operator) -> Mapping[str, int]:
        """Which dep q, k and v come from: QKV gives all, a norm one, a rotary embedding q and k."""
        found: dict[str, int] = {}
        for dep in op.deps:
            source = self.block.operators[dep] if dep >= 0 else None
            if source is not None and source.kind == "kv_append":
                continue
            if source is not None and source.kind in NORMS:
                found.setdefault("k" if self._is_key_norm(dep) else "q", dep)
            elif source is not None and source.kind == "rotary":
                found |= {"q": dep, "k": dep}
            else:
                found = {"q": dep, "k": dep, "v": dep} | found
        wanted = "q" if op.kind in ("score", "rotary") else "kv"
        if not set(wanted) <= found.keys():
            raise InputError(Problem(f"operator '{op.name}' ({op.kind}) depends on nothing that gives {' and '.join(wanted)}"))
        return found

    def _is_key_norm(self, dep: int) -> bool:
        return dep >= 0 and self.block.operators[dep].kind in NORMS and self.block.operators[dep].name.startswith("k")

    def _rotary_input(self, op: Operator) -> Array:
        """q and k of all heads before they are turned: [heads + kv_heads, head size]."""
        if len(op.deps) > 1 and all(dep >= 0 and self.block.operators[dep].kind == "matvec" for dep in op.deps):
            query, latent = op.deps  # of latent attention: the last elements of each head, and of the latent
            q, width = self._by_head(op, query), self.block.operators[latent].rows
            return np.concatenate([q[:, -op.head_dim :], self._take(op, latent, width - op.head_dim, width)[None]])
        sources = self._sources(op)
        size = self._head_size(op, sources["q"])
        query, keys = op.heads * size, op.kv_heads * size
        first = 0 if self._is_key_norm(sources["k"]) else query
        q, k = self._take(op, sources["q"], 0, query), self._take(op, sources["k"], first, first + keys)
        return np.concatenate([q, k]).reshape(-1, size)

    def _head_size(self, op: Operator, source: int) -> int:
        """Elements of a head, of which a rotary embedding may turn only some."""
        before = self.block.operators[source] if source >= 0 else op
        if before.kind in NORMS:
            return before.cols
        return before.rows // (op.heads + 2 * op.kv_heads) if before.kind == "matvec" else op.head_dim

    def _pairs(self, op: Operator) -> tuple[Array, ...]:
        heads, half = self._rotary_input(op), op.head_dim // 2
        angles = (self.context - 1) * ROPE_THETA ** (-np.arange(half) / half)
        return heads[:, :half], heads[:, half : op.head_dim], to_bf16(np.cos(angles)), to_bf16(np.sin(angles))
