"""The memory controller against the command logs of Ramulator 2.1 and DRAMsim3 (``pimsim/validate/reference/dram_runs.csv``)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pimsim.config import load_dram
from pimsim.dram import commandlog
from pimsim.dram.checker import check
from pimsim.dram.controller.channel import Channel
from pimsim.dram.request_pattern import generate
from pimsim.errors import InputError
from pimsim.sim.traffic import make_channel_plan, read_requests, run_requests
from pimsim.validate.dram import PARTS, run
from pimsim.validate.reference import table

RUNS = table("dram_runs")


@pytest.mark.parametrize("row", RUNS, ids=lambda r: f"{r['standard']}-{r['config']}-{r['workload']}")
def test_commands_are_those_of_the_reference_to_the_tick(row: dict[str, str]) -> None:
    outcome = run(row["standard"], row["config"], row["workload"])
    summary = outcome.traffic.summary()
    assert summary["last_rdwr_cycle"] == int(row["last_rdwr_cycle"])
    assert (outcome.commands, outcome.log) == (int(row["commands"]), row["log"])
    if row["row_hits"]:
        found = [summary[k] for k in ("row_hits", "row_misses", "row_conflicts")]
        assert found == [int(row[k]) for k in ("row_hits", "row_misses", "row_conflicts")]
    if row["avg_read_latency"]:
        assert summary["avg_read_latency_cycles"] == pytest.approx(float(row["avg_read_latency"]), rel=1e-4)


POLICIES = [
    (), ("controller.policy=ramulator-frfcfs",), ("controller.policy=fcfs",), ("controller.policy=dramsim3-fr32",),
    ("controller.page=closed",), ("controller.data_clock=always-on",), ("controller.postpone=4",), ("controller.row_hit_cap=4",),
]  # fmt: skip


@pytest.mark.parametrize("part", ["gddr6-8gb-x16-14000", "hbm2-4gb-2000", "hbm3-16gb-6400", "ddr4-8gb-x8-2400",
                                  "lpddr5-8gb-x16-6400", "ddr5-16gb-x16-6400"])
@pytest.mark.parametrize("overrides", POLICIES, ids=lambda o: o[0].partition(".")[2] if o else "default")
def test_every_log_is_legal_and_every_request_is_served(part: str, overrides: tuple[str, ...]) -> None:
    if "dramsim3-fr32" in str(overrides) and part.split("-")[0] not in ("gddr6", "hbm2", "ddr4"):
        with pytest.raises(InputError):
            make_channel_plan(load_dram(part, overrides))
        return
    config = load_dram(part, overrides)
    rows: list[np.ndarray] = []
    done: list[np.ndarray] = []
    requests = generate("mixed_rw", config.memory.organization, count=700, seed=3)
    traffic = run_requests(config, [requests], commands=rows.append, completions=done.append)
    compiled = traffic.plan.compiled
    log = commandlog.from_kernel(np.concatenate(rows), compiled.command_names, compiled.organization, compiled.table.scope)
    verdict = check(compiled, log)
    assert verdict.ok, verdict.violations
    assert sorted(np.concatenate(done)[:, 0].tolist()) == list(range(700))


def test_requests_in_chunks_are_served_as_in_one() -> None:
    config = load_dram(PARTS["hbm2"])
    requests = generate("mixed_rw", config.memory.organization, count=900, seed=5).rows
    plan = make_channel_plan(config)
    logs = []
    for pieces in ([requests], np.array_split(requests, 13)):
        rows: list[np.ndarray] = []
        channel = Channel(plan, commands=rows.append)
        for piece in pieces:
            from pimsim.dram.request_trace import Requests

            chunk = Requests(piece)
            channel.send(np.stack([chunk.arrival, chunk.write, chunk.flat_bank(config.memory.organization), chunk.row,
                                   chunk.column], axis=1))
            channel.work()
        channel.drain()
        logs.append(np.concatenate(rows))
    assert np.array_equal(*logs)


def test_channels_run_side_by_side(tmp_path: Path) -> None:
    config = load_dram(PARTS["gddr6"], ["memory.channels=2"])
    file = tmp_path / "r.csv"
    file.write_text("idx,arrival,op,channel,bankgroup,bank,row,col\n0,0,R,0,0,0,1,0\n1,0,R,1,0,0,1,0\n2,1,R,1,0,0,1,1\n")
    done: list[np.ndarray] = []
    traffic = run_requests(config, read_requests(config, file), completions=done.append)
    assert [c.sent for c in traffic.channels] == [1, 2]
    assert sorted(np.concatenate(done).tolist()) == [[0, 0, 54], [1, 0, 54], [2, 1, 58]]


def test_requests_out_of_order_are_refused() -> None:
    channel = Channel(make_channel_plan(load_dram(PARTS["gddr6"])))
    with pytest.raises(ValueError, match="order"):
        channel.send(np.array([[5, 0, 0, 0, 0], [4, 0, 0, 0, 1]]))


def issued(part: str, refresh: str, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Of a stream of 12,000 requests: each command as (ticks since the last, command, bank), and which of them are refreshes."""
    config = load_dram(part, [f"controller.refresh={refresh}"])
    rows: list[np.ndarray] = []
    traffic = run_requests(config, [generate(kind, config.memory.organization, count=12_000)], commands=rows.append)
    log = np.concatenate(rows)
    names = np.array(traffic.plan.compiled.command_names)[log[1:, 2]]
    return np.column_stack([np.diff(log[:, 0]), log[1:, 2:4]]), np.char.startswith(names, "REF")


@pytest.mark.parametrize(("part", "kind", "period"), [
    ("gddr6-8gb-x16-14000", "seq_read", 1056), ("hbm2-4gb-2000", "bgint_read", 544), ("ddr4-8gb-x8-2400", "seq_read", 2080),
])  # fmt: skip
def test_a_stream_repeats_itself_after_a_round_through_the_banks_and_not_between_two_refreshes(part: str, kind: str, period: int) -> None:
    """Why streams of requests are not fast-forwarded (docs/validation.md)."""
    calm, _ = issued(part, "none", kind)
    settled = calm[len(calm) // 4 : -200]
    assert next(p for p in range(1, 3000) if (settled[p:] == settled[:-p]).all()) == period
    commands, refreshes = issued(part, "all-bank", kind)
    for stretch in np.split(commands, np.flatnonzero(refreshes))[1:-1]:
        assert len(stretch) < 2 * period or not (stretch[period:] == stretch[:-period]).all(axis=1)[-period:].all()
