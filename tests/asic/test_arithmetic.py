import ml_dtypes
import numpy as np
import pytest

from pimsim.asic.arithmetic import Arithmetic, evaluate, to_bf16
from pimsim.asic.datapath import PRIMITIVES
from pimsim.asic.spec import AsicSpec
from pimsim.errors import InputError

RNG = np.random.default_rng(20231009)


def test_bf16_rounding_equals_ml_dtypes_on_random_bit_patterns():
    x = RNG.integers(0, 2**32, 100_000, dtype=np.uint32).view(np.float32)
    with np.errstate(invalid="ignore"):
        np.testing.assert_array_equal(to_bf16(x), x.astype(ml_dtypes.bfloat16).astype(np.float32))


@pytest.mark.parametrize("x", [np.inf, -np.inf, np.nan, 0.0, 3.4e38, 2**-133])
def test_bf16_rounding_of_special_values(x):
    np.testing.assert_array_equal(to_bf16(x), np.float32(ml_dtypes.bfloat16(x)))


def test_bf16_datapath_rounds_after_every_primitive():
    d = Arithmetic(AsicSpec(datapath="bf16"))
    assert d.add(np.float32([256.0]), 1.0)[0] == 256.0
    assert d.multiply(np.float32([1.0]), 1 / 3)[0] == to_bf16(1 / 3)


def test_fp32_datapath_keeps_fp32():
    d = Arithmetic(AsicSpec(datapath="fp32"))
    x = d.add(np.float32([256.0]), 2**-15)
    assert x.dtype == np.float32 and x[0] == np.float32(256 + 2**-15)


def test_fold_keeps_the_odd_element():
    np.testing.assert_array_equal(Arithmetic(AsicSpec()).fold("add", np.float32([[1, 2, 3, 4, 5]])), [[4, 6, 5]])


@pytest.mark.parametrize("columns", [1, 2, 3, 7, 64, 1000])
def test_tree_sum_and_max_of_whole_numbers_are_exact(columns):
    d = Arithmetic(AsicSpec(datapath="fp32"))
    x = RNG.integers(-100, 100, (3, columns)).astype(np.float32)
    np.testing.assert_array_equal(d.sum(x), x.sum(-1, keepdims=True))
    np.testing.assert_array_equal(d.max(x), x.max(-1, keepdims=True))


def test_scale_exponent_multiplies_by_powers_of_two():
    d = Arithmetic(AsicSpec())
    np.testing.assert_array_equal(d.scale_exponent(np.float32([1.5, -3]), np.float32([3, -2])), [12, -0.75])
    np.testing.assert_array_equal(d.scale_exponent(np.float32([1.5, -3]), -1), [0.75, -1.5])


def test_evaluate_rounds_inputs_and_outputs_to_bf16():
    result = evaluate(AsicSpec(datapath="fp32"), "scale", np.float32([1.001]), factor=1 / 3)
    assert result[0] == to_bf16(1 / 3)


def test_evaluate_refuses_a_wrong_number_of_inputs():
    with pytest.raises(InputError, match="'layernorm' was given 1 inputs; 3: x, gain, bias"):
        evaluate(AsicSpec(), "layernorm", np.ones(4))


def test_evaluate_names_the_nearest_kind():
    with pytest.raises(InputError, match="did you mean 'softmax'"):
        evaluate(AsicSpec(), "softmx", np.ones(4))


def test_every_primitive_belongs_to_a_unit():
    d = Arithmetic(AsicSpec(datapath="fp32"))
    one = np.ones(1, np.float32)
    for primitive in PRIMITIVES:
        operands = (0x7F000000, one, 0) if primitive == "bit_subtract" else (one, one)
        assert d.apply(primitive, *operands[: 1 if primitive == "round" else 3]).dtype == np.float32
