"""The yardstick of PIM papers: the same memory, read at the full rate of its pins by a processor that takes no time (Newton, MICRO 2020).

It moves weights, K and V and nothing else: activations stay where the arithmetic is. Refresh and row misses cost energy, not time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pimsim import units
from pimsim.baseline.footprint import footprint
from pimsim.baseline.work import Work, work
from pimsim.config.baseline import IdealConfig
from pimsim.errors import InputError, Problem
from pimsim.model.trace import Trace


@dataclass(frozen=True)
class Run:
    """A finished run: ``row_s``: seconds of each row of the table, all repeats; ``pass_s``: of each pass."""

    config: IdealConfig
    trace: Trace
    work: Work
    row_s: np.ndarray
    pass_s: np.ndarray

    @property
    def time_s(self) -> float:
        """Seconds from begin to end."""
        return float(self.pass_s.sum())

    @property
    def bytes(self) -> int:
        """Bytes over the pins."""
        return int((self.work.table.stored_bytes * self.work.table.repeat).sum())


def run(config: IdealConfig, trace: Trace) -> Run:
    """Run ``trace``.

    Raises:
        InputError: weights and KV cache do not fit into the memory.
    """
    most = footprint(trace).total_bytes
    room = config.memory.capacity_bytes
    if most > room:
        channels = units.ceil_div(most * config.memory.channels, room)
        raise InputError(Problem(f"weights and KV cache need {units.human_size(most)}, the memory has {units.human_size(room)}",
                                 f"at least {channels} channels", key="memory.channels"))  # fmt: skip
    done = work(trace, fuse=True)
    table = done.table
    moved = table.stored_bytes * table.repeat
    row_s = moved / config.memory.external_bytes_per_s
    return Run(config, trace, done, row_s, np.bincount(table.step, row_s, len(done.passes)))
