"""When may a command issue on the contended channel, and what does issuing it hold back.

The same rules as ``pimsim.kernels.timing``, but activation windows and sibling rules too are applied when the earlier command issues, so
that asking takes one load a level. ``o`` is the distance from the ready times to a shadow of them (0: none).
"""

from __future__ import annotations

import numpy as np

from pimsim.kernels.contend_layout import (
    BUS,
    COMMAND,
    K_LEVELS,
    K_RULES,
    K_RULES_END,
    K_SIBLINGS,
    K_SIBLINGS_END,
    K_WEIGHT,
    K_WINDOWS,
    K_WINDOWS_END,
    P_AFTER_RESULT,
    P_BEFORE_RESULT,
    P_COMMANDS,
    P_MEMORY_SHADOW,
    P_NODES,
    P_PIM_SHADOW,
    P_READ,
    P_RESULT,
    P_WRITE,
    RESULT,
    RULE,
    SIBLING,
    W_AFTER,
    W_AFTER_END,
    W_BANKS,
    W_HISTORY,
    W_LEVEL,
    W_SIZE,
    W_TICKS,
)
from pimsim.kernels.jit import inline, inner
from pimsim.kernels.table import NEVER

WIDE = np.int64(0b00111)
"""Levels channel, rank and stack, as bits."""

BOTH = np.int64(0)
"""Instead of a shadow: a command that both kinds of work wait for."""

REAL = np.int64(0)
"""The ready times themselves, not a shadow of them."""

ALL, WHOLE = np.int64(-1), np.int64(0)
"""All levels; the bank of a command that addresses the whole channel."""

NOTHING, ACCESSES = np.int64(0), np.int64(1)
"""What a command is kept from holding back."""


@inner
def _ready(p, s, o, command, bank, levels):
    """Latest ready time of a command at the given levels of the path to a bank."""
    tick = NEVER
    mask = p[P_COMMANDS + command * COMMAND + K_LEVELS] & levels
    level = P_NODES
    while mask:
        if mask & 1:
            tick = max(tick, s[o + p[p[level] + bank] + command])
        mask >>= 1
        level += 1
    return tick


@inline
def wide(p, s, command, bank):
    """Ready time of a command as far as channel, rank and stack are concerned, and the command bus."""
    return max(s[BUS], _ready(p, s, REAL, command, bank, WIDE))


@inline
def narrow(p, s, command, bank):
    """Ready time of a command as far as bank group and bank are concerned."""
    return _ready(p, s, REAL, command, bank, ~WIDE)


@inline
def ask(p, s, command, bank):
    """First tick at which a command may issue; it takes a slot of the command bus."""
    return max(s[BUS], _ready(p, s, REAL, command, bank, ALL))


@inline
def ask_sequencer(p, s, command):
    """First tick at which the sequencer may issue a command."""
    return _ready(p, s, REAL, command, WHOLE, ALL)


@inline
def around_result(p, s, write, tick):
    """``tick``, moved behind the sequencer's READRES if an access at that tick would get into its way."""
    result = s[RESULT]
    if tick + p[P_BEFORE_RESULT + write] <= result:
        return tick
    return max(tick, result + p[P_AFTER_RESULT + write])


@inner
def alone(p, s, shadow, command, bank):
    """First tick at which a command might have gone without the other kind of work."""
    return _ready(p, s, shadow, command, bank, ALL)


@inner
def _push(p, s, o, command, bank, tick, skip):
    """Hold back what ``command`` at ``tick`` holds back, but not ``skip``: NOTHING or ACCESSES."""
    record = P_COMMANDS + command * COMMAND
    for k in range(p[record + K_RULES], p[record + K_RULES_END], RULE):
        after = p[k + 1]
        if skip == ACCESSES and (after == p[P_READ] or after == p[P_WRITE]):
            continue
        index = o + p[p[k] + bank] + after
        s[index] = max(s[index], tick + p[k + 2])
    for w in range(p[record + K_WINDOWS], p[record + K_WINDOWS_END]):
        _enter(p, s, o, p[w], p[record + K_WEIGHT], bank, tick)
    for k in range(p[record + K_SIBLINGS], p[record + K_SIBLINGS_END], SIBLING):
        own, parent = p[k], p[k + 1]
        first = bank // parent * parent
        for other in range(first, first + parent, own):
            if other != bank // own * own:
                index = o + p[p[k + 2] + other] + p[k + 3]
                s[index] = max(s[index], tick + p[k + 4])


@inner
def _enter(p, s, o, window, activations, bank, tick):
    """Enter a command into an activation window, and hold back what waits for it."""
    size = p[window + W_SIZE]
    weight = min(activations, size)
    history = o + p[window + W_HISTORY] + bank // p[window + W_BANKS] * size
    for i in range(history, history + size - weight):
        s[i] = s[i + weight]
    for i in range(history + size - weight, history + size):
        s[i] = tick + p[window + W_TICKS]
    node = o + p[p[window + W_LEVEL] + bank]
    for k in range(p[window + W_AFTER], p[window + W_AFTER_END], 2):
        # a command of several activations needs as many places
        index = node + p[k]
        s[index] = max(s[index], s[history + min(p[k + 1], size) - 1])


@inner
def issue(p, s, shadow, command, bank, tick):
    """A command takes the command bus at ``tick``; ``shadow``: of the work that it belongs to, or BOTH."""
    s[BUS] = tick + 1
    _push(p, s, REAL, command, bank, tick, NOTHING)
    if shadow != p[P_MEMORY_SHADOW]:
        _push(p, s, p[P_PIM_SHADOW], command, bank, tick, NOTHING)
    if shadow != p[P_PIM_SHADOW]:
        _push(p, s, p[P_MEMORY_SHADOW], command, bank, tick, NOTHING)


@inner
def issue_sequencer(p, s, command, tick):
    """The sequencer will issue a command at ``tick``.

    Accesses may still go before a READRES that comes: its distance to them is kept by :func:`around_result`, and goes to the ready
    times once the next READRES is known.
    """
    if command == p[P_RESULT]:
        for write in range(2):
            index = p[p[P_NODES]] + p[P_READ + write]
            s[index] = max(s[index], s[RESULT] + p[P_AFTER_RESULT + write])
        s[RESULT] = tick
    _push(p, s, REAL, command, WHOLE, tick, ACCESSES if command == p[P_RESULT] else NOTHING)
    _push(p, s, p[P_PIM_SHADOW], command, WHOLE, tick, NOTHING)
