"""What a trace demands of the memory under PIM-GPT's mapping: rows for every tensor, or why it cannot be run."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pimsim.asic.operations import OPERATIONS, find
from pimsim.asic.spec import AsicSpec
from pimsim.errors import InputError, Problem
from pimsim.mapping.cache import attended, splits, value_dim
from pimsim.mapping.geometry import HeadWeights, Keys, Memory, Values, Weights
from pimsim.mapping.pim_gpt import asic_work, held
from pimsim.model.architecture import Architecture
from pimsim.model.dtype import BITS
from pimsim.model.operator import KINDS, Operator
from pimsim.model.trace import Block, Trace
from pimsim.units import BF16_BITS, ceil_div

_EXPERT = re.compile(r"^experts\.\d+\.")
FIXED = frozenset({"matvec", "head_matvec", "embed"})
"""Operators whose stored operands do not change with the context."""
IN_MEMORY = frozenset({"matvec", "head_matvec", "kv_append", "score", "attend", "embed"})


def demands(memory: Memory, asic: AsicSpec, trace: Trace, *, scale: bool = False) -> tuple[dict[tuple[int, str], int], int]:
    """Rows of every bank that each (layer, tensor) of a trace needs, and the tokens that every layer's KV space is reserved for.

    Those are as many as the layer with the most ever attends to: with an attention window in all layers, as many as that is long. Where
    layers differ, all get as much as the largest, as they are folded into one block (and so lie evenly spaced) until a window is full.

    Of a mixture of experts, all are there, whichever of them the trace uses (all that it uses, where it has no architecture); of a
    matrix that is used in part, all of it.
    ``scale``: see :meth:`Memory.holding`.

    Raises:
        InputError: every operator that this mapping cannot run, with its name.
    """
    capacity = max((_held_tokens(block) for step in trace.steps for block in step.blocks), default=1)
    rows: dict[tuple[int, str], int] = {}
    problems: dict[str, Problem] = {}
    placed: set[tuple[int, int, str]] = set()  # (first layer, layers, matrix) of experts: all are placed with the first
    seen: dict[tuple[int, ...], Block] = {}  # by identity of what does not change with the context; blocks keep it alive
    for step in trace.steps:
        for block in step.blocks:
            key = (block.first_layer, block.repeat, *(id(o) for o in block.operators if o.kind in FIXED))
            if key in seen:
                continue
            seen[key] = block
            for index, op in enumerate(block.operators):
                if _of_expert(op.name) and trace.architecture is not None:
                    matrix = (block.first_layer, block.repeat, op.name.rpartition(".")[2])
                    if matrix in placed:
                        continue
                    placed.add(matrix)
                problem = _unsupported(memory, asic, block, index)
                if problem:
                    problems.setdefault(op.name, problem)
                    continue
                for name, need in _rows(held(memory, op, scale), block, index, capacity, trace):
                    for r in range(block.repeat):
                        at = (block.first_layer + r, name)
                        rows[at] = max(rows.get(at, 0), need)
    if problems:
        raise InputError(dict.fromkeys(problems.values()))
    if trace.architecture is None:
        _alike(rows)
    for block in sorted(seen.values(), key=lambda block: (block.first_layer, block.repeat)):
        # layers that are folded into one block lie evenly spaced, so they get the rows of the largest
        fixed = [i for i, op in enumerate(block.operators) if op.kind in FIXED and not _of_expert(op.name)]
        for name in {name for i in fixed for name, _ in _rows(memory, block, i, capacity, trace)}:
            layers = [(block.first_layer + r, name) for r in range(block.repeat)]
            rows.update(dict.fromkeys(layers, max(rows[layer] for layer in layers)))
    return rows, capacity


def _alike(rows: dict[tuple[int, str], int]) -> None:
    """Give all layers with experts the same ones in the same order: a trace without an architecture names only those it uses."""
    found = {key: rows.pop(key) for key in list(rows) if _of_expert(key[1])}
    needs: dict[str, int] = {}
    for (_, name), need in found.items():
        needs[name] = max(needs.get(name, 0), need)
    rows.update({(layer, name): needs[name] for layer in sorted({layer for layer, _ in found}) for name in sorted(needs)})


def _held_tokens(block: Block) -> int:
    """Tokens that the KV caches of a block hold, at least 1."""
    return max((attended(block, index) * splits(block, index) for index, op in enumerate(block.operators) if op.kind == "kv_append"),
               default=1)


def _rows(memory: Memory, block: Block, index: int, capacity: int, trace: Trace) -> Iterable[tuple[str, int]]:
    """(tensor, rows of every bank) that an operator's stored operands need; of an expert, those of all experts."""
    op = block.operators[index]
    if op.kind == "matvec":
        rows = Weights(memory, *trace.stored.get(_EXPERT.sub("experts.", op.name), (op.rows, op.cols))).rows
        yield from ((name, rows) for name in _experts(op.name, trace.architecture))
    elif op.kind == "head_matvec":
        yield op.name, HeadWeights.of(memory, op.heads, op.rows // op.heads, op.cols).rows
    elif op.kind == "kv_append":
        parts = splits(block, index)
        tokens = ceil_div(capacity, parts)
        yield "kv_append.k", Keys(memory, op.kv_heads, op.head_dim, tokens * parts).rows
        yield "kv_append.v", Values.of(memory, op.kv_heads * parts, value_dim(block, index), tokens).rows
    elif op.kind == "embed":
        yield op.name, ceil_div(ceil_div(_entries(op, trace.architecture), memory.units) * ceil_div(op.rows, memory.lanes), memory.columns)


def _of_expert(name: str) -> bool:
    """Whether an operator is one expert's: ``experts.<number>.ffn1``."""
    return name.startswith("experts.")


def _experts(name: str, arch: Architecture | None) -> Iterable[str]:
    """The matrix ``name`` of all experts where it is one of an expert (``experts.<number>.ffn1``), else ``name``."""
    if arch is None or not _of_expert(name):
        return (name,)
    matrix = name.rpartition(".")[2]
    return (f"experts.{expert}.{matrix}" for expert in range(arch.experts))


def _entries(op: Operator, arch: Architecture | None) -> int:
    """Entries of the tables that a look-up reads from; a trace without an architecture names only what it reads."""
    if arch is None:
        return op.cols
    if op.name.endswith("position"):
        return arch.max_position
    return arch.vocab + (arch.max_position if op.cols > 1 else 0)


def _unsupported(memory: Memory, asic: AsicSpec, block: Block, index: int) -> Problem | None:
    """What keeps this mapping from running an operator, if anything does."""
    op = block.operators[index]
    where = f"operator '{op.name}' ({op.kind})"
    if op.batch != 1:
        return Problem(f"a batch of {op.batch}", "mapping pim-gpt runs one sequence at a time", key="workload.batch")
    if op.dtype and BITS.get(op.dtype) != BF16_BITS:
        return Problem(f"activations of {op.dtype}", "mapping pim-gpt has 16-bit activations: bf16, fp16", key="workload.dtype")
    if op.stored_dtype and BITS.get(op.stored_dtype, 32) > BF16_BITS:
        key = "kv_dtype" if KINDS[op.kind].contextual else "weight_dtype"
        return Problem(f"stored elements of {op.stored_dtype}", "16 bits or less", key=f"workload.{key}")
    if op.kind in ("kv_append", "score", "attend"):
        columns = ceil_div(op.head_dim, memory.lanes)
        if columns > memory.columns:
            return Problem(f"{where}: a head of {op.head_dim} does not fit into a row", f"at most {memory.row_elements}")
        if op.kind == "kv_append" and not value_dim(block, index):
            return Problem(f"{where}: K and V share {op.rows} elements", "an attend that says which of them are V")
        return None
    if op.kind in IN_MEMORY:
        return None
    work = asic_work(op)
    if not work:
        return Problem(f"{where}: neither the memory nor the ASIC can run it",
                       "kinds: " + ", ".join(sorted({*IN_MEMORY, *OPERATIONS})))
    try:
        for kind, _, _ in work:
            find(kind).check(asic)
    except InputError as error:
        missing = error.problems[0]
        return Problem(f"{where}: {missing.message}", missing.allowed, key=missing.key)
    return None
