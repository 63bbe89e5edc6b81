"""Costs of rows of many lengths at once: those of :func:`pimsim.asic.latency.cost_of_one`, worked out with arrays."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from pimsim.asic.latency import Cost
from pimsim.asic.recorder import Schedule, record
from pimsim.asic.spec import AsicSpec

MOST = 256
"""Lengths that are worked out together."""


def costs(spec: AsicSpec, kind: str, rows: int, columns: int, beside: int = 0) -> tuple[int, tuple[Cost, ...]]:
    """Costs of ``rows`` rows of ``columns`` elements and of neighbouring lengths that fold in the same number of steps.

    ``beside``: rows of the same operation that wait in SRAM meanwhile.

    Returns (the first of these lengths, the cost of each from there on). What does not fit into SRAM is spilled.
    """
    below = 1 << (columns - 1).bit_length() - 1  # lengths that fold in as many steps: below + 1 .. 2 below
    count = min(below, MOST)
    first = (columns - 1) // count * count + 1
    return first, _costs(spec, kind, rows, beside, first, count)


@lru_cache(maxsize=4096)
def _schedules(spec: AsicSpec, kind: str, first: int, count: int) -> Schedule:
    return record(spec, kind, np.arange(first, first + count))


@lru_cache(maxsize=4096)
def _costs(spec: AsicSpec, kind: str, rows: int, beside: int, first: int, count: int) -> tuple[Cost, ...]:
    plan = _schedules(spec, kind, first, count)
    adds, multiplies, reads, writes, live = (
        np.array([np.broadcast_to(getattr(stage, field), count) for stage in plan.stages])
        for field in ("adds", "multiplies", "read_bytes", "write_bytes", "live_bytes")
    )
    outside, shared, sram, there = plan.outside_bytes, plan.shared_bytes, spec.sram_bytes, rows + beside

    def occupied(block: int | np.ndarray) -> np.ndarray:
        return np.asarray(shared + block * live.max(axis=0) + (there - block) * outside)

    a_row = occupied(1) - occupied(0)
    fitting = np.where(a_row > 0, (sram - occupied(0)) // np.maximum(a_row, 1), 0)
    least = np.minimum(rows, _ceil_div(max(spec.adders, spec.multipliers), np.arange(first, first + count)))
    block = np.where(occupied(rows) <= sram, rows, np.maximum(np.minimum(fitting, rows), least))
    spill = 2 * _ceil_div(np.minimum(np.maximum(0, occupied(block) - sram), (there - block) * outside) * rows, there)
    full, rest = np.divmod(rows, block)
    charged = np.zeros((4, count), np.int64)
    for size, times in ((block, full), (rest, rest > 0)):
        cycles = np.stack([_ceil_div(size * adds, spec.adders), _ceil_div(size * multiplies, spec.multipliers),
                           _ceil_div(size * reads, spec.sram_read_bytes_per_cycle),
                           _ceil_div(size * writes, spec.sram_write_bytes_per_cycle)])  # fmt: skip
        limit = cycles.argmax(axis=0)  # the first of equals
        for i in range(4):
            charged[i] += times * (cycles[i] * (limit == i)).sum(axis=0)
        spill = spill + times * (2 * np.maximum(0, shared + size * live - sram)).sum(axis=0)
    blocks = full + (rest > 0)
    columns = (*charged, blocks * sum(stage.depth for stage in plan.stages), _ceil_div(spill, spec.io_bytes_per_cycle),
               *(rows * work.sum(axis=0) for work in (adds, multiplies, reads, writes)),
               np.minimum(occupied(block), sram), spill, blocks)  # fmt: skip
    return tuple(Cost(*values) for values in zip(*(column.tolist() for column in columns), strict=True))


def _ceil_div(a: int | np.ndarray, b: int | np.ndarray) -> np.ndarray:
    return np.asarray(-(-a // b))
