"""A memory channel to send requests to: requests in, commands and completions out, a chunk at a time.

``send`` requests in the order of their arrival, ``advance`` to a tick or ``drain``, take what was issued and completed. The
channel keeps only what waits, so a trace of any length takes constant memory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pimsim.dram.controller.admit import REQUEST, admitted, request_limits
from pimsim.dram.controller.plan import Plan
from pimsim.dram.energy import Activity
from pimsim.dram.spec import Effect
from pimsim.kernels import request_layout as at
from pimsim.kernels.request import serve

ROWS = 1 << 16
"""Rows of commands and completions that are kept before they are handed on."""

Sink = Callable[[np.ndarray], None]


@dataclass(frozen=True, slots=True)
class Latency:
    """Read latencies in ticks, from accepted to data complete: how many, their mean, and a histogram of (from, to, reads)."""

    reads: int
    mean: float
    histogram: tuple[tuple[int, int, int], ...]


class Channel:
    """One channel under a policy.

    Args:
        plan: see :func:`pimsim.dram.controller.plan.make_plan`.
        commands: called with int64 [n, 7] rows: tick, channel, command (index in the standard), flat bank, row, column, count.
        completions: called with int64 [n, 3] rows: request (in the order sent), tick accepted, tick done.
        number: of the channel, for its command rows.
    """

    def __init__(self, plan: Plan, *, commands: Sink | None = None, completions: Sink | None = None, number: int = 0):
        self.plan = plan
        self._state = plan.state.copy()
        self._commands, self._completions, self._number = commands, completions, number
        self._log = np.zeros((ROWS if commands else 0, at.LOG_FIELDS), np.int64)
        self._done = np.zeros((ROWS if completions else 0, at.COMPLETION_FIELDS), np.int64)
        numbers = plan.roles.kernel
        self._names = np.array([numbers.get(i, 0) for i in range(at.COMMANDS)], np.int64)
        self._pending = np.zeros((0, at.REQUEST_FIELDS), np.int64)
        self._limits, self._latest = request_limits(plan.compiled.organization), 0
        self.sent = 0

    def send(self, requests: np.ndarray) -> None:
        """Add requests, int64 [n, 5]: arrival tick, 1 for a write, flat bank, row, column. Arrivals never go back.

        Raises:
            ValueError: an arrival lies before the one ahead of it or the tick advanced to, a bank, row or column is outside the
                part, or a number is not whole. Nothing is sent then.
        """
        fresh = admitted(requests, at.REQUEST_FIELDS, self._limits, REQUEST, self._latest)
        if len(fresh):
            self._latest = int(fresh[-1, at.Q_ARRIVAL])
        self.sent += len(fresh)
        self._pending = np.concatenate((self._pending, fresh)) if len(self._pending) else fresh

    def advance(self, until: int) -> None:
        """Decide every tick up to ``until``; requests sent later arrive no earlier than that."""
        self._latest = max(self._latest, until)
        self._run(final=True, until=until)

    def drain(self) -> None:
        """Run until nothing waits."""
        self._run(final=True, until=at.ALWAYS)

    def work(self) -> None:
        """Run as far as the requests sent so far decide; what depends on later ones waits for them."""
        self._run(final=False, until=at.ALWAYS)

    def _run(self, *, final: bool, until: int) -> None:
        while True:
            taken, status = serve(self.plan.vector, self._state, self._pending, final, until, self._log, self._done)
            self._pending = self._pending[taken:]
            if status != at.FULL:
                break
            self._hand_on()
        self._hand_on()

    def _hand_on(self) -> None:
        state = self._state
        if self._commands is not None and state[at.LOGGED]:
            rows = self._log[: state[at.LOGGED]]
            out = np.empty((len(rows), 7), np.int64)
            out[:, 0], out[:, 1], out[:, 2] = rows[:, 0], self._number, self._names[rows[:, 1]]
            out[:, 3:6], out[:, 6] = rows[:, 2:5], 1
            self._commands(out)
        if self._completions is not None and state[at.COMPLETED]:
            self._completions(self._done[: state[at.COMPLETED]].copy())
        state[at.LOGGED] = state[at.COMPLETED] = 0

    @property
    def outstanding(self) -> int:
        """Requests that are waiting."""
        return int(self._state[at.OUTSTANDING]) + len(self._pending)

    @property
    def last_command_tick(self) -> int:
        """Tick of the last command; -1: none yet."""
        return int(self._state[at.LAST_COMMAND])

    @property
    def last_column_tick(self) -> int:
        """Tick of the last read or write command; -1: none yet."""
        return int(self._state[at.LAST_COLUMN])

    @property
    def end_tick(self) -> int:
        """The later of the last command and the last completion."""
        return int(max(self._state[at.LAST_COMMAND], self._state[at.LAST_DONE], 0))

    def counts(self) -> dict[str, int]:
        """Commands issued, by name."""
        names = self.plan.compiled.command_names
        return {names[index]: int(self._state[at.COUNT + number])
                for number, index in self.plan.roles.kernel.items() if self._state[at.COUNT + number]}

    def rows(self) -> tuple[int, int, int]:
        """(hits, misses, conflicts): the row was open; the bank was closed; another row was open. Each request counts once."""
        s = self._state
        return int(s[at.ROW_HITS]), int(s[at.ROW_MISSES]), int(s[at.ROW_CONFLICTS])

    @property
    def forwarded(self) -> int:
        """Reads answered from waiting writes."""
        return int(self._state[at.FORWARDED])

    def latency(self) -> Latency:
        """Latencies of the reads done so far."""
        s = self._state
        reads = int(s[at.READS_DONE])
        bins = s[at.HISTOGRAM : at.HISTOGRAM + at.BINS]
        histogram = tuple((*_bin_range(i), int(bins[i])) for i in np.flatnonzero(bins).tolist())
        return Latency(reads, int(s[at.READ_LATENCY]) / reads if reads else 0.0, histogram)

    def activity(self, end_tick: int) -> Activity:
        """What happened, for the energy, with standby up to ``end_tick``."""
        compiled = self.plan.compiled
        org = compiled.organization
        counts, banks = self.counts(), org.banks_per_channel // org.ranks
        by_effect: dict[Effect, int] = {}
        precharges = refreshes = 0
        for command in compiled.standard.commands:
            number = counts.get(command.name, 0)
            by_effect[command.effect] = by_effect.get(command.effect, 0) + number
            wide = command.scope in ("channel", "rank")
            if command.effect is Effect.PRECHARGE:
                precharges += number * (banks if wide else 1)
            if command.effect is Effect.REFRESH:
                refreshes += number if wide else 0
        closing = by_effect.get(Effect.READ_PRECHARGE, 0) + by_effect.get(Effect.WRITE_PRECHARGE, 0)
        active = self._active_ticks(end_tick)
        return Activity(
            activates=by_effect.get(Effect.ACTIVATE, 0),
            precharges=precharges + closing,
            reads=by_effect.get(Effect.READ, 0) + by_effect.get(Effect.READ_PRECHARGE, 0),
            writes=by_effect.get(Effect.WRITE, 0) + by_effect.get(Effect.WRITE_PRECHARGE, 0),
            refreshes=refreshes,
            bank_refreshes=by_effect.get(Effect.REFRESH, 0) - refreshes,
            active_ticks=active,
            precharged_ticks=end_tick * org.ranks - active,
        )

    def _active_ticks(self, end_tick: int) -> int:
        """Ticks for which ranks had a bank open, summed over ranks."""
        plan = self.plan.vector
        ranks = self._state[plan[at.P_RANKS] : plan[at.P_RANKS_END]].reshape(-1, at.RANK_RECORD)
        still = np.where(ranks[:, at.R_OPEN] > 0, np.maximum(end_tick - ranks[:, at.R_SINCE], 0), 0)
        return int((ranks[:, at.R_OPEN_TICKS] + still).sum())


def _bin_range(index: int) -> tuple[int, int]:
    """Latencies that a histogram bin counts, first and last."""
    if index < at.EXACT_BINS:
        return index, index
    octave, step = divmod(index - at.EXACT_BINS, at.OCTAVE_BINS)
    width = (at.EXACT_BINS << octave) // at.OCTAVE_BINS
    first = (at.EXACT_BINS << octave) + step * width
    return first, first + width - 1
