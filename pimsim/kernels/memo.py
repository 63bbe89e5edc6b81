"""Identical work is simulated once: what a program did to a channel is remembered and done again when it would do the same.

A program's course on a channel follows from the program and the channel's state seen from the task's begin: ticks ahead, and open
rows relative to the task's. When the next refresh is due matters only through decisions "is it due at this tick?", so one
course holds for a whole range of due ticks (``DUE_LEAST`` .. ``DUE_MOST``, kept by ``pimsim.kernels.channel``). Equal key and due
tick in range: equal course, to the last bit; nothing is interpolated. Only for channels of one rank.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pimsim.kernels.jit import inline, jit
from pimsim.kernels.packed import H_ALIGN, H_AT_COUNTERS, H_AT_DUE, H_AT_ROW, H_BANKS, H_INTERVAL, H_VECTOR
from pimsim.kernels.table import (
    BUS,
    CHARGED,
    DONE,
    DUE_LEAST,
    DUE_MOST,
    LAST,
    OPEN,
    OPEN_SINCE,
    OWN_CAUSE,
    OWN_END,
    REFRESHES,
    REST_CAUSE,
    REST_END,
    SCALARS,
    UNIFORM,
)

CLOSED = -(1 << 40)
"""A closed bank in a key (an open one is its row relative to the task's)."""
FAR = 1 << 60
PROGRAM, DUE_FROM, DUE_TO, NEXT, HASH = range(5)


class Memo(NamedTuple):
    """What is remembered: entry e has the key ``keys[e]`` and the outcome ``outcomes[e]``; buckets chain entries."""

    keys: np.ndarray  # [entries, state]
    outcomes: np.ndarray  # [entries, vector]
    facts: np.ndarray  # [entries, 5]
    buckets: np.ndarray  # [power of two] first entry or -1
    current: np.ndarray  # [state] the key of the task at hand
    counts: np.ndarray  # [4] entries, hash of the current key, recalled, run


def make_memo(vector: int, entries: int) -> Memo:
    """An empty memo for channel vectors of this size; of no entries: one that remembers nothing."""
    return Memo(
        np.empty((entries, vector), np.int64),
        np.empty((entries, vector), np.int64),
        np.empty((entries, 5), np.int64),
        np.full(4096, -1, np.int64),
        np.empty(vector, np.int64),
        np.zeros(4, np.int64),
    )


@inline
def _ahead(tick, begin):
    return tick - begin if tick > begin else 0


@jit
def _make_key(t, s, key, row, begin):
    """Write the channel's state as seen from ``begin`` and ``row`` into ``key``; returns its hash."""
    for i in range(SCALARS):
        key[i] = 0
    for i in (LAST, BUS, BUS + 1, CHARGED, OWN_END, REST_END):
        key[i] = _ahead(s[i], begin)
    key[OWN_CAUSE] = s[OWN_CAUSE] if s[OWN_END] > s[CHARGED] else 0
    key[REST_CAUSE] = s[REST_CAUSE] if s[REST_END] > s[CHARGED] else 0
    key[DONE] = begin % t[H_ALIGN]  # edges of a clock
    key[OPEN] = s[OPEN]
    key[UNIFORM] = s[UNIFORM] - row if s[UNIFORM] >= 0 else CLOSED
    key[OPEN_SINCE] = s[OPEN_SINCE] - begin if s[OPEN] > 0 else 0
    key[t[H_AT_DUE]] = 0
    code = np.uint64(1469598103934665603)
    for i in range(SCALARS):
        code = (code ^ np.uint64(key[i])) * np.uint64(1099511628211)
    for i in range(t[H_AT_DUE] + 1, t[H_AT_ROW]):
        ahead = _ahead(s[i], begin)
        key[i] = ahead
        if ahead:
            code = (code ^ np.uint64(ahead * 1024 + i)) * np.uint64(1099511628211)
    rows = t[H_AT_ROW]
    for i in range(rows, rows + t[H_BANKS]):
        key[i] = s[i] - row if s[i] >= 0 else CLOSED
        if s[i] >= 0:
            code = (code ^ np.uint64(key[i] * 1024 + i)) * np.uint64(1099511628211)
    for i in range(rows + t[H_BANKS], t[H_AT_COUNTERS]):
        key[i] = 0
    return np.int64(code >> np.uint64(1))


@jit
def recall(t, s, memo, program, row, begin):
    """Let the channel do what ``program`` did before from an equal state. Returns whether it was remembered.

    If not, the channel is ready to run the program and to ``remember`` it.
    """
    code = _make_key(t, s, memo.current, row, begin)
    code = (code ^ program * 7919) & 0x7FFFFFFFFFFFFFFF
    memo.counts[1] = code
    due = s[t[H_AT_DUE]] - begin
    entry = memo.buckets[code & (memo.buckets.size - 1)]
    while entry >= 0:
        fact = memo.facts[entry]
        if fact[HASH] == code and fact[PROGRAM] == program and fact[DUE_FROM] <= due <= fact[DUE_TO]:
            key = memo.keys[entry]
            equal = True
            for i in range(t[H_AT_COUNTERS]):
                if key[i] != memo.current[i]:
                    equal = False
                    break
            if equal:
                _apply(t, s, memo.outcomes[entry], row, begin)
                memo.counts[2] += 1
                return True
        entry = fact[NEXT]
    memo.counts[3] += 1
    s[REFRESHES] = 0
    s[DUE_LEAST] = -FAR
    s[DUE_MOST] = FAR
    return False


@jit
def _apply(t, s, outcome, row, begin):
    """Put a remembered outcome in place."""
    due = t[H_AT_DUE]
    for i in (LAST, BUS, BUS + 1, DONE, CHARGED, OWN_END, REST_END, OPEN_SINCE):
        s[i] = outcome[i] + begin
    s[OWN_CAUSE] = outcome[OWN_CAUSE]
    s[REST_CAUSE] = outcome[REST_CAUSE]
    s[OPEN] = outcome[OPEN]
    s[UNIFORM] = outcome[UNIFORM] + row if outcome[UNIFORM] != CLOSED else -1
    s[due] += outcome[REFRESHES] * t[H_INTERVAL]
    for i in range(due + 1, t[H_AT_ROW]):
        s[i] = outcome[i] + begin
    rows = t[H_AT_ROW]
    for i in range(rows, rows + t[H_BANKS]):
        s[i] = outcome[i] + row if outcome[i] != CLOSED else -1
    for i in range(t[H_AT_COUNTERS], t[H_VECTOR]):
        s[i] += outcome[i]


@jit
def remember(t, s, memo, program, row, begin):
    """Keep what ``program`` has just done from the state that ``recall`` looked up."""
    entry = memo.counts[0]
    if entry == memo.keys.shape[0]:
        memo.buckets[:] = -1  # full: begin anew
        entry = 0
    memo.counts[0] = entry + 1
    code = memo.counts[1]
    bucket = code & (memo.buckets.size - 1)
    memo.facts[entry, PROGRAM] = program
    memo.facts[entry, DUE_FROM] = s[DUE_LEAST] - begin if s[DUE_LEAST] > -FAR else -FAR
    memo.facts[entry, DUE_TO] = s[DUE_MOST] - begin if s[DUE_MOST] < FAR else 2 * FAR
    memo.facts[entry, HASH] = code
    memo.facts[entry, NEXT] = memo.buckets[bucket]
    memo.buckets[bucket] = entry
    memo.keys[entry] = memo.current
    outcome = memo.outcomes[entry]
    for i in (LAST, BUS, BUS + 1, DONE, CHARGED, OWN_END, REST_END, OPEN_SINCE):
        outcome[i] = s[i] - begin
    outcome[OWN_CAUSE] = s[OWN_CAUSE]
    outcome[REST_CAUSE] = s[REST_CAUSE]
    outcome[OPEN] = s[OPEN]
    outcome[UNIFORM] = s[UNIFORM] - row if s[UNIFORM] >= 0 else CLOSED
    outcome[REFRESHES] = s[REFRESHES]
    for i in range(t[H_AT_DUE] + 1, t[H_AT_ROW]):
        outcome[i] = _ahead(s[i], begin)
    rows = t[H_AT_ROW]
    for i in range(rows, rows + t[H_BANKS]):
        outcome[i] = s[i] - row if s[i] >= 0 else CLOSED
    for i in range(t[H_AT_COUNTERS], t[H_VECTOR]):
        outcome[i] = s[i]
