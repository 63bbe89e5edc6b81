"""GEMM cycles against SCALE-Sim 3.0.0 (128 x 128 weight-stationary, compute only: cycles counted from 0)."""

import pytest

from pimsim.npu.gemm import compute_only
from pimsim.npu.spec import NpuSpec

SCALE_SIM = [(128, 768, 3072, 73_439), (1, 1024, 4096, 98_047), (64, 4096, 4096, 456_703), (256, 4096, 12288, 1_959_935)]


@pytest.mark.parametrize(("m", "k", "n", "cycles"), SCALE_SIM)
def test_one_array_without_double_buffering_is_scale_sim(m: int, k: int, n: int, cycles: int) -> None:
    npu = NpuSpec(arrays=1, weight_double_buffer=False)
    assert compute_only(npu, m, k, n).cycles == cycles


@pytest.mark.parametrize(("m", "k", "n"), [(64, 4096, 4096), (256, 1024, 1024), (1, 128, 128), (300, 700, 900)])
def test_double_buffering_pays_load_and_drain_once(m: int, k: int, n: int) -> None:
    folds = -(-k // 128) * -(-n // 128)
    cycles = compute_only(NpuSpec(arrays=1), m, k, n).cycles
    assert cycles == 128 + (folds - 1) * max(m, 128) + m + 254 - 1


def test_eight_arrays_share_the_folds() -> None:
    assert compute_only(NpuSpec(arrays=8), 256, 4096, 4096).cycles == 128 + (32 * 32 // 8 - 1) * 256 + 256 + 254 - 1


@pytest.mark.parametrize("dataflow", ["weight-stationary", "output-stationary", "input-stationary"])
def test_no_dataflow_beats_the_peak(dataflow: str) -> None:
    assert compute_only(NpuSpec(dataflow=dataflow), 512, 1024, 2048).utilisation <= 1
