"""The primitives that the ASIC's hardware offers, and nothing else: an operation is a program over them.

PIM-GPT's ASIC has adders and multipliers only. What a floating-point adder already contains (comparison, alignment,
arithmetic on the exponent or on the bit pattern) runs on the adders and is counted as one adder operation; choosing
bits of a word is wiring and free.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from enum import Enum
from typing import Generic, TypeVar

from pimsim.asic.spec import AsicSpec

V = TypeVar("V")


class Unit(Enum):
    """A kind of arithmetic unit."""

    ADDER = "adder"
    MULTIPLIER = "multiplier"


PRIMITIVES: Mapping[str, Unit] = {
    "add": Unit.ADDER,
    "subtract": Unit.ADDER,
    "maximum": Unit.ADDER,
    "minimum": Unit.ADDER,
    "round": Unit.ADDER,
    "scale_exponent": Unit.ADDER,
    "bit_subtract": Unit.ADDER,
    "drop": Unit.ADDER,
    "multiply": Unit.MULTIPLIER,
}


class Datapath(ABC, Generic[V]):
    """Runs primitives on values of type ``V``, whose last axis is the row that reductions run along.

    An operand that is a plain number is an immediate: part of the instruction, not a value in SRAM. A value with one
    column is broadcast over a row.
    """

    spec: AsicSpec

    @abstractmethod
    def apply(self, primitive: str, *operands: V | float) -> V:
        """Run ``primitive`` once for every element."""

    @abstractmethod
    def fold(self, primitive: str, x: V) -> V:
        """Combine the first and second ``columns // 2`` elements of each row pairwise; an odd last one is kept."""

    @abstractmethod
    def columns(self, x: V) -> int:
        """Elements in a row of ``x``."""

    def add(self, x: V, y: V | float) -> V:
        """x + y."""
        return self.apply("add", x, y)

    def subtract(self, x: V | float, y: V | float) -> V:
        """x - y."""
        return self.apply("subtract", x, y)

    def multiply(self, x: V, y: V | float) -> V:
        """x y."""
        return self.apply("multiply", x, y)

    def clamp(self, x: V, low: float, high: float) -> V:
        """x limited to [low, high]: two comparisons."""
        return self.apply("minimum", self.apply("maximum", x, low), high)

    def round(self, x: V) -> V:
        """The whole number nearest to x, ties to even."""
        return self.apply("round", x)

    def scale_exponent(self, x: V, n: V | int) -> V:
        """x 2^n for whole n, by adding to the exponent."""
        return self.apply("scale_exponent", x, n)

    def bit_subtract(self, constant: int, x: V, shift: int) -> V:
        """The float32 whose bit pattern is ``constant - (bits of x >> shift)``."""
        return self.apply("bit_subtract", constant, x, shift)

    def drop(self, x: V, y: V) -> V:
        """x with the first element of each row that equals y (one column) lowered to -1: a comparison each."""
        return self.apply("drop", x, y)

    def sum(self, x: V) -> V:
        """Sum of each row (one column) in an adder tree: columns - 1 additions, log2(columns) deep."""
        return self._tree("add", x)

    def max(self, x: V) -> V:
        """Largest element of each row (one column), in the same tree."""
        return self._tree("maximum", x)

    def min(self, x: V) -> V:
        """Smallest element of each row (one column), in the same tree."""
        return self._tree("minimum", x)

    def _tree(self, primitive: str, x: V) -> V:
        while self.columns(x) > 1:
            x = self.fold(primitive, x)
        return x
