"""What an operator costs in commands and bytes under the PIM-GPT mapping, as closed forms.

Written from the geometry alone, not from the programs, so that a run can check its commands against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pimsim.mapping.geometry import HeadWeights, Keys, Memory, Values, Weights
from pimsim.model.dtype import size_bytes
from pimsim.model.operator import Operator
from pimsim.units import ceil_div


@dataclass(frozen=True, slots=True)
class Count:
    """Column commands of all channels together, and the bytes of the stored operand.

    Attributes:
        macs: all-bank MAC commands (one column of every bank).
        products: multiplications that those have room for.
        fills, results: bursts into operand buffers and out of accumulators.
        writes, reads: plain column writes and reads.
        stored_bytes: bytes of weights, K or V that the operator uses: what a conventional memory would move.
    """

    macs: int = 0
    fills: int = 0
    results: int = 0
    writes: int = 0
    reads: int = 0
    stored_bytes: int = 0
    products: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(self.macs + other.macs, self.fills + other.fills, self.results + other.results,
                     self.writes + other.writes, self.reads + other.reads, self.stored_bytes + other.stored_bytes,
                     self.products + other.products)

    def times(self, factor: int) -> Count:
        """So many of the same."""
        return Count(self.macs * factor, self.fills * factor, self.results * factor, self.writes * factor,
                     self.reads * factor, self.stored_bytes * factor, self.products * factor)


def count(memory: Memory, op: Operator, capacity: int, value_dim: int = 0, parts: int = 1) -> Count:
    """Commands of an operator; nothing for what the ASIC does by itself.

    ``memory``: as it holds the operator's stored operand.
    ``value_dim``: of a kv_append, elements of a head's value where they are not as many as its key's.
    ``parts``: splits of the context (:mod:`pimsim.mapping.cache`).
    """
    if op.kind not in ("matvec", "head_matvec", "kv_append", "score", "attend", "embed"):
        return Count()
    return _count(memory, op.kind, op.rows, op.cols, op.heads, op.kv_heads, op.head_dim, op.context, capacity,
                  value_dim or op.head_dim, op.stored_dtype, parts)


@lru_cache(maxsize=65536)
def _count(memory: Memory, kind: str, rows: int, cols: int, heads: int, kv_heads: int, head_dim: int, context: int,
           capacity: int, value_dim: int, stored_dtype: str, parts: int) -> Count:
    def products(macs: int, fills: int, results: int, elements: int) -> Count:
        return Count(macs=macs, fills=fills, results=results, stored_bytes=size_bytes(elements, stored_dtype),
                     products=macs * memory.banks * memory.lanes)

    channels = range(memory.channels)
    if kind == "matvec":
        w = Weights(memory, rows, cols)
        columns, chunks = sum(w.chunk_columns), len(w.chunk_columns)
        slots = [w.channel_slots(c) for c in channels]
        return products(columns * sum(slots), columns * sum(s > 0 for s in slots), chunks * sum(slots), rows * cols)
    if kind == "head_matvec":
        h = HeadWeights.of(memory, heads, rows // heads, cols)
        columns, chunks = sum(h.chunk_columns), len(h.chunk_columns)
        return products(h.heads * h.subs * columns, h.heads * h.packed * columns, h.heads * h.subs * chunks, rows * cols)
    if kind == "embed":
        return Count(reads=cols * ceil_div(rows, memory.lanes), stored_bytes=size_bytes(rows * cols, stored_dtype))
    keys, values = Keys(memory, kv_heads, head_dim, capacity), Values.of(memory, kv_heads, value_dim, capacity)
    share = heads // kv_heads if kv_heads else 1
    if kind == "kv_append":
        return Count(writes=kv_heads * (keys.head_places + value_dim),
                     stored_bytes=size_bytes(kv_heads * (head_dim + value_dim), stored_dtype))
    stored = kv_heads * head_dim * context
    if kind == "score":
        groups = [keys.channel_groups(c, context * parts) for c in channels]
        whole = heads // parts
        columns = whole * keys.head_columns
        return products(columns * sum(groups), columns * sum(g > 0 for g in groups), whole * sum(groups), stored)
    columns_of = values.chunk_columns(context)
    passes = values.heads * share
    return products(passes * values.subs * sum(columns_of), passes * sum(columns_of), passes * values.subs * len(columns_of), stored)
