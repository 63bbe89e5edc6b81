"""The contended channel's vectors: a compiled part and a policy as the kernel takes them (``pimsim.kernels.contend_layout``)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pimsim.dram.compile import Compiled
from pimsim.dram.controller.contend_policy import ContendPolicy
from pimsim.dram.spec import CHANNEL, LEVELS
from pimsim.errors import InputError, Problem
from pimsim.kernels import contend_layout as at
from pimsim.kernels.table import NEVER

_NAMED = {
    at.P_ACT: "ACT", at.P_PRE: "PRE", at.P_READ: "RD", at.P_WRITE: "WR", at.P_REFRESH: "REFab", at.P_GWRITE: "GWRITE",
    at.P_GACT: "G_ACT", at.P_HEADER: "P_HEADER", at.P_COMPUTE: "COMP", at.P_RESULT: "READRES",
}  # fmt: skip


@dataclass(frozen=True)
class ContendPlan:
    """A part with a PIM command set like NeuPIMs' and a policy, ready to run.

    Raises:
        InputError: the part lacks a command that such a channel needs, or refreshes leave no time for anything else.
    """

    compiled: Compiled
    policy: ContendPolicy

    def __post_init__(self) -> None:
        missing = [name for name in _NAMED.values() if self.compiled.command(name) < 0]
        if missing:
            raise InputError(Problem(f"{self.compiled.standard.name} has no {', '.join(missing)}",
                                     "a command set like neupims", key="memory.command_set"))
        timing = self.compiled.timing
        if self.policy.refresh != "none" and timing["tREFI"] <= self.refresh_ticks + timing["tRFCab"]:
            raise InputError(Problem(f"{timing['tREFI']} clocks leave no time between refreshes",
                                     f"more than {self.refresh_ticks + timing['tRFCab']}", key="memory.timing.tREFI"))

    @property
    def dual(self) -> bool:
        """Two row buffers a bank."""
        return self.compiled.command("PIM_PRECHARGE") >= 0

    @property
    def refresh_ticks(self) -> int:
        """Ticks that it takes at most to close the rows of a rank for a refresh."""
        org, timing = self.compiled.organization, self.compiled.timing
        return 2 * org.bankgroups * org.banks + timing["tRAS"] + timing["CWL"] + timing["BL"] + timing["tWR"] + timing["tRP"]

    def must_fit(self, transactions: np.ndarray) -> None:
        """Make sure that every announced row can be begun between two refreshes of the channel.

        Raises:
            InputError: it never could be, so that PIM would wait for ever.
        """
        if self.policy.refresh == "none" or not len(transactions):
            return
        p = self.plan
        rows = transactions[transactions[:, at.T_KIND] == at.ANNOUNCE]
        steps = int((np.maximum(rows[:, at.T_COMPUTES], 6) + rows[:, at.T_RESULTS] - 1).max(initial=0))
        groups = p[at.P_RANK_BANKS] // p[at.P_GROUP_BANKS]
        row = p[at.P_TO_PRECHARGE] * p[at.P_BANKS] + p[at.P_WINDOW] * (groups - 1) + p[at.P_TO_COLUMN] + p[at.P_CADENCE] * steps
        fill = p[at.P_TO_PRECHARGE] + p[at.P_TO_ACTIVATE] + p[at.P_TO_COLUMN] + p[at.P_FILL]
        need = int(max(row, fill)) + self.policy.header_slack + self.refresh_ticks
        if need > p[at.P_INTERVAL]:
            ranks = self.compiled.organization.ranks
            raise InputError(Problem(f"a row of {steps} steps cannot be begun between two refreshes of the channel",
                                     f"at least {need * ranks} clocks", key="memory.timing.tREFI"))

    @property
    def compute_ticks(self) -> int:
        """Ticks from one COMP to the next."""
        return int(self.plan[at.P_CADENCE])

    # ------------------------------------------------------------------ layout of the state

    @property
    def ready(self) -> int:
        """Where the ready times begin."""
        return at.SCALARS

    @cached_property
    def timing(self) -> int:
        """Size of the ready times of all nodes, and of the histories of all activation windows."""
        table = self.compiled.table
        sizes = (self.compiled.organization.nodes(r.level) * r.window for r in self.compiled.rules if r.window > 1)
        return table.nodes * table.commands + sum(sizes)

    @property
    def at_counters(self) -> int:
        """Where the counters begin: PIM's causes, memory's causes, commands."""
        return self.ready + 3 * self.timing

    @property
    def at_open(self) -> int:
        """Where the open rows are counted, by row buffer and rank."""
        return self.at_counters + at.AT_COMMANDS + self.compiled.table.commands

    @property
    def at_bank(self) -> int:
        """Where the banks' records begin."""
        return self.at_open + 2 * self.compiled.organization.ranks * at.OPEN

    @property
    def at_entry(self) -> int:
        """Where the waiting requests begin."""
        return self.at_bank + self.compiled.table.banks * at.BANK

    @property
    def entries(self) -> int:
        """Requests that may wait."""
        return self.policy.read_queue + self.policy.write_queue + self.compiled.table.banks * self.policy.bank_queue

    # ------------------------------------------------------------------ plan and state

    @cached_property
    def plan(self) -> np.ndarray:
        """The plan: int64, one dimension."""
        policy, org, timing = self.policy, self.compiled.organization, self.compiled.timing
        commands = self.compiled.command_names
        values = {index: self.compiled.command(name) for index, name in _NAMED.items()}
        values |= {
            at.P_DUAL: self.dual,
            at.P_ARBITER: {"pim-first": at.PIM_FIRST, "memory-first": at.MEMORY_FIRST, "age": at.AGE}[policy.arbiter],
            at.P_BANKS: org.banks_per_channel,
            at.P_RANKS: org.ranks,
            at.P_RANK_BANKS: org.banks_per_channel // org.ranks,
            at.P_GROUP_BANKS: org.banks,
            at.P_CLOSE: commands.index("PIM_PRECHARGE" if self.dual else "PRE"),
            at.P_COMPOSITE: self.compiled.command("COMPS_READRES"),
            at.P_INTERVAL: timing["tREFI"] // org.ranks,
            at.P_READ_QUEUE: policy.read_queue,
            at.P_WRITE_QUEUE: policy.write_queue,
            at.P_BANK_QUEUE: policy.bank_queue,
            at.P_OUTSTANDING: policy.outstanding or self.entries,
            at.P_PIM_QUEUE: policy.pim_queue,
            at.P_DRAIN_ABOVE: policy.drain_above,
            at.P_CAP: policy.row_hit_cap,
            at.P_HEADER_SLACK: policy.header_slack,
            at.P_ROW_COST: policy.row_cost,
            at.P_ACTIVATE_SLACK: policy.activate_slack,
            at.P_PRECHARGE_SLACK: policy.precharge_slack,
            at.P_IDLE_SLACK: policy.idle_slack,
            at.P_LEAST: policy.least_computes,
            at.P_RESULT_AT_END: policy.result_at == "end",
            at.P_RESERVE_WORK: policy.reserve == "work",
            at.P_HOLD: self.dual and policy.hold_activates and policy.arbiter == "pim-first",
            at.P_TO_PRECHARGE: policy.close_ticks,
            at.P_WINDOW: timing["tFAW"],
            at.P_TO_COLUMN: timing["tRCDRD"],
            at.P_TO_ACTIVATE: timing["tRP"],
            at.P_TO_REFRESHED: timing["tRFCab"],
            at.P_CADENCE: max(timing["BL"], timing["tCCDL"]),
            at.P_TREE: timing["tTREE"],
            at.P_FILL: timing["tGWRITE"],
            at.P_READ_TICKS: timing["CL"] + timing["BL"],
            at.P_BURST: timing["BL"],
            at.P_AT_BANK: self.at_bank,
            at.P_AT_ENTRY: self.at_entry,
            at.P_AT_COUNTERS: self.at_counters,
            at.P_AT_OPEN: self.at_open,
            at.P_PIM_SHADOW: self.timing,
            at.P_MEMORY_SHADOW: 2 * self.timing,
            at.P_INTERNAL_LOG: self.dual and self._distance("COMP", "PIM_PRECHARGE") > NEVER,
            at.P_COLUMNS: org.columns,
        }
        for write, access in enumerate(("RD", "WR")):
            values[at.P_BEFORE_RESULT + write] = self._distance(access, "READRES") if self.dual else NEVER
            values[at.P_AFTER_RESULT + write] = self._distance("READRES", access) if self.dual else NEVER
        header = np.zeros(at.P_COMMANDS, np.int64)
        for index, value in values.items():
            header[index] = int(value)
        return np.concatenate((header, self._rules(header)))

    def _rules(self, header: np.ndarray) -> np.ndarray:
        """Records of commands and windows, and the lists they refer to; says in the header where the look-up tables stand."""
        table, rules = self.compiled.table, self.compiled.rules
        commands = self.compiled.standard.commands
        windows = [r for r in rules if r.window > 1]
        at_window = at.P_COMMANDS + len(commands) * at.COMMAND
        lists = at_window + len(windows) * at.WINDOW
        tail: list[int] = []
        banks = np.arange(table.banks)
        for level in range(len(LEVELS)):
            header[at.P_NODES + level] = lists + len(tail)
            tail += (self.ready + (table.node_base[level] + banks // table.node_banks[level]) * table.commands).tolist()
        nodes = header[at.P_NODES : at.P_NODES + len(LEVELS)].tolist()
        records = np.zeros((len(commands), at.COMMAND), np.int64)
        for c, command in enumerate(commands):
            records[c, at.K_LEVELS] = sum({1 << r.level for r in rules if c in r.after})
            records[c, at.K_WEIGHT] = command.activations
            records[c, at.K_RULES] = lists + len(tail)
            for k in range(table.rule_begin[c], table.rule_begin[c + 1]):
                tail += [nodes[table.rule_level[k]], int(table.rule_after[k]), int(table.rule_value[k])]
            records[c, at.K_RULES_END] = records[c, at.K_WINDOWS] = lists + len(tail)
            tail += [at_window + w * at.WINDOW for w, r in enumerate(windows) if c in r.before]
            records[c, at.K_WINDOWS_END] = records[c, at.K_SIBLINGS] = lists + len(tail)
            for r in rules:
                if r.sibling and c in r.before:
                    own, parent = table.node_banks[r.level], table.node_banks[r.level - 1]
                    tail += [v for after in r.after for v in (int(own), int(parent), nodes[r.level], after, r.value)]
            records[c, at.K_SIBLINGS_END] = lists + len(tail)
        history = self.ready + table.nodes * table.commands
        window_records = np.zeros((len(windows), at.WINDOW), np.int64)
        for record, r in zip(window_records, windows, strict=True):
            begin = lists + len(tail)
            tail += [v for after in r.after for v in (after, commands[after].activations)]
            record[:] = (nodes[r.level], table.node_banks[r.level], r.window, r.value, history, begin, lists + len(tail))
            history += self.compiled.organization.nodes(r.level) * r.window
        return np.concatenate((records.ravel(), window_records.ravel(), np.array(tail, np.int64)))

    def _distance(self, before: str, after: str) -> int:
        """What the channel-wide rules keep between two commands; NEVER where there is none."""
        pair = self.compiled.command(before), self.compiled.command(after)
        return max((r.value for r in self.compiled.rules
                    if r.level == CHANNEL and r.window == 1 and pair[0] in r.before and pair[1] in r.after), default=NEVER)

    def state(self) -> np.ndarray:
        """An idle channel at tick 0; tick 1 is the first that can have a command."""
        state = np.zeros(self.at_entry + self.entries * at.ENTRY, np.int64)
        state[self.ready : self.at_counters] = NEVER
        interval = self.compiled.timing["tREFI"] // self.compiled.organization.ranks
        state[at.TURN] = self.compiled.table.banks - 1
        state[at.REFRESH_DUE] = interval if self.policy.refresh != "none" else at.FAR
        state[at.SLACK] = at.FAR
        state[at.NEXT_MOVE] = at.FOREVER
        state[[at.FILL_UNTIL, at.FIRST_COMPUTE, at.RESULT]] = NEVER
        state[[at.HOLD, at.FILL_BANK, at.RESERVED, at.READ_HEAD, at.READ_TAIL, at.WRITE_HEAD, at.WRITE_TAIL]] = -1
        state[at.PIM_VIEW + at.V_COUNTERS] = self.at_counters + at.AT_PIM_CAUSES
        state[at.MEMORY_VIEW + at.V_COUNTERS] = self.at_counters + at.AT_MEMORY_CAUSES
        banks = state[self.at_bank : self.at_entry].reshape(-1, at.BANK)
        banks[:, [at.B_HEAD, at.B_TAIL, at.B_HIT_READ, at.B_HIT_WRITE, at.B_ROW, at.B_PIM_ROW]] = -1
        entries = state[self.at_entry :].reshape(-1, at.ENTRY)
        entries[:, at.E_NEXT] = self.at_entry + at.ENTRY * np.arange(1, self.entries + 1)
        entries[-1, at.E_NEXT] = -1
        state[at.FREE] = self.at_entry
        return state
