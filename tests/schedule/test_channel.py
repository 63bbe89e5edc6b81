"""Which channel a request goes to."""

from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.schedule.arrival import source, warm_batch
from pimsim.schedule.channel import Assignment, Candidate, assign, cost_of
from pimsim.schedule.estimate import MhaEstimate

PLENTY = [10**6] * 4
POLICIES: tuple[Assignment, ...] = ("given", "round-robin", "least-load", "estimate")


def tokens(context: int) -> int:
    return context


def wants(*contexts: int) -> list[Candidate]:
    return [Candidate(context, 1) for context in contexts]


def test_round_robin_goes_on_where_it_stopped() -> None:
    assert assign("round-robin", wants(1, 1, 1), [0] * 4, PLENTY, tokens, turn=2) == ([2, 3, 0], 1)


def test_round_robin_passes_over_full_channels() -> None:
    assert assign("round-robin", wants(1, 1, 1), [0] * 4, [9, 0, 0, 9], tokens, turn=1) == ([3, 0, 3], 0)


def test_least_load_takes_the_channel_with_the_fewest_tokens_in_order_of_arrival() -> None:
    assert assign("least-load", wants(10, 1, 10, 1), [5, 0, 7, 7], PLENTY, tokens, turn=0)[0] == [1, 0, 0, 2]


def test_the_estimate_packs_the_longest_first() -> None:
    """1, 1, 2 in order of arrival would put 2 on top of 1; longest first, the two 1s share a channel."""
    assert assign("estimate", wants(1, 1, 2), [0, 0], [9, 9], tokens, turn=0)[0] == [1, 1, 0]


def test_the_estimate_counts_what_runs_already() -> None:
    assert assign("estimate", wants(3), [7, 2, 5], [9] * 3, tokens, turn=0)[0] == [1]


def test_packing_falls_back_to_the_order_of_arrival_where_longest_first_does_not_fit() -> None:
    """Longest first, the two of 2 rows take both channels and leave 1 row in each: the one that needs 2 fits nowhere."""
    candidates = [Candidate(1, 2), Candidate(9, 1), Candidate(8, 1), Candidate(7, 1)]
    assert assign("estimate", candidates, [0, 0], [2, 3], tokens, turn=0)[0] == [0, 1, 1, 1]


def test_given_channels_are_kept_and_the_others_are_packed() -> None:
    candidates = [Candidate(5, 1, channel=3), Candidate(1, 1), Candidate(5, 1, channel=3)]
    assert assign("given", candidates, [0] * 4, PLENTY, tokens, turn=0)[0] == [3, 0, 3]


@pytest.mark.parametrize("policy", ["round-robin", "least-load", "estimate"])
def test_other_policies_do_not_ask_the_file(policy: Assignment) -> None:
    assert assign(policy, [Candidate(5, 1, channel=3)], [0] * 4, PLENTY, tokens, turn=0)[0] == [0]


def test_a_given_channel_that_is_full_holds_up_the_queue() -> None:
    assert assign("given", [Candidate(1, 1, channel=0), Candidate(1, 1, channel=1)], [0, 0], [0, 9], tokens, turn=0)[0] == []


def test_loads_are_tokens_or_estimated_cycles() -> None:
    estimate = MhaEstimate(8, 128).cycles
    assert [cost_of(policy, estimate)(512) for policy in POLICIES] == [12776, 512, 512, 12776]


def spread_of(policy: Assignment, contexts: Sequence[int], cost: Callable[[int], int]) -> int:
    channels = assign(policy, wants(*contexts), [0] * 32, [10**6] * 32, cost, turn=0)[0]
    loads = [0] * 32
    for context, channel in zip(contexts, channels, strict=True):
        loads[channel] += cost(context)
    return max(loads)


@pytest.mark.parametrize("seed", range(3))
def test_packing_by_the_estimate_beats_round_robin_and_nears_the_mean(seed: int) -> None:
    cost = MhaEstimate(8, 128).cycles
    contexts = [r.input_tokens for r in warm_batch(source("sharegpt"), 256, seed)]
    packed, turned = (spread_of(policy, contexts, cost) for policy in ("estimate", "round-robin"))  # type: ignore[arg-type]
    mean = sum(map(cost, contexts)) / 32
    assert packed < turned
    assert packed <= mean + max(map(cost, contexts)) * (1 - 1 / 32)  # Graham's bound for list scheduling


@given(st.sampled_from(POLICIES), st.lists(st.tuples(st.integers(1, 50), st.integers(1, 6), st.none() | st.integers(0, 2)), max_size=20),
       st.lists(st.integers(0, 12), min_size=3, max_size=3), st.integers(0, 2))
def test_no_channel_gets_more_than_it_has_room_for_and_none_overtakes(
    policy: Assignment, wanted: list[tuple[int, int, int | None]], room: list[int], turn: int
) -> None:
    candidates = [Candidate(*each) for each in wanted]
    channels, turn = assign(policy, candidates, [0] * 3, room, tokens, turn)
    left = list(room)
    for candidate, channel in zip(candidates, channels, strict=False):
        left[channel] -= candidate.rows
        assert policy != "given" or candidate.channel in (None, channel)
    assert min(left) >= 0 and 0 <= turn < 3
    assert bool(channels) == bool(candidates and _some_room(policy, candidates[0], room))


def _some_room(policy: Assignment, candidate: Candidate, room: list[int]) -> bool:
    places = room if policy != "given" or candidate.channel is None else [room[candidate.channel]]
    return max(places) >= candidate.rows
