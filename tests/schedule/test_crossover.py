"""The estimates of the crossover policy, against closed forms and figures of other simulators."""

import pytest

from pimsim.model.operator import Operator
from pimsim.npu.spec import NpuSpec
from pimsim.schedule.crossover import PASSES, NpuEstimate, PimEstimate, VectorEstimate
from pimsim.schedule.estimate import MhaEstimate
from pimsim.schedule.placement import CAN_RUN, Crossover, Estimator
from tests.schedule.conftest import by_name

FS = 10**6  # of a cycle at 1 GHz
ENDLESS = 10**18
NPU = NpuEstimate(NpuSpec(), bandwidth_bytes_per_s=1024 * 10**9)
PIM = PimEstimate(MhaEstimate(heads=32, head_dim=128), channels=32, clock_hz=10**9)
VECTOR = VectorEstimate(NpuSpec())
UNITS: dict[str, Estimator] = {"npu": NPU, "pim": PIM, "vector": VECTOR}


@pytest.mark.parametrize(("m", "k", "n", "cycles"), [
    (128, 768, 3072, 73_439), (1, 1024, 4096, 98_047), (64, 4096, 4096, 456_703), (256, 4096, 12288, 1_959_935)])  # fmt: skip
def test_one_array_without_double_buffering_is_scale_sim(m: int, k: int, n: int, cycles: int) -> None:
    """SCALE-Sim 3.0.0, 128 x 128 weight-stationary, which counts from 0."""
    npu = NpuEstimate(NpuSpec(arrays=1, weight_double_buffer=False), ENDLESS)
    gemm = Operator(0, "x", "matvec", "decode", 0, 0, n, k, m, 0, 0, 0, 0, "fp16", "fp16", False, 0, 0, m * k * n, ())
    assert npu.estimate_fs(gemm) == (cycles + 1) * FS


def test_few_sequences_wait_for_the_weights() -> None:
    """16,777,216 weights of 2 bytes at 1,024 GB/s are 32.8 us."""
    ops = by_name(batch=1)
    moved = ops["proj"].bytes_read + ops["proj"].bytes_written
    assert NPU.estimate_fs(ops["proj"]) == -(-moved * 10**15 // (1024 * 10**9))


def test_many_sequences_wait_for_the_arrays() -> None:
    """512 sequences: 32 x 32 folds on 8 arrays, 512 cycles each."""
    assert NPU.estimate_fs(by_name(batch=512)["proj"]) == (128 + 127 * 512 + 512 + 254) * FS


def test_attention_in_memory_is_the_paper_s_estimate_for_the_fullest_channel() -> None:
    ops = by_name(batch=33, context=512)
    each = MhaEstimate(32, 128)
    assert PIM.estimate_fs(ops["score"]) == 2 * each.logit_cycles(512) * FS
    assert PIM.estimate_fs(ops["attend"]) == 2 * each.attend_cycles(512) * FS


def test_a_matrix_in_memory_takes_every_sequence_by_itself() -> None:
    """4,096 x 4,096 on 32 channels of 32 banks: 8 chunks of 512, 4 tiles of 1,024 rows each."""
    assert PIM.estimate_fs(by_name(batch=3)["proj"]) == 3 * 8 * (100 + 4 * 184) * FS


def test_a_reduction_is_a_tree_of_the_unit_s_width() -> None:
    """Softmax over 512: 2 trees of 4 + 1 steps and 3 passes of 4, 32 heads on 8 units."""
    assert VECTOR.estimate_fs(by_name(context=512)["softmax"]) == 32 * (2 * 5 + 3 * 4) // 8 * FS


def test_every_vector_operator_has_its_passes() -> None:
    assert set(PASSES) == CAN_RUN["vector"]


def test_weights_cross_over_to_the_npu_as_the_batch_grows() -> None:
    crossover = Crossover(UNITS)
    chosen = [crossover.unit(by_name(batch)["ffn1"]) for batch in (1, 2, 4, 8, 16, 64, 256)]
    assert chosen[0] == "pim" and chosen[-1] == "npu"
    assert chosen == sorted(chosen, reverse=True)  # never back


@pytest.mark.parametrize("batch", [32, 256])
def test_attention_stays_in_memory_when_channels_are_full(batch: int) -> None:
    crossover = Crossover(UNITS)
    ops = by_name(batch, context=512)
    assert [crossover.unit(ops[name]) for name in ("score", "attend")] == ["pim", "pim"]


def test_one_request_s_attention_is_quicker_on_the_npu_than_in_one_channel() -> None:
    """2 x 4 MiB at 1,024 GB/s, against 32 heads in a single channel."""
    crossover = Crossover(UNITS)
    ops = by_name(batch=1, context=512)
    assert [crossover.unit(ops[name]) for name in ("score", "attend")] == ["npu", "npu"]
