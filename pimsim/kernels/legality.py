"""Replay a command log and see which rules it breaks.

Independent of the engines on purpose: it knows *when each command last issued* in every node and looks back from the later
command, where the engines push ready times forward from the earlier one. Nothing is shared but the rows of the standard.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pimsim.kernels.jit import inline, jit
from pimsim.kernels.table import NEVER

# Effects (pimsim.dram.spec.Effect).
ACTIVATE, PRECHARGE, READ, WRITE, READ_PRECHARGE, WRITE_PRECHARGE, REFRESH, COMPUTE = range(8)
ACTIVATE_FIRST = 11

# Columns of the log of one channel.
TICK, COMMAND, BANK, ROW, COUNT, LINE = range(6)

# Columns of a finding; WHAT is the index of a rule or one of the negative numbers below.
WHAT, AT, WHO, WHERE, FROM_LINE, EARLIEST, BEFORE = range(7)
FINDING = 7
BUS, EDGE, NOT_OPEN, WRONG_ROW, NOT_CLOSED, NOT_NAMED, HALF_OPEN, CLOCK, OWED, AHEAD = range(-1, -11, -1)

# Columns of Rulebook.commands.
(
    SCOPE,
    EFFECT,
    COMMAND_BUS,
    BUS_TICKS,
    PERIOD,  # may issue only when tick % PERIOD == PHASE
    PHASE,
    ROW_BUFFER,
    ACTIVATIONS,
    CADENCE,  # distance of the commands of a counted run
    SECOND,  # 1: second half of a two-command activation
    NEEDS_CLOCK,  # 1: needs a running data clock
    KEEPS_CLOCK,
    REFRESHES,  # 1: counts as a refresh
    RULE_BEGIN,  # its rules, as the later command
    RULE_END,
) = range(15)
# Columns of Rulebook.rules and Rulebook.windows; INDEX is that of the rule in the part.
LEVEL, VALUE, INDEX, EARLIER, SIBLING = range(5)
SIZE = 3
# Rulebook.limits.
OVER_OPEN, DEADLINE, INTERVAL, POSTPONABLE = range(4)
# Rows of History.banks.
FIRST_ROW, SECOND_ROW, NAMED, NAMED_AT, REFRESHED = range(5)

CLOSED = -1
MAX_RUNS = 64
"""Counted runs of one channel that may be under way at the same time."""


class Rulebook(NamedTuple):
    """A standard, looking back; all int64. C commands, 5 levels."""

    commands: np.ndarray  # [C, 15]
    rules: np.ndarray  # [R, 5], by later command
    windows: np.ndarray  # [W, 4]
    window_before: np.ndarray  # [W, C] 1: enters the window
    window_after: np.ndarray  # [W, C] 1: waits for it
    node_base: np.ndarray  # [L] first node of a level
    node_banks: np.ndarray  # [L] banks below one node
    limits: np.ndarray  # [4]


class History(NamedTuple):
    """What happened so far on one channel."""

    last: np.ndarray  # [nodes, C] tick of the last command
    window: np.ndarray  # [W, nodes, largest window] ticks, oldest first
    banks: np.ndarray  # [5, banks] open rows, row named by the first half of an activation, its tick, refreshes
    clock_until: np.ndarray  # [ranks]
    bus_until: np.ndarray  # [2]
    path: np.ndarray  # [L] nodes from the channel to the current command's


def history(book: Rulebook) -> History:
    """A channel on which nothing has happened."""
    banks = int(book.node_banks[0])
    nodes = int((banks // book.node_banks).sum())
    largest = int(book.windows[:, SIZE].max(initial=1))
    state = np.full((5, banks), CLOSED, np.int64)
    state[NAMED_AT:] = 0
    return History(
        last=np.full((nodes, len(book.commands)), NEVER, np.int64),
        window=np.full((len(book.windows), nodes, largest), NEVER, np.int64),
        banks=state,
        clock_until=np.full(banks // int(book.node_banks[1]), NEVER, np.int64),
        bus_until=np.zeros(2, np.int64),
        path=np.zeros(book.node_base.size, np.int64),
    )


@inline
def _report(found, place, what, tick, command, bank, line, earliest, before):
    n = place[0]
    if n < found.shape[0]:
        found[n, WHAT] = what
        found[n, AT] = tick
        found[n, WHO] = command
        found[n, WHERE] = bank
        found[n, FROM_LINE] = line
        found[n, EARLIEST] = earliest
        found[n, BEFORE] = before
    place[0] = n + 1


@inline
def _latest_sibling(book, past, level, before):
    """Tick of the last ``before`` in the other nodes of a level below the same parent."""
    own = past.path[level]
    family = book.node_banks[level - 1] // book.node_banks[level]
    first = own - (own - book.node_base[level]) % family
    latest = NEVER
    for node in range(first, first + family):
        if node != own:
            latest = max(latest, past.last[node, before])
    return latest


@inline
def _latest_in_window(book, past, w, command, bank):
    """Tick of the command that must be far enough back for ``command`` to take its places in window ``w``."""
    size = book.windows[w, SIZE]
    width = book.node_banks[book.windows[w, LEVEL]]
    weight = max(min(book.commands[command, ACTIVATIONS], size), 1)
    latest = NEVER
    for b in range(bank, bank + max(book.node_banks[book.commands[command, SCOPE]], width), width):
        latest = max(latest, past.window[w, b // width, weight - 1])
    return latest


@inline
def enter(book, past, command, bank):
    """Set the path to the node that the command addresses."""
    for level in range(book.commands[command, SCOPE] + 1):
        past.path[level] = book.node_base[level] + bank // book.node_banks[level]


@inline
def binding(book, past, command, bank):
    """What holds a command back the longest: (BUS or the index of a rule, until when, tick of the earlier command).

    ``past.path`` is the command's.
    """
    what = BUS
    earliest = past.bus_until[book.commands[command, COMMAND_BUS]]
    before = NEVER
    for r in range(book.commands[command, RULE_BEGIN], book.commands[command, RULE_END]):
        level = book.rules[r, LEVEL]
        if book.rules[r, SIBLING]:
            last = _latest_sibling(book, past, level, book.rules[r, EARLIER])
        else:
            last = past.last[past.path[level], book.rules[r, EARLIER]]
        if last + book.rules[r, VALUE] > earliest:
            earliest = last + book.rules[r, VALUE]
            what = book.rules[r, INDEX]
            before = last
    for w in range(book.windows.shape[0]):
        if book.window_after[w, command]:
            last = _latest_in_window(book, past, w, command, bank)
            if last + book.windows[w, VALUE] > earliest:
                earliest = last + book.windows[w, VALUE]
                what = book.windows[w, INDEX]
                before = last
    return what, earliest, before


@inline
def _check_time(book, past, command, bank, tick, line, found, place):
    """Bus, clock edge, pairwise and sibling rules, windows. Only the rule that asks for the most is reported."""
    what, earliest, before = binding(book, past, command, bank)
    if earliest > tick:
        _report(found, place, what, tick, command, bank, line, earliest, before)
    if tick % book.commands[command, PERIOD] != book.commands[command, PHASE]:
        _report(found, place, EDGE, tick, command, bank, line, -1, NEVER)


@inline
def record_time(book, past, command, bank, tick):
    """The command issues at ``tick``."""
    past.bus_until[book.commands[command, COMMAND_BUS]] = tick + book.commands[command, BUS_TICKS]
    scope = book.commands[command, SCOPE]
    for level in range(scope + 1):
        past.last[past.path[level], command] = tick
    for w in range(book.windows.shape[0]):
        if book.window_before[w, command]:
            size = book.windows[w, SIZE]
            width = book.node_banks[book.windows[w, LEVEL]]
            weight = min(book.commands[command, ACTIVATIONS], size)
            for b in range(bank, bank + max(book.node_banks[scope], width), width):
                for i in range(size - weight):
                    past.window[w, b // width, i] = past.window[w, b // width, i + weight]
                for i in range(size - weight, size):
                    past.window[w, b // width, i] = tick


@inline
def _check_bank(book, past, command, bank, row, tick):
    """What is wrong with the state of one bank, or 0."""
    effect = book.commands[command, EFFECT]
    have = past.banks[FIRST_ROW + book.commands[command, ROW_BUFFER], bank]
    named = past.banks[NAMED, bank]
    what = 0
    if effect == ACTIVATE and book.commands[command, SECOND]:
        if named == CLOSED or (row >= 0 and named != row):
            what = NOT_NAMED
        elif tick > past.banks[NAMED_AT, bank] + book.limits[DEADLINE]:
            what = HALF_OPEN
    elif named != CLOSED:
        what = HALF_OPEN
    if what == 0:
        if effect == ACTIVATE or effect == ACTIVATE_FIRST:
            if have != CLOSED and not (book.limits[OVER_OPEN] and have == row):
                what = NOT_CLOSED
        elif effect == REFRESH:
            if past.banks[FIRST_ROW, bank] != CLOSED or past.banks[SECOND_ROW, bank] != CLOSED:
                what = NOT_CLOSED
        elif effect != PRECHARGE:  # accesses
            if have == CLOSED:
                what = NOT_OPEN
            elif row >= 0 and have != row:
                what = WRONG_ROW
    return what


@inline
def _change_bank(book, past, command, bank, row, tick):
    """What a command does to the state of one bank."""
    effect = book.commands[command, EFFECT]
    own = FIRST_ROW + book.commands[command, ROW_BUFFER]
    if effect == ACTIVATE:
        past.banks[own, bank] = row
        past.banks[NAMED, bank] = CLOSED
    elif effect == ACTIVATE_FIRST:
        past.banks[NAMED, bank] = row
        past.banks[NAMED_AT, bank] = tick
    elif effect == PRECHARGE or effect == READ_PRECHARGE or effect == WRITE_PRECHARGE:
        past.banks[own, bank] = CLOSED
    past.banks[REFRESHED, bank] += book.commands[command, REFRESHES]


@inline
def _check_refresh(book, past, tick, line, found, place):
    """A refresh interval ends at ``tick``: refreshes that came due before it began and were not issued are owed."""
    past_due = tick // book.limits[INTERVAL] - 1
    for bank in range(past.banks.shape[1]):
        if past_due - past.banks[REFRESHED, bank] > book.limits[POSTPONABLE]:
            _report(found, place, OWED, tick, -1, bank, line, -1, NEVER)
            past.banks[REFRESHED, bank] = past_due - book.limits[POSTPONABLE]  # each one once


@inline
def _step(book, past, command, bank, row, tick, line, found, place):
    """One command: judge it, then let it happen."""
    scope = book.commands[command, SCOPE]
    enter(book, past, command, bank)
    _check_time(book, past, command, bank, tick, line, found, place)
    rank = bank // book.node_banks[1]
    if book.commands[command, NEEDS_CLOCK] and past.clock_until[rank] <= tick:
        _report(found, place, CLOCK, tick, command, bank, line, -1, past.clock_until[rank])
    if book.commands[command, KEEPS_CLOCK] > 0:
        past.clock_until[rank] = max(past.clock_until[rank], tick + book.commands[command, KEEPS_CLOCK])
    effect = book.commands[command, EFFECT]
    if effect <= COMPUTE or effect == ACTIVATE_FIRST:
        wrong = 0
        where = bank
        for b in range(bank, bank + book.node_banks[scope]):
            what = _check_bank(book, past, command, b, row, tick)
            if what and not wrong:
                wrong = what
                where = b
            _change_bank(book, past, command, b, row, tick)
        if wrong:
            _report(found, place, wrong, tick, command, where, line, -1, NEVER)
        if book.commands[command, REFRESHES] and book.limits[INTERVAL]:
            ahead = past.banks[REFRESHED, bank] - tick // book.limits[INTERVAL]
            if ahead > book.limits[POSTPONABLE]:
                _report(found, place, AHEAD, tick, command, bank, line, -1, NEVER)
    record_time(book, past, command, bank, tick)


@jit
def check_channel(book, past, log, found):
    """Replay the log of one channel.

    Args:
        past: the channel's history, changed in place.
        log: int64 [n, 6] in order of ticks: tick, command, first bank of its scope, row, count, line.
        found: int64 [limit, FINDING], filled in; the replay stops when it is full.

    Returns:
        (findings, commands replayed); -1 findings if more than MAX_RUNS counted runs overlap.
    """
    run = np.empty(MAX_RUNS, np.int64)
    run_tick = np.empty(MAX_RUNS, np.int64)
    run_left = np.empty(MAX_RUNS, np.int64)
    runs = 0
    place = np.zeros(1, np.int64)
    commands = 0
    at = 0
    tick = 0
    line = 0
    boundary = book.limits[INTERVAL]
    while (at < log.shape[0] or runs > 0) and place[0] < found.shape[0]:
        pick = -1
        for i in range(runs):
            if pick < 0 or run_tick[i] < run_tick[pick]:
                pick = i
        if at < log.shape[0] and (pick < 0 or log[at, TICK] < run_tick[pick]):
            index = at
            tick = log[at, TICK]
            at += 1
            if log[index, COUNT] > 1:
                if runs == MAX_RUNS:
                    return -1, commands
                run[runs] = index
                run_tick[runs] = tick + book.commands[log[index, COMMAND], CADENCE]
                run_left[runs] = log[index, COUNT] - 1
                runs += 1
        else:
            index = run[pick]
            tick = run_tick[pick]
            run_tick[pick] += book.commands[log[index, COMMAND], CADENCE]
            run_left[pick] -= 1
            if run_left[pick] == 0:
                runs -= 1
                run[pick] = run[runs]
                run_tick[pick] = run_tick[runs]
                run_left[pick] = run_left[runs]
        line = log[index, LINE]
        while boundary > 0 and tick > boundary:
            _check_refresh(book, past, boundary, line, found, place)
            boundary += book.limits[INTERVAL]
        commands += 1
        _step(book, past, log[index, COMMAND], log[index, BANK], log[index, ROW], tick, line, found, place)
    if place[0] < found.shape[0]:
        for bank in range(past.banks.shape[1]):
            if past.banks[NAMED, bank] != CLOSED and tick > past.banks[NAMED_AT, bank] + book.limits[DEADLINE]:
                _report(found, place, HALF_OPEN, tick, -1, bank, line, -1, NEVER)
    return place[0], commands
