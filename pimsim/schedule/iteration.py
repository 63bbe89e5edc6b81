"""The scheduler: iteration-level batching as in Orca (Yu et al., OSDI 2022), ``step(state, event) -> (state, actions)``.

Between two iterations requests leave that have all their tokens, and waiting ones join, in the order of arrival and none before the
one ahead of it. The state is immutable and holds everything, its settings and the KV space included; :class:`_Draft` is the only thing
that makes a next one. Replaying the events gives the same states and actions.

Lanes are batches that are in flight at the same time, one for each pipeline stage (Orca, section 4.3). They share the queue and
the KV space; each has its part of ``max_batch``, and requests spread evenly over them.

KV space under ``admission: reserve``: a request is admitted once there is room for all tokens that it will ever have. Under
``on-demand`` (vLLM, Kwon et al., SOSP 2023) there must be room for the tokens it has, and it grows; where a request cannot, the
youngest of its lane in its channel is preempted, gives back its rows, and waits again in its old place. The oldest of all is
preempted only by itself, and every admission brings it at least one token further, so that it finishes, and then the next.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from pimsim.errors import InputError, Problem, SimulationError
from pimsim.schedule.channel import Assignment, Candidate, assign, cost_of
from pimsim.schedule.estimate import MhaEstimate
from pimsim.schedule.event import Action, Admit, Arrive, Done, Drop, Emit, Event, Finish, Preempt, Reject, Run, Stop, Work
from pimsim.schedule.kv import KvSpace
from pimsim.schedule.request import Request, Running, Waiting
from pimsim.schedule.sub_batch import Mode, interleaved, split

Admission = Literal["reserve", "on-demand"]
Prefill = Literal["inline", "elsewhere"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How requests are served; the keys of ``scheduler:`` (see docs/scheduling.md)."""

    estimate: MhaEstimate
    max_batch: int = 512
    lanes: int = 1
    assignment: Assignment = "given"
    admission: Admission = "on-demand"
    prefill: Prefill = "elsewhere"
    prefill_chunk: int | None = None
    sub_batches: Mode = "off"
    sub_batch_from: int = 256

    def __post_init__(self) -> None:
        if self.max_batch < self.lanes:
            raise InputError(Problem(f"{self.max_batch} is less than the {self.lanes} pipeline stages, which need a request each",
                                     f"at least {self.lanes}", key="scheduler.max_batch"))


@dataclass(frozen=True, slots=True)
class State:
    """Everything the scheduler knows.

    Attributes:
        waiting, running: sorted by order of arrival.
        busy: for each lane, whether its iteration is in flight.
        turn: the channel whose turn it is under round robin.
        arrived, iterations: counted from the beginning.
    """

    settings: Settings
    kv: KvSpace
    now_fs: int
    waiting: tuple[Waiting, ...]
    running: tuple[Running, ...]
    busy: tuple[bool, ...]
    turn: int = 0
    arrived: int = 0
    iterations: int = 0


def initial(settings: Settings, kv: KvSpace) -> State:
    """Nothing waits and nothing runs. Requests' tokens live in ``kv``, which is empty."""
    return State(settings, kv, 0, (), (), (False,) * settings.lanes)


def step(state: State, event: Event) -> tuple[State, tuple[Action, ...]]:
    """What follows from ``event``.

    Raises:
        SimulationError: an event that cannot be: time goes back, or an iteration ends that is not in flight.
    """
    draft = _Draft(state, event.t_fs)
    if isinstance(event, Arrive):
        draft.arrive(event.requests)
    elif isinstance(event, Done):
        draft.end(event.lane)
    else:
        draft.stop(event)
    for lane in range(state.settings.lanes):
        draft.start(lane)
    return draft.state(), tuple(draft.actions)


class _Draft:
    """The next state while it is made. Lives for one event."""

    def __init__(self, state: State, t_fs: int):
        if t_fs < state.now_fs:
            raise SimulationError(f"time goes back: from {state.now_fs} fs to {t_fs} fs")
        self._before, self._now = state, t_fs
        self._settings, self._kv = state.settings, state.kv
        self._waiting = list(state.waiting)
        self._running = {running.order: running for running in state.running}
        self._busy = list(state.busy)
        self._turn, self._arrived, self._iterations = state.turn, state.arrived, state.iterations
        self.actions: list[Action] = []

    def state(self) -> State:
        """The finished state."""
        running = tuple(self._running[order] for order in sorted(self._running))
        return State(self._settings, self._kv, self._now, tuple(self._waiting), running, tuple(self._busy),
                     self._turn, self._arrived, self._iterations)

    def arrive(self, requests: Iterable[Request]) -> None:
        """Requests join the queue, or are rejected."""
        live = {w.request.id for w in self._waiting} | {r.request.id for r in self._running.values()}
        for request in requests:
            why = self._unfit(request)
            if request.id in live:
                why = "its number is taken"
            if why:
                self.actions.append(Reject(self._now, request.id, why))
                continue
            live.add(request.id)
            self._waiting.append(Waiting(request, self._arrived))
            self._arrived += 1

    def end(self, lane: int) -> None:
        """An iteration has ended: tokens are there, requests that are finished or stopped leave."""
        if not self._busy[lane]:
            raise SimulationError(f"no iteration of lane {lane} is in flight")
        self._busy[lane] = False
        emitted, leaving = [], []
        for running in self._lane(lane):
            if running.step:
                running = running._replace(cached=running.cached + running.step, step=0)
                if running.pending == 0 and not running.stop:
                    running = running._replace(generated=running.generated + 1)
                    emitted.append(running.request.id)
                self._running[running.order] = running
                if running.stop or running.generated == running.request.output_tokens:
                    leaving.append(running)
        if emitted:
            self.actions.append(Emit(self._now, lane, tuple(emitted)))
        for running in leaving:
            rows = self._release(running)
            self.actions.append(Drop(self._now, running.request.id, running.stop, rows) if running.stop
                                else Finish(self._now, running.request.id, rows))

    def stop(self, event: Stop) -> None:
        """A request is cancelled or has failed."""
        for i, waiting in enumerate(self._waiting):
            if waiting.request.id == event.request:
                del self._waiting[i]
                self.actions.append(Drop(self._now, event.request, event.why, 0))
                return
        running = next((r for r in self._running.values() if r.request.id == event.request), None)
        if running is None or running.stop:
            return
        if running.step:
            self._running[running.order] = running._replace(stop=event.why)
        else:
            self.actions.append(Drop(self._now, event.request, event.why, self._release(running)))

    def start(self, lane: int) -> None:
        """Start an iteration of ``lane`` if it is idle and there is work."""
        if self._busy[lane]:
            return
        self._grow(lane)
        self._admit(lane)
        work = self._compose(lane)
        if not work:
            return
        self._busy[lane] = True
        settings = self._settings
        halves = interleaved(settings.sub_batches, len(work), settings.sub_batch_from)
        self.actions.append(Run(self._now, lane, self._iterations, split(work) if halves else (work,)))
        self._iterations += 1

    def _unfit(self, request: Request) -> str:
        if request.input_tokens < 1 or request.output_tokens < 1:
            return "lengths below 1"
        wanted = request.channel if self._settings.assignment == "given" else None
        if wanted is not None and not 0 <= wanted < self._kv.channels:
            return f"channel {wanted} is not there"
        return "" if self._kv.fits(request.cached_at_most) else "longer than the KV space of a channel"

    def _lane(self, lane: int) -> list[Running]:
        """The requests of a lane, oldest first."""
        return [self._running[order] for order in sorted(self._running) if self._running[order].lane == lane]

    def _release(self, running: Running) -> int:
        """Take a request out and its rows back; returns their number."""
        del self._running[running.order]
        self._kv = self._kv.release(running.kv)
        return running.kv.rows

    def _grow(self, lane: int) -> None:
        """Room for the tokens that the requests of ``lane`` have now, the oldest first; the youngest make way."""
        for order in [running.order for running in self._lane(lane)]:
            while order in self._running:
                running = self._running[order]
                grown = self._kv.grow(running.kv, running.known)
                if grown is not None:
                    self._kv, allocation = grown
                    if allocation is not running.kv:
                        self._running[order] = running._replace(kv=allocation)
                    break
                self._preempt(max(r.order for r in self._lane(lane) if r.kv.channel == running.kv.channel))

    def _preempt(self, order: int) -> None:
        running = self._running[order]
        self.actions.append(Preempt(self._now, running.request.id, self._release(running)))
        insort(self._waiting, Waiting(running.request, order, running.generated), key=lambda w: w.order)

    def _admit(self, lane: int) -> None:
        """Waiting requests join ``lane``, in order, as many as there is room for."""
        settings, kv = self._settings, self._kv
        if not self._waiting:
            return
        here = self._lane(lane)
        seats = settings.max_batch // settings.lanes + (lane < settings.max_batch % settings.lanes)
        share = -(-(len(self._waiting) + len(self._running)) // settings.lanes)
        heads = self._waiting[: max(0, min(seats, share) - len(here))]
        space = [w.request.cached_at_most if settings.admission == "reserve" else w.known for w in heads]
        cost = cost_of(settings.assignment, settings.estimate.cycles)
        loads = _loads(here, kv.channels, cost)
        candidates = [Candidate(w.known, kv.need(tokens), w.request.channel) for w, tokens in zip(heads, space, strict=True)]
        channels, self._turn = assign(settings.assignment, candidates, loads, kv.room, cost, self._turn)
        for waiting, tokens, channel in zip(heads, space, channels, strict=False):
            given = self._kv.allocate(channel, tokens)
            if given is None:
                raise SimulationError(f"channel {channel} was chosen for request {waiting.request.id}, but has no room for it")
            self._kv, allocation = given
            cached = waiting.known - 1 if settings.prefill == "elsewhere" else 0
            self._running[waiting.order] = Running(waiting.request, waiting.order, lane, allocation, cached, waiting.generated)
            self.actions.append(Admit(self._now, waiting.request.id, lane, channel, allocation.rows, waiting.generated))
        del self._waiting[: len(channels)]

    def _compose(self, lane: int) -> tuple[Work, ...]:
        """The next iteration of ``lane``: every request's next token; of prompts as much as ``prefill_chunk`` lets in."""
        left = self._settings.prefill_chunk
        work = []
        for running in self._lane(lane):
            tokens = running.pending
            if tokens > 1 and left is not None:
                tokens = min(tokens, left)
                left -= tokens
            if tokens:
                self._running[running.order] = running._replace(step=tokens)
                context = running.cached + tokens
                work.append(Work(running.request.id, tokens, context, context == running.known, running.kv))
        return tuple(work)


def _loads(running: Iterable[Running], channels: int, cost: Callable[[int], int]) -> list[int]:
    """Work of ``running`` in each channel."""
    loads = [0] * channels
    for r in running:
        loads[r.kv.channel] += cost(r.known)
    return loads
