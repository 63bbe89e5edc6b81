"""The controller against totals of Ramulator 2.1 and DRAMsim3 whose logs are not carried (``tests/reference/dram/totals.csv``)."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pimsim.config import load_dram
from pimsim.dram.request_pattern import generate
from pimsim.sim.traffic import run_requests

PARTS = {"ddr4": "ddr4-8gb-x8-2400", "gddr6": "gddr6-8gb-x16-14000", "hbm2": "hbm2-4gb-2000"}
SETTINGS = {
    "ram_rowhit": [],
    "ram_noref": ["controller.refresh=none"],
    "ds3_fr32": ["controller.policy=dramsim3-fr32"],
    "ds3_fr32_noref": ["controller.policy=dramsim3-fr32", "controller.refresh=none"],
}
with (Path(__file__).parents[1] / "reference" / "dram" / "totals.csv").open() as file:
    TOTALS = list(csv.DictReader(file))


@pytest.mark.parametrize("row", TOTALS, ids=lambda r: f"{r['standard']}-{r['config']}-{r['workload']}")
def test_last_access_is_in_the_cycle_of_the_reference(row: dict[str, str]) -> None:
    config = load_dram(PARTS[row["standard"]], SETTINGS[row["config"]])
    summary = run_requests(config, [generate(row["workload"], config.memory.organization)]).summary()
    assert summary["last_rdwr_cycle"] == int(row["last_rdwr_cycle"])
