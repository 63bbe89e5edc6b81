"""The points of a sweep: every combination of its axes that the conditions let through, in an order that only the file decides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

from pimsim.config.condition import Condition
from pimsim.config.sweep import SweepConfig
from pimsim.errors import InputError, Problem

MOST_CANDIDATES = 1_000_000
"""Combinations that are looked at one by one; a larger space can only be searched."""

Values = dict[str, Any]


@dataclass(frozen=True)
class Dimension:
    """Axes that go along with one another: one axis, or a zipped group. ``choices``: a value of each, for every position."""

    names: tuple[str, ...]
    choices: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Excluded:
    """A combination that is left out."""

    values: Values
    reason: str


class Space:
    """All combinations of a sweep's values."""

    def __init__(self, sweep: SweepConfig):
        self.sweep = sweep
        grouped = {name: group for group in sweep.zip for name in group}
        single = {name: values for name, values in sweep.all_axes.items() if name not in grouped}
        self.dimensions = [Dimension((name,), tuple((value,) for value in values)) for name, values in single.items()]
        self.dimensions += [Dimension(tuple(group), tuple(zip(*group.values(), strict=True))) for group in sweep.zip if group]
        self.names = tuple(name for dimension in self.dimensions for name in dimension.names)
        self._when = [Condition(text) for text in sweep.when]
        self._exclude = [(Condition(rule.where), rule.reason) for rule in sweep.exclude]

    @property
    def size(self) -> int:
        """How many combinations there are, those that conditions leave out included."""
        return prod(len(dimension.choices) for dimension in self.dimensions)

    def at(self, positions: tuple[int, ...]) -> Values:
        """The combination of the given position in each dimension."""
        return {name: value for dimension, position in zip(self.dimensions, positions, strict=True)
                for name, value in zip(dimension.names, dimension.choices[position], strict=True)}  # fmt: skip

    def combinations(self) -> Iterator[Values]:
        """Every combination, the last dimension changing fastest."""
        lengths = [len(dimension.choices) for dimension in self.dimensions]
        for number in range(self.size):
            positions = []
            for length in reversed(lengths):
                number, position = divmod(number, length)
                positions.append(position)
            yield self.at(tuple(reversed(positions)))

    def why_not(self, values: Values) -> str | None:
        """Why a combination is left out; None if it is not.

        Raises:
            InputError: a condition compares what cannot be compared.
        """
        for condition in self._when:
            if not condition.holds(values):
                return f"not {condition.text}"
        for condition, reason in self._exclude:
            if condition.holds(values):
                return reason
        return None

    def divided(self) -> tuple[list[Values], list[Excluded]]:
        """The combinations to run, and those that are left out.

        Raises:
            InputError: there are too many to look at, or none is left to run, or a condition compares what cannot be compared.
        """
        file = self.sweep._document.place(()).file if self.sweep._document else ""
        if self.size > MOST_CANDIDATES:
            raise InputError(Problem(f"{self.size:,} combinations", f"at most {MOST_CANDIDATES:,}, or --search N", file=file))
        points: list[Values] = []
        excluded: list[Excluded] = []
        for values in self.combinations():
            try:
                reason = self.why_not(values)
            except InputError as error:
                raise InputError([Problem(p.message, p.allowed, file=file) for p in error.problems]) from None
            if reason is None:
                points.append(values)
            else:
                excluded.append(Excluded(values, reason))
        if not points:
            raise InputError(Problem(f"none of the {self.size:,} combinations is left to run",
                                     f"conditions that some fulfil; the first fails: {excluded[0].reason}", file=file))
        return points, excluded
