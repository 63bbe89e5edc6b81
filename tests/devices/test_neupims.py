"""One device of a NeuPIMs system: laws, foldings, what its stages cost, what its shortcuts do."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from pimsim.config import load_system
from pimsim.devices.neupims import NeuPimsDevice
from pimsim.devices.shared_channel import ALL_COMPAT
from pimsim.devices.stage import Member, NpuOp, StageRecord, StageWork, decoder_stage_ops
from pimsim.dram import commandlog
from pimsim.dram.checker import check
from pimsim.errors import InputError, SimulationError
from pimsim.model.architecture import Architecture
from pimsim.schedule.kv import KvSpace, PimLayout
from pimsim.validate.neupims_run import members

SMALL = Architecture(name="small", family="gpt2", layers=1, hidden=512, heads=4, kv_heads=4, head_dim=128, ffn=1024, vocab=1000,
                     max_position=4096)
GROUPED = replace(SMALL, name="grouped", kv_heads=2, position="rotary", rotary_dim=128, norm="rmsnorm", norm_bias=False, gated_ffn=True,
                  activation="silu")
LATENT = replace(GROUPED, name="latent", kv_heads=1, head_dim=192, rotary_dim=64, kv_lora_rank=512, qk_nope_head_dim=128,
                 qk_rope_head_dim=64, v_head_dim=128)
MIXED = [(300, 0), (40, 0), (17, 1), (600, 2), (40, 3), (513, 5), (64, 5), (1, 9)]
UNIFORM = [(100, channel) for channel in range(32)]


def device(system: str = "neupims", *overrides: str, part: Architecture = SMALL, fold: bool = True) -> NeuPimsDevice:
    return NeuPimsDevice(load_system(system, overrides), part, fold=fold)


def stages(at: NeuPimsDevice, requests: Sequence[tuple[int, int]]) -> list[StageRecord]:
    """A layer, then stage C of two halves, then a pause."""
    batch = members(at, requests)
    first, second = batch[::2], batch[1::2]
    records = [at.stage(StageWork("A", decoder_stage_ops(at.part, batch, "qkv")))]
    if at.attention_in_memory:
        records.append(at.stage(StageWork("B", (), tuple(batch))))
        ops = (*decoder_stage_ops(at.part, first, "ffn", batch="1"), *decoder_stage_ops(at.part, first, "qkv", batch="1"))
        records.append(at.stage(StageWork("C", ops, tuple(second))))
    else:
        records.append(at.stage(StageWork("B", decoder_stage_ops(at.part, batch, "attention"))))
    records.append(at.stage(StageWork("E", decoder_stage_ops(at.part, batch, "ffn"))))
    records.append(at.idle(at.now_ticks + 3000))
    return records


def gemm(m: int, k: int, n: int, bias: bool = True) -> NpuOp:
    return NpuOp("gemm", "gemm", m, n, k, "weights", bias, ("x",), "y")


# ---------------------------------------------------------------------- laws


@pytest.mark.parametrize("system", ["neupims", "npu-pim", "npu-only"])
@pytest.mark.parametrize("part", [SMALL, GROUPED, LATENT, replace(LATENT, q_lora_rank=96)], ids=["small", "grouped", "latent", "low"])
def test_all_laws_hold(system: str, part: Architecture) -> None:
    records = stages(device(system, part=part), MIXED)
    assert all(law is True for record in records for law in record.checks.values())


@pytest.mark.parametrize("system", ["neupims", "npu-pim", "npu-only"])
@pytest.mark.parametrize("requests", [MIXED, UNIFORM], ids=["mixed", "uniform"])
def test_folding_changes_nothing(system: str, requests: list[tuple[int, int]]) -> None:
    folded, unfolded = (stages(device(system, fold=fold), requests) for fold in (True, False))
    assert folded[0].folded
    assert [replace(record, folded="") for record in folded] == unfolded


def test_channels_that_have_come_to_stand_alike_are_one_again() -> None:
    at = device()
    records = stages(at, MIXED)
    assert records[1].folded == "32 channels as 7"
    assert records[3].folded == "32 channels as 1"  # what follows


def test_stages_follow_each_other_without_a_gap() -> None:
    records = stages(device(), MIXED)
    assert [record.begin_ticks for record in records[1:]] == [record.end_ticks for record in records[:-1]]


@pytest.mark.parametrize("overrides", [(), ("memory.row_buffers=1",), ("pim.arbiter=age",), ("pim.arbiter=memory-first",)])
def test_every_command_is_legal(overrides: tuple[str, ...]) -> None:
    rows: list[np.ndarray] = []
    at = NeuPimsDevice(load_system("neupims", overrides), SMALL, commands=rows.append)
    stages(at, MIXED)
    for lane in at.lanes:
        lane.channel.drain()
    everything = np.concatenate(rows)
    everything = everything[np.lexsort((everything[:, 0], everything[:, 1]))]
    compiled = at.plan.compiled
    for channel in (0, 2, 5, 31):
        log = commandlog.from_kernel(everything[everything[:, 1] == channel], compiled.command_names, compiled.organization,
                                     compiled.table.scope)
        assert len(log) > 1000
        assert check(compiled, log).violations == ()


def test_nothing_can_be_asked_of_a_channel_that_stands_behind_it() -> None:
    at = device()
    lane = at.lanes[0]
    lane.run_to(100)
    with pytest.raises(SimulationError, match="stands at 100"):
        lane.read(1, (np.zeros(1, np.int64),) * 3, 50)


# ---------------------------------------------------------------------- transfers


@pytest.mark.parametrize("dataflow", ["weight-stationary", "output-stationary", "input-stationary"])
def test_bytes_of_a_product_are_those_of_its_tensors(dataflow: str) -> None:
    for m, k, n in ((8, 256, 512), (200, 640, 384), (40, 128, 128)):
        record = device("neupims", f"npu.dataflow={dataflow}").stage(StageWork("", (gemm(m, k, n),)))
        assert record.bytes_read == 2 * (m * k + k * n + n)
        assert record.bytes_written == 2 * m * n


def test_weights_that_do_not_fit_at_once_are_read_once_all_the_same() -> None:
    record = device("neupims", "npu.scratchpad=512 KiB").stage(StageWork("", (gemm(16, 1024, 2048),)))
    assert record.bytes_read == 2 * (16 * 1024 + 1024 * 2048 + 2048)


def test_weights_are_read_again_for_tokens_that_do_not_fit() -> None:
    small = "npu.scratchpad=512 KiB", "npu.accumulator=256 KiB"
    record = device("neupims", *small).stage(StageWork("", (gemm(512, 512, 256),)))
    assert record.bytes_read == 2 * (512 * 512 + 2 * 512 * 256 + 256)


def test_a_product_is_bound_by_memory_or_by_the_arrays() -> None:
    wide = device().stage(StageWork("", (gemm(16, 1024, 4096),))).ops[0]
    assert wide.bound_ticks == 2 * (16 * 1024 + 1024 * 4096 + 4096) // 1024
    assert wide.bound_ticks < wide.end_ticks - wide.begin_ticks < 1.25 * wide.bound_ticks
    deep = device().stage(StageWork("", (gemm(2048, 512, 512),))).ops[0]
    assert deep.bound_ticks == 2048 * 512 * 512 // 131072


def test_one_array_takes_longer_than_eight() -> None:
    eight, one = (device("neupims", f"npu.arrays={n}").stage(StageWork("", (gemm(128, 512, 512),))).ticks for n in (8, 1))
    assert one > eight


def test_a_slow_port_slows_everything() -> None:
    wide, narrow = (device("neupims", f"npu.dma.bytes_per_cycle={n} B").stage(StageWork("", (gemm(8, 1024, 2048),))).ticks
                    for n in (128, 16))
    assert narrow > 1.7 * wide


def test_few_requests_under_way_slow_reads() -> None:
    many, few = (device("neupims", *more).stage(StageWork("", (gemm(8, 1024, 2048),))).ticks for more in ((), ("npu.dma.outstanding=2",)))
    assert few > 1.4 * many


def test_keys_and_values_are_written_where_attention_reads_them() -> None:
    at = device()
    batch = members(at, [(33, 4)])
    record = at.stage(StageWork("A", decoder_stage_ops(at.part, batch, "qkv")))
    # q: 16 columns, k: 16 columns, v: one column of each of 512 dimensions
    assert record.bytes_written == 64 * (16 + 16 + 512) + 2 * 512
    made = next(op for op in decoder_stage_ops(at.part, batch, "qkv") if op.store == "kv")
    writes = at.kv.stores(made, 0, 3 * 512)[0].places(4)  # type: ignore[union-attr]
    mine = set(batch[0].rows.k.tolist()) | set(batch[0].rows.v.tolist())
    expected = {tuple(w[1:]) for w in at.layout.append(32, batch[0].rows.k, batch[0].rows.v, 32).tolist()}
    assert {place for place in zip(*(part.tolist() for part in writes), strict=True) if place[1] in mine} == expected


def stored(at: NeuPimsDevice, batch: Sequence[Member], store: str, channel: int) -> list[tuple[int, int, int]]:
    """Bank, row and column of everything that a layer's operators of one kind store in a channel."""
    ops = [one for op in decoder_stage_ops(at.part, batch, "qkv") if op.store == store for one in op.by_head()]
    writes = [own.places(channel) for op in ops for own in at.kv.stores(op, 0, op.n)]  # type: ignore[union-attr]
    return [place for parts in writes for place in zip(*(part.tolist() for part in parts), strict=True)]


def test_a_latent_is_written_as_key_and_transposed_as_value() -> None:
    at = device(part=LATENT)
    batch = members(at, [(33, 4)])
    rows = batch[0].rows
    places = stored(at, batch, "latent", 4)
    assert set(places) == {tuple(w[1:]) for w in at.layout.append(32, rows.k, rows.v, 32).tolist()}
    assert len(places) == 576 // 32 + 512


def test_a_latent_query_fills_the_rows_that_its_two_chunks_are_copied_from() -> None:
    at = device(part=LATENT)
    batch = members(at, [(33, 4)])
    places = stored(at, batch, "query", 4) + stored(at, batch, "rotary_query", 4)
    expected = [at.attention.slots.vectors(range(8), [512] * 4 + [64] * 4)]  # of four heads: the latent part, then the rotary part
    assert sorted(places) == sorted(zip(*(part.tolist() for part in expected[0]), strict=True))


def test_latents_are_written_once_where_the_npu_attends() -> None:
    at = device("npu-only", part=LATENT)
    batch = members(at, [(33, 4)])
    made = next(op for op in decoder_stage_ops(at.part, batch, "qkv") if op.store == "latent")
    assert [what.units for what in at.kv.stores(made, 0, made.n)] == [576 * 2 // 64]  # type: ignore[union-attr]
    assert len(batch[0].rows.v) == 0


def test_each_head_reads_its_part_of_what_attention_left_once() -> None:
    at = device(part=LATENT)
    batch = members(at, [(64, 0), (100, 1)])
    op = next(op for op in decoder_stage_ops(at.part, batch, "ffn") if op.name == "attn.v_absorb")
    read = []
    for one in op.by_head():
        own, elsewhere = at.kv.attended(one)
        assert own is not None and not elsewhere
        read += list(zip(*(part.tolist() for part in own.places(1)), strict=True))
    assert len(read) == len(set(read)) == 4 * 512 // 32


def test_attention_on_the_npu_reads_a_latent_once() -> None:
    at = device("npu-only", part=LATENT)
    batch = members(at, [(64, 0)])
    record = at.stage(StageWork("B", decoder_stage_ops(at.part, batch, "attention")))
    assert (record.ops[0].bytes_read, record.ops[0].macs) == (64 * 576 * 2, 4 * 64 * (576 + 512))


def test_tokens_of_a_prompt_share_the_columns_of_v() -> None:
    at = device()
    rows = members(at, [(64, 0)])[0].rows
    prompt = Member(0, 0, 64, rows, tokens=64)
    record = at.stage(StageWork("A", decoder_stage_ops(at.part, [prompt], "qkv")))
    assert record.commands["WR"] + len(at.lanes) * 0 <= record.bytes_written // 64
    assert record.bytes_written == 64 * (64 * 16 + 2 * 512) + 64 * 2 * 512


@pytest.mark.parametrize("tokens", [1, 33, 128, 512, 600])
def test_a_prompt_reads_back_the_columns_that_hold_its_keys_and_values(tokens: int) -> None:
    at = device()
    (member,) = members(at, [(tokens, 0)])
    read = [np.stack(transfer.places(0), axis=1) for _, _, transfer in at.kv.pieces(member, 1 << 20)]
    keys = tokens * 512 * 2 // 64  # a token's heads fill a row
    values = sum(-(-min(512, tokens - first) // 32) for first in range(0, tokens, 512)) * 512  # 32 tokens a column, 512 dimensions
    assert len(np.unique(np.concatenate(read), axis=0)) == sum(map(len, read)) == keys + values


def test_prompts_attend_on_the_npu_and_decoding_requests_in_memory() -> None:
    at = device()
    one, two = members(at, [(64, 0), (100, 1)])
    prompt = replace(one, tokens=64)
    at.stage(StageWork("A", decoder_stage_ops(at.part, [prompt, two], "qkv")))
    record = at.stage(StageWork("B", decoder_stage_ops(at.part, [prompt], "attention"), (two,)))
    assert [(op.name, op.unit) for op in record.ops] == [("attention", "npu"), ("score", "pim"), ("attend", "pim")]
    last = at.stage(StageWork("E", decoder_stage_ops(at.part, [prompt, two], "ffn")))
    assert last.ops[0].bytes_read == 2 * (65 * 512 + 512 * 512 + 512)


# ---------------------------------------------------------------------- attention


def test_attention_beside_the_npu_slows_both() -> None:
    def run(npu: bool, pim: bool) -> int:
        at = device()
        batch = members(at, UNIFORM)
        ops = (gemm(64, 1024, 4096),) if npu else ()
        return at.stage(StageWork("", ops, tuple(batch) if pim else ())).ticks

    both, alone = run(True, True), (run(True, False), run(False, True))
    assert max(alone) < both < sum(alone)


def test_one_row_buffer_makes_them_take_turns() -> None:
    dual, single = (device("neupims", f"memory.row_buffers={n}") for n in (2, 1))
    ticks = [at.stage(StageWork("", (gemm(64, 1024, 4096),), tuple(members(at, UNIFORM)))).ticks for at in (dual, single)]
    assert ticks[1] > 1.1 * ticks[0]


def test_the_busiest_channel_decides() -> None:
    at = device()
    spread_out = at.stage(StageWork("B", (), tuple(members(at, [(200, c) for c in range(8)])))).ticks
    at = device()
    together = at.stage(StageWork("B", (), tuple(members(at, [(200, 0)] * 8)))).ticks
    assert together > 5 * spread_out


def test_attention_is_refused_where_the_memory_has_none() -> None:
    at = device("npu-only")
    with pytest.raises(SimulationError, match="not in this system's memory"):
        at.stage(StageWork("B", (), tuple(members(at, [(10, 0)]))))


def test_npu_attention_reads_every_key_and_value_once() -> None:
    at = device("npu-only")
    batch = members(at, [(512, 0), (1024, 3)])
    record = at.stage(StageWork("B", decoder_stage_ops(at.part, batch, "attention")))
    assert record.bytes_read == (512 + 1024) * 2 * 512 * 2
    assert record.ops[0].macs == 2 * (512 + 1024) * 512


# ---------------------------------------------------------------------- shortcuts and bad input


NEEDS = {"unordered_requests": "synthetic_addresses", "softmax_in_order": "logit_attend_barrier",
         "serial_npu_pipeline": "fixed_block_latency"}


@pytest.mark.parametrize("key", sorted(ALL_COMPAT))
def test_every_shortcut_runs_by_itself(key: str) -> None:
    keys = [key, *([NEEDS[key]] if key in NEEDS else [])]
    records = stages(device("neupims", *(f"compat.{k}=true" for k in keys)), MIXED[:4])
    assert all(law is True or str(law).startswith("waived: ") for record in records for law in record.checks.values())


def test_a_law_that_a_shortcut_breaks_is_waived_by_name() -> None:
    at = device("neupims", "compat.truncated_stores=true")
    assert at.stage(StageWork("", (gemm(16, 256, 256),))).checks["bytes"] == "waived: truncated_stores"


def test_truncated_stores_are_what_the_simulator_stores() -> None:
    at = device("neupims", "compat.truncated_stores=true", "compat.swapped_operands=true")
    record = at.stage(StageWork("", (gemm(32, 1024, 4096),)))
    assert record.bytes_written == 32 * 128 * 2  # casys-kaist/NeuPIMs f299af3: 8,256 with one request shared by two stores


def test_a_model_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InputError, match="leave none for keys and values"):
        device(part=replace(SMALL, layers=40, hidden=16384, heads=128, kv_heads=128, ffn=65536))


def test_heads_that_would_begin_in_the_middle_of_a_column_are_refused() -> None:
    with pytest.raises(InputError, match="heads of 12 elements.*multiple of 16"):
        device(part=replace(SMALL, hidden=96, heads=8, kv_heads=8, head_dim=12))


def test_a_matrix_for_each_head_is_refused_where_activations_stay() -> None:
    with pytest.raises(InputError, match="npu.dataflow: latent has multi-head latent attention.*weight-stationary"):
        device("neupims-authors", part=LATENT)


@pytest.mark.parametrize("placement", ["placement.attention=asic", "placement.softmax=gpu"])
def test_attention_on_a_unit_that_there_is_not_is_refused(placement: str) -> None:
    with pytest.raises(InputError, match="one unit"):
        device("npu-only", placement)


def test_a_system_without_an_npu_is_refused() -> None:
    with pytest.raises(InputError, match="npu: is missing"):
        NeuPimsDevice(load_system("pim-gpt"), SMALL)


def test_kv_space_begins_behind_weights_and_activations() -> None:
    at = device()
    assert at.kv_space.first_row >= at.tensors.next_row + 512
    assert at.kv_space.first_row + at.kv_space.rows == at.config.memory.rows


def test_rows_of_a_request_are_laid_out_for_its_layer() -> None:
    at = device()
    space = at.kv_space
    kv = KvSpace.empty(PimLayout(1, 4, 128, space.page, space.banks), space.channels, space.rows, space.first_row)
    assert kv.need(600) == at.layout.key_rows(600) + at.layout.value_rows(600)
