"""The controller's kernel by itself: what it writes where, and when it comes back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from pimsim.config import load_dram
from pimsim.dram.controller.plan import Plan, make_plan
from pimsim.dram.controller.policy import PRESETS, Policy
from pimsim.kernels import request_layout as at
from pimsim.kernels.request import serve
from pimsim.kernels.request_issue import _latency_bin
from pimsim.kernels.request_word import leading, lowest
from pimsim.sim.memory import compile_memory

CANARY = 0x5A5A5A5A5A5A
GUARD = 512
NONE = np.zeros((0, at.LOG_FIELDS), np.int64), np.zeros((0, at.COMPLETION_FIELDS), np.int64)


def plan(policy: Policy = PRESETS["ramulator-rowhit"], part: str = "hbm2-4gb-2000") -> Plan:
    config = load_dram(part)
    return make_plan(compile_memory(config.memory, config.controller), policy)


def random_requests(count: int, banks: int, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    rows = np.zeros((count, at.REQUEST_FIELDS), np.int64)
    rows[:, at.Q_ARRIVAL] = np.cumsum(draw.integers(0, 3, count) * draw.integers(0, 2, count))
    rows[:, at.Q_WRITE] = draw.integers(0, 2, count)
    rows[:, at.Q_BANK] = draw.integers(0, banks, count)
    rows[:, at.Q_ROW] = draw.integers(0, 3, count)
    rows[:, at.Q_COLUMN] = draw.integers(0, 8, count)
    return rows


def guarded(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A copy of ``values`` with canaries around it: (all of it, the copy)."""
    everything = np.full(values.size + 2 * GUARD, CANARY, np.int64)
    inside = everything[GUARD:-GUARD].reshape(values.shape)
    inside[:] = values
    return everything, inside


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("room", [3, 64])
def test_nothing_is_written_outside_the_vectors(preset: str, room: int) -> None:
    """The kernel works on pointers, which nothing checks."""
    if preset == "dramsim3-fr32":
        config = load_dram("hbm2-4gb-2000", ["controller.policy=dramsim3-fr32"])
        chosen = make_plan(compile_memory(config.memory, config.controller), PRESETS[preset])
    else:
        chosen = plan(PRESETS[preset])
    arrays = (chosen.vector, chosen.state, np.zeros((room, at.LOG_FIELDS), np.int64),
              np.zeros((room, at.COMPLETION_FIELDS), np.int64))  # fmt: skip
    (outer, inner) = zip(*(guarded(a) for a in arrays), strict=True)
    vector, state, log, done = inner
    requests = random_requests(600, chosen.compiled.organization.banks_per_channel)
    status, completed = at.FULL, 0
    while status == at.FULL:
        taken, status = serve(vector, state, requests, True, at.ALWAYS, log, done)
        requests = requests[taken:]
        completed += int(state[at.COMPLETED])
        state[[at.LOGGED, at.COMPLETED]] = 0
    assert (status, completed) == (at.DRAINED, 600)
    assert np.array_equal(vector, chosen.vector)
    for everything in outer:
        assert (everything[:GUARD] == CANARY).all()
        assert (everything[-GUARD:] == CANARY).all()


def test_every_entry_is_given_back() -> None:
    chosen = plan()
    state = chosen.state.copy()
    serve(chosen.vector, state, random_requests(2000, 32), True, at.ALWAYS, *NONE)
    entry, free = int(state[at.FREE]), 0
    while entry >= 0:
        free += 1
        entry = int(state[entry + at.E_NEXT])
    assert free == 32 + 32 + 32  # reads, writes, and a bank's opened request each
    assert state[[at.READS, at.WRITES, at.OUTSTANDING]].tolist() == [0, 0, 0]


def test_it_comes_back_for_requests_as_soon_as_it_needs_them() -> None:
    chosen = plan()
    state = chosen.state.copy()
    requests = random_requests(10, 32)
    taken, status = serve(chosen.vector, state, requests, False, at.ALWAYS, *NONE)
    assert (taken, status) == (10, at.NEED)
    assert state[at.LAST_COLUMN] < 0 or state[at.LAST_COLUMN] <= requests[-1, at.Q_ARRIVAL] + 1


def test_it_goes_no_further_than_asked() -> None:
    chosen = plan()
    state = chosen.state.copy()
    _, status = serve(chosen.vector, state, random_requests(500, 32), True, 300, *NONE)
    assert status == at.UNTIL
    assert state[at.LAST_COMMAND] <= 300 < state[at.FLOOR]


def test_an_idle_channel_refreshes_until_the_tick_asked_for() -> None:
    chosen = plan()
    state = chosen.state.copy()
    serve(chosen.vector, state, random_requests(0, 32), True, 3900 * 5 + 10, *NONE)
    assert state[at.COUNT + at.REFRESH] == 2 * 5  # two pseudo channels


def test_time_jumps_over_what_is_idle() -> None:
    """A request once in a billion ticks: nothing but commands is looked at."""
    chosen = plan(Policy(refresh="none"))
    state = chosen.state.copy()
    requests = random_requests(1000, 32)
    requests[:, at.Q_ARRIVAL] = np.arange(1000) * 10**9
    _, status = serve(chosen.vector, state, requests, True, at.ALWAYS, *NONE)
    assert status == at.DRAINED
    assert state[at.LAST_COLUMN] > 999 * 10**9


def test_state_does_not_grow_with_the_trace() -> None:
    """What waits is all that is kept: a state is as large after a hundred thousand requests as before the first."""
    chosen = plan()
    state = chosen.state.copy()
    for seed in range(10):
        requests = random_requests(10_000, 32, seed)
        requests[:, at.Q_ARRIVAL] = 0
        serve(chosen.vector, state, requests, False, at.ALWAYS, *NONE)
    assert state.size == chosen.state.size < 10_000
    assert state[at.SEQUENCE] == 100_000


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 1 << 40))
def test_histogram_bins_follow_one_another(ticks: int) -> None:
    this, behind = _latency_bin(ticks), _latency_bin(ticks + 1)
    assert 0 <= this <= behind <= min(this + 1, at.BINS - 1)


@njit
def both_scans(word: int) -> tuple[int, int]:
    return lowest(word), leading(word)


@settings(max_examples=100, deadline=None)
@given(st.integers(1, (1 << 63) - 1))
def test_bit_scans(word: int) -> None:
    assert both_scans(word) == ((word & -word).bit_length() - 1, 64 - word.bit_length())
