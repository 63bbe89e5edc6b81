"""Which command goes next: of all candidates the one that can issue first, at equal ticks by class, then by age.

Classes: a request whose row was opened for it, a refresh, the waiting requests, the second half of an activation (which is
moved to the front when its deadline has come). Everything is folded into one key, so that choosing is taking a minimum.
"""

from __future__ import annotations

from pimsim.kernels.jit import inline
from pimsim.kernels.request_layout import (
    ACT,
    ACT_SECOND,
    ACTIVE,
    B_CANDIDATE,
    BANK_RECORD,
    BUS,
    C_AGE,
    C_COMMAND,
    CANDIDATE,
    CHANNEL,
    CLOSE,
    COLUMN,
    G_FIRST,
    G_MASK,
    G_RANK,
    HALF_BANK,
    HALF_DEADLINE,
    HALF_GROUP,
    K_BUS,
    OPEN,
    P_BLOCKS,
    P_CLOSED,
    P_DUAL,
    P_SEGMENTS,
    P_SEGMENTS_END,
    P_UNIFIED,
    PRE,
    QUEUED,
    R_QUEUED,
    RANK,
    READ,
    REFRESH_GROUP,
    ROW_SLOT,
    SEGMENT,
    WRITING,
)
from pimsim.kernels.request_refresh import next_command
from pimsim.kernels.request_timing import aligned, earliest, record_of
from pimsim.kernels.request_word import lowest

# Classes, and the parts of a key: ticks from the floor, [bus,] class, age.
OPENED, REFRESHING, WAITING, SECOND_HALF = range(4)
AGE_BITS = 40
CLASS_SHIFT = AGE_BITS
BUS_SHIFT = CLASS_SHIFT + 2
TICK_SHIFT = BUS_SHIFT + 1
NOTHING = 1 << 62


@inline
def _scan(p, s, g, group, slot, command, floor, bus_floor, base, best):
    """The better of ``best`` (key, group, bank) and a group's candidates in a segment, all of one command."""
    key, chosen, bank = best
    mask = s[g + G_MASK + group]
    record = record_of(command)
    wide = aligned(p, record, max(s[g + command], bus_floor))
    if mask == 0 or (wide - floor) << TICK_SHIFT > key:
        return best
    first = s[g + G_FIRST]
    while mask:
        b = first + lowest(mask) * BANK_RECORD
        mask &= mask - 1
        tick = aligned(p, record, max(wide, s[b + command]))
        this = ((tick - floor) << TICK_SHIFT) + base + s[b + B_CANDIDATE + slot * CANDIDATE + C_AGE]
        if this < key:
            key = this
            chosen = group
            bank = b
    return key, chosen, bank


@inline
def _scan_mixed(p, s, g, group, slot, floor, row_floor, column_floor, klass, only_row, best):
    """The same for candidates of different commands."""
    key, chosen, bank = best
    mask = s[g + G_MASK + group]
    first = s[g + G_FIRST]
    while mask:
        b = first + lowest(mask) * BANK_RECORD
        mask &= mask - 1
        at = b + B_CANDIDATE + slot * CANDIDATE
        command = s[at + C_COMMAND]
        record = record_of(command)
        bus = p[record + K_BUS]
        if (bus and only_row) or (command == ACT and s[HALF_BANK] >= 0):
            continue
        tick = aligned(p, record, max(max(s[g + command], s[b + command]), column_floor if bus else row_floor))
        this = ((tick - floor) << TICK_SHIFT) + (klass << CLASS_SHIFT) + s[at + C_AGE]
        if p[P_DUAL] == 1:
            this += (1 - bus) << BUS_SHIFT
        if this < key:
            key = this
            chosen = group
            bank = b
    return key, chosen, bank


@inline
def _hidden(p, s, g):
    """Whether a waiting refresh keeps the waiting requests of a segment from being scheduled."""
    blocks = p[P_BLOCKS]
    return blocks == CHANNEL or (blocks == RANK and s[s[g + G_RANK] + R_QUEUED] > 0)


@inline
def _scan_waiting(p, s, g, floor, row_floor, column_floor, only_row, best):
    """The waiting requests of a segment: hits, then rows to close, then rows to open."""
    base = WAITING << CLASS_SHIFT
    row_base = base + (1 << BUS_SHIFT if p[P_DUAL] == 1 else 0)
    queue = 0 if p[P_UNIFIED] else s[WRITING]
    if not only_row:
        for write in range(queue, 2 if p[P_UNIFIED] else queue + 1):
            if p[P_CLOSED]:
                best = _scan_mixed(p, s, g, COLUMN + write, COLUMN + write, floor, row_floor, column_floor, WAITING, False, best)
            else:
                best = _scan(p, s, g, COLUMN + write, COLUMN + write, READ + write, floor, column_floor, base, best)
    best = _scan(p, s, g, CLOSE + queue, ROW_SLOT + queue, PRE, floor, row_floor, row_base, best)
    if s[HALF_BANK] < 0:
        best = _scan(p, s, g, OPEN + queue, ROW_SLOT + queue, ACT, floor, row_floor, row_base, best)
    return best


@inline
def _with_refresh(p, s, floor, key, group, bank, command):
    """The better of the choice so far and what the head of the refresh queue needs."""
    tick, refresh, b = next_command(p, s, floor)
    this = ((tick - floor) << TICK_SHIFT) + (REFRESHING << CLASS_SHIFT)
    if p[P_DUAL] == 1:
        this += 1 << BUS_SHIFT
    if this < key:
        return this, REFRESH_GROUP, b, refresh
    return key, group, bank, command


@inline
def _with_second_half(p, s, floor, key, group, bank, command):
    """The better of the choice so far and the second half of an activation: last, unless its deadline has come."""
    b = s[HALF_BANK]
    this = (earliest(p, s, ACT_SECOND, b, floor) - floor) << TICK_SHIFT
    if floor < s[HALF_DEADLINE]:
        this += SECOND_HALF << CLASS_SHIFT
        if p[P_DUAL] == 1:
            this += 1 << BUS_SHIFT
    else:
        this -= 1
    if this < key:
        return this, HALF_GROUP, b, ACT_SECOND
    return key, group, bank, command


@inline
def choose(p, s, floor, second):
    """The next command: (ticks from ``floor``, group, bank, command); group -1: there is none.

    ``second``: it would be the second command of a tick, which is on the row bus where the policy says so.
    """
    dual = p[P_DUAL]
    only_row = second and dual == 1
    row_floor = max(floor, s[BUS])
    column_floor = max(floor, s[BUS + 1]) if dual else row_floor
    if second and dual == 2:
        row_floor = floor
        column_floor = floor
    best = (NOTHING, -1, -1)
    queued = s[QUEUED]
    for g in range(p[P_SEGMENTS], p[P_SEGMENTS_END], SEGMENT):
        if s[g + G_MASK + ACTIVE]:
            best = _scan_mixed(p, s, g, ACTIVE, ACTIVE, floor, row_floor, column_floor, OPENED, only_row, best)
        if queued == 0 or not _hidden(p, s, g):
            best = _scan_waiting(p, s, g, floor, row_floor, column_floor, only_row, best)
    key, group, bank = best
    command = -1
    if group >= 0:
        slot = group if group < OPEN else ROW_SLOT + ((group - OPEN) & 1)
        command = s[bank + B_CANDIDATE + slot * CANDIDATE + C_COMMAND]
    if queued:
        key, group, bank, command = _with_refresh(p, s, floor, key, group, bank, command)
    if s[HALF_BANK] >= 0:
        key, group, bank, command = _with_second_half(p, s, floor, key, group, bank, command)
    return (key + 1) >> TICK_SHIFT, group, bank, command


