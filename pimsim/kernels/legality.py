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

CLOSED = -1
MAX_RUNS = 64
"""Counted runs of one channel that may be under way at the same time."""


class Rulebook(NamedTuple):
    """A standard, looking back: C commands, 5 levels."""

    nodes: int
    banks: int
    node_base: np.ndarray  # [L] first node of a level
    node_banks: np.ndarray  # [L] banks below one node
    # per command
    scope: np.ndarray
    effect: np.ndarray
    bus: np.ndarray
    bus_cycles: np.ndarray
    period: np.ndarray  # may issue only when tick % period == phase
    phase: np.ndarray
    row_buffer: np.ndarray
    activations: np.ndarray
    cadence: np.ndarray  # distance of the commands of a counted run
    second: np.ndarray  # 1: second half of a two-command activation
    needs_clock: np.ndarray
    keeps_clock: np.ndarray
    refreshes: np.ndarray  # 1: counts as a refresh
    # rules by later command: rule_begin[c] .. rule_begin[c + 1]
    rule_begin: np.ndarray
    rule_level: np.ndarray
    rule_before: np.ndarray
    rule_value: np.ndarray
    rule_sibling: np.ndarray
    rule_index: np.ndarray
    # activation windows
    window_level: np.ndarray
    window_size: np.ndarray
    window_value: np.ndarray
    window_before: np.ndarray  # [W, C]
    window_after: np.ndarray  # [W, C]
    window_index: np.ndarray
    # the rest
    over_open: int  # an activation may follow on banks that have its row open
    deadline: int  # ticks from the first to the second half of an activation
    interval: int  # ticks between refreshes; 0: none
    postponable: int


class History(NamedTuple):
    """What happened so far on one channel."""

    last: np.ndarray  # [nodes, C] tick of the last command
    window: np.ndarray  # [W, nodes, largest window] ticks, oldest first
    row: np.ndarray  # [2 row buffers, banks] open row or CLOSED
    named: np.ndarray  # [banks] row named by the first half of an activation, or CLOSED
    named_at: np.ndarray  # [banks]
    clock_until: np.ndarray  # [ranks]
    refreshed: np.ndarray  # [banks]
    bus_until: np.ndarray  # [2]


def history(book: Rulebook) -> History:
    """A channel on which nothing has happened."""
    commands = book.scope.size
    largest = int(book.window_size.max(initial=1))
    return History(
        last=np.full((book.nodes, commands), NEVER, np.int64),
        window=np.full((book.window_size.size, book.nodes, largest), NEVER, np.int64),
        row=np.full((2, book.banks), CLOSED, np.int64),
        named=np.full(book.banks, CLOSED, np.int64),
        named_at=np.zeros(book.banks, np.int64),
        clock_until=np.full(book.banks // int(book.node_banks[1]), NEVER, np.int64),
        refreshed=np.zeros(book.banks, np.int64),
        bus_until=np.zeros(2, np.int64),
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
def _latest(book, past, level, before, bank, sibling):
    """Tick of the last ``before`` in the bank's node of a level, or in the other nodes below the same parent."""
    base = book.node_base[level]
    width = book.node_banks[level]
    own = bank // width
    if not sibling:
        return past.last[base + own, before]
    family = book.node_banks[level - 1] // width
    first = own // family * family
    latest = NEVER
    for node in range(first, first + family):
        if node != own:
            latest = max(latest, past.last[base + node, before])
    return latest


@inline
def _check_time(book, past, command, bank, tick, line, found, place):
    """Bus, clock edge, pairwise and sibling rules, windows. Only the rule that asks for the most is reported."""
    bus = book.bus[command]
    what = 0
    earliest = tick
    before = NEVER
    if past.bus_until[bus] > tick:
        what = BUS
        earliest = past.bus_until[bus]
    for r in range(book.rule_begin[command], book.rule_begin[command + 1]):
        last = _latest(book, past, book.rule_level[r], book.rule_before[r], bank, book.rule_sibling[r])
        if last + book.rule_value[r] > earliest:
            earliest = last + book.rule_value[r]
            what = book.rule_index[r]
            before = last
    for w in range(book.window_level.size):
        if book.window_after[w, command]:
            level = book.window_level[w]
            weight = max(min(book.activations[command], book.window_size[w]), 1)
            first, banks = bank, max(book.node_banks[book.scope[command]], book.node_banks[level])
            for b in range(first, first + banks, book.node_banks[level]):
                last = past.window[w, b // book.node_banks[level], weight - 1]
                if last + book.window_value[w] > earliest:
                    earliest = last + book.window_value[w]
                    what = book.window_index[w]
                    before = last
    if earliest > tick:
        _report(found, place, what, tick, command, bank, line, earliest, before)
    if tick % book.period[command] != book.phase[command]:
        _report(found, place, EDGE, tick, command, bank, line, -1, NEVER)


@inline
def _record_time(book, past, command, bank, tick):
    past.bus_until[book.bus[command]] = tick + book.bus_cycles[command]
    for level in range(book.scope[command] + 1):
        past.last[book.node_base[level] + bank // book.node_banks[level], command] = tick
    for w in range(book.window_level.size):
        if book.window_before[w, command]:
            size = book.window_size[w]
            width = book.node_banks[book.window_level[w]]
            banks = max(book.node_banks[book.scope[command]], width)
            weight = min(book.activations[command], size)
            for b in range(bank, bank + banks, width):
                ticks = past.window[w, b // width]
                for i in range(size - weight):
                    ticks[i] = ticks[i + weight]
                for i in range(size - weight, size):
                    ticks[i] = tick


@inline
def _check_bank(book, past, command, bank, row, tick):
    """(what is wrong with the state of one bank, or 0; tick of the earlier command)."""
    effect = book.effect[command]
    have = past.row[book.row_buffer[command], bank]
    named = past.named[bank]
    if effect == ACTIVATE:
        if book.second[command]:
            if named == CLOSED or (row >= 0 and named != row):
                return NOT_NAMED
            if tick > past.named_at[bank] + book.deadline:
                return HALF_OPEN
        elif named != CLOSED:
            return HALF_OPEN
        if have != CLOSED and not (book.over_open and have == row):
            return NOT_CLOSED
    elif effect == ACTIVATE_FIRST:
        if named != CLOSED:
            return HALF_OPEN
        if have != CLOSED:
            return NOT_CLOSED
    elif effect == REFRESH:
        if named != CLOSED or past.row[0, bank] != CLOSED or past.row[1, bank] != CLOSED:
            return NOT_CLOSED
    elif effect <= COMPUTE:  # precharges and accesses
        if named != CLOSED:
            return HALF_OPEN
        if effect != PRECHARGE:
            if have == CLOSED:
                return NOT_OPEN
            if row >= 0 and have != row:
                return WRONG_ROW
    return 0


@inline
def _change_bank(book, past, command, bank, row, tick):
    """What a command does to the state of one bank."""
    effect = book.effect[command]
    if effect == ACTIVATE:
        past.row[book.row_buffer[command], bank] = row
        past.named[bank] = CLOSED
    elif effect == ACTIVATE_FIRST:
        past.named[bank] = row
        past.named_at[bank] = tick
    elif effect == PRECHARGE or effect == READ_PRECHARGE or effect == WRITE_PRECHARGE:
        past.row[book.row_buffer[command], bank] = CLOSED
    elif effect == REFRESH and book.refreshes[command]:
        past.refreshed[bank] += 1


@inline
def _check_refresh(book, past, intervals, tick, line, found, place):
    """Refreshes owed when the ``intervals``-th interval ends: those that came due before it began and were not issued."""
    for bank in range(book.banks):
        if intervals - 1 - past.refreshed[bank] > book.postponable:
            _report(found, place, OWED, tick, -1, bank, line, -1, NEVER)
            past.refreshed[bank] = intervals - 1 - book.postponable  # each one once


@inline
def _step(book, past, command, bank, row, tick, line, found, place):
    """One command: judge it, then let it happen."""
    _check_time(book, past, command, bank, tick, line, found, place)
    rank = bank // book.node_banks[1]
    if book.needs_clock[command] >= 0 and past.clock_until[rank] <= tick:
        _report(found, place, CLOCK, tick, command, bank, line, -1, past.clock_until[rank])
    if book.keeps_clock[command] > 0:
        past.clock_until[rank] = max(past.clock_until[rank], tick + book.keeps_clock[command])
    effect = book.effect[command]
    if effect <= COMPUTE or effect == ACTIVATE_FIRST:
        wrong = 0
        where = bank
        for b in range(bank, bank + book.node_banks[book.scope[command]]):
            what = _check_bank(book, past, command, b, row, tick)
            if what and not wrong:
                wrong = what
                where = b
            _change_bank(book, past, command, b, row, tick)
        if wrong:
            _report(found, place, wrong, tick, command, where, line, -1, NEVER)
        early = book.interval and past.refreshed[bank] - tick // max(book.interval, 1) > book.postponable
        if book.refreshes[command] and early:
            _report(found, place, AHEAD, tick, command, bank, line, -1, NEVER)
    _record_time(book, past, command, bank, tick)


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
    boundary = book.interval
    while (at < log.shape[0] or runs > 0) and place[0] < found.shape[0]:
        pick = -1
        for i in range(runs):
            if pick < 0 or run_tick[i] < run_tick[pick]:
                pick = i
        if at < log.shape[0] and (pick < 0 or log[at, TICK] < run_tick[pick]):
            if log[at, COUNT] > 1:
                if runs == MAX_RUNS:
                    return -1, commands
                run[runs] = at
                run_tick[runs] = log[at, TICK]
                run_left[runs] = log[at, COUNT]
                runs += 1
                at += 1
                continue
            index = at
            tick = log[at, TICK]
            at += 1
        else:
            index = run[pick]
            tick = run_tick[pick]
            run_left[pick] -= 1
            run_tick[pick] += book.cadence[log[index, COMMAND]]
            if run_left[pick] == 0:
                runs -= 1
                run[pick] = run[runs]
                run_tick[pick] = run_tick[runs]
                run_left[pick] = run_left[runs]
        line = log[index, LINE]
        while book.interval and tick > boundary:
            _check_refresh(book, past, boundary // book.interval, boundary, line, found, place)
            boundary += book.interval
        commands += 1
        _step(book, past, log[index, COMMAND], log[index, BANK], log[index, ROW], tick, line, found, place)
    if place[0] < found.shape[0]:
        for bank in range(book.banks):
            if past.named[bank] != CLOSED and tick > past.named_at[bank] + book.deadline:
                _report(found, place, HALF_OPEN, tick, -1, bank, line, -1, NEVER)
    return place[0], commands
