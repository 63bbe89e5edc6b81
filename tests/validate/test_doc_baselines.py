"""The tables of docs/baselines.md show what committed code predicts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from pimsim.baseline.bench import from_csv, predicted
from pimsim.baseline.calibrate import calibrate
from pimsim.baseline.machine import energy_j, timed
from pimsim.compare.papers import PLANS
from pimsim.config import BaselineConfig, load_any
from pimsim.validate.gpu import errors
from pimsim.validate.gpu_rows import Row, a100, decode_rows, h200, latency_rows, layer_rows
from pimsim.validate.reference import text

LINES = (Path(__file__).parents[2] / "docs" / "baselines.md").read_text(encoding="utf-8").splitlines()


def cells(label: str) -> list[str]:
    (line,) = [line for line in LINES if line.startswith(f"| {label} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def shown(wrong: np.ndarray) -> list[str]:
    return [str(len(wrong)), f"{100 * np.median(wrong):.1f} %", f"{100 * wrong.max():.1f} %"]


@pytest.mark.parametrize(("label", "config", "rows"), [
    ("H200, 1,024 tokens, batch 1", h200, decode_rows), ("H200, one layer, batch 1 to 512", h200, layer_rows),
    ("A100, eager", a100, latency_rows),
])  # fmt: skip
def test_errors_of_fitted_and_held_out_rows(label: str, config: Callable[[], BaselineConfig], rows: Callable[[], Sequence[Row]]) -> None:
    sets = [np.abs(errors(config(), [row for row in rows() if row.fit is fit])) for fit in (True, False)]
    assert cells(label) == shown(sets[0]) + shown(sets[1])


def test_errors_of_power() -> None:
    def wrong(row: Row) -> float:
        run = timed(h200(), None, row.work)
        return abs(sum(energy_j(run).values()) / run.time_s / row.power_w - 1)

    sets = [np.array([wrong(row) for row in decode_rows() if row.fit is fit]) for fit in (True, False)]
    assert cells("H200, board power") == shown(sets[0]) + shown(sets[1])


def test_decoders_of_the_h100() -> None:
    config = load_any("gpu-h100")
    assert isinstance(config, BaselineConfig)
    measured = [one for one in from_csv(text("h100_kernels")).measured if one.case.whole]
    for one, seconds in zip(measured, predicted(measured, config.device, config.efficiency).tolist(), strict=True):
        width, _, layers, batch, _ = one.case.sizes
        assert cells(f"{layers} layers of {width:,}, batch {batch}" if width >= 1000 else f"{layers} layers of {width}, batch {batch}") == [
            f"{1e3 * one.seconds:.3f} ms", f"{1e3 * seconds:.3f} ms", f"{100 * (seconds / one.seconds - 1):+.0f} %"]  # fmt: skip


def test_calibration_of_the_h100() -> None:
    done = calibrate(from_csv(text("h100_kernels")), "gpu-h100-measured")
    for what, (number, median, worst) in done.errors.items():
        assert cells(what) == [str(number), f"{100 * median:.1f} %", f"{100 * worst:.1f} %"]


def test_shipped_h100_is_what_calibration_writes() -> None:
    done = calibrate(from_csv(text("h100_kernels")), "gpu-h100-measured")
    assert (Path(__file__).parents[2] / "hwconfigs" / "gpu-h100-measured.yaml").read_text(encoding="utf-8") == done.yaml


@pytest.mark.slow
def test_pim_gpt_over_t4_and_xeon() -> None:
    from pimsim.validate.pim_gpt import _lines

    found = {(line.claim.over, line.setting.assumption, line.claim.what): line for line in _lines()}
    rows = [line for line in LINES if line.startswith(("| T4 |", "| | eager", "| | CUDA", "| Xeon Gold 6154 |"))]
    over = ""
    assert len(rows) == len(PLANS["pim-gpt"].claims) // 2
    for row in rows:
        name, assumption, speed, _, energy, _ = [cell.strip() for cell in row.strip("|").split("|")]
        over = name or over
        for what, printed in (("speed-up", speed), ("energy efficiency", energy)):
            ratios = found[over, assumption, what].ratios.values()
            low, high = (float(number.replace(",", "")) for number in printed.split(" to "))
            assert (low, high) == pytest.approx((min(ratios), max(ratios)), rel=6e-3)
