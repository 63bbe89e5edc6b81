"""Expanding a trace: ids, layers, steps and deps."""

from __future__ import annotations

import pytest

from pimsim.model.lowering import lower

from .conftest import FAMILIES, tiny


@pytest.fixture
def operators() -> list:
    return list(lower(tiny(), output_tokens=2, embedding=True, lm_head=True).operators())


def test_ids_count_up_from_zero(operators: list) -> None:
    assert [op.id for op in operators] == list(range(2 * (1 + 3 * 13 + 2)))


def test_layers_count_up_within_a_step(operators: list) -> None:
    assert [op.layer for op in operators if op.name == "qkv"] == [0, 1, 2, 0, 1, 2]


def test_steps_are_filled_in(operators: list) -> None:
    assert [op.step for op in operators if op.name == "embed"] == [0, 1]


def test_layer_begins_with_the_output_of_the_one_before(operators: list) -> None:
    first, second = [op for op in operators if op.name == "ln1"][:2]
    assert [operators[dep].name for dep in first.deps] == ["embed"]
    assert [(operators[dep].name, operators[dep].layer) for dep in second.deps] == [("residual2", 0)]


def test_step_begins_with_the_output_of_the_one_before(operators: list) -> None:
    second = [op for op in operators if op.name == "embed"][1]
    assert [operators[dep].name for dep in second.deps] == ["lm_head"]


def test_first_operator_depends_on_nothing(operators: list) -> None:
    assert operators[0].deps == ()


def test_residual_of_a_later_layer_reaches_over_its_attention(operators: list) -> None:
    residual = [op for op in operators if op.name == "residual1"][1]
    assert [operators[dep].name for dep in residual.deps] == ["proj", "residual2"]


@pytest.mark.parametrize("name", FAMILIES)
def test_every_dep_is_an_earlier_operator_of_this_or_the_last_step(name: str) -> None:
    operators = list(lower(FAMILIES[name], output_tokens=3, embedding=True, lm_head=True).operators())
    for op in operators:
        for dep in op.deps:
            assert 0 <= dep < op.id
            assert op.step - operators[dep].step in (0, 1)


def test_trace_is_lazy() -> None:
    trace = lower(tiny(), output_tokens=10**9)
    assert next(trace.operators()).name == "ln1"
    assert trace.steps[10**8].context == 10**8 + 1
