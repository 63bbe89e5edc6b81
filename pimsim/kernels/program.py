"""Running a program on a channel, and the exact fast-forward.

A *program* is a list of instructions in order, int64 [n, 8]. An instruction is a command with its place and a count, or a loop over
the instructions behind it. Column commands name the row they need; the channel closes and opens rows as an in-order open-row
controller does. Explicit activates and precharges let a mapping interleave banks.

Fast-forward: DRAM timing only ever adds and takes maxima, so when the state relative to the last command repeats at the end of a
loop's iteration, so will every following iteration until the next refresh. Those are added in one multiplication: identical
results, not close ones.
"""

from __future__ import annotations

import numpy as np

from pimsim.kernels.channel import execute, first_due, not_due
from pimsim.kernels.jit import jit
from pimsim.kernels.packed import H_AT_COUNTERS, H_AT_DUE, H_AT_NARROW, H_AT_ROW, H_BANKS, H_RANKS, H_VECTOR
from pimsim.kernels.table import BUS, CHARGED, DONE, LAST, OPEN, OPEN_SINCE, OWN_CAUSE, OWN_END, REST_CAUSE, REST_END, UNIFORM

# Instruction fields.
OP, BANK, ROW, COLUMN, COUNT, BIND, FLAGS, LENGTH = range(8)
FIELDS = 8
LOOP = -1
"""OP of a loop: COUNT iterations of the next LENGTH instructions; ROW, COLUMN and BIND are added at every iteration."""
BOUNDARY = 1
"""Flag: a due refresh may come before this instruction, closing all rows."""
WIDE = 2
"""Flag of a loop: its body holds only commands of rank or channel scope, so that only the front of the state changes."""
MAX_DEPTH = 4


@jit
def _row_repeats(row, before, row_step):
    if row < 0 or before < 0:
        return row < 0 and before < 0
    return row == before or row == before + row_step


@jit
def _repeats(t, s, snapshot, limit, row_step):
    """Does the state, relative to its last command, equal the snapshot's? Rows may have moved by ``row_step``."""
    now = s[LAST]
    before = snapshot[LAST]
    if s[CHARGED] - now != snapshot[CHARGED] - before or s[OWN_CAUSE] != snapshot[OWN_CAUSE] or s[OPEN] != snapshot[OPEN]:
        return False
    if s[REST_END] > now and s[REST_CAUSE] != snapshot[REST_CAUSE]:
        return False
    for i in (BUS, BUS + 1, DONE, OWN_END, REST_END):
        if max(s[i] - now, 0) != max(snapshot[i] - before, 0):
            return False
    if s[OPEN_SINCE] != snapshot[OPEN_SINCE] and s[OPEN_SINCE] - snapshot[OPEN_SINCE] != now - before:
        return False
    if not _row_repeats(s[UNIFORM], snapshot[UNIFORM], row_step):
        return False
    ready = t[H_AT_DUE] + t[H_RANKS]
    for i in range(t[H_AT_DUE], ready):
        if s[i] != snapshot[i]:
            return False
    rows = t[H_AT_ROW]
    for i in range(ready, min(limit, rows)):
        if max(s[i] - now, 0) != max(snapshot[i] - before, 0):
            return False
    for i in range(rows, min(limit, rows + t[H_BANKS])):
        if not _row_repeats(s[i], snapshot[i], row_step):
            return False
    return True


@jit
def _skip(t, s, snapshot, limit, times):
    """Move the channel on by ``times`` iterations like the last one (the snapshot is one iteration old)."""
    step = (s[LAST] - snapshot[LAST]) * times
    for i in (LAST, BUS, BUS + 1, DONE, CHARGED, OWN_END, REST_END, OPEN_SINCE):
        if s[i] != snapshot[i]:
            s[i] += step
    s[UNIFORM] += (s[UNIFORM] - snapshot[UNIFORM]) * times
    rows = t[H_AT_ROW]
    for i in range(t[H_AT_DUE] + t[H_RANKS], min(limit, rows)):
        if s[i] != snapshot[i]:
            s[i] += step
    for i in range(rows, min(limit, rows + t[H_BANKS])):
        s[i] += (s[i] - snapshot[i]) * times
    for i in range(t[H_AT_COUNTERS], t[H_VECTOR]):
        s[i] += (s[i] - snapshot[i]) * times


@jit
def run_program(t, s, snapshots, log, program, begin, end, row_base, column_base, floor, postpone, fast):
    """Run instructions ``begin`` .. ``end`` of ``program`` on one channel, none before tick ``floor``.

    Args:
        snapshots: int64 [MAX_DEPTH, vector], scratch space for the fast-forward.
        row_base, column_base: added to every row and column.
        postpone: ticks by which a refresh may be late.
        fast: whether iterations that repeat are added at once.
    """
    loop_pc = np.empty(MAX_DEPTH, np.int64)
    left = np.empty(MAX_DEPTH, np.int64)
    seen = np.empty(MAX_DEPTH, np.int64)
    row_at = np.empty(MAX_DEPTH + 1, np.int64)
    column_at = np.empty(MAX_DEPTH + 1, np.int64)
    row_at[0] = row_base
    column_at[0] = column_base
    decided = -1  # tick of the latest decision about a refresh
    depth = 0
    pc = begin
    while True:
        if depth > 0 and pc == loop_pc[depth - 1] + 1 + program[loop_pc[depth - 1], LENGTH]:
            d = depth - 1
            head = loop_pc[d]
            left[d] -= 1
            if left[d] == 0:
                depth -= 1
                continue
            if fast:
                limit = t[H_AT_NARROW] if program[head, FLAGS] & WIDE else t[H_AT_COUNTERS]
                snapshot = snapshots[d]
                if seen[d] and s[LAST] > snapshot[LAST] and _repeats(t, s, snapshot, limit, program[head, ROW]):
                    period = s[LAST] - snapshot[LAST]
                    times = left[d] - 1
                    if decided > snapshot[LAST]:  # the iteration decided about a refresh, and so would the next ones
                        times = min(times, (first_due(t, s) + postpone - 1 - decided) // period)
                        if times > 0:
                            decided += period * times
                            not_due(t, s, decided, postpone)
                    if times > 0:
                        _skip(t, s, snapshot, limit, times)
                        left[d] -= times
                        row_at[depth] += program[head, ROW] * times
                        column_at[depth] += program[head, COLUMN] * times
                if left[d] > 1:
                    for i in range(limit):
                        snapshot[i] = s[i]
                    for i in range(t[H_AT_COUNTERS], t[H_VECTOR]):
                        snapshot[i] = s[i]
                    seen[d] = 1
            row_at[depth] += program[head, ROW]
            column_at[depth] += program[head, COLUMN]
            pc = head + 1
            continue
        if pc == end:
            break
        if program[pc, OP] == LOOP:
            if program[pc, COUNT] == 0:
                pc += 1 + program[pc, LENGTH]
                continue
            loop_pc[depth] = pc
            left[depth] = program[pc, COUNT]
            seen[depth] = 0
            depth += 1
            row_at[depth] = row_at[depth - 1]
            column_at[depth] = column_at[depth - 1]
            pc += 1
            continue
        at = execute(t, s, log, program[pc, OP], program[pc, BANK], program[pc, ROW] + row_at[depth],
                     program[pc, COLUMN] + column_at[depth], program[pc, COUNT], program[pc, FLAGS] & BOUNDARY, floor,
                     postpone)
        decided = max(decided, at)
        pc += 1
