"""The constants that ship are those that the rows for fitting give."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pimsim.baseline.fit import KERNELS, Sample, fit_kernels, value
from pimsim.baseline.roofline import kernel_counts, kernel_s, rates
from pimsim.config import load_efficiency
from pimsim.validate.gpu_rows import decode_rows, h200, latency_rows, layer_rows, samples
from tests.tools.fit_baselines import NAMES, fitted


def test_shipped_constants_are_fitted_ones_to_three_digits() -> None:
    shipped, found = load_efficiency("gpu").efficiency, fitted()
    assert {name: value(found, name) for name in NAMES} == pytest.approx({name: value(shipped, name) for name in NAMES}, rel=6e-3)


def test_fit_finds_back_the_constants_that_made_the_times() -> None:
    config, counts = h200(), kernel_counts(h200())
    true = load_efficiency("gpu").efficiency
    rows = [row for row in (*decode_rows(), *layer_rows()) if row.fit]

    def seconds(sample: Sample) -> float:
        each, _ = kernel_s(rates(config.device, true), sample.table, counts)
        return float((each * sample.table.repeat).sum())

    made = [replace(sample, seconds=seconds(sample)) for sample in samples(rows)]
    wrong = true.model_copy(update={"matmul": true.matmul.model_copy(update={"overhead": 2 * true.matmul.overhead, "bandwidth": 0.5})})
    found = fit_kernels(made, config.device, wrong, counts)
    assert {p.name: value(found, p.name) for p in KERNELS} == pytest.approx({p.name: value(true, p.name) for p in KERNELS}, rel=1e-3)


def test_rows_for_fitting_and_held_out_ones_share_no_shape() -> None:
    def shapes(fit: bool) -> set[str]:
        return {row.name.split(":")[0].replace("gpt3", "gpt2") for row in decode_rows() if row.fit is fit and "gpt3-l" not in row.name
                and "xl" not in row.name}  # fmt: skip

    assert not shapes(True) & shapes(False)


@pytest.mark.parametrize(("rows", "fit", "held_out"), [(decode_rows, 4, 4), (layer_rows, 18, 36), (latency_rows, 16, 32)])
def test_number_of_rows(rows: object, fit: int, held_out: int) -> None:
    found = rows()  # type: ignore[operator]
    assert (sum(row.fit for row in found), sum(not row.fit for row in found)) == (fit, held_out)


def test_every_model_of_the_latency_table_has_held_out_cells() -> None:
    assert {row.name.split(":")[0] for row in latency_rows() if not row.fit} == {
        "gpt2-medium", "gpt2-large", "ianus-gpt2-xl", "ianus-gpt2-2.5b"}  # fmt: skip
