"""The registry of operator kinds."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from pimsim.model.decoding import Decoding
from pimsim.model.lowering import lower
from pimsim.model.operator import KINDS, Cost, Operator, Shape, register

from .conftest import FAMILIES


@pytest.fixture
def doubling() -> None:  # a kind registered by one function, as a new family file would
    @register("doubling")
    def cost(s: Shape) -> Cost:
        return Cost(2 * s.rows, 2 * s.rows, 0)

    yield
    del KINDS["doubling"]


def test_new_kind_is_one_registered_function(doubling: None) -> None:
    assert KINDS["doubling"].cost(Shape(5, 1, 1, 0, 0, 0, 0, "bf16", "bf16", False)).bytes_read == 10


def test_kind_cannot_be_registered_twice(doubling: None) -> None:
    with pytest.raises(ValueError, match="'doubling' is registered twice"):
        register("doubling")(lambda s: Cost(0, 0, 0))


def test_operators_are_frozen() -> None:
    op = next(lower(FAMILIES["gpt2"], output_tokens=1).operators())
    with pytest.raises(FrozenInstanceError):
        op.rows = 3  # type: ignore[misc]


def test_every_kind_is_used_by_some_family() -> None:
    used = {op.kind for model in FAMILIES.values()
            for op in lower(model, output_tokens=1, embedding=True, lm_head=True).operators()}  # fmt: skip
    decoding = Decoding(kv_budget=4, attention_splits=2)
    used |= {op.kind for op in lower(FAMILIES["gpt2"], output_tokens=1, decoding=decoding).operators()}
    assert used == set(KINDS) - {"silu"}  # a plain FFN with SiLU: no family has one, a config may


@pytest.mark.parametrize("name", FAMILIES)
def test_every_lowered_operator_has_the_shape_and_cost_of_its_kind(name: str) -> None:
    for op in lower(FAMILIES[name], batch=2, output_tokens=5, embedding=True, lm_head=True).operators():
        shape = Shape(*(getattr(op, field) for field in Shape._fields))
        assert not list(KINDS[op.kind].faults(shape)), op
        assert KINDS[op.kind].cost(shape) == (op.bytes_read, op.bytes_written, op.macs), op


def test_matrix_kinds_have_rows_times_cols_macs() -> None:
    matrix = {"matvec", "head_matvec", "score", "attend"}
    for model in FAMILIES.values():
        for op in lower(model, batch=3, output_tokens=2).operators():
            assert op.macs == (op.batch * op.rows * op.cols if op.kind in matrix else 0)


def test_columns_are_those_that_files_rely_on() -> None:
    assert [field.name for field in fields(Operator)] == [
        "id", "name", "kind", "phase", "layer", "step", "rows", "cols", "batch", "heads", "kv_heads", "head_dim",
        "context", "dtype", "stored_dtype", "bias", "bytes_read", "bytes_written", "macs", "deps",
    ]  # fmt: skip
