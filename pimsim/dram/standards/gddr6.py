"""GDDR6 (JESD250): one 16-bit channel, 4 bank groups of 4 banks, burst of 16 beats = 2 clocks of WCK/4.

The rows are those of Ramulator 2.1's GDDR6 table, plus one that it lacks and that JESD250 and DRAMsim3 have (named in its note): a
refresh waits tRP behind a precharge of a single bank. It is cut to what tRC leaves behind tRAS, because in parts whose tRC
is rounded as a whole (45 ns = 79 clocks of 0.57 ns; tRAS + tRP = 53 + 27) a refresh at tRC behind the activation is legal.
"""

from pimsim.dram.spec import Command, Effect, Standard, free, rule

COMMANDS = (
    Command("ACT", "bank", Effect.ACTIVATE, closer="PRE"),
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
    rule("bank", "RDA", "ACT", "tRTP + tRP"),
    rule("bank", "WRA", "ACT", "CWL + BL + tWR + tRP"),
    rule("rank", "RDA", "REFab REFpb", "tRTP + tRP"),
    rule("rank", "WRA", "REFab REFpb", "CWL + BL + tWR + tRP"),
    # refresh
    rule("rank", "ACT", "REFab", "tRC"),
    # not tRP: where a part's tRC is a clock less than tRAS + tRP (rounding), a REFab that keeps tRC from the ACT of a row that
    # was closed after tRAS is as legal as the ACT that tRC allows there
    rule("rank", "PRE", "REFab", "min(tRP, tRC - tRAS)", note="min(tRP, tRC - tRAS) (missing in Ramulator 2.1)"),
    rule("rank", "REFab", "ACT PRE PREab RD RDA WR WRA REFab REFpb", "tRFCab"),
    rule("bank", "REFpb", "ACT REFpb", "tRFCpb"),
    rule("rank", "REFpb", "ACT REFpb", "tRREFD"),
    rule("rank", "REFpb", "REFab", "tRFCpb"),
)

FREE = (
    free("channel", "*", "*", "a channel has one rank"),
    free("bankgroup rank", "ACT PRE REFpb", "RD WR RDA WRA", "row commands and accesses of different banks are independent"),
    free("bankgroup rank", "RD WR RDA WRA", "ACT PRE REFpb", "row commands and accesses of different banks are independent"),
    free("bankgroup rank", "ACT REFpb", "PRE", "different banks"),
    free("bankgroup rank", "PRE", "ACT REFpb", "different banks"),
    free("bank rank", "RDA WRA", "PRE PREab", "the bank precharges itself; the rule to its ACT keeps the time"),
    free("bank rank", "REFpb", "PRE PREab", "a precharge of an idle bank does nothing"),
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
    free=FREE,
    source="Ramulator 2.1 c5b1c3a; JESD250",
)
