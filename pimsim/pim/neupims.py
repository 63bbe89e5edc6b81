"""NeuPIMs' command set (Heo et al., ASPLOS 2024, arXiv 2403.00579): a MAC unit a bank, a vector buffer a channel, two row buffers a bank.

A bank has one row buffer for memory and one for PIM (dual), or one for both (single, as Newton: He et al., MICRO 2020). Rows are
opened for PIM a bank group at a time (G_ACT) and multiplied in all banks of both ranks at once. With two row buffers one
composite command, COMPS_READRES, starts a sequencer that issues the COMPs and the READRES inside the memory, on a command bus of its
own; with one row buffer each COMP and READRES takes a slot of the command bus.

Commands and distances are those of the authors' simulator (casys-kaist/NeuPIMs f299af3). Where it takes a shortcut the rows here
are those of the hardware, and the shortcut is a key of :data:`COMPAT`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pimsim.dram.spec import Command, Constraint, Effect, free, rule
from pimsim.errors import InputError, Problem, nearest
from pimsim.pim.command_set import CommandSet

COMPAT: Mapping[str, str] = {
    "default_tRTP": "tRTP is 5 clocks for every precharge behind a read or a COMP; the part's own tRTPL is not used",
    "free_last_composite": "what follows a composite counts from its issue, not from its last COMP and READRES: rows are closed"
    " while they are being multiplied, and the results take no place on the data pins",
    "response_at_issue": "a composite's results arrive a read's latency behind its issue, however many COMPs it has",
    "six_comps_least": "a composite takes the time of six COMPs at least, instead of the clocks that the adder tree needs",
    "no_tRP_between_buffers": "a row may be opened for PIM right behind a PRE, and for memory right behind a PIM_PRECHARGE",
    "gact_outside_faw": "a G_ACT does not wait for the activations of memory traffic (tFAW holds among G_ACTs, and from them to ACT)",
    "accesses_delay_composites": "a composite keeps a COMP's distance from accesses to other bank groups although it uses"
    " other row buffers (to the same bank group it keeps none)",
    "row_reserved_everywhere": "accesses to the row that was last announced are held back until the next header or refresh, long"
    " after the row has been multiplied",
    "heads_share_rows": "the V of all heads of a request lies in the same rows",
}
"""Shortcuts of the authors' simulator, by the name of the key under ``compat:`` that brings them back."""

_HEADER = Command("P_HEADER", "channel", Effect.MODE)
_GWRITE = Command("GWRITE", "bank", Effect.COMPUTE, latency="tGWRITE", opener="ACT", closer="PRE")

DUAL_COMMANDS = (
    _HEADER,
    _GWRITE,
    Command("G_ACT", "bankgroup", Effect.ACTIVATE, row_buffer=1, activations=4, closer="PIM_PRECHARGE"),
    Command("PIM_PRECHARGE", "bank", Effect.PRECHARGE, row_buffer=1),
    Command("COMPS_READRES", "channel", Effect.MODE),
    Command("COMP", "channel", Effect.COMPUTE, "column", latency="tTREE", row_buffer=1, opener="G_ACT", closer="PIM_PRECHARGE"),
    Command("READRES", "channel", Effect.REGISTER_READ, "column", latency="CL + BL"),
)

SINGLE_COMMANDS = (
    _HEADER,
    _GWRITE,
    Command("G_ACT", "bankgroup", Effect.ACTIVATE, activations=4, closer="PRE"),
    Command("COMP", "channel", Effect.COMPUTE, latency="tTREE", opener="G_ACT", closer="PRE"),
    Command("READRES", "channel", Effect.REGISTER_READ, latency="CL + BL"),
)

_BUFFER = (
    rule("bank", "ACT", "GWRITE", "tRCDRD"),
    rule("rank", "RD RDA", "GWRITE", "max(BL, tCCDS)"),
    rule("rank", "WR WRA", "GWRITE", "CWL + BL + tWTRS"),
    rule("bankgroup", "WR WRA", "GWRITE", "CWL + BL + tWTRL"),
    rule("channel", "GWRITE", "GWRITE", "tGWRITE"),
    rule("bank", "GWRITE", "RD RDA WR WRA PRE PREab", "tGWRITE"),
    rule("rank", "GWRITE", "RD RDA", "max(BL, tCCDS)"),
    rule("rank", "GWRITE", "WR WRA", "CL + BL + tRTRS - CWL"),
)
"""The vector buffer is filled from a row of the memory row buffer."""

_RESULT = (
    rule("channel", "READRES", "RD RDA", "BL + tRTRS", note="BL + tRTRS (both ranks are on the pins)"),
    rule("channel", "READRES", "WR WRA", "CL + BL + tRTRS - CWL"),
    rule("channel", "READRES", "GWRITE", "max(BL, tCCDS)"),
    rule("channel", "READRES", "G_ACT", "tRTPL + tRP"),
)
"""READRES reads a result of every bank: a burst of both ranks."""


def _activation(dual: bool, compat: frozenset[str]) -> tuple[Constraint, ...]:
    """G_ACT: four banks at a time, into the PIM row buffer or the only one."""
    close = "PIM_PRECHARGE" if dual else "PRE PREab"
    compute = "COMPS_READRES COMP READRES" if dual else "COMP READRES RD RDA"
    rows = [
        rule("rank", "ACT", "G_ACT", "tRRDS"),
        rule("bankgroup", "ACT", "G_ACT", "tRRDL"),
        rule("bankgroup", "G_ACT", "ACT", "tRRDL" if dual else "tRC"),
        rule("bankgroup", "G_ACT", "G_ACT", "tRC"),
        rule("rank", "G_ACT", compute, "tRCDRD"),
        rule("bankgroup", "G_ACT", close, "tRAS"),
        rule("rank", "REFab", "G_ACT", "tRFCab"),
    ]
    if "gact_outside_faw" in compat:
        rows += [rule("rank", "G_ACT", "ACT G_ACT", "tFAW", note="tFAW (of four activations)")]
    else:
        rows += [
            rule("rank", "G_ACT", "ACT G_ACT", "tRRDS"),
            rule("rank", "ACT G_ACT", "ACT G_ACT", "tFAW", window=4),
        ]
    if dual:
        rows += [rule("bankgroup", "PIM_PRECHARGE", "G_ACT", "tRP"), rule("rank", "PIM_PRECHARGE", "REFab", "tRP")]
    else:
        rows += [rule("bankgroup", "ACT", "G_ACT", "tRC"), rule("rank", "G_ACT", "WR WRA", "tRCDWR")]
    if "no_tRP_between_buffers" not in compat:
        note = "tRP (the row may be the same one)" if dual else ""
        rows += [rule("bankgroup", "PRE", "G_ACT", "tRP", note=note), rule("rank", "PREab", "G_ACT", "tRP", note=note),
                 rule("bankgroup", "RDA", "G_ACT", "BL + tRTPL + tRP", note=note),
                 rule("bankgroup", "WRA", "G_ACT", "CWL + BL + tWR + tRP", note=note)]
        if dual:
            rows += [rule("bank", "PIM_PRECHARGE", "ACT", "tRP", note=note)]
    return tuple(rows)


def _single_compute() -> tuple[Constraint, ...]:
    """COMP and READRES share row buffer, column path and command bus with accesses."""
    return (
        rule("channel", "COMP READRES", "COMP READRES", "max(BL, tCCDL)"),
        rule("channel", "COMP", "RD RDA GWRITE", "max(BL, tCCDL)"),
        rule("channel", "COMP", "WR WRA", "CL + BL + tRTRS - CWL"),
        rule("channel", "COMP READRES", "PRE PREab", "tRTPL"),
        rule("rank", "RD RDA", "COMP READRES", "max(BL, tCCDL)"),
        rule("rank", "WR WRA", "COMP READRES", "CWL + BL + tWTRS"),
        rule("bankgroup", "WR WRA", "COMP READRES", "CWL + BL + tWTRL"),
        rule("channel", "GWRITE", "COMP READRES", "tGWRITE"),
    )


def _dual_compute(compat: frozenset[str]) -> tuple[Constraint, ...]:
    """A composite: COMPs of the PIM row buffers, then READRES over the pins."""
    rows = [
        rule("channel", "READRES", "COMPS_READRES", "max(BL, tCCDL)"),
        rule("channel", "GWRITE", "COMPS_READRES", "tGWRITE"),
    ]
    if "accesses_delay_composites" in compat:
        rows += [
            rule("channel", "RD RDA", "COMPS_READRES", "max(BL, tCCDS)"),
            rule("channel", "WR WRA", "COMPS_READRES", "CWL + BL + tWTRS"),
        ]
    if "free_last_composite" in compat:
        return *rows, *(
            rule("channel", "COMPS_READRES", after, latency)
            for after, latency in (
                ("RD RDA", "BL + tRTRS"),
                ("WR WRA", "CL + BL + tRTRS - CWL"),
                ("GWRITE", "max(BL, tCCDS)"),
                ("G_ACT", "tRTPL + tRP"),
                ("PIM_PRECHARGE", "tRTPL"),
            )
        )
    return *rows, *_RESULT, *(
        rule("channel", "COMP READRES", "COMP READRES", "max(BL, tCCDL)"),
        rule("channel", "COMP READRES", "PIM_PRECHARGE", "tRTPL"),
        rule("channel", "COMP", "GWRITE", "max(BL, tCCDL)"),
        rule("channel", "RD RDA", "READRES", "BL + tRTRS", note="BL + tRTRS (both ranks are on the pins)"),
        rule("rank", "WR WRA", "READRES", "CWL + BL + tWTRS"),
        rule("bankgroup", "WR WRA", "READRES", "CWL + BL + tWTRL"),
    )


_SLOT = "takes a slot of the command bus, nothing more"
_APART = "the two row buffers of a bank are independent"

FREE = (
    free("channel", "P_HEADER", "*", f"an announcement {_SLOT}"),
    free("channel", "*", "P_HEADER", f"an announcement {_SLOT}"),
    free("bankgroup rank", "GWRITE", "ACT PRE PREab", "row commands and accesses of different banks are independent"),
    free("bankgroup rank", "ACT PRE PREab", "GWRITE", "row commands and accesses of different banks are independent"),
    free("channel", "GWRITE", "RD RDA WR WRA", "the other rank is not read, and nothing is on the pins"),
    free("channel", "RD RDA WR WRA", "GWRITE", "the other rank is not read, and nothing is on the pins"),
    free("bank bankgroup rank", "GWRITE", "REFab", "the row must be closed first"),
    free("channel", "GWRITE", "ACT PRE PREab REFab G_ACT PIM_PRECHARGE", "ranks share the pins and the command bus only"),
    free("channel", "ACT PRE PREab REFab G_ACT PIM_PRECHARGE", "GWRITE", "ranks share the pins and the command bus only"),
    free("bank bankgroup rank", "GWRITE", "G_ACT PIM_PRECHARGE", _APART),
    free("bank bankgroup rank", "G_ACT PIM_PRECHARGE", "GWRITE", _APART),
    free("bank bankgroup rank", "G_ACT PIM_PRECHARGE", "RD RDA WR WRA PRE PREab PIM_PRECHARGE", _APART),
    free("bank bankgroup rank", "RD RDA WR WRA PRE PREab", "G_ACT PIM_PRECHARGE", _APART),
    free("bank bankgroup rank", "ACT", "PIM_PRECHARGE", _APART),
    free("bankgroup rank", "PIM_PRECHARGE", "ACT G_ACT", "different banks"),
    free("bank bankgroup rank", "PIM_PRECHARGE REFab", "PIM_PRECHARGE", "a precharge of another bank, or of an idle one"),
    free("bank bankgroup rank", "G_ACT", "REFab", "the rows must be closed first"),
    free("rank", "G_ACT", "PRE PREab PIM_PRECHARGE", "different bank groups"),
    free("channel", "G_ACT PIM_PRECHARGE", "*", "ranks share the pins and the command bus only"),
    free("channel", "*", "G_ACT PIM_PRECHARGE", "ranks share the pins and the command bus only"),
    free("channel", "COMP COMPS_READRES", "RD RDA WR WRA ACT PRE PREab", "they use the PIM row buffers only"),
    free("channel", "RD RDA WR WRA ACT PRE PREab", "COMP COMPS_READRES", "they use the PIM row buffers only"),
    free("channel", "PIM_PRECHARGE PRE PREab REFab", "COMP COMPS_READRES READRES", "the rows must be opened first"),
    free("channel", "COMP COMPS_READRES READRES", "REFab", "the rows must be closed first"),
    free("channel", "READRES", "ACT PRE PREab", "results stand in registers"),
    free("channel", "ACT", "COMP READRES", "the rows must be closed, and opened by G_ACT, first"),
    free("channel", "COMP", "ACT G_ACT", "the rows must be closed first"),
    free("channel", "COMPS_READRES", "*", "it only starts the COMPs, and their rows hold"),
    free("channel", "COMP READRES", "COMPS_READRES", "the rule to its COMPs holds"),
    free("channel", "GWRITE", "COMP READRES", "the rule to the composite that they belong to holds"),
)
"""Pairs that no row keeps apart, for the rows without shortcuts (``pimsim.dram.coverage``)."""


def neupims(row_buffers: int = 2, compat: Iterable[str] = ()) -> CommandSet:
    """The command set of a part with one or two row buffers a bank, with the rows of some shortcuts.

    Raises:
        InputError: a shortcut that does not exist.
    """
    keys = frozenset(compat)
    unknown = sorted(keys - COMPAT.keys())
    if unknown:
        raise InputError(Problem(f"unknown shortcut '{k}'", nearest(k, list(COMPAT)), key=f"compat.{k}") for k in unknown)
    dual = row_buffers == 2
    compute = _dual_compute(keys) if dual else (*_single_compute(), *_RESULT)
    return CommandSet(
        name="neupims" + ("" if dual else "-single") + ("-authors" if keys else ""),
        standard="HBM2-legacy",
        commands=DUAL_COMMANDS if dual else SINGLE_COMMANDS,
        constraints=(*_BUFFER, *_activation(dual, keys), *compute),
        roles={
            "activate_all": "G_ACT",
            "activate_group": "G_ACT",
            "precharge_group": "PIM_PRECHARGE" if dual else "PRE",
            "mac_all": "COMP",
            "composite": "COMPS_READRES" if dual else "",
            "announce": "P_HEADER",
            "buffer_write": "GWRITE",
            "result_read": "READRES",
        },
        derived={"tGWRITE": "32 * (tCCDS + tCCDL)"},
        source="casys-kaist/NeuPIMs f299af3; arXiv 2403.00579",
    )


NEUPIMS = neupims()
NEUPIMS_SINGLE = neupims(1)
NEUPIMS_AUTHORS = neupims(2, COMPAT)
NEUPIMS_SINGLE_AUTHORS = neupims(1, COMPAT)
