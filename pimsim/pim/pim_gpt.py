"""PIM-GPT's command set (arXiv 2310.09385): a 2 KB operand buffer a channel, a 16-lane MAC unit and one accumulator a bank.

The paper names what happens (write the buffer, activate all banks, MAC, read results, precharge) and few timings. Names and the
missing timings are those of GDDR6-AiM as the AiM simulator has them; rows that neither has, but that the hardware cannot do
without, say so in their notes. The paper has no register mode, so there is no TMOD.
"""

from pimsim.dram.spec import Command, Effect, rule
from pimsim.pim.command_set import CommandSet

COMMANDS = (
    Command("ACT4", "bankgroup", Effect.ACTIVATE, closer="PREab", activations=4),
    Command("ACT16", "rank", Effect.ACTIVATE, closer="PREab", activations=16),
    Command("MAC16", "rank", Effect.COMPUTE, "column", latency="tMAC", opener="ACT16", closer="PREab"),
    Command("WRGB", "rank", Effect.REGISTER_WRITE, "column", latency="CWLGB + BL"),
    Command("RDMAC16", "rank", Effect.REGISTER_READ, "column", latency="CLREG + BL"),
)

CONSTRAINTS = (
    # activation of a bank group or of all banks
    rule("rank", "ACT16", "ACT ACT4 ACT16 REFpb", "tRC"),
    rule("rank", "ACT ACT4 REFpb", "ACT16", "tRC"),
    rule("rank", "ACT ACT4", "ACT ACT4", "tRRDS"),
    rule("bankgroup", "ACT4", "ACT ACT4", "tRC"),
    rule("bankgroup", "ACT", "ACT4", "tRC"),
    rule("rank", "ACT ACT4 REFpb", "ACT ACT4 REFpb", "tFAW", window=4),
    rule("rank", "ACT4 ACT16", "PRE PREab", "tRAS"),
    rule("rank", "ACT4 ACT16", "REFab", "tRC"),
    rule("rank", "PREab", "ACT4 ACT16", "tRP"),
    rule("rank", "PRE", "ACT16", "tRP"),
    rule("bankgroup", "PRE", "ACT4", "tRP"),
    rule("rank", "RDA", "ACT4 ACT16", "tRTP + tRP"),
    rule("rank", "WRA", "ACT4 ACT16", "CWL + BL + tWR + tRP"),
    rule("rank", "REFab", "ACT4 ACT16", "tRFCab"),
    rule("rank", "REFpb", "ACT4 ACT16", "tRFCpb"),
    # activate to column
    rule("rank", "ACT ACT4 ACT16", "MAC16", "tRCDMAC"),
    rule("rank", "ACT4 ACT16", "RD RDA", "tRCDRD"),
    rule("rank", "ACT4 ACT16", "WR WRA", "tRCDWR"),
    # MAC: an internal column read of all banks
    rule("rank", "MAC16", "MAC16", "tMAC"),
    rule("rank", "MAC16", "RD RDA", "tCCDL"),
    rule("rank", "RD RDA", "MAC16", "tCCDL"),
    rule("rank", "MAC16", "WR WRA", "tCCDL"),
    rule("rank", "WR WRA", "MAC16", "CWL + BL + tWTRL", note="tWTRL (an internal read waits as a read does; not in AiM's table)"),
    rule("rank", "MAC16", "PRE PREab", "tRTP"),
    # operand buffer and accumulators share the pins with plain reads and writes
    rule("rank", "WRGB", "WRGB", "BL"),
    rule("rank", "WR WRA", "WRGB", "max(CWL + BL - CWLGB, BL)", note="CWL + BL - CWLGB (one burst at a time; AiM's table: BL)"),
    rule("rank", "WRGB", "WR WRA", "BL"),
    rule("rank", "WRGB", "RD RDA RDMAC16", "CWLGB + BL + tWTRS"),
    rule("rank", "WRGB", "MAC16", "CWLGB + BL", note="CWLGB + BL (the operand must have arrived; not in AiM's table)"),
    rule("rank", "MAC16", "WRGB", "tMAC", note="tMAC (the operand is in use; not in AiM's table)"),
    rule("rank", "MAC16", "RDMAC16", "tMAC"),
    rule("rank", "RDMAC16", "RDMAC16 MAC16", "tCCDL"),
    rule("rank", "RDMAC16", "RDMAC16", "BL"),
    rule("rank", "RD RDA", "RDMAC16", "max(CL + BL - CLREG, BL)", note="CL + BL - CLREG (one burst at a time; AiM's table: BL)"),
    rule("rank", "RDMAC16", "RD RDA", "max(BL, tCCDL)"),
    rule("rank", "RD RDA", "WRGB", "CL + BL + 3 - CWLGB + WPRE"),
    rule("rank", "RDMAC16", "WR WRA", "max(CLREG + BL + 3 - CWL + WPRE, 1)"),
    rule("rank", "RDMAC16", "WRGB", "CLREG + BL + 3 - CWLGB + WPRE"),
    rule("rank", "WR WRA", "RDMAC16", "CWL + BL + tWTRL"),
    rule("rank", "REFab", "MAC16 WRGB RDMAC16", "tRFCab", note="tRFCab (JESD250: no command during an all-bank refresh)"),
)

PIM_GPT = CommandSet(
    name="pim-gpt",
    standard="GDDR6",
    commands=COMMANDS,
    constraints=CONSTRAINTS,
    roles={
        "activate_all": "ACT16",
        "activate_group": "ACT4",
        "precharge_all": "PREab",
        "mac_all": "MAC16",
        "buffer_write": "WRGB",
        "result_read": "RDMAC16",
    },
    aliases={"tRCD": ("tRCDMAC",)},
    derived={"tMAC": "tCCDL"},
    source="arXiv 2310.09385; AiM simulator 0f28a07",
)
