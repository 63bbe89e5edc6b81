"""What a chosen command does to the state: rows open and close, requests are done, counters move."""

from __future__ import annotations

from pimsim.kernels.jit import inline
from pimsim.kernels.request_bit import leading
from pimsim.kernels.request_layout import (
    ACTIVE,
    B_ACTIVE,
    B_OPEN_TICKS,
    B_RANK,
    B_ROW,
    B_SINCE,
    BANK_STATE,
    BINS,
    C_ENTRY,
    CANDIDATE,
    COMMAND,
    COMPLETED,
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
    K_BUS,
    K_CLOCK,
    K_CYCLES,
    K_KEEP,
    K_LATENCY,
    LAST_COLUMN,
    LAST_COMMAND,
    LAST_DONE,
    LOCK_BANK,
    LOCK_GROUP,
    LOGGED,
    OCTAVE_BINS,
    OUTSTANDING,
    P_ACT,
    P_ACT_SECOND,
    P_DEADLINE,
    P_POSTED,
    P_PRE,
    P_PRE_ALL,
    P_PROTECT,
    P_RANK_BANKS,
    P_READ_CLOSE,
    P_WRITE_CLOSE,
    PLACE,
    R_CLOCK,
    R_OPEN,
    R_OPEN_TICKS,
    R_SINCE,
    R_WAITING,
    RANK_STATE,
    READ_LATENCY,
    READS_DONE,
    REFRESH_GROUP,
    ROW_CONFLICTS,
    ROW_HITS,
    ROW_MISSES,
    S_AT_COUNT,
    S_AT_HISTOGRAM,
    TOUCHED_FLAG,
    WRITE_FLAG,
    WRITES_DONE,
)
from pimsim.kernels.request_queue import (
    row_opened,
    served,
    unlink,
    update_active,
    update_rows,
)
from pimsim.kernels.request_refresh import dequeue
from pimsim.kernels.request_timing import issue


@inline
def _latency_bin(ticks):
    """The histogram's bin for a latency."""
    if ticks < EXACT_BINS:
        return max(ticks, 0)
    octave = 63 - leading(ticks)
    return min(EXACT_BINS + (octave - 6) * OCTAVE_BINS + ((ticks >> (octave - 4)) & 15), BINS - 1)


@inline
def complete(p, s, completions, index, write, accepted, done):
    """A request is done."""
    s[LAST_DONE] = max(s[LAST_DONE], done)
    if write:
        s[WRITES_DONE] += 1
    else:
        s[READS_DONE] += 1
        s[READ_LATENCY] += done - accepted
        s[p[S_AT_HISTOGRAM] + _latency_bin(done - accepted)] += 1
    if completions.shape[0] > 0:
        n = s[COMPLETED]
        completions[n, 0] = index
        completions[n, 1] = accepted
        completions[n, 2] = done
        s[COMPLETED] = n + 1


@inline
def _send(L, p, s, log, tick, command, bank, row, column):
    """A command goes out."""
    issue(L, p, s, command, bank, tick)
    s[p[S_AT_COUNT] + command] += 1
    s[LAST_COMMAND] = tick
    if log.shape[0] > 0:
        n = s[LOGGED]
        log[n, 0] = tick
        log[n, 1] = command
        log[n, 2] = bank
        log[n, 3] = row
        log[n, 4] = column
        s[LOGGED] = n + 1


@inline
def _open(L, p, s, bank, row, tick):
    """A bank's row opens."""
    at = L.bank + bank * BANK_STATE
    s[at + B_SINCE] = tick
    rank = L.rank + p[L.place + bank * PLACE + B_RANK] * RANK_STATE
    if s[rank + R_OPEN] == 0:
        s[rank + R_SINCE] = tick
    s[rank + R_OPEN] += 1
    row_opened(L, p, s, bank, row)


@inline
def _close(L, p, s, bank, tick):
    """A bank's row closes, if it was open."""
    at = L.bank + bank * BANK_STATE
    if s[at + B_ROW] < 0:
        return
    s[at + B_OPEN_TICKS] += tick - s[at + B_SINCE]
    rank = L.rank + p[L.place + bank * PLACE + B_RANK] * RANK_STATE
    s[rank + R_OPEN] -= 1
    if s[rank + R_OPEN] == 0:
        s[rank + R_OPEN_TICKS] += tick - s[rank + R_SINCE]
    row_opened(L, p, s, bank, -1)


@inline
def _touch(s, entry, kind):
    """Count a request's first command: hit, miss or conflict."""
    if not s[entry + E_FLAGS] & TOUCHED_FLAG:
        s[entry + E_FLAGS] |= TOUCHED_FLAG
        s[kind] += 1


@inline
def _issue_refresh(L, p, s, log, bank, command, tick):
    """A refresh, or the closing of rows that it needs."""
    _send(L, p, s, log, tick, command, bank, -1, -1)
    if command == p[P_PRE_ALL]:
        for b in range(bank, bank + p[P_RANK_BANKS]):
            _close(L, p, s, b, tick)
    elif command == p[P_PRE]:
        _close(L, p, s, bank, tick)
    else:
        dequeue(L, p, s)


@inline
def _issue_second_half(L, p, s, log, tick):
    """The second half of an activation: the row is open."""
    bank = s[HALF_BANK]
    s[HALF_BANK] = -1
    _send(L, p, s, log, tick, p[P_ACT_SECOND], bank, s[HALF_ROW], -1)
    _open(L, p, s, bank, s[HALF_ROW], tick)


@inline
def _issue_row(L, p, s, log, group, bank, entry, command, tick):
    """Activate or precharge for a waiting request."""
    if command != p[P_ACT]:
        _touch(s, entry, ROW_CONFLICTS)
        _send(L, p, s, log, tick, command, bank, -1, -1)
        _close(L, p, s, bank, tick)
        return
    _touch(s, entry, ROW_MISSES)
    row = s[entry + E_ROW]
    _send(L, p, s, log, tick, command, bank, row, -1)
    if group != ACTIVE and p[P_PROTECT]:
        unlink(L, p, s, entry, bank, s[entry + E_FLAGS] & WRITE_FLAG)
        s[L.bank + bank * BANK_STATE + B_ACTIVE] = entry
    if p[P_ACT_SECOND] >= 0:
        s[HALF_BANK] = bank
        s[HALF_ROW] = row
        s[HALF_DEADLINE] = tick + p[P_DEADLINE]
        update_rows(L, p, s, bank)
        update_active(L, p, s, bank)
    else:
        _open(L, p, s, bank, row, tick)


@inline
def _issue_column(L, p, s, log, completions, group, bank, entry, command, tick):
    """Read or write for a request: it is done."""
    _touch(s, entry, ROW_HITS)
    record = L.command + command * COMMAND
    _send(L, p, s, log, tick, command, bank, s[entry + E_ROW], s[entry + E_COLUMN])
    write = s[entry + E_FLAGS] & WRITE_FLAG
    accepted = s[entry + E_ACCEPTED]
    done = tick + p[record + K_LATENCY]
    if write:
        done = accepted + 1 if p[P_POSTED] else tick
    complete(p, s, completions, s[entry + E_AGE], write, accepted, done)
    s[LAST_COLUMN] = tick
    s[OUTSTANDING] -= 1
    rank = L.rank + p[L.place + bank * PLACE + B_RANK] * RANK_STATE
    s[rank + R_WAITING] -= 1
    s[rank + R_CLOCK] = max(s[rank + R_CLOCK], tick + p[record + K_KEEP])
    served(L, p, s, bank, entry, group)
    if command == p[P_READ_CLOSE] or command == p[P_WRITE_CLOSE]:
        _close(L, p, s, bank, tick)


@inline
def _start_clock(L, p, s, log, group, bank, entry, command, tick):
    """Start the rank's data clock for a column command that follows at once. Returns whether that was needed."""
    starter = p[L.command + command * COMMAND + K_CLOCK]
    if starter < 0:
        return False
    rank = L.rank + p[L.place + bank * PLACE + B_RANK] * RANK_STATE
    if tick < s[rank + R_CLOCK] or s[LOCK_BANK] >= 0:
        s[LOCK_BANK] = -1
        return False
    record = L.command + starter * COMMAND
    if s[HALF_BANK] >= 0 and s[HALF_DEADLINE] <= tick + p[record + K_CYCLES]:
        _issue_second_half(L, p, s, log, tick)
        return True
    _touch(s, entry, ROW_HITS)
    _send(L, p, s, log, tick, starter, bank, -1, -1)
    s[rank + R_CLOCK] = tick + p[record + K_KEEP]
    s[LOCK_BANK] = bank
    s[LOCK_GROUP] = group
    return True


@inline
def execute(L, p, s, log, completions, group, bank, command, tick):
    """Issue the chosen command, or what must go before it. Returns its bus."""
    if group == REFRESH_GROUP:
        _issue_refresh(L, p, s, log, bank, command, tick)
    elif group == HALF_GROUP:
        _issue_second_half(L, p, s, log, tick)
    else:
        entry = s[L.candidate + (group * L.banks + bank) * CANDIDATE + C_ENTRY]
        if s[L.bank + bank * BANK_STATE + B_ROW] != s[entry + E_ROW]:
            _issue_row(L, p, s, log, group, bank, entry, command, tick)
        elif not _start_clock(L, p, s, log, group, bank, entry, command, tick):
            _issue_column(L, p, s, log, completions, group, bank, entry, command, tick)
    return p[L.command + command * COMMAND + K_BUS]
