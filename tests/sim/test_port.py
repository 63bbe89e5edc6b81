"""A memory to send requests to from Python: where requests go, what comes back, what is refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pimsim
from pimsim.config import load_dram
from pimsim.dram.request_pattern import generate
from pimsim.errors import InputError
from pimsim.sim.port import Memory
from pimsim.sim.traffic import run_requests

PART = "gddr6-8gb-x16-14000"


@pytest.fixture
def memory() -> Memory:
    return pimsim.memory(PART)


def test_coordinates_and_addresses_mean_the_same_place() -> None:
    results = []
    addresses = [(5 << 15) + (2 << 11), (5 << 15) + (1 << 13) + (2 << 11) + 3 * 32]
    for where in ({"bankgroup": [0, 1], "bank": 2, "row": 5, "col": [0, 3]}, addresses):
        port = pimsim.memory(PART, **{"controller.address_mapping": "ro bg ba co"})
        port.send(where)
        port.drain()
        results.append(port.completions().tolist())
    assert results[0] == results[1]
    assert [row[0] for row in results[0]] == [0, 1]


def test_a_memory_does_what_a_run_of_the_same_requests_does() -> None:
    config = load_dram("hbm2-4gb-2000")
    requests = generate("mixed_rw", config.memory.organization, count=2000, seed=3)
    done: list[np.ndarray] = []
    traffic = run_requests(config, [requests], completions=done.append)
    port = pimsim.memory("hbm2-4gb-2000")
    for begin in range(0, 2000, 100):
        piece = requests.rows[begin : begin + 100]
        port.advance(int(piece[0, 1]) - 1)
        port.send({name: piece[:, i] for name, i in (("rank", 4), ("bankgroup", 6), ("bank", 7), ("row", 8), ("col", 9))},
                  piece[:, 2] == 1, piece[:, 1])
    port.drain()
    expected = np.concatenate(done)
    found = port.completions()
    assert np.array_equal(found[np.argsort(found[:, 0])], expected)
    ours, theirs = port.stats(), traffic.summary()
    for key in ("counts", "total_cycles", "row_hits", "avg_read_latency_cycles", "energy_j"):
        assert ours[key] == theirs[key]


def test_completions_are_given_once_and_in_the_order_they_are_done(memory: Memory) -> None:
    first = memory.send({"row": [1, 1], "bank": [0, 1]})
    memory.drain()
    assert memory.completions()[:, 0].tolist() == first.tolist() == [0, 1]
    second = memory.send({"row": [9, 1], "bank": [0, 1]}, arrivals=1000)  # a conflict, then a hit
    memory.drain()
    assert memory.completions()[:, 0].tolist() == second.tolist()[::-1] == [3, 2]
    assert len(memory.completions()) == 0


def test_advance_decides_what_is_there_and_no_more(memory: Memory) -> None:
    memory.send({"row": [1, 1]}, arrivals=[0, 5000])
    memory.advance(1000)
    assert memory.completions()[:, 0].tolist() == [0]
    assert memory.outstanding == 1


def test_channels_have_their_own_queues_and_one_numbering() -> None:
    port = pimsim.memory(PART, **{"memory.channels": 2})
    port.send({"channel": [1, 0, 1], "row": 1, "col": [0, 0, 1]})
    port.drain()
    assert sorted(port.completions().tolist()) == [[0, 0, 54], [1, 0, 54], [2, 1, 58]]


def test_what_is_done_is_forgotten(memory: Memory) -> None:
    for tick in range(0, 40_000, 100):
        memory.send({"row": 1}, arrivals=tick)
        memory.advance(tick + 99)
    assert len(memory._numbers[0]) <= 1
    assert len(memory.completions()) == 400


@pytest.mark.parametrize(("where", "options", "message"), [
    ([1 << 40], {}, "address 0x10000000000 is outside the memory"),
    ([-1], {}, "outside the memory"),
    ([1 << 63], {}, r"below 2\*\*63"),
    ([0.5], {}, "whole numbers"),
    ({"bank": [4]}, {}, "bank 4 is outside the memory: 0 to 3"),
    ({"row": -1}, {}, "row -1 is outside"),
    ({"rank": 1}, {}, "rank 1 is outside the memory: 0 to 0"),
    ({"column": 1}, {}, "coordinates column: known are channel"),
    ({}, {}, "coordinates are missing"),
    ([0, 32], {"arrivals": [5, 4]}, "arrivals go back"),
    ([0, 32], {"arrivals": -1}, "arrivals go back"),
    ([0, 32], {"writes": [True] * 3}, "broadcast"),
    ({"row": [1, 2], "bank": [1, 2, 3]}, {}, "shape"),
])  # fmt: skip
def test_what_does_not_fit_is_refused_and_nothing_is_sent(memory: Memory, where: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        memory.send(where, **options)
    assert memory.outstanding == 0


def test_a_policy_that_does_not_know_pseudo_channels_has_one_rank() -> None:
    port = pimsim.memory("hbm2-4gb-2000", "dramsim3-fr32")
    with pytest.raises(ValueError, match="rank 1 is outside the memory: 0 to 0"):
        port.send({"rank": 1})


def test_what_is_wrong_with_the_part_is_said_as_on_the_command_line() -> None:
    with pytest.raises(InputError, match=r"--set controller\.policy: 'nonsense'"):
        pimsim.memory(PART, "nonsense")


def test_nothing_arrives_before_the_tick_advanced_to(memory: Memory) -> None:
    memory.advance(1000)
    with pytest.raises(ValueError, match="nothing can arrive before 1000"):
        memory.send({"row": 1}, arrivals=999)
    assert memory.send({"row": 1}, arrivals=1000).tolist() == [0]
