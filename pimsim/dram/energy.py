"""DRAM energy from data-sheet currents (IDD): joules per command and watts of standby.

``dramsim3``: one activation covers its precharge, VDD (IDD0 tRC - IDD3N tRAS - IDD2N tRP); reads, writes and refreshes cost what they
draw above active standby; standby is IDD3N while any bank of the rank is open and IDD2N otherwise (DRAMsim3 2981759,
``configuration.cc``; its printed totals lack the clock period). ``drampower``: the same with activation and precharge
apart, DRAMPower 6.2 with a bankwise factor of 1, that is two states of standby. Both follow Micron's power notes (TN-40-07).
Neither has pin energy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from pimsim.errors import InputError, Problem

Formula = Literal["dramsim3", "drampower"]


class Currents(Protocol):
    """Supply voltage (V) and currents (A) of one device."""

    VDD: float
    IDD0: float
    IDD2N: float
    IDD3N: float
    IDD4R: float
    IDD4W: float
    IDD5AB: float
    IDD5PB: float | None


@dataclass(frozen=True, slots=True)
class CommandEnergy:
    """Joules of one command of one rank (all its devices), and watts of standby.

    ``precharge`` is 0 where ``activate`` covers it.
    """

    activate: float
    precharge: float
    read: float
    write: float
    refresh: float
    refresh_bank: float
    active_w: float
    precharged_w: float


def command_energy(currents: Currents, timing: dict[str, int], clock_s: float, *, devices: int = 1,
                   formula: Formula = "dramsim3") -> CommandEnergy:
    """Energies of a part.

    Args:
        currents: of one device. timing: clocks, with tRAS, tRP, BL, and tRFCab or tRFC. clock_s: the clock period.
        devices: devices of a rank.

    Raises:
        InputError: a command's energy is negative: the currents contradict one another. Names all of them.
    """
    volt, c = currents.VDD * clock_s * devices, currents
    ras, rp, burst = timing["tRAS"], timing["tRP"], timing["BL"]
    refresh = timing["tRFCab"] if "tRFCab" in timing else timing["tRFC"]
    energies = {
        "activate": (volt * (c.IDD0 * (ras + rp) - c.IDD3N * ras - c.IDD2N * rp), "IDD0 over tRC against IDD3N and IDD2N")
        if formula == "dramsim3"
        else (volt * (c.IDD0 - c.IDD3N) * ras, "IDD0 against IDD3N"),
        "precharge": (0.0, "") if formula == "dramsim3" else (volt * (c.IDD0 - c.IDD2N) * rp, "IDD0 against IDD2N"),
        "read": (volt * (c.IDD4R - c.IDD3N) * burst, "IDD4R against IDD3N"),
        "write": (volt * (c.IDD4W - c.IDD3N) * burst, "IDD4W against IDD3N"),
        "refresh": (volt * (c.IDD5AB - c.IDD3N) * refresh, "IDD5AB against IDD3N"),
        "refresh_bank": (volt * (c.IDD5PB - c.IDD3N) * timing["tRFCpb"], "IDD5PB against IDD3N")
        if c.IDD5PB is not None and "tRFCpb" in timing
        else (0.0, ""),
    }
    problems = [Problem(f"{name} would take {joules * 1e12:.1f} pJ: the currents contradict one another",
                        f"compare {why}", key="memory.currents")
                for name, (joules, why) in energies.items() if joules < 0]
    if problems:
        raise InputError(problems)
    return CommandEnergy(**{name: joules for name, (joules, _) in energies.items()},
                         active_w=c.VDD * c.IDD3N * devices, precharged_w=c.VDD * c.IDD2N * devices)
