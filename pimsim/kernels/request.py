"""The memory controller: requests in, commands out, time jumping from event to event.

No tick is visited in which nothing can happen. One round of the loop decides the tick ``floor``: requests that arrived before it
join the queue, refreshes that are due join theirs, and of all candidates the best is chosen. If a request could arrive or
a refresh fall due before that one can issue, the round moves to that event instead. What a plain-Python controller that
visits every tick would do is in ``pimsim.dram.controller.oracle``; both must agree command for command.
"""

from __future__ import annotations

from pimsim.kernels.jit import inline, jit
from pimsim.kernels.request_choice import choose, choose_second
from pimsim.kernels.request_issue import complete, execute
from pimsim.kernels.request_layout import (
    ACCEPTED,
    ALWAYS,
    B_CANDIDATE,
    B_RANK,
    BANK_RECORD,
    C_COMMAND,
    CANDIDATE,
    COMPLETED,
    DRAINED,
    DUE,
    E_ACCEPTED,
    E_AGE,
    E_COLUMN,
    E_FLAGS,
    E_NEXT,
    E_ROW,
    ENTERED,
    FLOOR,
    FORWARDED,
    FREE,
    FULL,
    K_BUS,
    LOCK_BANK,
    LOCK_GROUP,
    LOGGED,
    NEED,
    OUTSTANDING,
    OWED,
    P_AT_HOLD,
    P_BANKS,
    P_DUAL,
    P_FORWARD,
    P_HOLD,
    P_READS,
    P_UNIFIED,
    P_WRITE_HIGH,
    P_WRITE_LOW,
    Q_ARRIVAL,
    Q_BANK,
    Q_COLUMN,
    Q_ROW,
    Q_WRITE,
    R_WAITING,
    READS,
    REQUEST_FIELDS,
    SEQUENCE,
    UNTIL,
    WRITES,
    WRITING,
)
from pimsim.kernels.request_queue import append, arrived, find_write, slot_of
from pimsim.kernels.request_refresh import enqueue, fall_due
from pimsim.kernels.request_timing import earliest, record_of
from pimsim.kernels.request_word import pointer


@inline
def _has_room(p, s, write):
    """Whether the queue takes another request."""
    if p[P_UNIFIED]:
        return s[READS] + s[WRITES] < p[P_READS]
    return s[READS + write] < p[P_READS + write]


@inline
def _accept(p, s, request, at, tick, completions, keep):
    """A request joins the queue at ``tick``; it can be scheduled from the next tick on."""
    write = request[at + Q_WRITE]
    row = request[at + Q_ROW]
    column = request[at + Q_COLUMN]
    b = p[P_BANKS] + request[at + Q_BANK] * BANK_RECORD
    index = s[SEQUENCE]
    accepted = tick
    if p[P_HOLD]:
        place = p[P_AT_HOLD] + index % p[P_HOLD]
        accepted = max(max(request[at + Q_ARRIVAL], s[ACCEPTED] + 1), s[place] + 1)
        s[place] = tick
    s[ACCEPTED] = accepted
    s[SEQUENCE] = index + 1
    s[ENTERED] = tick
    if not write and p[P_FORWARD] and find_write(s, b, row, column) >= 0:
        s[FORWARDED] += 1
        complete(s, completions, keep, index, 0, accepted, accepted + 1)
        return
    entry = s[FREE]
    s[FREE] = s[entry + E_NEXT]
    s[entry + E_ROW] = row
    s[entry + E_COLUMN] = column
    s[entry + E_AGE] = index
    s[entry + E_ACCEPTED] = accepted
    s[entry + E_FLAGS] = write
    s[OUTSTANDING] += 1
    s[s[b + B_RANK] + R_WAITING] += 1
    append(s, b, entry, write)
    arrived(p, s, b, entry, write)


@inline
def _turn(p, s):
    """Enter or leave write mode."""
    if s[WRITING]:
        if s[WRITES] <= p[P_WRITE_LOW] and s[READS] > 0:
            s[WRITING] = 0
    elif s[WRITES] >= p[P_WRITE_HIGH] or s[READS] == 0:
        s[WRITING] = 1


@inline
def _pick(p, s, floor):
    """The next command: (tick, group, bank, command)."""
    b = s[LOCK_BANK]
    if b >= 0:
        group = s[LOCK_GROUP]
        command = s[b + B_CANDIDATE + slot_of(group) * CANDIDATE + C_COMMAND]
        return earliest(p, s, command, b, floor), group, b, command
    ticks, group, b, command = choose(p, s, floor)
    return floor + ticks if group >= 0 else ALWAYS, group, b, command


@inline
def _second(p, s, log, keep, completions, keep_done, tick, bus):
    """The second command of a tick, where there are two buses: after a column command a row command, or any of the other kind."""
    _turn(p, s)
    ticks, group, b, command = choose_second(p, s, tick, bus)
    if group >= 0 and ticks == 0 and p[record_of(command) + K_BUS] != bus:
        execute(p, s, log, keep, completions, keep_done, group, b, command, tick)


@jit
def serve(plan, state, requests, final, until, log, completions):
    """Run a channel on a chunk of requests.

    Args:
        plan, state: int64 vectors.
        requests: int64 [n, REQUEST_FIELDS], arrivals in order.
        final: no request follows these before the tick ``until``. Otherwise the kernel returns as soon as it needs one.
        until: last tick to decide.
        log, completions: int64 [m, LOG_FIELDS] and [m, COMPLETION_FIELDS] to fill, from LOGGED and COMPLETED; no rows: not wanted.

    Returns:
        (requests taken, why it returned).
    """
    p, s, request = pointer(plan), pointer(state), pointer(requests)
    commands, done = pointer(log), pointer(completions)
    keep, keep_done = log.shape[0] > 0, completions.shape[0] > 0
    dual = p[P_DUAL]
    floor = s[FLOOR]
    taken = 0
    while True:
        if (keep and s[LOGGED] + 2 > log.shape[0]) or (keep_done and s[COMPLETED] + 2 > completions.shape[0]):
            status = FULL
            break
        arrival = ALWAYS
        if taken < requests.shape[0]:
            at = taken * REQUEST_FIELDS
            if _has_room(p, s, request[at + Q_WRITE]):
                arrival = max(max(request[at + Q_ARRIVAL], s[ENTERED] + 1), floor - 1)
                if arrival < floor:
                    _accept(p, s, request, at, arrival, done, keep_done)
                    taken += 1
                    _turn(p, s)
                    continue
        elif not final:
            status = NEED
            break
        elif s[OUTSTANDING] == 0 and until == ALWAYS:
            status = DRAINED
            break
        if s[DUE] <= floor:
            fall_due(p, s, floor)
        if s[OWED] > 0:
            enqueue(p, s)
        _turn(p, s)
        tick, group, b, command = _pick(p, s, floor)
        event = min(arrival + 1, s[DUE])
        if min(event, tick) > until:
            floor = max(floor, until + 1)
            status = UNTIL
            break
        if event <= tick:
            floor = event
            continue
        bus = execute(p, s, commands, keep, done, keep_done, group, b, command, tick)
        if dual == 2 or (dual == 1 and bus == 1):
            _second(p, s, commands, keep, done, keep_done, tick, bus)
        floor = tick + 1
    s[FLOOR] = floor
    return taken, status
