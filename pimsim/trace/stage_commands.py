"""The command log of a serving run, streamed to a file. A barrier ends a stage, so all of its commands come before those of the next."""

from __future__ import annotations

import numpy as np

from pimsim.dram.commandlog import from_kernel
from pimsim.dram.compile import Compiled
from pimsim.dram.table_file import RowWriter


class StageCommands:
    """Takes the commands of a device's channels as they come and writes those of the stages that are wanted, in order of time.

    Life cycle: the device is given :meth:`take`; whoever runs stages calls :meth:`end` after each. The writer is the caller's.
    """

    def __init__(self, compiled: Compiled, writer: RowWriter):
        self._compiled, self._writer = compiled, writer
        self._rows: list[np.ndarray] = []

    def take(self, rows: np.ndarray) -> None:
        """Commands of a channel, int64 [n, 7]."""
        self._rows.append(rows)

    def end(self, wanted: bool, tick: int) -> None:
        """A stage has ended at ``tick``: its commands are written or forgotten; commands behind it stay for the next."""
        if not self._rows:
            return
        rows = np.concatenate(self._rows)
        now = rows[:, 0] < tick
        self._rows = [rows[~now]]
        if wanted:
            mine = rows[now]
            mine = mine[np.lexsort((mine[:, 1], mine[:, 0]))]
            compiled = self._compiled
            self._writer.write(from_kernel(mine, compiled.command_names, compiled.organization, compiled.table.scope).rows)
