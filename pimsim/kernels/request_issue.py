"""What a chosen command does to the state: rows open and close, requests are done, counters move."""

from __future__ import annotations

from pimsim.kernels.jit import inline, jit
from pimsim.kernels.request_layout import (
    ACT,
    ACT_SECOND,
    B_ACTIVE,
    B_CANDIDATE,
    B_INDEX,
    B_OPEN_TICKS,
    B_RANK,
    B_ROW,
    B_SINCE,
    BANK_RECORD,
    BINS,
    C_ENTRY,
    CANDIDATE,
    COMPLETED,
    COMPLETION_FIELDS,
    COUNT,
    E_ACCEPTED,
    E_AGE,
    E_COLUMN,
    E_FLAGS,
    E_ROW,
    EXACT_BINS,
    HALF_BANK,
    HALF_DEADLINE,
    HALF_GROUP,
    HALF_ROW,
    HISTOGRAM,
    K_BUS,
    K_CYCLES,
    K_KEEP,
    K_LATENCY,
    K_START,
    LAST_COLUMN,
    LAST_COMMAND,
    LAST_DONE,
    LOCK_BANK,
    LOCK_GROUP,
    LOG_FIELDS,
    LOGGED,
    OCTAVE_BINS,
    OPENED,
    OUTSTANDING,
    P_DEADLINE,
    P_HALVES,
    P_POSTED,
    P_PROTECT,
    P_RANK_BANKS,
    PRE,
    PRE_ALL,
    R_CLOCK,
    R_OPEN,
    R_OPEN_TICKS,
    R_SINCE,
    R_WAITING,
    READ_CLOSE,
    READ_LATENCY,
    READS_DONE,
    REFRESH_GROUP,
    ROW_CONFLICTS,
    ROW_HITS,
    ROW_MISSES,
    TOUCHED_FLAG,
    WRITE_CLOSE,
    WRITE_FLAG,
    WRITES_DONE,
)
from pimsim.kernels.request_queue import left, row_changed, slot_of, unlink, update_active, update_rows
from pimsim.kernels.request_refresh import dequeue
from pimsim.kernels.request_timing import issue, record_of
from pimsim.kernels.request_word import leading


@inline
def _latency_bin(ticks):
    """The histogram's bin for a latency."""
    if ticks < EXACT_BINS:
        return max(ticks, 0)
    octave = 63 - leading(ticks)
    return min(EXACT_BINS + (octave - 6) * OCTAVE_BINS + ((ticks >> (octave - 4)) & 15), BINS - 1)


@inline
def complete(s, completions, keep, index, write, accepted, done):
    """A request is done."""
    s[LAST_DONE] = max(s[LAST_DONE], done)
    if write:
        s[WRITES_DONE] += 1
    else:
        s[READS_DONE] += 1
        s[READ_LATENCY] += done - accepted
        s[HISTOGRAM + _latency_bin(done - accepted)] += 1
    if keep:
        at = s[COMPLETED] * COMPLETION_FIELDS
        completions[at] = index
        completions[at + 1] = accepted
        completions[at + 2] = done
        s[COMPLETED] += 1


@inline
def _send(p, s, log, keep, tick, command, b, row, column):
    """A command goes out."""
    issue(p, s, command, b, tick)
    s[COUNT + command] += 1
    s[LAST_COMMAND] = tick
    if keep:
        at = s[LOGGED] * LOG_FIELDS
        log[at] = tick
        log[at + 1] = command
        log[at + 2] = s[b + B_INDEX]
        log[at + 3] = row
        log[at + 4] = column
        s[LOGGED] += 1


@inline
def _open(p, s, b, row, tick):
    """A bank's row opens."""
    s[b + B_SINCE] = tick
    r = s[b + B_RANK]
    if s[r + R_OPEN] == 0:
        s[r + R_SINCE] = tick
    s[r + R_OPEN] += 1
    row_changed(p, s, b, row)


@inline
def _close(p, s, b, tick):
    """A bank's row closes, if it was open."""
    if s[b + B_ROW] >= 0:
        s[b + B_OPEN_TICKS] += tick - s[b + B_SINCE]
        r = s[b + B_RANK]
        s[r + R_OPEN] -= 1
        if s[r + R_OPEN] == 0:
            s[r + R_OPEN_TICKS] += tick - s[r + R_SINCE]
        row_changed(p, s, b, -1)


@inline
def _touch(s, entry, kind):
    """Count a request's first command: hit, miss or conflict."""
    if not s[entry + E_FLAGS] & TOUCHED_FLAG:
        s[entry + E_FLAGS] |= TOUCHED_FLAG
        s[kind] += 1


@inline
def _issue_refresh(p, s, log, keep, b, command, tick):
    """A refresh, or the closing of rows that it needs."""
    _send(p, s, log, keep, tick, command, b, -1, -1)
    if command == PRE_ALL:
        for other in range(b, b + p[P_RANK_BANKS] * BANK_RECORD, BANK_RECORD):
            _close(p, s, other, tick)
    elif command == PRE:
        _close(p, s, b, tick)
    else:
        dequeue(p, s)


@inline
def _issue_second_half(p, s, log, keep, tick):
    """The second half of an activation: the row is open."""
    b = s[HALF_BANK]
    s[HALF_BANK] = -1
    _send(p, s, log, keep, tick, ACT_SECOND, b, s[HALF_ROW], -1)
    _open(p, s, b, s[HALF_ROW], tick)


@inline
def _issue_row(p, s, log, keep, group, b, entry, command, tick):
    """Activate or precharge for a waiting request."""
    if command != ACT:
        _touch(s, entry, ROW_CONFLICTS)
        _send(p, s, log, keep, tick, command, b, -1, -1)
        _close(p, s, b, tick)
        return
    _touch(s, entry, ROW_MISSES)
    row = s[entry + E_ROW]
    _send(p, s, log, keep, tick, command, b, row, -1)
    if group < OPENED and p[P_PROTECT]:
        unlink(s, b, entry, s[entry + E_FLAGS] & WRITE_FLAG)
        s[b + B_ACTIVE] = entry
    if p[P_HALVES]:
        s[HALF_BANK] = b
        s[HALF_ROW] = row
        s[HALF_DEADLINE] = tick + p[P_DEADLINE]
        update_rows(p, s, b)
        update_active(p, s, b)
    else:
        _open(p, s, b, row, tick)


@inline
def _issue_column(p, s, log, keep, completions, keep_done, group, b, entry, command, tick):
    """Read or write for a request: it is done."""
    _touch(s, entry, ROW_HITS)
    record = record_of(command)
    _send(p, s, log, keep, tick, command, b, s[entry + E_ROW], s[entry + E_COLUMN])
    write = s[entry + E_FLAGS] & WRITE_FLAG
    accepted = s[entry + E_ACCEPTED]
    done = tick + p[record + K_LATENCY]
    if write:
        done = accepted + 1 if p[P_POSTED] else tick
    complete(s, completions, keep_done, s[entry + E_AGE], write, accepted, done)
    s[LAST_COLUMN] = tick
    s[OUTSTANDING] -= 1
    r = s[b + B_RANK]
    s[r + R_WAITING] -= 1
    s[r + R_CLOCK] = max(s[r + R_CLOCK], tick + p[record + K_KEEP])
    left(p, s, b, entry, group)
    if command == READ_CLOSE or command == WRITE_CLOSE:
        _close(p, s, b, tick)


@inline
def _start_clock(p, s, log, keep, group, b, entry, command, tick):
    """Start the rank's data clock for a column command that follows at once. Returns whether that was needed."""
    start = p[record_of(command) + K_START]
    if start < 0:
        return False
    r = s[b + B_RANK]
    if tick < s[r + R_CLOCK] or s[LOCK_BANK] >= 0:
        s[LOCK_BANK] = -1
        return False
    record = record_of(start)
    if s[HALF_BANK] >= 0 and s[HALF_DEADLINE] <= tick + p[record + K_CYCLES]:
        _issue_second_half(p, s, log, keep, tick)
        return True
    _touch(s, entry, ROW_HITS)
    _send(p, s, log, keep, tick, start, b, -1, -1)
    s[r + R_CLOCK] = tick + p[record + K_KEEP]
    s[LOCK_BANK] = b
    s[LOCK_GROUP] = group
    return True


@jit
def execute(p, s, log, keep, completions, keep_done, group, b, command, tick):
    """Issue the chosen command, or what must go before it. Returns its bus."""
    if group == REFRESH_GROUP:
        _issue_refresh(p, s, log, keep, b, command, tick)
    elif group == HALF_GROUP:
        _issue_second_half(p, s, log, keep, tick)
    else:
        entry = s[b + B_CANDIDATE + slot_of(group) * CANDIDATE + C_ENTRY]
        if s[b + B_ROW] != s[entry + E_ROW]:
            _issue_row(p, s, log, keep, group, b, entry, command, tick)
        elif not _start_clock(p, s, log, keep, group, b, entry, command, tick):
            _issue_column(p, s, log, keep, completions, keep_done, group, b, entry, command, tick)
    return p[record_of(command) + K_BUS]
