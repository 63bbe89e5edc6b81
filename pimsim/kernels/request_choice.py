"""Which command goes next: of all candidates the one that can issue first, at equal ticks by class, then by age.

Classes: a request whose row was opened for it, a refresh, the waiting requests, the second half of an activation (which is
moved to the front when its deadline has come). Everything is folded into one key, so that choosing is taking a minimum.
"""

from __future__ import annotations

from pimsim.kernels.jit import inline
from pimsim.kernels.request_bit import lowest
from pimsim.kernels.request_layout import (
    ACTIVE,
    BUS,
    C_AGE,
    C_COMMAND,
    CANDIDATE,
    CHANNEL,
    COLUMN,
    COLUMN_WRITE,
    COMMAND,
    HALF_BANK,
    HALF_DEADLINE,
    HALF_GROUP,
    K_BUS,
    K_PERIOD,
    K_PHASE,
    P_ACT,
    P_ACT_SECOND,
    P_BLOCKS,
    P_DUAL,
    P_RANK_SEGMENTS,
    P_UNIFIED,
    QUEUED,
    R_QUEUED,
    RANK,
    RANK_STATE,
    REFRESH_GROUP,
    ROW,
    WRITING,
)
from pimsim.kernels.request_refresh import head_bank, next_command
from pimsim.kernels.request_timing import earliest, ready

# Classes, and the parts of a key: ticks from the floor, [bus,] class, age.
OPENED, REFRESHING, WAITING, SECOND_HALF = range(4)
AGE_BITS = 40
CLASS_SHIFT = AGE_BITS
BUS_SHIFT = CLASS_SHIFT + 2
TICK_SHIFT = BUS_SHIFT + 1
NOTHING = 1 << 62


@inline
def _scan(L, p, s, group, segment, mask, floor, column_floor, row_floor, klass, only_row, best):
    """The best of ``best`` (key, group, bank) and a group's candidates in a segment."""
    key, chosen_group, chosen_bank = best
    first = segment * L.segment_banks
    while mask:
        bank = first + lowest(mask)
        mask &= mask - 1
        at = L.candidate + (group * L.banks + bank) * CANDIDATE
        command = s[at + C_COMMAND]
        record = L.command + command * COMMAND
        bus = p[record + K_BUS]
        if only_row and bus:
            continue
        tick = max(ready(L, s, command, bank, segment), column_floor if bus else row_floor)
        period = p[record + K_PERIOD]
        if period > 1:
            tick += (p[record + K_PHASE] - tick) % period
        if command == p[P_ACT] and s[HALF_BANK] >= 0:
            continue
        this = ((tick - floor) << TICK_SHIFT) + (klass << CLASS_SHIFT) + s[at + C_AGE]
        if p[P_DUAL] == 1:
            this += (1 - bus) << BUS_SHIFT
        if this < key:
            key = this
            chosen_group = group
            chosen_bank = bank
    return key, chosen_group, chosen_bank


@inline
def choose(L, p, s, floor, second):
    """The next command: (key, group, bank, command); ``second``: the second command of a tick, on the row bus where it is fixed."""
    dual = p[P_DUAL]
    only_row = second and dual == 1
    if second and dual == 2:
        column_floor = floor
        row_floor = floor
    else:
        row_floor = max(floor, s[BUS])
        column_floor = max(floor, s[BUS + 1]) if dual else row_floor
    best = (NOTHING, -1, -1)
    writing = s[WRITING]
    queued = s[QUEUED]
    everything = not (queued and p[P_BLOCKS] == CHANNEL)
    for segment in range(L.segments):
        mask = s[L.mask + ACTIVE * L.segments + segment]
        if mask:
            best = _scan(L, p, s, ACTIVE, segment, mask, floor, column_floor, row_floor, OPENED, only_row, best)
        if not everything:
            continue
        hidden = 0
        if queued:
            if p[P_BLOCKS] == RANK:
                if s[L.rank + segment // p[P_RANK_SEGMENTS] * RANK_STATE + R_QUEUED]:
                    continue
            else:
                bank = head_bank(L, p, s)
                if bank // L.segment_banks == segment:
                    hidden = 1 << (bank - segment * L.segment_banks)
        if p[P_UNIFIED]:
            mask = s[L.mask + COLUMN * L.segments + segment] & ~hidden
            if mask:
                best = _scan(L, p, s, COLUMN, segment, mask, floor, column_floor, row_floor, WAITING, only_row, best)
            column = COLUMN_WRITE
            row = ROW
        else:
            column = COLUMN + writing
            row = ROW + writing
        mask = s[L.mask + column * L.segments + segment] & ~hidden
        if mask:
            best = _scan(L, p, s, column, segment, mask, floor, column_floor, row_floor, WAITING, only_row, best)
        mask = s[L.mask + row * L.segments + segment] & ~hidden
        if mask:
            best = _scan(L, p, s, row, segment, mask, floor, column_floor, row_floor, WAITING, only_row, best)
    key, group, bank = best
    command = -1
    if group >= 0:
        command = s[L.candidate + (group * L.banks + bank) * CANDIDATE + C_COMMAND]
    if queued:
        tick, refresh, at = next_command(L, p, s, floor)
        this = ((tick - floor) << TICK_SHIFT) + (REFRESHING << CLASS_SHIFT) + at
        if dual == 1:
            this += 1 << BUS_SHIFT
        if this < key:
            key, group, bank, command = this, REFRESH_GROUP, at, refresh
    if s[HALF_BANK] >= 0:
        tick = earliest(L, p, s, p[P_ACT_SECOND], s[HALF_BANK], floor)
        this = (tick - floor) << TICK_SHIFT
        if floor < s[HALF_DEADLINE]:
            this += SECOND_HALF << CLASS_SHIFT
            if dual == 1:
                this += 1 << BUS_SHIFT
        else:
            this -= 1
        if this < key:
            key, group, bank, command = this, HALF_GROUP, s[HALF_BANK], p[P_ACT_SECOND]
    return key, group, bank, command
