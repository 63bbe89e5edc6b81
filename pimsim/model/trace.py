"""Operator traces: what a decoder run asks of the hardware, token step by token step, folded where it repeats.

A :class:`Trace` is a sequence of :class:`Step` (one token each), a step a tuple of :class:`Block`, a block a template
of operators that repeats over consecutive layers. GPT-2 XL for 1,024 tokens has 640 thousand operators; as templates
it is 13 a step, built on demand.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from pimsim.model.operator import Operator

if TYPE_CHECKING:
    from pimsim.model.architecture import Architecture


@dataclass(frozen=True, slots=True)
class Block:
    """A template of operators and how often it repeats, on layers ``first_layer``, ``first_layer + 1`` ...

    In a template, dep i >= 0 is the operator i of the same repeat; dep -1 is the operator executed last before this
    repeat began (the previous repeat's, block's or step's output), -2 the one before that, and so on. At the very
    start of a trace, deps that reach back before it mean nothing.
    """

    operators: tuple[Operator, ...]
    repeat: int = 1
    first_layer: int = -1


@dataclass(frozen=True, slots=True)
class Step:
    """One token (of every sequence of the batch) through the decoder.

    ``context`` is the number of tokens so far, the new one included: the largest context of its operators.
    """

    index: int
    phase: str
    context: int
    blocks: tuple[Block, ...]

    def __len__(self) -> int:
        return sum(len(block.operators) * block.repeat for block in self.blocks)


@dataclass(frozen=True, slots=True)
class Totals:
    """Sums over a trace."""

    operators: int
    macs: int
    bytes_read: int
    bytes_written: int


@dataclass(frozen=True)
class Trace:
    """A run of a decoder: its steps in order, and what they were lowered from (None: read from a file).

    ``stored``: (rows, cols) of matrices of which operators use only a part, by name (``ffn2``, ``shared.ffn2``, ``experts.ffn2``).
    """

    name: str
    architecture: Architecture | None
    steps: Sequence[Step]
    batch: int
    stored: Mapping[str, tuple[int, int]] = field(default_factory=dict)

    @property
    def n_steps(self) -> int:
        """Token steps, prompt included."""
        return len(self.steps)

    @property
    def n_tokens(self) -> int:
        """Output tokens: decode steps x batch."""
        return sum(step.phase == "decode" for step in self.steps) * self.batch

    def operators(self) -> Iterator[Operator]:
        """Every operator of the run in order, with global ids, layers, steps and deps. Lazy."""
        base = 0
        for step in self.steps:
            for block in step.blocks:
                for repeat in range(block.repeat):
                    for op in block.operators:
                        yield replace(
                            op,
                            id=base + op.id,
                            layer=block.first_layer + repeat if op.layer >= 0 else -1,
                            step=step.index,
                            deps=tuple(base + dep for dep in op.deps if base + dep >= 0),
                        )
                    base += len(block.operators)

    @classmethod
    def from_operators(cls, operators: Iterable[Operator], name: str = "trace") -> Trace:
        """Fold expanded operators, in any order, back to steps and blocks (see :mod:`pimsim.model.fold`).

        Raises InputError for duplicate ids, dangling or circular deps, and steps with both phases.
        """
        from pimsim.model.fold import from_operators  # fold builds Traces, so it imports this module

        return from_operators(operators, name)

    def totals(self) -> Totals:
        """Operators, MACs and bytes of the whole run, from the templates (no expansion)."""
        operators = macs = read = written = 0
        for step in self.steps:
            for block in step.blocks:
                operators += block.repeat * len(block.operators)
                macs += block.repeat * sum(op.macs for op in block.operators)
                read += block.repeat * sum(op.bytes_read for op in block.operators)
                written += block.repeat * sum(op.bytes_written for op in block.operators)
        return Totals(operators, macs, read, written)
