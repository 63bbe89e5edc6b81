"""The arrays with operands that arrive, and the pipelines of the NeuPIMs simulator."""

from __future__ import annotations

import numpy as np
import pytest

from pimsim.devices.pipeline import Pipeline
from pimsim.npu.clock import NpuClock
from pimsim.npu.dataflows import folds
from pimsim.npu.fixed import FixedPipeline, SerialPipeline
from pimsim.npu.gemm import compute_only
from pimsim.npu.spec import DATAFLOWS, NpuSpec

CLOCK = NpuClock(1_000_000, 1_000_000_000)


@pytest.mark.parametrize("dataflow", DATAFLOWS)
@pytest.mark.parametrize("shape", [(64, 512, 768), (1, 128, 128), (300, 200, 1000)])
def test_with_all_operands_there_a_product_takes_what_it_computes(dataflow: str, shape: tuple[int, int, int]) -> None:
    npu = NpuSpec(dataflow=dataflow)
    run = Pipeline(npu, CLOCK, 0)
    run.add(folds(npu, *shape), 0, 0)
    assert run.done - 1 == compute_only(npu, *shape).cycles


def test_a_product_in_pieces_takes_as_long() -> None:
    npu = NpuSpec()
    whole, pieces = Pipeline(npu, CLOCK, 0), Pipeline(npu, CLOCK, 0)
    cut = folds(npu, 64, 512, 768)
    whole.add(cut, 0, 0)
    for first in range(0, len(cut), 5):
        pieces.add(cut.part(slice(first, first + 5)), 0, 0)
    assert pieces.done == whole.done
    assert pieces.busy == whole.busy


def test_a_fold_waits_for_its_weights() -> None:
    npu = NpuSpec(arrays=1)
    run = Pipeline(npu, CLOCK, 0)
    run.add(folds(npu, 16, 128, 128), np.array([1000]), 0)
    assert run.done == 1000 + 128 + 16 + 254
    assert run.streamed == 1000 + 128 + 16


def test_cycles_of_a_slower_clock_are_longer() -> None:
    npu = NpuSpec(arrays=1)
    run = Pipeline(npu, NpuClock(1_000_000, 700_000_000), 0)
    run.add(folds(npu, 16, 128, 128), 0, 0)
    assert run.done == -(-(128 + 16 + 254) * 10 // 7)


def test_a_cycle_begins_at_or_after_its_tick() -> None:
    clock = NpuClock(1_000_000, 700_000_000)
    assert [clock.cycle(t) for t in (0, 1, 2, 10)] == [0, 1, 2, 7]
    assert clock.cycles(np.array([0, 1, 2, 10])).tolist() == [0, 1, 2, 7]


NPU = NpuSpec()


def test_authors_first_block_brings_its_operands_in_255_cycles_and_takes_270() -> None:
    assert FixedPipeline(NPU, 0).run(np.array([100]), np.array([True])).tolist() == [100 + 255 + 270]


def test_authors_blocks_follow_16_and_128_cycles_apart() -> None:
    done = FixedPipeline(NPU, 0).run(np.array([0, 0, 0, 0]), np.array([True, False, False, True]))
    assert np.diff(done).tolist() == [16, 16, 128]


def test_authors_block_that_comes_late_starts_as_if_it_had_not() -> None:
    done = FixedPipeline(NPU, 0).run(np.array([0, 500]), np.array([True, False]))
    assert done[1] - done[0] == 16


def test_authors_block_into_an_empty_pipeline_starts_when_it_comes() -> None:
    done = FixedPipeline(NPU, 0).run(np.array([0, 525, 900]), np.array([True, False, True]))
    assert done.tolist() == [525, 525 + 270, 900 + 255 + 270]


def test_without_pim_a_block_with_new_operands_waits_for_the_one_before() -> None:
    done = SerialPipeline(NPU, 0).run(np.array([0, 0, 0]), np.array([True, True, False]))
    assert done.tolist() == [128 + 271, 128 + 2 * 271, 128 + 2 * 271 + 16]


def test_without_pim_a_head_of_attention_fills_the_arrays_six_times() -> None:
    pipeline = SerialPipeline(NPU, 0)
    one = pipeline.attention(1, 512, 128, 22, 0)
    assert one == 8 + 255 + 64 + 22 + 8 + 5 * 271
    per_head = (pipeline.attention(100, 512, 128, 22, 0) - one) / 100
    assert per_head == pytest.approx(1705, abs=3)  # casys-kaist/NeuPIMs 57617ee: 872,741 cycles for 512 heads
