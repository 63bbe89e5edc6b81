"""AiM's command set against the AiM simulator's tables: ``tests/reference/aim/pairs.csv`` and the instruction table.

Scopes, latencies and instructions are those of arkhadem/aim_simulator 0f28a07.
"""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pimsim.config import load_dram
from pimsim.dram.compile import Compiled
from pimsim.dram.spec import LEVELS, Command
from pimsim.pim.aim import AIM, AIM_ORDERED, COMMANDS, INSTRUCTIONS, UNSUPPORTED
from pimsim.pim.command_set import ROLES, all_command_sets
from pimsim.sim.memory import compile_memory

PAIRS = Path(__file__).parents[1] / "reference" / "aim" / "pairs.csv"
OURS = "AiM simulator"
"""What the note of a row says that the simulator does not have."""

Key = tuple[str, str, str]
"""(scope, previous, next)."""


def compiled(*overrides: str) -> Compiled:
    part = load_dram("gddr6-aim", overrides)
    return compile_memory(part.memory, part.controller, part.pim)


def strictest(rows: dict[Key, int]) -> dict[Key, int]:
    """Without the rows that a row of a wider scope implies."""
    order = ("rank", "bankgroup", "bank")
    return {(scope, b, a): value for (scope, b, a), value in rows.items()
            if not any(rows.get((wider, b, a), -1) >= value for wider in order[: order.index(scope)])}


def reference_rows() -> list[tuple[str, list[str], list[str], int]]:
    with PAIRS.open() as file:
        return [(r["scope"].replace("channel", "rank"), r["previous"].split(), r["next"].split(), int(r["value"]))
                for r in csv.DictReader(file)]


def reference() -> dict[Key, int]:
    rows: dict[Key, int] = {}
    for scope, previous, following, value in reference_rows():
        for b in previous:
            for a in following:
                rows[scope, b, a] = max(value, rows.get((scope, b, a), value))
    return rows


def ours(part: Compiled) -> dict[Key, int]:
    rows: dict[Key, int] = {}
    for r in part.rules:
        if OURS in r.source.note or "JESD250" in r.source.note:
            continue
        key = (LEVELS[r.level], part.command_names[r.before[0]], part.command_names[r.after[0]])
        rows[key] = max(r.value, rows.get(key, r.value))
    return rows


def test_the_table_is_the_simulators() -> None:
    assert strictest(ours(compiled())) == strictest(reference())


@pytest.mark.parametrize("row", reference_rows(), ids=lambda r: f"{r[0]}-{r[1][0]}-{r[2][0]}-{r[3]}")
def test_every_row_of_the_simulator_is_kept(row: tuple[str, list[str], list[str], int]) -> None:
    scope, previous, following, value = row
    rows = ours(compiled())
    order = ("rank", "bankgroup", "bank")
    for b in previous:
        for a in following:
            found = [rows.get((wider, b, a), -1) for wider in order[: order.index(scope) + 1]]
            assert max(found) >= value, (b, a)


def test_rows_of_our_own_are_named() -> None:
    added = {c.label for c in AIM.constraints if OURS in c.note or "JESD250" in c.note}
    assert added == {
        "rank MAC16->MAC16 tMAC (the AiM simulator's units keep up with tCCD)",
        "bank MAC->MAC tMAC (the AiM simulator's units keep up with tCCD)",
        "rank REFab->PRE/PRE4/PREA/WRGB/WRMAC16/RDMAC16/RDAF16/TMOD/REFab/REFpb tRFCab (JESD250: no command during an all-bank "
        "refresh; the AiM simulator never refreshes)",
        "rank REFpb->REFab/REFpb tRFCpb (JESD250; the AiM simulator never refreshes)",
    }


LATENCIES = {
    "WR": 8, "RD": 52, "WRA16": 40, "WRGB": 3, "WRMAC16": 3, "RDMAC16": 2, "RDAF16": 2, "RDCP": 1, "WRCP": 1, "MAC": 1, "MAC16": 1,
    "AF16": 1, "EWMUL16": 1,
}  # fmt: skip
"""Cycles from issue to completion."""


@pytest.mark.parametrize("name", LATENCIES)
def test_latency(name: str) -> None:
    part = compiled()
    assert part.table.latency[part.command(name)] == LATENCIES[name]


def test_every_pim_command_is_there() -> None:
    assert {c.name for c in COMMANDS} == {
        "ACT", "PRE", "PREA", "RD", "WR", "RDA", "WRA", "REFab", "REFpb", "ACT4", "ACT16", "PRE4", "MAC", "MAC16", "AF16", "EWMUL16",
        "RDCP", "WRCP", "WRGB", "RDMAC16", "RDAF16", "WRMAC16", "WRA16", "TMOD",
    }  # fmt: skip


BANKED = {"ACT", "PRE", "RD", "WR", "RDA", "WRA", "REFpb", "MAC", "RDCP", "WRCP"}
GROUPED = {"ACT4", "PRE4"}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: c.name)
def test_scope(command: Command) -> None:
    assert command.scope == ("bank" if command.name in BANKED else "bankgroup" if command.name in GROUPED else "rank")


def test_register_mode_is_for_buffer_and_registers() -> None:
    assert AIM.register_mode == {"WRGB", "WRMAC16", "RDMAC16", "RDAF16"}
    assert AIM.mode_switch == "TMOD"


def test_every_role_has_a_command() -> None:
    names = {c.name for c in COMMANDS}
    assert set(AIM.roles) == set(ROLES)
    assert set(AIM.roles.values()) <= names


ISRS = {
    # instruction: (command, operands, blocks, ordinary queue)
    "WR_SBK": ("WR", 4, False, True),
    "RD_SBK": ("RD", 4, False, True),
    "WR_ABK": ("WRA16", 3, False, False),
    "WR_GB": ("WRGB", 3, False, False),
    "WR_BIAS": ("WRMAC16", 2, False, False),
    "RD_MAC": ("RDMAC16", 2, True, False),
    "RD_AF": ("RDAF16", 2, True, False),
    "COPY_BKGB": ("RDCP", 4, False, False),
    "COPY_GBBK": ("WRCP", 4, False, False),
    "MAC_SBK": ("MAC", 4, False, False),
    "MAC_ABK": ("MAC16", 3, False, False),
    "AF": ("AF16", 1, False, False),
    "EWMUL": ("EWMUL16", 3, False, False),
    "EWADD": ("", 3, False, False),
    "SYNC": ("", 0, True, False),
    "EOC": ("", 0, True, False),
}


@pytest.mark.parametrize("name", ISRS)
def test_instruction(name: str) -> None:
    kind = INSTRUCTIONS[name]
    assert (kind.command, len(kind.operands), kind.blocking, kind.memory) == ISRS[name]


def test_no_other_instruction() -> None:
    assert INSTRUCTIONS.keys() == ISRS.keys()
    assert set(UNSUPPORTED) == {"WR_AFLUT"}


def test_the_set_is_the_whole_table() -> None:
    standard = compiled().standard
    assert (standard.commands, standard.constraints, standard.precharge_all) == (AIM.commands, AIM.constraints, "PREA")


def test_the_simulator_opens_all_banks_over_open_ones() -> None:
    assert compiled().standard.activate_over_open
    assert not compiled("memory.command_set=aim-ordered").standard.activate_over_open


def test_the_ordered_set_only_adds_rows() -> None:
    assert AIM_ORDERED.constraints[: len(AIM.constraints)] == AIM.constraints
    assert all(c.note for c in AIM_ORDERED.constraints[len(AIM.constraints) :])


@pytest.mark.parametrize(
    ("before", "after", "cycles"),
    [("WRGB", "MAC16", 3), ("RDCP", "WRCP", 2), ("WRCP", "RDCP", 19), ("MAC16", "WRGB", 2), ("WRMAC16", "MAC16", 3),
     ("EWMUL16", "MAC16", 19)],
)
def test_the_ordered_set_keeps_users_behind_their_operands(before: str, after: str, cycles: int) -> None:
    assert ("rank", before, after) not in ours(compiled()) or ours(compiled())["rank", before, after] < cycles
    assert ours(compiled("memory.command_set=aim-ordered"))["rank", before, after] == cycles


def test_slower_units_space_the_macs() -> None:
    part = compiled("pim.clock=250 MHz")
    rows = {(part.command_names[r.before[0]], part.command_names[r.after[0]]): r.value for r in part.rules
            if "tMAC" in r.source.latency}
    assert rows == {("MAC16", "MAC16"): 8, ("MAC", "MAC"): 8}


def test_both_sets_are_found_by_name() -> None:
    assert {"aim", "aim-ordered"} <= all_command_sets().keys()
