"""A segment of work for a package of PIM channels and one ASIC, in one call: a list of tasks, repeated for every layer.

A *task* is an operator's share of work on one resource: a program for each channel, or so many ticks of the ASIC. Each resource
takes its tasks in list order, so going through the list once, with every start the maximum of what it waits for, is the
event-driven outcome; nothing is decided in a different order. (For the channels this means that no task begins before the one
listed before it has begun.) Channels in the same state that are given the same program are simulated once (exact folding): they
share a *slot*, part when their programs differ and merge when their states, relative to the next task's start, are equal again.
"""

from __future__ import annotations

import numpy as np

from pimsim.kernels.channel import ASIC_CAUSE, IDLE_CAUSE, LOG_FIELDS, charge_until, count_active, wait_until
from pimsim.kernels.jit import inner, jit
from pimsim.kernels.memo import (
    BEGAN,
    COURSE,
    ENTRIES,
    FILLED,
    HELD,
    ROW,
    fill,
    forget,
    keep_step,
    next_course,
    recall,
    remember,
    rest_same,
    take,
)
from pimsim.kernels.packed import H_AT_COUNTERS, H_AT_DUE, H_RANKS, H_VECTOR
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
"""DURATION: ticks of the ASIC; of a task of the memory those that its operands and results take at the ASIC's pins, which serve one
task after the other. FIRST: ticks from a task's begin to its first output. TAIL: ticks it still needs once its last streamed input
is there."""
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
def _wait(t, s, memo, held, log, tick, remembering):
    """The channel waits for ``tick``; refreshes come due meanwhile."""
    if remembering and s[t[H_AT_DUE]] >= tick:
        count_active(t, s, tick)
        return
    if remembering:
        fill(t, s, memo, held)
    last = s[LAST]
    wait_until(t, s, log, tick)
    if s[LAST] != last:
        held[COURSE] = -1


@inner
def _front_same(t, a, b, tick):
    """Are the fronts of two states the same, seen from commands at or after ``tick``?"""
    if a[UNIFORM] != b[UNIFORM] or a[OPEN] != b[OPEN] or a[CHARGED] != b[CHARGED]:
        return False
    if a[OPEN] > 0 and a[OPEN_SINCE] != b[OPEN_SINCE]:
        return False
    if a[OWN_END] > tick and a[OWN_CAUSE] != b[OWN_CAUSE] or a[REST_END] > tick and a[REST_CAUSE] != b[REST_CAUSE]:
        return False
    for i in (LAST, BUS, BUS + 1, OWN_END, REST_END):
        if max(a[i], tick) != max(b[i], tick):
            return False
    for i in range(t[H_AT_DUE], t[H_AT_DUE] + t[H_RANKS]):
        if a[i] != b[i]:
            return False
    return True


@inner
def _settle(t, states, s, members, done, by_class, kind):
    """Add what a slot has done since the last time to the operator class and to what the slot has done in all."""
    first = t[H_AT_COUNTERS]
    for i in range(done.shape[1]):
        new = states[s, first + i]
        by_class[kind, i] += new * members[s]
        done[s, i] += new
        states[s, first + i] = 0


@inner
def _move(slots, members, done, by_channel, c, target):
    """Move a channel to another slot: it has done what its old slot did until now, and will do what its new one does from now on."""
    for i in range(done.shape[1]):
        by_channel[c, i] += done[slots[c], i] - done[target, i]
    members[slots[c]] -= 1
    members[target] += 1
    slots[c] = target


@inner
def _merge(t, states, held, memo, slots, members, done, by_channel, by_class, kind, tick):
    """Give channels whose states are equal from ``tick`` on the same slot."""
    for a in range(slots.size):
        if not members[a]:
            continue
        for b in range(a + 1, slots.size):
            if (members[b] and _front_same(t, states[a], states[b], tick)
                    and rest_same(t, states[a], states[b], memo, held[a], held[b], tick)):
                _settle(t, states, a, members, done, by_class, kind)
                _settle(t, states, b, members, done, by_class, kind)
                for c in range(slots.size):
                    if slots[c] == b:
                        _move(slots, members, done, by_channel, c, a)


@inner
def _choose(slots, task_program, slot_program):
    """Set what each slot runs; returns whether the channels of some slot differ in that."""
    slot_program[:] = -2
    for c in range(slots.size):
        s = slots[c]
        if slot_program[s] == -2:
            slot_program[s] = task_program[c]
        elif slot_program[s] != task_program[c]:
            return True
    return False


@inner
def _part(t, states, held, slots, members, done, by_channel, by_class, kind, task_program, slot_program):
    """Give channels of one slot whose programs differ slots of their own; ``slot_program`` is what each slot will run."""
    front = t[H_AT_DUE] + t[H_RANKS]
    slot_program[:] = -2
    for c in range(slots.size):
        program = task_program[c]
        s = slots[c]
        if slot_program[s] == -2:
            slot_program[s] = program
        elif slot_program[s] != program:
            _settle(t, states, s, members, done, by_class, kind)
            target = 0
            while members[target]:
                target += 1
            for i in range(states.shape[1] if held[s, FILLED] else front):
                states[target, i] = states[s, i]
            for i in range(HELD):
                held[target, i] = held[s, i]
            slot_program[target] = program
            for e in range(c, slots.size):
                if slots[e] == s and task_program[e] == program:
                    _move(slots, members, done, by_channel, e, target)


@inner
def _recalled(t, s, memo, held, program, row, begin):
    """Let the channel do what ``program`` did before from an equal state. Returns whether it has; if not, its state is filled."""
    if held[COURSE] >= 0:
        course = next_course(t, s, memo, held, program, row, begin)
        if course >= 0:
            take(t, s, memo, held, course, row, begin)
            return True
        fill(t, s, memo, held)
    course = recall(t, s, memo, program, row, begin)
    if course < 0:
        return False
    if held[COURSE] >= 0:
        keep_step(s, memo, held, program, row, begin, course)
    take(t, s, memo, held, course, row, begin)
    return True


@inner
def _make_room(t, states, memo, held, members):
    """Before a course is remembered: begin anew if the memo is full."""
    if memo.counts[ENTRIES] == memo.keys.shape[0]:
        for s in range(members.size):
            if members[s]:
                fill(t, states[s], memo, held[s])
        held[:, COURSE] = -1
        forget(memo)


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
    members = np.zeros(channels, np.int64)  # channels of each slot
    for c in range(channels):
        members[slots[c]] += 1
    held = np.ones((channels, HELD), np.int64)  # see pimsim.kernels.memo; all states are filled
    held[:, COURSE] = -1
    done = np.zeros((channels, by_channel.shape[1]), np.int64)  # by each slot in this segment
    asic_begin = np.zeros(repeats * count, np.int64)
    asic_end = np.zeros(repeats * count, np.int64)
    asic_count = np.int64(0)  # typed, so that what takes it is compiled once
    asic_seen = np.int64(0)
    asic_free = clock
    pim_begin = clock
    pins_free = clock
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
                kind = tasks[k, CLASS]
                row = tasks[k, ROW_BASE] + r * tasks[k, ROW_STEP]
                for s in range(channels):
                    if members[s]:
                        _charge_wait(t, states[s], begin, asic_begin, asic_end, asic_seen, asic_count)
                        mark = _begin_log(log, slots, s, r * count + k)
                        _wait(t, states[s], memo, held[s], log, begin, remembering)
                        _share_log(log, slots, s, mark)
                while asic_seen < asic_count and asic_end[asic_seen] <= begin:
                    asic_seen += 1
                if fold:
                    _merge(t, states, held, memo, slots, members, done, by_channel, by_class, kind, begin)
                if _choose(slots, task_programs[k], slot_program):
                    _part(t, states, held, slots, members, done, by_channel, by_class, kind, task_programs[k], slot_program)
                end = begin
                if tasks[k, DURATION] > 0:
                    pins_free = max(begin, pins_free) + tasks[k, DURATION]
                    end = pins_free
                for s in range(channels):
                    if members[s]:
                        p = slot_program[s]
                        if p < 0:
                            continue
                        states[s, DONE] = begin
                        if not remembering or not _recalled(t, states[s], memo, held[s], p, row, begin):
                            if remembering:
                                _settle(t, states, s, members, done, by_class, kind)  # what is remembered is the program's alone
                                _make_room(t, states, memo, held, members)
                            mark = _begin_log(log, slots, s, r * count + k)
                            run_program(t, states[s], snapshots, log, programs, program_begin[p],
                                        program_begin[p + 1], row, tasks[k, COLUMN_BASE], begin, postpone, fast)
                            _share_log(log, slots, s, mark)
                            if remembering:
                                held[s, COURSE] = remember(t, states[s], memo, p, row, begin)
                                held[s, BEGAN] = begin
                                held[s, ROW] = row
                        end = max(end, states[s, DONE])
                for s in range(channels):
                    if members[s]:
                        _settle(t, states, s, members, done, by_class, kind)
                end = max(end, streamed_end)
            first_data[k] = min(begin + tasks[k, FIRST], end)
            task_begin[r, k] = begin
            task_end[r, k] = end
            latest = max(latest, end)
        before = latest
    # every channel waits for the end of the segment, so that all ticks up to it are charged
    for s in range(channels):
        if members[s]:
            if remembering:
                fill(t, states[s], memo, held[s])
            _charge_wait(t, states[s], before, asic_begin, asic_end, asic_seen, asic_count)
            mark = _begin_log(log, slots, s, repeats * count - 1)
            wait_until(t, states[s], log, before)
            _share_log(log, slots, s, mark)
            _settle(t, states, s, members, done, by_class, tasks[count - 1, CLASS])
    for c in range(channels):
        for i in range(done.shape[1]):
            by_channel[c, i] += done[slots[c], i]
    return before
