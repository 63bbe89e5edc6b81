"""SK hynix GDDR6-AiM (ISSCC 2022, 11.1) as the AiM simulator models it: commands, pairwise rules, host instructions.

A 16-lane MAC unit and one accumulator a bank, a 2 KiB global buffer a channel, an activation-function unit, and a register mode: to
reach buffer and registers from the pins, TMOD switches the whole channel over. Rows, latencies and instructions are those of
arkhadem/aim_simulator 0f28a07 as they take effect there. It keeps a few pairs apart that hardware must (the operand written to the
buffer and the MAC that uses it, for one); :data:`AIM_ORDERED` adds those rows, each with its reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pimsim.dram.spec import Command, Constraint, Effect, rule
from pimsim.pim.command_set import CommandSet

BROADCAST, EWMUL_BANKGROUPS, ACTIVATION_FUNCTION = range(3)
"""Configuration registers (CFR): MAC operand from the buffer or the next bank; EWMUL in one bank group or all; the table of AF16."""

CFR_RANGE = {BROADCAST: 2, EWMUL_BANKGROUPS: 2, ACTIVATION_FUNCTION: 8}
"""Register -> number of values that it may take."""

LUT_ROW = 1 << 29
"""Row that stands for the table of activation function 0; it is in no bank array."""

COMMANDS = (
    Command("ACT", "bank", Effect.ACTIVATE, closer="PRE"),
    Command("ACT4", "bankgroup", Effect.ACTIVATE, closer="PRE4", activations=4),
    Command("ACT16", "rank", Effect.ACTIVATE, closer="PREA", activations=16),
    Command("PRE", "bank", Effect.PRECHARGE),
    Command("PRE4", "bankgroup", Effect.PRECHARGE),
    Command("PREA", "rank", Effect.PRECHARGE),
    Command("RD", "bank", Effect.READ, "column", latency="CL + BL", opener="ACT", closer="PRE"),
    Command("WR", "bank", Effect.WRITE, "column", latency="CWL + BL", opener="ACT", closer="PRE"),
    Command("RDA", "bank", Effect.READ_PRECHARGE, "column", latency="CL + BL", opener="ACT", closer="PRE"),
    Command("WRA", "bank", Effect.WRITE_PRECHARGE, "column", latency="CWL + BL", opener="ACT", closer="PRE"),
    Command("WRA16", "rank", Effect.WRITE_PRECHARGE, "column", latency="CWL + BL + tRP", opener="ACT16", closer="PREA"),
    Command("MAC", "bank", Effect.COMPUTE, "column", latency="1", opener="ACT", closer="PRE"),
    Command("MAC16", "rank", Effect.COMPUTE, "column", latency="1", opener="ACT16", closer="PREA"),
    Command("AF16", "rank", Effect.COMPUTE, "column", latency="1", opener="ACT16", closer="PREA"),
    Command("EWMUL16", "rank", Effect.COMPUTE, "column", latency="1", opener="ACT16", closer="PREA"),
    Command("RDCP", "bank", Effect.COMPUTE, "column", latency="1", opener="ACT", closer="PRE"),
    Command("WRCP", "bank", Effect.COMPUTE, "column", latency="1", opener="ACT", closer="PRE"),
    Command("WRGB", "rank", Effect.REGISTER_WRITE, "column", latency="CWLGB + BL"),
    Command("WRMAC16", "rank", Effect.REGISTER_WRITE, "column", latency="CWLREG + BL"),
    Command("RDMAC16", "rank", Effect.REGISTER_READ, "column", latency="CLREG + BL"),
    Command("RDAF16", "rank", Effect.REGISTER_READ, "column", latency="CLREG + BL"),
    Command("TMOD", "rank", Effect.MODE),
    Command("REFab", "rank", Effect.REFRESH, latency="tRFCab"),
    Command("REFpb", "bank", Effect.REFRESH, latency="tRFCpb"),
)

_ALL = " ".join(c.name for c in COMMANDS)
_PIN_READS = "RD RDA RDMAC16 RDAF16"
_PIN_WRITES = "WR WRA WRA16 WRGB WRMAC16"

DATA_BUS = (
    rule("rank", _PIN_READS, _PIN_READS, "BL"),
    rule("rank", _PIN_WRITES, _PIN_WRITES, "BL"),
)

COLUMN_CADENCE = (
    rule("rank", "RD RDA MAC MAC16 RDCP RDMAC16 RDAF16", "RD RDA MAC MAC16 RDCP RDMAC16 RDAF16", "tCCDS"),
    rule("rank", "RD RDA MAC RDCP RDMAC16 RDAF16 MAC16 EWMUL16", "RDMAC16 RDAF16 MAC16 EWMUL16", "tCCDL"),
    rule("rank", "RDMAC16 RDAF16 MAC16 EWMUL16", "RD RDA MAC RDCP RDMAC16 RDAF16 MAC16 EWMUL16", "tCCDL"),
    rule("rank", "WR WRA WRA16 WRGB WRCP WRMAC16", "WR WRA WRA16 WRGB WRCP WRMAC16", "tCCDS"),
    rule("rank", "WR WRA WRCP WRA16 WRMAC16 EWMUL16", "WRA16 WRMAC16 EWMUL16", "tCCDL"),
    rule("rank", "WRA16 WRMAC16 EWMUL16", "WR WRA WRCP WRA16 WRMAC16 EWMUL16", "tCCDL"),
    rule("bankgroup", "RD RDA MAC RDCP", "RD RDA MAC RDCP", "tCCDL"),
    rule("bankgroup", "WR WRA WRCP", "WR WRA WRCP", "tCCDL"),
    rule("rank", "MAC16", "MAC16", "tMAC", note="tMAC (the AiM simulator's units keep up with tCCD)"),
    rule("bank", "MAC", "MAC", "tMAC", note="tMAC (the AiM simulator's units keep up with tCCD)"),
)

TURN_AROUND = (
    rule("rank", "RD RDA", "WR WRA WRA16", "CL + BL + 3 - CWL + WPRE"),
    rule("rank", "RD RDA", "WRGB", "CL + BL + 3 - CWLGB + WPRE"),
    rule("rank", "RD RDA", "WRMAC16", "CL + BL + 3 - CWLREG + WPRE"),
    rule("rank", "RDMAC16 RDAF16", "WR WRA WRA16", "CLREG + BL + 3 - CWL + WPRE"),
    rule("rank", "RDMAC16 RDAF16", "WRGB", "CLREG + BL + 3 - CWLGB + WPRE"),
    rule("rank", "RDMAC16 RDAF16", "WRMAC16", "CLREG + BL + 3 - CWLREG + WPRE"),
    rule("rank", "WR WRA WRA16", _PIN_READS, "CWL + BL + tWTRS"),
    rule("rank", "WR WRA", "RDMAC16 RDAF16", "CWL + BL + tWTRL"),
    rule("rank", "WRA16", _PIN_READS, "CWL + BL + tWTRL"),
    rule("bankgroup", "WR WRA", "RD RDA", "CWL + BL + tWTRL"),
    rule("rank", "WRGB", _PIN_READS, "CWLGB + BL + tWTRS"),
    rule("rank", "WRMAC16", _PIN_READS, "CWLREG + BL + tWTRL"),
)

ACTIVATION = (
    rule("rank", "ACT ACT4", "ACT ACT4", "tRRDS"),
    rule("bankgroup", "ACT ACT4", "ACT ACT4", "tRRDL"),
    rule("bankgroup", "ACT ACT4", "ACT4", "tRC"),
    rule("bankgroup", "ACT4", "ACT ACT4", "tRC"),
    rule("bank", "ACT", "ACT", "tRC"),
    rule("rank", "ACT ACT4 ACT16", "ACT16", "tRC"),
    rule("rank", "ACT16", "ACT ACT4 ACT16", "tRC"),
    rule("rank", "ACT ACT4 ACT16", "MAC16", "tRCDMAC"),
    rule("rank", "ACT ACT4 ACT16", "AF16", "tRCDAF"),
    rule("rank", "ACT ACT4 ACT16", "EWMUL16", "tRCDEWMUL"),
    rule("rank", "ACT ACT4 ACT16", "WRA16", "tRCDWR"),
    rule("bank", "ACT ACT4 ACT16", "MAC", "tRCDMAC"),
    rule("bank", "ACT ACT4 ACT16", "RDCP", "tRCDCP"),
    rule("bank", "ACT ACT4 ACT16", "RD RDA", "tRCDRD"),
    rule("bank", "ACT ACT4 ACT16", "WRCP", "tRCDWRCP"),
    rule("bank", "ACT ACT4 ACT16", "WR WRA", "tRCDWR"),
)

PRECHARGE = (
    rule("bank", "ACT ACT4 ACT16", "PRE PRE4 PREA", "tRAS"),
    rule("bank", "RD RDCP MAC MAC16 AF16 EWMUL16", "PRE PRE4 PREA", "tRTP"),
    rule("bank", "WR WRCP", "PRE PRE4 PREA", "CWL + BL + tWR"),
    rule("rank", "EWMUL16", "PRE PRE4 PREA", "CWL + tWR", note="CWL + tWR (it writes its product back)"),
    rule("bank", "PRE PRE4 PREA", "ACT ACT4 ACT16", "tRP"),
    rule("bank", "PRE", "PRE", "tRP"),
    rule("rank", "PRE4", "PRE PRE4 PREA", "tRP"),
    rule("rank", "PRE PREA", "PRE4 PREA", "tRP"),
    rule("rank", "PREA", "PRE", "tRP"),
    rule("bank", "RDA", "ACT ACT4 ACT16", "tRTP + tRP"),
    rule("bank", "WRA WRA16", "ACT ACT4 ACT16", "CWL + BL + tWR + tRP"),
)

REFRESH = (
    rule("rank", "ACT ACT4 ACT16", "REFab", "tRC"),
    rule("rank", "PRE PRE4 PREA", "REFab", "tRP"),
    rule("rank", "RDA", "REFab", "tRTP + tRP"),
    rule("rank", "WRA WRA16", "REFab", "CWL + BL + tWR + tRP"),
    rule("rank", "REFab", "ACT ACT4 ACT16", "tRFCab"),
    rule("rank", "ACT ACT4 ACT16", "REFpb", "tRRDL"),
    rule("bank", "ACT ACT4 ACT16", "REFpb", "tRC"),
    rule("bank", "PRE PRE4 PREA", "REFpb", "tRP"),
    rule("bank", "RDA", "REFpb", "tRTP + tRP"),
    rule("bank", "WRA WRA16", "REFpb", "CWL + BL + tWR + tRP"),
    rule("bank", "REFpb", "ACT ACT4 ACT16", "tRFCpb"),
    rule("rank", "REFpb", "ACT ACT4 ACT16", "tRREFD"),
    rule("rank", "REFab", "PRE PRE4 PREA WRGB WRMAC16 RDMAC16 RDAF16 TMOD REFab REFpb", "tRFCab",
         note="tRFCab (JESD250: no command during an all-bank refresh; the AiM simulator never refreshes)"),
    rule("rank", "REFpb", "REFab REFpb", "tRFCpb", note="tRFCpb (JESD250; the AiM simulator never refreshes)"),
)

MODE = (rule("rank", "TMOD", _ALL.replace(" TMOD", ""), "tMODCH"),)

AIM = CommandSet(
    name="aim",
    standard="GDDR6",
    commands=COMMANDS,
    constraints=DATA_BUS + COLUMN_CADENCE + TURN_AROUND + ACTIVATION + PRECHARGE + REFRESH + MODE,
    roles={
        "activate_all": "ACT16",
        "activate_group": "ACT4",
        "precharge_all": "PREA",
        "mac_all": "MAC16",
        "buffer_write": "WRGB",
        "result_read": "RDMAC16",
    },
    derived={"tMAC": "tCCDL"},
    activate_over_open=True,
    table_rows=range(LUT_ROW, LUT_ROW + CFR_RANGE[ACTIVATION_FUNCTION]),
    complete=True,
    mode_switch="TMOD",
    register_mode=frozenset({"WRGB", "WRMAC16", "RDMAC16", "RDAF16"}),
    source="arkhadem/aim_simulator 0f28a07; ISSCC 2022 11.1",
)

_ORDER: tuple[Constraint, ...] = (
    rule("rank", "WRGB", "MAC MAC16 WRCP", "CWLGB + BL", note="CWLGB + BL (the operand must have arrived)"),
    rule("rank", "MAC MAC16 WRCP", "WRGB", "tCCDL", note="tCCDL (the operand is in use)"),
    rule("rank", "RDCP", "WRCP WRGB", "tCCDL", note="tCCDL (the copy must have reached the buffer)"),
    rule("rank", "WRMAC16", "MAC MAC16 AF16", "CWLREG + BL", note="CWLREG + BL (the bias must have arrived)"),
    rule("rank", "MAC MAC16", "WRMAC16 AF16", "tCCDL", note="tCCDL (the accumulator is in use)"),
    rule("rank", "AF16", "AF16 RDAF16 MAC MAC16 WRMAC16 EWMUL16", "tCCDL", note="tCCDL (the unit is in use)"),
    rule("rank", "WR WRA WRA16 WRCP", "MAC MAC16 EWMUL16 RDCP", "CWL + BL + tWTRL",
         note="CWL + BL + tWTRL (an internal read waits as a read does)"),
    rule("rank", "WRCP EWMUL16", "RD RDA MAC MAC16 RDCP", "CWL + BL + tWTRL",
         note="CWL + BL + tWTRL (a read waits for an internal write as for a write)"),
    rule("rank", "RD RDA MAC MAC16 RDCP", "WR WRA WRA16 WRCP", "tCCDL", note="tCCDL (one column access at a time)"),
)

AIM_ORDERED = replace(
    AIM,
    name="aim-ordered",
    constraints=AIM.constraints + _ORDER,
    activate_over_open=False,
    source=f"{AIM.source}; with the rows that it lacks",
)
"""GDDR6-AiM with the order between operands and their users kept, and banks closed before all of them are opened."""


@dataclass(frozen=True, slots=True)
class HostInstruction:
    """An instruction of the host interface (ISR).

    Attributes:
        operands: in the order of a trace line: ``opsize``, ``gpr``, ``gpr1``, ``mask``, ``bank``, ``row``.
        command: the DRAM command that it becomes, ``opsize`` times in every channel of ``mask``; empty: none.
        blocking: the host waits until it has completed in every channel.
        memory: it goes through the queues of ordinary reads and writes.
        one_channel: its mask names exactly one channel.
        barrier: it goes to every channel and completes once the channel's writes have.
    """

    operands: tuple[str, ...] = ()
    command: str = ""
    blocking: bool = False
    memory: bool = False
    one_channel: bool = False
    barrier: bool = False


def _instruction(operands: str, command: str, **flags: bool) -> HostInstruction:
    return HostInstruction(tuple(operands.split()), command, **flags)


INSTRUCTIONS: Mapping[str, HostInstruction] = {
    "WR_SBK": _instruction("gpr mask bank row", "WR", memory=True),
    "RD_SBK": _instruction("gpr mask bank row", "RD", memory=True),
    "WR_ABK": _instruction("gpr mask row", "WRA16", one_channel=True),
    "WR_GB": _instruction("opsize gpr mask", "WRGB"),
    "WR_BIAS": _instruction("gpr mask", "WRMAC16"),
    "RD_MAC": _instruction("gpr mask", "RDMAC16", blocking=True),
    "RD_AF": _instruction("gpr mask", "RDAF16", blocking=True),
    "COPY_BKGB": _instruction("opsize mask bank row", "RDCP"),
    "COPY_GBBK": _instruction("opsize mask bank row", "WRCP"),
    "MAC_SBK": _instruction("opsize mask bank row", "MAC"),
    "MAC_ABK": _instruction("opsize mask row", "MAC16"),
    "AF": _instruction("mask", "AF16"),
    "EWMUL": _instruction("opsize mask row", "EWMUL16"),
    "EWADD": _instruction("opsize gpr gpr1", ""),
    "SYNC": _instruction("", "", blocking=True, barrier=True),
    "EOC": _instruction("", "", blocking=True, barrier=True),
}
"""Instruction -> what it does (aim_simulator 0f28a07). WR_AFLUT is not among them: the simulator refuses it."""

UNSUPPORTED: Mapping[str, str] = {"WR_AFLUT": "the AiM simulator does not model loading activation tables"}
