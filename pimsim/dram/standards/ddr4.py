"""DDR4 (JESD79-4): ranks of 4 bank groups of 4 banks on one 64-bit data bus, burst of 8 beats = 4 clocks.

The rows are those of Ramulator 2.1's DDR4 table; rows that it lacks say so in their notes. There is no per-bank refresh.
"""

from pimsim.dram.spec import Command, Effect, Standard, free, rule

_MISSING = "(missing in Ramulator 2.1)"

COMMANDS = (
    Command("ACT", "bank", Effect.ACTIVATE),
    Command("PRE", "bank", Effect.PRECHARGE),
    Command("PREab", "rank", Effect.PRECHARGE),
    Command("RD", "bank", Effect.READ, "column", latency="CL + BL", opener="ACT", closer="PRE"),
    Command("WR", "bank", Effect.WRITE, "column", latency="CWL + BL", opener="ACT", closer="PRE"),
    Command("RDA", "bank", Effect.READ_PRECHARGE, "column", latency="CL + BL", opener="ACT", closer="PRE"),
    Command("WRA", "bank", Effect.WRITE_PRECHARGE, "column", latency="CWL + BL", opener="ACT", closer="PRE"),
    Command("REFab", "rank", Effect.REFRESH, latency="tRFC"),
)

CONSTRAINTS = (
    # data bus: bursts of all ranks share it, with a gap between ranks
    rule("channel", "RD RDA", "RD RDA", "BL"),
    rule("channel", "WR WRA", "WR WRA", "BL"),
    rule("rank", "RD RDA", "RD RDA WR WRA", "BL + tCS", sibling=True),
    rule("rank", "WR WRA", "RD RDA", "CWL + BL + tCS - CL", sibling=True),
    # column cadence and turnaround
    rule("rank", "RD RDA", "RD RDA", "tCCDS"),
    rule("rank", "WR WRA", "WR WRA", "tCCDS"),
    rule("bankgroup", "RD RDA", "RD RDA", "tCCDL"),
    rule("bankgroup", "WR WRA", "WR WRA", "tCCDL"),
    rule("rank", "RD RDA", "WR WRA", "tRTW"),
    rule("rank", "WR WRA", "RD RDA", "CWL + BL + tWTRS"),
    rule("bankgroup", "WR WRA", "RD RDA", "CWL + BL + tWTRL"),
    # activation
    rule("rank", "ACT", "ACT", "tRRDS"),
    rule("bankgroup", "ACT", "ACT", "tRRDL"),
    rule("rank", "ACT", "ACT", "tFAW", window=4),
    rule("bank", "ACT", "ACT", "tRC"),
    rule("bank", "ACT", "RD RDA WR WRA", "tRCD"),
    # precharge
    rule("bank", "ACT", "PRE PREab", "tRAS"),
    rule("bank", "RD", "PRE PREab", "tRTP"),
    rule("bank", "WR", "PRE PREab", "CWL + BL + tWR"),
    rule("bank", "PRE PREab", "ACT", "tRP"),
    rule("bank", "RDA", "ACT", "tRTP + tRP"),
    rule("bank", "WRA", "ACT", "CWL + BL + tWR + tRP"),
    # refresh
    rule("rank", "ACT", "REFab", "tRC"),
    rule("rank", "PRE PREab", "REFab", "tRP"),
    rule("rank", "RDA", "REFab", "tRTP + tRP"),
    rule("rank", "WRA", "REFab", "CWL + BL + tWR + tRP"),
    rule("rank", "REFab", "ACT PREab", "tRFC"),
    rule("rank", "REFab", "REFab", "tRFC", note=f"tRFC {_MISSING}"),
)

FREE = (
    free("channel", "ACT PRE PREab REFab", "*", "ranks share the data bus and the command bus only"),
    free("channel", "*", "ACT PRE PREab REFab", "ranks share the data bus and the command bus only"),
    free("bankgroup rank", "ACT PRE", "RD WR RDA WRA", "row commands and accesses of different banks are independent"),
    free("bankgroup rank", "RD WR RDA WRA", "ACT PRE", "row commands and accesses of different banks are independent"),
    free("bankgroup rank", "ACT", "PRE", "different banks"),
    free("bankgroup rank", "PRE", "ACT PRE", "different banks"),
    free("bank", "PRE", "PRE", "a precharge of an idle bank does nothing"),
    free("rank", "PRE PREab", "PRE PREab", "precharges keep no distance in DDR4 (no tPPD)"),
    free("bank rank", "RDA WRA", "PRE PREab", "the bank precharges itself; the rule to its ACT keeps the time"),
    free("rank", "REFab", "PRE", "a precharge of an idle bank does nothing"),
)

DDR4 = Standard(
    name="DDR4",
    levels=("channel", "rank", "bankgroup", "bank"),
    commands=COMMANDS,
    constraints=CONSTRAINTS,
    aliases={"tCCD": ("tCCDS", "tCCDL"), "tRRD": ("tRRDS", "tRRDL"), "tWTR": ("tWTRS", "tWTRL")},
    derived={"tRC": "tRAS + tRP", "tRTW": "CL + BL + 2 - CWL", "tCS": "2"},
    free=FREE,
    refresh_bank="",
    source="Ramulator 2.1 c5b1c3a; JESD79-4",
)
