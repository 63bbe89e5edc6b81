"""All-reduce times, against all-reduces that are carried out message by message."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.schedule.collective import Link, Topology, all_reduce_fs, all_reduce_link_bytes, layer_fs, transfer_fs

LINK = Link(bandwidth_bytes_per_s=100 * 10**9, latency_fs=500 * 10**6)


def ring(devices: int) -> tuple[list[list[set[int]]], int, int]:
    """Who has summed whose shards after a ring all-reduce; its steps; shards that a link carried."""
    have = [[{d} for _ in range(devices)] for d in range(devices)]
    steps = carried = 0
    for phase in (0, 1):
        for k in range(devices - 1):
            sent = [(d, (d - k + phase) % devices) for d in range(devices)]
            messages = [(d, shard, set(have[d][shard])) for d, shard in sent]
            for d, shard, sums in messages:
                have[(d + 1) % devices][shard] = have[(d + 1) % devices][shard] | sums
            steps, carried = steps + 1, carried + 1
    return have, steps, carried


def direct(devices: int) -> tuple[list[list[set[int]]], int, int]:
    """The same over a link between every two devices: shard s is summed on device s, then sent to all."""
    have = [[{d} for _ in range(devices)] for d in range(devices)]
    links: Counter[tuple[int, int]] = Counter()
    for phase in (0, 1):
        messages = [(d, to, to if phase == 0 else d) for d in range(devices) for to in range(devices) if to != d]
        sums = [set(have[d][shard]) for d, _, shard in messages]
        for (d, to, shard), contributions in zip(messages, sums, strict=True):
            have[to][shard] = have[to][shard] | contributions
            links[d, to] += 1
    return have, 2, max(links.values())


@pytest.mark.parametrize("devices", [2, 3, 4, 8])
@pytest.mark.parametrize(("topology", "carry_out"), [("ring", ring), ("direct", direct)])
def test_time_is_that_of_the_messages(devices: int, topology: Topology, carry_out: type) -> None:
    have, steps, carried = carry_out(devices)
    assert all(sums == set(range(devices)) for device in have for sums in device)
    shard = 1 << 20
    assert all_reduce_fs(topology, devices, devices * shard, LINK) == steps * LINK.message_fs(shard)
    assert all_reduce_link_bytes(devices, devices * shard, topology) == carried * shard


def test_a_message_is_latency_and_bytes_over_bandwidth() -> None:
    assert LINK.message_fs(1000) == 500 * 10**6 + 10 * 10**6


def test_a_part_of_a_femtosecond_is_rounded_up() -> None:
    assert Link(3, 0).message_fs(1) == 10**15 // 3 + 1


@pytest.mark.parametrize("topology", ["ring", "direct"])
def test_one_device_or_nothing_to_add_takes_no_time(topology: Topology) -> None:
    assert all_reduce_fs(topology, 1, 1 << 20, LINK) == 0
    assert all_reduce_fs(topology, 4, 0, LINK) == 0


@given(st.integers(2, 16), st.integers(1, 1 << 30))
def test_a_direct_all_reduce_is_a_ring_s_over_the_number_of_steps(devices: int, size: int) -> None:
    assert all_reduce_fs("ring", devices, size, LINK) == (devices - 1) * all_reduce_fs("direct", devices, size, LINK)


def test_a_ring_s_bandwidth_term_tends_to_twice_the_data() -> None:
    size, link = 1 << 30, Link(10**9, 0)
    assert all_reduce_fs("ring", 64, size, link) == pytest.approx(2 * size * 10**6, rel=0.02)


def test_a_layer_of_gpt3_7b_adds_its_activations_up_twice() -> None:
    """Batch 256, hidden 4,096, 2 bytes: 2 MiB; 2 x 6 ring steps of 512 KiB at 100 GB/s and 0.5 us."""
    assert layer_fs("ring", 4, 256, 4096, 2, LINK) == 12 * (500 * 10**6 + 524_288 * 10**4)


def test_a_stage_hands_on_the_activations() -> None:
    assert transfer_fs(256, 4096, 2, LINK) == LINK.message_fs(2 << 20)
