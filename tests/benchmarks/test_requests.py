"""How fast the memory controller serves requests: requests a second of CPU time, with a warm cache and no logs.

Run with ``pytest tests/benchmarks --benchmark-enable``; ``requests_per_s`` is among the extra information of each benchmark.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from pimsim.config import load_dram
from pimsim.dram.controller.channel import Channel
from pimsim.dram.spec import Organization
from pimsim.kernels import request_layout as at
from pimsim.sim.traffic import make_channel_plan

REQUESTS = 1_000_000
PARTS = {"GDDR6": "gddr6-8gb-x16-14000", "HBM2": "hbm2-4gb-2000", "HBM3": "hbm3-16gb-6400", "DDR4": "ddr4-8gb-x8-2400",
         "LPDDR5": "lpddr5-8gb-x16-6400"}  # fmt: skip


def sequential(org: Organization, count: int) -> np.ndarray:
    """Row by row through the bank groups, then the banks; ranks (pseudo channels) in turn."""
    rows = np.zeros((count, at.REQUEST_FIELDS), np.int64)
    at_rank = np.arange(count) // org.ranks
    group = at_rank // org.columns
    bank = group // org.bankgroups
    rank = np.arange(count) % org.ranks
    rows[:, at.Q_BANK] = (rank * org.sids * org.bankgroups + group % org.bankgroups) * org.banks + bank % org.banks
    rows[:, at.Q_ROW] = bank // org.banks % org.rows
    rows[:, at.Q_COLUMN] = at_rank % org.columns
    return rows


def random(org: Organization, count: int, writes: float = 0.0) -> np.ndarray:
    """Anywhere in the channel."""
    draw = np.random.default_rng(0)
    rows = np.zeros((count, at.REQUEST_FIELDS), np.int64)
    rows[:, at.Q_WRITE] = draw.random(count) < writes
    rows[:, at.Q_BANK] = draw.integers(0, org.banks_per_channel, count)
    rows[:, at.Q_ROW] = draw.integers(0, org.rows, count)
    rows[:, at.Q_COLUMN] = draw.integers(0, org.columns, count)
    return rows


WORKLOADS = {"sequential": sequential, "random": random, "mixed": lambda org, count: random(org, count, 1 / 3)}


@pytest.mark.slow
@pytest.mark.benchmark(timer=time.process_time)
@pytest.mark.parametrize("workload", WORKLOADS)
@pytest.mark.parametrize(("policy", "name"), [("ramulator-rowhit", name) for name in PARTS]
                         + [("dramsim3-fr32", name) for name in ("GDDR6", "HBM2", "DDR4")])  # fmt: skip
def test_requests_per_second(policy: str, name: str, workload: str, benchmark: Any) -> None:
    plan = make_channel_plan(load_dram(PARTS[name], [f"controller.policy={policy}"]))
    requests = WORKLOADS[workload](plan.compiled.organization, REQUESTS)

    def serve() -> Channel:
        channel = Channel(plan)
        channel.send(requests)
        channel.drain()
        return channel

    serve()  # loads the kernel
    channel = benchmark.pedantic(serve, rounds=3)
    assert sum(n for c, n in channel.counts().items() if c in ("RD", "WR")) + channel.forwarded == REQUESTS
    if benchmark.stats:
        benchmark.extra_info["requests_per_s"] = round(REQUESTS / benchmark.stats["min"])
