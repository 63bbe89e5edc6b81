"""A matrix product by itself on a system's NPU and memory: what ``pimsim micro SYSTEM gemm`` measures."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pimsim import units
from pimsim.config.system import SystemConfig
from pimsim.devices.neupims import NeuPimsDevice
from pimsim.devices.stage import NpuOp, StageRecord, StageWork
from pimsim.dram import commandlog
from pimsim.dram.compile import Compiled
from pimsim.errors import InputError, Problem
from pimsim.model.architecture import Architecture
from pimsim.npu.gemm import compute_only

MOST_BYTES = 4 << 30

DEVICE = Architecture(name="gpt3-7b, a quarter", family="gpt2", layers=1, hidden=4096, heads=8, kv_heads=8, head_dim=128, ffn=4096,
                      vocab=50257, max_position=2048)
"""What the device holds besides: a layer of GPT3-7B on one of four devices, as in the reference runs."""


@dataclass(frozen=True, slots=True)
class Gemm:
    """[m x k] x [k x n] with a bias: activations and weights in memory before, the result afterwards.

    Raises:
        InputError: a number that is too small, or operands that are too large.
    """

    m: int
    k: int
    n: int

    def __post_init__(self) -> None:
        numbers = {"--m": self.m, "--k": self.k, "--n": self.n}
        problems = [Problem(f"{value} is too few", "at least 1", key=key) for key, value in numbers.items() if value < 1]
        if not problems and 2 * (self.m * self.k + self.k * self.n + self.m * self.n) > MOST_BYTES:
            problems.append(Problem(f"operands of {self.m} x {self.k} x {self.n} are too large", units.human_size(MOST_BYTES), key="--m"))
        if problems:
            raise InputError(problems)


@dataclass(frozen=True)
class GemmRun:
    """What a matrix product did, and what it would take if all operands were in the scratchpad.

    ``log``: commands of all channels as the kernel has them; None: they were not asked for.
    """

    config: SystemConfig
    gemm: Gemm
    record: StageRecord
    compute_cycles: int
    tick_fs: int
    peak: int
    compiled: Compiled
    wall_s: float
    cpu_s: float
    log: np.ndarray | None = None

    def write_log(self, path: str | Path) -> None:
        """Write the commands of all channels, up to the last result, as a command log."""
        rows = self.log if self.log is not None else np.zeros((0, 7), np.int64)
        compiled = self.compiled
        commandlog.write(path, commandlog.from_kernel(rows, compiled.command_names, compiled.organization, compiled.table.scope))

    def facts(self) -> dict[str, Any]:
        """What ``pimsim micro SYSTEM gemm --json`` prints."""
        record, op = self.record, self.record.ops[0]
        return {
            "m": self.gemm.m,
            "k": self.gemm.k,
            "n": self.gemm.n,
            "compat": [key for key, on in self.config.compat.items() if on],
            "cycles": record.ticks,
            "time_s": record.ticks * self.tick_fs / units.FS_PER_S,
            "compute_only_cycles": self.compute_cycles,
            "bound_cycles": op.bound_ticks,
            "macs": op.macs,
            "macs_per_cycle": op.macs / record.ticks,
            "peak_macs_per_cycle": self.peak,
            "bytes_read": record.bytes_read,
            "bytes_written": record.bytes_written,
            "counts": record.commands,
            "cycles_by_cause": record.causes,
            "checks": record.checks,
            "folded": [record.folded] if record.folded else [],
            "host": {
                "wall_s": self.wall_s,
                "cpu_s": self.cpu_s,
                "commands_per_s": sum(record.commands.values()) / self.wall_s,
                "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            },
        }


def run_gemm(config: SystemConfig, gemm: Gemm, *, fold: bool = True, log: bool = False) -> GemmRun:
    """Run a matrix product on an idle device. ``log``: keep the commands of all channels.

    Raises:
        InputError: the system has no NPU, or cannot run it.
    """
    rows: list[np.ndarray] = []
    device = NeuPimsDevice(config, DEVICE, fold=fold, commands=rows.append if log else None)
    wall, cpu = time.perf_counter(), time.process_time()
    op = NpuOp("gemm", "gemm", gemm.m, gemm.n, gemm.k, "weights", True, ("activations",), "result")
    record = device.stage(StageWork("gemm", (op,)))
    host = time.perf_counter() - wall, time.process_time() - cpu
    compute = device.clock.ticks(compute_only(device.npu.spec, gemm.m, gemm.k, gemm.n).cycles)
    return GemmRun(config, gemm, record, compute, device.tick_fs, device.spec.peak_macs_per_cycle, device.plan.compiled, *host,
                   _in_order(rows, record.end_ticks) if log else None)


def _in_order(rows: list[np.ndarray], end_ticks: int) -> np.ndarray:
    """Commands of all channels before ``end_ticks``, by time and channel."""
    every = np.concatenate(rows)
    every = every[every[:, 0] < end_ticks]
    return every[np.lexsort((every[:, 1], every[:, 0]))]
