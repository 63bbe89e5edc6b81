"""Counts and stages. The witness of the counts is an array that counts what numpy really does to it."""

from collections import Counter
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.asic.arithmetic import Arithmetic
from pimsim.asic.latency import cost
from pimsim.asic.operations import find
from pimsim.asic.recorder import Recorder, Stage, schedule
from pimsim.asic.spec import AsicSpec

from .conftest import KINDS

UNIT_OF = {
    "add": "adds",
    "subtract": "adds",
    "maximum": "adds",
    "minimum": "adds",
    "rint": "adds",
    "equal": "adds",
    "ldexp": "adds",
    "multiply": "multiplies",
    "right_shift": "wiring",
}


class Counted(np.ndarray):
    """Counts into ``tally`` by unit; a ufunc that the ASIC has no unit for (divide, exp, sqrt ...) is a KeyError."""

    __array_priority__ = 1.0  # so that concatenating keeps counting
    tally: ClassVar[Counter[str]] = Counter()

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        assert method == "__call__", f"{ufunc.__name__}.{method} is not element by element"
        plain = [x.view(np.ndarray) if isinstance(x, Counted) else x for x in inputs]
        result = ufunc(*plain, **kwargs)
        Counted.tally[UNIT_OF[ufunc.__name__]] += result.size
        return result.view(Counted)


def counted(x: np.ndarray) -> Counted:
    """``x`` as float32 that counts."""
    return x.astype(np.float32).view(Counted)


SPECS = st.builds(
    AsicSpec,
    datapath=st.just("fp32"),
    taylor_terms=st.integers(2, 9),
    range_reduction=st.sampled_from(["split", "halving", "none"]),
    halvings=st.integers(1, 8),
    newton_steps=st.integers(0, 4),
    invsqrt_newton_steps=st.integers(0, 4),
    chained=st.booleans(),
    sincos_table=st.just(True),
)


@settings(max_examples=25, deadline=None)
@given(spec=SPECS, rows=st.integers(1, 5), columns=st.integers(1, 40), seed=st.integers(0, 99))
@pytest.mark.parametrize("kind", KINDS)
def test_counts_equal_what_the_arithmetic_performs(kind, spec, rows, columns, seed):
    operation = find(kind)
    columns = columns if operation.by_row else 1
    rng = np.random.default_rng(seed)
    inputs = [rng.normal(size=(1 if name in operation.shared else rows, columns)) for name in operation.inputs]
    Counted.tally = Counter()
    result = operation.program(Arithmetic(spec), *map(counted, inputs))
    assert all(isinstance(x, Counted) for x in (result if isinstance(result, tuple) else (result,)))
    expected = cost(spec, kind, rows, columns)
    assert (Counted.tally["adds"], Counted.tally["multiplies"]) == (expected.adds, expected.multiplies)


def closed_form(kind: str, n: int, terms: int, newton: int, invsqrt: int) -> tuple[int, int]:
    """Adds and multiplies of a row of n elements with the 2^n split, written down by hand (docs/asic.md)."""
    exp = np.array([terms - 1 + 3, terms - 1 + 2])
    reciprocal = np.array([1 + newton, 2 * newton])
    inverse_sqrt = np.array([2 + invsqrt, 3 * invsqrt])
    tanh = exp + reciprocal + [6, 0]
    sigmoid = exp + reciprocal + [4, 0]
    unit = [n - 1, n + 1] + np.array([1, 0]) + inverse_sqrt + [0, n]
    forms = {
        "add": [1, 0],
        "bias": [1, 0],
        "relu": [1, 0],
        "scale": [0, 1],
        "rotary": [2, 4],
        "partial_sum": [n - 1, 0],
        "gelu": tanh + [3, 4],
        "geglu": tanh + [3, 5],
        "silu": sigmoid + [0, 1],
        "swiglu": sigmoid + [0, 2],
        "softmax": n * (exp + [2, 2]) + reciprocal + [2 * (n - 1), 0],
        "layernorm": unit + [n - 1 + n + n, 1 + n],
        "rmsnorm": unit + [0, n],
        "combine": [n - 1, n],
        "merge": [n - 1, n],
        "evict": [2 * n - 1, n],
    }
    forms["topk:3"] = forms["softmax"] + [3 * (n - 1) + 2 * n, 0]
    adds, multiplies = forms[kind]
    return int(adds), int(multiplies)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("terms", "newton", "invsqrt"), [(6, 3, 2), (4, 1, 1), (9, 0, 4)])
def test_counts_equal_the_closed_forms(kind, terms, newton, invsqrt):
    spec = AsicSpec(taylor_terms=terms, newton_steps=newton, invsqrt_newton_steps=invsqrt, sincos_table=True)
    n = 37 if find(kind).by_row else 1
    found = cost(spec, kind, 1, n)
    assert (found.adds, found.multiplies) == closed_form(kind, n, terms, newton, invsqrt)


def test_halving_costs_a_squaring_each():
    gelu = [cost(AsicSpec(range_reduction="halving", halvings=k), "gelu", 1) for k in (1, 8)]
    assert gelu[1].multiplies - gelu[0].multiplies == 7
    assert gelu[1].adds == gelu[0].adds


def square_plus(recorder: Recorder) -> tuple[Stage, ...]:
    """x^2 + x on a row of four."""
    x = recorder.bring_in(4)
    return recorder.finish([x], [], (recorder.add(recorder.multiply(x, x), x),)).stages


def test_unchained_stages_pass_through_sram():
    first, second = square_plus(Recorder(AsicSpec(add_depth=2, multiply_depth=5)))
    assert first == Stage(adds=0, multiplies=4, read_bytes=8, write_bytes=8, live_bytes=16, depth=5)
    assert second == Stage(adds=4, multiplies=0, read_bytes=16, write_bytes=8, live_bytes=16, depth=2)


def test_chained_stages_forward():
    (only,) = square_plus(Recorder(AsicSpec(add_depth=2, multiply_depth=5, chained=True)))
    assert only == Stage(adds=4, multiplies=4, read_bytes=8, write_bytes=8, live_bytes=8, depth=7)


def test_fp32_intermediates_take_twice_the_room():
    first, second = square_plus(Recorder(AsicSpec(datapath="fp32")))
    assert (first.write_bytes, second.read_bytes, second.write_bytes) == (16, 24, 8)


def test_independent_primitives_share_a_stage():
    recorder = Recorder(AsicSpec())
    x, y = recorder.bring_in(4), recorder.bring_in(4)
    (first, second) = recorder.finish([x, y], [], (recorder.add(recorder.multiply(x, x), recorder.add(y, y)),)).stages
    assert (first.adds, first.multiplies, second.adds) == (4, 4, 4)


def test_a_broadcast_ends_a_chained_stage():
    recorder = Recorder(AsicSpec(chained=True))
    x = recorder.bring_in(8)
    stages = recorder.finish([x], [], (recorder.subtract(x, recorder.max(x)),)).stages
    assert [s.adds for s in stages] == [7, 8]


@pytest.mark.parametrize(("columns", "levels"), [(2, 1), (3, 2), (8, 3), (9, 4), (1024, 10)])
def test_trees_are_log_deep(columns, levels):
    assert len(schedule(AsicSpec(), "partial_sum", columns).stages) == levels


def test_softmax_is_three_chained_stages():
    stages = schedule(AsicSpec(chained=True), "softmax", 512).stages
    assert [s.multiplies for s in stages] == [0, 512 * 8 + 6, 512]


def test_a_shared_input_is_held_once():
    plan = schedule(AsicSpec(), "layernorm", 100)
    assert (plan.input_bytes, plan.shared_bytes, plan.output_bytes) == (200, 400, 200)
