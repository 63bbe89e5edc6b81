"""Refresh of a memory channel: what is due, what is owed, and the command that the oldest waiting refresh needs.

A rank owes a refresh from the tick it is due. It joins the queue of waiting refreshes at once, or, where refreshes may be
postponed, when too many are owed or the rank has nothing else to do. Only the head of that queue is served: it closes the
rows that are open (all at once, or bank by bank) and refreshes.
"""

from __future__ import annotations

from pimsim.kernels.jit import inline
from pimsim.kernels.request_layout import (
    ALWAYS,
    B_RANK,
    B_ROW,
    BANK_STATE,
    DUE,
    OWED,
    P_EACH,
    P_INTERVAL,
    P_POSTPONE,
    P_PRE,
    P_PRE_ALL,
    P_RANK_BANKS,
    P_RANKS,
    P_REFRESH,
    P_REFRESH_BANKS,
    PLACE,
    QUEUED,
    R_DUE,
    R_NEXT_BANK,
    R_OPEN,
    R_OWED,
    R_QUEUED,
    R_WAITING,
    RANK_STATE,
    S_AT_FIFO,
)
from pimsim.kernels.request_timing import earliest


@inline
def fall_due(L, p, s, tick):
    """Note the refreshes that are due at ``tick`` or before."""
    due = ALWAYS
    for rank in range(p[P_RANKS]):
        at = L.rank + rank * RANK_STATE
        while s[at + R_DUE] <= tick:
            s[at + R_DUE] += p[P_INTERVAL]
            s[at + R_OWED] += 1
            s[OWED] += 1
        due = min(due, s[at + R_DUE])
    s[DUE] = due


@inline
def enqueue(L, p, s):
    """Queue the refreshes that can be postponed no longer, or whose rank is idle."""
    for rank in range(p[P_RANKS]):
        at = L.rank + rank * RANK_STATE
        owed = s[at + R_OWED]
        if owed > 0 and not s[at + R_QUEUED] and (owed > p[P_POSTPONE] or s[at + R_WAITING] == 0):
            s[at + R_QUEUED] = 1
            s[at + R_OWED] -= 1
            s[OWED] -= 1
            s[p[S_AT_FIFO] + s[QUEUED]] = rank
            s[QUEUED] += 1


@inline
def head_bank(L, p, s):
    """The bank that the waiting refresh is for (the first of its rank where it is for all)."""
    rank = s[p[S_AT_FIFO]]
    bank = rank * p[P_RANK_BANKS]
    if p[P_REFRESH_BANKS]:
        bank += s[L.rank + rank * RANK_STATE + R_NEXT_BANK]
    return bank


@inline
def next_command(L, p, s, floor):
    """What the head of the queue needs next: (tick, command, bank)."""
    bank = head_bank(L, p, s)
    command = p[P_REFRESH]
    if p[P_REFRESH_BANKS]:
        if s[L.bank + bank * BANK_STATE + B_ROW] >= 0:
            command = p[P_PRE]
    elif s[L.rank + p[L.place + bank * PLACE + B_RANK] * RANK_STATE + R_OPEN] > 0:
        if p[P_EACH]:
            return _first_closing(L, p, s, bank, floor)
        command = p[P_PRE_ALL]
    return earliest(L, p, s, command, bank, floor), command, bank


@inline
def _first_closing(L, p, s, first, floor):
    """The open bank of a rank that can be closed first; of several the lowest."""
    best = ALWAYS
    chosen = first
    for bank in range(first, first + p[P_RANK_BANKS]):
        if s[L.bank + bank * BANK_STATE + B_ROW] >= 0:
            tick = earliest(L, p, s, p[P_PRE], bank, floor)
            if tick < best:
                best = tick
                chosen = bank
    return best, p[P_PRE], chosen


@inline
def dequeue(L, p, s):
    """The head of the queue has been refreshed."""
    rank = s[p[S_AT_FIFO]]
    at = L.rank + rank * RANK_STATE
    s[at + R_QUEUED] = 0
    if p[P_REFRESH_BANKS]:
        s[at + R_NEXT_BANK] += 1
        if s[at + R_NEXT_BANK] == p[P_RANK_BANKS]:
            s[at + R_NEXT_BANK] = 0
    s[QUEUED] -= 1
    for k in range(s[QUEUED]):
        s[p[S_AT_FIFO] + k] = s[p[S_AT_FIFO] + k + 1]
