"""Adder trees of vector units."""

import pytest

from pimsim.npu.spec import NpuSpec
from pimsim.npu.vector import tree_cycles


@pytest.mark.parametrize(("width", "elements", "cycles"), [(128, 128, 1), (128, 129, 3), (128, 4096, 33), (1, 1, 1), (1, 1024, 1024)])
def test_a_row_is_folded_until_one_is_left(width: int, elements: int, cycles: int) -> None:
    assert tree_cycles(NpuSpec(vector_width=width), elements) == cycles
