"""From operators back to steps and blocks, whatever their order and ids."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.errors import InputError
from pimsim.model.lowering import lower
from pimsim.model.operator import Operator
from pimsim.model.trace import Trace

from .conftest import FAMILIES, tiny, tiny_moe

RUN = {"batch": 2, "prompt_tokens": 2, "output_tokens": 4, "routing": "uniform"}


def operators(**run: object) -> list[Operator]:
    return list(lower(tiny(), **{"output_tokens": 2, **run}).operators())  # type: ignore[arg-type]


def problems(broken: list[Operator]) -> list[str]:
    with pytest.raises(InputError) as caught:
        Trace.from_operators(broken)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("name", FAMILIES)
def test_folding_gives_back_the_steps_that_were_expanded(name: str, whole: bool) -> None:
    trace = lower(FAMILIES[name], embedding=whole, lm_head=whole, **RUN)  # type: ignore[arg-type]
    folded = Trace.from_operators(trace.operators())
    assert list(folded.steps) == list(trace.steps)
    assert (folded.batch, folded.n_tokens, folded.totals()) == (trace.batch, trace.n_tokens, trace.totals())


def test_equal_operators_become_the_same_object() -> None:
    first, second = (step.blocks[0].operators for step in Trace.from_operators(operators()).steps)
    assert [a is b for a, b in zip(first, second, strict=True)].count(True) == 9


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), stride=st.integers(1, 9), offset=st.integers(0, 1000),
       name=st.sampled_from(sorted(FAMILIES)))  # fmt: skip
def test_numbering_does_not_matter(seed: int, stride: int, offset: int, name: str) -> None:
    original = list(lower(FAMILIES[name], output_tokens=2, embedding=True).operators())
    ids = [offset + stride * i for i in range(len(original))]
    random.Random(seed).shuffle(ids)
    renumbered = [replace(op, id=ids[op.id], deps=tuple(ids[dep] for dep in op.deps)) for op in original]
    assert list(Trace.from_operators(renumbered).operators()) == original


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_order_of_rows_gives_an_order_that_keeps_the_deps(seed: int) -> None:
    original = operators(embedding=True, lm_head=True)
    shuffled = original.copy()
    random.Random(seed).shuffle(shuffled)
    folded = list(Trace.from_operators(shuffled).operators())
    assert all(dep < op.id for op in folded for dep in op.deps)

    def without_order(ops: list[Operator]) -> list[tuple[object, ...]]:
        names = {op.id: (op.step, op.layer, op.name) for op in ops}
        return sorted((*names[op.id], op.macs, sorted(names[dep] for dep in op.deps)) for op in ops)

    assert without_order(folded) == without_order(original)


def test_one_edited_layer_is_a_block_of_its_own() -> None:
    edited = [replace(op, rows=50) if (op.name, op.layer) == ("gelu", 1) else op for op in operators()]
    blocks = Trace.from_operators(edited).steps[0].blocks
    assert [(block.first_layer, block.repeat) for block in blocks] == [(0, 1), (1, 1), (2, 1)]


def test_dep_on_the_middle_of_an_earlier_layer_is_kept() -> None:
    original = operators()
    edited = [replace(op, deps=(*op.deps, 1)) if (op.id, op.name) == (27, "qkv") else op for op in original]
    assert list(Trace.from_operators(edited).operators()) == edited


def test_removed_layer_leaves_a_gap() -> None:
    original = operators(output_tokens=1)
    kept = [op for op in original if op.layer != 1]
    kept = [replace(op, deps=tuple(dep if dep < 13 or dep >= 26 else 12 for dep in op.deps)) for op in kept]
    blocks = Trace.from_operators(kept).steps[0].blocks
    assert [(block.first_layer, block.repeat) for block in blocks] == [(0, 1), (2, 1)]


def test_steps_keep_their_numbers() -> None:
    moved = [replace(op, step=op.step + 7) for op in operators()]
    assert [step.index for step in Trace.from_operators(moved).steps] == [7, 8]


def test_batch_is_that_of_the_largest_operator() -> None:
    trace = lower(tiny_moe(), batch=5, output_tokens=1, routing="uniform")
    assert Trace.from_operators(trace.operators()).batch == 5


def test_nothing_is_refused() -> None:
    assert "holds no operator" in problems([])[0]


def test_duplicate_id_is_told() -> None:
    broken = operators()
    broken[5] = replace(broken[5], id=4, deps=(3,))
    assert any(problem.startswith("id: 4 is there twice") for problem in problems(broken))


def test_dangling_dep_is_told() -> None:
    broken = operators()
    broken[5] = replace(broken[5], deps=(999,))
    assert problems(broken) == ["deps: operator 5 (attend) depends on 999, which is not in the trace; "
                                "ids of other operators"]  # fmt: skip


def test_circle_is_told_by_name() -> None:
    broken = operators()
    broken[3] = replace(broken[3], deps=(5,))
    (problem,) = problems(broken)
    assert "3 (score) -> 5 (attend) -> 4 (softmax) -> 3 (score)" in problem


def test_operator_that_waits_for_itself_is_told() -> None:
    broken = operators()
    broken[3] = replace(broken[3], deps=(3,))
    assert "3 (score) -> 3 (score)" in problems(broken)[0]


def test_two_circles_are_both_told() -> None:
    broken = operators()
    broken[3], broken[9] = replace(broken[3], deps=(4,)), replace(broken[9], deps=(10,))
    found = problems(broken)
    assert len(found) == 2
    assert "3 (score) -> 4 (softmax)" in found[0]
    assert "9 (ffn1) -> 10 (gelu)" in found[1]


def test_dep_on_a_later_step_is_told() -> None:
    broken = operators()
    broken[3] = replace(broken[3], deps=(50,))
    assert "of step 0 depends on 50" in problems(broken)[0]


def test_both_phases_in_a_step_are_told() -> None:
    broken = operators()
    broken[3] = replace(broken[3], phase="prefill")
    assert problems(broken) == ["phase: prefill, but step 0 is decode; one phase a step"]


def test_all_problems_are_told_at_once() -> None:
    broken = operators()
    broken[3] = replace(broken[3], deps=(4, 999), phase="prefill")
    assert len(problems(broken)) == 3
