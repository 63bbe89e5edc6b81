"""The legality checker: it accepts what the reference simulators did, and finds what is moved one cycle too early.

``tests/reference/dram/commands``: command logs of Ramulator 2.1 c5b1c3a and DRAMsim3 2981759 on 2,048 mixed reads and writes (and on
768 reads in conflict). The ground truth of the mutation test is the simulators' own table (``constraints.csv``), evaluated pair by
pair in plain Python here.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from pimsim.config import load_dram
from pimsim.dram import commandlog
from pimsim.dram.checker import Verdict, check
from pimsim.dram.commandlog import CommandLog
from pimsim.dram.compile import Compiled, compile_part
from pimsim.dram.controller.channel import Channel
from pimsim.dram.spec import LEVELS, Command, Effect, rule
from pimsim.dram.standards import for_policy, standard
from pimsim.errors import InputError
from pimsim.sim.traffic import make_channel_plan

REFERENCE = Path(__file__).parents[1] / "reference" / "dram"
PARTS = {"gddr6": "gddr6-8gb-x16-14000", "hbm2": "hbm2-4gb-2000", "hbm3": "hbm3-16gb-6400", "lpddr5": "lpddr5-8gb-x16-6400",
         "ddr4": "ddr4-8gb-x8-2400", "ddr5": "ddr5-16gb-x16-6400"}
RUNS = sorted(path.name.removesuffix(".csv.gz") for path in (REFERENCE / "commands").glob("*.csv.gz"))


@cache
def part(name: str, policy: str = "", *, refresh: bool = False) -> Compiled:
    memory = load_dram(PARTS[name]).memory
    spec = for_policy(standard(memory.standard), policy)
    return compile_part(spec, spec.fitted(memory.organization), dict(memory.timing_cycles),
                        memory.tCK // spec.ticks_per_clock, refresh=refresh)


def part_of(run: str) -> Compiled:
    return part(run.split("__")[0], "dramsim3-fr32" if "ds3" in run else "", refresh=True)


def log_of(compiled: Compiled, *rows: str) -> CommandLog:
    """Rows such as ``"28 RD 0 0 1 2 row 5 col 3 x4"``: tick, command, rank, sid, bank group, bank, and what is not -1 or 1."""
    out = []
    for line, row in enumerate(rows, 2):
        tick, name, rank, sid, group, bank, *rest = row.split()
        more = dict(zip(rest[::2], rest[1::2], strict=True))
        out.append([int(tick), int(more.get("ch", 0)), int(rank), int(sid), int(group), int(bank), compiled.command(name),
                    int(more.get("row", -1)), int(more.get("col", -1)), int(more.get("count", 1)), line])
    return CommandLog(compiled.command_names, np.array(out, np.int64), "log.csv")


def verdict(compiled: Compiled, *rows: str) -> Verdict:
    return check(compiled, log_of(compiled, *rows), limit=10)


def rules(compiled: Compiled, *rows: str) -> list[str]:
    """Names of the rules that a log breaks, notes in brackets left out."""
    return [v.rule.split(" (")[0] for v in verdict(compiled, *rows).violations]


# ---- reference logs

@pytest.mark.parametrize("run", RUNS)
def test_a_reference_log_is_legal(run: str) -> None:
    compiled = part_of(run)
    log = commandlog.read(REFERENCE / "commands" / f"{run}.csv.gz", compiled.command_names)
    found = check(compiled, log)
    assert (found.violations, found.commands) == ((), len(log))


def test_dramsim3s_hbm2_breaks_the_rules_of_hbm2() -> None:
    compiled = part("hbm2")
    log = commandlog.read(REFERENCE / "commands" / "hbm2__ds3_fr32__mixed_rw.csv.gz", compiled.command_names)
    assert not check(compiled, log).ok


# ---- mutations

class Row(NamedTuple):
    tick: int
    command: str
    place: tuple[int, int, int, int, int]  # channel, rank, sid, bank group, bank


class Pairs:
    """The reference's own table, looked up pair by pair."""

    def __init__(self, table: str, scopes: dict[str, str], same_bus: Callable[[str, str], bool]):
        with (REFERENCE / "constraints.csv").open() as file:
            self.rows = [r for r in csv.DictReader(file) if r["table"] == table and r["formula"] != "command bus occupancy"]
        self.scopes = scopes
        self.same_bus = same_bus

    def broken(self, log: list[Row], index: int, cycles: dict[str, int]) -> bool:
        """Does the command at ``index`` come too early behind the commands before it?"""
        late = log[index]
        for row in self.rows:
            if late.command not in row["next"].split():
                continue
            befores = [r for r in log[:index] if r.command in row["previous"].split()
                       and self._related(r, late, row["scope"], row["sibling"] == "1")]
            if len(befores) >= int(row["window"]) and late.tick - befores[-int(row["window"])].tick < int(row["value"]):
                return True
        return any(self.same_bus(r.command, late.command) and late.tick - r.tick < cycles[r.command] for r in log[:index])

    def _related(self, early: Row, late: Row, scope: str, sibling: bool) -> bool:
        depth = min(LEVELS.index(scope), *(LEVELS.index(self.scopes[r.command]) for r in (early, late)))
        a, b = early.place[: depth + 1], late.place[: depth + 1]
        return a[:-1] == b[:-1] and a != b if sibling else a == b


def mutations(run: str, count: int) -> tuple[int, int]:
    """(mutations that break the reference's table, those of them that the checker finds)."""
    compiled = part_of(run)
    names = compiled.command_names
    spec = compiled.standard
    table = run.split("__")[0] + ("_matched__dramsim3" if "ds3" in run else "__ramulator")
    bus = {c.name: c.bus if spec.two_buses else "" for c in spec.commands}
    pairs = Pairs(table, {c.name: c.scope for c in spec.commands}, lambda a, b: bus[a] == bus[b])
    cycles = {c.name: c.cycles for c in spec.commands}
    whole = commandlog.read(REFERENCE / "commands" / f"{run}.csv.gz", names)
    draw = random.Random(run)
    breaking = found = 0
    for index in draw.sample(range(1, len(whole)), count):
        begin = max(index - 400, 0)  # far enough for the longest rule but the refresh's
        rows = whole.rows[: index + 1].copy()
        rows[index, commandlog.CYCLE] -= 1
        window = [Row(int(r[0]), names[r[6]], tuple(r[1:6].tolist())) for r in rows[begin:]]
        if not pairs.broken(window, len(window) - 1, cycles):
            continue
        breaking += 1
        found += any(v.line == rows[index, commandlog.LINE]
                     for v in check(compiled, CommandLog(names, rows), limit=10).violations)
    return breaking, found


@pytest.mark.parametrize("run", RUNS)
def test_commands_moved_one_cycle_too_early_are_found(run: str) -> None:
    breaking, found = mutations(run, 60)
    assert breaking > 15
    assert found == breaking


# ---- rules, one by one

def test_blocked_one_cycle_before_tRCD_ready_at_tRCD() -> None:
    compiled = part("gddr6")
    assert rules(compiled, "1 ACT 0 0 0 0 row 5", "27 RD 0 0 0 0 row 5 col 0") == ["bank ACT->RD/RDA tRCDRD"]
    assert rules(compiled, "1 ACT 0 0 0 0 row 5", "28 RD 0 0 0 0 row 5 col 0") == []


def test_a_violation_says_what_where_and_when() -> None:
    v = verdict(part("gddr6"), "1 ACT 0 0 2 3 row 5", "20 RD 0 0 2 3 row 5 col 0").violations[0]
    assert (v.cycle, v.earliest, v.previous, v.line, v.command) == (20, 28, 1, 3, "RD")
    assert (v.channel, v.rank, v.sid, v.bankgroup, v.bank) == (0, 0, 0, 2, 3)
    assert str(v) == ("cycle 20: RD to channel 0 rank 0 sid 0 bankgroup 2 bank 3: bank ACT->RD/RDA tRCDRD: "
                      "19 cycles behind the command at cycle 1; at least 27")


def test_of_several_broken_rules_the_one_that_asks_for_the_most_is_named() -> None:
    assert rules(part("gddr6"), "1 ACT 0 0 0 0 row 5", "54 PRE 0 0 0 0", "60 ACT 0 0 0 0 row 6") == [
        "bank PRE->ACT/REFpb tRP"]  # 81, where tRC asks for 80


def test_the_first_violation_in_time_comes_first_over_all_channels() -> None:
    found = check(part("gddr6"), log_of(part("gddr6"), "1 ACT 0 0 0 0 row 5", "9 RD 0 0 0 0 row 5 col 0",
                                        "1 ACT 0 0 0 0 row 5 ch 1", "5 RD 0 0 0 0 row 5 col 0 ch 1"))
    assert [(v.cycle, v.channel) for v in found.violations] == [(5, 1)]


def test_an_activation_window_counts_the_last_four() -> None:
    acts = [f"{1 + 8 * i} ACT 0 0 {i} 0 row 5" for i in range(4)]
    assert rules(part("hbm2"), *(f"{1 + 4 * i} ACT 0 0 {i} 0 row 5" for i in range(4)), "17 ACT 0 0 0 1 row 5") == []
    assert rules(part("gddr6"), *acts, "33 ACT 0 0 0 1 row 5") == []
    ddr4 = [f"{1 + 4 * i} ACT 0 0 {i} 0 row 5" for i in range(4)]
    assert rules(part("ddr4"), *ddr4, "26 ACT 0 0 0 1 row 5") == ["rank ACT->ACT tFAW x4"]
    assert rules(part("ddr4"), *ddr4, "27 ACT 0 0 0 1 row 5") == []


def test_a_sibling_rule_holds_between_stacks_only() -> None:
    compiled = part("hbm3")
    opened = ("1 ACT 0 0 0 0 row 5", "9 ACT 0 1 0 0 row 5", "19 ACT 0 1 1 0 row 5")
    assert rules(compiled, *opened, "101 RD 0 0 0 0 row 5 col 0", "105 RD 0 1 0 0 row 5 col 0") == [
        "sid RD/RDA->RD/RDA tCCDR"]
    assert rules(compiled, *opened, "101 RD 0 0 0 0 row 5 col 0", "107 RD 0 1 0 0 row 5 col 0") == []
    assert rules(compiled, *opened, "101 RD 0 1 1 0 row 5 col 0", "105 RD 0 1 0 0 row 5 col 0") == []


def test_a_two_clock_activation_takes_the_row_bus_for_two_clocks() -> None:
    compiled = part("hbm2")
    assert rules(compiled, "1 ACT 0 0 0 0 row 5", "2 ACT 1 0 0 0 row 5") == ["command bus"]
    assert rules(compiled, "1 ACT 0 0 0 0 row 5", "3 ACT 1 0 0 0 row 5") == []


def test_a_row_and_a_column_command_may_share_a_cycle_where_each_has_a_bus() -> None:
    hbm2 = ("1 ACT 0 0 0 0 row 5", "20 RD 0 0 0 0 row 5 col 0", "20 ACT 0 0 1 0 row 5")
    assert rules(part("hbm2"), *hbm2) == []
    gddr6 = ("1 ACT 0 0 0 0 row 5", "30 RD 0 0 0 0 row 5 col 0", "30 ACT 0 0 1 0 row 5")
    assert rules(part("gddr6"), *gddr6) == ["command bus"]


def test_hbm3_commands_start_on_rising_edges_and_precharges_on_any() -> None:
    compiled = part("hbm3")
    assert rules(compiled, "2 ACT 0 0 0 0 row 5") == ["clock edge"]
    assert rules(compiled, "1 ACT 0 0 0 0 row 5", "94 PRE 0 0 0 0") == []


def test_no_precharge_on_the_edge_behind_an_all_bank_command() -> None:
    compiled = part("hbm3")
    opened = "1 ACT 1 0 0 0 row 5"
    expected = "channel PREab/REFab/RFMab->PRE/PREab no precharge on the edge behind an all-bank row command"
    assert rules(compiled, opened, "201 REFab 0 -1 -1 -1", "202 PRE 1 0 0 0") == [expected]
    assert rules(compiled, opened, "201 REFab 0 -1 -1 -1", "203 PRE 1 0 0 0") == []


@pytest.mark.parametrize(("rows", "expected"), [
    (("1 RD 0 0 0 0 row 5 col 0",), "bank open"),
    (("1 ACT 0 0 0 0 row 5", "28 RD 0 0 0 0 row 6 col 0"), "row open"),
    (("1 ACT 0 0 0 0 row 5", "80 ACT 0 0 0 0 row 6"), "bank closed"),
    (("1 ACT 0 0 0 0 row 5", "80 REFab 0 0 -1 -1"), "bank closed"),
    (("1 ACT 0 0 0 0 row 5", "28 RDA 0 0 0 0 row 5 col 0", "70 RD 0 0 0 0 row 5 col 1"), "bank open"),
])
def test_bank_state(rows: tuple[str, ...], expected: str) -> None:
    assert rules(part("gddr6"), *rows) == [expected]


def test_a_precharge_of_an_idle_bank_is_legal() -> None:
    assert rules(part("gddr6"), "1 PRE 0 0 0 0", "2 PREab 0 0 -1 -1") == []


# ---- two-command activation and data clock

def test_the_second_half_of_an_activation_keeps_its_deadline() -> None:
    compiled = part("lpddr5")
    assert rules(compiled, "1 ACT1 0 0 0 0 row 5", "9 ACT2 0 0 0 0 row 5") == []
    assert rules(compiled, "1 ACT1 0 0 0 0 row 5", "10 ACT2 0 0 0 0 row 5") == ["activation deadline"]


def test_a_second_half_that_never_comes_is_found_at_the_end() -> None:
    assert rules(part("lpddr5"), "1 ACT1 0 0 0 0 row 5", "50 PRE 0 0 0 1") == ["activation deadline"]


def test_the_second_half_needs_the_first_of_its_row() -> None:
    compiled = part("lpddr5")
    assert rules(compiled, "5 ACT2 0 0 0 0 row 5") == ["activation begun"]
    assert rules(compiled, "1 ACT1 0 0 0 0 row 6", "2 ACT2 0 0 0 0 row 5") == ["activation begun"]


def test_an_access_needs_a_running_data_clock() -> None:
    compiled = part("lpddr5")
    opened = ("1 ACT1 0 0 0 0 row 5", "2 ACT2 0 0 0 0 row 5")
    started = (*opened, "19 CAS_RD 0 0 0 0", "20 RD 0 0 0 0 row 5 col 0")
    assert rules(compiled, *opened, "20 RD 0 0 0 0 row 5 col 0") == ["data clock"]
    assert rules(compiled, *started, "39 RD 0 0 0 0 row 5 col 1") == []  # CL + BL + tWCKPST = 20
    assert rules(compiled, *started, "40 RD 0 0 0 0 row 5 col 1") == ["data clock"]


# ---- refresh

def test_eight_refreshes_may_be_postponed_and_no_more() -> None:
    compiled = part("gddr6", refresh=True)
    interval = 3333
    late = f"{10 * interval + 1} PRE 0 0 0 0"
    assert rules(compiled, f"{10 * interval} PRE 0 0 0 0") == []
    assert set(rules(compiled, late)) == {"refresh owed"}
    assert rules(compiled, f"{9 * interval + 60} REFab 0 0 -1 -1", late) == []


def test_refreshes_are_not_expected_where_there_are_none() -> None:
    assert rules(part("gddr6"), "1000000 PRE 0 0 0 0") == []


def test_refreshes_may_be_issued_eight_ahead_and_no_more() -> None:
    compiled = part("gddr6", refresh=True)
    ahead = [f"{300 * i + 1} REFab 0 0 -1 -1" for i in range(9)]
    assert rules(compiled, *ahead[:8]) == []
    assert rules(compiled, *ahead) == ["refresh ahead"]


def test_per_bank_refreshes_come_due_bank_by_bank() -> None:
    compiled = part("hbm2", refresh=True)
    turn = compiled.timing["tREFI"]
    in_turn = [f"{turn * i // 16 + 10} REFpb 0 0 {i // 4 % 4} {i % 4}" for i in range(16 * 12)]
    other_rank = [f"{turn * i // 16 + 11} REFpb 1 0 {i // 4 % 4} {i % 4}" for i in range(16 * 12)]
    both = [row for pair in zip(in_turn, other_rank, strict=True) for row in pair]
    assert rules(compiled, *both) == []
    owed = verdict(compiled, *in_turn).violations  # the other rank gets none
    assert {(v.rule, v.cycle, v.rank) for v in owed} == {("refresh owed", 10 * turn, 1)}


@pytest.mark.parametrize(("name", "interval", "broken"), [
    ("hbm2", 122, "refresh ahead"), ("lpddr5", 391, "refresh owed"), ("hbm2", 244, None), ("lpddr5", 195, None),
])  # fmt: skip
def test_per_bank_refreshes_at_twice_or_half_their_rate_are_found(name: str, interval: int, broken: str | None) -> None:
    """The rates of Ramulator 2.1's tREFIpb, and those that bring every bank round once a tREFI."""
    compiled = part(name, refresh=True)
    log = [f"{interval * i + 10} REFpb 0 0 {i // 4 % 4} {i % 4}" for i in range(16 * 24)]
    if compiled.organization.ranks == 2:
        log = [row for i, row in enumerate(log) for row in (row, f"{interval * i + 11} REFpb 1 0 {i // 4 % 4} {i % 4}")]
    assert set(rules(compiled, *log)) == ({broken} if broken else set())


# ---- counted runs and PIM commands

def test_a_counted_run_is_its_commands_at_their_cadence() -> None:
    compiled = part("gddr6")
    run = ("1 ACT 0 0 0 0 row 5", "28 RD 0 0 0 0 row 5 col 0 count 10")  # the last at 28 + 9 x 4 = 64
    assert verdict(compiled, *run).commands == 11
    assert rules(compiled, *run, "67 PRE 0 0 0 0") == ["bank RD->PRE/PREab tRTP"]
    assert rules(compiled, *run, "68 PRE 0 0 0 0") == []


def test_a_counted_run_keeps_to_the_clock_edges_of_its_command() -> None:
    base = part("gddr6")
    spec = base.standard.extended("PIM", (Command("MACB", "bank", Effect.COMPUTE, "column", opener="ACT", closer="PRE", align=(2, 0)),),
                                  (rule("bank", "MACB", "MACB", "3"), rule("bank", "MACB", "PRE", "5")))
    compiled = compile_part(spec, base.organization, base.timing, base.tick_fs, refresh=False)
    run = ("1 ACT 0 0 0 0 row 5", "100 MACB 0 0 0 0 row 5 col 0 count 10")  # every four ticks, the last at 136
    assert rules(compiled, *run, "140 PRE 0 0 0 0") == ["bank MACB->PRE 5"]
    assert rules(compiled, *run, "141 PRE 0 0 0 0") == []


def test_a_command_in_the_middle_of_a_counted_run_meets_the_commands_around_it() -> None:
    compiled = part("gddr6")
    opened = ("1 ACT 0 0 0 0 row 5", "9 ACT 0 0 1 0 row 5", "40 RD 0 0 0 0 row 5 col 0 count 10")
    assert rules(compiled, *opened, "46 RD 0 0 1 0 row 5 col 0") == []  # between those at 44 and 48
    found = verdict(compiled, *opened, "47 RD 0 0 1 0 row 5 col 0").violations
    assert [(v.cycle, v.line, v.rule) for v in found] == [(48, 4, "rank RD/RDA->RD/RDA max(BL, tCCDS)")]


def test_wide_commands_address_every_bank_below() -> None:
    base = part("gddr6")
    spec = base.standard.extended("PIM", (
        Command("ACT4", "bankgroup", Effect.ACTIVATE, closer="PRE", activations=4),
        Command("MAC", "rank", Effect.COMPUTE, "column", opener="ACT4", closer="PREab"),
    ), (
        rule("rank", "ACT ACT4", "ACT ACT4", "tFAW", window=4),
        rule("rank", "ACT4", "MAC", "tRCDRD"),
        rule("rank", "MAC", "MAC", "tCCDL"),
    ))
    compiled = compile_part(spec, base.organization, base.timing, base.tick_fs, refresh=False)
    groups = [f"{1 + 29 * g} ACT4 0 0 {g} -1 row 5" for g in range(4)]
    assert rules(compiled, *groups, "115 MAC 0 0 -1 -1 row 5 col 0 count 64") == []
    assert rules(compiled, *groups[:3], "115 MAC 0 0 -1 -1 row 5 col 0") == ["bank open"]
    assert rules(compiled, groups[0], "29 ACT4 0 0 1 -1 row 5") == ["rank ACT/ACT4->ACT/ACT4 tFAW x4"]
    assert rules(compiled, groups[0], "29 ACT 0 0 1 0 row 5") == ["rank ACT/ACT4->ACT/ACT4 tFAW x4"]
    assert rules(compiled, groups[0], "30 ACT 0 0 1 0 row 5") == []


def test_a_second_row_buffer_holds_its_own_row() -> None:
    base = part("gddr6")
    spec = base.standard.extended("DUAL", (
        Command("PACT", "bank", Effect.ACTIVATE, row_buffer=1),
        Command("MAC", "bank", Effect.COMPUTE, "column", opener="PACT", row_buffer=1),
    ), ())
    compiled = compile_part(spec, base.organization, base.timing, base.tick_fs, refresh=False)
    assert rules(compiled, "1 ACT 0 0 0 0 row 5", "2 PACT 0 0 0 0 row 9", "3 MAC 0 0 0 0 row 9 col 0") == []
    assert rules(compiled, "1 ACT 0 0 0 0 row 5", "3 MAC 0 0 0 0 row 5 col 0") == ["bank open"]
    assert rules(compiled, "1 PACT 0 0 0 0 row 9", "300 REFab 0 0 -1 -1") == ["bank closed"]


# ---- coordinates

@pytest.mark.parametrize(("row", "message"), [
    ("1 ACT 1 0 0 0 row 5", "rank: rank 1 of ACT is outside the part; 0 to 0"),
    ("1 ACT 0 0 4 0 row 5", "bankgroup: bankgroup 4 of ACT is outside the part; 0 to 3"),
    ("1 ACT 0 0 0 -1 row 5", "bank: bank -1 of ACT is outside the part; 0 to 3"),
    ("1 ACT 0 0 0 0", "row: row -1 of ACT is outside the part; 0 to 16383"),
    ("1 ACT 0 0 0 0 row 16384", "row: row 16384 of ACT is outside the part; 0 to 16383"),
    ("1 RD 0 0 0 0 row 5 col 60 count 5", "col: col 60 of RD is outside the part; 0 to 63"),
    ("1 ACT 0 0 0 0 row 5 ch 2", "channel: channel 2 of ACT is outside the part; 0 to 1"),
])
def test_coordinates_outside_the_part_are_bad_input(row: str, message: str) -> None:
    compiled = part("gddr6")
    with pytest.raises(InputError) as error:
        check(compiled, log_of(compiled, row), channels=2)
    assert str(error.value) == f"log.csv:2: {message}"


def test_coordinates_that_exist_once_may_be_left_out() -> None:
    assert rules(part("gddr6"), "1 ACT -1 -1 0 0 row 5", "200 PREab -1 -1 -1 -1") == []


def test_rows_need_not_come_in_order_of_time() -> None:
    assert rules(part("gddr6"), "28 RD 0 0 0 0 row 5 col 0", "1 ACT 0 0 0 0 row 5") == []


@pytest.mark.parametrize("name", ["hbm2-4gb-2000", "lpddr5-8gb-x16-6400", "gddr6-8gb-x16-14000"])
def test_a_controller_that_refreshes_bank_by_bank_owes_nothing_after_thousands_of_intervals(name: str) -> None:
    """tREFI is no multiple of the banks, so that an interval rounded to ticks would run away from it, here by a dozen."""
    config = load_dram(name, ["controller.refresh=per-bank"])
    rows: list[np.ndarray] = []
    channel = Channel(make_channel_plan(config), commands=rows.append)
    compiled = channel.plan.compiled
    interval, banks = compiled.timing["tREFI"], compiled.organization.banks_per_channel // compiled.organization.ranks
    assert interval % banks
    rounds = 12 * interval // (interval % banks)
    channel.advance(interval * rounds)
    log = commandlog.from_kernel(np.concatenate(rows), compiled.command_names, compiled.organization, compiled.table.scope)
    assert rounds * compiled.organization.banks_per_channel - len(log) in (0, 1)  # the last tick has room for one rank's
    assert check(compiled, log).ok
