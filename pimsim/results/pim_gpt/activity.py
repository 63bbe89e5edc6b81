"""What the units did over time: the table ``activity``, one row a token step."""

from __future__ import annotations

import numpy as np

from pimsim import units
from pimsim.devices.package import Segment
from pimsim.dram.spec import Effect
from pimsim.kernels.table import CAUSES
from pimsim.mapping.task import TaskList
from pimsim.model.trace import Block, Step
from pimsim.results.pim_gpt.energy import OVER_PINS
from pimsim.results.result import Row
from pimsim.sim.pim_gpt import PimGptSystem


class ActivityRecorder:
    """An observer that reads the package's counters whenever a step has ended.

    Life cycle: observes a run, then :meth:`rows`.
    """

    def __init__(self, system: PimGptSystem):
        self._system = system
        memory, commands = system.config.memory, system.compiled.standard.commands
        inside = {Effect.COMPUTE: memory.banks, Effect.READ: 1, Effect.WRITE: 1}
        self._inside = np.array([memory.column_bytes * inside.get(c.effect, 0) for c in commands], np.int64)
        self._outside = np.array([memory.column_bytes * (c.effect in OVER_PINS) for c in commands], np.int64)
        self._busy = np.array([c.effect is Effect.COMPUTE for c in commands], np.int64) * (
            system.compiled.timing["tMAC"] * system.compiled.standard.ticks_per_clock)
        self._before = np.zeros(len(commands), np.int64)
        self._asic = self._spilled = 0
        self._rows: list[Row] = []

    def segment(self, step: Step, block: Block, tasks: TaskList, segment: Segment) -> None:
        """Add up what the ASIC computes and spills."""
        self._spilled += block.repeat * sum(task.spill_bytes for task in tasks.tasks)
        self._asic += block.repeat * sum(task.duration for task in tasks.tasks if not task.programs)

    def step(self, step: Step, begin_tick: int, end_tick: int) -> None:
        """Add a row: what was counted since the last one."""
        package, tick_s = self._system.package, self._system.compiled.tick_fs / units.FS_PER_S
        counted = package.by_channel[:, CAUSES : CAUSES + len(self._before)].sum(axis=0)
        issued, self._before = counted - self._before, counted
        ticks = end_tick - begin_tick
        self._rows.append({
            "begin_s": begin_tick * tick_s, "length_s": ticks * tick_s,
            "pim_utilisation": int(issued @ self._busy) / (ticks * package.channels), "asic_utilisation": self._asic / ticks,
            "internal_bytes_per_s": int(issued @ self._inside) / (ticks * tick_s),
            "external_bytes_per_s": (int(issued @ self._outside) + self._spilled) / (ticks * tick_s),
        })  # fmt: skip
        self._asic = self._spilled = 0

    def rows(self) -> list[Row]:
        """Rows of the table ``activity``: begin and length of a step, utilisation of the units, bytes a second."""
        return self._rows
