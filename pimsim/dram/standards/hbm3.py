"""HBM3 (JESD238): two 32-bit pseudo channels (level ``rank``) of stacks (``sid``) of 4 bank groups of 4 banks, burst of 8 beats.

Commands are placed on half clocks: a tick is half a clock and the odd ticks are rising edges. Everything but precharges starts on a
rising edge. ACT takes the row bus for a clock and a half, PRE for half a clock, a column command its bus for a clock; latencies count
from the last tick of each. The rows are those of Ramulator 2.1's HBM3 table; rows that it lacks, or keeps in its controller, say so.
"""

from pimsim.dram.spec import Command, Effect, Standard, free, rule

_MISSING = "(missing in Ramulator 2.1)"
_RISING = (2, 1)

COMMANDS = (
    Command("ACT", "bank", Effect.ACTIVATE, cycles=3, align=_RISING),
    Command("PRE", "bank", Effect.PRECHARGE),
    Command("PREab", "rank", Effect.PRECHARGE),
    Command("RD", "bank", Effect.READ, "column", 2, "CL + BL", opener="ACT", closer="PRE", align=_RISING),
    Command("WR", "bank", Effect.WRITE, "column", 2, "CWL + BL", opener="ACT", closer="PRE", align=_RISING),
    Command("RDA", "bank", Effect.READ_PRECHARGE, "column", 2, "CL + BL", opener="ACT", closer="PRE", align=_RISING),
    Command("WRA", "bank", Effect.WRITE_PRECHARGE, "column", 2, "CWL + BL", opener="ACT", closer="PRE", align=_RISING),
    Command("REFab", "rank", Effect.REFRESH, latency="tRFCab", align=_RISING),
    Command("REFpb", "bank", Effect.REFRESH, latency="tRFCpb", align=_RISING),
    Command("RFMab", "rank", Effect.REFRESH, latency="tRFMab", align=_RISING),
    Command("RFMpb", "bank", Effect.REFRESH, latency="tRFMpb", align=_RISING),
)

CONSTRAINTS = (
    # data bus and column cadence
    rule("rank", "RD RDA", "RD RDA", "max(BL, tCCDS)"),
    rule("rank", "WR WRA", "WR WRA", "max(BL, tCCDS)"),
    rule("sid", "RD RDA", "RD RDA", "tCCDR", sibling=True),
    rule("bankgroup", "RD RDA", "RD RDA", "tCCDL"),
    rule("bankgroup", "WR WRA", "WR WRA", "tCCDL"),
    rule("rank", "RD RDA", "WR WRA", "tRTW"),
    rule("rank", "WR WRA", "RD RDA", "CWL + BL + tWTRS"),
    rule("bankgroup", "WR WRA", "RD RDA", "CWL + BL + tWTRL"),
    # activation
    rule("rank", "ACT", "ACT REFpb RFMpb", "tRRDS"),
    rule("bankgroup", "ACT", "ACT", "tRRDL"),
    rule("bankgroup", "ACT", "REFpb RFMpb", "tRRDL", note=f"tRRDL {_MISSING}"),
    rule("rank", "ACT", "ACT", "tFAW", window=4),
    rule("bank", "ACT", "ACT REFpb RFMpb", "tRC"),
    rule("bank", "ACT", "RD RDA", "tRCDRD"),
    rule("bank", "ACT", "WR WRA", "tRCDWR"),
    # precharge
    rule("bank", "ACT", "PRE PREab", "tRAS"),
    rule("bank", "RD", "PRE PREab", "tRTP"),
    rule("bank", "WR", "PRE PREab", "CWL + BL + tWR"),
    rule("rank", "PRE PREab", "PRE PREab", "tPPD"),
    rule("bank", "PRE", "ACT REFpb RFMpb", "tRP"),
    rule("rank", "PREab", "ACT", "tRP"),
    rule("rank", "PREab", "REFpb RFMpb", "tRP", note=f"tRP {_MISSING}"),
    rule("bank", "RDA", "ACT", "tRTP + tRP"),
    rule("bank", "WRA", "ACT", "CWL + BL + tWR + tRP"),
    rule("bank", "RDA", "REFpb RFMpb", "tRTP + tRP", note=f"tRTP + tRP {_MISSING}"),
    rule("bank", "WRA", "REFpb RFMpb", "CWL + BL + tWR + tRP", note=f"CWL + BL + tWR + tRP {_MISSING}"),
    rule("channel", "PREab REFab RFMab", "PRE PREab", "1",
         note="no precharge on the edge behind an all-bank row command (in Ramulator 2.1's controller)"),
    # refresh and refresh management
    rule("rank", "ACT", "REFab RFMab", "tRC"),
    rule("rank", "PRE PREab", "REFab RFMab", "tRP"),
    rule("rank", "RDA", "REFab RFMab", "tRTP + tRP"),
    rule("rank", "WRA", "REFab RFMab", "CWL + BL + tWR + tRP"),
    rule("rank", "REFab", "ACT PREab", "tRFCab"),
    rule("rank", "RFMab", "ACT PREab", "tRFMab"),
    rule("rank", "REFab", "REFab REFpb RFMab RFMpb", "tRFCab", note=f"tRFCab {_MISSING}"),
    rule("rank", "RFMab", "REFab REFpb RFMab RFMpb", "tRFMab", note=f"tRFMab {_MISSING}"),
    rule("bank", "REFpb", "ACT", "tRFCpb"),
    rule("bank", "RFMpb", "ACT", "tRFMpb"),
    rule("bank", "REFpb", "REFpb RFMpb", "tRFCpb", note=f"tRFCpb {_MISSING}"),
    rule("bank", "RFMpb", "REFpb RFMpb", "tRFMpb", note=f"tRFMpb {_MISSING}"),
    rule("rank", "REFpb RFMpb", "ACT", "tRREFD"),
    rule("rank", "REFpb", "REFpb", "tRREFD"),
    rule("rank", "REFpb", "RFMpb", "tRREFD", note=f"tRREFD {_MISSING}"),
    rule("rank", "RFMpb", "REFpb RFMpb", "tRREFD", note=f"tRREFD {_MISSING}"),
    rule("rank", "REFpb", "REFab RFMab", "tRFCpb", note=f"tRFCpb {_MISSING}"),
    rule("rank", "RFMpb", "REFab RFMab", "tRFMpb", note=f"tRFMpb {_MISSING}"),
)

_ONE_BANK = "ACT PRE REFpb RFMpb"

FREE = (
    free("channel", "*", "*", "pseudo channels share nothing but the command buses"),
    free("bankgroup sid rank", _ONE_BANK, "RD WR RDA WRA", "row commands and accesses of different banks are independent"),
    free("bankgroup sid rank", "RD WR RDA WRA", _ONE_BANK, "row commands and accesses of different banks are independent"),
    free("bankgroup sid rank", "ACT", "PRE", "different banks"),
    free("bankgroup sid rank", "PRE", "ACT REFpb RFMpb", "different banks"),
    free("bankgroup sid rank", "REFpb RFMpb", "PRE", "different banks"),
    free("bank rank", "RDA WRA", "PRE PREab", "the bank precharges itself; the rule to its ACT keeps the time"),
    free("bank rank", "REFpb RFMpb REFab RFMab", "PRE PREab", "a precharge of an idle bank does nothing"),
)

HBM3 = Standard(
    name="HBM3",
    levels=("channel", "rank", "sid", "bankgroup", "bank"),
    commands=COMMANDS,
    constraints=CONSTRAINTS,
    aliases={
        "tRCD": ("tRCDRD", "tRCDWR"),
        "tCCD": ("tCCDS", "tCCDL", "tCCDR"),
        "tRRD": ("tRRDS", "tRRDL"),
        "tWTR": ("tWTRS", "tWTRL"),
        "tRFC": ("tRFCab",),
        "tRFM": ("tRFMab",),
    },
    derived={"tRC": "tRAS + tRP", "tRTW": "CL + BL + 2 - CWL", "tCCDR": "tCCDS + 1", "tRFMab": "tRFCab", "tRFMpb": "tRFCpb"},
    free=FREE,
    ticks_per_clock=2,
    counts_from_last=True,
    two_buses=True,
    source="Ramulator 2.1 c5b1c3a; JESD238",
)
