"""A channel that memory traffic and PIM share: what its driver promises, and what the arbiters do."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from pimsim.config import load_dram
from pimsim.dram.compile import compile_part
from pimsim.dram.controller.contend_channel import ContendedChannel, Finished
from pimsim.dram.controller.contend_plan import ContendPlan
from pimsim.dram.controller.contend_policy import ContendPolicy
from pimsim.dram.standards import standard
from pimsim.errors import InputError
from pimsim.kernels.contend_layout import ANNOUNCE, COMPUTE, FILL
from pimsim.pim.neupims import neupims


@cache
def plan(row_buffers: int = 2, **policy: object) -> ContendPlan:
    memory = load_dram("hbm2-neupims").memory
    spec = neupims(row_buffers).on(standard(memory.standard))
    part = compile_part(spec, memory.organization, memory.timing_cycles, memory.tCK)
    return ContendPlan(part, ContendPolicy(**policy))  # type: ignore[arg-type]


def reads(count: int, *, every: int = 1, first: int = 0, row: int = 2000, bank: int | None = None) -> np.ndarray:
    """Sequential reads: all columns of a row, then the next bank; or of one bank, row after row."""
    i = np.arange(count, dtype=np.int64)
    where = (i // 16 % 32, row + i // 512) if bank is None else (0 * i + bank, row + i // 16)
    return np.stack([first + every * i, 0 * i, *where, i % 16], axis=1)


def row(number: int, heads: int = 4, computes: int = 8) -> np.ndarray:
    """An announced row and its composites."""
    out = [[ANNOUNCE, 0, 0, number, 0, heads * computes, heads, 0, 0]]
    out += [[COMPUTE, 0, 0, number, 0, computes, 0, int(h == heads - 1), 0] for h in range(heads)]
    return np.array(out, np.int64)


def fill() -> np.ndarray:
    return np.array([[FILL, 0, 0, 0, 0, 0, 0, 0, 0]], np.int64)


def work(rows: int) -> np.ndarray:
    return np.concatenate([fill(), *(row(100 + r) for r in range(rows))])


def done(channel: ContendedChannel) -> dict[int, int]:
    return {f.group: f.tick for f in channel.drain()}


def test_a_read_of_a_closed_row_is_done_after_activation_and_latency() -> None:
    channel = ContendedChannel(plan())
    group = channel.send(reads(1))
    assert done(channel) == {group: 1 + 14 + 16}


def test_a_write_is_done_when_it_is_accepted() -> None:
    channel = ContendedChannel(plan())
    group = channel.send(np.array([[7, 1, 3, 5, 2]], np.int64))
    assert done(channel) == {group: 8}


def test_a_read_of_a_waiting_write_is_answered_at_once() -> None:
    channel = ContendedChannel(plan())
    channel.send(np.array([[7, 1, 3, 5, 2]], np.int64))
    group = channel.send(np.array([[7, 0, 3, 5, 2]], np.int64))
    assert done(channel)[group] == 8
    assert channel.forwarded == 1


def test_a_fill_answers_when_its_row_is_open_and_copied() -> None:
    channel = ContendedChannel(plan())
    group = channel.enqueue(fill(), 0)
    assert done(channel) == {group: 1 + 14 + 96}


def test_a_composite_answers_a_latency_behind_its_last_step() -> None:
    channel = ContendedChannel(plan(refresh="none"))
    group = channel.enqueue(row(100, 1, 8), 0)
    launched = 1 + 1 + 3 * 30 + 1 + 14  # header, four group activations of the second rank, tRCD
    assert done(channel) == {group: launched + 2 * 8 + 16}


def test_advancing_stops_at_a_group_that_is_certain_to_finish() -> None:
    channel = ContendedChannel(plan())
    first, second = channel.send(reads(1)), channel.send(reads(400, first=1))
    assert channel.advance(10_000, stop=True) == [Finished(first, 31)]
    assert channel.now <= 31
    assert [f.group for f in channel.advance(10_000, stop=True)] == [second]


def test_advancing_in_steps_changes_nothing() -> None:
    def run(steps: list[int]) -> np.ndarray:
        channel = ContendedChannel(plan())
        channel.send(reads(600))
        channel.enqueue(work(6), 0)
        for tick in steps:
            channel.advance(tick)
        return channel.state

    assert np.array_equal(run([5000]), run(list(range(0, 5001, 37)) + [5000]))


def test_equal_work_leaves_equal_states() -> None:
    states = []
    for _ in range(2):
        channel = ContendedChannel(plan())
        channel.send(reads(300))
        channel.enqueue(work(4), 0)
        channel.advance(3000)
        states.append(channel.state)
    assert np.array_equal(*states)


def test_a_copied_state_goes_on_as_the_original_would() -> None:
    original = ContendedChannel(plan())
    original.enqueue(work(4), 0)
    original.drain()
    copy = ContendedChannel(plan())
    copy.state[:] = original.state
    ends = []
    for channel in (original, copy):
        group = channel.enqueue(work(4), 5000)
        ends.append(done(channel)[group])
    assert ends[0] == ends[1]


def test_a_forked_channel_goes_on_by_itself() -> None:
    channel = ContendedChannel(plan())
    group = channel.enqueue(work(4), 0)
    channel.advance(500)
    other = channel.fork(1)
    extra = other.send(reads(100, first=501))
    ends, forked = done(channel), done(other)
    assert ends.keys() == {group}
    assert forked.keys() == {group, extra}
    assert "RD" not in channel.counts()


def test_a_row_that_no_refresh_leaves_time_for_is_refused() -> None:
    memory = load_dram("hbm2-neupims", ["memory.timing.tREFI=800 ck"]).memory
    spec = neupims(2).on(standard(memory.standard))
    short = ContendPlan(compile_part(spec, memory.organization, memory.timing_cycles, memory.tCK), ContendPolicy())
    with pytest.raises(InputError, match="tREFI"):
        ContendedChannel(short).enqueue(work(1), 0)


def test_refreshes_that_leave_no_time_at_all_are_refused() -> None:
    memory = load_dram("hbm2-neupims", ["memory.timing.tREFI=300 ck"]).memory
    spec = neupims(2).on(standard(memory.standard))
    with pytest.raises(InputError, match="tREFI"):
        ContendPlan(compile_part(spec, memory.organization, memory.timing_cycles, memory.tCK), ContendPolicy())


def test_commands_reach_the_sink_with_the_channels_number() -> None:
    rows: list[np.ndarray] = []
    channel = ContendedChannel(plan(), commands=rows.append, number=7)
    channel.send(reads(3))
    channel.drain()
    log = np.concatenate(rows)
    assert log[:, 1].tolist() == [7] * 4
    assert [plan().compiled.command_names[c] for c in log[:, 2]] == ["ACT", "RD", "RD", "RD"]


def test_a_long_log_is_complete() -> None:
    rows: list[np.ndarray] = []
    channel = ContendedChannel(plan(), commands=rows.append)
    channel.send(reads(80_000))
    channel.drain()
    assert sum(len(r) for r in rows) == sum(channel.counts().values())
    assert channel.counts()["RD"] == 80_000


def test_going_back_in_time_is_refused() -> None:
    channel = ContendedChannel(plan())
    channel.send(reads(1, first=50))
    with pytest.raises(ValueError, match="order of its arrival"):
        channel.send(reads(1, first=49))


def test_a_part_without_pim_commands_is_refused() -> None:
    memory = load_dram("hbm2-neupims").memory
    part = compile_part(standard("HBM2-legacy"), memory.organization, memory.timing_cycles, memory.tCK)
    with pytest.raises(InputError, match="GWRITE"):
        ContendPlan(part, ContendPolicy())


def test_active_ticks_count_each_row_buffer_by_itself() -> None:
    channel = ContendedChannel(plan(refresh="none"))
    channel.enqueue(np.concatenate([fill(), row(100, 1, 8)]), 0)
    channel.drain()
    channel.settle(1000)
    memory, pim = channel.active_ticks().tolist()
    assert memory == [1000 - 1, 0]
    assert pim == [1000 - 112, 1000 - 113]


def test_refreshes_are_staggered_over_the_ranks() -> None:
    rows: list[np.ndarray] = []
    channel = ContendedChannel(plan(), commands=rows.append)
    channel.advance(8000)
    assert [(int(r[0]), int(r[3]) // 16) for r in np.concatenate(rows)] == [(1950, 0), (3900, 1), (5850, 0), (7800, 1)]


# ---------------------------------------------------------------------- arbiters


def both_done(row_buffers: int, arbiter: str, requests: np.ndarray, arrival: int = 0) -> tuple[int, int]:
    """Ticks at which PIM and memory are done."""
    channel = ContendedChannel(plan(row_buffers, arbiter=arbiter))
    memory = channel.send(requests)
    pim = channel.enqueue(work(6), arrival)
    ends = done(channel)
    return ends[pim], ends[memory]


@pytest.mark.parametrize("row_buffers", [1, 2])
def test_whoever_is_first_is_done_sooner(row_buffers: int) -> None:
    requests = reads(1500)
    pim_first, memory_first = (both_done(row_buffers, arbiter, requests) for arbiter in ("pim-first", "memory-first"))
    assert pim_first[0] < memory_first[0]
    assert memory_first[1] < pim_first[1]


def test_two_row_buffers_cost_pim_less_than_one_under_memory_first() -> None:
    requests = reads(1500)
    alone = both_done(2, "memory-first", reads(0))[0]
    slowed = {buffers: both_done(buffers, "memory-first", requests)[0] - alone for buffers in (1, 2)}
    assert slowed[2] < slowed[1]


def test_by_age_the_earlier_work_goes_first_with_one_row_buffer() -> None:
    early, late = reads(200), reads(200, first=3000)
    assert both_done(1, "age", early, arrival=1)[0] > both_done(1, "age", late, arrival=1)[0]


def test_pim_is_slowed_by_memory_and_memory_by_pim() -> None:
    requests = reads(3000)
    alone = both_done(2, "pim-first", reads(0))[0]
    channel = ContendedChannel(plan())
    group = channel.send(requests)
    memory_alone = done(channel)[group]
    pim, memory = both_done(2, "pim-first", requests)
    assert pim > alone
    assert memory > memory_alone


def test_an_access_to_a_row_open_for_pim_closes_it_there() -> None:
    rows: list[np.ndarray] = []
    channel = ContendedChannel(plan(refresh="none"), commands=rows.append)
    channel.enqueue(row(100, 1, 8), 0)
    group = channel.send(np.array([[400, 0, 5, 100, 3]], np.int64))
    names = plan().compiled.command_names
    end = done(channel)[group]
    assert [names[r[2]] for r in np.concatenate(rows) if r[0] > 400] == ["PIM_PRECHARGE", "ACT", "RD"]
    assert end == 401 + 14 + 14 + 16


def test_an_access_to_the_row_being_multiplied_waits_for_its_end() -> None:
    channel = ContendedChannel(plan(refresh="none"))
    pim = channel.enqueue(row(100, 4, 8), 0)
    memory = channel.send(np.array([[20, 0, 5, 100, 3]], np.int64))
    ends = done(channel)
    assert ends[memory] > ends[pim] - 16


@pytest.mark.parametrize("request_", [(0, 0, 9999, 5, 0), (0, 0, -1, 5, 0), (0, 2, 0, 5, 0), (0, 0, 0, 10**9, 0), (0, 0, 0, 5, 10**6)])
@pytest.mark.parametrize("ahead", [False, True])
def test_requests_outside_the_part_are_refused(request_: tuple[int, ...], ahead: bool) -> None:
    channel = ContendedChannel(plan())
    with pytest.raises(ValueError, match="outside the part"):
        channel.send(np.array([request_], np.int64), ahead=ahead)
    assert channel.idle


@pytest.mark.parametrize(("field", "value"), [(0, 3), (2, 9999), (2, -1), (3, 10**9), (4, 10**6)])
def test_transactions_outside_the_part_are_refused(field: int, value: int) -> None:
    channel = ContendedChannel(plan())
    wrong = fill()
    wrong[0, field] = value
    with pytest.raises(ValueError, match="outside the part"):
        channel.enqueue(wrong, 0)
    assert channel.idle
