import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pimsim.asic.latency import cost, cost_of_one
from pimsim.asic.operations import find
from pimsim.asic.spec import AsicSpec
from pimsim.errors import InputError

from .conftest import KINDS

TABLE = AsicSpec(sincos_table=True)
SIZES = st.tuples(st.sampled_from(KINDS), st.integers(1, 3000), st.integers(1, 300)).map(
    lambda s: (s[0], s[1], s[2] if find(s[0]).by_row else 1)
)

SPECS_OF_ANY_SIZE = st.builds(
    AsicSpec,
    adders=st.integers(1, 300),
    multipliers=st.integers(1, 300),
    chained=st.booleans(),
    datapath=st.sampled_from(["bf16", "fp32"]),
    sram_bytes=st.integers(64, 40_000),
    sram_read_bytes_per_cycle=st.integers(2, 2000),
    sram_write_bytes_per_cycle=st.integers(2, 2000),
    io_bytes_per_cycle=st.integers(1, 300),
)


def variant(**fields: object) -> AsicSpec:
    return AsicSpec(**{"sincos_table": True, **fields})


def test_addition_takes_passes_plus_depth():
    assert cost(TABLE, "add", 2048).cycles == 2048 // 256 + TABLE.add_depth


def test_a_partly_filled_pass_is_a_pass():
    assert cost(TABLE, "add", 2049).cycles == 9 + TABLE.add_depth


def test_partial_sums_take_a_tree():
    found = cost(TABLE, "partial_sum", 2048, 8)
    assert found.cycles == (4 + 2 + 1) * 2048 // 256 + 3 * TABLE.add_depth


def test_a_single_chunk_needs_no_addition():
    found = cost(TABLE, "partial_sum", 2048, 1)
    assert (found.cycles, found.adds, found.peak_sram_bytes) == (0, 0, 4096)


def test_gelu_is_bound_by_its_multiplications():
    found = cost(TABLE, "gelu", 8192)
    assert found.multiplier_cycles == 17 * 8192 // 128
    assert found.adder_cycles == 21 * 8192 // 256
    assert found.depth_cycles == 38 * 3


def test_chained_gelu_hides_its_additions():
    found = cost(variant(chained=True), "gelu", 8192)
    assert (found.multiplier_cycles, found.adder_cycles) == (17 * 8192 // 128, 0)


def test_a_narrow_read_port_limits_addition():
    found = cost(variant(sram_read_bytes_per_cycle=64), "add", 2048)
    assert (found.sram_read_cycles, found.adder_cycles) == (2048 * 4 // 64, 0)


def test_a_narrow_write_port_limits_addition():
    assert cost(variant(sram_write_bytes_per_cycle=16), "add", 2048).sram_write_cycles == 2048 * 2 // 16


@settings(max_examples=200, deadline=None)
@given(size=SIZES, chained=st.booleans(), datapath=st.sampled_from(["bf16", "fp32"]))
def test_no_unit_or_port_does_more_than_it_can(size, chained, datapath):
    spec = variant(chained=chained, datapath=datapath, sram_read_bytes_per_cycle=300, sram_write_bytes_per_cycle=200)
    found = cost(spec, *size)
    assert found.adds <= found.cycles * spec.adders
    assert found.multiplies <= found.cycles * spec.multipliers
    assert found.sram_read_bytes <= found.cycles * spec.sram_read_bytes_per_cycle
    assert found.sram_write_bytes <= found.cycles * spec.sram_write_bytes_per_cycle


@settings(max_examples=200, deadline=None)
@given(size=SIZES)
def test_chaining_never_costs_time_traffic_or_room(size):
    huge = 2**40
    plain, chained = (cost(variant(sram_bytes=huge, chained=on), *size) for on in (False, True))
    assert chained.cycles <= plain.cycles
    assert chained.sram_read_bytes <= plain.sram_read_bytes
    assert chained.peak_sram_bytes <= plain.peak_sram_bytes
    assert (chained.adds, chained.multiplies) == (plain.adds, plain.multiplies)


def test_softmax_that_does_not_fit_at_once_runs_in_blocks():
    found = cost(TABLE, "softmax", 25, 1024)
    assert found.blocks == 2 and found.spill_bytes == 0
    assert found.peak_sram_bytes <= TABLE.sram_bytes
    assert found.depth_cycles == 2 * cost(TABLE, "softmax", 1, 1024).depth_cycles


def test_blocks_do_the_same_work():
    large, small = (cost(variant(sram_bytes=size), "softmax", 25, 1024) for size in (2**20, 2**17))
    assert (large.blocks, small.blocks) == (1, 2)
    assert (large.adds, large.multiplies, large.sram_read_bytes) == (small.adds, small.multiplies, small.sram_read_bytes)


def test_peak_counts_inputs_outputs_and_scratch():
    # passes of gelu: at the most x and three intermediates are alive together
    assert cost(variant(sram_bytes=2**20), "gelu", 8192).peak_sram_bytes == 4 * 8192 * 2


def test_overflow_by_waiting_rows_goes_out_and_in():
    # 4 bytes in, 2 out of each of 1000 elements; a block of 256 holds 1024 bytes, the other 744 elements wait outside
    found = cost(variant(sram_bytes=1024), "add", 1000)
    assert found.spill_bytes == 2 * (4000 - 1024)
    assert found.spill_cycles == -(-found.spill_bytes // TABLE.io_bytes_per_cycle)
    assert found.peak_sram_bytes == 1024


def test_overflow_of_one_row_moves_in_every_stage_that_is_too_large():
    # x and y of 100 columns, 200 bytes each: the tree reads 200 + writes 100 bytes or less, so a limit of 150 hurts once
    found = cost(variant(sram_bytes=150), "partial_sum", 1, 100)
    assert found.spill_bytes == 2 * (200 - 150)


def test_overflow_is_refused_on_request():
    with pytest.raises(InputError, match="asic.sram_bytes: add of 1000 x 1 needs 4000 bytes of ASIC SRAM, 2976 too many"):
        cost(variant(sram_bytes=1024, on_overflow="error"), "add", 1000)


@settings(max_examples=200, deadline=None)
@given(size=SIZES, sram=st.integers(100, 200_000))
def test_spilling_and_refusing_agree(size, sram):
    found = cost(variant(sram_bytes=sram), *size)
    if found.spill_bytes:
        with pytest.raises(InputError):
            cost(variant(sram_bytes=sram, on_overflow="error"), *size)
    else:
        assert cost(variant(sram_bytes=sram, on_overflow="error"), *size).cycles == found.cycles


@settings(max_examples=200, deadline=None)
@given(size=SIZES, sram=st.integers(100, 200_000))
def test_more_sram_never_spills_more(size, sram):
    small, large = (cost(variant(sram_bytes=n), *size).spill_bytes for n in (sram, 2 * sram))
    assert large <= small


def test_sizes_must_be_positive_whole_numbers():
    with pytest.raises(InputError) as error:
        cost(TABLE, "softmax", 0, 2.5)
    assert len(error.value.problems) == 2


def test_an_elementwise_kind_takes_no_columns():
    with pytest.raises(InputError, match="gelu works element by element but was given 4 columns"):
        cost(TABLE, "gelu", 8, 4)


def test_rotary_needs_a_table():
    with pytest.raises(InputError, match="asic.sincos_table"):
        cost(AsicSpec(), "rotary", 64)
    assert cost(TABLE, "rotary", 64).multiplies == 256


def test_the_latency_model_loads_no_numpy():
    code = "import sys, pimsim.asic.latency; sys.exit(bool({'numpy', 'simpy', 'numba', 'pydantic'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@settings(max_examples=150, deadline=None)
@given(spec=SPECS_OF_ANY_SIZE, kind=st.sampled_from([k for k in KINDS if find(k).by_row]), rows=st.integers(1, 70),
       columns=st.integers(16, 3000), beside=st.integers(0, 40))  # fmt: skip
def test_lengths_worked_out_together_cost_what_each_costs(spec, kind, rows, columns, beside):
    assert cost(spec, kind, rows, columns, beside) == cost_of_one(spec, kind, rows, columns, beside)


def test_rows_beside_that_fit_cost_nothing():
    assert cost(TABLE, "softmax", 8, 100, 17).cycles == cost(TABLE, "softmax", 8, 100).cycles


def test_rows_beside_take_sram_away():
    small = replace(TABLE, sram_bytes=32 * 1024)
    alone, crowded = cost(small, "softmax", 8, 512), cost(small, "softmax", 8, 512, 17)
    assert (alone.spill_bytes, alone.blocks) == (0, 1)
    assert crowded.blocks > 1 or crowded.spill_bytes > 0
    assert crowded.peak_sram_bytes == small.sram_bytes or crowded.blocks > 1


def test_every_waiting_row_is_spilled_once_however_the_rows_are_split():
    tiny = replace(TABLE, sram_bytes=4 * 1024)
    together = cost(tiny, "softmax", 24, 512)
    waves = [cost(tiny, "softmax", 8, 512, 16) for _ in range(3)]
    assert together.spill_bytes > 0
    assert sum(wave.spill_bytes for wave in waves) == pytest.approx(together.spill_bytes, rel=1e-3)


@pytest.mark.parametrize("columns", [16, 17, 32, 33, 255, 256, 257, 511, 512, 513, 1024, 1025, 1279, 1280, 1281])
def test_lengths_at_the_ends_of_what_is_worked_out_together(columns):
    assert cost(TABLE, "softmax", 25, columns) == cost_of_one(TABLE, "softmax", 25, columns)
