"""The tables behind a summary: one row an operator category, one row a token step. Plain data, so that nothing heavy is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pimsim.results.pim_gpt.time import CAUSE_NAMES, by_operator, by_operator_and_cause, seconds
from pimsim.results.result import Row
from pimsim.sim.run import Run


def operator_rows(run: Run) -> list[Row]:
    """Operator categories in order of appearance: how many, MACs, bytes, time, share, bound, and cycles by cause.

    ``stored_bytes`` are the weights, keys and values used; ``<cause>_cycles`` are those of an average channel and sum, over all
    rows, to the run's length.
    """
    times, charged = by_operator(run), by_operator_and_cause(run)
    channels, total = run.config.memory.channels, run.system.package.now
    rows = []
    for name, work in run.recorder.work.items():
        row: Row = {
            "operator": name, "count": work.operators, "macs": work.macs, "bytes_read": work.bytes_read,
            "bytes_written": work.bytes_written, "stored_bytes": work.count.stored_bytes, "cycles": times.get(name, 0),
            "time_s": seconds(run, times.get(name, 0)), "share": times.get(name, 0) / total,
            "bound_s": seconds(run, work.bound_ticks),
        }  # fmt: skip
        ticks = charged[name].tolist() if name in charged else [0] * len(CAUSE_NAMES)
        row |= {f"{cause}_cycles": spent / channels for cause, spent in zip(CAUSE_NAMES, ticks, strict=True)}
        rows.append(row)
    return rows


def token_rows(run: Run) -> list[Row]:
    """Token steps: number, phase, context (tokens so far), when it began and how long it took."""
    return [
        {"step": number, "phase": phase, "context": context, "begin_cycle": begin, "cycles": end - begin,
         "begin_s": seconds(run, begin), "latency_s": seconds(run, end - begin)}
        for number, (_, phase, context, begin, end) in enumerate(run.recorder.steps)
    ]  # fmt: skip


def cause_rows(facts: Mapping[str, Any]) -> list[Row]:
    """Cycles of an average channel by cause."""
    shares = facts["share_by_cause"]
    return [{"cause": cause, "cycles": cycles, "share": shares[cause]} for cause, cycles in facts["cycles_by_cause"].items()]
