"""Cycles of the NPU and ticks of the memory, which need not be the same: durations are rounded up when they change sides."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import gcd

import numpy as np

FS_PER_S = 10**15


@dataclass(frozen=True)
class NpuClock:
    """``tick_fs``: of the memory. ``clock_hz``: of the NPU."""

    tick_fs: int
    clock_hz: int

    @cached_property
    def ratio(self) -> tuple[int, int]:
        """Cycles a tick, as a fraction."""
        cycles, per = self.tick_fs * self.clock_hz, FS_PER_S
        common = gcd(cycles, per)
        return cycles // common, per // common

    def ticks(self, cycles: int) -> int:
        """Ticks that so many cycles take."""
        cycles_a_tick, per = self.ratio
        return -(-cycles * per // cycles_a_tick)

    def cycle(self, tick: int) -> int:
        """The first cycle that begins at or after a tick."""
        cycles_a_tick, per = self.ratio
        return -(-tick * cycles_a_tick // per)

    def cycles(self, ticks: np.ndarray) -> np.ndarray:
        """The same for each tick."""
        cycles_a_tick, per = self.ratio
        return ticks if cycles_a_tick == per else -(-ticks * cycles_a_tick // per)
