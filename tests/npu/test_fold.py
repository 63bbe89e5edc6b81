"""Elements that the arrays move, against closed forms of the dataflows."""

from __future__ import annotations

import pytest

from pimsim.npu.dataflows import folds
from pimsim.npu.spec import NpuSpec

M, K, N, SIDE = 40, 100, 90, 16
BLOCKS_M, BLOCKS_K, BLOCKS_N = 3, 7, 6


@pytest.mark.parametrize(("dataflow", "operands", "sums"), [
    ("weight-stationary", K * N + M * K * BLOCKS_N, M * N * (2 * BLOCKS_K - 1)),  # weights once, activations for each block of columns
    ("input-stationary", M * K + K * N * BLOCKS_M, M * N * (2 * BLOCKS_K - 1)),  # activations once, weights for each block of tokens
    ("output-stationary", M * K * BLOCKS_N + K * N * BLOCKS_M, M * N),  # both for each block of outputs, which leave once
])
@pytest.mark.parametrize("arrays", [1, 8])
def test_elements_moved_are_those_of_the_dataflow_however_many_arrays(dataflow: str, operands: int, sums: int, arrays: int) -> None:
    cut = folds(NpuSpec(arrays=arrays, rows=SIDE, columns=SIDE, dataflow=dataflow), M, K, N)
    assert (cut.operands.sum(), cut.sums.sum()) == (operands, sums)


def test_parts_and_repetitions_move_as_much_as_their_folds() -> None:
    cut = folds(NpuSpec(rows=SIDE, columns=SIDE), M, K, N)
    assert cut.part(slice(0, 5)).operands.sum() + cut.part(slice(5, None)).operands.sum() == cut.operands.sum()
    assert cut.repeated(3).sums.sum() == 3 * cut.sums.sum() and len(cut.repeated(3)) == 3 * len(cut)
