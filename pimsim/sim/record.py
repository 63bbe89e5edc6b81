"""What a run leaves behind: raw counts and ticks, from which results are derived."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pimsim.devices.package import Segment
from pimsim.mapping.bound import bound_ticks
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


@dataclass(frozen=True, slots=True)
class TaskSpan:
    """A task as it ran, for timelines."""

    step: int
    layer: int
    operator: str
    category: str
    unit: str  # "memory" or "asic"
    begin: int
    end: int


@dataclass
class Recorder:
    """Observes a run segment by segment and sums up.

    Attributes:
        ticks: by category, the ticks by which its tasks moved the end of everything so far; they sum to the run's length.
        asic_busy: ticks in which the ASIC computes.
        steps: (index, context, begin, end) of every step.
        window: steps whose tasks are kept.
    """

    mapping: PimGptMapping
    categories: dict[str, int]
    total_steps: int
    progress: Progress | None = None
    window: range = range(0)
    ticks: dict[str, int] = field(default_factory=dict)
    asic_ticks: dict[str, int] = field(default_factory=dict)
    work: dict[str, Work] = field(default_factory=dict)
    steps: list[tuple[int, int, int, int]] = field(default_factory=list)
    spans: list[TaskSpan] = field(default_factory=list)
    logs: list[np.ndarray] = field(default_factory=list)
    frontier: int = 0

    def segment(self, step: Step, block: Block, tasks: TaskList, segment: Segment) -> None:
        """Add a segment."""
        ends = np.maximum.accumulate(np.maximum(segment.end.ravel(), self.frontier))
        moved = np.diff(ends, prepend=self.frontier).reshape(segment.end.shape).sum(axis=0)
        self.frontier = int(ends[-1])
        for number, task in enumerate(tasks.tasks):
            self.ticks[task.category] = self.ticks.get(task.category, 0) + int(moved[number])
            if not task.programs:
                self.asic_ticks[task.category] = self.asic_ticks.get(task.category, 0) + task.duration * block.repeat
        for op in block.operators:
            self._add(op, block.repeat)
        if step.index in self.window:
            self._keep(step, block, tasks, segment)
        if segment.log is not None:
            self.logs.append(segment.log)

    def step(self, step: Step, begin_tick: int, end_tick: int) -> None:
        """Add a step."""
        self.steps.append((step.index, step.context, begin_tick, end_tick))
        if self.progress is not None:
            self.progress(len(self.steps), self.total_steps)

    def _add(self, op: Operator, repeat: int) -> None:
        work = self.work.setdefault(category(op), Work())
        work.operators += repeat
        work.macs += op.macs * repeat
        work.bytes_read += op.bytes_read * repeat
        work.bytes_written += op.bytes_written * repeat
        work.bound_ticks += bound_ticks(self.mapping, op) * repeat
        counted = count(self.mapping.memory, op, self.mapping.capacity)
        if counted.stored_bytes:
            work.count = work.count + counted.times(repeat)

    def _keep(self, step: Step, block: Block, tasks: TaskList, segment: Segment) -> None:
        for repeat in range(block.repeat):
            layer = block.first_layer + repeat if block.first_layer >= 0 else -1
            for number, task in enumerate(tasks.tasks):
                self.spans.append(TaskSpan(
                    step.index, layer, block.operators[task.operator].name, task.category,
                    "memory" if task.programs else "asic", int(segment.begin[repeat, number]),
                    int(segment.end[repeat, number])))
