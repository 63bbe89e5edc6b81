"""Errors meant for people.

A :class:`Problem` says where something is wrong (file, line, column, key), what is wrong and what would be allowed.
Everything that reads input collects problems and raises one :class:`InputError` with all of them; the CLI prints them
and exits with 2. :class:`SimulationError` is for a run that broke one of its own laws; the CLI exits with 1.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with an input, and where."""

    message: str
    allowed: str = ""
    file: str = ""
    line: int = 0
    column: int = 0
    key: str = ""

    def __str__(self) -> str:
        where = self.file
        if self.line:
            where += f":{self.line}" + (f":{self.column}" if self.column else "")
        parts = [p for p in (where, self.key, self.message) if p]
        return ": ".join(parts) + (f"; {self.allowed}" if self.allowed else "")


class PimsimError(Exception):
    """Base of every error that pimsim raises on purpose."""


class InputError(PimsimError):
    """The input is wrong. Carries every :class:`Problem` found, not just the first."""

    def __init__(self, problems: Problem | Iterable[Problem]):
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__(self.problems)  # SimPy and pickle make errors anew from their arguments

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class SimulationError(PimsimError):
    """A run broke a law it must keep (conservation, legality, a bound)."""


def nearest(name: str, known: Sequence[str]) -> str:
    """Return ``did you mean 'x'?`` or the list of what is known, for an unknown ``name``."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return f"did you mean '{close[0]}'?"
    return "known: " + ", ".join(sorted(known)) if known else ""


def problems_of(action: Callable[[], object]) -> list[Problem]:
    """What is wrong, according to ``action``: the problems of the InputError that it raises, or none."""
    try:
        action()
    except InputError as error:
        return list(error.problems)
    return []
