"""The oracle: PIM programs and segments run in plain Python, slowly and obviously.

It exists to be compared with the kernels (``pimsim.kernels.program``, ``pimsim.kernels.segment``) and shares none of their code: only
the constraint rows of a compiled part. A channel is a list of the commands that were issued; for every command that might be
issued next, every row is held against the commands before it. Nothing is counted, repeated, folded or remembered: a run of 64
MACs is 64 commands, and every tick of a channel is charged by itself.

What it does is what the docstrings of ``pimsim.kernels.channel``, ``.program`` and ``.segment`` promise: programs in order, open rows,
refresh, and causes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice, pairwise
from typing import TYPE_CHECKING, NamedTuple

from pimsim.dram.expression import evaluate
from pimsim.dram.spec import COLUMN_EFFECTS, LEVELS, RANK, Cause, Effect

if TYPE_CHECKING:  # the command sets of this package are listed without loading numpy
    from pimsim.dram.compile import Compiled, Rule

LOOP = -1
BOUNDARY = 1
CLOSED = -1
_CLOSING = (Effect.PRECHARGE, Effect.READ_PRECHARGE, Effect.WRITE_PRECHARGE)

Program = Sequence[Sequence[int]]


class Instruction(NamedTuple):
    """A row of a program, as ``pimsim.kernels.program`` has it."""

    op: int
    bank: int
    row: int
    column: int
    times: int
    unused: int
    flags: int
    length: int


class Issued(NamedTuple):
    """One command of the log; ``row`` and ``column`` are -1 where it names none."""

    tick: int
    channel: int
    code: int
    bank: int
    row: int
    column: int
    task: int


class Step(NamedTuple):
    """One of the commands that an instruction needs, in the state the channel is in."""

    code: int
    bank: int
    row: int


class OracleChannel:
    """One channel: what it has issued, which rows are open, when refreshes are due, and where its ticks went.

    Args:
        postpone: ticks by which a refresh may be late.
        number: the channel's number in the log.
    """

    def __init__(self, part: Compiled, *, postpone: int = 0, number: int = 0) -> None:
        organization = part.organization
        self.part = part
        self.commands = part.standard.commands
        self.postpone = postpone
        self.number = number
        self.node_banks = [organization.banks_per_channel // organization.nodes(v) for v in range(len(LEVELS))]
        self.pairs: dict[tuple[int, int], list[Rule]] = defaultdict(list)
        for rule in part.rules:
            for pair in ((b, a) for b in rule.before for a in rule.after if rule.window == 1):
                self.pairs[pair].append(rule)
        self.windows = [r for r in part.rules if r.window > 1]
        self.interval = part.table.refresh_interval
        self.due = [self.interval] * organization.ranks if self.interval else []
        self.rows = [CLOSED] * organization.banks_per_channel
        self.log: list[Issued] = []
        self.issued: dict[int, list[tuple[int, int]]] = {}  # (tick, bank) of every command of a kind
        self.ticks: Counter[Cause] = Counter()
        self.counts: Counter[str] = Counter()
        self.opened: list[tuple[int, int]] = []  # (tick, banks open from then on)
        self.own: list[tuple[int, Cause]] = []  # of commands under way: the end of the ticks that are theirs
        self.charged = self.done = self.task = 0
        self.meet = lru_cache(maxsize=None)(self._meet)
        self.own_ticks = lru_cache(maxsize=None)(self._own_ticks)
        self.latency = lru_cache(maxsize=None)(self._latency)

    # ------------------------------------------------------------------ when may a command issue

    def banks_of(self, code: int, bank: int) -> range:
        """The banks that a command to ``bank`` addresses."""
        banks = self.node_banks[LEVELS.index(self.commands[code].scope)]
        return range(bank // banks * banks, bank // banks * banks + banks)

    def _meet(self, rule: Rule, before: int, before_bank: int, after: int, after_bank: int) -> bool:
        """Does the row speak of these two? They meet in one node of its scope, or (sibling) in two of one parent."""
        level = LEVELS.index(rule.source.scope)
        earlier = {b // self.node_banks[level] for b in self.banks_of(before, before_bank)}
        later = {b // self.node_banks[level] for b in self.banks_of(after, after_bank)}
        if not rule.sibling:
            return bool(earlier & later)
        children = self.node_banks[level - 1] // self.node_banks[level]
        return any(a != b and a // children == b // children for a in earlier for b in later)

    def _latest(self, rule: Rule, before: int, code: int, bank: int) -> Iterator[int]:
        """The ticks of the commands ``before`` that the row speaks of together with ``code``, latest first."""
        for tick, place in reversed(self.issued.get(before, [])):
            if self.meet(rule, before, place, code, bank):
                yield tick

    def earliest(self, code: int, bank: int, floor: int = 0) -> int:
        """The first tick, not before ``floor``, at which a command follows the last one, finds its bus free and breaks no row."""
        tick = max([floor, *(e.tick for e in self.log[-1:])])
        for before, entries in self.issued.items():
            same_bus = not self.part.standard.two_buses or self.commands[before].bus == self.commands[code].bus
            if same_bus:
                tick = max(tick, entries[-1][0] + self.commands[before].cycles)
            for rule in self.pairs.get((before, code), ()):
                latest = next(self._latest(rule, before, code, bank), None)
                if latest is not None:
                    tick = max(tick, latest + rule.value)
        for rule in self.windows:
            if code in rule.after:
                tick = max(tick, self._window_opens(rule, code, bank))
        period, phase = self.commands[code].align
        while tick % period != phase:
            tick += 1
        return tick

    def _window_opens(self, rule: Rule, code: int, bank: int) -> int:
        """The tick from which the window takes the command's activations: all but so many of its places are still taken."""
        place = rule.window - min(self.commands[code].activations, rule.window)
        entries: list[int] = []
        for before in rule.before:
            for tick in islice(self._latest(rule, before, code, bank), rule.window):
                entries += [tick] * self.commands[before].activations
        entries.sort(reverse=True)
        return entries[place] + rule.value if place < len(entries) else 0

    # ------------------------------------------------------------------ issuing, and where the ticks go

    def _own_ticks(self, code: int) -> int:
        """The ticks from its issue on that belong to the command's own cause."""
        command = self.commands[code]
        if command.effect is Effect.REFRESH:
            return self.latency(code)
        if command.effect is Effect.ACTIVATE:
            return max([command.cycles, *self._values(code, COLUMN_EFFECTS)])
        if command.effect is Effect.PRECHARGE:
            return max([command.cycles, *self._values(code, {Effect.ACTIVATE})])
        period = command.align[0]
        own = [r.value for r in self.pairs[code, code] if not r.sibling]
        return -(-max([command.cycles, *own]) // period) * period

    def _values(self, before: int, effects: Collection[Effect]) -> list[int]:
        """The distances that commands of these effects keep behind one command."""
        return [r.value for (b, a), rules in self.pairs.items() for r in rules
                if b == before and self.commands[a].effect in effects and not r.sibling]

    def _latency(self, code: int) -> int:
        return evaluate(self.commands[code].latency, self.part.timing) * self.part.standard.ticks_per_clock

    def _owner(self, tick: int) -> Cause | None:
        """Whose own ticks a tick is among: the last command's first, then those of the one that lasts longest."""
        if self.own and tick < self.own[-1][0]:
            return self.own[-1][1]
        end, _, cause = max(((end, i, cause) for i, (end, cause) in enumerate(self.own)), default=(0, 0, None))
        return cause if tick < end else None

    def charge(self, tick: int, waits: Cause | Sequence[range]) -> None:
        """Charge every tick before ``tick``: to commands that have issued, or to the cause of the one that waits to.

        A channel that waits for work gives the ASIC's busy times instead of a cause.
        """
        for now in range(self.charged, tick):
            owner = self._owner(now)
            if owner is not None:
                self.ticks[owner] += 1
            elif isinstance(waits, Cause):
                self.ticks[waits] += 1
            else:
                self.ticks[Cause.ASIC if any(now in busy for busy in waits) else Cause.IDLE] += 1
        self.charged = max(self.charged, tick)
        self.own = [(end, cause) for end, cause in self.own[:-1] if end > self.charged] + self.own[-1:]

    def issue(self, step: Step, column: int, floor: int, cause: Cause | None) -> None:
        """Issue a command as soon as it may. ``cause`` is what the wait for it is charged to; None if nobody waits for it."""
        code, bank, row = step
        command = self.commands[code]
        tick = self.earliest(code, bank, floor)
        if cause is not None:
            self.charge(tick, cause)
            self.done = max(self.done, tick + (0 if command.effect is Effect.REFRESH else self.latency(code)))
        self.own.append((tick + self.own_ticks(code), command.cause))
        self.issued.setdefault(code, []).append((tick, bank))
        self.log.append(Issued(tick, self.number, code, bank, row, column, self.task))
        self.counts[command.name] += 1
        for b in self.banks_of(code, bank):
            if command.effect is Effect.ACTIVATE:
                self.rows[b] = row
            elif command.effect in _CLOSING:
                self.rows[b] = CLOSED
        self.opened.append((tick, sum(r != CLOSED for r in self.rows)))

    def active_ticks(self, tick: int) -> int:
        """The ticks before ``tick`` with a row open in some bank."""
        changes = [*self.opened, (tick, 0)]
        return sum(max(min(end, tick) - begin, 0) for (begin, banks), (end, _) in pairwise(changes) if banks)

    # ------------------------------------------------------------------ refresh

    def _refresh(self, rank: int, floor: int, cause: Cause | None) -> None:
        banks = range(rank * self.node_banks[RANK], (rank + 1) * self.node_banks[RANK])
        for name in (self.part.standard.precharge_all, self.part.standard.refresh):
            if name == self.part.standard.refresh or any(self.rows[b] != CLOSED for b in banks):
                self.issue(Step(self.part.command(name), banks[0], CLOSED), -1, floor, cause)
        self.due[rank] += self.interval

    def _refresh_due(self, tick: int, floor: int) -> None:
        for rank in range(len(self.due)):
            while self.due[rank] + self.postpone <= tick:
                self._refresh(rank, floor, Cause.REFRESH)

    def _refresh_start(self, rank: int) -> int:
        """The tick at which a refresh of the rank could begin, once it is due."""
        banks = range(rank * self.node_banks[RANK], (rank + 1) * self.node_banks[RANK])
        is_open = any(self.rows[b] != CLOSED for b in banks)
        name = self.part.standard.precharge_all if is_open else self.part.standard.refresh
        return self.earliest(self.part.command(name), banks[0], self.due[rank])

    def wait_until(self, tick: int) -> None:
        """Without work before ``tick``: refresh each rank that comes due meanwhile, the one first that can begin first."""
        while self.due:
            start, rank = min((self._refresh_start(r), r) for r in range(len(self.due)))
            if start >= tick:
                break
            self._refresh(rank, start, None)

    # ------------------------------------------------------------------ programs

    def _steps(self, code: int, bank: int, row: int) -> list[Step]:
        """The commands that an instruction needs in the present state, the row commands first."""
        command = self.commands[code]
        banks = self.banks_of(code, bank)
        found = {self.rows[b] for b in banks}
        if command.effect is Effect.PRECHARGE:
            return [Step(code, bank, CLOSED)] if found != {CLOSED} else []
        if command.effect is not Effect.ACTIVATE and command.effect not in COLUMN_EFFECTS:
            return [Step(code, bank, CLOSED)]
        steps: list[Step] = []
        if found != {row}:
            opener = code if command.effect is Effect.ACTIVATE else self.part.command(command.opener)
            closer = self.part.command(command.closer)
            may_stay = {CLOSED, row} if self.part.standard.activate_over_open else {CLOSED}
            if not found <= may_stay:
                steps += self._each(closer, banks, CLOSED)
            steps += self._each(opener, banks, row)
        return steps if command.effect is Effect.ACTIVATE else [*steps, Step(code, bank, row)]

    def _each(self, code: int, banks: range, row: int) -> list[Step]:
        return [Step(code, b, row) for b in banks if b == banks[0] or self.banks_of(code, b)[0] == b]

    def _run_instruction(self, at: Instruction, row: int, column: int, floor: int) -> None:
        command = self.commands[at.op]
        steps = self._steps(at.op, at.bank, row)
        opens = any(self.commands[s.code].effect is Effect.ACTIVATE for s in steps)
        everywhere = opens and len(self.banks_of(at.op, at.bank)) >= self.node_banks[RANK]
        if steps and (at.flags & BOUNDARY or everywhere):
            self._refresh_due(self.earliest(steps[0].code, steps[0].bank, floor), floor)
            steps = self._steps(at.op, at.bank, row)
        if command.effect in (Effect.ACTIVATE, Effect.PRECHARGE):
            for step in steps:
                self.issue(step, -1, floor, command.cause)
            return
        for step in steps[:-1]:
            self.issue(step, -1, floor, Cause.ACTIVATE)
        for i in range(at.times):
            self.issue(steps[-1], -1 if command.effect is Effect.REFRESH else column + i, floor, command.cause)

    def run(self, program: Program, *, row: int = 0, column: int = 0, floor: int = 0) -> None:
        """Run a program with ``row`` and ``column`` added to every instruction's, no command before tick ``floor``."""
        at = 0
        while at < len(program):
            instruction = Instruction(*map(int, program[at]))
            at += 1
            if instruction.op == LOOP:
                body = program[at : at + instruction.length]
                for i in range(instruction.times):
                    self.run(body, row=row + i * instruction.row, column=column + i * instruction.column, floor=floor)
                at += instruction.length
            else:
                self._run_instruction(instruction, row + instruction.row, column + instruction.column, floor)


# ---------------------------------------------------------------------- segments


@dataclass(frozen=True, slots=True)
class OracleTask:
    """A task of a segment: a program for each channel (None for no work), or so many ticks of the ASIC.

    Attributes:
        duration: of the ASIC; of programs what they take at the ASIC's pins, which serve one task after the other.
        after: tasks of the same repetition that must have ended; -1: everything of the repetition before.
        streams: tasks whose first data it starts with, and whose end it outlasts by ``tail``.
        first: ticks from its begin to its first output.
        row, row_step: rows added in the first repetition, and more in each that follows.
    """

    programs: tuple[Program | None, ...] = ()
    duration: int = 0
    after: tuple[int, ...] = ()
    streams: tuple[int, ...] = ()
    first: int = 0
    tail: int = 0
    row: int = 0
    row_step: int = 0
    column: int = 0


@dataclass
class OraclePackage:
    """Channels and an ASIC that take the tasks of a segment in list order.

    Attributes:
        now: the end of the last segment.
        begin, end: ticks of the tasks of the last segment, [repetition][task].
    """

    channels: list[OracleChannel]
    now: int = 0
    begin: list[list[int]] = field(default_factory=list)
    end: list[list[int]] = field(default_factory=list)

    def run(self, tasks: Sequence[OracleTask], repeats: int) -> None:
        """Run ``repeats`` times through the tasks, from the end of the last segment on."""
        self.begin, self.end = [], []
        clock = channels_free = asic_free = pins_free = before = self.now
        busy: list[range] = []  # of the ASIC
        for repetition in range(repeats):
            begins: list[int] = []
            ends: list[int] = []
            first_data: list[int] = []
            for number, task in enumerate(tasks):
                begin = max([clock, *(before if d < 0 else ends[d] for d in task.after), *(first_data[d] for d in task.streams)])
                streamed = max([ends[d] + task.tail for d in task.streams], default=clock)
                if task.programs:
                    begin = channels_free = max(begin, channels_free)
                    if task.duration:
                        pins_free = max(begin, pins_free) + task.duration
                        streamed = max(streamed, pins_free)
                    end = max(streamed, self._run_task(task, begin, repetition, repetition * len(tasks) + number, busy))
                else:
                    begin = max(begin, asic_free)
                    end = asic_free = max(begin + task.duration, streamed)
                    busy.append(range(begin, end))
                begins.append(begin)
                ends.append(end)
                first_data.append(min(begin + task.first, end))
            before = max([before, *ends])
            self.begin.append(begins)
            self.end.append(ends)
        self.now = before
        for channel in self.channels:
            channel.task = repeats * len(tasks) - 1
            channel.charge(before, busy)
            channel.wait_until(before)

    def _run_task(self, task: OracleTask, begin: int, repetition: int, number: int, busy: Sequence[range]) -> int:
        """Run a task's programs; returns when the last data of any channel is there."""
        end = begin
        for channel, program in zip(self.channels, task.programs, strict=True):
            channel.task = number
            channel.charge(begin, busy)
            channel.wait_until(begin)
            channel.done = begin
            if program is not None:
                channel.run(program, row=task.row + repetition * task.row_step, column=task.column, floor=begin)
            end = max(end, channel.done)
        return end
