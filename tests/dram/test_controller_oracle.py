"""The kernel of the memory controller against the plain-Python controller, on random requests under every policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from functools import cache
from typing import Any, get_args, get_type_hints

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pimsim.config import load_dram
from pimsim.dram import commandlog
from pimsim.dram.checker import check
from pimsim.dram.compile import Compiled, compile_part
from pimsim.dram.controller.channel import Channel
from pimsim.dram.controller.oracle import Oracle
from pimsim.dram.controller.plan import make_plan, roles
from pimsim.dram.controller.policy import PRESETS, Policy
from pimsim.dram.spec import Organization
from pimsim.dram.standards import always_clocked, standard
from pimsim.errors import InputError

Trace = list[tuple[int, int, int, int, int]]

PARTS = {
    "GDDR6": "gddr6-8gb-x16-14000",
    "HBM2": "hbm2-4gb-2000",
    "HBM3": "hbm3-16gb-6400",
    "DDR4": "ddr4-8gb-x8-2400",
    "LPDDR5": "lpddr5-8gb-x16-6400",
    "DDR5": "ddr5-16gb-x16-6400",
    "GDDR6-dramsim3": "gddr6-8gb-x16-14000",
    "HBM2-dramsim3": "hbm2-4gb-2000",
    "DDR4-dramsim3": "ddr4-8gb-x8-2400",
}
RANKS = {"HBM2": (2, 1), "HBM3": (2, 2), "DDR4": (2, 1), "LPDDR5": (1, 1), "DDR5": (2, 1), "DDR4-dramsim3": (2, 1)}
"""Ranks and sids of the small parts; the others have one of each."""


@cache
def small_part(name: str) -> Compiled:
    """A part with the timing of a real one and few banks, so that requests meet; refreshes come often."""
    memory = load_dram(PARTS[name]).memory
    spec = standard(name)
    ranks, sids = RANKS.get(name, (1, 1))
    timing = dict(memory.timing_cycles)
    timing["tREFI"] = 4 * timing.get("tRFCab", timing.get("tRFC", 0)) + 1  # no multiple of the number of banks
    return compile_part(spec, Organization(ranks, sids, 2, 2, 8, 4, 32), timing, memory.tCK // spec.ticks_per_clock)


@st.composite
def policies(draw: st.DrawFn) -> Policy:
    """A preset with any of its keys changed."""
    hints = get_type_hints(Policy)
    numbers: dict[str, st.SearchStrategy[Any]] = {
        "read_queue": st.integers(1, 12), "write_queue": st.integers(1, 12), "waiting": st.integers(0, 3),
        "row_hit_cap": st.integers(0, 3), "postpone": st.integers(0, 8),
        "write_high": st.sampled_from([0.5, 0.8, 1.0]), "write_low": st.sampled_from([0.0, 0.2, 0.4]),
    }  # fmt: skip
    base = draw(st.sampled_from(sorted(PRESETS)))
    names = draw(st.sets(st.sampled_from([f.name for f in fields(Policy)]), max_size=8))
    changes = {}
    for name in sorted(names):
        choices = st.booleans() if hints[name] is bool else st.sampled_from(get_args(hints[name]) or (None,))
        changes[name] = draw(numbers.get(name, choices))
    unified = changes.get("queue", PRESETS[base].queue) == "unified"
    if not unified:
        changes |= {"waiting": 0, "order": "frfcfs", "order_same_column": False}
    return replace(PRESETS[base], **changes)


@st.composite
def traces(draw: st.DrawFn, banks: int) -> Trace:
    """Requests that crowd into few banks, rows and columns, in bursts with pauses between them."""
    pause = draw(st.sampled_from([0, 3, 40, 700]))
    request = st.tuples(
        st.one_of(st.just(0), st.integers(0, pause)), st.integers(0, 1), st.integers(0, banks - 1), st.integers(0, 2), st.integers(0, 3)
    )
    rows = draw(st.lists(request, min_size=1, max_size=60))
    times = np.cumsum([r[0] for r in rows]).tolist()
    return [(time, *r[1:]) for time, r in zip(times, rows, strict=True)]


def by_kernel(compiled: Compiled, policy: Policy, trace: Sequence[tuple[int, ...]]) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Commands (tick, command, bank, row, column), completions and row counts of the kernel."""
    commands, done = [np.zeros((0, 7), np.int64)], [np.zeros((0, 3), np.int64)]
    channel = Channel(make_plan(compiled, policy), commands=commands.append, completions=done.append)
    channel.send(np.array(trace, np.int64).reshape(-1, 5))
    channel.drain()
    return np.concatenate(commands), np.concatenate(done), list(channel.rows())


def possible(compiled: Compiled, policy: Policy) -> bool:
    """Whether the part has the commands that the policy needs."""
    try:
        roles(compiled, policy)
    except InputError:
        return False
    return True


def is_legal(compiled: Compiled, policy: Policy, commands: np.ndarray) -> bool:
    """Whether the checker finds nothing in a log."""
    spec = always_clocked(compiled.standard) if policy.data_clock == "always-on" else compiled.standard
    log = commandlog.from_kernel(commands, compiled.command_names, compiled.organization, compiled.table.scope)
    return check(replace(compiled, standard=spec), log).violations == ()


def agree(compiled: Compiled, policy: Policy, trace: Trace) -> None:
    """Kernel and oracle do the same; what they do is legal; every request is served."""
    commands, done, rows = by_kernel(compiled, policy, trace)
    oracle = Oracle(compiled, policy).run(trace)
    assert commands[:, [0, 2, 3, 4, 5]].tolist() == [list(c) for c in oracle.commands]
    assert sorted(done.tolist()) == sorted(list(c) for c in oracle.completions)
    assert rows == oracle.rows
    assert sorted(done[:, 0].tolist()) == list(range(len(trace)))
    assert is_legal(compiled, policy, commands)


def try_any_policy(name: str, data: st.DataObject) -> None:
    compiled = small_part(name)
    policy = data.draw(policies().filter(lambda p: possible(compiled, p)))
    agree(compiled, policy, data.draw(traces(compiled.organization.banks_per_channel)))


@pytest.mark.parametrize("name", PARTS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_kernel_does_what_the_oracle_does(name: str, data: st.DataObject) -> None:
    try_any_policy(name, data)


@pytest.mark.parametrize("name", PARTS)
@settings(max_examples=90, deadline=None)
@given(data=st.data())
def test_logs_are_legal(name: str, data: st.DataObject) -> None:
    """With those of the oracle's tests, more than a thousand random traces over all standards."""
    compiled = small_part(name)
    policy = data.draw(policies().filter(lambda p: possible(compiled, p)))
    trace = data.draw(traces(compiled.organization.banks_per_channel))
    commands, done, _ = by_kernel(compiled, policy, trace)
    assert is_legal(compiled, policy, commands)
    assert sorted(done[:, 0].tolist()) == list(range(len(trace)))


@pytest.mark.slow
@pytest.mark.parametrize("name", PARTS)
@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_kernel_does_what_the_oracle_does_on_many_traces(name: str, data: st.DataObject) -> None:
    try_any_policy(name, data)


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", ["GDDR6", "HBM2", "HBM3", "LPDDR5", "DDR5"])
@settings(max_examples=5, deadline=None)
@given(data=st.data())
def test_every_preset_does_what_the_oracle_does(preset: str, name: str, data: st.DataObject) -> None:
    compiled = small_part(name)
    policy = PRESETS[preset]
    agree(compiled, policy, data.draw(traces(compiled.organization.banks_per_channel)))


@settings(max_examples=20, deadline=None)
@given(trace=traces(banks=4), cut=st.integers(0, 60))
@example(trace=[(0, 0, 0, 0, 0), (400, 0, 0, 1, 0)], cut=1)
def test_advancing_step_by_step_changes_nothing(trace: Trace, cut: int) -> None:
    """A channel that is told of requests only when they arrive does what one does that knows them all."""
    compiled = small_part("GDDR6")
    at_once, _, _ = by_kernel(compiled, Policy(), trace)
    rows: list[np.ndarray] = [np.zeros((0, 7), np.int64)]
    channel = Channel(make_plan(compiled, Policy()), commands=rows.append)
    for request in trace:
        channel.advance(request[0])
        channel.send(np.array([request], np.int64))
        if cut and request[0] % cut == 0:
            channel.work()
    channel.drain()
    assert np.array_equal(np.concatenate(rows), at_once)
