"""Commands of a run in order of time, although the simulation hands them over segment by segment and channel by channel."""

from __future__ import annotations

import numpy as np

from pimsim.devices.package import Segment
from pimsim.kernels.channel import LOG_FIELDS

TICK, CHANNEL, CODE, BANK, ROW, COLUMN, COUNT, TASK = range(LOG_FIELDS)


class Ordered:
    """Sorts commands by tick, then channel, holding back those that a later segment may still come before.

    A refresh that begins before a segment stops may end behind that, when the next segment's commands come.
    """

    def __init__(self) -> None:
        self._held = np.empty((0, LOG_FIELDS), np.int64)

    def add(self, segment: Segment) -> np.ndarray:
        """The commands that are next, int64 [commands, LOG_FIELDS]. The segment must have a log."""
        assert segment.log is not None
        rows = np.concatenate([self._held, segment.log])
        rows = rows[np.lexsort((rows[:, CHANNEL], rows[:, TICK]))]
        settled = int(np.searchsorted(rows[:, TICK], segment.stop))
        self._held = rows[settled:]
        return rows[:settled]

    def rest(self) -> np.ndarray:
        """What is still held back when no segment follows."""
        rows, self._held = self._held, self._held[:0]
        return rows
