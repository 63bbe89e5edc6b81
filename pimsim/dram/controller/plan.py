"""A compiled part and a policy as the two vectors that the memory-controller kernel works on.

Rules between commands that the policy never issues are left out; levels that have one node a parent are folded into
it (a GDDR6 rank is the channel); of rows about the same two commands at one level the strictest stays.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from pimsim.dram.compile import Compiled, Rule
from pimsim.dram.controller.policy import Policy
from pimsim.dram.expression import evaluate
from pimsim.dram.spec import BANK, BANKGROUP, CHANNEL, LEVELS, RANK, SID
from pimsim.errors import InputError, Problem
from pimsim.kernels import request_layout as at

_KINDS = (at.K_SEGMENT, at.K_GROUP, at.K_BANK, at.K_RANK, at.K_CHANNEL, at.K_STACKS, at.K_RANKS, at.K_GROUPS, at.K_BANKS)
"""The sorts of rules, in the order of a command's record."""

_SIBLINGS = {RANK: at.K_RANKS, SID: at.K_STACKS, BANKGROUP: at.K_GROUPS, BANK: at.K_BANKS}
_REACH = {CHANNEL: at.OF_CHANNEL, RANK: at.OF_RANK, SID: at.OF_SEGMENT, BANKGROUP: at.OF_GROUP, BANK: at.OF_BANK}
_SEGMENT_BANKS = 63
"""At most so many banks a segment: one bit of a word each."""


@dataclass(frozen=True, slots=True)
class Roles:
    """The commands that a plain controller uses, by index; -1: the standard has none."""

    activate: int
    activate_second: int
    precharge: int
    precharge_all: int
    read: int
    write: int
    read_precharge: int
    write_precharge: int
    refresh: int
    start_read: int
    start_write: int

    @property
    def kernel(self) -> dict[int, int]:
        """The kernel's number of a command -> its index in the standard."""
        numbers = {
            at.ACT: self.activate,
            at.ACT_SECOND: self.activate_second,
            at.PRE: self.precharge,
            at.PRE_ALL: self.precharge_all,
            at.READ: self.read,
            at.WRITE: self.write,
            at.READ_CLOSE: self.read_precharge,
            at.WRITE_CLOSE: self.write_precharge,
            at.REFRESH: self.refresh,
            at.START_READ: self.start_read,
            at.START_WRITE: self.start_write,
        }
        return {number: command for number, command in numbers.items() if command >= 0}


@dataclass(frozen=True)
class Plan:
    """What a channel under a policy needs: see ``pimsim.kernels.request_layout``.

    Attributes:
        vector: int64, the plan.
        state: int64, the state of an idle channel at tick 0; copy it.
    """

    compiled: Compiled
    policy: Policy
    roles: Roles
    vector: np.ndarray = field(repr=False)
    state: np.ndarray = field(repr=False)


def roles(compiled: Compiled, policy: Policy) -> Roles:
    """The commands that a policy issues on a part.

    Raises:
        InputError: the policy needs a command that the standard does not have.
    """
    standard = compiled.standard
    index = compiled.command
    closed = policy.page == "closed"
    per_bank = policy.refresh == "per-bank"
    refresh = -1 if policy.refresh == "none" else index(standard.refresh_bank if per_bank else standard.refresh)
    together = policy.refresh == "all-bank" and policy.refresh_precharge == "together"
    problems = []
    if policy.refresh != "none" and refresh < 0:
        others = "all-bank, none" if per_bank else "none"
        problems.append(Problem(f"{standard.name} has no {policy.refresh} refresh", others, key="controller.refresh"))
    if together and index(standard.precharge_all) < 0:
        problems.append(Problem(f"{standard.name} has no command that closes all rows of a rank", "one-by-one",
                                key="controller.refresh_precharge"))
    read, write = index(standard.read), index(standard.write)
    if closed and min(index(f"{standard.read}A"), index(f"{standard.write}A")) < 0:
        problems.append(Problem(f"{standard.name} has no accesses that close their row", "open", key="controller.page"))
    if problems:
        raise InputError(problems)
    starts = [standard.commands[c].needs_clock if policy.data_clock == "on-demand" else "" for c in (read, write)]
    return Roles(
        activate=index(standard.activate),
        activate_second=index(standard.activate_second) if standard.activate_second else -1,
        precharge=index(standard.precharge),
        precharge_all=index(standard.precharge_all) if together else -1,
        read=read,
        write=write,
        read_precharge=index(f"{standard.read}A") if closed else -1,
        write_precharge=index(f"{standard.write}A") if closed else -1,
        refresh=refresh,
        start_read=index(starts[0]),
        start_write=index(starts[1]),
    )


def refresh_round(compiled: Compiled, policy: Policy) -> tuple[int, int]:
    """(ticks, refresh commands that a rank is due in them, evenly spread); 0 ticks: none.

    Every row is refreshed once a retention time, so every bank is refreshed once a tREFI, whether all banks at once or each by itself
    (JESD79-4 4.26, JESD235 and JESD238: tREFIpb is tREFI over the banks of a rank). A part that gives tREFIpb has that instead.

    Raises:
        InputError: the part has no tREFI.
    """
    if policy.refresh == "none":
        return 0, 1
    timing, ticks = compiled.timing, compiled.standard.ticks_per_clock
    if "tREFI" not in timing:
        raise InputError(Problem("refresh needs tREFI", "or controller.refresh: none", key="memory.timing.tREFI"))
    if policy.refresh == "all-bank":
        return timing["tREFI"] * ticks, 1
    if "tREFIpb" in timing:
        return timing["tREFIpb"] * ticks, 1
    org = compiled.organization
    return timing["tREFI"] * ticks, org.banks_per_channel // org.ranks


def watermarks(policy: Policy) -> tuple[int, int]:
    """Writes waiting at which write mode starts at the latest, and at which it may end."""
    start = int(policy.write_high * policy.write_queue) + 1
    end = math.ceil(policy.write_low * policy.write_queue) - 1
    return start, max(end, 0)


def make_plan(compiled: Compiled, policy: Policy) -> Plan:
    """The plan of a part under a policy.

    Raises:
        InputError: the part cannot do what the policy asks.
    """
    found = roles(compiled, policy)
    org = compiled.organization
    if org.bankgroups * org.banks > _SEGMENT_BANKS:
        raise InputError(Problem(f"{org.bankgroups * org.banks} banks a rank and stack", f"at most {_SEGMENT_BANKS}",
                                 key="memory.banks"))
    if org.ranks > at.RANKS:
        raise InputError(Problem(f"{org.ranks} ranks", f"at most {at.RANKS}", key="memory.ranks"))
    longest = max((r.value for r in compiled.rules), default=0)
    if longest >= at.FARTHEST:
        raise InputError(Problem(f"a rule of {longest} ticks", f"rules shorter than {at.FARTHEST} ticks", key="memory.timing"))
    builder = _Builder(compiled, policy, found)
    return Plan(compiled, policy, found, builder.vector(), builder.state())


class _Builder:
    """Lays the two vectors out."""

    def __init__(self, compiled: Compiled, policy: Policy, found: Roles):
        self.compiled, self.policy, self.numbers = compiled, policy, found.kernel
        self.org = org = compiled.organization
        self.number_of = {command: number for number, command in self.numbers.items()}
        nodes = [org.nodes(level) for level in range(len(LEVELS))]
        self.canonical = [nodes.index(n) for n in nodes]
        self.node_banks = [org.banks_per_channel // n for n in nodes]
        self.rules = self._merged()
        self.windows = self._windows()
        fcfs = policy.order == "fcfs"
        self.reads = 1 if fcfs else policy.read_queue
        self.hold = policy.waiting + (policy.read_queue - 1 if fcfs else 0)
        self.entries = policy.read_queue + policy.write_queue + org.banks_per_channel
        self._place()

    def _numbers(self, commands: Iterable[int]) -> list[int]:
        """The kernel's numbers of those commands that the policy issues."""
        return [self.number_of[c] for c in commands if c in self.number_of]

    def _merged(self) -> dict[tuple[int, int, int], int]:
        """(sort of rule, earlier command, later command) -> ticks."""
        plain: dict[tuple[int, int, int], int] = {}
        merged: dict[tuple[int, int, int], int] = {}
        for r in self.compiled.rules:
            level = self.canonical[r.level]
            if r.window > 1 or (r.sibling and level == CHANNEL):
                continue
            rules, sort = (merged, _SIBLINGS[level]) if r.sibling else (plain, level)
            for before in self._numbers(r.before):
                for after in self._numbers(r.after):
                    key = (sort, before, after)
                    rules[key] = max(rules.get(key, r.value), r.value)
        for (level, before, after), ticks in plain.items():
            if not any(plain.get((wider, before, after), -1 << 60) >= ticks for wider in range(level)):
                key = (self._sort(level), before, after)
                merged[key] = max(merged.get(key, ticks), ticks)
        return merged

    def _sort(self, level: int) -> int:
        """Where the rules of a level stand in a command's record."""
        if level == CHANNEL:
            return at.K_SEGMENT if self.org.ranks * self.org.sids == 1 else at.K_CHANNEL
        if level == RANK:
            return at.K_SEGMENT if self.org.sids == 1 else at.K_RANK
        return {SID: at.K_SEGMENT, BANKGROUP: at.K_GROUP, BANK: at.K_BANK}[level]

    def _windows(self) -> list[Rule]:
        """The activation windows that matter.

        Raises:
            InputError: more than the kernel keeps.
        """
        found = [r for r in self.compiled.rules if r.window > 1 and self._numbers(r.before) and self._numbers(r.after)]
        if len(found) > at.WINDOWS:
            raise InputError(Problem(f"{len(found)} activation windows", f"at most {at.WINDOWS}", key="memory.standard"))
        return found

    def _place(self) -> None:
        """Offsets of the records in the state."""
        org = self.org
        self.segments = at.SCALARS
        self.ranks = self.segments + org.ranks * org.sids * at.SEGMENT
        self.banks = self.ranks + org.ranks * at.RANK_RECORD
        self.entry = self.banks + org.banks_per_channel * at.BANK_RECORD
        self.held = self.entry + self.entries * at.ENTRY
        cursor = self.held + self.hold
        self.rings = []
        for window in self.windows:
            self.rings.append(cursor)
            cursor += org.nodes(window.level) * (window.window + 1)
        self.size = cursor

    def vector(self) -> np.ndarray:
        """The plan."""
        windows = at.P_RECORDS + at.COMMANDS * at.COMMAND
        rules = windows + len(self.windows) * at.WINDOW
        tail: list[int] = []
        records = [self._command(number, rules, tail) for number in range(at.COMMANDS)]
        window_records = []
        for window in self.windows:
            after = self._numbers(window.after)
            begin = rules + len(tail)
            tail += after
            reach = _REACH[self.canonical[window.level]]
            window_records.append([window.value, window.window, reach, begin, begin + len(after)])
        parts = [self._header(windows), *records, *window_records, tail]
        return np.array([value for part in parts for value in part], np.int64)

    def _command(self, number: int, rules: int, tail: list[int]) -> list[int]:
        """A command's record; its rules go to ``tail``."""
        record = [0] * at.COMMAND
        if number not in self.numbers:
            return record
        command = self.numbers[number]
        standard, timing = self.compiled.standard, self.compiled.timing
        spec = standard.commands[command]
        record[at.K_BUS] = int(standard.two_buses and spec.bus == "column")
        record[at.K_CYCLES] = spec.cycles
        record[at.K_LATENCY] = evaluate(spec.latency, timing) * standard.ticks_per_clock
        record[at.K_PERIOD], record[at.K_PHASE] = spec.align
        record[at.K_START] = self.number_of.get(self.compiled.command(spec.needs_clock), -1)
        record[at.K_KEEP] = evaluate(spec.keeps_clock, timing) * standard.ticks_per_clock
        record[at.K_WINDOWS] = sum(1 << w for w, window in enumerate(self.windows) if command in window.before)
        record[at.K_RULES] = rules + len(tail)
        for sort in _KINDS:
            for (of, before, after), ticks in sorted(self.rules.items()):
                if of == sort and before == number:
                    tail += [ticks, after]
            record[sort] = rules + len(tail)
        return record

    def _header(self, windows: int) -> list[int]:
        policy, standard = self.policy, self.compiled.standard
        start, end = watermarks(policy)
        interval, turns = refresh_round(self.compiled, policy)
        dual = 1 if policy.second_command == "row-after-column" else 2
        deadline = evaluate(standard.activate_deadline, self.compiled.timing) if standard.activate_deadline else 0
        values = {
            at.P_SEGMENTS: self.segments,
            at.P_SEGMENTS_END: self.ranks,
            at.P_RANKS: self.ranks,
            at.P_RANKS_END: self.banks,
            at.P_BANKS: self.banks,
            at.P_RANK_BANKS: self.node_banks[RANK],
            at.P_DUAL: dual if standard.two_buses else 0,
            at.P_UNIFIED: policy.queue == "unified",
            at.P_READS: self.reads,
            at.P_WRITES: policy.write_queue,
            at.P_HOLD: self.hold,
            at.P_AT_HOLD: self.held,
            at.P_WRITE_HIGH: start,
            at.P_WRITE_LOW: end,
            at.P_GUARD: {"ready": at.READY, "no-older-hit": at.OLDER, "no-hit": at.ANY}[policy.precharge],
            at.P_CAP: policy.row_hit_cap,
            at.P_PROTECT: policy.protect_opened,
            at.P_CLOSED: policy.page == "closed",
            at.P_FORWARD: policy.forward_writes,
            at.P_ORDERED: policy.order_same_column,
            at.P_POSTED: policy.write_done == "accepted",
            at.P_REFRESH_BANKS: policy.refresh == "per-bank",
            at.P_INTERVAL: interval,
            at.P_TURNS: turns,
            at.P_POSTPONE: policy.postpone,
            at.P_BLOCKS: {"channel": at.CHANNEL, "rank": at.RANK, "bank": at.BANK}[policy.refresh_blocks],
            at.P_EACH: policy.refresh_precharge == "one-by-one",
            at.P_HALVES: at.ACT_SECOND in self.numbers,
            at.P_DEADLINE: deadline * standard.ticks_per_clock,
            at.P_WINDOWS: windows,
        }  # fmt: skip
        header = [0] * at.P_RECORDS
        for index, value in values.items():
            header[index] = int(value)
        return header

    def state(self) -> np.ndarray:
        """An idle channel at tick 0; tick 1 is the first that can have a command."""
        state = np.zeros(self.size, np.int64)
        org = self.org
        interval, turns = refresh_round(self.compiled, self.policy)
        due = interval // turns or at.ALWAYS
        segments = state[self.segments : self.ranks].reshape(-1, at.SEGMENT)
        ranks = state[self.ranks : self.banks].reshape(-1, at.RANK_RECORD)
        banks = state[self.banks : self.entry].reshape(-1, at.BANK_RECORD)
        entries = state[self.entry : self.held].reshape(-1, at.ENTRY)
        segment, rank, bank = np.arange(len(segments)), np.arange(len(ranks)), np.arange(len(banks))
        segment_banks = org.bankgroups * org.banks

        segments[:, : at.COMMANDS] = at.NEVER
        segments[:, at.G_BEST + at.BEST_BANK :: at.BEST] = -1
        segments[:, at.G_RANK] = self.ranks + segment // org.sids * at.RANK_RECORD
        segments[:, at.G_FIRST] = self.banks + segment * segment_banks * at.BANK_RECORD

        ranks[:, at.R_DUE] = due
        ranks[:, at.R_CLOCK] = at.NEVER
        ranks[:, at.R_FIRST] = self.banks + rank * self.node_banks[RANK] * at.BANK_RECORD

        banks[:, : at.COMMANDS] = at.NEVER
        banks[:, at.B_INDEX] = bank
        banks[:, at.B_SEGMENT] = self.segments + bank // segment_banks * at.SEGMENT
        banks[:, at.B_RANK] = self.ranks + bank // self.node_banks[RANK] * at.RANK_RECORD
        banks[:, at.B_BIT] = 1 << bank % segment_banks
        banks[:, at.B_GROUP] = self.banks + bank // org.banks * org.banks * at.BANK_RECORD
        banks[:, at.B_GROUP_END] = banks[:, at.B_GROUP] + org.banks * at.BANK_RECORD
        banks[:, [at.B_ROW, at.B_ACTIVE, *range(at.B_HEAD, at.B_HIT_WRITE + 1)]] = -1
        for w, (window, ring) in enumerate(zip(self.windows, self.rings, strict=True)):
            banks[:, at.B_RING + w] = ring + bank // self.node_banks[window.level] * (window.window + 1)
            state[ring:].reshape(-1)[: org.nodes(window.level) * (window.window + 1)] = at.NEVER
            state[np.unique(banks[:, at.B_RING + w])] = 0

        entries[:, at.E_NEXT] = self.entry + at.ENTRY * np.arange(1, self.entries + 1)
        entries[-1, at.E_NEXT] = -1
        state[self.held : self.held + self.hold] = -1
        state[at.FLOOR] = 1
        state[[at.ENTERED, at.ACCEPTED, at.HALF_BANK, at.LOCK_BANK, at.LAST_COMMAND, at.LAST_COLUMN]] = -1
        state[at.FREE] = self.entry
        state[at.DUE] = due
        return state
