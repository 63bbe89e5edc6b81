"""Narrow numbers as bf16 numbers that they equal."""

import numpy as np
import pytest

from pimsim.asic.arithmetic import to_bf16
from pimsim.mapping.functional.narrow import LARGEST, narrowed

X = to_bf16(np.random.default_rng(1).standard_normal(1000).astype(np.float32))


@pytest.mark.parametrize("dtype", LARGEST)
def test_they_are_bf16_numbers(dtype):
    np.testing.assert_array_equal(to_bf16(narrowed(X, dtype)), narrowed(X, dtype))


@pytest.mark.parametrize("dtype", LARGEST)
def test_narrowing_twice_changes_nothing_more(dtype):
    np.testing.assert_array_equal(narrowed(narrowed(X, dtype), dtype), narrowed(X, dtype))


@pytest.mark.parametrize(("dtype", "levels"), [("int8", 255), ("int4", 15)])
def test_integers_have_so_many_levels_times_a_power_of_two(dtype, levels):
    kept = np.unique(narrowed(X, dtype))
    step = np.diff(kept).min()
    assert len(kept) <= levels and np.log2(step) == round(np.log2(step)) and np.all(kept / step == np.rint(kept / step))


def test_integers_are_off_by_half_a_step_at_the_most():
    step = np.diff(np.unique(narrowed(X, "int8"))).min()
    assert np.abs(narrowed(X, "int8") - X).max() <= step / 2


def test_fp8_keeps_four_bits():
    np.testing.assert_allclose(narrowed(X[np.abs(X) > 0.1], "fp8"), X[np.abs(X) > 0.1], rtol=2**-4)


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_wide_formats_stay(dtype):
    assert narrowed(X, dtype) is X


def test_zeros_stay():
    np.testing.assert_array_equal(narrowed(np.zeros(3, np.float32), "int4"), np.zeros(3))
