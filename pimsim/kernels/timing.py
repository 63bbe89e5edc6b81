"""When may a command issue, and what does issuing it hold back: the two questions of a DRAM channel.

Both work on one channel's state vector ``s`` and the packed table ``t`` (``pimsim.kernels.packed``). The state keeps, for every
node and command, the tick from which the command is allowed ("ready"); a command looks at the nodes on the path from the
channel to its target, and issuing it moves the ready times of the nodes on that path. A run of equal column commands at their
cadence counts as one: only the last of them can hold a later command back, because every rule counts from the latest. Windows
and sibling rules keep, for each earlier command, the tick at which it stops holding back. So every entry of the state is a tick
before which something may not happen, and entries in the past mean nothing: states are compared on what lies ahead.
"""

from __future__ import annotations

from pimsim.kernels.jit import inline, jit
from pimsim.kernels.packed import (
    C_ACTIVATIONS,
    C_AFTER_SIBLING,
    C_BEFORE_SIBLING,
    C_BUS,
    C_BUS_CYCLES,
    C_ENTERS,
    C_LEVELS,
    C_PERIOD,
    C_PHASE,
    C_RULE_BEGIN,
    C_RULE_END,
    C_SCOPE,
    C_WAITS,
    COMMAND,
    H_BANKS,
    H_LEVEL_BANKS,
    H_NODE,
    H_RULE,
    H_SIBLING,
    H_SIBLINGS,
    H_WINDOW,
    HEADER,
    RULE,
    SIBLING,
    WINDOW,
)
from pimsim.kernels.table import BUS, LAST


@inline
def aligned(t, command, tick):
    """The first tick at or after ``tick`` on which the command may issue at all (edges of a clock)."""
    record = HEADER + command * COMMAND
    period = t[record + C_PERIOD]
    return tick + (t[record + C_PHASE] - tick) % period if period > 1 else tick


@jit
def earliest(t, s, command, bank):
    """First tick at which ``command`` to flat bank ``bank`` breaks no rule, window, sibling rule or bus occupancy."""
    record = HEADER + command * COMMAND
    tick = s[BUS + t[record + C_BUS]]
    banks = t[H_BANKS]
    node = t[H_NODE] + bank
    levels = t[record + C_LEVELS]
    for level in range(t[record + C_SCOPE] + 1):
        if levels >> level & 1:
            ready = s[t[node + level * banks] + command]
            if ready > tick:
                tick = ready
    waits = t[record + C_WAITS]
    w = t[H_WINDOW]
    while waits:
        if waits & 1:
            size = t[w + 1]
            # a command of several activations needs that many places in the window
            weight = min(t[record + C_ACTIVATIONS], size)
            ready = s[t[w + 3] + bank // t[t[H_LEVEL_BANKS] + t[w]] * size + weight - 1]
            if ready > tick:
                tick = ready
        waits >>= 1
        w += WINDOW
    if t[record + C_AFTER_SIBLING]:
        tick = _after_siblings(t, s, command, bank, tick)
    return aligned(t, command, tick)


@jit
def _after_siblings(t, s, command, bank, tick):
    """``tick``, moved behind what the sibling rules demand."""
    for k in range(t[H_SIBLINGS]):
        rule = t[H_SIBLING] + k * SIBLING
        if t[rule + 2] != command:
            continue
        own_banks = t[t[H_LEVEL_BANKS] + t[rule]]
        parent_banks = t[t[H_LEVEL_BANKS] + t[rule] - 1]
        own = bank // own_banks
        first = bank // parent_banks * parent_banks // own_banks
        for node in range(first, first + parent_banks // own_banks):
            if node != own:
                tick = max(tick, s[t[rule + 4] + node])
    return tick


@jit
def issue(t, s, command, bank, tick):
    """Record that ``command`` issued at ``tick`` (the last of a counted run): everything it holds back moves."""
    record = HEADER + command * COMMAND
    s[LAST] = tick
    s[BUS + t[record + C_BUS]] = tick + t[record + C_BUS_CYCLES]
    banks = t[H_BANKS]
    node = t[H_NODE] + bank
    rules = t[H_RULE]
    for k in range(rules + RULE * t[record + C_RULE_BEGIN], rules + RULE * t[record + C_RULE_END], RULE):
        index = t[node + t[k] * banks] + t[k + 1]
        ready = tick + t[k + 2]
        if ready > s[index]:
            s[index] = ready
    enters = t[record + C_ENTERS]
    w = t[H_WINDOW]
    while enters:
        if enters & 1:
            size = t[w + 1]
            weight = min(t[record + C_ACTIVATIONS], size)
            history = t[w + 3] + bank // t[t[H_LEVEL_BANKS] + t[w]] * size
            # oldest first: drop `weight` of them, append as many
            for i in range(history, history + size - weight):
                s[i] = s[i + weight]
            for i in range(history + size - weight, history + size):
                s[i] = tick + t[w + 2]
        enters >>= 1
        w += WINDOW
    if t[record + C_BEFORE_SIBLING]:
        for k in range(t[H_SIBLINGS]):
            rule = t[H_SIBLING] + k * SIBLING
            if t[rule + 1] == command:
                s[t[rule + 4] + bank // t[t[H_LEVEL_BANKS] + t[rule]]] = tick + t[rule + 3]
