"""Choosing experts and summing what they put out, on numbers."""

import numpy as np
import pytest

from pimsim.asic.arithmetic import evaluate
from pimsim.asic.latency import cost
from pimsim.asic.spec import AsicSpec
from pimsim.errors import InputError

FP32 = AsicSpec(datapath="fp32")


def softmax(x: np.ndarray) -> np.ndarray:
    return np.exp(x) / np.exp(x).sum()


def test_topk_puts_out_the_largest_probabilities_in_falling_order():
    scores = np.array([1.0, 3.0, 2.0, -1.0, 2.5])
    found = np.concatenate(evaluate(FP32, "topk:3", scores))
    np.testing.assert_allclose(found, softmax(scores)[[1, 4, 2]], rtol=2**-8)


def test_topk_takes_equal_scores_one_after_the_other():
    first, second, third = evaluate(FP32, "topk:3", np.array([0.0, 5.0, 5.0]))
    assert first == second > third


def test_topk_of_all_gives_all():
    scores = np.array([0.5, -0.5])
    np.testing.assert_allclose(np.concatenate(evaluate(FP32, "topk:2", scores)).sum(), 1, rtol=2**-7)


def test_topk_costs_a_tree_and_a_comparison_of_all_for_each_more():
    two, three = (cost(FP32, f"topk:{k}", 1, 64) for k in (2, 3))
    assert (three.adds - two.adds, three.multiplies) == (63 + 64, two.multiplies)


@pytest.mark.parametrize("kind", ["topk", "topk:0", "topk:x", "softmax:2"])
def test_a_count_belongs_to_topk_alone(kind):
    with pytest.raises(InputError, match="no operation"):
        cost(FP32, kind, 1, 8)


def test_combine_weighs_and_adds():
    outputs = np.array([[1.0, 2.0], [3.0, -4.0]])
    got = evaluate(FP32, "combine", outputs, np.array([0.75, 0.25]))
    np.testing.assert_array_equal(got[:, 0], [1.25, 1.25])
