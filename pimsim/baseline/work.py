"""From an operator trace to kernels: what a GPU or CPU is given to do, pass by pass.

A pass is one walk through the decoder. Each decode step is one; the tokens of a prompt go through together, as on any such machine,
and their pass ends with the first output token. Where a small model drafts tokens (:mod:`pimsim.model.decoding.speculate`), each
draft is a pass, and the large model computes those of a round together. A kernel's work is bytes from memory, floating-point
operations, and what cannot be spread over the device. Everything that differs from step to step is in arrays, so that a run
is a few numpy operations.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from pimsim.config.baseline import CLASSES
from pimsim.model.dtype import size_bytes
from pimsim.model.operator import Operator
from pimsim.model.trace import Step, Trace

KINDS = (*CLASSES, "activation", "softmax")
"""Kinds of kernels that the host tells apart; the last two are elementwise for the device."""
CLASS_OF = np.array([*range(len(CLASSES)), CLASSES.index("elementwise"), CLASSES.index("elementwise")])
_KIND_OF = {"layernorm": "norm", "rmsnorm": "norm", "kv_append": "append", "softmax": "softmax", "gelu": "activation",
            "relu": "activation", "silu": "activation", "swiglu": "activation", "geglu": "activation"}  # fmt: skip
ATTENTION = ("score", "softmax", "attend")
OWN_CACHE = ("attention", "score", "attend")
"""Categories whose stored operand is a sequence's own."""


class Kernel(NamedTuple):
    """One kernel (or, separate, one operator): see :class:`Table` for the fields."""

    category: str
    kind: int
    stored_bytes: int
    moved_bytes: int
    macs: int
    tasks: int
    chain: int
    operators: int
    kept_bytes: int


@dataclass(frozen=True)
class Table:
    """Kernels, a row each.

    Attributes:
        kind: index into :data:`KINDS`. stored_bytes: weights, K and V, read or appended. moved_bytes: activations read and written.
        macs: multiply-accumulates. tasks: sequences x heads dealt out to the units. chain: elements worked off one after the other.
        operators: of the trace. kept_bytes: of the trace's bytes, those that are
            not moved: scores that stay on the chip, weights that several tokens of a prompt share.
        category: index into ``categories``. step: pass. repeat: equal kernels.
    """

    categories: tuple[str, ...]
    category: np.ndarray
    kind: np.ndarray
    stored_bytes: np.ndarray
    moved_bytes: np.ndarray
    macs: np.ndarray
    tasks: np.ndarray
    chain: np.ndarray
    operators: np.ndarray
    kept_bytes: np.ndarray
    step: np.ndarray
    repeat: np.ndarray

    @property
    def bytes(self) -> np.ndarray:
        """Bytes to and from memory."""
        return self.stored_bytes + self.moved_bytes


class Pass(NamedTuple):
    """One walk through the decoder: the step whose token it puts out, its largest context, and tokens of a sequence or of all."""

    phase: str
    context: int
    tokens: int


@dataclass(frozen=True)
class Work:
    """A whole run."""

    table: Table
    passes: tuple[Pass, ...]


def category(op: Operator) -> str:
    """What an operator is reported as: the name of a product, the kind of anything else."""
    if op.kind not in ("matvec", "head_matvec"):
        return op.kind
    return op.name.rpartition(".")[2]


def stored_bytes(op: Operator) -> int:
    """Bytes of weights, K or V that an operator reads, or writes if it appends; the rest of its traffic is activations."""
    if op.kind == "kv_append":
        return op.bytes_written
    inputs = {
        "matvec": op.batch * op.cols,
        "head_matvec": op.batch * op.heads * op.cols,
        "score": op.batch * op.heads * op.head_dim,
        "attend": op.batch * op.heads * op.context,
        "layernorm": op.batch * op.rows,
        "rmsnorm": op.batch * op.rows,
    }  # fmt: skip
    return op.bytes_read - size_bytes(inputs[op.kind], op.dtype) if op.kind in inputs else 0


def kernel(op: Operator) -> Kernel:
    """The kernel of an operator by itself."""
    stored = stored_bytes(op)
    kind = "matmul" if op.macs else _KIND_OF.get(op.kind, "elementwise")
    chain = op.cols if kind == "norm" else 0
    return Kernel(category(op), KINDS.index(kind), stored, op.bytes_read + op.bytes_written - stored, op.macs, 0, chain, 1, 0)


def latent(score: Operator, attend: Operator) -> bool:
    """Whether the values are a part of the keys (latent attention: K is the latent and a rotary key, V the latent)."""
    return attend.head_dim < score.head_dim


def fused(score: Operator, softmax: Operator, attend: Operator) -> Kernel:
    """The one kernel of scores, softmax and weighted sum: scores and probabilities stay on the chip, and so do values that are
    a part of the keys."""
    stored = stored_bytes(score) + stored_bytes(attend)
    probabilities = size_bytes(attend.batch * attend.heads * attend.context, attend.dtype)
    kept = score.bytes_written + softmax.bytes_read + softmax.bytes_written + probabilities
    total = sum(op.bytes_read + op.bytes_written for op in (score, softmax, attend))
    if latent(score, attend):
        stored, kept = stored - stored_bytes(attend), kept + stored_bytes(attend)
    return Kernel("attention", KINDS.index("attention"), stored, total - stored - kept, score.macs + attend.macs,
                  score.batch * score.kv_heads, score.context, 3, kept)  # fmt: skip


def kernels(operators: Sequence[Operator], fuse: bool) -> Iterator[tuple[str, Kernel]]:
    """The kernels of a block's operators in order, each with the name of its (first) operator."""
    index = 0
    while index < len(operators):
        three = operators[index : index + 3]
        if fuse and tuple(op.kind for op in three) == ATTENTION:
            yield three[0].name, fused(*three)
            index += 3
        else:
            yield operators[index].name, kernel(operators[index])
            index += 1


class Builder:
    """Collects the kernels of passes; equal ones are kept once."""

    def __init__(self) -> None:
        self.passes: list[Pass] = []
        self._rows: dict[Kernel, int] = {}
        self._index: list[int] = []
        self._step: list[int] = []
        self._repeat: list[int] = []

    def add(self, done: Pass, rows: Iterable[tuple[Kernel, int]]) -> None:
        """A pass: its kernels, and how often each repeats."""
        for one, repeat in rows:
            self._index.append(self._rows.setdefault(one, len(self._rows)))
            self._step.append(len(self.passes))
            self._repeat.append(repeat)
        self.passes.append(done)

    def table(self) -> Table:
        """The table of all kernels."""
        return table(list(self._rows), self._index, self._step, self._repeat)


def table(rows: Sequence[Kernel], index: Sequence[int], step: Sequence[int], repeat: Sequence[int]) -> Table:
    """The table whose rows are ``rows[index]``, each in a pass and with a number of repeats."""
    names = tuple(dict.fromkeys(row.category for row in rows))
    order = {name: i for i, name in enumerate(names)}
    unique = np.array([(order[row.category], *row[1:]) for row in rows], dtype=np.int64).reshape(-1, len(Kernel._fields))
    columns = dict(zip(Kernel._fields, unique[np.array(index, dtype=np.int64)].T, strict=True))
    return Table(categories=names, step=np.array(step, dtype=np.int64), repeat=np.array(repeat, dtype=np.int64), **columns)


def work(trace: Trace, *, fuse: bool, group: bool = False, kv_cache: bool = True) -> Work:
    """The kernels of a run of ``trace``.

    Args:
        fuse: attention in one kernel. group: see :func:`grouped`.
        kv_cache: False: no step keeps anything, so that each does the work of all tokens so far.
    """
    builder = Builder()
    for steps in _passes(trace.steps, kv_cache):
        last = steps[-1]
        rows = grouped(batched([[made(step, fuse) for step in steps]]) if len(steps) > 1 else _single(last, fuse), group)
        tokens = len(steps)
        if not kv_cache:
            tokens = last.context
            rows = [(_times(one, tokens), repeat) for one, repeat in rows]
        builder.add(Pass(last.phase, last.context, tokens), rows)
    return Work(builder.table(), tuple(builder.passes))


def _passes(steps: Sequence[Step], kv_cache: bool) -> Iterator[list[Step]]:
    """The steps of each pass: a prompt's and the one that puts out its first token together.

    Without a cache a pass does the work of all tokens anyway, so that the prompt needs none of its own.
    """
    together: list[Step] = []
    drafted = any(step.phase == "draft" for step in steps)
    for step in steps:
        if drafted and together and _apart(together[-1], step):
            yield together if kv_cache else together[-1:]
            together = []
        together.append(step)
        if step.phase == "decode" and not drafted:
            yield together if kv_cache else together[-1:]
            together = []
    if together:
        yield together if kv_cache else together[-1:]


def _apart(before: Step, step: Step) -> bool:
    """Whether a step of speculative decoding begins a pass: a draft, another round, another model's prompt."""
    return ("draft" in (before.phase, step.phase) or step.context != before.context + 1
            or (before.phase, step.phase) in (("rejected", "decode"), ("prefill", "decode")))


NamedRow = tuple[int, str, Kernel, int]
"""Where in the decoder (a block), the name of the operator, its kernel, and how often it repeats."""


def _single(step: Step, fuse: bool) -> Iterable[NamedRow]:
    return [(at, name, one, block.repeat) for at, block in enumerate(step.blocks) for name, one in kernels(block.operators, fuse)]


def grouped(rows: Iterable[NamedRow], group: bool) -> list[tuple[Kernel, int]]:
    """The kernels without their names; with ``group`` those of a layer's experts that do the same are one (a grouped matrix product)."""
    found: dict[tuple[int, str], tuple[Kernel, int]] = {}
    for number, (at, name, one, repeat) in enumerate(rows):
        key = (at, name.rpartition(".")[2]) if group and name.startswith("experts.") else (-2, str(number))
        before = found.get(key)
        found[key] = (one if before is None else _apiece(before[0], one), repeat)
    return list(found.values())


@dataclass(frozen=True)
class Made:
    """The kernels of one step, a list a block: (first layer, layers, named kernels)."""

    blocks: tuple[tuple[int, int, tuple[tuple[tuple[str, int], Kernel], ...]], ...]


def made(step: Step, fuse: bool) -> Made:
    """The kernels of a step, each with a name that is its own in its block."""
    blocks = []
    for block in step.blocks:
        seen: dict[str, int] = {}
        named = []
        for name, one in kernels(block.operators, fuse):
            seen[name] = seen.get(name, 0) + 1
            named.append(((name, seen[name]), one))
        blocks.append((block.first_layer, block.repeat, tuple(named)))
    return Made(tuple(blocks))


def batched(sequences: Sequence[Sequence[Made]]) -> Iterable[NamedRow]:
    """One pass over tokens of several sequences: activations and arithmetic of all, weights once, K and V once for each sequence, as the
    token that reads most of them does."""
    edges = sorted({edge for steps in sequences for step in steps for first, repeat, _ in step.blocks for edge in (first, first + repeat)})
    found: dict[tuple[int, tuple[str, int]], tuple[Kernel, int]] = {}
    for steps in sequences:
        own: dict[tuple[int, tuple[str, int]], tuple[Kernel, int]] = {}
        for step in steps:
            for first, repeat, named in step.blocks:
                for begin, end in _pieces(first, first + repeat, edges):
                    for name, one in named:
                        known = own.get((begin, name))
                        own[begin, name] = (one if known is None else _sum(known[0], one), end - begin)
        for key, (one, repeat) in own.items():
            before = found.get(key)
            found[key] = (one if before is None else _side_by_side(before[0], one), repeat)
    return [(begin, name, one, repeat) for (begin, (name, _)), (one, repeat) in found.items()]


def _pieces(begin: int, end: int, edges: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Layers from ``begin`` to ``end``, cut at ``edges``."""
    inside = [edge for edge in edges if begin <= edge <= end]
    return zip(inside, inside[1:], strict=False)


def _sum(a: Kernel, b: Kernel) -> Kernel:
    """Two tokens' work in one kernel. What is appended adds up, what is read is read once."""
    shared = 0 if KINDS[a.kind] == "append" else min(a.stored_bytes, b.stored_bytes)
    return Kernel(a.category, a.kind, a.stored_bytes + b.stored_bytes - shared, a.moved_bytes + b.moved_bytes, a.macs + b.macs,
                  max(a.tasks, b.tasks), max(a.chain, b.chain), a.operators + b.operators,
                  a.kept_bytes + b.kept_bytes + shared)  # fmt: skip


def _side_by_side(a: Kernel, b: Kernel) -> Kernel:
    """Two sequences' work in one kernel. Each reads its own K and V."""
    return _apiece(a, b) if a.category in OWN_CACHE else _sum(a, b)


def _apiece(a: Kernel, b: Kernel) -> Kernel:
    """Two kernels' work in one, each with its own operands."""
    return Kernel(a.category, a.kind, a.stored_bytes + b.stored_bytes, a.moved_bytes + b.moved_bytes, a.macs + b.macs,
                  a.tasks + b.tasks, max(a.chain, b.chain), a.operators + b.operators, a.kept_bytes + b.kept_bytes)  # fmt: skip


def _times(one: Kernel, tokens: int) -> Kernel:
    """A kernel for so many tokens of each sequence, weights, K and V read once."""
    return one._replace(moved_bytes=one.moved_bytes * tokens, macs=one.macs * tokens, kept_bytes=one.kept_bytes * tokens)
