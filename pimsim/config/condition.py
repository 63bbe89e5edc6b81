"""Conditions over the values of a sweep's axes: ``memory.channels >= 8 and workload != 'gpt2-xl'``.

A condition is parsed into Python's syntax tree and only what is listed here is evaluated: names, numbers, texts, lists, ``and or not``,
comparisons, ``in`` and ``+ - * / // %``. Nothing is ever called or looked up, so a condition from anywhere is safe to evaluate.
A quantity is written as a text and compared by what it amounts to: ``memory.pin_rate > '8 Gb/s'``.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, total_ordering
from typing import Any

from pimsim import units
from pimsim.errors import InputError, Problem

ALLOWED = "names of axes, numbers, 'texts', lists, and or not, == != < <= > >=, in, + - * / // %"
MOST_CHARACTERS = 2000

_COMPARE: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq, ast.NotEq: operator.ne, ast.Lt: operator.lt, ast.LtE: operator.le, ast.Gt: operator.gt, ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b, ast.NotIn: lambda a, b: a not in b,
}  # fmt: skip
_ARITHMETIC: dict[type[ast.operator], Callable[[Any, Any], Any]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}  # fmt: skip


@dataclass(frozen=True)
class Condition:
    """A parsed condition; equal texts are equal conditions."""

    text: str

    @cached_property
    def _body(self) -> ast.expr:
        if len(self.text) > MOST_CHARACTERS:
            raise InputError(Problem(f"a condition of {len(self.text)} characters", f"at most {MOST_CHARACTERS}"))
        try:
            body = ast.parse(self.text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise InputError(Problem(f"'{self.text}' is not a condition", ALLOWED)) from None
        self._check(body)
        return body

    def _check(self, node: ast.expr) -> None:
        if _name(node) is not None:
            return
        match node:
            case ast.Constant(value=bool() | int() | float() | str()):
                parts: list[ast.expr] = []
            case ast.BoolOp(values=values) | ast.List(elts=values) | ast.Tuple(elts=values):
                parts = values
            case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
                parts = [operand]
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _ARITHMETIC:
                parts = [left, right]
            case ast.Compare(left=left, ops=ops, comparators=rest) if all(type(op) in _COMPARE for op in ops):
                parts = [left, *rest]
            case _:
                raise InputError(Problem(f"'{ast.unparse(node)}' cannot stand in a condition", ALLOWED))
        for part in parts:
            self._check(part)

    @property
    def names(self) -> list[str]:
        """The axes that the condition speaks of, in order. Raises InputError if it is no condition."""
        found: list[str] = []

        def visit(node: ast.AST) -> None:
            name = _name(node)
            if name is not None:
                found.append(name)
                return
            for child in ast.iter_child_nodes(node):
                visit(child)

        visit(self._body)
        return list(dict.fromkeys(found))

    def holds(self, values: Mapping[str, Any]) -> bool:
        """Whether the condition is true of these values of axes.

        Raises:
            InputError: it is no condition, or compares what cannot be compared.
            KeyError: a name has no value.
        """
        return bool(self._value(self._body, values))

    def _value(self, node: ast.AST, values: Mapping[str, Any]) -> Any:
        name = _name(node)
        if name is not None:
            return _plain(values[name])
        match node:
            case ast.Constant(value=value):
                return _plain(value)
            case ast.List(elts=items) | ast.Tuple(elts=items):
                return [self._value(item, values) for item in items]
            case ast.BoolOp(op=ast.And(), values=parts):
                return all(self._value(part, values) for part in parts)
            case ast.BoolOp(values=parts):
                return any(self._value(part, values) for part in parts)
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return not self._value(operand, values)
            case ast.UnaryOp(operand=operand):
                return self._apply(_numeric(operator.neg), node, self._value(operand, values))
            case ast.BinOp(left=left, op=op, right=right):
                return self._apply(_numeric(_ARITHMETIC[type(op)]), node, self._value(left, values), self._value(right, values))
            case ast.Compare(left=left, ops=ops, comparators=rest):
                sides = [self._value(side, values) for side in (left, *rest)]
                return all(self._apply(_COMPARE[type(op)], node, a, b) for op, a, b in zip(ops, sides, sides[1:], strict=False))
        raise AssertionError(ast.dump(node))

    def _apply(self, action: Callable[..., Any], node: ast.AST, *operands: Any) -> Any:
        try:
            return action(*operands)
        except (TypeError, ZeroDivisionError, OverflowError):
            said = " and ".join(f"'{operand}'" for operand in operands)
            raise InputError(Problem(f"'{ast.unparse(node)}' has no value for {said}", "numbers with numbers, quantities of one kind, "
                                     "texts with texts")) from None  # fmt: skip


def _numeric(action: Callable[..., Any]) -> Callable[..., Any]:
    """The operation on numbers only: Python's ``%`` of a text is another thing."""

    def apply(*operands: Any) -> Any:
        if not all(type(operand) is Fraction for operand in operands):
            raise TypeError
        return action(*operands)

    return apply


def _name(node: ast.AST) -> str | None:
    """``memory.channels`` of nested attributes, None if it is something else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        above = _name(node.value)
        return None if above is None else f"{above}.{node.attr}"
    return None


@total_ordering
@dataclass(frozen=True)
class _Quantity:
    """A number of base units; another dimension is never equal and cannot be compared."""

    dimension: str
    amount: Fraction

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, _Quantity) or other.dimension != self.dimension:
            return NotImplemented
        return self.amount < other.amount

    def __str__(self) -> str:
        return f"{float(self.amount):g} ({self.dimension})"


def _plain(value: Any) -> Any:
    """A value to compute with: exact numbers, quantities in their base unit, texts and booleans as they are."""
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, (int, float)):
        return Fraction(value) if value == value and abs(value) != float("inf") else value
    if isinstance(value, str) and units.is_quantity(value):
        return _Quantity(*units.amount(value))
    return value
