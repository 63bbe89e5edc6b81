"""When may a command issue, and what does issuing it hold back: the two questions of a DRAM channel.

Both work on one channel's state vector ``s`` and the packed table ``t`` (``pimsim.kernels.packed``). The state keeps, for every
node and command, the tick from which the command is allowed ("ready"); a command looks at the nodes on the path from the
channel to its target, and issuing it moves the ready times of the nodes on that path. A run of equal column commands at their
cadence counts as one: only the last of them can hold a later command back, because every rule counts from the latest. Windows
and sibling rules keep, for each earlier command, the tick at which it stops holding back. So every entry of the state is a tick
before which something may not happen, and entries in the past mean nothing: states are compared on what lies ahead.

A channel takes its commands in order: none issues before the last one, also where row and column commands have buses of their own.
"""

from __future__ import annotations

from numpy import uint64 as at  # an index known not to be negative: numba then leaves out the test for one

from pimsim.kernels.jit import inline, inner
from pimsim.kernels.packed import (
    C_ACTIVATIONS,
    C_AFTER_SIBLING,
    C_BUS,
    C_BUS_CYCLES,
    C_CHECK,
    C_CHECK_END,
    C_ENTERS,
    C_GROUP,
    C_GROUP_END,
    C_MOVES_MORE,
    C_PERIOD,
    C_PHASE,
    C_SEES_MORE,
    C_SLOT,
    C_WAITS,
    COMMAND,
    GROUP,
    H_SIBLING,
    H_SIBLING_END,
    H_WINDOW,
    HEADER,
    RULE,
    SIBLING,
    WINDOW,
)
from pimsim.kernels.table import LAST


@inline
def aligned(t, command, tick):
    """The first tick at or after ``tick`` on which the command may issue at all (edges of a clock)."""
    record = HEADER + command * COMMAND
    period = t[at(record + C_PERIOD)]
    return tick + (t[at(record + C_PHASE)] - tick) % period if period > 1 else tick


@inline
def allowed(t, s, command, bank):
    """First tick at which ``command`` to flat bank ``bank`` breaks no rule, window, sibling rule or bus occupancy."""
    record = HEADER + command * COMMAND
    tick = max(s[at(t[at(record + C_BUS)])], s[LAST])
    slot = t[at(record + C_SLOT)]
    check = t[at(record + C_CHECK)]
    left = t[at(record + C_CHECK_END)] - check
    if left > 0:
        tick = max(tick, s[at(t[at(t[at(check)] + bank)] + slot)])
        if left > 1:
            tick = max(tick, s[at(t[at(t[at(check + 1)] + bank)] + slot)])
            for level in range(check + 2, check + left):
                tick = max(tick, s[at(t[at(t[at(level)] + bank)] + slot)])
    if t[at(record + C_SEES_MORE)]:
        tick = _allowed_more(t, s, command, bank, tick)
    return tick


@inner
def earliest(t, s, command, bank):
    """The same as :func:`allowed`, to be called where inlining it does not pay."""
    return allowed(t, s, command, bank)


@inner
def _allowed_more(t, s, command, bank, tick):
    """The first tick from ``tick`` on that windows, sibling rules and clock edges allow as well."""
    tick = max(tick, _after_windows(t, s, command, bank))
    if t[HEADER + command * COMMAND + C_AFTER_SIBLING]:
        tick = max(tick, _after_siblings(t, s, command, bank))
    return aligned(t, command, tick)


@inner
def _after_windows(t, s, command, bank):
    """The tick at which every window that the command waits for has room for its activations."""
    tick = s[LAST]
    record = HEADER + command * COMMAND
    waits = t[at(record + C_WAITS)]
    w = t[H_WINDOW]
    while waits:
        if waits & 1:
            weight = min(t[at(record + C_ACTIVATIONS)], t[at(w + 1)])
            tick = max(tick, s[at(t[at(t[at(w)] + bank)] + weight - 1)])
        waits >>= 1
        w += WINDOW
    return tick


@inner
def _after_siblings(t, s, command, bank):
    """The tick at which no sibling rule holds the command back any more."""
    tick = s[LAST]
    for rule in range(t[H_SIBLING], t[H_SIBLING_END], SIBLING):
        if t[rule + 3] == command:
            own = bank // t[rule]
            first = bank // t[rule + 1] * t[rule + 1] // t[rule]
            for node in range(first, first + t[rule + 1] // t[rule]):
                if node != own:
                    tick = max(tick, s[t[rule + 5] + node])
    return tick


@inline
def take(t, s, command, tick):
    """Record that ``command`` issued at ``tick`` (the last of a counted run): the channel and its bus are taken.

    What it holds back must follow (:func:`hold`) before anything else but the same command to the same place may be asked for.
    """
    s[LAST] = tick
    record = HEADER + command * COMMAND
    s[at(t[at(record + C_BUS)])] = tick + t[at(record + C_BUS_CYCLES)]


@inline
def hold(t, s, command, bank, tick):
    """Everything that ``command``, issued at ``tick``, holds back moves."""
    record = HEADER + command * COMMAND
    for group in range(t[at(record + C_GROUP)], t[at(record + C_GROUP_END)], GROUP):
        node = t[at(t[at(group)] + bank)]
        for rule in range(t[at(group + 1)], t[at(group + 2)], RULE):
            ready = at(node + t[at(rule)])
            s[ready] = max(s[ready], tick + t[at(rule + 1)])
    if t[at(record + C_MOVES_MORE)]:
        _enter_windows(t, s, command, bank, tick)
        _note_sibling(t, s, command, bank, tick)


@inner
def hold_back(t, s, command, bank):
    """:func:`hold` for the last command, to be called where inlining it does not pay."""
    hold(t, s, command, bank, s[LAST])


@inner
def _enter_windows(t, s, command, bank, tick):
    """Drop the oldest of each window's history, as many as the command is activations, and append as many."""
    record = HEADER + command * COMMAND
    enters = t[at(record + C_ENTERS)]
    w = t[H_WINDOW]
    while enters:
        if enters & 1:
            size = t[at(w + 1)]
            kept = max(size - t[at(record + C_ACTIVATIONS)], 0)
            history = t[at(t[at(w)] + bank)]
            for i in range(history, history + kept):
                s[at(i)] = s[at(i + size - kept)]
            for i in range(history + kept, history + size):
                s[at(i)] = tick + t[at(w + 2)]
        enters >>= 1
        w += WINDOW


@inner
def _note_sibling(t, s, command, bank, tick):
    """Note until when the command holds back others in its siblings."""
    for rule in range(t[H_SIBLING], t[H_SIBLING_END], SIBLING):
        if t[rule + 2] == command:
            s[t[rule + 5] + bank // t[rule]] = tick + t[rule + 4]
