"""Refresh of a memory channel: what is due, what is owed, and the command that the oldest waiting refresh needs.

A rank owes a refresh from the tick it is due. It joins the queue of waiting refreshes at once, or, where refreshes may be
postponed, when too many are owed or the rank has nothing else to do. Only the head of that queue is served: it closes the
rows that are open (all at once, or bank by bank) and refreshes.
"""

from __future__ import annotations

from pimsim.kernels.jit import inline, jit
from pimsim.kernels.request_layout import (
    ALWAYS,
    B_RANK,
    B_ROW,
    BANK_RECORD,
    DUE,
    FIFO,
    OWED,
    P_EACH,
    P_INTERVAL,
    P_POSTPONE,
    P_RANK_BANKS,
    P_RANKS,
    P_RANKS_END,
    P_REFRESH_BANKS,
    P_TURNS,
    PRE,
    PRE_ALL,
    QUEUED,
    R_DUE,
    R_FALLEN,
    R_FIRST,
    R_NEXT,
    R_OPEN,
    R_OWED,
    R_QUEUED,
    R_WAITING,
    RANK_RECORD,
    REFRESH,
)
from pimsim.kernels.request_timing import earliest


@jit
def fall_due(p, s, tick):
    """Note the refreshes that are due at ``tick`` or before."""
    due = ALWAYS
    for r in range(p[P_RANKS], p[P_RANKS_END], RANK_RECORD):
        while s[r + R_DUE] <= tick:
            s[r + R_FALLEN] += 1
            s[r + R_DUE] = (s[r + R_FALLEN] + 1) * p[P_INTERVAL] // p[P_TURNS]
            s[r + R_OWED] += 1
            s[OWED] += 1
        due = min(due, s[r + R_DUE])
    s[DUE] = due


@jit
def enqueue(p, s):
    """Queue the refreshes that can be postponed no longer, or whose rank is idle."""
    for r in range(p[P_RANKS], p[P_RANKS_END], RANK_RECORD):
        owed = s[r + R_OWED]
        if owed > 0 and s[r + R_QUEUED] == 0 and (owed > p[P_POSTPONE] or s[r + R_WAITING] == 0):
            s[r + R_QUEUED] = 1
            s[r + R_OWED] -= 1
            s[OWED] -= 1
            s[FIFO + s[QUEUED]] = r
            s[QUEUED] += 1


@inline
def head_bank(p, s):
    """The bank that the waiting refresh is for (the first of its rank where it is for all)."""
    r = s[FIFO]
    return s[r + R_FIRST] + (s[r + R_NEXT] * BANK_RECORD if p[P_REFRESH_BANKS] else 0)


@inline
def _first_closing(p, s, first, floor):
    """The open bank of a rank that can be closed first; of several the lowest."""
    best = ALWAYS
    chosen = first
    for b in range(first, first + p[P_RANK_BANKS] * BANK_RECORD, BANK_RECORD):
        if s[b + B_ROW] >= 0:
            tick = earliest(p, s, PRE, b, floor)
            if tick < best:
                best = tick
                chosen = b
    return best, PRE, chosen


@jit
def next_command(p, s, floor):
    """What the head of the queue needs next: (tick, command, bank)."""
    b = head_bank(p, s)
    command = REFRESH
    if p[P_REFRESH_BANKS]:
        if s[b + B_ROW] >= 0:
            command = PRE
    elif s[s[b + B_RANK] + R_OPEN] > 0:
        if p[P_EACH]:
            return _first_closing(p, s, b, floor)
        command = PRE_ALL
    return earliest(p, s, command, b, floor), command, b


@inline
def dequeue(p, s):
    """The head of the queue has been refreshed."""
    r = s[FIFO]
    s[r + R_QUEUED] = 0
    if p[P_REFRESH_BANKS]:
        s[r + R_NEXT] += 1
        if s[r + R_NEXT] == p[P_RANK_BANKS]:
            s[r + R_NEXT] = 0
    s[QUEUED] -= 1
    for k in range(FIFO, FIFO + s[QUEUED]):
        s[k] = s[k + 1]
