"""When may a command issue, and what does issuing it hold back: the same rules as ``pimsim.kernels.timing``, laid out for speed.

A memory controller asks the first question for every candidate and the second once a command. So the answer is kept ready:
every rule is applied when the *earlier* command issues, to each segment or bank that it holds back, activation windows and
sibling rules included; asking takes two loads.
"""

from __future__ import annotations

from pimsim.kernels.jit import inline
from pimsim.kernels.request_layout import (
    B_GROUP,
    B_GROUP_END,
    B_RANK,
    B_SEGMENT,
    BUS,
    COMMAND,
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
    P_AT_WINDOW,
    P_RANK_SEGMENTS,
    PLACE,
    W_AFTER,
    W_AT,
    W_NODE_BANKS,
    W_SIZE,
    W_TICKS,
    WINDOW,
)


@inline
def ready(L, s, command, bank, segment):
    """First tick at which no rule holds the command back; bus and clock edges apart."""
    narrow = s[L.narrow + command * L.banks + bank]
    wide = s[L.wide + segment * L.commands + command]
    return max(narrow, wide)


@inline
def aligned(L, p, command, tick):
    """The first tick at or after ``tick`` on which the command may issue at all (edges of a clock)."""
    record = L.command + command * COMMAND
    period = p[record + K_PERIOD]
    return tick + (p[record + K_PHASE] - tick) % period if period > 1 else tick


@inline
def earliest(L, p, s, command, bank, floor):
    """First tick not before ``floor`` at which the command may issue, bus included."""
    tick = max(floor, s[BUS + p[L.command + command * COMMAND + K_BUS]])
    tick = max(tick, ready(L, s, command, bank, p[L.place + bank * PLACE + B_SEGMENT]))
    return aligned(L, p, command, tick)


@inline
def _hold_back(p, s, begin, end, tick, base, stride):
    """Apply the rules ``begin`` .. ``end`` to one segment (``stride`` 1) or bank (``stride`` = banks)."""
    for k in range(begin, end, 2):
        index = base + p[k + 1] * stride
        s[index] = max(s[index], tick + p[k])


@inline
def issue(L, p, s, command, bank, tick):
    """Record that ``command`` issued at ``tick``: everything it holds back moves."""
    record = L.command + command * COMMAND
    place = L.place + bank * PLACE
    s[BUS + p[record + K_BUS]] = tick + p[record + K_CYCLES]
    segment = p[place + B_SEGMENT]
    wide = L.wide + segment * L.commands
    _hold_back(p, s, p[record + K_RULES], p[record + K_SEGMENT], tick, wide, 1)
    if p[record + K_RANKS] > p[record + K_SEGMENT]:
        _hold_back_widely(L, p, s, record, place, tick)
    begin = p[record + K_RANKS]
    end = p[record + K_GROUP]
    if end > begin:
        for b in range(p[place + B_GROUP], p[place + B_GROUP_END]):
            _hold_back(p, s, begin, end, tick, L.narrow + b, L.banks)
    _hold_back(p, s, end, p[record + K_BANK], tick, L.narrow + bank, L.banks)
    if p[record + K_BANKS] > p[record + K_BANK]:
        _hold_back_siblings(L, p, s, record, bank, tick)
    windows = p[record + K_WINDOWS]
    if windows:
        _enter(L, p, s, windows, bank, tick)


@inline
def _hold_back_widely(L, p, s, record, place, tick):
    """The rules that reach beyond the own segment."""
    own = p[place + B_SEGMENT]
    segments = p[P_RANK_SEGMENTS]
    first = p[place + B_RANK] * segments
    for segment in range(L.segments):
        base = L.wide + segment * L.commands
        if first <= segment < first + segments:
            _hold_back(p, s, p[record + K_SEGMENT], p[record + K_RANK], tick, base, 1)
            if segment != own:
                _hold_back(p, s, p[record + K_CHANNEL], p[record + K_STACKS], tick, base, 1)
        else:
            _hold_back(p, s, p[record + K_STACKS], p[record + K_RANKS], tick, base, 1)
        _hold_back(p, s, p[record + K_RANK], p[record + K_CHANNEL], tick, base, 1)


@inline
def _hold_back_siblings(L, p, s, record, bank, tick):
    """The rules of the other bank groups of the segment and of the other banks of the bank group."""
    place = L.place + bank * PLACE
    first = p[place + B_SEGMENT] * L.segment_banks
    for b in range(first, first + L.segment_banks):
        if p[place + B_GROUP] <= b < p[place + B_GROUP_END]:
            if b != bank:
                _hold_back(p, s, p[record + K_GROUPS], p[record + K_BANKS], tick, L.narrow + b, L.banks)
        else:
            _hold_back(p, s, p[record + K_BANK], p[record + K_GROUPS], tick, L.narrow + b, L.banks)


@inline
def _enter(L, p, s, windows, bank, tick):
    """The command takes a place in activation windows (a bit each); the oldest place says when the next command may come."""
    at = p[P_AT_WINDOW]
    while windows:
        if windows & 1:
            node = bank // p[at + W_NODE_BANKS]
            size = p[at + W_SIZE]
            ring = p[at + W_AT] + node * (size + 1)
            place = s[ring]
            s[ring + 1 + place] = tick
            place += 1
            if place == size:
                place = 0
            s[ring] = place
            until = s[ring + 1 + place] + p[at + W_TICKS]
            begin = p[at + W_AFTER]
            width = p[at + W_NODE_BANKS]
            if width >= L.segment_banks:
                first = node * width // L.segment_banks
                for segment in range(first, first + width // L.segment_banks):
                    for k in range(begin + 1, begin + 1 + p[begin]):
                        index = L.wide + segment * L.commands + p[k]
                        s[index] = max(s[index], until)
            else:
                for b in range(node * width, (node + 1) * width):
                    for k in range(begin + 1, begin + 1 + p[begin]):
                        index = L.narrow + p[k] * L.banks + b
                        s[index] = max(s[index], until)
        windows >>= 1
        at += WINDOW
