"""What a run leaves behind: raw counts and ticks, from which results are derived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pimsim.devices.package import Segment
from pimsim.mapping.bound import bound_ticks
from pimsim.mapping.cache import splits, value_dim
from pimsim.mapping.count import Count, count
from pimsim.mapping.pim_gpt import PimGptMapping, category
from pimsim.mapping.task import TaskList
from pimsim.model.operator import Operator
from pimsim.model.trace import Block, Step

Progress = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


@dataclass
class Work:
    """What was asked for, summed over the operators of a category."""

    operators: int = 0
    macs: int = 0
    bytes_read: int = 0
    bytes_written: int = 0
    count: Count = field(default_factory=Count)
    bound_ticks: int = 0


@dataclass
class Recorder:
    """Observes a run segment by segment and sums up.

    Attributes:
        ticks: by category, the ticks by which its tasks moved the end of everything so far; they sum to the run's length.
        asic_ticks: by category, the ticks in which the ASIC computes.
        spill_bytes: bytes that the ASIC moved over its pins because they did not fit into its SRAM.
        backwards: tasks that ended before they began, or began before their segment.
        steps: (index, phase, context, begin, end) of every step.
    """

    mapping: PimGptMapping
    total_steps: int
    progress: Progress | None = None
    ticks: dict[str, int] = field(default_factory=dict)
    asic_ticks: dict[str, int] = field(default_factory=dict)
    spill_bytes: int = 0
    backwards: int = 0
    steps: list[tuple[int, str, int, int, int]] = field(default_factory=list)
    _work: dict[str, Work] = field(default_factory=dict)
    _repeats: dict[int, tuple[Operator, int]] = field(default_factory=dict)  # by identity, of operators that come again

    @property
    def work(self) -> dict[str, Work]:
        """What was asked for, by operator category."""
        for op, repeat in self._repeats.values():
            self._add(op, repeat)
        self._repeats.clear()
        return self._work

    def segment(self, step: Step, block: Block, tasks: TaskList, segment: Segment) -> None:
        """Add a segment."""
        moved = advance(segment).sum(axis=0).tolist()
        self.backwards += int(((segment.end < segment.begin) | (segment.begin < segment.start)).sum())
        for task, ticks in zip(tasks.tasks, moved, strict=True):
            self.ticks[task.category] = self.ticks.get(task.category, 0) + ticks
            if not task.programs:
                self.asic_ticks[task.category] = self.asic_ticks.get(task.category, 0) + task.duration * block.repeat
                self.spill_bytes += task.spill_bytes * block.repeat
        for index, op in enumerate(block.operators):
            if op.context:
                attention = op.kind in ("kv_append", "score", "attend")
                self._add(op, block.repeat, value_dim(block, index) if op.kind == "kv_append" else 0,
                          splits(block, index) if attention else 1)  # fmt: skip
            else:  # one object in every step
                known = self._repeats.get(id(op))
                self._repeats[id(op)] = (op, block.repeat + (known[1] if known else 0))

    def step(self, step: Step, begin_tick: int, end_tick: int) -> None:
        """Add a step."""
        self.steps.append((step.index, step.phase, step.context, begin_tick, end_tick))
        if self.progress is not None:
            self.progress(len(self.steps), self.total_steps)

    def _add(self, op: Operator, repeat: int, value_dim: int = 0, parts: int = 1) -> None:
        work = self._work.setdefault(category(op), Work())
        work.operators += repeat
        work.macs += op.macs * repeat
        work.bytes_read += op.bytes_read * repeat
        work.bytes_written += op.bytes_written * repeat
        work.bound_ticks += bound_ticks(self.mapping, op) * repeat
        counted = count(self.mapping.held(op), op, self.mapping.capacity, value_dim, parts)
        if counted.stored_bytes:
            work.count = work.count + counted.times(repeat)


def advance(segment: Segment) -> np.ndarray:
    """Ticks by which each task moved the end of everything so far, int64 [repeats, tasks]; they sum to the segment's length."""
    frontier = np.maximum.accumulate(np.maximum(segment.end.ravel(), segment.start))
    moved = frontier.copy()
    moved[0] -= segment.start
    moved[1:] -= frontier[:-1]
    return moved.reshape(segment.end.shape)
