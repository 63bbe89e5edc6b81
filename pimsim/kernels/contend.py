"""The contended channel: memory requests and a PIM queue served by one channel at the same time, command by command.

Time jumps from event to event: a request arrives, one moves into its bank's queue, a command becomes ready, a refresh falls due. Each
kind of work keeps a tick before which it has nothing to do; whatever is issued makes both look again. What a controller that
visits every tick would do is in ``pimsim.dram.controller.contend_oracle``; both must agree command for command.

Within a tick: requests that have arrived are accepted, then one command is issued (of a due refresh, else of PIM or memory, as the
arbiter says), then one transaction or request moves into the queue of PIM or of its bank.
"""

from __future__ import annotations

import numpy as np

from pimsim.kernels import contend_choice as memory
from pimsim.kernels import contend_pim as pim
from pimsim.kernels.contend_issue import look_again
from pimsim.kernels.contend_layout import (
    CLOCK,
    COMPLETED,
    DRAINED,
    E_ARRIVAL,
    FINISHED,
    FOREVER,
    FULL,
    GROUP,
    HOLD,
    LIVE,
    LOGGED,
    MEMORY_FIRST,
    NEXT_MEMORY,
    NEXT_MOVE,
    NEXT_PIM,
    NEXT_REFRESH,
    P_ARBITER,
    P_IDLE_SLACK,
    PIM_FIRST,
    QUEUED,
    READS,
    REFRESH_DUE,
    REQUEST_FIELDS,
    SERVING,
    T_ARRIVAL,
    TRANSACTION_FIELDS,
    UNTIL,
    WRITES,
)
from pimsim.kernels.contend_queue import accept, has_room, move, request_at
from pimsim.kernels.contend_refresh import refresh
from pimsim.kernels.jit import inline, inner, jit
from pimsim.kernels.request_word import pointer

MARGIN = 64
"""Rows of a log or of completions that one tick may need."""


@inline
def _enter_refresh(s, tick):
    """A refresh is due: PIM stands still and binds memory traffic no more."""
    if s[SERVING] or s[HOLD] >= 0:
        s[SERVING] = 0
        s[LIVE] = 0
        s[HOLD] = -1
        s[NEXT_MEMORY] = tick
    s[NEXT_PIM] = FOREVER


@inner
def _step(p, s, tr, served, groups, log, keep_log, done, keep_done, tick):
    """Issue at most one command at a tick. Returns (transactions served, whether one was issued)."""
    refreshing = tick >= s[REFRESH_DUE]
    if refreshing:
        _enter_refresh(s, tick)
        if s[NEXT_REFRESH] <= tick and refresh(p, s, log, keep_log, tick):
            return served, True
    command, bank = -1, 0
    if s[NEXT_PIM] <= tick:
        command, bank, s[NEXT_PIM] = pim.look(p, s, tr, served, tick)
        s[NEXT_MEMORY] = min(s[NEXT_MEMORY], tick)
    if command >= 0 and p[P_ARBITER] == PIM_FIRST:
        served = pim.execute(p, s, tr, served, groups, log, keep_log, done, keep_done, command, bank, tick)
        return served, True
    if s[NEXT_MEMORY] <= tick:
        access, place, entry = -1, 0, -1
        if command >= 0 or memory.slack_at(p, s, tick) >= p[P_IDLE_SLACK]:
            access, place, entry, s[NEXT_MEMORY] = memory.choose(p, s, tick)
        else:
            s[NEXT_MEMORY] = FOREVER  # until PIM goes on
        if access >= 0 and (command < 0 or p[P_ARBITER] == MEMORY_FIRST
                            or s[entry + E_ARRIVAL] < tr[served * TRANSACTION_FIELDS + T_ARRIVAL]):  # fmt: skip
            memory.execute(p, s, groups, log, keep_log, done, keep_done, access, place, entry, tick)
            return served, True
    if command >= 0:
        served = pim.execute(p, s, tr, served, groups, log, keep_log, done, keep_done, command, bank, tick)
        return served, True
    return served, False


@inner
def _accept_all(p, s, requests, taken, offered, tick, groups, done, keep_done):
    """Accept what has arrived, as far as there is room. Returns (requests taken, arrival of the next, if there is room for it)."""
    while taken < offered:
        arrival, write = request_at(requests, taken)
        if arrival > tick:
            return taken, arrival
        if not has_room(p, s, write):
            break
        accept(p, s, requests, taken * REQUEST_FIELDS, tick, groups, done, keep_done)
        taken += 1
    return taken, FOREVER


@jit
def run(plan, state, requests, transactions, groups, until, stop, log, completions):
    """Run a channel.

    Args:
        plan, state: int64 vectors.
        requests: int64 [n, REQUEST_FIELDS], transactions: int64 [m, TRANSACTION_FIELDS]: all that arrive up to ``until`` and are not
            yet taken or served, in order of arrival.
        groups: int64 [g, GROUP_FIELDS]: how many members are left, and when the last one was done.
        until: last tick to decide; FOREVER: until there is no more work.
        stop: 1: return once the last member of a group is certain to be done.
        log, completions: int64 [k, LOG_FIELDS] and [k, COMPLETION_FIELDS] to fill from LOGGED and COMPLETED on; no rows: not wanted.

    Returns:
        (requests taken, transactions served, why it returned).
    """
    p, s = pointer(plan), pointer(state)
    q, tr, g, commands, done = pointer(requests), pointer(transactions), pointer(groups), pointer(log), pointer(completions)
    keep_log, keep_done = log.shape[0] > 0, completions.shape[0] > 0
    offered, members = requests.shape[0], transactions.shape[0]
    taken = served = np.int64(0)
    clock = s[CLOCK]
    look_again(s, max(clock, 1))
    s[NEXT_MOVE] = clock
    while True:
        if clock > until:
            clock = until + 1
            status = UNTIL
            break
        if (keep_log and s[LOGGED] + MARGIN > log.shape[0]) or (keep_done and s[COMPLETED] + MARGIN > completions.shape[0]):
            status = FULL
            break
        taken, arrival = _accept_all(p, s, q, taken, offered, clock, g, done, keep_done)
        if clock > 0:
            served, issued = _step(p, s, tr, served, g, commands, keep_log, done, keep_done, clock)
            if issued:
                look_again(s, clock + 1)
                s[NEXT_REFRESH] = 0
                s[NEXT_MOVE] = min(s[NEXT_MOVE], clock)
        if s[NEXT_MOVE] <= clock:
            move(p, s, tr, served, members, clock)
        if until == FOREVER and taken == offered and served == members and s[QUEUED] + s[READS] + s[WRITES] == 0:
            clock += 1
            status = DRAINED
            break
        if s[FINISHED] and stop:
            clock += 1  # what follows the group's end may arrive at any later tick
            status = GROUP
            break
        due = s[REFRESH_DUE] if clock < s[REFRESH_DUE] else max(s[NEXT_REFRESH], clock + 1)
        following = min(min(s[NEXT_MEMORY], s[NEXT_PIM]), min(s[NEXT_MOVE], min(due, arrival)))
        clock = max(clock + 1, following)
    s[CLOCK] = clock
    s[FINISHED] = 0
    look_again(s, clock)
    s[NEXT_MOVE] = clock
    return taken, served, status
