"""A channel that memory traffic and PIM share, to send work to.

``send`` requests and ``enqueue`` PIM transactions in the order of their arrival, in groups; ``advance`` to a tick, or until a group has
finished. Nothing here knows about processes or events: whoever drives a channel promises that all work arriving up to a tick has
been handed over before the channel advances to that tick.

All that changes is one int64 vector (``state``) and the groups: channels that were given the same work have equal vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pimsim.dram.controller.admit import REQUEST, admitted, request_limits
from pimsim.dram.controller.contend_plan import ContendPlan
from pimsim.dram.spec import Cause
from pimsim.errors import SimulationError
from pimsim.kernels import contend_layout as at
from pimsim.kernels.contend import run
from pimsim.kernels.contend_issue import settle

ROWS = 1 << 16
"""Rows of commands and completions that are kept before they are handed on."""

TRANSACTION = ("kind", "arrival", "flat bank", "row", "column")
"""The first fields of a PIM transaction."""

QUIET = 1 << 40
"""More than the members of any group: a quiet group is never seen to finish."""

Sink = Callable[[np.ndarray], None]

CAUSES = (*(c.name.lower() for c in Cause), "contention", "deadline")
"""Names of what ticks are charged to; ``contention``: the other kind of work, ``deadline``: the next refresh was too near to begin."""


@dataclass(frozen=True, slots=True)
class Finished:
    """A group whose last member is done at ``tick``."""

    group: int
    tick: int


class ContendedChannel:
    """One channel.

    Args:
        plan: part and policy.
        commands: called with int64 [n, 7] rows: tick, channel, command (index in the standard), flat bank, row, column, count. The
            commands of a composite's sequencer come with the composite, before later commands of earlier ticks.
        completions: called with int64 [n, 4] rows: number (of the request or transaction, in the order handed over), kind (0 read, 1
            write, 2 PIM), tick accepted or arrived, tick done.
        number: of the channel, for its command rows.
    """

    def __init__(self, plan: ContendPlan, *, commands: Sink | None = None, completions: Sink | None = None, number: int = 0):
        self.plan = plan
        self.state = plan.state()
        self._commands, self._completions, self._number = commands, completions, number
        self._log = np.zeros((ROWS if commands else 0, at.LOG_FIELDS), np.int64)
        self._done = np.zeros((ROWS if completions else 0, at.COMPLETION_FIELDS), np.int64)
        self._requests = np.zeros((0, at.REQUEST_FIELDS), np.int64)
        self._transactions = np.zeros((0, at.TRANSACTION_FIELDS), np.int64)
        self._groups = np.zeros((64, at.GROUP_FIELDS), np.int64)
        self._open: dict[int, None] = {}
        self._made = 0
        self._limits = request_limits(plan.compiled.organization)
        self._transaction_limits = np.array([at.COMPUTE + 1, *request_limits(plan.compiled.organization)[1:]], np.int64)
        self._transaction_limits[at.T_ARRIVAL] = 0

    # ------------------------------------------------------------------ work

    @property
    def now(self) -> int:
        """The first tick that is not decided yet."""
        return int(self.state[at.CLOCK])

    @property
    def idle(self) -> bool:
        """Whether all work handed over has been issued."""
        waiting = self.state[at.QUEUED] + self.state[at.READS] + self.state[at.WRITES]
        return not (len(self._requests) or len(self._transactions) or waiting)

    def group(self, members: int, *, quiet: bool = False) -> int:
        """A new group of so many requests and transactions that are waited for together; ``quiet``: not before :meth:`listen`."""
        if self._made == len(self._groups):
            self._groups = np.concatenate((self._groups, np.zeros_like(self._groups)))
        number = self._made
        self._made += 1
        self._groups[number] = members + (QUIET if quiet else 0), self.now
        if not quiet:
            self._open[number] = None
        return number

    def listen(self, group: int) -> int | None:
        """Wait for a quiet group from now on; returns when its last member is done, if that is certain already."""
        self._groups[group, at.G_LEFT] -= QUIET
        if self._groups[group, at.G_LEFT] <= 0:
            return int(self._groups[group, at.G_DONE])
        self._open[group] = None
        return None

    @property
    def waiting(self) -> int:
        """Memory requests handed over that are not yet accepted."""
        return len(self._requests)

    @property
    def accepted(self) -> int:
        """Memory requests accepted so far: the number of the next one."""
        return int(self.state[at.ACCEPTED])

    def send(self, requests: np.ndarray, group: int | None = None, *, ahead: bool = False) -> int:
        """Add memory requests, int64 [n, 5]: arrival tick, 1 for a write, flat bank, row, column.

        Args:
            ahead: they go before all that wait (they come another way): none may arrive later than the present tick.

        Returns:
            Their group: ``group``, or a new one of these alone.

        Raises:
            ValueError: an arrival lies before the one ahead of it, or ahead of what waits and after the present tick; a bank, row or
                column outside the part.
        """
        latest = None if ahead else _latest(self._requests, at.Q_ARRIVAL)
        requests = admitted(requests, at.Q_GROUP, self._limits, REQUEST, latest)
        if ahead and len(requests) and int(requests[:, at.Q_ARRIVAL].max()) > self.now:
            raise ValueError("what goes ahead must have arrived")
        group = self.group(len(requests)) if group is None else group
        fresh = np.empty((len(requests), at.REQUEST_FIELDS), np.int64)
        fresh[:, : at.Q_GROUP] = requests
        self.hand_over(fresh, group, ahead=ahead)
        return group

    def hand_over(self, requests: np.ndarray, group: int, *, ahead: bool = False) -> None:
        """:meth:`send` without its checks: int64 [n, 6], the group is filled in, and the array kept."""
        requests[:, at.Q_GROUP] = group
        if len(self._requests):
            requests = np.concatenate((requests, self._requests) if ahead else (self._requests, requests))
        self._requests = requests

    def enqueue(self, transactions: np.ndarray, arrival: int, group: int | None = None) -> int:
        """Add PIM transactions that arrive together, int64 [n, 9] as the mapping makes them.

        Returns:
            The group of those that answer (fills and composites): ``group``, or a new one of these alone.

        Raises:
            ValueError: they arrive before those ahead of them; a bank, row or column outside the part.
            InputError: a row that cannot be begun between two refreshes.
        """
        transactions = admitted(transactions, at.TRANSACTION_FIELDS, self._transaction_limits, TRANSACTION, None)
        self.plan.must_fit(transactions)
        if arrival < _latest(self._transactions, at.T_ARRIVAL):
            raise ValueError("work must be handed over in the order of its arrival")
        if group is None:
            group = self.group(int((transactions[:, at.T_KIND] != at.ANNOUNCE).sum()))
        fresh = np.array(transactions, np.int64)
        fresh[:, at.T_ARRIVAL] = arrival
        fresh[:, at.T_GROUP] = group
        self._transactions = np.concatenate((self._transactions, fresh)) if len(self._transactions) else fresh
        return group

    def fork(self, number: int, completions: Sink | None = None) -> ContendedChannel:
        """A channel that stands where this one does, with the same work and groups, and goes on by itself (without a log)."""
        other = ContendedChannel.__new__(ContendedChannel)
        other.__dict__.update(self.__dict__)
        other.state, other._groups, other._open = self.state.copy(), self._groups.copy(), dict(self._open)
        other._commands, other._completions = None, completions
        other._log = np.zeros_like(self._log[:0])
        other._done = np.zeros((ROWS if completions else 0, at.COMPLETION_FIELDS), np.int64)
        other._number = number
        return other

    # ------------------------------------------------------------------ time

    def advance(self, until: int, *, stop: bool = False) -> list[Finished]:
        """Decide every tick up to ``until``; with ``stop``, return once a group's last member is certain to be done.

        Returns:
            The groups that have finished, with the tick at which their last member is done (which may lie ahead).
        """
        return self._run(until, stop)

    def drain(self, *, stop: bool = False) -> list[Finished]:
        """The same, until there is no more work."""
        return self._run(at.FOREVER, stop)

    def settle(self, tick: int) -> None:
        """Charge and count everything up to ``tick``: for the statistics of a run that ends there."""
        settle(self.plan.plan, self.state, tick)

    def _run(self, until: int, stop: bool) -> list[Finished]:
        status = at.FULL
        while status == at.FULL:
            taken, served, status = run(self.plan.plan, self.state, self._requests, self._transactions, self._groups, until,
                                        int(stop), self._log, self._done)
            self._requests, self._transactions = self._requests[taken:], self._transactions[served:]
            self._hand_on()
        if until == at.FOREVER and status == at.DRAINED and not self.idle:
            raise SimulationError("a channel stopped with work left")
        finished = [g for g in self._open if self._groups[g, at.G_LEFT] <= 0]
        for g in finished:
            del self._open[g]
        return [Finished(g, int(self._groups[g, at.G_DONE])) for g in finished]

    def _hand_on(self) -> None:
        """Give logged commands and completions to whoever wants them."""
        for rows, place, sink in ((self._log, at.LOGGED, self._commands), (self._done, at.COMPLETED, self._completions)):
            count = int(self.state[place])
            if sink is not None and count:
                out = rows[:count].copy()
                if place == at.LOGGED:
                    out[:, 1] = self._number
                sink(out)
            self.state[place] = 0

    # ------------------------------------------------------------------ statistics

    def counts(self) -> dict[str, int]:
        """Commands issued, by name; the COMPs and READRES of composites included."""
        begin = self.plan.at_counters + at.AT_COMMANDS
        names = self.plan.compiled.command_names
        return {n: int(c) for n, c in zip(names, self.state[begin : begin + len(names)], strict=True) if c}

    def causes(self) -> dict[str, dict[str, int]]:
        """Ticks by cause in PIM's view of the channel and in memory's; each sums to the tick settled last."""
        out = {}
        for view, begin in (("pim", at.AT_PIM_CAUSES), ("memory", at.AT_MEMORY_CAUSES)):
            first = self.plan.at_counters + begin
            out[view] = {n: int(c) for n, c in zip(CAUSES, self.state[first : first + len(CAUSES)], strict=True) if c}
        return out

    def active_ticks(self) -> np.ndarray:
        """Ticks in which a rank has a row open, int64 [2 row buffers, ranks], up to the tick settled last."""
        ranks = self.plan.compiled.organization.ranks
        records = self.state[self.plan.at_open : self.plan.at_bank].reshape(2, ranks, at.OPEN)
        return records[:, :, at.O_TICKS].copy()

    @property
    def forwarded(self) -> int:
        """Reads that a waiting write answered."""
        return int(self.state[at.FORWARDED])


def _latest(waiting: np.ndarray, field: int) -> int:
    """When the last of what waits arrives."""
    return int(waiting[-1, field]) if len(waiting) else 0
