"""Latency expressions: ``CWL + BL + tWR`` over a table of timing values.

Only +, -, *, max, min, integer constants and names: enough for every table met so far and safe to read from anywhere.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from functools import lru_cache

from pimsim.errors import InputError, Problem, nearest


@lru_cache(maxsize=4096)
def _parse(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


@lru_cache(maxsize=4096)
def names(text: str) -> frozenset[str]:
    """The timing names that an expression uses."""
    return frozenset(n.id for n in ast.walk(_parse(text)) if isinstance(n, ast.Name)) - {"max", "min"}


def evaluate(text: str, values: Mapping[str, int]) -> int:
    """The value of an expression in clocks.

    Raises:
        InputError: a name has no value, or the expression uses anything but +, -, *, max, min.
    """

    def value(node: ast.expr) -> int:
        match node:
            case ast.Constant(value=int(number)):
                return number
            case ast.Name(id=name):
                if name not in values:
                    raise InputError(Problem(f"timing {name} is needed by '{text}' and not given", nearest(name, list(values)),
                                             key=f"timing.{name}"))
                return values[name]
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -value(operand)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return value(left) + value(right)
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return value(left) - value(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return value(left) * value(right)
            case ast.Call(func=ast.Name(id="max"), args=args):
                return max(value(a) for a in args)
            case ast.Call(func=ast.Name(id="min"), args=args):
                return min(value(a) for a in args)
        raise InputError(Problem(f"cannot evaluate '{text}'", "only + - * max min, names and integers"))

    return value(_parse(text))
