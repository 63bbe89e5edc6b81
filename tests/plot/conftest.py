"""A run with a prompt, and a small sweep's table whose numbers are made by rules that tests can check."""

from __future__ import annotations

import itertools

import pandas as pd
import pytest

import pimsim
from pimsim.plot.table import SweepTable, make


@pytest.fixture(scope="session")
def run(tiny: str) -> pimsim.Result:
    return pimsim.run("pim-gpt", tiny)


@pytest.fixture
def frame() -> pd.DataFrame:
    """Time = model size / channels / clock; energy grows with channels."""
    sizes = {"small": 8.0, "large": 32.0}
    return pd.DataFrame([
        {"workload": name, "memory.channels": channels, "asic.clock": clock, "time_s": size / channels / clock,
         "tokens_per_s": channels * clock / size, "energy_j.total": size * (1 + channels / 100), "error": None}
        for (name, size), channels, clock in itertools.product(sizes.items(), (2, 4, 8), (1, 2))])  # fmt: skip


@pytest.fixture
def sweep(frame: pd.DataFrame) -> SweepTable:
    return make("example", frame, {"axes": {"workload": [], "memory.channels": [], "asic.clock": []},
                                   "objectives": ["time_s", "energy_j.total"]})  # fmt: skip
