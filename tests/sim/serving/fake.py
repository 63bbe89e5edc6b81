"""A device whose times can be counted in the head: a stage lasts a tick a new token and operator, and ten a request in memory.

Its stages keep the same laws as those of the real one: causes sum to the ticks of all channels, MACs are those of the operators.
"""

from pimsim.config import SystemConfig
from pimsim.devices.stage import OpRecord, StageRecord, StageWork
from pimsim.model.architecture import Architecture
from pimsim.schedule.setting import Space

CHANNELS = 32


class FakeDevice:
    """Simulates nothing."""

    tick_fs = 10**6

    def __init__(self, config: SystemConfig, part: Architecture, rows: int = 20_000, lasts: int = 1000):
        self.part, self.now_ticks, self.works, self.waits = part, 0, [], []
        self.lasts = lasts
        self.kv_space = Space(config.memory.channels, rows, 1000)
        self.channels = config.memory.channels

    def stage(self, work: StageWork) -> StageRecord:
        self.works.append(work)
        begin, ops = self.now_ticks, []
        at = begin
        for op in work.npu:
            macs = op.macs
            if op.kind == "attention":
                macs = sum(m.tokens * m.context for m in op.members) * 2 * self.part.heads * self.part.head_dim
            end = at + op.m * self.lasts + macs // 100_000
            ops.append(OpRecord(op.name, op.kind, "npu" if op.kind in ("gemm", "attention") else "vector", at, end, macs))
            at = end
        inside = begin
        if work.pim:
            load: dict[int, int] = {}
            for member in work.pim:
                load[member.channel] = load.get(member.channel, 0) + member.context
            inside = begin + 10 * self.lasts + 100 * max(load.values())
            macs = sum(m.context for m in work.pim) * 2 * self.part.heads * self.part.head_dim
            ops.append(OpRecord("attend", "attend", "pim", begin, inside, macs))
        self.now_ticks = max(at, inside)
        return self._record(work.name, begin, tuple(ops))

    def idle(self, until_ticks: int) -> StageRecord:
        begin = self.now_ticks
        self.now_ticks = max(until_ticks, begin)
        self.waits.append((begin, self.now_ticks))
        return self._record("", begin, ())

    def _record(self, name: str, begin: int, ops: tuple[OpRecord, ...]) -> StageRecord:
        ticks = self.now_ticks - begin
        whole = ticks * self.channels
        return StageRecord(name, begin, self.now_ticks, ops, {"RD": ticks}, {"pim": {"idle": whole}, "memory": {"read": whole}},
                           {"npu": ticks, "pim": ticks, "vector": 0, "bus": ticks}, {"memory": whole, "pim": 0})
