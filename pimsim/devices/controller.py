"""The controller: a SimPy process that takes a decoder's steps in order and hands each block to the package."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import simpy

from pimsim.devices.package import PimPackage, Segment
from pimsim.mapping.pim_gpt import PimGptMapping
from pimsim.mapping.task import TaskList
from pimsim.model.trace import Block, Step, Trace


class Observer(Protocol):
    """Whoever wants to know what happened, segment by segment."""

    def segment(self, step: Step, block: Block, tasks: TaskList, segment: Segment) -> None:
        """A block of a step has been run."""

    def step(self, step: Step, begin_tick: int, end_tick: int) -> None:
        """A whole step has been run."""


@dataclass
class Controller:
    """Runs a trace on a package: a step begins when the one before it has ended, since each token needs the last.

    ``logged``: positions in the trace of the steps whose every command the observers are shown.
    """

    package: PimPackage
    mapping: PimGptMapping
    trace: Trace
    observers: Sequence[Observer]
    categories: dict[str, int]
    logged: range = range(0)

    def process(self, env: simpy.Environment) -> Generator[simpy.Event, Any, None]:
        """Process: the whole run."""
        for number, step in enumerate(self.trace.steps):
            begin = self.package.now
            for block in step.blocks:
                tasks = self.mapping.tasks(block, step)
                work = tasks.arrays(self.categories)
                segment = yield env.process(self.package.execute(env, self.mapping.library, work, block.repeat,
                                                                 log=number in self.logged))  # fmt: skip
                for observer in self.observers:
                    observer.segment(step, block, tasks, segment)
            for observer in self.observers:
                observer.step(step, begin, self.package.now)
