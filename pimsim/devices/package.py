"""The memory package and its ASIC as one SimPy process that advances a segment of work at a time.

SimPy costs about a microsecond an event, a channel command about a hundredth of that: so the process asks the kernel for a
whole segment (all layers of a token, say) and yields once. What the kernel does in that call is event-driven too, on integers; between
segments, SimPy decides what comes next.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import simpy

from pimsim.dram.compile import Compiled, initial_state
from pimsim.kernels.channel import LOG_FIELDS
from pimsim.kernels.memo import Memo, make_memo
from pimsim.kernels.packed import counters
from pimsim.kernels.segment import CLASS, run_segment
from pimsim.kernels.table import CAUSES
from pimsim.mapping.program import ProgramLibrary
from pimsim.mapping.task import TaskArrays

MEMO_ENTRIES = 1 << 14
"""Remembered courses of programs; about 5 kB each."""


@dataclass(frozen=True, slots=True)
class Options:
    """How the package simulates; none of these changes a result.

    Attributes:
        postpone_ticks: by how much a refresh may be late (a property of the controller, not of the simulation).
        fast_forward: add iterations that repeat at once.
        fold: simulate identical work once: channels in equal states, and programs from states met before.
    """

    postpone_ticks: int = 0
    fast_forward: bool = True
    fold: bool = True


@dataclass(frozen=True, slots=True)
class Segment:
    """What one segment did.

    Attributes:
        start, stop: ticks between which it ran.
        begin, end: ticks of every task, int64 [repeats, tasks].
        log: its commands channel by channel, int64 [commands, LOG_FIELDS], if they were asked for. The last field is the task,
            counted on over the repeats. No command of a later segment comes before ``stop``.
    """

    start: int
    stop: int
    begin: np.ndarray
    end: np.ndarray
    log: np.ndarray | None


@dataclass
class PimPackage:
    """All channels of a PIM memory and the ASIC in front of them.

    Attributes:
        by_channel: int64 [channels, counters]: ticks by cause, commands by kind, ticks with a bank open.
        by_category: the same by what the work was for.
    """

    compiled: Compiled
    channels: int
    options: Options
    states: np.ndarray = field(init=False)
    slots: np.ndarray = field(init=False)
    by_channel: np.ndarray = field(init=False)
    by_category: np.ndarray = field(init=False)
    memo: Memo = field(init=False)
    now: int = field(init=False, default=0)

    def __post_init__(self) -> None:
        self.states = initial_state(self.compiled.table, self.channels)
        folds = self.options.fold
        self.slots = np.zeros(self.channels, np.int64) if folds else np.arange(self.channels, dtype=np.int64)
        width = counters(self.compiled.table)
        self.memo = make_memo(width.stop, width.stop - width.start, MEMO_ENTRIES if folds and self.compiled.table.ranks == 1 else 0)
        self._log_rows = 4096
        self.by_channel = np.zeros((self.channels, width.stop - width.start), np.int64)
        self.by_category = np.zeros((0, width.stop - width.start), np.int64)

    @property
    def folded_channels(self) -> int:
        """Channels that are not simulated by themselves at the moment."""
        return self.channels - len(set(self.slots.tolist()))

    def counts(self) -> dict[str, int]:
        """Commands issued on all channels, by name."""
        totals = self.by_channel[:, CAUSES : CAUSES + self.compiled.table.commands].sum(axis=0)
        return {n: int(c) for n, c in zip(self.compiled.command_names, totals, strict=True) if c}

    def execute(self, env: simpy.Environment, library: ProgramLibrary, work: TaskArrays, repeats: int, *,
                log: bool = False) -> Generator[simpy.Event, Any, Segment]:
        """Process: run a segment from now on; returns when its last task has ended.

        With ``log`` every command is kept, which takes simulating all programs, remembered or not.
        """
        segment = self._run(library, work, repeats, log)
        yield env.timeout(self.now * self.compiled.tick_fs - env.now)
        return segment

    def _run(self, library: ProgramLibrary, work: TaskArrays, repeats: int, log: bool) -> Segment:
        known = int(work.tasks[:, CLASS].max(initial=-1)) + 1
        if known > len(self.by_category):
            more = np.zeros((known - len(self.by_category), self.by_category.shape[1]), np.int64)
            self.by_category = np.concatenate([self.by_category, more])
        programs, program_begin = library.arrays()
        start = self.now
        begin, end = np.zeros((2, repeats, len(work.tasks)), np.int64)
        while True:
            saved = [a.copy() for a in (self.states, self.slots, self.by_channel, self.by_category)] if log else None
            rows = np.empty((self._log_rows if log else 0, LOG_FIELDS), np.int64)
            rows[:1] = 0
            stop = run_segment(
                self.compiled.packed, self.states, self.slots, programs, program_begin, work.tasks, work.programs,
                work.dependency_begin, work.dependencies, work.dependency_kind, repeats, start,
                self.options.postpone_ticks, self.options.fast_forward, self.options.fold, self.by_channel, self.by_category,
                begin, end, rows, self.memo)  # fmt: skip
            if saved is None or rows[0, 0] < len(rows):
                break
            # the log was too short: once more from the same state with one that is long enough
            self.states, self.slots, self.by_channel, self.by_category = saved
            self._log_rows = int(rows[0, 0]) + 1
        self.now = int(stop)
        return Segment(start, self.now, begin, end, rows[1 : rows[0, 0] + 1] if log else None)
