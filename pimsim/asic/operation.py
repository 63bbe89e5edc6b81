"""The registry of ASIC operations: one decorated function is one operation.

The function's positional parameters after the datapath are the vectors that come in, its keyword-only parameters are
immediates (numbers in the instruction), what it returns goes out. Nothing else has to be written to add one: numbers,
cycles, counts and SRAM follow from running the function on the two datapaths.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pimsim.asic.spec import AsicSpec
from pimsim.errors import InputError, Problem


@dataclass(frozen=True)
class Operation:
    """A registered operation: its program and what its vectors look like."""

    kind: str
    program: Callable[..., Any]
    inputs: tuple[str, ...]
    shared: frozenset[str]  # inputs that are the same for every row
    by_row: bool  # False: element by element, every element is a row of its own
    sincos_table: bool  # some inputs come from the sine and cosine table
    counted: str = ""  # keyword of the program that says how often it repeats something: part of the kind ("topk:2")

    def times(self, count: int) -> Operation:
        """This operation with its count fixed, as the kind ``kind:count``."""
        return replace(self, kind=f"{self.kind}:{count}", program=partial(self.program, **{self.counted: count}), counted="")

    def check(self, spec: AsicSpec) -> None:
        """Raise :class:`InputError` if an ASIC like ``spec`` cannot run this operation."""
        if self.sincos_table and not spec.sincos_table:
            message = f"the ASIC cannot run '{self.kind}': its adders and multipliers make no sine or cosine"
            raise InputError(Problem(message, "set it to true for an ASIC with a table", key="asic.sincos_table"))


OPERATIONS: dict[str, Operation] = {}


def operation(
    kind: str, *, by_row: bool = False, shared: tuple[str, ...] = (), sincos_table: bool = False, counted: str = ""
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate ``program(datapath, *inputs, **immediates)`` to make it the operation ``kind``.

    Raises ValueError if the kind exists already or if ``shared`` names no input.
    """

    def add(program: Callable[..., Any]) -> Callable[..., Any]:
        parameters = list(inspect.signature(program).parameters.values())[1:]
        inputs = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD)
        if kind in OPERATIONS:
            raise ValueError(f"ASIC operation '{kind}' is registered twice")
        if not set(shared) <= set(inputs):
            raise ValueError(f"ASIC operation '{kind}' has the inputs {inputs}, not all of {shared}")
        OPERATIONS[kind] = Operation(kind, program, inputs, frozenset(shared), by_row, sincos_table, counted)
        return program

    return add
