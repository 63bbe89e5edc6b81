"""The time of a kernel, read like a data sheet."""

from __future__ import annotations

import numpy as np
import pytest

from pimsim.baseline.roofline import LIMITS, Rates, bound_s, kernel_s
from pimsim.baseline.work import KINDS, Kernel, Table, table
from pimsim.config import BaselineConfig, load_any
from pimsim.config.baseline import CLASSES

ONE = np.ones(len(KINDS), int)


def rates(**changed: object) -> Rates:
    """1 TB/s, 100 TFLOP/s, 10 units; everything is reached, nothing costs more."""
    count = len(CLASSES)
    plain = {"bytes_per_s": 1e12, "flops_per_s": 1e14, "units": 10, "overhead_s": np.zeros(count), "bandwidth": np.ones(count),
             "compute": np.ones(count), "task_s": np.zeros(count), "chain_s": np.zeros(count)}  # fmt: skip
    return Rates(**{**plain, **changed})  # type: ignore[arg-type]


def one(kind: str = "matmul", stored: int = 0, moved: int = 0, macs: int = 0, tasks: int = 0, chain: int = 0) -> Table:
    return table([Kernel(kind, KINDS.index(kind), stored, moved, macs, tasks, chain, 1, 0)], [0], [0], [1])


def time(made: Table, found: Rates, counts: np.ndarray = ONE) -> tuple[float, str]:
    seconds, limits = kernel_s(found, made, counts)
    return float(seconds[0]), LIMITS[limits[0]]


def test_bytes_take_their_share_of_the_bandwidth() -> None:
    assert time(one(stored=600_000, moved=400_000), rates()) == (pytest.approx(1e-6), "memory")
    assert time(one(stored=10**6), rates(bandwidth=np.full(5, 0.5)))[0] == pytest.approx(2e-6)


def test_mac_is_two_operations() -> None:
    assert time(one(macs=50 * 10**6), rates()) == (pytest.approx(1e-6), "compute")


def test_the_longer_of_memory_and_compute_counts() -> None:
    assert time(one(stored=3 * 10**6, macs=50 * 10**6), rates())[0] == pytest.approx(3e-6)


def test_overhead_comes_on_top() -> None:
    assert time(one(stored=10**6), rates(overhead_s=np.full(5, 4e-6))) == (pytest.approx(5e-6), "overhead")


def test_half_of_the_bandwidth_is_reached_where_the_bytes_take_as_long_as_the_overhead() -> None:
    seconds, _ = time(one(stored=4 * 10**6), rates(overhead_s=np.full(5, 4e-6)))
    assert 4e6 / seconds == pytest.approx(0.5e12)


def test_tasks_are_dealt_out_to_the_units() -> None:
    assert time(one("attention", stored=1, tasks=40), rates(task_s=np.full(5, 2e-6))) == (pytest.approx(8e-6), "latency")


def test_chain_is_worked_off_by_one() -> None:
    assert time(one("norm", moved=1, chain=768), rates(chain_s=np.full(5, 1e-9))) == (pytest.approx(768e-9), "latency")


def test_several_kernels_of_an_operator_each_cost_overhead_and_move_its_activations() -> None:
    counts = ONE.copy()
    counts[KINDS.index("activation")] = 8
    made = one("activation", moved=10**6)
    assert time(made, rates(overhead_s=np.full(5, 1e-6)), counts)[0] == pytest.approx(16e-6)


def test_bound_knows_neither_overhead_nor_efficiency() -> None:
    device = load_any("gpu-h200")
    assert isinstance(device, BaselineConfig)
    made = one(stored=48 * 10**6, macs=10)
    assert bound_s(device.device, made)[0] == pytest.approx(1e-5)


@pytest.mark.parametrize("system", ["gpu-h200", "gpu-t4", "cpu-xeon-6154"])
def test_no_kernel_is_faster_than_its_bound(system: str) -> None:
    from pimsim.baseline.roofline import kernel_counts
    from pimsim.baseline.roofline import rates as rates_of

    config = load_any(system)
    assert isinstance(config, BaselineConfig)
    for stored in (0, 10**3, 10**6, 10**9):
        for macs in (0, 10**6, 10**12):
            made = one(stored=stored, moved=1, macs=macs)
            assert time(made, rates_of(config.device, config.efficiency), kernel_counts(config))[0] >= bound_s(config.device, made)[0]
