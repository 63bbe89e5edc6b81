"""What numba does not offer: bit scans of a word, and a vector that is indexed without asking whether the index is negative.

The kernels of the memory controller read and write two int64 vectors at offsets that they compute. For an array, numba
checks each index for Python's counting from the end, which costs as much as the access itself, and passes seven words an
array; for a pointer it does neither. A pointer keeps nothing alive: it must not outlive the call that made it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

_POINTER = types.CPointer(types.int64)


def _scan(name: str) -> Any:
    def typed(typing_context: Any, word: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return getattr(builder, name)(arguments[0], ir.Constant(ir.IntType(1), 1))

        return types.int64(types.int64), generate

    return intrinsic(typed)


lowest: Any = _scan("cttz")
"""Index of the lowest set bit of a word that is not 0."""

leading: Any = _scan("ctlz")
"""Number of leading zeros of a word that is not 0."""


def _pointer(typing_context: Any, array: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        view = cgutils.create_struct_proxy(signature.args[0])(context, builder, value=arguments[0])
        return view.data

    return _POINTER(array), generate


pointer: Any = intrinsic(_pointer)
"""The first element of an int64 array (C order) as a pointer."""
