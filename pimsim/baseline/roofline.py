"""The time of a kernel: an overhead, and then the longest of what bounds it.

    t = kernels x overhead + max( memory, compute, tasks x task / units, chain x chain time )
    memory = bytes / (peak bandwidth x share),  compute = 2 macs / (peak rate x share)

The overhead makes the curves of achievable bandwidth and of achievable FLOP/s over the size of an operator: a kernel of b bytes gets
b / (b + overhead x bandwidth) of what a large one does, one of f operations f / (f + overhead x rate). Attention has
limits of its own: a sequence's head is one unit's work however short its context, and where there are too few heads to fill the units, a
context is worked off in turn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pimsim import units
from pimsim.baseline.work import CLASS_OF, KINDS, Table
from pimsim.config.baseline import CLASSES, BaselineConfig, DeviceConfig, EfficiencyConfig

LIMITS = ("memory", "compute", "latency", "overhead")
"""What a kernel's time is mostly made of."""


@dataclass(frozen=True)
class Rates:
    """The constants of the formula as arrays over :data:`CLASSES`; times in seconds."""

    bytes_per_s: float
    flops_per_s: float
    units: int
    overhead_s: np.ndarray
    bandwidth: np.ndarray
    compute: np.ndarray
    task_s: np.ndarray
    chain_s: np.ndarray


def rates(device: DeviceConfig, efficiency: EfficiencyConfig) -> Rates:
    """The constants of a device."""
    each = [getattr(efficiency, name) for name in CLASSES]
    return Rates(
        float(device.bandwidth), device.matrix, device.units,
        np.array([k.overhead / units.FS_PER_S for k in each]), np.array([k.bandwidth for k in each]),
        np.array([k.compute for k in each]), np.array([(k.task or 0) / units.FS_PER_S for k in each]),
        np.array([(k.chain or 0) / units.FS_PER_S for k in each]),
    )  # fmt: skip


def kernel_counts(config: BaselineConfig) -> np.ndarray:
    """Kernels that an operator of each of :data:`KINDS` is, in the mode of execution."""
    host = config.efficiency.host
    numbers = host.kernels if config.execution.mode == "eager" else host.graph_kernels
    return np.array([numbers.get(name, 1) for name in KINDS])


def kernel_s(rates: Rates, table: Table, counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of every kernel of ``table`` (one of its repeats), and which of :data:`LIMITS` they mostly are.

    ``counts``: see :func:`kernel_counts`. Several kernels of one operator each move its activations.
    """
    of = CLASS_OF[table.kind]
    number = counts[table.kind]
    overhead = number * rates.overhead_s[of]
    memory = (table.stored_bytes + number * table.moved_bytes) / (rates.bytes_per_s * rates.bandwidth[of])
    compute = 2 * table.macs / (rates.flops_per_s * rates.compute[of])
    latency = np.maximum(table.tasks * rates.task_s[of] / rates.units, table.chain * rates.chain_s[of])
    bounds = np.stack([memory, compute, latency, overhead])
    return overhead + bounds[:3].max(axis=0), bounds.argmax(axis=0)


def bound_s(device: DeviceConfig, table: Table) -> np.ndarray:
    """Seconds below which no kernel of ``table`` can be: its bytes at the peak bandwidth, its operations at the peak rate."""
    return np.maximum(table.bytes / float(device.bandwidth), 2 * table.macs / device.matrix)
