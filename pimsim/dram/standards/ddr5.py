"""DDR5 (JESD79-5): a 32-bit subchannel of ranks of 4 (x16) or 8 bank groups of 4 banks, burst of 16 beats = 8 clocks.

ACT, reads and writes take two clocks of the command bus. Writes to one bank group keep a longer distance than reads (the device reads
the row's code word, corrects and writes back). Added by following docs/add-a-standard.md; values as in timing presets of
Ramulator 2.1. Same-bank refresh (REFsb) is left out: it addresses one bank of every bank group, which is no node of the tree.
"""

from pimsim.dram.spec import Command, Effect, Standard, free, rule

COMMANDS = (
    Command("ACT", "bank", Effect.ACTIVATE, cycles=2),
    Command("PRE", "bank", Effect.PRECHARGE),
    Command("PREab", "rank", Effect.PRECHARGE),
    Command("RD", "bank", Effect.READ, "column", 2, "CL + BL", opener="ACT", closer="PRE"),
    Command("WR", "bank", Effect.WRITE, "column", 2, "CWL + BL", opener="ACT", closer="PRE"),
    Command("RDA", "bank", Effect.READ_PRECHARGE, "column", 2, "CL + BL", opener="ACT", closer="PRE"),
    Command("WRA", "bank", Effect.WRITE_PRECHARGE, "column", 2, "CWL + BL", opener="ACT", closer="PRE"),
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
    rule("rank", "WR WRA", "WR WRA", "tCCDSWR"),
    rule("bankgroup", "RD RDA", "RD RDA", "tCCDL"),
    rule("bankgroup", "WR WRA", "WR WRA", "tCCDLWR"),
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
    rule("rank", "PRE PREab", "PRE PREab", "tPPD"),
    rule("bank", "PRE PREab", "ACT", "tRP"),
    rule("bank", "RDA", "ACT", "tRTP + tRP"),
    rule("bank", "WRA", "ACT", "CWL + BL + tWR + tRP"),
    # refresh
    rule("rank", "ACT", "REFab", "tRC"),
    rule("rank", "PRE PREab", "REFab", "tRP"),
    rule("rank", "RDA", "REFab", "tRTP + tRP"),
    rule("rank", "WRA", "REFab", "CWL + BL + tWR + tRP"),
    rule("rank", "REFab", "ACT PREab REFab", "tRFC"),
)

FREE = (
    free("channel", "ACT PRE PREab REFab", "*", "ranks share the data bus and the command bus only"),
    free("channel", "*", "ACT PRE PREab REFab", "ranks share the data bus and the command bus only"),
    free("bankgroup rank", "ACT PRE", "RD WR RDA WRA", "row commands and accesses of different banks are independent"),
    free("bankgroup rank", "RD WR RDA WRA", "ACT PRE", "row commands and accesses of different banks are independent"),
    free("bankgroup rank", "ACT", "PRE", "different banks"),
    free("bankgroup rank", "PRE", "ACT", "different banks"),
    free("bank rank", "RDA WRA", "PRE PREab", "the bank precharges itself; the rule to its ACT keeps the time"),
    free("rank", "REFab", "PRE", "a precharge of an idle bank does nothing"),
)

DDR5 = Standard(
    name="DDR5",
    levels=("channel", "rank", "bankgroup", "bank"),
    commands=COMMANDS,
    constraints=CONSTRAINTS,
    aliases={
        "tCCD": ("tCCDS", "tCCDL"),
        "tRRD": ("tRRDS", "tRRDL"),
        "tWTR": ("tWTRS", "tWTRL"),
    },
    derived={"tRC": "tRAS + tRP", "tRTW": "CL + BL + 2 - CWL", "tCCDSWR": "tCCDS", "tCS": "2", "tPPD": "2"},
    free=FREE,
    refresh_bank="",
    postponable=4,
    source="JESD79-5; values of Ramulator 2.1 c5b1c3a",
)
