"""Segments: the kernel in every mode against the oracle, and what a segment promises, fact by fact."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pimsim.dram import commandlog
from pimsim.dram.checker import check
from pimsim.dram.compile import Compiled, initial_state
from pimsim.dram.spec import Cause
from pimsim.kernels.channel import LOG_FIELDS
from pimsim.kernels.memo import make_memo
from pimsim.kernels.packed import counters
from pimsim.kernels.segment import AFTER_END, ASIC, BEFORE, PIM, STREAMING, TASK_FIELDS, run_segment
from pimsim.kernels.table import CAUSES
from pimsim.pim.oracle import OracleChannel, OraclePackage, OracleTask

from .example import op, part_of, soon
from .random_program import ORGANIZATIONS, Row, describe, expand, loop, oracle_counters, parts, programs

PROFILE = settings(max_examples=220, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@dataclass(frozen=True)
class Mode:
    """How the kernel may save work."""

    fast: bool = False
    fold: bool = False
    remember: bool = False
    log: bool = True


MODES = (Mode(), Mode(fast=True), Mode(fold=True), Mode(fast=True, fold=True), Mode(remember=True, log=False),
         Mode(fast=True, fold=True, remember=True, log=False))  # fmt: skip


class KernelPackage:
    """Channels and an ASIC in the kernel, driven by the oracle's tasks."""

    def __init__(self, part: Compiled, channels: int, mode: Mode = MODES[0], *, postpone: int = 0) -> None:
        width = counters(part.table)
        remember = mode.remember and part.table.ranks == 1
        self.part, self.mode, self.postpone = part, mode, postpone
        self.states = initial_state(part.table, channels)
        self.slots = np.zeros(channels, np.int64) if mode.fold else np.arange(channels, dtype=np.int64)
        self.memo = make_memo(width.stop, width.stop - width.start, 12 if remember else 0)  # few, so that it is full at times
        self.log = np.zeros((400_000 if mode.log else 0, LOG_FIELDS), np.int64)
        self.by_channel = np.zeros((channels, width.stop - width.start), np.int64)
        self.by_class = np.zeros((2, width.stop - width.start), np.int64)
        self.now = 0
        self.begin = self.end = np.zeros((0, 0), np.int64)

    def run(self, tasks: Sequence[OracleTask], repeats: int, library: Sequence[list[Row]]) -> None:
        """Run a segment. Tasks of even numbers are of class 0, the others of class 1."""
        rows = np.zeros((len(tasks), TASK_FIELDS), np.int64)
        chosen = np.full((len(tasks), len(self.states)), -1, np.int64)
        starts, on, kinds = [0], [], []
        for k, task in enumerate(tasks):
            rows[k] = [PIM if task.programs else ASIC, k % 2, task.row, task.row_step, task.column, task.duration, task.first, task.tail]
            if task.programs:
                chosen[k] = [-1 if p is None else [q is p for q in library].index(True) for p in task.programs]
            on += [BEFORE if d < 0 else d for d in task.after] + list(task.streams)
            kinds += [AFTER_END] * len(task.after) + [STREAMING] * len(task.streams)
            starts.append(len(on))
        places = np.cumsum([0, *(len(p) for p in library)])
        everything = np.array([row for p in library for row in p], np.int64).reshape(-1, 8)
        self.begin, self.end = np.zeros((2, repeats, len(tasks)), np.int64)
        self.now = int(run_segment(
            self.part.packed, self.states, self.slots, everything, places, rows, chosen, np.array(starts), np.array(on, np.int64),
            np.array(kinds, np.int64), repeats, self.now, self.postpone, self.mode.fast, self.mode.fold, self.by_channel,
            self.by_class, self.begin, self.end, self.log, self.memo))  # fmt: skip


# ---------------------------------------------------------------------- against the oracle


@dataclass
class Case:
    """Segments, one after the other, on a few channels."""

    part: Compiled = field(repr=False)
    what: str
    channels: int
    postpone: int
    library: list[list[Row]]
    segments: list[tuple[list[OracleTask], int]]


@st.composite
def tasks_of(draw: st.DrawFn, channels: int, library: list[list[Row]]) -> list[OracleTask]:
    """Tasks of the channels (some with a program for all, some with different ones) and of the ASIC, with dependencies."""
    tasks: list[OracleTask] = []
    for number in range(draw(st.integers(1, 5))):
        earlier = list(range(number))
        order = dict(
            after=tuple(draw(st.lists(st.sampled_from([-1, *earlier]), max_size=2, unique=True))),
            streams=tuple(draw(st.lists(st.sampled_from(earlier), max_size=1))) if earlier else (),
            first=draw(st.integers(0, 60)), tail=draw(st.integers(0, 30)),
        )  # fmt: skip
        if draw(st.booleans()):
            tasks.append(OracleTask(duration=draw(st.integers(0, 400)), **order))
            continue
        pick = st.sampled_from([*library, None])
        shared = draw(pick)
        alike = draw(st.booleans())
        tasks.append(OracleTask(tuple(shared if alike else draw(pick) for _ in range(channels)),
                                duration=draw(st.sampled_from([0, 0, 100])), row=draw(st.integers(0, 3)),
                                row_step=draw(st.integers(0, 2)), column=draw(st.integers(0, 3)), **order))  # fmt: skip
    return tasks


@st.composite
def cases(draw: st.DrawFn) -> Case:
    part = draw(parts())
    channels = draw(st.integers(2, 4))
    library = [draw(programs(part, depth=1)) for _ in range(draw(st.integers(1, 3)))]
    segments = [(draw(tasks_of(channels, library)), draw(st.integers(1, 5))) for _ in range(draw(st.integers(1, 2)))]
    return Case(part, describe(part), channels, draw(st.sampled_from([0, 0, 50])), library, segments)


@given(cases())
@PROFILE
def test_oracle_and_kernel_agree_in_every_mode(case: Case) -> None:
    oracle = OraclePackage([OracleChannel(case.part, postpone=case.postpone, number=c) for c in range(case.channels)])
    kernels = [KernelPackage(case.part, case.channels, mode, postpone=case.postpone) for mode in MODES]
    for tasks, repeats in case.segments:
        oracle.run(tasks, repeats)
        log = [entry for channel in oracle.channels for entry in channel.log]
        expected = [oracle_counters(channel, oracle.now) for channel in oracle.channels]
        assert [sum(e[:CAUSES]) for e in expected] == [oracle.now] * case.channels
        for kernel in kernels:
            kernel.run(tasks, repeats, case.library)
            assert (kernel.now, kernel.begin.tolist(), kernel.end.tolist()) == (oracle.now, oracle.begin, oracle.end), kernel.mode
            assert kernel.by_channel.tolist() == expected, kernel.mode
            assert kernel.by_class.tolist() == kernels[0].by_class.tolist(), kernel.mode
            if kernel.mode.log:
                assert kernel.log[0, 0] < len(kernel.log), "the log is too short"
                assert sorted(expand(case.part, kernel.log), key=lambda entry: entry.channel) == log, kernel.mode
        assert kernels[0].by_class.sum(axis=0).tolist() == kernels[0].by_channel.sum(axis=0).tolist()


@given(cases())
@settings(PROFILE, max_examples=60)
def test_commands_are_legal_and_none_of_a_task_comes_before_it(case: Case) -> None:
    kernel = KernelPackage(case.part, case.channels, Mode(fast=True, fold=True), postpone=case.postpone)
    hidden = {case.part.command(name) for name in ("PREab", "REFab")}  # while the channel waits for the task
    seen = 0
    for tasks, repeats in case.segments:
        kernel.run(tasks, repeats, case.library)
        issued = expand(case.part, kernel.log)
        assert [e for e in issued[seen:] if e.tick < kernel.begin.flat[e.task] and e.code not in hidden] == []
        seen = len(issued)
    large = replace(case.part.organization, rows=4096, columns=4096)  # loops step beyond the part's rows and columns
    part = replace(case.part, organization=large)
    log = commandlog.from_kernel(kernel.log[1 : kernel.log[0, 0] + 1, :7], part.command_names, large, part.table.scope)
    broken = check(part, log, limit=50).violations
    assert [v for v in broken if v.rule != "refresh ahead"] == []  # programs refresh when they like


# ---------------------------------------------------------------------- facts


def both(part: Compiled, channels: int, tasks: Sequence[OracleTask], repeats: int = 1) -> KernelPackage:
    """The kernel after a segment that the oracle has run as well."""
    library: list[list[Row]] = []
    for program in (p for task in tasks for p in task.programs if p is not None):
        if not any(program is known for known in library):
            library.append(program)  # type: ignore[arg-type]
    kernel = KernelPackage(part, channels)
    kernel.run(tasks, repeats, library)
    oracle = OraclePackage([OracleChannel(part, number=c) for c in range(channels)])
    oracle.run(tasks, repeats)
    assert kernel.by_channel.tolist() == [oracle_counters(c, oracle.now) for c in oracle.channels]
    return kernel


def cause(kernel: KernelPackage, name: str, channel: int = 0) -> int:
    return int(kernel.by_channel[channel, Cause[name]])


def commands(kernel: KernelPackage, channel: int = 0) -> list[tuple[int, str]]:
    return [(e.tick, kernel.part.command_names[e.code]) for e in expand(kernel.part, kernel.log) if e.channel == channel]


def macs(part: Compiled, count: int = 1, row: int = 0) -> list[Row]:
    return [op(part, "MAC16", row=row, count=count)]


def test_a_task_ends_with_the_last_data_of_its_slowest_channel() -> None:
    part = part_of()
    short, long = macs(part, 2), macs(part, 9)
    kernel = both(part, 2, [OracleTask((short, long))])
    assert kernel.end.tolist() == [[24 + 8 * 2 + 2]]


def test_a_task_takes_at_least_its_duration() -> None:
    part = part_of()
    assert both(part, 1, [OracleTask((macs(part),), duration=500)]).end.tolist() == [[500]]


def test_the_pins_of_the_asic_serve_one_task_after_the_other() -> None:
    part = part_of()
    kernel = both(part, 1, [OracleTask((macs(part),), duration=500), OracleTask((macs(part, 2),), duration=300)])
    assert (kernel.begin.tolist(), kernel.end.tolist()) == ([[0, 0]], [[500, 800]])


def test_a_task_that_holds_no_pins_waits_for_none() -> None:
    part = part_of()
    kernel = both(part, 1, [OracleTask((macs(part),), duration=500), OracleTask((macs(part, 2),))])
    assert kernel.end[0, 1] < 500


def test_tasks_without_dependencies_overlap() -> None:
    part = part_of()
    kernel = both(part, 1, [OracleTask((macs(part),)), OracleTask(duration=70)])
    assert kernel.begin.tolist() == [[0, 0]]


def test_the_asic_takes_its_tasks_one_after_the_other() -> None:
    kernel = both(part_of(), 1, [OracleTask(duration=70), OracleTask(duration=30)])
    assert kernel.begin.tolist() == [[0, 70]]


def test_a_task_waits_for_the_repetition_before() -> None:
    kernel = both(part_of(), 1, [OracleTask(duration=70, after=(-1,))], repeats=3)
    assert kernel.begin[:, 0].tolist() == [0, 70, 140]


def test_a_streaming_task_begins_with_the_first_data_and_outlasts_the_last() -> None:
    part = part_of()
    kernel = both(part, 1, [OracleTask((macs(part, 64),), first=30), OracleTask(duration=50, streams=(0,), tail=7)])
    end = 24 + 63 * 2 + 2
    assert (kernel.begin.tolist(), kernel.end.tolist()) == ([[0, 30]], [[end, end + 7]])


def test_no_task_of_the_channels_begins_before_the_one_listed_before_it() -> None:
    part = part_of()
    program = macs(part)
    kernel = both(part, 2, [OracleTask(duration=400), OracleTask((program, None), after=(0,)), OracleTask((None, program))])
    assert kernel.begin.tolist() == [[0, 400, 400]]


def test_rows_step_from_repetition_to_repetition() -> None:
    part = part_of()
    kernel = both(part, 1, [OracleTask((macs(part, row=1),), after=(-1,), row=10, row_step=3)], repeats=3)
    assert [e.row for e in expand(part, kernel.log) if e.code == part.command("MAC16")] == [11, 14, 17]


def test_waiting_is_charged_to_the_asic_while_that_is_busy_and_else_to_idle() -> None:
    part = part_of()
    program = macs(part, 9)
    kernel = both(part, 2, [OracleTask((None, program)), OracleTask(duration=100, after=(0,)), OracleTask((program, None), after=(1,))])
    first = 24 + 8 * 2 + 2
    assert cause(kernel, "IDLE") == first
    assert cause(kernel, "ASIC") == 100
    assert cause(kernel, "ASIC", 1) == 100
    assert cause(kernel, "IDLE", 1) == first


def test_every_tick_of_every_channel_has_a_cause() -> None:
    part = part_of()
    program = macs(part, 9)
    kernel = both(part, 2, [OracleTask((None, program)), OracleTask(duration=100, after=(0,)), OracleTask((program, None))])
    assert kernel.by_channel[:, :CAUSES].sum(axis=1).tolist() == [kernel.now, kernel.now]


def test_a_refresh_hides_behind_a_wait() -> None:
    part = soon()
    program = macs(part)
    kernel = both(part, 1, [OracleTask((program,)), OracleTask(duration=165, after=(0,)), OracleTask((program,), after=(1,))])
    assert commands(kernel)[2:4] == [(100, "PREab"), (124, "REFab")]
    assert cause(kernel, "REFRESH") == 0


def test_a_hidden_refresh_costs_what_it_delays() -> None:
    part = soon()
    program = macs(part)
    kernel = both(part, 1, [OracleTask((program,)), OracleTask(duration=90, after=(0,)), OracleTask((program,), after=(1,))])
    assert kernel.begin.tolist() == [[0, 26, 116]]
    assert cause(kernel, "REFRESH") == 124 + 60 - 116


def test_a_refresh_at_the_end_of_a_segment_charges_nothing_beyond_it() -> None:
    part = soon()
    kernel = both(part, 1, [OracleTask((macs(part),)), OracleTask(duration=80, after=(0,))])
    assert kernel.now == 106
    assert commands(kernel)[2:] == [(100, "PREab"), (124, "REFab")]
    assert kernel.by_channel[0, :CAUSES].sum() == 106


def test_banks_closed_by_a_hidden_refresh_are_active_no_longer() -> None:
    part = soon()
    kernel = both(part, 1, [OracleTask((macs(part),)), OracleTask(duration=150, after=(0,))])
    assert kernel.by_channel[0, -1] == 100


def test_a_refresh_that_a_task_meets_does_not_begin_before_the_task() -> None:
    part = soon(CL=150)
    read, fill = [op(part, "RD")], [op(part, "WRGB", boundary=True)]  # the buffer waits for the data bus until 24 + CL + 5
    kernel = both(part, 1, [OracleTask((read,)), OracleTask(duration=84), OracleTask((fill,), after=(1,))])
    assert commands(kernel)[2:] == [(84, "PREab"), (108, "REFab"), (179, "WRGB")]


def test_hidden_refreshes_of_two_ranks_come_in_order_of_time() -> None:
    part = soon(ORGANIZATIONS[1])
    kernel = KernelPackage(part, 1)
    kernel.states[0, part.table.at_due + 1] = 150
    nothing: list[Row] = []
    kernel.run([OracleTask(duration=240), OracleTask((nothing,), after=(0,))], 1, [nothing])
    assert [(e.tick, e.bank) for e in expand(part, kernel.log)] == [(100, 0), (150, 16), (200, 0)]


# ---------------------------------------------------------------------- folding


def test_channels_with_the_same_program_are_simulated_once() -> None:
    part = part_of()
    program = macs(part)
    kernel = KernelPackage(part, 4, Mode(fold=True))
    kernel.run([OracleTask((program,) * 4)], 1, [program])
    assert len(set(kernel.slots.tolist())) == 1


def test_channels_part_where_their_programs_differ() -> None:
    part = part_of()
    one, other = macs(part), macs(part, 5)
    kernel = KernelPackage(part, 4, Mode(fold=True))
    kernel.run([OracleTask((one, other, one, None))], 1, [one, other])
    a, b, c, d = kernel.slots.tolist()
    assert a == c and len({a, b, d}) == 3


def test_channels_merge_once_their_states_are_the_same_again() -> None:
    part = part_of()
    one, other, after = [op(part, "RDMAC16")], [op(part, "RDMAC16", count=2)], macs(part)
    kernel = KernelPackage(part, 2, Mode(fold=True))
    kernel.run([OracleTask((one, other)), OracleTask(duration=500, after=(0,)), OracleTask((after, after), after=(1,))], 1,
               [one, other, after])
    assert len(set(kernel.slots.tolist())) == 1


@pytest.mark.parametrize("mode", MODES[2:4])
def test_a_folded_log_holds_the_commands_of_every_channel(mode: Mode) -> None:
    part = part_of()
    program = loop(6, macs(part), row_step=1)
    kernel = KernelPackage(part, 3, mode)
    kernel.run([OracleTask((program,) * 3)], 1, [program])
    assert [len(commands(kernel, c)) for c in range(3)] == [17, 17, 17]


def test_what_is_remembered_is_not_run_again() -> None:
    part = part_of()
    program = macs(part, 64)
    kernel = KernelPackage(part, 1, MODES[-1])
    kernel.run([OracleTask((program,), after=(-1,))], 50, [program])
    recalled, run = kernel.memo.counts[2:4].tolist()
    assert recalled + run == 50 and run <= 3
