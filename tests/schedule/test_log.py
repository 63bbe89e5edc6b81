"""The loop around the scheduler: the order of events, and the sizes it records."""

from collections.abc import Callable

from pimsim.schedule.event import Arrive, Done, Run, Stop
from pimsim.schedule.iteration import State
from pimsim.schedule.log import advance, arrivals, serve
from pimsim.schedule.request import Request

Small = Callable[..., State]


def test_requests_that_arrive_together_come_in_one_event() -> None:
    a, b, c = Request(0, 5, 1, 1), Request(1, 5, 1, 1), Request(2, 6, 1, 1)
    assert arrivals([a, b, c]) == [Arrive(5, (a, b)), Arrive(6, (c,))]


def test_an_iteration_ends_after_its_duration(small: Small) -> None:
    _, log = serve(small(), [Request(0, 3, 1, 2)], lambda run: 10 + run.iteration)
    assert [record.event for record in log[1:]] == [Done(13), Done(24)]


def test_at_the_same_time_arrivals_come_first_then_stops_then_ends(small: Small) -> None:
    requests = [Request(0, 0, 1, 2), Request(1, 10, 1, 1)]
    _, log = serve(small(), requests, lambda run: 10, [Stop(10, 0)])
    assert [type(record.event) for record in log[:4]] == [Arrive, Arrive, Stop, Done]
    run = log[3].actions[-1]
    assert isinstance(run, Run) and [w.request for w in run.work] == [1]


def test_a_record_has_the_sizes_behind_the_event(small: Small) -> None:
    _, record = advance(small(max_batch=1), Arrive(0, (Request(0, 0, 3, 1), Request(1, 0, 1, 1))))
    assert (record.waiting, record.running, record.kv_rows) == (1, 1, 3)
