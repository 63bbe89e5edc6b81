"""HBM2 in legacy mode: one 128-bit channel without pseudo channels, 64 B an access, ranks behind one command bus.

This is the memory of NeuPIMs (HBM2_8Gb_x128 of DRAMsim3, tCK 1 ns), row for row: an ACT takes one clock, ranks share the data pins and
change over in tRTRS. Row and column commands share one command bus; the second bus of this table is not on the pins: it is
that of a sequencer inside the memory, and only commands of a PIM command set use it (``pimsim.pim.neupims``).
"""

from pimsim.dram.spec import Command, Effect, Standard, free, rule

COMMANDS = (
    Command("ACT", "bank", Effect.ACTIVATE),
    Command("PRE", "bank", Effect.PRECHARGE),
    Command("PREab", "rank", Effect.PRECHARGE),
    Command("RD", "bank", Effect.READ, latency="CL + BL", opener="ACT", closer="PRE"),
    Command("WR", "bank", Effect.WRITE, latency="CWL + BL", opener="ACT", closer="PRE"),
    Command("RDA", "bank", Effect.READ_PRECHARGE, latency="CL + BL", opener="ACT", closer="PRE"),
    Command("WRA", "bank", Effect.WRITE_PRECHARGE, latency="CWL + BL", opener="ACT", closer="PRE"),
    Command("REFab", "rank", Effect.REFRESH, latency="tRFCab"),
)

CONSTRAINTS = (
    # data pins and column cadence
    rule("rank", "RD RDA", "RD RDA", "max(BL, tCCDS)"),
    rule("bankgroup", "RD RDA", "RD RDA", "max(BL, tCCDL)"),
    rule("rank", "RD RDA", "RD RDA", "BL + tRTRS", sibling=True),
    rule("channel", "WR WRA", "WR WRA", "max(BL, tCCDS)", note="max(BL, tCCDS) (in other ranks BL: the same where tCCDS <= BL)"),
    rule("bankgroup", "WR WRA", "WR WRA", "max(BL, tCCDL)"),
    rule("channel", "RD RDA", "WR WRA", "CL + BL + tRTRS - CWL"),
    rule("rank", "WR WRA", "RD RDA", "CWL + BL + tWTRS"),
    rule("bankgroup", "WR WRA", "RD RDA", "CWL + BL + tWTRL"),
    rule("rank", "WR WRA", "RD RDA", "CWL + BL + tRTRS - CL", sibling=True),
    # activation
    rule("rank", "ACT", "ACT", "tRRDS"),
    rule("bankgroup", "ACT", "ACT", "tRRDL"),
    rule("rank", "ACT", "ACT", "tFAW", window=4),
    rule("bank", "ACT", "ACT", "tRC"),
    rule("bank", "ACT", "RD RDA", "tRCDRD"),
    rule("bank", "ACT", "WR WRA", "tRCDWR"),
    # precharge
    rule("bank", "ACT", "PRE PREab", "tRAS"),
    rule("bank", "RD", "PRE PREab", "tRTPL"),
    rule("bank", "WR", "PRE PREab", "CWL + BL + tWR"),
    rule("bank", "PRE", "ACT", "tRP"),
    rule("rank", "PREab", "ACT", "tRP"),
    rule("bank", "RDA", "ACT", "BL + tRTPL + tRP"),
    rule("bank", "WRA", "ACT", "CWL + BL + tWR + tRP"),
    # refresh
    rule("rank", "PRE PREab", "REFab", "tRP"),
    rule("rank", "RDA", "REFab", "tRTPL + tRP"),
    rule("rank", "WRA", "REFab", "CWL + BL + tWR + tRP"),
    rule("rank", "REFab", "ACT REFab", "tRFCab"),
)

_INDEPENDENT = "row commands and accesses of different banks are independent"
_RANKS = "ranks share the pins and the command bus only"

FREE = (
    free("bankgroup rank", "ACT PRE PREab", "RD WR RDA WRA", _INDEPENDENT),
    free("bankgroup rank", "RD WR RDA WRA", "ACT PRE PREab", _INDEPENDENT),
    free("bankgroup rank", "ACT", "PRE PREab", "different banks"),
    free("bankgroup rank", "PRE PREab", "ACT", "different banks"),
    free("bank bankgroup rank", "PRE PREab", "PRE PREab", "precharges keep no distance: no tPPD in HBM2"),
    free("bank bankgroup rank", "RDA WRA", "PRE PREab", "the bank precharges itself; the rule to its ACT keeps the time"),
    free("bank bankgroup rank", "REFab", "PRE PREab", "a precharge of an idle bank does nothing"),
    free("channel", "ACT PRE PREab REFab", "*", _RANKS),
    free("channel", "*", "ACT PRE PREab REFab", _RANKS),
)

HBM2_LEGACY = Standard(
    name="HBM2-legacy",
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
    derived={"tRC": "tRAS + tRP"},
    free=FREE,
    two_buses=True,
    refresh_bank="",
    source="DRAMsim3 2981759 and its copy in casys-kaist/NeuPIMs f299af3, HBM2_8Gb_x128",
)
