from itertools import pairwise

import numpy as np
import pytest

from pimsim.asic.arithmetic import Arithmetic, evaluate, to_bf16
from pimsim.asic.operations.softmax import softmax
from pimsim.asic.spec import AsicSpec


def scores(columns: int) -> np.ndarray:
    return to_bf16(np.random.default_rng(columns).normal(0, 3, (16, columns)))


def exact(x: np.ndarray, scale: float = 1.0) -> np.ndarray:
    power = np.exp(scale * (x.astype(np.float64) - x.max(-1, keepdims=True)))
    return power / power.sum(-1, keepdims=True)


@pytest.mark.parametrize(
    ("datapath", "absolute", "relative", "sums"), [("fp32", 5.4e-7, 3.6e-6, 1.7e-7), ("bf16", 1.1e-2, 0.16, 1.2e-2)]
)
def test_raw_error(datapath, absolute, relative, sums):
    d = Arithmetic(AsicSpec(datapath=datapath))
    results = [(softmax(d, x), exact(x)) for x in map(scores, (2, 77, 512, 1024))]
    assert 0.9 * absolute < max(np.max(np.abs(got - want)) for got, want in results) <= absolute
    assert 0.9 * relative < max(np.max(np.abs(got / want - 1)) for got, want in results) <= relative
    assert 0.9 * sums < max(np.max(np.abs(got.sum(-1, dtype=np.float64) - 1)) for got, _ in results) <= sums


def test_fp32_datapath_rounds_to_the_right_bf16():
    x = scores(512)
    np.testing.assert_allclose(evaluate(AsicSpec(datapath="fp32"), "softmax", x), exact(x), rtol=2**-8 + 4e-6)


def test_a_single_score_is_certain():
    assert evaluate(AsicSpec(), "softmax", [[3.0]])[0, 0] == 1


def test_scale_is_applied():
    x = scores(64)
    result = evaluate(AsicSpec(datapath="fp32"), "softmax", x, scale=0.125)
    np.testing.assert_allclose(result, exact(x, 0.125), rtol=2**-8 + 4e-6)


def test_masked_scores_vanish():
    result = evaluate(AsicSpec(), "softmax", [[0.0, -np.inf, 0.0]])
    np.testing.assert_allclose(result, [[0.5, 0, 0.5]], atol=1e-37)


def test_error_falls_with_terms():
    x = scores(512)
    errors = [
        np.max(np.abs(softmax(Arithmetic(AsicSpec(datapath="fp32", taylor_terms=n)), x) / exact(x) - 1))
        for n in (2, 3, 4, 5, 6)
    ]
    assert all(later < earlier / 5 for earlier, later in pairwise(errors))
