"""When may a command issue, and what does issuing it hold back: the same rules as ``pimsim.kernels.timing``, laid out for speed.

A memory controller asks the first question for every candidate and the second once a command. So the answer is kept ready:
every rule is applied when the *earlier* command issues, to each segment or bank that it holds back, activation windows and
sibling rules included; asking takes two loads.
"""

from __future__ import annotations

from pimsim.kernels.jit import inline, jit
from pimsim.kernels.request_layout import (
    B_GROUP,
    B_GROUP_END,
    B_RING,
    B_SEGMENT,
    BANK_RECORD,
    BUS,
    COMMAND,
    G_FIRST,
    G_RANK,
    K_BANK,
    K_BANKS,
    K_BUS,
    K_CHANNEL,
    K_CYCLES,
    K_GROUP,
    K_GROUPS,
    K_PERIOD,
    K_PHASE,
    K_RANK,
    K_RANKS,
    K_RULES,
    K_SEGMENT,
    K_STACKS,
    K_WINDOWS,
    OF_BANK,
    OF_CHANNEL,
    OF_GROUP,
    OF_SEGMENT,
    P_RECORDS,
    P_SEGMENTS,
    P_SEGMENTS_END,
    P_WINDOWS,
    SEGMENT,
    W_AFTER,
    W_AFTER_END,
    W_REACH,
    W_SIZE,
    W_TICKS,
    WINDOW,
)


@inline
def record_of(command):
    """Where a command's record stands in the plan."""
    return P_RECORDS + command * COMMAND


@inline
def aligned(p, record, tick):
    """The first tick at or after ``tick`` on which a command may issue at all (edges of a clock)."""
    period = p[record + K_PERIOD]
    return tick + (p[record + K_PHASE] - tick) % period if period > 1 else tick


@inline
def earliest(p, s, command, b, floor):
    """First tick not before ``floor`` at which the command may issue to a bank (or to what it is in)."""
    record = record_of(command)
    tick = max(floor, s[BUS + p[record + K_BUS]])
    tick = max(tick, max(s[b + command], s[s[b + B_SEGMENT] + command]))
    return aligned(p, record, tick)


@inline
def _hold_back(p, s, begin, end, tick, target):
    """Apply rules to one segment or bank."""
    for k in range(begin, end, 2):
        index = target + p[k + 1]
        s[index] = max(s[index], tick + p[k])


@jit
def _hold_back_widely(p, s, record, b, tick):
    """The rules that reach beyond the own segment, and those of siblings."""
    own = s[b + B_SEGMENT]
    for g in range(p[P_SEGMENTS], p[P_SEGMENTS_END], SEGMENT):
        if s[g + G_RANK] == s[own + G_RANK]:
            _hold_back(p, s, p[record + K_BANK], p[record + K_RANK], tick, g)
            if g != own:
                _hold_back(p, s, p[record + K_CHANNEL], p[record + K_STACKS], tick, g)
        else:
            _hold_back(p, s, p[record + K_STACKS], p[record + K_RANKS], tick, g)
        _hold_back(p, s, p[record + K_RANK], p[record + K_CHANNEL], tick, g)
    if p[record + K_BANKS] > p[record + K_RANKS]:
        first = s[own + G_FIRST]
        for other in range(first, first + 64 * BANK_RECORD, BANK_RECORD):
            if s[other + B_SEGMENT] != own:
                break
            if s[other + B_GROUP] != s[b + B_GROUP]:
                _hold_back(p, s, p[record + K_RANKS], p[record + K_GROUPS], tick, other)
            elif other != b:
                _hold_back(p, s, p[record + K_GROUPS], p[record + K_BANKS], tick, other)


@jit
def _enter(p, s, windows, b, tick):
    """The command takes a place in activation windows (a bit each); the oldest place says when the next command may come."""
    w = p[P_WINDOWS]
    ring_at = b + B_RING
    while windows:
        if windows & 1:
            ring = s[ring_at]
            place = s[ring]
            s[ring + 1 + place] = tick
            place += 1
            if place == p[w + W_SIZE]:
                place = 0
            s[ring] = place
            until = s[ring + 1 + place] + p[w + W_TICKS]
            reach = p[w + W_REACH]
            begin = p[w + W_AFTER]
            end = p[w + W_AFTER_END]
            if reach == OF_SEGMENT:
                _wait(p, s, begin, end, until, s[b + B_SEGMENT])
            elif reach == OF_BANK:
                _wait(p, s, begin, end, until, b)
            elif reach == OF_GROUP:
                for other in range(s[b + B_GROUP], s[b + B_GROUP_END], BANK_RECORD):
                    _wait(p, s, begin, end, until, other)
            else:
                for g in range(p[P_SEGMENTS], p[P_SEGMENTS_END], SEGMENT):
                    if reach == OF_CHANNEL or s[g + G_RANK] == s[s[b + B_SEGMENT] + G_RANK]:
                        _wait(p, s, begin, end, until, g)
                        windows >>= 1
        w += WINDOW
        ring_at += 1


@inline
def _wait(p, s, begin, end, until, target):
    """Commands listed from ``begin`` to ``end`` wait until a tick, in one segment or bank."""
    for k in range(begin, end):
        index = target + p[k]
        s[index] = max(s[index], until)


@jit
def issue(p, s, command, b, tick):
    """Record that ``command`` issued at ``tick``: everything it holds back moves."""
    record = record_of(command)
    s[BUS + p[record + K_BUS]] = tick + p[record + K_CYCLES]
    segment = p[record + K_SEGMENT]
    g = s[b + B_SEGMENT]
    _hold_back(p, s, p[record + K_RULES], segment, tick, g)
    group = p[record + K_GROUP]
    if group > segment:
        for other in range(s[b + B_GROUP], s[b + B_GROUP_END], BANK_RECORD):
            _hold_back(p, s, segment, group, tick, other)
    bank = p[record + K_BANK]
    _hold_back(p, s, group, bank, tick, b)
    if p[record + K_BANKS] > bank:
        _hold_back_widely(p, s, record, b, tick)
    if p[record + K_WINDOWS]:
        _enter(p, s, p[record + K_WINDOWS], b, tick)
