"""The command log of a run, streamed to a file: never more than a segment of it in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from pimsim.devices.package import Segment
from pimsim.dram.commandlog import from_kernel
from pimsim.dram.compile import Compiled
from pimsim.dram.table_file import RowWriter
from pimsim.mapping.task import TaskList
from pimsim.model.trace import Block, Step
from pimsim.trace.order import Ordered
from pimsim.units import human

LARGE_BYTES = 10**9
"""Logs that will be larger than this are announced."""


class CommandRecorder:
    """An observer that writes every command of the steps that are logged.

    Life cycle: observes a run, then :meth:`finish`. The writer is the caller's, who closes it.
    """

    def __init__(self, compiled: Compiled, writer: RowWriter, steps: int, notify: Callable[[str], None] | None = None):
        """``steps``: how many will be logged; ``notify`` is told, once, if the log will be large."""
        self._compiled, self._writer, self._steps, self._notify = compiled, writer, steps, notify
        self._scopes = compiled.table.scope
        self._ordered = Ordered()
        self._seen = False
        self._told = False
        self.rows = 0

    def segment(self, step: Step, block: Block, tasks: TaskList, segment: Segment) -> None:
        """Write what a segment did, if it was logged."""
        if segment.log is not None:
            self._write(self._ordered.add(segment))
            self._seen = True

    def step(self, step: Step, begin_tick: int, end_tick: int) -> None:
        """After the first step that is logged: say how large the log will be."""
        if not self._seen or self._told:
            return
        self._told = True
        if self._notify is not None and self._writer.size * self._steps > LARGE_BYTES:
            self._notify(f"the command log will have about {self.rows * self._steps:.1e} rows, "
                         f"{human(self._writer.size * self._steps, 'B')} before compression")

    def finish(self) -> None:
        """Write what was held back."""
        self._write(self._ordered.rest())

    def _write(self, rows: np.ndarray) -> None:
        self._writer.write(from_kernel(rows, self._compiled.command_names, self._compiled.organization, self._scopes).rows)
        self.rows += len(rows)
