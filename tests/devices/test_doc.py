"""The tables of docs/neupims.md show what the code measures."""

from __future__ import annotations

from pathlib import Path

import pytest

from pimsim.devices.shared_channel import ALL_COMPAT
from pimsim.npu.compat import COMPAT
from pimsim.validate.neupims import RIGHT, case_of, name_of
from pimsim.validate.neupims_run import Case, cycles
from pimsim.validate.reference import table

TEXT = (Path(__file__).parents[2] / "docs" / "neupims.md").read_text(encoding="utf-8")
NEEDS = {"unordered_requests": "synthetic_addresses", "softmax_in_order": "logit_attend_barrier",
         "serial_npu_pipeline": "fixed_block_latency"}
PARTS = ("block", "stage-c")


def rows(mark: str) -> dict[str, list[str]]:
    """First cell -> the others, of the table behind a mark."""
    lines = TEXT.partition(f"<!-- {mark} -->\n")[2].splitlines()[2:]
    found = {}
    for line in lines:
        if not line.startswith("|"):
            break
        first, *cells = (cell.strip().strip("`") for cell in line.strip("|").split("|"))
        found[first] = cells
    return found


def change(system: str, before: tuple[str, ...], after: tuple[str, ...], part: str) -> str:
    """How a part's cycles change, as the table says it."""
    old, new = (cycles(Case(system, part, overrides, (0, 0, 0), 64, 512)) for overrides in (before, after))
    return "0" if new == old else f"{100 * (new / old - 1):+.2f} %"


def test_every_run_of_the_reference_is_there() -> None:
    assert list(rows("runs")) == [f"{case_of(row).system}, {name_of(case_of(row))}" for row in table("neupims_runs")]


def test_every_key_is_there_and_described() -> None:
    assert list(rows("keys")) == list(ALL_COMPAT)
    assert all(f"* `{key}`: " in TEXT for key in COMPAT)


@pytest.mark.slow
@pytest.mark.parametrize("row", table("neupims_runs"), ids=lambda row: name_of(case_of(row)))
def test_cycles_of_runs(row: dict[str, str]) -> None:
    case = case_of(row)
    cells = rows("runs")[f"{case.system}, {name_of(case)}"]
    ours = cycles(case)
    right = cycles(Case(RIGHT[case.system], case.part, case.overrides, case.shape, case.batch, case.context, case.channels))
    its = int(row["cycles"])
    assert cells == [f"{its:,}", f"{ours:,}", f"{100 * (ours / its - 1):+.2f} %", f"{100 * float(row['share']):g} %", f"{right:,}"]


@pytest.mark.slow
@pytest.mark.parametrize("key", list(ALL_COMPAT))
def test_worth_of_keys(key: str) -> None:
    before = (f"compat.{NEEDS[key]}=true",) if key in NEEDS else ()
    cells = [change("neupims", before, (*before, f"compat.{key}=true"), part) for part in PARTS]
    if key != "serial_npu_pipeline":  # not of that system
        cells += [change("neupims-authors", (f"compat.{key}=false",), (), part) for part in PARTS]
    assert rows("keys")[key][: len(cells)] == cells
