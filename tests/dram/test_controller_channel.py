"""What a channel does with a few requests under one key of its policy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pimsim.config import load_dram
from pimsim.dram.controller.channel import Channel
from pimsim.dram.controller.plan import make_plan
from pimsim.dram.controller.policy import policy
from pimsim.sim.memory import compile_memory

READ, WRITE = 0, 1
PART = "gddr6-8gb-x16-14000"


def channel(preset: str = "ramulator-rowhit", part: str = PART, **changes: Any) -> tuple[Channel, list[np.ndarray], list[np.ndarray]]:
    config = load_dram(part, ["controller.policy=dramsim3-fr32"] if preset == "dramsim3-fr32" else [])
    plan = make_plan(compile_memory(config.memory, config.controller), policy(preset, **changes))
    commands: list[np.ndarray] = []
    done: list[np.ndarray] = []
    return Channel(plan, commands=commands.append, completions=done.append), commands, done


def run(requests: list[tuple[int, ...]], *args: Any, **changes: Any) -> tuple[list[tuple[int, str, int]], dict[int, tuple[int, int]]]:
    """(tick, command, flat bank) of every command, and accepted and done of every request."""
    served, commands, done = channel(*args, **changes)
    served.send(np.array(requests, np.int64))
    served.drain()
    names = served.plan.compiled.command_names
    log = [(tick, names[c], bank) for tick, _, c, bank, *_ in np.concatenate(commands).tolist()]
    return log, {index: (accepted, ready) for index, accepted, ready in np.concatenate(done).tolist()}


def names(log: list[tuple[int, str, int]]) -> list[str]:
    return [name for _, name, _ in log]


def test_a_first_read_takes_activation_access_and_data() -> None:
    log, done = run([(0, READ, 0, 5, 0)])
    assert log == [(1, "ACT", 0), (28, "RD", 0)]  # tRCDRD 27
    assert done == {0: (0, 54)}  # CL 24 + BL 2


def test_a_read_of_a_waiting_write_is_answered_from_the_queue() -> None:
    log, done = run([(0, WRITE, 0, 5, 0), (0, READ, 0, 5, 0)])
    assert names(log) == ["ACT", "WR"]
    assert done[1] == (1, 2)


def test_without_forwarding_it_goes_to_the_bank() -> None:
    log, _ = run([(0, WRITE, 0, 5, 0), (0, READ, 0, 5, 0)], forward_writes=False)
    assert names(log) == ["ACT", "WR", "RD"]


def test_rows_are_closed_behind_the_last_waiting_hit_where_pages_are_closed() -> None:
    log, _ = run([(0, READ, 0, 5, 0), (0, READ, 0, 5, 1), (900, READ, 0, 6, 0)], page="closed")
    assert names(log) == ["ACT", "RD", "RDA", "ACT", "RDA"]


def test_hits_go_ahead_of_an_older_conflict_only_while_it_cannot_go() -> None:
    log, _ = run([(0, READ, 0, 5, 0), (0, READ, 0, 6, 0), (0, READ, 0, 5, 1)])
    assert names(log) == ["ACT", "RD", "RD", "PRE", "ACT", "RD"]


def test_fcfs_serves_requests_in_the_order_in_which_they_came() -> None:
    log, done = run([(0, READ, 0, 5, 0), (0, READ, 0, 6, 0), (0, READ, 4, 5, 0), (0, READ, 0, 6, 1)], "fcfs")
    assert names(log) == ["ACT", "RD", "PRE", "ACT", "RD", "ACT", "RD", "RD"]
    assert sorted(done, key=lambda i: done[i][1]) == [0, 1, 2, 3]


def test_a_capped_row_is_closed_although_hits_wait() -> None:
    hits = [(0, READ, 0, 5, c) for c in range(8)]
    requests = [hits[0], (0, READ, 0, 6, 0), *hits[1:]]
    uncapped, _ = run(requests, queue="unified", precharge="no-hit", protect_opened=False)
    capped, _ = run(requests, queue="unified", precharge="no-hit", protect_opened=False, row_hit_cap=4)
    assert names(uncapped).index("PRE") > names(capped).index("PRE")


@pytest.mark.parametrize(("postpone", "first"), [(0, 3333), (2, 3 * 3333)])
def test_refreshes_are_postponed_while_there_is_work(postpone: int, first: int) -> None:
    log, _ = run([(0, READ, i % 16, i, 0) for i in range(1500)], postpone=postpone)
    refreshes = [tick for tick, name, _ in log if name == "REFab"]
    assert first <= refreshes[0] < first + 400


def test_postponed_refreshes_are_made_up_for_when_idle() -> None:
    served, commands, _ = channel(postpone=8)
    served.send(np.array([(tick, READ, 0, tick // 100, 0) for tick in range(0, 7000, 100)], np.int64))
    served.advance(30_000)
    assert served.counts()["REFab"] == 30_000 // 3333


def test_refresh_bank_by_bank_goes_round() -> None:
    served, commands, _ = channel(part="hbm2-4gb-2000", refresh="per-bank", refresh_blocks="bank")
    served.advance(3900 * 33 // 16)
    names_ = served.plan.compiled.command_names
    banks = [row[3] for row in np.concatenate(commands).tolist() if names_[row[2]] == "REFpb" and row[3] < 16]
    assert banks == [*range(16), *range(16), 0]


def test_what_is_sent_later_is_served_later() -> None:
    served, _, done = channel()
    served.send(np.array([(0, READ, 0, 5, 0)], np.int64))
    served.advance(1000)
    served.send(np.array([(1000, READ, 0, 5, 1)], np.int64))
    served.advance(2000)
    assert np.concatenate(done).tolist() == [[0, 0, 54], [1, 1000, 1027]]


def test_writes_are_posted_where_the_policy_says_so() -> None:
    _, done = run([(0, WRITE, 0, 5, 0)], "dramsim3-fr32")
    assert done == {0: (0, 1)}


def test_latencies_are_counted_in_the_histogram() -> None:
    served, _, done = channel()
    served.send(np.array([(0, READ, bank % 16, bank, 0) for bank in range(200)], np.int64))
    served.drain()
    rows = np.concatenate(done)
    ticks = rows[:, 2] - rows[:, 1]
    latency = served.latency()
    assert latency.reads == 200
    assert latency.mean == pytest.approx(ticks.mean())
    assert all(number == ((first <= ticks) & (ticks <= last)).sum() for first, last, number in latency.histogram)
    assert sum(number for _, _, number in latency.histogram) == 200


@pytest.mark.parametrize(("request_", "message"), [
    ((0, 0, 16, 5, 0), r"flat bank 16 \(number 1\) is outside the part: 0 to 15"),
    ((0, 0, -1, 5, 0), r"flat bank -1 \(number 1\)"),
    ((0, 2, 0, 5, 0), r"write 2 \(number 1\) is outside the part: 0 to 1"),
    ((0, 0, 0, 10**9, 0), r"row 1000000000 \(number 1\)"),
    ((0, 0, 0, 5, 10**6), r"column 1000000 \(number 1\)"),
    ((-1, 0, 0, 5, 0), r"arrival -1 \(number 1\) is outside the part: 0 or more"),
])  # fmt: skip
def test_a_request_outside_the_part_is_refused_and_nothing_is_sent(request_: tuple[int, ...], message: str) -> None:
    served = channel()[0]
    with pytest.raises(ValueError, match=message):
        served.send(np.array([(0, 0, 0, 5, 0), request_]))
    assert served.sent == served.outstanding == 0


@pytest.mark.parametrize("requests", [np.zeros((1, 4), np.int64), np.zeros(5, np.int64), np.zeros((1, 5))])
def test_what_is_no_array_of_requests_is_refused(requests: np.ndarray) -> None:
    with pytest.raises(ValueError, match="an array of"):
        channel()[0].send(requests)


def test_arrivals_may_not_go_back_once_requests_are_served() -> None:
    served = channel()[0]
    served.send(np.array([(100, 0, 0, 5, 0)]))
    served.drain()
    with pytest.raises(ValueError, match="order"):
        served.send(np.array([(99, 0, 0, 5, 0)]))


def test_arrivals_may_not_go_back_behind_the_tick_advanced_to() -> None:
    served = channel()[0]
    served.advance(1000)
    with pytest.raises(ValueError, match="order of its arrival"):
        served.send(np.array([(999, 0, 0, 5, 0)]))
    served.send(np.array([(1000, 0, 0, 5, 0)]))
