"""Runs of one device of a NeuPIMs system that figures are taken from: attention, a decoder block, stage C of equal requests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pimsim.config import load_system
from pimsim.devices.neupims import NeuPimsDevice
from pimsim.devices.stage import LayerRows, Member, StageRecord, StageWork, decoder_stage_ops
from pimsim.model.importer import load_architecture
from pimsim.schedule.kv import KvSpace, Ranges
from pimsim.schedule.parallel import Parallel, device_part
from pimsim.schedule.setting import kv_layout
from pimsim.sim.stage import Gemm, run_gemm

MODEL, DEVICES = "gpt3-7b", 4


@dataclass(frozen=True, slots=True)
class Case:
    """What is run: ``part`` ``gemm`` of [m x k] x [k x n]; ``attention``, ``block`` or ``stage-c`` of equal requests."""

    system: str
    part: str
    overrides: tuple[str, ...] = ()
    shape: tuple[int, int, int] = (0, 0, 0)
    batch: int = 0
    context: int = 0
    channels: int = 32

    @property
    def command(self) -> str:
        """A command line that prints the same cycles; stage C is one of the stages that are printed."""
        settings = "".join(f" --set {text}" for text in self.overrides)
        if self.part == "gemm":
            m, k, n = self.shape
            return f"pimsim micro {self.system} gemm --m {m} --k {k} --n {n}{settings}"
        part = " --set scheduler.sub_batches=on" if self.part == "stage-c" else f" --set workload.part={self.part}"
        return (f"pimsim run {self.system} gpt3-7b-block --set workload.batch={self.batch}"
                f" --set workload.prompt_tokens={self.context}{part}{settings}")  # fmt: skip


def cycles(case: Case) -> int:
    """Memory cycles that a case takes."""
    if case.part == "gemm":
        return run_gemm(load_system(case.system, case.overrides), Gemm(*case.shape)).record.ticks
    device = make_device(case.system, case.overrides)
    if case.part == "stage-c":
        # the first half of each channel's requests is with the NPU, the second with the memory
        half = case.batch // 2
        members = equal_members(device, half, case.context, case.channels), equal_members(device, half, case.context, case.channels, half)
        return stage_c(device, *members).ticks
    members_ = equal_members(device, case.batch, case.context, case.channels)
    if case.part == "attention":
        return attention(device, members_).ticks
    return sum(record.ticks for record in block(device, members_))


def make_device(system: str, overrides: Sequence[str] = (), *, fold: bool = True, model: str = MODEL) -> NeuPimsDevice:
    """One of four devices of a model, with the weights of one layer."""
    part = replace(device_part(load_architecture(model), Parallel(DEVICES)), layers=1)
    return NeuPimsDevice(load_system(system, overrides), part, fold=fold)


def equal_members(device: NeuPimsDevice, batch: int, context: int, channels: int, first: int = 0) -> list[Member]:
    """``batch`` requests of ``context`` tokens, on so many channels in turn; ``first``: requests that are there already."""
    return members(device, [(context, number % channels) for number in range(first + batch)])[first:]


def members(device: NeuPimsDevice, requests: Sequence[tuple[int, int]]) -> list[Member]:
    """Requests given as (context, channel), with rows of their channels."""
    space, part = device.kv_space, device.part
    layout = kv_layout(replace(part, layers=1), space)
    kv = KvSpace.empty(layout, space.channels, space.rows, space.first_row)
    out = []
    for number, (context, channel) in enumerate(requests):
        grown = kv.allocate(channel, context)
        assert grown is not None
        kv, held = grown
        out.append(Member(number, channel, context, LayerRows(_rows(held.k), _rows(held.v))))
    return out


def _rows(ranges: Ranges) -> np.ndarray:
    return np.concatenate([np.zeros(0, np.int64), *(np.arange(first, first + count, dtype=np.int64) for first, count in ranges)])


def attention(device: NeuPimsDevice, batch: Sequence[Member]) -> StageRecord:
    """Attention by itself, where the system has it."""
    if device.attention_in_memory:
        return device.stage(StageWork("B", (), tuple(batch)))
    return device.stage(StageWork("B", decoder_stage_ops(device.part, batch, "attention")))


def block(device: NeuPimsDevice, batch: Sequence[Member]) -> list[StageRecord]:
    """A layer of one batch: stages A, B and E."""
    return [
        device.stage(StageWork("A", decoder_stage_ops(device.part, batch, "qkv"))),
        attention(device, batch),
        device.stage(StageWork("E", decoder_stage_ops(device.part, batch, "ffn"))),
    ]


def stage_c(device: NeuPimsDevice, first: Sequence[Member], second: Sequence[Member]) -> StageRecord:
    """The NPU with one half batch from projection to q, k, v of the next layer, the memory with the attention of the other."""
    ops = (*decoder_stage_ops(device.part, first, "ffn", batch="1"), *decoder_stage_ops(device.part, first, "qkv", batch="1"))
    return device.stage(StageWork("C", ops, tuple(second)))
