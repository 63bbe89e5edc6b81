"""A compiled part and a policy as the two vectors that the memory-controller kernel works on.

Rules between commands that the policy never issues are left out; levels that have one node a parent are folded into
it (a GDDR6 rank is the channel); of rows about the same two commands at one level the strictest stays.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from pimsim.dram.compile import Compiled
from pimsim.dram.controller.policy import Policy
from pimsim.dram.expression import evaluate
from pimsim.dram.spec import BANK, BANKGROUP, CHANNEL, LEVELS, RANK, SID
from pimsim.errors import InputError, Problem
from pimsim.kernels import request_layout as at

_KINDS = (at.K_SEGMENT, at.K_RANK, at.K_CHANNEL, at.K_STACKS, at.K_RANKS, at.K_GROUP, at.K_BANK, at.K_GROUPS, at.K_BANKS)
_SIBLINGS = {RANK: at.K_RANKS, SID: at.K_STACKS, BANKGROUP: at.K_GROUPS, BANK: at.K_BANKS}
_SEGMENT_BANKS = 63
"""Banks of a segment: one bit of a word each."""


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
    starters: tuple[int, ...] = ()

    def used(self) -> set[int]:
        """All of them."""
        named = {getattr(self, name) for name in self.__dataclass_fields__ if name != "starters"}
        return (named | set(self.starters)) - {-1}


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
    if problems:
        raise InputError(problems)
    starters = {index(standard.commands[c].needs_clock) for c in (read, write)} if policy.data_clock == "on-demand" else set()
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
        starters=tuple(sorted(starters - {-1})),
    )


def refresh_interval(compiled: Compiled, policy: Policy) -> int:
    """Ticks between two refresh commands to a rank; 0: none.

    Raises:
        InputError: the part has no tREFI.
    """
    if policy.refresh == "none":
        return 0
    timing, ticks = compiled.timing, compiled.standard.ticks_per_clock
    if "tREFI" not in timing:
        raise InputError(Problem("refresh needs tREFI", "or controller.refresh: none", key="memory.timing.tREFI"))
    if policy.refresh == "all-bank":
        return timing["tREFI"] * ticks
    org = compiled.organization
    return timing.get("tREFIpb", timing["tREFI"] // (org.banks_per_channel // org.ranks)) * ticks


def watermarks(policy: Policy) -> tuple[int, int]:
    """Writes waiting at which write mode starts at the latest, and at which it may end."""
    start = int(policy.write_high * policy.write_queue) + 1
    end = -int(-policy.write_low * policy.write_queue // 1) - 1
    return start, end


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
    builder = _Builder(compiled, policy, found)
    return Plan(compiled, policy, found, builder.vector(), builder.state())


class _Builder:
    """Lays the two vectors out."""

    def __init__(self, compiled: Compiled, policy: Policy, found: Roles):
        self.compiled, self.policy, self.roles = compiled, policy, found
        org = compiled.organization
        self.org = org
        self.commands = len(compiled.standard.commands)
        self.banks = org.banks_per_channel
        self.segments = org.ranks * org.sids
        nodes = [org.nodes(level) for level in range(len(LEVELS))]
        self.canonical = [nodes.index(n) for n in nodes]
        self.node_banks = [self.banks // n for n in nodes]
        used = found.used()
        self.pairs = self._merged(used)
        self.windows = [
            (self.canonical[r.level], r.window, r.value, [c for c in r.before if c in used], [c for c in r.after if c in used])
            for r in compiled.rules
            if r.window > 1 and used & set(r.before) and used & set(r.after)
        ]
        self.fcfs = policy.order == "fcfs"
        self.reads = 1 if self.fcfs else policy.read_queue
        self.hold = policy.waiting + (policy.read_queue - 1 if self.fcfs else 0)
        self.entries = policy.read_queue + policy.write_queue + self.banks
        self._place()

    def _merged(self, used: set[int]) -> dict[tuple[int, int, int], int]:
        """(kind, before, after) -> ticks."""
        plain: dict[tuple[int, int, int], int] = {}
        merged: dict[tuple[int, int, int], int] = {}
        for r in self.compiled.rules:
            level = self.canonical[r.level]
            for before in used & set(r.before):
                for after in used & set(r.after):
                    if r.window == 1 and not r.sibling:
                        key = (level, before, after)
                        plain[key] = max(plain.get(key, r.value), r.value)
                    elif r.sibling and level != CHANNEL:
                        key = (_SIBLINGS[level], before, after)
                        merged[key] = max(merged.get(key, r.value), r.value)
        for (level, before, after), ticks in plain.items():
            if not any(plain.get((wider, before, after), -1 << 60) >= ticks for wider in range(level)):
                merged[self._kind(level), before, after] = ticks
        return merged

    def _kind(self, level: int) -> int:
        """Where the rules of a level stand in a command's record."""
        if level == CHANNEL:
            return at.K_SEGMENT if self.segments == 1 else at.K_CHANNEL
        if level == RANK:
            return at.K_SEGMENT if self.org.sids == 1 else at.K_RANK
        return {SID: at.K_SEGMENT, BANKGROUP: at.K_GROUP, BANK: at.K_BANK}[level]

    def _place(self) -> None:
        """Offsets into the state."""
        sizes = {
            at.S_AT_WIDE: self.segments * self.commands,
            at.S_AT_NARROW: self.commands * self.banks,
            at.S_AT_BANK: self.banks * at.BANK_STATE,
            at.S_AT_CANDIDATE: at.GROUPS * self.banks * at.CANDIDATE,
            at.S_AT_MASK: at.GROUPS * self.segments,
            at.S_AT_RANK: self.org.ranks * at.RANK_STATE,
            at.S_AT_ENTRY: self.entries * at.ENTRY,
            at.S_AT_FIFO: self.org.ranks + 1,
            at.S_AT_HOLD: max(self.hold, 1),
            at.S_AT_COUNT: self.commands,
            at.S_AT_HISTOGRAM: at.BINS,
        }
        self.offsets: dict[int, int] = {}
        cursor = at.SCALARS
        for name, size in sizes.items():
            self.offsets[name] = cursor
            cursor += size
        self.rings = []
        for level, size, _, _, _ in self.windows:
            self.rings.append(cursor)
            cursor += self.org.nodes(level) * (size + 1)
        self.size = cursor

    def vector(self) -> np.ndarray:
        """The plan."""
        records = at.P_HEADER
        places = records + self.commands * at.COMMAND
        windows = places + self.banks * at.PLACE
        rules = windows + len(self.windows) * at.WINDOW
        tail: list[int] = []
        command_records = [self._command(c, rules, tail) for c in range(self.commands)]
        window_records = []
        for (level, size, ticks, _, after), ring in zip(self.windows, self.rings, strict=True):
            window_records.append([ticks, size, ring, self.node_banks[level], rules + len(tail)])
            tail += [len(after), *after]
        header = self._header(records, places, windows)
        parts = [header, *command_records, *(self._bank(b) for b in range(self.banks)), *window_records, tail]
        return np.array([value for part in parts for value in part], np.int64)

    def _command(self, command: int, rules: int, tail: list[int]) -> list[int]:
        """A command's record; its rules go to ``tail``."""
        spec = self.compiled.standard.commands[command]
        ticks_per_clock = self.compiled.standard.ticks_per_clock
        timing = self.compiled.timing
        record = [0] * at.COMMAND
        record[at.K_BUS] = int(self.compiled.standard.two_buses and spec.bus == "column")
        record[at.K_CYCLES] = spec.cycles
        record[at.K_LATENCY] = evaluate(spec.latency, timing) * ticks_per_clock
        record[at.K_PERIOD], record[at.K_PHASE] = spec.align
        starter = self.compiled.command(spec.needs_clock) if spec.needs_clock else -1
        record[at.K_CLOCK] = starter if starter in self.roles.starters else -1
        record[at.K_KEEP] = evaluate(spec.keeps_clock, timing) * ticks_per_clock
        record[at.K_WINDOWS] = sum(1 << w for w, window in enumerate(self.windows) if command in window[3])
        record[at.K_RULES] = rules + len(tail)
        for kind in _KINDS:
            for (k, before, after), ticks in sorted(self.pairs.items()):
                if k == kind and before == command:
                    tail += [ticks, after]
            record[kind] = rules + len(tail)
        return record

    def _bank(self, bank: int) -> list[int]:
        group = self.org.banks
        first = bank // group * group
        return [bank // (self.org.bankgroups * group), bank // self.node_banks[RANK], first, first + group]

    def _header(self, records: int, places: int, windows: int) -> list[int]:
        policy, found = self.policy, self.roles
        deadline = self.compiled.standard.activate_deadline
        start, end = watermarks(policy)
        dual = 1 if policy.second_command == "row-after-column" else 2
        values = {
            at.P_BANKS: self.banks,
            at.P_COMMANDS: self.commands,
            at.P_SEGMENTS: self.segments,
            at.P_RANKS: self.org.ranks,
            at.P_SEGMENT_BANKS: self.org.bankgroups * self.org.banks,
            at.P_RANK_BANKS: self.node_banks[RANK],
            at.P_RANK_SEGMENTS: self.org.sids,
            at.P_DUAL: dual if self.compiled.standard.two_buses else 0,
            at.P_UNIFIED: policy.queue == "unified",
            at.P_READS: self.reads,
            at.P_WRITES: policy.write_queue,
            at.P_HOLD: self.hold,
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
            at.P_INTERVAL: refresh_interval(self.compiled, policy),
            at.P_POSTPONE: policy.postpone,
            at.P_BLOCKS: {"channel": at.CHANNEL, "rank": at.RANK, "bank": at.BANK}[policy.refresh_blocks],
            at.P_EACH: policy.refresh_precharge == "one-by-one",
            at.P_ACT: found.activate,
            at.P_ACT_SECOND: found.activate_second,
            at.P_DEADLINE: evaluate(deadline, self.compiled.timing) * self.compiled.standard.ticks_per_clock
            if deadline else 0,
            at.P_PRE: found.precharge,
            at.P_PRE_ALL: found.precharge_all,
            at.P_READ: found.read,
            at.P_WRITE: found.write,
            at.P_READ_CLOSE: found.read_precharge,
            at.P_WRITE_CLOSE: found.write_precharge,
            at.P_REFRESH: found.refresh,
            at.P_WINDOWS: len(self.windows),
            at.P_AT_COMMAND: records,
            at.P_AT_BANK: places,
            at.P_AT_WINDOW: windows,
            at.S_SIZE: self.size,
            **self.offsets,
        }  # fmt: skip
        header = [0] * at.P_HEADER
        for index, value in values.items():
            header[index] = int(value)
        return header

    def state(self) -> np.ndarray:
        """An idle channel at tick 0; tick 1 is the first that can have a command."""
        state = np.zeros(self.size, np.int64)

        def part(offset: int, size: int) -> np.ndarray:
            return state[self.offsets[offset] :][:size]

        part(at.S_AT_WIDE, self.segments * self.commands)[:] = at.NEVER
        part(at.S_AT_NARROW, self.commands * self.banks)[:] = at.NEVER
        part(at.S_AT_HOLD, max(self.hold, 1))[:] = -1
        banks = part(at.S_AT_BANK, self.banks * at.BANK_STATE).reshape(self.banks, at.BANK_STATE)
        banks[:, [at.B_ROW, at.B_ACTIVE, *range(at.B_HEAD, at.B_HIT_WRITE + 1)]] = -1
        entries = part(at.S_AT_ENTRY, self.entries * at.ENTRY).reshape(self.entries, at.ENTRY)
        entries[:, at.E_NEXT] = _chain(self.offsets[at.S_AT_ENTRY], at.ENTRY, self.entries)
        ranks = part(at.S_AT_RANK, self.org.ranks * at.RANK_STATE).reshape(self.org.ranks, at.RANK_STATE)
        due = refresh_interval(self.compiled, self.policy) or at.ALWAYS
        ranks[:, at.R_DUE] = due
        ranks[:, at.R_CLOCK] = at.NEVER
        for (_, size, _, _, _), ring, nodes in zip(self.windows, self.rings, self._window_nodes(), strict=True):
            rings = state[ring:][: nodes * (size + 1)].reshape(nodes, size + 1)
            rings[:, 1:] = at.NEVER
        state[at.FLOOR] = 1
        state[at.WRITING] = 0
        state[[at.ENTERED, at.HALF_BANK, at.LOCK_BANK, at.LAST_COMMAND, at.LAST_COLUMN]] = -1
        state[at.FREE] = self.offsets[at.S_AT_ENTRY]
        state[at.DUE] = due
        return state

    def _window_nodes(self) -> Iterable[int]:
        return [self.org.nodes(level) for level, *_ in self.windows]


def _chain(first: int, step: int, count: int) -> np.ndarray:
    """Links of a free list."""
    links = first + step * np.arange(1, count + 1)
    links[-1] = -1
    return links
