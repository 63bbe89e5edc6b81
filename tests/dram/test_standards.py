"""The constraint rows of every standard against the tables of Ramulator 2.1 and DRAMsim3.

``tests/reference/dram/constraints.csv`` and ``presets.csv``: the pairwise tables and timing values of Ramulator 2.1 c5b1c3a and of
DRAMsim3 2981759 (the inis of the reference runs), read out of the running simulators.
"""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from pimsim.config import load_dram
from pimsim.dram.compile import Compiled, compile_part, complete_timing
from pimsim.dram.coverage import Pair, covered, freed, pairs, uncovered
from pimsim.dram.spec import LEVELS, Organization
from pimsim.dram.standards import all_standards, standard, variant
from pimsim.errors import InputError

REFERENCE = Path(__file__).parents[1] / "reference" / "dram"
ORGANIZATIONS = {
    "GDDR6": Organization(1, 1, 4, 4, 16384, 64, 32),
    "HBM2": Organization(2, 1, 4, 4, 32768, 32, 32),
    "HBM3": Organization(2, 2, 4, 4, 16384, 32, 32),
    "DDR4": Organization(1, 1, 4, 4, 65536, 128, 64),
    "LPDDR5": Organization(1, 1, 4, 4, 32768, 64, 32),
    "DDR5": Organization(1, 1, 4, 4, 65536, 64, 64),
}
RENAMED = {"nCL": "CL", "nCWL": "CWL", "nBL": "BL", "nBL_min": "BL", "nBL_max": "BLmax", "nCCDS_WR": "tCCDSWR",
           "nCCDL_WR": "tCCDLWR"}

DDR5_6400AN = {
    "BL": 8, "CL": 46, "tRCD": 46, "tRP": 46, "tRAS": 103, "tRC": 149, "tWR": 96, "tRTP": 24, "CWL": 44, "tPPD": 2, "tCCDS": 8,
    "tCCDL": 16, "tCCDSWR": 8, "tCCDLWR": 64, "tWTRS": 5, "tWTRL": 32, "tCS": 2, "tRRDS": 16, "tRRDL": 16, "tFAW": 80,
    "tRFC": 946, "tREFI": 12500,
}
"""Ramulator 2.1's timing preset DDR5_6400AN of DDR5_16Gb_x16."""

Key = tuple[str, str, str, int, bool]
"""(scope, previous, next, window, sibling)."""


def reference_timing(table: str) -> dict[str, int]:
    """A Ramulator preset under JEDEC names."""
    with (REFERENCE / "presets.csv").open() as file:
        rows = [r for r in csv.DictReader(file) if r["table"] == table and r["name"].startswith("n")]
    timing = {RENAMED.get(r["name"], "t" + r["name"][1:]): int(r["value"]) for r in rows}
    if "tRFC" in timing and "tRFCpb" in timing:
        timing["tRFCab"] = timing.pop("tRFC")
    return timing


def merged(rows: dict[Key, int]) -> dict[Key, int]:
    """Without the rows that a row of a wider scope implies."""
    def implied(key: Key) -> bool:
        scope, before, after, window, sibling = key
        wider = LEVELS[: LEVELS.index(scope)]
        return not sibling and any(rows.get((w, before, after, window, sibling), -1 << 60) >= rows[key] for w in wider)

    return {key: value for key, value in rows.items() if not implied(key)}


def reference_rows(table: str, one_rank: bool) -> dict[Key, int]:
    rows: dict[Key, int] = {}
    with (REFERENCE / "constraints.csv").open() as file:
        for r in csv.DictReader(file):
            if r["table"] != table or r["formula"] == "command bus occupancy":
                continue
            scope = "rank" if r["scope"] == "channel" and one_rank else r["scope"]
            for before in r["previous"].split():
                for after in r["next"].split():
                    key = (scope, before, after, int(r["window"]), r["sibling"] == "1")
                    rows[key] = max(rows.get(key, -1 << 60), int(r["value"]))
    return merged(rows)


def compiled_rows(compiled: Compiled, *, added: bool = True) -> dict[Key, int]:
    """The rows of a part; without those that the reference lacks if not ``added``."""
    rows: dict[Key, int] = {}
    names = compiled.command_names
    for r in compiled.rules:
        if not added and "Ramulator" in r.source.note:
            continue
        for b in r.before:
            for a in r.after:
                key = (LEVELS[r.level], names[b], names[a], r.window, r.sibling)
                rows[key] = max(rows.get(key, -1 << 60), r.value)
    return merged(rows)


def part(name: str, table: str) -> Compiled:
    base = standard(name.removesuffix("-dramsim3"))
    chosen = standard(name)
    return compile_part(chosen, chosen.fitted(ORGANIZATIONS[base.name]), reference_timing(table), 1_000_000)


RAMULATOR = {"GDDR6": "gddr6__ramulator", "HBM2": "hbm2__ramulator", "HBM3": "hbm3__ramulator", "DDR4": "ddr4__ramulator",
             "LPDDR5": "lpddr5__ramulator"}
DRAMSIM3 = {"GDDR6": "gddr6_matched__dramsim3", "HBM2": "hbm2_matched__dramsim3", "DDR4": "ddr4_matched__dramsim3"}


@pytest.mark.parametrize("name", RAMULATOR)
def test_rows_are_those_of_ramulator(name: str) -> None:
    ours = compiled_rows(part(name, RAMULATOR[name]), added=False)
    assert ours == reference_rows(RAMULATOR[name], one_rank=name == "GDDR6")


@pytest.mark.parametrize("name", RAMULATOR)
def test_bus_occupancy_is_that_of_ramulator(name: str) -> None:
    """Ramulator writes a bus taken for several cycles as channel rows; here it is a property of the command."""
    with (REFERENCE / "constraints.csv").open() as file:
        expected = {
            (before, after, int(r["value"]))
            for r in csv.DictReader(file)
            if r["table"] == RAMULATOR[name] and r["formula"] == "command bus occupancy"
            for before in r["previous"].split()
            for after in r["next"].split()
        }
    chosen = standard(name)
    ours = {
        (b.name, a.name, b.cycles)
        for b in chosen.commands
        for a in chosen.commands
        if b.cycles > 1 and (b.bus == a.bus or not chosen.two_buses)
    }
    assert ours == expected


ADDED = {
    "GDDR6": {"rank PRE->REFab min(tRP, tRC - tRAS)"},
    "HBM2": {
        "bankgroup ACT->REFpb tRRDL", "rank PREab->REFpb tRP", "bank RDA->REFpb tRTPL + tRP",
        "bank WRA->REFpb CWL + BL + tWR + tRP", "rank REFab->REFab/REFpb tRFCab", "bank REFpb->REFpb tRFCpb",
        "rank REFpb->REFpb tRREFD", "rank REFpb->REFab tRFCpb",
    },
    "HBM3": {
        "bankgroup ACT->REFpb/RFMpb tRRDL", "rank PREab->REFpb/RFMpb tRP", "bank RDA->REFpb/RFMpb tRTP + tRP",
        "bank WRA->REFpb/RFMpb CWL + BL + tWR + tRP",
        "channel PREab/REFab/RFMab->PRE/PREab no precharge on the edge behind an all-bank row command",
        "rank REFab->REFab/REFpb/RFMab/RFMpb tRFCab", "rank RFMab->REFab/REFpb/RFMab/RFMpb tRFMab",
        "bank REFpb->REFpb/RFMpb tRFCpb", "bank RFMpb->REFpb/RFMpb tRFMpb", "rank REFpb->RFMpb tRREFD",
        "rank RFMpb->REFpb/RFMpb tRREFD", "rank REFpb->REFab/RFMab tRFCpb", "rank RFMpb->REFab/RFMab tRFMpb",
    },
    "DDR4": {"rank REFab->REFab tRFC"},
    "LPDDR5": {
        "rank ACT1->REFpb tRRDS", "bankgroup ACT1->REFpb tRRDL", "bank ACT1->ACT2 ACT2 behind ACT1", "rank PREab->REFpb tRPab",
        "bank RDA->REFpb tRTP + tRP", "bank WRA->REFpb CWL + BL + tWR + tRP", "bank REFpb->REFpb tRFCpb",
    },
}
"""The rows that Ramulator's tables lack, by the name that a violation gets."""


@pytest.mark.parametrize("name", RAMULATOR)
def test_added_rows_are_the_named_ones(name: str) -> None:
    added = {c.label.split(" (")[0] for c in standard(name).constraints if "Ramulator" in c.note}
    assert added == ADDED[name]


def test_gddr6_refresh_waits_for_a_single_precharge() -> None:
    rows = compiled_rows(part("GDDR6", RAMULATOR["GDDR6"]))
    assert rows["rank", "PRE", "REFab", 1, False] == 26  # tRP = 27, cut to tRC - tRAS = 79 - 53


@pytest.mark.parametrize("name", DRAMSIM3)
def test_variant_rows_are_those_of_dramsim3(name: str) -> None:
    compiled = part(f"{name}-dramsim3", RAMULATOR[name])
    ours = {k: v for k, v in compiled_rows(compiled).items() if not {"RDA", "WRA"} & {k[1], k[2]} and not k[4]}
    assert ours == reference_rows(DRAMSIM3[name], one_rank=False)


def test_hbm2_as_dramsim3_has_no_pseudo_channels() -> None:
    assert part("HBM2-dramsim3", RAMULATOR["HBM2"]).organization.banks_per_channel == 16


def test_variant_that_does_not_exist_names_those_that_do() -> None:
    with pytest.raises(InputError, match="dramsim3 has no rules for HBM3.*DDR4, GDDR6, HBM2"):
        variant(standard("HBM3"), "dramsim3")


@pytest.mark.parametrize("name", all_standards())
def test_every_pair_of_commands_is_covered_or_deliberately_free(name: str) -> None:
    assert uncovered(standard(name)) == []


@pytest.mark.parametrize("name", all_standards())
def test_every_free_entry_frees_a_pair_that_no_row_covers(name: str) -> None:
    chosen = standard(name)
    open_pairs = set(pairs(chosen)) - covered(chosen)
    assert [f for f in chosen.free if not freed(replace(chosen, free=(f,))).keys() & open_pairs] == []


def test_a_forgotten_row_is_found() -> None:
    chosen = standard("GDDR6")
    rows = tuple(c for c in chosen.constraints if c.label != "bank ACT->RD/RDA tRCDRD")
    assert uncovered(replace(chosen, constraints=rows)) == [Pair("bank", "ACT", "RD"), Pair("bank", "ACT", "RDA")]


@pytest.mark.parametrize("name", all_standards())
def test_names_in_a_standard_are_names_of_its_commands(name: str) -> None:
    chosen = standard(name)
    known = {c.name for c in chosen.commands}
    used = {n for c in chosen.constraints for n in c.before + c.after}
    used |= {n for f in chosen.free for n in f.before + f.after} - {"*"}
    used |= {n for c in chosen.commands for n in (c.opener, c.closer, c.needs_clock)}
    used |= {chosen.activate, chosen.activate_second, chosen.precharge, chosen.precharge_all, chosen.refresh,
             chosen.refresh_bank, chosen.read, chosen.write}
    assert used - {""} <= known


def test_ddr5_writes_to_one_bank_group_keep_their_own_distance() -> None:
    rows = compiled_rows(compile_part(standard("DDR5"), ORGANIZATIONS["DDR5"], DDR5_6400AN, 312_500))
    assert rows["bankgroup", "WR", "WR", 1, False] == 64
    assert rows["bankgroup", "RD", "RD", 1, False] == 16


def test_un_split_names_set_all_their_forms() -> None:
    timing = {n: v for n, v in reference_timing("gddr6__ramulator").items() if not n.startswith(("tCCD", "tRRD"))}
    values = complete_timing(standard("GDDR6"), {**timing, "tCCD": 3, "tRRD": 9})
    assert (values["tCCDS"], values["tCCDL"], values["tRRDS"], values["tRRDL"]) == (3, 3, 9, 9)


def test_missing_timing_values_are_reported_all_at_once() -> None:
    with pytest.raises(InputError) as error:
        complete_timing(standard("DDR4"), {"CL": 16, "BL": 4})
    keys = {p.key for p in error.value.problems}
    assert {"memory.timing.tRP", "memory.timing.CWL", "memory.timing.tFAW"} <= keys
    assert "memory.timing.tCS" not in keys  # derived


PARTS = {"gddr6-8gb-x16-14000": "gddr6__ramulator", "hbm2-4gb-2000": "hbm2__ramulator", "hbm3-16gb-6400": "hbm3__ramulator",
         "ddr4-8gb-x8-2400": "ddr4__ramulator", "lpddr5-8gb-x16-6400": "lpddr5__ramulator"}


@pytest.mark.parametrize("name", PARTS)
def test_shipped_part_has_the_timing_of_the_reference_preset(name: str) -> None:
    """But for the preset's interval of per-bank refreshes: no run issued one, and each bank is refreshed once a tREFI here."""
    theirs = {name: clocks for name, clocks in reference_timing(PARTS[name]).items() if name != "tREFIpb"}
    assert dict(load_dram(name).memory.timing_cycles) == theirs


@pytest.mark.parametrize("name", PARTS)
def test_shipped_part_has_the_organization_of_the_reference_runs(name: str) -> None:
    memory = load_dram(name).memory
    assert memory.organization == ORGANIZATIONS[memory.standard]


def test_shipped_ddr5_part_is_ramulators_preset() -> None:
    memory = load_dram("ddr5-16gb-x16-6400").memory
    assert (dict(memory.timing_cycles), memory.organization) == (DDR5_6400AN, ORGANIZATIONS["DDR5"])
