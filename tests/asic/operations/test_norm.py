import numpy as np
import pytest

from pimsim.asic.arithmetic import Arithmetic, evaluate, to_bf16
from pimsim.asic.operations.norm import layernorm, rmsnorm
from pimsim.asic.spec import AsicSpec


def inputs(columns: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(columns)
    return tuple(
        to_bf16(rng.normal(mean, sigma, shape))
        for mean, sigma, shape in ((0.5, 2, (8, columns)), (1, 0.2, columns), (0, 0.2, columns))
    )


def exact_layernorm(x, gain, bias):
    x = x.astype(np.float64)
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * gain + bias


def exact_rmsnorm(x, gain):
    x = x.astype(np.float64)
    return x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-5) * gain


COLUMNS = (64, 768, 1600, 2048)


@pytest.mark.parametrize(("datapath", "bound"), [("fp32", 1.9e-5), ("bf16", 4.1e-2)])
def test_layernorm_raw_error(datapath, bound):
    d = Arithmetic(AsicSpec(datapath=datapath))
    worst = max(np.max(np.abs(layernorm(d, *row) - exact_layernorm(*row))) for row in map(inputs, COLUMNS))
    assert 0.9 * bound < worst <= bound


@pytest.mark.parametrize(("datapath", "bound"), [("fp32", 1.4e-5), ("bf16", 3.5e-2)])
def test_rmsnorm_raw_error(datapath, bound):
    d = Arithmetic(AsicSpec(datapath=datapath))
    worst = max(np.max(np.abs(rmsnorm(d, *row[:2]) - exact_rmsnorm(*row[:2]))) for row in map(inputs, COLUMNS))
    assert 0.9 * bound < worst <= bound


def test_error_falls_with_newton_steps():
    x, gain, bias = inputs(768)
    datapaths = [Arithmetic(AsicSpec(datapath="fp32", invsqrt_newton_steps=n)) for n in (0, 1, 2)]
    errors = [np.max(np.abs(layernorm(d, x, gain, bias) - exact_layernorm(x, gain, bias))) for d in datapaths]
    assert errors[1] < errors[0] / 15 and errors[2] < errors[1] / 100


def test_constant_row_is_the_bias():
    _, gain, bias = inputs(64)
    np.testing.assert_array_equal(evaluate(AsicSpec(), "layernorm", np.full((1, 64), 3.0), gain, bias)[0], bias)


def test_epsilon_is_applied():
    x, gain, bias = inputs(64)
    small = evaluate(AsicSpec(datapath="fp32"), "layernorm", x, gain, 0 * bias, epsilon=1e6)
    assert np.max(np.abs(small)) < 2e-2
