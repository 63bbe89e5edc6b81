"""How much memory a run needs: every weight, and keys and values at their most.

That is more than any pass reads: of a mixture of experts a token reads a few, of sparsely activated FFNs a share, and
speculative decoding keeps two models side by side.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from pimsim.baseline.work import latent, stored_bytes
from pimsim.model.dtype import size_bytes
from pimsim.model.operator import Operator
from pimsim.model.trace import Block, Trace


class Footprint(NamedTuple):
    """Bytes of weights (norms included), and of keys and values."""

    weight_bytes: int
    kv_bytes: int

    @property
    def total_bytes(self) -> int:
        """Both."""
        return self.weight_bytes + self.kv_bytes


def footprint(trace: Trace) -> Footprint:
    """What ``trace`` needs, each layer's operands at their largest over its steps.

    All experts count that a router chooses from, and matrices used in part count whole.
    """
    most: dict[tuple[int, int, str], tuple[int, bool]] = {}
    for step in trace.steps:
        for block in step.blocks:
            for name, size, is_kv in _operands(trace, block):
                key = (block.first_layer, block.repeat, name)
                if size > most.get(key, (-1, is_kv))[0]:
                    most[key] = (size, is_kv)
    held: dict[tuple[int, str], tuple[int, bool]] = {}
    for (first, repeat, name), (size, is_kv) in most.items():
        for layer in range(first, first + repeat):
            if size > held.get((layer, name), (-1, is_kv))[0]:
                held[layer, name] = (size, is_kv)
    kv = sum(size for size, is_kv in held.values() if is_kv)
    return Footprint(sum(size for size, _ in held.values()) - kv, kv)


def _operands(trace: Trace, block: Block) -> Iterator[tuple[str, int, bool]]:
    """(name of its own in the layer, bytes, whether keys or values) of what lies in the memory for a block."""
    seen: Counter[str] = Counter()
    experts = next((op.rows for op in block.operators if op.name == "router"), 0)
    score = next((op for op in block.operators if op.kind == "score"), None)
    for op in block.operators:
        size = _held_bytes(trace, op)
        if not size or op.kind == "kv_append" or (op.kind == "attend" and score is not None and latent(score, op)):
            continue
        if experts and op.name.startswith("experts."):  # one stands for all; they are equal
            yield f"experts.{op.name.rpartition('.')[2]}", size * experts, False
            continue
        seen[op.name] += 1
        yield f"{op.name}/{seen[op.name]}", size, op.kind in ("score", "attend")


def _held_bytes(trace: Trace, op: Operator) -> int:
    """Bytes of an operator's stored operand, all of a matrix that it uses in part."""
    size = stored_bytes(op)
    prefix, _, name = op.name.rpartition(".")
    whole = trace.stored.get(f"{prefix.partition('.')[0]}.{name}" if prefix else name)
    if op.kind != "matvec" or whole is None:
        return size
    return size + size_bytes(whole[0] * whole[1], op.stored_dtype) - size_bytes(op.rows * op.cols, op.stored_dtype)
