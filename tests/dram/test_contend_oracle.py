"""The contended channel's kernel against the oracle that ticks cycle by cycle, on random work under random policies."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pimsim.config import load_dram
from pimsim.dram import commandlog
from pimsim.dram.checker import check
from pimsim.dram.compile import Compiled, compile_part
from pimsim.dram.controller.contend_channel import ContendedChannel
from pimsim.dram.controller.contend_oracle import Oracle, requests_from, transactions_from
from pimsim.dram.controller.contend_plan import ContendPlan
from pimsim.dram.controller.contend_policy import ContendPolicy
from pimsim.dram.standards import standard
from pimsim.kernels.contend_layout import ANNOUNCE, COMPUTE, FILL, REQUEST_FIELDS, TRANSACTION_FIELDS
from pimsim.pim.neupims import COMPAT, neupims

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@cache
def part(row_buffers: int, shortcuts: bool) -> Compiled:
    memory = load_dram("hbm2-neupims").memory
    spec = neupims(row_buffers, COMPAT if shortcuts else ()).on(standard(memory.standard))
    return compile_part(spec, memory.organization, memory.timing_cycles, memory.tCK)


policies = st.builds(
    ContendPolicy,
    arbiter=st.sampled_from(("pim-first", "memory-first", "age")),
    refresh=st.sampled_from(("all-bank", "all-bank", "none")),
    read_queue=st.sampled_from((32, 3)),
    write_queue=st.sampled_from((32, 4)),
    bank_queue=st.sampled_from((128, 2)),
    outstanding=st.sampled_from((0, 0, 6)),
    drain_above=st.sampled_from((8, 0)),
    row_hit_cap=st.sampled_from((4, 1)),
    least_computes=st.sampled_from((0, 6)),
    result_at=st.sampled_from(("end", "issue")),
    reserve=st.sampled_from(("work", "next")),
    hold_activates=st.booleans(),
)


@st.composite
def memory_work(draw: st.DrawFn, until: int) -> np.ndarray:
    """Requests to few rows and columns, so that hits, conflicts, forwarded reads and dependent writes all happen."""
    count = draw(st.sampled_from((0, 3, 40, 120)))
    seed = draw(st.integers(0, 1 << 32))
    random = np.random.default_rng(seed)
    out = np.zeros((count, REQUEST_FIELDS), np.int64)
    out[:, 0] = np.sort(random.integers(0, until // 2, count))
    out[:, 1] = random.random(count) < draw(st.sampled_from((0.0, 0.3, 0.9)))
    out[:, 2] = random.choice(draw(st.sampled_from((range(32), (0, 1, 4, 16, 17), (0, 3)))), count)
    out[:, 3] = random.choice(draw(st.sampled_from(((100, 101, 7), (7, 8), (100, 0, 3)))), count)
    out[:, 4] = random.integers(0, draw(st.sampled_from((2, 16))), count)
    return out


@st.composite
def pim_work(draw: st.DrawFn) -> np.ndarray:
    """Fills and announced rows with their composites, some arriving late."""
    rows: list[list[int]] = []
    tick = draw(st.integers(0, 50))
    for _ in range(draw(st.integers(0, 5))):
        tick += draw(st.sampled_from((0, 0, 130, 700)))
        if draw(st.booleans()):
            rows.append([FILL, tick, draw(st.sampled_from((0, 17))), draw(st.sampled_from((0, 7))), 0, 0, 0, 0, 0])
        for _ in range(draw(st.integers(0, 2))):
            row, heads = draw(st.sampled_from((100, 101, 102))), draw(st.sampled_from((1, 2, 4)))
            computes = draw(st.sampled_from((1, 2, 5, 8, 32)))
            rows.append([ANNOUNCE, tick, 0, row, 0, computes * heads, heads, 0, 0])
            for head in range(heads):
                tick += draw(st.sampled_from((0, 0, 0, 60)))
                rows.append([COMPUTE, tick, 0, row, 0, computes, 0, int(head == heads - 1), 0])
    return np.array(rows, np.int64).reshape(-1, TRANSACTION_FIELDS)


def run_kernel(plan: ContendPlan, requests: np.ndarray, transactions: np.ndarray, stops: list[int]):
    """The channel's commands and completions; work is handed over as late as it may be."""
    commands, done = [np.zeros((0, 7), np.int64)], [np.zeros((0, 4), np.int64)]
    channel = ContendedChannel(plan, commands=commands.append, completions=done.append)
    before = -1
    for until in stops:
        new = (requests[:, 0] > before) & (requests[:, 0] <= until)
        channel.send(requests[new, :5])
        for tick in sorted(set(transactions[(transactions[:, 1] > before) & (transactions[:, 1] <= until), 1].tolist())):
            channel.enqueue(transactions[transactions[:, 1] == tick], tick)
        channel.advance(until)
        before = until
    return channel, np.concatenate(commands), np.concatenate(done)


def on_bus(plan: ContendPlan, log: np.ndarray) -> list[tuple]:
    """Commands of the command bus, without those of the sequencer."""
    spec = plan.compiled.standard.commands
    return [(int(t), spec[c].name, int(b), int(r), int(col)) for t, _, c, b, r, col, _ in log if spec[c].bus == "row"]


@given(st.sampled_from((1, 2, 2)), st.booleans(), policies, st.sampled_from((700, 2300, 4300)), st.data())
@QUICK
def test_kernel_and_oracle_issue_the_same_commands(row_buffers: int, shortcuts: bool, policy: ContendPolicy, until: int,
                                                   data: st.DataObject) -> None:
    requests, transactions = data.draw(memory_work(until)), data.draw(pim_work())
    stops = sorted({*data.draw(st.lists(st.integers(0, until - 1), max_size=2)), until})
    plan = ContendPlan(part(row_buffers, shortcuts), policy)
    oracle = Oracle(plan.compiled, policy)
    oracle.run(requests_from(requests), transactions_from(transactions[transactions[:, 1] <= until]), until)
    _, log, done = run_kernel(plan, requests, transactions, stops)
    assert on_bus(plan, log) == [entry[:5] for entry in oracle.log]
    answers = [tick for _, tick in sorted(oracle.answered.items())]
    assert {(int(kind), int(n)): int(tick) for n, kind, _, tick in done} == {
        **{(int(requests[n, 1]), n): tick for n, tick in oracle.done.items()},
        **{(2, n): tick for n, tick in enumerate(answers)},
    }


@given(st.sampled_from((1, 2)), policies, st.data())
@QUICK
def test_without_shortcuts_every_command_is_legal(row_buffers: int, policy: ContendPolicy, data: st.DataObject) -> None:
    requests, transactions = data.draw(memory_work(4300)), data.draw(pim_work())
    plan = ContendPlan(part(row_buffers, False), policy)
    _, log, _ = run_kernel(plan, requests, transactions, [4300])
    log = log[np.argsort(log[:, 0], kind="stable")]
    compiled = plan.compiled
    if policy.refresh == "none":
        compiled = compile_part(compiled.standard, compiled.organization, compiled.timing, compiled.tick_fs, refresh=False)
    rows = commandlog.from_kernel(log, compiled.command_names, compiled.organization, compiled.table.scope)
    assert check(compiled, rows).violations == ()


@given(st.sampled_from((1, 2)), policies, st.data())
@QUICK
def test_every_tick_is_charged_once_in_both_views(row_buffers: int, policy: ContendPolicy, data: st.DataObject) -> None:
    requests, transactions = data.draw(memory_work(2300)), data.draw(pim_work())
    channel, _, _ = run_kernel(ContendPlan(part(row_buffers, False), policy), requests, transactions, [2300])
    channel.settle(3000)
    assert {view: sum(ticks.values()) for view, ticks in channel.causes().items()} == {"pim": 3000, "memory": 3000}


@given(policies, st.data())
@QUICK
def test_no_request_and_no_transaction_is_left_behind(policy: ContendPolicy, data: st.DataObject) -> None:
    requests, transactions = data.draw(memory_work(2300)), data.draw(pim_work())
    channel = ContendedChannel(ContendPlan(part(2, False), policy))
    channel.send(requests[:, :5])
    for tick in sorted(set(transactions[:, 1].tolist())):
        channel.enqueue(transactions[transactions[:, 1] == tick], tick)
    channel.drain()
    counts = channel.counts()
    assert channel.idle
    assert counts.get("RD", 0) + channel.forwarded == int((requests[:, 1] == 0).sum())
    assert counts.get("WR", 0) == int(requests[:, 1].sum())
    assert counts.get("READRES", 0) == int((transactions[:, 0] == COMPUTE).sum())


def test_policies_name_everything_that_is_wrong() -> None:
    with pytest.raises(Exception, match="row_hit_cap") as error:
        ContendPolicy(row_hit_cap=0, arbiter="luck")  # type: ignore[arg-type]
    assert "arbiter" in str(error.value)
