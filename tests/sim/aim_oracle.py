"""The AiM host and its controllers, tick by tick, in plain Python: slow, and written from the simulator's behaviour, not from the kernel.

Each tick the host's DMA goes first (send what was refused; take the next instruction if nothing is outstanding), then every channel
gets its turn: complete the oldest read, then choose one command. Timing is asked of the rules themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from pimsim.dram.compile import Compiled
from pimsim.dram.spec import COLUMN_EFFECTS, LEVELS, Effect
from pimsim.kernels import host_layout as host

NORMAL, REGISTER = 0, 1


@dataclass
class Request:
    """One command for one channel on its way."""

    kind: int
    code: int
    bank: int
    row: int
    column: int
    register: int
    blocking: bool
    arrival: int = -1
    done: int = -1
    instruction: int = -1


@dataclass
class Channel:
    """A channel with its controller."""

    compiled: Compiled
    policy: np.ndarray
    number: int
    refresh_interval: int
    mode: int = NORMAL
    writing: bool = False
    reads: list[Request] = field(default_factory=list)
    writes: list[Request] = field(default_factory=list)
    pim: list[Request] = field(default_factory=list)
    opened: list[Request] = field(default_factory=list)
    pending_reads: list[Request] = field(default_factory=list)
    pending_writes: list[int] = field(default_factory=list)
    rows: list[int | None] = field(default_factory=list)
    last: dict[tuple[int, int, int], int] = field(default_factory=dict)
    log: list[tuple[int, int, str, int, int, int]] = field(default_factory=list)
    answered: int = 0

    def __post_init__(self) -> None:
        organization = self.compiled.organization
        self.rows = [None] * organization.banks_per_channel
        self.node_banks = [organization.banks_per_channel // organization.nodes(v) for v in range(len(LEVELS))]
        self.due = self.refresh_interval or 1 << 60
        self.switch = int(self.policy[host.MODE_SWITCH])
        self.rules: dict[int, list[tuple[int, int, int]]] = {}
        for rule in self.compiled.rules:
            for after in rule.after:
                self.rules.setdefault(after, []).extend((rule.level, before, rule.value) for before in rule.before)

    # ------------------------------------------------------------ timing and rows, from the rules

    def legal(self, code: int, bank: int, tick: int) -> bool:
        return all(tick >= self.last.get((level, before, bank // self.node_banks[level]), -value) + value
                   for level, before, value in self.rules[code])

    def banks(self, code: int, bank: int) -> range:
        size = self.node_banks[LEVELS.index(self.compiled.standard.commands[code].scope)]
        return range(bank // size * size, bank // size * size + size)

    def next_command(self, request: Request) -> int:
        spec = self.compiled.standard.commands[request.code]
        if spec.effect not in COLUMN_EFFECTS:
            return request.code
        states = [self.rows[b] for b in self.banks(request.code, request.bank)]
        if any(r is not None and r != request.row for r in states):
            return self.compiled.command(spec.closer)
        if any(r is None for r in states):
            if any(r is not None for r in states) and not self.compiled.standard.activate_over_open:
                return self.compiled.command(spec.closer)
            return self.compiled.command(spec.opener)
        return request.code

    def issue(self, code: int, bank: int, row: int, column: int, tick: int) -> None:
        spec = self.compiled.standard.commands[code]
        scope = LEVELS.index(spec.scope)
        for level in range(scope + 1):
            self.last[level, code, bank // self.node_banks[level]] = tick
        for b in self.banks(code, bank):
            if spec.effect is Effect.ACTIVATE:
                self.rows[b] = row
            elif spec.effect in (Effect.PRECHARGE, Effect.READ_PRECHARGE, Effect.WRITE_PRECHARGE):
                self.rows[b] = None
        names_row = spec.effect is Effect.ACTIVATE or spec.effect in COLUMN_EFFECTS
        names_column = spec.effect in COLUMN_EFFECTS or spec.effect in (Effect.REGISTER_READ, Effect.REGISTER_WRITE)
        self.log.append((tick, self.number, spec.name, bank if scope == len(LEVELS) - 1 else -1, row if names_row else -1,
                         column if names_column else -1))

    # ------------------------------------------------------------ queues

    def send(self, request: Request, tick: int) -> bool:
        ordinary = request.kind in (host.MEMORY_READ, host.MEMORY_WRITE)
        leave = self.policy[host.LEAVE]
        if not ordinary:
            if self.reads or self.writes or (not leave and self.opened):
                return False
            if len(self.pim) >= self.policy[host.PIM_PLACES]:
                return False
            self.pim.append(request)
            return True
        if self.pim:
            return False
        reads = request.kind == host.MEMORY_READ
        if reads and any(self.policy[host.ANY_WRITE] or (w.bank, w.row) == (request.bank, request.row) for w in self.writes):
            request.done = tick
            self.pending_reads.append(request)
            self.answered += 1
            return True
        queue = self.reads if reads else self.writes
        held = len(queue) + (0 if leave else sum(o.kind == request.kind for o in self.opened))
        if held >= self.policy[host.READ_PLACES if reads else host.WRITE_PLACES]:
            return False
        request.arrival = tick
        queue.append(request)
        return True

    # ------------------------------------------------------------ a tick

    def complete(self, tick: int) -> Request | None:
        """The oldest read, if it is done; then writes."""
        found = None
        if self.pending_reads and self.pending_reads[0].done <= tick:
            first = self.pending_reads[0]
            if first.kind != host.BARRIER or not self.pending_writes:
                found = self.pending_reads.pop(0)
        self.pending_writes = [done for done in self.pending_writes if done > tick]
        return found

    def oldest_ready(self, queue: list[Request], tick: int) -> Request | None:
        ready = [r for r in queue if self.legal(self.next_command(r), r.bank, tick)]
        return min(ready, key=lambda r: r.arrival) if ready else None

    def serve(self, tick: int) -> None:
        """At most one command."""
        pending = bool(self.opened or self.reads or self.writes or self.pim)
        if tick >= self.due + (self.policy[host.POSTPONE] if pending else 0):
            self.refresh(tick)
            return
        request, queue = self.oldest_ready(self.opened, tick), self.opened
        if request is None:
            if self.pim:
                queue = self.pim
                if queue[0].kind == host.BARRIER:
                    barrier = queue.pop(0)
                    barrier.done = tick
                    self.pending_reads.append(barrier)
                    return
                request = queue[0] if self.legal(self.next_command(queue[0]), queue[0].bank, tick) else None
            else:
                self.choose()
                queue = self.writes if self.writing else self.reads
                request = self.oldest_ready(queue, tick)
        if request is None:
            return
        code = self.next_command(request)
        spec = self.compiled.standard.commands[code]
        closes = spec.effect is Effect.PRECHARGE and spec.scope == "bank"
        if closes and queue is not self.opened and any(o.bank == request.bank for o in self.opened):
            return
        if request.register != self.mode:
            self.issue(self.switch, request.bank, -1, -1, tick)
            self.mode = request.register
            return
        self.issue(code, request.bank, request.row, request.column, tick)
        if code == request.code:
            queue.remove(request)
            request.done = tick + int(self.compiled.table.latency[code])
            if request.kind == host.MEMORY_READ or request.blocking:
                self.pending_reads.append(request)
            else:
                self.pending_writes.append(request.done)
        elif queue is not self.pim and queue is not self.opened and spec.effect is Effect.ACTIVATE:
            queue.remove(request)
            self.opened.append(request)

    def choose(self) -> None:
        if not self.writing:
            self.writing = len(self.writes) >= self.policy[host.WRITE_START] or not self.reads
        elif len(self.writes) <= self.policy[host.WRITE_STOP] and self.reads:
            self.writing = False

    def refresh(self, tick: int) -> None:
        spec = self.compiled.standard
        code = self.compiled.command(spec.precharge_all if any(r is not None for r in self.rows) else spec.refresh)
        if not self.legal(code, 0, tick):
            return
        if self.mode == REGISTER:
            self.issue(self.switch, 0, -1, -1, tick)
            self.mode = NORMAL
            return
        self.issue(code, 0, -1, -1, tick)
        if code == self.compiled.command(spec.refresh):
            self.due += self.refresh_interval


@dataclass
class Outcome:
    """What a run gave: its length, the log in order of ticks and channels, reads answered by writes, requests left behind."""

    cycles: int
    log: list[tuple[int, int, str, int, int, int]]
    answered: int
    unserved: int


def run(compiled: Compiled, instructions: np.ndarray, selectors: np.ndarray, policy: np.ndarray) -> Outcome:
    """Run a trace (see :func:`pimsim.kernels.host.run_host`) tick by tick."""
    interval = compiled.table.refresh_interval
    channels = [Channel(compiled, policy, n, interval) for n in range(selectors.shape[1])]
    waiting: list[list[Request]] = [[] for _ in channels]
    queue = list(enumerate(instructions.tolist()))
    outstanding = 0
    tick = 0
    while queue:
        tick += 1
        number, instruction = queue[0]
        was = any(waiting)
        for channel, left in zip(channels, waiting, strict=True):
            while left and channel.send(left[0], tick):
                left.pop(0)
        if outstanding == 0 and was:
            if not any(waiting):
                queue.pop(0)
        elif outstanding == 0:
            blocking = instruction[host.KIND] == host.BARRIER or instruction[host.BLOCKING]
            for channel, request in _requests(number, instruction, selectors, channels):
                if waiting[channel.number] or not channel.send(request, tick):
                    waiting[channel.number].append(request)
                outstanding += blocking
            if not blocking and not any(waiting):
                queue.pop(0)
        for channel in channels:
            done = channel.complete(tick)
            if done is not None and (done.blocking or done.kind == host.BARRIER):
                assert done.instruction == queue[0][0]
                outstanding -= 1
                if outstanding == 0:
                    queue.pop(0)
            channel.serve(tick)
    log = sorted(entry for channel in channels for entry in channel.log)
    return Outcome(tick, log, sum(c.answered for c in channels),
                   sum(len(c.opened) + len(c.reads) + len(c.writes) for c in channels))


def _requests(number: int, instruction: list[int], selectors: np.ndarray,
              channels: list[Channel]) -> Iterable[tuple[Channel, Request]]:
    kind = instruction[host.KIND]
    if kind == host.HOST_ONLY:
        return
    for column in range(instruction[host.COUNT]):
        for channel in channels:
            if selectors[instruction[host.SELECTOR], channel.number]:
                request = Request(kind, instruction[host.CODE], instruction[host.BANK], instruction[host.ROW], column,
                                  instruction[host.REGISTER], bool(instruction[host.BLOCKING]), instruction=number)
                yield channel, request
