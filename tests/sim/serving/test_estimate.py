"""Closed forms: the bound of a stage is exact for any clock."""

import pytest

from pimsim.devices.stage import OpRecord, StageRecord
from pimsim.npu.spec import NpuSpec
from pimsim.schedule.estimate import MhaEstimate
from pimsim.sim.serving.estimate import Estimates


@pytest.mark.parametrize(("arrays", "clock_hz", "ticks"), [(1, 250_000_000, 400), (1, 1_500_000_000, 66), (3, 1_000_000_000, 33)])
def test_macs_over_the_peak_also_where_a_tick_is_no_whole_number_of_macs(arrays: int, clock_hz: int, ticks: int) -> None:
    npu = NpuSpec(arrays=arrays, rows=1, columns=1, clock_hz=clock_hz)
    estimates = Estimates(npu, MhaEstimate(8, 128), 10**12, 10**12, 10**6)
    assert estimates.bound_ticks(StageRecord("A", 0, 500, (OpRecord("fc1", "gemm", "npu", 0, 500, 100),))) == ticks
