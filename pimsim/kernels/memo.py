"""Identical work is simulated once: what a program did to a channel is remembered and done again when it would do the same.

A program's course on a channel follows from the program and the channel's state seen from the task's begin: ticks ahead, and open
rows relative to the task's. When the next refresh is due matters only through decisions "is it due at this tick?", so one
course holds for a whole range of due ticks (``DUE_LEAST`` .. ``DUE_MOST``, kept by ``pimsim.kernels.channel``). Equal key and due
tick in range: equal course, to the last bit; nothing is interpolated. Only for channels of one rank.

Most of the time a channel's state is what a remembered course left, and nothing but time has passed since. Then the state is known by
three numbers, (course, when it began, its row), and what the next program does from it is a *step* from course to course: a step
is looked up without looking at the state, and only the front of the state is written. The rest is filled in when it is needed.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pimsim.kernels.jit import inline, inner
from pimsim.kernels.packed import H_ALIGN, H_AT_COUNTERS, H_AT_DUE, H_AT_ROW, H_BANKS, H_INTERVAL, H_RANKS, H_VECTOR
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
PROGRAM, DUE_FROM, DUE_TO, NEXT, HASH, EDGE = range(6)

# What a channel's state is known by: the course that made it (-1: none), that course's begin and row; whether all of it is written.
COURSE, BEGAN, ROW, FILLED = range(4)
HELD = 4

# A fact: six numbers that say what it is about, the first being a course plus 1 (0: an empty place), and what is known.
# A step: (course + 1, program, ticks since the course began, rows from its row, how far the state is charged ahead, how far open
# banks are counted ahead) -> the course that follows.
# Likeness: (course + 1, - other course - 1, ticks since the course began, rows between the two, ticks since the other began, and
# again) -> whether the two states are the same.
ABOUT = 6
KNOWN = ABOUT
FACT = 8
FACTS = 1 << 16

ENTRIES, CODE, RECALLED, RUN, FACTS_KEPT = range(5)


class Memo(NamedTuple):
    """What is remembered: course e has the key ``keys[e]`` and the outcome ``fronts[e]`` and ``rests[e]``; buckets chain courses."""

    keys: np.ndarray  # [entries, state]
    fronts: np.ndarray  # [entries, scalars and counters] of the outcome
    rests: np.ndarray  # [entries, state] of the outcome, but for the scalars
    courses: np.ndarray  # [entries, 8]
    buckets: np.ndarray  # [power of two] first entry or -1
    current: np.ndarray  # [state] the key of the task at hand
    facts: np.ndarray  # [power of two, FACT] open addressing
    counts: np.ndarray  # [5] courses kept, hash of the current key, programs recalled, programs run, facts kept


def make_memo(vector: int, counters: int, entries: int) -> Memo:
    """An empty memo for channel vectors of ``vector`` numbers, the last ``counters`` of which count; of no entries: one that
    remembers nothing."""
    return Memo(
        np.empty((entries, vector - counters), np.int64),
        np.empty((entries, SCALARS + counters), np.int64),
        np.empty((entries, vector - counters), np.int64),
        np.empty((entries, 8), np.int64),
        np.full(4096, -1, np.int64),
        np.empty(vector - counters, np.int64),
        np.zeros((FACTS if entries else 1, FACT), np.int64),
        np.zeros(5, np.int64),
    )


@inline
def _ahead(tick, begin):
    return tick - begin if tick > begin else 0


@inner
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


@inner
def recall(t, s, memo, program, row, begin):
    """The course that ``program`` took before from an equal state, or -1.

    If there is none, the channel is ready to run the program and to ``remember`` it. The state must be filled.
    """
    code = _make_key(t, s, memo.current, row, begin)
    code = (code ^ program * 7919) & 0x7FFFFFFFFFFFFFFF
    memo.counts[CODE] = code
    due = s[t[H_AT_DUE]] - begin
    entry = memo.buckets[code & (memo.buckets.size - 1)]
    while entry >= 0:
        course = memo.courses[entry]
        if course[HASH] == code and course[PROGRAM] == program and course[DUE_FROM] <= due <= course[DUE_TO]:
            key = memo.keys[entry]
            equal = True
            for i in range(t[H_AT_COUNTERS]):
                if key[i] != memo.current[i]:
                    equal = False
                    break
            if equal:
                return entry
        entry = course[NEXT]
    s[REFRESHES] = 0
    s[DUE_LEAST] = -FAR
    s[DUE_MOST] = FAR
    return -1


@inline
def _place(memo, about):
    """Where the search for a fact begins."""
    code = np.uint64(0)
    for word in about:
        code = (code ^ np.uint64(word)) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(code >> np.uint64(40)) & (memo.facts.shape[0] - 1)


@inline
def _is_about(fact, about):
    return (fact[0] == about[0] and fact[1] == about[1] and fact[2] == about[2] and fact[3] == about[3] and fact[4] == about[4]
            and fact[5] == about[5])


@inner
def _keep(memo, about, known):
    """Keep a fact; with too many of them, begin anew."""
    facts = memo.facts
    if memo.counts[FACTS_KEPT] * 2 >= facts.shape[0]:
        facts[:] = 0
        memo.counts[FACTS_KEPT] = 0
    at = _place(memo, about)
    while facts[at, 0]:
        at = (at + 1) & (facts.shape[0] - 1)
    for i in range(ABOUT):
        facts[at, i] = about[i]
    facts[at, KNOWN] = known
    memo.counts[FACTS_KEPT] += 1


@inline
def _step(s, held, program, row, begin):
    """What a step is about."""
    since = s[OPEN_SINCE] - begin if s[OPEN] > 0 else 0
    return held[COURSE] + 1, program, begin - held[BEGAN], row - held[ROW], _ahead(s[CHARGED], begin), since


@inner
def next_course(t, s, memo, held, program, row, begin):
    """The course that ``program`` takes from a held state, if that step was made before; else -1."""
    about = _step(s, held, program, row, begin)
    due = s[t[H_AT_DUE]] - begin
    edge = begin % t[H_ALIGN]
    facts = memo.facts
    at = _place(memo, about)
    while facts[at, 0]:
        if _is_about(facts[at], about):
            course = facts[at, KNOWN]
            if memo.courses[course, DUE_FROM] <= due <= memo.courses[course, DUE_TO] and memo.courses[course, EDGE] == edge:
                return course
        at = (at + 1) & (facts.shape[0] - 1)
    return -1


@inner
def keep_step(s, memo, held, program, row, begin, course):
    """Remember that ``program`` takes ``course`` from a held state. ``s`` must be as it was before."""
    _keep(memo, _step(s, held, program, row, begin), course)


@inner
def rest_same(t, a, b, memo, held_a, held_b, tick):
    """Whether two states whose fronts are the same are the same altogether, seen from ``tick``."""
    both = held_a[COURSE] >= 0 and held_b[COURSE] >= 0
    rows = held_a[ROW] - held_b[ROW]
    since = tick - held_b[BEGAN]
    about = (held_a[COURSE] + 1, -held_b[COURSE] - 1, tick - held_a[BEGAN], rows, since, since)
    if both:
        if held_a[COURSE] == held_b[COURSE] and held_a[BEGAN] == held_b[BEGAN] and rows == 0:
            return True
        facts = memo.facts
        at = _place(memo, about)
        while facts[at, 0]:
            if _is_about(facts[at], about):
                return facts[at, KNOWN] == 1
            at = (at + 1) & (facts.shape[0] - 1)
    fill(t, a, memo, held_a)
    fill(t, b, memo, held_b)
    same = True
    for i in range(t[H_AT_DUE] + t[H_RANKS], t[H_AT_ROW]):
        if max(a[i], tick) != max(b[i], tick):
            same = False
            break
    if same:
        for i in range(t[H_AT_ROW], t[H_AT_COUNTERS]):
            if a[i] != b[i]:
                same = False
                break
    if both:
        _keep(memo, about, 1 if same else 0)
    return same


@inner
def take(t, s, memo, held, course, row, begin):
    """Do what a course did: the front of the state and the counters. The rest of the state is left to ``fill``."""
    front = memo.fronts[course]
    for i in (LAST, BUS, BUS + 1, DONE, CHARGED, OWN_END, REST_END, OPEN_SINCE):
        s[i] = front[i] + begin
    s[OWN_CAUSE] = front[OWN_CAUSE]
    s[REST_CAUSE] = front[REST_CAUSE]
    s[OPEN] = front[OPEN]
    s[UNIFORM] = front[UNIFORM] + row if front[UNIFORM] != CLOSED else -1
    s[t[H_AT_DUE]] += front[REFRESHES] * t[H_INTERVAL]
    counters = t[H_AT_COUNTERS]
    for i in range(t[H_VECTOR] - counters):
        s[counters + i] += front[SCALARS + i]
    held[COURSE] = course
    held[BEGAN] = begin
    held[ROW] = row
    held[FILLED] = 0
    memo.counts[RECALLED] += 1


@inner
def fill(t, s, memo, held):
    """Write what ``take`` left out."""
    if held[FILLED]:
        return
    held[FILLED] = 1
    rest = memo.rests[held[COURSE]]
    begin = held[BEGAN]
    for i in range(t[H_AT_DUE] + 1, t[H_AT_ROW]):
        s[i] = rest[i] + begin
    rows = t[H_AT_ROW]
    for i in range(rows, rows + t[H_BANKS]):
        s[i] = rest[i] + held[ROW] if rest[i] != CLOSED else -1


@inner
def forget(memo):
    """Begin anew. No state may be held by a course."""
    memo.buckets[:] = -1
    memo.facts[:] = 0
    memo.counts[ENTRIES] = 0
    memo.counts[FACTS_KEPT] = 0


@inner
def remember(t, s, memo, program, row, begin):
    """Keep what ``program`` has just done from the state that ``recall`` looked up; returns the course. There must be room."""
    entry = memo.counts[ENTRIES]
    memo.counts[ENTRIES] = entry + 1
    memo.counts[RUN] += 1
    code = memo.counts[CODE]
    bucket = code & (memo.buckets.size - 1)
    memo.courses[entry, PROGRAM] = program
    memo.courses[entry, DUE_FROM] = s[DUE_LEAST] - begin if s[DUE_LEAST] > -FAR else -FAR
    memo.courses[entry, DUE_TO] = s[DUE_MOST] - begin if s[DUE_MOST] < FAR else 2 * FAR
    memo.courses[entry, HASH] = code
    memo.courses[entry, EDGE] = begin % t[H_ALIGN]
    memo.courses[entry, NEXT] = memo.buckets[bucket]
    memo.buckets[bucket] = entry
    for i in range(t[H_AT_COUNTERS]):
        memo.keys[entry, i] = memo.current[i]
    front = memo.fronts[entry]
    for i in (LAST, BUS, BUS + 1, DONE, CHARGED, OWN_END, REST_END, OPEN_SINCE):
        front[i] = s[i] - begin
    front[OWN_CAUSE] = s[OWN_CAUSE]
    front[REST_CAUSE] = s[REST_CAUSE]
    front[OPEN] = s[OPEN]
    front[UNIFORM] = s[UNIFORM] - row if s[UNIFORM] >= 0 else CLOSED
    front[REFRESHES] = s[REFRESHES]
    counters = t[H_AT_COUNTERS]
    for i in range(t[H_VECTOR] - counters):
        front[SCALARS + i] = s[counters + i]
    rest = memo.rests[entry]
    for i in range(t[H_AT_DUE] + 1, t[H_AT_ROW]):
        rest[i] = _ahead(s[i], begin)
    rows = t[H_AT_ROW]
    for i in range(rows, rows + t[H_BANKS]):
        rest[i] = s[i] - row if s[i] >= 0 else CLOSED
    return entry
