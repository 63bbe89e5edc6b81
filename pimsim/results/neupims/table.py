"""The tables behind a summary: operators, stages, iterations (``tokens``), requests, cycles by cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pimsim import units
from pimsim.results.neupims.total import Totals
from pimsim.results.result import Row
from pimsim.schedule.report import timelines
from pimsim.sim.serving.account import OP_FIELDS


def operator_rows(totals: Totals) -> list[Row]:
    """Operators of the devices simulated (one of each group): how many, MACs, bytes, time and bound.

    Operators of NPU and memory run side by side, so their times may sum to more than the run's.
    """
    rows = []
    for name, row in totals.busy.table("op", OP_FIELDS).items():
        rows.append({
            "operator": name, "count": row["count"], "macs": row["macs"], "bytes_read": row["read"], "bytes_written": row["written"],
            "stored_bytes": 0, "cycles": row["ticks"], "time_s": totals.seconds(row["ticks"]),
            "share": row["ticks"] / totals.device_cycles, "bound_s": totals.seconds(row["bound"]),
        })  # fmt: skip
    return rows


def stage_rows(totals: Totals) -> list[Row]:
    """Stages by their letter: how often, mean cycles, bound, and how busy NPU, PIM and pins were in them.

    Those of a block that do not count for it (A, B, E and F of two sub-batches) are there as well.
    """
    arrays = totals.run.estimates.npu.arrays
    found = totals.busy.table("stage", ("count", "ticks", "npu_busy", "pim_busy", "bus_busy", "bound"))
    rows = []
    for name, row in found.items():
        ticks = row["ticks"]
        rows.append({"stage": name, "count": row["count"], "cycles": ticks / row["count"], "share": ticks / totals.device_cycles,
                     "bound_cycles": row["bound"] / row["count"], "npu": row["npu_busy"] / (ticks * arrays) if ticks else 0.0,
                     "pim": row["pim_busy"] / (ticks * totals.channels) if ticks else 0.0,
                     "pins": row["bus_busy"] / (ticks * totals.channels) if ticks else 0.0})  # fmt: skip
    known = {row["stage"] for row in rows}
    for record in _block_stages(totals):
        if record.name not in known:
            rows.append({"stage": record.name, "count": 0, "cycles": float(record.ticks), "share": 0.0, "bound_cycles": 0.0,
                         "npu": record.busy_ticks.get("npu", 0) / (record.ticks * arrays),
                         "pim": record.busy_ticks.get("pim", 0) / (record.ticks * totals.channels),
                         "pins": record.busy_ticks.get("bus", 0) / (record.ticks * totals.channels)})  # fmt: skip
    return sorted(rows, key=lambda row: row["stage"])


def _block_stages(totals: Totals) -> list[Any]:
    if totals.run.workload.part != "block":
        return []
    return [record for i in totals.run.server.iterations for passage in i.passages for record, _ in passage.stages]


def token_rows(totals: Totals) -> list[Row]:
    """Iterations: batch, tokens, mean context, when it began and how long it took, and how that is known."""
    rows = []
    for number, iteration in enumerate(totals.run.server.iterations):
        work = iteration.run.work
        begin, length = iteration.begin_fs, iteration.end_fs - iteration.begin_fs
        tokens = sum(w.tokens for w in work)
        rows.append({
            "step": number, "phase": "decode" if tokens == len(work) else "mixed",
            "context": round(sum(w.context for w in work) / len(work)), "begin_cycle": begin // totals.run.tick_fs,
            "cycles": length // totals.run.tick_fs, "begin_s": begin / units.FS_PER_S, "latency_s": length / units.FS_PER_S,
            "lane": iteration.run.lane, "batch": len(work), "new_tokens": tokens, "generated": sum(w.generates for w in work),
            "sub_batches": len(iteration.run.sub_batches), "how": "+".join(dict.fromkeys(p.how for p in iteration.passages)),
        })  # fmt: skip
    return rows


def request_rows(totals: Totals) -> list[Row]:
    """Requests in order of arrival: lengths, times, and what became of them."""
    return [
        {"request": line.request, "arrival_s": line.arrival_fs / units.FS_PER_S, "input_tokens": line.input_tokens,
         "output_tokens": line.output_tokens, "generated": line.tokens, "ttft_s": line.ttft_s, "tpot_s": line.tpot_s,
         "latency_s": line.latency_s, "preempted": line.preempted, "end": line.end or "unfinished"}
        for line in timelines(totals.run.server.log).values()
    ]  # fmt: skip


def activity_rows(totals: Totals) -> list[Row]:
    """What the units of the first group's device did over time, one row an iteration: shares of its length, bytes a second."""
    npu = totals.run.estimates.npu
    rows = []
    for iteration in totals.run.server.iterations:
        passage = iteration.passages[0]
        length_s = (passage.end_fs - passage.begin_fs) / units.FS_PER_S
        account = passage.account
        ticks = account[("ticks",)]
        if not ticks or not length_s:
            continue
        computed = account[("command", "COMP")] * totals.run.config.memory.organization.banks_per_channel * _lane_bytes(totals)
        moved = account[("read",)] + account[("written",)]
        rows.append({
            "begin_s": passage.begin_fs / units.FS_PER_S, "length_s": length_s,
            "npu_utilisation": account[("busy", "npu")] / (ticks * npu.arrays),
            "pim_utilisation": account[("busy", "pim")] / (ticks * totals.channels),
            "vector_utilisation": account[("busy", "vector")] / (ticks * npu.vector_units),
            "internal_bytes_per_s": (computed + moved) / totals.seconds(ticks), "external_bytes_per_s": moved / totals.seconds(ticks),
        })  # fmt: skip
    return rows


def _lane_bytes(totals: Totals) -> int:
    pim = totals.run.config.pim
    return pim.lanes * totals.run.estimates.npu.precision_bytes if pim is not None else 0


def queue_rows(totals: Totals) -> list[Row]:
    """Requests waiting and running and KV rows in use, from each time on at which anything changed."""
    steps: dict[int, Row] = {}
    for record in totals.run.server.log:
        steps[record.event.t_fs] = {"time_s": record.event.t_fs / units.FS_PER_S, "waiting": record.waiting,
                                    "running": record.running, "kv_rows": record.kv_rows}
    return list(steps.values())


def cause_rows(facts: Mapping[str, Any]) -> list[Row]:
    """Cycles of an average channel by cause, in each view."""
    whole = facts["cycles"]
    return [{"view": view, "cause": cause, "cycles": cycles, "share": cycles / whole if whole else 0.0}
            for view, causes in facts["cycles_by_cause_of"].items() for cause, cycles in causes.items()]
