"""The yardsticks themselves, against loops and known values."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.mapping.functional import reference
from pimsim.mapping.functional.reference import exact, ordered_products, softmax_scale, wide_products
from pimsim.model.graph import INPUT, Graph

from .conftest import BF16, attention_block, block_of


def random(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def slow_sum(weights: np.ndarray, vector: np.ndarray, lanes: int) -> np.float32:
    """One output of one chunk, addition by addition."""
    total = np.float32(0)
    for first in range(0, len(vector), lanes):
        terms = [np.float32(w * x) for w, x in zip(weights[first : first + lanes], vector[first : first + lanes], strict=True)]
        terms += [np.float32(0)] * (lanes - len(terms))
        while len(terms) > 1:
            half = len(terms) // 2
            terms = [terms[i] + terms[half + i] for i in range(half)] + terms[2 * half :]
        total = np.float32(total + terms[0])
    return total


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 5), st.integers(1, 70), st.sampled_from([1, 3, 8, 16]), st.sampled_from([16, 48]), st.integers(0, 99))
def test_ordered_products_add_in_order(outputs, inputs, lanes, chunk, seed):
    chunk = chunk // lanes * lanes
    matrix, vector = random(seed, outputs, inputs), random(seed + 1, inputs)
    wanted = [[slow_sum(row[b : b + chunk], vector[b : b + chunk], lanes) for b in range(0, inputs, chunk)] for row in matrix]
    np.testing.assert_array_equal(ordered_products(matrix, vector, lanes, chunk), wanted)


def test_order_shows_in_the_result():
    matrix, vector = np.array([[2.0**24, 1, -(2.0**24)]], np.float32), np.ones(3, np.float32)
    assert ordered_products(matrix, vector, 1, 3)[0, 0] == 0
    assert ordered_products(matrix[:, [0, 2, 1]], vector, 1, 3)[0, 0] == 1


def test_blocks_change_nothing(monkeypatch):
    matrix, vector = random(0, 50, 40), random(1, 40)
    whole = ordered_products(matrix, vector, 16, 32), wide_products(matrix, vector)[0]
    monkeypatch.setattr(reference, "BLOCK_ELEMENTS", 100)
    np.testing.assert_array_equal(ordered_products(matrix, vector, 16, 32), whole[0])
    np.testing.assert_allclose(wide_products(matrix, vector)[0], whole[1], atol=1e-14)


def test_wide_products_and_their_magnitude():
    matrix, vector = random(0, 20, 30), random(1, 30)
    product, magnitude = wide_products(matrix, vector)
    np.testing.assert_allclose(product, [math.fsum(float(w) * float(x) for w, x in zip(r, vector, strict=True)) for r in matrix])
    assert product.dtype == np.float64 and np.all(magnitude >= np.abs(product))
    np.testing.assert_allclose(magnitude, np.abs(matrix).astype(float) @ np.abs(vector))


def operator(kind: str, rows: int, cols: int = 1):
    graph = Graph(BF16)
    graph.add(kind, kind, (INPUT,), rows=rows, cols=cols)
    return block_of(graph).operators[0]


X = np.array([-2.0, -0.5, 0.0, 0.5, 3.0], np.float32)


@pytest.mark.parametrize(("kind", "wanted"), [
    ("relu", [0, 0, 0, 0.5, 3]),
    ("gelu", [-0.04540231, -0.15428599, 0, 0.34571401, 2.99636261]),  # torch.nn.functional.gelu(approximate="tanh")
    ("silu", [-0.23840584, -0.18877033, 0, 0.31122967, 2.85772238]),
])  # fmt: skip
def test_exact_activations(kind, wanted):
    np.testing.assert_allclose(exact(operator(kind, 5), (X,)), wanted, atol=2e-8)


@pytest.mark.parametrize(("kind", "plain"), [("geglu", "gelu"), ("swiglu", "silu")])
def test_exact_gated_activations(kind, plain):
    np.testing.assert_allclose(exact(operator(kind, 5, 2), (X, 2 * X)), exact(operator(plain, 5), (X,)) * 2 * X)


def test_exact_layernorm_has_mean_bias_and_spread_gain():
    x, one = 5 + 3 * random(0, 1, 4000), np.ones(4000, np.float32)
    out = exact(operator("layernorm", 4000, 4000), (x, 2 * one, 7 * one))
    assert abs(out.mean() - 7) < 1e-9 and abs(out.std() - 2) < 1e-4


def test_exact_rmsnorm_has_mean_square_gain():
    x, one = 5 + 3 * random(0, 1, 4000), np.ones(4000, np.float32)
    out = exact(operator("rmsnorm", 4000, 4000), (x, 2 * one))
    assert abs((out**2).mean() - 4) < 1e-4 and out.mean() > 1


def test_exact_softmax_scales_by_the_root_of_the_head_size():
    op = attention_block(2, 1, 1, 64).operators[2]
    assert softmax_scale(op) == 1 / 8
    np.testing.assert_allclose(exact(op, (np.array([[0, 8]], np.float32),)), [[1 / (1 + math.e), math.e / (1 + math.e)]])


def test_exact_rotary_turns_pairs():
    angle = np.array([0.3])
    x, y = exact(operator("rotary", 2, 2), (np.array([[1.0]]), np.array([[0.0]]), np.cos(angle), np.sin(angle)))
    np.testing.assert_allclose([x[0, 0], y[0, 0]], [math.cos(0.3), math.sin(0.3)])
