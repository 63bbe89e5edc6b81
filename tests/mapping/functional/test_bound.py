"""Bounds hold, are not far from what happens where roundings alone make the error, and are broken by a poorer arithmetic."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.asic.arithmetic import evaluate, to_bf16
from pimsim.asic.spec import AsicSpec
from pimsim.mapping.functional.bound import ABSOLUTE, RELATIVE, bound, collected_bound, growth, sum_bound
from pimsim.mapping.functional.reference import exact, ordered_products, softmax_scale, wide_products
from pimsim.model.graph import INPUT, Graph, Heads
from pimsim.model.operator import Operator

from .conftest import BF16, block_of

DOC = Path(__file__).parents[3] / "docs" / "asic.md"
DATAPATHS = ("bf16", "fp32")


def operator(kind: str, rows: int, cols: int) -> Operator:
    graph = Graph(BF16)
    graph.add(kind, kind, (INPUT,), rows=rows, cols=cols, heads=Heads(1, 1, 64))
    return block_of(graph).operators[0]


def bf16(rng: np.random.Generator, *shape: int, mean: float = 0, deviation: float = 1) -> np.ndarray:
    return to_bf16(rng.normal(mean, deviation, shape))


def operands(kind: str, n: int, seed: int, mean: float = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    if kind == "softmax":
        return (bf16(rng, 4, n, deviation=8),)
    if kind in ("layernorm", "rmsnorm"):
        gain, bias = bf16(rng, n, mean=1, deviation=0.2), bf16(rng, n, deviation=0.2)
        return (bf16(rng, 4, n, mean=mean), gain, bias)[: 3 if kind == "layernorm" else 2]
    if kind == "rotary":
        angles = rng.uniform(0, 6, n)
        return bf16(rng, 3, n), bf16(rng, 3, n), to_bf16(np.cos(angles)), to_bf16(np.sin(angles))
    return tuple(bf16(rng, n) for _ in range(2 if kind in ("add", "geglu", "swiglu") else 1))


def used(kind: str, spec: AsicSpec, n: int, seed: int = 0, mean: float = 0) -> float:
    """Largest share of its bound that the ASIC's error takes."""
    op, values = operator(kind, n, n), operands(kind, n, seed, mean)
    wanted = exact(op, values)
    scale = {"scale": softmax_scale(op)} if kind == "softmax" else {}
    error = np.abs(np.asarray(evaluate(spec, kind, *values, **scale)) - wanted)
    allowed = bound(op, spec, values, wanted)
    assert not error[allowed == 0].any()
    return float(np.max(error[allowed > 0] / allowed[allowed > 0], initial=0))


KINDS = ("add", "relu", "gelu", "silu", "geglu", "swiglu", "softmax", "layernorm", "rmsnorm", "rotary")


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(DATAPATHS), st.integers(1, 1500), st.integers(0, 999), st.sampled_from([-3, 0, 0.5]))
@pytest.mark.parametrize("kind", KINDS)
def test_the_asic_stays_within_its_bounds(kind, datapath, n, seed, mean):
    assert used(kind, AsicSpec(datapath=datapath, sincos_table=True), n, seed, mean) <= 1


@pytest.mark.parametrize("kind", ["softmax", "layernorm", "rmsnorm", "rotary", "swiglu", "add"])
def test_an_fp32_datapath_comes_close_to_its_bounds(kind):
    assert used(kind, AsicSpec(datapath="fp32", sincos_table=True), 1024) > 0.9


@pytest.mark.parametrize(("kind", "least"), [("softmax", 0.1), ("layernorm", 0.1), ("rmsnorm", 0.2), ("gelu", 0.5)])
def test_a_bf16_datapath_is_not_far_from_its_bounds(kind, least):
    assert used(kind, AsicSpec(), 768) > least


@pytest.mark.parametrize(("kind", "poorer"), [
    ("softmax", {"taylor_terms": 2}),
    ("softmax", {"range_reduction": "none"}),
    ("softmax", {"newton_steps": 0}),
    ("gelu", {"taylor_terms": 2}),
    ("swiglu", {"newton_steps": 0}),
    ("layernorm", {"invsqrt_newton_steps": 0}),
    ("rmsnorm", {"invsqrt_newton_steps": 0}),
])  # fmt: skip
def test_a_poorer_arithmetic_breaks_its_bounds(kind, poorer):
    assert used(kind, AsicSpec(datapath="fp32", **poorer), 512) > 1


@pytest.mark.parametrize("datapath", DATAPATHS)
def test_a_wrong_result_breaks_its_bound(datapath):
    spec, values = AsicSpec(datapath=datapath), operands("layernorm", 256, 0)
    op = operator("layernorm", 256, 256)
    wanted = exact(op, values)
    swapped = wanted[:, ::-1]
    assert np.any(np.abs(swapped - wanted) > bound(op, spec, values, wanted))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 3000), st.sampled_from([4, 16]), st.sampled_from([64, 1024]), st.integers(0, 99))
def test_sums_stay_within_their_bound(n, lanes, chunk, seed):
    rng = np.random.default_rng(seed)
    matrix, vector = bf16(rng, 8, n), bf16(rng, n)
    wanted, magnitude = wide_products(matrix, vector)
    error = np.abs(ordered_products(matrix, vector, lanes, chunk).sum(-1, dtype=np.float64) - wanted)
    assert np.all(error <= sum_bound(magnitude, n, lanes, chunk))


def test_the_worst_sum_uses_most_of_its_bound():
    n = 64 * 16  # each column's 1 + 2^-24 is rounded away against the accumulator; all errors have one sign
    matrix = np.zeros((1, n), np.float32)
    matrix[0, ::16] = 2.0**-25
    matrix[0, 0] = 1
    vector = np.ones(n, np.float32)
    wanted, magnitude = wide_products(matrix, vector)
    error = abs(ordered_products(matrix, vector, 16, 1024)[0, 0] - wanted[0])
    assert 0.4 * sum_bound(magnitude, n, 16, 1024)[0] < error


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(DATAPATHS), st.integers(1, 9), st.booleans(), st.integers(0, 999))
def test_collected_results_stay_within_their_bound(datapath, chunks, biased, seed):
    rng, spec = np.random.default_rng(seed), AsicSpec(datapath=datapath)
    partial, bias = rng.normal(size=(50, chunks)).astype(np.float32), bf16(rng, 50) if biased else None
    result = to_bf16(partial)
    result = np.asarray(evaluate(spec, "partial_sum", result))[..., 0] if chunks > 1 else result[..., 0]
    wanted = partial.sum(-1, dtype=np.float64)
    if bias is not None:
        result, wanted = np.asarray(evaluate(spec, "bias", result, bias)), wanted + bias
    assert np.all(np.abs(result - wanted) <= collected_bound(spec, partial, bias, np.zeros(50)))


def test_an_error_of_the_sums_is_passed_on():
    args = AsicSpec(), np.ones((2, 3), np.float32), None
    assert np.all(collected_bound(*args, np.ones(2)) > collected_bound(*args, np.zeros(2)) + 1)


def test_growth():
    assert growth(0.5, 2) == pytest.approx(1.25)


def figures() -> dict[str, tuple[float, float]]:
    """First row of each line of the measured errors in docs/asic.md: fp32 and bf16."""
    section = DOC.read_text(encoding="utf-8").split("## Measured errors")[1]
    cells = [[c.strip() for c in line.strip("|").split("|")] for line in section.splitlines() if line.startswith("|")]
    rows = {row[0]: (row[2], row[3]) for row in cells[2:] if row[0]}
    def last(text: str) -> str:
        return text.split(" / ")[-1]
    # of the steps 0 / 1 / 2 / 3: the reciprocal takes 3, 1/sqrt 2
    reciprocal = next(v for k, v in rows.items() if k.startswith("reciprocal"))
    root = next(v for k, v in rows.items() if k.startswith("1/sqrt"))
    named = {"reciprocal": tuple(last(v) for v in reciprocal), "1/sqrt": tuple(v.split(" / ")[2] for v in root),
             "exp": rows["exp, split, relative"], "gelu": rows["gelu, absolute"], "silu": rows["silu, absolute"]}
    return {k: (float(a), float(b)) for k, (a, b) in named.items()}


@pytest.mark.parametrize("name", ["exp", "reciprocal", "1/sqrt", "gelu", "silu"])
def test_measured_errors_are_those_of_the_document(name):
    table = (ABSOLUTE | RELATIVE)[name]
    assert (table["fp32"], table["bf16"]) == figures()[name]
