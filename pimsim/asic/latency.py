"""How long an ASIC operation takes, what it moves and how much SRAM it needs.

Stages follow one another. One of them takes, for ``rows`` rows,

    max over {adders, multipliers, SRAM read port, SRAM write port} of ceil(rows x work / width)  +  depth

cycles. Rows that do not fit into SRAM together run in blocks: the other rows hold only what comes in or goes out. What
does not fit even then moves over the pins (``on_overflow: spill``) or is refused (``error``).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from pimsim.asic.operations import find
from pimsim.asic.recorder import Schedule, Stage, schedule
from pimsim.asic.spec import AsicSpec
from pimsim.errors import InputError, Problem
from pimsim.units import ceil_div

MANY = 16
"""Row lengths from which on the costs of neighbouring ones are worked out with it: the softmax grows by one element a token."""


@dataclass(frozen=True)
class Cost:
    """What one operation takes. Every cycle is charged to what limited it: ``cycles`` is the sum of ``*_cycles``."""

    adder_cycles: int
    multiplier_cycles: int
    sram_read_cycles: int
    sram_write_cycles: int
    depth_cycles: int  # filling and draining pipelines
    spill_cycles: int  # moving ``spill_bytes`` over the pins, nothing else going on
    adds: int
    multiplies: int
    sram_read_bytes: int
    sram_write_bytes: int
    peak_sram_bytes: int  # inputs, outputs and scratch; at most the SRAM's size when something is spilled
    spill_bytes: int  # extra bytes over the pins because SRAM is too small
    blocks: int

    @property
    def cycles(self) -> int:
        """All cycles of the ASIC's clock, spilling included."""
        return (
            self.adder_cycles
            + self.multiplier_cycles
            + self.sram_read_cycles
            + self.sram_write_cycles
            + self.depth_cycles
            + self.spill_cycles
        )


@lru_cache(maxsize=65536)
def cost(spec: AsicSpec, kind: str, rows: int, columns: int = 1, beside: int = 0) -> Cost:
    """Cost of the operation ``kind`` on ``rows`` x ``columns`` elements.

    ``beside``: so many more rows of the same operation wait in SRAM for their turn, or are done and wait there. What of them does
    not fit is spilled; each row's share counts with the call that it runs in.

    Element-by-element kinds (add, bias, scale, relu, gelu, geglu, silu, swiglu): rows = elements. rotary: rows = pairs.
    partial_sum: rows = outputs, columns = chunks. softmax: rows = heads, columns = context. layernorm, rmsnorm: rows =
    vectors, columns = their length. The time for vectors to come in over the pins and go out again is not included.

    Raises :class:`InputError` for an unknown kind, one that this ASIC lacks hardware for, sizes that are not positive
    whole numbers, or, with ``on_overflow: error``, an operation that does not fit into SRAM.
    """
    _check_sizes(kind, rows, columns)
    if columns >= MANY and spec.on_overflow == "spill":
        from pimsim.asic.batch import costs

        first, lengths = costs(spec, kind, rows, columns, beside)
        return lengths[columns - first]
    return cost_of_one(spec, kind, rows, columns, beside)


def cost_of_one(spec: AsicSpec, kind: str, rows: int, columns: int, beside: int = 0) -> Cost:
    """What :func:`cost` returns, for sizes that make sense, from the schedule of rows of just this length."""
    plan = schedule(spec, kind, columns)
    block, there = _block_rows(spec, plan, rows, columns, beside), rows + beside
    peak_bytes = _occupied_bytes(plan, there, block)
    overflow_bytes = max(0, peak_bytes - spec.sram_bytes)
    if overflow_bytes and spec.on_overflow == "error":
        message = f"{kind} of {there} x {columns} needs {peak_bytes} bytes of ASIC SRAM, {overflow_bytes} too many"
        raise InputError(Problem(message, f"at least {peak_bytes}, or asic.on_overflow: spill", key="asic.sram_bytes"))
    full, rest = divmod(rows, block)
    charged: Counter[str] = Counter()
    spill_bytes = 2 * ceil_div(min(overflow_bytes, (there - block) * plan.outside_bytes) * rows, there)
    for size, times in ((block, full), (rest, 1 if rest else 0)):
        for stage in plan.stages:
            cycles, limit = _limit(spec, stage, size)
            charged[limit] += times * cycles
            spill_bytes += times * 2 * max(0, plan.shared_bytes + size * stage.live_bytes - spec.sram_bytes)
    blocks = full + bool(rest)
    return Cost(
        adder_cycles=charged["adder"],
        multiplier_cycles=charged["multiplier"],
        sram_read_cycles=charged["sram_read"],
        sram_write_cycles=charged["sram_write"],
        depth_cycles=blocks * sum(s.depth for s in plan.stages),
        spill_cycles=ceil_div(spill_bytes, spec.io_bytes_per_cycle),
        adds=rows * sum(s.adds for s in plan.stages),
        multiplies=rows * sum(s.multiplies for s in plan.stages),
        sram_read_bytes=rows * sum(s.read_bytes for s in plan.stages),
        sram_write_bytes=rows * sum(s.write_bytes for s in plan.stages),
        peak_sram_bytes=min(peak_bytes, spec.sram_bytes),
        spill_bytes=spill_bytes,
        blocks=blocks,
    )


def _check_sizes(kind: str, rows: int, columns: int) -> None:
    by_row = find(kind).by_row
    problems = [
        Problem(f"{kind} of {rows} x {columns}: {size!r} {name} are impossible", "a whole number, at least 1")
        for name, size in (("rows", rows), ("columns", columns))
        if not isinstance(size, int) or size < 1
    ]
    if not by_row and columns != 1:
        problems.append(Problem(f"{kind} works element by element but was given {columns} columns", "1"))
    if problems:
        raise InputError(problems)


def _occupied_bytes(plan: Schedule, rows: int, block: int) -> int:
    """SRAM needed at the most while a block of ``rows`` rows runs and the other rows wait or are done."""
    live = max(s.live_bytes for s in plan.stages)
    return plan.shared_bytes + block * live + (rows - block) * plan.outside_bytes


def _block_rows(spec: AsicSpec, plan: Schedule, rows: int, columns: int, beside: int) -> int:
    """The most rows that fit at once; at the least as many as keep every unit busy for a cycle, fitting or not."""
    if _occupied_bytes(plan, rows + beside, rows) <= spec.sram_bytes:
        return rows
    outside = _occupied_bytes(plan, rows + beside, 0)
    a_row = _occupied_bytes(plan, rows + beside, 1) - outside
    fitting = (spec.sram_bytes - outside) // a_row if a_row > 0 else 0
    return max(min(fitting, rows), min(rows, ceil_div(max(spec.adders, spec.multipliers), columns)))


def _limit(spec: AsicSpec, stage: Stage, rows: int) -> tuple[int, str]:
    """Cycles until the last element of ``stage`` has started, and what limits that (the first of equals)."""
    adder = ceil_div(rows * stage.adds, spec.adders)
    multiplier = ceil_div(rows * stage.multiplies, spec.multipliers)
    sram_read = ceil_div(rows * stage.read_bytes, spec.sram_read_bytes_per_cycle)
    sram_write = ceil_div(rows * stage.write_bytes, spec.sram_write_bytes_per_cycle)
    cycles = max(adder, multiplier, sram_read, sram_write)
    if cycles == adder:
        return cycles, "adder"
    if cycles == multiplier:
        return cycles, "multiplier"
    return cycles, "sram_read" if cycles == sram_read else "sram_write"
