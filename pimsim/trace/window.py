"""A window of token steps: its commands are shown to an observer, those of other steps are not."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pimsim.devices.controller import Observer
from pimsim.devices.package import Segment
from pimsim.mapping.task import TaskList
from pimsim.model.trace import Block, Step


@dataclass
class Windowed:
    """Passes on what an observer is shown, without the commands of steps outside ``window`` (positions in the trace)."""

    observer: Observer
    window: range
    position: int = 0

    def segment(self, step: Step, block: Block, tasks: TaskList, segment: Segment) -> None:
        """Pass a segment on."""
        if self.position not in self.window:
            segment = replace(segment, log=None)
        self.observer.segment(step, block, tasks, segment)

    def step(self, step: Step, begin_tick: int, end_tick: int) -> None:
        """Pass a step on."""
        self.observer.step(step, begin_tick, end_tick)
        self.position += 1
