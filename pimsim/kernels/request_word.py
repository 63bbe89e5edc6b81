"""What numba does not offer: bit scans of a word, and a vector that is indexed without asking whether the index is negative.

Kernels read and write vectors at offsets that they compute. For an array, numba checks each index for Python's counting
from the end, which costs as much as the access itself, and passes seven words an array; for a pointer it does neither. A
pointer keeps nothing alive: it must not outlive the call that made it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic


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

    return types.CPointer(array.dtype)(array), generate


def _offset(typing_context: Any, start: Any, words: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return start(start, types.int64), generate


pointer: Any = intrinsic(_pointer)
"""The first element of an array (C order) as a pointer."""

offset: Any = intrinsic(_offset)
"""The pointer to the element so many behind that of a pointer."""
