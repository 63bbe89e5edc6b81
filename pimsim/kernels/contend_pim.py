"""What the head of the PIM queue does next on the contended channel.

A fill opens its row in the memory row buffer and copies it to the vector buffer, during which the PIM queue stands still. An
announcement closes every wrong row, bank by bank, and goes only if the controller reckons that the announced work ends before the
next refresh; otherwise PIM waits for that refresh. A composite opens its row, a bank group at a time, and multiplies.
"""

from __future__ import annotations

from pimsim.kernels.contend_issue import (
    ACTIVATE_CAUSE,
    CLOSED,
    COMPUTE_CAUSE,
    FILL_CAUSE,
    IDLE_CAUSE,
    MODE_CAUSE,
    ONE,
    RESULT_CAUSE,
    charge,
    charge_wait,
    complete,
    count,
    row_of,
    set_row,
    write_log,
)
from pimsim.kernels.contend_layout import (
    AGE,
    ANSWERED,
    COMPUTE,
    COMPUTED,
    E_ARRIVAL,
    ESTIMATE,
    FILL,
    FILL_BANK,
    FILL_UNTIL,
    FIRST_COMPUTE,
    FOREVER,
    HOLD,
    LIVE,
    MEMORY_FIRST,
    P_ACT,
    P_ARBITER,
    P_BANKS,
    P_BURST,
    P_CADENCE,
    P_CLOSE,
    P_COLUMNS,
    P_COMPOSITE,
    P_COMPUTE,
    P_DUAL,
    P_FILL,
    P_GACT,
    P_GROUP_BANKS,
    P_GWRITE,
    P_HEADER,
    P_HEADER_SLACK,
    P_HOLD,
    P_INTERNAL_LOG,
    P_LEAST,
    P_PIM_SHADOW,
    P_PRE,
    P_RANKS,
    P_READ_TICKS,
    P_RESERVE_WORK,
    P_RESULT,
    P_RESULT_AT_END,
    P_TO_ACTIVATE,
    P_TO_COLUMN,
    P_TO_PRECHARGE,
    P_TREE,
    P_WINDOW,
    PIM_QUEUED,
    PIM_VIEW,
    QUEUED,
    READ_HEAD,
    READS,
    REFRESH_DUE,
    RESERVED,
    SERVING,
    SKIP,
    SLACK,
    T_ARRIVAL,
    T_BANK,
    T_COLUMN,
    T_COMPUTES,
    T_GROUP,
    T_KIND,
    T_LAST,
    T_RESULTS,
    T_ROW,
    TRANSACTION_FIELDS,
    UNIT,
    WAITING,
    WRITE_HEAD,
    WRITES,
)
from pimsim.kernels.contend_timing import alone, ask, ask_sequencer, issue, issue_sequencer
from pimsim.kernels.jit import inline, inner


@inline
def pim_buffer(p):
    """The row buffer that PIM uses."""
    return 1 if p[P_DUAL] else 0


@inner
def _turn_has_come(p, s, arrival):
    """With one row buffer: whether PIM may begin, or goes on with what it has begun; with two it always may."""
    if p[P_DUAL] or s[UNIT]:
        return True
    if s[QUEUED] > 0:
        return False
    if p[P_ARBITER] == MEMORY_FIRST:
        return s[READS] + s[WRITES] == 0
    if p[P_ARBITER] == AGE:
        return _all_younger(s, s[READ_HEAD], arrival) and _all_younger(s, s[WRITE_HEAD], arrival)
    return True


@inline
def _all_younger(s, entry, arrival):
    """Whether no request of a list, in order of arrival, came before a tick."""
    return entry < 0 or s[entry + E_ARRIVAL] >= arrival


@inner
def _uneven(p, s, bank, row):
    """Whether the bank group of a bank does not have ``row`` open for PIM in all its banks."""
    first = bank // p[P_GROUP_BANKS] * p[P_GROUP_BANKS]
    for b in range(first, first + p[P_GROUP_BANKS]):
        if row_of(p, s, pim_buffer(p), b) != row:
            return True
    return False


@inner
def estimate(p, s, tr, at):
    """Ticks in which the controller reckons to finish the fill or the announced row at the head of the PIM queue."""
    if tr[at + T_KIND] == FILL:
        row = row_of(p, s, 0, tr[at + T_BANK])
        if row == tr[at + T_ROW]:
            return p[P_FILL]
        return (p[P_TO_PRECHARGE] if row >= 0 else 0) + p[P_TO_ACTIVATE] + p[P_TO_COLUMN] + p[P_FILL]
    wrong = 0
    for b in range(p[P_BANKS]):
        row = row_of(p, s, pim_buffer(p), b)
        if row >= 0 and row != tr[at + T_ROW]:
            wrong += 1
    groups = p[P_BANKS] // p[P_GROUP_BANKS] // p[P_RANKS]
    return (p[P_TO_PRECHARGE] * wrong + p[P_WINDOW] * (groups - 1) + p[P_TO_COLUMN]
            + p[P_CADENCE] * (max(tr[at + T_COMPUTES], 6) + tr[at + T_RESULTS] - 1))  # fmt: skip


@inline
def span(p, computes):
    """Ticks from the issue of a composite to its READRES."""
    return max(p[P_CADENCE] * max(computes, p[P_LEAST]), p[P_TREE])


@inner
def look(p, s, tr, served, tick):
    """What the head of the PIM queue does next.

    Returns:
        (command or -1, bank, tick). A command is ready at the tick; without one, the tick is when to look again.
    """
    s[SERVING] = 0
    s[LIVE] = 0
    s[HOLD] = -1
    s[WAITING] = 0
    if s[PIM_QUEUED] == 0:
        return -1, 0, FOREVER  # until something moves there
    at = served * TRANSACTION_FIELDS
    arrival = tr[at + T_ARRIVAL]
    s[WAITING] = 1
    charge_wait(s, PIM_VIEW, min(arrival + 1, tick), IDLE_CAUSE)
    if s[SKIP] or not _turn_has_come(p, s, arrival):
        return -1, 0, FOREVER  # until something is issued
    s[SERVING] = 1
    if tick < s[FILL_UNTIL]:
        return -1, 0, s[FILL_UNTIL]
    if tr[at + T_KIND] == COMPUTE:
        if p[P_HOLD]:
            s[HOLD] = tr[at + T_ROW]
        return _compute(p, s, tr, at, tick)
    s[LIVE] = 1
    s[ESTIMATE] = estimate(p, s, tr, at)
    s[SLACK] = s[REFRESH_DUE] - tick - s[ESTIMATE]
    if s[SLACK] < p[P_HEADER_SLACK]:
        s[SKIP] = 1
        s[SERVING] = 0
        s[LIVE] = 0
        return -1, 0, FOREVER
    command, bank, ready = _fill(p, s, tr, at) if tr[at + T_KIND] == FILL else _announce(p, s, tr, at, tick)
    if ready <= tick:
        return command, bank, tick
    return -1, 0, min(ready, s[REFRESH_DUE] - s[ESTIMATE] - p[P_HEADER_SLACK] + 1)


@inner
def _fill(p, s, tr, at):
    """What a fill needs: its row open in the memory row buffer, then GWRITE."""
    bank = tr[at + T_BANK]
    row = row_of(p, s, 0, bank)
    command = p[P_GWRITE] if row == tr[at + T_ROW] else p[P_ACT] if row < 0 else p[P_PRE]
    return command, bank, ask(p, s, command, bank)


@inner
def _announce(p, s, tr, at, tick):
    """What an announcement needs: wrong rows closed, and its row closed in the memory row buffers."""
    row = tr[at + T_ROW]
    soonest = FOREVER
    for bank in range(p[P_BANKS]):
        has = row_of(p, s, pim_buffer(p), bank)
        if has >= 0 and (has != row or _uneven(p, s, bank, row)):
            ready = ask(p, s, p[P_CLOSE], bank)
            if ready <= tick:
                return p[P_CLOSE], bank, ready
            soonest = min(soonest, ready)
        if p[P_DUAL] and row_of(p, s, 0, bank) == row:
            ready = ask(p, s, p[P_PRE], bank)
            if ready <= tick:
                return p[P_PRE], bank, ready
            soonest = min(soonest, ready)
    if soonest < FOREVER:
        return -1, 0, soonest
    return p[P_HEADER], 0, ask(p, s, p[P_HEADER], 0)


@inner
def _compute(p, s, tr, at, tick):
    """What a composite needs: its row open in all bank groups, then its COMPs."""
    row = tr[at + T_ROW]
    soonest = FOREVER
    for bank in range(0, p[P_BANKS], p[P_GROUP_BANKS]):
        if row_of(p, s, pim_buffer(p), bank) != row:
            ready = ask(p, s, p[P_GACT], bank)
            if ready <= tick:
                return p[P_GACT], bank, tick
            soonest = min(soonest, ready)
    if soonest < FOREVER:
        return -1, 0, soonest
    if p[P_DUAL]:
        command = p[P_COMPOSITE]
        ready = max(ask(p, s, command, 0), ask_sequencer(p, s, p[P_COMPUTE]))
        ready = max(ready, ask_sequencer(p, s, p[P_RESULT]) - span(p, tr[at + T_COMPUTES]))
    elif s[COMPUTED] < tr[at + T_COMPUTES]:
        command = p[P_COMPUTE]
        ready = ask(p, s, command, 0)
    else:
        command = p[P_RESULT]
        ready = max(ask(p, s, command, 0), s[FIRST_COMPUTE] + p[P_TREE])
    return (command, 0, tick) if ready <= tick else (-1, 0, ready)


@inner
def execute(p, s, tr, served, groups, log, keep_log, done, keep_done, command, bank, tick):
    """Issue a command for the head of the PIM queue; returns how many transactions have been served then."""
    at = served * TRANSACTION_FIELDS
    row = tr[at + T_ROW]
    unhindered = alone(p, s, p[P_PIM_SHADOW], command, bank)
    column = tr[at + T_COLUMN] if command == p[P_GWRITE] else -1
    times = tr[at + T_COMPUTES] if command == p[P_COMPOSITE] and not p[P_INTERNAL_LOG] else 1
    write_log(s, log, keep_log, tick, command, bank, row, column, times)
    count(p, s, command, 1)
    if not p[P_DUAL]:
        s[UNIT] = 1
    issue(p, s, p[P_PIM_SHADOW], command, bank, tick)
    if command == p[P_GWRITE]:
        charge(s, PIM_VIEW, tick, unhindered, FILL_CAUSE, p[P_FILL], FILL_CAUSE)
        s[FILL_UNTIL] = tick + p[P_FILL]
        s[FILL_BANK] = bank
        s[UNIT] = 0
        return _finish(p, s, tr, served, groups, done, keep_done, tick + p[P_FILL])
    if command == p[P_HEADER]:
        charge(s, PIM_VIEW, tick, unhindered, MODE_CAUSE, ONE, MODE_CAUSE)
        s[RESERVED] = row
        s[PIM_QUEUED] -= 1
        return served + 1
    if command == p[P_COMPOSITE]:
        return _composite(p, s, tr, served, groups, log, keep_log, done, keep_done, unhindered, tick)
    if command == p[P_COMPUTE]:
        charge(s, PIM_VIEW, tick, unhindered, COMPUTE_CAUSE, p[P_CADENCE], COMPUTE_CAUSE)
        if s[COMPUTED] == 0:
            s[FIRST_COMPUTE] = tick
        s[COMPUTED] += 1
        return served
    if command == p[P_RESULT]:
        charge(s, PIM_VIEW, tick, unhindered, RESULT_CAUSE, p[P_BURST], RESULT_CAUSE)
        s[COMPUTED] = 0
        return _finish(p, s, tr, served, groups, done, keep_done, tick + p[P_READ_TICKS])
    charge(s, PIM_VIEW, tick, unhindered, ACTIVATE_CAUSE, ONE, ACTIVATE_CAUSE)
    if command == p[P_GACT]:
        for b in range(bank, bank + p[P_GROUP_BANKS]):
            set_row(p, s, pim_buffer(p), b, row, tick)
    elif command == p[P_ACT]:
        set_row(p, s, 0, bank, row, tick)
    else:
        set_row(p, s, 0 if command == p[P_PRE] else 1, bank, CLOSED, tick)
    return served


@inner
def _composite(p, s, tr, served, groups, log, keep_log, done, keep_done, unhindered, tick):
    """A composite has issued: the sequencer issues its COMPs and its READRES."""
    computes = tr[served * TRANSACTION_FIELDS + T_COMPUTES]
    end = tick + span(p, computes)
    charge(s, PIM_VIEW, tick, unhindered, RESULT_CAUSE, p[P_CADENCE] * computes, COMPUTE_CAUSE)
    issue_sequencer(p, s, p[P_COMPUTE], tick + p[P_CADENCE] * (computes - 1))
    issue_sequencer(p, s, p[P_RESULT], end)
    count(p, s, p[P_COMPUTE], computes)
    count(p, s, p[P_RESULT], 1)
    if p[P_INTERNAL_LOG]:
        row = tr[served * TRANSACTION_FIELDS + T_ROW]
        for first in range(0, computes, p[P_COLUMNS]):
            write_log(s, log, keep_log, tick + p[P_CADENCE] * first, p[P_COMPUTE], 0, row, 0,
                      min(computes - first, p[P_COLUMNS]))  # fmt: skip
        write_log(s, log, keep_log, end, p[P_RESULT], 0, -1, -1, 1)
    answer = (end if p[P_RESULT_AT_END] else tick) + p[P_READ_TICKS]
    return _finish(p, s, tr, served, groups, done, keep_done, answer)


@inner
def _finish(p, s, tr, served, groups, done, keep_done, answer):
    """The head of the PIM queue is done."""
    at = served * TRANSACTION_FIELDS
    complete(s, groups, done, keep_done, s[ANSWERED], 2, tr[at + T_GROUP], tr[at + T_ARRIVAL], answer)
    s[ANSWERED] += 1
    s[PIM_QUEUED] -= 1
    if tr[at + T_KIND] == COMPUTE and tr[at + T_LAST]:
        s[UNIT] = 0
        if p[P_RESERVE_WORK]:
            s[RESERVED] = -1
    return served + 1
