"""PIM-GPT's command set, read like a data sheet: one tick too early it is blocked, on the tick it is ready.

Every line holds in the kernel and in the oracle. The clocks are told apart on purpose (in the real part tCCDS = tCCDL = tMAC = BL).
"""

from __future__ import annotations

import numpy as np
import pytest

from pimsim.dram.compile import Compiled, compile_part, initial_state
from pimsim.dram.coverage import uncovered
from pimsim.dram.spec import Cause, Effect, Organization
from pimsim.dram.standards.gddr6 import GDDR6
from pimsim.errors import InputError
from pimsim.kernels.channel import LOG_FIELDS, command
from pimsim.kernels.timing import earliest
from pimsim.pim.command_set import ROLES
from pimsim.pim.oracle import OracleChannel, Step
from pimsim.pim.pim_gpt import COMMANDS, CONSTRAINTS, PIM_GPT

STANDARD = PIM_GPT.on(GDDR6)
TIMING = dict(
    BL=2, tCCDS=2, tCCDL=3, tMAC=5, tRCDRD=24, tRCDWR=22, tRCDMAC=28, tRP=21, tRAS=54, tRC=78, tRTP=12, tWR=25, CL=50, CWL=6, tWTRS=9,
    tWTRL=11, tRTW=52, tRRDS=10, tRRDL=13, tFAW=47, tRFCab=910, tREFI=13650, tRFCpb=105, tRREFD=20, tPPD=2, CLREG=4, CWLREG=1, CWLGB=1,
    WPRE=1,
)  # fmt: skip

BANK, GROUP, RANK = 0, 1, 4
"""The later command goes to the same bank, to another of its bank group, to another bank group."""

SHEET = (
    # activation
    ("ACT16", "ACT ACT4 ACT16 REFpb", BANK, 78, "tRC"),
    ("ACT ACT4", "ACT16", BANK, 78, "tRC"),
    ("ACT4", "ACT", GROUP, 78, "tRC"),
    ("ACT4", "ACT4", GROUP, 78, "tRC"),
    ("ACT", "ACT4", GROUP, 78, "tRC"),
    ("ACT4", "ACT ACT4 REFpb", RANK, 47, "tFAW: an ACT4 is four activations"),
    ("ACT", "ACT4", RANK, 47, "tFAW: it takes all four places"),
    ("ACT", "ACT", RANK, 10, "tRRDS"),
    ("ACT", "ACT", GROUP, 13, "tRRDL"),
    ("ACT ACT4 ACT16", "MAC16", BANK, 28, "tRCDMAC"),
    ("ACT4 ACT16", "RD RDA", BANK, 24, "tRCDRD"),
    ("ACT4 ACT16", "WR WRA", BANK, 22, "tRCDWR"),
    ("ACT4 ACT16", "PRE PREab", BANK, 54, "tRAS"),
    ("ACT4 ACT16", "REFab", BANK, 78, "tRC"),
    # precharge
    ("PREab", "ACT4 ACT16", BANK, 21, "tRP"),
    ("PRE", "ACT16", BANK, 21, "tRP"),
    ("PRE", "ACT4", GROUP, 21, "tRP"),
    ("PRE", "ACT4", RANK, 1, "another group: only the command bus"),
    ("RDA", "ACT4 ACT16", BANK, 12 + 21, "tRTP + tRP"),
    ("WRA", "ACT4 ACT16", BANK, 6 + 2 + 25 + 21, "CWL + BL + tWR + tRP"),
    # refresh
    ("REFab", "ACT4 ACT16 MAC16 WRGB RDMAC16", BANK, 910, "tRFCab"),
    ("REFpb", "ACT4 ACT16", BANK, 105, "tRFCpb"),
    # compute
    ("MAC16", "MAC16", BANK, 5, "tMAC"),
    ("MAC16", "RD RDA WR WRA", BANK, 3, "tCCDL"),
    ("RD RDA", "MAC16", BANK, 3, "tCCDL"),
    ("WR WRA", "MAC16", BANK, 6 + 2 + 11, "CWL + BL + tWTRL"),
    ("MAC16", "PRE PREab", BANK, 12, "tRTP"),
    # operand buffer
    ("WRGB", "WRGB", BANK, 2, "BL"),
    ("WRGB", "MAC16", BANK, 1 + 2, "CWLGB + BL: the operand has arrived"),
    ("MAC16", "WRGB", BANK, 5, "tMAC: the operand is in use"),
    ("WRGB", "WR WRA", BANK, 2, "BL"),
    ("WR WRA", "WRGB", BANK, 6 + 2 - 1, "CWL + BL - CWLGB: one burst at a time"),
    ("WRGB", "RD RDA RDMAC16", BANK, 1 + 2 + 9, "CWLGB + BL + tWTRS"),
    ("RD RDA", "WRGB", BANK, 50 + 2 + 3 - 1 + 1, "CL + BL + 3 - CWLGB + WPRE"),
    # accumulators
    ("MAC16", "RDMAC16", BANK, 5, "tMAC"),
    ("RDMAC16", "RDMAC16", BANK, 3, "tCCDL"),
    ("RDMAC16", "MAC16", BANK, 3, "tCCDL"),
    ("RDMAC16", "RD RDA", BANK, 3, "max(BL, tCCDL)"),
    ("RD RDA", "RDMAC16", BANK, 50 + 2 - 4, "CL + BL - CLREG: one burst at a time"),
    ("RDMAC16", "WR WRA", BANK, 4 + 2 + 3 - 6 + 1, "CLREG + BL + 3 - CWL + WPRE"),
    ("RDMAC16", "WRGB", BANK, 4 + 2 + 3 - 1 + 1, "CLREG + BL + 3 - CWLGB + WPRE"),
    ("WR WRA", "RDMAC16", BANK, 6 + 2 + 11, "CWL + BL + tWTRL"),
)
LINES = [(b, a, *rest) for before, after, *rest in SHEET for b in before.split() for a in after.split()]


class Bench:
    """A channel in the kernel and one in the oracle, given the same commands."""

    def __init__(self, part: Compiled) -> None:
        self.part = part
        self.state = initial_state(part.table, 1)[0]
        self.oracle = OracleChannel(part)
        self.log = np.zeros((0, LOG_FIELDS), np.int64)

    def issue(self, name: str, bank: int = 0, tick: int = 0) -> int:
        """Issue a command as soon as it may, not before ``tick``; returns when."""
        code = self.part.command(name)
        at = max(self.ready(name, bank), tick)
        command(self.part.packed, self.state, self.log, code, bank, 0, 0, 1, at, int(Cause.MODE))
        self.oracle.issue(Step(code, bank, 0), 0, at, Cause.MODE)
        return at

    def ready(self, name: str, bank: int = 0) -> int:
        """The first tick at which the command may issue."""
        code = self.part.command(name)
        tick = int(earliest(self.part.packed, self.state, code, bank))
        assert self.oracle.earliest(code, bank) == tick
        return tick

    def blocked(self, name: str, bank: int, tick: int) -> bool:
        """Whether the command may not issue at ``tick`` yet."""
        return self.ready(name, bank) > tick


@pytest.fixture
def bench() -> Bench:
    return Bench(compile_part(STANDARD, Organization(), TIMING, 500_000))


@pytest.mark.parametrize(("before", "after", "bank", "clocks", "why"), LINES, ids=[f"{b}-{a}-{p}-{w}" for b, a, p, _, w in LINES])
def test_blocked_until_and_ready_at(bench: Bench, before: str, after: str, bank: int, clocks: int, why: str) -> None:
    at = bench.issue(before, tick=2000)
    assert bench.blocked(after, bank, at + clocks - 1), why
    assert not bench.blocked(after, bank, at + clocks), why


def test_the_sheet_has_a_line_for_every_pair_of_the_command_set() -> None:
    named = {(b, a) for row in CONSTRAINTS if row.window == 1 for b in row.before for a in row.after}
    assert named - {(b, a) for b, a, *_ in LINES} == set()


def test_activations_of_four_bank_groups_are_tfaw_apart(bench: Bench) -> None:
    assert [bench.issue("ACT4", bank) for bank in (0, 4, 8, 12)] == [0, 47, 94, 141]


def test_the_fifth_activation_of_a_bank_waits_for_tfaw(bench: Bench) -> None:
    assert [bench.issue("ACT", bank) for bank in (0, 4, 8, 12, 1)] == [0, 10, 20, 30, 47]


def test_an_act4_waits_for_three_single_activations_as_well(bench: Bench) -> None:
    assert [bench.issue("ACT", bank) for bank in (0, 1, 2)][-1] == 26
    assert bench.ready("ACT4", 4) == 26 + 47


def test_all_banks_at_once_are_one_command_outside_the_window(bench: Bench) -> None:
    bench.issue("ACT16")
    assert bench.ready("MAC16") == 28


def test_a_mac_waits_for_the_last_of_four_bank_groups(bench: Bench) -> None:
    last = [bench.issue("ACT4", bank) for bank in (0, 4, 8, 12)][-1]
    assert bench.ready("MAC16") == last + 28


@pytest.mark.parametrize("name", [c.name for c in STANDARD.commands])
def test_an_all_bank_refresh_blocks_everything(bench: Bench, name: str) -> None:
    at = bench.issue("REFab")
    assert bench.blocked(name, 0, at + 909)
    assert bench.ready(name) == at + 910


def test_a_row_of_a_matrix_from_activation_to_activation(bench: Bench) -> None:
    ticks = [bench.issue(name) for name in ("ACT16", "MAC16", "MAC16", "RDMAC16", "PREab", "ACT16")]
    assert ticks == [0, 28, 33, 38, 54, 78]


# Pairs that no rule keeps apart: a tick on the command bus is enough. All at the level of the rank.
FREE = {
    ("ACT PRE PREab REFpb ACT4 ACT16", "WRGB RDMAC16"): "buffer and accumulators lie outside the banks",
    ("WRGB RDMAC16", "ACT PRE PREab REFab REFpb ACT4 ACT16"): "buffer and accumulators lie outside the banks",
    ("PRE RD WR", "ACT4"): "different bank groups",
    ("ACT4", "REFpb"): "different bank groups; the activation window keeps them tFAW apart",
}


def test_every_pair_has_a_rule_or_a_reason_to_have_none() -> None:
    free = {(b, a) for before, after in FREE for b in before.split() for a in after.split()}
    assert {(p.place, p.before, p.after) for p in uncovered(STANDARD)} == {("rank", b, a) for b, a in free}


# ---------------------------------------------------------------------- the commands


def test_the_set_has_every_role() -> None:
    assert set(PIM_GPT.roles) == set(ROLES)
    assert set(PIM_GPT.roles.values()) <= {c.name for c in STANDARD.commands}


def test_it_extends_gddr6_only() -> None:
    with pytest.raises(InputError, match="extends GDDR6"):
        PIM_GPT.on(STANDARD)


def test_trcd_sets_that_of_macs_and_of_accesses() -> None:
    timing = {n: v for n, v in TIMING.items() if not n.startswith("tRCD")} | {"tRCD": 17}
    part = compile_part(STANDARD, Organization(), timing, 500_000)
    assert [part.timing[n] for n in ("tRCDRD", "tRCDWR", "tRCDMAC")] == [17, 17, 17]


def test_tmac_is_tccdl_where_it_is_not_given() -> None:
    timing = {n: v for n, v in TIMING.items() if n != "tMAC"}
    assert compile_part(STANDARD, Organization(), timing, 500_000).timing["tMAC"] == 3


def test_activations_of_many_banks_count_as_many() -> None:
    assert {c.name: c.activations for c in COMMANDS if c.effect is Effect.ACTIVATE} == {"ACT4": 4, "ACT16": 16}


def test_a_refresh_that_takes_longer_than_its_interval_is_refused() -> None:
    with pytest.raises(InputError, match="more than 931 clocks"):
        compile_part(STANDARD, Organization(), TIMING | {"tREFI": 931}, 500_000)
    compile_part(STANDARD, Organization(), TIMING | {"tREFI": 932}, 500_000)
    compile_part(STANDARD, Organization(), TIMING | {"tREFI": 931}, 500_000, refresh=False)
