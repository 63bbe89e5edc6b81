"""The requests of a workload: a file, arrivals with drawn lengths, or a batch of equal ones."""

from __future__ import annotations

from dataclasses import replace

from pimsim.config import WorkloadConfig
from pimsim.errors import InputError, Problem
from pimsim.schedule.arrival import poisson, source, warm_batch
from pimsim.schedule.kv import KvSpace
from pimsim.schedule.request import Request
from pimsim.schedule.request_file import check_fit, read_requests


def requests_of(workload: WorkloadConfig, kv: KvSpace | None = None) -> tuple[Request, ...]:
    """The requests, in order of arrival, numbered from 0. ``kv``: the space that each has to fit into; None: not checked.

    Raises:
        InputError: a file that cannot be read, a request that does not fit into the KV space of an empty channel, arrivals that
            contradict one another or the workload's other keys.
    """
    if workload.requests is not None and workload.arrivals is not None:
        raise InputError(Problem("there are arrivals as well", "requests or arrivals", key="workload.requests"))
    if workload.requests is not None:
        return read_requests(workload.requests, kv=kv, channels=kv.channels if kv else None, output_tokens=workload.output_tokens)
    made = _arriving(workload) if workload.arrivals is not None else tuple(
        Request(number, 0, workload.prompt_tokens, workload.output_tokens) for number in range(workload.batch))
    if kv is not None:
        check_fit(made, kv)
    return made


def _arriving(workload: WorkloadConfig) -> tuple[Request, ...]:
    """Those that are in service already, then those that come."""
    arrivals = workload.arrivals
    assert arrivals is not None
    problems = []
    if arrivals.warm + arrivals.number < 1:
        problems.append(Problem("there are no requests", "warm or number above 0", key="workload.arrivals"))
    if arrivals.number and arrivals.rate is None:
        problems.append(Problem("is missing", "requests a second, as there are arrivals (number)", key="workload.arrivals.rate"))
    if arrivals.warm and workload.prefill != "elsewhere":
        problems.append(Problem("requests in service have their prompts behind them", "prefill: elsewhere, or warm: 0",
                                key="workload.arrivals.warm"))
    if problems:
        raise InputError(problems)
    lengths = source(arrivals.dataset, arrivals.max_tokens)
    warm = warm_batch(lengths, arrivals.warm, arrivals.seed)
    later = poisson(lengths, arrivals.number, arrivals.rate, arrivals.seed) if arrivals.number and arrivals.rate else ()
    return (*warm, *(replace(request, id=request.id + len(warm)) for request in later))
