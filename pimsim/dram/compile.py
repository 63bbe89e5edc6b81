"""Compile a standard and its timing values into the arrays that the kernels read.

Rows of one (level, before, after) are merged to the strictest. A row whose commands address more than its scope is *lifted* to the
wider command's level: "in every bank: REFab -> ACT" is the same as "in the rank: REFab -> ACT", since the rank-wide
command counts in every bank below it. The lifted rows touch one node a level, which is what makes issuing a command cheap.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pimsim.dram.expression import evaluate, names
from pimsim.dram.spec import COLUMN_EFFECTS, LEVELS, Cause, Command, Constraint, Effect, Organization, Standard
from pimsim.errors import InputError, Problem
from pimsim.kernels import table as layout
from pimsim.kernels.packed import counters, pack
from pimsim.kernels.table import Table

_FOLLOWERS = {
    Effect.ACTIVATE: COLUMN_EFFECTS,
    Effect.PRECHARGE: frozenset({Effect.ACTIVATE, Effect.ACTIVATE_FIRST}),
}
"""What an activation (tRCD) and a precharge (tRP) are waited for by: that long their ticks are their own."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A constraint row with its numbers in: commands by index, latency in ticks, level lifted."""

    level: int
    before: tuple[int, ...]
    after: tuple[int, ...]
    value: int
    window: int
    sibling: bool
    source: Constraint


@dataclass(frozen=True)
class Compiled:
    """A part ready to simulate.

    Attributes:
        rules: every row with its numbers, for the oracle, the checker and explanations.
        timing: the timing values in clocks, derived ones included.
        table: the arrays for the kernels.
    """

    standard: Standard
    organization: Organization
    timing: Mapping[str, int]
    tick_fs: int
    rules: tuple[Rule, ...]
    table: Table

    @cached_property
    def packed(self) -> np.ndarray:
        """The table as the PIM kernels take it."""
        return pack(self.table)

    @property
    def command_names(self) -> tuple[str, ...]:
        """Names of the commands, by index."""
        return tuple(c.name for c in self.standard.commands)

    def command(self, name: str) -> int:
        """Index of a command; -1 if the standard has none of that name."""
        names_ = self.command_names
        return names_.index(name) if name in names_ else -1


def complete_timing(standard: Standard, timing: Mapping[str, int]) -> dict[str, int]:
    """``timing`` (clocks) with aliases spread and derived values filled in.

    Raises:
        InputError: every timing value that a row or latency needs and that is not given, at once.
    """
    values: dict[str, int] = {}
    for name, value in timing.items():
        for target in standard.aliases.get(name, ()):
            values.setdefault(target, value)
    values.update({n: v for n, v in timing.items()})
    for name, text in standard.derived.items():
        if name not in values and names(text) <= values.keys():
            values[name] = evaluate(text, values)
    needed = {n for c in standard.constraints for n in names(c.latency)}
    needed |= {n for c in standard.commands for n in names(c.latency) | names(c.keeps_clock)}
    needed |= {n for text in standard.folds.values() for n in names(text)}
    needed |= names(standard.activate_deadline) if standard.activate_deadline else set()
    needed -= standard.folds.keys()
    missing = sorted(needed - values.keys())
    if missing:
        raise InputError(Problem(f"{standard.name} needs a value for {m}", key=f"memory.timing.{m}") for m in missing)
    for name, text in standard.folds.items():
        values[name] = evaluate(text, values)
    return values


def _rules(standard: Standard, timing: Mapping[str, int]) -> tuple[Rule, ...]:
    index = {c.name: i for i, c in enumerate(standard.commands)}
    scope = [LEVELS.index(c.scope) for c in standard.commands]
    rules: list[Rule] = []
    for row in standard.constraints:
        value = evaluate(row.latency, timing) * standard.ticks_per_clock
        level = LEVELS.index(row.scope)
        before = tuple(index[b] for b in row.before)
        after = tuple(index[a] for a in row.after)
        if row.window > 1 or row.sibling:
            shifts = {_shift(standard, b, a) for b in before for a in after}
            if len(shifts) > 1:
                raise ValueError(f"{standard.name}: '{row.label}' mixes commands of different lengths; split the row")
            rules.append(Rule(level, before, after, value + shifts.pop(), row.window, row.sibling, row))
            continue
        for b in before:
            for a in after:
                lifted = min(level, scope[b], scope[a])
                rules.append(Rule(lifted, (b,), (a,), value + _shift(standard, b, a), 1, False, row))
    return tuple(rules)


def _shift(standard: Standard, before: int, after: int) -> int:
    """What turns a distance between the last ticks of two commands into one between their first ticks."""
    if not standard.counts_from_last:
        return 0
    return standard.commands[before].cycles - standard.commands[after].cycles


def _merged(rules: tuple[Rule, ...]) -> dict[tuple[int, int, int], int]:
    """(level, before, after) -> strictest value, leaving out rows that a row of a wider level already implies."""
    strictest: dict[tuple[int, int, int], int] = {}
    for r in rules:
        if r.window == 1 and not r.sibling:
            key = (r.level, r.before[0], r.after[0])
            strictest[key] = max(strictest.get(key, r.value), r.value)
    return {
        (level, b, a): v
        for (level, b, a), v in strictest.items()
        if not any(strictest.get((wider, b, a), -1 << 60) >= v for wider in range(level))
    }


def _windows(rules: tuple[Rule, ...]) -> list[Rule]:
    """The activation windows, leaving out those that another one implies (GDDR6's own behind that of a PIM command set)."""

    def implies(a: Rule, b: Rule) -> bool:
        wide = a.level <= b.level and set(a.before) >= set(b.before) and set(a.after) >= set(b.after)
        return wide and a.window <= b.window and a.value >= b.value

    found: list[Rule] = []
    for r in rules:
        if r.window > 1 and not any(implies(f, r) for f in found):
            found = [f for f in found if not implies(r, f)] + [r]
    return found


def compile_part(standard: Standard, organization: Organization, timing: Mapping[str, int], tick_fs: int, *,
                 refresh: bool = True) -> Compiled:
    """Compile a part.

    Args:
        standard: with the PIM command set added, if there is one.
        timing: JEDEC name -> clocks (not ticks).
        tick_fs: length of a tick in femtoseconds (a clock, or half a clock where the standard counts in half clocks).
        refresh: whether refreshes come due (every ``tREFI``).

    Raises:
        InputError: a timing value is missing, or refreshes come due faster than they can be done.
    """
    values = complete_timing(standard, timing)
    rules = _rules(standard, values)
    if refresh:
        _check_refresh(standard, values, rules)
    return Compiled(standard, organization, values, tick_fs, rules,
                    _table(standard, organization, values, rules, refresh))


def _check_refresh(standard: Standard, timing: Mapping[str, int], rules: tuple[Rule, ...]) -> None:
    """Refuse refreshes without an interval, and such that with their precharge take as long as the interval: they would pile up."""
    key, allowed = "memory.timing.tREFI", "controller.refresh: none"
    if "tREFI" not in timing:
        raise InputError(Problem("refresh needs tREFI", f"or {allowed}", key=key))
    index = {c.name: i for i, c in enumerate(standard.commands)}
    refresh, close = index.get(standard.refresh), index.get(standard.precharge_all)
    if refresh is None:
        return
    closing = max([r.value for r in rules if r.before == (close,) and r.after == (refresh,)], default=0)
    least = evaluate(standard.commands[refresh].latency, timing) + closing // standard.ticks_per_clock
    if timing["tREFI"] <= least:
        raise InputError(Problem(f"a refresh and its precharge take {least} of the {timing['tREFI']} clocks between two refreshes: "
                                 "nothing else could run", f"a tREFI of more than {least} clocks, or {allowed}", key=key))


def _table(standard: Standard, org: Organization, timing: Mapping[str, int], rules: tuple[Rule, ...],
           refresh: bool) -> Table:
    commands = standard.commands
    index = {c.name: i for i, c in enumerate(commands)}
    count = len(commands)
    node_counts = [org.nodes(level) for level in range(len(LEVELS))]
    node_base = np.concatenate(([0], np.cumsum(node_counts)[:-1])).astype(np.int64)
    nodes = int(sum(node_counts))
    merged = _merged(rules)
    by_before = sorted(merged.items(), key=lambda item: (item[0][1], item[0][0], item[0][2]))
    begin = np.searchsorted([k[1] for k, _ in by_before], np.arange(count + 1)).astype(np.int64)
    check = np.zeros((count, len(LEVELS)), np.int64)
    for level, _, after in merged:
        check[after, level] = 1

    windows = _windows(rules)
    siblings = [r for r in rules if r.sibling]
    wide_ready = int(node_base[2]) * count  # channel and rank nodes come first
    cursor = layout.SCALARS
    at_due, cursor = cursor, cursor + org.ranks
    at_window: list[int] = []
    for w in windows:
        at_window.append(cursor)
        cursor += node_counts[w.level] * w.window
    at_sibling: list[int] = []
    for s in siblings:
        at_sibling.append(cursor)
        cursor += node_counts[s.level]
    at_ready, cursor = cursor, cursor + nodes * count
    at_row, cursor = cursor, cursor + 2 * org.banks_per_channel

    cadence = np.array([_cadence(i, commands[i], merged, windows) for i in range(count)], np.int64)
    latency = np.array([evaluate(c.latency, timing) * standard.ticks_per_clock for c in commands], np.int64)
    occupancy = np.maximum(cadence, 1)
    for i, c in enumerate(commands):
        if c.effect is Effect.REFRESH:
            occupancy[i] = latency[i]
        elif c.effect in (Effect.ACTIVATE, Effect.PRECHARGE):
            occupancy[i] = max([c.cycles] + [v for (_, b, a), v in merged.items()
                                             if b == i and commands[a].effect in _FOLLOWERS[c.effect]])

    def lookup(name: str) -> int:
        return index.get(name, -1) if name else -1

    def array(values: list[int]) -> np.ndarray:
        return np.array(values, np.int64)

    def membership(groups: list[tuple[int, ...]]) -> np.ndarray:
        out = np.zeros((len(groups), count), np.int64)
        for row, group in enumerate(groups):
            out[row, list(group)] = 1
        return out

    deadline = evaluate(standard.activate_deadline, timing) if standard.activate_deadline else 0
    pairs = [(s, b, a, at) for s, at in zip(siblings, at_sibling, strict=True) for b in s.before for a in s.after]
    return Table(
        commands=count,
        banks=org.banks_per_channel,
        node_base=node_base,
        node_banks=array([org.banks_per_channel // n for n in node_counts]),
        nodes=nodes,
        scope=array([LEVELS.index(c.scope) for c in commands]),
        effect=array([int(c.effect) for c in commands]),
        bus=array([int(standard.two_buses and c.bus == "column") for c in commands]),
        bus_cycles=array([c.cycles for c in commands]),
        latency=latency,
        opener=array([lookup(c.opener) for c in commands]),
        closer=array([lookup(c.closer) for c in commands]),
        row_buffer=array([c.row_buffer for c in commands]),
        activations=array([c.activations for c in commands]),
        align_period=array([c.align[0] for c in commands]),
        align_phase=array([c.align[1] for c in commands]),
        cause=array([int(c.cause) for c in commands]),
        cadence=cadence,
        occupancy=occupancy,
        check_level=check,
        rule_begin=begin,
        rule_level=array([k[0] for k, _ in by_before]),
        rule_after=array([k[2] for k, _ in by_before]),
        rule_value=array([v for _, v in by_before]),
        window_level=array([w.level for w in windows]),
        window_size=array([w.window for w in windows]),
        window_value=array([w.value for w in windows]),
        window_before=membership([w.before for w in windows]),
        window_after=membership([w.after for w in windows]),
        window_at=array(at_window),
        sibling_level=array([p[0].level for p in pairs]),
        sibling_before=array([p[1] for p in pairs]),
        sibling_after=array([p[2] for p in pairs]),
        sibling_value=array([p[0].value for p in pairs]),
        sibling_at=array([p[3] for p in pairs]),
        refresh=lookup(standard.refresh),
        precharge_all=lookup(standard.precharge_all),
        refresh_interval=timing.get("tREFI", 0) * standard.ticks_per_clock if refresh else 0,
        activate_over_open=int(standard.activate_over_open),
        activate_deadline=deadline * standard.ticks_per_clock,
        needs_clock=array([lookup(c.needs_clock) for c in commands]),
        keeps_clock=array([evaluate(c.keeps_clock, timing) * standard.ticks_per_clock for c in commands]),
        at_ready=at_ready,
        at_row=at_row,
        at_due=at_due,
        at_narrow=at_ready + wide_ready,
        state_size=cursor,
        ranks=org.ranks,
    )


def _cadence(index: int, command: Command, merged: Mapping[tuple[int, int, int], int], windows: list[Rule]) -> int:
    """Distance at which equal commands to one place follow one another; 0 if an activation window counts them."""
    if any(index in w.before and index in w.after for w in windows):
        return 0
    ticks = max([command.cycles] + [v for (_, b, a), v in merged.items() if b == index and a == index])
    period = command.align[0]
    return -(-ticks // period) * period


def initial_state(table: Table, channels: int, *, stagger: bool = False) -> np.ndarray:
    """The vectors of ``channels`` idle channels at tick 0: int64 [channels, state and counters].

    ``stagger`` spreads the ranks' refreshes evenly over the refresh interval.
    """
    state = np.full((channels, counters(table).stop), layout.NEVER, np.int64)
    state[:, counters(table)] = 0
    state[:, layout.BUS : layout.BUS + 2] = 0
    state[:, layout.LAST] = -1
    state[:, layout.OPEN] = 0
    state[:, layout.UNIFORM] = -1
    state[:, [layout.REST_END, layout.REST_CAUSE, layout.REFRESHES, layout.DUE_LEAST, layout.DUE_MOST]] = 0
    state[:, [layout.DONE, layout.CHARGED, layout.OWN_END, layout.OWN_CAUSE, layout.OPEN_SINCE]] = 0
    state[:, table.at_row : table.at_row + 2 * table.banks] = -1
    interval = table.refresh_interval
    for rank in range(table.ranks):
        due = interval * (rank + 1) // table.ranks if stagger else interval
        state[:, table.at_due + rank] = due if interval else 1 << 60
    return state


__all__ = ["Cause", "Compiled", "Rule", "compile_part", "complete_timing", "initial_state"]
