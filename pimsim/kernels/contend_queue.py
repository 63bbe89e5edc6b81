"""Waiting requests of the contended channel: accepted into a read or a write queue, then moved, one a tick, to the queue of their bank.

A bank knows how many of its waiting requests hit the open row and which read and write of them come first, so that choosing a
command takes no search.
"""

from __future__ import annotations

from pimsim.kernels.contend_issue import IDLE_CAUSE, bank_at, charge_wait, complete, row_of
from pimsim.kernels.contend_layout import (
    ACCEPTED,
    AGE,
    B_BOUND,
    B_COUNT,
    B_HEAD,
    B_HIT_READ,
    B_HITS,
    B_READS,
    B_TAIL,
    B_WRITES,
    DRAIN,
    E_ACCEPTED,
    E_ARRIVAL,
    E_BANK,
    E_COLUMN,
    E_GROUP,
    E_NEXT,
    E_NUMBER,
    E_PREVIOUS,
    E_ROW,
    E_STAMP,
    E_WRITE,
    FOREVER,
    FORWARDED,
    FREE,
    MEMORY_FIRST,
    MEMORY_VIEW,
    NEXT_MEMORY,
    NEXT_MOVE,
    NEXT_PIM,
    P_ARBITER,
    P_BANK_QUEUE,
    P_DRAIN_ABOVE,
    P_DUAL,
    P_OUTSTANDING,
    P_PIM_QUEUE,
    P_READ_QUEUE,
    P_WRITE_QUEUE,
    PIM_QUEUED,
    Q_ARRIVAL,
    Q_BANK,
    Q_COLUMN,
    Q_GROUP,
    Q_ROW,
    Q_WRITE,
    QUEUED,
    READ_HEAD,
    READ_TAIL,
    READS,
    REQUEST_FIELDS,
    T_ARRIVAL,
    TRANSACTION_FIELDS,
    UNIT,
    WRITE_HEAD,
    WRITES,
)
from pimsim.kernels.jit import inline, inner


@inline
def has_room(p, s, write):
    """Whether another read or write is accepted."""
    return s[READS + write] < p[P_READ_QUEUE + write] and s[READS] + s[WRITES] + s[QUEUED] < p[P_OUTSTANDING]


@inner
def _waiting(s, entry, bank, row, column, write):
    """Whether a list holds a read or write of a column."""
    while entry >= 0:
        if s[entry + E_COLUMN] == column and s[entry + E_ROW] == row and s[entry + E_BANK] == bank \
                and s[entry + E_WRITE] == write:  # fmt: skip
            return True
        entry = s[entry + E_NEXT]
    return False


@inner
def accept(p, s, request, at, tick, groups, done, keep):
    """A request is accepted at ``tick``; it can move into its bank's queue at the end of that tick."""
    bank, row, column = request[at + Q_BANK], request[at + Q_ROW], request[at + Q_COLUMN]
    write, group = request[at + Q_WRITE], request[at + Q_GROUP]
    number = s[ACCEPTED]
    s[ACCEPTED] = number + 1
    b = bank_at(p, bank)
    if write:
        complete(s, groups, done, keep, number, 1, group, tick, tick + 1)
        s[b + B_WRITES] += 1
    else:
        if s[b + B_WRITES] > 0 and (_waiting(s, s[WRITE_HEAD], bank, row, column, 1)
                                    or _waiting(s, s[b + B_HEAD], bank, row, column, 1)):  # fmt: skip
            s[FORWARDED] += 1
            complete(s, groups, done, keep, number, 0, group, tick, tick + 1)
            return
        s[b + B_READS] += 1
    if s[READS] + s[WRITES] + s[QUEUED] == 0:
        charge_wait(s, MEMORY_VIEW, tick + 1, IDLE_CAUSE)
    entry = s[FREE]
    s[FREE] = s[entry + E_NEXT]
    s[entry + E_ROW] = row
    s[entry + E_COLUMN] = column
    s[entry + E_WRITE] = write
    s[entry + E_GROUP] = group
    s[entry + E_NUMBER] = number
    s[entry + E_ARRIVAL] = request[at + Q_ARRIVAL]
    s[entry + E_ACCEPTED] = tick
    s[entry + E_BANK] = bank
    _append(s, READ_HEAD + 2 * write, READ_TAIL + 2 * write, entry)
    s[READS + write] += 1
    s[NEXT_MOVE] = min(s[NEXT_MOVE], tick)


@inner
def _append(s, head, tail, entry):
    """Put an entry at the end of a list whose ends stand at ``head`` and ``tail``."""
    last = s[tail]
    s[entry + E_NEXT] = -1
    s[entry + E_PREVIOUS] = last
    if last >= 0:
        s[last + E_NEXT] = entry
    else:
        s[head] = entry
    s[tail] = entry


@inner
def _unlink(s, head, tail, entry):
    """Take an entry out of a list."""
    before, behind = s[entry + E_PREVIOUS], s[entry + E_NEXT]
    if before >= 0:
        s[before + E_NEXT] = behind
    else:
        s[head] = behind
    if behind >= 0:
        s[behind + E_PREVIOUS] = before
    else:
        s[tail] = before


@inner
def _may_enter(p, s, first, transactions, served):
    """With one row buffer: whether memory requests may begin at all; with two they always may."""
    if p[P_DUAL]:
        return True
    if s[UNIT]:
        return False
    if s[PIM_QUEUED] == 0 or p[P_ARBITER] == MEMORY_FIRST:
        return True
    arrival = transactions[served * TRANSACTION_FIELDS + T_ARRIVAL]
    return p[P_ARBITER] == AGE and first >= 0 and s[first + E_ARRIVAL] < arrival


@inner
def move(p, s, transactions, served, offered, tick):
    """At the end of a tick, move one transaction or request into PIM's or its bank's queue; says when to try again."""
    following = served + s[PIM_QUEUED]
    arrival = FOREVER
    if following < offered and s[PIM_QUEUED] < p[P_PIM_QUEUE]:
        arrival = transactions[following * TRANSACTION_FIELDS + T_ARRIVAL]
        if arrival <= tick:
            s[PIM_QUEUED] += 1
            s[NEXT_PIM] = min(s[NEXT_PIM], tick + 1)
            s[NEXT_MOVE] = tick + 1
            return
    _move_request(p, s, transactions, served, tick)
    s[NEXT_MOVE] = min(s[NEXT_MOVE], arrival)


@inner
def _move_request(p, s, transactions, served, tick):
    """Move one request into its bank's queue."""
    if s[DRAIN] == 0 and s[WRITES] > 0 and (
        s[WRITES] >= p[P_WRITE_QUEUE] or (s[QUEUED] == 0 and (s[WRITES] > p[P_DRAIN_ABOVE] or s[READS] == 0))
    ):
        s[DRAIN] = s[WRITES]
    write = 1 if s[DRAIN] > 0 else 0
    entry = s[READ_HEAD + 2 * write]
    if not _may_enter(p, s, entry, transactions, served):
        entry = -1
    entry = _movable(p, s, entry)
    if write and entry >= 0 and _follows_read(p, s, entry):
        s[DRAIN] = 0
        write = 0
        entry = _movable(p, s, s[READ_HEAD])
    if entry < 0:
        s[NEXT_MOVE] = FOREVER  # until something is accepted or issued
        return
    s[NEXT_MOVE] = tick + 1
    s[DRAIN] -= write
    _unlink(s, READ_HEAD + 2 * write, READ_TAIL + 2 * write, entry)
    s[READS + write] -= 1
    _enqueue(p, s, bank_at(p, s[entry + E_BANK]), entry, write, tick)


@inline
def _movable(p, s, entry):
    """The first of a list whose bank's queue has room, or -1."""
    while entry >= 0 and s[bank_at(p, s[entry + E_BANK]) + B_COUNT] >= p[P_BANK_QUEUE]:
        entry = s[entry + E_NEXT]
    return entry


@inner
def _follows_read(p, s, entry):
    """Whether a read that waits for the column of a write must go first."""
    bank, row, column = s[entry + E_BANK], s[entry + E_ROW], s[entry + E_COLUMN]
    b = bank_at(p, bank)
    return s[b + B_READS] > 0 and (_waiting(s, s[READ_HEAD], bank, row, column, 0)
                                   or _waiting(s, s[b + B_HEAD], bank, row, column, 0))  # fmt: skip


@inner
def _enqueue(p, s, b, entry, write, tick):
    """Append a request to its bank's queue."""
    s[QUEUED] += 1
    s[entry + E_STAMP] = tick
    _append(s, b + B_HEAD, b + B_TAIL, entry)
    s[b + B_COUNT] += 1
    row = row_of(p, s, 0, s[entry + E_BANK])
    if s[entry + E_ROW] == row:
        s[b + B_HITS] += 1
        if s[b + B_HIT_READ + write] < 0:
            s[b + B_HIT_READ + write] = entry
    s[b + B_BOUND] = 0
    s[NEXT_MEMORY] = min(s[NEXT_MEMORY], tick + 1)


@inner
def serve(s, b, entry):
    """A waiting request that hits the open row has been served: it leaves its bank's queue."""
    write = s[entry + E_WRITE]
    row = s[entry + E_ROW]
    s[b + B_HITS] -= 1
    s[QUEUED] -= 1
    s[b + B_COUNT] -= 1
    s[b + B_READS - write] -= 1
    following = s[entry + E_NEXT]
    _unlink(s, b + B_HEAD, b + B_TAIL, entry)
    while following >= 0 and (s[following + E_ROW] != row or s[following + E_WRITE] != write):
        following = s[following + E_NEXT]
    s[b + B_HIT_READ + write] = following
    s[entry + E_NEXT] = s[FREE]
    s[FREE] = entry


@inline
def request_at(requests, taken):
    """Arrival and kind of the next request that is offered."""
    at = taken * REQUEST_FIELDS
    return requests[at + Q_ARRIVAL], requests[at + Q_WRITE]
