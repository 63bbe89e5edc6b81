"""Closed forms of what stages take: for choosing a unit, for telling iterations apart, and held against simulated times.

Matrices and vector operators as :mod:`pimsim.schedule.crossover` estimates them; attention in memory by the paper's constants, channel by
channel (:class:`pimsim.schedule.estimate.MhaEstimate`); attention on the NPU by the keys and values that it reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pimsim.devices.stage import NpuOp, OpRecord, StageRecord, StageWork
from pimsim.model.operator import Operator
from pimsim.npu.spec import NpuSpec
from pimsim.schedule.crossover import PASSES, NpuEstimate, VectorEstimate
from pimsim.schedule.estimate import MhaEstimate
from pimsim.schedule.event import Work


@dataclass(frozen=True)
class Estimates:
    """Estimates for one device.

    Attributes:
        queries: query heads that a key head serves. bandwidth_bytes_per_s: of all the memory's pins.
        kv_bytes_per_s: at which the NPU reads keys and values: of one channel where a request's lie in one, for requests come in turn.
        pim_macs_per_tick: peak of all banks' units; 0: there are none. latent: values are part of the keys.
    """

    npu: NpuSpec
    attention: MhaEstimate
    bandwidth_bytes_per_s: int
    kv_bytes_per_s: int
    tick_fs: int
    queries: int = 1
    pim_macs_per_tick: int = 0
    latent: bool = False

    def bound_ticks(self, record: StageRecord) -> int:
        """What a stage cannot take less than: its MACs over the peak of the unit that does them, its bytes over the pins'."""
        macs = {unit: sum(op.macs for op in record.ops if op.unit == unit) for unit in ("npu", "pim")}
        computed = macs["npu"] * 10**15 // (self.npu.peak_macs_per_cycle * self.npu.clock_hz * self.tick_fs)
        moved = (record.bytes_read + record.bytes_written) * 10**15 // (self.bandwidth_bytes_per_s * self.tick_fs)
        inside = macs["pim"] // self.pim_macs_per_tick if self.pim_macs_per_tick else 0
        return max(computed, inside, moved)

    def stage_ticks(self, work: StageWork) -> int:
        """The slower of NPU and memory."""
        npu = sum(self.operator_ticks(op) for op in work.npu)
        return max(npu, self.in_memory_ticks((member.channel, member.context) for member in work.pim))

    def operator_ticks(self, op: NpuOp) -> int:
        """An operator of the NPU."""
        if op.kind == "attention":
            return self.on_npu_ticks((member.tokens, member.context) for member in op.members)
        estimator = NpuEstimate(self.npu, self.bandwidth_bytes_per_s) if op.kind == "gemm" else VectorEstimate(self.npu)
        return estimator.estimate_fs(_operator(op, self.npu.precision_bytes)) // self.tick_fs

    def in_memory_ticks(self, members: Iterable[tuple[int, int]]) -> int:
        """Attention of (channel, context) in the memory: the channel with the most to do."""
        load: dict[int, int] = {}
        for channel, context in members:
            load[channel] = load.get(channel, 0) + self.queries * self.attention.cycles(context)
        return max(load.values(), default=0)

    def on_npu_ticks(self, members: Iterable[tuple[int, int]]) -> int:
        """Attention of (new tokens, context) on the NPU: the slower of its MACs and its reading of keys and values."""
        keys, values = (self.attention.heads * size for size in (self.attention.head_dim, self.attention.value_dim))
        width = keys + values
        macs = moved = 0
        for tokens, context in members:
            macs += tokens * context * width * self.queries
            moved += context * (keys if self.latent else width) * self.npu.precision_bytes
        fs = max(macs * 10**15 // (self.npu.peak_macs_per_cycle * self.npu.clock_hz), moved * 10**15 // self.kv_bytes_per_s)
        return fs // self.tick_fs

    def memory_is_quicker(self, batch: Sequence[Work]) -> bool:
        """Whether the attention of a batch takes less time in the memory than on the NPU."""
        memory = self.in_memory_ticks((work.kv.channel, work.context) for work in batch)
        return memory <= self.on_npu_ticks((work.tokens, work.context) for work in batch)

    def pairs(self, work: StageWork, record: StageRecord) -> list[tuple[str, int, int]]:
        """(class, estimate, simulated ticks) of everything in a stage that took time."""
        found = []
        by_name = {op.name: op for op in work.npu}
        for done in record.ops:
            if done.unit != "pim" and done.name in by_name:
                kind = by_name[done.name].kind
                name = kind if kind in ("gemm", "attention") else "vector"
                found.append((name, self.operator_ticks(by_name[done.name]), done.end_ticks - done.begin_ticks))
        inside = [op for op in record.ops if op.unit == "pim"]
        if work.pim and inside:
            estimate = self.in_memory_ticks((member.channel, member.context) for member in work.pim)
            found.append(("attention in memory", estimate, _last(inside) - min(op.begin_ticks for op in inside)))
        return [pair for pair in found if pair[2] > 0]


def _last(ops: Sequence[OpRecord]) -> int:
    return max(op.end_ticks for op in ops)


def _operator(op: NpuOp, precision: int) -> Operator:
    """The operator as the estimators of :mod:`pimsim.schedule.crossover` know it."""
    gemm = op.kind == "gemm"
    kind = "matvec" if gemm else op.kind if op.kind in PASSES else "add"
    read = (op.k * op.n + op.m * op.k) * precision if gemm else op.m * op.n * max(1, len(op.sources)) * precision
    return Operator(0, op.name, kind, "decode", 0, 0, op.n, op.k if gemm else 1, op.m, 0, 0, 0, 0, "fp16", "fp16", op.bias, read,
                    op.m * op.n * precision, op.macs, ())
