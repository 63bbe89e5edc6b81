"""Bit tricks that numba does not offer: the lowest and the highest set bit of a word."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic


def _zeros(name: str) -> Any:
    def typed(typing_context: Any, word: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, name)(arguments[0], ir.Constant(ir.IntType(1), 1))

        return types.int64(types.int64), generate

    return intrinsic(typed)


lowest = _zeros("cttz")
"""Index of the lowest set bit of a word that is not 0."""

leading = _zeros("ctlz")
"""Number of leading zeros of a word that is not 0."""
