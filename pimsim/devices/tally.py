"""What a stage has done, counted from the channels, and the laws that it must keep.

Counters of a lane count for each of its channels. A law that does not hold is an error of the program; one that a shortcut of the
authors' simulator breaks reads ``waived: <key>``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from pimsim.devices.stage import Member, OpRecord, StageRecord, StageWork
from pimsim.dram.controller.contend_channel import CAUSES
from pimsim.errors import SimulationError
from pimsim.kernels import contend_layout as at
from pimsim.mapping.neupims import Counts
from pimsim.units import ceil_div

if TYPE_CHECKING:
    from pimsim.devices.lane import Lane
    from pimsim.devices.neupims import NeuPimsDevice
    from pimsim.devices.npu import Work


WAIVED = {
    "bytes": ("truncated_stores", "no_kv_append", "no_attend_move_out"),
    "bound": ("free_last_composite",),
    "busy": ("fixed_block_latency",),
}
"""Laws, and the shortcuts that break them: with the first, not all bytes of the results are moved, whatever else holds."""


class Tally:
    """A stage of a device, from its begin on."""

    def __init__(self, device: NeuPimsDevice, begin: int):
        self.device, self.begin = device, begin
        self._total = np.zeros(0, np.int64)
        for lane in device.lanes:
            lane.base = self._counters(lane)

    def _counters(self, lane: Lane) -> np.ndarray:
        """Causes, commands, ticks with open rows, units read and written, reads that a write answered, one behind the other."""
        plan = self.device.plan
        return np.concatenate((lane.channel.state[plan.at_counters : plan.at_open], lane.channel.active_ticks().sum(axis=1), lane.units,
                               [lane.channel.forwarded]))  # fmt: skip

    def add(self, lane: Lane) -> None:
        """Count what a lane has done since it was counted last."""
        counters = self._counters(lane)
        change = (counters - lane.base) * len(lane.numbers)
        self._total = self._total + change if len(self._total) else change
        lane.base = counters

    def forwarded(self) -> int:
        """Units that the channels' write queues have answered."""
        counted = int(self._total[-1]) if len(self._total) else 0
        return counted + sum((lane.channel.forwarded - int(lane.base[-1])) * len(lane.numbers) for lane in self.device.lanes)

    def record(self, work: StageWork, ops: list[OpRecord], works: list[Work], end: int) -> StageRecord:
        """The stage as a whole.

        Raises:
            SimulationError: a law is broken.
        """
        device = self.device
        folded = self._folded()
        for lane in device.lanes:
            self.add(lane)
        total = self._total
        read, written = int(total[-3]), int(total[-2])
        causes, commands = self._named(total)
        expected = self._expected(work.pim)
        unit = device.geometry.unit_bytes
        npu_read, npu_written = (sum(getattr(w, name) for w in works) for name in ("units_read", "units_written"))
        all_ops = [self._bounded(op, w.forwarded) for op, w in zip(ops, works, strict=True)]
        all_ops += self._attention_ops(work.pim, (written - npu_written) * unit, unit)
        timing = device.plan.compiled.timing
        results = commands.get("READRES", 0)
        vector = sum(w.vector_cycles for w in works) + sum(
            lane.attention.vector_cycles * len(lane.numbers) for lane in device.lanes if lane.attention)
        busy = {
            "npu": device.clock.ticks(sum(w.busy_cycles for w in works)),
            "pim": commands.get("COMP", 0) * device.plan.compute_ticks,
            "vector": device.clock.ticks(vector),
            "bus": (commands.get("RD", 0) + commands.get("WR", 0) + results) * timing["BL"],
        }
        record = StageRecord(
            work.name, self.begin, end, tuple(all_ops), commands, causes, busy,
            active_ticks={"memory": int(total[-5]), "pim": int(total[-4])},
            bytes_read=(read + results) * unit, bytes_written=written * unit, folded=folded,
        )
        checks = self._checks(record, expected, (read, npu_read, int(total[-1])), work)
        return replace(record, checks=checks)

    def _named(self, total: np.ndarray) -> tuple[dict[str, dict[str, int]], dict[str, int]]:
        causes = {}
        for view, begin in (("pim", at.AT_PIM_CAUSES), ("memory", at.AT_MEMORY_CAUSES)):
            causes[view] = {name: int(n) for name, n in zip(CAUSES, total[begin : begin + len(CAUSES)], strict=True) if n}
        names = self.device.plan.compiled.command_names
        counts = total[at.AT_COMMANDS : at.AT_COMMANDS + len(names)]
        return causes, {name: int(n) for name, n in zip(names, counts, strict=True) if n}

    def _expected(self, members: Sequence[Member]) -> Counts:
        total = Counts()
        for member in members:
            total += self.device.layout.logit_counts(member.context) + self.device.layout.attend_counts(member.context)
        return total

    def _attention_ops(self, members: Sequence[Member], written: int, unit: int) -> list[OpRecord]:
        """q K^T with softmax, and P V, of all channels together."""
        lanes = [lane for lane in self.device.lanes if lane.attention]
        if not lanes:
            return []
        layout = self.device.layout
        score, attend = Counts(), Counts()
        for member in members:
            score += layout.logit_counts(member.context)
            attend += layout.attend_counts(member.context)
        elements = sum(lane.attention.elements * len(lane.numbers) for lane in lanes)
        result_bytes = layout.heads * layout.queries * layout.value_dim * self.device.spec.precision_bytes
        results = len(members) * ceil_div(result_bytes, unit) * unit
        results = min(results, written)
        ends = max(lane.attention.logits_end for lane in lanes), max(lane.attention.end for lane in lanes)
        return [
            OpRecord("score", "score", "pim", self.begin, ends[0], score.macs, score.composites * unit, written - results,
                     self._pim_bound(members, score), elements, score.composites * unit + written - results),
            OpRecord("attend", "attend", "pim", self.begin, ends[1], attend.macs, attend.composites * unit, results,
                     self._pim_bound(members, attend), 0, attend.composites * unit + results),
        ]

    def _pim_bound(self, members: Sequence[Member], counts: Counts) -> int:
        """Ticks for which the busiest channel's MAC units work at least: all channels share the MACs at best."""
        device = self.device
        channels = len({m.channel for m in members})
        peak = device.geometry.banks * device.layout.lanes * channels
        return ceil_div(counts.macs, peak) * device.plan.compute_ticks

    def _bounded(self, op: OpRecord, forwarded: int) -> OpRecord:
        """With its bound: MACs at their peak, or units on the pins; writes are done when the channels' queues have taken them."""
        device = self.device
        compute = device.clock.ticks(ceil_div(op.macs, device.spec.peak_macs_per_cycle))
        unit, channels = device.geometry.unit_bytes, device.geometry.channels
        writes = max(ceil_div(op.bytes_written // unit, channels) - self._queued(), 0)
        units = ceil_div(op.bytes_read // unit - forwarded, channels) + writes
        return replace(op, bound_ticks=max(compute, units * device.plan.compiled.timing["BL"]))

    def _queued(self) -> int:
        """Requests that a channel takes before it has served any."""
        policy = self.device.plan.policy
        return policy.write_queue + policy.bank_queue * self.device.geometry.banks

    def _folded(self) -> str:
        lanes, channels = len(self.device.lanes), self.device.geometry.channels
        return f"{channels} channels as {lanes}" if lanes < channels else ""

    def _checks(self, record: StageRecord, expected: Counts, read: tuple[int, int, int], work: StageWork) -> dict[str, bool | str]:
        device = self.device
        commands, span = record.commands, record.ticks * device.geometry.channels
        laws: dict[str, bool | str] = {
            "bytes": read[0] == read[1] and commands.get("RD", 0) == read[0] - read[2],
            "macs": all(ran.macs == op.macs for ran, op in zip(record.ops, work.npu, strict=False) if op.kind == "gemm"),
            "pim_commands": (commands.get("GWRITE", 0), commands.get("P_HEADER", 0), commands.get("READRES", 0), commands.get("COMP", 0))
            == (expected.fills, expected.headers, expected.composites, expected.computes),
            "causes": all(sum(causes.values()) == span for causes in record.causes.values()),
            "busy": record.busy_ticks["npu"] <= record.ticks * device.spec.arrays + device.spec.arrays
            and record.busy_ticks["bus"] <= span + device.geometry.channels * device.plan.compiled.timing["BL"],
            "order": all(record.begin_ticks <= op.begin_ticks <= op.end_ticks <= record.end_ticks for op in record.ops),
            "bound": all(op.bound_ticks <= op.end_ticks - op.begin_ticks for op in record.ops),
        }
        for law, keys in WAIVED.items():
            broken_by = [key for key in keys if key in device.keys]
            if broken_by and (law == "bytes" or not laws[law]):
                laws[law] = f"waived: {broken_by[0]}"
        broken = [law for law, holds in laws.items() if not holds]
        if broken:
            raise SimulationError(f"stage {record.name}: conservation of {', '.join(broken)} is broken")
        return laws
