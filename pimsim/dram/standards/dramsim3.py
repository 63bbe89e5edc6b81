"""GDDR6, HBM2 and DDR4 as DRAMsim3 sees them: its own pairwise rules, for runs that are compared with it.

DRAMsim3 has one relation matrix for all standards: an ACT always takes one cycle, tRC is always tRAS + tRP, a rank is precharged bank
by bank before a refresh, HBM has no pseudo channels, GDDR6 a window of 32 activations. HBM2's two-clock ACT is folded into the timing
values it is given, as in the reference runs: tRCD and tRAS one clock longer, tRP and tRFC one shorter.
"""

from pimsim.dram.spec import Command, Constraint, Effect, Free, Standard, free, rule
from pimsim.dram.standards.ddr4 import DDR4
from pimsim.dram.standards.gddr6 import GDDR6
from pimsim.dram.standards.hbm2 import HBM2

SUFFIX = "-dramsim3"

_DATA = "ranks share the data bus and the command bus only"
_INDEPENDENT = "row commands and accesses of different banks are independent"

FREE = (
    free("bankgroup rank", "ACT PRE", "RD WR RDA WRA", _INDEPENDENT),
    free("bankgroup rank", "RD WR RDA WRA", "ACT PRE", _INDEPENDENT),
    free("bankgroup rank", "ACT", "PRE", "different banks"),
    free("bankgroup rank", "PRE", "ACT", "different banks"),
    free("bank", "RDA WRA", "PRE", "the bank precharges itself; the rule to its ACT keeps the time"),
    free("rank", "RDA WRA REFab", "PRE", "a precharge of another bank, or of an idle one, which does nothing"),
)
FREE_PRECHARGES = free("bank bankgroup rank", "PRE", "PRE", "precharges keep no distance: no tPPD in HBM2 and DDR4")
FREE_RANKS = (
    free("channel", "ACT PRE REFab", "*", _DATA),
    free("channel", "*", "ACT PRE REFab", _DATA),
)


def _commands(refresh: str) -> tuple[Command, ...]:
    return (
        Command("ACT", "bank", Effect.ACTIVATE),
        Command("PRE", "bank", Effect.PRECHARGE),
        Command("RD", "bank", Effect.READ, "column", latency="CL + BL", opener="ACT", closer="PRE"),
        Command("WR", "bank", Effect.WRITE, "column", latency="CWL + BL", opener="ACT", closer="PRE"),
        Command("RDA", "bank", Effect.READ_PRECHARGE, "column", latency="CL + BL", opener="ACT", closer="PRE"),
        Command("WRA", "bank", Effect.WRITE_PRECHARGE, "column", latency="CWL + BL", opener="ACT", closer="PRE"),
        Command("REFab", "rank", Effect.REFRESH, latency=refresh),
    )


def _rows(read: str, write: str, to_precharge: str, refresh: str) -> tuple[Constraint, ...]:
    """The matrix with a standard's names for ACT to RD, ACT to WR, RD to PRE and the refresh."""
    return (
        rule("rank", "RD RDA", "RD RDA", "max(BL, tCCDS)"),
        rule("rank", "WR WRA", "WR WRA", "max(BL, tCCDS)"),
        rule("bankgroup", "RD RDA", "RD RDA", "max(BL, tCCDL)"),
        rule("bankgroup", "WR WRA", "WR WRA", "max(BL, tCCDL)"),
        rule("rank", "RD RDA", "WR WRA", "tRTW"),
        rule("rank", "WR WRA", "RD RDA", "CWL + BL + tWTRS"),
        rule("bankgroup", "WR WRA", "RD RDA", "CWL + BL + tWTRL"),
        rule("rank", "ACT", "ACT", "tRRDS"),
        rule("bankgroup", "ACT", "ACT", "tRRDL"),
        rule("rank", "ACT", "ACT", "tFAW", window=4),
        rule("bank", "ACT", "ACT", "tRC"),
        rule("bank", "ACT", "RD RDA", read),
        rule("bank", "ACT", "WR WRA", write),
        rule("bank", "ACT", "PRE", "tRAS"),
        rule("bank", "RD", "PRE", to_precharge),
        rule("bank", "WR", "PRE", "CWL + BL + tWR"),
        rule("bank", "PRE", "ACT", "tRP"),
        rule("rank", "PRE", "REFab", "tRP"),
        rule("bank", "RDA", "ACT", f"BL + {to_precharge} + tRP"),
        rule("rank", "RDA", "REFab", f"{to_precharge} + tRP"),
        rule("bank", "WRA", "ACT", "CWL + BL + tWR + tRP"),
        rule("rank", "WRA", "REFab", "CWL + BL + tWR + tRP"),
        rule("rank", "REFab", "ACT REFab", refresh),
    )


def _standard(base: Standard, rows: tuple[Constraint, ...], refresh: str, folds: dict[str, str],
              frees: tuple[Free, ...], levels: tuple[str, ...]) -> Standard:
    return Standard(
        name=base.name + SUFFIX,
        levels=levels,
        commands=_commands(refresh),
        constraints=rows,
        aliases=base.aliases,
        derived=base.derived,
        folds=folds,
        free=frees,
        two_buses=base.two_buses,
        precharge_all="",
        refresh_bank="",
        source="DRAMsim3 2981759",
    )


GDDR6_DRAMSIM3 = _standard(
    GDDR6,
    (
        *_rows("tRCDRD", "tRCDWR", "tRTP", "tRFCab"),
        rule("rank", "ACT", "ACT", "t32AW", window=32),
        rule("rank", "PRE", "PRE", "tPPD"),
    ),
    "tRFCab",
    {"tRC": "tRAS + tRP", "t32AW": "8 * tFAW"},
    (*FREE, free("channel", "*", "*", "a channel has one rank")),
    GDDR6.levels,
)

HBM2_DRAMSIM3 = _standard(
    HBM2,
    _rows("tRCDRD", "tRCDWR", "tRTPL", "tRFCab"),
    "tRFCab",
    {"tRCDRD": "tRCDRD + 1", "tRCDWR": "tRCDWR + 1", "tRAS": "tRAS + 1", "tRP": "tRP - 1", "tRFCab": "tRFCab - 1",
     "tRC": "tRAS + tRP"},
    (*FREE, FREE_PRECHARGES),
    ("channel", "bankgroup", "bank"),
)

DDR4_DRAMSIM3 = _standard(
    DDR4,
    (
        *_rows("tRCD", "tRCD", "tRTP", "tRFC"),
        rule("rank", "RD RDA", "RD RDA", "BL + tCS", sibling=True),
        rule("rank", "RD RDA", "WR WRA", "CL + BL + tCS - CWL", sibling=True),
        rule("rank", "WR WRA", "WR WRA", "BL", sibling=True),
        rule("rank", "WR WRA", "RD RDA", "CWL + BL + tCS - CL", sibling=True),
    ),
    "tRFC",
    {"tRC": "tRAS + tRP"},
    (*FREE, *FREE_RANKS, FREE_PRECHARGES),
    DDR4.levels,
)
