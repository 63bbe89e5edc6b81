"""The waiting requests of a channel and the commands they need next.

A bank has a list of waiting reads and one of waiting writes, oldest first. From these follow its candidates: the column
command of its oldest hit (``COLUMN`` group, one for reads and one for writes), the row command of its oldest request in
another row (``ROW`` group), and the next command of a request that left the queue because its row was opened (``ACTIVE``).
They are kept up to date whenever something happens to the bank, so that choosing looks at candidates only.
"""

from __future__ import annotations

from pimsim.kernels.jit import inline
from pimsim.kernels.request_layout import (
    ACTIVE,
    ANY,
    B_ACTIVE,
    B_HEAD,
    B_HIT,
    B_ROW,
    B_SEGMENT,
    B_SERVED,
    B_TAIL,
    BANK_STATE,
    C_AGE,
    C_COMMAND,
    C_ENTRY,
    CANDIDATE,
    COLUMN,
    E_AGE,
    E_COLUMN,
    E_FLAGS,
    E_NEXT,
    E_PREVIOUS,
    E_ROW,
    FREE,
    HALF_BANK,
    P_ACT,
    P_CAP,
    P_CLOSED,
    P_GUARD,
    P_ORDERED,
    P_PRE,
    P_READ,
    P_READ_CLOSE,
    P_UNIFIED,
    P_WRITE,
    P_WRITE_CLOSE,
    PLACE,
    READS,
    READY,
    ROW,
    WRITE_FLAG,
)


@inline
def offer(L, p, s, group, bank, entry, command):
    """The bank's candidate of a group is ``command`` for ``entry``."""
    at = L.candidate + (group * L.banks + bank) * CANDIDATE
    s[at + C_AGE] = s[entry + E_AGE]
    s[at + C_COMMAND] = command
    s[at + C_ENTRY] = entry
    segment = p[L.place + bank * PLACE + B_SEGMENT]
    s[L.mask + group * L.segments + segment] |= 1 << (bank - segment * L.segment_banks)


@inline
def withdraw(L, p, s, group, bank):
    """The bank has no candidate of a group."""
    segment = p[L.place + bank * PLACE + B_SEGMENT]
    s[L.mask + group * L.segments + segment] &= ~(1 << (bank - segment * L.segment_banks))


@inline
def append(L, p, s, entry, bank, write):
    """Put an entry at the end of the bank's list of reads (``write`` 0) or writes (1)."""
    at = L.bank + bank * BANK_STATE + write
    tail = s[at + B_TAIL]
    s[entry + E_PREVIOUS] = tail
    s[entry + E_NEXT] = -1
    if tail >= 0:
        s[tail + E_NEXT] = entry
    else:
        s[at + B_HEAD] = entry
    s[at + B_TAIL] = entry
    s[READS + write] += 1


@inline
def unlink(L, p, s, entry, bank, write):
    """Take an entry out of its list; if it was the oldest hit, the next hit takes its place."""
    at = L.bank + bank * BANK_STATE + write
    before = s[entry + E_PREVIOUS]
    after = s[entry + E_NEXT]
    if before >= 0:
        s[before + E_NEXT] = after
    else:
        s[at + B_HEAD] = after
    if after >= 0:
        s[after + E_PREVIOUS] = before
    else:
        s[at + B_TAIL] = before
    if s[at + B_HIT] == entry:
        s[at + B_HIT] = next_in_row(s, after, s[entry + E_ROW])
    s[READS + write] -= 1


@inline
def release(s, entry):
    """Give an entry back."""
    s[entry + E_NEXT] = s[FREE]
    s[FREE] = entry


@inline
def next_in_row(s, entry, row):
    """The first entry of ``row`` at or behind ``entry`` in its list, or -1."""
    while entry >= 0 and s[entry + E_ROW] != row:
        entry = s[entry + E_NEXT]
    return entry


@inline
def next_beyond_row(s, entry, row):
    """The first entry of another row at or behind ``entry`` in its list, or -1."""
    while entry >= 0 and s[entry + E_ROW] == row:
        entry = s[entry + E_NEXT]
    return entry


@inline
def find(L, s, bank, write, row, column):
    """The youngest waiting entry of a bank's list to a row and column, or -1."""
    entry = s[L.bank + bank * BANK_STATE + write + B_TAIL]
    while entry >= 0 and (s[entry + E_ROW] != row or s[entry + E_COLUMN] != column):
        entry = s[entry + E_PREVIOUS]
    return entry


@inline
def _unordered(L, s, bank, entry):
    """Whether an older read of the write's column still waits."""
    read = s[L.bank + bank * BANK_STATE + B_HEAD]
    while read >= 0 and s[read + E_AGE] < s[entry + E_AGE]:
        if s[read + E_ROW] == s[entry + E_ROW] and s[read + E_COLUMN] == s[entry + E_COLUMN]:
            return True
        read = s[read + E_NEXT]
    return False


@inline
def column_command(L, p, s, bank, entry, write):
    """Read or write; with auto-precharge where rows are closed and no other waiting request needs the row."""
    if p[P_CLOSED]:
        at = L.bank + bank * BANK_STATE
        row = s[entry + E_ROW]
        wanted = next_in_row(s, s[at + write + B_HEAD], row)
        if wanted == entry:
            wanted = next_in_row(s, s[entry + E_NEXT], row)
        active = s[at + B_ACTIVE]
        if wanted < 0 and s[at + B_HIT + 1 - write] < 0 and (active < 0 or active == entry):
            return p[P_WRITE_CLOSE] if write else p[P_READ_CLOSE]
    return p[P_WRITE] if write else p[P_READ]


@inline
def update_column(L, p, s, bank, write):
    """The candidate for the oldest hit among the bank's reads or writes."""
    hit = s[L.bank + bank * BANK_STATE + write + B_HIT]
    if write and p[P_ORDERED]:
        row = s[L.bank + bank * BANK_STATE + B_ROW]
        while hit >= 0 and _unordered(L, s, bank, hit):
            hit = next_in_row(s, s[hit + E_NEXT], row)
    if hit >= 0:
        offer(L, p, s, COLUMN + write, bank, hit, column_command(L, p, s, bank, hit, write))
    else:
        withdraw(L, p, s, COLUMN + write, bank)


@inline
def _oldest(s, first, second):
    if first < 0 or (second >= 0 and s[second + E_AGE] < s[first + E_AGE]):
        return second
    return first


@inline
def _conflict(L, p, s, bank, write):
    """The entry for which the open row of a bank may be closed, or -1."""
    at = L.bank + bank * BANK_STATE
    row = s[at + B_ROW]
    guard = p[P_GUARD]
    capped = 0 < p[P_CAP] <= s[at + B_SERVED]
    if p[P_UNIFIED]:
        if guard == READY or (guard != ANY and capped):
            return _oldest(s, next_beyond_row(s, s[at + B_HEAD], row), next_beyond_row(s, s[at + B_HEAD + 1], row))
        entry = _oldest(s, s[at + B_HEAD], s[at + B_HEAD + 1])
        hits = s[at + B_HIT] >= 0 or s[at + B_HIT + 1] >= 0
    else:
        if guard == READY or (guard != ANY and capped):
            return next_beyond_row(s, s[at + write + B_HEAD], row)
        entry = s[at + write + B_HEAD]
        hits = s[at + write + B_HIT] >= 0
    if entry >= 0 and (s[entry + E_ROW] == row or (guard == ANY and hits and not capped)):
        return -1
    return entry


@inline
def update_row(L, p, s, bank, write):
    """The candidate for the bank's oldest request in a row that is not open."""
    group = ROW + (0 if p[P_UNIFIED] else write)
    at = L.bank + bank * BANK_STATE
    if s[at + B_ACTIVE] >= 0 or s[HALF_BANK] == bank:
        withdraw(L, p, s, group, bank)
        return
    if s[at + B_ROW] >= 0:
        entry = _conflict(L, p, s, bank, write)
        command = p[P_PRE]
    else:
        entry = s[at + write + B_HEAD]
        if p[P_UNIFIED]:
            entry = _oldest(s, s[at + B_HEAD], s[at + B_HEAD + 1])
        command = p[P_ACT]
    if entry >= 0:
        offer(L, p, s, group, bank, entry, command)
    else:
        withdraw(L, p, s, group, bank)


@inline
def update_active(L, p, s, bank):
    """The candidate of the request that the bank's row was opened for."""
    at = L.bank + bank * BANK_STATE
    entry = s[at + B_ACTIVE]
    if entry < 0 or s[HALF_BANK] == bank:
        withdraw(L, p, s, ACTIVE, bank)
    elif s[at + B_ROW] == s[entry + E_ROW]:
        offer(L, p, s, ACTIVE, bank, entry, column_command(L, p, s, bank, entry, s[entry + E_FLAGS] & WRITE_FLAG))
    else:
        offer(L, p, s, ACTIVE, bank, entry, p[P_ACT] if s[at + B_ROW] < 0 else p[P_PRE])


@inline
def update_rows(L, p, s, bank):
    """The row candidates of a bank, whichever queue they come from."""
    update_row(L, p, s, bank, 0)
    if not p[P_UNIFIED]:
        update_row(L, p, s, bank, 1)


@inline
def row_opened(L, p, s, bank, row):
    """A bank has ``row`` open from now on (or none: -1)."""
    at = L.bank + bank * BANK_STATE
    s[at + B_ROW] = row
    s[at + B_SERVED] = 0
    for write in range(2):
        s[at + write + B_HIT] = next_in_row(s, s[at + write + B_HEAD], row) if row >= 0 else -1
    for write in range(2):
        if s[at + write + B_HIT] >= 0:
            update_column(L, p, s, bank, write)
        else:
            withdraw(L, p, s, COLUMN + write, bank)
    update_rows(L, p, s, bank)
    update_active(L, p, s, bank)


@inline
def arrived(L, p, s, entry, bank, write):
    """An entry has joined the bank's list: what it changes among the bank's candidates."""
    at = L.bank + bank * BANK_STATE
    row = s[at + B_ROW]
    if row >= 0 and s[entry + E_ROW] == row:
        if s[at + write + B_HIT] < 0:
            s[at + write + B_HIT] = entry
            update_column(L, p, s, bank, write)
        elif p[P_CLOSED] or p[P_ORDERED]:
            update_column(L, p, s, bank, write)
        if p[P_CLOSED]:
            update_column(L, p, s, bank, 1 - write)
            update_active(L, p, s, bank)
    update_row(L, p, s, bank, write)


@inline
def served(L, p, s, bank, entry, group):
    """The column command of an entry has issued: it leaves, and the bank's candidates follow."""
    at = L.bank + bank * BANK_STATE
    s[at + B_SERVED] += 1
    write = s[entry + E_FLAGS] & WRITE_FLAG
    if group == ACTIVE:
        s[at + B_ACTIVE] = -1
        withdraw(L, p, s, ACTIVE, bank)
        update_rows(L, p, s, bank)
        if p[P_CLOSED]:
            update_column(L, p, s, bank, 0)
            update_column(L, p, s, bank, 1)
    else:
        unlink(L, p, s, entry, bank, write)
        update_column(L, p, s, bank, write)
        if p[P_CLOSED] or p[P_ORDERED]:
            update_column(L, p, s, bank, 1 - write)
            update_active(L, p, s, bank)
        if p[P_CAP]:
            update_rows(L, p, s, bank)
        else:
            update_row(L, p, s, bank, write)
    release(s, entry)

