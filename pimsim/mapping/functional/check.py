"""Holding what the memory and the ASIC computed against numpy, operator by operator.

Sums from the banks must equal the reference in the same order to the last bit, and stay within the derived bound of binary64. What the
ASIC makes of its operands is measured against exact functions. A check of one operator takes its operands as given, so a layer
whose operators are all right is right as a whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from pimsim.asic.spec import AsicSpec
from pimsim.mapping.functional.bound import BF16, ROUNDOFF, bound, collected_bound, growth, sum_bound
from pimsim.mapping.functional.execution import Outcome
from pimsim.mapping.functional.flow import Flow
from pimsim.mapping.functional.memory import Array
from pimsim.mapping.functional.reference import Exact, exact, ordered_products, wide_products
from pimsim.mapping.geometry import Memory, cache_slot
from pimsim.model.operator import Operator


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a run a check belongs."""

    layer: int
    context: int
    variant: str


@dataclass(frozen=True, slots=True)
class Check:
    """What one operator gave, against what it should have given.

    Attributes:
        unit: memory (sums from the banks, in binary32), asic (bf16), or layer (all operators one after the other).
        max_abs_error, max_rel_error: against binary64; the latter relative to the largest element. None if nothing came out.
        tolerance: the largest error allowed, where there is a bound.
        tolerance_used: largest share of what is allowed, element by element.
        equal: whether it equals numpy in the same order and format, to the last bit; None where that is not asked.
        fault: what went wrong, in words.
    """

    name: str
    kind: str
    unit: str
    shape: str
    place: Place
    max_abs_error: float | None = None
    max_rel_error: float | None = None
    tolerance: float | None = None
    tolerance_used: float | None = None
    equal: bool | None = None
    ok: bool = False
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Stored:
    """What an operator uses that is in the memory, as numpy has it.

    ``matrix``: weights [rows, cols] or embedding rows [cols, rows]; ``bias``; ``keys`` and ``values`` [tokens, kv_heads, head_dim] in
    the order of the cache's slots.
    """

    matrix: Array | None = None
    bias: Array | None = None
    keys: Array | None = None
    values: Array | None = None


@dataclass(frozen=True, slots=True)
class Findings:
    """The checks of a run, made one after the other as they are asked for, and what they cover in words."""

    covers: tuple[str, ...]
    checks: Iterator[Check]


def errors(got: Array, wanted: Array, allowed: Exact) -> dict[str, float]:
    """The error fields of a :class:`Check`. ``tolerance_used`` above 1 is a failure."""
    error = np.abs(got.astype(np.float64) - wanted)
    used = np.divide(error, allowed, out=np.where(error > 0, np.inf, 0.0), where=allowed > 0)
    largest = float(np.abs(wanted).max(initial=0.0))
    worst = float(error.max(initial=0.0))
    return {"max_abs_error": worst, "max_rel_error": worst / largest if largest else worst,
            "tolerance": float(np.max(allowed, initial=0.0)), "tolerance_used": float(used.max(initial=0.0))}


def checks(op: Operator, outcome: Outcome, stored: Stored, memory: Memory, asic: AsicSpec, place: Place) -> Iterator[Check]:
    """The checks of one operator: of its sums from the banks, and of what the ASIC made of them or of its operands."""
    shape = f"{op.rows} x {op.cols}"
    if outcome.fault:
        unit = "memory" if op.macs or op.kind in ("kv_append", "embed") else "asic"
        yield Check(op.name, op.kind, unit, shape, place, fault=outcome.fault)
    elif op.kind == "kv_append":
        wrong = outcome.wrong_cells
        fault = f"{wrong} cells of the memory are not what they should be" if wrong else ""
        error = None if wrong else 0.0
        yield Check(op.name, op.kind, "memory", shape, place, error, error, 0.0, error, not wrong, not wrong, fault)
    elif outcome.sums is not None:
        yield from _memory_checks(op, outcome, outcome.sums, stored, memory, asic, place)
    else:
        wanted = exact(op, outcome.operands)
        got = outcome.value if op.kind != "rotary" else _turned(outcome.value, op, wanted.shape)
        yield _judged(op.name, op.kind, "asic", shape, place, None,
                      errors(got.reshape(wanted.shape), wanted, bound(op, asic, outcome.operands, wanted)))


def _judged(name: str, kind: str, unit: str, shape: str, place: Place, equal: bool | None,
            found: dict[str, float]) -> Check:
    if not np.isfinite(found["max_abs_error"]):
        return Check(name, kind, unit, shape, place, fault="not a number")
    fault = "" if equal is not False else "differs from numpy in the same order"
    if found["tolerance_used"] > 1:
        fault = f"{fault + ', ' if fault else ''}error above the bound"
        if np.isinf(found["tolerance_used"]):
            del found["tolerance_used"]
    return Check(name, kind, unit, shape, place, **found, equal=equal, ok=not fault, fault=fault)


def _turned(value: Array, op: Operator, shape: tuple[int, ...]) -> Array:
    """The elements that a rotary embedding turned, as pairs [2, heads, rotary_dim / 2]."""
    heads = value.reshape(shape[1], -1)
    half = op.head_dim // 2
    return np.stack([heads[:, :half], heads[:, half : op.head_dim]])


def _memory_checks(op: Operator, outcome: Outcome, sums: Array, stored: Stored, memory: Memory, asic: AsicSpec,
                   place: Place) -> Iterator[Check]:
    ordered, wanted, allowed = _embedded(stored) if op.kind == "embed" else _products(op, outcome, stored, memory)
    shape = f"{op.rows} x {op.cols}"
    total = sums if op.kind == "embed" else sums.sum(axis=-1, dtype=np.float64) if op.kind != "score" else sums
    yield _judged(op.name, op.kind, "memory", shape, place, np.array_equal(ordered, sums),
                  errors(total, wanted.reshape(total.shape), allowed.reshape(total.shape)))
    if op.kind == "embed" and len(sums) > 1:
        added = wanted.sum(axis=0)
        once = max(BF16, ROUNDOFF[asic.datapath])
        allowed = growth(once, 2 * (len(sums) - 1)) * np.abs(wanted).sum(axis=0)
        yield _judged(f"{op.name}_sum", "add", "asic", f"{op.rows}", place, None, errors(outcome.value, added, allowed))
    elif op.kind in ("matvec", "head_matvec", "attend") and (sums.shape[-1] > 1 or op.bias):
        bias = stored.bias if op.bias else None
        full = wanted if bias is None else wanted + bias
        kind = "partial_sum" if sums.shape[-1] > 1 else "bias"
        yield _judged(f"{op.name}_sum", kind, "asic", f"{op.rows} x {sums.shape[-1]}", place, None,
                      errors(outcome.value, full, collected_bound(asic, sums, bias, allowed)))


def layer_check(flow: Flow, outcomes: Mapping[int, Outcome], stored: Callable[[Operator], Stored], place: Place) -> Check:
    """A whole block against binary64 from its inputs on: how far the error of all operators adds up.

    No bound is derived for it; it is right if each of its operators is. ``flow`` is that of the block that has been run.
    """
    operators = flow.block.operators
    fault = ", ".join(operators[i].name for i, outcome in outcomes.items() if outcome.fault)
    if fault:
        return Check("layer", "layer", "layer", f"{len(operators)} operators", place, fault=f"fault in {fault}")
    wanted = _wide_output(Flow(flow.block, flow.context, flow.layer, flow.numbers), stored)
    found = errors(outcomes[len(operators) - 1].value, wanted, np.full(wanted.shape, np.inf))
    return Check("layer", "layer", "layer", f"{len(operators)} operators", place, found["max_abs_error"],
                 found["max_rel_error"], ok=True)


def _wide_output(flow: Flow, stored: Callable[[Operator], Stored]) -> Array:
    """The output of a block's last operator, all of them computed in binary64."""
    newest: tuple[Array, ...] = ()
    for index, op in enumerate(flow.block.operators):
        kept, operands = stored(op), flow.operands(index)
        if op.kind == "kv_append":
            newest = operands
            flow.values[index] = np.zeros(0, np.float32)
        elif op.kind == "embed":
            assert kept.matrix is not None
            flow.put_out(index, kept.matrix.sum(axis=0, dtype=np.float64))
        elif op.kind in ("matvec", "head_matvec"):
            flow.put_out(index, _wide_product(kept, op, operands[0]))
        elif op.kind in ("score", "attend"):
            flow.put_out(index, _wide_attention(flow, op, kept, operands[0], newest))
        else:
            flow.put_out(index, exact(op, operands))
    return flow.values[len(flow.block.operators) - 1]


def _wide_product(kept: Stored, op: Operator, operand: Array) -> Exact:
    assert kept.matrix is not None and kept.bias is not None
    product = np.concatenate([wide_products(matrix, vector)[0] for matrix, vector in _factors(op, operand, kept)])
    return product + kept.bias if op.bias else product


def _wide_attention(flow: Flow, op: Operator, kept: Stored, operand: Array, newest: tuple[Array, ...]) -> Exact:
    """Scores or weighted sums, the newest token's K or V being the block's own, if it appends one."""
    cache = kept.keys if op.kind == "score" else kept.values
    assert cache is not None
    wide = cache.astype(np.float64)
    if newest:
        wide[cache_slot(flow.context, op.context)] = newest[op.kind == "attend"]
    by_head = wide[:, np.arange(op.heads) // (op.heads // op.kv_heads)]
    return np.einsum("thd,hd->ht" if op.kind == "score" else "thd,ht->hd", by_head, operand)


def _embedded(stored: Stored) -> tuple[Array, Exact, Exact]:
    assert stored.matrix is not None
    wide = stored.matrix.astype(np.float64)
    return stored.matrix, wide, np.zeros_like(wide)


def _products(op: Operator, outcome: Outcome, stored: Stored, memory: Memory) -> tuple[Array, Exact, Exact]:
    """Sums in order, shaped as the outcome's; in binary64, and their bounds, both flat [rows]."""
    pairs = list(_factors(op, outcome.operands[0], stored))
    lanes, chunk = memory.lanes, memory.row_elements
    ordered = np.concatenate([ordered_products(matrix, vector, lanes, chunk, memory.pack) for matrix, vector in pairs])
    wide = [wide_products(matrix, vector) for matrix, vector in pairs]
    wanted = np.concatenate([w for w, _ in wide])
    allowed = np.concatenate([sum_bound(m, op.cols, lanes, chunk) for _, m in wide])
    return ordered.reshape(op.heads, -1) if op.kind == "score" else ordered, wanted, allowed


def _factors(op: Operator, operand: Array, stored: Stored) -> Iterator[tuple[Array, Array]]:
    """The matrix-vector products that an operator consists of: one, or one a head."""
    if op.kind == "matvec":
        assert stored.matrix is not None
        yield stored.matrix, operand
        return
    if op.kind == "head_matvec":
        assert stored.matrix is not None
        yield from zip(stored.matrix.reshape(op.heads, -1, op.cols), operand, strict=True)
        return
    assert stored.keys is not None and stored.values is not None
    for head, vector in enumerate(operand):
        own = head // (op.heads // op.kv_heads)
        yield (stored.keys[:, own] if op.kind == "score" else stored.values[:, own].T), vector
