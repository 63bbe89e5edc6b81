"""The memory controller: requests in, commands out, time jumping from event to event.

No tick is visited in which nothing can happen. One round of the loop decides the tick ``floor``: requests that arrived before it
join the queue, refreshes that are due join theirs, and of all candidates the best is chosen. If a request could arrive or
a refresh fall due before that one can issue, the round moves to that event instead. What a plain-Python controller that
visits every tick would do is in ``pimsim.dram.controller.oracle``; both must agree command for command.

There is one place at which the next command is chosen (``_pick``); another source of commands that shares the channel offers its
candidate there.
"""

from __future__ import annotations

from pimsim.kernels.jit import inline, jit
from pimsim.kernels.request_choice import TICK_SHIFT, choose
from pimsim.kernels.request_issue import complete, execute
from pimsim.kernels.request_layout import (
    ALWAYS,
    B_RANK,
    C_COMMAND,
    CANDIDATE,
    COMMAND,
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
    P_DUAL,
    P_FORWARD,
    P_HOLD,
    P_READS,
    P_UNIFIED,
    P_WRITE_HIGH,
    P_WRITE_LOW,
    PLACE,
    Q_ARRIVAL,
    Q_BANK,
    Q_COLUMN,
    Q_ROW,
    Q_WRITE,
    R_WAITING,
    RANK_STATE,
    READS,
    S_AT_HOLD,
    SEQUENCE,
    UNTIL,
    WRITES,
    WRITING,
    layout,
)
from pimsim.kernels.request_queue import append, arrived, find
from pimsim.kernels.request_refresh import enqueue, fall_due
from pimsim.kernels.request_timing import earliest


@inline
def _has_room(p, s, write):
    """Whether the queue takes another request."""
    if p[P_UNIFIED]:
        return s[READS] + s[WRITES] < p[P_READS]
    return s[READS + write] < p[P_READS + write]


@inline
def _accept(L, p, s, requests, at, tick, completions):
    """A request joins the queue at ``tick``; it can be scheduled from the next tick on."""
    write = requests[at, Q_WRITE]
    bank = requests[at, Q_BANK]
    row = requests[at, Q_ROW]
    column = requests[at, Q_COLUMN]
    index = s[SEQUENCE]
    accepted = tick
    hold = p[P_HOLD]
    if hold > 0:
        ring = p[S_AT_HOLD] + index % hold
        accepted = max(requests[at, Q_ARRIVAL], s[ring] + 1)
        s[ring] = tick
    s[SEQUENCE] = index + 1
    s[ENTERED] = tick
    if not write and p[P_FORWARD] and s[WRITES] > 0 and find(L, s, bank, 1, row, column) >= 0:
        s[FORWARDED] += 1
        complete(p, s, completions, index, 0, accepted, accepted + 1)
        return
    entry = s[FREE]
    s[FREE] = s[entry + E_NEXT]
    s[entry + E_ROW] = row
    s[entry + E_COLUMN] = column
    s[entry + E_AGE] = index
    s[entry + E_ACCEPTED] = accepted
    s[entry + E_FLAGS] = write
    s[OUTSTANDING] += 1
    s[L.rank + p[L.place + bank * PLACE + B_RANK] * RANK_STATE + R_WAITING] += 1
    append(L, p, s, entry, bank, write)
    arrived(L, p, s, entry, bank, write)


@inline
def _turn(p, s):
    """Enter or leave write mode."""
    if s[WRITING]:
        if s[WRITES] <= p[P_WRITE_LOW] and s[READS] > 0:
            s[WRITING] = 0
    elif s[WRITES] >= p[P_WRITE_HIGH] or s[READS] == 0:
        s[WRITING] = 1


@inline
def _pick(L, p, s, floor):
    """The next command: (tick, group, bank, command)."""
    if s[LOCK_BANK] >= 0:
        bank = s[LOCK_BANK]
        group = s[LOCK_GROUP]
        command = s[L.candidate + (group * L.banks + bank) * CANDIDATE + C_COMMAND]
        return earliest(L, p, s, command, bank, floor), group, bank, command
    key, group, bank, command = choose(L, p, s, floor, False)
    return floor + ((key + 1) >> TICK_SHIFT) if group >= 0 else ALWAYS, group, bank, command


@inline
def _second(L, p, s, log, completions, tick, bus):
    """The second command of a tick, where there are two buses: after a column command a row command, or any of the other kind."""
    _turn(p, s)
    key, group, bank, command = choose(L, p, s, tick, True)
    if group >= 0 and (key + 1) >> TICK_SHIFT == 0 and p[L.command + command * COMMAND + K_BUS] != bus:
        execute(L, p, s, log, completions, group, bank, command, tick)


@jit
def run(p, s, requests, final, until, log, completions):
    """Run a channel on a chunk of requests.

    Args:
        p, s: plan and state.
        requests: int64 [n, REQUEST_FIELDS], arrivals in order.
        final: no request follows these before the tick ``until``. Otherwise the kernel returns as soon as it needs one.
        until: last tick to decide.
        log, completions: int64 [m, LOG_FIELDS] and [m, COMPLETION_FIELDS] to fill, from LOGGED and COMPLETED; no rows: not wanted.

    Returns:
        (requests taken, why it returned).
    """
    L = layout(p)
    taken = 0
    dual = p[P_DUAL]
    floor = s[FLOOR]
    log_room = log.shape[0] - 2
    completion_room = completions.shape[0] - 2
    while True:
        if (log_room > 0 and s[LOGGED] > log_room) or (completion_room > 0 and s[COMPLETED] > completion_room):
            status = FULL
            break
        arrival = ALWAYS
        if taken < requests.shape[0]:
            if _has_room(p, s, requests[taken, Q_WRITE]):
                arrival = max(requests[taken, Q_ARRIVAL], s[ENTERED] + 1, floor - 1)
                if arrival < floor:
                    _accept(L, p, s, requests, taken, arrival, completions)
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
            fall_due(L, p, s, floor)
        if s[OWED] > 0:
            enqueue(L, p, s)
        _turn(p, s)
        tick, group, bank, command = _pick(L, p, s, floor)
        event = min(arrival + 1, s[DUE])
        if min(event, tick) > until:
            floor = max(floor, until + 1)
            status = UNTIL
            break
        if event <= tick:
            floor = event
            continue
        bus = execute(L, p, s, log, completions, group, bank, command, tick)
        if dual == 2 or (dual == 1 and bus == 1):
            _second(L, p, s, log, completions, tick, bus)
        floor = tick + 1
    s[FLOOR] = floor
    return taken, status
