"""What the commands of the contended channel do: rows open and close, work is done, counters move, every tick is charged.

Both kinds of work look at the channel for themselves: each tick is charged once in PIM's view of it and once in memory's. What a command
waited for longer than it would have without the other kind of work is contention.
"""

from __future__ import annotations

import numpy as np

from pimsim.kernels.contend_layout import (
    AT_COMMANDS,
    B_BOUND,
    B_HEAD,
    B_HIT_READ,
    B_HITS,
    B_ROW,
    B_SERVED,
    BANK,
    COMPLETED,
    COMPLETION_FIELDS,
    CONTENTION,
    E_NEXT,
    E_ROW,
    E_WRITE,
    FINISHED,
    G_DONE,
    G_LEFT,
    GROUP_FIELDS,
    LOG_FIELDS,
    LOGGED,
    MEMORY_VIEW,
    NEXT_MEMORY,
    NEXT_PIM,
    O_BANKS,
    O_SINCE,
    O_TICKS,
    OPEN,
    P_AT_BANK,
    P_AT_COUNTERS,
    P_AT_OPEN,
    P_RANK_BANKS,
    P_RANKS,
    PIM_VIEW,
    V_CAUSE,
    V_CHARGED,
    V_COUNTERS,
    V_OWN,
    V_REST,
    V_REST_CAUSE,
)
from pimsim.kernels.jit import inline, inner, jit
from pimsim.kernels.request_word import pointer

(COMPUTE_CAUSE, ACTIVATE_CAUSE, REFRESH_CAUSE, FILL_CAUSE, RESULT_CAUSE, READ_CAUSE, WRITE_CAUSE, MODE_CAUSE, ASIC_CAUSE,
 IDLE_CAUSE) = np.arange(10)  # fmt: skip
"""Causes (``pimsim.dram.spec.Cause``). numpy's integers, since numba compiles a function anew for every literal it is given."""

ONE, CLOSED = np.int64(1), np.int64(-1)


@inline
def row_of(p, s, buffer, bank):
    """The row that a bank has open in one of its row buffers, or -1."""
    return s[bank_at(p, bank) + B_ROW + buffer]


@inline
def bank_at(p, bank):
    """Where a bank's record stands."""
    return p[P_AT_BANK] + bank * BANK


@inner
def find_hits(s, b, row):
    """The row of a bank has changed: count the waiting requests that hit it, and find the first read and write of them."""
    s[b + B_HITS] = 0
    s[b + B_HIT_READ] = -1
    s[b + B_HIT_READ + 1] = -1
    if row < 0:
        return
    entry = s[b + B_HEAD]
    while entry >= 0:
        if s[entry + E_ROW] == row:
            s[b + B_HITS] += 1
            first = b + B_HIT_READ + s[entry + E_WRITE]
            if s[first] < 0:
                s[first] = entry
        entry = s[entry + E_NEXT]


@inner
def set_row(p, s, buffer, bank, row, tick):
    """A bank has ``row`` open from now on (-1: none)."""
    b = bank_at(p, bank)
    was = s[b + B_ROW + buffer]
    s[b + B_ROW + buffer] = row
    s[b + B_BOUND] = 0
    if buffer == 0:
        s[b + B_SERVED] = 0
        find_hits(s, b, row)
    o = p[P_AT_OPEN] + (buffer * p[P_RANKS] + bank // p[P_RANK_BANKS]) * OPEN
    if was < 0 and row >= 0:
        if s[o + O_BANKS] == 0:
            s[o + O_SINCE] = tick
        s[o + O_BANKS] += 1
    elif was >= 0 and row < 0:
        s[o + O_BANKS] -= 1
        if s[o + O_BANKS] == 0:
            s[o + O_TICKS] += tick - s[o + O_SINCE]


@inline
def count(p, s, command, times):
    """Count commands."""
    s[p[P_AT_COUNTERS] + AT_COMMANDS + command] += times


@inner
def write_log(s, log, keep, tick, command, bank, row, column, times):
    """Log a command. There is room: the kernel returns before the log is full."""
    if keep:
        at = s[LOGGED] * LOG_FIELDS
        log[at] = tick
        log[at + 1] = 0
        log[at + 2] = command
        log[at + 3] = bank
        log[at + 4] = row
        log[at + 5] = column
        log[at + 6] = times
        s[LOGGED] += 1


@inner
def complete(s, groups, done, keep, number, kind, group, accepted, tick):
    """A request or transaction is done at ``tick``."""
    g = group * GROUP_FIELDS
    groups[g + G_LEFT] -= 1
    groups[g + G_DONE] = max(groups[g + G_DONE], tick)
    if groups[g + G_LEFT] == 0:
        s[FINISHED] = 1
    if keep:
        at = s[COMPLETED] * COMPLETION_FIELDS
        done[at] = number
        done[at + 1] = kind
        done[at + 2] = accepted
        done[at + 3] = tick
        s[COMPLETED] += 1


@inline
def look_again(s, tick):
    """Something has changed: both kinds of work may have a command at ``tick``."""
    s[NEXT_MEMORY] = tick
    s[NEXT_PIM] = tick


@inner
def charge_until(s, view, tick):
    """Charge the ticks before ``tick`` that belong to commands already issued; returns up to where that is."""
    counters = s[view + V_COUNTERS]
    at = s[view + V_CHARGED]
    end = min(s[view + V_OWN], tick)
    if end > at:
        s[counters + s[view + V_CAUSE]] += end - at
        at = end
    end = min(s[view + V_REST], tick)
    if end > at:
        s[counters + s[view + V_REST_CAUSE]] += end - at
        at = end
    s[view + V_CHARGED] = at
    return at


@inner
def charge_wait(s, view, tick, cause):
    """Charge the ticks up to ``tick`` that belong to no command to ``cause``."""
    at = charge_until(s, view, tick)
    if tick > at:
        s[s[view + V_COUNTERS] + cause] += tick - at
        s[view + V_CHARGED] = tick


@inner
def charge(s, view, tick, unhindered, cause, own, own_cause):
    """A command issues at ``tick``.

    It waited for ``cause`` up to ``unhindered``, the tick at which it might have gone without the other kind of work, and for the other
    kind from there on. The next ``own`` ticks are its own.
    """
    at = charge_until(s, view, tick)
    if tick > at:
        counters = s[view + V_COUNTERS]
        middle = min(max(unhindered, at), tick)
        s[counters + cause] += middle - at
        s[counters + CONTENTION] += tick - middle
    s[view + V_CHARGED] = max(at, tick)
    end = tick + own
    if s[view + V_OWN] > end and s[view + V_OWN] > s[view + V_REST]:
        s[view + V_REST] = s[view + V_OWN]
        s[view + V_REST_CAUSE] = s[view + V_CAUSE]
    s[view + V_OWN] = end
    s[view + V_CAUSE] = own_cause


@jit
def settle(plan, state, tick):
    """Charge every tick before ``tick``, and count the ticks with open rows up to it: ``plan`` and ``state`` are the vectors."""
    p, s = pointer(plan), pointer(state)
    for view in (PIM_VIEW, MEMORY_VIEW):
        charge_wait(s, view, tick, IDLE_CAUSE)
    for o in range(p[P_AT_OPEN], p[P_AT_OPEN] + 2 * p[P_RANKS] * OPEN, OPEN):
        if s[o + O_BANKS] > 0 and tick > s[o + O_SINCE]:
            s[o + O_TICKS] += tick - s[o + O_SINCE]
            s[o + O_SINCE] = tick
