"""The log of a serving run: every event with what followed from it. Reports are computed from it, and it can be replayed.

:func:`serve` is the loop around the scheduler where the time of an iteration is a function of the iteration: an estimate, a
table of simulated batches, or a test's. A simulator that runs iterations itself calls :func:`advance` with its own events.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import count, groupby

from pimsim.schedule.event import Action, Arrive, Done, Event, Run, Stop
from pimsim.schedule.iteration import State, step
from pimsim.schedule.request import Request


@dataclass(frozen=True, slots=True)
class Record:
    """An event, the actions, and the state's sizes behind it: requests waiting and running, KV rows in use."""

    event: Event
    actions: tuple[Action, ...]
    waiting: int
    running: int
    kv_rows: int


def advance(state: State, event: Event) -> tuple[State, Record]:
    """:func:`pimsim.schedule.iteration.step`, recorded."""
    state, actions = step(state, event)
    return state, Record(event, actions, len(state.waiting), len(state.running), state.kv.used)


def replay(state: State, events: Iterable[Event]) -> tuple[State, tuple[Record, ...]]:
    """The last state and the records of ``events`` one after the other, from ``state``."""
    records = []
    for event in events:
        state, record = advance(state, event)
        records.append(record)
    return state, tuple(records)


def arrivals(requests: Iterable[Request]) -> list[Arrive]:
    """The events of ``requests``, which are sorted by arrival; those at the same time come together."""
    return [Arrive(t_fs, tuple(group)) for t_fs, group in groupby(requests, key=lambda request: request.arrival_fs)]


def serve(state: State, requests: Iterable[Request], duration_fs: Callable[[Run], int],
          stops: Iterable[Stop] = ()) -> tuple[State, tuple[Record, ...]]:
    """Serve ``requests`` until all have left, with iterations that take ``duration_fs``.

    At equal times, arrivals come first, then stops, then the ends of iterations in the order of their starts.
    """
    number = count()
    events: list[tuple[int, int, int, Event]] = []
    events += [(event.t_fs, 0, next(number), event) for event in arrivals(requests)]
    events += [(event.t_fs, 1, next(number), event) for event in stops]
    heapq.heapify(events)
    records = []
    while events:
        state, record = advance(state, heapq.heappop(events)[-1])
        records.append(record)
        for action in record.actions:
            if isinstance(action, Run):
                end = action.t_fs + duration_fs(action)
                heapq.heappush(events, (end, 2, next(number), Done(end, action.lane)))
    return state, tuple(records)
