"""Random parts and programs, and the engines that run them: what the property tests of the PIM kernels draw from.

A part is PIM-GPT on GDDR6 with every timing value drawn anew, or a relative of it with what other memories ask of a kernel: two
command buses, clock edges, sibling rules, activation by bank groups. Programs mix the idioms of PIM (MAC runs, buffer fills,
result reads, interleaved single-bank activates) with plain accesses in loops up to three deep.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
from hypothesis import strategies as st

from pimsim.dram.compile import Compiled, compile_part, initial_state
from pimsim.dram.spec import Cause, Organization, Standard, rule
from pimsim.dram.standards.gddr6 import GDDR6
from pimsim.kernels.channel import LOG_FIELDS
from pimsim.kernels.packed import H_VECTOR, counters
from pimsim.kernels.program import BOUNDARY, LOOP, MAX_DEPTH, run_program
from pimsim.kernels.table import CHARGED, DONE, LAST, UNIFORM
from pimsim.pim.oracle import Issued, OracleChannel
from pimsim.pim.pim_gpt import PIM_GPT

PIM_GDDR6 = PIM_GPT.on(GDDR6)
ORGANIZATIONS = (Organization(rows=64), Organization(ranks=2, rows=64), Organization(sids=2, bankgroups=2, rows=64))
ROWS, COLUMNS = 4, 64
MAX_COMMANDS = 240

Row = tuple[int, ...]

# ---------------------------------------------------------------------- parts

_RANGES = {
    "tRCDRD": (1, 20), "tRCDWR": (1, 20), "tRCDMAC": (1, 20), "tRP": (1, 20), "tCCDS": (1, 4), "tCCDL": (1, 6), "tWR": (1, 20),
    "tRFCab": (5, 90), "tREFI": (150, 900), "tRFCpb": (5, 40), "tRREFD": (1, 20), "tRAS": (1, 40), "tRC": (1, 60),
    "tRRDS": (1, 12), "tRRDL": (1, 12), "tFAW": (1, 70), "tRTP": (1, 12), "CL": (1, 30), "CWL": (1, 12), "tWTRS": (1, 9),
    "tWTRL": (1, 12), "tRTW": (1, 30), "tPPD": (1, 4), "CLREG": (0, 8), "CWLREG": (0, 4), "CWLGB": (0, 6), "WPRE": (0, 2),
    "BL": (1, 4), "tMAC": (1, 8),
}  # fmt: skip
"""Clocks; tREFI is short so that a program of some hundred commands meets several refreshes."""


def varied(*, all_bank_act: bool = True, two_buses: bool = False, over_open: bool = False, half_clocks: bool = False,
           siblings: bool = False, all_levels: bool = False) -> Standard:
    """PIM-GPT on GDDR6, or a relative of it."""
    standard = PIM_GDDR6
    commands, constraints = standard.commands, standard.constraints
    if not all_bank_act:
        commands = tuple(replace(c, opener="ACT4") if c.name == "MAC16" else c for c in commands)
    if half_clocks:
        commands = tuple(replace(c, align=(2, int(c.name == "WRGB"))) if c.bus == "column" else c for c in commands)
    if siblings:
        constraints += (rule("rank", "RD RDA MAC16", "WR WRGB MAC16", "tRTW", sibling=True),
                        rule("bankgroup", "WR", "RD ACT", "CWL", sibling=True))
    if all_levels:
        constraints += (rule("channel", "RD", "WR MAC16", "tRTW + 3"), rule("sid", "RD WR", "RD WR ACT", "tCCDL + 2"))
    return replace(standard, commands=commands, constraints=constraints, two_buses=two_buses, activate_over_open=over_open)


@st.composite
def parts(draw: st.DrawFn) -> Compiled:
    """A compiled part of random organisation, timing and rules; in half of them refreshes come due."""
    flags = {n: draw(st.booleans()) for n in ("all_bank_act", "two_buses", "over_open", "half_clocks", "siblings", "all_levels")}
    if draw(st.booleans()):
        flags = {}
    timing = {name: draw(st.integers(low, high)) for name, (low, high) in _RANGES.items()}
    organization = draw(st.sampled_from(ORGANIZATIONS))
    return compile_part(varied(**flags), organization, timing, 500_000, refresh=draw(st.booleans()))


def describe(part: Compiled) -> str:
    """What was drawn, for a failing example."""
    standard = part.standard
    return (f"{part.organization} two_buses={standard.two_buses} activate_over_open={standard.activate_over_open} "
            f"MAC16 {standard.commands[part.command('MAC16')]} siblings={sum(r.sibling for r in part.rules)} "
            f"refresh={part.table.refresh_interval} timing={dict(part.timing)}")


# ---------------------------------------------------------------------- programs


def instruction(code: int, bank: int = 0, row: int = 0, column: int = 0, count: int = 1, *, boundary: bool = False) -> Row:
    """A row of a program."""
    return (code, bank, row, column, count, 0, BOUNDARY if boundary else 0, 0)


def loop(times: int, body: Sequence[Row], *, row_step: int = 0, column_step: int = 0) -> list[Row]:
    """The rows of a loop."""
    return [(LOOP, 0, row_step, column_step, times, 0, 0, len(body)), *body]


def length(program: Sequence[Row]) -> int:
    """How many commands a program names; the row commands that it leaves to the channel are not counted."""
    total, at = 0, 0
    while at < len(program):
        row = program[at]
        at += 1
        if row[0] == LOOP:
            total += row[4] * length(program[at : at + row[7]])
            at += row[7]
        else:
            total += row[4]
    return total


_IDIOMS = ("mac", "mac", "fill", "result", "access", "auto", "open", "close", "interleave", "refresh")


@st.composite
def idioms(draw: st.DrawFn, part: Compiled) -> list[Row]:
    """A few instructions that belong together."""
    place = st.integers(0, part.organization.banks_per_channel - 1)
    bank, other = draw(place), draw(place)
    row, column = draw(st.integers(0, ROWS - 1)), draw(st.integers(0, COLUMNS - 1))
    boundary = draw(st.integers(0, 4)) == 0

    def one(name: str, at: int = bank, count: int = 1, flag: bool = False) -> Row:
        return instruction(part.command(name), at, row, column, count, boundary=flag)

    match draw(st.sampled_from(_IDIOMS)):
        case "mac":
            return [one("MAC16", count=draw(st.sampled_from([1, 1, 2, 5, 16])), flag=boundary)]
        case "fill":
            return [one("WRGB", count=draw(st.integers(1, 12)), flag=boundary)]
        case "result":
            return [one("RDMAC16", count=draw(st.integers(1, 3)), flag=boundary)]
        case "access":
            return [one(draw(st.sampled_from(["RD", "WR"])), count=draw(st.integers(1, 4)), flag=boundary)]
        case "auto":
            return [one(draw(st.sampled_from(["RDA", "WRA"])), flag=boundary)]
        case "open":
            return [one(draw(st.sampled_from(["ACT", "ACT4", "ACT16"])), flag=boundary)]
        case "close":
            return [one(draw(st.sampled_from(["PRE", "PREab"])), flag=boundary)]
        case "interleave":
            access = draw(st.sampled_from(["RD", "WR"]))
            return [one("ACT", flag=boundary), one("ACT", other), one(access), one(access, other), one("PRE"), one("PRE", other)]
    return [one("PREab"), one("REFab")]


@st.composite
def programs(draw: st.DrawFn, part: Compiled, depth: int = 3) -> list[Row]:
    """A program of at most about ``MAX_COMMANDS`` commands with loops up to ``depth`` deep."""
    rows: list[Row] = []
    for _ in range(draw(st.integers(1, 4))):
        if depth and draw(st.integers(0, 2)) > 0:
            body = draw(programs(part, depth=depth - 1))
            most = max(1, MAX_COMMANDS // 4 ** (3 - depth) // max(1, length(body)))
            times = min(draw(st.integers(0, 24)), most)
            piece = loop(times, body, row_step=draw(st.integers(0, 2)), column_step=draw(st.integers(0, 2)))
        else:
            piece = draw(idioms(part))
        if length(rows) + length(piece) <= MAX_COMMANDS:
            rows += piece
    return rows


# ---------------------------------------------------------------------- engines


@dataclass
class Outcome:
    """What an engine says of a run: every command, ticks by cause, commands by kind, and where it ended."""

    log: list[Issued]
    counters: list[int]
    last: int
    charged: int
    done: int
    rows: list[int]
    due: list[int]

    def differs(self, other: Outcome) -> str:
        """The first difference from another outcome, with what led to it; empty if there is none."""
        for n, (own, its) in enumerate(zip(self.log, other.log, strict=False)):
            if own != its:
                return f"command {n}: {own} against {its}, after {self.log[max(n - 6, 0) : n]}"
        for name in (f.name for f in fields(self)):
            if getattr(self, name) != getattr(other, name):
                return f"{name}: {getattr(self, name)} against {getattr(other, name)}, after {self.log[-6:]}"
        return ""


def expand(part: Compiled, log: np.ndarray) -> list[Issued]:
    """The entries of a kernel's log, counted runs written out."""
    return [
        Issued(int(tick) + i * int(part.table.cadence[code]), int(channel), int(code), int(bank), int(row),
               int(column) + i if column >= 0 else -1, int(task))
        for tick, channel, code, bank, row, column, count, task in log[1 : log[0, 0] + 1].tolist()
        for i in range(count)
    ]  # fmt: skip


class KernelChannel:
    """One channel in the kernel."""

    def __init__(self, part: Compiled, *, postpone: int = 0, fast: bool = False) -> None:
        self.part, self.postpone, self.fast = part, postpone, fast
        self.state = initial_state(part.table, 1)[0]
        self.log = np.zeros((40 * MAX_COMMANDS, LOG_FIELDS), np.int64)
        self.snapshots = np.zeros((MAX_DEPTH, part.packed[H_VECTOR]), np.int64)

    def run(self, program: Sequence[Row], *, row: int = 0, column: int = 0, floor: int = 0) -> None:
        """Run a program with ``row`` and ``column`` added to every instruction's, no command before tick ``floor``."""
        array = np.array(program, np.int64).reshape(-1, 8)
        run_program(self.part.packed, self.state, self.snapshots, self.log, array, 0, len(array), row, column, floor,
                    self.postpone, self.fast)

    def outcome(self) -> Outcome:
        """Where it stands."""
        table, state = self.part.table, self.state.tolist()
        assert self.log[0, 0] < len(self.log), "the log is too short"
        rows = state[table.at_row : table.at_row + table.banks] if state[UNIFORM] < 0 else [state[UNIFORM]] * table.banks
        due = state[table.at_due : table.at_due + table.ranks] if table.refresh_interval else []
        return Outcome(expand(self.part, self.log), state[counters(table)], state[LAST], state[CHARGED], state[DONE], rows, due)


def oracle_counters(channel: OracleChannel, tick: int) -> list[int]:
    """Ticks by cause, commands by kind, and ticks with a bank open before ``tick``, in the kernel's order."""
    return [*(channel.ticks[c] for c in Cause), *(channel.counts[c.name] for c in channel.commands), channel.active_ticks(tick)]


def oracle_outcome(channel: OracleChannel) -> Outcome:
    """Where the oracle stands. The kernel counts open banks when they close, so only those are counted here."""
    closed = max((tick for tick, banks in channel.opened if banks == 0), default=0)
    last = channel.log[-1].tick if channel.log else -1
    return Outcome(channel.log, oracle_counters(channel, closed), last, channel.charged, channel.done, channel.rows, channel.due)
