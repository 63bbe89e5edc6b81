"""What users and owners of a server see, on a run that is small enough to be counted by hand."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pimsim.schedule.event import Stop
from pimsim.schedule.iteration import State
from pimsim.schedule.log import Record, serve
from pimsim.schedule.report import percentile, report, series, spread, time_mean, timelines
from pimsim.schedule.request import Request
from pimsim.units import FS_PER_S

Small = Callable[..., State]
S = FS_PER_S


@pytest.fixture
def log(small: Small) -> tuple[Record, ...]:
    """Two seats, iterations of 2 s. Request 0 arrives at 0 s for 3 tokens, 1 at 1 s for 2, 2 at 1 s for 1, 3 can never fit.

    Iterations start at 0 (0), 2 (0, 1), 4 (0, 1), 6 (2) and end 2 s later.
    """
    requests = [Request(0, 0, 1, 3), Request(1, S, 1, 2), Request(2, S, 1, 1), Request(3, S, 90, 1)]
    return serve(small(max_batch=2), requests, lambda run: 2 * S)[1]


def test_time_to_first_token_runs_from_arrival(log: tuple[Record, ...]) -> None:
    assert [line.ttft_s for line in timelines(log).values()] == [2.0, 3.0, 7.0, None]


def test_time_per_token_is_between_tokens(log: tuple[Record, ...]) -> None:
    assert [line.tpot_s for line in timelines(log).values()] == [2.0, 2.0, None, None]


def test_latency_runs_from_arrival_to_the_last_token(log: tuple[Record, ...]) -> None:
    assert [line.latency_s for line in timelines(log).values()] == [6.0, 5.0, 7.0, None]


def test_every_request_has_an_end(log: tuple[Record, ...]) -> None:
    assert [line.end for line in timelines(log).values()] == ["finished", "finished", "finished", "rejected"]


def test_throughput_is_over_the_whole_run(log: tuple[Record, ...]) -> None:
    made = report(log)
    assert (made.time_s, made.tokens, made.tokens_per_s, made.requests_per_s) == (8.0, 6, 6 / 8, 3 / 8)
    assert (made.iterations, made.finished, made.rejected, made.stopped, made.preemptions) == (4, 3, 1, 0, 0)


def test_the_queue_is_averaged_over_time(log: tuple[Record, ...]) -> None:
    """2 wait from 1 s to 2 s, 1 from there to 6 s."""
    assert series(log, lambda record: record.waiting) == [(0, 0), (S, 2), (2 * S, 1), (4 * S, 1), (6 * S, 0), (8 * S, 0)]
    assert (report(log).queue_mean, report(log).queue_most) == ((2 * 1 + 1 * 4) / 8, 2)


def test_kv_occupancy_follows_growth_and_release(log: tuple[Record, ...]) -> None:
    """Rows: 2 for 1 or 2 tokens, 3 for 3 or 4."""
    assert [rows for _, rows in series(log, lambda record: record.kv_rows)] == [2, 2, 4, 5, 2, 0]
    assert report(log).kv_rows_most == 5


def test_batches_are_counted_by_iteration(log: tuple[Record, ...]) -> None:
    batch = report(log).batch
    assert (batch.count, batch.mean, batch.most) == (4, 1.5, 2)


def test_a_request_that_was_stopped_has_no_latency(small: Small) -> None:
    _, log = serve(small(), [Request(0, 0, 1, 3)], lambda run: 2 * S, [Stop(3 * S, 0)])
    line = timelines(log)[0]
    assert (line.end, line.tokens, line.ttft_s, line.latency_s) == ("cancelled", 1, 2.0, None)
    assert report(log).stopped == 1


def test_preemptions_are_counted(small: Small) -> None:
    _, log = serve(small(channels=1, rows=6), [Request(0, 0, 4, 3), Request(1, 0, 1, 2)], lambda run: S)
    assert (report(log).preemptions, timelines(log)[1].preempted) == (1, 1)
    assert timelines(log)[1].admitted_fs == 0


def test_an_empty_log_is_all_zeros() -> None:
    made = report(())
    assert (made.time_s, made.tokens_per_s, made.ttft_s.count, made.queue_mean) == (0.0, 0.0, 0, 0.0)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40), st.floats(0, 1))
def test_percentiles_are_numpy_s(values: list[float], share: float) -> None:
    assert percentile(sorted(values), share) == pytest.approx(np.percentile(values, 100 * share), rel=1e-9, abs=1e-6)


def test_values_that_are_not_there_are_left_out() -> None:
    assert spread([None, 1.0, None, 3.0]).mean == 2.0


def test_no_time_has_no_mean() -> None:
    assert time_mean([(5, 3)]) == 0.0
