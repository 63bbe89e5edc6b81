"""Bytes and MACs of each kind, by hand; and the shapes that each kind refuses."""

from __future__ import annotations

import pytest

from pimsim.model import operators as _operators  # noqa: F401
from pimsim.model.operator import KINDS, Cost, Shape

BASE = Shape(rows=1, cols=1, batch=1, heads=0, kv_heads=0, head_dim=0, context=0, dtype="bf16", stored_dtype="bf16",
             bias=False)  # fmt: skip


def cost(kind: str, **shape: object) -> Cost:
    made = BASE._replace(**shape)  # type: ignore[arg-type]
    assert not list(KINDS[kind].faults(made))
    return KINDS[kind].cost(made)


def faults(kind: str, **shape: object) -> list[str]:
    return [fault.field for fault in KINDS[kind].faults(BASE._replace(**shape))]  # type: ignore[arg-type]


def test_matvec_reads_weights_and_input() -> None:
    assert cost("matvec", rows=30, cols=20) == (2 * (30 * 20 + 20), 2 * 30, 30 * 20)


def test_matvec_reads_its_bias() -> None:
    assert cost("matvec", rows=30, cols=20, bias=True).bytes_read == 2 * (30 * 20 + 30 + 20)


def test_matvec_reads_its_weights_once_for_the_batch() -> None:
    assert cost("matvec", rows=30, cols=20, batch=4) == (2 * (30 * 20 + 4 * 20), 2 * 4 * 30, 4 * 30 * 20)


def test_int4_weights_take_half_a_byte() -> None:
    assert cost("matvec", rows=30, cols=20, stored_dtype="int4").bytes_read == 30 * 20 // 2 + 2 * 20


def test_head_matvec_reads_a_matrix_and_an_input_for_each_head() -> None:
    assert cost("head_matvec", rows=3 * 8, cols=4, heads=3) == (2 * (3 * 8 * 4 + 3 * 4), 2 * 24, 24 * 4)


HEADS = {"heads": 6, "kv_heads": 2, "head_dim": 8, "context": 5}


def test_score_reads_keys_once_for_the_heads_that_share_them() -> None:
    assert cost("score", rows=30, cols=8, **HEADS) == (2 * (2 * 5 * 8 + 6 * 8), 2 * 30, 30 * 8)


def test_score_reads_keys_of_every_sequence() -> None:
    assert cost("score", rows=30, cols=8, batch=3, **HEADS).bytes_read == 2 * 3 * (2 * 5 * 8 + 6 * 8)


def test_attend_reads_values_and_probabilities() -> None:
    assert cost("attend", rows=48, cols=5, **HEADS) == (2 * (2 * 5 * 8 + 6 * 5), 2 * 48, 48 * 5)


def test_softmax_reads_and_writes_every_score() -> None:
    assert cost("softmax", rows=30, cols=5, **HEADS) == (60, 60, 0)


def test_kv_append_writes_in_the_cache_format() -> None:
    assert cost("kv_append", rows=32, context=5, stored_dtype="int8") == (64, 32, 0)


def test_layernorm_reads_gain_and_bias() -> None:
    assert cost("layernorm", rows=10, cols=10, bias=True) == (2 * (10 + 20), 20, 0)


def test_rmsnorm_reads_its_gain() -> None:
    assert cost("rmsnorm", rows=10, cols=10, batch=2) == (2 * (20 + 10), 40, 0)


def test_norm_by_head_has_a_gain_of_one_head() -> None:
    assert cost("rmsnorm", rows=24, cols=8).bytes_read == 2 * (24 + 8)


def test_add_reads_two_vectors() -> None:
    assert cost("add", rows=10, cols=2) == (40, 20, 0)


def test_swiglu_reads_gate_and_up() -> None:
    assert cost("swiglu", rows=10, cols=2) == (40, 20, 0)


def test_embed_reads_one_row_of_each_table() -> None:
    assert cost("embed", rows=10, cols=2) == (40, 20, 0)


def test_rotary_reads_cosines_and_sines_of_one_head() -> None:
    assert cost("rotary", rows=(6 + 2) * 4, cols=2, heads=6, kv_heads=2, head_dim=4) == (2 * (32 + 4), 64, 0)


def test_topk_reads_all_scores_and_writes_the_chosen() -> None:
    assert cost("topk", rows=2, cols=8) == (16, 4, 0)


def test_combine_reads_outputs_and_weights() -> None:
    assert cost("combine", rows=10, cols=3) == (2 * (30 + 3), 20, 0)


@pytest.mark.parametrize(
    ("kind", "shape", "field"),
    [
        ("score", {**HEADS, "rows": 29, "cols": 8}, "rows"),
        ("score", {**HEADS, "rows": 30, "cols": 9}, "cols"),
        ("score", {**HEADS, "rows": 30, "cols": 8, "kv_heads": 4}, "kv_heads"),
        ("score", {**HEADS, "rows": 0, "cols": 8, "heads": 0}, "heads"),
        ("attend", {**HEADS, "rows": 47, "cols": 5}, "rows"),
        ("attend", {**HEADS, "rows": 48, "cols": 6}, "cols"),
        ("softmax", {**HEADS, "rows": 30, "cols": 6}, "cols"),
        ("kv_append", {"rows": 4}, "context"),
        ("head_matvec", {"rows": 7, "heads": 2}, "rows"),
        ("head_matvec", {"rows": 7}, "heads"),
        ("layernorm", {"rows": 10, "cols": 4}, "cols"),
        ("add", {"rows": 10, "cols": 3}, "cols"),
        ("gelu", {"rows": 10, "cols": 2}, "cols"),
        ("rotary", {"rows": 30, "cols": 2, "heads": 6, "kv_heads": 2, "head_dim": 4}, "rows"),
        ("topk", {"rows": 9, "cols": 8}, "rows"),
    ],
)
def test_shape_that_contradicts_itself_is_refused(kind: str, shape: dict[str, object], field: str) -> None:
    assert field in faults(kind, **shape)
