"""A lane: channels that have been given the same work, simulated as one.

A lane runs by itself until a *token* is done: a set of requests or transactions that somebody waits for. What it will be given at a later
tick is kept until the channel stands at that tick, so that nothing is ever handed over too late and the channel never runs ahead
of it. Work that differs between the channels of a lane splits it.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pimsim.dram.controller.contend_channel import ContendedChannel, Sink
from pimsim.dram.controller.contend_plan import ContendPlan
from pimsim.errors import SimulationError
from pimsim.kernels import contend_layout as at
from pimsim.kernels.contend_equal import FORM_FIELDS, FORM_SCALARS, form
from pimsim.mapping.synthetic import in_set_order
from pimsim.mapping.tensor import Geometry

Action = Callable[["Lane", int], None]
"""Called with the lane and the tick."""

TOKEN_SHIFT = 32
TOKEN_MASK = (1 << TOKEN_SHIFT) - 1

NONE = np.zeros(0, np.int64)

OWN_TOKENS = 1 << 24
"""Tokens from here on are the lane's own; those below are given by whoever drives it."""

Places = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Flat bank, row and column of each request."""


class Port:
    """The NPU's port to a channel: when requests that are issued together arrive there.

    ``step``: ticks from one to the next as a fraction; ``latency``: of the way, in ticks.
    """

    def __init__(self, latency: int, step: tuple[int, int]):
        self.latency, self.step = latency, step


class Lane:
    """Equal channels.

    Attributes:
        numbers: of the channels. channel: the one that is simulated. done: tokens that are done, and when (at the NPU).
        attention: in these channels, in the present stage. segments: units of each segment of a read token.
        units: read and written so far. base: what whoever counts has noted.
    """

    def __init__(self, plan: ContendPlan, numbers: Sequence[int], port: Port, geometry: Geometry, region: int = 1,
                 commands: Sink | None = None):
        self.numbers = list(numbers)
        self.geometry, self.region = geometry, region
        self.port = port
        self.channel = ContendedChannel(plan, commands=commands, completions=self._complete, number=self.numbers[0])
        self.attention: Any = None
        self.segments: dict[int, np.ndarray] = {}
        self.base: Any = None
        self.done: dict[int, int] = {}
        self.units = [0, 0]
        self._token = OWN_TOKENS
        self._synthetic = 0
        self._port_free = 0
        self._tokens: dict[int, int] = {}
        self._quiet: dict[int, int] = {}
        self._actions: dict[int, Action] = {}
        self._later: list[tuple[int, int, Action]] = []
        self._sequence = 0
        self._order = np.zeros(1 << 12, np.int64)
        self._ordered = 0
        self._first = 0
        self._waiting = NONE
        self._answers: list[np.ndarray] = []
        self._ready: dict[int, np.ndarray] = {}

    def fork(self, numbers: Sequence[int]) -> Lane:
        """A lane of some of these channels, which stands where this one does."""
        other = Lane.__new__(Lane)
        other.__dict__.update(self.__dict__)
        other.numbers = list(numbers)
        other.channel = self.channel.fork(numbers[0], other._complete)
        for name in ("done", "units", "segments", "_tokens", "_quiet", "_actions", "_later", "_answers", "_ready", "_order"):
            setattr(other, name, getattr(self, name).copy())
        other.attention = self.attention and self.attention.fork()
        other._ready = {token: ready.copy() for token, ready in self._ready.items()}
        return other

    # ------------------------------------------------------------------ work

    def token(self) -> int:
        """A token of the lane's own."""
        self._token += 1
        return self._token

    @property
    def now(self) -> int:
        """The first tick that is not decided yet."""
        return self.channel.now

    def read(self, token: int, places: Places, tick: int) -> None:
        """The NPU asks for units at ``tick``; each one's arrival at the NPU can be asked for (:meth:`ready`)."""
        self._send(token, places, tick, write=0)

    def write(self, token: int, places: Places, tick: int) -> None:
        """The NPU sends units at ``tick``; they are done when the channel has accepted them."""
        self._send(token, places, tick, write=1)

    def later(self, tick: int, action: Action) -> None:
        """Do something when the channel stands at ``tick``."""
        if tick < self.now:
            raise SimulationError(f"channel {self.numbers[0]} stands at {self.now}, behind what arrives at {tick}")
        self._sequence += 1
        heapq.heappush(self._later, (tick, self._sequence, action))

    def write_ahead(self, token: int, places: Places, tick: int) -> None:
        """Attention's results for this channel, issued at ``tick``: they do not queue behind the requests of operators."""
        def insert(lane: Lane, now: int) -> None:
            lane._add(token, places, now, write=1, ahead=True)
            lane._listen(token)

        self.later(tick + self.port.latency, insert)

    def compute(self, token: int, transactions: np.ndarray, tick: int, action: Action | None = None) -> None:
        """PIM transactions that arrive at ``tick``, and what to do when the last has answered."""
        if not len(transactions):
            raise SimulationError("attention without transactions")
        self._tokens[self.channel.enqueue(transactions, tick)] = token
        if action is not None:
            self._actions[token] = action

    def synthetic(self, count: int, instructions: np.ndarray | None = None) -> Places:
        """compat.synthetic_addresses: the next places of the circular region; with the units of each instruction, in the order of a set."""
        unit = (self._synthetic + np.arange(count)) % self.region
        self._synthetic = (self._synthetic + count) % self.region
        if instructions is not None:
            unit = in_set_order(unit, instructions, self.numbers[0], self.geometry)
        return self.geometry.places(unit)

    def _send(self, token: int, places: Places, tick: int, write: int) -> None:
        count = len(places[0])
        if not count:
            self.done[token] = tick
            return
        if tick < self.now:
            raise SimulationError(f"channel {self.numbers[0]} stands at {self.now}, behind what is sent at {tick}")
        numerator, denominator = self.port.step
        begin = max(tick + self.port.latency, self._port_free)
        arrivals = begin + np.arange(count) * numerator // denominator
        self._port_free = int(arrivals[-1]) + 1
        self._add(token, places, arrivals, write)

    def _add(self, token: int, places: Places, arrivals: np.ndarray | int, write: int, ahead: bool = False) -> None:
        count = len(places[0])
        requests = np.empty((count, at.REQUEST_FIELDS), np.int64)
        requests[:, at.Q_ARRIVAL], requests[:, at.Q_WRITE] = arrivals, write
        requests[:, at.Q_BANK], requests[:, at.Q_ROW], requests[:, at.Q_COLUMN] = places
        group = self.channel.group(count, quiet=True)
        self.channel.hand_over(requests, group, ahead=ahead)
        self._quiet[token] = group
        self.units[write] += count
        ids = np.full(count, -1, np.int64)
        if not write:
            ids = (token << TOKEN_SHIFT) + np.arange(count)
            self._ready[token] = np.zeros(count, np.int64)
        self._waiting = np.concatenate((ids, self._waiting) if ahead else (self._waiting, ids))

    # ------------------------------------------------------------------ time

    def run(self, token: int) -> int:
        """Run until a token is done, and no further; returns when."""
        self._listen(token)
        while token not in self.done:
            self._step(at.FOREVER)
        return self.done[token]

    def _listen(self, token: int) -> None:
        """Stop when a token is done."""
        group = self._quiet.pop(token, None)
        if group is not None:
            done = self.channel.listen(group)
            if done is None:
                self._tokens[group] = token
            else:
                self.done[token] = done + self.port.latency

    def run_to(self, tick: int, token: int = 0) -> None:
        """Decide every tick before ``tick``, or until a token is done."""
        self._listen(token)
        while token not in self.done and (self.now < tick or (self._later and self._later[0][0] < tick)):
            self._step(tick - 1)

    def advance(self) -> None:
        """Run until something more is done."""
        self._step(at.FOREVER)

    def ready(self, token: int) -> np.ndarray:
        """When each unit of a read token is at the NPU, which is done."""
        self._collect()
        return self._ready.pop(token, NONE)

    def idle(self) -> bool:
        """Whether nothing is waited for."""
        return not self._tokens and not self._later

    def rest(self, tick: int) -> bool:
        """Charge everything up to a tick at which nothing is under way; whether that is so."""
        if self._tokens or self._quiet or self._later or self.channel.waiting or self.now > tick:
            return False
        self.channel.settle(tick)
        return True

    def form(self, tick: int) -> bytes:
        """What decides the future of these channels, which rest at a tick."""
        plan = self.channel.plan
        room = np.empty(plan.at_entry + FORM_FIELDS * plan.entries + FORM_SCALARS, np.int64)
        size = form(plan.plan, self.channel.state, tick, room)
        return room[:size].tobytes() + bytes(f"{max(self._port_free - tick, 0)} {self._synthetic}", "ascii")

    def forget(self) -> None:
        """Nothing of what was done is asked for any more."""
        self._collect()
        self.done.clear()
        self._ready.clear()
        self.segments.clear()

    def _step(self, until: int) -> None:
        """Do what is due, then run to the next thing that is."""
        while self._later and self._later[0][0] <= self.now:
            tick, _, action = heapq.heappop(self._later)
            action(self, max(tick, self.now))
        if self.now > until:
            return
        limit = min(until, self._later[0][0] - 1) if self._later else until
        if limit == at.FOREVER and not self._tokens:
            raise SimulationError("a token is waited for that nobody works on")
        before = self.channel.waiting
        finished = self.channel.advance(limit, stop=True)
        self._take(before - self.channel.waiting)
        for group in finished:
            token = self._tokens.pop(group.group)
            self.done[token] = group.tick + self.port.latency
            if token in self._actions:
                self._actions.pop(token)(self, self.done[token])

    def _take(self, count: int) -> None:
        """So many of the waiting requests have been accepted."""
        if self._ordered + count > len(self._order):
            self._order = np.concatenate((self._order, np.zeros(max(count, len(self._order)), np.int64)))
        self._order[self._ordered : self._ordered + count] = self._waiting[:count]
        self._ordered += count
        self._waiting = self._waiting[count:]

    def _complete(self, rows: np.ndarray) -> None:
        self._answers.append(rows[rows[:, 1] == 0])

    def _collect(self) -> None:
        """Sort the answers that have come by the request that they answer."""
        if not self._answers:
            return
        rows = np.concatenate(self._answers)
        self._answers.clear()
        ids = self._order[rows[:, 0] - self._first]
        tokens = ids >> TOKEN_SHIFT
        for token in np.unique(tokens):
            mine = tokens == token
            if int(token) in self._ready:
                self._ready[int(token)][ids[mine] & TOKEN_MASK] = rows[mine, 3] + self.port.latency
        if not len(self._waiting) and self._ordered == self.channel.accepted - self._first and not (self._tokens or self._quiet):
            self._first, self._ordered = self.channel.accepted, 0
