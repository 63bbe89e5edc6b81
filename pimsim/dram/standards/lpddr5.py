"""LPDDR5 (JESD209-5) in bank-group mode: 4 bank groups of 4 banks, burst of 16 beats; a row is opened by ACT1 and ACT2.

ACT1 names the row and starts its timing; ACT2 follows within tAAD and opens it. The data clock WCK runs only around accesses: CAS_RD or
CAS_WR starts it where it has stopped, which is its latency, the burst and tWCKPST after the rank's last access.
``BL`` is BL/n_min, the slot of a burst on the data bus, and ``BLmax`` is BL/n_max, the time that a bank group is busy with it.
The rows are those of Ramulator 2.1's LPDDR5 table; rows that it lacks say so in their notes (several are in its issue 272).
"""

from pimsim.dram.spec import Command, Effect, Standard, free, rule

_MISSING = "(missing in Ramulator 2.1)"


def _read(name: str, effect: Effect) -> Command:
    return Command(name, "bank", effect, "column", latency="CL + BL", opener="ACT2", closer="PRE", needs_clock="CAS_RD",
                   keeps_clock="CL + BL + tWCKPST")


def _write(name: str, effect: Effect) -> Command:
    return Command(name, "bank", effect, "column", latency="CWL + BL", opener="ACT2", closer="PRE", needs_clock="CAS_WR",
                   keeps_clock="CWL + BL + tWCKPST")


COMMANDS = (
    Command("ACT1", "bank", Effect.ACTIVATE_FIRST),
    Command("ACT2", "bank", Effect.ACTIVATE, opener="ACT1", activations=0),
    Command("PRE", "bank", Effect.PRECHARGE),
    Command("PREab", "rank", Effect.PRECHARGE),
    Command("CAS_RD", "bank", Effect.MODE, "column", keeps_clock="CL + BL + tWCKPST"),
    Command("CAS_WR", "bank", Effect.MODE, "column", keeps_clock="CWL + BL + tWCKPST"),
    _read("RD", Effect.READ),
    _write("WR", Effect.WRITE),
    _read("RDA", Effect.READ_PRECHARGE),
    _write("WRA", Effect.WRITE_PRECHARGE),
    Command("REFab", "rank", Effect.REFRESH, latency="tRFCab"),
    Command("REFpb", "bank", Effect.REFRESH, latency="tRFCpb"),
)

CONSTRAINTS = (
    # data bus: bursts of all ranks share it, with a gap between ranks
    rule("channel", "RD RDA", "RD RDA", "BL"),
    rule("channel", "WR WRA", "WR WRA", "BL"),
    rule("rank", "RD RDA", "RD RDA WR WRA", "BL + tCS", sibling=True),
    rule("rank", "WR WRA", "RD RDA", "CL + BL + tCS - CWL", sibling=True),
    # column cadence and turnaround
    rule("rank", "RD RDA", "RD RDA", "tCCDS"),
    rule("rank", "WR WRA", "WR WRA", "tCCDSWR"),
    rule("bankgroup", "RD RDA", "RD RDA", "tCCDL"),
    rule("bankgroup", "WR WRA", "WR WRA", "tCCDLWR"),
    rule("rank", "RD RDA", "WR WRA", "tRTW"),
    rule("rank", "WR WRA", "RD RDA", "CWL + BL + tWTRS"),
    rule("bankgroup", "WR WRA", "RD RDA", "CWL + BLmax + tWTRL"),
    rule("bank", "CAS_RD", "RD RDA", "tCAS"),
    rule("bank", "CAS_WR", "WR WRA", "tCAS"),
    # activation
    rule("rank", "ACT1", "ACT1", "tRRDS"),
    rule("bankgroup", "ACT1", "ACT1", "tRRDL"),
    rule("rank", "ACT1", "ACT1", "tFAW", window=4),
    rule("bank", "ACT1", "ACT1 REFpb", "tRC"),
    rule("rank", "ACT1", "REFpb", "tRRDS", note=f"tRRDS {_MISSING}"),
    rule("bankgroup", "ACT1", "REFpb", "tRRDL", note=f"tRRDL {_MISSING}"),
    rule("bank", "ACT1", "ACT2", "1", note="ACT2 behind ACT1 (in Ramulator 2.1's controller)"),
    rule("bank", "ACT1", "RD RDA WR WRA", "tRCD"),
    # precharge
    rule("bank", "ACT1", "PRE PREab", "tRAS"),
    rule("bank", "RD", "PRE PREab", "tRTP"),
    rule("bank", "WR", "PRE PREab", "CWL + BL + tWR"),
    rule("rank", "PRE PREab", "PRE PREab", "tPPD"),
    rule("bank", "PRE", "ACT1 REFpb", "tRP"),
    rule("rank", "PREab", "ACT1", "tRPab"),
    rule("rank", "PREab", "REFpb", "tRPab", note=f"tRPab {_MISSING}"),
    rule("bank", "RDA", "ACT1", "tRTP + tRP"),
    rule("bank", "WRA", "ACT1", "CWL + BL + tWR + tRP"),
    rule("bank", "RDA", "REFpb", "tRTP + tRP", note=f"tRTP + tRP {_MISSING}"),
    rule("bank", "WRA", "REFpb", "CWL + BL + tWR + tRP", note=f"CWL + BL + tWR + tRP {_MISSING}"),
    # refresh
    rule("rank", "ACT1", "REFab", "tRC"),
    rule("rank", "PRE PREab", "REFab", "tRP"),
    rule("rank", "RDA", "REFab", "tRTP + tRP"),
    rule("rank", "WRA", "REFab", "CWL + BL + tWR + tRP"),
    rule("rank", "REFab", "ACT1 PREab REFab REFpb", "tRFCab"),
    rule("bank", "REFpb", "ACT1", "tRFCpb"),
    rule("bank", "REFpb", "REFpb", "tRFCpb", note=f"tRFCpb {_MISSING}"),
    rule("rank", "REFpb", "REFpb", "tPBR2PBR"),
    rule("rank", "REFpb", "REFab", "tRFCpb"),
    rule("rank", "REFpb", "ACT1", "tPBR2ACT"),
)

_ROW = "ACT1 ACT2 PRE REFpb"
_COLUMN = "RD WR RDA WRA"

FREE = (
    free("channel", f"{_ROW} PREab REFab CAS_RD CAS_WR", "*", "ranks share the data bus and the command bus only"),
    free("channel", "*", f"{_ROW} PREab REFab CAS_RD CAS_WR", "ranks share the data bus and the command bus only"),
    free("bankgroup rank", _ROW, _COLUMN, "row commands and accesses of different banks are independent"),
    free("bankgroup rank", _COLUMN, _ROW, "row commands and accesses of different banks are independent"),
    free("bankgroup rank", "ACT1 ACT2 REFpb", "ACT2 PRE", "different banks; the timing of a row counts from ACT1"),
    free("bankgroup rank", "PRE", "ACT1 ACT2 REFpb", "different banks"),
    free("bankgroup rank", "ACT2", "ACT1 REFpb", "the timing of a row counts from ACT1"),
    free("bank rank", "ACT2", f"{_COLUMN} PRE PREab", "the timing of a row counts from ACT1"),
    free("bank bankgroup rank", "CAS_RD CAS_WR", "*", "CAS starts a clock; only the access that follows it waits for it"),
    free("bank bankgroup rank", "*", "CAS_RD CAS_WR", "CAS may come at any time: it touches no bank"),
    free("bank rank", "RDA WRA", "PRE PREab", "the bank precharges itself; the rule to its ACT1 keeps the time"),
    free("bank rank", "REFpb REFab", "PRE PREab", "a precharge of an idle bank does nothing"),
)

LPDDR5 = Standard(
    name="LPDDR5",
    levels=("channel", "rank", "bankgroup", "bank"),
    commands=COMMANDS,
    constraints=CONSTRAINTS,
    aliases={
        "tCCD": ("tCCDS", "tCCDL", "tCCDSWR", "tCCDLWR"),
        "tRRD": ("tRRDS", "tRRDL"),
        "tWTR": ("tWTRS", "tWTRL"),
        "tRFC": ("tRFCab",),
    },
    derived={
        "tRC": "tRAS + tRPab",
        "tRTW": "CL + BL + 2 - CWL",
        "tCCDSWR": "tCCDS",
        "tCCDLWR": "tCCDL",
        "tRPab": "tRP + 2",
        "tCAS": "0",
        "tCS": "2",
        "tWCKPST": "1",
        "tAAD": "8",
    },
    free=FREE,
    activate="ACT1",
    activate_second="ACT2",
    activate_deadline="tAAD",
    source="Ramulator 2.1 c5b1c3a; JESD209-5",
)
