"""The legality checker: replay a command log against a part's rules and name what it breaks.

It shares the constraint *data* with the engines (``Compiled.rules``) and none of their code, so that an engine's error cannot hide
itself. Checked are, for every command: each pairwise and sibling rule, activation windows, command-bus occupancy, clock edges, the
state of the banks it addresses (both row buffers), two-command activations and their deadline, a running data clock where one
is needed, and that no bank is owed more refreshes than may be postponed, or given more ahead.

A refresh counts as postponed when it has not been issued by the time the next one comes due (JESD79-4 4.26: at most eight). It comes
due to every bank every tREFI, whether by refreshes of all banks or of one: that is what keeps the data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from pimsim.dram import commandlog as columns
from pimsim.dram.commandlog import CommandLog
from pimsim.dram.compile import Compiled
from pimsim.dram.expression import evaluate
from pimsim.dram.spec import COLUMN_EFFECTS, LEVELS, Effect
from pimsim.errors import InputError, Problem
from pimsim.kernels import legality
from pimsim.kernels.legality import Rulebook
from pimsim.kernels.table import NEVER

MAX_PROBLEMS = 20

_STATE_RULES = {
    legality.BUS: ("command bus", "the command bus is taken"),
    legality.EDGE: ("clock edge", "not on an edge on which this command may start"),
    legality.NOT_OPEN: ("bank open", "no row is open"),
    legality.WRONG_ROW: ("row open", "another row is open"),
    legality.NOT_CLOSED: ("bank closed", "a row is open"),
    legality.NOT_NAMED: ("activation begun", "the first half of the activation did not name this row"),
    legality.HALF_OPEN: ("activation deadline", "the second half of an activation is missing or late"),
    legality.CLOCK: ("data clock", "the data clock does not run"),
    legality.OWED: ("refresh owed", "more refreshes are owed than may be postponed"),
    legality.AHEAD: ("refresh ahead", "more refreshes were issued ahead than may be"),
}


@dataclass(frozen=True, slots=True)
class Violation:
    """One command that breaks a rule.

    Attributes:
        rule: the broken rule's name.
        rank, sid, bankgroup, bank: -1 below the level that the command addresses.
        cycle: when the command was issued, in ticks; ``earliest``: when the rule allows it (None: not a matter of time);
            ``previous``: issue of the command that it follows too closely (None if there is none).
        line: of the log file.
    """

    rule: str
    message: str
    cycle: int
    channel: int
    rank: int
    sid: int
    bankgroup: int
    bank: int
    command: str
    line: int
    earliest: int | None
    previous: int | None

    def __str__(self) -> str:
        where = " ".join(f"{level} {getattr(self, level)}" for level in LEVELS if getattr(self, level) >= 0)
        return f"cycle {self.cycle}: {self.command or 'refresh'} to {where}: {self.rule}: {self.message}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a check found: the first violations in order of cycles (at most as many as asked for)."""

    commands: int
    channels: int
    violations: tuple[Violation, ...]

    @property
    def ok(self) -> bool:
        """Whether the log breaks no rule."""
        return not self.violations


def rulebook(compiled: Compiled) -> Rulebook:
    """A part's rules in the order in which the checker asks for them: by later command."""
    spec, org, ticks = compiled.standard, compiled.organization, compiled.standard.ticks_per_clock
    rules = sorted(
        (a, r.level, r.value, index, b, int(r.sibling))
        for index, r in enumerate(compiled.rules)
        if r.window == 1
        for b in r.before
        for a in r.after
    )
    begin = np.searchsorted([r[0] for r in rules], np.arange(len(spec.commands) + 1)).tolist()
    windows = [(index, r) for index, r in enumerate(compiled.rules) if r.window > 1]
    nodes = np.array([org.nodes(level) for level in range(len(LEVELS))])

    def table(rows: Iterable[Iterable[int]], width: int) -> np.ndarray:
        return np.array([list(row) for row in rows], np.int64).reshape(-1, width)

    def members(groups: Iterable[tuple[int, ...]]) -> np.ndarray:
        return table(([int(c in g) for c in range(len(spec.commands))] for g in groups), len(spec.commands))

    deadline = evaluate(spec.activate_deadline, compiled.timing) * ticks if spec.activate_deadline else 0
    return Rulebook(
        commands=table((
            (
                LEVELS.index(c.scope), int(c.effect), int(spec.two_buses and c.bus == "column"), c.cycles, *c.align, c.row_buffer,
                c.activations, _cadence(compiled, i), int(c.name == spec.activate_second), int(c.needs_clock != ""),
                evaluate(c.keeps_clock, compiled.timing) * ticks, int(c.name in (spec.refresh, spec.refresh_bank)),
                begin[i], begin[i + 1],
            )
            for i, c in enumerate(spec.commands)
        ), 15),
        rules=table((r[1:] for r in rules), 5),
        windows=table(((r.level, r.value, index, r.window) for index, r in windows), 4),
        window_before=members(r.before for _, r in windows),
        window_after=members(r.after for _, r in windows),
        node_base=np.concatenate(([0], np.cumsum(nodes)[:-1])).astype(np.int64),
        node_banks=(org.banks_per_channel // nodes).astype(np.int64),
        limits=np.array([int(spec.activate_over_open), deadline, compiled.table.refresh_interval, spec.postponable], np.int64),
    )


def _cadence(compiled: Compiled, command: int) -> int:
    """Distance of the commands of a counted run: what the rules of a command to itself allow, on the edges it may start on."""
    own = [r.value for r in compiled.rules if r.window == 1 and not r.sibling and command in r.before and command in r.after]
    period = compiled.standard.commands[command].align[0]
    return -(-max([compiled.standard.commands[command].cycles, *own]) // period) * period


def check(compiled: Compiled, log: CommandLog, *, channels: int = 1 << 31, limit: int = 1) -> Verdict:
    """Replay a log whose commands are named as in the part's standard.

    Args:
        channels: how many channels the memory has.
        limit: how many violations of each channel to look for; the replay of a channel stops there.

    Raises:
        InputError: a coordinate outside the part, a row of it without the place that its command needs.
    """
    book = rulebook(compiled)
    place = _places(compiled, log, book, channels)
    found: list[Violation] = []
    commands = 0
    rows = log.rows
    replay = np.column_stack([rows[:, columns.CYCLE], rows[:, columns.COMMAND], place, rows[:, columns.ROW],
                              rows[:, columns.COUNT], rows[:, columns.LINE]])
    order = np.lexsort((rows[:, columns.CYCLE], rows[:, columns.CHANNEL]))
    used, begins = np.unique(rows[order, columns.CHANNEL], return_index=True)
    for channel, mine in zip(used.tolist(), np.split(order, begins)[1:], strict=True):
        findings = np.zeros((limit, legality.FINDING), np.int64)
        count, replayed = legality.check_channel(book, legality.history(book), replay[mine], findings)
        if count < 0:
            raise InputError(Problem(f"more than {legality.MAX_RUNS} counted runs overlap", file=log.file))
        commands += replayed
        found += [_violation(compiled, channel, finding) for finding in findings[: min(count, limit)].tolist()]
    found.sort(key=lambda v: (v.cycle, v.line))
    return Verdict(commands, len(used), tuple(found[:limit]))


def _places(compiled: Compiled, log: CommandLog, book: Rulebook, channels: int) -> np.ndarray:
    """First flat bank that each command addresses, int64 [commands]; coordinates below a command's scope do not count."""
    org, rows = compiled.organization, log.rows
    command = rows[:, columns.COMMAND]
    level = book.commands[command, legality.SCOPE]
    bank = np.zeros(len(rows), np.int64)
    problems: list[Problem] = []

    def refuse(wrong: np.ndarray, field: int, size: int) -> None:
        for i in np.flatnonzero(wrong)[:MAX_PROBLEMS]:
            name = columns.FIELDS[field]
            problems.append(Problem(f"{name} {rows[i, field]} of {log.names[command[i]]} is outside the part",
                                    f"0 to {size - 1}", log.file, int(rows[i, columns.LINE]), key=name))

    for depth, field, size in ((1, columns.AT_RANK, org.ranks), (2, columns.AT_SID, org.sids),
                               (3, columns.AT_BANKGROUP, org.bankgroups), (4, columns.AT_BANK, org.banks)):
        value = rows[:, field]
        needed = level >= depth
        missing = (value == -1) & (size == 1)
        refuse(needed & ~missing & ((value < 0) | (value >= size)), field, size)
        bank += np.where(needed & ~missing, value, 0) * book.node_banks[depth]
    effects = np.array([c.effect for c in compiled.standard.commands])
    opens = np.isin(effects, [Effect.ACTIVATE, Effect.ACTIVATE_FIRST])[command]
    accesses = np.isin(effects, list(COLUMN_EFFECTS))[command]
    row, col, count = rows[:, columns.ROW], rows[:, columns.COL], rows[:, columns.COUNT]
    tables = compiled.standard.table_rows
    beyond = (row >= org.rows) & ((row < tables.start) | (row >= tables.stop))
    refuse(opens & ((row < 0) | beyond) | accesses & beyond, columns.ROW, org.rows)
    refuse(accesses & (col + count > org.columns), columns.COL, org.columns)
    channel = rows[:, columns.CHANNEL]
    refuse((channel < 0) | (channel >= channels), columns.CHANNEL, channels)
    if problems:
        raise InputError(sorted(problems, key=lambda p: p.line)[:MAX_PROBLEMS])
    return bank


def _violation(compiled: Compiled, channel: int, finding: list[int]) -> Violation:
    what, tick, command, bank, line, earliest, before = finding
    org = compiled.organization
    level = len(LEVELS) - 1
    if what >= 0:
        rule = compiled.rules[what].source.label
        message = f"{tick - before} cycles behind the command at cycle {before}; at least {earliest - before}"
    else:
        rule, message = _STATE_RULES[what]
        if what == legality.BUS:
            message += f" until cycle {earliest}"
    if what >= 0 or what in (legality.BUS, legality.EDGE):  # the command as a whole, not one of its banks
        level = LEVELS.index(compiled.standard.commands[command].scope)
    sizes = (org.ranks, org.sids, org.bankgroups, org.banks)
    nodes = [bank * org.nodes(depth) // org.banks_per_channel for depth in range(1, len(LEVELS))]
    place = [node % size if depth <= level else -1 for depth, (node, size) in enumerate(zip(nodes, sizes, strict=True), 1)]
    return Violation(
        rule=rule,
        message=message,
        cycle=tick,
        channel=channel,
        rank=place[0],
        sid=place[1],
        bankgroup=place[2],
        bank=place[3],
        command=compiled.command_names[command] if command >= 0 else "",
        line=line,
        earliest=earliest if earliest >= 0 else None,
        previous=before if before > NEVER else None,
    )
