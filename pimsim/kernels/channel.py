"""One channel, command by command: row buffers, refresh, and the charging of every cycle to a cause.

``t`` is the packed table, ``s`` the channel's vector (state and counters), ``log`` an int64 [n, LOG_FIELDS] array whose row 0 is
[entries so far, channel, task]; a log of no rows writes nothing.

Refresh: when one is due (plus the postponement allowed) it goes before the next all-bank activation or the next instruction marked
as a boundary; a channel that waits for work refreshes as soon as one is due.

Charging: after a command has issued, its own ticks belong to its own cause: the cadence of a column command, tRCD of an activation, tRP
of a precharge, tRFC of a refresh. Own ticks that outlast those of the next command (an activation while the operand buffer
fills) are charged behind them. What then remains until a command belongs to that command's cause. So a row of 64 MACs is charged
64 cadences of compute, and tRCD, tRP and what is left of tRTP to activate/precharge.
"""

from __future__ import annotations

from pimsim.kernels.jit import inline, jit
from pimsim.kernels.packed import (
    C_CADENCE,
    C_CAUSE,
    C_CLOSER,
    C_EFFECT,
    C_LATENCY,
    C_OCCUPANCY,
    C_OPENER,
    C_SCOPE_BANKS,
    COMMAND,
    H_ACTIVATE_OVER_OPEN,
    H_AT_COUNTERS,
    H_AT_DUE,
    H_AT_ROW,
    H_BANKS,
    H_BANKS_PER_RANK,
    H_COMMANDS,
    H_INTERVAL,
    H_PRECHARGE_ALL,
    H_RANKS,
    H_REFRESH,
    HEADER,
)
from pimsim.kernels.table import (
    CAUSES,
    CHARGED,
    DONE,
    DUE_LEAST,
    DUE_MOST,
    OPEN,
    OPEN_SINCE,
    OWN_CAUSE,
    OWN_END,
    REFRESHES,
    REST_CAUSE,
    REST_END,
    UNIFORM,
)
from pimsim.kernels.timing import aligned, earliest, issue

# Effects (pimsim.dram.spec.Effect) and causes (pimsim.dram.spec.Cause), as the kernels' constants.
ACTIVATE, PRECHARGE, READ, WRITE, READ_PRECHARGE, WRITE_PRECHARGE, REFRESH, COMPUTE = range(8)
REFRESH_CAUSE, ASIC_CAUSE, IDLE_CAUSE = 2, 8, 9

LOG_FIELDS = 8
"""tick, channel, command, bank, row, column, count, task."""


@inline
def scope_banks(t, command):
    """Number of banks that a command addresses."""
    return t[HEADER + command * COMMAND + C_SCOPE_BANKS]


@jit
def _open(t, s, first, banks, row):
    """All banks of a range have ``row`` open from now on."""
    rows = t[H_AT_ROW]
    if banks == t[H_BANKS]:
        if s[UNIFORM] < 0 and s[OPEN] > 0:
            for b in range(rows, rows + banks):
                s[b] = -1
        s[UNIFORM] = row
        s[OPEN] = banks
        return
    _spread(t, s)
    for b in range(rows + first, rows + first + banks):
        if s[b] < 0:
            s[OPEN] += 1
        s[b] = row


@jit
def _close(t, s, first, banks):
    """All banks of a range are closed from now on."""
    rows = t[H_AT_ROW]
    if banks == t[H_BANKS]:
        if s[UNIFORM] < 0:
            for b in range(rows, rows + banks):
                s[b] = -1
        s[UNIFORM] = -1
        s[OPEN] = 0
        return
    _spread(t, s)
    for b in range(rows + first, rows + first + banks):
        if s[b] >= 0:
            s[OPEN] -= 1
            s[b] = -1


@inline
def _spread(t, s):
    """Write a uniform row into the row array, since banks are about to differ."""
    if s[UNIFORM] >= 0:
        for b in range(t[H_AT_ROW], t[H_AT_ROW] + t[H_BANKS]):
            s[b] = s[UNIFORM]
        s[UNIFORM] = -1


@jit
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
        if s[b] == row:
            right += 1
        elif s[b] >= 0:
            wrong = True
    if 0 < right < banks and not t[H_ACTIVATE_OVER_OPEN]:
        wrong = True
    return wrong, right < banks


@jit
def charge_until(t, s, tick):
    """Charge the ticks before ``tick`` that belong to commands already issued; returns up to where that is."""
    counters = t[H_AT_COUNTERS]
    at = s[CHARGED]
    end = min(s[OWN_END], tick)
    if end > at:
        s[counters + s[OWN_CAUSE]] += end - at
        at = end
    end = min(s[REST_END], tick)
    if end > at:
        s[counters + s[REST_CAUSE]] += end - at
        at = end
    s[CHARGED] = at
    return at


@inline
def _charge(t, s, cause, first, last, own, own_cause):
    """Charge the ticks up to ``last``, the issue of the last command of a run that began at ``first``."""
    counters = t[H_AT_COUNTERS]
    at = charge_until(t, s, first)
    if first > at:
        s[counters + cause] += first - at
        at = first
    if last > at:
        s[counters + own_cause] += last - at
        at = last
    s[CHARGED] = at
    end = last + own
    if s[OWN_END] > end and s[OWN_END] > s[REST_END]:
        s[REST_END] = s[OWN_END]
        s[REST_CAUSE] = s[OWN_CAUSE]
    s[OWN_END] = end
    s[OWN_CAUSE] = own_cause


@jit
def command(t, s, log, code, bank, row, column, count, floor, cause):
    """Issue ``count`` of a command as soon as allowed, not before tick ``floor``; what it waited for is charged to ``cause``."""
    record = HEADER + code * COMMAND
    first = earliest(t, s, code, bank)
    if first < floor:
        first = aligned(t, code, floor)
    last = first + (count - 1) * t[record + C_CADENCE]
    _charge(t, s, cause, first, last, t[record + C_OCCUPANCY], t[record + C_CAUSE])
    issue(t, s, code, bank, last)
    s[DONE] = max(s[DONE], last + t[record + C_LATENCY])
    s[t[H_AT_COUNTERS] + CAUSES + code] += count
    effect = t[record + C_EFFECT]
    if log.shape[0] > 0:
        _write(log, first, code, bank, row if effect <= COMPUTE else -1, column, count)
    if effect == ACTIVATE:
        if s[OPEN] == 0:
            s[OPEN_SINCE] = last
        banks = t[record + C_SCOPE_BANKS]
        _open(t, s, bank // banks * banks, banks, row)
    elif effect == PRECHARGE or effect == READ_PRECHARGE or effect == WRITE_PRECHARGE:
        was_open = s[OPEN] > 0
        banks = t[record + C_SCOPE_BANKS]
        _close(t, s, bank // banks * banks, banks)
        if was_open and s[OPEN] == 0:
            s[t[H_AT_COUNTERS] + CAUSES + t[H_COMMANDS]] += max(last - s[OPEN_SINCE], 0)


@inline
def _write(log, tick, code, bank, row, column, count):
    log[0, 0] += 1
    n = log[0, 0]
    if n < log.shape[0]:
        log[n, 0] = tick
        log[n, 1] = log[0, 1]
        log[n, 2] = code
        log[n, 3] = bank
        log[n, 4] = row
        log[n, 5] = column
        log[n, 6] = count
        log[n, 7] = log[0, 2]


@jit
def refresh_rank(t, s, log, rank, floor):
    """Close the rank's rows and refresh it, not before ``floor``."""
    banks = t[H_BANKS_PER_RANK]
    bank = rank * banks
    any_open, _ = rows_of(t, s, bank, banks, -2)
    if any_open:
        command(t, s, log, t[H_PRECHARGE_ALL], bank, -1, -1, 1, floor, REFRESH_CAUSE)
    command(t, s, log, t[H_REFRESH], bank, -1, -1, 1, floor, REFRESH_CAUSE)
    s[t[H_AT_DUE] + rank] += t[H_INTERVAL]


@jit
def refresh_due(t, s, log, tick, postpone):
    """Refresh every rank whose refresh was due (plus ``postpone`` ticks) at or before ``tick``. Returns whether any was.

    What follows depends on when the refresh was due only through this decision, so the bounds within which the decision would
    have been the same are kept (for a channel of one rank; ``pimsim.kernels.memo``).
    """
    any_done = False
    for rank in range(t[H_RANKS]):
        while s[t[H_AT_DUE] + rank] + postpone <= tick:
            s[DUE_MOST] = min(s[DUE_MOST], tick - postpone - s[REFRESHES] * t[H_INTERVAL])
            refresh_rank(t, s, log, rank, 0)
            s[REFRESHES] += 1
            any_done = True
    not_due(t, s, tick, postpone)
    return any_done


@inline
def not_due(t, s, tick, postpone):
    """Note that no refresh was due at ``tick``."""
    s[DUE_LEAST] = max(s[DUE_LEAST], tick - postpone + 1 - s[REFRESHES] * t[H_INTERVAL])


@jit
def first_due(t, s):
    """The tick at which the next refresh of any rank is due."""
    due = s[t[H_AT_DUE]]
    for rank in range(1, t[H_RANKS]):
        due = min(due, s[t[H_AT_DUE] + rank])
    return due


@jit
def open_row(t, s, log, opener, closer, first, banks, row, floor, wrong):
    """Close wrong rows and open ``row`` in a range of banks, with as many openers as the range has of their scope."""
    cause = t[HEADER + opener * COMMAND + C_CAUSE]
    if wrong:
        for b in range(first, first + banks, scope_banks(t, closer)):
            command(t, s, log, closer, b, -1, -1, 1, floor, cause)
    for b in range(first, first + banks, scope_banks(t, opener)):
        command(t, s, log, opener, b, row, -1, 1, floor, cause)


@jit
def execute(t, s, log, code, bank, row, column, count, boundary, floor, postpone):
    """One instruction, with the row commands that it needs.

    Returns:
        The tick of a decision about a refresh, or -1 if there was none to make.
    """
    record = HEADER + code * COMMAND
    effect = t[record + C_EFFECT]
    banks = t[record + C_SCOPE_BANKS]
    first = bank // banks * banks
    cause = t[record + C_CAUSE]
    decided = -1
    if effect == PRECHARGE:
        any_open, _ = rows_of(t, s, first, banks, -2)
        if any_open:
            command(t, s, log, code, bank, -1, -1, 1, floor, cause)
        return decided
    if effect <= WRITE_PRECHARGE or effect == COMPUTE:
        opener = code if effect == ACTIVATE else t[record + C_OPENER]
        closer = t[record + C_CLOSER]
        wrong, missing = rows_of(t, s, first, banks, row)
        if missing:
            if boundary or banks > 1:
                decided = max(floor, earliest(t, s, closer if wrong else opener, bank))
                if refresh_due(t, s, log, decided, postpone):
                    wrong = False
            open_row(t, s, log, opener, closer, first, banks, row, floor, wrong)
        if effect == ACTIVATE:
            return decided
    command(t, s, log, code, bank, row, column, count, floor, cause)
    return decided


@jit
def wait_until(t, s, log, tick):
    """The channel has no work before ``tick``: refresh whatever comes due meanwhile, as soon as it is due.

    The caller has charged the ticks up to ``tick`` to what the channel waits for; a refresh costs what it delays beyond.
    """
    for rank in range(t[H_RANKS]):
        bank = rank * t[H_BANKS_PER_RANK]
        while s[t[H_AT_DUE] + rank] < tick:
            due = s[t[H_AT_DUE] + rank]
            any_open, _ = rows_of(t, s, bank, t[H_BANKS_PER_RANK], -2)
            code = t[H_PRECHARGE_ALL] if any_open else t[H_REFRESH]
            if max(due, earliest(t, s, code, bank)) >= tick:
                break
            refresh_rank(t, s, log, rank, due)
    count_active(t, s, tick)


@jit
def count_active(t, s, tick):
    """Count the ticks up to ``tick`` with a bank open, for the standby energy."""
    if s[OPEN] > 0 and tick > s[OPEN_SINCE]:
        s[t[H_AT_COUNTERS] + CAUSES + t[H_COMMANDS]] += tick - s[OPEN_SINCE]
        s[OPEN_SINCE] = tick
