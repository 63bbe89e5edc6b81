"""The waiting requests of a channel and the commands they need next.

A bank has a list of waiting reads and one of waiting writes, oldest first. From these follow its candidates: the column
command of its oldest hit (``COLUMN`` groups, one for reads and one for writes), the activation or precharge for its
oldest request in another row (``OPEN`` and ``CLOSE`` groups), and the next command of a request that left the queue because
its row was opened (``OPENED`` groups while its column command is next, else ``MIXED``). They are kept up to date whenever
something happens to the bank, so that choosing looks at candidates only.
"""

from __future__ import annotations

from pimsim.kernels.jit import inline, jit
from pimsim.kernels.request_layout import (
    ACT,
    ANY,
    B_ACTIVE,
    B_BIT,
    B_CANDIDATE,
    B_HEAD,
    B_HIT,
    B_ROW,
    B_SEGMENT,
    B_SERVED,
    B_TAIL,
    BEST,
    BEST_AGE,
    BEST_BANK,
    BEST_TICK,
    BEST_UNTIL,
    C_AGE,
    C_COMMAND,
    C_ENTRY,
    CANDIDATE,
    CLOSE,
    COLUMN,
    COLUMN_SLOT,
    E_AGE,
    E_COLUMN,
    E_FLAGS,
    E_NEXT,
    E_PREVIOUS,
    E_ROW,
    FREE,
    G_BEST,
    G_MASK,
    HALF_BANK,
    MIXED,
    OLDER,
    OPEN,
    OPENED,
    OPENED_SLOT,
    OPENED_WRITE,
    P_CAP,
    P_CLOSED,
    P_GUARD,
    P_ORDERED,
    P_UNIFIED,
    PRE,
    READ,
    READ_CLOSE,
    READS,
    READY,
    ROW_SLOT,
    WRITE_FLAG,
)


@inline
def slot_of(group):
    """The slot of a bank's candidate of a group."""
    if group >= OPENED:
        return OPENED_SLOT
    return COLUMN_SLOT + group if group < OPEN else ROW_SLOT + ((group - OPEN) & 1)


@inline
def _offer(s, b, group, slot, entry, command):
    """The bank's candidate of a group is ``command`` for ``entry``."""
    at = b + B_CANDIDATE + slot * CANDIDATE
    s[at + C_AGE] = s[entry + E_AGE]
    s[at + C_COMMAND] = command
    s[at + C_ENTRY] = entry
    g = s[b + B_SEGMENT]
    s[g + G_MASK + group] |= s[b + B_BIT]
    best = g + G_BEST + group * BEST
    ready = s[b + command]
    if s[best + BEST_BANK] == b or ready <= s[best + BEST_TICK]:
        s[best + BEST_BANK] = -1
    elif s[entry + E_AGE] < s[best + BEST_AGE]:
        s[best + BEST_UNTIL] = min(s[best + BEST_UNTIL], ready)


@inline
def _withdraw(s, b, group):
    """The bank has no candidate of a group."""
    g = s[b + B_SEGMENT]
    s[g + G_MASK + group] &= ~s[b + B_BIT]
    best = g + G_BEST + group * BEST
    if s[best + BEST_BANK] == b:
        s[best + BEST_BANK] = -1


@inline
def append(s, b, entry, write):
    """Put an entry at the end of the bank's list of reads (``write`` 0) or writes (1)."""
    tail = s[b + B_TAIL + write]
    s[entry + E_PREVIOUS] = tail
    s[entry + E_NEXT] = -1
    if tail >= 0:
        s[tail + E_NEXT] = entry
    else:
        s[b + B_HEAD + write] = entry
    s[b + B_TAIL + write] = entry
    s[READS + write] += 1


@inline
def next_in_row(s, entry, row):
    """The first entry of ``row`` at or behind ``entry`` in its list, or -1."""
    while entry >= 0 and s[entry + E_ROW] != row:
        entry = s[entry + E_NEXT]
    return entry


@inline
def _next_beyond_row(s, entry, row):
    """The first entry of another row at or behind ``entry`` in its list, or -1."""
    while entry >= 0 and s[entry + E_ROW] == row:
        entry = s[entry + E_NEXT]
    return entry


@inline
def unlink(s, b, entry, write):
    """Take an entry out of its list; if it was the oldest hit, the next hit takes its place."""
    before = s[entry + E_PREVIOUS]
    after = s[entry + E_NEXT]
    if before >= 0:
        s[before + E_NEXT] = after
    else:
        s[b + B_HEAD + write] = after
    if after >= 0:
        s[after + E_PREVIOUS] = before
    else:
        s[b + B_TAIL + write] = before
    if s[b + B_HIT + write] == entry:
        s[b + B_HIT + write] = next_in_row(s, after, s[entry + E_ROW])
    s[READS + write] -= 1


@inline
def find_write(s, b, row, column):
    """A waiting write of the bank to a row and column, or -1; one whose row was opened counts."""
    active = s[b + B_ACTIVE]
    if active >= 0 and s[active + E_FLAGS] & WRITE_FLAG and s[active + E_ROW] == row and s[active + E_COLUMN] == column:
        return active
    entry = s[b + B_TAIL + 1]
    while entry >= 0 and (s[entry + E_ROW] != row or s[entry + E_COLUMN] != column):
        entry = s[entry + E_PREVIOUS]
    return entry


@inline
def _unordered(s, b, entry):
    """Whether an older read of the write's column still waits."""
    read = s[b + B_HEAD]
    while read >= 0 and s[read + E_AGE] < s[entry + E_AGE]:
        if s[read + E_ROW] == s[entry + E_ROW] and s[read + E_COLUMN] == s[entry + E_COLUMN]:
            return True
        read = s[read + E_NEXT]
    return False


@jit
def _column_command(p, s, b, entry, write):
    """Read or write; with auto-precharge where rows are closed and no other waiting request needs the row."""
    if p[P_CLOSED]:
        row = s[entry + E_ROW]
        wanted = next_in_row(s, s[b + B_HEAD + write], row)
        if wanted == entry:
            wanted = next_in_row(s, s[entry + E_NEXT], row)
        active = s[b + B_ACTIVE]
        if wanted < 0 and s[b + B_HIT + 1 - write] < 0 and (active < 0 or active == entry):
            return READ_CLOSE + write
    return READ + write


@jit
def _update_column(p, s, b, write):
    """The candidate for the oldest hit among the bank's reads or writes."""
    hit = s[b + B_HIT + write]
    if write and p[P_ORDERED]:
        while hit >= 0 and _unordered(s, b, hit):
            hit = next_in_row(s, s[hit + E_NEXT], s[b + B_ROW])
    if hit >= 0:
        _offer(s, b, COLUMN + write, COLUMN_SLOT + write, hit, _column_command(p, s, b, hit, write))
    else:
        _withdraw(s, b, COLUMN + write)


@inline
def _oldest(s, first, second):
    if first < 0 or (second >= 0 and s[second + E_AGE] < s[first + E_AGE]):
        return second
    return first


@inline
def _conflict(p, s, b, write):
    """The entry for which the open row of a bank may be closed, or -1."""
    row = s[b + B_ROW]
    guard = p[P_GUARD]
    capped = 0 < p[P_CAP] <= s[b + B_SERVED]
    free = guard == READY or (guard == OLDER and capped)
    entry = s[b + B_HEAD + write]
    if free:
        entry = _next_beyond_row(s, entry, row)
    hits = s[b + B_HIT + write] >= 0
    if p[P_UNIFIED]:
        second = s[b + B_HEAD + 1 - write]
        if free:
            second = _next_beyond_row(s, second, row)
        entry = _oldest(s, entry, second)
        hits = hits or s[b + B_HIT + 1 - write] >= 0
    if entry >= 0 and not free and (s[entry + E_ROW] == row or (guard == ANY and hits and not capped)):
        return -1
    return entry


@jit
def _update_row(p, s, b, write):
    """The candidate for the bank's oldest request in a row that is not open."""
    queue = 0 if p[P_UNIFIED] else write
    row = s[b + B_ROW]
    entry = -1
    if s[b + B_ACTIVE] < 0 and s[HALF_BANK] != b:
        if row >= 0:
            entry = _conflict(p, s, b, write)
        else:
            entry = s[b + B_HEAD + write]
            if p[P_UNIFIED]:
                entry = _oldest(s, entry, s[b + B_HEAD + 1 - write])
    if entry < 0:
        _withdraw(s, b, OPEN + queue)
        _withdraw(s, b, CLOSE + queue)
    elif row >= 0:
        _withdraw(s, b, OPEN + queue)
        _offer(s, b, CLOSE + queue, ROW_SLOT + queue, entry, PRE)
    else:
        _withdraw(s, b, CLOSE + queue)
        _offer(s, b, OPEN + queue, ROW_SLOT + queue, entry, ACT)


@jit
def update_active(p, s, b):
    """The candidate of the request that the bank's row was opened for."""
    _withdraw(s, b, OPENED)
    _withdraw(s, b, OPENED_WRITE)
    _withdraw(s, b, MIXED)
    entry = s[b + B_ACTIVE]
    if entry >= 0 and s[HALF_BANK] != b:
        row = s[b + B_ROW]
        if row != s[entry + E_ROW]:
            _offer(s, b, MIXED, OPENED_SLOT, entry, ACT if row < 0 else PRE)
        else:
            write = s[entry + E_FLAGS] & WRITE_FLAG
            group = MIXED if p[P_CLOSED] else OPENED + write
            _offer(s, b, group, OPENED_SLOT, entry, _column_command(p, s, b, entry, write))


@inline
def update_rows(p, s, b):
    """The row candidates of a bank, whichever queue they come from."""
    _update_row(p, s, b, 0)
    if not p[P_UNIFIED]:
        _update_row(p, s, b, 1)


@jit
def row_changed(p, s, b, row):
    """A bank has ``row`` open from now on (or none: -1)."""
    s[b + B_ROW] = row
    s[b + B_SERVED] = 0
    for write in range(2):
        s[b + B_HIT + write] = next_in_row(s, s[b + B_HEAD + write], row) if row >= 0 else -1
    for write in range(2):
        _update_column(p, s, b, write)
    update_rows(p, s, b)
    update_active(p, s, b)


@inline
def arrived(p, s, b, entry, write):
    """An entry has joined the bank's list: what it changes among the bank's candidates."""
    row = s[b + B_ROW]
    if row >= 0 and s[entry + E_ROW] == row:
        if s[b + B_HIT + write] < 0:
            s[b + B_HIT + write] = entry
            _update_column(p, s, b, write)
        elif p[P_ORDERED]:
            _update_column(p, s, b, write)
        if p[P_CLOSED]:
            _update_column(p, s, b, 0)
            _update_column(p, s, b, 1)
            update_active(p, s, b)
    if s[entry + E_PREVIOUS] < 0 or p[P_GUARD] != OLDER or p[P_CAP]:
        _update_row(p, s, b, write)


@inline
def left(p, s, b, entry, group):
    """The column command of an entry has issued: it leaves, and the bank's candidates follow."""
    s[b + B_SERVED] += 1
    write = s[entry + E_FLAGS] & WRITE_FLAG
    if group >= OPENED:
        s[b + B_ACTIVE] = -1
        _withdraw(s, b, group)
        update_rows(p, s, b)
    else:
        first = s[entry + E_PREVIOUS] < 0
        unlink(s, b, entry, write)
        _update_column(p, s, b, write)
        if p[P_CAP]:
            update_rows(p, s, b)
        elif first or p[P_GUARD] != OLDER:
            _update_row(p, s, b, write)
    if p[P_CLOSED] or p[P_ORDERED]:
        _update_column(p, s, b, 0)
        _update_column(p, s, b, 1)
        update_active(p, s, b)
    s[entry + E_NEXT] = s[FREE]
    s[FREE] = entry
