"""What an operator costs in commands and bytes under the PIM-GPT mapping, as closed forms.

Written from the geometry alone, not from the programs, so that a run can check its commands against it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from pimsim.mapping.geometry import HeadWeights, Keys, Memory, Values, Weights, ceil_div
from pimsim.model.operator import Operator

BF16_BYTES = 2


@dataclass(frozen=True, slots=True)
class Count:
    """Column commands of all channels together, and the bytes of the stored operand.

    Attributes:
        macs: all-bank MAC commands (one column of every bank).
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

    def __add__(self, other: Count) -> Count:
        return Count(self.macs + other.macs, self.fills + other.fills, self.results + other.results,
                     self.writes + other.writes, self.reads + other.reads, self.stored_bytes + other.stored_bytes)

    def times(self, factor: int) -> Count:
        """So many of the same."""
        return Count(self.macs * factor, self.fills * factor, self.results * factor, self.writes * factor,
                     self.reads * factor, self.stored_bytes * factor)


def count(memory: Memory, op: Operator, capacity: int, value_dim: int = 0) -> Count:
    """Commands of an operator; nothing for what the ASIC does by itself.

    ``value_dim``: of a kv_append, elements of a head's value where they are not as many as its key's.
    """
    if op.kind not in ("matvec", "head_matvec", "kv_append", "score", "attend", "embed"):
        return Count()
    return _count(memory, op.kind, op.rows, op.cols, op.heads, op.kv_heads, op.head_dim, op.context, capacity,
                  value_dim or op.head_dim)


@lru_cache(maxsize=65536)
def _count(memory: Memory, kind: str, rows: int, cols: int, heads: int, kv_heads: int, head_dim: int, context: int,
           capacity: int, value_dim: int) -> Count:
    channels = range(memory.channels)
    if kind == "matvec":
        w = Weights(memory, rows, cols)
        columns, chunks = sum(w.chunk_columns), len(w.chunk_columns)
        slots = [w.channel_slots(c) for c in channels]
        return Count(macs=columns * sum(slots), fills=columns * sum(s > 0 for s in slots), results=chunks * sum(slots),
                     stored_bytes=rows * cols * BF16_BYTES)
    if kind == "head_matvec":
        h = HeadWeights.of(memory, heads, rows // heads, cols)
        columns, chunks = sum(h.chunk_columns), len(h.chunk_columns)
        return Count(macs=h.heads * h.subs * columns, fills=h.heads * h.packed * columns, results=h.heads * h.subs * chunks,
                     stored_bytes=rows * cols * BF16_BYTES)
    if kind == "embed":
        return Count(reads=cols * ceil_div(rows, memory.lanes), stored_bytes=rows * cols * BF16_BYTES)
    keys, values = Keys(memory, kv_heads, head_dim, capacity), Values.of(memory, kv_heads, value_dim, capacity)
    share = heads // kv_heads if kv_heads else 1
    if kind == "kv_append":
        dimensions = sum(values.sub_banks(sub) for sub in range(values.subs))
        return Count(writes=kv_heads * keys.head_columns + values.heads * dimensions,
                     stored_bytes=kv_heads * (head_dim + value_dim) * BF16_BYTES)
    stored = kv_heads * head_dim * context * BF16_BYTES
    if kind == "score":
        groups = [keys.channel_groups(c, context) for c in channels]
        return Count(macs=heads * keys.head_columns * sum(groups), fills=heads * keys.head_columns * sum(g > 0 for g in groups),
                     results=heads * sum(groups), stored_bytes=stored)
    columns_of = values.chunk_columns(context)
    passes = values.heads * share
    return Count(macs=passes * values.subs * sum(columns_of), fills=passes * sum(columns_of),
                 results=passes * values.subs * len(columns_of), stored_bytes=stored)
