"""The legality checker: replay a command log against a part's rules and name what it breaks.

It shares the constraint *data* with the engines (``Compiled.rules``) and none of their code, so that an engine's error cannot hide
itself. Checked are, for every command: each pairwise and sibling rule, activation windows, command-bus occupancy, clock edges, the
state of the banks it addresses (both row buffers), two-command activations and their deadline, a running data clock where one
is needed, and that no bank is owed more refreshes than may be postponed, or given more ahead.

A refresh counts as postponed when it has not been issued by the time the next one comes due (JESD79-4 4.26: at most eight).
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
        where = f"channel {self.channel} rank {self.rank} sid {self.sid} bankgroup {self.bankgroup} bank {self.bank}"
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
    commands = spec.commands
    pairs = sorted(
        (a, r.level, b, r.value, int(r.sibling), index)
        for index, r in enumerate(compiled.rules)
        if r.window == 1
        for b in r.before
        for a in r.after
    )
    windows = [(index, r) for index, r in enumerate(compiled.rules) if r.window > 1]
    nodes = [org.nodes(level) for level in range(len(LEVELS))]

    def column(at: int) -> np.ndarray:
        return np.array([p[at] for p in pairs], np.int64)

    def of_commands(values: Iterable[int]) -> np.ndarray:
        return np.array(list(values), np.int64)

    def members(groups: list[tuple[int, ...]]) -> np.ndarray:
        return np.array([[int(c in g) for c in range(len(commands))] for g in groups], np.int64).reshape(-1, len(commands))

    return Rulebook(
        nodes=sum(nodes),
        banks=org.banks_per_channel,
        node_base=np.array([sum(nodes[:level]) for level in range(len(LEVELS))], np.int64),
        node_banks=np.array([org.banks_per_channel // n for n in nodes], np.int64),
        scope=of_commands(LEVELS.index(c.scope) for c in commands),
        effect=of_commands(int(c.effect) for c in commands),
        bus=of_commands(int(spec.two_buses and c.bus == "column") for c in commands),
        bus_cycles=of_commands(c.cycles for c in commands),
        period=of_commands(c.align[0] for c in commands),
        phase=of_commands(c.align[1] for c in commands),
        row_buffer=of_commands(c.row_buffer for c in commands),
        activations=of_commands(c.activations for c in commands),
        cadence=of_commands(_cadence(compiled, i) for i in range(len(commands))),
        second=of_commands(int(c.name == spec.activate_second) for c in commands),
        needs_clock=of_commands(compiled.command(c.needs_clock) for c in commands),
        keeps_clock=of_commands(evaluate(c.keeps_clock, compiled.timing) * ticks for c in commands),
        refreshes=of_commands(int(c.name in (spec.refresh, spec.refresh_bank)) for c in commands),
        rule_begin=np.searchsorted(column(0), np.arange(len(commands) + 1)).astype(np.int64),
        rule_level=column(1),
        rule_before=column(2),
        rule_value=column(3),
        rule_sibling=column(4),
        rule_index=column(5),
        window_level=of_commands(r.level for _, r in windows),
        window_size=of_commands(r.window for _, r in windows),
        window_value=of_commands(r.value for _, r in windows),
        window_before=members([r.before for _, r in windows]),
        window_after=members([r.after for _, r in windows]),
        window_index=of_commands(index for index, _ in windows),
        over_open=int(spec.activate_over_open),
        deadline=evaluate(spec.activate_deadline, compiled.timing) * ticks if spec.activate_deadline else 0,
        interval=compiled.table.refresh_interval,
        postponable=spec.postponable,
    )


def _cadence(compiled: Compiled, command: int) -> int:
    """Distance of the commands of a counted run: what the rules of a command to itself allow."""
    own = [r.value for r in compiled.rules if r.window == 1 and not r.sibling and command in r.before and command in r.after]
    return max([compiled.standard.commands[command].cycles, *own])


def check(compiled: Compiled, log: CommandLog, *, limit: int = 1) -> Verdict:
    """Replay a log whose commands are named as in the part's standard.

    Args:
        limit: how many violations of each channel to look for; the replay of a channel stops there.

    Raises:
        InputError: a coordinate outside the part, a row of it without the place that its command needs.
    """
    book = rulebook(compiled)
    place = _places(compiled, log, book)
    found: list[Violation] = []
    commands = 0
    channels = np.unique(log.rows[:, columns.CHANNEL])
    for channel in channels.tolist():
        mine = np.flatnonzero(log.rows[:, columns.CHANNEL] == channel)
        mine = mine[np.argsort(log.rows[mine, columns.CYCLE], kind="stable")]
        rows = log.rows[mine]
        replay = np.column_stack([rows[:, columns.CYCLE], rows[:, columns.COMMAND], place[mine], rows[:, columns.ROW],
                                  rows[:, columns.COUNT], rows[:, columns.LINE]])
        findings = np.zeros((limit, legality.FINDING), np.int64)
        count, replayed = legality.check_channel(book, legality.history(book), replay, findings)
        if count < 0:
            raise InputError(Problem(f"more than {legality.MAX_RUNS} counted runs overlap", file=log.file))
        commands += replayed
        found += [_violation(compiled, channel, finding) for finding in findings[: min(count, limit)].tolist()]
    found.sort(key=lambda v: (v.cycle, v.line))
    return Verdict(commands, len(channels), tuple(found[:limit]))


def _places(compiled: Compiled, log: CommandLog, book: Rulebook) -> np.ndarray:
    """First flat bank that each command addresses, int64 [commands]; coordinates below a command's scope do not count."""
    org, rows = compiled.organization, log.rows
    command = rows[:, columns.COMMAND]
    level = book.scope[command]
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
    refuse(opens & ((row < 0) | (row >= org.rows)) | accesses & (row >= org.rows), columns.ROW, org.rows)
    refuse(accesses & (col + count > org.columns), columns.COL, org.columns)
    refuse(rows[:, columns.CHANNEL] < 0, columns.CHANNEL, 1 << 31)
    if problems:
        raise InputError(sorted(problems, key=lambda p: p.line)[:MAX_PROBLEMS])
    return bank


def _violation(compiled: Compiled, channel: int, finding: list[int]) -> Violation:
    what, tick, command, bank, line, earliest, before = finding
    org = compiled.organization
    name = compiled.command_names[command] if command >= 0 else ""
    if what >= 0:
        rule = compiled.rules[what].source.label
        message = f"{tick - before} cycles behind the command at cycle {before}; at least {earliest - before}"
    else:
        rule, message = _STATE_RULES[what]
        if what == legality.BUS:
            message += f" until cycle {earliest}"
    return Violation(
        rule=rule,
        message=message,
        cycle=tick,
        channel=channel,
        rank=bank // (org.sids * org.bankgroups * org.banks),
        sid=bank // (org.bankgroups * org.banks) % org.sids,
        bankgroup=bank // org.banks % org.bankgroups,
        bank=bank % org.banks,
        command=name,
        line=line,
        earliest=earliest if earliest >= 0 else None,
        previous=before if before > NEVER else None,
    )
