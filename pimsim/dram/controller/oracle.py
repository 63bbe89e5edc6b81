"""The memory controller in plain Python, tick by tick: slow, and what the kernel (``pimsim.kernels.request``) must do.

Every tick asks every waiting request what it needs next and whether that may go now, looks the answer up in the constraint rows
themselves, and issues the best. Nothing is kept that could go stale: no ready times, no candidates, no bounds. It
shares the part's rules and the policy with the kernel, and no code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from pimsim.dram.compile import Compiled
from pimsim.dram.controller.plan import refresh_round, roles, watermarks
from pimsim.dram.controller.policy import Policy
from pimsim.dram.expression import evaluate
from pimsim.dram.spec import BANK, LEVELS, RANK

FORCED, OPENED, REFRESH, WAITING, LAST = range(-1, 4)
"""Classes of commands: of those that are ready in the same tick, the lowest goes."""


@dataclass(eq=False, slots=True)
class Request:
    """A request in the channel. ``age`` numbers the requests as they came."""

    age: int
    write: bool
    bank: int
    row: int
    column: int
    accepted: int
    touched: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """A command that may go in this tick, and why."""

    klass: int
    age: int
    command: int
    bank: int
    request: Request | None = None


@dataclass
class Outcome:
    """What a run did.

    Attributes:
        commands: (tick, command, bank, row, column); the bank is the first of what the command addresses.
        completions: (request, accepted, done) in the order in which they were known.
        rows: hits, misses, conflicts.
    """

    commands: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    completions: list[tuple[int, int, int]] = field(default_factory=list)
    rows: list[int] = field(default_factory=lambda: [0, 0, 0])


class Device:
    """The rules of a channel: may a command go, and what has gone."""

    def __init__(self, compiled: Compiled):
        self.compiled = compiled
        self.org = compiled.organization
        self.scope = [LEVELS.index(c.scope) for c in compiled.standard.commands]
        self.banks = self.org.banks_per_channel
        self.past: dict[tuple[int, int], deque[int]] = {}
        self.bus_free = [0, 0]

    def bus(self, command: int) -> int:
        """1 for the column bus of a standard that has two."""
        return int(self.compiled.standard.two_buses and self.compiled.standard.commands[command].bus == "column")

    def width(self, level: int) -> int:
        """Banks below a node of a level."""
        return self.banks // self.org.nodes(level)

    def nodes(self, level: int, command: int, bank: int) -> range:
        """The nodes of a level that a command to a bank (and all that it is in, up to its scope) touches."""
        wide = max(self.width(self.scope[command]), self.width(level))
        return range(bank // wide * wide // self.width(level), (bank // wide + 1) * wide // self.width(level))

    def record(self, command: int, bank: int, tick: int) -> None:
        """A command goes."""
        self.bus_free[self.bus(command)] = tick + self.compiled.standard.commands[command].cycles
        for index, rule in enumerate(self.compiled.rules):
            if command in rule.before:
                for node in self.nodes(rule.level, command, bank):
                    self.past.setdefault((index, node), deque(maxlen=rule.window)).append(tick)

    def allows(self, command: int, bank: int, tick: int, *, ignored_bus: int = -1) -> bool:
        """Whether no rule, bus or clock edge is against a command in this tick."""
        period, phase = self.compiled.standard.commands[command].align
        bus = self.bus(command)
        if tick % period != phase % period or (bus != ignored_bus and tick < self.bus_free[bus]):
            return False
        for index, rule in enumerate(self.compiled.rules):
            if command in rule.after:
                for node in self.nodes(rule.level, command, bank):
                    for other in self._siblings(rule.level, node) if rule.sibling else (node,):
                        past = self.past.get((index, other))
                        if past and len(past) == rule.window and tick < past[0] + rule.value:
                            return False
        return True

    def _siblings(self, level: int, node: int) -> Iterator[int]:
        """The other nodes below the same parent."""
        count = self.org.nodes(level) // self.org.nodes(level - 1)
        return (n for n in range(node // count * count, (node // count + 1) * count) if n != node)


class Oracle:
    """A channel under a policy; :meth:`run` it on requests."""

    def __init__(self, compiled: Compiled, policy: Policy):
        self.policy, self.device = policy, Device(compiled)
        self.commands = compiled.standard.commands
        self.timing, self.clock = compiled.timing, compiled.standard.ticks_per_clock
        self.roles = roles(compiled, policy)
        self.rank_banks = self.device.width(RANK)
        self.ranks = range(compiled.organization.ranks)
        self.deadline = self._ticks(compiled.standard.activate_deadline or "0")
        self.interval, self.turns = refresh_round(compiled, policy)
        self.start, self.end = watermarks(policy)
        fcfs = policy.order == "fcfs"
        self.places = 1 if fcfs else policy.read_queue
        self.lobby_places = policy.waiting + (policy.read_queue - 1 if fcfs else 0)
        self.row = [-1] * self.device.banks
        self.served = [0] * self.device.banks
        self.queue: list[Request] = []
        self.opened: list[Request] = []
        self.lobby: deque[Request] = deque()
        self.refreshes: deque[int] = deque()
        self.owed = [0 for _ in self.ranks]
        self.next_bank = [0 for _ in self.ranks]
        self.clock_until = [-(1 << 40) for _ in self.ranks]
        self.half: tuple[int, int, int] | None = None
        self.locked: Request | None = None
        self.writing = False
        self.done = Outcome()

    def _ticks(self, expression: str) -> int:
        return evaluate(expression, self.timing) * self.clock

    def run(self, requests: Sequence[tuple[int, int, int, int, int]]) -> Outcome:
        """Serve requests (arrival, 1 for a write, flat bank, row, column), arrivals in order, until none waits."""
        coming = deque(Request(age, bool(w), b, r, c, a) for age, (a, w, b, r, c) in enumerate(requests))
        tick = 0
        while coming or self.lobby or self.queue or self.opened:
            if self.lobby_places:
                self._enter_lobby(coming, tick)
            if tick > 0:
                self._decide(tick)
            self._enter_queue(coming, tick)
            tick += 1
        return self.done

    # ---- requests come in

    def _enter_lobby(self, coming: deque[Request], tick: int) -> None:
        if coming and coming[0].accepted <= tick and len(self.lobby) < self.lobby_places:
            request = coming.popleft()
            request.accepted = tick
            self.lobby.append(request)

    def _enter_queue(self, coming: deque[Request], tick: int) -> None:
        """One request a tick joins the queue; it can be scheduled from the next tick on."""
        source = self.lobby if self.lobby_places else coming
        if not source or (source is coming and source[0].accepted > tick) or not self._has_room(source[0].write):
            return
        request = source.popleft()
        if source is coming:
            request.accepted = tick
        if self.policy.forward_writes and not request.write and any(
            w.write and (w.bank, w.row, w.column) == (request.bank, request.row, request.column)
            for w in self.queue + self.opened
        ):
            self.done.completions.append((request.age, request.accepted, request.accepted + 1))
        else:
            self.queue.append(request)

    def _has_room(self, write: bool) -> bool:
        if self.policy.queue == "unified":
            return len(self.queue) < self.places
        waiting = sum(r.write == write for r in self.queue)
        return waiting < (self.policy.write_queue if write else self.policy.read_queue)

    # ---- one tick

    def _decide(self, tick: int) -> None:
        if self.interval and tick == -(-tick * self.turns // self.interval) * self.interval // self.turns:
            self.owed = [n + 1 for n in self.owed]
        for rank in self.ranks:
            busy = any(r.bank // self.rank_banks == rank for r in self.queue + self.opened)
            if self.owed[rank] and rank not in self.refreshes and (self.owed[rank] > self.policy.postpone or not busy):
                self.owed[rank] -= 1
                self.refreshes.append(rank)
        if not self.device.compiled.standard.two_buses:
            self._pass(tick, (0,))
        elif self.policy.second_command == "row-after-column":
            self._pass(tick, (1,))
            self._pass(tick, (0,))
        else:
            first = self._pass(tick, (0, 1))
            if first is not None:
                self._pass(tick, (0, 1), behind=first)

    def _pass(self, tick: int, buses: tuple[int, ...], behind: int | None = None) -> int | None:
        """Issue the best command of some buses. Returns its bus. ``behind``: only a request's, and if it is of another bus than that."""
        waits_for = sum(r.write for r in self.queue)
        reads = len(self.queue) - waits_for
        if self.writing:
            self.writing = not (waits_for <= self.end and reads)
        else:
            self.writing = waits_for >= self.start or not reads
        ignored = -1 if behind is None else behind
        ready = [c for c in self._choices(tick)
                 if (behind is None or c.klass != REFRESH)
                 and self.device.bus(c.command) in buses and self.device.allows(c.command, c.bank, tick, ignored_bus=ignored)]
        if not ready:
            return None
        best = min(ready, key=lambda c: (c.klass, c.age, c.bank))
        bus = self.device.bus(best.command)
        if bus != behind:
            self._issue(best, tick)
        return bus

    def _choices(self, tick: int) -> Iterator[Choice]:
        """Every command that something in the channel needs next."""
        if self.locked is not None:
            yield Choice(FORCED, 0, self._access(self.locked), self.locked.bank, self.locked)
            return
        if self.half is not None:
            bank, _, deadline = self.half
            yield Choice(FORCED if tick >= deadline else LAST, 0, self.roles.activate_second, bank)
        for request in self.opened:
            yield from self._next(request, OPENED)
        if self.refreshes:
            yield from self._refresh()
        for request in self._visible():
            if not self._hidden(request) and (self._hits(request) or all(o.bank != request.bank for o in self.opened)):
                yield from self._next(request, WAITING)

    def _visible(self) -> list[Request]:
        """The requests that are served now."""
        return [r for r in self.queue if self.policy.queue == "unified" or r.write == self.writing]

    def _hidden(self, request: Request) -> bool:
        """Whether a waiting refresh keeps a request from being scheduled."""
        if not self.refreshes or self.policy.refresh_blocks == "channel":
            return bool(self.refreshes)
        if self.policy.refresh_blocks == "rank":
            return request.bank // self.rank_banks in self.refreshes
        return request.bank == self._refresh_bank()

    def _hits(self, request: Request) -> bool:
        return self.row[request.bank] == request.row

    def _next(self, request: Request, klass: int) -> Iterator[Choice]:
        """The command that a request needs next, unless the policy is against it."""
        if self._hits(request):
            if klass == OPENED or not self._out_of_order(request):
                yield Choice(klass, request.age, self._access(request), request.bank, request)
        elif self.half is not None and (self.half[0] == request.bank or self.row[request.bank] < 0):
            return
        elif self.row[request.bank] < 0:
            yield Choice(klass, request.age, self.roles.activate, request.bank, request)
        elif klass == OPENED or self._may_close(request):
            yield Choice(klass, request.age, self.roles.precharge, request.bank, request)

    def _out_of_order(self, request: Request) -> bool:
        return self.policy.order_same_column and request.write and any(
            not r.write and r.age < request.age and (r.bank, r.row, r.column) == (request.bank, request.row, request.column)
            for r in self.queue)

    def _may_close(self, request: Request) -> bool:
        """Whether the open row of the request's bank may be closed for it."""
        rivals = [r for r in self._visible() if r.bank == request.bank]
        capped = 0 < self.policy.row_hit_cap <= self.served[request.bank]
        if self.policy.precharge == "ready" or (self.policy.precharge == "no-older-hit" and capped):
            return True
        if self.policy.precharge == "no-older-hit":
            return not any(self._hits(r) and r.age < request.age for r in rivals)
        return all(r.age >= request.age for r in rivals) and (capped or not any(self._hits(r) for r in rivals))

    def _access(self, request: Request) -> int:
        """The column command of a request whose row is open."""
        others = [r for r in self.queue + self.opened if r is not request and r.bank == request.bank]
        if self.policy.page == "closed" and not any(r.row == request.row or r in self.opened for r in others):
            return self.roles.write_precharge if request.write else self.roles.read_precharge
        return self.roles.write if request.write else self.roles.read

    # ---- refresh

    def _refresh_bank(self) -> int:
        rank = self.refreshes[0]
        return rank * self.rank_banks + (self.next_bank[rank] if self.policy.refresh == "per-bank" else 0)

    def _refresh(self) -> Iterator[Choice]:
        """What the oldest waiting refresh needs next; of several banks to close, the lowest."""
        first = self._refresh_bank()
        banks = range(first, first + (1 if self.policy.refresh == "per-bank" else self.rank_banks))
        still_open = [b for b in banks if self.row[b] >= 0]
        if not still_open:
            yield Choice(REFRESH, 0, self.roles.refresh, first)
        elif self.roles.precharge_all >= 0:
            yield Choice(REFRESH, 0, self.roles.precharge_all, first)
        else:
            yield from (Choice(REFRESH, 0, self.roles.precharge, b) for b in still_open)

    # ---- a command goes

    def _issue(self, choice: Choice, tick: int) -> None:
        request, bank, command = choice.request, choice.bank, choice.command
        if command == self.roles.activate_second:
            self._second_half(tick)
        elif request is None:
            self._send(tick, command, bank, -1, -1)
            if command == self.roles.refresh:
                rank = self.refreshes.popleft()
                self.next_bank[rank] = (self.next_bank[rank] + 1) % self.rank_banks
            else:
                for b in range(bank, bank + (self.rank_banks if command == self.roles.precharge_all else 1)):
                    self.row[b] = -1
        elif self._hits(request):
            self._column(request, command, tick)
        else:
            self._touch(request, 1 if command == self.roles.activate else 2)
            self._row(request, command, tick)

    def _send(self, tick: int, command: int, bank: int, row: int, column: int) -> None:
        self.device.record(command, bank, tick)
        width = self.device.width(self.device.scope[command])
        self.done.commands.append((tick, command, bank // width * width if width > self.device.width(BANK) else bank, row, column))

    def _touch(self, request: Request, kind: int) -> None:
        """Count the first command of a request: hit, miss or conflict."""
        if not request.touched:
            request.touched = True
            self.done.rows[kind] += 1

    def _row(self, request: Request, command: int, tick: int) -> None:
        bank = request.bank
        if command == self.roles.precharge:
            self._send(tick, command, bank, -1, -1)
            self.row[bank] = -1
            return
        self._send(tick, command, bank, request.row, -1)
        if self.policy.protect_opened and request in self.queue:
            self.queue.remove(request)
            self.opened.append(request)
        if self.roles.activate_second >= 0:
            self.half = (bank, request.row, tick + self.deadline)
        else:
            self._opened(bank, request.row)

    def _opened(self, bank: int, row: int) -> None:
        self.row[bank] = row
        self.served[bank] = 0

    def _second_half(self, tick: int) -> None:
        assert self.half is not None
        bank, row, _ = self.half
        self._send(tick, self.roles.activate_second, bank, row, -1)
        self.half = None
        self._opened(bank, row)

    def _column(self, request: Request, command: int, tick: int) -> None:
        self._touch(request, 0)
        rank = request.bank // self.rank_banks
        starter = self.roles.start_write if request.write else self.roles.start_read
        if starter >= 0 and self.locked is None and tick >= self.clock_until[rank]:
            if self.half is not None and self.half[2] <= tick + self.commands[starter].cycles:
                self._second_half(tick)
            else:
                self._send(tick, starter, request.bank, -1, -1)
                self.clock_until[rank] = tick + self._ticks(self.commands[starter].keeps_clock)
                self.locked = request
            return
        self.locked = None
        self._send(tick, command, request.bank, request.row, request.column)
        self.clock_until[rank] = max(self.clock_until[rank], tick + self._ticks(self.commands[command].keeps_clock))
        self.served[request.bank] += 1
        (self.opened if request in self.opened else self.queue).remove(request)
        done = tick + self._ticks(self.commands[command].latency)
        if request.write:
            done = request.accepted + 1 if self.policy.write_done == "accepted" else tick
        self.done.completions.append((request.age, request.accepted, done))
        if command in (self.roles.read_precharge, self.roles.write_precharge):
            self.row[request.bank] = -1
