"""How fast a PIM program runs on one channel: commands a second, on one core, with warm caches.

Run with ``pytest tests/benchmarks --benchmark-enable``; ``commands_per_s`` is among the extra information of each benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pimsim.dram.compile import compile_part, initial_state
from pimsim.dram.spec import Organization
from pimsim.dram.standards.gddr6 import GDDR6
from pimsim.kernels.channel import LOG_FIELDS
from pimsim.kernels.packed import H_VECTOR, counters
from pimsim.kernels.program import LOOP, MAX_DEPTH, run_program
from pimsim.kernels.table import CAUSES
from pimsim.pim.pim_gpt import PIM_GPT

TIMING = dict(
    tRCDRD=24, tRCDWR=24, tRCDMAC=24, tRP=24, tCCDS=2, tCCDL=2, tWR=24, tRFCab=910, tREFI=13650, tRFCpb=105, tRREFD=21, tRAS=54,
    tRC=78, tRRDS=11, tRRDL=11, tFAW=42, tRTP=12, CL=50, CWL=6, tWTRS=9, tWTRL=11, tRTW=50, tPPD=2, CLREG=0, CWLREG=1, CWLGB=1,
    WPRE=1, BL=2,
)  # fmt: skip
"""Clocks of 0.5 ns: hwconfigs/dram/gddr6-pim.yaml."""
PART = compile_part(PIM_GPT.on(GDDR6), Organization(), TIMING, 500_000)

Row = tuple[int, ...]


def loop(times: int, body: Sequence[Row], row_step: int = 0) -> list[Row]:
    return [(LOOP, 0, row_step, 0, times, 0, 0, len(body)), *body]


def op(name: str, bank: int = 0, count: int = 1) -> Row:
    return (PART.command(name), bank, 0, 0, count, 0, 0, 0)


TURN = [op(name, bank) for name in ("ACT", "WR", "PRE") for bank in (0, 4, 8, 12)]
PROGRAMS = {
    # rows of 64 MACs, each an instruction of its own
    "one-by-one": (loop(2_000, loop(64, [op("MAC16")]), row_step=1), False),
    # a buffer fill, a row and its results, each command an instruction of its own
    "one-by-one-gemv": (loop(1_000, [*loop(64, [op("WRGB")]), *loop(64, [op("MAC16")]), op("RDMAC16")], row_step=1), False),
    # single-bank activates, writes and precharges in turn: no command follows one of its kind and bank
    "one-by-one-interleaved": (loop(10_000, TURN, row_step=1), False),
    # the same rows of 64 as counted runs, and with fast-forward
    "counted": (loop(20_000, [op("MAC16", count=64)], row_step=1), False),
    "fast-forward": (loop(200_000, loop(64, [op("MAC16")]), row_step=1), True),
    "counted-fast-forward": (loop(2_000_000, [op("MAC16", count=64)], row_step=1), True),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_commands_per_second(benchmark: Any, name: str) -> None:
    rows, fast = PROGRAMS[name]
    program = np.array(rows, np.int64)
    snapshots = np.zeros((MAX_DEPTH, PART.packed[H_VECTOR]), np.int64)
    log = np.zeros((0, LOG_FIELDS), np.int64)

    def run() -> np.ndarray:
        state = initial_state(PART.table, 1)[0]
        run_program(PART.packed, state, snapshots, log, program, 0, len(program), 0, 0, 0, 0, fast)
        return state

    state = benchmark(run)
    commands = int(state[counters(PART.table)][CAUSES : CAUSES + PART.table.commands].sum())
    assert commands > 100_000
    if benchmark.stats:
        benchmark.extra_info["commands"] = commands
        benchmark.extra_info["commands_per_s"] = round(commands / benchmark.stats.stats.min)
