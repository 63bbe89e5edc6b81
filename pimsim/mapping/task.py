"""Tasks: what operators become. A task is work for the memory channels (a program for each) or for the ASIC (a duration)."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from pimsim.kernels.segment import AFTER_END, ASIC, BEFORE, PIM, STREAMING, TASK_FIELDS


@dataclass(frozen=True, slots=True)
class Task:
    """One task of a segment.

    Attributes:
        operator: index of the operator in its block that the task belongs to.
        category: what it is reported as (qkv, score, softmax, k_append ...).
        programs: one program number a channel, -1 for none; empty for a task of the ASIC.
        row, row_step, column: where its programs begin, and how far apart the layers lie.
        duration: ticks of the ASIC; for a task of the memory those for which its operands and results hold the ASIC's pins.
        spill_bytes: what of its work moves over the ASIC's pins because it does not fit into SRAM.
        first, tail: ticks to its first output, and from its last streamed input to its end.
        after, streams: tasks whose end, or whose first output, it waits for.
    """

    operator: int
    category: str
    programs: tuple[int, ...] = ()
    row: int = 0
    row_step: int = 0
    column: int = 0
    duration: int = 0
    spill_bytes: int = 0
    first: int = 0
    tail: int = 0
    after: tuple[int, ...] = ()
    streams: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class TaskArrays:
    """Tasks as the kernel takes them (``pimsim.kernels.segment.run_segment``)."""

    tasks: np.ndarray
    programs: np.ndarray
    dependency_begin: np.ndarray
    dependencies: np.ndarray
    dependency_kind: np.ndarray


@dataclass
class TaskList:
    """The tasks of a block, in the order in which each resource takes them.

    ``serial`` makes every task wait for all before it (PIM-GPT: the next instruction only when ASIC and memory are idle).
    """

    channels: int
    serial: bool
    tasks: list[Task] = field(default_factory=list)

    def add(self, task: Task) -> int:
        """Append a task; returns its number."""
        self.tasks.append(task)
        return len(self.tasks) - 1

    def arrays(self, categories: dict[str, int]) -> TaskArrays:
        """The tasks as arrays; new categories are numbered as they come."""
        rows: list[tuple[int, ...]] = []
        none = (-1,) * self.channels
        begin = [0]
        on: list[int] = []
        kinds: list[int] = []
        for number, task in enumerate(self.tasks):
            kind = PIM if task.programs else ASIC
            category = categories.setdefault(task.category, len(categories))
            rows.append((kind, category, task.row, task.row_step, task.column, task.duration, task.first, task.tail))
            if self.serial:
                on.append(number - 1 if number else BEFORE)
                kinds.append(AFTER_END)
            else:
                on += task.after
                on += task.streams
                kinds += [AFTER_END] * len(task.after) + [STREAMING] * len(task.streams)
            begin.append(len(on))
        return TaskArrays(
            np.array(rows, np.int64).reshape(-1, TASK_FIELDS),
            np.array([task.programs or none for task in self.tasks], np.int64).reshape(-1, self.channels),
            np.array(begin, np.int64),
            np.array(on, np.int64),
            np.array(kinds, np.int64),
        )
