"""A segment of work for a package of PIM channels and one ASIC, in one call: a list of tasks, repeated for every layer.

A *task* is an operator's share of work on one resource: a program for each channel, or so many ticks of the ASIC. Each resource
takes its tasks in list order, so going through the list once, with every start the maximum of what it waits for, is the
event-driven outcome; nothing is decided in a different order. (For the channels this means that no task begins before the one
listed before it has begun.) Channels in the same state that are given the same program are simulated once (exact folding): they
share a *slot*, part when their programs differ and merge when their states, relative to the next task's start, are equal again.
"""

from __future__ import annotations

import numpy as np

from pimsim.kernels.channel import ASIC_CAUSE, IDLE_CAUSE, LOG_FIELDS, charge_until, wait_until
from pimsim.kernels.jit import inner, jit
from pimsim.kernels.memo import recall, remember
from pimsim.kernels.packed import H_AT_COUNTERS, H_AT_DUE, H_AT_ROW, H_RANKS, H_VECTOR
from pimsim.kernels.program import MAX_DEPTH, run_program
from pimsim.kernels.table import (
    BUS,
    CHARGED,
    DONE,
    LAST,
    OPEN,
    OPEN_SINCE,
    OWN_CAUSE,
    OWN_END,
    REST_CAUSE,
    REST_END,
    UNIFORM,
)

# Task fields.
KIND, CLASS, ROW_BASE, ROW_STEP, COLUMN_BASE, DURATION, FIRST, TAIL = range(8)
"""DURATION: ticks of the ASIC; of a task of the memory the least that it takes. FIRST: ticks from a task's begin to its first
output. TAIL: ticks it still needs once its last streamed input is there."""
TASK_FIELDS = 8
PIM, ASIC = 0, 1

# Dependency fields: on which task, and whether the dependent starts with its first data or with its last.
AFTER_END, STREAMING = 0, 1
BEFORE = -1
"""A dependency on whatever came before: the end of the previous repetition."""


@inner
def _charge_wait(t, s, tick, asic_begin, asic_end, asic_from, asic_to):
    """Charge the ticks of a waiting channel up to ``tick``: its last command's own, the ASIC's while that is busy, idle."""
    if tick <= s[CHARGED]:
        return
    at = charge_until(t, s, tick)
    counters = t[H_AT_COUNTERS]
    asic = 0
    for k in range(asic_from, asic_to):
        overlap = min(asic_end[k], tick) - max(asic_begin[k], at)
        if overlap > 0:
            asic += overlap
    s[counters + ASIC_CAUSE] += asic
    s[counters + IDLE_CAUSE] += tick - at - asic
    s[CHARGED] = tick


@inner
def _same(t, a, b, tick):
    """Are two channels in the same state, seen from commands at or after ``tick``?"""
    if a[UNIFORM] != b[UNIFORM] or a[OPEN] != b[OPEN] or a[CHARGED] != b[CHARGED]:
        return False
    if a[OPEN] > 0 and a[OPEN_SINCE] != b[OPEN_SINCE]:
        return False
    if a[OWN_END] > tick and a[OWN_CAUSE] != b[OWN_CAUSE] or a[REST_END] > tick and a[REST_CAUSE] != b[REST_CAUSE]:
        return False
    for i in (LAST, BUS, BUS + 1, OWN_END, REST_END):
        if max(a[i], tick) != max(b[i], tick):
            return False
    ready = t[H_AT_DUE] + t[H_RANKS]
    for i in range(t[H_AT_DUE], ready):
        if a[i] != b[i]:
            return False
    for i in range(ready, t[H_AT_ROW]):
        if max(a[i], tick) != max(b[i], tick):
            return False
    for i in range(t[H_AT_ROW], t[H_AT_COUNTERS]):
        if a[i] != b[i]:
            return False
    return True


@inner
def _account(t, slots, used, states, by_channel, by_class, kind):
    """Add what each slot did to each of its channels and to the operator class, and begin anew."""
    first = t[H_AT_COUNTERS]
    for c in range(slots.size):
        s = slots[c]
        for i in range(by_channel.shape[1]):
            by_channel[c, i] += states[s, first + i]
            by_class[kind, i] += states[s, first + i]
    for s in range(slots.size):
        if used[s]:
            for i in range(first, t[H_VECTOR]):
                states[s, i] = 0


@inner
def _merge(t, states, slots, used, tick):
    """Give channels whose states are equal from ``tick`` on the same slot."""
    channels = slots.size
    for a in range(channels):
        if not used[a]:
            continue
        for b in range(a + 1, channels):
            if used[b] and _same(t, states[a], states[b], tick):
                used[b] = 0
                for c in range(channels):
                    if slots[c] == b:
                        slots[c] = a


@inner
def _mark_used(slots, used):
    used[:] = 0
    for c in range(slots.size):
        used[slots[c]] = 1


@inner
def _part(states, slots, used, task_program, slot_program, new_slot):
    """Give channels of one slot whose programs differ slots of their own; ``slot_program`` is what each slot will run."""
    channels = slots.size
    slot_program[:] = -2
    for c in range(channels):
        program = task_program[c]
        s = slots[c]
        new_slot[c] = s
        if slot_program[s] == -2:
            slot_program[s] = program
        elif slot_program[s] != program:
            target = -1
            for e in range(c):
                if slots[e] == s and task_program[e] == program:
                    target = new_slot[e]
            if target < 0:
                target = 0
                while used[target]:
                    target += 1
                used[target] = 1
                for i in range(states.shape[1]):
                    states[target, i] = states[s, i]
                slot_program[target] = program
            new_slot[c] = target
    for c in range(channels):
        slots[c] = new_slot[c]


@inner
def _begin_log(log, slots, s, task):
    """Say in the log for which channel (the first of the slot) and task the next entries are; returns how many there are."""
    if log.shape[0] == 0:
        return 0
    channel = 0
    while slots[channel] != s:
        channel += 1
    log[0, 1] = channel
    log[0, 2] = task
    return log[0, 0]


@inner
def _share_log(log, slots, s, mark):
    """Repeat the entries behind number ``mark`` for the other channels of the slot."""
    if log.shape[0] == 0:
        return
    end = log[0, 0]
    for c in range(log[0, 1] + 1, slots.size):
        if slots[c] == s:
            for e in range(mark + 1, end + 1):
                log[0, 0] += 1
                n = log[0, 0]
                if n < log.shape[0]:
                    for f in range(LOG_FIELDS):
                        log[n, f] = log[e, f]
                    log[n, 1] = c


@jit
def run_segment(t, states, slots, programs, program_begin, tasks, task_programs, dependency_begin, dependencies,
                dependency_kind, repeats, clock, postpone, fast, fold, by_channel, by_class, task_begin, task_end, log,
                memo):
    """Run ``repeats`` times through the tasks.

    Args:
        t: packed table.
        states: int64 [channels, vector], one channel's vector a slot; slot of channel c is ``slots[c]``.
        programs: int64 [n, 8], all programs behind one another; program p is ``program_begin[p]`` .. ``program_begin[p + 1]``.
        tasks: int64 [T, TASK_FIELDS]; task_programs: int64 [T, channels], a program or -1.
        dependency_begin: int64 [T + 1] into ``dependencies`` (a task of the same repetition, or BEFORE) and ``dependency_kind``.
        clock: tick at which the segment begins.
        fold: whether channels in equal states share a slot. Without it the slots must all differ.
        by_channel, by_class: int64 [channels or classes, counters]: added to.
        task_begin, task_end: int64 [repeats, T]: filled.
        log: see ``pimsim.kernels.channel``; the commands of each channel are in order.
        memo: see ``pimsim.kernels.memo``; an empty one remembers nothing, and none is used while there is a log.

    Returns:
        The tick at which the last task ends.
    """
    channels = slots.size
    count = tasks.shape[0]
    snapshots = np.zeros((MAX_DEPTH, t[H_VECTOR]), np.int64)
    first_data = np.zeros(count, np.int64)
    slot_program = np.empty(channels, np.int64)
    new_slot = np.empty(channels, np.int64)
    used = np.zeros(channels, np.int64)
    asic_begin = np.zeros(repeats * count, np.int64)
    asic_end = np.zeros(repeats * count, np.int64)
    asic_count = 0
    asic_seen = 0
    asic_free = clock
    pim_begin = clock
    remembering = memo.keys.shape[0] > 0 and log.shape[0] == 0
    before = clock
    for r in range(repeats):
        latest = before
        for k in range(count):
            begin = clock
            streamed_end = clock
            for d in range(dependency_begin[k], dependency_begin[k + 1]):
                on = dependencies[d]
                if on < 0:
                    begin = max(begin, before)
                elif dependency_kind[d] == STREAMING:
                    begin = max(begin, first_data[on])
                    streamed_end = max(streamed_end, task_end[r, on] + tasks[k, TAIL])
                else:
                    begin = max(begin, task_end[r, on])
            if tasks[k, KIND] == ASIC:
                begin = max(begin, asic_free)
                end = max(begin + tasks[k, DURATION], streamed_end)
                asic_free = end
                asic_begin[asic_count] = begin
                asic_end[asic_count] = end
                asic_count += 1
            else:
                begin = max(begin, pim_begin)
                pim_begin = begin
                _mark_used(slots, used)
                for s in range(channels):
                    if used[s]:
                        _charge_wait(t, states[s], begin, asic_begin, asic_end, asic_seen, asic_count)
                        mark = _begin_log(log, slots, s, r * count + k)
                        wait_until(t, states[s], log, begin)
                        _share_log(log, slots, s, mark)
                while asic_seen < asic_count and asic_end[asic_seen] <= begin:
                    asic_seen += 1
                _account(t, slots, used, states, by_channel, by_class, tasks[k, CLASS])
                if fold:
                    _merge(t, states, slots, used, begin)
                _part(states, slots, used, task_programs[k], slot_program, new_slot)
                end = begin + tasks[k, DURATION]
                for s in range(channels):
                    if used[s]:
                        states[s, DONE] = begin
                        p = slot_program[s]
                        if p >= 0:
                            row = tasks[k, ROW_BASE] + r * tasks[k, ROW_STEP]
                            if not remembering or not recall(t, states[s], memo, p, row, begin):
                                mark = _begin_log(log, slots, s, r * count + k)
                                run_program(t, states[s], snapshots, log, programs, program_begin[p],
                                            program_begin[p + 1], row, tasks[k, COLUMN_BASE], begin, postpone, fast)
                                _share_log(log, slots, s, mark)
                                if remembering:
                                    remember(t, states[s], memo, p, row, begin)
                        end = max(end, states[s, DONE])
                _account(t, slots, used, states, by_channel, by_class, tasks[k, CLASS])
                end = max(end, streamed_end)
            first_data[k] = min(begin + tasks[k, FIRST], end)
            task_begin[r, k] = begin
            task_end[r, k] = end
            latest = max(latest, end)
        before = latest
    # every channel waits for the end of the segment, so that all ticks up to it are charged
    _mark_used(slots, used)
    for s in range(channels):
        if used[s]:
            _charge_wait(t, states[s], before, asic_begin, asic_end, asic_seen, asic_count)
            mark = _begin_log(log, slots, s, repeats * count - 1)
            wait_until(t, states[s], log, before)
            _share_log(log, slots, s, mark)
    _account(t, slots, used, states, by_channel, by_class, tasks[count - 1, CLASS])
    return before
