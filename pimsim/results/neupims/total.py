"""Everything that a serving run counted, put together: one device of each group, from its begin to its end."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from pimsim import units
from pimsim.devices.shared_channel import contend_plan
from pimsim.sim.serving.account import Account
from pimsim.sim.serving.run import Serving


@dataclass(frozen=True)
class Totals:
    """The counts of a run.

    Attributes:
        cycles: ticks from begin to end; of a part of a layer, the ticks of that part.
    """

    run: Serving

    @cached_property
    def cycles(self) -> int:
        """Ticks of the memory's clock from begin to end; of a block or a part of it, what it takes."""
        if self.run.workload.part != "all":
            return self.busy[("ticks",)]
        return -(-self.run.end_fs // self.run.tick_fs)

    @cached_property
    def busy(self) -> Account:
        """What happened in iterations, one device of each group, all groups together."""
        made = Account()
        for iteration in self.run.server.iterations:
            for passage in iteration.passages:
                made.merge(passage.account)
        return made

    @cached_property
    def all(self) -> Account:
        """What happened from begin to end; causes sum to the cycles of all channels of all groups."""
        made = Account()
        made.merge(self.busy)
        for group in self.run.groups:
            made.merge(group.rest)
        left = self.cycles * len(self.run.groups) - made[("ticks",)]
        refreshes, each = self._refreshes(left)
        made.add(("ticks",), left)
        made.add(("command", "REFab"), refreshes)
        for view in {name[1] for name in self.busy.counts if name[0] == "cause"}:
            made.add(("cause", view, "refresh"), refreshes * each)
            made.add(("cause", view, "idle"), left * self.channels - refreshes * each)
        return made

    def _refreshes(self, ticks: int) -> tuple[int, int]:
        """Refreshes of the ranks in ticks for which devices stood still because of an approximation, and the ticks of one."""
        config = self.run.config
        if not self.run.approximate or config.controller.refresh == "none":
            return 0, 0
        timing = contend_plan(config).compiled.timing
        return max(ticks, 0) * self.channels * config.memory.ranks // timing["tREFI"], timing["tRFCab"]

    @property
    def channels(self) -> int:
        """Channels of one device."""
        return self.run.config.memory.channels

    @property
    def device_cycles(self) -> int:
        """Cycles of one device of each group, together."""
        return self.cycles * len(self.run.groups)

    @property
    def time_s(self) -> float:
        """Simulated time."""
        return self.seconds(self.cycles)

    def seconds(self, ticks: int) -> float:
        """Seconds of so many ticks, rounded once."""
        return ticks * self.run.tick_fs / units.FS_PER_S

    @cached_property
    def tokens(self) -> int:
        """Tokens generated."""
        return sum(work.generates for iteration in self.run.server.iterations for work in iteration.run.work)

    @cached_property
    def commands(self) -> dict[str, int]:
        """Memory commands of one device of each group."""
        return self.all.under("command")
