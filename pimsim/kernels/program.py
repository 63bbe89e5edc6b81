"""Running a program on a channel, and the exact fast-forward.

A *program* is a list of instructions in order, int64 [n, 8]. An instruction is a command with its place and a count, or a loop over
the instructions behind it. Column commands name the row they need; the channel closes and opens rows as an in-order open-row
controller does. Explicit activates and precharges let a mapping interleave banks. A count above 1 is for commands that leave the rows as
they are: it stands for so many of them, one behind the other in consecutive columns.

Fast-forward: DRAM timing only ever adds and takes maxima, so when the state relative to the last command repeats at the end of a
loop's iteration, so will every following iteration until the next refresh. Those are added in one multiplication: identical
results, not close ones. The log, where there is one, is repeated with them.
"""

from __future__ import annotations

import numpy as np
from numpy import uint64 as at

from pimsim.kernels.channel import LOG_FIELDS, change_rows, first_due, is_ready, not_due, note, prepare
from pimsim.kernels.jit import inline, inner, jit
from pimsim.kernels.packed import (
    C_CADENCE,
    C_CAUSE,
    C_ROWS,
    C_WIDE,
    COMMAND,
    H_ALIGN,
    H_AT_DUE,
    H_AT_NARROW,
    H_AT_ROW,
    H_BANKS,
    H_RANKS,
    H_VECTOR,
    HEADER,
)
from pimsim.kernels.table import BUS, CHARGED, DONE, LAST, OPEN, OPEN_SINCE, OWN_CAUSE, OWN_END, REST_CAUSE, REST_END, UNIFORM
from pimsim.kernels.timing import aligned, allowed, hold, hold_back

# Instruction fields.
OP, BANK, ROW, COLUMN, COUNT, UNUSED, FLAGS, LENGTH = range(8)
FIELDS = 8
LOOP = -1
"""OP of a loop: COUNT iterations of the next LENGTH instructions; ROW and COLUMN are added at every iteration."""
BOUNDARY = 1
"""Flag: a due refresh may come before this instruction, closing all rows."""
WIDE = 2
"""Flag of a loop, for its readers: the body holds only commands of rank or channel scope. The kernel sees for itself."""
MAX_DEPTH = 4
"""Loops within loops, at most."""
WORTH = 4
"""Fewer iterations than this leave nothing to fast-forward: two must be seen to repeat, and the last one is always run."""

# A frame: what is known of a loop that is being run.
F_HEAD, F_LEFT, F_ROW, F_COLUMN, F_LIMIT, F_SEEN, F_LOG, F_DECISIONS = range(8)
FRAME = 8
NO_LIMIT = 0
NOTHING = np.int64(-1)


@inline
def _row_repeats(row, before, row_step):
    if row < 0 or before < 0:
        return row < 0 and before < 0
    return row == before or row == before + row_step


@inner
def _repeats(t, s, snapshot, limit, row_step):
    """Does the state, relative to its last command, equal the snapshot's? Rows may have moved by ``row_step``."""
    now = s[LAST]
    before = snapshot[LAST]
    if now == before or (now - before) % t[H_ALIGN]:
        return False
    if s[CHARGED] - now != snapshot[CHARGED] - before or s[OWN_CAUSE] != snapshot[OWN_CAUSE] or s[OPEN] != snapshot[OPEN]:
        return False
    if s[REST_END] > now and s[REST_CAUSE] != snapshot[REST_CAUSE]:
        return False
    if s[OPEN_SINCE] != snapshot[OPEN_SINCE] and s[OPEN_SINCE] - snapshot[OPEN_SINCE] != now - before:
        return False
    if not _row_repeats(s[UNIFORM], snapshot[UNIFORM], row_step):
        return False
    ready = t[H_AT_DUE] + t[H_RANKS]
    for i in range(t[H_AT_DUE], ready):
        if s[at(i)] != snapshot[at(i)]:
            return False
    different = 0
    for i in (BUS, BUS + 1, DONE, OWN_END, REST_END):
        different |= max(s[i] - now, 0) ^ max(snapshot[i] - before, 0)
    for i in range(ready, limit):
        different |= max(s[at(i)] - now, 0) ^ max(snapshot[at(i)] - before, 0)
    if different:
        return False
    if s[UNIFORM] < 0 and s[OPEN] > 0:
        for i in range(t[H_AT_ROW], t[H_AT_ROW] + t[H_BANKS]):
            if not _row_repeats(s[at(i)], snapshot[at(i)], row_step):
                return False
    return True


@inner
def _skip(t, s, snapshot, limit, times):
    """Move the channel on by ``times`` iterations like the last one (the snapshot is one iteration old)."""
    step = (s[LAST] - snapshot[LAST]) * times
    for i in (LAST, BUS, BUS + 1, DONE, CHARGED, OWN_END, REST_END, OPEN_SINCE):
        if s[i] != snapshot[i]:
            s[i] += step
    s[UNIFORM] += (s[UNIFORM] - snapshot[UNIFORM]) * times
    for i in range(t[H_AT_DUE] + t[H_RANKS], limit):
        s[at(i)] += step if s[at(i)] != snapshot[at(i)] else 0
    for i in range(t[H_AT_ROW], t[H_VECTOR]):  # rows and counters
        s[at(i)] += (s[at(i)] - snapshot[at(i)]) * times


@inner
def _keep(t, s, snapshot, limit):
    """Take a snapshot."""
    for i in range(limit):
        snapshot[at(i)] = s[at(i)]
    for i in range(t[H_AT_ROW], t[H_VECTOR]):
        snapshot[at(i)] = s[at(i)]


@inner
def _repeat_log(log, begin, times, period, row_step, column_step):
    """Append the entries behind number ``begin`` another ``times`` times, each later than the one before by ``period``."""
    end = log[0, 0]
    for k in range(1, times + 1):
        for e in range(begin + 1, end + 1):
            log[0, 0] += 1
            n = log[0, 0]
            if n < log.shape[0]:
                for f in range(LOG_FIELDS):
                    log[n, f] = log[e, f]
                log[n, 0] += k * period
                log[n, 4] += k * row_step if log[n, 4] >= 0 else 0
                log[n, 5] += k * column_step if log[n, 5] >= 0 else 0


@inner
def _limit(t, program, head):
    """Where the part of the state ends that a loop's body can change or look at: commands of rank scope leave most alone."""
    for pc in range(head + 1, head + 1 + program[head, LENGTH]):
        if program[pc, OP] != LOOP and not t[HEADER + program[pc, OP] * COMMAND + C_WIDE]:
            return t[H_AT_ROW]
    return t[H_AT_NARROW]


@inner
def _fast_forward(t, s, snapshot, log, frame, program, decisions, decided, postpone):
    """At the end of an iteration: skip the following ones if they repeat it, and take note of the state.

    Returns:
        How many were skipped, and the tick of the latest decision about a refresh with them.
    """
    head = frame[F_HEAD]
    if frame[F_LIMIT] == NO_LIMIT:
        frame[F_LIMIT] = _limit(t, program, head)
    limit = frame[F_LIMIT]
    times = 0
    if frame[F_SEEN] and _repeats(t, s, snapshot, limit, program[head, ROW]):
        period = s[LAST] - snapshot[LAST]
        times = frame[F_LEFT] - 1
        if decisions > frame[F_DECISIONS]:  # the iteration decided about a refresh, and so would the next ones
            times = max(min(times, (first_due(t, s) + postpone - 1 - decided) // period), 0)
            if times > 0:
                decided += period * times
                not_due(t, s, decided, postpone)
        if times > 0:
            if log.shape[0] > 0:
                _repeat_log(log, frame[F_LOG], times, period, program[head, ROW], program[head, COLUMN])
            _skip(t, s, snapshot, limit, times)
    if frame[F_LEFT] - times > 1:
        _keep(t, s, snapshot, limit)
        frame[F_SEEN] = 1
        if log.shape[0] > 0:
            frame[F_LOG] = log[0, 0]
    frame[F_DECISIONS] = decisions
    return times, decided


@jit
def run_program(t, s, snapshots, log, program, begin, end, row_base, column_base, floor, postpone, fast):
    """Run instructions ``begin`` .. ``end`` of ``program`` on one channel, none before tick ``floor``.

    Args:
        snapshots: int64 [MAX_DEPTH, vector], scratch space for the fast-forward.
        row_base, column_base: added to every row and column.
        postpone: ticks by which a refresh may be late.
        fast: whether iterations that repeat are added at once.
    """
    frames = np.empty((MAX_DEPTH, FRAME), np.int64)
    _run(t, s, snapshots, frames, log, program, begin, end, row_base, column_base, floor, postpone, fast)


@inner
def _run(t, s, snapshots, frames, log, program, begin, end, row_base, column_base, floor, postpone, fast):
    """:func:`run_program` with its stack of loops."""
    row, column = row_base, column_base
    held, held_bank = NOTHING, NOTHING  # the last command, if what it holds back has not been recorded yet
    run = NOTHING  # the same, if one more of it may follow at its cadence
    decisions = 0  # about a refresh ...
    decided = -1  # ... and the tick of the latest
    depth = 0
    turn = -1  # where the innermost loop ends
    pc = begin
    while True:
        if pc == turn:
            frame = frames[depth - 1]
            head = frame[F_HEAD]
            frame[F_LEFT] -= 1
            if fast and frame[F_LEFT] > 0 and program[head, COUNT] >= WORTH:
                if held != NOTHING:
                    hold_back(t, s, held, held_bank)
                    held, run = NOTHING, NOTHING
                times, decided = _fast_forward(t, s, snapshots[depth - 1], log, frame, program, decisions, decided, postpone)
                frame[F_LEFT] -= times
                row += program[head, ROW] * times
                column += program[head, COLUMN] * times
            if frame[F_LEFT] > 0:
                row += program[head, ROW]
                column += program[head, COLUMN]
                pc = head + 1
                continue
            row, column = frame[F_ROW], frame[F_COLUMN]
            depth -= 1
            turn = -1
            if depth > 0:
                head = frames[depth - 1, F_HEAD]
                turn = head + 1 + program[head, LENGTH]
            continue
        if pc == end:
            break
        op = program[at(pc), OP]
        if op == LOOP:
            if program[pc, COUNT] > 0:
                frame = frames[depth]
                frame[F_HEAD], frame[F_LEFT], frame[F_ROW], frame[F_COLUMN] = pc, program[pc, COUNT], row, column
                frame[F_LIMIT], frame[F_SEEN] = NO_LIMIT, 0
                depth += 1
                turn = pc + 1 + program[pc, LENGTH]
            else:
                pc += program[pc, LENGTH]
            pc += 1
            continue
        bank, its_row = program[at(pc), BANK], program[at(pc), ROW] + row
        its_column, count = program[at(pc), COLUMN] + column, program[at(pc), COUNT]
        boundary = program[at(pc), FLAGS] & BOUNDARY
        record = HEADER + op * COMMAND
        direct = not boundary and is_ready(t, s, record, bank, its_row)
        again = direct and op == run and bank == held_bank
        if not again and held != NOTHING:
            hold(t, s, held, held_bank, s[LAST])
            held = NOTHING
        if not direct:
            needed, tick = prepare(t, s, log, op, bank, its_row, boundary, floor, postpone)
            if tick >= 0:
                decisions += 1
                decided = tick
            if not needed:
                run = NOTHING
                pc += 1
                continue
        cadence = t[at(record + C_CADENCE)]
        first = s[LAST] + cadence if again else allowed(t, s, op, bank)
        if first < floor:
            first = aligned(t, op, floor)
        note(t, s, log, op, bank, its_row, its_column, count, first, t[at(record + C_CAUSE)])
        change_rows(t, s, op, bank, its_row)
        held, held_bank = op, bank
        run = op if cadence > 0 and not t[at(record + C_ROWS)] else NOTHING
        pc += 1
    if held != NOTHING:
        hold_back(t, s, held, held_bank)
