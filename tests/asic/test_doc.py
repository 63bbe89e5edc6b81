"""The cost table of docs/asic.md is what the model says."""

from pathlib import Path

import pytest

from pimsim.asic.latency import cost
from pimsim.asic.spec import AsicSpec

DOC = Path(__file__).parents[2] / "docs" / "asic.md"


def rows() -> list[list[str]]:
    section = DOC.read_text(encoding="utf-8").split("## Cost with the defaults")[1].split("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in section.splitlines()[3:]]


def test_the_table_is_there():
    assert len(rows()) == 7


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0])
def test_cost_table(row):
    size = (row[0], int(row[1]), int(row[2]))
    plain, chained, fp32 = (cost(AsicSpec(**f), *size) for f in ({}, {"chained": True}, {"datapath": "fp32"}))
    found = [plain.adds, plain.multiplies, plain.cycles, chained.cycles, fp32.cycles, plain.peak_sram_bytes]
    assert found == [int(cell) for cell in row[3:]]
