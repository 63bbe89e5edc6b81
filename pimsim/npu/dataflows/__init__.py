"""Dataflows of a systolic array, one a file: what stays in the array, what streams past it."""

from __future__ import annotations

from collections.abc import Callable

from pimsim.npu.dataflows.input_stationary import input_stationary
from pimsim.npu.dataflows.output_stationary import output_stationary
from pimsim.npu.dataflows.weight_stationary import weight_stationary
from pimsim.npu.fold import Folds
from pimsim.npu.spec import NpuSpec

Dataflow = Callable[[NpuSpec, int, int, int], Folds]
"""(NPU, M, K, N) -> folds of the GEMM [M x K] x [K x N]."""

BY_NAME: dict[str, Dataflow] = {
    "weight-stationary": weight_stationary,
    "output-stationary": output_stationary,
    "input-stationary": input_stationary,
}


def folds(npu: NpuSpec, m: int, k: int, n: int) -> Folds:
    """The folds of a GEMM on an NPU with its dataflow."""
    return BY_NAME[npu.dataflow](npu, m, k, n)
