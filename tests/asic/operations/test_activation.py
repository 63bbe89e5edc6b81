"""GELU, SiLU and their gated forms, on every bf16 number in [-100, 100] of a fine grid.

``raw`` is the error before the result is rounded to bf16, whose half unit in the last place is up to 2^-8 of the value.
"""

import math

import numpy as np
import pytest

from pimsim.asic.arithmetic import Arithmetic, evaluate, to_bf16
from pimsim.asic.operations.gelu import gelu
from pimsim.asic.operations.silu import silu
from pimsim.asic.spec import AsicSpec

X = np.unique(to_bf16(np.linspace(-100, 100, 200_001)))
NEAR = X[np.abs(X) <= 8]


def exact_gelu(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    return x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def exact_silu(x: np.ndarray) -> np.ndarray:
    x = x.astype(np.float64)
    return x / (1 + np.exp(-x))


def error(program, exact, x, datapath):
    return float(np.max(np.abs(program(Arithmetic(AsicSpec(datapath=datapath)), x) - exact(x))))


BOUNDS = [  # program, exact, inputs, datapath, largest raw absolute error
    (gelu, exact_gelu, NEAR, "fp32", 5.3e-7),
    (gelu, exact_gelu, X, "fp32", 6.0e-6),
    (gelu, exact_gelu, NEAR, "bf16", 2.0e-2),
    (gelu, exact_gelu, X, "bf16", 2.0e-2),
    (silu, exact_silu, NEAR, "fp32", 1.1e-6),
    (silu, exact_silu, X, "fp32", 7.7e-6),
    (silu, exact_silu, NEAR, "bf16", 4.1e-2),
]


@pytest.mark.parametrize(("program", "exact", "x", "datapath", "bound"), BOUNDS)
def test_raw_error(program, exact, x, datapath, bound):
    assert 0.9 * bound < error(program, exact, x, datapath) <= bound


@pytest.mark.parametrize(("kind", "exact"), [("gelu", exact_gelu), ("silu", exact_silu)])
def test_fp32_datapath_rounds_to_the_right_bf16(kind, exact):
    result = evaluate(AsicSpec(datapath="fp32"), kind, NEAR)
    wanted = exact(NEAR)
    assert np.all(np.abs(result - wanted) <= 2.0**-8 * np.abs(wanted) + 1e-6)


def test_gelu_of_infinities():
    np.testing.assert_array_equal(evaluate(AsicSpec(), "gelu", [np.inf, 88.0]), [np.inf, 88.0])


def test_gelu_of_zero_is_zero():
    assert evaluate(AsicSpec(), "gelu", [0.0])[0] == 0


@pytest.mark.parametrize(("gated", "plain"), [("geglu", "gelu"), ("swiglu", "silu")])
def test_gated_forms_multiply(gated, plain):
    spec = AsicSpec(datapath="bf16")
    expected = to_bf16(evaluate(spec, plain, NEAR) * NEAR[::-1])
    np.testing.assert_array_equal(evaluate(spec, gated, NEAR, NEAR[::-1]), expected)
