"""Matrix-vector products of attention, measured on one channel that memory traffic and PIM share."""

from __future__ import annotations

import resource
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pimsim import units
from pimsim.config.system import SystemConfig
from pimsim.devices.shared_channel import contend_plan, kv_layout
from pimsim.dram import commandlog
from pimsim.dram.controller.contend_channel import ContendedChannel
from pimsim.errors import InputError, Problem, SimulationError
from pimsim.kernels import contend_layout as at
from pimsim.mapping.neupims import Counts, NeuPimsLayout

FIRST_ROW = 100
"""First row of a micro-benchmark's operands, as in the reference runs."""

FIRST_READ_ROW = 2000
"""First row of the reads beside them, as in the reference runs."""


@dataclass(frozen=True, slots=True)
class Gemv:
    """A GEMV micro-benchmark: each channel serves ``requests`` requests, each q K^T (``logit``), P V (``attend``) or ``both``.

    Attributes:
        context: tokens attended to.
        reads: sequential reads beside them in every channel, one a tick: all columns of a row, then the next bank.

    Raises:
        InputError: a number that is too small.
    """

    op: str
    context: int
    heads: int
    head_dim: int
    requests: int = 1
    channels: int = 1
    reads: int = 0

    def __post_init__(self) -> None:
        numbers = {"--context": self.context, "--heads": self.heads, "--head-dim": self.head_dim,
                   "--requests-per-channel": self.requests, "--channels": self.channels}
        problems = [Problem(f"{value} is too few", "at least 1", key=key) for key, value in numbers.items() if value < 1]
        if self.reads < 0:
            problems.append(Problem(f"{self.reads} is too few", "at least 0", key="--reads"))
        if problems:
            raise InputError(problems)

    def program(self, layout: NeuPimsLayout) -> np.ndarray:
        """The PIM transactions of one channel. All requests use the same rows: what counts is that a request's differ."""
        parts = []
        if self.op in ("logit", "both"):
            parts.append(layout.logit(self.context, FIRST_ROW))
        if self.op in ("attend", "both"):
            parts.append(layout.attend(self.context, FIRST_ROW))
        return np.concatenate(parts * self.requests)

    def counts(self, layout: NeuPimsLayout) -> Counts:
        """What one channel does, as a closed form."""
        total = Counts()
        if self.op in ("logit", "both"):
            total += layout.logit_counts(self.context)
        if self.op in ("attend", "both"):
            total += layout.attend_counts(self.context)
        return Counts(*(getattr(total, f) * self.requests for f in Counts.__slots__))

    def traffic(self, banks: int, columns: int) -> np.ndarray:
        """The reads of one channel, int64 [n, 5]: arrival, 0, flat bank, row, column."""
        i = np.arange(self.reads, dtype=np.int64)
        place = i // columns
        return np.stack([i, 0 * i, place % banks, FIRST_READ_ROW + place // banks, i % columns], axis=1)


@dataclass(frozen=True)
class GemvRun:
    """What a GEMV micro-benchmark did: one of its equal channels, and the cycles to the last answer and to the last read."""

    config: SystemConfig
    gemv: Gemv
    channel: ContendedChannel
    cycles: int
    read_cycles: int
    log: np.ndarray
    wall_s: float
    cpu_s: float

    def facts(self) -> dict[str, Any]:
        """What ``pimsim micro SYSTEM gemv --json`` prints."""
        layout = kv_layout(self.config, self.gemv.heads, self.gemv.head_dim)
        counts = self.channel.counts()
        macs = self.gemv.counts(layout).macs
        org = self.config.memory.organization
        active = self.channel.active_ticks()
        return {
            "op": self.gemv.op,
            "context": self.gemv.context,
            "heads": self.gemv.heads,
            "head_dim": self.gemv.head_dim,
            "requests_per_channel": self.gemv.requests,
            "channels": self.gemv.channels,
            "reads": self.gemv.reads,
            "row_buffers": self.config.memory.row_buffers,
            "compat": [key for key, on in self.config.compat.items() if on],
            "cycles": self.cycles,
            "reads_cycles": self.read_cycles,
            "time_s": self.cycles * self.channel.plan.compiled.tick_fs / units.FS_PER_S,
            "counts": counts,
            "macs": macs * self.gemv.channels,
            "macs_per_cycle": macs / self.cycles,
            "peak_macs_per_cycle": org.banks_per_channel * layout.lanes // self.channel.plan.compute_ticks,
            "cycles_by_cause": self.channel.causes(),
            "active_cycles": {"memory": active[0].tolist(), "pim": active[1].tolist()},
            "folded": [f"{self.gemv.channels} equal channels are one"] if self.gemv.channels > 1 else [],
            "host": {
                "wall_s": self.wall_s,
                "cpu_s": self.cpu_s,
                "commands_per_s": sum(counts.values()) / self.wall_s,
                "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            },
        }

    def write_log(self, path: str | Path) -> None:
        """Write the commands of channel 0 as a command log."""
        compiled = self.channel.plan.compiled
        log = commandlog.from_kernel(self.log, compiled.command_names, compiled.organization, compiled.table.scope)
        commandlog.write(path, log)


def run_gemv(config: SystemConfig, gemv: Gemv, *, log: bool = False) -> GemvRun:
    """Run a GEMV micro-benchmark; the channels have the same work, so that one is simulated.

    Raises:
        InputError: the system cannot run it, or it does not fit into a channel.
        SimulationError: the commands are not those that the operation takes.
    """
    layout = kv_layout(config, gemv.heads, gemv.head_dim)
    plan = contend_plan(config)
    org = config.memory.organization
    _must_fit(config, gemv, layout)
    rows: list[np.ndarray] = []
    channel = ContendedChannel(plan, commands=rows.append if log else None)
    wall, cpu = time.perf_counter(), time.process_time()
    program = channel.enqueue(gemv.program(layout), 0)
    reads = channel.send(gemv.traffic(org.banks_per_channel, org.columns))
    done = {f.group: f.tick for f in channel.drain()}
    channel.settle(max(done[program] + 1, channel.now))
    host = time.perf_counter() - wall, time.process_time() - cpu
    _must_agree(channel, gemv.counts(layout))
    everything = np.concatenate(rows) if rows else np.zeros((0, at.LOG_FIELDS), np.int64)
    everything = everything[np.argsort(everything[:, 0], kind="stable")]
    return GemvRun(config, gemv, channel, done[program] + 1, done[reads] + 1 if gemv.reads else 0, everything, *host)


def _must_fit(config: SystemConfig, gemv: Gemv, layout: NeuPimsLayout) -> None:
    memory, org = config.memory, config.memory.organization
    problems = []
    if gemv.channels > memory.channels:
        problems.append(Problem(f"{gemv.channels} channels", f"at most {memory.channels} (memory.channels)", key="--channels"))
    need = FIRST_ROW + max(layout.key_rows(gemv.context), layout.value_rows(gemv.context))
    if need > memory.rows:
        problems.append(Problem(f"{need} rows of every bank are needed", f"at most {memory.rows} (memory.rows)", key="--context"))
    if FIRST_READ_ROW + gemv.reads // (org.columns * org.banks_per_channel) >= memory.rows:
        problems.append(Problem(f"{gemv.reads} reads do not fit into a channel", key="--reads"))
    if problems:
        raise InputError(problems)


def _must_agree(channel: ContendedChannel, expected: Counts) -> None:
    """Conservation: the commands are those of the closed forms."""
    counts = channel.counts()
    for name, count in (("GWRITE", expected.fills), ("P_HEADER", expected.headers), ("READRES", expected.composites),
                        ("COMP", expected.computes)):  # fmt: skip
        if counts.get(name, 0) != count:
            raise SimulationError(f"{counts.get(name, 0)} {name} were issued; the operation takes {count}")


__all__ = ["Gemv", "GemvRun", "contend_plan", "kv_layout", "run_gemv"]
