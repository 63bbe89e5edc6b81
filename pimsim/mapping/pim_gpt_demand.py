"""What a trace demands of the memory under PIM-GPT's mapping: rows for every tensor, or why it cannot be run."""

from __future__ import annotations

from collections.abc import Iterable

from pimsim.asic.operations import OPERATIONS
from pimsim.errors import InputError, Problem
from pimsim.mapping.geometry import Keys, Memory, Values, Weights, ceil_div
from pimsim.model.architecture import Architecture
from pimsim.model.dtype import BITS
from pimsim.model.operator import Operator
from pimsim.model.trace import Block, Trace

ELEMENT_BITS = 16
FIXED = frozenset({"matvec", "embed"})
"""Operators whose stored operands do not change with the context."""
IN_MEMORY = frozenset({"matvec", "kv_append", "score", "attend", "embed"})


def demands(memory: Memory, trace: Trace) -> tuple[dict[tuple[int, str], int], int]:
    """Rows of every bank that each (layer, tensor) of a trace needs, and the tokens that the KV space is reserved for.

    Raises:
        InputError: every operator that this mapping cannot run, with its name.
    """
    capacity = max((step.context for step in trace.steps), default=1)
    rows: dict[tuple[int, str], int] = {}
    problems: dict[str, Problem] = {}
    seen: dict[tuple[int, ...], Block] = {}  # by identity of what does not change with the context; blocks keep it alive
    for step in trace.steps:
        for block in step.blocks:
            key = (block.first_layer, block.repeat, *(id(o) for o in block.operators if o.kind in FIXED))
            if key in seen:
                continue
            seen[key] = block
            for op in block.operators:
                problem = _unsupported(memory, op)
                if problem:
                    problems.setdefault(op.name, problem)
                    continue
                for name, need in _rows(memory, op, capacity, trace.architecture):
                    for r in range(block.repeat):
                        at = (block.first_layer + r, name)
                        rows[at] = max(rows.get(at, 0), need)
    if problems:
        raise InputError(dict.fromkeys(problems.values()))
    for block in sorted(seen.values(), key=lambda block: (block.first_layer, block.repeat)):
        # layers that are folded into one block lie evenly spaced, so they get the rows of the largest
        fixed = [op for op in block.operators if op.kind in FIXED]
        for name in {name for op in fixed for name, _ in _rows(memory, op, capacity, trace.architecture)}:
            layers = [(block.first_layer + r, name) for r in range(block.repeat)]
            rows.update(dict.fromkeys(layers, max(rows[layer] for layer in layers)))
    return rows, capacity


def _rows(memory: Memory, op: Operator, capacity: int, arch: Architecture | None) -> Iterable[tuple[str, int]]:
    """(tensor, rows of every bank) that an operator's stored operands need."""
    if op.kind == "matvec":
        yield op.name, Weights(memory, op.rows, op.cols).rows
    elif op.kind == "kv_append":
        yield "kv_append.k", Keys(memory, op.kv_heads, op.head_dim, capacity).rows
        yield "kv_append.v", Values(memory, op.kv_heads, op.head_dim, capacity).rows
    elif op.kind == "embed":
        yield op.name, ceil_div(ceil_div(_entries(op, arch), memory.units) * ceil_div(op.rows, memory.lanes), memory.columns)


def _entries(op: Operator, arch: Architecture | None) -> int:
    """Entries of the tables that a look-up reads from; a trace without an architecture names only what it reads."""
    if arch is None:
        return op.cols
    if op.name == "position":
        return arch.max_position
    return arch.vocab + (arch.max_position if op.cols > 1 else 0)


def _unsupported(memory: Memory, op: Operator) -> Problem | None:
    """What keeps this mapping from running an operator, if anything does."""
    where = f"operator '{op.name}' ({op.kind})"
    if op.batch != 1:
        return Problem(f"a batch of {op.batch}", "mapping pim-gpt runs one sequence at a time", key="workload.batch")
    for dtype in (op.dtype, op.stored_dtype):
        if dtype and BITS.get(dtype) != ELEMENT_BITS:
            return Problem(f"elements of {dtype}", "the MAC units of mapping pim-gpt take 16-bit elements: bf16, fp16",
                           key="workload.dtype")
    if op.kind in ("kv_append", "score", "attend"):
        columns = ceil_div(op.head_dim, memory.lanes)
        if columns > memory.columns:
            return Problem(f"{where}: a head of {op.head_dim} does not fit into a row", f"at most {memory.row_elements}")
        if op.kind == "kv_append" and op.rows != 2 * op.kv_heads * op.head_dim:
            return Problem(f"{where}: K and V share {op.rows} elements", "mapping pim-gpt stores K and V separately")
        return None
    if op.kind == "matvec" and op.heads:
        return Problem(f"{where}: a matrix for every head", "mapping pim-gpt has no per-head products")
    if op.kind not in IN_MEMORY and op.kind not in OPERATIONS:
        return Problem(f"{where}: neither the memory nor the ASIC can run it",
                       "kinds: " + ", ".join(sorted({*IN_MEMORY, *OPERATIONS})))
    return None
