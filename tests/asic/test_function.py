"""Measured errors against exact functions. A bound is the largest error found, rounded up in its second digit."""

import math

import numpy as np
import pytest

from pimsim.asic import function
from pimsim.asic.arithmetic import Arithmetic, to_bf16
from pimsim.asic.spec import AsicSpec

HALF_LN_2 = math.log(2) / 2


def grid(low: float, high: float, datapath: str = "fp32") -> np.ndarray:
    """200,001 points from low to high, or all the bf16 numbers among them."""
    x = np.linspace(low, high, 200_001).astype(np.float32)
    return x if datapath == "fp32" else np.unique(to_bf16(x))


def max_rel(got: np.ndarray, exact: np.ndarray) -> float:
    return float(np.max(np.abs(got.astype(np.float64) / exact - 1)))


def max_abs(got: np.ndarray, exact: np.ndarray) -> float:
    return float(np.max(np.abs(got.astype(np.float64) - exact)))


def exp_error(low: float, high: float, **fields: object) -> float:
    spec = AsicSpec(**fields)
    x = grid(low, high, spec.datapath)
    return max_rel(function.exp(Arithmetic(spec), x), np.exp(x.astype(np.float64)))


EXP_ERRORS = [  # datapath, range reduction, low, high, largest relative error at 6 terms
    ("fp32", "split", -1, 1, 3.4e-6),
    ("fp32", "split", -86.5, 86.5, 7.3e-6),
    ("fp32", "halving", -1, 1, 1.5e-5),
    ("fp32", "halving", -10, 0, 8.7e-6),
    ("fp32", "halving", -86.5, 86.5, 3.0e-2),
    ("fp32", "none", -1, 1, 3.4e-3),
    ("bf16", "split", -1, 1, 5.8e-3),
    ("bf16", "split", -10, 0, 3.3e-2),
    ("bf16", "split", -86.5, 86.5, 0.57),
    ("bf16", "halving", -1, 1, 0.55),
    ("bf16", "none", -1, 1, 1.2e-2),
]


@pytest.mark.parametrize(("datapath", "reduction", "low", "high", "bound"), EXP_ERRORS)
def test_exp_error(datapath, reduction, low, high, bound):
    error = exp_error(low, high, datapath=datapath, range_reduction=reduction)
    assert 0.9 * bound < error <= bound


@pytest.mark.parametrize("terms", [2, 3, 4, 5])
def test_exp_error_falls_with_terms_as_the_taylor_remainder(terms):
    worst = sum(HALF_LN_2**i / math.factorial(i) * (-1) ** (i + terms) for i in range(terms, 30)) * math.exp(HALF_LN_2)
    assert exp_error(-1, 1, datapath="fp32", taylor_terms=terms) == pytest.approx(worst, rel=0.01)


def test_exp_stops_improving_at_eight_terms_in_fp32():
    assert exp_error(-1, 1, datapath="fp32", taylor_terms=8) < 9e-8
    assert exp_error(-1, 1, datapath="fp32", taylor_terms=10) > 7e-8


def test_exp_stops_improving_at_four_terms_in_bf16():
    errors = [exp_error(-10, 0, datapath="bf16", taylor_terms=n) for n in (4, 6, 10)]
    assert errors[0] == errors[1] == errors[2]


@pytest.mark.parametrize("datapath", ["fp32", "bf16"])
def test_exp_without_range_reduction_is_useless_away_from_zero(datapath):
    assert exp_error(-10, 0, datapath=datapath, range_reduction="none") > 1e6


def test_exp_stays_normal_at_its_limits():
    x = np.float32([-function.EXP_LIMIT, function.EXP_LIMIT])
    result = function.exp(Arithmetic(AsicSpec()), x)
    assert np.finfo(np.float32).tiny <= result[0] and result[1] <= 2.0**125


def spread() -> np.ndarray:
    return np.concatenate([grid(1, 4), -grid(1, 4), grid(1e-30, 1e-29), np.float32([2.0**-126, 2.0**125, -(2.0**125)])])


def reciprocal_error(steps: int, datapath: str = "fp32") -> float:
    x = spread() if datapath == "fp32" else np.unique(to_bf16(spread()))
    spec = AsicSpec(datapath=datapath, newton_steps=steps)
    return max_rel(function.reciprocal(Arithmetic(spec), x), 1 / x.astype(np.float64))


def invsqrt_error(steps: int, datapath: str = "fp32") -> float:
    x = np.abs(spread()) if datapath == "fp32" else np.unique(to_bf16(np.abs(spread())))
    spec = AsicSpec(datapath=datapath, invsqrt_newton_steps=steps)
    return max_rel(function.inverse_sqrt(Arithmetic(spec), x), 1 / np.sqrt(x.astype(np.float64)))


STEP_ERRORS = [  # function, steps, fp32, bf16
    (reciprocal_error, 0, 5.1e-2, 5.1e-2),
    (reciprocal_error, 1, 2.6e-3, 9.7e-3),
    (reciprocal_error, 2, 6.7e-6, 5.6e-3),
    (reciprocal_error, 3, 1.5e-7, 5.6e-3),
    (invsqrt_error, 0, 3.5e-2, 3.6e-2),
    (invsqrt_error, 1, 1.8e-3, 9.1e-3),
    (invsqrt_error, 2, 4.8e-6, 6.3e-3),
    (invsqrt_error, 3, 1.6e-7, 5.6e-3),
]


@pytest.mark.parametrize(("error", "steps", "fp32", "bf16"), STEP_ERRORS)
def test_newton_error(error, steps, fp32, bf16):
    assert 0.9 * fp32 < error(steps) <= fp32
    assert 0.9 * bf16 < error(steps, "bf16") <= bf16


@pytest.mark.parametrize("steps", [0, 1])
def test_a_reciprocal_step_squares_the_error(steps):
    assert reciprocal_error(steps + 1) == pytest.approx(reciprocal_error(steps) ** 2, rel=0.05)


@pytest.mark.parametrize("steps", [0, 1])
def test_an_inverse_sqrt_step_takes_three_halves_of_the_square(steps):
    error = invsqrt_error(steps)
    assert invsqrt_error(steps + 1) == pytest.approx(1.5 * error**2, rel=0.05)


def test_no_other_constant_guesses_the_reciprocal_better():
    x = np.linspace(1, 2, 4097)[:-1].astype(np.float32)
    bits = x.view(np.uint32)

    def error(constant: int) -> float:
        return float(np.max(np.abs(x * (np.uint32(constant) - bits).view(np.float32).astype(np.float64) - 1)))

    others = range(function.RECIPROCAL_GUESS - 0x40000, function.RECIPROCAL_GUESS + 0x40000, 0x2000)
    assert error(function.RECIPROCAL_GUESS) <= min(map(error, others)) * 1.001


@pytest.mark.parametrize(("datapath", "bound"), [("fp32", 1.7e-6), ("bf16", 1.7e-2)])
def test_tanh_error_everywhere(datapath, bound):
    for low, high in ((-4, 4), (-100, 100)):
        x = grid(low, high, datapath)
        error = max_abs(function.tanh(Arithmetic(AsicSpec(datapath=datapath)), x), np.tanh(x.astype(np.float64)))
        assert 0.8 * bound < error <= bound


@pytest.mark.parametrize(("datapath", "bound"), [("fp32", 8.3e-7), ("bf16", 8.4e-3)])
def test_sigmoid_error_everywhere(datapath, bound):
    x = grid(-100, 100, datapath)
    exact = 1 / (1 + np.exp(-x.astype(np.float64)))
    assert 0.8 * bound < max_abs(function.sigmoid(Arithmetic(AsicSpec(datapath=datapath)), x), exact) <= bound


def test_tanh_and_sigmoid_saturate_at_infinity():
    d = Arithmetic(AsicSpec())
    infinite = np.float32([-np.inf, np.inf])
    np.testing.assert_array_equal(function.tanh(d, infinite), [-1, 1])
    np.testing.assert_allclose(function.sigmoid(d, infinite), [0, 1], atol=1e-37)
