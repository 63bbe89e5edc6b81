"""What a server's users and owner see, computed from the log of a serving run and from nothing else.

Terms as in Orca (OSDI 2022), vLLM (SOSP 2023) and Sarathi-Serve (OSDI 2024): TTFT is the time from arrival to the first token, TPOT
the mean time between a request's tokens after the first, latency the time from arrival to the last. Times are in seconds here: these
are results, nothing is scheduled by them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pimsim.schedule.event import Admit, Arrive, Drop, Emit, Finish, Preempt, Reject, Run
from pimsim.schedule.log import Record
from pimsim.units import FS_PER_S


@dataclass(slots=True)
class Timeline:
    """One request's times in femtoseconds (None: it did not come to that) and what became of it."""

    request: int
    arrival_fs: int
    input_tokens: int
    output_tokens: int
    admitted_fs: int | None = None
    first_fs: int | None = None
    last_fs: int | None = None
    tokens: int = 0
    preempted: int = 0
    end: str = ""

    @property
    def ttft_s(self) -> float | None:
        """Seconds from arrival to the first token."""
        return None if self.first_fs is None else (self.first_fs - self.arrival_fs) / FS_PER_S

    @property
    def tpot_s(self) -> float | None:
        """Mean seconds between tokens; None with fewer than two."""
        if self.first_fs is None or self.last_fs is None or self.tokens < 2:
            return None
        return (self.last_fs - self.first_fs) / (self.tokens - 1) / FS_PER_S

    @property
    def latency_s(self) -> float | None:
        """Seconds from arrival to the last token; None unless it finished."""
        if self.end != "finished" or self.last_fs is None:
            return None
        return (self.last_fs - self.arrival_fs) / FS_PER_S


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean and percentiles of a number of values; all 0 if there are none."""

    count: int
    mean: float
    p50: float
    p90: float
    p99: float
    most: float


@dataclass(frozen=True, slots=True)
class Report:
    """A serving run in numbers. Rates are over ``time_s``, from the first event to the last."""

    time_s: float
    iterations: int
    tokens: int
    tokens_per_s: float
    requests_per_s: float
    finished: int
    rejected: int
    stopped: int
    preemptions: int
    ttft_s: Spread
    tpot_s: Spread
    latency_s: Spread
    batch: Spread
    queue_mean: float
    queue_most: int
    kv_rows_mean: float
    kv_rows_most: int


def report(log: Sequence[Record]) -> Report:
    """Throughput, latencies, queue and KV occupancy of a serving run."""
    lines = list(timelines(log).values())
    actions = [action for record in log for action in record.actions]
    queue, kv = series(log, lambda record: record.waiting), series(log, lambda record: record.kv_rows)
    time_s = (log[-1].event.t_fs - log[0].event.t_fs) / FS_PER_S if log else 0.0
    tokens, finished = sum(line.tokens for line in lines), sum(line.end == "finished" for line in lines)
    return Report(
        time_s, sum(isinstance(action, Run) for action in actions), tokens,
        tokens / time_s if time_s else 0.0, finished / time_s if time_s else 0.0, finished,
        rejected=sum(isinstance(action, Reject) for action in actions),
        stopped=sum(isinstance(action, Drop) for action in actions),
        preemptions=sum(isinstance(action, Preempt) for action in actions),
        ttft_s=spread(line.ttft_s for line in lines),
        tpot_s=spread(line.tpot_s for line in lines),
        latency_s=spread(line.latency_s for line in lines),
        batch=spread(len(action.work) for action in actions if isinstance(action, Run)),
        queue_mean=time_mean(queue), queue_most=max((value for _, value in queue), default=0),
        kv_rows_mean=time_mean(kv), kv_rows_most=max((value for _, value in kv), default=0),
    )


def timelines(log: Iterable[Record]) -> dict[int, Timeline]:
    """Each request's times, by its number, in the order of arrival. Numbers are unique in a log that can be reported."""
    lines: dict[int, Timeline] = {}
    for record in log:
        if isinstance(record.event, Arrive):
            for r in record.event.requests:
                lines.setdefault(r.id, Timeline(r.id, r.arrival_fs, r.input_tokens, r.output_tokens))
        for action in record.actions:
            if isinstance(action, Emit):
                for number in action.requests:
                    _emit(lines[number], action.t_fs)
            elif isinstance(action, Admit):
                line = lines[action.request]
                line.admitted_fs = action.t_fs if line.admitted_fs is None else line.admitted_fs
            elif isinstance(action, Preempt):
                lines[action.request].preempted += 1
            elif not isinstance(action, Run):
                lines[action.request].end = "finished" if isinstance(action, Finish) else (
                    action.why if isinstance(action, Drop) else "rejected")
    return lines


def series(log: Iterable[Record], value: Callable[[Record], int]) -> list[tuple[int, int]]:
    """(time in fs, value from there on), one entry for each time at which anything happened."""
    steps: dict[int, int] = {}
    for record in log:
        steps[record.event.t_fs] = value(record)
    return list(steps.items())


def time_mean(steps: Sequence[tuple[int, int]]) -> float:
    """Mean over time of a :func:`series`; 0 if no time passes."""
    total = steps[-1][0] - steps[0][0] if steps else 0
    area = sum(value * (until - since) for (since, value), (until, _) in zip(steps, steps[1:], strict=False))
    return area / total if total else 0.0


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value below which ``share`` of ``ordered`` lies, linear between neighbours (Hyndman and Fan's type 7)."""
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def spread(values: Iterable[float | None]) -> Spread:
    """Mean and percentiles of those ``values`` that are there."""
    ordered = sorted(value for value in values if value is not None)
    if not ordered:
        return Spread(0, 0.0, 0.0, 0.0, 0.0, 0.0)
    mean = math.fsum(ordered) / len(ordered)
    return Spread(len(ordered), mean, percentile(ordered, 0.5), percentile(ordered, 0.9), percentile(ordered, 0.99), ordered[-1])


def _emit(line: Timeline, t_fs: int) -> None:
    line.first_fs = t_fs if line.first_fs is None else line.first_fs
    line.last_fs = t_fs
    line.tokens += 1
