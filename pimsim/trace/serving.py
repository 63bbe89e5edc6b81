"""A timeline of a serving run for Perfetto: iterations, stages and operators on each unit, requests, and what fills and empties over time.

Tracks: the server (its lanes' iterations, one after the other), for each device group the stages and the operators on NPU, vector units,
PIM and DMA, and the requests (waiting, then running). Counters: requests waiting and running, KV rows in use, bandwidth over the pins.
Operators are drawn for the iterations that are kept, where they were simulated: of layers that one stands for, that one.
"""

from __future__ import annotations

from pimsim import units
from pimsim.devices.stage import OpRecord, StageRecord
from pimsim.schedule.event import Admit, Arrive, Drop, Emit, Finish, Preempt, Reject
from pimsim.sim.serving.group import Passage
from pimsim.sim.serving.run import Serving
from pimsim.trace.event import EventFile

SERVER, REQUESTS, FIRST_GROUP = 1, 2, 3
STAGES, NPU, VECTOR, PIM, DMA = range(5)
TRACKS = ("stages", "NPU", "vector units", "PIM", "DMA")
UNIT_TRACKS = {"npu": NPU, "vector": VECTOR, "pim": PIM}
MOST_REQUESTS = 512
"""Requests that get a track of their own."""


def draw(run: Serving, events: EventFile) -> None:
    """Draw a finished run."""
    events.process(SERVER, "server")
    for lane in range(run.server.state.settings.lanes):
        events.track(SERVER, lane, f"iterations of lane {lane}" if lane else "iterations")
    for iteration in run.server.iterations:
        work = iteration.run.work
        events.slice(SERVER, iteration.run.lane, _tick(run, iteration.begin_fs), _tick(run, iteration.end_fs),
                     f"iteration {iteration.run.iteration}",
                     {"batch": len(work), "tokens": sum(w.tokens for w in work), "how": iteration.passages[0].how})
    _counters(run, events)
    _requests(run, events)
    for group in run.groups:
        _group(run, events, group.number)


def _tick(run: Serving, time_fs: int) -> int:
    return time_fs // run.tick_fs


def _counters(run: Serving, events: EventFile) -> None:
    rows = run.server.state.kv.rows * run.server.state.kv.channels
    for record in run.server.log:
        tick = _tick(run, record.event.t_fs)
        events.counter(SERVER, tick, "requests waiting", record.waiting)
        events.counter(SERVER, tick, "requests running", record.running)
        events.counter(SERVER, tick, "KV rows in use, %", round(100 * record.kv_rows / rows, 3))


def _requests(run: Serving, events: EventFile) -> None:
    """A track a request: when it waits and when it runs; a mark for every token."""
    events.process(REQUESTS, "requests")
    since: dict[int, tuple[str, int]] = {}

    def turn(number: int, tick: int, what: str) -> None:
        """The request is something else from now on; nothing, if ``what`` is empty."""
        if number >= MOST_REQUESTS:
            return
        if number in since:
            name, begin = since.pop(number)
            if tick > begin:
                events.slice(REQUESTS, number, begin, tick, name)
        else:
            events.track(REQUESTS, number, f"request {number}")
        if what:
            since[number] = (what, tick)

    last = 0
    for record in run.server.log:
        last = tick = _tick(run, record.event.t_fs)
        if isinstance(record.event, Arrive):
            for request in record.event.requests:
                turn(request.id, tick, "waits")
        for action in record.actions:
            if isinstance(action, Admit):
                turn(action.request, tick, f"runs in channel {action.channel}")
            elif isinstance(action, Preempt):
                turn(action.request, tick, "waits, preempted")
            elif isinstance(action, (Finish, Drop, Reject)):
                turn(action.request, tick, "")
            elif isinstance(action, Emit):
                for number in action.requests:
                    if number < MOST_REQUESTS:
                        events.instant(REQUESTS, number, tick, "token")
    for number in list(since):
        turn(number, last, "")


def _group(run: Serving, events: EventFile, number: int) -> None:
    process = FIRST_GROUP + number
    events.process(process, f"device group {number}" if len(run.groups) > 1 else "device")
    for track, name in enumerate(TRACKS):
        events.track(process, track, name)
    for iteration in run.server.iterations:
        for passage in iteration.passages:
            if passage.group == number and passage.stages:
                _passage(run, events, process, passage)


def _passage(run: Serving, events: EventFile, process: int, passage: Passage) -> None:
    """The stages of an iteration in a group, one behind the other from its begin on."""
    first = passage.stages[0][0].begin_ticks
    moved = _tick(run, passage.begin_fs) - first
    for record, repeat in passage.stages:
        begin, end = record.begin_ticks + moved, record.end_ticks + moved
        events.slice(process, STAGES, begin, end, record.name, {"stands for": repeat} if repeat > 1 else None)
        free = dict.fromkeys(UNIT_TRACKS, begin)
        for op in record.ops:
            free[op.unit] = _operator(events, process, op, free[op.unit], op.end_ticks + moved)
        _bandwidth(run, events, process, record, moved)


def _operator(events: EventFile, process: int, op: OpRecord, free: int, end: int) -> int:
    """Draw an operator from when its unit has done the one before; returns when it is done itself."""
    begin = max(end - (op.end_ticks - op.begin_ticks), free)
    if begin >= end:
        return free
    events.slice(process, UNIT_TRACKS[op.unit], begin, end, op.name, {"macs": op.macs, "bound": op.bound_ticks})
    if op.unit != "pim" and op.bytes_read + op.bytes_written:
        events.slice(process, DMA, begin, end, f"{op.name}: {op.bytes_read:,} B in, {op.bytes_written:,} B out")
    return end


def _bandwidth(run: Serving, events: EventFile, process: int, record: StageRecord, moved: int) -> None:
    if record.ticks:
        rate = (record.bytes_read + record.bytes_written) / (record.ticks * run.tick_fs) * units.FS_PER_S / 1e9
        events.counter(process, record.begin_ticks + moved, "GB/s over the pins", round(rate, 3))
        events.counter(process, record.end_ticks + moved, "GB/s over the pins", 0)
