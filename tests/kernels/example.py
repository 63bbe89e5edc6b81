"""PIM-GPT's memory as the examples use it, and programs for it by command names."""

from __future__ import annotations

from pimsim.dram.compile import Compiled, compile_part
from pimsim.dram.spec import Organization, Standard

from .random_program import ORGANIZATIONS, PIM_GDDR6, Row, instruction

TIMING = dict(
    tRCDRD=24, tRCDWR=24, tRCDMAC=24, tRP=24, tCCDS=2, tCCDL=2, tWR=24, tRFCab=910, tREFI=13650, tRFCpb=105, tRREFD=21, tRAS=54,
    tRC=78, tRRDS=11, tRRDL=11, tFAW=42, tRTP=12, CL=50, CWL=6, tWTRS=9, tWTRL=11, tRTW=50, tPPD=2, CLREG=0, CWLREG=1, CWLGB=1,
    WPRE=1, BL=2,
)  # fmt: skip
"""Clocks of 0.5 ns: hwconfigs/dram/gddr6-pim.yaml."""


def part_of(organization: Organization = ORGANIZATIONS[0], *, refresh: bool = False, standard: Standard = PIM_GDDR6,
            **timing: int) -> Compiled:
    """The part, without refresh."""
    return compile_part(standard, organization, {**TIMING, **timing}, 500_000, refresh=refresh)


def soon(organization: Organization = ORGANIZATIONS[0], *, standard: Standard = PIM_GDDR6, **timing: int) -> Compiled:
    """The part with refreshes that take 60 clocks and come due every 100."""
    return part_of(organization, refresh=True, standard=standard, **{"tREFI": 100, "tRFCab": 60, **timing})


def op(part: Compiled, name: str, bank: int = 0, row: int = 0, column: int = 0, count: int = 1, *, boundary: bool = False) -> Row:
    """An instruction."""
    return instruction(part.command(name), bank, row, column, count, boundary=boundary)
