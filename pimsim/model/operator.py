"""The operator: one row of the trace that a decoder is lowered to, and the registry of operator kinds.

An operator says what is computed on which shapes and how many bytes it needs, not where or when: that is the mapping's
business. A kind (``matvec``, ``score``, ``softmax`` ...) is registered by one file of :mod:`pimsim.model.operators`,
which gives its shape rules and its cost.

Shapes are given for one sequence; ``batch`` counts the sequences. For every kind, ``rows`` is the number of elements
it puts out per sequence and ``cols`` the length of the reduction behind each, so that a kind that multiplies matrices
has ``macs == batch * rows * cols``. ``macs`` is 0 for the others: their arithmetic depends on the unit that runs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

PHASES = ("prefill", "decode", "draft", "rejected")
"""What a token step counts as; only those that decode give a token (the others: :mod:`pimsim.model.decoding.speculate`)."""


@dataclass(frozen=True, slots=True)
class Operator:
    """One operator on one token step.

    ``bytes_read`` = stored operand (weights and bias once; K or V once per sequence and key-value head) + input
    activations; ``bytes_written`` = output activations, or the elements of a ``kv_append``. ``dtype`` is that of
    activations, ``stored_dtype`` that of weights, K and V. Inside a template (see :class:`pimsim.model.trace.Block`)
    ``id`` is the local index, ``step`` is 0, ``layer`` is 0 (-1: outside the layers) and ``deps`` are relative.
    """

    id: int
    name: str  # qkv, proj, ffn1, ffn2, lm_head ...: which one of its kind in the layer
    kind: str
    phase: str
    layer: int  # -1: not in a layer
    step: int  # token step
    rows: int  # elements put out per sequence
    cols: int  # reduction length behind each of them
    batch: int
    heads: int  # 0 where heads play no part
    kv_heads: int
    head_dim: int
    context: int  # tokens attended, the new one included (kv_append: tokens so far); 0 where it plays no part
    dtype: str
    stored_dtype: str
    bias: bool  # a bias vector of ``rows`` elements is added
    bytes_read: int
    bytes_written: int
    macs: int
    deps: tuple[int, ...]


class Shape(NamedTuple):
    """What the cost of an operator depends on; fields as in :class:`Operator`."""

    rows: int
    cols: int
    batch: int
    heads: int
    kv_heads: int
    head_dim: int
    context: int
    dtype: str
    stored_dtype: str
    bias: bool


class Cost(NamedTuple):
    """Bytes moved and multiply-accumulates done by one operator."""

    bytes_read: int
    bytes_written: int
    macs: int


class Fault(NamedTuple):
    """A shape that a kind cannot have: the field, what is wrong with it and what it should be."""

    field: str
    message: str
    allowed: str


@dataclass(frozen=True, slots=True)
class Kind:
    """A registered operator kind: its cost, its shape rules, and whether its shape follows the context."""

    name: str
    cost: Callable[[Shape], Cost]
    faults: Callable[[Shape], Iterable[Fault]]
    contextual: bool


KINDS: dict[str, Kind] = {}


def no_faults(shape: Shape) -> Iterable[Fault]:
    """Shape rule of a kind that takes any positive rows and cols."""
    return ()


def register(
    name: str,
    faults: Callable[[Shape], Iterable[Fault]] = no_faults,
    contextual: bool = False,
) -> Callable[[Callable[[Shape], Cost]], Callable[[Shape], Cost]]:
    """Decorate a cost function ``Shape -> Cost`` to make it the operator kind ``name``.

    Raises ValueError if the kind exists already.
    """

    def add(cost: Callable[[Shape], Cost]) -> Callable[[Shape], Cost]:
        if name in KINDS:
            raise ValueError(f"operator kind '{name}' is registered twice")
        KINDS[name] = Kind(name, cost, faults, contextual)
        return cost

    return add


def expect(field: str, value: int, want: int, why: str) -> Iterable[Fault]:
    """Yield a fault if ``field`` is not ``want``, which is what ``why`` says."""
    if value != want:
        yield Fault(field, f"{value} does not fit the other shapes", f"{why} = {want}")
