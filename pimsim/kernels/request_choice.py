"""Which command goes next: of all candidates the one that can issue first, at equal ticks by class, then by age.

Classes: a request whose row was opened for it, a refresh, the waiting requests, the second half of an activation (which is
moved to the front when its deadline has come). Everything is folded into one key, so that choosing is taking a minimum.

What was found best in a group of candidates of one command is kept, because all ready times only grow. It remains the best, at
whatever later tick it can issue, until an older candidate becomes ready (``until`` is not later than that), its own bank holds
it back anew (then a younger one may come first), it is withdrawn, or a candidate is offered that could be better.
"""

from __future__ import annotations

from pimsim.kernels.jit import inline, jit
from pimsim.kernels.request_layout import (
    ACT,
    ACT_SECOND,
    ALWAYS,
    B_BIT,
    B_CANDIDATE,
    B_SEGMENT,
    BANK,
    BANK_RECORD,
    BEST,
    BEST_AGE,
    BEST_BANK,
    BEST_TICK,
    BEST_UNTIL,
    BUS,
    C_AGE,
    C_COMMAND,
    CANDIDATE,
    CHANNEL,
    CLOSE,
    COLUMN,
    FARTHEST,
    G_BEST,
    G_FIRST,
    G_MASK,
    G_RANK,
    HALF_BANK,
    HALF_DEADLINE,
    HALF_GROUP,
    K_BUS,
    MIXED,
    OPEN,
    OPENED,
    OPENED_SLOT,
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
from pimsim.kernels.request_queue import slot_of
from pimsim.kernels.request_refresh import head_bank, next_command
from pimsim.kernels.request_timing import aligned, earliest, record_of
from pimsim.kernels.request_word import lowest

# Classes, and the parts of a key: ticks from the floor, [bus,] class, age.
FIRST, REFRESHING, WAITING, SECOND_HALF = range(4)
AGE_BITS = 40
CLASS_SHIFT = AGE_BITS
BUS_SHIFT = CLASS_SHIFT + 2
TICK_SHIFT = BUS_SHIFT + 1
AGES = (1 << AGE_BITS) - 1
NOTHING = 1 << 62


@jit
def _scan(p, s, g, slot, command, mask, floor, wide):
    """The best of a group's candidates in a segment, all of one command: (tick, age, bank, until)."""
    record = record_of(command)
    first = s[g + G_FIRST]
    best = NOTHING
    bank = -1
    until = ALWAYS
    while mask:
        b = first + lowest(mask) * BANK_RECORD
        mask &= mask - 1
        tick = aligned(p, record, max(wide, s[b + command]))
        key = ((tick - floor) << TICK_SHIFT) + s[b + B_CANDIDATE + slot * CANDIDATE + C_AGE]
        loser = max(key, best)
        if key < best:
            best = key
            bank = b
        if loser & AGES < best & AGES:
            until = min(until, loser >> TICK_SHIFT)
    return floor + (best >> TICK_SHIFT), best & AGES, bank, floor + until


@inline
def _one_command(p, s, g, group, slot, command, visible, floor, bus_floor, base, best):
    """The better of ``best`` (key, group, bank) and a group's candidates in a segment, all of one command."""
    mask = s[g + G_MASK + group] & visible
    wide = max(s[g + command], bus_floor)
    if mask == 0 or (wide - floor) << TICK_SHIFT > best[0]:
        return best
    at = g + G_BEST + group * BEST
    age, bank = s[at + BEST_AGE], s[at + BEST_BANK]
    tick = floor
    known = bank >= 0 and visible == -1 and s[bank + command] <= s[at + BEST_TICK]
    if known:
        tick = aligned(p, record_of(command), max(wide, s[bank + command]))
        known = tick < s[at + BEST_UNTIL]
    if not known:
        tick, age, bank, until = _scan(p, s, g, slot, command, mask, floor, wide)
        s[at + BEST_TICK] = tick
        s[at + BEST_AGE] = age
        s[at + BEST_BANK] = bank if visible == -1 else -1
        s[at + BEST_UNTIL] = until
    key = ((tick - floor) << TICK_SHIFT) + base + age
    return (key, group, bank) if key < best[0] else best


@jit
def _any_command(p, s, g, group, slot, visible, floor, row_floor, column_floor, klass, best):
    """The same for candidates of different commands."""
    key, chosen, bank = best
    mask = s[g + G_MASK + group] & visible
    first = s[g + G_FIRST]
    while mask:
        b = first + lowest(mask) * BANK_RECORD
        mask &= mask - 1
        at = b + B_CANDIDATE + slot * CANDIDATE
        command = s[at + C_COMMAND]
        if command == ACT and s[HALF_BANK] >= 0:
            continue
        record = record_of(command)
        bus = p[record + K_BUS]
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
def _visible(p, s, g):
    """The banks of a segment whose waiting requests no waiting refresh keeps from being scheduled, as a mask."""
    blocks = p[P_BLOCKS]
    if s[QUEUED] == 0:
        return -1
    if blocks == CHANNEL or (blocks == RANK and s[s[g + G_RANK] + R_QUEUED] > 0):
        return 0
    b = head_bank(p, s)
    return ~s[b + B_BIT] if blocks == BANK and s[b + B_SEGMENT] == g else -1


@jit
def _of_segment(p, s, g, floor, row_floor, column_floor, columns, best):
    """The better of ``best`` and a segment's candidates: opened requests, hits (if ``columns``), rows to close, rows to open."""
    base = WAITING << CLASS_SHIFT
    row_base = base + (1 << BUS_SHIFT if p[P_DUAL] == 1 else 0)
    unified = p[P_UNIFIED]
    queue = 0 if unified else s[WRITING]
    visible = _visible(p, s, g)
    if s[g + G_MASK + MIXED]:
        best = _any_command(p, s, g, MIXED, OPENED_SLOT, -1, floor, row_floor, column_floor, FIRST, best)
    if columns:
        for write in range(2):
            best = _one_command(p, s, g, OPENED + write, OPENED_SLOT, READ + write, -1, floor, column_floor, 0, best)
        for write in range(queue, 2 if unified else queue + 1):
            group = COLUMN + write
            if p[P_CLOSED]:
                best = _any_command(p, s, g, group, group, visible, floor, row_floor, column_floor, WAITING, best)
            else:
                best = _one_command(p, s, g, group, group, READ + write, visible, floor, column_floor, base, best)
    best = _one_command(p, s, g, CLOSE + queue, ROW_SLOT + queue, PRE, visible, floor, row_floor, row_base, best)
    if s[HALF_BANK] < 0:
        best = _one_command(p, s, g, OPEN + queue, ROW_SLOT + queue, ACT, visible, floor, row_floor, row_base, best)
    return best


@inline
def _command_of(s, group, bank):
    """The command of a bank's candidate; -1 if there is no group."""
    if group < 0:
        return -1
    return s[bank + B_CANDIDATE + slot_of(group) * CANDIDATE + C_COMMAND]


@inline
def _with_refresh(p, s, floor, best):
    """The better of the choice so far and what the head of the refresh queue needs."""
    tick, command, b = next_command(p, s, floor)
    key = ((tick - floor) << TICK_SHIFT) + (REFRESHING << CLASS_SHIFT)
    if p[P_DUAL] == 1:
        key += 1 << BUS_SHIFT
    return (key, REFRESH_GROUP, b, command) if key < best[0] else best


@inline
def _with_second_half(p, s, floor, best):
    """The better of the choice so far and the second half of an activation: last, unless its deadline has come."""
    b = s[HALF_BANK]
    key = (earliest(p, s, ACT_SECOND, b, floor) - floor) << TICK_SHIFT
    if floor < s[HALF_DEADLINE]:
        key += SECOND_HALF << CLASS_SHIFT
        if p[P_DUAL] == 1:
            key += 1 << BUS_SHIFT
    else:
        key -= 1
    return (key, HALF_GROUP, b, ACT_SECOND) if key < best[0] else best


@inline
def _with_others(p, s, floor, refresh, best):
    """The better of the best candidate and what needs no candidate; ``refresh``: whether one may go."""
    if s[QUEUED] and refresh:
        best = _with_refresh(p, s, floor, best)
    if s[HALF_BANK] >= 0:
        best = _with_second_half(p, s, floor, best)
    key, group, bank, command = best
    return (key + 1) >> TICK_SHIFT, group, bank, command


@inline
def choose(p, s, floor):
    """The next command: (ticks from ``floor``, group, bank, command); group -1: there is none."""
    row_floor = max(floor, s[BUS])
    column_floor = max(floor, s[BUS + 1]) if p[P_DUAL] else row_floor
    best = (NOTHING, -1, -1)
    for g in range(p[P_SEGMENTS], p[P_SEGMENTS_END], SEGMENT):
        best = _of_segment(p, s, g, floor, row_floor, column_floor, True, best)
    key, group, bank = best
    return _with_others(p, s, floor, True, (key, group, bank, _command_of(s, group, bank)))


@inline
def choose_second(p, s, tick, bus):
    """The second command of a tick behind one on ``bus``: (ticks from ``tick``, group, bank, command).

    Either the best row command, or the best of all that requests need, which then counts only if it is of the other kind (so the
    first one's bus is taken to be free).
    """
    any_kind = p[P_DUAL] == 2
    row_floor = max(tick, s[BUS]) if bus else tick
    column_floor = tick if bus else max(tick, s[BUS + 1])
    if not any_kind:
        column_floor = tick + FARTHEST
    best = (1 << TICK_SHIFT, -1, -1)
    for g in range(p[P_SEGMENTS], p[P_SEGMENTS_END], SEGMENT):
        best = _of_segment(p, s, g, tick, row_floor, column_floor, any_kind, best)
    key, group, bank = best
    return _with_others(p, s, tick, not any_kind, (key, group, bank, _command_of(s, group, bank)))
