"""The serving loop: requests arrive, the scheduler decides, device groups run its iterations, tokens come out.

The scheduler's lanes (one for each pipeline stage) are in flight at the same time; each group takes them in turn. Serving ends once all
requests have left, or after a number of iterations.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import simpy

from pimsim.errors import SimulationError
from pimsim.schedule.event import Done, Event, Run, Stop
from pimsim.schedule.iteration import State
from pimsim.schedule.log import Record, advance, arrivals
from pimsim.schedule.request import Request
from pimsim.sim.serving.group import Group, Passage

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Iteration:
    """An iteration that has been run: its batch, and when it began in the first group and ended in the last."""

    run: Run
    begin_fs: int
    end_fs: int
    passages: tuple[Passage, ...]


@dataclass
class Server:
    """Serves ``requests`` (sorted by arrival) on ``groups``.

    Attributes:
        limit: iterations after which serving stops; None: none.
        state, log, iterations: what has become of it.
    """

    state: State
    groups: Sequence[Group]
    requests: Sequence[Request]
    limit: int | None = None
    stops: Sequence[Stop] = ()
    progress: Progress | None = None
    log: list[Record] = field(default_factory=list)
    iterations: list[Iteration] = field(default_factory=list)
    _passages: dict[int, list[Passage]] = field(default_factory=dict)
    _started: int = 0
    _in_flight: int = 0

    def run(self) -> int:
        """Serve to the end; returns the time at which it is over, in femtoseconds.

        Raises:
            SimulationError: requests are left although nothing happens any more.
        """
        env = simpy.Environment()
        self._env, self._over = env, env.event()
        self._queues = [simpy.Store(env) for _ in self.groups]
        for group, queue in zip(self.groups, self._queues, strict=True):
            group.finished = self._passed
            env.process(group.process(env, queue, self._hand_on(group)))
        events: list[Event] = [*arrivals(self.requests), *self.stops]
        self._coming = len(events)
        env.process(self._arrive(sorted(events, key=lambda event: event.t_fs)))
        env.run(until=self._over)
        return int(env.now)

    def _arrive(self, events: Sequence[Event]) -> Generator[simpy.Event, Any, None]:
        """Process: everything that comes from outside, at its time."""
        for event in events:
            yield self._env.timeout(event.t_fs - self._env.now)
            self._coming -= 1
            self._happen(event)

    def _happen(self, event: Event) -> None:
        """Tell the scheduler, and carry out what it wants."""
        self.state, record = advance(self.state, event)
        starting = [action for action in record.actions if isinstance(action, Run)]
        kept = starting[: self.limit - self._started] if self.limit is not None else starting
        dropped = starting[len(kept) :]
        if dropped:
            record = replace(record, actions=tuple(a for a in record.actions if not any(a is run for run in dropped)))
        self.log.append(record)
        for run in kept:
            self._started += 1
            self._in_flight += 1
            self._queues[0].put(run)
        enough = self.limit is not None and self._started >= self.limit
        served = not (self._coming or self.state.waiting or self.state.running)
        if not self._in_flight and (enough or served):
            self._over.succeed()
        elif not self._in_flight and not self._coming:
            raise SimulationError(f"{len(self.state.waiting)} requests wait, and nothing happens any more")

    def _hand_on(self, group: Group) -> Callable[[Run], None]:
        """What follows once ``group`` has passed an iteration: the next group gets it, or its tokens are there."""
        last = group.number == len(self.groups) - 1

        def hand_on(run: Run) -> None:
            if last:
                self._end(run)
            else:
                self._env.process(self._transfer(group, run))

        return hand_on

    def _transfer(self, group: Group, run: Run) -> Generator[simpy.Event, Any, None]:
        """Process: activations go over the link to the next group."""
        tokens = sum(work.tokens for work in run.work)
        group.rest.add(("link", "bytes"), group.network.transfer_bytes(tokens))
        yield self._env.timeout(group.network.transfer_fs(tokens))
        self._queues[group.number + 1].put(run)

    def _passed(self, run: Run, passage: Passage) -> None:
        self._passages.setdefault(run.iteration, []).append(passage)

    def _end(self, run: Run) -> None:
        passages = tuple(self._passages.pop(run.iteration))
        now = int(self._env.now)
        self.iterations.append(Iteration(run, passages[0].begin_fs, now, passages))
        self._in_flight -= 1
        if self.progress is not None:
            self.progress(len(self.iterations), self.limit or self._expected())
        self._happen(Done(now, run.lane))

    def _expected(self) -> int:
        """Iterations in all, as far as one can tell: as many as the longest answer that is left."""
        left = [r.request.output_tokens - r.generated for r in self.state.running]
        left += [w.request.output_tokens - w.generated for w in self.state.waiting]
        return len(self.iterations) + max(left, default=1) * self.state.settings.lanes
