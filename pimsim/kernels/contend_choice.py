"""Which command of memory traffic goes next: the banks' queues take turns, and the first that has a command ready goes.

Within a queue the oldest request whose command is ready goes: an access to the open row, an activation, or a precharge if the
request is its bank's oldest and no hit waits, or enough hits were served. Every bank keeps a tick before which none of its
requests can go; ready times only grow, so that most banks are passed over by one comparison.
"""

from __future__ import annotations

from pimsim.kernels.contend_issue import (
    ACTIVATE_CAUSE,
    CLOSED,
    READ_CAUSE,
    bank_at,
    charge,
    complete,
    count,
    row_of,
    set_row,
    write_log,
)
from pimsim.kernels.contend_layout import (
    B_BOUND,
    B_COUNT,
    B_HEAD,
    B_HIT_READ,
    B_HIT_WRITE,
    B_HITS,
    B_SERVED,
    E_ACCEPTED,
    E_COLUMN,
    E_GROUP,
    E_NEXT,
    E_NUMBER,
    E_ROW,
    E_STAMP,
    E_WRITE,
    ESTIMATE,
    FAR,
    FILL_BANK,
    FILL_UNTIL,
    FOREVER,
    HOLD,
    LIVE,
    MEMORY_FIRST,
    MEMORY_VIEW,
    P_ACT,
    P_ACTIVATE_SLACK,
    P_ARBITER,
    P_BANKS,
    P_BURST,
    P_CAP,
    P_CLOSE,
    P_DUAL,
    P_GROUP_BANKS,
    P_MEMORY_SHADOW,
    P_PRE,
    P_PRECHARGE_SLACK,
    P_RANK_BANKS,
    P_READ,
    P_READ_TICKS,
    P_ROW_COST,
    P_WRITE,
    QUEUED,
    REFRESH_DUE,
    REFRESH_RANK,
    RESERVED,
    SERVING,
    SLACK,
    TURN,
)
from pimsim.kernels.contend_queue import serve
from pimsim.kernels.contend_timing import alone, around_result, issue, narrow, wide
from pimsim.kernels.jit import inline, inner


@inline
def slack_at(p, s, tick):
    """Ticks to spare before the next refresh, as far as they bind memory traffic."""
    if not s[SERVING] or p[P_ARBITER] == MEMORY_FIRST:
        return FAR
    return s[REFRESH_DUE] - tick - s[ESTIMATE] if s[LIVE] else s[SLACK]


@inner
def _opens(p, s, rank, row):
    """Whether the head of the PIM queue has rows to open in a rank."""
    first = rank * p[P_RANK_BANKS]
    for bank in range(first, first + p[P_RANK_BANKS], p[P_GROUP_BANKS]):
        if row_of(p, s, 1, bank) != row:
            return True
    return False


@inner
def choose(p, s, tick):
    """The next command of memory traffic: (command or -1, bank, entry, tick before which there is none)."""
    banks = p[P_BANKS]
    if s[QUEUED] == 0:
        return -1, 0, -1, FOREVER
    refreshing = tick >= s[REFRESH_DUE]
    filling = tick < s[FILL_UNTIL]
    slack = slack_at(p, s, tick)
    soonest = s[FILL_UNTIL] if filling else FOREVER
    floor_rank = -1
    read_floor = write_floor = 0
    bank = s[TURN]
    for _ in range(banks):
        bank += 1
        if bank == banks:
            bank = 0
        b = bank_at(p, bank)
        if s[b + B_COUNT] == 0:
            continue
        if s[b + B_BOUND] > tick:
            soonest = min(soonest, s[b + B_BOUND])
            continue
        rank = bank // p[P_RANK_BANKS]
        if (refreshing and rank == s[REFRESH_RANK]) or (filling and bank == s[FILL_BANK]):
            continue
        if rank != floor_rank:
            floor_rank = rank
            read_floor = wide(p, s, p[P_READ], bank)
            write_floor = wide(p, s, p[P_WRITE], bank)
        row = row_of(p, s, 0, bank)
        head = s[b + B_HEAD]
        if row >= 0 and s[head + E_ROW] == row and s[b + B_HIT_WRITE] < 0 and s[RESERVED] != row:
            # the usual case: nothing but reads of the open row
            ready = around_result(p, s, 0, max(tick, max(read_floor, narrow(p, s, p[P_READ], bank))))
            if ready <= tick:
                return p[P_READ], bank, head, tick
            s[b + B_BOUND] = ready
            soonest = min(soonest, ready)
            continue
        command, entry, ready = _of_bank(p, s, b, bank, row, read_floor, write_floor, slack, tick)
        if command >= 0:
            return command, bank, entry, tick
        soonest = min(soonest, ready)
    return -1, 0, -1, soonest


@inner
def _of_bank(p, s, b, bank, row, read_floor, write_floor, slack, tick):
    """What a bank's queue has to offer: (command or -1, entry, tick before which it has nothing). Updates the bank's bound."""
    bound = FOREVER
    ready = FOREVER
    head = s[b + B_HEAD]
    reserved = s[RESERVED]
    pim_row = row_of(p, s, 1, bank) if p[P_DUAL] else -1
    if s[head + E_ROW] != reserved:
        close = -1
        if pim_row >= 0 and s[head + E_ROW] == pim_row:
            close = p[P_CLOSE]
        elif row >= 0 and s[head + E_ROW] != row and (s[b + B_HITS] == 0 or s[b + B_SERVED] >= p[P_CAP]):
            close = p[P_PRE]
        if close >= 0:
            at = max(wide(p, s, close, bank), narrow(p, s, close, bank))
            bound = at
            if slack > p[P_PRECHARGE_SLACK]:
                if at <= tick:
                    return close, head, at
                ready = at
    if row < 0:
        entry = head
        while entry >= 0 and (s[entry + E_ROW] == reserved or (pim_row >= 0 and s[entry + E_ROW] == pim_row)):
            entry = s[entry + E_NEXT]
        if entry >= 0:
            at = max(wide(p, s, p[P_ACT], bank), narrow(p, s, p[P_ACT], bank))
            bound = min(bound, at)
            if slack > p[P_ACTIVATE_SLACK] and not (s[HOLD] >= 0 and _opens(p, s, bank // p[P_RANK_BANKS], s[HOLD])):
                if at <= tick:
                    return p[P_ACT], entry, at
                ready = min(ready, at)
    elif row != reserved:
        first = s[b + B_HIT_READ]
        second = s[b + B_HIT_WRITE]
        read_at = write_at = FOREVER
        if first >= 0:
            read_at = around_result(p, s, 0, max(tick, max(read_floor, narrow(p, s, p[P_READ], bank))))
        if second >= 0:
            write_at = around_result(p, s, 1, max(tick, max(write_floor, narrow(p, s, p[P_WRITE], bank))))
        bound = min(bound, min(read_at, write_at))
        ready = min(ready, min(read_at, write_at))
        if read_at <= tick and (write_at > tick or s[first + E_STAMP] < s[second + E_STAMP]):
            return p[P_READ], first, read_at
        if write_at <= tick:
            return p[P_WRITE], second, write_at
    # what is kept from PIM's row may go as soon as it is kept no longer
    s[b + B_BOUND] = 0 if reserved >= 0 and (s[head + E_ROW] == reserved or row == reserved) else bound
    return -1, -1, ready


@inner
def execute(p, s, groups, log, keep_log, done, keep_done, command, bank, entry, tick):
    """Issue a command of memory traffic for a waiting request."""
    b = bank_at(p, bank)
    write = s[entry + E_WRITE]
    access = command == p[P_READ] or command == p[P_WRITE]
    unhindered = alone(p, s, p[P_MEMORY_SHADOW], command, bank)
    row = s[entry + E_ROW]
    write_log(s, log, keep_log, tick, command, bank, row, s[entry + E_COLUMN] if access else -1, 1)
    count(p, s, command, 1)
    cause = READ_CAUSE + write if access else ACTIVATE_CAUSE
    charge(s, MEMORY_VIEW, tick, unhindered, cause, p[P_BURST] if access else 1, cause)
    issue(p, s, p[P_MEMORY_SHADOW], command, bank, tick)
    s[TURN] = bank
    if access:
        s[b + B_SERVED] += 1
        if not write:
            complete(s, groups, done, keep_done, s[entry + E_NUMBER], 0, s[entry + E_GROUP], s[entry + E_ACCEPTED],
                     tick + p[P_READ_TICKS])  # fmt: skip
        serve(s, b, entry)
        return
    if s[SERVING]:
        s[SLACK] -= p[P_ROW_COST]
    if command == p[P_ACT]:
        set_row(p, s, 0, bank, row, tick)
    else:
        set_row(p, s, 1 if command != p[P_PRE] else 0, bank, CLOSED, tick)
