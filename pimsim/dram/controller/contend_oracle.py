"""The contended channel, one tick after the other, in plain Python: slow and easy to believe.

It asks at every tick what a controller would do, and looks every rule of the part's table up in the history of what was issued.
``pimsim.kernels.contend`` must issue the same commands at the same ticks; property tests compare the two.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

import numpy as np

from pimsim.dram.compile import Compiled
from pimsim.dram.controller.contend_policy import ContendPolicy
from pimsim.dram.controller.rule_history import RuleHistory
from pimsim.kernels.contend_layout import ANNOUNCE, COMPUTE, FILL

FAR = 1 << 40


@dataclass(slots=True)
class Request:
    """A memory request: ``bank`` is flat."""

    number: int
    arrival: int
    bank: int
    row: int
    column: int
    write: bool
    accepted: int = -1


@dataclass(slots=True)
class Transaction:
    """A PIM transaction, as in ``pimsim.kernels.contend_layout``."""

    number: int
    kind: int
    arrival: int
    bank: int
    row: int
    column: int
    computes: int
    results: int
    last: bool


@dataclass
class Oracle:
    """One channel. ``log`` holds (tick, command, bank, row, column, count), ``done`` and ``answered`` ticks by number."""

    compiled: Compiled
    policy: ContendPolicy
    log: list[tuple[int, str, int, int, int, int]] = field(default_factory=list)
    done: dict[int, int] = field(default_factory=dict)
    answered: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        org, timing = self.compiled.organization, self.compiled.timing
        self.dual = self.compiled.command("PIM_PRECHARGE") >= 0
        self.rules = RuleHistory(self.compiled, "READRES" if self.dual else "")
        self.banks, self.ranks = org.banks_per_channel, org.ranks
        self.rank_banks, self.group_banks = self.banks // self.ranks, org.banks
        self.row: list[list[int | None]] = [[None] * self.banks, [None] * self.banks]
        self.hits = [0] * self.banks
        self.queues: list[list[Request]] = [[] for _ in range(self.banks)]
        self.reads: list[Request] = []
        self.writes: list[Request] = []
        self.draining = 0
        self.turn = self.banks - 1
        interval = timing["tREFI"] // self.ranks
        self.interval = interval if self.policy.refresh != "none" else FAR
        self.due, self.refresh_rank = self.interval, 0
        self.slack = FAR
        self.skip = False
        self.fill_until, self.fill_bank = -FAR, -1
        self.reserved: int | None = None
        self.unit = False  # one row buffer: PIM has begun a piece of work that memory may not interrupt
        self.computed = 0  # COMPs of the head already issued (one row buffer)
        self.first_compute = -FAR
        self.estimates = (self.policy.close_ticks, timing["tFAW"], timing["tRCDRD"], timing["tRP"], max(timing["BL"], timing["tCCDL"]))
        self.fill_ticks = timing["tGWRITE"]
        self.tree = timing["tTREE"]
        self.read_ticks = timing["CL"] + timing["BL"]

    def issue(self, command: str, bank: int, tick: int, row: int = -1, column: int = -1) -> None:
        self.rules.record(command, bank, tick)
        self.log.append((tick, command, bank, row, column, 1))

    # ------------------------------------------------------------------ one tick

    def run(self, requests: list[Request], transactions: list[Transaction], until: int) -> None:
        """Simulate the ticks 0 to ``until``."""
        self.arriving = deque(requests)
        self.coming = deque(transactions)
        self.pim: deque[Transaction] = deque()
        for tick in range(until + 1):
            self.accept(tick)
            if tick > 0:
                self.step(tick)
            if self.coming and self.coming[0].arrival <= tick and len(self.pim) < self.policy.pim_queue:
                self.pim.append(self.coming.popleft())
            else:
                self.schedule()

    def accept(self, tick: int) -> None:
        while self.arriving and self.arriving[0].arrival <= tick:
            r = self.arriving[0]
            if len(self.writes if r.write else self.reads) >= (
                    self.policy.write_queue if r.write else self.policy.read_queue):
                return
            if 0 < self.policy.outstanding <= len(self.reads) + len(self.writes) + sum(map(len, self.queues)):
                return
            self.arriving.popleft()
            r.accepted = tick
            if r.write:
                self.done[r.number] = tick + 1
                self.writes.append(r)
            elif any(w.bank == r.bank and w.row == r.row and w.column == r.column
                     for w in self.writes + [q for q in self.queues[r.bank] if q.write]):
                self.done[r.number] = tick + 1
            else:
                self.reads.append(r)

    def step(self, tick: int) -> None:
        refreshing = tick >= self.due
        if refreshing and self.refresh(tick):
            return
        head = self.pim[0] if self.pim else None
        choice = None
        serving = head is not None and not refreshing and not self.skip and self.may_serve(head)
        if serving:
            assert head is not None
            if not (head.kind == COMPUTE or tick < self.fill_until):
                self.slack = self.due - tick - self.estimate(head)
                if self.slack < self.policy.header_slack:
                    self.skip = True
                    serving = False
            if serving and tick >= self.fill_until:
                choice = self.pim_command(head, tick)
        if not refreshing:
            self.hold = serving and head is not None and head.kind == COMPUTE and tick >= self.fill_until
        else:
            self.hold = False
        self.head_now = head if serving else None
        normal = None
        scarce = self.slack < self.policy.idle_slack and self.policy.arbiter != "memory-first"
        if choice is None and not (serving and scarce) or choice is not None and self.policy.arbiter != "pim-first":
            normal = self.normal_command(tick, refreshing, serving)
        if choice is not None and normal is not None:
            assert head is not None
            if self.policy.arbiter == "memory-first" or (self.policy.arbiter == "age" and normal[3].arrival < head.arrival):
                choice = None
        if choice is not None:
            assert head is not None
            self.issue_pim(head, tick, *choice)
        elif normal is not None:
            self.issue_normal(tick, serving, *normal)

    # ------------------------------------------------------------------ refresh

    def refresh(self, tick: int) -> bool:
        first = self.refresh_rank * self.rank_banks
        closed = True
        for b in range(first, first + self.rank_banks):
            for buffer, name in ((0, "PRE"), (1, "PIM_PRECHARGE")):
                if self.row[buffer][b] is not None:
                    closed = False
                    if self.rules.allowed(name, b, tick):
                        self.issue(name, b, tick)
                        self.row[buffer][b] = None
                        return True
        if not closed or not self.rules.allowed("REFab", first, tick):
            return False
        self.issue("REFab", first, tick)
        self.due += self.interval
        self.refresh_rank = (self.refresh_rank + 1) % self.ranks
        self.skip = False
        if self.policy.reserve == "next":
            self.reserved = None
        return True

    # ------------------------------------------------------------------ PIM

    def estimate(self, head: Transaction) -> int:
        """Ticks that the controller reckons with until the announced work is done."""
        precharge, window, activate, close, compute = self.estimates
        if head.kind == FILL:
            row = self.row[0][head.bank]
            if row == head.row:
                return self.fill_ticks
            return (precharge if row is not None else 0) + close + activate + self.fill_ticks
        buffer = int(self.dual)
        wrong = sum(1 for r in self.row[buffer] if r is not None and r != head.row)
        groups = self.banks // self.group_banks
        return (precharge * wrong + window * (groups // self.ranks - 1) + activate
                + compute * max(head.computes, 6) + compute * (head.results - 1))

    def may_serve(self, head: Transaction) -> bool:
        """One row buffer: whether PIM's turn has come. With two it always has."""
        if self.dual or self.unit:
            return True
        if any(self.queues):
            return False
        waiting = self.reads + self.writes
        if self.policy.arbiter == "memory-first":
            return not waiting
        if self.policy.arbiter == "age":
            return all(w.arrival >= head.arrival for w in waiting)
        return True

    def uneven(self, b: int, row: int) -> bool:
        """The PIM row of a bank is not ``row``, or does not cover its whole bank group."""
        buffer = int(self.dual)
        first = b // self.group_banks * self.group_banks
        return any(r != row for r in self.row[buffer][first : first + self.group_banks])

    def pim_command(self, head: Transaction, tick: int) -> tuple[str, int] | None:
        """The next command of the head of the PIM queue, if it is ready."""
        buffer = int(self.dual)
        close = "PIM_PRECHARGE" if self.dual else "PRE"
        if head.kind == FILL:
            row = self.row[0][head.bank]
            need = "GWRITE" if row == head.row else "ACT" if row is None else "PRE"
            return (need, head.bank) if self.rules.allowed(need, head.bank, tick) else None
        if head.kind == ANNOUNCE:
            agree = True
            for b in range(self.banks):
                if self.row[buffer][b] is not None and self.uneven(b, head.row):
                    agree = False
                    if self.rules.allowed(close, b, tick):
                        return close, b
                if self.dual and self.row[0][b] == head.row:
                    agree = False
                    if self.rules.allowed("PRE", b, tick):
                        return "PRE", b
            return ("P_HEADER", 0) if agree and self.rules.allowed("P_HEADER", 0, tick) else None
        opened = True
        for b in range(0, self.banks, self.group_banks):
            if self.row[buffer][b] != head.row:
                opened = False
                if self.rules.allowed("G_ACT", b, tick):
                    return "G_ACT", b
        if not opened:
            return None
        if not self.dual:
            if self.computed < head.computes:
                return ("COMP", 0) if self.rules.allowed("COMP", 0, tick) else None
            return ("READRES", 0) if self.rules.allowed("READRES", 0, tick) and tick >= self.first_compute + self.tree else None
        ready = (self.rules.allowed("COMPS_READRES", 0, tick) and self.rules.allowed("COMP", 0, tick, on_bus=False)
                 and self.rules.allowed("READRES", 0, tick + self.span(head.computes), on_bus=False))
        return ("COMPS_READRES", 0) if ready else None

    def span(self, computes: int) -> int:
        """Ticks from a composite's issue to its READRES."""
        return max(self.estimates[4] * max(computes, self.policy.least_computes), self.tree)

    def issue_pim(self, head: Transaction, tick: int, command: str, bank: int) -> None:
        buffer = int(self.dual)
        self.issue(command, bank, tick, head.row, head.column if command == "GWRITE" else -1)
        if not self.dual:
            self.unit = True
        if command in ("PRE", "PIM_PRECHARGE"):
            self.row[int(command != "PRE")][bank] = None
        elif command == "ACT":
            self.row[0][bank] = head.row
            self.hits[bank] = 0
        elif command == "G_ACT":
            for b in range(bank, bank + self.group_banks):
                self.row[buffer][b] = head.row
                self.hits[b] *= self.dual
        elif command == "GWRITE":
            self.fill_until, self.fill_bank = tick + self.fill_ticks, bank
            self.finish(head, tick + self.fill_ticks)
            self.unit = False
        elif command == "P_HEADER":
            self.reserved = head.row
            self.pim.popleft()
        elif command == "COMP":
            if self.computed == 0:
                self.first_compute = tick
            self.computed += 1
        elif command == "READRES":
            self.computed = 0
            self.finish(head, tick + self.read_ticks)
        elif command == "COMPS_READRES":
            end = tick + self.span(head.computes)
            for i in range(head.computes):
                self.rules.record("COMP", 0, tick + i * self.estimates[4], on_bus=False)
            self.rules.record("READRES", 0, end, on_bus=False)
            self.finish(head, (end if self.policy.result_at == "end" else tick) + self.read_ticks)

    def finish(self, head: Transaction, answer: int) -> None:
        self.answered[head.number] = answer
        self.pim.popleft()
        if head.kind == COMPUTE and head.last:
            self.unit = False
            if self.policy.reserve == "work":
                self.reserved = None

    # ------------------------------------------------------------------ memory requests

    def normal_command(self, tick: int, refreshing: bool, serving: bool) -> tuple[str, int, int, Request] | None:
        """The first bank queue, in turn, with a command that is ready: (command, bank, place in the queue, request)."""
        for step in range(1, self.banks + 1):
            b = (self.turn + step) % self.banks
            if refreshing and b // self.rank_banks == self.refresh_rank:
                continue
            if b == self.fill_bank and tick < self.fill_until:
                continue
            for place, r in enumerate(self.queues[b]):
                command = self.required(b, place, r, serving)
                if command and self.rules.allowed(command, b, tick):
                    return command, b, place, r
        return None

    def required(self, b: int, place: int, r: Request, serving: bool) -> str:
        """The command that a waiting request needs and may have."""
        slack = self.slack if serving and self.policy.arbiter != "memory-first" else FAR
        if r.row == self.reserved:
            return ""
        if self.dual and self.row[1][b] == r.row:
            return "PIM_PRECHARGE" if place == 0 and slack > self.policy.precharge_slack else ""
        row = self.row[0][b]
        if row is None:
            holding = self.policy.hold_activates and self.policy.arbiter == "pim-first" and self.dual and self.hold
            if holding and self.waits_to_open(b // self.rank_banks):
                return ""
            return "ACT" if slack > self.policy.activate_slack else ""
        if row == r.row:
            return "WR" if r.write else "RD"
        hit = any(q.row == row for q in self.queues[b])
        if place > 0 or (hit and self.hits[b] < self.policy.row_hit_cap):
            return ""
        return "PRE" if slack > self.policy.precharge_slack else ""

    def waits_to_open(self, rank: int) -> bool:
        """Whether the head of the PIM queue has rows to open in a rank."""
        assert self.head_now is not None
        return any(self.row[1][b] != self.head_now.row for b in range(rank * self.rank_banks, (rank + 1) * self.rank_banks))

    def issue_normal(self, tick: int, serving: bool, command: str, b: int, place: int, r: Request) -> None:
        self.issue(command, b, tick, r.row, r.column if command in ("RD", "WR") else -1)
        self.turn = b
        if command in ("RD", "WR"):
            self.hits[b] += 1
            del self.queues[b][place]
            if command == "RD":
                self.done[r.number] = tick + self.read_ticks
            return
        if serving:
            self.slack -= self.policy.row_cost
        if command == "ACT":
            self.row[0][b] = r.row
            self.hits[b] = 0
        else:
            self.row[int(command == "PIM_PRECHARGE")][b] = None

    def schedule(self) -> None:
        """Move one request into its bank's queue."""
        if self.draining == 0 and (
            len(self.writes) >= self.policy.write_queue
            or (not any(self.queues) and (len(self.writes) > self.policy.drain_above or not self.reads))
        ):
            self.draining = len(self.writes)
        waiting = self.writes if self.draining else self.reads
        if not self.dual and not self.may_enter(waiting):
            return
        chosen = self.movable(waiting)
        if chosen is not None and chosen.write and any(
            not q.write and (q.bank, q.row, q.column) == (chosen.bank, chosen.row, chosen.column)
            for q in self.reads + self.queues[chosen.bank]
        ):
            self.draining = 0  # the read goes first
            waiting = self.reads
            chosen = self.movable(waiting)
        if chosen is not None:
            self.draining -= chosen.write
            self.queues[chosen.bank].append(chosen)
            waiting.remove(chosen)

    def movable(self, waiting: list[Request]) -> Request | None:
        """The first request whose bank's queue has room."""
        return next((r for r in waiting if len(self.queues[r.bank]) < self.policy.bank_queue), None)

    def may_enter(self, waiting: list[Request]) -> bool:
        """One row buffer: whether memory requests may begin."""
        head = self.pim[0] if self.pim else None
        if self.unit or head is None or self.policy.arbiter == "memory-first":
            return not self.unit
        return self.policy.arbiter == "age" and bool(waiting) and waiting[0].arrival < head.arrival


def requests_from(rows: np.ndarray) -> list[Request]:
    """Requests from the kernel's array."""
    return [Request(i, arrival, bank, row, column, bool(write))
            for i, (arrival, write, bank, row, column, *_) in enumerate(rows.tolist())]


def transactions_from(rows: np.ndarray) -> list[Transaction]:
    """PIM transactions from the kernel's array."""
    return [Transaction(i, kind, arrival, bank, row, column, computes, results, bool(last))
            for i, (kind, arrival, bank, row, column, computes, results, last, *_) in enumerate(rows.tolist())]
