"""Refreshes of the contended channel: the rows of the rank are closed bank by bank, then it is refreshed.

Each rank is refreshed once an interval, the ranks evenly staggered. PIM stands still from the tick at which a refresh is due until it has
been issued, and is free again in the tick behind it: the other rank's rows can be closed and opened meanwhile.
"""

from __future__ import annotations

from pimsim.kernels.contend_issue import (
    ACTIVATE_CAUSE,
    CLOSED,
    IDLE_CAUSE,
    ONE,
    REFRESH_CAUSE,
    charge,
    charge_wait,
    count,
    row_of,
    set_row,
    write_log,
)
from pimsim.kernels.contend_layout import (
    CONTENTION,
    DEADLINE,
    FOREVER,
    MEMORY_VIEW,
    NEXT_REFRESH,
    P_CLOSE,
    P_DUAL,
    P_INTERVAL,
    P_PRE,
    P_RANK_BANKS,
    P_RANKS,
    P_REFRESH,
    P_RESERVE_WORK,
    P_TO_REFRESHED,
    PIM_VIEW,
    QUEUED,
    READS,
    REFRESH_DUE,
    REFRESH_RANK,
    RESERVED,
    SKIP,
    WAITING,
    WRITES,
)
from pimsim.kernels.contend_timing import BOTH, ask, issue
from pimsim.kernels.jit import inner


@inner
def refresh(p, s, log, keep_log, tick):
    """A refresh is due: close the next bank of its rank, or refresh it. Returns whether a command was issued."""
    first = s[REFRESH_RANK] * p[P_RANK_BANKS]
    soonest = FOREVER
    for bank in range(first, first + p[P_RANK_BANKS]):
        for buffer in range(1 + p[P_DUAL]):
            if row_of(p, s, buffer, bank) >= 0:
                command = p[P_CLOSE] if buffer == 1 else p[P_PRE]
                ready = ask(p, s, command, bank)
                if ready <= tick:
                    _issue_refresh(p, s, log, keep_log, command, bank, tick, ONE)
                    set_row(p, s, buffer, bank, CLOSED, tick)
                    return True
                soonest = min(soonest, ready)
    if soonest == FOREVER:
        soonest = ask(p, s, p[P_REFRESH], first)
        if soonest <= tick:
            _issue_refresh(p, s, log, keep_log, p[P_REFRESH], first, tick, p[P_TO_REFRESHED])
            s[REFRESH_DUE] += p[P_INTERVAL]
            s[REFRESH_RANK] = (s[REFRESH_RANK] + 1) % p[P_RANKS]
            if s[SKIP]:
                s[SKIP] = 0
            if not p[P_RESERVE_WORK]:
                s[RESERVED] = -1
            return True
    s[NEXT_REFRESH] = soonest
    return False


@inner
def _charge_until_due(p, s):
    """A refresh is due: what both kinds of work have waited for until now."""
    due = s[REFRESH_DUE]
    if s[SKIP]:
        charge_wait(s, PIM_VIEW, due, DEADLINE)
    elif not s[WAITING]:
        charge_wait(s, PIM_VIEW, due, IDLE_CAUSE)
    else:
        charge_wait(s, PIM_VIEW, due, ACTIVATE_CAUSE if p[P_DUAL] or s[QUEUED] == 0 else CONTENTION)
    if s[READS] + s[WRITES] + s[QUEUED] == 0:
        charge_wait(s, MEMORY_VIEW, due, IDLE_CAUSE)
    else:
        charge_wait(s, MEMORY_VIEW, due, CONTENTION if s[WAITING] else ACTIVATE_CAUSE)


@inner
def _issue_refresh(p, s, log, keep_log, command, bank, tick, own):
    """A command of a refresh: both kinds of work wait for it."""
    write_log(s, log, keep_log, tick, command, bank, -1, -1, 1)
    count(p, s, command, 1)
    issue(p, s, BOTH, command, bank, tick)
    _charge_until_due(p, s)
    charge(s, PIM_VIEW, tick, tick, REFRESH_CAUSE, own, REFRESH_CAUSE)
    charge(s, MEMORY_VIEW, tick, tick, REFRESH_CAUSE, own, REFRESH_CAUSE)
