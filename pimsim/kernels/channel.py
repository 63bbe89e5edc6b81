"""One channel, command by command: row buffers, refresh, and the charging of every cycle to a cause.

``t`` is the packed table, ``s`` the channel's vector (state and counters), ``log`` an int64 [n, LOG_FIELDS] array whose row 0 is
[entries so far, channel, task]; a log of no rows writes nothing.

Refresh: an all-bank activation, and any instruction marked as a boundary, is a point of decision. If a refresh is due (plus the
postponement allowed) by the tick at which the instruction's first command could go, every rank that is due is refreshed
first, as soon as its banks can be closed. A channel that waits for work refreshes a rank as soon as it is due.

Charging: after a command has issued, its own ticks belong to its own cause: the cadence of a column command, tRCD of an activation,
tRP of a precharge, tRFC of a refresh. Own ticks that outlast those of the next command (an activation while the operand buffer
fills) are charged behind them; of several earlier commands, to the one that lasts longest. What then remains until a command
belongs to what that command waits for. So a row of 64 MACs is charged 64 cadences of compute, and tRCD, tRP and what is left of
tRTP to activate/precharge. A refresh that begins while the channel waits for work costs what it delays beyond.
"""

from __future__ import annotations

import numpy as np
from numpy import uint64 as at

from pimsim.kernels.jit import inline, inner
from pimsim.kernels.packed import (
    ANYHOW,
    C_BANKS,
    C_CADENCE,
    C_CAUSE,
    C_CLOSER,
    C_COLUMN,
    C_EFFECT,
    C_LATENCY,
    C_NEEDS,
    C_OCCUPANCY,
    C_OPENER,
    C_ROWS,
    CLOSED,
    COMMAND,
    H_ACTIVATE_OVER_OPEN,
    H_AT_ACTIVE,
    H_AT_COUNTERS,
    H_AT_COUNTS,
    H_AT_DUE,
    H_AT_ROW,
    H_BANKS,
    H_BANKS_PER_RANK,
    H_INTERVAL,
    H_PRECHARGE_ALL,
    H_RANKS,
    H_REFRESH,
    HEADER,
    OPENS,
    ROW_OPEN,
)
from pimsim.kernels.packed import (
    OPEN as IS_OPEN,
)
from pimsim.kernels.table import (
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
    UNIFORM,
)
from pimsim.kernels.timing import aligned, allowed, earliest, hold, take

# Effects (pimsim.dram.spec.Effect) and causes (pimsim.dram.spec.Cause), as the kernels' constants.
ACTIVATE, PRECHARGE, READ, WRITE, READ_PRECHARGE, WRITE_PRECHARGE, REFRESH, COMPUTE = range(8)
# (NumPy integers, because numba compiles a function anew for every literal that it is called with.)
REFRESH_CAUSE, ASIC_CAUSE, IDLE_CAUSE = np.int64(2), np.int64(8), np.int64(9)
UNCHARGED = np.int64(-1)
"""In place of a cause: nobody waits for the command, so that the ticks up to its issue are left to whoever does wait next."""

NO_ROW = np.int64(-1)
NO_COLUMN = -1
LOG_FIELDS = 8
"""tick, channel, command, bank, row, column, count, task."""


@inline
def scope_banks(t, command):
    """Number of banks that a command addresses."""
    return t[at(HEADER + command * COMMAND + C_BANKS)]


@inner
def _open(t, s, first, banks, row):
    """All banks of a range have ``row`` open from now on."""
    rows = t[H_AT_ROW]
    if s[OPEN] == 0:
        s[OPEN_SINCE] = s[LAST]
    if banks == t[H_BANKS]:
        if s[UNIFORM] < 0 and s[OPEN] > 0:
            for b in range(rows, rows + banks):
                s[at(b)] = -1
        s[UNIFORM] = row
        s[OPEN] = banks
        return
    _spread(t, s)
    for b in range(rows + first, rows + first + banks):
        if s[at(b)] < 0:
            s[OPEN] += 1
        s[at(b)] = row


@inner
def _close(t, s, first, banks):
    """All banks of a range are closed from now on."""
    if s[OPEN] == 0:
        return
    if banks == t[H_BANKS] and s[UNIFORM] >= 0:
        s[UNIFORM] = -1
        s[OPEN] = 0
    else:
        _spread(t, s)
        for b in range(t[H_AT_ROW] + first, t[H_AT_ROW] + first + banks):
            if s[at(b)] >= 0:
                s[OPEN] -= 1
                s[at(b)] = -1
    if s[OPEN] == 0:
        s[at(t[H_AT_ACTIVE])] += max(s[LAST] - s[OPEN_SINCE], 0)


@inline
def _spread(t, s):
    """Write a uniform row into the row array, since banks are about to differ."""
    if s[UNIFORM] >= 0:
        for b in range(t[H_AT_ROW], t[H_AT_ROW] + t[H_BANKS]):
            s[at(b)] = s[UNIFORM]
        s[UNIFORM] = -1


@inner
def rows_of(t, s, first, banks, row):
    """A range of banks: (rows must be closed before ``row`` can be opened, ``row`` must be opened)."""
    if s[UNIFORM] >= 0:
        wrong = s[UNIFORM] != row
        return wrong, wrong
    if s[OPEN] == 0:
        return False, True
    wrong = False
    right = 0
    for b in range(t[H_AT_ROW] + first, t[H_AT_ROW] + first + banks):
        if s[at(b)] == row:
            right += 1
        elif s[at(b)] >= 0:
            wrong = True
    if 0 < right < banks and not t[H_ACTIVATE_OVER_OPEN]:
        wrong = True
    return wrong, right < banks


@inline
def any_open(t, s, first, banks):
    """Is a row open in any bank of the range?"""
    wrong, _ = rows_of(t, s, first, banks, NO_ROW)
    return wrong


@inline
def is_ready(t, s, record, bank, row):
    """Does a glance tell that the command of this record finds its bank as it needs it?"""
    needs = t[at(record + C_NEEDS)]
    if needs == ANYHOW:
        return True
    if s[UNIFORM] >= 0:
        return needs == ROW_OPEN and s[UNIFORM] == row
    found = s[at(t[H_AT_ROW] + bank)]
    if needs == ROW_OPEN:
        return found == row and t[at(record + C_BANKS)] == 1
    return (needs == CLOSED and found < 0) or (needs == IS_OPEN and found >= 0)


@inline
def charge_until(t, s, tick):
    """Charge the ticks before ``tick`` that belong to commands already issued; returns up to where that is."""
    counters = t[H_AT_COUNTERS]
    done = s[CHARGED]
    end = min(s[OWN_END], tick)
    if end > done:
        s[at(counters + s[OWN_CAUSE])] += end - done
        done = end
    end = min(s[REST_END], tick)
    if end > done:
        s[at(counters + s[REST_CAUSE])] += end - done
        done = end
    s[CHARGED] = done
    return done


@inline
def _charge(t, s, cause, first, last, own_cause):
    """Charge the ticks up to ``last``, the issue of the last command of a run that began at ``first``."""
    counters = t[H_AT_COUNTERS]
    done = charge_until(t, s, first)
    if first > done:
        s[at(counters + cause)] += first - done
        done = first
    if last > done:
        s[at(counters + own_cause)] += last - done
        done = last
    s[CHARGED] = done


@inline
def _own(s, end, cause):
    """The ticks before ``end`` that are not charged yet belong to ``cause``; those of earlier commands come behind."""
    if s[OWN_END] > end and s[OWN_END] >= s[REST_END]:
        s[REST_END] = s[OWN_END]
        s[REST_CAUSE] = s[OWN_CAUSE]
    s[OWN_END] = end
    s[OWN_CAUSE] = cause


@inline
def note(t, s, log, code, bank, row, column, count, first, cause):
    """``count`` of a command issue from tick ``first`` on: charge, count, log. What it waited for is charged to ``cause``.

    Rows and what the command holds back are left to the caller.
    """
    record = HEADER + code * COMMAND
    last = first + (count - 1) * t[at(record + C_CADENCE)]
    if cause != UNCHARGED:
        _charge(t, s, cause, first, last, t[at(record + C_CAUSE)])
        s[DONE] = max(s[DONE], last + t[at(record + C_LATENCY)])
    _own(s, last + t[at(record + C_OCCUPANCY)], t[at(record + C_CAUSE)])
    take(t, s, code, last)
    s[at(t[H_AT_COUNTS] + code)] += count
    if log.shape[0] > 0:
        _write(t, log, first, code, bank, row, column, count)


@inline
def change_rows(t, s, code, bank, row):
    """Open or close the rows that the command, the last that issued, opens or closes."""
    record = HEADER + code * COMMAND
    rows = t[at(record + C_ROWS)]
    if rows:
        banks = t[at(record + C_BANKS)]
        first = bank if banks == 1 else bank // banks * banks
        if rows == OPENS:
            _open(t, s, first, banks, row)
        else:
            _close(t, s, first, banks)


@inline
def put(t, s, log, code, bank, row, column, count, floor, cause):
    """Issue ``count`` of a command as soon as allowed, not before tick ``floor``; what it waited for is charged to ``cause``."""
    first = allowed(t, s, code, bank)
    if first < floor:
        first = aligned(t, code, floor)
    note(t, s, log, code, bank, row, column, count, first, cause)
    hold(t, s, code, bank, s[LAST])
    change_rows(t, s, code, bank, row)


@inner
def command(t, s, log, code, bank, row, column, count, floor, cause):
    """The same as :func:`put`, to be called where inlining it does not pay."""
    put(t, s, log, code, bank, row, column, count, floor, cause)


@inner
def row_command(t, s, log, code, bank, row, floor, cause):
    """:func:`put` for an activation, a precharge or a refresh."""
    put(t, s, log, code, bank, row, NO_COLUMN, 1, floor, cause)


@inner
def _write(t, log, tick, code, bank, row, column, count):
    record = HEADER + code * COMMAND
    effect = t[record + C_EFFECT]
    log[0, 0] += 1
    n = log[0, 0]
    if n < log.shape[0]:
        log[n, 0] = tick
        log[n, 1] = log[0, 1]
        log[n, 2] = code
        log[n, 3] = bank
        log[n, 4] = row if effect == ACTIVATE or t[record + C_COLUMN] else NO_ROW
        log[n, 5] = NO_COLUMN if effect <= PRECHARGE or effect == REFRESH else column
        log[n, 6] = count
        log[n, 7] = log[0, 2]


@inner
def refresh_rank(t, s, log, rank, floor, cause):
    """Close the rank's rows and refresh it, not before ``floor``."""
    banks = t[H_BANKS_PER_RANK]
    first = rank * banks
    if any_open(t, s, first, banks):
        row_command(t, s, log, t[H_PRECHARGE_ALL], first, NO_ROW, floor, cause)
    row_command(t, s, log, t[H_REFRESH], first, NO_ROW, floor, cause)
    s[t[H_AT_DUE] + rank] += t[H_INTERVAL]


@inner
def refresh_due(t, s, log, tick, floor, postpone):
    """Refresh every rank that was due (plus ``postpone`` ticks) at or before ``tick``, not before ``floor``. Returns whether any was.

    What follows depends on when the refresh was due only through this decision, so the bounds within which the decision would
    have been the same are kept (for a channel of one rank; ``pimsim.kernels.memo``).
    """
    any_done = False
    for rank in range(t[H_RANKS]):
        while s[t[H_AT_DUE] + rank] + postpone <= tick:
            s[DUE_MOST] = min(s[DUE_MOST], tick - postpone - s[REFRESHES] * t[H_INTERVAL])
            refresh_rank(t, s, log, rank, floor, REFRESH_CAUSE)
            s[REFRESHES] += 1
            any_done = True
    not_due(t, s, tick, postpone)
    return any_done


@inline
def not_due(t, s, tick, postpone):
    """Note that no refresh was due at ``tick``."""
    s[DUE_LEAST] = max(s[DUE_LEAST], tick - postpone + 1 - s[REFRESHES] * t[H_INTERVAL])


@inner
def first_due(t, s):
    """The tick at which the next refresh of any rank is due."""
    due = s[t[H_AT_DUE]]
    for rank in range(1, t[H_RANKS]):
        due = min(due, s[t[H_AT_DUE] + rank])
    return due


@inner
def open_row(t, s, log, opener, closer, first, banks, row, floor, wrong):
    """Close wrong rows and open ``row`` in a range of banks, with as many openers as the range has of their scope."""
    cause = t[HEADER + opener * COMMAND + C_CAUSE]
    if wrong:
        for b in range(first, first + banks, scope_banks(t, closer)):
            row_command(t, s, log, closer, b, NO_ROW, floor, cause)
    for b in range(first, first + banks, scope_banks(t, opener)):
        row_command(t, s, log, opener, b, row, floor, cause)


@inner
def prepare(t, s, log, code, bank, row, boundary, floor, postpone):
    """Decide about a refresh before an instruction, and issue the row commands that it needs.

    Returns:
        Whether the command itself is still to be issued, and the tick of the decision or -1 if there was none to make.
    """
    record = HEADER + code * COMMAND
    banks = t[record + C_BANKS]
    first = bank // banks * banks
    wrong, missing, needed = _row_state(t, s, record, first, row)
    decided = -1
    if needed and (boundary or (missing and banks >= t[H_BANKS_PER_RANK])):
        follows = t[record + C_CLOSER] if wrong else t[record + C_OPENER] if missing else code
        decided = max(floor, earliest(t, s, follows, first))
        if refresh_due(t, s, log, decided, floor, postpone):
            wrong, missing, needed = _row_state(t, s, record, first, row)
    if missing:
        open_row(t, s, log, t[record + C_OPENER], t[record + C_CLOSER], first, banks, row, floor, wrong)
    return needed and t[record + C_EFFECT] != ACTIVATE, decided


@inner
def _row_state(t, s, record, first, row):
    """Of an instruction: (rows must be closed, its row must be opened, it must issue anything at all)."""
    effect = t[record + C_EFFECT]
    if effect == PRECHARGE:
        return False, False, any_open(t, s, first, t[record + C_BANKS])
    if effect == ACTIVATE or t[record + C_COLUMN]:
        wrong, missing = rows_of(t, s, first, t[record + C_BANKS], row)
        return wrong, missing, missing or effect != ACTIVATE
    return False, False, True


@inner
def wait_until(t, s, log, tick):
    """The channel has no work before ``tick``: refresh whatever comes due meanwhile, as soon as it is due and can begin."""
    banks = t[H_BANKS_PER_RANK]
    while True:
        ranks = t[H_RANKS]
        chosen = ranks  # none
        begin = tick
        for rank in range(ranks):
            due = s[t[H_AT_DUE] + rank]
            if due < begin:
                code = t[H_PRECHARGE_ALL] if any_open(t, s, rank * banks, banks) else t[H_REFRESH]
                start = aligned(t, code, max(due, earliest(t, s, code, rank * banks)))
                if start < begin:
                    begin = start
                    chosen = rank
        if chosen == ranks:
            break
        refresh_rank(t, s, log, chosen, begin, UNCHARGED)
    count_active(t, s, tick)


@inner
def count_active(t, s, tick):
    """Count the ticks up to ``tick`` with a bank open, for the standby energy."""
    if s[OPEN] > 0 and tick > s[OPEN_SINCE]:
        s[t[H_AT_ACTIVE]] += tick - s[OPEN_SINCE]
        s[OPEN_SINCE] = tick
