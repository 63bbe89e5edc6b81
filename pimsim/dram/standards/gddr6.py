"""GDDR6 (JESD250): one 16-bit channel, 4 bank groups of 4 banks, burst of 16 beats = 2 clocks of WCK/4.

The rows are those of Ramulator 2.1's GDDR6 table, plus the rows that it lacks and that JEDEC and DRAMsim3 have (named in their
notes): a refresh waits tRP behind a precharge of a single bank.
"""

from pimsim.dram.spec import Command, Effect, Standard, rule

COMMANDS = (
    Command("ACT", "bank", Effect.ACTIVATE),
    Command("PRE", "bank", Effect.PRECHARGE),
    Command("PREab", "rank", Effect.PRECHARGE),
    Command("RD", "bank", Effect.READ, "column", latency="CL + BL", opener="ACT", closer="PRE"),
    Command("WR", "bank", Effect.WRITE, "column", latency="CWL + BL", opener="ACT", closer="PRE"),
    Command("RDA", "bank", Effect.READ_PRECHARGE, "column", latency="CL + BL", opener="ACT", closer="PRE"),
    Command("WRA", "bank", Effect.WRITE_PRECHARGE, "column", latency="CWL + BL", opener="ACT", closer="PRE"),
    Command("REFab", "rank", Effect.REFRESH, latency="tRFCab"),
    Command("REFpb", "bank", Effect.REFRESH, latency="tRFCpb"),
)

CONSTRAINTS = (
    # data bus and column cadence
    rule("rank", "RD RDA", "RD RDA", "max(BL, tCCDS)"),
    rule("rank", "WR WRA", "WR WRA", "max(BL, tCCDS)"),
    rule("bankgroup", "RD RDA", "RD RDA", "tCCDL"),
    rule("bankgroup", "WR WRA", "WR WRA", "tCCDL"),
    rule("rank", "RD RDA", "WR WRA", "tRTW"),
    rule("rank", "WR WRA", "RD RDA", "CWL + BL + tWTRS"),
    rule("bankgroup", "WR WRA", "RD RDA", "CWL + BL + tWTRL"),
    # activation
    rule("rank", "ACT", "ACT REFpb", "tRRDS"),
    rule("bankgroup", "ACT", "ACT REFpb", "tRRDL"),
    rule("rank", "ACT REFpb", "ACT REFpb", "tFAW", window=4),
    rule("bank", "ACT", "ACT REFpb", "tRC"),
    rule("bank", "ACT", "RD RDA", "tRCDRD"),
    rule("bank", "ACT", "WR WRA", "tRCDWR"),
    # precharge
    rule("bank", "ACT", "PRE PREab", "tRAS"),
    rule("bank", "RD", "PRE PREab", "tRTP"),
    rule("bank", "WR", "PRE PREab", "CWL + BL + tWR"),
    rule("bank", "PRE", "ACT REFpb", "tRP"),
    rule("rank", "PREab", "ACT REFab REFpb", "tRP"),
    rule("rank", "PRE PREab", "PRE PREab", "tPPD"),
    rule("bank", "RDA", "ACT REFpb", "tRTP + tRP"),
    rule("bank", "WRA", "ACT REFpb", "CWL + BL + tWR + tRP"),
    rule("rank", "RDA", "REFab", "tRTP + tRP"),
    rule("rank", "WRA", "REFab", "CWL + BL + tWR + tRP"),
    # refresh
    rule("rank", "ACT", "REFab", "tRC"),
    rule("rank", "PRE", "REFab", "tRP", note="tRP (missing in Ramulator 2.1; JESD250, DRAMsim3)"),
    rule("rank", "REFab", "ACT PRE PREab RD RDA WR WRA REFab REFpb", "tRFCab"),
    rule("bank", "REFpb", "ACT REFpb", "tRFCpb"),
    rule("rank", "REFpb", "ACT REFpb", "tRREFD"),
    rule("rank", "REFpb", "REFab", "tRFCpb"),
)

GDDR6 = Standard(
    name="GDDR6",
    levels=("channel", "rank", "bankgroup", "bank"),
    commands=COMMANDS,
    constraints=CONSTRAINTS,
    aliases={
        "tRCD": ("tRCDRD", "tRCDWR"),
        "tCCD": ("tCCDS", "tCCDL"),
        "tRRD": ("tRRDS", "tRRDL"),
        "tWTR": ("tWTRS", "tWTRL"),
        "tRFC": ("tRFCab",),
    },
    derived={"tRC": "tRAS + tRP", "tRTW": "CL + 1"},
    source="Ramulator 2.1 c5b1c3a; JESD250",
)
