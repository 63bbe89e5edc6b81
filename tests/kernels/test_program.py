"""Programs: the kernel, with and without fast-forward, against the oracle; and what a program promises, fact by fact."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pimsim.dram.compile import Compiled
from pimsim.dram.spec import LEVELS, Cause, Effect, Organization, rule
from pimsim.kernels.channel import LOG_FIELDS
from pimsim.kernels.packed import counters
from pimsim.kernels.table import CAUSES
from pimsim.kernels.timing import earliest
from pimsim.pim.oracle import Issued, OracleChannel

from .example import TIMING, op, part_of, soon
from .random_program import (
    ORGANIZATIONS,
    PIM_GDDR6,
    KernelChannel,
    Outcome,
    Row,
    describe,
    loop,
    oracle_outcome,
    parts,
    programs,
    varied,
)

PROFILE = settings(max_examples=220, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@dataclass
class Case:
    """Two programs one after the other on one channel."""

    part: Compiled = field(repr=False)
    what: str
    first: list[Row]
    second: list[Row]
    postpone: int
    pause: int


@st.composite
def cases(draw: st.DrawFn) -> Case:
    part = draw(parts())
    return Case(part, describe(part), draw(programs(part)), draw(programs(part)), draw(st.sampled_from([0, 0, 7, 200])),
                draw(st.integers(0, 60)))


@given(cases())
@PROFILE
def test_oracle_kernel_and_fast_forward_agree_command_for_command(case: Case) -> None:
    oracle = OracleChannel(case.part, postpone=case.postpone)
    plain = KernelChannel(case.part, postpone=case.postpone)
    fast = KernelChannel(case.part, postpone=case.postpone, fast=True)
    for engine in (oracle, plain, fast):
        engine.run(case.first)
    floor = oracle.done + case.pause
    for engine in (oracle, plain, fast):
        engine.run(case.second, row=1, column=2, floor=floor)
    expected = oracle_outcome(oracle)
    assert plain.outcome().differs(expected) == ""
    assert fast.outcome().differs(expected) == ""
    assert sum(expected.counters[:CAUSES]) == expected.charged
    assert sum(expected.counters[CAUSES:-1]) == len(expected.log)
    assert _first_impossible(case.part, expected.log) is None


def _first_impossible(part: Compiled, log: list[Issued]) -> Issued | None:
    """The first command that finds a bank in a state in which it cannot be issued, or comes before the one listed before it."""
    rows: dict[int, int] = {}
    tick = 0
    for entry in log:
        command = part.standard.commands[entry.code]
        banks = OracleChannel(part).banks_of(entry.code, entry.bank) if command.scope != "bank" else [entry.bank]
        found = [rows.get(b, -1) for b in banks]
        stays = part.standard.activate_over_open and len(found) > 1
        fine = {
            Effect.ACTIVATE: all(r < 0 or (stays and r == entry.row) for r in found),
            Effect.REFRESH: all(r < 0 for r in found),
        }.get(command.effect, all(r == entry.row for r in found) if entry.row >= 0 else True)
        if not fine or entry.tick < tick:
            return entry
        tick = entry.tick
        if command.effect is Effect.ACTIVATE:
            rows.update(dict.fromkeys(banks, entry.row))
        elif command.effect in (Effect.PRECHARGE, Effect.READ_PRECHARGE, Effect.WRITE_PRECHARGE):
            rows.update(dict.fromkeys(banks, -1))
    return None


# ---------------------------------------------------------------------- facts

def ran(part: Compiled, *program: Row, postpone: int = 0, fast: bool = False) -> Outcome:
    channel = KernelChannel(part, postpone=postpone, fast=fast)
    channel.run(program)
    return channel.outcome()


def listed(part: Compiled, outcome: Outcome) -> list[tuple[int, str, int]]:
    """(tick, command, bank) of every command."""
    return [(e.tick, part.command_names[e.code], e.bank) for e in outcome.log]


def test_a_column_command_opens_the_row_it_names() -> None:
    part = part_of()
    assert listed(part, ran(part, op(part, "MAC16", count=2))) == [(0, "ACT16", 0), (24, "MAC16", 0), (26, "MAC16", 0)]


def test_an_open_row_stays_open() -> None:
    part = part_of()
    names = [name for _, name, _ in listed(part, ran(part, op(part, "MAC16", row=3), op(part, "MAC16", row=3)))]
    assert names == ["ACT16", "MAC16", "MAC16"]


def test_a_wrong_row_is_closed_first() -> None:
    part = part_of()
    outcome = ran(part, op(part, "MAC16", row=3), op(part, "MAC16", row=4))
    assert listed(part, outcome)[2:] == [(54, "PREab", 0), (78, "ACT16", 0), (102, "MAC16", 0)]


def test_a_row_open_in_some_banks_only_is_closed_in_all() -> None:
    part = part_of()
    names = [name for _, name, _ in listed(part, ran(part, op(part, "ACT", bank=5, row=3), op(part, "MAC16", row=3)))]
    assert names == ["ACT", "PREab", "ACT16", "MAC16"]


def test_an_activation_over_open_banks_where_the_standard_allows_it() -> None:
    part = part_of(standard=varied(over_open=True))
    names = [name for _, name, _ in listed(part, ran(part, op(part, "ACT", bank=5, row=3), op(part, "MAC16", row=3)))]
    assert names == ["ACT", "ACT16", "MAC16"]


def test_a_precharge_of_closed_banks_is_left_out() -> None:
    part = part_of()
    assert ran(part, op(part, "PRE", bank=3), op(part, "PREab")).log == []


def test_loops_add_their_steps_at_every_iteration() -> None:
    part = part_of()
    program = loop(2, loop(2, [op(part, "MAC16", row=1, column=5)], column_step=3), row_step=2)
    macs = [(e.row, e.column) for e in ran(part, *program).log if e.code == part.command("MAC16")]
    assert macs == [(1, 5), (1, 8), (3, 5), (3, 8)]


def test_a_loop_of_no_iterations_does_nothing() -> None:
    part = part_of()
    assert ran(part, *loop(0, [op(part, "MAC16")])).log == []


def test_what_follows_a_loop_has_its_own_row_again() -> None:
    part = part_of()
    outcome = ran(part, *loop(3, [op(part, "WR", row=1)], row_step=1), op(part, "WR", row=1))
    assert outcome.log[-1].row == 1


def test_a_counted_run_is_the_same_as_one_by_one() -> None:
    part = part_of()
    counted = ran(part, op(part, "MAC16", column=3, count=40), op(part, "RDMAC16"))
    single = ran(part, *loop(40, [op(part, "MAC16", column=3)], column_step=1), op(part, "RDMAC16"))
    assert counted.differs(single) == ""


def test_a_counted_run_keeps_to_the_edges_of_a_clock() -> None:
    part = part_of(standard=varied(half_clocks=True), tMAC=3)
    ticks = [e.tick for e in ran(part, op(part, "MAC16", count=3)).log]
    assert ticks == [0, 24, 28, 32]


def test_a_repeated_command_waits_for_what_came_between() -> None:
    part = part_of()
    program = [op(part, "MAC16"), op(part, "MAC16"), op(part, "WRGB"), op(part, "MAC16")]
    assert [e.tick for e in ran(part, *program).log] == [0, 24, 26, 28, 31]  # WRGB -> MAC16: CWLGB + BL


def test_commands_on_two_buses_stay_in_order() -> None:
    part = part_of(standard=varied(two_buses=True))
    outcome = ran(part, op(part, "RD", bank=0), op(part, "ACT", bank=5))
    assert listed(part, outcome) == [(0, "ACT", 0), (24, "RD", 0), (24, "ACT", 5)]


@pytest.mark.parametrize("level", range(len(LEVELS)))
def test_a_rule_holds_within_a_node_of_its_level_and_not_beyond(level: int) -> None:
    organization = Organization(ranks=2, sids=2, bankgroups=2, banks=2, rows=64)
    rules = tuple(rule(scope, "RD", "WR", 70 + 10 * n) for n, scope in enumerate(LEVELS) if n >= level)
    part = part_of(organization, standard=replace(PIM_GDDR6, constraints=PIM_GDDR6.constraints + rules))
    channel = KernelChannel(part)
    channel.run([op(part, "RD")])
    banks = organization.banks_per_channel // organization.nodes(level)
    ready = [earliest(part.packed, channel.state, part.command("WR"), bank) - 24 for bank in (banks - 1, banks % 16)]
    assert ready[0] == 70 + 10 * level
    assert level == 0 or ready[1] <= TIMING["tRTW"]


# ---------------------------------------------------------------------- refresh


def test_a_due_refresh_comes_before_the_next_all_bank_activation() -> None:
    part = soon()
    outcome = ran(part, op(part, "MAC16", row=0, count=64), op(part, "MAC16", row=1))
    assert listed(part, outcome)[-5:] == [
        (150, "MAC16", 0),
        (162, "PREab", 0),
        (186, "REFab", 0),
        (186 + 60, "ACT16", 0),
        (186 + 60 + 24, "MAC16", 0),
    ]


def test_a_refresh_does_not_interrupt_an_open_row() -> None:
    part = soon()
    names = {name for _, name, _ in listed(part, ran(part, *loop(20, [op(part, "MAC16", count=64)])))}
    assert names == {"ACT16", "MAC16"}


def test_a_refresh_comes_late_by_no_more_than_it_may() -> None:
    part = soon()
    program = [op(part, "MAC16", row=0, count=64), op(part, "MAC16", row=1)]
    assert "REFab" in [name for _, name, _ in listed(part, ran(part, *program, postpone=62))]
    assert "REFab" not in [name for _, name, _ in listed(part, ran(part, *program, postpone=63))]


@pytest.mark.parametrize("name", ["MAC16", "WRGB", "RDMAC16", "WR", "PRE"])
def test_a_due_refresh_comes_before_an_instruction_marked_as_a_boundary(name: str) -> None:
    part = soon()
    program = [op(part, "MAC16", count=64), op(part, name, boundary=True)]
    assert [n for _, n, _ in listed(part, ran(part, *program))].count("REFab") == 1


def test_activations_of_bank_groups_are_not_torn_apart_by_a_refresh() -> None:
    part = soon()
    program = [op(part, "WRGB", count=60), *(op(part, "ACT4", bank=4 * g, row=1) for g in range(4)), op(part, "MAC16", row=1)]
    assert [name for _, name, _ in listed(part, ran(part, *program))][60:] == ["ACT4"] * 4 + ["MAC16"]


def test_a_refresh_of_one_rank_leaves_the_other_to_close_its_own_rows() -> None:
    part = soon(ORGANIZATIONS[1])
    program = [op(part, "MAC16", row=0), op(part, "MAC16", bank=16, row=0, count=64), op(part, "MAC16", row=1, count=64)]
    outcome = ran(part, *program)
    assert _first_impossible(part, outcome.log) is None
    assert [e.bank for e in outcome.log if e.code == part.command("REFab")] == [0, 16]


# ---------------------------------------------------------------------- causes


def causes(outcome: Outcome) -> dict[str, int]:
    return {c.name: n for c, n in zip(Cause, outcome.counters[:CAUSES], strict=True) if n}


def test_a_row_of_macs_is_charged_its_cadences_and_the_row_commands() -> None:
    part = part_of()
    program = [op(part, "MAC16", row=0, count=64), op(part, "MAC16", row=1, count=64), op(part, "PREab")]
    # per row 64 x tCCD of compute and tRCD; between rows the rest of tRTP and tRP; at the end the rest of tRTP
    assert causes(ran(part, *program)) == {"COMPUTE": 2 * 128, "ACTIVATE": 2 * 24 + (12 - 2) + 24 + (12 - 2)}


def test_a_refresh_is_charged_from_its_precharge_on() -> None:
    part = soon()
    outcome = ran(part, op(part, "MAC16", row=0, count=64), op(part, "MAC16", row=1))
    assert causes(outcome) == {"COMPUTE": 128, "ACTIVATE": 24 + 24 + 24, "REFRESH": (12 - 2) + 60}


def test_an_activation_under_way_is_charged_behind_the_buffer_fill() -> None:
    part = part_of()
    outcome = ran(part, op(part, "ACT16"), op(part, "WRGB", count=5), op(part, "MAC16"))
    assert causes(outcome) == {"ACTIVATE": 1 + (24 - 11), "BUFFER_FILL": 10}


def test_banks_are_active_from_their_first_activation_to_their_last_precharge() -> None:
    part = part_of()
    outcome = ran(part, op(part, "ACT", bank=0), op(part, "ACT", bank=4), op(part, "PRE", bank=0), op(part, "PRE", bank=4))
    assert [e.tick for e in outcome.log] == [0, 11, 54, 65]
    assert outcome.counters[-1] == 65


# ---------------------------------------------------------------------- fast-forward


def same_fast(part: Compiled, *program: Row, postpone: int = 0) -> Outcome:
    plain, fast = ran(part, *program, postpone=postpone), ran(part, *program, postpone=postpone, fast=True)
    assert fast.differs(plain) == ""
    return plain


def test_fast_forward_stops_at_every_refresh() -> None:
    part = part_of(refresh=True, tREFI=1500)
    outcome = same_fast(part, *loop(100, [op(part, "MAC16", count=8)], row_step=1))
    assert outcome.counters[CAUSES + part.command("REFab")] > 10


def test_fast_forward_waits_for_an_activation_window_to_fill() -> None:
    part = part_of(tRC=10, tRAS=4, tRP=2, tRCDRD=2, tRTP=2, tFAW=200)
    same_fast(part, *loop(20, [op(part, "RD", row=0)], row_step=1))


def test_fast_forward_keeps_to_the_edges_of_a_clock() -> None:
    part = part_of(standard=varied(half_clocks=True), tRAS=11, tRP=2, tRC=13, tRCDRD=2, tRTP=2)
    same_fast(part, *loop(12, [op(part, "ACT"), op(part, "RD"), op(part, "PRE")]))


def test_fast_forward_moves_the_rows_of_one_rank_of_two() -> None:
    part = part_of(ORGANIZATIONS[1])
    outcome = same_fast(part, *loop(20, [op(part, "MAC16")], row_step=1))
    assert outcome.rows[:16] == [19] * 16 and outcome.rows[16:] == [-1] * 16


def test_fast_forward_sees_banks_behind_an_all_bank_command_that_activates_by_groups() -> None:
    part = part_of(standard=varied(all_bank_act=False))
    same_fast(part, op(part, "WR", bank=9, row=7), *loop(20, [op(part, "MAC16")], row_step=1))


def test_fast_forward_decides_about_refreshes_on_the_tick_of_a_last_command() -> None:
    part = soon(standard=varied(two_buses=True), tREFI=690)
    same_fast(part, *loop(40, [op(part, "RD", bank=3, boundary=True), op(part, "PREab", boundary=True)], row_step=1))


def test_a_log_that_is_too_short_is_counted_and_not_overrun() -> None:
    part = part_of()
    for fast in (False, True):
        channel = KernelChannel(part, fast=fast)
        channel.log = np.zeros((4, LOG_FIELDS), np.int64)
        channel.run(loop(20, [op(part, "MAC16")], row_step=1))
        assert channel.log[0, 0] == 20 * 3 - 1
        assert [int(e) for e in channel.log[1:, 0]] == [0, 24, 54]
        assert channel.state[counters(part.table)][CAUSES + part.command("MAC16")] == 20
