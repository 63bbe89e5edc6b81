"""Attention over the KV cache: append the new K and V, scores q K^T, softmax, and the weighted sum P V.

Two kinds come with ways of decoding (:mod:`pimsim.model.decoding`): ``evict`` where the cache is pruned, ``merge`` where it is split.

Multi-head, grouped-query and multi-query attention differ only in ``kv_heads``: the K and V of a key-value head are
read once for all the query heads that share it (Ainslie et al. 2023, arXiv 2305.13245).
"""

from __future__ import annotations

from collections.abc import Iterable

from pimsim.model.dtype import size_bytes
from pimsim.model.operator import Cost, Fault, Shape, expect, register


def _head_faults(s: Shape) -> Iterable[Fault]:
    for field in ("heads", "kv_heads", "head_dim", "context"):
        if getattr(s, field) < 1:
            yield Fault(field, f"{getattr(s, field)} is too small for attention", "at least 1")
    if s.kv_heads > 0 and s.heads % s.kv_heads:
        yield Fault("kv_heads", f"{s.kv_heads} does not divide {s.heads} heads", "a divisor of heads")


def _score_faults(s: Shape) -> Iterable[Fault]:
    yield from _head_faults(s)
    yield from expect("rows", s.rows, s.heads * s.context, "heads x context")
    yield from expect("cols", s.cols, s.head_dim, "head_dim")


def _softmax_faults(s: Shape) -> Iterable[Fault]:
    yield from expect("rows", s.rows, s.heads * s.context, "heads x context")
    yield from expect("cols", s.cols, s.context, "context")


def _attend_faults(s: Shape) -> Iterable[Fault]:
    yield from _head_faults(s)
    yield from expect("rows", s.rows, s.heads * s.head_dim, "heads x head_dim")
    yield from expect("cols", s.cols, s.context, "context")


def _append_faults(s: Shape) -> Iterable[Fault]:
    if s.context < 1:
        yield Fault("context", f"{s.context} tokens after the new one was appended", "at least 1")


@register("kv_append", _append_faults, contextual=True)
def kv_append(s: Shape) -> Cost:
    """Write the ``rows`` new elements (K and V of every key-value head) of each sequence to the cache."""
    elements = s.batch * s.rows
    return Cost(size_bytes(elements, s.dtype), size_bytes(elements, s.stored_dtype), 0)


@register("score", _score_faults, contextual=True)
def score(s: Shape) -> Cost:
    """q K^T of all heads: kv_heads x context x head_dim of K and heads x head_dim of q a sequence."""
    keys = size_bytes(s.batch * s.kv_heads * s.context * s.head_dim, s.stored_dtype)
    query = size_bytes(s.batch * s.heads * s.head_dim, s.dtype)
    return Cost(keys + query, size_bytes(s.batch * s.rows, s.dtype), s.batch * s.rows * s.cols)


@register("softmax", _softmax_faults, contextual=True)
def softmax(s: Shape) -> Cost:
    """Scale by 1/sqrt(head_dim) and softmax, ``heads`` vectors of ``context`` a sequence."""
    moved = size_bytes(s.batch * s.rows, s.dtype)
    return Cost(moved, moved, 0)


@register("attend", _attend_faults, contextual=True)
def attend(s: Shape) -> Cost:
    """P V of all heads: kv_heads x context x head_dim of V and heads x context of P a sequence."""
    values = size_bytes(s.batch * s.kv_heads * s.context * s.head_dim, s.stored_dtype)
    probabilities = size_bytes(s.batch * s.heads * s.context, s.dtype)
    return Cost(values + probabilities, size_bytes(s.batch * s.rows, s.dtype), s.batch * s.rows * s.cols)


def _evict_faults(s: Shape) -> Iterable[Fault]:
    yield from expect("rows", s.rows, s.heads * s.context, "heads x context")
    yield from expect("cols", s.cols, 2, "a score and a probability")


@register("evict", _evict_faults, contextual=True)
def evict(s: Shape) -> Cost:
    """Bring the ``heads`` x ``context`` accumulated scores of a pruned cache up to date with the probabilities, and find the lowest."""
    elements = size_bytes(s.batch * s.rows, s.dtype)
    return Cost(2 * elements, elements, 0)


def _merge_faults(s: Shape) -> Iterable[Fault]:
    yield from expect("heads", s.heads, s.heads // s.cols * s.cols, "a multiple of the splits")
    yield from expect("rows", s.rows, s.heads // s.cols * s.head_dim, "heads / splits x head_dim")


@register("merge", _merge_faults)
def merge(s: Shape) -> Cost:
    """Weigh and add up the outputs of ``cols`` splits: ``rows`` elements of each, and maximum and sum of each split's head."""
    parts = size_bytes(s.batch * (s.rows * s.cols + 2 * s.heads), s.dtype)
    return Cost(parts, size_bytes(s.batch * s.rows, s.dtype), 0)
