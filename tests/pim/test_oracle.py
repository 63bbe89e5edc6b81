"""The oracle itself, against figures worked out by hand; and GPT-2 small, command for command, against the kernel."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import simpy

from pimsim.config import load_system, load_workload
from pimsim.devices.package import PimPackage
from pimsim.dram.compile import Compiled, compile_part
from pimsim.dram.spec import Cause, Organization
from pimsim.dram.standards.gddr6 import GDDR6
from pimsim.mapping.task import Task
from pimsim.model.lowering import lower_workload
from pimsim.pim.oracle import BOUNDARY, LOOP, OracleChannel, OraclePackage, OracleTask
from pimsim.pim.pim_gpt import PIM_GPT
from pimsim.sim.run import build

TIMING = dict(
    tRCDRD=24, tRCDWR=24, tRCDMAC=24, tRP=24, tCCDS=2, tCCDL=2, tWR=24, tRFCab=60, tREFI=100, tRFCpb=105, tRREFD=21, tRAS=54, tRC=78,
    tRRDS=11, tRRDL=11, tFAW=42, tRTP=12, CL=50, CWL=6, tWTRS=9, tWTRL=11, tRTW=50, tPPD=2, CLREG=0, CWLREG=1, CWLGB=1, WPRE=1, BL=2,
)  # fmt: skip
"""Clocks of 0.5 ns: hwconfigs/dram/gddr6-pim.yaml, but with a short and frequent refresh."""


def part_of(*, ranks: int = 1, refresh: bool = False) -> Compiled:
    return compile_part(PIM_GPT.on(GDDR6), Organization(ranks=ranks, rows=64), TIMING, 500_000, refresh=refresh)


def op(part: Compiled, name: str, bank: int = 0, row: int = 0, column: int = 0, count: int = 1, flags: int = 0) -> tuple[int, ...]:
    return (part.command(name), bank, row, column, count, 0, flags, 0)


def ran(part: Compiled, *program: tuple[int, ...], postpone: int = 0) -> OracleChannel:
    channel = OracleChannel(part, postpone=postpone)
    channel.run(program)
    return channel


def listed(channel: OracleChannel) -> list[tuple[int, str]]:
    return [(e.tick, channel.commands[e.code].name) for e in channel.log]


# ---------------------------------------------------------------------- commands


def test_the_first_command_goes_at_tick_0() -> None:
    part = part_of()
    assert listed(ran(part, op(part, "WRGB"))) == [(0, "WRGB")]


def test_a_row_is_opened_before_it_is_used() -> None:
    part = part_of()
    assert listed(ran(part, op(part, "RD", bank=3, row=7))) == [(0, "ACT"), (24, "RD")]


def test_a_wrong_row_is_closed_by_the_commands_own_closer() -> None:
    part = part_of()
    channel = ran(part, op(part, "RD", bank=3, row=7), op(part, "RD", bank=3, row=8))
    assert listed(channel)[2:] == [(54, "PRE"), (78, "ACT"), (102, "RD")]


def test_a_run_of_equal_commands_is_written_out() -> None:
    part = part_of()
    channel = ran(part, op(part, "MAC16", column=5, count=3))
    assert [(e.tick, e.column) for e in channel.log[1:]] == [(24, 5), (26, 6), (28, 7)]


def test_loops_are_written_out() -> None:
    part = part_of()
    channel = ran(part, (LOOP, 0, 0, 4, 2, 0, 0, 2), op(part, "WRGB", column=1), op(part, "MAC16"))
    assert [(channel.commands[e.code].name, e.column) for e in channel.log] == [
        ("WRGB", 1), ("ACT16", -1), ("MAC16", 0), ("WRGB", 5), ("MAC16", 4)]  # fmt: skip


def test_five_activations_wait_for_the_window() -> None:
    part = part_of()
    channel = ran(part, *(op(part, "ACT", bank=4 * b % 16 + b // 4) for b in range(5)))
    assert [e.tick for e in channel.log] == [0, 11, 22, 33, 44]
    channel = OracleChannel(compile_part(PIM_GPT.on(GDDR6), Organization(), TIMING | {"tFAW": 50}, 500_000, refresh=False))
    channel.run([op(part, "ACT", bank=4 * b % 16 + b // 4) for b in range(5)])
    assert [e.tick for e in channel.log] == [0, 11, 22, 33, 50]


# ---------------------------------------------------------------------- refresh


def test_a_refresh_closes_all_rows_first() -> None:
    part = part_of(refresh=True)
    channel = ran(part, op(part, "MAC16", count=40), op(part, "MAC16", row=1))
    assert listed(channel)[-4:] == [(114, "PREab"), (138, "REFab"), (198, "ACT16"), (222, "MAC16")]


def test_postponing_leaves_a_refresh_for_later() -> None:
    part = part_of(refresh=True)
    channel = ran(part, op(part, "MAC16", count=40), op(part, "MAC16", row=1), postpone=15)
    assert "REFab" not in channel.counts


def test_a_boundary_is_a_place_to_refresh() -> None:
    part = part_of(refresh=True)
    assert ran(part, op(part, "MAC16", count=64), op(part, "WRGB")).counts["REFab"] == 0
    assert ran(part, op(part, "MAC16", count=64), op(part, "WRGB", flags=BOUNDARY)).counts["REFab"] == 1


def test_a_waiting_channel_refreshes_as_soon_as_it_may() -> None:
    part = part_of(refresh=True)
    channel = OracleChannel(part)
    channel.wait_until(350)
    assert listed(channel) == [(100, "REFab"), (200, "REFab"), (300, "REFab")]


def test_ranks_refresh_by_themselves() -> None:
    part = part_of(ranks=2, refresh=True)
    channel = OracleChannel(part)
    channel.wait_until(101)
    assert [(e.tick, e.bank) for e in channel.log] == [(100, 0)]
    channel.wait_until(102)
    assert [(e.tick, e.bank) for e in channel.log] == [(100, 0), (101, 16)]


# ---------------------------------------------------------------------- ticks


def test_ticks_go_to_the_command_under_way_and_then_to_what_is_waited_for() -> None:
    part = part_of()
    channel = ran(part, op(part, "MAC16", count=10), op(part, "WRGB"), op(part, "RDMAC16"))
    # ACT16 0, MAC16 24 .. 42, WRGB 44, RDMAC16 44 + CWLGB + BL + tWTRS
    assert listed(channel)[-2:] == [(44, "WRGB"), (56, "RDMAC16")]
    assert channel.ticks == {Cause.ACTIVATE: 24, Cause.COMPUTE: 20, Cause.BUFFER_FILL: 2, Cause.RESULT_READ: 10}


def test_done_is_when_the_last_data_is_there() -> None:
    part = part_of()
    assert ran(part, op(part, "RD")).done == 24 + 50 + 2


def test_open_banks_are_counted_once_however_many() -> None:
    part = part_of()
    channel = ran(part, op(part, "ACT", bank=0), op(part, "ACT", bank=4))
    assert channel.active_ticks(500) == 500


# ---------------------------------------------------------------------- segments


def test_resources_take_their_tasks_in_order() -> None:
    part = part_of()
    package = OraclePackage([OracleChannel(part)])
    package.run([OracleTask(duration=10), OracleTask(((op(part, "MAC16"),),), after=(0,)), OracleTask(duration=5)], 1)
    assert (package.begin, package.end) == ([[0, 10, 10]], [[10, 36, 15]])
    assert package.now == 36


def test_a_channel_without_work_is_idle_or_waits_for_the_asic() -> None:
    part = part_of()
    package = OraclePackage([OracleChannel(part), OracleChannel(part, number=1)])
    program = (op(part, "MAC16"),)
    package.run([OracleTask(duration=10), OracleTask((program, None), after=(0,))], 1)
    assert package.channels[1].ticks == {Cause.ASIC: 10, Cause.IDLE: 26}


# ---------------------------------------------------------------------- GPT-2 small


def _task(task: Task, number: int, serial: bool, library: Sequence[np.ndarray]) -> OracleTask:
    after, streams = ((number - 1,), ()) if serial else (task.after, task.streams)
    programs = tuple(None if p < 0 else library[p].tolist() for p in task.programs)
    return OracleTask(programs, task.duration, after, streams, task.first, task.tail, task.row, task.row_step, task.column)


@pytest.mark.slow
@pytest.mark.parametrize("overlap", ["none", "pipelined"])
def test_two_tokens_of_gpt2_small_are_the_same_command_for_command(overlap: str) -> None:
    config = load_system("pim-gpt", [f"system.overlap={overlap}"])
    trace = lower_workload(load_workload("gpt2-small", ["workload.output_tokens=2"]))
    systems = [build(config, trace, fast_forward=fast, fold=fold) for fast, fold in ((False, False), (True, False), (True, True))]
    compiled = systems[0].compiled
    oracle = OraclePackage([OracleChannel(compiled, number=c) for c in range(config.memory.channels)])
    seen = [0] * config.memory.channels
    for step in trace.steps:
        for block in step.blocks:
            tasks = systems[0].mapping.tasks(block, step)
            oracle.run([_task(t, n, tasks.serial, systems[0].mapping.library) for n, t in enumerate(tasks.tasks)], block.repeat)
            for system in systems:
                work = system.mapping.tasks(block, step).arrays({})
                log = _advance(system.package, system.mapping.library, work, block.repeat)
                assert system.package.now == oracle.now
                for channel in oracle.channels:
                    own = log[log[:, 1] == channel.number]
                    assert _written_out(own, compiled) == [tuple(e[:1] + e[2:6]) for e in channel.log[seen[channel.number] :]]
            seen = [len(c.log) for c in oracle.channels]
    assert sum(seen) > 100_000


def _advance(package: PimPackage, library, work, repeats: int) -> np.ndarray:
    env = simpy.Environment(initial_time=package.now * package.compiled.tick_fs)
    segment = env.run(env.process(package.execute(env, library, work, repeats, log=True)))
    return segment.log


def _written_out(log: np.ndarray, compiled: Compiled) -> list[tuple[int, ...]]:
    cadence = compiled.table.cadence.tolist()
    return [
        (tick + i * cadence[code], code, bank, row, column + i if column >= 0 else -1)
        for tick, _, code, bank, row, column, count, _ in log.tolist()
        for i in range(count)
    ]
