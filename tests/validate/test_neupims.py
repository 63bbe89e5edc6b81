"""NeuPIMs against its authors' simulator; the table is validate/reference/neupims_runs.csv."""

from __future__ import annotations

import pytest

from pimsim.validate import systolic
from pimsim.validate.figure import Verdict
from pimsim.validate.neupims import case_of, name_of
from pimsim.validate.neupims_run import cycles
from pimsim.validate.reference import table

ROWS = table("neupims_runs")
QUICK = ("gemm", "attention")


def identity(row: dict[str, str]) -> str:
    return f"{row['system']} {name_of(case_of(row))}"


@pytest.mark.parametrize("row", [
    pytest.param(row, id=identity(row), marks=[] if row["part"] in QUICK or row["batch"] == "16" else pytest.mark.slow) for row in ROWS
])
def test_cycles_agree(row: dict[str, str]) -> None:
    assert cycles(case_of(row)) == pytest.approx(int(row["cycles"]), rel=float(row["share"]))


@pytest.mark.parametrize("row", [row for row in ROWS if row["part"] == "attention"], ids=identity)
def test_attention_agrees_to_six_cycles(row: dict[str, str]) -> None:
    assert cycles(case_of(row)) == pytest.approx(int(row["cycles"]), abs=6)


@pytest.mark.parametrize("row", [row for row in ROWS if row["part"] == "gemm"], ids=identity)
def test_products_agree_within_two_percent(row: dict[str, str]) -> None:
    assert cycles(case_of(row)) == pytest.approx(int(row["cycles"]), rel=0.02)


def test_shares_are_those_that_are_required() -> None:
    required = {"attention": 0.03, "gemm": 0.05, "block": 0.05, "stage-c": 0.05}
    assert all(float(row["share"]) == required[row["part"]] for row in ROWS)


def test_arrays_agree_with_scale_sim() -> None:
    assert {figure.verdict for figure in systolic.figures(lambda text: None)} == {Verdict.OK}


def test_commands_print_the_same_cycles() -> None:
    case = case_of(ROWS[3])
    assert case.command == "pimsim micro neupims-authors gemm --m 128 --k 128 --n 128"
