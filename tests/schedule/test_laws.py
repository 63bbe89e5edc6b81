"""Laws of serving under random arrivals, lengths, spaces, policies and cancellations, held by a bookkeeper of the test's own."""

from collections import Counter, defaultdict
from typing import Any

from hypothesis import given, settings, target
from hypothesis import strategies as st

from pimsim.schedule.event import Admit, Arrive, Done, Drop, Emit, Finish, Preempt, Reject, Run, Stop, Work
from pimsim.schedule.iteration import State
from pimsim.schedule.log import Record, replay, serve
from pimsim.schedule.request import Request
from tests.schedule.conftest import make

TOO_MANY_ITERATIONS = 3000


@st.composite
def schedulers(draw: st.DrawFn, **fixed: Any) -> State:
    lanes = draw(st.integers(1, 3))
    options: dict[str, Any] = {
        "channels": draw(st.integers(1, 3)), "rows": draw(st.integers(1, 14)), "lanes": lanes,
        "max_batch": draw(st.integers(lanes, 8)),
        "assignment": draw(st.sampled_from(["given", "round-robin", "least-load", "estimate"])),
        "admission": draw(st.sampled_from(["reserve", "on-demand"])),
        "prefill": draw(st.sampled_from(["inline", "elsewhere"])),
        "prefill_chunk": draw(st.none() | st.integers(1, 5)),
        "sub_batches": draw(st.sampled_from(["on", "off", "auto"])), "sub_batch_from": 3,
    }
    return make(**(options | fixed))


requests = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 9), st.integers(1, 9), st.none() | st.integers(0, 2)),
                    min_size=1, max_size=14)
stops = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 13), st.sampled_from(["cancelled", "failed"])), max_size=5)
durations = st.lists(st.integers(0, 5), min_size=1, max_size=7)


def run(state: State, drawn: list[Any], stopped: list[Any], times: list[int]) -> tuple[State, tuple[Record, ...], list[Request]]:
    """Serve: requests with gaps between arrivals, iterations that take ``times`` by turns."""
    arrival, made = 0, []
    for number, (gap, inputs, outputs, channel) in enumerate(drawn):
        arrival += gap
        made.append(Request(number, arrival, inputs, outputs, channel))

    def duration(action: Run) -> int:
        assert action.iteration < TOO_MANY_ITERATIONS, "requests that never finish"
        return times[action.iteration % len(times)]

    return (*serve(state, made, duration, [Stop(*stop) for stop in stopped]), made)


class Books:
    """Follows a log and knows, from actions alone, who waits, who runs, who holds which rows and who has how many tokens."""

    def __init__(self, start: State):
        self.settings, self.kv = start.settings, start.kv
        self.requests: dict[int, Request] = {}
        self.waiting: list[int] = []
        self.lane: dict[int, int] = {}
        self.channel: dict[int, int] = {}
        self.cached: dict[int, int] = {}
        self.tokens: Counter[int] = Counter()
        self.end: dict[int, str] = {}
        self.in_flight: dict[int, Run] = {}
        self.ended: tuple[Work, ...] = ()
        self.now = 0

    def follow(self, record: Record) -> None:
        assert record.event.t_fs >= self.now
        self.now = record.event.t_fs
        if isinstance(record.event, Arrive):
            self.requests |= {r.id: r for r in record.event.requests}
            self.waiting += [r.id for r in record.event.requests]
        if isinstance(record.event, Done):
            self.ended = self.in_flight.pop(record.event.lane).work
            self.cached |= {w.request: w.context for w in self.ended}
        for action in record.actions:
            assert action.t_fs == self.now
            getattr(self, type(action).__name__.lower())(action)
        assert (record.waiting, record.running) == (len(self.waiting), len(self.lane))

    def reject(self, action: Reject) -> None:
        self._leave(action.request, "rejected")
        self.waiting.remove(action.request)

    def admit(self, action: Admit) -> None:
        assert action.request == min(self.waiting), "someone was overtaken"
        self.waiting.remove(action.request)
        self.lane[action.request], self.channel[action.request] = action.lane, action.channel
        request = self.requests[action.request]
        known = request.input_tokens + self.tokens[action.request]
        assert action.recovers == self.tokens[action.request]
        self.cached[action.request] = known - 1 if self.settings.prefill == "elsewhere" else 0
        if self.settings.assignment == "given" and request.channel is not None:
            assert action.channel == request.channel

    def preempt(self, action: Preempt) -> None:
        assert self.settings.admission == "on-demand"
        place = self.lane.pop(action.request), self.channel[action.request]
        assert all((lane, self.channel[r]) != place or r < action.request for r, lane in self.lane.items()), "not the youngest"
        self.waiting = sorted([*self.waiting, action.request])

    def run(self, action: Run) -> None:
        assert action.lane not in self.in_flight
        self.in_flight[action.lane] = action
        assert len({w.request for w in action.work}) == len(action.work) > 0
        chunk = 0
        for work in action.work:
            assert self.lane[work.request] == action.lane
            known = self.requests[work.request].input_tokens + self.tokens[work.request]
            assert work.context == self.cached[work.request] + work.tokens <= known
            assert work.generates == (work.context == known)
            chunk += work.tokens if known - self.cached[work.request] > 1 else 0
        assert chunk <= (self.settings.prefill_chunk or chunk)
        assert len(self.lane) <= self.settings.max_batch
        self._rows_are_apart()

    def _rows_are_apart(self) -> None:
        owner: dict[tuple[int, int], int] = {}
        for run in self.in_flight.values():
            for work in run.work:
                k, v = ([first + i for first, n in ranges for i in range(n)] for ranges in (work.kv.k, work.kv.v))
                need_k, need_v = self.kv.layout.rows(work.context)
                assert len(k) >= need_k and len(v) >= need_v
                for row in k + v:
                    assert self.kv.first_row <= row < self.kv.first_row + self.kv.rows
                    assert owner.setdefault((work.kv.channel, row), work.request) == work.request
                assert len(set(k + v)) == len(k) + len(v)

    def emit(self, action: Emit) -> None:
        assert len(set(action.requests)) == len(action.requests)
        assert set(action.requests) <= {w.request for w in self.ended if w.generates}
        self.tokens.update(action.requests)

    def finish(self, action: Finish) -> None:
        assert self.tokens[action.request] == self.requests[action.request].output_tokens
        self._leave(action.request, "finished")
        del self.lane[action.request]

    def drop(self, action: Drop) -> None:
        assert (action.rows == 0) == (action.request in self.waiting)
        self._leave(action.request, action.why)
        if action.rows:
            del self.lane[action.request]
        else:
            self.waiting.remove(action.request)

    def _leave(self, request: int, how: str) -> None:
        assert request not in self.end
        self.end[request] = how


def follow(start: State, log: tuple[Record, ...]) -> Books:
    books = Books(start)
    for record in log:
        books.follow(record)
    return books


def hold_the_laws(start: State, drawn: list[Any], stopped: list[Any], times: list[int]) -> tuple[Record, ...]:
    """No row is leaked, no request lost, no token lost or given twice; whatever the books find wrong on the way."""
    end, log, made = run(start, drawn, stopped, times)
    books = follow(start, log)
    assert end.kv == start.kv
    assert (end.waiting, end.running, any(end.busy)) == ((), (), False)
    assert set(books.end) == {r.id for r in made}
    wanted = {number for _, number, _ in stopped}
    for request in made:
        how, tokens = books.end[request.id], books.tokens[request.id]
        misplaced = start.settings.assignment == "given" and (request.channel or 0) >= start.kv.channels
        assert (how == "rejected") == (misplaced or not start.kv.fits(request.cached_at_most))
        assert how in ("rejected", "finished") or request.id in wanted
        assert tokens == request.output_tokens if how == "finished" else tokens < request.output_tokens
    return log


@given(schedulers(), requests, stops, durations)
@settings(max_examples=100, deadline=None)
def test_no_row_is_leaked_no_request_is_lost_and_none_is_served_twice(
    start: State, drawn: list[Any], stopped: list[Any], times: list[int]
) -> None:
    hold_the_laws(start, drawn, stopped, times)


@given(schedulers(channels=1, rows=8, admission="on-demand", assignment="estimate", max_batch=8),
       st.lists(st.tuples(st.integers(0, 2), st.integers(1, 3), st.integers(3, 7), st.none()), min_size=6, max_size=10), stops, durations)
@settings(max_examples=60, deadline=None)
def test_the_laws_hold_where_space_is_short(start: State, drawn: list[Any], stopped: list[Any], times: list[int]) -> None:
    log = hold_the_laws(start, drawn, stopped, times)
    target(sum(isinstance(action, Preempt) for record in log for action in record.actions), label="preemptions")


@given(schedulers(), requests, stops, durations)
@settings(max_examples=40, deadline=None)
def test_replaying_the_events_gives_the_same_states_and_actions(
    start: State, drawn: list[Any], stopped: list[Any], times: list[int]
) -> None:
    end, log, _ = run(start, drawn, stopped, times)
    assert replay(start, [record.event for record in log]) == (end, log)
    half = len(log) // 2
    middle, _ = replay(start, [record.event for record in log[:half]])
    assert replay(middle, [record.event for record in log[half:]]) == (end, log[half:])


@given(schedulers(lanes=1, admission="reserve"), requests, durations)
@settings(max_examples=60, deadline=None)
def test_a_request_waits_at_most_for_the_tokens_of_those_before_it(start: State, drawn: list[Any], times: list[int]) -> None:
    """The oldest request always runs and takes in a token an iteration, so iterations are bounded by the tokens ahead."""
    _, log, made = run(start, drawn, [], times)
    books = follow(start, log)
    ahead, iterations = 0, 0
    bound: dict[int, int] = {}
    for record in log:
        if isinstance(record.event, Arrive):
            for request in record.event.requests:
                if books.end[request.id] == "finished":
                    bound[request.id] = iterations
        for action in record.actions:
            if isinstance(action, Run):
                iterations += 1
            elif isinstance(action, Finish):
                ahead = sum(r.input_tokens + r.output_tokens for r in made
                            if r.id <= action.request and books.end[r.id] == "finished")
                assert iterations - bound[action.request] <= ahead


@given(schedulers(prefill="elsewhere"), requests, durations)
@settings(max_examples=40, deadline=None)
def test_in_every_iteration_of_a_lane_all_its_requests_get_a_token(start: State, drawn: list[Any], times: list[int]) -> None:
    _, log, _ = run(start, drawn, [], times)
    running: dict[int, set[int]] = defaultdict(set)
    for record in log:
        for action in record.actions:
            if isinstance(action, Admit):
                running[action.lane].add(action.request)
            elif isinstance(action, (Preempt, Finish)):
                for lane in running.values():
                    lane.discard(action.request)
            elif isinstance(action, Run):
                assert {w.request for w in action.work} == running[action.lane]
