"""What a DRAM standard and a PIM command set are: plain data.

A standard is a tree of levels, a list of commands and a list of timing constraints. A constraint is a row: *in one node of
this scope, each of these commands keeps this distance from the last (or the w-th last) of those*. All scopes apply at once.
This is the form in which JEDEC tables, Ramulator and DRAMsim3 can all be written down; everything that runs a
channel (the numba kernels, the plain-Python oracle, the legality checker) reads these rows and nothing else.

A PIM command set adds commands and rows to a standard; it is written in the same form (``pimsim.pim``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import IntEnum

LEVELS = ("channel", "rank", "sid", "bankgroup", "bank")
"""Levels from the widest to the narrowest. A pseudo channel (HBM) is a rank: it has its own data bus and refresh."""

CHANNEL, RANK, SID, BANKGROUP, BANK = range(5)


class Effect(IntEnum):
    """What a command does to the state of a channel; the only thing about a command that the kernels know by name."""

    ACTIVATE = 0  # opens the row in every bank of its scope
    PRECHARGE = 1  # closes every bank of its scope
    READ = 2  # column read, data to the pins
    WRITE = 3  # column write, data from the pins
    READ_PRECHARGE = 4
    WRITE_PRECHARGE = 5
    REFRESH = 6  # needs every bank of its scope closed
    COMPUTE = 7  # column access whose data stays inside the bank
    REGISTER_WRITE = 8  # data from the pins into a register or buffer; no bank is involved
    REGISTER_READ = 9  # data from a register to the pins; no bank is involved
    MODE = 10  # changes a mode, synchronises a clock, announces work: only its timing matters
    ACTIVATE_FIRST = 11  # first half of a two-command activation (LPDDR5 ACT1): the row is named, not yet open


COLUMN_EFFECTS = frozenset(
    {Effect.READ, Effect.WRITE, Effect.READ_PRECHARGE, Effect.WRITE_PRECHARGE, Effect.COMPUTE}
)
"""Effects that need an open row and name a column."""


class Cause(IntEnum):
    """Where a channel's cycles go. Every cycle of a channel is charged to exactly one."""

    COMPUTE = 0
    ACTIVATE = 1  # activate and precharge, waiting for tRCD, tRP, tRAS, tFAW
    REFRESH = 2
    BUFFER_FILL = 3
    RESULT_READ = 4
    READ = 5
    WRITE = 6
    MODE = 7
    ASIC = 8  # the channel waits for the ASIC (or NPU)
    IDLE = 9  # the channel waits for the other channels, or has nothing to do


_CAUSE_OF_EFFECT = {
    Effect.ACTIVATE: Cause.ACTIVATE,
    Effect.ACTIVATE_FIRST: Cause.ACTIVATE,
    Effect.PRECHARGE: Cause.ACTIVATE,
    Effect.READ: Cause.READ,
    Effect.READ_PRECHARGE: Cause.READ,
    Effect.WRITE: Cause.WRITE,
    Effect.WRITE_PRECHARGE: Cause.WRITE,
    Effect.REFRESH: Cause.REFRESH,
    Effect.COMPUTE: Cause.COMPUTE,
    Effect.REGISTER_WRITE: Cause.BUFFER_FILL,
    Effect.REGISTER_READ: Cause.RESULT_READ,
    Effect.MODE: Cause.MODE,
}


@dataclass(frozen=True, slots=True)
class Command:
    """One command of a standard or command set.

    Attributes:
        name: JEDEC's or the vendor's name.
        scope: the level whose node the command addresses as a whole (``bank`` for RD, ``rank`` for REFab).
        effect: see :class:`Effect`.
        bus: ``row`` or ``column`` where the standard has two command buses; ignored otherwise.
        cycles: ticks of the command bus it takes (clocks, where a standard does not count in half clocks). Constraints
            count from its *first*.
        latency: expression in timing names: issue to completion (last data beat), in clocks.
        opener, closer: for a command that needs a row: the commands that open it and close a wrong one. An opener may have
            an opener: LPDDR5's reads need ACT2, which needs ACT1.
        row_buffer: which of a bank's row buffers it uses (1 is NeuPIMs' second, for PIM).
        activations: how many bank activations it stands for in an activation window and in the energy.
        align: (period, phase) in ticks: it may issue only when ``tick % period == phase``.
        needs_clock: the command that must start the rank's data clock before this one, unless it is still running.
        keeps_clock: expression: for how many clocks after its issue the rank's data clock is sure to run.
    """

    name: str
    scope: str
    effect: Effect
    bus: str = "row"
    cycles: int = 1
    latency: str = "0"
    opener: str = ""
    closer: str = ""
    row_buffer: int = 0
    activations: int = 1
    align: tuple[int, int] = (1, 0)
    needs_clock: str = ""
    keeps_clock: str = "0"

    @property
    def cause(self) -> Cause:
        """The cause that its cycles are charged to."""
        return _CAUSE_OF_EFFECT[self.effect]


@dataclass(frozen=True, slots=True)
class Constraint:
    """In one node of ``scope``: each of ``after`` at least ``latency`` clocks behind the ``window``-th last of ``before``.

    With ``sibling`` the earlier command is in a *different* node with the same parent. ``note`` names the rule or says where
    it comes from when its expression does not.
    """

    scope: str
    before: tuple[str, ...]
    after: tuple[str, ...]
    latency: str
    window: int = 1
    sibling: bool = False
    note: str = ""

    @property
    def label(self) -> str:
        """A name for people: ``bank ACT->RD tRCDRD``."""
        window = f" x{self.window}" if self.window > 1 else ""
        return f"{self.scope} {'/'.join(self.before)}->{'/'.join(self.after)} {self.note or self.latency}{window}"


def rule(scope: str, before: str, after: str, latency: str | int, *, window: int = 1, sibling: bool = False,
         note: str = "") -> Constraint:
    """A constraint row from space-separated command names: ``rule("bank", "ACT", "RD WR", "tRCD")``."""
    return Constraint(scope, tuple(before.split()), tuple(after.split()), str(latency), window, sibling, note)


@dataclass(frozen=True, slots=True)
class Free:
    """Pairs of commands that no row keeps apart on purpose, and why: each of ``after`` behind each of ``before``.

    ``places`` are narrowest levels that the two share: ``bank`` for the same bank, ``bankgroup`` for two banks of one bank
    group, ``rank`` for bank groups of one rank, ``channel`` for different ranks. ``*`` stands for all commands.
    """

    places: tuple[str, ...]
    before: tuple[str, ...]
    after: tuple[str, ...]
    reason: str


def free(places: str, before: str, after: str, reason: str) -> Free:
    """Free pairs from space-separated words: ``free("bankgroup rank", "ACT", "PRE", "banks are independent")``."""
    return Free(tuple(places.split()), tuple(before.split()), tuple(after.split()), reason)


@dataclass(frozen=True, slots=True)
class Standard:
    """A DRAM standard.

    Attributes:
        levels: the levels it has; the others exist once.
        commands, constraints: see :class:`Command` and :class:`Constraint`.
        aliases: un-split JEDEC names and the split names they set (``tRCD`` -> ``tRCDRD``, ``tRCDWR``).
        derived: timing names computed from others when not given (``tRC`` -> ``tRAS + tRP``).
        folds: timing names replaced, in this order, by an expression of the given values, where a table sees the part through
            other parameters (DRAMsim3 folds HBM2's two-clock ACT into tRCD and tRP).
        free: pairs of commands that no row keeps apart, with the reason (``pimsim.dram.coverage``).
        ticks_per_clock: 2 where commands may issue on half clocks (HBM3).
        counts_from_last: latencies count from the last tick of a command that takes several to the last of the next (HBM);
            compiled rules count from the first all the same.
        two_buses: row and column commands have a bus of their own (HBM).
        activate, precharge, precharge_all, refresh, refresh_bank, read, write: the commands a plain controller uses.
        activate_over_open: an all-bank activation may be issued while some of its banks have the row open already (as the
            AiM simulator does); otherwise they are closed first.
        activate_deadline: expression: the second half of a two-command activation comes at most this late.
        postponable: refreshes that may be postponed, or issued ahead.
        table_rows: rows beyond a bank's own that stand for look-up tables (AiM's activation functions).
    """

    name: str
    levels: tuple[str, ...]
    commands: tuple[Command, ...]
    constraints: tuple[Constraint, ...]
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    derived: Mapping[str, str] = field(default_factory=dict)
    folds: Mapping[str, str] = field(default_factory=dict)
    free: tuple[Free, ...] = ()
    ticks_per_clock: int = 1
    counts_from_last: bool = False
    two_buses: bool = False
    activate: str = "ACT"
    activate_second: str = ""
    activate_deadline: str = ""
    precharge: str = "PRE"
    precharge_all: str = "PREab"
    refresh: str = "REFab"
    refresh_bank: str = "REFpb"
    read: str = "RD"
    write: str = "WR"
    activate_over_open: bool = False
    postponable: int = 8
    table_rows: range = range(0)
    source: str = ""

    def fitted(self, organization: Organization) -> Organization:
        """``organization`` with one node of every level that this standard does not have."""
        return replace(
            organization,
            ranks=organization.ranks if "rank" in self.levels else 1,
            sids=organization.sids if "sid" in self.levels else 1,
        )

    def extended(self, name: str, commands: Iterable[Command], constraints: Iterable[Constraint],
                 aliases: Mapping[str, tuple[str, ...]] | None = None,
                 derived: Mapping[str, str] | None = None, *, activate_over_open: bool = False) -> Standard:
        """This standard with the commands and rows of a PIM command set added."""
        return replace(
            self,
            name=name,
            commands=self.commands + tuple(commands),
            constraints=self.constraints + tuple(constraints),
            aliases={**self.aliases, **(aliases or {})},
            derived={**self.derived, **(derived or {})},
            activate_over_open=activate_over_open,
        )


@dataclass(frozen=True, slots=True)
class Organization:
    """How many nodes of each level one channel has, and what a bank holds.

    ``bankgroups`` and ``banks`` are per parent: 4 bank groups of 4 banks are 16 banks a rank (and sid).
    """

    ranks: int = 1
    sids: int = 1
    bankgroups: int = 4
    banks: int = 4
    rows: int = 16384
    columns: int = 64
    column_bytes: int = 32

    @property
    def banks_per_channel(self) -> int:
        """Banks of one channel, all ranks and sids together."""
        return self.ranks * self.sids * self.bankgroups * self.banks

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of one bank."""
        return self.columns * self.column_bytes

    def nodes(self, level: int) -> int:
        """Number of nodes of a level in one channel."""
        sizes = (1, self.ranks, self.sids, self.bankgroups, self.banks)
        count = 1
        for size in sizes[: level + 1]:
            count *= size
        return count

    def flat_bank(self, rank: int, sid: int, bankgroup: int, bank: int) -> int:
        """The number of a bank within its channel."""
        return ((rank * self.sids + sid) * self.bankgroups + bankgroup) * self.banks + bank
