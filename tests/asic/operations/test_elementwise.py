import numpy as np
import pytest

from pimsim.asic.arithmetic import evaluate
from pimsim.asic.spec import AsicSpec

SPEC = AsicSpec(sincos_table=True)
X = np.arange(-8, 8, dtype=np.float32)


@pytest.mark.parametrize("kind", ["add", "bias"])
def test_additions_add(kind):
    np.testing.assert_array_equal(evaluate(SPEC, kind, X, 2 * X), 3 * X)


def test_scale_scales():
    np.testing.assert_array_equal(evaluate(SPEC, "scale", X, factor=0.125), X / 8)


def test_relu_rectifies():
    np.testing.assert_array_equal(evaluate(SPEC, "relu", X), np.maximum(X, 0))


@pytest.mark.parametrize("chunks", [1, 2, 3, 7])
def test_partial_sums_add_up_along_the_chunks(chunks):
    partial = np.arange(5 * chunks, dtype=np.float32).reshape(5, chunks)
    np.testing.assert_array_equal(evaluate(SPEC, "partial_sum", partial), partial.sum(-1, keepdims=True))


def test_rotary_turns_by_a_quarter():
    x, y = evaluate(SPEC, "rotary", X, 2 * X, np.zeros(16), np.ones(16))
    np.testing.assert_array_equal(x, -2 * X)
    np.testing.assert_array_equal(y, X)


def test_rotary_keeps_the_length():
    angle = np.linspace(0, 6, 16)
    x, y = evaluate(AsicSpec(sincos_table=True, datapath="fp32"), "rotary", X, 2 * X, np.cos(angle), np.sin(angle))
    np.testing.assert_allclose(np.hypot(x, y), np.hypot(X, 2 * X), rtol=2**-7)
