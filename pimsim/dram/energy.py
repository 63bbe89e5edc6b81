"""DRAM energy from data-sheet currents (IDD): joules per command, watts of standby, and joules of a run.

``dramsim3`` (the default, since it is the one that can be checked against a simulator's own output): one activation covers its
precharge, VDD (IDD0 tRC - IDD3N tRAS - IDD2N tRP) with tRC = tRAS + tRP; reads, writes and refreshes cost what they draw above
active standby; standby is IDD3N while any bank of the rank is open and IDD2N otherwise (DRAMsim3 2981759; its printed totals lack
the clock period).

``drampower``: activation and precharge apart, and standby that grows with the number of open banks where a bankwise factor rho below 1
is given (DRAMPower 6.2, DDR4 core, with its default I_beta = IDD0; rho = 1, the default, is the two-state standby above).
Both follow Micron's power notes (TN-40-07); ``micron`` is another name of ``drampower``, whose split into activation and precharge
is that of the notes. Neither has pin energy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from pimsim.errors import InputError, Problem

Formula = Literal["dramsim3", "drampower", "micron"]


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

    Attributes:
        activate, precharge: of one bank; ``precharge`` is 0 where ``activate`` covers it.
        read, write: of one column access at the pins' cadence, without the pins.
        refresh: of all banks of a rank; ``refresh_bank``: of one bank.
        active_w, precharged_w: a rank with and without an open bank; ``bank_active_w``: on top for each open bank.
    """

    activate: float
    precharge: float
    read: float
    write: float
    refresh: float
    refresh_bank: float
    active_w: float
    precharged_w: float
    bank_active_w: float = 0.0


@dataclass(frozen=True, slots=True)
class Activity:
    """What happened in a memory, counted; all ranks of all channels together.

    Attributes:
        activates, precharges: of single banks: an all-bank command is as many as it has banks, an auto-precharge is one.
        reads, writes: column accesses over the pins.
        internal_reads: column reads of single banks whose data stays inside (PIM compute), in multiples of a column read.
        refreshes, bank_refreshes: all-bank refreshes of a rank; per-bank refreshes.
        active_ticks, precharged_ticks: ticks for which ranks had a bank open, and had none, summed over ranks.
        bank_active_ticks: ticks for which banks were open, summed over banks; count only with a bankwise factor below 1.
    """

    activates: int = 0
    precharges: int = 0
    reads: int = 0
    writes: int = 0
    internal_reads: float = 0.0
    refreshes: int = 0
    bank_refreshes: int = 0
    active_ticks: int = 0
    precharged_ticks: int = 0
    bank_active_ticks: int = 0


def command_energy(currents: Currents, timing: Mapping[str, int], clock_s: float, *, devices: int = 1, banks: int = 16,
                   formula: Formula = "dramsim3", bankwise: float = 1.0) -> CommandEnergy:
    """Energies of a part.

    Args:
        currents: of one device. timing: clocks, with tRAS, tRP, BL, and tRFCab or tRFC. clock_s: the clock period.
        devices: devices of a rank. banks: banks of a rank.
        bankwise: DRAMPower's rho, 0 .. 1: which part of active standby does not depend on how many banks are open.

    A part without IDD5PB refreshes one bank for that bank's share of an all-bank refresh.

    Raises:
        InputError: a command's energy is negative: the currents contradict one another. Names all of them.
    """
    apart = formula != "dramsim3"
    volt, c = currents.VDD * clock_s * devices, currents
    ras, rp, burst = timing["tRAS"], timing["tRP"], timing["BL"]
    shared = bankwise * (c.IDD3N - c.IDD2N) + c.IDD2N  # I_rho
    one_open = (c.IDD3N + (banks - 1) * shared) / banks if apart else c.IDD3N  # I_1
    refresh = volt * (c.IDD5AB - c.IDD3N) * (timing["tRFCab"] if "tRFCab" in timing else timing["tRFC"])
    per_bank = c.IDD5PB is not None and "tRFCpb" in timing
    energies = {
        "activate": (volt * (c.IDD0 * (ras + rp) - c.IDD3N * ras - c.IDD2N * rp), "IDD0 over tRC against IDD3N and IDD2N")
        if not apart
        else (volt * (c.IDD0 - one_open) * ras, "IDD0 against IDD3N"),
        "precharge": (0.0, "") if not apart else (volt * (c.IDD0 - c.IDD2N) * rp, "IDD0 against IDD2N"),
        "read": (volt * (c.IDD4R - c.IDD3N) * burst, "IDD4R against IDD3N"),
        "write": (volt * (c.IDD4W - c.IDD3N) * burst, "IDD4W against IDD3N"),
        "refresh": (refresh, "IDD5AB against IDD3N"),
        "refresh_bank": (volt * ((c.IDD5PB or 0.0) - c.IDD3N) * timing["tRFCpb"], "IDD5PB against IDD3N")
        if per_bank
        else (refresh / banks, "IDD5AB against IDD3N"),
    }
    problems = [Problem(f"{name} would take {joules * 1e12:.1f} pJ: the currents contradict one another",
                        f"compare {why}", key="memory.currents")
                for name, (joules, why) in energies.items() if joules < 0]
    if problems:
        raise InputError(problems)
    active = shared if apart else c.IDD3N
    return CommandEnergy(
        **{name: joules for name, (joules, _) in energies.items()},
        active_w=c.VDD * active * devices,
        precharged_w=c.VDD * c.IDD2N * devices,
        bank_active_w=c.VDD * (one_open - active) * devices,
    )


def energy_j(each: CommandEnergy, activity: Activity, tick_s: float) -> dict[str, float]:
    """Joules by component of what happened, with ticks of ``tick_s`` seconds; they sum to the total.

    ``compute`` is there only if there were internal reads.
    """
    bank_w = activity.bank_active_ticks * each.bank_active_w
    parts = {
        "activate": activity.activates * each.activate + activity.precharges * each.precharge,
        "read": activity.reads * each.read,
        "write": activity.writes * each.write,
        "refresh": activity.refreshes * each.refresh + activity.bank_refreshes * each.refresh_bank,
        "active_standby": (activity.active_ticks * each.active_w + bank_w) * tick_s,
        "precharged_standby": activity.precharged_ticks * each.precharged_w * tick_s,
    }
    if activity.internal_reads:
        parts["compute"] = activity.internal_reads * each.read
    return parts
