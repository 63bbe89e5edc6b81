"""HBM2 (JESD235): a channel of two 64-bit pseudo channels (level ``rank``), each 4 bank groups of 4 banks, burst of 4 beats.

Row and column commands have a bus each, shared by the pseudo channels. ACT takes two clocks of the row bus and latencies count from
its second. The rows are those of Ramulator 2.1's HBM2 table; rows that it lacks say so in their notes (several
are listed in its issue 272).
"""

from pimsim.dram.spec import Command, Effect, Standard, free, rule

_MISSING = "(missing in Ramulator 2.1)"

COMMANDS = (
    Command("ACT", "bank", Effect.ACTIVATE, cycles=2),
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
    rule("bankgroup", "ACT", "ACT", "tRRDL"),
    rule("bankgroup", "ACT", "REFpb", "tRRDL", note=f"tRRDL {_MISSING}"),
    rule("rank", "ACT", "ACT", "tFAW", window=4),
    rule("bank", "ACT", "ACT REFpb", "tRC"),
    rule("bank", "ACT", "RD RDA", "tRCDRD"),
    rule("bank", "ACT", "WR WRA", "tRCDWR"),
    # precharge
    rule("bank", "ACT", "PRE PREab", "tRAS"),
    rule("bank", "RD", "PRE PREab", "tRTPL"),
    rule("bank", "WR", "PRE PREab", "CWL + BL + tWR"),
    rule("bank", "PRE", "ACT REFpb", "tRP"),
    rule("rank", "PREab", "ACT", "tRP"),
    rule("rank", "PREab", "REFpb", "tRP", note=f"tRP {_MISSING}"),
    rule("bank", "RDA", "ACT", "tRTPL + tRP"),
    rule("bank", "WRA", "ACT", "CWL + BL + tWR + tRP"),
    rule("bank", "RDA", "REFpb", "tRTPL + tRP", note=f"tRTPL + tRP {_MISSING}"),
    rule("bank", "WRA", "REFpb", "CWL + BL + tWR + tRP", note=f"CWL + BL + tWR + tRP {_MISSING}"),
    # refresh
    rule("rank", "ACT", "REFab", "tRC"),
    rule("rank", "PRE PREab", "REFab", "tRP"),
    rule("rank", "RDA", "REFab", "tRTPL + tRP"),
    rule("rank", "WRA", "REFab", "CWL + BL + tWR + tRP"),
    rule("rank", "REFab", "ACT PREab", "tRFCab"),
    rule("rank", "REFab", "REFab REFpb", "tRFCab", note=f"tRFCab {_MISSING}"),
    rule("bank", "REFpb", "ACT", "tRFCpb"),
    rule("bank", "REFpb", "REFpb", "tRFCpb", note=f"tRFCpb {_MISSING}"),
    rule("rank", "REFpb", "ACT", "tRREFD"),
    rule("rank", "REFpb", "REFpb", "tRREFD", note=f"tRREFD {_MISSING}"),
    rule("rank", "REFpb", "REFab", "tRFCpb", note=f"tRFCpb {_MISSING}"),
)

FREE = (
    free("channel", "*", "*", "pseudo channels share nothing but the command buses"),
    free("bankgroup rank", "ACT PRE REFpb", "RD WR RDA WRA", "row commands and accesses of different banks are independent"),
    free("bankgroup rank", "RD WR RDA WRA", "ACT PRE REFpb", "row commands and accesses of different banks are independent"),
    free("bankgroup rank", "ACT", "PRE", "different banks"),
    free("bankgroup rank", "PRE", "ACT REFpb", "different banks"),
    free("bankgroup rank", "PRE REFpb", "PRE", "different banks"),
    free("bank", "PRE", "PRE", "a precharge of an idle bank does nothing"),
    free("rank", "PRE PREab", "PRE PREab", "precharges keep no distance in HBM2 (no tPPD)"),
    free("bank rank", "RDA WRA", "PRE PREab", "the bank precharges itself; the rule to its ACT keeps the time"),
    free("bank rank", "REFpb REFab", "PRE PREab", "a precharge of an idle bank does nothing"),
)

HBM2 = Standard(
    name="HBM2",
    levels=("channel", "rank", "bankgroup", "bank"),
    commands=COMMANDS,
    constraints=CONSTRAINTS,
    aliases={
        "tRCD": ("tRCDRD", "tRCDWR"),
        "tCCD": ("tCCDS", "tCCDL"),
        "tRRD": ("tRRDS", "tRRDL"),
        "tWTR": ("tWTRS", "tWTRL"),
        "tRTP": ("tRTPL",),
        "tRFC": ("tRFCab",),
    },
    derived={"tRC": "tRAS + tRP", "tRTW": "CL + BL + 2 - CWL"},
    free=FREE,
    counts_from_last=True,
    two_buses=True,
    source="Ramulator 2.1 c5b1c3a; JESD235",
)
